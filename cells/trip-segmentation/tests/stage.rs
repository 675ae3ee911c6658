//! Whole runs of the stage, on made-up days.

use cells_sdk::testing::{Memory, Stored};
use cells_sdk::{Area, Outcome, Run, TimeField};
use cells_trip_segmentation::{run, run_over};
use proptest::prelude::*;
use serde_json::Value;

const NOW: f64 = 1_700_100_000.0;
const DAY: f64 = 1_700_000_000.0;
const LOCATION: &str = "background/filtered_location";
const TRIP: &str = "segmentation/raw_trip";
const PLACE: &str = "segmentation/raw_place";
const UNTRACKED: &str = "segmentation/raw_untracked";

const TIME: &str = r#","filter":"time""#;
const DISTANCE: &str = r#","filter":"distance""#;
const APP: &str = r#","filter":"app""#;

/// A phone that is carried north and south.
struct Phone {
    memory: Memory,
    ts: f64,
    latitude: f64,
    filter: &'static str,
    /// How often its points are written, s; none: a second after each.
    batch_s: Option<f64>,
}

impl Phone {
    fn new() -> Self {
        Self { memory: Memory::new(), ts: DAY, latitude: 47.0, filter: TIME, batch_s: None }
    }

    /// Points 29 s apart; a step of 0.003 degrees is about 330 m.
    fn moves(mut self, count: usize, step: f64) -> Self {
        for _ in 0..count {
            self.ts += 29.0;
            self.latitude += step;
            let ts = self.ts;
            self = self.point(ts);
        }
        self
    }

    fn day_out(self) -> Self {
        self.moves(20, 0.003).moves(15, 0.0)
    }

