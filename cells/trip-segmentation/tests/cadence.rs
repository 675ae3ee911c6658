//! Whole runs of the stage over points of trackers from the shops.

use cells_sdk::testing::Memory;
use cells_sdk::{Area, Outcome, TimeField};
use cells_trip_segmentation::run;
use serde_json::Value;

const NOW: f64 = 1_700_100_000.0;
const DAY: f64 = 1_700_000_000.0;
const TRIP: &str = "segmentation/raw_trip";
const PLACE: &str = "segmentation/raw_place";
const UNTRACKED: &str = "segmentation/raw_untracked";

/// One report every so many s: an hour at home, ten minutes to 6 km north, an hour there, ten minutes back, an hour.
fn day(every_s: f64) -> Vec<(f64, f64)> {
    let count = (12_000.0 / every_s) as u32;
    let north = |ts: f64| match ts {
        ..3_600.0 => 0.0,
        ..4_200.0 => (ts - 3_600.0) * 10.0,
        ..7_800.0 => 6_000.0,
        ..8_400.0 => (8_400.0 - ts) * 10.0,
        _ => 0.0,
    };
    (0..count).map(|number| f64::from(number) * every_s).map(|ts| (ts, north(ts))).collect()
}

fn with_points(mut memory: Memory, points: &[(f64, f64)], filter: &str) -> Memory {
    for (after_s, north_m) in points {
        let (ts, latitude) = (DAY + after_s, 47.0 + north_m / 111_194.9);
        let metadata = format!(
            r#"{{"key":"background/filtered_location","write_ts":{},"time_zone":"Europe/Zurich"}}"#,
            ts + 0.25
        );
        let data = format!(
            r#"{{"latitude":{latitude},"longitude":8.5,"loc":{{"type":"Point","coordinates":[8.5,{latitude}]}},
                "ts":{ts},"accuracy":10{filter}}}"#
        );
        memory = memory.with_entry(Area::Timeseries, &metadata, &data);
    }
    memory
}

const APP: &str = r#","filter":"app""#;

fn made(memory: &Memory, key: &str, field: TimeField) -> Vec<Value> {
    let mut entries = memory.of_key(key);
    entries.sort_by(|a, b| a.time(field).max(0.0).total_cmp(&b.time(field).max(0.0)));
    entries.iter().map(|entry| entry.data()).collect()
}

/// The times of trips after [`DAY`], whole s.
fn trips(memory: &Memory) -> Vec<(f64, f64)> {
    let after = |value: &Value| (value.as_f64().expect("a number") - DAY).round();
    let trips = made(memory, TRIP, TimeField::StartTs);
    trips.iter().map(|trip| (after(&trip["start_ts"]), after(&trip["end_ts"]))).collect()
}

// Row: "Points whose `filter` is another word"
#[test]
fn points_that_an_app_chose_in_its_own_way_become_a_chain_of_places_and_trips() {
    for every_s in [20.0, 60.0, 150.0] {
        let mut memory = with_points(Memory::new(), &day(every_s), APP);
        memory.run_stage(run, NOW, Outcome::default()).expect("the stage works");
        let found = trips(&memory);
        assert_eq!(found.len(), 2, "{every_s} s: {found:?}");
        for ((start, end), wanted) in found.iter().zip([3_600.0, 7_800.0]) {
            assert!(
                (start - wanted).abs() <= every_s + 20.0 && (end - wanted - 600.0).abs() <= every_s + 20.0
            );
        }
        let made_trips = made(&memory, TRIP, TimeField::StartTs);
        assert!(made_trips.iter().all(|trip| trip["source"] == "DwellSegmentationAnyCadence"));
        let places = made(&memory, PLACE, TimeField::EnterTs);
        assert_eq!((places.len(), memory.of_key(UNTRACKED).len()), (3, 0));
        assert_eq!(places[1]["enter_ts"], made_trips[0]["end_ts"]);
        assert_eq!(places[1]["exit_ts"], made_trips[1]["start_ts"]);
        assert!(memory.log_lines().is_empty(), "{:?}", memory.log_lines());
    }
}

