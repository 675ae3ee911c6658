//! One person's put, get and stage at the same time: each is right, whatever the interleaving.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use runtime_simulator::{Person, Phone, simulate_day};
use runtime_testkit::World;
use runtime_user::UserId;
use serde_json::Value;

/// What identifies an entry to its phone.
fn identity(entry: &Value) -> String {
    format!("{} {}", entry["metadata"]["write_ts"], entry["metadata"]["key"])
}

/// Trips and places without ids, which differ from run to run.
fn diary(world: &World, user: UserId) -> Vec<(f64, f64)> {
    let trips = world.entries(user, &["segmentation/raw_trip"]);
    let mut times: Vec<_> = trips
        .iter()
        .map(|trip| (trip["data"]["start_ts"].as_f64(), trip["data"]["end_ts"].as_f64()))
        .map(|(start, end)| (start.expect("a start"), end.expect("an end")))
        .collect();
    times.sort_by(|a, b| a.0.total_cmp(&b.0));
    times
}

const KEYS: [&str; 5] = [
    "background/location",
    "background/filtered_location",
    "background/motion_activity",
    "statemachine/transition",
    "background/battery",
];

/// Puts batches, reads and runs the pipeline from three threads; answers the diary afterwards.
fn all_at_once(seed: u64, entries: &[String], now: f64) -> Vec<(f64, f64)> {
    let world = World::start();
    let user = world.person("Ada");
    let size = 20 + usize::try_from(seed % 7).expect("small") * 31;
    let batches: Vec<&[String]> = entries.chunks(size).collect();
    let acknowledged = AtomicUsize::new(0);
    thread::scope(|scope| {
        let (world, acknowledged, batches) = (&world, &acknowledged, &batches);
        scope.spawn(move || {
            for batch in batches {
                world.put(user, batch, now);
                acknowledged.fetch_add(batch.len(), Ordering::SeqCst);
            }
        });
        scope.spawn(move || {
            while acknowledged.load(Ordering::SeqCst) < entries.len() {
                let before = acknowledged.load(Ordering::SeqCst);
                let found = world.entries(user, &KEYS);
                let unique: BTreeSet<_> = found.iter().map(identity).collect();
                assert_eq!(unique.len(), found.len(), "seed {seed}: an entry was answered twice");
                assert!(found.len() >= before, "seed {seed}: {} of {before} acknowledged", found.len());
            }
        });
        scope.spawn(move || {
            while acknowledged.load(Ordering::SeqCst) < entries.len() {
                world.pipeline(user, now);
            }
        });
    });
    // Half a day cut into trips is another diary, in the reference too: what counts is that the raw day is whole.
    world.runtime.pipelines().reset(user).expect("resets");
    world.pipeline(user, now);
    let found = world.entries(user, &KEYS);
    assert_eq!(found.len(), entries.len(), "seed {seed}: every entry, once");
    diary(&world, user)
}

#[test]
fn put_get_and_stage_at_once_give_what_they_give_one_after_the_other() {
    let seeds = if std::env::var_os("CELLAR_LONG").is_some() { 0..40 } else { 0..4_u64 };
    for seed in seeds {
        let phone = if seed % 2 == 0 { Phone::Android } else { Phone::Ios };
        let day = simulate_day(&Person::invent(seed, phone).plan(19_786), seed);
        let last = day.truth.last().expect("a day has trips").end_ts;
        let now = last + 7_200.0;
        let calm = World::start();
        let user = calm.person("Ada");
        let known = |entry: &&String| KEYS.iter().any(|key| entry.contains(&format!("\"key\":\"{key}\"")));
        let entries: Vec<String> = day.entries.iter().filter(known).cloned().collect();
        calm.put(user, &entries, now);
        calm.pipeline(user, now);
        let want = diary(&calm, user);
        assert!(!want.is_empty(), "seed {seed}: a day without trips shows nothing");
        assert_eq!(all_at_once(seed, &entries, now), want, "seed {seed}");
    }
}
