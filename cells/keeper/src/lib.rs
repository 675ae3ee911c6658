//! Keeps every label that it reads in its results, its memory, its private state and its log: by it tests see what
//! becomes of what an installed stage has kept.

use std::collections::BTreeSet;

use cells_sdk::{
    Level, Log, Outcome, Output, ReadEntries, Run, RunError, State, TimeField, WriteEntries, data_of,
    for_each_entry,
};
use serde::{Deserialize, Serialize};

/// What it reads.
const LABELS: &str = "manual/mode_confirm";
/// What it writes.
const KNOWN: &str = "study.keeper/label";
/// The label with which a run never ends.
const SPIN: &str = "spin";
/// Before each label that is a key of the private state.
const PREFIX: &str = "label/";

#[derive(Deserialize)]
struct Labelled {
    label: String,
}

#[derive(Serialize)]
struct Known<'a> {
    ts: f64,
    labels: &'a BTreeSet<String>,
}

/// Writes one entry with every label that it has kept or reads now, if it reads any.
pub fn run<R: ReadEntries + WriteEntries + State + Log>(
    runtime: &mut R,
    run: &Run,
) -> Result<Outcome, RunError> {
    let mut labels = kept(runtime, run)?;
    let mut read = BTreeSet::new();
    let mut through = None;
    for_each_entry(runtime, &run.window(&[LABELS], TimeField::WriteTs), |_, entry| {
        read.insert(data_of::<Labelled>(&entry)?.label);
        through = Some(entry.time);
        Ok(())
    })?;
    let Some(ts) = through else {
        return Ok(Outcome { processed_through: None, state: run.state.clone(), more: false });
    };
    for label in &read {
        runtime.put_value(&format!("{PREFIX}{label}"), label.as_bytes())?;
        runtime.log(Level::Info, &format!("kept {label}"));
    }
    let spins = read.contains(SPIN);
    labels.extend(read);
    let mut output = Output::new(run);
    let data = serde_json::to_string(&Known { ts, labels: &labels }).map_err(unreadable)?;
    output.insert(runtime, KNOWN, &data)?;
    output.finish(runtime)?;
    if spins {
        loop {
            std::hint::black_box(runtime.value(PREFIX)?);
        }
    }
    let state = serde_json::to_vec(&labels).map_err(unreadable)?;
    Ok(Outcome { processed_through: Some(ts), state, more: false })
}

/// What runs before this one have kept, in the memory or in the private state.
fn kept<R: State>(runtime: &mut R, run: &Run) -> Result<BTreeSet<String>, RunError> {
    let mut labels: BTreeSet<String> = match run.state.is_empty() {
        true => BTreeSet::new(),
        false => serde_json::from_slice(&run.state).map_err(unreadable)?,
    };
    for (key, _) in runtime.scan(PREFIX, None, 1_024)? {
        labels.extend(key.strip_prefix(PREFIX).map(str::to_owned));
    }
    Ok(labels)
}

fn unreadable(error: serde_json::Error) -> RunError {
    RunError::Other(format!("what was kept does not read: {error}"))
}

cells_sdk::export_stage!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use cells_sdk::Area;
    use cells_sdk::testing::Memory;

    #[test]
    fn it_keeps_labels_in_all_places_and_writes_those_of_earlier_runs_again() {
        let metadata = r#"{"key":"manual/mode_confirm","platform":"android","write_ts":100.0}"#;
        let data = r#"{"start_ts":90.0,"end_ts":95.0,"label":"walk"}"#;
        let mut runtime = Memory::default().with_entry(Area::Timeseries, metadata, data);
        let first = Run { now: 200.0, start: None, end: 195.0, seed: 0, state: Vec::new() };
        let outcome = run(&mut runtime, &first).expect("it runs");
        assert_eq!(outcome.processed_through, Some(100.0));
        assert_eq!(outcome.state, br#"["walk"]"#);
        assert_eq!(runtime.value("label/walk").expect("read").as_deref(), Some(&b"walk"[..]));
    }
}
