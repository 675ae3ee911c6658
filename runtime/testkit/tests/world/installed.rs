//! Cells that people install: what they make, what becomes of it, and how they end. Real packages, compiled by a child.

use std::time::{Duration, Instant};

use ring::rand::SystemRandom;
use runtime_package::{PublisherKey, pack};
use runtime_simulator::{Person, Phone, simulate_day};
use runtime_testkit::World;
use runtime_user::consent::Narrowing;
use runtime_user::{Area, BadCell, CallError, CellShown, InstallError, RunOutcome, UserId};
use serde_json::{Value, json};

/// 2024-03-04, a Monday.
const FIRST_DAY: u32 = 19_786;
const NOW: f64 = (FIRST_DAY + 4) as f64 * 86_400.0;
const STAGE: &str = "mode-share";
const MONTH: &str = "study.mode-share/month";
const READER: &str = "reader";

/// A world whose host compiles cells.
fn world() -> World {
    World::with(|settings| {
        settings.compiler = Some(env!("CARGO_BIN_EXE_testkit-cell-compiler").into());
    })
}

fn publisher() -> PublisherKey {
    PublisherKey::generate(&SystemRandom::new()).expect("random bytes")
}

/// The package of a cell that this repository has, with its manifest changed.
fn package(name: &str, key: &PublisherKey, change: impl FnOnce(&str) -> String) -> Vec<u8> {
    let cell = runtime_cells::PACKAGES.iter().find(|cell| cell.name == name).expect("it is built");
    let package = pack(cell.component, &change(cell.manifest), cell.schemas).expect("a package");
    key.sign(&package, &SystemRandom::new()).expect("signed")
}

fn unchanged(manifest: &str) -> String {
    manifest.to_owned()
}

fn put_day(world: &World, user: UserId, day: u32) {
    let entries =
        simulate_day(&Person::invent(5, Phone::Android).plan(FIRST_DAY + day), u64::from(day)).entries;
    world.put(user, &entries, f64::from(FIRST_DAY + day + 1) * 86_400.0);
}

fn install(world: &World, user: UserId, package: &[u8]) -> CellShown {
    world.runtime.installed_cells().install(user, package, &[], NOW).expect("installed")
}

/// The data of every entry of a stream.
fn stream(world: &World, user: UserId, key: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let person = world.runtime.person(user).expect("open");
    let read = person.each_entry(&[Area::Timeseries], |_, text| {
        let entry: Value = serde_json::from_str(text).expect("JSON");
        if entry["metadata"]["key"] == key {
            found.push(entry["data"].clone());
        }
        Ok(())
    });
    read.expect("entries are read");
    found
}

/// What the months must say, computed here from the sections that are there.
fn expected(world: &World, user: UserId) -> Vec<Value> {
    let mut modes = serde_json::Map::new();
    let mut sections = stream(world, user, "analysis/inferred_section");
    sections.sort_by(|one, other| {
        one["end_ts"].as_f64().partial_cmp(&other["end_ts"].as_f64()).expect("numbers")
    });
    for section in &sections {
        let total = modes
            .entry(section["sensed_mode"].to_string())
            .or_insert(json!({ "sections": 0, "distance": 0.0 }));
        total["sections"] = json!(total["sections"].as_u64().expect("a count") + 1);
        let sum =
            total["distance"].as_f64().expect("a sum") + section["distance"].as_f64().expect("a length");
        total["distance"] = json!(sum);
    }
    match sections.last() {
        None => Vec::new(),
        Some(last) => vec![json!({ "month": "2024-03", "ts": last["end_ts"], "modes": modes })],
    }
}

fn run(world: &World, user: UserId, now: f64) {
    let report = world.runtime.pipelines().run(user, now).expect("it ran");
    assert!(report.succeeded(), "{report:?}");
    for guest in &report.guests {
        assert_eq!(guest.failure, None, "{report:?}");
    }
}

fn ask(world: &World, user: UserId, request: &Value) -> Result<Value, CallError> {
    let answered = world.call(user, "x", READER, request.to_string().as_bytes(), NOW)?;
    Ok(answered.json())
}

