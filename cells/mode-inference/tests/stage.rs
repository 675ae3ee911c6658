//! The stage over recorded days and over invented ones.

use cells_recorded::cases;
use cells_sdk::model::Point;
use cells_sdk::testing::Memory;
use cells_sdk::{Area, Level, Outcome};
use serde_json::{Value, json};

/// What the stage reads, and what that names.
const BEFORE: [&str; 3] = ["analysis/cleaned_trip", "analysis/cleaned_stop", "analysis/cleaned_section"];
const RESULTS: [&str; 2] = ["inference/prediction", "analysis/inferred_section"];
const STAGE: &str = "MODE_INFERENCE";
const NOW: f64 = 1_715_000_000.0;
const IN_VEHICLE: u8 = 0;
const ON_FOOT: u8 = 2;

#[test]
fn every_recorded_day_gives_the_result_of_the_reference() {
    let mut problems = Vec::new();
    for case in cases().iter().filter(|case| case.is_single()) {
        let mut memory = case.memory(&BEFORE);
        let outcome = memory
            .run_stage(cells_mode_inference::run, case.now(), Outcome::default())
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

/// A section of 600 s that ends then, at 10 m/s, and has so many speeds.
fn section(end_ts: f64, sensed_mode: u8, speeds: usize) -> String {
    let local_dt = json!({"year": 2024, "month": 5, "day": 2, "hour": 10, "minute": 0, "second": 0, "weekday": 3,
        "timezone": "Europe/Zurich"});
    json!({
        "trip_id": {"$oid": "1".repeat(24)},
        "start_ts": end_ts - 600.0, "start_local_dt": local_dt, "start_fmt_time": "2024-05-02T10:00:00+02:00",
        "end_ts": end_ts, "end_local_dt": local_dt, "end_fmt_time": "2024-05-02T10:10:00+02:00",
        "start_loc": Point::at(8.01, 47.01), "end_loc": Point::at(8.06, 47.06),
        "duration": 600.0, "distance": 6_000.25, "sensed_mode": sensed_mode, "ble_sensed_mode": null,
        "speeds": vec![10.0; speeds], "distances": vec![300.5; speeds], "source": "test",
    })
    .to_string()
}

fn memory_with(sections: &[String]) -> Memory {
    let metadata = r#"{"key":"analysis/cleaned_section","platform":"server","write_ts":1714700000.25}"#;
    sections
        .iter()
        .fold(Memory::new(), |memory, section| memory.with_entry(Area::Timeseries, metadata, section))
}

fn run(memory: &mut Memory) -> Outcome {
    memory.run_stage(cells_mode_inference::run, NOW, Outcome::default()).expect("the stage works")
}

fn modes(memory: &Memory) -> Vec<Value> {
    memory
        .of_key("analysis/inferred_section")
        .iter()
        .map(|entry| entry.data()["sensed_mode"].clone())
        .collect()
}

#[test]
fn a_section_is_copied_with_its_mode_and_its_write_time() {
    let mut memory = memory_with(&[section(NOW - 900.0, IN_VEHICLE, 3)]);
    assert_eq!(run(&mut memory).processed_through, Some(NOW - 900.0));
    let from = memory.of_key("analysis/cleaned_section")[0];
    let inferred = memory.of_key("analysis/inferred_section")[0];
    let mut want = from.data();
    want["sensed_mode"] = json!(5);
    want["cleaned_section"] = json!({"$oid": from.id.to_string()});
    assert_eq!(inferred.data(), want);
    let mut metadata = from.metadata();
    metadata["key"] = json!("analysis/inferred_section");
    assert_eq!(inferred.metadata(), metadata);

    let prediction = memory.of_key("inference/prediction")[0];
    let want = json!({
        "trip_id": {"$oid": "1".repeat(24)}, "section_id": {"$oid": from.id.to_string()}, "algorithm_id": 2,
        "predicted_mode_map": {"CAR": 1}, "start_ts": NOW - 1_500.0, "end_ts": NOW - 900.0,
    });
    assert_eq!(prediction.data(), want);
    assert!(prediction.id < inferred.id);
}

// Row: "Asks a server on the network"
// Row: "A common route with neither number nor name"
#[test]
fn stops_in_the_persons_documents_turn_a_drive_into_a_ride() {
    let tram = |at: [f64; 2]| {
        json!({"routes": [{"id": "t4", "kind": "tram"}], "stops": [{"at": at, "routes": [0]}]}).to_string()
    };
    let mut memory = memory_with(&[section(NOW - 900.0, IN_VEHICLE, 3), section(NOW - 800.0, ON_FOOT, 3)])
        .with_document("transit/index", r#"{"version":1,"tile_deg":0.05}"#)
        .with_document("transit/stops/940_160", tram([8.0101, 47.0099]))
        .with_document("transit/stops/941_161", tram([8.06, 47.061]));
    run(&mut memory);
    assert_eq!(modes(&memory), [json!(8), json!(2)], "a tram, and a bicycle for whom stops do not matter");
    assert!(memory.log_lines().is_empty());
}

// Row: "A single kind of route that no mode stands for"
#[test]
fn a_ride_on_a_kind_of_route_without_a_mode_is_unknown_and_this_is_reported() {
    let ferry = |at: [f64; 2]| {
        json!({"routes": [{"id": "f1", "kind": "ferry"}], "stops": [{"at": at, "routes": [0]}]}).to_string()
    };
    let mut memory = memory_with(&[section(NOW - 900.0, IN_VEHICLE, 3), section(NOW - 800.0, ON_FOOT, 3)])
        .with_document("transit/index", r#"{"version":1,"tile_deg":0.05}"#)
        .with_document("transit/stops/940_160", ferry([8.0101, 47.0099]))
        .with_document("transit/stops/941_161", ferry([8.06, 47.061]));
    assert_eq!(run(&mut memory).processed_through, Some(NOW - 800.0));
    assert_eq!(modes(&memory), [json!(0), json!(2)]);
    assert!(
        memory.log_lines()[0].1.starts_with("1 sections have an unknown mode"),
        "{:?}",
        memory.log_lines()
    );
}

#[test]
fn unreadable_stops_leave_the_mode_unknown_and_this_is_reported() {
    let sections = [section(NOW - 900.0, IN_VEHICLE, 3), section(NOW - 800.0, IN_VEHICLE, 3)];
    let mut memory = memory_with(&sections).with_document("transit/index", "{");
    run(&mut memory);
    assert_eq!(modes(&memory), [json!(0), json!(0)]);
    let [(Level::Warn, text)] = memory.log_lines() else { panic!("{:?}", memory.log_lines()) };
    assert!(
        text.starts_with("2 sections have an unknown mode, the first because the extract of stops"),
        "{text}"
    );
}

#[test]
fn a_section_that_cannot_be_read_is_reported_and_skipped() {
    let bad = format!(r#"{{"end_ts":{}}}"#, NOW - 700.0);
    let mut memory = memory_with(&[section(NOW - 900.0, IN_VEHICLE, 3), bad]);
    assert_eq!(run(&mut memory).processed_through, Some(NOW - 700.0));
    assert_eq!(modes(&memory).len(), 1);
    assert!(memory.log_lines()[0].1.contains("1 sections cannot be read"));
}

#[test]
fn a_backlog_of_years_is_cut_into_runs_that_lose_no_section() {
    // 160 KB each, three in each cluster of 4 s.
    let sections: Vec<_> = (0..300_u32)
        .map(|n| section(NOW - 1e6 + f64::from(n / 3) * 900.0 + f64::from(n % 3) * 2.0, ON_FOOT, 15_000))
        .collect();
    let mut memory = memory_with(&sections);
    let (_, runs) = memory.run_counted(cells_mode_inference::run, NOW, Outcome::default()).unwrap();
    assert_eq!(memory.of_key("analysis/inferred_section").len(), 300);
    assert_eq!(runs, 2);
}

#[test]
fn written_entries_match_the_schemas_of_the_manifest() {
    let mut memory = memory_with(&[section(NOW - 900.0, IN_VEHICLE, 3), section(NOW - 800.0, ON_FOOT, 3)]);
    run(&mut memory);
    let schemas = [
        ("inference/prediction", include_str!("../schemas/prediction.json")),
        ("analysis/inferred_section", include_str!("../schemas/inferred_section.json")),
    ];
    for (key, schema) in schemas {
        let schema: Value = serde_json::from_str(schema).unwrap();
        let schema = jsonschema::validator_for(&schema).unwrap();
        assert!(!memory.of_key(key).is_empty());
        for entry in memory.of_key(key) {
            schema.validate(&entry.data()).unwrap();
        }
    }
}
