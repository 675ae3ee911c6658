//! Attack 89: a lease that ends while a run uses the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use runtime_store::{Options, Store};
use runtime_user::{HostClock, LockState};

use super::support::{end, fill, folder, key_for, open_with, pair};

/// A clock that a test moves.
#[derive(Debug, Default)]
struct Hand(AtomicU64);

impl HostClock for Hand {
    fn wall_s(&self) -> f64 {
        1_760_000_000.0 + self.steady_s()
    }

    fn steady_s(&self) -> f64 {
        self.0.load(Ordering::SeqCst) as f64
    }
}

#[test]
fn attack_89_a_store_whose_lease_ends_in_a_run_is_closed_by_the_end_of_the_run() {
    let data = tempfile::tempdir().unwrap();
    let clock = Arc::new(Hand::default());
    let runtime = open_with(data.path(), |settings| {
        settings.clock = clock.clone();
        settings.lease_ms = 60_000;
        // No store is closed because it is idle.
        settings.idle_close_ms = u64::MAX;
    });
    let ada = runtime.people().add_owner("Ada", 1.0).unwrap();
    let phone = pair(&runtime, ada, None).unwrap();
    phone.unlock(&runtime, ada);
    fill(&runtime, ada, "kept");
    let held = key_for(&runtime, ada, Some(&phone), &phone.wrap).unwrap();
    let store = folder(&runtime, ada).join("store");
    // Only a closed store can be opened another time.
    let is_closed = || Store::open(&store, ada, &held, &Options::default()).is_ok();

    let (run, another) = (runtime.person(ada).unwrap(), runtime.person(ada).unwrap());
    clock.0.fetch_add(61, Ordering::SeqCst);
    runtime.locks().lock_expired();
    assert_eq!(runtime.locks().state(ada).unwrap(), LockState::Locked);
    assert!(runtime.person(ada).is_err(), "nobody else gets in");
    drop(another);
    assert!(!is_closed(), "the run goes on");
    assert!(run.store.snapshot().documents().iter().any(|name| &**name == "test/content"));
    drop(run);
    assert!(is_closed(), "with the run the store is closed");
    assert_eq!(runtime.open_people().count(), 0);

    // A phone that comes back before the run has ended goes on with the store that is open.
    phone.unlock(&runtime, ada);
    let run = runtime.person(ada).unwrap();
    clock.0.fetch_add(61, Ordering::SeqCst);
    runtime.locks().lock_expired();
    phone.unlock(&runtime, ada);
    let same = runtime.person(ada).unwrap();
    assert!(Arc::ptr_eq(&run, &same));
    drop((run, same));
    assert!(!is_closed(), "its new lease counts");
    runtime.locks().lock(ada).unwrap();
    assert!(is_closed());
    end(runtime);
}
