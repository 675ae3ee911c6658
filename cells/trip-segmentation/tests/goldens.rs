//! On recorded days, the results of the two stages equal the reference's: trips, places, untracked spans, filtered
//! locations, what is marked invalid, and where the next run continues.

use cells_recorded::{Case, cases, text_of};
use cells_sdk::testing::Memory;
use cells_sdk::{Area, Outcome};

const RESULTS: [&str; 3] = ["segmentation/raw_trip", "segmentation/raw_place", "segmentation/raw_untracked"];
const FILTERED: &str = "background/filtered_location";

/// The state after the last run.
struct Replayed {
    memory: Memory,
    filtered: Outcome,
    segmented: Outcome,
}

#[test]
fn every_recorded_day_gives_the_result_of_the_reference() {
    let mut problems = Vec::new();
    for case in &cases() {
        let replayed = replay(case);
        let keys: &[&str] = if case.filter_accuracy { &[FILTERED] } else { &[] };
        let mut found = case.differences(&replayed.memory, &[&RESULTS, keys].concat());
        found.extend(case.invalid_differences(&replayed.memory).err());
        found.extend(marks(case, &replayed));
        problems.extend(found.into_iter().map(|what| format!("{}: {what}", case.name)));
    }
    assert_eq!(problems, Vec::<String>::new());
}

/// Loads recorded days; the two stages run after each load.
fn replay(case: &Case) -> Replayed {
    // New ids are above this one, so that no id of a run equals one of a later load.
    let above_all = r#"[{"_id":{"$oid":"f00000000000000000000000"},"metadata":{"key":"a/b"},"data":{}}]"#;
    let mut memory = Memory::new().with_entries(Area::Errors, above_all);
    let (mut filtered, mut segmented) = (Outcome::default(), Outcome::default());
    for (load, now) in case.loads.iter().zip((0..).map(|run| case.now() + f64::from(run) * 3600.0)) {
        memory = memory.with_entries(Area::Timeseries, &text_of(load));
        if case.filter_accuracy {
            filtered = memory.run_stage(cells_accuracy_filter::run, now, filtered).expect("the stage works");
        }
        segmented = memory.run_stage(cells_trip_segmentation::run, now, segmented).expect("the stage works");
    }
    Replayed { memory, filtered, segmented }
}

fn marks(case: &Case, replayed: &Replayed) -> Vec<String> {
    let stages = [("TRIP_SEGMENTATION", &replayed.segmented), ("ACCURACY_FILTERING", &replayed.filtered)];
    let differs = |(stage, outcome): (&str, &Outcome)| {
        let (got, want) =
            (outcome.processed_through.map(|mark| mark + cells_sdk::WINDOW_GAP_S), case.mark(stage));
        (got != want).then(|| format!("{stage} goes on at {got:?}, want {want:?}"))
    };
    stages.into_iter().filter_map(differs).collect()
}
