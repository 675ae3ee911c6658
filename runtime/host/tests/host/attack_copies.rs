//! Attacks by whoever has a copy of the data folder or puts one back, tried over real TCP and TLS: 96 to 98.

use std::path::Path;
use std::sync::Arc;

use handshake::error::Code;
use handshake::keys::SigningKey;
use handshake::session::StoreState;
use ring::rand::SystemRandom;
use runtime_host::admin::{Ask, Context, ExportPerson, PhoneAddress};
use runtime_phone::{Native, PhoneError};
use runtime_user::{LockState, Runtime, Settings, StartError, UserId};
use runtime_wire::tls::Identity;

use crate::support::cloud::{Cloud, Wish, put_body, start, start_with};
use crate::support::folder::{bring_back, copy};
use crate::support::witness::{at_port, twin};

const START: f64 = 1_700_000_000.0;

async fn over(folder: Arc<tempfile::TempDir>) -> Cloud {
    start_with(Wish { folder: Some(folder), ..Wish::default() }).await
}

/// A put over the connection that is open; its phone opens no further session.
async fn put(phone: &mut Native, at: f64) {
    let put = phone.post("/usercache/put", put_body(START + at, "here")).await.unwrap();
    assert_eq!(put.status, 200, "{:?}", put.body);
}

