//! Recomputing results that are no longer valid: after late entries, a reset, a deletion.
//!
//! A requested rewind is stored in one document, which is written in the same commit as its cause. It is done before
//! the next stage runs: the plan's rewind cell removes what depended on the changed entries. Its writes, the stages'
//! new marks and the removal of the document commit together. Stages keep their memories, and cut them back themselves
//! at the start of their window. Without such a cell everything is recomputed.

use std::ops::ControlFlow;
use std::sync::PoisonError;

use runtime_pipeline::{Event, Marks, Rewind, SETTLING_S};
use runtime_sandbox::{Interface, Run};
use runtime_store::{Batch, NewEntry, Snapshot};
use runtime_types::{Area, Query, Stream, StreamKey, UserId};

use crate::cells::catalogue::Cell;
use crate::cells::installed::terms::Moment;
use crate::cells::installed::{Guest, Stages};
use crate::cells::manifest::StreamPattern;
use crate::error::CallError;
use crate::people::person::Person;
use crate::runs::audit::{AuditLine, RunOutcome};
use crate::runs::host::private;
use crate::runs::late::is_made;
use crate::runs::pipelines::Pipelines;
use crate::runs::stage::{
    self, Failed, Ran, Spent, StageReport, memory_name, put_state, read_state, run_cell, state_name,
};

/// The document that holds the requested rewind.
pub(crate) const REWIND: &str = "pipeline/rewind";

/// The name of the rewind in reports.
const NAME: &str = "rewind";

/// A rewind that asks to be run again more often than this is stuck.
const RUNS_MAX: u32 = 1_000;

pub(crate) fn read(snapshot: &Snapshot) -> Result<Option<Rewind>, CallError> {
    let Some(content) = snapshot.document(REWIND).map_err(CallError::Read)? else { return Ok(None) };
    let read = serde_json::from_slice(&content);
    read.map(Some).map_err(|source| CallError::Document { name: REWIND.to_owned(), source })
}

fn put(batch: &mut Batch, wanted: &Rewind) {
    let text = serde_json::to_vec(wanted).expect("a rewind has only numbers and texts");
    batch.put_document(REWIND, text);
}

/// Adds a rewind to a commit, besides a rewind that is requested already. The caller holds the person's `pipeline`.
pub(crate) fn want(snapshot: &Snapshot, batch: &mut Batch, wanted: &Rewind) -> Result<(), CallError> {
    let mut all = read(snapshot)?.unwrap_or_default();
    all.add(wanted);
    put(batch, &all);
    Ok(())
}

/// Does the requested rewind, if there is one; returns a report of it.
pub(crate) fn take_back(
    stages: &Stages,
    person: &Person,
    now: f64,
) -> Result<Option<StageReport>, CallError> {
    let snapshot = person.store.snapshot_ahead();
    let Some(wanted) = read(&snapshot)? else { return Ok(None) };
    let mut report = StageReport::new(NAME, stages.plan().rewind().unwrap_or_default());
    let (done, spent) = Spent::on(|| take_back_to(stages, person, &wanted, now, &mut report));
    (report.elapsed_us, report.cpu_us) = (spent.elapsed_us, spent.cpu_us);
    done.map(|()| Some(report))
}

fn take_back_to(
    stages: &Stages,
    person: &Person,
    wanted: &Rewind,
    now: f64,
    report: &mut StageReport,
) -> Result<(), CallError> {
    // First, since the request ends with the commit of what follows.
    report.entries_written += begin_anew(stages, person, wanted)?;
    let snapshot = &person.store.snapshot_ahead();
    match (wanted.from, stages.plan().rewind()) {
        (Some(from), Some(cell)) => {
            let cell = stages.named(cell)?;
            while run_once(stages, person, cell, from, now, report)? {}
        }
        (Some(_), None) => {
            let mut batch = Batch::new();
            report.entries_written += recompute_all(stages, snapshot, &mut batch)?;
            person.commit_ahead(batch).map_err(CallError::Commit)?;
        }
        (None, _) => {
            let mut batch = Batch::new();
            put_marks(stages, snapshot, wanted, &Marks::default(), &mut batch)?;
            batch.delete_document(REWIND);
            person.commit_ahead(batch).map_err(CallError::Commit)?;
        }
    }
    if wanted.scrub && report.failure.is_none() {
        scrub(person)?;
    }
    Ok(())
}

/// Rewrites the blocks that hold removed entries, so that these are no longer on disk.
pub(crate) fn scrub(person: &Person) -> Result<(), CallError> {
    while person.store.scrub().map_err(CallError::Commit)?.more {}
    Ok(())
}

