//! Whole runs over a runtime in memory.

use cells_heatmap::{CORNER_DEG, SIDE, SQUARE_DEG, contribute, square_of};
use cells_sdk::Area;
use cells_sdk::testing::Memory;
use serde_json::json;

const MARCH: f64 = 1_772_409_600.0;

fn with_position(memory: Memory, ts: f64, (row, column): (f64, f64)) -> Memory {
    let latitude = CORNER_DEG.0 + (row + 0.5) * SQUARE_DEG.0;
    let longitude = CORNER_DEG.1 + (column + 0.5) * SQUARE_DEG.1;
    let metadata = json!({ "key": "background/filtered_location", "write_ts": ts });
    let data = json!({ "ts": ts, "latitude": latitude, "longitude": longitude, "accuracy": 5.0 });
    memory.with_entry(Area::Timeseries, &metadata.to_string(), &data.to_string())
}

#[test]
fn an_hour_counts_once_for_each_square_of_the_grid() {
    let mut memory = Memory::new();
    for (minute, square) in [
        (0.0, (0.0, 0.0)),
        (10.0, (0.0, 0.0)),
        (20.0, (2.0, 3.0)),
        (70.0, (2.0, 3.0)),
        (75.0, (15.0, 15.0)),
        // Outside the grid, and outside the epoch.
        (76.0, (16.0, 3.0)),
        (77.0, (-1.0, 3.0)),
        (9_999.0, (1.0, 1.0)),
    ] {
        memory = with_position(memory, MARCH + minute * 60.0, square);
    }
    let end = MARCH + 3_600.0 * 24.0;
    let numbers = memory.contribute(contribute, end, (Some(MARCH), end)).expect("numbers");
    let found: Vec<_> = numbers.iter().enumerate().filter(|(_, hours)| **hours > 0.0).collect();
    assert_eq!(found, [(0, &1.0), (2 * SIDE + 3, &2.0), (SIDE * SIDE - 1, &1.0)]);
    assert_eq!(numbers.len(), SIDE * SIDE);
}

#[test]
fn a_place_that_is_no_number_is_in_no_square() {
    assert_eq!(square_of(f64::NAN, 68.0), None);
    assert_eq!(square_of(12.5, f64::INFINITY), None);
    assert!(square_of(12.5, 68.0).is_some());
}
