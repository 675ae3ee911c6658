//! Running a person's stages: each run's output, state and audit record commit together, or none of them does.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use runtime_pipeline::{Late, StageState, Window};
use runtime_sandbox::{CellHost, Outcome, Run, RunError, Usage};
use runtime_store::{Batch, Snapshot};
use runtime_types::Area;
use serde::{Deserialize, Serialize};

use crate::cells::catalogue::Cell;
use crate::cells::installed::terms::{Moment, TermedRun};
use crate::cells::installed::{Stages, makers};
use crate::data::waiting;
use crate::error::CallError;
use crate::people::person::Person;
use crate::runs::audit::{AuditLine, RunOutcome};
use crate::runs::endpoint::is_slow;
use crate::runs::host::{Effects, RunHost, lock};
use crate::runs::{late, rewind};
use crate::runtime::Runtime;

/// A stage that asks to be run again more often than this in one pass is stuck, not busy.
const RUNS_MAX: u32 = 10_000;

/// A report on one stage.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StageReport {
    /// A name such as `TRIP_SEGMENTATION`.
    pub stage: String,
    /// The cell that ran.
    pub cell: String,
    /// Whether it is switched off; then the report has nothing else.
    pub off: bool,
    /// The number of runs; 0 if the cell's manifest says that there is nothing to do.
    pub runs: u32,
    /// Wall clock, µs.
    pub elapsed_us: u64,
    /// CPU time of the thread, commits included, µs.
    pub cpu_us: u64,
    /// The longest run of the cell alone, µs.
    pub cell_us_max: u64,
    /// The most memory of one run, bytes.
    pub memory_bytes_max: u64,
    /// The most bytes read by one run.
    pub read_bytes_max: u64,
    /// The most bytes written by one run.
    pub written_bytes_max: u64,
    /// Entries that it read.
    pub entries_read: u64,
    /// Entries that it stored, moved or changed.
    pub entries_written: u64,
    /// Entries that it set aside.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub set_aside: u64,
    /// Entries that it marked invalid.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub marked_invalid: u64,
    /// The mark that it reached, s.
    pub last_processed_ts: Option<f64>,
    /// Why it failed.
    pub failure: Option<String>,
    /// After a failure: when it is retried automatically, s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<f64>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl StageReport {
    /// A report with nothing done yet.
    pub(crate) fn new(stage: &str, cell: &str) -> Self {
        Self {
            stage: stage.to_owned(),
            cell: cell.to_owned(),
            off: false,
            runs: 0,
            elapsed_us: 0,
            cpu_us: 0,
            cell_us_max: 0,
            memory_bytes_max: 0,
            read_bytes_max: 0,
            written_bytes_max: 0,
            entries_read: 0,
            entries_written: 0,
            set_aside: 0,
            marked_invalid: 0,
            last_processed_ts: None,
            failure: None,
            retry_at: None,
        }
    }

    pub(crate) fn count(&mut self, usage: &Usage) {
        self.cell_us_max = self.cell_us_max.max(usage.elapsed_us);
        self.memory_bytes_max = self.memory_bytes_max.max(usage.memory_bytes);
        self.read_bytes_max = self.read_bytes_max.max(usage.read_bytes);
        self.written_bytes_max = self.written_bytes_max.max(usage.written_bytes);
    }
}

/// The cost of a piece of work on its thread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Wall clock, µs.
    pub elapsed_us: u64,
    /// CPU, µs.
    pub cpu_us: u64,
}

impl Spent {
    pub(crate) fn on<T>(work: impl FnOnce() -> T) -> (T, Self) {
        let (started, cpu) = (Instant::now(), thread_cpu_us());
        let done = work();
        (done, Self { elapsed_us: micros(started), cpu_us: thread_cpu_us() - cpu })
    }
}

/// A report on one run of a person's pipeline.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct PipelineReport {
    /// The rewind that was done before a stage ran; mostly none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rewinds: Vec<StageReport>,
    /// One for each stage of the list that was reached, in its order.
    pub stages: Vec<StageReport>,
    /// One for each stage of an installed cell, if the host's own stages succeeded. A failure of one of these concerns
    /// nobody else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guests: Vec<StageReport>,
    /// Writing the results to disk, and rewriting old blocks.
    pub keeping: Spent,
    /// Why the host's clock was not trusted, in words, if it was not: a run by hand does not wait for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_doubt: Option<String>,
}

impl PipelineReport {
    /// Whether every stage succeeded.
    pub fn succeeded(&self) -> bool {
        self.failed().is_none()
    }

    /// The stage that failed, installed cells' aside.
    pub fn failed(&self) -> Option<&StageReport> {
        self.rewinds.iter().chain(&self.stages).find(|stage| stage.failure.is_some())
    }

