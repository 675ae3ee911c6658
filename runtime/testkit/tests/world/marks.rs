//! What arrives after a run with a time close to a mark reaches the diary: a stage's mark lies some seconds behind the
//! last entry that it has seen, and what was written in between is no less late than what was written before.

use runtime_simulator::{Person, Phone, simulate_day};
use runtime_testkit::{Random, World, seeds};
use runtime_user::UserId;
use serde_json::{Value, json};

/// 2024-03-04.
const FIRST_DAY: u32 = 19_786;
const SEED: u64 = 11;

fn day(number: u32) -> Vec<String> {
    simulate_day(&Person::invent(SEED, Phone::Android).plan(FIRST_DAY + number), SEED).entries
}

fn after(days: u32) -> f64 {
    f64::from(FIRST_DAY + days) * 86_400.0 + 43_200.0
}

fn mark(world: &World, user: UserId, stage: &str) -> f64 {
    let status = world.runtime.pipelines().status(user).expect("a status");
    let state = status.stages.into_iter().find(|known| known.stage == stage).expect("a stage").state;
    state.last_processed_ts.expect("a mark")
}

fn write_ts(entry: &str) -> f64 {
    let entry: Value = serde_json::from_str(entry).expect("JSON");
    entry["metadata"]["write_ts"].as_f64().expect("a time")
}

fn key(entry: &str) -> String {
    let entry: Value = serde_json::from_str(entry).expect("JSON");
    entry["metadata"]["key"].as_str().expect("a key").to_owned()
}

fn label(key: &str, trip: &Value, label: &str, write_ts: f64) -> String {
    let (start, end) = (&trip["data"]["start_ts"], &trip["data"]["end_ts"]);
    json!({
        "metadata": { "key": key, "platform": "android", "type": "message",
            "time_zone": "Asia/Kolkata", "write_ts": write_ts, "read_ts": 0 },
        "data": { "start_ts": start, "end_ts": end, "label": label },
    })
    .to_string()
}

fn assert_same(world: &World, got: UserId, want: UserId, what: &str) {
    let (got, want) = (world.canonical(got), world.canonical(want));
    let surplus: Vec<_> = got.iter().filter(|entry| !want.contains(entry)).take(2).collect();
    let missing: Vec<_> = want.iter().filter(|entry| !got.contains(entry)).take(2).collect();
    assert!(got == want, "{what}: {} of {}; surplus {surplus:?}; missing {missing:?}", got.len(), want.len());
}

/// Somebody with two days of diary.
fn with_diary(world: &World) -> (UserId, Vec<Value>) {
    let user = world.person("somebody");
    (0..2).for_each(|number| world.put(user, &day(number), after(3)));
    world.pipeline(user, after(3));
    let trips = world.entries(user, &["analysis/confirmed_trip"]);
    assert!(trips.len() > 2, "a diary without trips shows nothing");
    (user, trips)
}

// Row: "The mark lies 5 s behind"
#[test]
fn two_labels_within_seconds_reach_their_trip_though_a_run_lies_between_them() {
    let world = World::start();
    for gap_s in [-6.0, -5.0, -3.0, 0.001, 1.0, 4.9, 5.0, 5.1, 6.0] {
        let (user, trips) = with_diary(&world);
        let (written, now) = (after(3) + 1_000.0, after(3) + 3_600.0);
        world.put(user, &[label("manual/mode_confirm", &trips[0], "bike", written)], now);
        world.pipeline(user, now);
        world.put(user, &[label("manual/purpose_confirm", &trips[0], "work", written + gap_s)], now);
        let report = world.pipeline(user, now + 60.0);
        assert_eq!(report.rewinds.len(), usize::from(gap_s < 5.0), "{gap_s}");
        assert_eq!(world.pipeline(user, now + 120.0).rewinds.len(), 0, "{gap_s}: it is late once");
        for key in ["analysis/confirmed_trip", "analysis/composite_trip"] {
            let found = world.entries(user, &[key]);
            let trip = found.iter().find(|trip| trip["data"]["start_ts"] == trips[0]["data"]["start_ts"]);
            let given = &trip.expect("the trip")["data"]["user_input"];
            assert_eq!(given, &json!({ "mode_confirm": "bike", "purpose_confirm": "work" }), "{gap_s}");
        }
    }
}