/// One run of the rewind cell and its commit; returns whether it asks for another.
fn run_once(
    stages: &Stages,
    person: &Person,
    cell: &Cell,
    from: f64,
    now: f64,
    report: &mut StageReport,
) -> Result<bool, CallError> {
    let snapshot = person.store.snapshot_ahead();
    let wanted = read(&snapshot)?.unwrap_or_else(|| Rewind::to(from));
    report.runs += 1;
    let seed = stage::seed_of(person, NAME, now);
    let run = Run { now, start: Some(from), end: now - SETTLING_S, seed, state: Vec::new() };
    let Ran { outcome, mut effects, usage, .. } = run_cell(person, cell, &snapshot, run, Moment::read(now));
    report.entries_read += effects.entries_read;
    let note = AuditLine::new(now, cell, &mut effects, usage);
    let done = stage::judge(outcome, &effects, report.runs, RUNS_MAX).and_then(|outcome| {
        let marks = serde_json::from_slice::<Marks>(&outcome.state).map_err(|error| Failed {
            outcome: RunOutcome::BadAnswer,
            reason: format!("the marks of the rewind do not read: {error}"),
        })?;
        Ok((outcome.more, marks))
    });
    let (more, marks) = match done {
        Ok(done) => done,
        Err(Failed { outcome, reason }) => {
            person.note(note.ended(outcome, reason.clone()));
            return fail(person, &wanted, now, reason, report);
        }
    };
    let mut batch = effects.batch;
    report.entries_written += batch.rows();
    if let Err(error) = put_marks(stages, &snapshot, &wanted, &marks, &mut batch) {
        person.note(note.ended(RunOutcome::StoreFailed, crate::chain(&error)));
        return Err(error);
    }
    if !more {
        batch.delete_document(REWIND);
    }
    person.commit_run_ahead(batch, note).map_err(CallError::Commit)?;
    Ok(more)
}

/// Records the reason for the owner; the rewind stays requested, and no stage runs before it is done.
fn fail(
    person: &Person,
    wanted: &Rewind,
    now: f64,
    reason: String,
    report: &mut StageReport,
) -> Result<bool, CallError> {
    tracing::warn!(user = %person.user.short(), "rewind failed");
    let wanted = wanted.failed(now, reason.clone());
    let mut batch = Batch::new();
    put(&mut batch, &wanted);
    person.commit_ahead(batch).map_err(CallError::Commit)?;
    (report.failure, report.retry_at) = (Some(reason), wanted.retry_at());
    Ok(false)
}

fn put_marks(
    stages: &Stages,
    snapshot: &Snapshot,
    wanted: &Rewind,
    marks: &Marks,
    batch: &mut Batch,
) -> Result<(), CallError> {
    for spec in stages.plan().stages() {
        let given = marks.marks.get(&spec.name).copied();
        if given.is_none() && !wanted.again.contains_key(&spec.name) {
            continue;
        }
        let before = read_state(snapshot, &spec.name)?;
        put_state(batch, &spec.name, &wanted.state(&spec.name, &before, given));
    }
    Ok(())
}

/// Removes everything that stages wrote, with their marks and memories, and shows again the entries that they have
/// hidden. The stage that accepts entries from the usercache keeps its state: it never reads twice. Returns how many
/// entries were removed.
pub(crate) fn recompute_all(
    stages: &Stages,
    snapshot: &Snapshot,
    batch: &mut Batch,
) -> Result<u64, CallError> {
    let mut written = Vec::new();
    for spec in stages.plan().stages() {
        let manifest = &stages.required_cell(spec)?.manifest;
        if manifest.interfaces.contains(Interface::Usercache) {
            continue;
        }
        batch.delete_document(&state_name(&spec.name));
        batch.delete_document(&memory_name(&spec.name));
        written.extend(manifest.writes.iter().cloned());
    }
    for guest in stages.guests() {
        batch.delete_document(&state_name(&guest.stage));
        batch.delete_document(&memory_name(&guest.stage));
        for name in guest.id().iter().flat_map(|cell| private::names_of(snapshot, cell)) {
            batch.delete_document(&name);
        }
        written.extend(guest.cell.manifest.writes.iter().cloned());
    }
    let area = Area::Timeseries;
    let streams = snapshot.streams().into_iter().filter(|(Stream { area: of, key }, _)| {
        *of == area && written.iter().any(|pattern| pattern.covers(area, key))
    });
    let (made, raw): (Vec<_>, Vec<_>) = streams.map(|(stream, _)| stream.key).partition(is_made);
    let removed = each(snapshot, made, |batch, row| batch.delete(row.id), batch)?;
    each(snapshot, raw, show_again, batch)?;
    batch.delete_document(REWIND);
    Ok(removed)
}

