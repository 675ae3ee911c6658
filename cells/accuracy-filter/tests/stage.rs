//! Whole runs of the stage.

use cells_accuracy_filter::run;
use cells_sdk::testing::Memory;
use cells_sdk::{Area, Outcome, TimeField};
use proptest::prelude::*;

const NOW: f64 = 1_700_100_000.0;
const DAY: f64 = 1_700_000_000.0;
const LOCATION: &str = "background/location";
const FILTERED: &str = "background/filtered_location";

fn with(memory: Memory, key: &str, write_ts: f64, data: &str) -> Memory {
    let metadata = format!(r#"{{"key":"{key}","write_ts":{write_ts},"platform":"ios","odd":1.50}}"#);
    memory.with_entry(Area::Timeseries, &metadata, data)
}

fn fix(ts: f64, latitude: f64, accuracy: f64) -> String {
    format!(r#"{{"ts":{ts},"latitude":{latitude},"longitude":8.5,"accuracy":{accuracy},"note":1.50}}"#)
}

/// `data.ts` of what was made, in order, from [`DAY`].
fn made(memory: &Memory) -> Vec<f64> {
    memory.of_key(FILTERED).iter().map(|entry| entry.time(TimeField::DataTs) - DAY).collect()
}

// Row: "Off by default; on, it copies"
#[test]
fn only_fixes_accurate_to_under_200_m_are_copied_and_byte_for_byte() {
    let mut memory = with(Memory::new(), LOCATION, DAY + 1.0, &fix(DAY, 47.0, 199.0));
    memory = with(memory, LOCATION, DAY + 2.0, &fix(DAY + 1.0, 47.0, 200.0));
    let outcome = memory.run_stage(run, NOW, Outcome::default()).expect("works");
    assert_eq!(outcome.processed_through, Some(DAY + 2.0));
    assert_eq!(made(&memory), [0.0]);
    let copy = memory.of_key(FILTERED)[0];
    assert_eq!(copy.data, fix(DAY, 47.0, 199.0));
    assert!(copy.metadata.contains(r#""odd":1.50"#) && copy.metadata.contains(FILTERED), "{}", copy.metadata);
    assert_eq!(copy.time(TimeField::WriteTs), DAY + 1.0);
}

// Row: "A location without an accuracy"
#[test]
fn a_fix_without_an_accuracy_is_copied_once() {
    let mut memory = Memory::new();
    for (second, accuracy) in [(0, ""), (1, r#","accuracy":null"#), (1, ""), (2, r#","accuracy":300"#)] {
        let ts = DAY + f64::from(second);
        let data = format!(r#"{{"ts":{ts},"latitude":47,"longitude":8{accuracy}}}"#);
        memory = with(memory, LOCATION, ts, &data);
    }
    memory.run_stage(run, NOW, Outcome::default()).expect("works");
    assert_eq!(made(&memory), [0.0, 1.0]);
}

// Row: "Off by default; on, it copies"
#[test]
fn a_fix_that_was_written_down_twice_is_copied_once() {
    let mut memory = Memory::new();
    for write_ts in [1.0, 2.0, 3.0] {
        memory = with(memory, LOCATION, DAY + write_ts, &fix(DAY, 47.0, 10.0));
    }
    memory = with(memory, LOCATION, DAY + 4.0, &fix(DAY, 47.5, 10.0));
    memory.run_stage(run, NOW, Outcome::default()).expect("works");
    assert_eq!(made(&memory), [0.0, 0.0]);
}

// Row: "Off by default; on, it copies"
#[test]
fn a_fix_that_the_phone_has_filtered_itself_is_not_copied_again() {
    let mut memory = with(Memory::new(), LOCATION, DAY + 1.0, &fix(DAY + 0.25, 47.0, 10.0));
    memory = with(memory, LOCATION, DAY + 1.0, &fix(DAY + 0.5, 47.0, 10.0));
    memory = with(memory, FILTERED, DAY + 1.5, &fix(DAY + 0.250_244_140_625, 47.0, 10.0));
    memory.run_stage(run, NOW, Outcome::default()).expect("works");
    assert_eq!(made(&memory), [0.250_244_140_625, 0.5]);
}

// Row: "After an exact duplicate"
#[test]
fn after_an_exact_duplicate_the_previous_entry_is_copied_as_in_the_reference() {
    let mut memory = with(Memory::new(), LOCATION, DAY + 1.0, &fix(DAY, 47.0, 500.0));
    memory = with(memory, LOCATION, DAY + 1.0, &fix(DAY, 47.0, 500.0));
    memory = with(memory, LOCATION, DAY + 2.0, &fix(DAY + 1.0, 47.0, 10.0));
    memory.run_stage(run, NOW, Outcome::default()).expect("works");
    assert_eq!(made(&memory), [0.0]);
}

#[test]
fn a_run_without_new_entries_keeps_the_mark() {
    let mut memory = Memory::new();
    assert_eq!(memory.run_stage(run, NOW, Outcome::default()), Ok(Outcome::default()));
}

// Row: "Reads everything at once"
#[test]
fn a_backlog_is_cut_into_runs_and_loses_nothing() {
    let mut dump = String::from("[");
    for row in 0..80_100_u32 {
        // One each second, without a pause; two were written at the moment at which the first run ends.
        let ts = DAY + f64::from(if row == 40_000 { 39_999 } else { row });
        // One has the millisecond of one that the run before has copied, and another place.
        let data =
            if row == 40_050 { fix(DAY + 39_000.0, 47.5, 10.0) } else { fix(ts, 47.0 + ts % 7.0, 10.0) };
        let data = if row == 40_000 { fix(ts, 48.5, 10.0) } else { data };
        let metadata = format!(r#"{{"key":"{LOCATION}","write_ts":{ts}}}"#);
        dump += &format!(r#"{{"_id":{{"$oid":"{:024x}"}},"metadata":{metadata},"data":{data}}},"#, row + 1);
    }
    let dump = dump.trim_end_matches(',').to_owned() + "]";
    let mut memory = Memory::new().with_entries(Area::Timeseries, &dump);
    let mut runs = Vec::new();
    let outcome = memory
        .run_stage(
            |memory, window| {
                let outcome = run(memory, window)?;
                runs.push((outcome.processed_through.map(|mark| (mark - DAY).round()), outcome.more));
                Ok::<_, cells_sdk::RunError>(outcome)
            },
            NOW,
            Outcome::default(),
        )
        .expect("works");
    assert_eq!(runs, [(Some(39_994.0), true), (Some(79_995.0), true), (Some(80_099.0), false)]);
    assert_eq!(made(&memory).len(), 80_099);
    assert!(outcome.state.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_run_never_panics_and_invents_no_location(
        fixes in prop::collection::vec((0_u8..4, 0_u8..3, -400.0..400.0, 0_u8..6), 0..20),
    ) {
        let mut memory = Memory::new();
        for (write_ts, latitude, accuracy, shape) in &fixes {
            let ts = ["1e300", "null", "\"x\"", "1700000000", "1700000000.5", "-1e300"][usize::from(*shape)];
            let data = format!(r#"{{"ts":{ts},"latitude":{latitude},"longitude":1,"accuracy":{accuracy}}}"#);
            memory = with(memory, LOCATION, DAY + f64::from(*write_ts), &data);
        }
        memory.run_stage(run, NOW, Outcome::default()).expect("works");
        prop_assert!(memory.of_key(FILTERED).len() <= fixes.len());
    }
}