#[test]
fn a_stage_runs_after_the_hosts_own_and_its_results_follow_late_entries_a_reset_and_a_rewind() {
    let world = world();
    let user = world.person("Ada");
    put_day(&world, user, 0);
    let shown = install(&world, user, &package(STAGE, &publisher(), unchanged));
    assert_eq!((shown.state.as_str(), shown.world.as_str()), ("active", "stage"));
    run(&world, user, NOW);
    let first = expected(&world, user);
    assert!(!first.is_empty());
    assert_eq!(stream(&world, user, MONTH), first);
    // A further day goes on from there; nothing counts twice.
    put_day(&world, user, 2);
    run(&world, user, NOW + 10.0);
    let second = expected(&world, user);
    assert_ne!(first, second);
    assert_eq!(stream(&world, user, MONTH), second);
    // A day that comes late is in it, too.
    put_day(&world, user, 1);
    run(&world, user, NOW + 20.0);
    let third = expected(&world, user);
    assert_ne!(second, third);
    assert_eq!(stream(&world, user, MONTH), third);
    for (at, again) in [(30.0, true), (40.0, false)] {
        match again {
            true => drop(world.runtime.pipelines().reset(user).expect("reset")),
            false => world.runtime.pipelines().rewind(user, NOW - 3.0 * 86_400.0).expect("rewound"),
        }
        run(&world, user, NOW + at);
        assert_eq!(stream(&world, user, MONTH), expected(&world, user));
    }
    // Another person has installed nothing.
    let other = world.person("Boris");
    put_day(&world, other, 0);
    run(&world, other, NOW);
    assert_eq!(stream(&world, other, MONTH), Vec::<Value>::new());
    assert!(world.runtime.installed_cells().list(other, NOW).expect("listed").is_empty());
}

#[test]
fn what_is_forgotten_is_in_no_result_no_state_and_no_answer_of_an_installed_cell() {
    let world = world();
    let user = world.person("Ada");
    put_day(&world, user, 0);
    put_day(&world, user, 2);
    let key = publisher();
    install(&world, user, &package(STAGE, &key, unchanged));
    install(&world, user, &package(READER, &key, unchanged));
    run(&world, user, NOW);
    let day = |day: u32| f64::from(FIRST_DAY + day) * 86_400.0..=f64::from(FIRST_DAY + day + 1) * 86_400.0;
    let of_day = |day: u32| -> Vec<String> {
        let sections = stream(&world, user, "analysis/inferred_section").into_iter();
        let from = f64::from(FIRST_DAY + day) * 86_400.0;
        let inside = sections
            .filter(|one| one["end_ts"].as_f64().is_some_and(|end| (from..from + 86_400.0).contains(&end)));
        inside.map(|one| one["distance"].to_string()).collect()
    };
    let gone = of_day(2);
    assert!(!gone.is_empty() && !of_day(0).is_empty());
    let whole = stream(&world, user, MONTH)[0].to_string();
    world.runtime.diaries().forget(user, day(2), &[]).expect("forgotten");
    run(&world, user, NOW + 10.0);
    assert_eq!(stream(&world, user, MONTH), expected(&world, user));
    assert_ne!(stream(&world, user, MONTH)[0].to_string(), whole);
    let answer =
        ask(&world, user, &json!({ "find": "entries", "keys": ["analysis/inferred_section", MONTH] }))
            .expect("an answer")
            .to_string();
    assert!(gone.iter().all(|distance| !answer.contains(distance.as_str())), "{gone:?}");
    let person = world.runtime.person(user).expect("open");
    let snapshot = person.store.snapshot();
    for name in snapshot.documents() {
        let content = snapshot.document(&name).expect("read").expect("there");
        let content = String::from_utf8_lossy(&content);
        assert!(gone.iter().all(|distance| !content.contains(distance.as_str())), "{name}");
    }
}

