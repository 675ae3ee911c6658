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
pub(crate) const NOW: f64 = (FIRST_DAY + 4) as f64 * 86_400.0;
pub(crate) const STAGE: &str = "mode-share";
pub(crate) const MONTH: &str = "study.mode-share/month";
pub(crate) const READER: &str = "reader";
const KEEPER: &str = "keeper";

/// A world whose host compiles cells.
pub(crate) fn world() -> World {
    World::with(|settings| {
        settings.compiler = Some(env!("CARGO_BIN_EXE_testkit-cell-compiler").into());
    })
}

pub(crate) fn publisher() -> PublisherKey {
    PublisherKey::generate(&SystemRandom::new()).expect("random bytes")
}

/// The package of a cell that this repository has, with its manifest changed.
pub(crate) fn package(name: &str, key: &PublisherKey, change: impl FnOnce(&str) -> String) -> Vec<u8> {
    let cell = runtime_cells::PACKAGES.iter().find(|cell| cell.name == name).expect("it is built");
    let package = pack(cell.component, &change(cell.manifest), cell.schemas).expect("a package");
    key.sign(&package, &SystemRandom::new()).expect("signed")
}

pub(crate) fn unchanged(manifest: &str) -> String {
    manifest.to_owned()
}

pub(crate) fn put_day(world: &World, user: UserId, day: u32) {
    let entries =
        simulate_day(&Person::invent(5, Phone::Android).plan(FIRST_DAY + day), u64::from(day)).entries;
    world.put(user, &entries, f64::from(FIRST_DAY + day + 1) * 86_400.0);
}

fn install(world: &World, user: UserId, package: &[u8]) -> CellShown {
    world.runtime.installed_cells().install(user, package, &[], NOW).expect("installed")
}

