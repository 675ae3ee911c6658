//! One person's runtime while it is awake: the open store, instances kept warm, notes for the audit log.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use runtime_sandbox::{CodeDigest, EndpointInstance};
use runtime_store::{Batch, CommitError, Committed, Store};
use runtime_types::UserId;

use crate::audit::{self, Note};

/// After so many calls a warm instance is dropped, so that what a guest leaks stays bounded.
const WARM_CALLS_MAX: u32 = 1_000;

/// A guest that has grown past this is not kept, bytes.
const WARM_MEMORY_BYTES_MAX: u64 = 4 << 20;

/// How long an instance waits for its person's next request.
const WARM_IDLE: Duration = Duration::from_secs(10);

/// Notes that wait for the next commit; past this they are committed on their own.
const NOTES_WAITING_MAX: usize = 256;

/// How many instances of one cell wait for the same person: calls that come at the same time each find one.
const WARM_EACH_MAX: usize = 4;

struct Warm {
    digest: CodeDigest,
    instance: EndpointInstance,
    calls: u32,
    since: Instant,
}

/// One person's runtime while it is awake.
pub struct Person {
    /// Who.
    pub user: UserId,
    /// Their store.
    pub store: Arc<Store>,
    warm: Mutex<Vec<Warm>>,
    notes: Mutex<Vec<Note>>,
    /// Held while a stage runs: one at a time.
    pub(crate) pipeline: Mutex<()>,
    /// Held from the snapshot to the commit by whoever reads a document and writes it back.
    pub(crate) documents: Mutex<()>,
    touched: Mutex<Instant>,
    /// See [`crate::Settings::ahead_bytes_max`].
    ahead_bytes_max: usize,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An instance that was kept, and how often it has been called.
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
            pipeline: Mutex::default(),
            documents: Mutex::default(),
            touched: Mutex::new(Instant::now()),
            ahead_bytes_max,
        }
    }

    pub(crate) fn touch(&self) {
        *lock(&self.touched) = Instant::now();
    }

    /// How long nobody has asked for this person.
    pub(crate) fn idle(&self) -> Duration {
        lock(&self.touched).elapsed()
    }

    /// An instance that was kept for that code, if any.
    pub(crate) fn take_warm(&self, digest: CodeDigest) -> Option<Kept> {
        let mut warm = lock(&self.warm);
        let index = warm.iter().position(|kept| kept.digest == digest)?;
        let Warm { instance, calls, .. } = warm.swap_remove(index);
        Some(Kept { instance, calls })
    }

    /// Keeps an instance for the next call, unless it has been used up.
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

    /// Drops instances that have waited too long; all of them where `all`.
    pub(crate) fn cool_down(&self, all: bool) {
        lock(&self.warm).retain(|kept| !all && kept.since.elapsed() < WARM_IDLE);
    }

    /// Keeps a note for the audit log until the next commit. Answers whether too many wait by now.
    pub(crate) fn note(&self, note: Note) -> bool {
        let mut notes = lock(&self.notes);
        notes.push(note);
        notes.len() >= NOTES_WAITING_MAX
    }

    fn add_notes(&self, batch: &mut Batch) {
        let notes = std::mem::take(&mut *lock(&self.notes));
        audit::add(&self.store, batch, &notes);
    }

    /// Commits a batch, with the notes and everything else that waits; on disk when it returns.
    pub(crate) fn commit(&self, mut batch: Batch) -> Result<Committed, CommitError> {
        self.add_notes(&mut batch);
        self.store.commit(batch)
    }

    /// As [`Self::commit`], but on disk only with the next one, unless too much waits: notes of what a batch holds are
    /// on disk together with it.
    pub(crate) fn commit_ahead(&self, batch: Batch) -> Result<(), CommitError> {
        if self.store.waiting_bytes() >= self.ahead_bytes_max {
            return self.commit(batch).map(drop);
        }
        self.store.commit_ahead(batch).map(drop)
    }

    /// Puts on disk what waits, notes and all, if anything does.
    pub(crate) fn sync(&self) -> Result<(), CommitError> {
        self.commit(Batch::new()).map(drop)
    }

    /// As [`Self::sync`], and rewrites blocks that are due for it.
    pub(crate) fn settle(&self) -> Result<(), CommitError> {
        let mut batch = Batch::new();
        self.add_notes(&mut batch);
        self.store.commit_ahead(batch)?;
        self.store.settle().map(drop)
    }
}
