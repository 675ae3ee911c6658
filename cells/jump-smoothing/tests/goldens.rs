//! On recorded days, the stage throws out the points that the reference threw out, and by the same rule.

use cells_jump_smoothing::run;
use cells_recorded::{Case, cases};
use cells_sdk::testing::Memory;
use cells_sdk::{Outcome, TimeField};

const STAGE: &str = "JUMP_SMOOTHING";
const SECTION: &str = "segmentation/raw_section";
const SMOOTHING: &str = "analysis/smoothing";

#[test]
fn every_recorded_day_gives_the_result_of_the_reference() {
    let mut problems = Vec::new();
    for case in &cases() {
        let mut memory = case.memory(&[SECTION]);
        let outcome = memory.run_stage(run, case.now(), Outcome::default()).expect("the stage works");
        let found = differences(case, &memory, &outcome);
        problems.extend(found.into_iter().map(|what| format!("{}: {what}", case.name)));
    }
    assert_eq!(problems, Vec::<String>::new());
}

fn differences(case: &Case, memory: &Memory, outcome: &Outcome) -> Vec<String> {
    let mut found = case.differences(memory, &[SMOOTHING]);
    let (got, want) =
        (outcome.processed_through.map(|mark| mark + cells_sdk::WINDOW_GAP_S), case.mark(STAGE));
    if got != want {
        found.push(format!("goes on at {got:?}, want {want:?}"));
    }
    let skipped = case.golden()["errors_logged"].as_array().map_or(0, |errors| {
        let caught =
            |error: &&serde_json::Value| error.to_string().contains("while processing section, skipping");
        errors.iter().filter(caught).count()
    });
    let sections = memory.of_key(SECTION).len();
    if memory.of_key(SMOOTHING).len() + skipped < sections {
        found.push(format!("{skipped} sections were skipped of {sections}"));
    }
    found
}

/// On days of which no point is thrown out in the part where points are made up, this shows only that lots do not
/// matter there; that they go on is what `random_numbers_continue_from_run_to_run` in `stage.rs` shows.
#[test]
fn two_runs_give_the_result_of_one() {
    for case in cases() {
        let mut memory = case.memory(&[SECTION]);
        let mut ends: Vec<f64> =
            memory.of_key(SECTION).iter().map(|entry| entry.time(TimeField::EndTs)).collect();
        ends.sort_by(f64::total_cmp);
        // The first run sees no section that ends later than the one in the middle.
        let first =
            memory.run_stage(run, ends[ends.len() / 2] + 5.0, Outcome::default()).expect("the stage works");
        let last = memory.run_stage(run, case.now(), first).expect("the stage works");
        assert_eq!(differences(&case, &memory, &last), Vec::<String>::new(), "{}", case.name);
    }
}

/// Locations of the second load can only lie in sections of the second run.
#[test]
fn the_position_of_the_random_stream_between_two_uploads_of_a_day_changes_nothing() {
    for case in cases().into_iter().filter(|case| !case.is_single()) {
        let first_load = cells_recorded::text_of(&case.loads[0]);
        let first_load = Memory::new().with_entries(cells_sdk::Area::Timeseries, &first_load);
        let known = first_load.of_key("background/filtered_location").into_iter();
        let known_through =
            known.map(|entry| entry.time(TimeField::DataTs)).fold(f64::NEG_INFINITY, f64::max);
        for carried_over in [true, false] {
            let mut memory = case.memory(&[SECTION]);
            let mut first =
                memory.run_stage(run, known_through + 5.0, Outcome::default()).expect("the stage works");
            if !carried_over {
                first.state.clear();
            }
            let last = memory.run_stage(run, case.now(), first).expect("the stage works");
            let found = differences(&case, &memory, &last);
            assert_eq!(found, Vec::<String>::new(), "{}, carried over: {carried_over}", case.name);
        }
    }
}