    fn point(self, ts: f64) -> Self {
        let latitude = self.latitude;
        let write_ts = match self.batch_s {
            Some(batch_s) => DAY + ((self.ts - DAY) / batch_s).ceil() * batch_s,
            None => self.ts + 1.0,
        };
        let (local_dt, fmt_time) = cells_sdk::model::time::local(ts, "Europe/Zurich").expect("sound");
        let local_dt = serde_json::to_string(&local_dt).expect("plain");
        let data = format!(
            r#"{{"latitude":{latitude},"longitude":8.5,"loc":{{"type":"Point","coordinates":[8.5,{latitude}]}},
                "ts":{ts},"local_dt":{local_dt},"fmt_time":"{fmt_time}","accuracy":10{}}}"#,
            self.filter
        );
        self.entry(LOCATION, write_ts, &data)
    }

    fn transition(self, state: u8, transition: u8) -> Self {
        let ts = self.ts + 2.0;
        self.entry(
            "statemachine/transition",
            ts,
            &format!(r#"{{"curr_state":{state},"transition":{transition},"ts":{ts}}}"#),
        )
    }

    fn entry(mut self, key: &str, write_ts: f64, data: &str) -> Self {
        let metadata = format!(r#"{{"key":"{key}","write_ts":{write_ts},"time_zone":"Europe/Zurich"}}"#);
        self.memory = self.memory.with_entry(Area::Timeseries, &metadata, data);
        self
    }

    fn run(&mut self, last: Outcome) -> Outcome {
        self.memory.run_stage(run, NOW, last).expect("the stage works")
    }

    /// In the order of their beginnings.
    fn made(&self, key: &str) -> Vec<Value> {
        let begin = |entry: &&Stored| match key {
            PLACE => entry.time(TimeField::EnterTs).max(0.0),
            _ => entry.time(TimeField::StartTs),
        };
        let mut entries = self.memory.of_key(key);
        entries.sort_by(|a, b| begin(a).total_cmp(&begin(b)));
        entries
            .into_iter()
            .map(|entry| {
                let mut data = entry.data();
                data["_id"] = entry.id.to_string().into();
                data
            })
            .collect()
    }

    fn warnings(&self) -> String {
        self.memory.log_lines().iter().map(|line| format!("{}\n", line.1)).collect()
    }
}

fn assert_linked(phone: &Phone) {
    let (places, trips) = (phone.made(PLACE), [phone.made(TRIP), phone.made(UNTRACKED)].concat());
    assert_eq!(places.len(), trips.len() + 1);
    let place_of =
        |id: &Value| places.iter().find(|place| place["_id"] == id["$oid"]).expect("a known place");
    for trip in &trips {
        let (from, to) = (place_of(&trip["start_place"]), place_of(&trip["end_place"]));
        assert_eq!(from["starting_trip"]["$oid"], trip["_id"]);
        assert_eq!(to["ending_trip"]["$oid"], trip["_id"]);
        assert_eq!((&from["exit_ts"], &to["enter_ts"]), (&trip["start_ts"], &trip["end_ts"]));
        assert_eq!(from["exit_fmt_time"], trip["start_fmt_time"]);
    }
    assert_eq!(places.iter().filter(|place| place.get("exit_ts").is_none()).count(), 1);
    assert_eq!(places.iter().filter(|place| place.get("enter_ts").is_none()).count(), 1);
}

// Row: "No transition at all, or two points"
#[test]
fn a_day_with_two_stays_becomes_a_chain_of_linked_places_and_trips() {
    let mut phone = Phone::new().day_out().day_out();
    let outcome = phone.run(Outcome::default());
    assert_eq!(phone.made(TRIP).len(), 2);
    assert_linked(&phone);
    let trips = phone.made(TRIP);
    let seconds = |name: &str| trips[0][name].as_f64().expect("a number");
    assert_eq!(seconds("duration"), seconds("end_ts") - seconds("start_ts"));
    assert!((6_000.0..7_000.0).contains(&seconds("distance")), "{}", trips[0]);
    assert_eq!(trips[0]["start_local_dt"]["timezone"], "Europe/Zurich");
    assert!(outcome.processed_through.expect("a trip was closed") < phone.ts + 1.0);
    assert_eq!(phone.warnings(), "");
}

#[test]
fn entries_of_a_run_are_dated_a_microsecond_apart_in_the_order_of_creation() {
    let mut phone = Phone::new().day_out().day_out();
    phone.run(Outcome::default());
    let mut write_ts: Vec<f64> = [TRIP, PLACE]
        .iter()
        .flat_map(|key| phone.memory.of_key(key))
        .map(|entry| entry.time(TimeField::WriteTs))
        .collect();
    write_ts.sort_by(f64::total_cmp);
    let wanted: Vec<f64> = (0..5).map(|index| NOW + f64::from(index) * 1e-6).collect();
    assert_eq!(write_ts, wanted);
}

// Row: "The chain of trips goes on from any place"
#[test]
fn the_next_run_continues_from_the_open_place() {
    let mut phone = Phone::new().day_out().moves(1, 0.003);
    let outcome = phone.run(Outcome::default());
    assert_eq!((phone.made(TRIP).len(), phone.made(PLACE).len()), (1, 2));
    let open = phone.made(PLACE).remove(1);
    let mut phone = phone.day_out();
    phone.run(outcome);
    assert_eq!(phone.made(TRIP).len(), 2);
    assert_linked(&phone);
    let left = phone.made(PLACE).remove(1);
    assert_eq!(left["_id"], open["_id"]);
    assert_eq!(left["enter_fmt_time"], open["enter_fmt_time"]);
    assert_eq!(
        left["duration"].as_f64(),
        left["exit_ts"].as_f64().zip(open["enter_ts"].as_f64()).map(|(a, b)| a - b)
    );
}

#[test]
fn unknown_members_of_an_open_place_survive_its_exit() {
    let mut phone = Phone::new();
    let place = r#"{"enter_ts":1699999000.5,"enter_fmt_time":"x","location":{"type":"Point","coordinates":[8.5,47]},
        "source":"ours","named":{"by":"its owner"}}"#;
    phone = phone.entry(PLACE, DAY, place).day_out().moves(1, 0.003);
    phone.run(Outcome::default());
    let place = phone.made(PLACE).remove(0);
    assert_eq!((&place["named"]["by"], &place["source"]), (&"its owner".into(), &"ours".into()));
    assert!(place["starting_trip"]["$oid"].is_string());
}

// Row: "Nothing closed: the mark stays"
#[test]
fn a_trip_under_way_leaves_no_trace_and_no_mark() {
    let mut phone = Phone::new().moves(20, 0.003);
    assert_eq!(phone.run(Outcome::default()), Outcome::default());
    assert_eq!((phone.made(TRIP), phone.made(PLACE)), (Vec::new(), Vec::new()));
    assert_eq!(Phone::new().run(Outcome::default()), Outcome::default());
}

