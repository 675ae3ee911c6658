//! For how long a host may open a store, as its owner chooses.

use crate::support::cloud;

use std::sync::Arc;

use cloud::start;
use runtime_host::http::service::epoch_ms;
use runtime_user::{KeyMode, LockState};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shorter_mode_counts_for_the_key_that_is_held_already() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    cloud.pair(user).await;
    let left_ms = || match cloud.runtime.locks().state(user).unwrap() {
        LockState::Unlocked { until_ms: Some(until_ms) } => until_ms.saturating_sub(epoch_ms()),
        other => panic!("{other:?}"),
    };
    assert!(left_ms() > 24 * 3_600_000, "a lease");
    let runtime = Arc::clone(&cloud.runtime);
    let change = move || runtime.locks().set_mode(user, KeyMode::PhoneUnlocked);
    tokio::task::spawn_blocking(change).await.unwrap().unwrap();
    assert!(left_ms() <= 3_600_000, "{} ms", left_ms());
}
