//! On recorded days the confirmed entries equal those that the reference made, and so does the mark.

use cells_confirmed_objects::run;
use cells_recorded::{Case, cases};
use cells_sdk::Outcome;

const BEFORE: [&str; 14] = [
    "segmentation/raw_place",
    "segmentation/raw_trip",
    "segmentation/raw_untracked",
    "segmentation/raw_section",
    "analysis/cleaned_place",
    "analysis/cleaned_trip",
    "analysis/cleaned_untracked",
    "analysis/cleaned_section",
    "analysis/inferred_section",
    "analysis/inferred_trip",
    "analysis/expected_trip",
    "inference/prediction",
    "inference/labels",
    "analysis/inferred_labels",
];
const MADE: [&str; 3] =
    ["analysis/confirmed_place", "analysis/confirmed_trip", "analysis/confirmed_untracked"];
/// The reference keeps the mark with this added, s.
const MARK_AHEAD_S: f64 = 5.0;

#[test]
fn every_recorded_day_gives_what_the_reference_gave() {
    let mut problems = Vec::new();
    for case in cases().iter().filter(|case| case.is_single()) {
        problems.extend(differences(case).into_iter().map(|what| format!("{}: {what}", case.name)));
    }
    assert_eq!(problems, Vec::<String>::new());
}

fn differences(case: &Case) -> Vec<String> {
    let mut memory = case.memory(&BEFORE);
    let outcome = memory.run_stage(run, case.now(), Outcome::default()).expect("the stage works");
    let mut found = case.differences(&memory, &MADE);
    let (got, want) =
        (outcome.processed_through.map(|mark| mark + MARK_AHEAD_S), case.mark("CREATE_CONFIRMED_OBJECTS"));
    if got != want {
        found.push(format!("goes on at {got:?}, want {want:?}"));
    }
    found.extend(memory.log_lines().iter().map(|(_, line)| line.clone()));
    found
}