#[test]
fn labels_written_densely_reach_their_trips_however_uploads_and_runs_are_interleaved() {
    let world = World::start();
    for seed in seeds() {
        let mut random = Random(seed);
        let (calm, trips) = with_diary(&world);
        let (wild, _) = with_diary(&world);
        let written = after(3) + 1_000.0;
        let mut labels: Vec<_> = (0..40)
            .map(|number| {
                let trip = &trips[random.below(trips.len())];
                let key = ["manual/mode_confirm", "manual/purpose_confirm"][random.below(2)];
                label(key, trip, &format!("label {number}"), written + f64::from(number) * 0.75)
            })
            .collect();
        let now = after(3) + 3_600.0;
        world.put(calm, &labels, now);
        world.pipeline(calm, now + 60.0);

        random.shuffle(&mut labels);
        let (mut rest, mut rewinds, mut step) = (&labels[..], 0, 0.0);
        while !rest.is_empty() {
            let (some, more) = rest.split_at((1 + random.below(6)).min(rest.len()));
            step += 1.0;
            world.put(wild, some, now + step);
            rewinds += world.pipeline(wild, now + step).rewinds.len();
            rest = more;
        }
        assert!(rewinds > 0, "seed {seed}: nothing was late");
        assert_eq!(world.pipeline(wild, now + 60.0).rewinds.len(), 0, "seed {seed}");
        assert_same(&world, wild, calm, &format!("seed {seed}"));
    }
}

// Row: "The mark lies 5 s behind"
#[test]
fn readings_close_to_the_mark_of_the_trips_are_in_the_diary_as_if_they_had_come_in_time() {
    let world = World::start();
    let all: Vec<_> = (0..2).flat_map(day).collect();
    let whole = world.person("whole");
    world.put(whole, &all, after(3));
    world.pipeline(whole, after(3));
    let mark = mark(&world, whole, "TRIP_SEGMENTATION");
    let counts = ["background/filtered_location", "background/motion_activity", "statemachine/transition"];
    let (mut close, mut rest): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|entry| (write_ts(entry) - mark).abs() <= 60.0);
    // Another reading every half second, so that some lie between the last one seen and the mark.
    let point: Value = close
        .iter()
        .find(|entry| key(entry) == counts[0])
        .map(|entry| serde_json::from_str(entry).expect("JSON"))
        .expect("a point at the end of a trip");
    for step in -12..=12 {
        let at = mark + f64::from(step) * 0.5;
        let mut more = point.clone();
        more["metadata"]["write_ts"] = at.into();
        more["data"]["ts"] = (at - 0.2).into();
        close.push(more.to_string());
    }
    close.sort_by(|a, b| write_ts(a).total_cmp(&write_ts(b)));
    rest.sort_by(|a, b| write_ts(a).total_cmp(&write_ts(b)));

    for seed in seeds() {
        let mut random = Random(seed);
        let (held_back, in_time): (Vec<_>, Vec<_>) =
            close.iter().cloned().partition(|_| random.below(3) == 0);
        let user = world.person("late");
        world.put(user, &rest, after(3));
        world.put(user, &in_time, after(3));
        world.pipeline(user, after(3));
        let mark = self::mark(&world, user, "TRIP_SEGMENTATION");
        let late = held_back.iter().filter(|entry| counts.contains(&key(entry).as_str()));
        let late = late.filter(|entry| write_ts(entry) < mark).count();
        world.put(user, &held_back, after(3) + 60.0);
        let report = world.pipeline(user, after(3) + 60.0);
        if late == 0 {
            continue;
        }
        assert_eq!(report.rewinds.len(), 1, "seed {seed}: {late} before {mark}");
        let want = world.person("in time");
        world.put(want, &rest, after(3));
        world.put(want, &close, after(3));
        world.pipeline(want, after(3));
        assert_same(&world, user, want, &format!("seed {seed}, {late} before {mark}"));
        assert_eq!(world.pipeline(user, after(3) + 120.0).rewinds.len(), 0, "seed {seed}: it is late once");
    }
}

#[test]
fn a_label_that_was_imported_too_young_for_the_run_is_read_by_the_next() {
    let world = World::start();
    let (user, trips) = with_diary(&world);
    let now = after(3) + 3_600.0;
    let import = |entry: &str| {
        let mut entry: Value = serde_json::from_str(entry).expect("JSON");
        entry["metadata"]["write_fmt_time"] = "".into();
        let dump = json!([entry]).to_string();
        world.runtime.diaries().import(user, dump.as_bytes(), now).expect("imported");
    };
    // The run's window ends between the two, and the mark behind both.
    import(&label("manual/mode_confirm", &trips[0], "bike", now - 5.5));
    import(&label("manual/purpose_confirm", &trips[0], "work", now - 3.0));
    world.pipeline(user, now);
    let given =
        |world: &World| world.entries(user, &["analysis/confirmed_trip"])[0]["data"]["user_input"].clone();
    assert_eq!(given(&world), json!({ "mode_confirm": "bike" }));
    assert_eq!(mark(&world, user, "USER_INPUT_MATCH_INCOMING"), now - 3.0);
    world.pipeline(user, now + 60.0);
    assert_eq!(given(&world), json!({ "mode_confirm": "bike", "purpose_confirm": "work" }));
}