// Row: "An untracked span starts 5 s after"
#[test]
fn a_restart_between_two_trips_makes_an_untracked_span_from_5_s_after_the_arrival() {
    let mut phone = Phone::new().day_out().transition(2, 3).day_out();
    phone.run(Outcome::default());
    assert_linked(&phone);
    let (trips, untracked) = (phone.made(TRIP), phone.made(UNTRACKED));
    assert_eq!((trips.len(), untracked.len()), (2, 1));
    let number = |entry: &Value, name: &str| entry[name].as_f64().expect("a number");
    assert_eq!(number(&untracked[0], "start_ts"), number(&trips[0], "end_ts") + 5.0);
    assert_eq!(untracked[0]["start_fmt_time"], trips[0]["end_fmt_time"]);
    assert_eq!(untracked[0]["end_ts"], trips[1]["start_ts"]);
}

// Row: "The point at which an untracked span began"
#[test]
fn an_untracked_span_needs_no_arrival_point_where_the_place_knows_the_arrival() {
    let place = r#"{"enter_ts":1699000000,"enter_fmt_time":"1999","location":{"type":"Point","coordinates":[8.5,46]},
        "enter_local_dt":{"year":1999,"month":1,"day":2,"hour":3,"minute":4,"second":5,"weekday":6,"timezone":"UTC"},
        "source":"DwellSegmentationTimeFilter"}"#;
    // A degree away after eleven days: that was no travel.
    let mut phone = Phone::new().entry(PLACE, DAY, place).day_out().moves(1, 0.003);
    phone.run(Outcome::default());
    let untracked = phone.made(UNTRACKED).remove(0);
    assert_eq!(
        (&untracked["start_ts"], &untracked["start_fmt_time"]),
        (&1_699_000_005.0.into(), &"1999".into())
    );
    assert_eq!(untracked["start_loc"]["coordinates"][1], 46.0);
}

// Row: "A point that is earlier than one written before it"
#[test]
fn points_whose_time_runs_backwards_are_marked_invalid_and_change_nothing() {
    let mut with = Phone::new().moves(10, 0.003);
    with = with.point(DAY - 500.0).moves(10, 0.003).moves(16, 0.0);
    let mut without = Phone::new().moves(20, 0.003).moves(16, 0.0);
    let mark = with.run(Outcome::default());
    assert_eq!(mark, without.run(Outcome::default()));
    let spans = |phone: &Phone| -> Vec<_> {
        phone.made(TRIP).iter().map(|trip| (trip["start_ts"].clone(), trip["end_ts"].clone())).collect()
    };
    assert_eq!(spans(&with), spans(&without));
    let invalid: Vec<f64> = with
        .memory
        .of_key(LOCATION)
        .iter()
        .filter(|entry| entry.invalid)
        .map(|entry| entry.time(TimeField::DataTs))
        .collect();
    assert_eq!(invalid, [DAY - 500.0]);
    assert!(with.warnings().starts_with("1 points have an earlier time"), "{}", with.warnings());
}