    /// How many entries its stages set aside.
    pub fn set_aside(&self) -> u64 {
        self.stages.iter().chain(&self.guests).map(|stage| stage.set_aside).sum()
    }

    /// CPU time of the whole run, µs.
    pub fn cpu_us(&self) -> u64 {
        let stages = self.rewinds.iter().chain(&self.stages).chain(&self.guests).map(|stage| stage.cpu_us);
        stages.sum::<u64>() + self.keeping.cpu_us
    }

    /// Wall clock of the whole run, µs.
    pub fn elapsed_us(&self) -> u64 {
        let stages =
            self.rewinds.iter().chain(&self.stages).chain(&self.guests).map(|stage| stage.elapsed_us);
        stages.sum::<u64>() + self.keeping.elapsed_us
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

/// Runs every stage of the list once, for one person whose `pipeline` the caller holds. A requested rewind is done
/// before the next stage runs. If a stage fails, the later ones do not run: they would build on results that do not
/// exist yet.
pub(crate) fn run_pipeline(
    runtime: &Runtime,
    person: &Person,
    at: Moment,
) -> Result<PipelineReport, CallError> {
    let now = at.now;
    let mut report = PipelineReport::default();
    waiting::put_back(person)?;
    let stages = &runtime.stages_of(person)?;
    makers::settle(stages, person)?;
    for (index, spec) in stages.plan().stages().iter().enumerate() {
        report.rewinds.extend(rewind::take_back(stages, person, now)?);
        if !report.succeeded() {
            return Ok(report);
        }
        let stage = if spec.enabled {
            run_stage(stages, person, index, at)?
        } else {
            StageReport { off: true, ..StageReport::new(&spec.name, &spec.cell) }
        };
        report.stages.push(stage);
        if !report.succeeded() {
            return Ok(report);
        }
    }
    run_guests(stages, person, at, &mut report)?;
    Ok(report)
}

/// Runs the stages of installed cells, after the host's own, so that a failure of theirs stops nobody else. They may
/// read what stages before them have just made.
fn run_guests(
    stages: &Stages,
    person: &Person,
    at: Moment,
    report: &mut PipelineReport,
) -> Result<(), CallError> {
    if stages.guests().is_empty() {
        return Ok(());
    }
    report.rewinds.extend(rewind::take_back(stages, person, at.now)?);
    let after_all = stages.plan().stages().len();
    for guest in stages.guests() {
        let work = Work { stages, before: after_all, name: &guest.stage, late: None, cell: &guest.cell };
        report.guests.push(run_work(work, person, at)?);
    }
    Ok(())
}

fn run_stage(stages: &Stages, person: &Person, index: usize, at: Moment) -> Result<StageReport, CallError> {
    let spec = &stages.plan().stages()[index];
    let cell = stages.required_cell(spec)?;
    run_work(Work { stages, before: index + 1, name: &spec.name, late: spec.late, cell }, person, at)
}

fn run_work(work: Work<'_>, person: &Person, at: Moment) -> Result<StageReport, CallError> {
    let report = StageReport::new(work.name, &work.cell.manifest.name);
    let mut stage = Stage { work, person, at, report };
    let (done, spent) = Spent::on(|| {
        while stage.run_once()? {}
        Ok(())
    });
    (stage.report.elapsed_us, stage.report.cpu_us) = (spent.elapsed_us, spent.cpu_us);
    done.map(|()| stage.report)
}

pub(crate) fn micros(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX)
}

fn thread_cpu_us() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec * 1_000_000 + time.tv_nsec / 1_000).unwrap_or(0)
}

/// The result of one run of a cell. None of its writes is visible yet.
pub(crate) struct Ran {
    pub outcome: Result<Outcome, RunError>,
    pub effects: Effects,
    pub usage: Usage,
    /// The terms that it ran under, which decide whether its writes are stored; `None` for a built-in cell.
    pub under: Option<TermedRun>,
}

impl Ran {
    /// A run that did not take place, since what it is allowed has ended.
    fn stopped(cell: &Cell) -> Self {
        let outcome = Err(RunError::Cancelled { cell: cell.prepared.digest() });
        Self { outcome, effects: Effects::default(), usage: Usage::default(), under: None }
    }
}

