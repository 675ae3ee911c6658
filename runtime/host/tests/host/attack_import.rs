//! Files that are made to harm the host that imports them: attack 99.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use runtime_host::admin::{Ask, Context, ImportPerson, Imported, PhoneAddress};
use runtime_program::Failure;
use runtime_user::UserId;
use runtime_wire::tls::Identity;

use crate::support::cloud::{Cloud, start};
use crate::support::witness::analyse;

async fn import(cloud: &Cloud, into: Option<&str>, path: &Path) -> Result<Imported, Failure> {
    let (runtime, into, input) = (Arc::clone(&cloud.runtime), into.map(str::to_owned), path.to_owned());
    let work = move || {
        let pin = Identity::load_or_make(&runtime.settings().data, &[]).unwrap().pin();
        let phone_address = PhoneAddress { address: "127.0.0.1:1".to_owned(), pin };
        ImportPerson { into, input }.answer(&Context { runtime: &runtime, phone_address: &phone_address })
    };
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// The most memory that this process has held so far, bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

fn packed(path: &Path, before: &[u8], filling: u8, mib: usize) -> u64 {
    let mut encoder = GzEncoder::new(std::fs::File::create(path).unwrap(), Compression::best());
    encoder.write_all(before).unwrap();
    let piece = vec![filling; 1 << 20];
    (0..mib).for_each(|_| encoder.write_all(&piece).unwrap());
    encoder.finish().unwrap().metadata().unwrap().len()
}

fn why(refused: Result<Imported, Failure>) -> String {
    refused.map(|imported| imported.entries).map_err(|failure| failure.what).expect_err("refused")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_99_a_small_file_that_expands_to_gigabytes_costs_no_memory() {
    let cloud = start().await;
    cloud.runtime.people().add("Ada", 0.0).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bomb.json.gz");
    let before = peak();
    // Space between two entries, one entry, and a member that nobody knows, each 512 MiB.
    for (begin, filling, into, bound) in [
        (&b"[ "[..], b' ', Some("Ada"), "times as many"),
        (b"[\"", b'a', Some("Ada"), "more than"),
        (b"{\"format\":\"cellar-export-1\",\"unknown\":\"", b'a', None, "times as many"),
        (b"{\"documents\":{\"", b'a', None, "too long"),
        (b"{\"timeseries\":[\"", b'a', None, "more than"),
    ] {
        let bytes = packed(&path, begin, filling, 512);
        assert!(bytes < 1 << 20, "{bytes}");
        let why = why(import(&cloud, into, &path).await);
        assert!(why.contains(bound), "{why}");
    }
    // Not packed: what ends these is the bound of an item, or of a name.
    for (begin, into) in
        [(&b"[\""[..], Some("Ada")), (b"{\"documents\":{\"", None), (b"{\"timeseries\":[\"", None)]
    {
        let mut file = std::fs::File::create(&path).unwrap();
        file.write_all(begin).unwrap();
        file.set_len(128 << 20).unwrap();
        let why = why(import(&cloud, into, &path).await);
        assert!(why.contains("more than") || why.contains("too long"), "{why}");
    }
    let taken = peak() - before;
    assert!(taken < 96 << 20, "{taken} bytes more than before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_99_a_large_dump_is_read_in_pieces() {
    let cloud = start().await;
    let user = cloud.runtime.people().add("Ada", 0.0).unwrap().0;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dump.json");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
    let note = "x".repeat(64 << 10);
    let entries = 2_000;
    for at in 0..entries {
        let begin = if at == 0 { '[' } else { ',' };
        write!(
            file,
            r#"{begin}{{"metadata":{{"key":"test/note","write_ts":{at}}},"data":{{"note":"{note}"}}}}"#
        )
        .unwrap();
    }
    file.write_all(b"]").unwrap();
    file.flush().unwrap();
    let before = peak();
    let imported = import(&cloud, Some("Ada"), &path).await.map_err(|failure| failure.what).unwrap();
    assert_eq!(imported.entries["timeseries"], entries);
    let (taken, size) = (peak() - before, path.metadata().unwrap().len());
    println!("{taken} bytes of memory for a dump of {size}");
    // The pieces that are on their way to the disk, and not the whole of it.
    assert!(taken < size, "{taken} bytes of memory for a dump of {size}");
    assert!(cloud.runtime.person(user).is_ok());
}

fn entry(key: &str, data: &str) -> String {
    format!(r#"{{"metadata":{{"key":"{key}","write_ts":1700000000}},"data":{data}}}"#)
}

async fn set_aside(cloud: &Cloud, user: UserId) -> u64 {
    let runtime = Arc::clone(&cloud.runtime);
    tokio::task::spawn_blocking(move || runtime.person(user).unwrap().set_aside_count().unwrap())
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_99_entries_that_no_stage_can_read_are_set_aside_and_the_pipeline_goes_on() {
    let cloud = start().await;
    let user = cloud.runtime.people().add("Ada", 0.0).unwrap().0;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dump.json");
    let bad = [
        entry("background/location", r#"{"latitude":"north","longitude":{},"ts":[]}"#),
        entry("background/filtered_location", r#"{"latitude":46.5,,}"#),
        entry("background/location", r#"{"latitude":tru}"#),
        entry("statemachine/transition", r#"{"transition":{"a":[]}}"#),
        entry("background/motion_activity", r#"{"ts":"never","type":"x"}"#),
        "garbage".to_owned(),
    ];
    std::fs::write(&path, format!("[{}]", bad.join(","))).unwrap();
    let imported = import(&cloud, Some("Ada"), &path).await.map_err(|failure| failure.what).unwrap();
    assert_eq!((imported.set_aside, set_aside(&cloud, user).await), (6, 6));
    analyse(&cloud, user).await;

    // What is not an entry at all refuses the file, and nothing of it is stored.
    for refused in ["5", "[5]", "[{}]", "[[]]", "{}", "[{\"metadata\":5,\"data\":{}}]", ""] {
        std::fs::write(&path, refused).unwrap();
        why(import(&cloud, Some("Ada"), &path).await);
    }
    assert_eq!(set_aside(&cloud, user).await, 6);
    analyse(&cloud, user).await;
}
