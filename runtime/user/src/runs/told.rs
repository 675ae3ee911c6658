//! What was read is told in the owner's audit, on disk, before anything of it leaves the host.
//!
//! * A whole answer waits until the line of its run is on disk. An answer in pieces waits, before its first piece, for a
//!   line that says that it has begun and what it reads, and again where it reads more than that line says.
//! * Answers that wait at the same moment share one commit; a put needs none for this, since its line is part of its
//!   own. A stage sends nothing: what it read is told by the commit that stores what it wrote.
//! * While the disk takes no lines, [`ANSWERS_UNTOLD_MAX`] answers of a person may leave without theirs, so that owners
//!   can read on. Further ones are refused until the lines of these are on disk.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use runtime_store::DiskTrouble;
use tokio::runtime::Handle;

use crate::data::stamp::Stamp;
use crate::error::CallError;
use crate::people::person::Person;
use crate::runs::audit::{AuditLine, AuditRead, CONSOLE, Reads, RunOutcome};

/// How many answers of a person may leave without their audit lines while the disk takes none.
pub const ANSWERS_UNTOLD_MAX: usize = 64;

/// How long an answer waits for its audit line; beyond this the disk counts as one that takes none.
const LINE_WAIT: Duration = Duration::from_secs(1);

/// What a reader does next.
enum Next {
    /// The line is on disk.
    Go,
    /// Wait for the try that is under way, at most until then.
    Wait(Instant),
    /// Begin a try.
    Try,
    /// The disk takes none.
    Refused,
}

impl Person {
    /// Waits until the audit line of that number is on disk.
    ///
    /// # Errors
    /// [`CallError::Untold`] where the disk takes no lines, and too many answers have left without theirs.
    pub(crate) async fn told(self: &Arc<Self>, line: u64) -> Result<(), CallError> {
        let begun_before = self.notes().tries.begun;
        let mut ended = self.tried.tasks.subscribe();
        loop {
            ended.mark_unchanged();
            match self.next(line, begun_before) {
                Next::Go => return Ok(()),
                Next::Refused => return self.let_out(line, line),
                Next::Try => self.begin_try(&Handle::current()),
                Next::Wait(until) => {
                    // Whether it ended or the time is up, the next look tells.
                    let _ = tokio::time::timeout_at(until.into(), ended.changed()).await;
                }
            }
        }
    }

    /// As [`Self::told`], on a thread that may wait; `answer` is the first line of the same answer. No timer of tokio's is used, since these stop before the workers do.
    fn told_here(self: &Arc<Self>, line: u64, answer: u64, handle: &Handle) -> Result<(), CallError> {
        let begun_before = self.notes().tries.begun;
        loop {
            match self.next(line, begun_before) {
                Next::Go => return Ok(()),
                Next::Refused => return self.let_out(line, answer),
                Next::Try => self.begin_try(handle),
                Next::Wait(until) => {
                    let notes = self.notes();
                    if notes.tries.since.is_some() && !notes.is_kept(line) {
                        let left = until.saturating_duration_since(Instant::now());
                        // Whether it ended or the time is up, the next look tells.
                        drop(self.tried.threads.wait_timeout(notes, left));
                    }
                }
            }
        }
    }

    fn next(&self, line: u64, begun_before: u64) -> Next {
        let mut notes = self.notes();
        if notes.is_kept(line) {
            return Next::Go;
        }
        let (since, tried) = (notes.tries.since, notes.tries.begun > begun_before);
        match since {
            Some(since) if since.elapsed() >= LINE_WAIT => Next::Refused,
            Some(since) => Next::Wait(since + LINE_WAIT),
            // A try that began after the line was noted has ended in vain, and no other commit is writing the line.
            None if tried && notes.waiting(line).is_some() => Next::Refused,
            None => {
                notes.tries.begun += 1;
                notes.tries.since = Some(Instant::now());
                Next::Try
            }
        }
    }

    /// Writes the waiting notes to disk, on a thread of its own: a disk may take long.
    fn begin_try(self: &Arc<Self>, handle: &Handle) {
        let (person, tried) = (Arc::clone(self), Arc::clone(&self.tried));
        handle.spawn_blocking(move || {
            person.try_to_keep();
            person.notes().tries.since = None;
            // Whoever is told closes the store perhaps, which must not be in use then.
            drop(person);
            tried.threads.notify_all();
            tried.tasks.send_replace(());
        });
    }

    fn try_to_keep(&self) {
        let tried = self.sync();
        let mut notes = self.notes();
        notes.tries.trouble = tried.as_ref().err().and_then(|error| DiskTrouble::of(error));
        drop(notes);
        if let Err(error) = tried {
            tracing::warn!(user = %self.user.short(), error = %crate::chain(&error), "audit lines wait for the disk");
        }
    }

