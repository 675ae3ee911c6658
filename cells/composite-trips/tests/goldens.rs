//! On recorded days, the composite trips equal those that the reference made, and so does the mark.

use cells_recorded::cases;
use cells_sdk::Outcome;

/// What the stages before have made.
const INPUT: [&str; 6] = [
    "analysis/confirmed_trip",
    "analysis/confirmed_untracked",
    "analysis/confirmed_place",
    "analysis/recreated_location",
    "analysis/inferred_section",
    "analysis/cleaned_section",
];
/// Named by the entries above.
const NAMED: [&str; 9] = [
    "segmentation/raw_trip",
    "segmentation/raw_untracked",
    "segmentation/raw_place",
    "analysis/cleaned_trip",
    "analysis/cleaned_untracked",
    "analysis/cleaned_place",
    "analysis/cleaned_stop",
    "analysis/inferred_trip",
    "analysis/expected_trip",
];

#[test]
fn every_recorded_day_gives_the_result_of_the_reference() {
    let mut problems = Vec::new();
    for case in &cases() {
        let mut memory = case.memory(&[&NAMED[..], &INPUT[..]].concat());
        let outcome = memory.run_stage(cells_composite_trips::run, case.now(), Outcome::default());
        let outcome = outcome.expect("the stage works");
        let mut found = case.differences(&memory, &["analysis/composite_trip"]);
        let (got, want) = (
            outcome.processed_through.map(|mark| mark + cells_sdk::WINDOW_GAP_S),
            case.mark("CREATE_COMPOSITE_OBJECTS"),
        );
        if got != want {
            found.push(format!("goes on at {got:?}, want {want:?}"));
        }
        problems.extend(found.into_iter().map(|what| format!("{}: {what}", case.name)));
    }
    assert_eq!(problems, Vec::<String>::new());
}