/// Removes everything that stages of installed cells have made which the rewind concerns: what a cell derived from
/// entries that are gone is gone with them, and nobody but the cell knows what that is. Returns how many entries.
fn begin_anew(stages: &Stages, person: &Person, wanted: &Rewind) -> Result<u64, CallError> {
    let mut removed = 0;
    for guest in stages.guests() {
        if wanted.from.is_some() || wanted.anew.contains(&guest.stage) {
            removed += remove_made(person, guest)?;
        }
    }
    Ok(removed)
}

/// Removes everything that a stage of an installed cell has made, its mark and its memory.
pub(crate) fn remove_made(person: &Person, guest: &Guest) -> Result<u64, CallError> {
    remove_made_by(person, (&guest.stage, guest.id()), &guest.cell.manifest.writes)
}

/// As [`remove_made`], for a stage of that name, of the cell with that id, that wrote these streams.
pub(crate) fn remove_made_by(
    person: &Person,
    (stage, cell): (&str, Option<&str>),
    writes: &[StreamPattern],
) -> Result<u64, CallError> {
    let snapshot = person.store.snapshot_ahead();
    let mut batch = Batch::new();
    batch.delete_document(&state_name(stage));
    batch.delete_document(&memory_name(stage));
    for name in cell.iter().flat_map(|cell| private::names_of(&snapshot, cell)) {
        batch.delete_document(&name);
    }
    let made = made_streams(&snapshot, writes);
    let removed = each(&snapshot, made, |batch, row| batch.delete(row.id), &mut batch)?;
    person.commit_ahead(batch).map_err(CallError::Commit)?;
    Ok(removed)
}

/// The streams that stages fill and the patterns cover.
fn made_streams(snapshot: &Snapshot, written: &[StreamPattern]) -> Vec<StreamKey> {
    let streams = snapshot.streams().into_iter().map(|(stream, _)| stream);
    let made = streams.filter(|Stream { area, key }| {
        *area == Area::Timeseries
            && is_made(key)
            && written.iter().any(|pattern| pattern.covers(Area::Timeseries, key))
    });
    made.map(|stream| stream.key).collect()
}

fn show_again(batch: &mut Batch, row: &runtime_store::Row<'_>) {
    if row.invalid {
        let runtime_store::Row { metadata, data, extra, .. } = *row;
        batch.replace(row.id, NewEntry { id: None, key: row.key.clone(), metadata, data, extra });
    }
}

fn each(
    snapshot: &Snapshot,
    keys: Vec<StreamKey>,
    does: impl Fn(&mut Batch, &runtime_store::Row<'_>),
    batch: &mut Batch,
) -> Result<u64, CallError> {
    if keys.is_empty() {
        return Ok(0);
    }
    let mut count = 0;
    let mut cursor =
        snapshot.find(&Query { keys, ..Query::everything(Area::Timeseries) }).map_err(CallError::Read)?;
    let visited = cursor.visit(&mut |row| {
        does(batch, row);
        count += 1;
        ControlFlow::Continue(())
    });
    visited.map_err(CallError::Read)?;
    Ok(count)
}

impl Pipelines<'_> {
    /// Removes the results and memories of the stages after the usercache, so that the next run recomputes them from
    /// the raw entries. Returns how many entries were removed.
    pub fn reset(self, user: UserId) -> Result<u64, CallError> {
        let person = self.runtime.person(user)?;
        let _no_stage = person.pipeline.lock().unwrap_or_else(PoisonError::into_inner);
        let mut batch = Batch::new();
        let stages = self.runtime.stages_of(&person)?;
        let removed = recompute_all(&stages, &person.store.snapshot_ahead(), &mut batch)?;
        person.commit(batch).map_err(CallError::Commit)?;
        self.runtime.timetable().note(user, Event::RewindWanted);
        Ok(removed)
    }

    /// Makes the next run recompute everything that depended on entries from `from` on, s. Durable when it returns.
    pub fn rewind(self, user: UserId, from: f64) -> Result<(), CallError> {
        let person = self.runtime.person(user)?;
        let _no_stage = person.pipeline.lock().unwrap_or_else(PoisonError::into_inner);
        let mut batch = Batch::new();
        want(&person.store.snapshot_ahead(), &mut batch, &Rewind::to(from))?;
        person.commit(batch).map_err(CallError::Commit)?;
        self.runtime.timetable().note(user, Event::RewindWanted);
        Ok(())
    }
}
