//! The stages of the standard list, run natively as the pipeline runs them.

use std::collections::BTreeMap;

use cells_sdk::model::EntryId;
use cells_sdk::testing::Memory;
use cells_sdk::{Area, Outcome, Run, WriteEntries};
use serde_json::{Value, json};

type Stage = fn(&mut Memory, &Run) -> Result<Outcome, cells_sdk::RunError>;

/// In the order in which they run.
const STAGES: [(&str, Stage); 9] = [
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

/// Everything that they make.
pub const MADE: [&str; 22] = [
    "segmentation/raw_trip",
    "segmentation/raw_place",
    "segmentation/raw_untracked",
    "segmentation/raw_section",
    "segmentation/raw_stop",
    "analysis/smoothing",
    "analysis/cleaned_trip",
    "analysis/cleaned_place",
    "analysis/cleaned_untracked",
    "analysis/cleaned_section",
    "analysis/cleaned_stop",
    "analysis/recreated_location",
    "inference/prediction",
    "analysis/inferred_section",
    "analysis/inferred_trip",
    "inference/labels",
    "analysis/inferred_labels",
    "analysis/expected_trip",
    "analysis/confirmed_trip",
    "analysis/confirmed_place",
    "analysis/confirmed_untracked",
    "analysis/composite_trip",
];

/// What is remembered of each stage: the beginning of its next window and its own memory.
#[derive(Default)]
pub struct Stages(BTreeMap<&'static str, (Option<f64>, Vec<u8>)>);

impl Stages {
    pub fn run(&mut self, memory: &mut Memory, now: f64) {
        for (name, stage) in STAGES {
            let (start, state) = self.0.remove(name).unwrap_or_default();
            let run = Run { now, start, end: now - cells_sdk::WINDOW_GAP_S, seed: 0, state };
            let outcome = stage(memory, &run).unwrap_or_else(|why| panic!("{name}: {why}"));
            memory.commit();
            let mark = outcome.processed_through.map(|mark| mark + cells_sdk::WINDOW_GAP_S).or(start);
            self.0.insert(name, (mark, outcome.state));
        }
    }

    pub fn rewind(&mut self, memory: &mut Memory, moment: f64, now: f64) {
        let run =
            Run { now, start: Some(moment), end: now - cells_sdk::WINDOW_GAP_S, seed: 0, state: Vec::new() };
        let outcome = cells_rewind::run(memory, &run).expect("the cell works");
        memory.commit();
        let said: Value = serde_json::from_slice(&outcome.state).expect("JSON");
        for (name, (mark, _)) in &mut self.0 {
            let to = said["marks"][name].as_f64();
            *mark = to.zip(*mark).map(|(to, mark)| to.min(mark));
        }
    }

    pub fn marks(&self) -> BTreeMap<&'static str, Option<f64>> {
        self.0.iter().map(|(name, (mark, _))| (*name, *mark)).collect()
    }
}

pub fn delete(memory: &mut Memory, ids: &[EntryId]) {
    memory.delete(ids).expect("they are there");
    memory.commit();
}

pub fn with_entries_of(memory: Memory, whole: &Memory, ids: &[EntryId]) -> Memory {
    let entries = whole.entries(Area::Timeseries).into_iter().filter(|entry| ids.contains(&entry.id));
    let dump: Vec<Value> = entries
        .map(|entry| json!({"_id": entry.id, "metadata": entry.metadata(), "data": entry.data()}))
        .collect();
    memory.with_entries(Area::Timeseries, &Value::from(dump).to_string())
}
