//! The engine's state beside a guest: the host that the run may reach, its budgets, its open cursors.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::call::{Arguments, Results};
use crate::draft::Drafts;
use crate::memory::Memory;
use crate::{
    CURSORS_MAX, CellHost, Failure, LOG_LINES_MAX, Limits, LocationRows, LogLevel, NoHost, Usage, text,
};

/// Marks the contract's `cursor` for the binding generator; the number behind a handle is an entry of [`Cursors`].
pub struct Pages;
/// Marks the contract's `location-cursor`.
pub struct Columns;

/// Why the engine was told to stop a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    Deadline,
    Cancelled,
}

/// Lets another thread, or the time, stop a run; noticed within two ticks of 10 ms.
#[derive(Debug, Clone, Default)]
pub struct Cancel {
    asked: Arc<AtomicBool>,
    due: Option<Instant>,
}

impl Cancel {
    /// A run that is not stopped yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A run that is stopped at that moment, unless it is stopped or has ended before.
    pub fn due(at: Instant) -> Self {
        Self { due: Some(at), ..Self::default() }
    }

    /// Stops every run that holds this value, for good.
    pub fn cancel(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    fn is_cancelled(&self) -> bool {
        self.asked.load(Ordering::Relaxed) || self.due.is_some_and(|due| Instant::now() >= due)
    }
}

pub(crate) struct RunState {
    pub(crate) host: Box<dyn CellHost>,
    pub(crate) memory: Memory,
    pub(crate) stopped: Option<Stop>,
    pub(crate) answer: Answer,
    pub(crate) limits: Limits,
    pub(crate) cursors: Cursors,
    pub(crate) drafts: Drafts,
    pub(crate) arguments: Arguments,
    pub(crate) results: Results,
    cancel: Option<Cancel>,
    clock: Clock,
    spent: Spent,
}

/// The progress of an answer in pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The run may still begin one, or write to the store.
    Open,
    /// It has begun one: no more writes to the store.
    Begun,
    /// It has written to the store: its answer waits for the commit.
    AfterCommit,
}

#[derive(Default)]
struct Spent {
    read_bytes: u64,
    written_bytes: u64,
    output_bytes: u64,
    body_bytes: u64,
    log_lines: u32,
    log_lines_dropped: u32,
}

struct Clock {
    started: Instant,
    waited: Duration,
}

impl RunState {
    pub(crate) fn new(host: Box<dyn CellHost>, limits: Limits, cancel: Option<Cancel>) -> Self {
        Self {
            host,
            memory: Memory::new(limits.memory_bytes),
            stopped: None,
            answer: Answer::Open,
            limits,
            cursors: Cursors::default(),
            drafts: Drafts::default(),
            arguments: Arguments::default(),
            results: Results::default(),
            cancel,
            clock: Clock { started: Instant::now(), waited: Duration::ZERO },
            spent: Spent::default(),
        }
    }

    /// Resets everything except memory.
    pub(crate) fn begin_call(&mut self, limits: Limits) {
        self.drop_handles();
        self.arguments = Arguments::default();
        self.results = Results::default();
        self.memory.begin_call(limits.memory_bytes);
        self.limits = limits;
        self.stopped = None;
        self.answer = Answer::Open;
        self.clock = Clock { started: Instant::now(), waited: Duration::ZERO };
        self.spent = Spent::default();
    }

    /// Takes the host out; handles that the guest still has are invalid afterwards.
    pub(crate) fn take_host(&mut self) -> Box<dyn CellHost> {
        self.drop_handles();
        self.arguments = Arguments::default();
        self.results = Results::default();
        std::mem::replace(&mut self.host, Box::new(NoHost))
    }

    /// Called by the engine at every tick: whether this run may continue.
    pub(crate) fn goes_on(&mut self) -> bool {
        if self.cancel.as_ref().is_some_and(Cancel::is_cancelled) {
            self.stopped = Some(Stop::Cancelled);
        } else if self.elapsed() >= Duration::from_millis(u64::from(self.limits.wall_ms)) {
            self.stopped = Some(Stop::Deadline);
        }
        self.stopped.is_none()
    }

    pub(crate) fn usage(&self) -> Usage {
        let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Usage {
            elapsed_us: us(self.elapsed()),
            waited_us: us(self.clock.waited),
            read_bytes: self.spent.read_bytes,
            written_bytes: self.spent.written_bytes,
            output_bytes: self.spent.output_bytes,
            body_bytes: self.spent.body_bytes,
            memory_bytes: self.memory.bytes(),
            log_lines_dropped: self.spent.log_lines_dropped,
        }
    }

    fn elapsed(&self) -> Duration {
        self.clock.started.elapsed().saturating_sub(self.clock.waited)
    }

    /// Reads: counts the result's size, as `bytes` returns it. The last result may exceed the limit by its own size.
    pub(crate) fn read<A>(
        &mut self,
        read: impl FnOnce(&mut dyn CellHost) -> Result<A, Failure>,
        bytes: impl FnOnce(&A) -> u64,
    ) -> Result<A, Failure> {
        let limit = self.limits.read_bytes;
        if self.spent.read_bytes >= limit {
            return Err(over("bytes read", limit));
        }
        let answer = read(&mut *self.host)?;
        self.spent.read_bytes += bytes(&answer);
        Ok(answer)
    }

