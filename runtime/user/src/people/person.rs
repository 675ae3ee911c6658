//! One person's runtime while their store is open: the open store, instances kept warm, notes for the audit log.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use runtime_sandbox::{CodeDigest, EndpointInstance};
use runtime_store::{Batch, CommitError, Committed, DiskTrouble, Store};
use runtime_types::UserId;
use tokio::sync::watch;

use crate::cells::installed::Stages;
use crate::cells::installed::terms::AllTerms;
use crate::runs::audit::{AuditLine, RunOutcome};
use crate::runs::chain;

/// The number of calls after which a warm instance is dropped, so that a guest's leaks stay bounded.
const WARM_CALLS_MAX: u32 = 1_000;

/// A guest with more memory than this is not kept, bytes.
const WARM_MEMORY_BYTES_MAX: u64 = 4 << 20;

/// How long an instance waits for its person's next request.
const WARM_IDLE: Duration = Duration::from_secs(10);

/// How many notes wait for the next commit; after each such number they are committed on their own.
const NOTES_WAITING_MAX: usize = 256;

/// How many notes wait while the disk accepts none; beyond this the oldest are dropped and only counted.
const NOTES_HELD_MAX: usize = 4_096;

/// How many instances of one cell wait for the same person, so that simultaneous calls find one each.
const WARM_EACH_MAX: usize = 4;

struct Warm {
    digest: CodeDigest,
    instance: EndpointInstance,
    calls: u32,
    since: Instant,
}

/// Notes that are not on disk yet.
#[derive(Default)]
pub(crate) struct Notes {
    /// Each with its number.
    waiting: VecDeque<(u64, AuditLine)>,
    /// How many notes before these were dropped because the disk accepted none.
    untold: u64,
    /// How many notes there were.
    added: u64,
    /// The numbers of notes that are not on disk, those that a commit is writing included.
    open: BTreeSet<u64>,
    /// How the tries to write notes on behalf of a reader stand.
    pub tries: Tries,
    /// The notes of answers that left although the disk accepted no notes, each with the first note of its answer.
    pub unseen: BTreeMap<u64, u64>,
}

/// Wakes those who wait for the end of a try: tasks, and threads that hold [`Person::notes`].
#[derive(Default)]
pub(crate) struct Tried {
    pub tasks: watch::Sender<()>,
    pub threads: Condvar,
}

/// The tries to write notes on behalf of a reader, at most one at a time.
#[derive(Default)]
pub(crate) struct Tries {
    /// How many have begun.
    pub begun: u64,
    /// When the one that is under way began.
    pub since: Option<Instant>,
    /// What was wrong with the disk at the last one; `None`: nothing that is known.
    pub trouble: Option<DiskTrouble>,
}

impl Notes {
    fn add(&mut self, note: AuditLine) -> u64 {
        self.added += 1;
        self.open.insert(self.added);
        self.waiting.push_back((self.added, note));
        self.bound();
        self.added
    }

    fn bound(&mut self) {
        let over = self.waiting.len().saturating_sub(NOTES_HELD_MAX);
        for (number, _) in self.waiting.drain(..over) {
            self.open.remove(&number);
        }
        self.untold += over as u64;
    }

    /// Whether the note is on disk.
    pub fn is_kept(&self, number: u64) -> bool {
        !self.open.contains(&number)
    }

    /// The note, if no commit is writing it.
    pub fn waiting(&mut self, number: u64) -> Option<&mut AuditLine> {
        self.waiting.iter_mut().find(|(known, _)| *known == number).map(|(_, note)| note)
    }
}

/// One person's runtime while their store is open.
pub struct Person {
    /// The person's id.
    pub user: UserId,
    /// Their store.
    pub store: Arc<Store>,
    warm: Mutex<Vec<Warm>>,
    notes: Mutex<Notes>,
    /// Changes when a try to write notes ends.
    pub(crate) tried: Arc<Tried>,
    /// Held while a stage runs, so that one runs at a time.
    pub(crate) pipeline: Mutex<()>,
    /// Held from the snapshot to the commit by code that reads a document and writes it back.
    pub(crate) documents: Mutex<()>,
    /// Held while lines are added to the chain of the audit.
    chain: Mutex<()>,
    /// The cells that the person has installed, as they were last read; `None`: they are read anew.
    pub(crate) installed: Mutex<Option<Arc<Stages>>>,
    /// What these cells run under.
    pub(crate) terms: AllTerms,
    touched: Mutex<Instant>,
    /// See [`crate::Settings::ahead_bytes_max`].
    ahead_bytes_max: usize,
    /// Set when whoever uses the person last is to write and tidy what [`Self::finish`] does.
    finishes: AtomicBool,
    /// Dropped after the store, since fields are dropped in this order.
    closed: TellsClosed,
}

