//! Files of other programs become entries: each once, whatever interrupts the import, and a diary follows.

use std::path::{Path, PathBuf};
use std::time::Duration;

use runtime_import::Bounds;
use runtime_simulator::{Person, Phone, simulate_day};
use runtime_testkit::{Disks, World};
use runtime_user::UserId;
use runtime_user::intake::{Given, IntakeError, Progress, RECORDS_PER_CHUNK, Wish};
use serde_json::Value;

/// 2024-03-04, a Monday.
const FIRST_DAY: u32 = 19_786;
const NOW: f64 = (FIRST_DAY + 9) as f64 * 86_400.0;
const BOUNDS: Bounds = Bounds { expansion_max: 100, expanded_bytes_max: 1 << 30 };
const LOCATIONS: [&str; 2] = ["background/location", "background/filtered_location"];

fn wish(file: &Path, dry_run: bool) -> Wish {
    Wish {
        files: vec![Given::Path(file.to_owned())],
        format: None,
        zone: "Europe/Zurich".to_owned(),
        dry_run,
        bounds: BOUNDS,
    }
}

/// Steps to the end.
fn steps(world: &World, user: UserId) -> Progress {
    let (mut faults, diaries) = (Vec::new(), world.runtime.diaries());
    loop {
        let mut progress = diaries.step_intake(user, Duration::from_millis(200), NOW).expect("a step");
        faults.append(&mut progress.faults);
        if progress.ended {
            return Progress { faults, ..progress };
        }
    }
}

fn import(world: &World, user: UserId, wish: Wish) -> Progress {
    world.runtime.diaries().begin_intake(user, wish).expect("begun");
    steps(world, user)
}

/// A file with so many points, a second apart.
fn track(folder: &Path, points: usize) -> PathBuf {
    let point = |at: usize| {
        let (degrees, ts) = (at as f64 / 1e5, 1_700_000_000 + at);
        format!("{},{},{ts}\n", 47.0 + degrees, 8.0 + degrees)
    };
    let rows: String = (0..points).map(point).collect();
    let path = folder.join("track.csv");
    std::fs::write(&path, format!("lat,lon,time\n{rows}")).expect("written");
    path
}

fn count(world: &World, user: UserId) -> usize {
    world.entries(user, &LOCATIONS).len()
}

#[test]
fn a_file_that_is_imported_twice_is_stored_once_and_a_dry_run_stores_nothing() {
    let (world, folder) = (World::start(), tempfile::tempdir().expect("a folder"));
    let user = world.person("Ada");
    let points = RECORDS_PER_CHUNK + 10;
    let file = track(folder.path(), points);
    let text = std::fs::read_to_string(&file).expect("read");
    // The first point again, and a row that is none.
    std::fs::write(&file, format!("{text}47,8,1700000000\nnorth,8,1700000000\n")).expect("written");
    let dry = import(&world, user, wish(&file, true));
    assert_eq!((dry.points, dry.duplicates, dry.refused), (points as u64, 1, 1));
    assert_eq!(dry.faults[0].why, "it has no latitude");
    assert_eq!(dry.faults[0].text, "north,8,1700000000");
    assert_eq!(count(&world, user), 0);
    let stored = import(&world, user, wish(&file, false));
    assert_eq!((stored.points, stored.duplicates, stored.refused), (points as u64, 1, 1));
    assert_eq!(stored.span, dry.span);
    assert_eq!(count(&world, user), 2 * points);
    for dry_run in [true, false] {
        let again = import(&world, user, wish(&file, dry_run));
        assert_eq!((again.points, again.duplicates), (0, points as u64 + 1));
    }
    assert_eq!(count(&world, user), 2 * points);
}

#[test]
fn an_import_that_was_cut_off_continues_and_loses_and_doubles_nothing() {
    let (disks, folder) = (Disks::default(), tempfile::tempdir().expect("a folder"));
    let world = disks.world();
    let file = track(folder.path(), 4 * RECORDS_PER_CHUNK + 7);
    let [whole, cut] = ["whole", "cut"].map(|name| world.person(name));
    import(&world, whole, wish(&file, false));
    let diaries = world.runtime.diaries();
    for round in 0..3 {
        let begun = diaries.begin_intake(cut, wish(&file, false)).expect("begun");
        assert_eq!(begun.resumed, (round * RECORDS_PER_CHUNK) as u64, "each round stored a chunk");
        while diaries.step_intake(cut, Duration::ZERO, NOW).expect("a step").records == begun.records {
            std::thread::yield_now();
        }
        match round {
            0 => diaries.end_intake(cut),
            _ => power_goes(&world, cut, &disks),
        }
    }
    let last = import(&world, cut, wish(&file, false));
    assert_eq!((last.points, last.duplicates), (4 * RECORDS_PER_CHUNK as u64 + 7, 0));
    assert_eq!(world.canonical(cut), world.canonical(whole));
    let again = diaries.begin_intake(cut, wish(&file, false)).expect("begun");
    assert_eq!(again.resumed, 0, "what has ended begins anew");
}

