//! Disks that refuse, under the binary and under paired phones. What needs a disk of its own mounts a small one, and says
//! aloud where it may not.

#![allow(clippy::unwrap_used, reason = "what is not there has failed a test already")]

use crate::support::binary;
use crate::support::cloud;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use binary::{CELLAR, Serving, json, program, serve_at, text};
use cloud::{everything, put_body, start};
use runtime_phone::{Native, Phone, PhoneError, Reply};
use runtime_user::LockState;
use serde_json::{Value, json};

/// A file system in memory of its own, until it is dropped.
struct Mounted {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Mounted {
    /// `None`, aloud, where this process may not mount.
    fn new(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        fs::create_dir(&path).unwrap();
        let options = format!("size={size},mode=700");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "cellar-test"]).arg(&path).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self { _folder: folder, path }),
            refused => {
                eprintln!("skipped: no file system can be mounted here: {refused:?}");
                None
            }
        }
    }

    fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let output = Command::new("mount").args(["-o", &options]).arg(&self.path).output().unwrap();
        assert!(output.status.success(), "{options}: {}", text(&output.stderr));
    }

    fn data(&self) -> String {
        self.path.join("data").to_str().unwrap().to_owned()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily: a host that a failed test left behind may still be there.
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

fn serve(data: &str) -> Serving {
    serve_at(data, "127.0.0.1:0", &["--legacy"])
}

async fn phone_of(host: &Serving) -> Phone {
    let connect = host.ready["connect"].as_str().expect("a first person");
    Phone::connect(connect.parse().unwrap()).await.unwrap()
}

/// Entries that do not compress, 40 KB of them.
fn noise(round: u64) -> Vec<String> {
    let entry = |at: u64| {
        let ts = 1_500_000_000.0 + (round * 200 + at) as f64 * 30.0;
        let mut random = (round * 1_000 + at).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut hex = String::new();
        for _ in 0..25 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            hex += &format!("{random:016x}");
        }
        let metadata = json!({ "key": "background/location", "type": "sensor-data", "platform": "android",
            "write_ts": ts, "time_zone": "UTC" });
        let data = json!({ "latitude": 46.5, "longitude": 6.5, "ts": ts, "accuracy": 10.0, "altitude": 300.0,
            "bearing": 0.0, "sensed_speed": 0.0, "filter": "time", "elapsedRealtimeNanos": 1, "note": hex });
        json!({ "metadata": metadata, "data": data }).to_string()
    };
    (0..100).map(entry).collect()
}

/// Puts until it is refused; answers how many entries were stored, and the refusal.
async fn fill(phone: &mut Phone) -> (usize, Reply) {
    let mut stored = 0;
    for round in 0.. {
        let entries = noise(round);
        let token = phone.token().unwrap_or_default().to_owned();
        let body = json!({ "user": token, "phone_to_server": "" }).to_string();
        let body = body.replace("\"\"", &format!("[{}]", entries.join(",")));
        let reply = phone.post("/usercache/put", body).await.unwrap();
        if reply.status != 200 {
            return (stored, reply);
        }
        stored += entries.len();
        assert!(round < 10_000, "a disk that is never full");
    }
    unreachable!("the loop ends by itself")
}

fn code_of(reply: &Reply) -> String {
    let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    body["error"]["code"].as_str().unwrap_or_default().to_owned()
}

async fn count(phone: &mut Phone) -> Result<usize, PhoneError> {
    let query: Value = serde_json::from_slice(&everything()).unwrap();
    phone.find_entries(query).await.map(|entries| entries.len())
}

