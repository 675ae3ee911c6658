//! On recorded days, what the stage makes equals what the reference made: sections, stops, and where the next run goes
//! on.

use cells_recorded::{Case, cases};
use cells_sdk::Outcome;

const TRIPS: [&str; 2] = ["segmentation/raw_trip", "segmentation/raw_place"];
const RESULTS: [&str; 2] = ["segmentation/raw_section", "segmentation/raw_stop"];

#[test]
fn every_recorded_day_gives_the_result_of_the_reference() {
    let cases = cases();
    let problems: Vec<String> = cases.iter().filter(|case| case.is_single()).flat_map(problems).collect();
    assert_eq!(problems, Vec::<String>::new());
}

fn problems(case: &Case) -> Vec<String> {
    let mut memory = case.memory(&TRIPS);
    let outcome = memory
        .run_stage(cells_section_segmentation::run, case.now(), Outcome::default())
        .expect("the stage works");
    let mut found = case.differences(&memory, &RESULTS);
    let mark = outcome.processed_through.map(|mark| mark + cells_sdk::WINDOW_GAP_S);
    if mark != case.mark("SECTION_SEGMENTATION") {
        found.push(format!("goes on at {mark:?}, want {:?}", case.mark("SECTION_SEGMENTATION")));
    }
    found.into_iter().map(|what| format!("{}: {what}", case.name)).collect()
}
