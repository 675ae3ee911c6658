//! A new endpoint cell is one folder: its manifest says where it is reached and what a call needs, and no other line of the
//! host names its paths.

use crate::support::cloud;

use std::sync::Arc;

use cloud::{Cloud, Wish, everything, put_body, start_with};
use runtime_cells::BUILT_IN;
use runtime_phone::{Native, Phone, PhoneError};
use runtime_user::catalogue::BuiltIn;
use runtime_user::{KeyMode, LockState, UserId};
use serde_json::{Value, json};

/// The manifest of a cell that this repository does not have.
const MANIFEST: &str = r#"
name = "journal"
version = 7
world = "endpoint"
description = "Keeps pages of a journal."
interfaces = ["usercache", "documents", "exchange"]

[[paths]]
path = "journal/pages/keep"
scope = "usercache:put"
brings-data = true
waits-while-locked = true

[[paths]]
path = "journal/kept"
scope = "profile"
rest = "shelf"

[[writes]]
area = "usercache"
keys = ["*/*"]

[[writes]]
area = "errors"
keys = ["*/*"]

[documents]
read = ["profile"]
write = ["profile"]
"#;

/// That cell: its code is what keeps a put, which does not know by which path it is called.
fn journal() -> BuiltIn {
    let put = BUILT_IN.iter().find(|cell| cell.name == "usercache-put").expect("it is part of this binary");
    BuiltIn { name: "journal", manifest: MANIFEST, ..*put }
}

async fn host() -> Cloud {
    let cells = BUILT_IN.iter().copied().chain([journal()]).collect();
    start_with(Wish { legacy: true, cells: Some(cells), ..Wish::default() }).await
}

fn is_pending(cloud: &Cloud, user: UserId) -> bool {
    cloud.runtime.timetable().pending(user).is_some()
}

async fn count(phone: &mut Native) -> usize {
    let read = phone.post("/datastreams/find_entries/timestamp", everything()).await.unwrap();
    let read: Value = serde_json::from_slice(&read.body).unwrap();
    read["phone_data"].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_with_a_token_reaches_the_paths_of_a_new_manifest_and_what_they_bring_asks_for_a_run() {
    let cloud = host().await;
    let (user, token) = cloud.runtime.people().add("Ada", 1_700_000_000.0).unwrap();
    let secret = token.reveal().to_owned();
    let mut phone = Phone::connect(cloud.connect_string(token)).await.unwrap();
    let mut status = async |path: &str, body: bytes::Bytes| {
        let mut body: Value = serde_json::from_slice(&body).unwrap();
        body["user"] = secret.as_str().into();
        phone.post(path, body.to_string()).await.unwrap().status
    };
    for unknown in
        ["/journal", "/journal/pages", "/journal/pages/keep/x", "/journal/kept", "/journal/kept/a/b"]
    {
        assert_eq!(status(unknown, put_body(1_700_000_000.0, "a")).await, 404, "{unknown}");
    }
    assert_eq!(status("/journal/kept/top", put_body(1_699_999_999.0, "b")).await, 200);
    assert!(!is_pending(&cloud, user), "this path brings no data");
    assert_eq!(
        status("/journal/pages/keep", json!({ "phone_to_server": [{}] }).to_string().into()).await,
        400
    );
    assert!(!is_pending(&cloud, user), "what is refused brings none");
    assert_eq!(status("/journal/pages/keep", put_body(1_700_000_000.0, "a")).await, 200);
    assert!(is_pending(&cloud, user));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paired_phone_finds_the_new_paths_in_its_grant_as_far_as_its_scopes_go() {
    let cloud = host().await;
    let user = cloud.add("Ada");
    let file = cloud.pair(user).await;
    let mut phone = cloud.connect(file).await;
    let granted = phone.grant.cells.iter().find(|cell| cell.name == "journal").expect("granted").clone();
    assert_eq!(granted.version, "7.0.0");
    assert_eq!(granted.answers, ["journal/pages/keep", "journal/kept"]);
    let put = phone.post("/journal/pages/keep", put_body(1_700_000_000.0, "a")).await.unwrap();
    assert_eq!(put.status, 200, "{:?}", put.body);
    assert!(is_pending(&cloud, user));
    assert_eq!(count(&mut phone).await, 1);
    let other = phone.post("/journal/burnt", put_body(1_700_000_000.0, "a")).await;
    assert!(matches!(other, Err(PhoneError::NotGranted(_))), "{other:?}");
    // The path as such leads nowhere: only behind the granted one.
    assert_eq!(phone.post_raw("/journal/pages/keep", put_body(1.0, "a")).await.unwrap().status, 403);
    // Nor does another cell's granted path lead to it.
    let elsewhere = phone.granted("/usercache/put").unwrap().replace("/usercache/put", "/journal/pages/keep");
    assert_eq!(phone.post_raw(&elsewhere, put_body(1.0, "a")).await.unwrap().status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_path_that_may_wait_is_kept_sealed_while_the_store_is_locked_and_no_other_is() {
    let cloud = host().await;
    let user = cloud.add("Ada");
    let file = cloud.pair(user).await;
    let mut phone = cloud.connect(file).await;
    cloud.lock(user).await;
    assert_eq!(cloud.runtime.locks().state(user).unwrap(), LockState::Locked);
    let put = phone.post("/journal/pages/keep", put_body(1_700_000_000.0, "a")).await.unwrap();
    assert_eq!(put.status, 200, "{:?}", put.body);
    assert_eq!(phone.post("/journal/kept/top", put_body(1_700_000_001.0, "b")).await.unwrap().status, 423);
    assert_eq!(cloud.runtime.owners().waiting_uploads(user).unwrap().0, 1);
    let mut phone = Native::open(phone.file).await.unwrap();
    assert_eq!(cloud.runtime.owners().waiting_uploads(user).unwrap().0, 0);
    assert_eq!(count(&mut phone).await, 1, "what waited was given to the new cell at the unlocking");
    assert_eq!(cloud.runtime.people().standing(user).unwrap().keys, KeyMode::Lease);
    let lines = {
        let runtime = Arc::clone(&cloud.runtime);
        let read = move || runtime.person(user).unwrap().audit(None, Some("journal")).unwrap();
        tokio::task::spawn_blocking(read).await.unwrap()
    };
    assert!(lines.iter().any(|line| line.bytes_written > 0 && line.device.is_some()), "{lines:?}");
}