#[test]
fn an_endpoint_is_reached_at_its_name_by_its_owner_alone_until_it_is_revoked() {
    let world = world();
    let user = world.person("Ada");
    put_day(&world, user, 0);
    run(&world, user, NOW);
    let request = json!({ "find": "count", "keys": ["background/location"] });
    let refused = ask(&world, user, &request).expect_err("nothing is installed");
    assert_eq!(refused.status(), 404);
    install(&world, user, &package(READER, &publisher(), unchanged));
    let count = ask(&world, user, &request).expect("an answer")["count"].as_u64().expect("a count");
    assert!(count > 100, "{count}");
    let other = world.person("Boris");
    assert_eq!(ask(&world, other, &request).expect_err("not theirs").status(), 404);
    // A stream that it did not ask for.
    let denied =
        ask(&world, user, &json!({ "find": "count", "keys": ["manual/mode_confirm"] })).expect("an answer");
    assert!(denied["failure"].as_str().is_some_and(|why| why.contains("manual/mode_confirm")), "{denied}");
    let lines = world.runtime.person(user).expect("open").audit(None, Some(READER)).expect("an audit");
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().any(|line| line.reads[0].denied) && lines[0].said[0].contains("asked for count"));
    let under = lines[0].under.as_ref().expect("an installed cell runs under a consent");
    assert_eq!(
        (under.epoch, under.purpose.as_str()),
        (1, "Shows in tests what an installed cell can reach.")
    );

    let cells = world.runtime.installed_cells();
    assert_eq!(cells.set_paused(user, READER, true, NOW).expect("paused").state, "paused");
    assert_eq!(ask(&world, user, &request).expect_err("paused").status(), 404);
    assert_eq!(cells.set_paused(user, READER, false, NOW).expect("resumed").state, "active");
    assert!(ask(&world, user, &request).is_ok());
    assert_eq!(cells.revoke(user, READER, NOW).expect("revoked").state, "ended");
    assert_eq!(ask(&world, user, &request).expect_err("revoked").status(), 404);
    // Nor after a restart.
    let world = world.restart(|_| {});
    assert_eq!(ask(&world, user, &request).expect_err("revoked").status(), 404);
    assert_eq!(world.runtime.installed_cells().list(user, NOW).expect("listed")[0].state, "ended");
}

#[test]
fn attack_140_a_revoked_cell_ends_within_a_second_while_it_answers_and_nothing_of_it_leaves() {
    let world = world();
    let user = world.person("Ada");
    put_day(&world, user, 0);
    install(&world, user, &package(READER, &publisher(), unchanged));
    let spin = json!({ "find": "spin", "keys": ["background/location"] }).to_string();
    let mut calls = Vec::new();
    for _ in 0..8 {
        let (runtime, spin) = (std::sync::Arc::clone(&world.runtime), spin.clone());
        calls.push(world.spawn(async move {
            let target = runtime.catalogue().target("x/reader").expect("a path");
            let body = runtime_user::Body::from_chunks(vec![bytes::Bytes::from(spin)]);
            let call = runtime_user::Call { target, now: NOW, body, device: None };
            let ended = runtime.call(user, call).await.map(drop);
            (Instant::now(), ended)
        }));
    }
    // At least one of them runs.
    let begun = Instant::now();
    while world.runtime.sandbox().slots_free() == world.runtime.sandbox().slots() {
        assert!(begun.elapsed() < Duration::from_secs(20), "no call has begun");
        std::thread::yield_now();
    }
    let revoked = Instant::now();
    world.runtime.installed_cells().revoke(user, READER, NOW).expect("revoked");
    for call in calls {
        let (at, ended) = world.block_on(call).expect("no panic");
        // Stopped on the way, or not begun: nobody's fault but the revocation's.
        let why = ended.expect_err("a call went on");
        assert!(matches!(why.code(), "cell-cancelled" | "no-such-cell"), "{why}");
        let after = at.saturating_duration_since(revoked);
        assert!(after < Duration::from_secs(1), "{after:?}");
    }
}

#[test]
fn results_that_were_made_under_a_wider_grant_are_removed_with_it() {
    let world = world();
    let user = world.person("Ada");
    put_day(&world, user, 0);
    put_day(&world, user, 2);
    install(&world, user, &package(STAGE, &publisher(), unchanged));
    run(&world, user, NOW);
    let all = stream(&world, user, MONTH);
    let from = f64::from(FIRST_DAY + 1) * 86_400.0;
    let narrowing = [Narrowing { from: Some(from), ..Narrowing::default() }];
    let narrowed = world.runtime.installed_cells().narrow(user, STAGE, &narrowing, NOW).expect("narrowed");
    assert!(narrowed.words.iter().any(|words| words.contains("from 2024-03-05 on")), "{:?}", narrowed.words);
    run(&world, user, NOW + 10.0);
    let some = stream(&world, user, MONTH);
    assert_eq!(some.len(), 1);
    let sections = |months: &[Value]| -> u64 {
        let modes = months[0]["modes"].as_object().expect("modes");
        modes.values().map(|total| total["sections"].as_u64().expect("a count")).sum()
    };
    assert!(sections(&some) < sections(&all), "{some:?} {all:?}");
    // With everything that it has made, it is gone.
    let removed = world.runtime.installed_cells().remove(user, STAGE, true).expect("removed");
    assert_eq!((removed, stream(&world, user, MONTH).len()), (1, 0));
    assert!(world.runtime.installed_cells().list(user, NOW).expect("listed").is_empty());
    run(&world, user, NOW + 20.0);
}

