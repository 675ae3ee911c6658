//! Attack 88: two administrators at once.

use std::sync::Barrier;
use std::time::Instant;

use runtime_user::{KeyMode, Runtime};

use super::attack_changes::{exported, import};
use super::support::{content, end, fill, folder, host_opens, leftovers, mode, open, pair};

const ROUNDS: usize = 6;

/// Does both at the same time.
fn both<A: Send, B: Send>(
    runtime: &Runtime,
    one: impl FnOnce(&Runtime) -> A + Send,
    other: impl FnOnce(&Runtime) -> B + Send,
) -> (A, B) {
    let start = Barrier::new(2);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            start.wait();
            other(runtime)
        });
        start.wait();
        let one = one(runtime);
        (one, other.join().unwrap())
    })
}

#[test]
fn attack_88_of_two_imports_of_one_person_one_is_kept_whole_and_the_other_leaves_it_alone() {
    let (file, user) = exported("brought along");
    for round in 0..ROUNDS {
        let data = tempfile::tempdir().unwrap();
        let runtime = open(data.path());
        let done = both(&runtime, |runtime| import(runtime, &file), |runtime| import(runtime, &file));
        let (won, lost) = match done {
            (Ok(()), Err(lost)) | (Err(lost), Ok(())) => (user, lost),
            other => panic!("round {round}: {other:?}"),
        };
        assert!(lost.contains("is here already"), "{lost}");
        for again in [false, true] {
            assert_eq!(content(&runtime, won).as_deref(), Some("brought along"), "round {round}, {again}");
            assert!(leftovers(&runtime).is_empty());
        }
        end(runtime);
        let runtime = open(data.path());
        assert_eq!(content(&runtime, won).as_deref(), Some("brought along"), "round {round}, after a start");
        end(runtime);
    }
}

/// How far into a pairing the revocation begins, in parts of its time: wherever one of them reads what the other is about
/// to write.
const BEGINNINGS: u32 = 24;

#[test]
fn attack_88_a_revocation_beside_a_pairing_shuts_out_the_one_and_lets_in_the_other() {
    for round in 0..BEGINNINGS {
        let data = tempfile::tempdir().unwrap();
        let runtime = open(data.path());
        let ada = runtime.people().add_owner("Ada", 1.0).unwrap();
        let stays = pair(&runtime, ada, None).unwrap();
        let begun = Instant::now();
        let lost = pair(&runtime, ada, None).unwrap();
        let later = begun.elapsed() * round / BEGINNINGS;
        assert!(stays.connects(&runtime, ada) && lost.connects(&runtime, ada));
        let device = lost.paired.device_id;
        let (revoked, paired) = both(
            &runtime,
            |runtime| {
                std::thread::sleep(later);
                runtime.devices().revoke(ada, device, 1)
            },
            |runtime| pair(runtime, ada, None),
        );
        revoked.unwrap();
        let new = paired.unwrap();
        for start in [false, true] {
            let runtime = if start { open(data.path()) } else { std::sync::Arc::clone(&runtime) };
            assert!(!lost.connects(&runtime, ada) && !lost.opens(&runtime, ada), "round {round}");
            for phone in [&stays, &new] {
                assert!(phone.connects(&runtime, ada) && phone.opens(&runtime, ada), "round {round}");
            }
            if start {
                end(runtime);
            }
        }
        end(runtime);
    }
}

#[test]
fn attack_88_modes_revocations_and_erasures_at_once_leave_one_state_and_no_remains() {
    for round in 0..ROUNDS {
        let data = tempfile::tempdir().unwrap();
        let runtime = open(data.path());
        let ada = runtime.people().add_owner("Ada", 1.0).unwrap();
        let (stays, lost) = (pair(&runtime, ada, None).unwrap(), pair(&runtime, ada, None).unwrap());
        assert!(stays.connects(&runtime, ada));
        fill(&runtime, ada, "kept");
        let device = lost.paired.device_id;
        let to = |mode| move |runtime: &Runtime| runtime.locks().set_mode(ada, mode);
        let (entered, revoked) =
            both(&runtime, to(KeyMode::Unattended), |runtime| runtime.devices().revoke(ada, device, 1));
        entered.unwrap();
        revoked.unwrap();
        assert!(host_opens(&runtime, ada) && stays.opens(&runtime, ada) && !lost.opens(&runtime, ada));
        let (left, again) = both(&runtime, to(KeyMode::Lease), to(KeyMode::PhoneUnlocked));
        left.unwrap();
        again.unwrap();
        assert!(!host_opens(&runtime, ada) && stays.opens(&runtime, ada), "round {round}");
        assert_ne!(mode(&runtime, ada), Some(KeyMode::Unattended));
        let (token, suspended) = both(
            &runtime,
            |runtime| runtime.people().new_token(ada, None, false).map(drop),
            |runtime| runtime.people().suspend(ada, true),
        );
        token.unwrap();
        suspended.unwrap();
        let record = runtime.people().show(&ada.to_string()).unwrap();
        assert!(record.suspended && record.tokens.len() == 1, "neither change is lost");
        runtime.people().suspend(ada, false).unwrap();
        stays.unlock(&runtime, ada);
        let (erased, _) = both(&runtime, |runtime| runtime.erase(ada), |runtime| pair(runtime, ada, None));
        if erased.is_err() {
            runtime.erase(ada).unwrap();
        }
        assert!(!folder(&runtime, ada).exists() && leftovers(&runtime).is_empty(), "round {round}");
        end(runtime);
    }
}
