//! One call of an endpoint cell: on the connection's own thread if that is safe, otherwise on the pool.
//!
//! A call reads a snapshot and buffers its writes, so it can be dropped and repeated without a trace. That allows the
//! fast path: a cell that may not write first runs on the thread that received the request, under a short deadline. If
//! it takes longer, or starts an answer in pieces, that run is dropped and repeated on the pool under its full limits.

use std::sync::{Arc, PoisonError};

use runtime_sandbox::{Limits, Overloaded, Request, Response, RunError, Usage};
use runtime_types::UserId;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::cells::catalogue::Cell;
use crate::cells::installed::terms::Moment;
use crate::data::errors::count_put;
use crate::error::CallError;
use crate::people::person::{Kept, Noted, Person};
use crate::runs::answering::{Answering, Begun};
use crate::runs::audit::{AuditLine, RunOutcome};
use crate::runs::exchange::{Answer, Broken, Call};
use crate::runs::host::{Effects, RunHost, SharedEffects, lock};
use crate::runs::told::Witness;
use crate::runtime::Runtime;

/// How long a call may hold a connection's thread, ms. Two ticks of the sandbox's clock.
const INLINE_WALL_MS: u32 = 20;

/// A request larger than this goes straight to the pool, bytes.
const INLINE_BODY_BYTES_MAX: u64 = 64 << 10;

/// The result of one call.
struct Done {
    answer: Result<Response, RunError>,
    effects: Effects,
    usage: Usage,
}

pub(crate) async fn call(
    runtime: &Arc<Runtime>,
    person: Arc<Person>,
    cell: Arc<Cell>,
    call: Call,
) -> Result<Answer, CallError> {
    let at = Moment::read(call.now);
    if cell.tries_inline() && call.body.len() <= INLINE_BODY_BYTES_MAX {
        let limits =
            Limits { wall_ms: INLINE_WALL_MS.min(cell.manifest.limits.wall_ms), ..cell.manifest.limits };
        let done = run(runtime, &person, &cell, (&call, at), limits, (Answering::Never, None));
        let too_long = matches!(done.answer, Err(RunError::Deadline { .. } | RunError::NoSlot { .. }));
        if !too_long && !done.effects.begun {
            let Ended { answer, line, notes_due } = finish(&person, &cell, &call, done);
            if let Some(line) = line {
                person.told(line).await?;
            } else if notes_due {
                // Not on this thread, which serves others too. If the pool is full, a later call finds the notes due.
                let person = Arc::clone(&person);
                let _ = runtime.writers.submit(person.user, move || person.keep_notes());
            }
            return whole(runtime, person.user, &cell, answer?);
        }
        cell.missed_inline();
    }
    on_the_pool(runtime, person, cell, call, at).await
}

/// Runs a call to its end on the calling thread, which may wait for the disk. The cell cannot answer in pieces.
pub(crate) fn call_here(
    runtime: &Runtime,
    person: &Person,
    cell: &Cell,
    call: &Call,
) -> Result<Response, CallError> {
    let _one_writer = (!cell.manifest.documents_write.is_empty())
        .then(|| person.documents.lock().unwrap_or_else(PoisonError::into_inner));
    let asked = (call, Moment::read(call.now));
    let done = run(runtime, person, cell, asked, cell.manifest.limits, (Answering::Never, None));
    let Ended { answer, notes_due, .. } = finish(person, cell, call, done);
    if notes_due {
        person.keep_notes();
    }
    answer
}

/// The answer, if there is memory for it until its caller has received it.
fn whole(runtime: &Runtime, user: UserId, cell: &Cell, response: Response) -> Result<Answer, CallError> {
    let Response { status, content_type, body } = response;
    let taken = match runtime.room.take_whole(user, body.len()) {
        Some(taken) => taken,
        // Its writes are on disk, so it must not be refused any more.
        None if cell.manifest.may_write() => None,
        None => return Err(CallError::Overloaded(Overloaded::Unread)),
    };
    Ok(Answer::Whole { status, content_type, body, taken })
}