#[test]
fn attack_141_a_package_that_is_older_of_another_publisher_or_asks_for_more_replaces_nothing() {
    let world = world();
    let user = world.person("Ada");
    let (key, stranger) = (publisher(), publisher());
    let version =
        |number: u32| move |manifest: &str| manifest.replace("version = 1", &format!("version = {number}"));
    let cells = world.runtime.installed_cells();
    let installed = install(&world, user, &package(STAGE, &key, version(5)));
    let kept = || world.runtime.installed_cells().show(user, STAGE, NOW).expect("shown");
    for (attempt, why) in [
        (cells.install(user, &package(STAGE, &key, version(4)), &[], NOW), "older"),
        (cells.update(user, &package(STAGE, &key, version(4)), NOW), "older"),
        (cells.install(user, &package(STAGE, &stranger, version(6)), &[], NOW), "another publisher"),
        (cells.update(user, &package(STAGE, &stranger, version(6)), NOW), "no installed cell"),
    ] {
        let refused = attempt.expect_err(why).to_string();
        assert!(refused.contains(why), "{refused}");
        assert_eq!(kept(), installed);
    }
    // One that asks for more waits for another yes; one that asks for as much does not.
    let more = |manifest: &str| {
        let manifest = manifest.replace("version = 1", "version = 6");
        manifest.replacen(
            "keys = [\"analysis/inferred_section\"]",
            "keys = [\"analysis/inferred_section\", \"background/location\"]",
            1,
        )
    };
    let asks_more = package(STAGE, &key, more);
    let refused = cells.update(user, &asks_more, NOW).expect_err("it asks for more");
    assert!(
        matches!(&refused, InstallError::AsksMore { more } if more.contains("background/location")),
        "{refused}"
    );
    assert_eq!(kept(), installed);
    assert_eq!(cells.update(user, &package(STAGE, &key, version(6)), NOW).expect("updated").version, 6);
    assert_eq!(install(&world, user, &asks_more).consent.streams.len(), 2);
    // Nor does a version take a stage's place without another yes, which says so.
    let replacing = |manifest: &str| {
        let manifest = manifest.replace("version = 1", "version = 7");
        manifest.replace("after = \"MODE_INFERENCE\"", "replaces = \"MODE_INFERENCE\"")
    };
    let takes_over = package(STAGE, &key, replacing);
    let refused = cells.update(user, &takes_over, NOW).expect_err("it takes a place");
    assert!(
        matches!(&refused, InstallError::AsksMore { more } if more.contains("the stage MODE_INFERENCE")),
        "{refused}"
    );
    let offered = cells.look(user, &takes_over, &[], NOW).expect("looked at");
    assert!(offered.words.iter().any(|words| words.contains("the place of the stage MODE_INFERENCE")));
    // A key that was replaced signs nothing more, once its successor has been seen.
    let successor = key.succeed(publisher(), &SystemRandom::new()).expect("succeeded");
    assert_eq!(install(&world, user, &package(STAGE, &successor, version(7))).version, 7);
    let refused = cells.install(user, &package(STAGE, &key, version(8)), &[], NOW).expect_err("an old key");
    assert!(matches!(refused, InstallError::OldKey), "{refused}");
}

