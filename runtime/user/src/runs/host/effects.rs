//! The effects of a run: its writes, its reads, and its messages, to be committed if it succeeds.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use runtime_sandbox::{Failure, LogLevel};
use runtime_store::{Batch, ReadError};
use runtime_types::{EntryId, StreamKey};

use super::quarantine::EntryDigest;
use crate::error::CallError;
use crate::runs::audit::{ReadNumber, Reads};
use crate::runs::pieces::Pieces;

/// The effects of a run, to be committed if it succeeds.
#[derive(Default)]
pub(crate) struct Effects {
    /// Its writes.
    pub batch: Batch,
    /// Ids of entries that it made, if it is a cell from elsewhere: it may change these and stored ones of its streams.
    pub(super) made: HashSet<EntryId>,
    /// Ids that it drew for entries whose content follows later.
    pub drawn: BTreeMap<EntryId, StreamKey>,
    /// Its reads, for the owner's audit.
    pub reads: Reads,
    /// Its messages to the owner.
    pub log: Vec<(LogLevel, String)>,
    /// Entries that it read.
    pub entries_read: u64,
    /// How long it waited for the store.
    pub reading: Duration,
    /// The last read at which the store failed.
    pub failed_read: Option<ReadError>,
    /// The number of entries that it set aside and that had been set aside before.
    pub known_aside: u64,
    /// Digests of the entries without an id that it set aside.
    pub(super) aside: HashSet<EntryDigest>,
    /// Whether an answer in pieces has begun, or was asked for in a run that cannot send one.
    pub begun: bool,
    /// How wide its reads were when their audit line was last written: [`Reads::widened`].
    pub told: u64,
    /// What its audit lines have in common, once there is one.
    pub run: Option<String>,
    /// Why its audit line could not be written, so that it may send nothing more.
    pub untold: Option<CallError>,
    /// The sender of the answer's pieces.
    pub pieces: Option<Pieces>,
}

/// The effects while the run lasts.
pub(crate) type SharedEffects = Arc<Mutex<Effects>>;

pub(crate) fn lock(effects: &SharedEffects) -> MutexGuard<'_, Effects> {
    effects.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Effects {
    /// Counts entries that a read returned.
    pub(super) fn got(&mut self, read: ReadNumber, entries: u64) {
        self.entries_read += entries;
        self.reads.got(read, entries);
    }

    /// Records why a read failed; the cell does not learn the cause.
    pub(super) fn unavailable(&mut self, error: ReadError) -> Failure {
        tracing::error!(error = %crate::chain(&error), "a cell's read failed");
        self.failed_read = Some(error);
        Failure::Unavailable
    }
}

/// Reads the store for a cell, and records how long it took.
pub(super) fn reading<T>(
    effects: &SharedEffects,
    read: impl FnOnce() -> Result<T, ReadError>,
) -> Result<T, Failure> {
    let begun = Instant::now();
    let answer = read();
    let mut effects = lock(effects);
    effects.reading += begun.elapsed();
    answer.map_err(|error| effects.unavailable(error))
}
