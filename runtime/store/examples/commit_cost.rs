//! What one commit of a phone's day costs:
//! `cargo run --release -p runtime-store --example commit_cost [rounds [memory|disk]]`.
//!
//! Prints the time of a commit of 1,000 puts, the best and the middle of all rounds: in memory, which is processor
//! time, and on disk, which includes a sync; and the time for creating a store in memory and for rotating a data key.
//! Compare builds on one machine, in alternating runs.

use std::time::Instant;

use runtime_store::{Batch, CheckedEntry, DataKey, Held, NewEntry, Options, Store};
use runtime_types::{StreamKey, UserId};

const USER: UserId = UserId([5; 16]);
const ROWS: usize = 1_000;
/// Commits of one store.
const DAYS: usize = 20;

/// The texts of metadata and data, and their stream.
type Text = (StreamKey, String, String);

/// As phones send them: a location every half a minute, a motion activity now and then, about 350 bytes each.
fn texts(day: usize) -> Vec<Text> {
    let key = |text: &str| StreamKey::parse(text).expect("a sound key");
    let (location, motion) = (key("background/location"), key("background/motion_activity"));
    (0..ROWS)
        .map(|at| {
            let ts = 1_700_000_000.0 + (day * 90_000) as f64 + at as f64 * 30.25 + (at * 7919 % 997) as f64 / 1e3;
            let wobble = (at * 7919 % 1000) as f64 / 1e7;
            let stream = if at % 4 == 3 { &motion } else { &location };
            let metadata = format!(
                r#"{{"key":"{}","platform":"android","read_ts":0,"time_zone":"Europe/Berlin","type":"sensor-data","write_ts":{}}}"#,
                stream.as_str(),
                ts + 0.731
            );
            let data = if at % 4 == 3 {
                format!(
                    r#"{{"automotive":false,"confidence":{},"cycling":false,"running":false,"stationary":false,"ts":{ts},"unknown":false,"walking":true,"zzaEg":{},"zzaEh":{},"fmt_time":"2023-11-14T22:13:{:02}+01:00"}}"#,
                    at * 31 % 101,
                    at % 8,
                    at * 31 % 101,
                    at % 60
                )
            } else {
                format!(
                    r#"{{"accuracy":{},"altitude":{:.1},"bearing":{:.2},"elapsedRealtimeNanos":{},"filter":"distance","fmt_time":"2023-11-14T22:13:{:02}+01:00","latitude":{:.7},"longitude":{:.7},"sensed_speed":{:.3},"ts":{ts}}}"#,
                    5 + at % 17,
                    100.0 + (at % 130) as f64 / 10.0,
                    (at * 37 % 36_000) as f64 / 100.0,
                    at as u64 * 30_250_000_000 + 71_234_567,
                    at % 60,
                    50.0 + at as f64 / 1e4 + wobble,
                    8.0 + at as f64 / 7e3 - wobble,
                    (at * 13 % 4_000) as f64 / 300.0
                )
            };
            (stream.clone(), metadata, data)
        })
        .collect()
}

/// The further members of a put from a known device.
const STAMP: &str = r#""device":"token-5d41402abc4b2a76""#;

fn batch_of(texts: &[Text], extra: &str) -> Batch {
    let mut batch = Batch::new();
    for (key, metadata, data) in texts {
        let entry = NewEntry { id: None, key: key.clone(), metadata, data, extra };
        batch.put_usercache(CheckedEntry::from(entry), key.clone());
    }
    batch
}

fn tell(what: &str, mut costs: Vec<f64>) {
    costs.sort_by(f64::total_cmp);
    println!("{what}: best {:.3} ms, middle {:.3} ms", costs[0], costs[costs.len() / 2]);
}

fn commits(what: &str, extra: &str, rounds: usize, open: &dyn Fn(usize) -> Store) {
    let days: Vec<_> = (0..DAYS).map(texts).collect();
    let (mut costs, mut bytes) = (Vec::new(), 0);
    for round in 0..rounds {
        let store = open(round);
        for (day, texts) in days.iter().enumerate() {
            let batch = batch_of(texts, extra);
            let before = Instant::now();
            store.commit(batch).expect("committed");
            // The first one draws the keys of the month.
            if day > 0 {
                costs.push(before.elapsed().as_secs_f64() * 1e3);
            }
        }
        bytes = store.bytes_on_disk().expect("it is open");
    }
    tell(&format!("{what}, {bytes} bytes after {DAYS}"), costs);
}

fn main() {
    let rounds = std::env::args().nth(1).and_then(|rounds| rounds.parse().ok()).unwrap_or(10);
    let only = std::env::args().nth(2).unwrap_or_default();
    let options = Options::default();
    if only != "disk" {
        let open = |_| Store::in_memory(USER, &options).expect("made");
        commits("commit in memory", "", rounds, &open);
        commits("commit in memory, stamped", STAMP, rounds, &open);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let held = Held { key: DataKey::from_bytes([6; 32]), generation: 1 };
    if only != "memory" {
        commits("commit on disk", STAMP, rounds, &|round| {
            Store::create(&folder.path().join(round.to_string()), USER, &held, &options).expect("made")
        });
    }
    if only.is_empty() {
        others(&options);
    }
}

fn others(options: &Options) {
    let made = (0..200).map(|_| {
        let before = Instant::now();
        let _store = Store::in_memory(USER, options).expect("made");
        before.elapsed().as_secs_f64() * 1e3
    });
    tell("a store in memory", made.collect());
    let store = Store::in_memory(USER, options).expect("made");
    for day in 0..500 {
        store.commit(batch_of(&texts(day), "")).expect("committed");
    }
    let rotated = (2..12).map(|generation| {
        let before = Instant::now();
        store.rotate_data_key(DataKey::from_bytes([7; 32]), generation).expect("rotated");
        before.elapsed().as_secs_f64() * 1e3
    });
    let rows = store.snapshot().streams().iter().map(|(_, rows)| rows).sum::<u64>();
    tell(&format!("rotating with {rows} entries"), rotated.collect());
}
