//! Running a person's stages: each run's output, state and audit record commit together, or nothing of it does.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use runtime_pipeline::{StageSpec, StageState, Window};
use runtime_sandbox::{Outcome, Run, RunError};
use runtime_store::{Batch, Snapshot};
use serde::Serialize;

use crate::audit::Note;
use crate::catalogue::Cell;
use crate::error::CallError;
use crate::person::Person;
use crate::reach::{Effects, Reach, lock};
use crate::runtime::Runtime;

/// A stage that asks to be run again more often than this in one go is stuck, not busy.
const RUNS_MAX: u32 = 10_000;

/// What one stage did.
#[derive(Debug, Clone, Serialize)]
pub struct StageReport {
    /// Such as `TRIP_SEGMENTATION`.
    pub stage: String,
    /// The cell that did it.
    pub cell: String,
    /// Whether it is switched off; then nothing else is told.
    pub off: bool,
    /// How many runs it took.
    pub runs: u32,
    /// Wall clock, µs.
    pub elapsed_us: u64,
    /// Entries that it read.
    pub entries_read: u64,
    /// Entries that it stored, moved or changed.
    pub entries_written: u64,
    /// The mark that it reached, s.
    pub last_processed_ts: Option<f64>,
    /// Why it did not get through.
    pub failure: Option<String>,
}

/// What a pipeline did for one person.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PipelineReport {
    /// One for each stage of the list, in its order.
    pub stages: Vec<StageReport>,
}

impl PipelineReport {
    /// Whether every stage got through.
    pub fn succeeded(&self) -> bool {
        self.stages.iter().all(|stage| stage.failure.is_none())
    }
}

/// The document that holds a stage's state.
pub(crate) fn state_name(stage: &str) -> String {
    format!("pipeline/{stage}")
}

/// The document that holds a stage's own memory.
pub(crate) fn memory_name(stage: &str) -> String {
    format!("stage/{stage}")
}

pub(crate) fn read_state(snapshot: &Snapshot, stage: &str) -> Result<StageState, CallError> {
    let name = state_name(stage);
    let Some(content) = snapshot.document(&name).map_err(CallError::Read)? else {
        return Ok(StageState::default());
    };
    serde_json::from_slice(&content).map_err(|source| CallError::Document { name, source })
}

/// Runs every stage of the list once through, for one person. A stage that fails keeps the later ones from running:
/// they would build on what is not there yet.
pub(crate) fn run_pipeline(
    runtime: &Runtime,
    person: &Person,
    now: f64,
) -> Result<PipelineReport, CallError> {
    let _one_at_a_time = person.pipeline.lock().unwrap_or_else(PoisonError::into_inner);
    let mut report = PipelineReport::default();
    for spec in runtime.plan().stages() {
        let stage = run_stage(runtime, person, spec, now)?;
        let failed = stage.failure.is_some();
        report.stages.push(stage);
        if failed {
            break;
        }
    }
    Ok(report)
}

fn run_stage(
    runtime: &Runtime,
    person: &Person,
    spec: &StageSpec,
    now: f64,
) -> Result<StageReport, CallError> {
    let mut report = StageReport {
        stage: spec.name.clone(),
        cell: spec.cell.clone(),
        off: !spec.enabled,
        runs: 0,
        elapsed_us: 0,
        entries_read: 0,
        entries_written: 0,
        last_processed_ts: None,
        failure: None,
    };
    if report.off {
        return Ok(report);
    }
    let cell = runtime.stage_cell(spec)?;
    let started = Instant::now();
    let mut more = true;
    while more {
        if report.runs == RUNS_MAX {
            report.failure = Some(format!("asked to run again {RUNS_MAX} times"));
            break;
        }
        report.runs += 1;
        more = run_once(person, &cell, spec, now, &mut report)?;
    }
    report.elapsed_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    Ok(report)
}

/// One run and its commit; answers whether the stage wants another.
fn run_once(
    person: &Person,
    cell: &Arc<Cell>,
    spec: &StageSpec,
    now: f64,
    report: &mut StageReport,
) -> Result<bool, CallError> {
    let snapshot = person.store.snapshot();
    let state = read_state(&snapshot, &spec.name)?;
    let memory = snapshot.document(&memory_name(&spec.name)).map_err(CallError::Read)?;
    let Window { start, end } = state.window(now);
    let seed = seed_of(person, &spec.name, now);
    let run = Run { now, start, end, seed, state: memory.map_or_else(Vec::new, |bytes| bytes.to_vec()) };
    let reach = Reach::new(person.user, Arc::clone(&person.store), snapshot, Arc::clone(&cell.grant));
    let shared = reach.effects();
    let ended =
        cell.prepared.stage(Box::new(reach), cell.manifest.limits, None).map(|instance| instance.run(run));
    let mut effects = std::mem::take(&mut *lock(&shared));
    report.entries_read += effects.entries_read;
    match ended {
        Ok(end) => match end.outcome {
            Ok(outcome) => {
                let note =
                    Note::new(now, &cell.manifest.name, cell.prepared.digest(), &mut effects, end.usage);
                succeed(person, spec, now, &state, outcome, effects, note, report)
            }
            Err(error) => fail(person, spec, now, &state, error, report),
        },
        Err(error) => fail(person, spec, now, &state, error, report),
    }
}

#[allow(clippy::too_many_arguments, reason = "one commit takes all that one run left behind")]
fn succeed(
    person: &Person,
    spec: &StageSpec,
    now: f64,
    before: &StageState,
    outcome: Outcome,
    effects: Effects,
    note: Note,
    report: &mut StageReport,
) -> Result<bool, CallError> {
    let mut batch = effects.batch;
    report.entries_written += batch.rows();
    let state = before.done(now, outcome.processed_through);
    report.last_processed_ts = state.last_processed_ts;
    put_state(&mut batch, &spec.name, &state);
    batch.put_document(&memory_name(&spec.name), outcome.state);
    person.note(note);
    person.add_notes(&mut batch);
    person.store.commit(batch).map_err(CallError::Commit)?;
    Ok(outcome.more)
}

/// Keeps the reason where the owner sees it; nothing else of the run stays.
fn fail(
    person: &Person,
    spec: &StageSpec,
    now: f64,
    before: &StageState,
    error: RunError,
    report: &mut StageReport,
) -> Result<bool, CallError> {
    let reason = error.to_string();
    tracing::warn!(user = %person.user.short(), stage = %spec.name, code = error.code(), "stage failed");
    let mut batch = Batch::new();
    put_state(&mut batch, &spec.name, &before.failed(now, reason.clone()));
    person.store.commit(batch).map_err(CallError::Commit)?;
    report.last_processed_ts = before.last_processed_ts;
    report.failure = Some(reason);
    Ok(false)
}

pub(crate) fn put_state(batch: &mut Batch, stage: &str, state: &StageState) {
    let text = serde_json::to_vec(state).expect("a state has only numbers and texts");
    batch.put_document(&state_name(stage), text);
}

/// The same for a repeated run, another for another person, stage or moment.
fn seed_of(person: &Person, stage: &str, now: f64) -> u64 {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    context.update(&person.user.0);
    context.update(stage.as_bytes());
    context.update(&now.to_le_bytes());
    let digest = context.finish();
    let first = digest.as_ref().first_chunk().expect("SHA-256 has more than 8 bytes");
    u64::from_le_bytes(*first)
}
