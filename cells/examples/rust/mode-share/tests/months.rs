//! Whole runs of the stage over a runtime in memory.

use cells_mode_share::run;
use cells_sdk::testing::Memory;
use cells_sdk::{Area, Outcome};
use serde_json::{Value, json};

const MARCH: f64 = 1_772_409_600.0;
const DAY: f64 = 86_400.0;

/// A section that ended so many days after the beginning of March 2026.
fn with_section(memory: Memory, day: f64, mode: i64, distance: f64) -> Memory {
    let end_ts = MARCH + day * DAY;
    let (month, of_month) = if day < 31.0 { (3, day) } else { (4, day - 31.0) };
    let metadata = json!({ "key": "analysis/inferred_section", "write_ts": MARCH + 100.0 * DAY });
    let data = json!({ "end_ts": end_ts, "sensed_mode": mode, "distance": distance,
        "start_local_dt": { "year": 2026, "month": month, "day": of_month as u32 + 1 } });
    memory.with_entry(Area::Timeseries, &metadata.to_string(), &data.to_string())
}

fn months(memory: &Memory) -> Vec<Value> {
    memory.of_key("study.mode-share/month").into_iter().map(|entry| entry.data()).collect()
}

#[test]
fn sections_are_counted_and_their_lengths_summed_by_month_and_mode() {
    let memory = with_section(Memory::new(), 1.0, 2, 1_000.0);
    let memory = with_section(memory, 2.0, 2, 500.0);
    let mut memory = with_section(memory, 33.0, 5, 7_000.5);
    memory.run_stage(run, MARCH + 100.0 * DAY, Outcome::default()).expect("it works");
    let want = [
        json!({ "month": "2026-03", "ts": MARCH + 2.0 * DAY, "modes": { "2": { "sections": 2, "distance": 1_500.0 } } }),
        json!({ "month": "2026-04", "ts": MARCH + 33.0 * DAY, "modes": { "5": { "sections": 1, "distance": 7_000.5 } } }),
    ];
    assert_eq!(months(&memory), want);
}

#[test]
fn a_month_that_goes_on_is_one_entry_and_no_section_counts_twice() {
    let mut memory = with_section(Memory::new(), 1.0, 2, 1_000.0);
    let first = memory.run_stage(run, MARCH + 2.0 * DAY, Outcome::default()).expect("it works");
    let mut memory = with_section(memory, 3.0, 5, 10.0);
    let second = memory.run_stage(run, MARCH + 4.0 * DAY, first).expect("it works");
    memory.run_stage(run, MARCH + 5.0 * DAY, second).expect("it works");
    let [month] = &months(&memory)[..] else { panic!("{:?}", months(&memory)) };
    assert_eq!(
        month["modes"],
        json!({ "2": { "sections": 1, "distance": 1_000.0 }, "5": { "sections": 1, "distance": 10.0 } })
    );
}

#[test]
fn written_entries_match_the_schema_of_the_manifest() {
    let schema = serde_json::from_str(include_str!("../schemas/month.json")).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let mut memory = with_section(Memory::new(), 1.0, 2, 1_000.0);
    memory.run_stage(run, MARCH + 2.0 * DAY, Outcome::default()).expect("it works");
    assert!(validator.is_valid(&months(&memory)[0]) && !validator.is_valid(&json!({})));
}
