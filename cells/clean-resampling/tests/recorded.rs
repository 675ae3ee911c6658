//! Recorded days come out as the reference cleaned them.

use cells_clean_resampling::run;
use cells_sdk::Outcome;

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
        let mark = outcome.processed_through.map(|mark| mark + 5.0);
        let mut differences = case.differences(&memory, &MADE);
        if mark != case.mark("CLEAN_RESAMPLING") {
            differences.push(format!("the mark is {mark:?}, not {:?}", case.mark("CLEAN_RESAMPLING")));
        }
        wrong.extend(differences.into_iter().map(|difference| format!("{}: {difference}", case.name)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
