//! Whole runs over a runtime in memory.

use cells_distance_by_mode::{MODES, contribute};
use cells_sdk::Area;
use cells_sdk::testing::Memory;
use serde_json::json;

const MARCH: f64 = 1_772_409_600.0;
const DAY: f64 = 86_400.0;

fn with_section(memory: Memory, day: f64, mode: i64, distance: f64) -> Memory {
    let metadata = json!({ "key": "analysis/inferred_section", "write_ts": MARCH + 100.0 * DAY });
    let data = json!({ "start_ts": MARCH + day * DAY, "end_ts": MARCH + day * DAY + 60.0, "sensed_mode": mode,
        "distance": distance });
    memory.with_entry(Area::Timeseries, &metadata.to_string(), &data.to_string())
}

#[test]
fn lengths_are_summed_by_mode_inside_the_epoch_alone() {
    let mut memory = Memory::new();
    for (day, mode, distance) in [
        (1.0, 2, 1_000.0),
        (2.0, 2, 500.0),
        (3.0, 7, 4_000.0),
        (4.0, 77, 250.0),
        (-1.0, 5, 9e6),
        (40.0, 5, 9e6),
    ] {
        memory = with_section(memory, day, mode, distance);
    }
    let end = (MARCH + 31.0 * DAY).next_down();
    let numbers = memory.contribute(contribute, end, (Some(MARCH), end)).expect("numbers");
    assert_eq!(numbers, [0.0, 1.5, 0.0, 4.0, 0.0, 0.0, 0.25]);
    assert_eq!(numbers.len(), MODES.len());
}

#[test]
fn whoever_went_nowhere_gives_zeros() {
    let numbers = Memory::new().contribute(contribute, MARCH, (Some(MARCH), MARCH + DAY)).expect("numbers");
    assert_eq!(numbers, [0.0; MODES.len()]);
}