/// Whether a person's store is closed: the value that remains of the person.
#[derive(Default)]
pub(crate) struct Closed {
    closed: Mutex<bool>,
    changed: Condvar,
}

impl Closed {
    pub fn is_closed(&self) -> bool {
        *lock(&self.closed)
    }

    /// Waits until the store is closed.
    pub fn wait(&self) {
        let closed = self.changed.wait_while(lock(&self.closed), |closed| !*closed);
        drop(closed.unwrap_or_else(PoisonError::into_inner));
    }
}

struct TellsClosed(Arc<Closed>);

impl Drop for TellsClosed {
    fn drop(&mut self) {
        *lock(&self.0.closed) = true;
        self.0.changed.notify_all();
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        if *self.finishes.get_mut() {
            self.write_and_tidy();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A note that was taken for the audit log.
pub(crate) struct Noted {
    /// Its number.
    pub number: u64,
    /// Whether it is time to write the waiting notes to disk: [`Person::keep_notes`].
    pub due: bool,
}

/// A kept instance, and how often it has been called.
pub(crate) struct Kept {
    pub instance: EndpointInstance,
    pub calls: u32,
}

impl Person {
    pub(crate) fn new(user: UserId, store: Store, ahead_bytes_max: usize) -> Self {
        Self {
            user,
            store: Arc::new(store),
            warm: Mutex::default(),
            notes: Mutex::default(),
            tried: Arc::default(),
            pipeline: Mutex::default(),
            documents: Mutex::default(),
            chain: Mutex::default(),
            installed: Mutex::default(),
            terms: AllTerms::default(),
            touched: Mutex::new(Instant::now()),
            ahead_bytes_max,
            finishes: AtomicBool::new(false),
            closed: TellsClosed(Arc::default()),
        }
    }

    pub(crate) fn touch(&self) {
        *lock(&self.touched) = Instant::now();
    }

    /// The time since the last request for this person.
    pub(crate) fn idle(&self) -> Duration {
        lock(&self.touched).elapsed()
    }

    /// A kept instance of that code, if any.
    pub(crate) fn take_warm(&self, digest: CodeDigest) -> Option<Kept> {
        let mut warm = lock(&self.warm);
        let index = warm.iter().position(|kept| kept.digest == digest)?;
        let Warm { instance, calls, .. } = warm.swap_remove(index);
        Some(Kept { instance, calls })
    }

    /// Keeps an instance for the next call, unless it is used up.
    pub(crate) fn keep_warm(&self, kept: Kept) {
        let Kept { instance, calls } = kept;
        if !instance.is_alive() || calls >= WARM_CALLS_MAX || instance.memory_bytes() > WARM_MEMORY_BYTES_MAX
        {
            return;
        }
        let digest = instance.digest();
        let mut warm = lock(&self.warm);
        if warm.iter().filter(|kept| kept.digest == digest).count() < WARM_EACH_MAX {
            warm.push(Warm { digest, instance, calls, since: Instant::now() });
        }
    }

    /// Drops instances that have waited too long, or all instances if `all`.
    pub(crate) fn cool_down(&self, all: bool) {
        lock(&self.warm).retain(|kept| !all && kept.since.elapsed() < WARM_IDLE);
    }

    pub(crate) fn notes(&self) -> MutexGuard<'_, Notes> {
        lock(&self.notes)
    }

    /// Keeps a note for the audit log until the next commit.
    pub(crate) fn note(&self, note: AuditLine) -> Noted {
        let mut notes = lock(&self.notes);
        let number = notes.add(note);
        Noted { number, due: notes.waiting.len().is_multiple_of(NOTES_WAITING_MAX) }
    }

    /// Writes notes to disk that have waited long enough. If the disk accepts none, they go on waiting. May wait for
    /// the disk.
    pub(crate) fn keep_notes(&self) {
        if let Err(error) = self.sync() {
            tracing::warn!(user = %self.user.short(), error = %crate::chain(&error), "audit notes wait for the disk");
        }
    }

    /// Runs a commit with the waiting notes added to its batch, and returns their numbers, which the caller passes to
    /// [`Self::kept`] once they are on disk. After a failure the notes wait again.
    fn with_notes<T>(
        &self,
        mut batch: Batch,
        commit: impl FnOnce(Batch) -> Result<T, CommitError>,
    ) -> Result<(T, Vec<u64>), CommitError> {
        let (taken, untold) = {
            let mut notes = lock(&self.notes);
            (std::mem::take(&mut notes.waiting), std::mem::take(&mut notes.untold))
        };
        let dropped = (untold > 0).then(|| AuditLine::untold(untold, taken.front().map(|(_, note)| note)));
        let lines: Vec<_> = taken.iter().map(|(_, note)| note).chain(&dropped).collect();
        // Until the commit is made, so that the lines are committed in their order.
        let _in_order = (!lines.is_empty()).then(|| lock(&self.chain));
        let added = chain::add(&self.store, &mut batch, lines.into_iter());
        match added.map_err(CommitError::from).and_then(|()| commit(batch)) {
            Ok(done) => Ok((done, taken.into_iter().map(|(number, _)| number).collect())),
            Err(error) => {
                let mut now = lock(&self.notes);
                let since = std::mem::replace(&mut now.waiting, taken);
                now.waiting.extend(since);
                now.untold += untold;
                now.bound();
                Err(error)
            }
        }
    }

    /// Records that notes are on disk.
    fn kept(&self, numbers: &[u64]) {
        if numbers.is_empty() {
            return;
        }
        let mut notes = lock(&self.notes);
        for number in numbers {
            notes.open.remove(number);
        }
        notes.unseen.retain(|number, _| !numbers.contains(number));
    }

    /// Commits a batch, with the notes and everything else that waits; on disk when it returns.
    pub(crate) fn commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        let (committed, notes) = self.with_notes(batch, |batch| self.store.commit(batch))?;
        self.kept(&notes);
        Ok(committed)
    }

    /// As [`Self::commit`], but written to disk with the next commit, unless too much waits: the notes about a batch
    /// reach the disk together with it.
    pub(crate) fn commit_ahead(&self, batch: Batch) -> Result<(), CommitError> {
        if self.store.waiting_bytes() >= self.ahead_bytes_max {
            return self.commit(batch).map(drop);
        }
        self.store.commit_ahead(batch).map(drop)
    }

    /// As [`Self::commit`], with the note of the run that wrote the batch: both reach the disk together, or the note
    /// says that nothing was stored.
    pub(crate) fn commit_run(&self, batch: Batch, note: AuditLine) -> Result<Committed, CommitError> {
        self.note(note.clone());
        self.commit(batch).inspect_err(|error| self.note_unstored(&note, error))
    }

    /// As [`Self::commit_ahead`], with the note of the run that wrote the batch.
    pub(crate) fn commit_run_ahead(&self, batch: Batch, note: AuditLine) -> Result<(), CommitError> {
        // Before the batch: another commit in between must not write the batch to disk without its run's note.
        self.note(note.clone());
        self.commit_ahead(batch).inspect_err(|error| self.note_unstored(&note, error))
    }

    /// Changes a waiting note, since the run's writes were not stored.
    fn note_unstored(&self, note: &AuditLine, error: &CommitError) {
        let unstored = note.clone().ended(RunOutcome::NotStored, crate::chain(error));
        let mut notes = lock(&self.notes);
        match notes.waiting.iter_mut().rfind(|(_, waiting)| waiting == note) {
            Some((_, waiting)) => *waiting = unstored,
            // The note was written to disk on its own.
            None => drop(notes.add(unstored)),
        }
    }

    /// Writes everything that waits to disk, including notes.
    pub(crate) fn sync(&self) -> Result<(), CommitError> {
        self.commit(Batch::new()).map(drop)
    }

    /// As [`Self::sync`], and rewrites blocks that are due for it.
    pub(crate) fn settle(&self) -> Result<(), CommitError> {
        let ahead = |batch| self.store.commit_ahead(batch).map(drop);
        let ((), notes) = self.with_notes(Batch::new(), ahead)?;
        self.store.settle()?;
        self.kept(&notes);
        Ok(())
    }

    /// As [`Self::settle`], for every block that is due.
    pub(crate) fn settle_all(&self) -> Result<(), CommitError> {
        self.settle()?;
        while self.store.settle()?.more {}
        Ok(())
    }

    /// The last step before the store is closed: writes notes to disk, and makes the store's file as small as
    /// possible.
    pub(crate) fn finish(mut self) {
        *self.finishes.get_mut() = true;
    }

    /// Takes [`Self::finish_with_last_use`] back: the store stays open.
    pub(crate) fn goes_on(&self) {
        self.finishes.store(false, Ordering::Relaxed);
    }

    /// Leaves [`Self::finish`] to whoever drops the person last; the answer says when the store is closed.
    pub(crate) fn finish_with_last_use(&self) -> Arc<Closed> {
        self.finishes.store(true, Ordering::Relaxed);
        Arc::clone(&self.closed.0)
    }

    fn write_and_tidy(&self) {
        if let Err(error) = self.sync() {
            tracing::error!(user = %self.user.short(), error = %crate::chain(&error), "audit notes were not kept");
        }
        // Old tails and the room that they left are removed now, while no request waits: nothing else makes the file
        // smaller.
        let tidied = self.settle_all().and_then(|()| self.store.compact().map(drop));
        if let Err(error) = tidied {
            tracing::error!(user = %self.user.short(), error = %crate::chain(&error), "tidying did not end");
        }
    }
}