    /// Writes to the buffer that commits with the run.
    pub(crate) fn write<A>(
        &mut self,
        bytes: usize,
        write: impl FnOnce(&mut dyn CellHost) -> Result<A, Failure>,
    ) -> Result<A, Failure> {
        if self.answer == Answer::Begun {
            return Err(Failure::Invalid("the answer has begun: nothing can be written any more".to_owned()));
        }
        let (limit, wanted) = (self.limits.written_bytes, self.spent.written_bytes + bytes as u64);
        if wanted > limit {
            return Err(over("bytes written", limit));
        }
        let answer = write(&mut *self.host)?;
        self.spent.written_bytes = wanted;
        self.answer = Answer::AfterCommit;
        Ok(answer)
    }

    /// The request's body has its own bound, checked when it was received.
    pub(crate) fn read_body(&mut self, bytes_max: u32) -> Result<Vec<u8>, Failure> {
        let bytes = self.host.read_body(bytes_max)?;
        self.spent.body_bytes += bytes.len() as u64;
        Ok(bytes)
    }

    /// Sends `bytes` of the answer to the caller, who may be slow: the time counts as waiting.
    pub(crate) fn send(
        &mut self,
        bytes: usize,
        send: impl FnOnce(&mut dyn CellHost) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let (limit, wanted) = (self.limits.output_bytes, self.spent.output_bytes + bytes as u64);
        if wanted > limit {
            return Err(over("bytes of output", limit));
        }
        if self.clock.waited >= Duration::from_millis(u64::from(self.limits.waiting_ms)) {
            return Err(over("ms of waiting for the caller", u64::from(self.limits.waiting_ms)));
        }
        let before = Instant::now();
        let sent = send(&mut *self.host);
        self.clock.waited += before.elapsed();
        sent?;
        self.spent.output_bytes = wanted;
        Ok(())
    }

    pub(crate) fn log(&mut self, level: LogLevel, line: &str) {
        if self.spent.log_lines == LOG_LINES_MAX {
            self.spent.log_lines_dropped = self.spent.log_lines_dropped.saturating_add(1);
            return;
        }
        self.spent.log_lines += 1;
        self.host.log(level, &text::one_line(line));
    }

    /// Opens a cursor; refuses one too many before the host is called.
    pub(crate) fn open(
        &mut self,
        open: impl FnOnce(&mut dyn CellHost) -> Result<u32, Failure>,
    ) -> Result<u32, Failure> {
        if self.cursors.open.len() == CURSORS_MAX {
            return Err(over("open cursors", CURSORS_MAX as u64));
        }
        let handle = open(&mut *self.host)?;
        Ok(self.cursors.add(handle))
    }

    pub(crate) fn close(&mut self, number: u32) {
        if let Some(handle) = self.cursors.remove(number) {
            self.host.drop_cursor(handle);
        }
    }

    fn drop_handles(&mut self) {
        self.drafts.clear();
        for cursor in self.cursors.open.drain(..) {
            self.host.drop_cursor(cursor.handle);
        }
    }
}

impl Drop for RunState {
    fn drop(&mut self) {
        self.drop_handles();
    }
}

fn over(what: &str, limit: u64) -> Failure {
    Failure::OverBudget(format!("{what}: the limit is {limit}"))
}

/// Open cursors. One instance never uses a number twice, so a number that a guest kept from an earlier call is not
/// found.
#[derive(Default)]
pub(crate) struct Cursors {
    open: Vec<OpenCursor>,
    next: u32,
}

/// The guest's number, the host's handle, and the rows at which a cursor over columns stands.
struct OpenCursor {
    number: u32,
    handle: u32,
    rows: LocationRows,
}

impl Cursors {
    fn add(&mut self, handle: u32) -> u32 {
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.open.push(OpenCursor { number, handle, rows: LocationRows::default() });
        number
    }

    fn remove(&mut self, number: u32) -> Option<u32> {
        let at = self.open.iter().position(|open| open.number == number)?;
        Some(self.open.swap_remove(at).handle)
    }

    /// The host's handle of a cursor.
    pub(crate) fn handle(&self, number: u32) -> Result<u32, Failure> {
        let found = self.open.iter().find(|open| open.number == number);
        found
            .map(|open| open.handle)
            .ok_or_else(|| Failure::Invalid("a cursor of an earlier call".to_owned()))
    }

    /// Keeps the rows at which a cursor stands.
    pub(crate) fn stand_at(&mut self, number: u32, rows: LocationRows) {
        if let Some(open) = self.open.iter_mut().find(|open| open.number == number) {
            open.rows = rows;
        }
    }

    /// The rows at which a cursor stands; none for one of an earlier call.
    pub(crate) fn rows(&self, number: u32) -> Option<&LocationRows> {
        self.open.iter().find(|open| open.number == number).map(|open| &open.rows)
    }
}
