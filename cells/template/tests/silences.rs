//! Whole runs of the stage over a runtime in memory.

use cells_sdk::testing::Memory;
use cells_sdk::{Area, Outcome};
use cells_template::run;
use serde_json::{Value, json};

const MORNING: f64 = 1_700_000_000.0;
/// Every fix of these tests was written long before.
const NOW: f64 = MORNING + 86_400.0;

/// Fixes that were made and written at those moments after the morning, s.
fn fixes(memory: Memory, moments: &[(f64, f64)]) -> Memory {
    moments.iter().fold(memory, |memory, (ts, write_ts)| {
        let metadata = json!({ "key": "background/filtered_location", "write_ts": MORNING + write_ts });
        let data = json!({ "ts": MORNING + ts, "latitude": 47.0, "longitude": 8.5 });
        memory.with_entry(Area::Timeseries, &metadata.to_string(), &data.to_string())
    })
}

/// The beginnings and ends of the gaps, s after the morning.
fn silences(memory: &Memory) -> Vec<(f64, f64)> {
    let since = |data: &Value, name: &str| data[name].as_f64().expect("a number") - MORNING;
    let entries = memory.of_key("study/silence").into_iter().map(|entry| entry.data());
    entries.map(|data| (since(&data, "start_ts"), since(&data, "end_ts"))).collect()
}

#[test]
fn a_gap_of_more_than_ten_minutes_is_a_silence() {
    let mut memory = fixes(Memory::new(), &[(0.0, 1.0), (600.0, 601.0), (1201.0, 1202.0), (1300.0, 1301.0)]);
    let outcome = memory.run_stage(run, NOW, Outcome::default()).expect("the stage works");
    assert_eq!(silences(&memory), [(600.0, 1201.0)]);
    assert_eq!(outcome.processed_through, Some(MORNING + 1301.0));
}

#[test]
fn a_gap_between_two_runs_is_found() {
    let mut memory = fixes(Memory::new(), &[(0.0, 1.0)]);
    let first = memory.run_stage(run, MORNING + 100.0, Outcome::default()).expect("the stage works");
    let mut memory = fixes(memory, &[(900.0, 901.0)]);
    memory.run_stage(run, NOW, first).expect("the stage works");
    assert_eq!(silences(&memory), [(0.0, 900.0)]);
}

#[test]
fn a_fix_that_is_written_late_neither_ends_nor_begins_a_silence() {
    let mut memory = fixes(Memory::new(), &[(1000.0, 1001.0), (0.0, 1002.0), (1010.0, 1011.0)]);
    memory.run_stage(run, NOW, Outcome::default()).expect("the stage works");
    assert_eq!(silences(&memory), []);
}

#[test]
fn written_entries_match_the_schema_of_the_manifest() {
    let schema = serde_json::from_str(include_str!("../schemas/silence.json")).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let mut memory = fixes(Memory::new(), &[(0.0, 1.0), (900.0, 901.0)]);
    memory.run_stage(run, NOW, Outcome::default()).expect("the stage works");
    let data = memory.of_key("study/silence")[0].data();
    assert!(validator.is_valid(&data) && !validator.is_valid(&json!({})), "{data}");
}