#[test]
fn attack_142_what_the_host_has_cannot_be_shadowed() {
    let world = world();
    let user = world.person("Ada");
    let cells = world.runtime.installed_cells();
    let named = |name: &'static str| move |manifest: &str| manifest.replace("mode-share", name);
    let refused = cells.install(user, &package(STAGE, &publisher(), named("trip-segmentation")), &[], NOW);
    let refused = refused.expect_err("a name of the host's");
    assert!(matches!(&refused, InstallError::Cell(BadCell::Reserved { .. })), "{refused}");
    let elsewhere = |manifest: &str| manifest.replace("MODE_INFERENCE", "NO_SUCH_STAGE");
    let refused =
        cells.install(user, &package(STAGE, &publisher(), elsewhere), &[], NOW).expect_err("no such stage");
    assert!(matches!(&refused, InstallError::Cell(BadCell::NoSuchStage { .. })), "{refused}");
    // In the place of a stage it writes that stage's streams and its own, and no others.
    let replacing = |manifest: &str| {
        let manifest = manifest.replace("after = \"MODE_INFERENCE\"", "replaces = \"MODE_INFERENCE\"");
        manifest.replacen(
            "keys = [\"study.mode-share/month\"]",
            "keys = [\"study.mode-share/month\", \"background/location\"]",
            1,
        )
    };
    let refused =
        cells.install(user, &package(STAGE, &publisher(), replacing), &[], NOW).expect_err("another stream");
    assert!(matches!(&refused, InstallError::Cell(BadCell::OtherStream { .. })), "{refused}");
    assert!(cells.list(user, NOW).expect("listed").is_empty());
    // Nor does a manifest get more than the component imports, or the component more than the manifest says.
    let silent =
        |manifest: &str| manifest.replace("\"timeseries-read\", \"timeseries-write\"", "\"timeseries-read\"");
    let refused =
        cells.install(user, &package(STAGE, &publisher(), silent), &[], NOW).expect_err("it imports more");
    assert!(matches!(&refused, InstallError::Cell(BadCell::Prepare { .. })), "{refused}");
}

#[test]
fn attack_143_native_code_and_packages_that_are_exchanged_on_disk_are_not_run() {
    let world = world();
    let user = world.person("Ada");
    put_day(&world, user, 0);
    let key = publisher();
    let stage = install(&world, user, &package(STAGE, &key, unchanged));
    let reader = install(&world, user, &package(READER, &key, unchanged));
    let data = world.runtime.settings().data.join("packages");
    let world = world.restart(|_| {});
    let native: Vec<_> = walk(&data.join("native"))
        .into_iter()
        .filter(|path| path.extension().is_some_and(|end| end == "cwasm"))
        .collect();
    assert_eq!(native.len(), 2);
    // Each other's native code, and each other's package.
    let [one, two] = [&native[0], &native[1]].map(|path| std::fs::read(path).expect("read"));
    std::fs::write(&native[0], two).expect("written");
    std::fs::write(&native[1], one).expect("written");
    run(&world, user, NOW);
    assert_eq!(stream(&world, user, MONTH), expected(&world, user), "it was compiled again");
    let world = world.restart(|_| {});
    let of = |cell: &CellShown| data.join(format!("{}.cell", cell.digest));
    std::fs::copy(of(&reader), of(&stage)).expect("copied");
    let listed = world.runtime.installed_cells().list(user, NOW).expect("listed");
    let shown = listed.iter().find(|cell| cell.name == STAGE).expect("still granted");
    assert_eq!(shown.state, "absent");
    assert!(shown.trouble.as_deref().is_some_and(|why| why.contains("is not on this host")), "{shown:?}");
    // The rest of the pipeline goes on.
    run(&world, user, NOW + 10.0);
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for item in std::fs::read_dir(folder).expect("a folder") {
        let path = item.expect("an item").path();
        if path.is_dir() { found.extend(walk(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn a_stage_that_fails_stops_nobody_else_and_its_owner_reads_why() {
    let world = world();
    let user = world.person("Ada");
    put_day(&world, user, 0);
    // It is shown no sections: the stream that it reads is left out of the grant.
    let package = package(STAGE, &publisher(), unchanged);
    let nothing = [Narrowing { only: Some(Vec::new()), ..Narrowing::default() }];
    world.runtime.installed_cells().install(user, &package, &nothing, NOW).expect("installed");
    let report = world.runtime.pipelines().run(user, NOW).expect("it ran");
    assert!(report.succeeded(), "{report:?}");
    let [guest] = &report.guests[..] else { panic!("{report:?}") };
    assert!(
        guest.failure.as_deref().is_some_and(|why| why.contains("analysis/inferred_section")),
        "{guest:?}"
    );
    let lines = world.runtime.person(user).expect("open").audit(None, Some(STAGE)).expect("an audit");
    assert!(lines.iter().any(|line| line.outcome == RunOutcome::GaveUp && line.reads[0].denied), "{lines:?}");
}