/// Power goes: whatever was not on disk by now is lost, and the host comes back.
fn power_goes(world: &World, user: UserId, disks: &Disks) {
    let disk = disks.of(user);
    disk.die_at(disk.points());
    world.runtime.diaries().end_intake(user);
    while !world.runtime.open_people().close(user) {
        std::thread::yield_now();
    }
    disk.revive(7);
}

#[test]
fn a_dump_keeps_every_byte_and_is_stored_once() {
    let (world, folder) = (World::start(), tempfile::tempdir().expect("a folder"));
    let user = world.person("Ada");
    let entry = |id: &str, more: &str| {
        format!(
            r#"{{{id}"metadata":{{"key":"manual/mode_confirm","platform":"android","write_ts":1600000000.50}},"data":{{"label":"bike","start_ts":1.0,"end_ts":2.50{more}}},"extra":[1.0]}}"#
        )
    };
    let with_id = entry(r#""_id":{"$oid":"576810cb4a9bba50e3fa1d4a"},"#, "");
    let entries = [with_id, entry("", r#","x":1"#), entry("", r#","x":NaN"#)];
    let file = folder.path().join("dump.jsonl");
    std::fs::write(&file, entries.join("\n")).expect("written");
    let first = import(&world, user, wish(&file, false));
    assert_eq!((first.others, first.set_aside, first.duplicates), (2, 1, 0), "{first:?}");
    let again = import(&world, user, wish(&file, false));
    assert_eq!((again.others, again.set_aside, again.duplicates), (0, 0, 3));
    let found = world.entries(user, &["manual/mode_confirm"]);
    assert_eq!(found.len(), 2);
    assert!(found.iter().any(|entry| entry["_id"]["$oid"] == "576810cb4a9bba50e3fa1d4a"));
    assert!(found.iter().all(|entry| entry["extra"] == serde_json::json!([1.0])));
}

#[test]
fn trips_are_found_in_what_was_imported() {
    let (world, folder) = (World::start(), tempfile::tempdir().expect("a folder"));
    let seed = 11;
    println!("seed {seed}");
    let (mut rows, mut payloads, mut trips) = ("lat,lon,accuracy,time\n".to_owned(), String::new(), 0);
    for day in 0..3 {
        let day = simulate_day(&Person::invent(seed, Phone::Android).plan(FIRST_DAY + day), seed);
        trips += day.truth.len();
        for entry in &day.entries {
            let entry: Value = serde_json::from_str(entry).expect("JSON");
            if entry["metadata"]["key"] == "background/location" {
                let [latitude, longitude, ts] = ["latitude", "longitude", "ts"]
                    .map(|name| entry["data"][name].as_f64().expect("a number"));
                rows.push_str(&format!("{latitude},{longitude},10,{ts}\n"));
                payloads.push_str(&format!(
                    r#"{{"_type":"location","lat":{latitude},"lon":{longitude},"tst":{ts},"acc":10}}"#
                ));
                payloads.push('\n');
            }
        }
    }
    let found = |name: &str, text: &str| {
        let (user, file) = (world.person(name), folder.path().join(name));
        std::fs::write(&file, text).expect("written");
        assert!(import(&world, user, wish(&file, false)).points > 100);
        world.pipeline(user, NOW);
        let count = |key| world.entries(user, &[key]).len();
        let found = count("analysis/confirmed_trip");
        println!("{name}: {} raw, {found} confirmed of {trips} trips", count("segmentation/raw_trip"));
        found
    };
    let [by_payload, by_row] = [found("payloads", &payloads), found("rows", &rows)];
    assert!(by_payload * 2 >= trips && by_row * 2 >= trips, "{by_payload} and {by_row} of {trips}");
}

#[test]
fn whoever_asks_for_a_step_of_nothing_is_told_so() {
    let world = World::start();
    let user = world.person("Ada");
    let error = world.runtime.diaries().step_intake(user, Duration::ZERO, NOW).expect_err("none");
    assert!(matches!(error, IntakeError::None));
}