/// Runs a stage's cell once. `at`: when that was asked for.
pub(crate) fn run_cell(person: &Person, cell: &Cell, snapshot: &Snapshot, run: Run, at: Moment) -> Ran {
    let under = match cell.terms.as_ref().map(|terms| terms.begin(at)) {
        Some(None) => return Ran::stopped(cell),
        Some(termed) => termed,
        None => None,
    };
    let cancel = under.as_ref().map(|under| under.cancel.clone());
    let grant = Arc::clone(&cell.grant);
    let host = RunHost::new(person.user, Arc::clone(&person.store), snapshot.clone(), grant).at(run.now);
    let shared = host.effects();
    let instance = cell.prepared.stage(Box::new(host), cell.manifest.limits, cancel);
    let (outcome, usage) = match instance.map(|instance| instance.run(run)) {
        Ok(end) => (end.outcome, end.usage),
        Err(error) => (Err(error), Usage::default()),
    };
    let effects = std::mem::take(&mut *lock(&shared));
    Ran { outcome, effects, usage, under }
}

/// A run whose results are not kept.
pub(crate) struct Rehearsal {
    pub cell: Arc<Cell>,
    pub host: Box<dyn CellHost>,
    pub run: Run,
}

/// The input of a stage's first run over everything: for measuring. Its writes are dropped.
pub(crate) fn rehearsal(
    runtime: &Runtime,
    person: &Person,
    stage: &str,
    now: f64,
) -> Result<Rehearsal, CallError> {
    let stages = runtime.stages_of(person)?;
    let cell = match stages.guests().iter().find(|guest| guest.stage == stage) {
        Some(guest) => Arc::clone(&guest.cell),
        None => {
            let spec = runtime.plan().stage(stage).ok_or_else(|| CallError::NoSuchCell(stage.to_owned()))?;
            runtime.catalogue().required_stage(&spec.cell)?
        }
    };
    let snapshot = person.store.snapshot();
    let Window { start, end } = StageState::default().window(now);
    let run = Run { now, start, end, seed: seed_of(person, stage, now), state: Vec::new() };
    let host =
        RunHost::new(person.user, Arc::clone(&person.store), snapshot, Arc::clone(&cell.grant)).at(now);
    Ok(Rehearsal { cell, host: Box::new(host), run })
}

/// What a stage is, whoever brought it.
#[derive(Clone, Copy)]
struct Work<'a> {
    stages: &'a Stages,
    /// The index of the first stage of the list that runs later.
    before: usize,
    name: &'a str,
    late: Option<Late>,
    cell: &'a Cell,
}

/// One stage, as it is run for one person at one moment.
struct Stage<'a> {
    work: Work<'a>,
    person: &'a Person,
    at: Moment,
    report: StageReport,
}

