//! An owner and their phones, over real connections: pairing, sessions, locks, and what survives what.

use crate::support::cloud;

use cloud::{Wish, everything, put_body, start, start_with, until};
use handshake::encoding::{KeyKind, Label};
use handshake::keys::Slot;
use handshake::session::{SessionRequest, StoreState};
use runtime_host::admin::{Ask, Context, PhoneAddress, RenameDevice, RevokeDevice};
use runtime_phone::Native;
use runtime_user::{KeyMode, LockState, OwnerError, SessionTerms, WindowWish};
use runtime_wire::tls::Identity;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_pairs_by_either_code_and_either_kind_of_key_and_reads_what_it_put() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    assert_eq!(cloud.runtime.locks().state(user).unwrap(), LockState::Absent);
    for (round, kind) in
        [KeyKind::P256, KeyKind::Ed25519, KeyKind::P256, KeyKind::Ed25519].into_iter().enumerate()
    {
        let invitation = cloud.open_window(user).await;
        let code = if round % 2 == 0 { cloud.scanned(&invitation) } else { cloud.typed(&invitation) };
        let file = cloud.pair_with(user, invitation.window, code, kind).await.unwrap();
        let mut phone = cloud.connect(file).await;
        assert_eq!(phone.grant.store, StoreState::Unlocked);
        let put =
            phone.post("/usercache/put", put_body(1_700_000_000.0 + round as f64, "here")).await.unwrap();
        assert_eq!(put.status, 200, "{:?}", put.body);
    }
    assert_eq!(cloud.runtime.devices().list(user).unwrap().len(), 4);
    let runtime = std::sync::Arc::clone(&cloud.runtime);
    let ran =
        tokio::task::spawn_blocking(move || runtime.pipelines().run(user, 1_700_010_000.0)).await.unwrap();
    assert!(ran.unwrap().failed().is_none());
    let file = cloud.pair(user).await;
    let mut phone = cloud.connect(file).await;
    let got = phone.post("/datastreams/find_entries/timestamp", everything()).await.unwrap();
    let got: serde_json::Value = serde_json::from_slice(&got.body).unwrap();
    assert_eq!(got["phone_data"].as_array().unwrap().len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_during_a_lock_and_after_a_restart_while_locked_appear_once_a_phone_unlocks() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let file = cloud.pair(user).await;
    let mut phone = cloud.connect(file).await;
    cloud.lock(user).await;
    assert_eq!(cloud.runtime.locks().state(user).unwrap(), LockState::Locked);
    let put = phone.post("/usercache/put", put_body(1_700_000_000.0, "first")).await.unwrap();
    assert_eq!(put.status, 200, "{:?}", put.body);
    let bad =
        phone.post("/usercache/put", bytes::Bytes::from_static(b"{\"phone_to_server\":[{}]}")).await.unwrap();
    assert_eq!(bad.status, 400, "what the cell would refuse is refused while locked, too");
    let read = phone.post("/datastreams/find_entries/timestamp", everything()).await.unwrap();
    assert_eq!(read.status, 423);
    assert_eq!(cloud.runtime.owners().waiting_uploads(user).unwrap().0, 1);
    let Native { file, .. } = phone;
    let folder = cloud.stop().await;

    let wish = Wish { folder: Some(folder), ..Wish::default() };
    let cloud = start_with(Wish { folder: wish.folder.clone(), ..wish }).await;
    let mut file = file;
    // Another port after the restart: the phone finds it by what it was told, so the test tells it.
    file.state.port = cloud.address.port();
    let mut phone = Native::session(file).await.unwrap();
    assert_eq!(phone.grant.store, StoreState::Locked);
    let put = phone.post("/usercache/put", put_body(1_700_000_001.0, "second")).await.unwrap();
    assert_eq!(put.status, 200, "{:?}", put.body);
    assert_eq!(cloud.runtime.owners().waiting_uploads(user).unwrap().0, 2);
    phone.unlock_if_locked().await.unwrap();
    assert_eq!(cloud.runtime.owners().waiting_uploads(user).unwrap().0, 0);
    let runtime = std::sync::Arc::clone(&cloud.runtime);
    let ran =
        tokio::task::spawn_blocking(move || runtime.pipelines().run(user, 1_700_010_000.0)).await.unwrap();
    assert!(ran.unwrap().failed().is_none());
    let got = phone.post("/datastreams/find_entries/timestamp", everything()).await.unwrap();
    let text = String::from_utf8(got.body.to_vec()).unwrap();
    assert!(text.contains("first") && text.contains("second"), "{text}");
}

