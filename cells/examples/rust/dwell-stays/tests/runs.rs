//! Whole runs of the stage over a runtime in memory.

use cells_dwell_stays::{POINTS, run};
use cells_sdk::testing::Memory;
use cells_sdk::{Area, Outcome};
use serde_json::{Value, json};

const MORNING: f64 = 1_772_409_600.0;

/// Points so many seconds after the morning, so many metres east of a spot.
fn with_points(memory: Memory, points: impl Iterator<Item = (f64, f64)>) -> Memory {
    points.fold(memory, |memory, (ts, east_m)| {
        let metadata = json!({ "key": POINTS, "write_ts": MORNING + ts + 1.0 });
        let local = json!({ "year": 2026, "month": 3, "day": 2, "hour": 0, "minute": 0, "second": 0, "weekday": 0,
            "timezone": "UTC" });
        let data = json!({ "ts": MORNING + ts, "latitude": 47.0, "longitude": 8.5 + east_m / 75_900.0,
            "accuracy": 10.0, "local_dt": local, "fmt_time": "2026-03-02T00:00:00+00:00" });
        memory.with_entry(Area::Timeseries, &metadata.to_string(), &data.to_string())
    })
}

/// An hour at one end, twenty minutes on the way, and an hour at the other end.
fn ride(from_ts: f64, there: bool) -> impl Iterator<Item = (f64, f64)> {
    (0..140).map(move |minute| {
        let way = (f64::from(minute - 60) / 20.0).clamp(0.0, 1.0);
        (from_ts + f64::from(minute) * 60.0, 8_000.0 * if there { way } else { 1.0 - way })
    })
}

fn data(memory: &Memory, key: &str) -> Vec<Value> {
    memory.of_key(key).into_iter().map(|entry| entry.data()).collect()
}

#[test]
fn places_and_trips_name_each_other_over_several_runs() {
    let mut memory = with_points(Memory::new(), ride(0.0, true));
    let first = memory.run_stage(run, MORNING + 10_000.0, Outcome::default()).expect("it works");
    let mut memory = with_points(memory, ride(9_000.0, false));
    let second = memory.run_stage(run, MORNING + 20_000.0, first).expect("it works");
    memory.run_stage(run, MORNING + 30_000.0, second).expect("it works");
    let (trips, places) = (memory.of_key("segmentation/raw_trip"), memory.of_key("segmentation/raw_place"));
    assert_eq!((trips.len(), places.len()), (2, 3));
    let mut chain = Vec::new();
    for place in &places {
        let data = place.data();
        chain.push((data["ending_trip"].clone(), place.id.to_string(), data["starting_trip"].clone()));
    }
    for (number, trip) in trips.iter().enumerate() {
        let (id, data) = (json!({ "$oid": trip.id.to_string() }), trip.data());
        assert_eq!((&chain[number].2, &chain[number + 1].0), (&id, &id));
        for (end, place) in [("start_place", &chain[number].1), ("end_place", &chain[number + 1].1)] {
            assert_eq!(data[end], json!({ "$oid": place }));
        }
        assert!(data["distance"].as_f64().is_some_and(|metres| (metres - 8_000.0).abs() < 200.0), "{data}");
    }
    assert_eq!((&chain[0].0, &chain[2].2), (&Value::Null, &Value::Null));
    let middle = &data(&memory, "segmentation/raw_place")[1];
    assert_eq!(
        middle["duration"].as_f64(),
        Some(middle["exit_ts"].as_f64().unwrap() - middle["enter_ts"].as_f64().unwrap())
    );
}

#[test]
fn readings_that_are_no_place_are_passed_over_and_told() {
    let nowhere = json!({ "ts": MORNING + 30.0, "latitude": 0.0, "longitude": 0.0 });
    let metadata = json!({ "key": POINTS, "write_ts": MORNING });
    let memory = Memory::new().with_entry(Area::Timeseries, &metadata.to_string(), &nowhere.to_string());
    let mut memory = with_points(memory, ride(0.0, true));
    memory.run_stage(run, MORNING + 10_000.0, Outcome::default()).expect("it works");
    assert_eq!(data(&memory, "segmentation/raw_trip").len(), 1);
    assert!(memory.log_lines()[0].1.starts_with("1 positions cannot be read"), "{:?}", memory.log_lines());
}