/// Everything of somebody, also what no stage has taken in.
fn exported(data: &str, folder: &Path) -> usize {
    let output = folder.join("export.json");
    let output = output.to_str().unwrap();
    json(&["user", "export", "--data", data, "owner", "--output", output]);
    let export: Value = serde_json::from_slice(&fs::read(output).unwrap()).unwrap();
    fs::remove_file(output).unwrap();
    ["usercache", "timeseries"].iter().map(|area| export[area].as_array().map_or(0, Vec::len)).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_puts_alone_and_a_host_starts_on_it() {
    let Some(disk) = Mounted::new("4m") else { return };
    let elsewhere = tempfile::tempdir().unwrap();
    let host = serve(&disk.data());
    let mut phone = phone_of(&host).await;
    let (stored, refusal) = fill(&mut phone).await;
    assert!(stored > 0);
    assert_eq!(
        (refusal.status, code_of(&refusal).as_str(), refusal.retry_after_s),
        (503, "disk-full", Some(5))
    );
    for _ in 0..5 {
        assert!(count(&mut phone).await.is_ok(), "reads go on");
    }
    assert_eq!(exported(&disk.data(), elsewhere.path()), stored, "nothing is lost, nothing is there in part");
    let log = host.stop();
    assert!(!log.contains("latitude"), "{log}");
    let host = serve(&disk.data());
    assert_eq!(exported(&disk.data(), elsewhere.path()), stored);
    host.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_gets_room_again_is_used_without_a_restart() {
    let Some(disk) = Mounted::new("4m") else { return };
    let elsewhere = tempfile::tempdir().unwrap();
    let host = serve(&disk.data());
    let mut phone = phone_of(&host).await;
    let (stored, _) = fill(&mut phone).await;
    disk.remount("size=40m");
    phone.put(&noise(20_000)).await.expect("stored at once");
    assert_eq!(exported(&disk.data(), elsewhere.path()), stored + 100);
    host.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_can_be_erased_from_a_full_disk_which_makes_room() {
    let Some(disk) = Mounted::new("4m") else { return };
    let host = serve(&disk.data());
    fill(&mut phone_of(&host).await).await;
    // To the last byte.
    let _ = fs::write(disk.path.join("ballast"), vec![1; 8 << 20]);
    json(&["user", "erase", "--data", &disk.data(), "owner", "--yes"]);
    json(&["user", "add", "--data", &disk.data(), "somebody", "--unattended"]);
    host.stop();
}

#[test]
fn a_host_does_not_start_in_a_read_only_folder_and_says_what_to_do() {
    let Some(disk) = Mounted::new("4m") else { return };
    serve(&disk.data()).stop();
    disk.remount("ro");
    let output = program(CELLAR).args(["serve", "--data", &disk.data(), "--listen", "127.0.0.1:0"]).output();
    let output = output.unwrap();
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains(&disk.data()) && told.contains("mount that file system for writing"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paired_phone_opens_sessions_unlocks_and_reads_while_the_disk_refuses() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let mut phone = cloud.connect(cloud.pair(user).await).await;
    let put = phone.post("/usercache/put", put_body(1_700_000_000.0, "here")).await.unwrap();
    assert_eq!(put.status, 200, "{:?}", put.body);
    cloud.lock(user).await;

    // Whatever the person's files are replaced by cannot be written, nor can a sealed upload.
    let folder = cloud.folder_of(user);
    let in_the_way = [folder.join("access.new/x"), folder.join("inbox/half/x")];
    in_the_way.iter().for_each(|path| fs::create_dir_all(path).unwrap());
    let refused = phone.post("/usercache/put", put_body(1_700_000_001.0, "sealed")).await.unwrap();
    assert_eq!((refused.status, code_of(&refused).as_str()), (503, "disk-failing"), "{:?}", refused.body);
    let mut phone = Native::open(phone.file).await.expect("a session, and the store unlocked");
    assert!(matches!(cloud.runtime.locks().state(user).unwrap(), LockState::Unlocked { .. }));
    let got = phone.post("/datastreams/find_entries/timestamp", everything()).await.unwrap();
    assert_eq!(got.status, 200, "{:?}", got.body);
    assert!(
        cloud.runtime.owners().waiting_uploads(user).unwrap().0 == 0,
        "nothing of the refused upload waits"
    );

    in_the_way.iter().for_each(|path| fs::remove_dir_all(path.parent().unwrap()).unwrap());
    cloud.lock(user).await;
    let put = phone.post("/usercache/put", put_body(1_700_000_001.0, "sealed")).await.unwrap();
    assert_eq!(put.status, 200, "{:?}", put.body);
    assert_eq!(cloud.runtime.owners().waiting_uploads(user).unwrap().0, 1);
}
