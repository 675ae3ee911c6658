//! The results for recorded days equal the reference's.

use cells_clean_resampling::run;
use cells_recorded::text_of;
use cells_sdk::testing::Memory;
use cells_sdk::{Area, Outcome, Run};

const BEFORE: [&str; 6] = [
    "segmentation/raw_trip",
    "segmentation/raw_untracked",
    "segmentation/raw_place",
    "segmentation/raw_section",
    "segmentation/raw_stop",
    "analysis/smoothing",
];
const MADE: [&str; 6] = [
    "analysis/cleaned_trip",
    "analysis/cleaned_untracked",
    "analysis/cleaned_place",
    "analysis/cleaned_section",
    "analysis/cleaned_stop",
    "analysis/recreated_location",
];

#[test]
fn recorded_days_come_out_as_the_reference_cleaned_them() {
    let mut wrong = Vec::new();
    for case in cells_recorded::cases().iter().filter(|case| case.is_single()) {
        let mut memory = case.memory(&BEFORE);
        let outcome = memory.run_stage(run, case.now(), Outcome::default()).expect("the stage works");
        let mark = outcome.processed_through.map(|mark| mark + cells_sdk::WINDOW_GAP_S);
        let mut differences = case.differences(&memory, &MADE);
        if mark != case.mark("CLEAN_RESAMPLING") {
            differences.push(format!("the mark is {mark:?}, not {:?}", case.mark("CLEAN_RESAMPLING")));
        }
        wrong.extend(differences.into_iter().map(|difference| format!("{}: {difference}", case.name)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A stage of the pipeline, from the first up to this one.
type Stage = fn(&mut Memory, &Run) -> Result<Outcome, cells_sdk::RunError>;

#[test]
fn recorded_days_that_come_in_pieces_come_out_as_the_reference_cleaned_them() {
    let stages: [Stage; 4] =
        [cells_trip_segmentation::run, cells_section_segmentation::run, cells_jump_smoothing::run, run];
    let mut wrong = Vec::new();
    for case in cells_recorded::cases().iter().filter(|case| !case.is_single() && !case.filter_accuracy) {
        // New ids are above this one.
        let last = r#"[{"_id":{"$oid":"ffffffff0000000000000000"},"metadata":{"key":"a/b"},"data":{}}]"#;
        let mut memory = Memory::new().with_entries(Area::Timeseries, last);
        let mut outcomes: [Outcome; 4] = Default::default();
        for (number, load) in case.loads.iter().enumerate() {
            memory = memory.with_entries(Area::Timeseries, &text_of(load));
            let now = case.now() + 100.0 * number as f64;
            for (stage, outcome) in stages.iter().zip(&mut outcomes) {
                *outcome = memory.run_stage(*stage, now, outcome.clone()).expect("the stage works");
            }
        }
        let mut differences = case.differences(&memory, &MADE);
        let mark = outcomes[3].processed_through.map(|mark| mark + cells_sdk::WINDOW_GAP_S);
        if mark != case.mark("CLEAN_RESAMPLING") {
            differences.push(format!("the mark is {mark:?}, not {:?}", case.mark("CLEAN_RESAMPLING")));
        }
        wrong.extend(differences.into_iter().map(|difference| format!("{}: {difference}", case.name)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