impl Stage<'_> {
    /// One run and its commit, which may wait for the disk; returns whether the stage asks for another.
    fn run_once(&mut self) -> Result<bool, CallError> {
        let Self { person, at, work: Work { name, cell, .. }, .. } = *self;
        let now = at.now;
        // A simultaneous put that changed the same document would be overwritten.
        let _one_writer = (!cell.manifest.documents_write.is_empty())
            .then(|| person.documents.lock().unwrap_or_else(PoisonError::into_inner));
        let snapshot = person.store.snapshot_ahead();
        let before = read_state(&snapshot, name)?;
        let memory = snapshot.document(&memory_name(name)).map_err(CallError::Read)?;
        let memory = memory.as_deref().unwrap_or_default();
        if memory.is_empty() && !cell.manifest.has_work(snapshot.stream_names()) {
            return self.pass_over(&before);
        }
        let Window { start, end } = before.window(now);
        // Under a coarse consent, whole grains only.
        let Some((first, end)) = cell.grant.window(start.unwrap_or(f64::NEG_INFINITY), end) else {
            return self.pass_over(&before);
        };
        let start = first.is_finite().then_some(first);
        self.report.runs += 1;
        let seed = seed_of(person, name, now);
        let run = Run { now, start, end, seed, state: memory.to_vec() };
        let Ran { outcome, mut effects, usage, under } = run_cell(person, cell, &snapshot, run, at);
        self.report.entries_read += effects.entries_read;
        self.report.count(&usage);
        let note = AuditLine::new(now, cell, &mut effects, usage);
        let outcome = match judge(outcome, &effects, self.report.runs, RUNS_MAX) {
            Ok(outcome) => outcome,
            Err(Failed { outcome, reason }) => {
                let user = person.user.short();
                tracing::warn!(%user, stage = %name, outcome = outcome.as_str(), "stage failed");
                person.note(note.ended(outcome, reason.clone()));
                return self.fail(&before, reason);
            }
        };
        let mut batch = effects.batch;
        self.report.entries_written += batch.rows();
        self.report.set_aside += batch.moved(Area::Errors);
        self.report.marked_invalid += batch.marks();
        match self.state_after(&before, &outcome, &snapshot, end, &mut batch) {
            Ok(state) => {
                self.report.last_processed_ts = state.last_processed_ts;
                put_state(&mut batch, name, &state);
            }
            Err(error) => {
                person.note(note.ended(RunOutcome::StoreFailed, crate::chain(&error)));
                return Err(error);
            }
        }
        if outcome.state != memory {
            batch.put_document(&memory_name(name), outcome.state);
        }
        let storing = under.as_ref().map(TermedRun::storing);
        if let Some(None) = storing {
            let stopped = RunError::Cancelled { cell: cell.prepared.digest() };
            person.note(note.ended(RunOutcome::Stopped, stopped.to_string()));
            return self.fail(&before, stopped.to_string());
        }
        person.commit_run_ahead(batch, note).map_err(CallError::Commit)?;
        Ok(outcome.more)
    }

    /// The stage's state after a run whose window ended at `end`; the run's own writes may ask for a rewind.
    fn state_after(
        &self,
        before: &StageState,
        outcome: &Outcome,
        snapshot: &Snapshot,
        end: f64,
        batch: &mut Batch,
    ) -> Result<StageState, CallError> {
        late::judge(self.work.stages, snapshot, self.work.before, batch)?;
        let state = before.done(self.at.now, outcome.processed_through);
        // Only if the mark was moved: if the clock was set back, entries dated after it have been read already. Only if
        // the stage list says what happens with entries that were not read. In the middle of a backlog, memory and mark
        // belong together.
        if outcome.processed_through.is_some()
            && self.work.late.is_some()
            && !outcome.more
            && let Some(mark) = state.last_processed_ts
            && let Some(unread) = late::first_unread(snapshot, self.work.cell, end, mark)?
        {
            return Ok(state.up_to(unread));
        }
        Ok(state)
    }

    /// Stores what a run that finds nothing to do would have stored.
    fn pass_over(&mut self, before: &StageState) -> Result<bool, CallError> {
        let mut batch = Batch::new();
        let state = before.done(self.at.now, None);
        self.report.last_processed_ts = state.last_processed_ts;
        put_state(&mut batch, self.work.name, &state);
        self.person.commit_ahead(batch).map_err(CallError::Commit)?;
        Ok(false)
    }

    /// Records the reason for the owner; nothing else of the run is kept.
    fn fail(&mut self, before: &StageState, reason: String) -> Result<bool, CallError> {
        let mut batch = Batch::new();
        let state = before.failed(self.at.now, reason.clone());
        put_state(&mut batch, self.work.name, &state);
        self.person.commit_ahead(batch).map_err(CallError::Commit)?;
        self.report.last_processed_ts = before.last_processed_ts;
        (self.report.failure, self.report.retry_at) = (Some(reason), state.retry_at());
        Ok(false)
    }
}

/// How a run failed, and the reason in words for its owner.
pub(crate) struct Failed {
    pub outcome: RunOutcome,
    pub reason: String,
}

/// The outcome of a run; a failure has the cell's own words, and the store's part in it. `runs`: how often it has run,
/// of at most `runs_max`.
pub(crate) fn judge(
    outcome: Result<Outcome, RunError>,
    effects: &Effects,
    runs: u32,
    runs_max: u32,
) -> Result<Outcome, Failed> {
    let error = match outcome {
        Ok(outcome) if outcome.more && runs >= runs_max => {
            let reason = format!("asked to run again {runs_max} times");
            return Err(Failed { outcome: RunOutcome::OverLimit, reason });
        }
        Ok(outcome) => return Ok(outcome),
        Err(error) => error,
    };
    let (outcome, reason) = match (&error, &effects.failed_read) {
        (_, Some(read)) => {
            let why = crate::chain(read);
            (RunOutcome::StoreFailed, format!("{error}; the store could not be read: {why}"))
        }
        (RunError::Deadline { wall_ms, .. }, None) if is_slow(effects, *wall_ms) => {
            let reading_ms = effects.reading.as_millis();
            (RunOutcome::StoreFailed, format!("{error}, {reading_ms} ms of it waiting for a slow disk"))
        }
        _ => (RunOutcome::from(&error), error.to_string()),
    };
    Err(Failed { outcome, reason })
}

pub(crate) fn put_state(batch: &mut Batch, stage: &str, state: &StageState) {
    let text = serde_json::to_vec(state).expect("a state has only numbers and texts");
    batch.put_document(&state_name(stage), text);
}

/// The same for a repeated run; different for another person, stage or moment.
pub(crate) fn seed_of(person: &Person, stage: &str, now: f64) -> u64 {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    context.update(&person.user.0);
    context.update(stage.as_bytes());
    context.update(&now.to_le_bytes());
    let digest = context.finish();
    let first = digest.as_ref().first_chunk().expect("SHA-256 has more than 8 bytes");
    u64::from_le_bytes(*first)
}