/// What entries say of the device that brought them, by their notes.
async fn stamps(phone: &mut Native) -> Vec<(String, Option<String>)> {
    let got = phone.post("/datastreams/find_entries/timestamp", everything()).await.unwrap();
    let got: serde_json::Value = serde_json::from_slice(&got.body).unwrap();
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let entries = got["phone_data"].as_array().unwrap().iter();
    entries.map(|entry| (text(&entry["data"]["note"]).unwrap(), text(&entry["metadata"]["device"]))).collect()
}

// Row: "Nothing says which device"
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_say_which_phone_brought_them_also_where_they_waited_sealed_or_claim_another() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let mut first = cloud.connect(cloud.pair(user).await).await;
    let mut second = cloud.connect(cloud.pair(user).await).await;
    let ids: Vec<String> =
        cloud.runtime.devices().list(user).unwrap().iter().map(|device| device.id.to_string()).collect();
    let forged = |body: bytes::Bytes| {
        let text = String::from_utf8(body.to_vec()).unwrap();
        bytes::Bytes::from(text.replacen("\"key\":", "\"device\":\"forged\",\"key\":", 1))
    };
    cloud.lock(user).await;
    for (phone, at, note) in [(&mut first, 0.0, "a"), (&mut second, 1.0, "b")] {
        let put = phone.post("/usercache/put", put_body(1_700_000_000.0 + at, note)).await.unwrap();
        assert_eq!(put.status, 200, "{:?}", put.body);
    }
    assert_eq!(cloud.runtime.owners().waiting_uploads(user).unwrap().0, 2);
    let mut first = Native::session(first.file).await.unwrap();
    first.unlock_if_locked().await.unwrap();
    let claims = forged(put_body(1_700_000_002.0, "c"));
    assert_eq!(second.post("/usercache/put", claims).await.unwrap().status, 200);
    // The same again by another phone is a copy, whether it has been taken in or waits.
    for _ in 0..2 {
        for (at, note) in [(0.0, "a"), (1.0, "b")] {
            let again = put_body(1_700_000_000.0 + at, note);
            assert_eq!(second.post("/usercache/put", again).await.unwrap().status, 200);
        }
        let runtime = std::sync::Arc::clone(&cloud.runtime);
        let ran = blocking(move || runtime.pipelines().run(user, 1_700_010_000.0)).await;
        assert!(ran.unwrap().failed().is_none());
    }
    let stamps = stamps(&mut first).await;
    assert_eq!(stamps.len(), 3, "{stamps:?}");
    let of = |note: &str| stamps.iter().find(|(own, _)| own == note).and_then(|(_, stamp)| stamp.clone());
    assert!(ids.contains(&of("a").unwrap()) && ids.contains(&of("b").unwrap()), "{stamps:?} of {ids:?}");
    assert_ne!(of("a"), of("b"));
    assert_eq!(of("b"), of("c"), "what a phone claims counts for nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_cannot_be_read_now_waits_one_that_was_changed_stays_aside_and_what_follows_is_taken_in()
 {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let mut phone = cloud.connect(cloud.pair(user).await).await;
    cloud.lock(user).await;
    for (at, marker) in ["first", "changed", "third"].into_iter().enumerate() {
        let put = phone.post("/usercache/put", put_body(1_700_000_000.0 + at as f64, marker)).await.unwrap();
        assert_eq!(put.status, 200, "{:?}", put.body);
    }
    let inbox = cloud.folder_of(user).join("inbox");
    let sealed = |number: u64| inbox.join(format!("{number:016x}.sealed"));
    // A folder in its place gives a read error, as a failing disk does.
    std::fs::rename(sealed(0), inbox.join("elsewhere")).unwrap();
    std::fs::create_dir(sealed(0)).unwrap();
    let mut changed = std::fs::read(sealed(1)).unwrap();
    *changed.last_mut().unwrap() ^= 1;
    std::fs::write(sealed(1), changed).unwrap();

    // A session tells that the store is locked; the one before the lock does not.
    let mut phone = Native::session(phone.file).await.unwrap();
    phone.unlock_if_locked().await.unwrap();
    assert_eq!(cloud.runtime.owners().waiting_uploads(user).unwrap().0, 1);
    assert!(sealed(1).with_extension("aside").exists(), "a changed upload is kept");
    std::fs::remove_dir(sealed(0)).unwrap();
    std::fs::rename(inbox.join("elsewhere"), sealed(0)).unwrap();
    cloud.lock(user).await;
    let mut phone = Native::session(phone.file).await.unwrap();
    phone.unlock_if_locked().await.unwrap();
    assert_eq!(cloud.runtime.owners().waiting_uploads(user).unwrap().0, 0);

    let runtime = std::sync::Arc::clone(&cloud.runtime);
    let ran = blocking(move || runtime.pipelines().run(user, 1_700_010_000.0)).await;
    assert!(ran.unwrap().failed().is_none());
    let got = phone.post("/datastreams/find_entries/timestamp", everything()).await.unwrap();
    let text = String::from_utf8(got.body.to_vec()).unwrap();
    assert!(text.contains("first") && text.contains("third") && !text.contains("changed"), "{text}");
}

#[tokio::test]
async fn an_address_that_no_code_can_carry_opens_no_window() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let wish = |host: &str| WindowWish {
        host: host.to_owned(),
        port: 8080,
        lifetime_ms: None,
        typed: true,
        admin: false,
        recovery: None,
    };
    let refused = cloud.runtime.pairing().open(user, wish("::1"), 1_700_000_000_000);
    assert!(matches!(refused, Err(OwnerError::Address(_))), "{:?}", refused.err());
    assert_eq!(cloud.runtime.pairing().status(user, 1_700_000_000_000).unwrap(), None);
    assert!(cloud.runtime.pairing().open(user, wish("cellar.example"), 1_700_000_000_000).is_ok());
}