async fn on_the_pool(
    runtime: &Arc<Runtime>,
    person: Arc<Person>,
    cell: Arc<Cell>,
    call: Call,
    at: Moment,
) -> Result<Answer, CallError> {
    let called = Arc::clone(&cell);
    let (head, mut begun) = oneshot::channel::<Begun>();
    let (end, mut ended) = oneshot::channel::<Ended>();
    let (user, handle) = (person.user, Handle::current());
    // Those who write never wait behind those who read.
    let pool = if cell.manifest.may_write() { &runtime.writers } else { &runtime.readers };
    let (room, seat) = (runtime.room.clone(), pool.seat(user));
    let answering = Answering::Ready { head, handle: handle.clone(), room, user, seat };
    let line = AuditLine::of_cell(call.now, &cell).of_device(call.device.as_ref());
    let witness = Witness::new(&person, handle, line);
    let (shared, reader) = (Arc::clone(runtime), Arc::clone(&person));
    let job = move || {
        let limits = cell.manifest.limits;
        // Two simultaneous puts would each overwrite the profile that the other wrote.
        let _one_writer = (!cell.manifest.documents_write.is_empty())
            .then(|| person.documents.lock().unwrap_or_else(PoisonError::into_inner));
        let teller = witness.clone();
        let mut done = run(&shared, &person, &cell, (&call, at), limits, (answering, Some(witness)));
        let pieces = done.effects.pieces.take();
        // What was read after the last piece may be in the piece that is still to come.
        let untold = done.effects.reads.widened() != done.effects.told;
        let ended = finish(&person, &cell, &call, done);
        let notes_due = ended.notes_due;
        match pieces {
            Some(pieces) => {
                let told = ended.line.filter(|_| untold).map_or(Ok(()), |line| teller.wait(line));
                end_pieces(&pieces, told.and(ended.answer));
            }
            // If the caller has gone, nothing waits for the answer.
            None => drop(end.send(ended)),
        }
        if notes_due {
            person.keep_notes();
        }
    };
    pool.submit(user, job).map_err(CallError::Overloaded)?;
    tokio::select! {
        biased;
        Ok((status, content_type, pieces)) = &mut begun => Ok(Answer::Pieces { status, content_type, pieces }),
        result = &mut ended => {
            let Ended { answer, line, .. } = result.map_err(|_| CallError::Lost)?;
            if let Some(line) = line {
                reader.told(line).await?;
            }
            whole(runtime, user, &called, answer?)
        }
    }
}

/// Sends the last piece, or breaks the answer off so that the caller notices.
fn end_pieces(pieces: &crate::runs::pieces::Pieces, result: Result<Response, CallError>) {
    let last = match result {
        Ok(response) if response.body.is_empty() => return,
        Ok(response) => Ok(response.body.into()),
        Err(error) => Err(Broken { reason: error.code().to_owned() }),
    };
    pieces.send(last);
}

/// Runs the cell once. None of its writes is visible yet.
fn run(
    runtime: &Runtime,
    person: &Person,
    cell: &Cell,
    (call, at): (&Call, Moment),
    limits: Limits,
    (answering, witness): (Answering, Option<Witness>),
) -> Done {
    // A cell that writes a document back builds on the newest version, even one that still waits for the disk.
    let writes_back = !cell.manifest.documents_write.is_empty();
    let snapshot = if writes_back { person.store.snapshot_ahead() } else { person.store.snapshot() };
    let host = RunHost::new(person.user, Arc::clone(&person.store), snapshot, Arc::clone(&cell.grant))
        .at(call.now)
        .asked(call.head.shown(call.target.path.scope))
        .answering(call.body.clone(), answering)
        .witnessed(witness)
        .brought_by(call.device.clone());
    let effects = host.effects();
    let request = Request { rest: call.target.rest.clone(), now: call.now, body_bytes: call.body.len() };
    let Some(terms) = &cell.terms else {
        let (answer, usage) = run_instance(runtime, person, cell, limits, host, request);
        return Done { answer, effects: taken(effects), usage };
    };
    let (answer, usage) = match terms.begin(at) {
        None => (Err(RunError::Cancelled { cell: cell.prepared.digest() }), Usage::default()),
        // Never kept for another request: what it has in memory may be more than the next consent shows.
        Some(run) => match cell.prepared.endpoint_with(Box::new(host), limits, Some(run.cancel.clone())) {
            Err(error) => (Err(error), Usage::default()),
            Ok(mut instance) => {
                let answer = instance.handle(request);
                // What was computed under terms that have ended meanwhile does not leave.
                let holds = run.holds();
                let stopped = || RunError::Cancelled { cell: cell.prepared.digest() };
                (answer.and_then(|answer| holds.then_some(answer).ok_or_else(stopped)), instance.usage())
            }
        },
    };
    Done { answer, effects: taken(effects), usage }
}

