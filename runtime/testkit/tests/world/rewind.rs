//! What arrives late, is forgotten or is reset leaves the diary as if it had always been so.
//!
//! The diaries that are compared were made of everything in one run, but for what a test adds or takes away: where a
//! load ends, the reference ends a trip a little otherwise than where more follows, and what stands is not made anew
//! for that.

use runtime_simulator::{Person, Phone, simulate_day};
use runtime_testkit::World;
use runtime_user::UserId;
use serde_json::{Value, json};

const FIRST_DAY: u32 = 19_786;
const SEED: u64 = 11;

fn day(number: u32) -> Vec<String> {
    simulate_day(&Person::invent(SEED, Phone::Android).plan(FIRST_DAY + number), SEED).entries
}

/// Local midnight before a day, s.
fn midnight(number: u32) -> f64 {
    Person::invent(SEED, Phone::Android).plan(FIRST_DAY + number).midnight_ts as f64
}

fn noon_after(days: u32) -> f64 {
    midnight(days) + 43_200.0
}

/// Somebody whose phone put these days, the pipeline running after each load.
fn after(world: &World, loads: &[&[u32]]) -> UserId {
    let user = world.person("somebody");
    for (index, days) in loads.iter().enumerate() {
        let now = noon_after(4) + 3_600.0 * index as f64;
        days.iter().for_each(|number| world.put(user, &day(*number), now));
        world.pipeline(user, now);
    }
    user
}

fn rewinds(world: &World, user: UserId, now: f64) -> usize {
    world.pipeline(user, now).rewinds.len()
}

fn assert_same(world: &World, got: UserId, want: UserId, what: &str) {
    let (got, want) = (world.canonical(got), world.canonical(want));
    assert!(
        want.iter().any(|entry| entry.contains("segmentation/raw_trip")),
        "{what}: no trips show nothing"
    );
    let surplus: Vec<_> = got.iter().filter(|entry| !want.contains(entry)).take(2).collect();
    let missing: Vec<_> = want.iter().filter(|entry| !got.contains(entry)).take(2).collect();
    assert!(got == want, "{what}: {} of {}; surplus {surplus:?}; missing {missing:?}", got.len(), want.len());
}

// Row: "Takes entries from the mark on"
#[test]
fn a_day_that_arrives_late_is_in_the_diary_as_if_it_had_come_in_time() {
    let world = World::start();
    let in_time = after(&world, &[&[0, 1, 2, 3]]);
    let orders: [&[&[u32]]; 5] = [
        &[&[1, 2, 3], &[0]],
        &[&[0, 2, 3], &[1]],
        &[&[0, 1, 3], &[2]],
        &[&[0, 3], &[1, 2]],
        &[&[2, 3], &[1], &[0]],
    ];
    for order in orders {
        assert_same(&world, after(&world, order), in_time, &format!("{order:?}"));
    }
}

#[test]
fn days_in_time_are_never_made_anew() {
    let world = World::start();
    let user = world.person("somebody");
    for number in 0..4 {
        // As phones do: the day is put in the evening, in batches.
        let now = midnight(number + 1);
        for batch in runtime_simulator::batches(&day(number), 300) {
            world.put(user, batch, now);
            assert_eq!(rewinds(&world, user, now), 0, "day {number}");
        }
    }
}

// Row: "Entries that are imported behind the mark"
#[test]
fn a_late_import_is_in_the_diary_as_if_it_had_come_in_time() {
    let world = World::start();
    let phone = after(&world, &[&[1]]);
    let mut dump = Vec::new();
    world
        .runtime
        .person(phone)
        .expect("open")
        .dump(&[runtime_user::Area::Timeseries], &mut dump)
        .expect("a dump");
    let mut raw: Vec<Value> = serde_json::from_slice(&dump).expect("JSON");
    let made = ["segmentation/", "analysis/", "inference/"];
    raw.retain(|entry| {
        !made
            .iter()
            .any(|family| entry["metadata"]["key"].as_str().is_some_and(|key| key.starts_with(family)))
    });
    for entry in &mut raw {
        // Another store gives the same ids out, and is asked for new ones.
        let entry = entry.as_object_mut().expect("an entry");
        entry.remove("_id");
        entry.remove("invalid");
    }
    let user = after(&world, &[&[0, 2]]);
    let now = noon_after(5);
    world
        .runtime
        .diaries()
        .import(user, serde_json::to_vec(&raw).expect("JSON").as_slice(), now)
        .expect("imported");
    let status = world.runtime.pipelines().status(user).expect("a status");
    let from = status.rewind.expect("late entries ask for a rewind").wanted.from.expect("from when on");
    assert!((midnight(1)..midnight(2)).contains(&from), "{from}");
    assert!(status.pending.is_some());
    assert_eq!(rewinds(&world, user, now + 60.0), 1);
    assert_same(&world, user, after(&world, &[&[0, 1, 2]]), "imported");
}