fn code_of(refused: Result<Native, PhoneError>) -> Code {
    match refused {
        Err(PhoneError::Code { code }) => code,
        Err(PhoneError::Distrust(distrust)) => distrust.code().unwrap(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("a session"),
    }
}

/// A copy as the operator's manual says: of everything but `host.key`.
fn backup(folder: &Path) -> Arc<tempfile::TempDir> {
    let backup = tempfile::tempdir().unwrap();
    copy(folder, backup.path());
    let _ = std::fs::remove_file(backup.path().join("control.sock"));
    std::fs::remove_file(backup.path().join("host.key")).unwrap();
    Arc::new(backup)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_96_the_disk_is_put_back_to_before_the_last_put() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let mut phone = cloud.connect(cloud.pair(user).await).await;
    let of_session = phone.file.state.head.unwrap();
    put(&mut phone, 0.0).await;
    let first = phone.file.state.head.unwrap();
    assert!(first.seq > of_session.seq, "the answer told the new head");
    let mut file = twin(&phone.file);
    drop(phone);
    let person = cloud.folder_of(user);
    let (old, folder) = (tempfile::tempdir().unwrap(), cloud.stop().await);
    copy(&person, old.path());

    let cloud = over(folder).await;
    file.state.port = cloud.address.port();
    let mut phone = cloud.connect(file).await;
    put(&mut phone, 1.0).await;
    // All that the phone keeps is from the answer of its put.
    let file = twin(&phone.file);
    assert!(file.state.head.unwrap().seq > phone.grant.head.unwrap().seq);
    drop(phone);
    let folder = cloud.stop().await;
    bring_back(old.path(), &person);
    let cloud = over(folder).await;
    let refused = Native::open(at_port(&file, cloud.address.port())).await;
    assert_eq!(code_of(refused), Code::RolledBack);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_96_reads_tell_the_head_too_and_a_locked_store_tells_none_in_answers() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let mut phone = cloud.connect(cloud.pair(user).await).await;
    put(&mut phone, 0.0).await;
    let query = crate::support::cloud::everything();
    let read = phone.post("/datastreams/find_entries/timestamp", query).await.unwrap();
    assert!(read.head.is_some());
    let profile = phone.post("/profile/get", bytes::Bytes::from_static(b"{}")).await.unwrap();
    assert!(profile.head.is_some(), "{}", profile.status);
    cloud.lock(user).await;
    let sealed = phone.post("/usercache/put", put_body(START + 1.0, "sealed")).await.unwrap();
    assert_eq!((sealed.status, sealed.head), (200, None));
    let mut phone = Native::session(phone.file).await.unwrap();
    phone.unlock_if_locked().await.unwrap();
    put(&mut phone, 2.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_97_a_host_over_an_older_copy_asks_for_the_data_key() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let mut phone = cloud.connect(cloud.pair(user).await).await;
    put(&mut phone, 0.0).await;
    // Everything, the host's key too, as a thief of the whole machine has it.
    let stolen = tempfile::tempdir().unwrap();
    copy(cloud.folder.path(), stolen.path());
    let _ = std::fs::remove_file(stolen.path().join("control.sock"));
    put(&mut phone, 1.0).await;
    let file = twin(&phone.file);
    drop(phone);

    let thief = over(Arc::new(stolen)).await;
    assert_eq!(thief.runtime.locks().state(user).unwrap(), LockState::Locked);
    for _ in 0..2 {
        let led_astray = Native::open(at_port(&file, thief.address.port())).await;
        assert_eq!(code_of(led_astray), Code::RolledBack);
        assert_eq!(thief.runtime.locks().state(user).unwrap(), LockState::Locked, "no key was handed over");
    }

    // The host itself, locked, tells where it stands, and the phone opens it.
    cloud.lock(user).await;
    let phone = Native::session(twin(&file)).await.unwrap();
    assert_eq!(phone.grant.store, StoreState::Locked);
    assert!(phone.grant.head.unwrap().follows(file.state.head.unwrap()));
    assert_eq!(cloud.connect(file).await.grant.store, StoreState::Unlocked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_98_a_backup_as_the_manual_says_poses_as_nobodys_runtime() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let file = cloud.pair(user).await;
    let key = cloud.runtime.owners().signing_key(user).unwrap();
    let backup = backup(cloud.folder.path());
    let stored = std::fs::read(backup.path().join(relative(&cloud, user)).join("runtime.key")).unwrap();
    // The last 32 bytes of the private half, in any order of the form around it.
    let secret = key.pkcs8();
    for part in secret.windows(16) {
        assert!(!stored.windows(16).any(|found| found == part), "a part of the key is in clear");
    }
    let opened = |folder: &Path| Runtime::open(Settings::at(folder), runtime_cells::BUILT_IN);
    assert!(matches!(opened(backup.path()), Err(StartError::NoHostKey { runtimes: 1, .. })));
    // A host key of the thief's own opens it as little.
    let other = tempfile::tempdir().unwrap();
    drop(opened(other.path()).unwrap());
    std::fs::copy(other.path().join("host.key"), backup.path().join("host.key")).unwrap();
    assert!(matches!(opened(backup.path()), Err(StartError::OtherHostKey { .. })));
    drop(cloud.connect(file).await);
}

fn relative(cloud: &Cloud, user: UserId) -> std::path::PathBuf {
    cloud.folder_of(user).strip_prefix(cloud.folder.path()).unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_98_a_runtime_key_in_clear_of_an_earlier_version_is_sealed_at_the_next_start() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let file = cloud.pair(user).await;
    let path = cloud.folder_of(user).join("runtime.key");
    let plain = SigningKey::from_pkcs8(
        cloud.runtime.owners().signing_key(user).unwrap().pkcs8(),
        &SystemRandom::new(),
    )
    .unwrap();
    let folder = cloud.stop().await;
    std::fs::write(&path, plain.pkcs8()).unwrap();
    let cloud = over(folder).await;
    assert!(std::fs::read(&path).unwrap().starts_with(b"CRK1"));
    drop(cloud.connect(at_port(&file, cloud.address.port())).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_98_an_export_has_no_private_key() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    drop(cloud.connect(cloud.pair(user).await).await);
    let person = cloud.runtime.person(user).unwrap();
    let inbox_key =
        person.store.snapshot().document("runtime/inbox-key").unwrap().expect("paired people have one");
    drop(person);
    let out = tempfile::tempdir().unwrap();
    let (runtime, output) = (Arc::clone(&cloud.runtime), out.path().join("all.json"));
    let to = output.clone();
    tokio::task::spawn_blocking(move || {
        let pin = Identity::load_or_make(&runtime.settings().data, &[]).unwrap().pin();
        let phone_address = PhoneAddress { address: "127.0.0.1:1".to_owned(), pin };
        let context = Context { runtime: &runtime, phone_address: &phone_address };
        ExportPerson { person: "Ada".to_owned(), output: to }.answer(&context).unwrap();
    })
    .await
    .unwrap();
    let text = std::fs::read_to_string(output).unwrap();
    let hex: String = inbox_key[..32].iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(!text.contains(&hex) && !text.contains("runtime/inbox-key"));
}