/// The data of every entry of a stream.
pub(crate) fn stream(world: &World, user: UserId, key: &str) -> Vec<Value> {
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

pub(crate) fn run(world: &World, user: UserId, now: f64) {
    let report = world.runtime.pipelines().run(user, now).expect("it ran");
    assert!(report.succeeded(), "{report:?}");
    for guest in &report.guests {
        assert_eq!(guest.failure, None, "{report:?}");
    }
}

pub(crate) fn ask(world: &World, user: UserId, request: &Value) -> Result<Value, CallError> {
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
fn people_who_install_the_same_package_at_the_same_moment_all_have_it() {
    let world = world();
    let package = package(READER, &publisher(), unchanged);
    let people: Vec<_> = (0..8).map(|number| world.person(&format!("Person {number}"))).collect();
    // Compiled before, so that all of them keep the package at once.
    world.runtime.installed_cells().look(people[0], &package, &[], NOW).expect("looked at");
    let start = std::sync::Barrier::new(people.len());
    std::thread::scope(|scope| {
        for user in &people {
            scope.spawn(|| {
                start.wait();
                install(&world, *user, &package);
            });
        }
    });
    for user in people {
        assert_eq!(world.runtime.installed_cells().list(user, NOW).expect("listed").len(), 1);
    }
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

/// A label of a trip, as a phone sends it.
fn label(ts: f64, label: &str) -> Value {
    json!({
        "metadata": { "key": "manual/mode_confirm", "platform": "android", "type": "message", "write_ts": ts,
            "time_zone": "Europe/Berlin" },
        "data": { "start_ts": ts - 600.0, "end_ts": ts - 60.0, "label": label },
    })
}

/// Labels the first day with the one and the third with the other.
fn put_labels(world: &World, user: UserId, [one, other]: [&str; 2]) {
    let noon = |day: u32| f64::from(FIRST_DAY + day) * 86_400.0 + 43_200.0;
    let labels = [label(noon(0), one).to_string(), label(noon(2), other).to_string()];
    world.put(user, &labels, NOW - 100.0);
}

/// Everything that an export of the person has, and everything that lies on the disk as it is.
fn everywhere(world: &World, user: UserId) -> Vec<(String, String)> {
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().join("export.json");
    let export = runtime_host::admin::ExportPerson { person: user.dashed(), output: output.clone() };
    super::kept::support::ask(&world.runtime, export).expect("exported");
    let export: Value = serde_json::from_slice(&std::fs::read(&output).expect("read")).expect("JSON");
    let parts = export.as_object().expect("an export is an object").iter();
    let mut found: Vec<_> =
        parts.map(|(part, content)| (format!("export {part}"), content.to_string())).collect();
    let person = world.runtime.person(user).expect("open");
    let snapshot = person.store.snapshot();
    for name in snapshot.documents() {
        let content = snapshot.document(&name).expect("read").expect("there");
        found.push((name, String::from_utf8_lossy(&content).into_owned()));
    }
    for path in walk(&world.runtime.settings().data) {
        let content = std::fs::read(&path).expect("read");
        found.push((path.display().to_string(), String::from_utf8_lossy(&content).into_owned()));
    }
    found
}

#[test]
fn what_is_forgotten_is_nowhere_whatever_an_installed_stage_did_with_it() {
    let world = world();
    let user = world.person("Ada");
    let key = publisher();
    let all = |manifest: &str| manifest.replace("study.mode-share/*", "study.keeper/*\", \"manual/*");
    install(&world, user, &package(KEEPER, &key, unchanged));
    install(&world, user, &package(READER, &key, all));
    let [kept, gone] = ["label-that-stays", "label-that-goes"];
    put_labels(&world, user, [kept, gone]);
    run(&world, user, NOW);
    let places = |marker: &str| -> Vec<String> {
        let found = everywhere(&world, user).into_iter();
        found.filter(|(_, content)| content.contains(marker)).map(|(name, _)| name).collect()
    };
    let answer = || {
        let request = json!({ "find": "entries", "keys": ["manual/mode_confirm", "study.keeper/label"] });
        ask(&world, user, &request).expect("an answer").to_string()
    };
    // In its results, its memory, its private state and its words, all of which an export has.
    let before = places(gone);
    assert!(before.len() >= 3 && before.iter().any(|name| name == "export timeseries"), "{before:?}");
    assert!(
        !before.iter().any(|name| name.starts_with('/')),
        "nothing lies on the disk in clear: {before:?}"
    );
    assert!(answer().contains(gone));
    let said = |marker: &str| {
        let lines = world.runtime.person(user).expect("open").audit(None, Some(KEEPER)).expect("an audit");
        lines.iter().any(|line| line.said.iter().any(|words| words.contains(marker)))
    };
    assert!(said(gone) && said(kept));
    let day = f64::from(FIRST_DAY + 2) * 86_400.0;
    let manual = ["manual/*".to_owned()];
    world.runtime.diaries().forget(user, day..=day + 86_400.0, &manual).expect("forgotten");
    // At once, and after the next run.
    for run_first in [false, true] {
        if run_first {
            run(&world, user, NOW + 10.0);
            assert!(!places(kept).is_empty() && answer().contains(kept) && said(kept));
        }
        assert_eq!(places(gone), Vec::<String>::new());
        assert!(!answer().contains(gone) && !said(gone));
        // What happened is still told, and the chain is whole.
        let person = world.runtime.person(user).expect("open");
        let lines = person.audit(None, Some(KEEPER)).expect("an audit");
        assert!(lines.iter().any(|line| line.words.is_some() && line.said.is_empty()), "{lines:?}");
        assert_eq!(person.verify_audit().expect("followed").broken, None);
    }
}

#[test]
fn of_each_entry_that_a_stage_made_its_owner_learns_which_code_made_it_from_what_under_which_consent() {
    let world = world();
    let user = world.person("Ada");
    put_day(&world, user, 0);
    let installed = install(&world, user, &package(STAGE, &publisher(), unchanged));
    run(&world, user, NOW);
    let mut ids = Vec::new();
    let person = world.runtime.person(user).expect("open");
    let read = person.each_entry(&[Area::Timeseries], |_, text| {
        let entry: Value = serde_json::from_str(text).expect("JSON");
        let id = entry["_id"]["$oid"].as_str().expect("an id").parse().expect("an id");
        ids.push((entry["metadata"]["key"].as_str().expect("a key").to_owned(), id));
        Ok(())
    });
    read.expect("entries are read");
    let mut made = 0;
    for (key, id) in ids {
        let origin = world.runtime.pipelines().origin_of(user, id).expect("read").expect("there");
        assert_eq!(origin.key, key);
        if !origin.made {
            assert!(key.split('/').next().is_some_and(|family| family != "analysis"), "{key}");
            assert!(origin.runs.is_empty(), "{key}");
            continue;
        }
        made += 1;
        assert!(!origin.runs.is_empty(), "{key}: {origin:?}");
        for run in &origin.runs {
            assert!((run.ts..run.ts + 1.0).contains(&origin.write_ts), "{key}: {origin:?}");
            assert!(run.digest.len() == 64 && !run.reads.is_empty(), "{key}: {run:?}");
        }
        if key == MONTH {
            let [run] = &origin.runs[..] else { panic!("{origin:?}") };
            let under = run.under.as_ref().expect("a consent");
            assert_eq!((run.cell.as_str(), &under.cell, under.epoch), (STAGE, &installed.consent.cell, 1));
            assert_eq!(run.reads[0].names, ["analysis/inferred_section"]);
        }
    }
    assert!(made > 20, "{made}");
    assert_eq!(
        world.runtime.pipelines().origin_of(user, runtime_user::EntryId([7; 12])).expect("read"),
        None
    );
}

#[test]
fn attack_135_neither_memory_nor_state_nor_log_carries_anything_from_one_grant_to_the_next() {
    let world = world();
    let user = world.person("Ada");
    install(&world, user, &package(KEEPER, &publisher(), unchanged));
    let [early, late] = ["early", "late"];
    put_labels(&world, user, [early, late]);
    run(&world, user, NOW);
    let known = |world: &World| -> Vec<Value> {
        stream(world, user, "study.keeper/label").iter().map(|known| known["labels"].clone()).collect()
    };
    assert_eq!(known(&world), [json!([early, late])]);
    let from = [Narrowing { from: Some(f64::from(FIRST_DAY + 1) * 86_400.0), ..Narrowing::default() }];
    world.runtime.installed_cells().narrow(user, KEEPER, &from, NOW).expect("narrowed");
    run(&world, user, NOW + 10.0);
    assert_eq!(known(&world), [json!([late])], "what it knew under the wider grant is gone");
    // Under another consent after a revocation it knows nothing, either.
    world.runtime.installed_cells().revoke(user, KEEPER, NOW).expect("revoked");
    let nothing = [Narrowing { from: Some(NOW + 1e6), ..Narrowing::default() }];
    let package = package(KEEPER, &publisher(), unchanged);
    world.runtime.installed_cells().remove(user, KEEPER, false).expect("removed");
    world.runtime.installed_cells().install(user, &package, &nothing, NOW).expect("installed");
    world.put(user, &[label(NOW, "later").to_string()], NOW + 15.0);
    run(&world, user, NOW + 30.0);
    let person = world.runtime.person(user).expect("open");
    let snapshot = person.store.snapshot();
    for name in snapshot.documents().into_iter().filter(|name| name.contains("keeper")) {
        let content = snapshot.document(&name).expect("read").expect("there");
        let content = String::from_utf8_lossy(&content).into_owned();
        assert!(!content.contains(early) && !content.contains("later"), "{name}: {content}");
    }
}

#[test]
fn attack_136_a_kept_instance_answers_under_no_grant_that_was_narrowed_or_revoked() {
    let world = world();
    let user = world.person("Ada");
    put_day(&world, user, 0);
    put_day(&world, user, 2);
    run(&world, user, NOW);
    let package = package(READER, &publisher(), unchanged);
    install(&world, user, &package);
    let request = json!({ "find": "count", "keys": ["background/location"] });
    let count = || ask(&world, user, &request).expect("an answer")["count"].as_u64();
    let all = count().expect("a count");
    assert_eq!(count(), Some(all), "by the instance that was kept");
    let from = f64::from(FIRST_DAY + 1) * 86_400.0;
    let narrowing = [Narrowing { from: Some(from), ..Narrowing::default() }];
    world.runtime.installed_cells().narrow(user, READER, &narrowing, NOW).expect("narrowed");
    let late = stream(&world, user, "background/location")
        .iter()
        .filter(|one| one["ts"].as_f64() >= Some(from))
        .count();
    assert_eq!(count(), Some(late as u64));
    assert!((late as u64) < all);
    world.runtime.installed_cells().revoke(user, READER, NOW).expect("revoked");
    assert_eq!(ask(&world, user, &request).expect_err("revoked").status(), 410);
    // Another consent for the same code begins with a new instance.
    let nothing = [Narrowing { only: Some(Vec::new()), ..Narrowing::default() }];
    world.runtime.installed_cells().install(user, &package, &nothing, NOW).expect("installed");
    let denied = ask(&world, user, &request).expect("an answer");
    assert!(denied["failure"].as_str().is_some_and(|why| why.contains("background/location")), "{denied}");
}

#[test]
fn attack_140_stages_and_calls_of_eight_people_end_within_a_second_of_their_revocation() {
    const PEOPLE: usize = 8;
    let world = World::with(|settings| {
        settings.compiler = Some(env!("CARGO_BIN_EXE_testkit-cell-compiler").into());
        (settings.endpoint_threads, settings.stage_threads) = (PEOPLE, PEOPLE);
    });
    let key = publisher();
    let (keeper, reader) = (package(KEEPER, &key, unchanged), package(READER, &key, unchanged));
    let people: Vec<UserId> = (0..PEOPLE).map(|number| world.person(&format!("P{number}"))).collect();
    for user in &people {
        install(&world, *user, &keeper);
        install(&world, *user, &reader);
        put_labels(&world, *user, ["stays", "spin"]);
    }
    let sandbox = world.runtime.sandbox();
    let wait_for = |instances: usize| {
        let begun = Instant::now();
        while ((sandbox.slots() - sandbox.slots_free()) as usize) < instances {
            assert!(begun.elapsed() < Duration::from_secs(20), "{instances} never ran at once");
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    let mut running = Vec::new();
    for user in people.clone() {
        let runtime = std::sync::Arc::clone(&world.runtime);
        let run = move || {
            let report = runtime.pipelines().run(user, NOW).expect("it ran");
            (
                Instant::now(),
                report.guests.first().and_then(|guest| guest.failure.clone()).unwrap_or_default(),
            )
        };
        running.push(world.spawn(async move { tokio::task::spawn_blocking(run).await.expect("no panic") }));
    }
    wait_for(PEOPLE);
    let spin = json!({ "find": "spin", "keys": ["background/location"] }).to_string();
    for user in people.clone() {
        let (runtime, spin) = (std::sync::Arc::clone(&world.runtime), spin.clone());
        running.push(world.spawn(async move {
            // One that reaches its deadline before its consent has ended begins again.
            loop {
                let target = runtime.catalogue().target("x/reader").expect("a path");
                let body = runtime_user::Body::from_chunks(vec![bytes::Bytes::from(spin.clone())]);
                let head = runtime_user::Head::default();
                let call = runtime_user::Call { target, now: NOW, head, body, device: None };
                match runtime.call(user, call).await.map(drop) {
                    Err(error) if error.code() == "cell-deadline" => {}
                    Err(error) => return (Instant::now(), error.code().to_owned()),
                    Ok(()) => panic!("a call that never ends has ended"),
                }
            }
        }));
    }
    wait_for(PEOPLE + PEOPLE / 2);
    // Each in the order in which they were begun.
    let mut revoked = Vec::new();
    for name in [KEEPER, READER] {
        for user in &people {
            revoked.push(Instant::now());
            world.runtime.installed_cells().revoke(*user, name, NOW).expect("revoked");
        }
    }
    let mut after_ms: Vec<u128> = Vec::new();
    for (one, revoked) in running.into_iter().zip(revoked) {
        let (at, why) = world.block_on(one).expect("no panic");
        assert!(["cancel", "stopped", "ended"].iter().any(|word| why.contains(word)), "{why}");
        after_ms.push(at.saturating_duration_since(revoked).as_millis());
    }
    after_ms.sort_unstable();
    let (p50, p99) = (after_ms[after_ms.len() / 2], after_ms[after_ms.len() - 1]);
    println!("16 runs ended after their revocation: p50 {p50} ms, p99 {p99} ms");
    assert!(p99 <= 1_000, "{after_ms:?} ms");
    for user in people {
        assert_eq!(
            stream(&world, user, "study.keeper/label"),
            Vec::<Value>::new(),
            "something was committed"
        );
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
    assert_eq!(ask(&world, user, &request).expect_err("paused").code(), "cell-paused");
    assert_eq!(cells.set_paused(user, READER, false, NOW).expect("resumed").state, "active");
    assert!(ask(&world, user, &request).is_ok());
    assert_eq!(cells.revoke(user, READER, NOW).expect("revoked").state, "ended");
    assert_eq!(ask(&world, user, &request).expect_err("revoked").code(), "cell-ended");
    // Nor after a restart.
    let world = world.restart(|_| {});
    assert_eq!(ask(&world, user, &request).expect_err("revoked").status(), 410);
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
            let head = runtime_user::Head::default();
            let call = runtime_user::Call { target, now: NOW, head, body, device: None };
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
        assert!(matches!(why.code(), "cell-cancelled" | "cell-ended"), "{why}");
        let after = at.saturating_duration_since(revoked);
        assert!(after < Duration::from_secs(1), "{after:?}");
    }
}

#[test]
fn two_publishers_describe_a_stream_of_one_name_and_each_holds_for_their_own_people() {
    let world = world();
    let [ada, boris] = ["Ada", "Boris"].map(|name| {
        let user = world.person(name);
        put_day(&world, user, 0);
        user
    });
    install(&world, ada, &package(STAGE, &publisher(), unchanged));
    // The same code and the same stream, under a schema that its entries do not keep.
    let cell = runtime_cells::PACKAGES.iter().find(|cell| cell.name == STAGE).expect("it is built");
    let (name, schema) = cell.schemas[0];
    let stricter = schema.replace(r#""required": ["month","#, r#""required": ["nobody", "month","#);
    assert_ne!(schema, stricter);
    let other = pack(cell.component, cell.manifest, &[(name, &stricter)]).expect("a package");
    let other = publisher().sign(&other, &SystemRandom::new()).expect("signed");
    install(&world, boris, &other);
    let tried = |world: &World, now: f64| {
        run(world, ada, now);
        assert_eq!(stream(world, ada, MONTH), expected(world, ada));
        let report = world.runtime.pipelines().run(boris, now).expect("it ran");
        let why = report.guests[0].failure.clone().unwrap_or_default();
        assert!(why.contains("/required") && stream(world, boris, MONTH).is_empty(), "{why}");
    };
    tried(&world, NOW);
    // Neither keeps the runtime from opening.
    let world = world.restart(|_| {});
    tried(&world, NOW + 1e5);
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
