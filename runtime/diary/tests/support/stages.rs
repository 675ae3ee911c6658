//! From the entries that phones put to the diary: the cells of the standard list, run natively in their order.

use std::collections::BTreeMap;

use cells_sdk::testing::Memory;
use cells_sdk::{Outcome, Run, RunError, WINDOW_GAP_S};
use runtime_simulator::put_body;

type Stage = fn(&mut Memory, &Run) -> Result<Outcome, RunError>;

/// In the order in which they run.
const STAGES: [(&str, Stage); 10] = [
    ("USERCACHE", cells_usercache_to_timeseries::run),
    ("TRIP_SEGMENTATION", cells_trip_segmentation::run),
    ("SECTION_SEGMENTATION", cells_section_segmentation::run),
    ("JUMP_SMOOTHING", cells_jump_smoothing::run),
    ("CLEAN_RESAMPLING", cells_clean_resampling::run),
    ("MODE_INFERENCE", cells_mode_inference::run),
    ("LABEL_INFERENCE", cells_label_inference::run),
    ("EXPECTATION_POPULATION", cells_expectation::run),
    ("CREATE_CONFIRMED_OBJECTS", cells_confirmed_objects::run),
    ("CREATE_COMPOSITE_OBJECTS", cells_composite_trips::run),
];

/// One person, with the state of each stage: the beginning of its next window and its own memory.
#[derive(Default)]
pub struct Person {
    pub memory: Memory,
    marks: BTreeMap<&'static str, (Option<f64>, Vec<u8>)>,
}

impl Person {
    /// Puts entries as a phone does.
    pub fn put(&mut self, entries: &[String], now: f64) {
        let answer = self.memory.call(cells_usercache_put::handle, "", now, put_body("x", entries));
        assert_eq!(answer.expect("taken").status, 200);
    }

    /// Runs every stage.
    pub fn run(&mut self, now: f64) {
        for (name, stage) in STAGES {
            let (start, state) = self.marks.remove(name).unwrap_or_default();
            let run = Run { now, start, end: now - WINDOW_GAP_S, seed: 0, state };
            let outcome = stage(&mut self.memory, &run).unwrap_or_else(|why| panic!("{name}: {why}"));
            self.memory.commit();
            let mark = outcome.processed_through.map(|mark| mark + WINDOW_GAP_S).or(start);
            self.marks.insert(name, (mark, outcome.state));
        }
    }
}
