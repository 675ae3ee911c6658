//! What is left of a person in the memory and on the disk of a host once their store is locked: nothing that is found
//! by who reads all of both.

#![cfg(all(target_os = "linux", not(feature = "unwiped")))]
#![allow(clippy::unwrap_used, reason = "what is not there has failed a test already")]

use crate::support::binary::{CELLAR, Running, program};
use crate::support::cloud;
use crate::support::remains;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use cloud::{everything, put_body};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use handshake::device::{DeviceName, Platform};
use handshake::encoding::{KeyKind, QrCode};
use handshake::keys::Slot;
use handshake::session::StoreState;
use remains::{Needle, Remains, search};
use ring::rand::{SecureRandom, SystemRandom};
use runtime_phone::{Code, Native, PhoneFile, PhoneKeys, pair};
use serde_json::Value;
use tokio::sync::oneshot;

/// What a verb that must succeed prints, as JSON.
fn json(args: &[&str]) -> Value {
    let output = program(CELLAR).args(args).arg("--json").output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A host in a process of its own; its log is beside its data.
struct Host {
    child: Running,
    ready: Value,
    /// Its sockets while nobody is connected.
    sockets: usize,
}

impl Host {
    fn start(folder: &Path) -> Self {
        let (config, data) = (folder.join("host.toml"), folder.join("data"));
        fs::write(&config, "[pipeline]\nautomatic = false\n").unwrap();
        let log = fs::File::options().append(true).create(true).open(folder.join("log")).unwrap();
        let mut serve = program(CELLAR);
        serve.args(["serve", "--json", "--listen", "127.0.0.1:0", "--log-format", "json"]);
        serve.arg("--data").arg(data).arg("--config").arg(config);
        let mut child = Running::start(serve.stdout(Stdio::piped()).stderr(log));
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not ready: {line:?}"));
        let mut host = Self { child, ready, sockets: 0 };
        host.sockets = host.sockets_now();
        host
    }

    fn port(&self) -> u16 {
        self.ready["listen"].as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap()
    }

    fn sockets_now(&self) -> usize {
        let open = fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap();
        let links = open.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
        links.filter(|link| link.to_string_lossy().starts_with("socket:")).count()
    }

    /// Ends the phone's connection, and waits until the host has let go of it: an open one holds what came over it last.
    async fn hang_up(&self, phone: Native) -> PhoneFile {
        let end = |phone: Native| phone.file;
        let file = end(phone);
        self.alone().await;
        file
    }

    async fn alone(&self) {
        cloud::until("nobody is connected", || self.sockets_now() <= self.sockets).await;
    }

    fn search(&self, what: &str, folder: &Path, needles: &[Needle<'_>]) -> Remains {
        let begun = Instant::now();
        let remains = search(self.child.id(), folder, needles);
        println!(
            "{what}: {:.1} MiB of memory and {:.1} MiB of files in {} ms: {:?}",
            remains.memory_mib,
            remains.files_mib,
            begun.elapsed().as_millis(),
            remains.found
        );
        remains
    }
}

/// 32 hex digits that are in no file and in no other process.
fn marker() -> String {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).unwrap();
    HEXLOWER.encode(&bytes)
}

async fn paired(host: &Host, data: &str) -> PhoneFile {
    let code = QrCode::parse(host.ready["pair"]["qr"].as_str().unwrap()).unwrap();
    let (show, shown) = oneshot::channel();
    let keys = PhoneKeys::random(KeyKind::P256).unwrap();
    let name = DeviceName::new("test phone").unwrap();
    let phone = tokio::spawn(pair(Code::Scanned(code), keys, name, Platform::Android, |digits| {
        show.send(digits.to_string()).unwrap();
    }));
    let digits = shown.await.unwrap();
    let data = data.to_owned();
    let approve = move || json(&["device", "approve", "--data", &data, "owner", &digits.replace(' ', "")]);
    tokio::task::spawn_blocking(approve).await.unwrap();
    phone.await.unwrap().unwrap()
}

/// The data key, as the phone's slot holds it.
fn data_key(phone: &Native) -> [u8; 32] {
    let slot = Slot::parse(&phone.grant.slot.unwrap().0).unwrap();
    *slot.open(&phone.file.wrap, &phone.file.state.user.0).unwrap().expose()
}

async fn put(phone: &mut Native, write_ts: f64, marker: &str) {
    let put = phone.post("/usercache/put", put_body(write_ts, marker)).await.unwrap();
    assert_eq!(put.status, 200, "{:?}", put.body);
}

/// So many that blocks are settled, and cells grow.
async fn put_many(phone: &mut Native, marker: &str) {
    for batch in 0..4 {
        let entries = (0..1_000).map(|index| {
            let body = put_body(1_700_000_000.0 + f64::from(batch * 1_000 + index), marker);
            let mut body: Value = serde_json::from_slice(&body).unwrap();
            body["phone_to_server"][0].take()
        });
        let body = serde_json::json!({ "phone_to_server": entries.collect::<Vec<_>>() }).to_string();
        let put = phone.post("/usercache/put", body.into()).await.unwrap();
        assert_eq!(put.status, 200, "{:?}", put.body);
    }
}

async fn read(phone: &mut Native) -> String {
    let got = phone.post("/datastreams/find_entries/timestamp", everything()).await.unwrap();
    assert_eq!(got.status, 200, "{:?}", got.body);
    String::from_utf8(got.body.to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_leaves_neither_readings_nor_the_data_key_in_memory_or_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let place = data.to_str().unwrap();
    let (first, second, third) = (marker(), marker(), marker());
    let lock = || json(&["user", "lock", "--data", place, "owner"]);
    let run = || json(&["pipeline", "run", "--data", place, "owner"]);
    let is_locked = || json(&["user", "status", "--data", place, "owner"])["store"] == "locked";

    let host = Host::start(folder.path());
    let file = paired(&host, place).await;
    // A locked runtime gives the phone its slot, and so the test the key to look for.
    lock();
    let mut phone = Native::session(file).await.unwrap();
    let key = data_key(&phone);
    phone.unlock_if_locked().await.unwrap();
    put_many(&mut phone, &first).await;
    run();
    assert!(read(&mut phone).await.contains(&first));
    let written = BASE64URL_NOPAD.encode(&key);
    let of_key = || [Needle::new("data key", &key), Needle::new("written data key", written.as_bytes())];
    let needles = [Needle::new("first marker", first.as_bytes())].into_iter().chain(of_key());
    let needles: Vec<_> = needles.collect();
    let before = host.search("open", &data, &needles);
    assert!(needles[..2].iter().all(|needle| before.names(needle)), "what is there is found: {before:?}");

    lock();
    // What an open connection holds of its last requests is its own: told, and gone with it.
    host.search("locked, the connection still open", &data, &needles);
    let file = host.hang_up(phone).await;
    let after = host.search("locked", &data, &needles);
    assert!(after.found.is_empty(), "{after:?}");

    let mut phone = Native::session(file).await.unwrap();
    assert_eq!(phone.grant.store, StoreState::Locked);
    put(&mut phone, 1_700_000_001.0, &second).await;
    assert!(is_locked());
    let file = host.hang_up(phone).await;
    let needles = [&first, &second].into_iter().map(|marker| Needle::new("marker", marker.as_bytes()));
    let needles: Vec<_> = needles.chain(of_key()).collect();
    let after = host.search("locked, after an upload", &data, &needles);
    assert!(after.found.is_empty(), "{after:?}");
    drop(host);

    let host = Host::start(folder.path());
    let mut file = file;
    file.state.port = host.port();
    let mut phone = Native::session(file).await.unwrap();
    assert_eq!(phone.grant.store, StoreState::Locked);
    put(&mut phone, 1_700_000_002.0, &third).await;
    assert!(is_locked());
    phone.unlock_if_locked().await.unwrap();
    run();
    let text = read(&mut phone).await;
    assert!([&first, &second, &third].into_iter().all(|marker| text.contains(marker.as_str())), "{text}");
    let log = fs::read_to_string(folder.path().join("log")).unwrap();
    assert!([&first, &second, &third].into_iter().all(|marker| !log.contains(marker.as_str())));
    assert!(log.contains("host started"), "{log}");
}