#[test]
fn runs_after_each_upload_make_the_trips_of_one_run() {
    let points = day(60.0);
    let mut whole = with_points(Memory::new(), &points, APP);
    whole.run_stage(run, NOW, Outcome::default()).expect("the stage works");
    for batch in [1, 7, 50, 90] {
        let (mut memory, mut outcome) = (Memory::new(), Outcome::default());
        for (number, part) in points.chunks(batch).enumerate() {
            memory = with_points(memory, part, APP);
            outcome = memory.run_stage(run, NOW + number as f64 * 60.0, outcome).expect("the stage works");
        }
        assert_eq!(trips(&memory), trips(&whole), "batches of {batch}");
        assert_eq!(memory.of_key(PLACE).len(), whole.of_key(PLACE).len(), "batches of {batch}");
    }
}

// Row: "A trip whose first point came late"
#[test]
fn a_trip_whose_first_point_came_late_begins_at_the_place_that_was_left() {
    let walk = [(0.0, 0.0), (4_000.0, 800.0), (12_000.0, 0.0), (13_000.0, 10.0), (20_000.0, 0.0)];
    let mut memory = with_points(Memory::new(), &walk, APP);
    memory.run_stage(run, NOW, Outcome::default()).expect("the stage works");
    assert_eq!(trips(&memory), [(3_600.0, 4_000.0), (11_600.0, 12_000.0)]);
    let (made_trips, places) =
        (made(&memory, TRIP, TimeField::StartTs), made(&memory, PLACE, TimeField::EnterTs));
    let first = &made_trips[0];
    assert_eq!(first["start_loc"]["coordinates"], serde_json::json!([8.5, 47.0]));
    assert!(
        first["start_fmt_time"].as_str().is_some_and(|time| time.starts_with("2023-11-15T00:13:")),
        "{}",
        first["start_fmt_time"]
    );
    assert_eq!(first["start_local_dt"]["hour"], 0);
    assert_eq!(
        (&places[0]["exit_ts"], &places[1]["exit_ts"]),
        (&first["start_ts"], &made_trips[1]["start_ts"])
    );
    assert!(memory.of_key(UNTRACKED).is_empty());
}

#[test]
fn points_that_arrive_long_after_they_were_made_count_too() {
    let mut memory = Memory::new();
    for (number, (after_s, north_m)) in day(60.0).into_iter().enumerate() {
        let (ts, latitude) = (DAY + after_s, 47.0 + north_m / 111_194.9);
        let written = DAY + 90_000.0 + number as f64 * 0.01;
        let metadata = format!(
            r#"{{"key":"background/filtered_location","write_ts":{written},"time_zone":"Europe/Zurich"}}"#
        );
        let data = format!(r#"{{"latitude":{latitude},"longitude":8.5,"ts":{ts},"accuracy":10{APP}}}"#);
        memory = memory.with_entry(Area::Timeseries, &metadata, &data);
    }
    memory.run_stage(run, NOW, Outcome::default()).expect("the stage works");
    assert_eq!(trips(&memory).len(), 2);
}

#[test]
fn points_of_an_e_mission_phone_among_them_have_the_method_of_the_reference() {
    let points = day(30.0);
    let half = points.len() / 2;
    let of = |first: &str, second: &str| {
        let memory = with_points(Memory::new(), &points[..half], first);
        let mut memory = with_points(memory, &points[half..], second);
        memory.run_stage(run, NOW, Outcome::default()).expect("the stage works");
        made(&memory, TRIP, TimeField::StartTs)
    };
    let time = r#","filter":"time""#;
    assert_eq!(of(APP, time).len(), of(time, time).len());
    assert!(of(APP, time).iter().all(|trip| trip["source"] == "DwellSegmentationTimeFilter"));
}