// Row: "A fix at 0° north, 0° east is a place"
#[test]
fn a_point_at_0_degrees_north_and_east_is_marked_invalid_and_ends_no_trip() {
    let mut with = Phone::new().moves(10, 0.003);
    for _ in 0..40 {
        let ts = with.ts + 300.0;
        with.ts = ts;
        let data = format!(r#"{{"latitude":0,"longitude":0,"ts":{ts},"filter":"time","accuracy":10}}"#);
        with = with.entry(LOCATION, ts + 1.0, &data);
    }
    with = with.moves(10, 0.003).moves(16, 0.0);
    with.run(Outcome::default());
    let hidden = with.memory.of_key(LOCATION).iter().filter(|entry| entry.invalid).count();
    assert_eq!(hidden, 40);
    assert!(with.warnings().contains("40 points are at 0 degrees north"), "{}", with.warnings());
    let hours = |trip: &Value| trip["duration"].as_f64().expect("a number") / 3_600.0;
    assert!(with.made(TRIP).iter().all(|trip| hours(trip) < 1.0), "nobody travelled all night");
}

// Row: "So one point that is ahead"
#[test]
fn points_invalidated_by_one_ahead_of_its_time_are_valid_again_after_more_points() {
    let mut phone = Phone::new().moves(10, 0.003);
    let ahead = phone.ts + 300.0;
    phone = phone.point(ahead).moves(2, 0.003);
    let outcome = phone.run(Outcome::default());
    let hidden = |phone: &Phone| -> Vec<f64> {
        let entries = phone.memory.of_key(LOCATION);
        entries.iter().filter(|entry| entry.invalid).map(|entry| entry.time(TimeField::DataTs)).collect()
    };
    assert_eq!(hidden(&phone).len(), 2, "nobody can tell yet which is wrong");
    phone = phone.moves(18, 0.003).moves(16, 0.0);
    phone.run(outcome);
    assert_eq!(hidden(&phone), [ahead]);
    assert_eq!(phone.made(TRIP).len(), 1);
}

// Row: "Points without `filter` raise"
#[test]
fn points_that_name_no_filter_are_treated_as_sampled_in_time() {
    let mut phone = Phone { filter: "", ..Phone::new() }.day_out().day_out();
    phone.run(Outcome::default());
    assert_eq!(phone.made(TRIP).len(), 2);
    assert_eq!(phone.made(TRIP)[0]["source"], "DwellSegmentationTimeFilter");
    assert!(phone.warnings().contains("70 points do not say how they were sampled"), "{}", phone.warnings());
}

// Row: "A point without a time or a place"
#[test]
fn a_point_without_a_place_is_skipped() {
    let mut phone = Phone::new().moves(5, 0.003);
    let write_ts = phone.ts + 1.0;
    phone =
        phone.entry(LOCATION, write_ts, &format!(r#"{{"ts":{write_ts}}}"#)).moves(15, 0.003).moves(16, 0.0);
    phone = phone.entry(LOCATION, write_ts, r#"{"latitude":47,"longitude":8.5,"filter":"time"}"#);
    phone.run(Outcome::default());
    assert_eq!(phone.made(TRIP).len(), 1);
    assert!(phone.warnings().contains("2 points have no time or no place"), "{}", phone.warnings());
}

// Row: "With both filters in one window"
#[test]
fn an_owner_who_changes_phones_gets_each_phones_trips_under_the_first_ones_name() {
    let mut phone = Phone::new().day_out();
    phone = Phone { filter: r#","filter":"distance""#, ts: phone.ts + 7200.0, ..phone }.moves(20, 0.003);
    let mut phone = phone.transition(2, 2);
    phone.run(Outcome::default());
    let trips = phone.made(TRIP);
    assert_eq!(trips.len(), 2);
    assert!(trips.iter().all(|trip| trip["source"] == "DwellSegmentationTimeFilter"), "{trips:?}");
    assert_linked(&phone);
}

#[test]
fn local_times_that_a_point_lacks_are_worked_out_from_its_zone() {
    let mut phone = Phone::new().moves(1, 0.0);
    let mut ts = phone.ts;
    for row in 0..40 {
        ts += 29.0;
        let latitude = 47.0 + 0.003 * f64::from(row.min(20));
        let data = format!(r#"{{"latitude":{latitude},"longitude":8.5,"ts":{ts},"filter":"time"}}"#);
        phone = phone.entry(LOCATION, ts, &data);
    }
    phone.run(Outcome::default());
    let trip = phone.made(TRIP).remove(0);
    assert_eq!(trip["end_local_dt"]["timezone"], "Europe/Zurich");
    assert!(trip["end_fmt_time"].as_str().expect("a text").ends_with("+01:00"), "{trip}");
    assert_eq!(trip["end_loc"]["coordinates"][0], 8.5);
}

/// Runs the stage as the runtime does, with so many rows a run; what each run came to.
fn run_in_parts(phone: &mut Phone, rows_a_run: usize) -> (Outcome, usize) {
    let over = |memory: &mut Memory, window: &Run| run_over(memory, window, rows_a_run);
    phone.memory.run_counted(over, NOW, Outcome::default()).expect("the stage works")
}

/// What is told of trips or places, without the ids.
fn told(phone: &Phone, key: &str) -> Vec<Value> {
    let mut made = phone.made(key);
    for entry in &mut made {
        let entry = entry.as_object_mut().expect("an object");
        entry.retain(|name, value| name != "_id" && value.get("$oid").is_none());
    }
    made
}

// Row: "Reads everything that was written since its mark"
#[test]
fn a_backlog_that_is_taken_in_parts_has_the_trips_of_one_run() {
    let stays: fn(Phone) -> Phone = |phone| phone.day_out();
    let is_silent: fn(Phone) -> Phone = |phone| {
        let phone = phone.moves(20, 0.003);
        Phone { ts: phone.ts + 3_600.0, ..phone }.moves(3, 0.0)
    };
    let cases = [
        (TIME, stays, 60),
        (TIME, stays, 36),
        (TIME, stays, 100),
        (TIME, is_silent, 40),
        (TIME, is_silent, 70),
        (DISTANCE, is_silent, 30),
        (DISTANCE, is_silent, 70),
        (APP, stays, 60),
        (APP, stays, 100),
    ];
    for (filter, day, rows_a_run) in cases {
        let days = |phone: Phone| (0..12).fold(phone, |phone, _| day(phone)).moves(20, 0.003);
        let (mut whole, mut parts) = [(); 2].map(|()| days(Phone { filter, ..Phone::new() })).into();
        let (in_one, one) = run_in_parts(&mut whole, 100_000);
        let (in_parts, many) = run_in_parts(&mut parts, rows_a_run);
        assert_eq!((whole.made(TRIP).len(), one), (12, 1));
        assert!(many > 4, "{many} runs of {rows_a_run} rows");
        for key in [TRIP, PLACE, UNTRACKED] {
            assert!(told(&parts, key) == told(&whole, key), "{key}: {filter}, {rows_a_run} rows a run");
        }
        assert_linked(&parts);
        assert_eq!(in_parts.state, in_one.state);
    }
}

#[test]
fn a_trip_of_more_points_than_one_run_takes_is_found_by_a_run_that_takes_more() {
    let mut phone = Phone::new().day_out().moves(150, 0.003).moves(15, 0.0).day_out().moves(1, 0.003);
    let (outcome, runs) = run_in_parts(&mut phone, 60);
    assert_eq!(phone.made(TRIP).len(), 3);
    assert!(runs > 2, "{runs}");
    assert_eq!((outcome.state, phone.warnings()), (Vec::new(), String::new()));
}

#[test]
fn who_never_rests_holds_up_no_later_trip() {
    let mut phone = Phone::new().moves(2_000, 0.003).moves(15, 0.0).day_out().moves(1, 0.003);
    run_in_parts(&mut phone, 50);
    let trips = phone.made(TRIP);
    assert_eq!(trips.len(), 2, "the end of the long one, and the short one");
    assert!(trips[0]["duration"].as_f64() < Some(200.0 * 29.0), "{}", trips[0]);
    assert!(phone.warnings().contains("100 points without the end of a trip"), "{}", phone.warnings());
    assert_linked(&phone);
}

#[test]
fn who_lies_still_for_years_holds_up_no_later_trip() {
    // The reference finds a short trip at the beginning of every window that begins in a stay.
    for (filter, trips) in [(TIME, 11), (APP, 1)] {
        let phone = Phone { filter, ..Phone::new() };
        let mut phone = phone.moves(2_000, 0.0).day_out().moves(1, 0.003);
        run_in_parts(&mut phone, 50);
        let found = phone.made(TRIP);
        assert_eq!(found.len(), trips, "{filter}");
        assert!(found[trips - 1]["distance"].as_f64() > Some(6_000.0), "{}", found[trips - 1]);
    }
}

#[test]
fn points_that_were_written_at_once_make_each_trip_once() {
    // A batch ends in the middle of each day: within a trip, in a stay, and all in one.
    for batch_s in [700.0, 1_000.0, 5_000.0, 100_000.0] {
        // The time method leaves out points that were written late.
        for filter in [DISTANCE, APP] {
            let silent = |phone: Phone| Phone { ts: phone.ts + 3_600.0, ..phone }.moves(3, 0.0);
            let mut phone = Phone { filter, batch_s: Some(batch_s), ..Phone::new() };
            phone = (0..3).fold(phone, |phone, _| silent(phone.day_out())).moves(1, 0.003);
            let (outcome, _) = run_in_parts(&mut phone, 50);
            phone.memory.run_stage(run, NOW + 86_400.0, outcome).expect("the stage works");
            let starts: Vec<f64> =
                phone.made(TRIP).iter().map(|trip| trip["start_ts"].as_f64().expect("a number")).collect();
            let ends = phone.made(TRIP).into_iter().map(|trip| trip["end_ts"].as_f64().expect("a number"));
            let overlap = ends.zip(&starts[1..]).any(|(end, next)| *next < end);
            assert!(!starts.is_empty() && !overlap, "{filter}, batches of {batch_s} s: {starts:?}");
        }
    }
}

#[test]
fn what_happened_between_a_trip_and_the_next_is_known_to_the_part_that_begins_with_that() {
    // Of the longer trips, the first part that has them has no end.
    for points in [20, 90] {
        let day = |phone: Phone| phone.moves(points, 0.003).moves(15, 0.0).transition(2, 3).moves(3, 0.0);
        let days = || (0..6).fold(Phone::new(), |phone, _| day(phone)).moves(20, 0.003);
        let (mut whole, mut parts) = (days(), days());
        run_in_parts(&mut whole, 100_000);
        let (in_parts, runs) = run_in_parts(&mut parts, 60);
        assert_eq!((whole.made(UNTRACKED).len(), in_parts.state), (5, Vec::new()));
        assert!(runs > 3, "{runs} runs, trips of {points} points");
        for key in [TRIP, PLACE, UNTRACKED] {
            assert!(told(&parts, key) == told(&whole, key), "{key}, trips of {points} points");
        }
    }
}

#[test]
fn motion_without_points_is_passed_over() {
    let mut phone = Phone::new();
    for _ in 0..300 {
        phone.ts += 10.0;
        let data = format!(r#"{{"ts":{},"type":7,"confidence":90}}"#, phone.ts);
        let ts = phone.ts;
        phone = phone.entry("background/motion_activity", ts, &data);
    }
    let mut phone = phone.day_out().moves(1, 0.003);
    let (_, runs) = run_in_parts(&mut phone, 50);
    assert_eq!(phone.made(TRIP).len(), 1);
    assert!(runs < 12, "{runs}");
}

#[test]
fn everything_that_is_written_fits_the_schemas_of_the_manifest() {
    let mut phone = Phone::new().day_out().transition(2, 3).day_out();
    phone.run(Outcome::default());
    for key in [TRIP, PLACE, UNTRACKED] {
        let name = key.strip_prefix("segmentation/").expect("ours");
        let path = format!("{}/schemas/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let schema = serde_json::from_str(&std::fs::read_to_string(path).expect("there")).expect("JSON");
        let validator = jsonschema::validator_for(&schema).expect("a schema");
        let entries = phone.memory.of_key(key);
        assert!(!entries.is_empty());
        for entry in entries {
            let data = entry.data();
            assert!(validator.is_valid(&data), "{key}: {data}");
        }
        assert!(!validator.is_valid(&serde_json::json!({"start_ts": "soon"})));
    }
}

/// One member of a point, or its absence.
fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        5 => (0.0..3000.0).prop_map(|number: f64| number.to_string()),
        1 => Just("null".to_owned()),
        1 => Just("\"47\"".to_owned()),
        1 => Just("-1e308".to_owned()),
        1 => Just("1e308".to_owned()),
        1 => Just("[]".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_run_never_panics_whatever_the_points(
        points in prop::collection::vec((number(), number(), number(), 0.0..3000.0, any::<bool>()), 0..40),
        motions in prop::collection::vec((number(), number()), 0..5),
    ) {
        let mut phone = Phone::new();
        for (ts, latitude, longitude, write_ts, time) in points {
            let filter = if time { "time" } else { "distance" };
            let data =
                format!(r#"{{"ts":{ts},"latitude":{latitude},"longitude":{longitude},"filter":"{filter}"}}"#);
            phone = phone.entry(LOCATION, write_ts, &data);
        }
        for (ts, kind) in motions {
            phone = phone.entry("background/motion_activity", 1.0, &format!(r#"{{"ts":{ts}}}"#));
            let transition = format!(r#"{{"ts":{ts},"transition":{kind},"curr_state":1}}"#);
            phone = phone.entry("statemachine/transition", 1.0, &transition);
        }
        // An error is a result; a panic is not.
        if phone.memory.run_stage(run, NOW, Outcome::default()).is_ok() {
            let (places, trips) = (phone.made(PLACE), phone.made(TRIP).len() + phone.made(UNTRACKED).len());
            prop_assert_eq!(places.len(), if trips == 0 { 0 } else { trips + 1 });
        }
    }
}