fn run_instance(
    runtime: &Runtime,
    person: &Person,
    cell: &Cell,
    limits: Limits,
    host: RunHost,
    request: Request,
) -> (Result<Response, RunError>, Usage) {
    let kept = match person.take_warm(cell.prepared.digest()) {
        Some(mut kept) => kept.instance.rebind(Box::new(host), limits).map(|_| kept),
        None => {
            let made = cell.prepared.endpoint(Box::new(host), limits);
            made.map(|instance| Kept { instance, calls: 0 })
        }
    };
    let mut kept = match kept {
        Ok(kept) => kept,
        Err(error) => return (Err(error), Usage::default()),
    };
    let answer = kept.instance.handle(request);
    let usage = kept.instance.usage();
    // The host of the run is dropped now, so that a waiting instance holds no snapshot.
    drop(kept.instance.unbind());
    if answer.is_ok() && runtime.keeps_warm() {
        kept.calls += 1;
        person.keep_warm(kept);
    }
    (answer, usage)
}

fn taken(effects: SharedEffects) -> Effects {
    std::mem::take(&mut *lock(&effects))
}

/// How a call ended, for its audit and for its caller. If a cell could not answer because the store could not be read,
/// or not in time, that is the reason.
fn judge(
    answer: Result<Response, RunError>,
    effects: &mut Effects,
    note: AuditLine,
) -> (Result<Response, CallError>, AuditLine) {
    if let Some(error) = effects.untold.take() {
        let note = note.ended(RunOutcome::Stopped, error.to_string());
        return (Err(error), note);
    }
    if answer.as_ref().is_ok_and(|response| response.status < 400) {
        return (answer.map_err(CallError::Cell), note);
    }
    // An answer below 500 is a verdict on the request, whatever could not be read for it.
    let judged = answer.as_ref().is_ok_and(|response| response.status < 500);
    if let Some(error) = effects.failed_read.take().filter(|_| !judged) {
        let note = note.ended(RunOutcome::StoreFailed, crate::chain(&error));
        return (Err(CallError::Read(error)), note);
    }
    match answer {
        Ok(response) => {
            let note =
                note.ended(RunOutcome::Refused, format!("it answered with status {}", response.status));
            (Ok(response), note)
        }
        Err(RunError::Deadline { wall_ms, .. }) if is_slow(effects, wall_ms) => {
            let slow = CallError::SlowDisk { reading_ms: effects.reading.as_millis() as u64, wall_ms };
            let note = note.ended(RunOutcome::StoreFailed, slow.to_string());
            (Err(slow), note)
        }
        Err(error) => {
            let note = note.ended(RunOutcome::from(&error), error.to_string());
            (Err(CallError::Cell(error)), note)
        }
    }
}

/// Whether most of a run's time was spent waiting for the store.
pub(crate) fn is_slow(effects: &Effects, wall_ms: u32) -> bool {
    2 * effects.reading.as_millis() > u128::from(wall_ms)
}

/// How a call ended.
struct Ended {
    answer: Result<Response, CallError>,
    /// The number of its audit line, if the line must be on disk before the caller learns how the call ended:
    /// [`Person::told`].
    line: Option<u64>,
    /// Whether [`Person::keep_notes`] is due; the answer does not wait for it.
    notes_due: bool,
}

/// Notes what a call did, commits its writes if it succeeded, and only then releases its answer.
fn finish(person: &Person, cell: &Cell, call: &Call, mut done: Done) -> Ended {
    let note = AuditLine::new(call.now, cell, &mut done.effects, done.usage);
    let note = note.of_device(call.device.as_ref());
    let (answer, note) = judge(done.answer, &mut done.effects, note);
    let writes = std::mem::take(&mut done.effects.batch);
    let known_aside = done.effects.known_aside;
    match answer {
        Ok(response) if response.status < 400 && (!writes.is_empty() || known_aside > 0) => {
            let kept = person.commit_run(writes, note).map_err(CallError::Commit);
            let counted = kept.and_then(|committed| count_put(person, &committed, known_aside));
            Ended { answer: counted.map(|()| response), line: None, notes_due: false }
        }
        answer if !note.tells() => Ended { answer, line: None, notes_due: false },
        answer => {
            let has_read = note.has_read();
            let Noted { number, due } = person.note(note);
            Ended { answer, line: has_read.then_some(number), notes_due: due }
        }
    }
}
