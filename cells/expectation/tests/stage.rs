//! The stage over recorded days and over an invented one.

use cells_recorded::cases;
use cells_sdk::testing::Memory;
use cells_sdk::{Area, Outcome};
use serde_json::{Value, json};

/// What the stage reads, and what that names.
const BEFORE: [&str; 4] =
    ["segmentation/raw_trip", "analysis/cleaned_place", "analysis/cleaned_trip", "analysis/inferred_trip"];
const RESULTS: [&str; 1] = ["analysis/expected_trip"];
const STAGE: &str = "EXPECTATION_POPULATION";

#[test]
fn every_recorded_day_gives_the_result_of_the_reference() {
    let mut problems = Vec::new();
    for case in cases().iter().filter(|case| case.is_single()) {
        let mut memory = case.memory(&BEFORE);
        let outcome = memory
            .run_stage(cells_expectation::run, case.now(), Outcome::default())
            .expect("the stage works");
        let mut found = case.differences(&memory, &RESULTS);
        let mark = outcome.processed_through.map(|mark| mark + cells_sdk::WINDOW_GAP_S);
        if mark != case.mark(STAGE) {
            found.push(format!("goes on at {mark:?}, want {:?}", case.mark(STAGE)));
        }
        problems.extend(found.into_iter().map(|what| format!("{}: {what}", case.name)));
    }
    assert_eq!(problems, Vec::<String>::new());
}

fn trip(start_ts: f64, end_ts: f64, labels: Value) -> String {
    let local_dt = |second: u8| {
        json!({"year": 2024, "month": 5, "day": 2, "hour": 10, "minute": 0, "second": second, "weekday": 3,
            "timezone": "Europe/Zurich"})
    };
    let id = |digit: &str| json!({"$oid": digit.repeat(24)});
    let point = json!({"type": "Point", "coordinates": [8.0, 47.0]});
    json!({
        "start_ts": start_ts, "start_local_dt": local_dt(0), "start_fmt_time": "2024-05-02T10:00:00+02:00",
        "end_ts": end_ts, "end_local_dt": local_dt(9), "end_fmt_time": "2024-05-02T10:00:09+02:00",
        "start_loc": point, "end_loc": point, "start_place": id("1"), "end_place": id("2"),
        "duration": end_ts - start_ts, "distance": 1.5, "source": "test", "raw_trip": id("3"),
        "cleaned_trip": id("4"), "inferred_labels": labels,
    })
    .to_string()
}

fn memory_with(trips: &[String]) -> Memory {
    let metadata = r#"{"key":"analysis/inferred_trip","platform":"server","write_ts":1714700000}"#;
    trips.iter().fold(Memory::new(), |memory, trip| memory.with_entry(Area::Timeseries, metadata, trip))
}

/// Thursday, 2 May 2024, 10:00 in Zurich, in the week after the first; and a month's second half.
const INTENSIVE: f64 = 1_714_636_800.0;
const RELAXED: f64 = INTENSIVE + 15.0 * 86_400.0;

#[test]
fn a_trip_is_copied_with_what_is_expected_of_it() {
    let sure = json!([{"labels": {"mode_confirm": "bike"}, "p": 0.98}]);
    let trips = [trip(INTENSIVE - 600.0, INTENSIVE, sure), trip(RELAXED - 600.0, RELAXED, json!([]))];
    let mut memory = memory_with(&trips);
    let outcome = memory.run_stage(cells_expectation::run, RELAXED + 600.0, Outcome::default()).unwrap();
    assert_eq!(outcome.processed_through, Some(RELAXED));

    let made = memory.of_key("analysis/expected_trip");
    let thresholds: Vec<_> = made.iter().map(|entry| entry.data()["confidence_threshold"].clone()).collect();
    assert_eq!(thresholds, [json!(0.65), json!(0.55)]);
    for (made, from) in made.iter().zip(memory.of_key("analysis/inferred_trip")) {
        let mut data = made.data();
        let members = data.as_object_mut().unwrap();
        assert_eq!(members.remove("expectation"), Some(json!({"to_label": true})));
        assert_eq!(members.remove("inferred_trip"), Some(json!({"$oid": from.id.to_string()})));
        members.remove("confidence_threshold");
        assert_eq!(data, from.data());
        assert_eq!(made.metadata()["platform"], "server");
    }
    assert!(made[0].metadata()["write_ts"].as_f64() < made[1].metadata()["write_ts"].as_f64());
}

#[test]
fn a_trip_is_processed_once_and_a_run_without_new_trips_keeps_the_mark() {
    let mut memory = memory_with(&[trip(RELAXED - 600.0, RELAXED, json!([]))]);
    let first = memory.run_stage(cells_expectation::run, RELAXED + 600.0, Outcome::default()).unwrap();
    let again = memory.run_stage(cells_expectation::run, RELAXED + 900.0, first).unwrap();
    assert_eq!(again.processed_through, Some(RELAXED));
    assert_eq!(memory.of_key("analysis/expected_trip").len(), 1);
}

// Row: "In all of these, an entry that cannot be read"
#[test]
fn a_trip_that_cannot_be_read_is_reported_and_skipped() {
    let bad = r#"{"end_ts":1714636700,"inferred_labels":"none"}"#.to_owned();
    let mut memory = memory_with(&[bad, trip(RELAXED - 600.0, RELAXED, json!([]))]);
    let outcome = memory.run_stage(cells_expectation::run, RELAXED + 600.0, Outcome::default()).unwrap();
    assert_eq!(outcome.processed_through, Some(RELAXED));
    assert_eq!(memory.of_key("analysis/expected_trip").len(), 1);
    assert!(memory.log_lines()[0].1.contains("1 trips cannot be read"));
}

// Row: "An unknown zone, or a trip that matches no rule"
#[test]
fn an_unknown_time_zone_does_not_stop_a_trip() {
    let odd = trip(RELAXED - 600.0, RELAXED, json!([])).replace("Europe/Zurich", "Moon/Tycho");
    let mut memory = memory_with(&[odd]);
    memory.run_stage(cells_expectation::run, RELAXED + 600.0, Outcome::default()).unwrap();
    assert_eq!(memory.of_key("analysis/expected_trip").len(), 1);
}

#[test]
fn a_backlog_of_years_is_cut_into_runs_that_lose_no_trip() {
    // 200 KB each, three in each cluster of 4 s.
    let padding = format!(r#"{{"padding":"{}","#, "x".repeat(200_000));
    let end_ts = |n: u32| RELAXED - 1e6 + f64::from(n / 3) * 900.0 + f64::from(n % 3) * 2.0;
    let trips: Vec<String> =
        (0..300).map(|n| trip(end_ts(n) - 300.0, end_ts(n), json!([])).replacen('{', &padding, 1)).collect();
    let mut memory = memory_with(&trips);
    let (_, runs) = memory.run_counted(cells_expectation::run, RELAXED + 600.0, Outcome::default()).unwrap();
    assert_eq!((memory.of_key("analysis/expected_trip").len(), runs), (300, 2));
}

#[test]
fn written_entries_match_the_schemas_of_the_manifest() {
    let mut memory = memory_with(&[trip(RELAXED - 600.0, RELAXED, json!([]))]);
    memory.run_stage(cells_expectation::run, RELAXED + 600.0, Outcome::default()).unwrap();
    let schema: Value = serde_json::from_str(include_str!("../schemas/expected_trip.json")).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    for entry in memory.of_key("analysis/expected_trip") {
        schema.validate(&entry.data()).unwrap();
    }
}
