//! A hostile cell harms nobody but its own call: each misdeed has its own typed end, and other people are answered
//! meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use runtime_testkit::{World, call};
use runtime_user::CallError;

/// What a misdeed ends with: the error's code, or the cell's own answer.
const ENDS: [(&str, &str); 14] = [
    ("endless-loop", "cell-deadline"),
    ("memory-bomb", "cell-out-of-memory"),
    ("stack-overflow", "cell-stack-overflow"),
    ("shadow-stack-overflow", "cell-stack-overflow"),
    ("trap", "cell-trapped"),
    ("panic", "cell-trapped"),
    ("oversized-output", "cell-answer-too-large"),
    ("bad-status", "cell-bad-answer"),
    ("long-refusal", "cell-gave-up"),
    ("cursors-never-closed", "cell-gave-up"),
    ("huge-string", "cell-over-budget"),
    ("huge-name", "cell-over-budget"),
    ("endless-reads", "cell-deadline"),
    ("deep-write", "cell-gave-up"),
];

fn ends_with(world: &World, user: runtime_user::UserId, misdeed: &str) -> String {
    match world.call(user, "test/hostile", misdeed, b"{}", 1.0) {
        Ok(answered) => format!("{} {}", answered.status, String::from_utf8_lossy(&answered.body)),
        Err(CallError::Cell(error)) => {
            assert!(error.to_string().contains(&error.cell().short()), "{error} names no digest");
            error.code().to_owned()
        }
        Err(other) => other.code().to_owned(),
    }
}

#[test]
fn every_misdeed_ends_in_its_own_error_while_other_people_are_answered() {
    let world = World::start();
    let (villain, neighbour) = (world.person("villain"), world.person("neighbour"));
    let over = Arc::new(AtomicBool::new(false));
    let neighbours = {
        let (runtime, over) = (Arc::clone(&world.runtime), Arc::clone(&over));
        std::thread::spawn(move || {
            let tokio =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let mut answered = 0_u32;
            while !over.load(Ordering::Relaxed) {
                let answer = tokio.block_on(call(&runtime, neighbour, "usercache/get", "", b"{}", 1.0));
                assert_eq!(answer.expect("the neighbour is answered").status, 200);
                answered += 1;
            }
            answered
        })
    };
    let mut got = Vec::new();
    for (misdeed, _) in ENDS {
        got.push((misdeed, ends_with(&world, villain, misdeed)));
    }
    over.store(true, Ordering::Relaxed);
    let answered = neighbours.join().expect("the neighbour's thread ends");
    let want: Vec<_> = ENDS.iter().map(|(misdeed, end)| (*misdeed, (*end).to_owned())).collect();
    assert_eq!(got, want);
    assert!(answered >= 14, "only {answered} answers to the neighbour meanwhile");
    assert_eq!(ends_with(&world, villain, "ok"), "200 ok", "the villain's next call");
}

#[test]
fn an_answer_without_end_is_cut_and_the_caller_sees_that_it_is() {
    let world = World::start();
    let villain = world.person("villain");
    let end = world.call(villain, "test/hostile", "endless-answer", b"{}", 1.0);
    assert!(matches!(end, Err(CallError::Lost | CallError::Cell(_))), "{end:?}");
    assert_eq!(ends_with(&world, villain, "ok"), "200 ok");
}

#[test]
fn a_misdeed_leaves_nothing_in_the_store() {
    let world = World::start();
    let villain = world.person("villain");
    for misdeed in ["deep-write", "memory-bomb", "trap"] {
        ends_with(&world, villain, misdeed);
    }
    assert_eq!(world.entries(villain, &["test/hostile"]), Vec::<serde_json::Value>::new());
}