/// A label that a person gave a trip, as a phone puts it.
fn label(trip: &Value, label: &str, write_ts: f64) -> String {
    let (start, end) = (&trip["data"]["start_ts"], &trip["data"]["end_ts"]);
    json!({
        "metadata": { "key": "manual/mode_confirm", "platform": "android", "type": "message",
            "time_zone": "Asia/Kolkata", "write_ts": write_ts, "read_ts": 0 },
        "data": { "start_ts": start, "end_ts": end, "label": label },
    })
    .to_string()
}

// Row: "An input that is written before the mark"
#[test]
fn a_label_that_arrives_late_reaches_its_trip_and_nothing_else_is_made_anew() {
    let world = World::start();
    let user = after(&world, &[&[0, 1]]);
    let trips = world.entries(user, &["analysis/confirmed_trip"]);
    let labels = |world: &World| {
        let trips = world.entries(user, &["analysis/confirmed_trip"]);
        trips.iter().map(|trip| trip["data"]["user_input"]["mode_confirm"].clone()).collect::<Vec<_>>()
    };
    let now = noon_after(4) + 7_200.0;
    world.put(user, &[label(&trips[1], "bike", now - 100.0)], now);
    assert_eq!(rewinds(&world, user, now), 0, "a label is behind the trips and not behind its own stage");
    assert_eq!((&labels(&world)[0], &labels(&world)[1]), (&Value::Null, &json!("bike")));

    let now = now + 3_600.0;
    world.put(user, &[label(&trips[0], "walk", now - 9_000.0)], now);
    let report = world.pipeline(user, now);
    assert_eq!((report.rewinds.len(), report.rewinds[0].entries_written), (1, 0));
    assert_eq!((&labels(&world)[0], &labels(&world)[1]), (&json!("walk"), &json!("bike")));
    let ids = |entries: &[Value]| entries.iter().map(|entry| entry["_id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&world.entries(user, &["analysis/confirmed_trip"])), ids(&trips));
}

// Row: "Nothing can be deleted but a whole person"
#[test]
fn a_forgotten_day_was_never_there() {
    let world = World::start();
    for forgotten in [0, 1, 2, 3] {
        let user = after(&world, &[&[0, 1, 2, 3]]);
        let span = midnight(forgotten)..=midnight(forgotten + 1).next_down();
        let now = noon_after(5);
        let removed = world.runtime.diaries().forget(user, span.clone(), &[]).expect("forgotten");
        assert_eq!(removed, day(forgotten).len() as u64, "day {forgotten}");
        assert_eq!(world.runtime.diaries().forget(user, span, &[]).expect("forgotten"), 0);
        assert!(world.runtime.timetable().pending(user).is_some());
        // What was made of the day has gone with it.
        assert_eq!(rewinds(&world, user, now + 60.0), 0);
        let others: Vec<_> = (0..4).filter(|number| *number != forgotten).collect();
        assert_same(&world, user, after(&world, &[&others]), &format!("without day {forgotten}"));
    }
}

// Row: "Nothing can be deleted but a whole person"
#[test]
fn what_waits_in_the_usercache_is_forgotten_too_and_other_streams_stay() {
    let world = World::start();
    let user = world.person("somebody");
    let now = noon_after(4);
    world.put(user, &day(0), now);
    let battery = ["background/battery".to_owned()];
    let span = || midnight(0)..=midnight(1);
    let first = world.runtime.diaries().forget(user, span(), &battery).expect("forgotten");
    assert!(first > 0 && first < day(0).len() as u64, "{first}");
    assert!(world.entries(user, &["background/battery"]).is_empty());
    let rest = world.runtime.diaries().forget(user, span(), &["*/*".to_owned()]).expect("forgotten");
    assert_eq!(first + rest, day(0).len() as u64);
    assert_eq!(
        world.runtime.pipelines().status(user).expect("a status").rewind,
        None,
        "nothing was made of it"
    );
    assert!(world.canonical(user).is_empty());
}

// Row: "A reset to a moment deletes"
#[test]
fn what_was_forgotten_does_not_come_back_when_a_phone_sends_it_again() {
    let world = World::start();
    let user = after(&world, &[&[0, 1]]);
    let now = noon_after(5);
    // One day was taken in; the other waits, and with it an entry that is set aside as it comes.
    let broken = r#"{"metadata":{"key":"background/location","type":"sensor-data","write_ts":1709730000.5},"data":[]}"#;
    let waiting: Vec<_> = day(2).into_iter().chain([broken.to_owned()]).collect();
    world.put(user, &waiting, now);
    let span = || midnight(1)..=midnight(3);
    let removed = world.runtime.diaries().forget(user, span(), &[]).expect("forgotten");
    assert!(removed >= (day(1).len() + day(2).len()) as u64, "{removed}");
    world.pipeline(user, now + 60.0);
    let without = world.canonical(user);
    for round in 0..2 {
        let world_time = now + 120.0 + f64::from(round);
        // Answered as if it were stored, so that the phone deletes its copy; in another order, and together with others.
        world.put(user, &day(1), world_time);
        world.put(user, &waiting, world_time);
        world.put(user, &day(0), world_time);
        world.pipeline(user, world_time);
        assert_eq!(world.canonical(user), without, "round {round}");
    }
    let world = world.restart(|_| {});
    world.put(user, &day(1), now + 200.0);
    assert_eq!(world.canonical(user), without, "after a restart");
}

#[test]
fn what_comes_for_the_first_time_is_new_whatever_was_forgotten_of_its_day() {
    let world = World::start();
    let user = world.person("somebody");
    let now = noon_after(4);
    let (early, late): (Vec<_>, Vec<_>) = day(0).into_iter().enumerate().partition(|(at, _)| at % 2 == 0);
    let texts = |some: Vec<(usize, String)>| some.into_iter().map(|(_, text)| text).collect::<Vec<_>>();
    let (early, late) = (texts(early), texts(late));
    world.put(user, &early, now);
    assert_eq!(
        world.runtime.diaries().forget(user, midnight(0)..=midnight(1), &[]).expect("forgotten"),
        early.len() as u64
    );
    world.put(user, &day(0), now);
    assert_eq!(world.canonical(user).len(), late.len());
}

#[test]
fn a_reset_from_any_moment_makes_the_same_diary_again() {
    let world = World::start();
    let user = after(&world, &[&[0, 1, 2, 3]]);
    let want = after(&world, &[&[0, 1, 2, 3]]);
    for step in 0..10 {
        let from = midnight(0) + 4.0 * 86_400.0 * f64::from(step) / 9.0 - 3_600.0;
        let now = noon_after(5) + 60.0 * f64::from(step);
        world.runtime.pipelines().rewind(user, from).expect("reset");
        assert_eq!(rewinds(&world, user, now), 1);
        assert_same(&world, user, want, &format!("from {from}"));
    }
    world.runtime.pipelines().reset(user).expect("reset");
    world.pipeline(user, noon_after(6));
    assert_same(&world, user, want, "from the beginning");
}

#[test]
fn a_rewind_that_is_wanted_survives_a_restart() {
    let world = World::start();
    let user = after(&world, &[&[0, 1]]);
    world.runtime.pipelines().rewind(user, midnight(1)).expect("reset");
    let world = world.restart(|_| {});
    let status = world.runtime.pipelines().status(user).expect("a status");
    assert_eq!(status.rewind.and_then(|rewind| rewind.wanted.from), Some(midnight(1)));
    assert!(status.pending.is_some());
    assert_eq!(rewinds(&world, user, noon_after(5)), 1);
    assert_eq!(rewinds(&world, user, noon_after(5)), 0);
    assert_eq!(world.runtime.timetable().pending(user), None);
}