    /// Lets an answer leave without a line, if not too many have.
    fn let_out(&self, line: u64, answer: u64) -> Result<(), CallError> {
        let mut notes = self.notes();
        if notes.is_kept(line) {
            return Ok(());
        }
        let slow = notes.tries.since.is_some();
        let unseen: BTreeSet<u64> = notes.unseen.values().copied().collect();
        let (answers, disk) = (unseen.len(), notes.tries.trouble.filter(|_| !slow));
        if unseen.contains(&answer) || answers < ANSWERS_UNTOLD_MAX {
            notes.unseen.insert(line, answer);
            return Ok(());
        }
        let error = CallError::Untold { answers, disk };
        if let Some(waiting) = notes.waiting(line) {
            *waiting = waiting.clone().ended(RunOutcome::Stopped, error.to_string());
        }
        Err(error)
    }

    /// Tells that a route of the host's own shows documents of the store to a device. Call it on a thread that may
    /// wait.
    ///
    /// # Errors
    /// [`CallError::Untold`], as for any answer.
    pub fn tell_route(
        self: &Arc<Self>,
        route: &str,
        documents: &[&str],
        device: Option<&Stamp>,
        now: f64,
    ) -> Result<(), CallError> {
        let mut reads = Reads::default();
        documents.iter().for_each(|name| reads.document(name, false));
        let line = AuditLine::of(now, route).of_device(device).with_reads(reads);
        match Handle::try_current() {
            Ok(handle) => {
                let number = self.note(line).number;
                self.told_here(number, number, &handle)
            }
            Err(_) => self.tell_now(line),
        }
    }

    /// Writes a line to disk, on the calling thread.
    fn tell_now(&self, line: AuditLine) -> Result<(), CallError> {
        let number = self.note(line).number;
        self.try_to_keep();
        if self.notes().is_kept(number) { Ok(()) } else { self.let_out(number, number) }
    }

    /// Tells that a command of the console shows what is stored; returns what [`Self::console_ends`] needs. Call it
    /// before anything of it leaves.
    ///
    /// # Errors
    /// [`CallError::Untold`], as for any answer.
    pub fn console_begins(
        &self,
        command: &str,
        reads: Vec<AuditRead>,
        now: f64,
    ) -> Result<AuditLine, CallError> {
        self.command_begins(command, None, reads, now)
    }

    /// As [`Self::console_begins`], for a command that a device gave; none: the console.
    ///
    /// # Errors
    /// As [`Self::console_begins`].
    pub fn command_begins(
        &self,
        command: &str,
        device: Option<&Stamp>,
        reads: Vec<AuditRead>,
        now: f64,
    ) -> Result<AuditLine, CallError> {
        let run = self.store.allocate(1)[0].to_string();
        let entries_read = reads.iter().map(|read| read.entries).sum();
        let device = Some(device.map_or(CONSOLE, Stamp::as_str).to_owned());
        let line = AuditLine { device, reads, entries_read, run: Some(run), ..AuditLine::of(now, command) };
        self.tell_now(AuditLine { outcome: RunOutcome::Begun, ..line.clone() })?;
        Ok(line)
    }

    /// Tells how many entries a command of the console or of a device has shown.
    pub fn console_ends(&self, line: AuditLine, entries_read: u64) {
        self.note(AuditLine { entries_read, ..line });
    }
}

/// Tells what a run reads before pieces of its answer leave.
#[derive(Clone)]
pub(crate) struct Witness {
    person: Arc<Person>,
    handle: Handle,
    /// The run's line without its reads.
    line: AuditLine,
    run: String,
    /// The first line that it told.
    first: Arc<OnceLock<u64>>,
}

impl Witness {
    /// The witness of a run; `line` has read nothing yet.
    pub(crate) fn new(person: &Arc<Person>, handle: Handle, line: AuditLine) -> Self {
        let run = person.store.allocate(1)[0].to_string();
        Self { person: Arc::clone(person), handle, line, run, first: Arc::default() }
    }

    /// What the lines of the run have in common.
    pub(crate) fn run(&self) -> &str {
        &self.run
    }

    /// Writes a line to disk that says that the run has read this and has not ended. Waits, so not on a thread of
    /// tokio's.
    pub(crate) fn tell(&self, reads: Reads, entries_read: u64) -> Result<(), CallError> {
        let line = self.line.begun(reads, entries_read, self.run.clone());
        let number = self.person.note(line).number;
        self.wait(number)
    }

    /// As [`Person::told`], on an ordinary thread.
    pub(crate) fn wait(&self, line: u64) -> Result<(), CallError> {
        self.person.told_here(line, *self.first.get_or_init(|| line), &self.handle)
    }
}
