//! The diary of days of which an app of another maker reported little, from the points on.

use cells_clean_resampling::run;
use cells_sdk::testing::Memory;
use cells_sdk::{Area, Outcome, Run, TimeField};
use serde_json::Value;

const NOW: f64 = 1_700_100_000.0;
const DAY: f64 = 1_700_000_000.0;
/// A stage of the pipeline, from the first up to this one.
type Stage = fn(&mut Memory, &Run) -> Result<Outcome, cells_sdk::RunError>;

/// Times in s, and metres north of home.
fn with_points(mut memory: Memory, points: &[(f64, f64)], filter: &str) -> Memory {
    for (after_s, north_m) in points {
        let (ts, latitude) = (DAY + after_s, 47.0 + north_m / 111_194.9);
        let metadata = format!(
            r#"{{"key":"background/filtered_location","write_ts":{},"time_zone":"Europe/Zurich"}}"#,
            ts + 0.25
        );
        let data = format!(
            r#"{{"latitude":{latitude},"longitude":8.5,"altitude":410,"ts":{ts},"accuracy":10,"filter":"{filter}"}}"#
        );
        memory = memory.with_entry(Area::Timeseries, &metadata, &data);
    }
    memory
}

/// The diary after each of these uploads: start and end of its trips, s of the day, and their lengths, m.
fn diary(uploads: &[&[(f64, f64)]], filter: &str) -> Vec<(f64, f64, f64)> {
    let stages: [Stage; 4] =
        [cells_trip_segmentation::run, cells_section_segmentation::run, cells_jump_smoothing::run, run];
    let (mut memory, mut outcomes) = (Memory::new(), <[Outcome; 4]>::default());
    for (number, upload) in uploads.iter().enumerate() {
        memory = with_points(memory, upload, filter);
        for (stage, outcome) in stages.iter().zip(&mut outcomes) {
            let now = NOW + number as f64 * 100.0;
            *outcome = memory.run_stage(*stage, now, outcome.clone()).expect("the stage works");
        }
    }
    let mut trips = memory.of_key("analysis/cleaned_trip");
    trips.sort_by(|a, b| a.time(TimeField::StartTs).total_cmp(&b.time(TimeField::StartTs)));
    let number = |data: &Value, name: &str| data[name].as_f64().expect("a number");
    let trip = |data: Value| {
        let of_day = |name: &str| (number(&data, name) - DAY).round();
        (of_day("start_ts"), of_day("end_ts"), number(&data, "distance").round())
    };
    trips.iter().map(|trip_entry| trip(trip_entry.data())).collect()
}

/// Nothing at rest; a report after 800 m of a walk of 2 km, and one after 700 m of the way back; two at home.
const CHANGES: [(f64, f64); 6] =
    [(0.0, 0.0), (4_000.0, 800.0), (12_000.0, 0.0), (13_000.0, 10.0), (20_000.0, 0.0), (20_100.0, 0.0)];

// Row: "A trip whose first point came late"
#[test]
fn a_trip_of_one_report_is_in_the_diary_from_the_place_that_was_left() {
    let found = diary(&[&CHANGES], "app");
    assert_eq!(found, [(3_600.0, 4_000.0, 800.0), (11_600.0, 12_000.0, 800.0)]);
    for cut in 1..CHANGES.len() {
        let (first, second) = CHANGES.split_at(cut);
        assert_eq!(diary(&[first, second], "app"), found, "cut behind {cut}");
    }
}

#[test]
fn a_departure_that_an_app_slept_through_is_at_the_pace_of_what_it_then_reported() {
    // Half an hour from home at 5 m/s; the app wakes 500 m from home.
    let ride = (0..=28).map(|step| f64::from(step) * 60.0).map(|s| (8_000.0 + s, 500.0 + s * 5.0));
    let rest = (1..20).map(|step| (9_680.0 + f64::from(step) * 60.0, 8_900.0));
    let points: Vec<(f64, f64)> = [(0.0, 0.0), (100.0, 0.0)].into_iter().chain(ride).chain(rest).collect();
    let found = diary(&[&points], "app");
    let [(start, end, length)] = found[..] else { panic!("{found:?}") };
    assert!((start - 7_900.0).abs() <= 5.0 && (end - 9_680.0).abs() <= 60.0, "{found:?}");
    assert!((length - 8_900.0).abs() <= 200.0, "{found:?}");
}
