//! A process ends at each step of a count and of a close: nothing is lost, nothing counts twice.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use runtime_aggregator::collect::collect;
use runtime_aggregator::folder::Folder;
use runtime_aggregator::send::send;
use runtime_aggregator::server::{Aggregator, Step};
use runtime_study::{Sent, Verdict};

use crate::support::{NUMBERS, Pair, Running, folder, people};

const FOLDER: &str = "CELLAR_TEST_FOLDER";
const LISTEN: &str = "CELLAR_TEST_LISTEN";
const STEP: &str = "CELLAR_TEST_STEP";

const COUNTING: [(usize, Step); 7] = [
    (1, Step::HelperHolds),
    (0, Step::LeaderAsks),
    (1, Step::HelperPrepared),
    (0, Step::LeaderHeard),
    (0, Step::LeaderCounted),
    (1, Step::HelperSettled),
    (0, Step::LeaderForgot),
];
const CLOSING: [(usize, Step); 4] =
    [(1, Step::HelperClosed), (0, Step::LeaderClosed), (0, Step::Drawn), (1, Step::Drawn)];

/// Not a test: the process that the other tests start, which ends itself at a step.
#[test]
#[ignore = "is started by the tests of this module"]
fn an_aggregator_that_ends_at_a_step() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let (listen, step) = (std::env::var(LISTEN).expect("set"), std::env::var(STEP).expect("set"));
    let listener = TcpListener::bind(listen).expect("free");
    let seen = AtomicU32::new(0);
    let watch = move |now: Step| {
        if format!("{now:?}") == step && seen.fetch_add(1, Ordering::SeqCst) == 0 {
            // As by a kill: nothing is closed, nothing is written any more.
            std::process::abort();
        }
    };
    let folder = Folder::open(&PathBuf::from(folder), false).expect("made");
    let aggregator = Aggregator::open(folder, Arc::new(watch)).expect("a ledger");
    println!("\n{{\"listen\":\"{}\"}}", listener.local_addr().expect("bound"));
    Arc::new(aggregator).serve(&listener).expect("served");
}

/// Puts a process in the place of one of the two that ends at that step.
fn ends_at(pair: &mut Pair, which: usize, step: Step) {
    pair.running[which].kill();
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    command
        .args(["--exact", "kill::an_aggregator_that_ends_at_a_step", "--ignored", "--nocapture"])
        .env(FOLDER, folder(pair.home(), which))
        .env(LISTEN, &pair.running[which].address)
        .env(STEP, format!("{step:?}"));
    pair.running[which] = Running::start(command);
}

#[test]
fn a_process_killed_at_any_step_of_a_count_loses_nothing_and_counts_nothing_twice() {
    let mut pair = Pair::start();
    let mut truth = vec![0; NUMBERS];
    let mut counted = 0;
    for (round, (which, step)) in (0_u8..).zip(COUNTING) {
        let (reports, sums) = people(&pair.study, round, 5, u64::from(round));
        ends_at(&mut pair, which, step);
        // The host's side fails, or is told what may be sent again.
        let said = send(&pair.ask(0, &reports));
        pair.running[which].wait_for_the_end();
        if let Sent::Verdicts(verdicts) = &said {
            assert!(verdicts.iter().all(|verdict| *verdict != Verdict::BadProof), "{step:?}: {verdicts:?}");
        }
        pair.restart(which);
        let again = pair.send(0, &reports);
        assert!(again.iter().all(|verdict| verdict.is_counted()), "{step:?}: {again:?}");
        counted += 5;
        truth.iter_mut().zip(sums).for_each(|(truth, sum)| *truth += sum);
        assert_eq!((pair.status(0, 0), pair.status(1, 0)), ((counted, 0), (counted, 0)), "{step:?}");
        println!("{step:?}: {said:?}");
    }
    let answer = collect(&pair.study, 0, &pair.key).expect("the two have counted the same");
    let far = 8 * i64::try_from(answer.error_bar).expect("small");
    for (total, truth) in answer.totals.iter().zip(truth) {
        assert!((total.total - truth).abs() < far, "{}: {truth}", total.total);
    }
}

#[test]
fn a_process_killed_at_any_step_of_a_close_gives_one_answer_in_the_end() {
    let mut pair = Pair::start();
    for (epoch, (which, step)) in (0..).zip(CLOSING) {
        let (reports, truth) = people(&pair.study, 1, 6, u64::from(epoch));
        assert_eq!(pair.send(epoch, &reports), vec![Verdict::Counted; 6]);
        ends_at(&mut pair, which, step);
        assert!(collect(&pair.study, epoch, &pair.key).is_err(), "{step:?}: it ended");
        pair.running[which].wait_for_the_end();
        pair.restart(which);
        // What closed stays closed, and nobody comes in between.
        let late = pair.send(epoch, &people(&pair.study, 2, 1, 1).0);
        let answer = collect(&pair.study, epoch, &pair.key).expect("an answer");
        assert_eq!(late, [Verdict::Closed], "{step:?}");
        assert_eq!(collect(&pair.study, epoch, &pair.key).expect("the same"), answer);
        let far = 8 * i64::try_from(answer.error_bar).expect("small");
        for (total, truth) in answer.totals.iter().zip(truth) {
            assert!((total.total - truth).abs() < far, "{step:?}: {} and {truth}", total.total);
        }
    }
}