/// Which data key the person's slots are of.
fn generations(cloud: &cloud::Cloud, user: runtime_user::UserId) -> Vec<u32> {
    let text = std::fs::read_to_string(cloud.folder_of(user).join("slots.json")).unwrap();
    let slots: serde_json::Value = serde_json::from_str(&text).unwrap();
    let generation =
        |kept: &serde_json::Value| serde_json::from_value::<Slot>(kept["slot"].clone()).unwrap().generation();
    slots["slots"].as_array().unwrap().iter().map(generation).collect()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_is_locked_once_its_lease_is_over_and_a_contact_begins_it_anew() {
    let mut wish = Wish::default();
    wish.config.people.lease_ms = 400;
    let cloud = start_with(wish).await;
    let user = cloud.add("Ada");
    let file = cloud.pair(user).await;
    let runtime = std::sync::Arc::clone(&cloud.runtime);
    until("the lease is over", || {
        runtime.locks().lock_expired();
        runtime.locks().state(user).unwrap() == LockState::Locked && runtime.open_people().count() == 0
    })
    .await;
    let mut phone = Native::session(file).await.unwrap();
    assert_eq!(phone.grant.store, StoreState::Locked);
    phone.unlock_if_locked().await.unwrap();
    assert_eq!(phone.grant.store, StoreState::Unlocked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_hosts_key_goes_when_its_owner_wants_it_so_and_only_then() {
    let cloud = start().await;
    let (user, _token) = cloud.runtime.people().add("Ada", 1_700_000_000.0).unwrap();
    let file = cloud.pair(user).await;
    assert!(cloud::is_unattended(&cloud, user));
    let runtime = std::sync::Arc::clone(&cloud.runtime);
    blocking(move || runtime.locks().set_mode(user, KeyMode::Lease)).await.unwrap();
    assert_eq!(generations(&cloud, user), [2], "the host knew the first key");
    assert!(!cloud.folder_of(user).join("store/slot-unattended").exists());
    let folder = cloud.stop().await;

    let cloud = start_with(Wish { folder: Some(folder), ..Wish::default() }).await;
    assert_eq!(cloud.runtime.locks().state(user).unwrap(), LockState::Locked);
    let mut file = file;
    file.state.port = cloud.address.port();
    let phone = cloud.connect(file).await;
    assert_eq!(phone.grant.store, StoreState::Unlocked);
    let runtime = std::sync::Arc::clone(&cloud.runtime);
    blocking(move || runtime.locks().set_mode(user, KeyMode::Unattended)).await.unwrap();
    let folder = cloud.stop().await;
    let cloud = start_with(Wish { folder: Some(folder), ..Wish::default() }).await;
    assert_eq!(cloud.runtime.locks().state(user).unwrap(), LockState::Unlocked { until_ms: None });
    let runtime = std::sync::Arc::clone(&cloud.runtime);
    assert!(blocking(move || runtime.person(user)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_that_is_revoked_while_the_store_is_locked_has_no_part_in_what_comes_after() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let (first, second) = (cloud.pair(user).await, cloud.pair(user).await);
    let mut phone = cloud.connect(first).await;
    cloud.lock(user).await;
    cloud.revoke(user, &second).await;
    assert_eq!(generations(&cloud, user), [1], "nobody can change the key now");
    // On another connection, as after a day.
    let Native { file, .. } = phone;
    phone = cloud.connect(file).await;
    assert_eq!((phone.grant.store, generations(&cloud, user)), (StoreState::Unlocked, vec![2]));
    let put = phone.post("/usercache/put", put_body(1_700_000_000.0, "after")).await.unwrap();
    assert_eq!(put.status, 200);
    let refused = Native::session(second).await.err().unwrap();
    assert_eq!(refused.alert(), Some(112), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_learns_its_next_name_with_a_grant_and_comes_by_it() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let file = cloud.pair(user).await;
    let (before, device) = (file.state.label, file.state.device);
    let runtime = std::sync::Arc::clone(&cloud.runtime);
    let announced = blocking(move || runtime.devices().rotate_label(user, device)).await.unwrap();
    let Native { file, .. } = cloud.connect(file).await;
    assert_eq!((file.state.label, file.state.previous_label), (announced, Some(before)));
    let Native { file, .. } = cloud.connect(file).await;
    assert_eq!(file.state.label, announced);
    // For a phone that has missed it the old name still leads here.
    let mut late = file;
    (late.state.label, late.state.previous_label) = (before, None);
    assert!(Native::open(late).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_gets_another_name_each_week_without_anybodys_doing() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let file = cloud.pair(user).await;
    let (device, key) = (file.state.device, *file.device.spki());
    let week_ms = 7 * 24 * 3_600_000;
    let next_label = |label: Label, now_ms: u64| {
        let runtime = std::sync::Arc::clone(&cloud.runtime);
        blocking(move || {
            let admission = runtime.devices().admit(user, label, key, now_ms).unwrap();
            let terms = SessionTerms { body_bytes_max: 1 << 20, requests_per_s_max: 8 };
            let request = SessionRequest {
                v: vec![1],
                want: Vec::new(),
                last_head: None,
                client: "test/1.0".to_owned(),
            };
            runtime.session(&admission, &request, terms, now_ms).unwrap().next_label
        })
    };
    let paired_ms = cloud.runtime.devices().list(user).unwrap()[0].enrolled_ms;
    assert_eq!(next_label(file.state.label, paired_ms + week_ms - 1).await, None);
    let second = next_label(file.state.label, paired_ms + week_ms).await.expect("another one");
    assert_eq!(next_label(file.state.label, paired_ms + week_ms + 1).await, Some(second), "until it is used");
    // A phone learns it with its next grant, and comes by it from then on.
    let Native { file, .. } = cloud.connect(file).await;
    assert_eq!(file.state.label, second);
    let Native { file, .. } = cloud.connect(file).await;
    assert_eq!(next_label(second, paired_ms + week_ms + 2).await, None, "the first one still leads here");
    assert_eq!((file.state.label, file.state.device), (second, device));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_100_a_device_that_is_named_like_the_id_of_another_does_not_keep_it_from_being_revoked() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let (_lost, _kept) = (cloud.pair(user).await, cloud.pair(user).await);
    let pin = Identity::load_or_make(cloud.folder.path(), &[]).unwrap().pin();
    let phone_address = PhoneAddress { address: cloud.address.to_string(), pin };
    let context = Context { runtime: &cloud.runtime, phone_address: &phone_address };
    let ids = || cloud.runtime.devices().list(user).unwrap().into_iter().map(|device| device.id);
    let [lost, kept] = ids().collect::<Vec<_>>().try_into().unwrap();
    let person = || "Ada".to_owned();
    let renamed =
        RenameDevice { person: person(), device: kept.clone(), name: lost.clone() }.answer(&context);
    assert_eq!(renamed.unwrap().device, kept);
    // As `cellar device list` shows it, which is the other one's name too, and as somebody else may write it.
    for id in [lost.clone(), lost.to_uppercase()] {
        let revoked = RevokeDevice { person: person(), device: id }.answer(&context);
        assert_eq!(revoked.map_err(|failure| failure.what).unwrap().device, lost);
    }
    let revoked = |id: &str| {
        let devices = cloud.runtime.devices().list(user).unwrap();
        devices.iter().any(|device| device.id == id && device.status == "revoked")
    };
    assert!(revoked(&lost) && !revoked(&kept));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_101_uploads_without_content_leave_no_file_while_the_store_is_locked() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let mut phone = cloud.connect(cloud.pair(user).await).await;
    cloud.lock(user).await;
    let waiting = || cloud.runtime.owners().waiting_uploads(user).unwrap().0;
    for _ in 0..20 {
        let put = phone.post("/usercache/put", r#"{"phone_to_server":[]}"#.into()).await.unwrap();
        assert_eq!((put.status, waiting()), (200, 0));
    }
    let put = phone.post("/usercache/put", put_body(1_700_000_000.0, "kept")).await.unwrap();
    assert_eq!((put.status, waiting()), (200, 1));
}
