//! How far somebody went by each mode, month by month: one `study.mode-share/month` for each month.
//!
//! Sections are results of other stages, which are dated with the moment of the run that made them. So this stage asks
//! for them by when they *ended*, and remembers itself how far it has come.

use std::collections::{BTreeMap, BTreeSet};

use cells_sdk::model::EntryId;
use cells_sdk::{
    Outcome, Output, Query, ReadEntries, Run, RunError, TimeField, WriteEntries, data_of, for_each_entry,
};
use serde::{Deserialize, Serialize};

const SECTION: &str = "analysis/inferred_section";
const MONTH: &str = "study.mode-share/month";

/// What the stage needs of a section.
#[derive(Deserialize)]
struct Section {
    end_ts: f64,
    start_local_dt: Local,
    sensed_mode: i64,
    distance: f64,
}

#[derive(Deserialize)]
struct Local {
    year: i32,
    month: u32,
}

/// Sections of one mode in one month.
#[derive(Default, Serialize, Deserialize)]
struct Total {
    sections: u64,
    distance: f64,
}

/// One month: what is written, and where.
#[derive(Default, Serialize, Deserialize)]
struct Month {
    /// Of its entry, once there is one.
    id: Option<EntryId>,
    ts: f64,
    modes: BTreeMap<i64, Total>,
}

/// What the stage remembers.
#[derive(Default, Serialize, Deserialize)]
struct Memory {
    /// When the last section ended that was counted.
    through: Option<f64>,
    months: BTreeMap<String, Month>,
}

/// Counts the sections that are new, and writes the months that they change.
pub fn run<R: ReadEntries + WriteEntries>(runtime: &mut R, run: &Run) -> Result<Outcome, RunError> {
    let mut memory: Memory = match run.state.is_empty() {
        true => Memory::default(),
        false => serde_json::from_slice(&run.state).map_err(unreadable)?,
    };
    let after = memory.through.map(f64::next_up);
    let mut changed = BTreeSet::new();
    for_each_entry(runtime, &Query::of(&[SECTION], TimeField::EndTs).between(after, None), |_, entry| {
        let section: Section = data_of(&entry)?;
        let Local { year, month } = section.start_local_dt;
        let name = format!("{year:04}-{month:02}");
        let known = memory.months.entry(name.clone()).or_default();
        known.ts = section.end_ts;
        let total = known.modes.entry(section.sensed_mode).or_default();
        total.sections += 1;
        total.distance += section.distance;
        memory.through = Some(section.end_ts);
        changed.insert(name);
        Ok(())
    })?;
    write(runtime, run, &mut memory, &changed)?;
    let state = serde_json::to_vec(&memory).map_err(unreadable)?;
    Ok(Outcome { processed_through: memory.through, state, more: false })
}

fn unreadable(error: serde_json::Error) -> RunError {
    RunError::Other(format!("the memory of the run before does not read: {error}"))
}

fn write<R: WriteEntries>(
    runtime: &mut R,
    run: &Run,
    memory: &mut Memory,
    changed: &BTreeSet<String>,
) -> Result<(), RunError> {
    let mut output = Output::new(run);
    let mut new = Vec::new();
    for name in changed {
        let month = &memory.months[name];
        let data = serde_json::json!({ "month": name, "ts": month.ts, "modes": month.modes }).to_string();
        match month.id {
            Some(id) => output.replace(runtime, MONTH, id, &data)?,
            None => {
                new.push(name);
                output.insert(runtime, MONTH, &data)?;
            }
        }
    }
    let ids = output.take_ids(runtime)?;
    for (name, id) in new.into_iter().zip(ids) {
        memory.months.entry(name.clone()).or_default().id = Some(id);
    }
    output.finish(runtime)
}

cells_sdk::export_stage!(run);
