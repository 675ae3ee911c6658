//! One person's store: opening, committing, looking after itself.

use std::path::Path;

use runtime_types::{EntryId, Stream, UserId};

use crate::{Batch, CommitError, KeyProvider, OpenError, Options, Snapshot};

/// What a commit did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Committed {
    /// Its number; the one before, if the batch changed nothing.
    pub commit: u64,
    /// Entries that were stored, replaced ones included.
    pub stored: u64,
    /// Puts of what had been taken in already, byte for byte.
    pub ignored: u64,
    /// Entries of the usercache that a put took the place of.
    pub overwritten: u64,
    /// Steps on entries that were not there any more.
    pub skipped: u64,
}

/// What a call of [`Store::settle`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SettleReport {
    /// Blocks that were read and replaced.
    pub blocks_before: u64,
    /// Blocks that took their place.
    pub blocks_after: u64,
    /// Rows that were rewritten.
    pub rows: u64,
    /// There is more to do: call again.
    pub more: bool,
}

/// One person's entries and documents. Shared between threads; one writer at a time, any number of readers.
#[derive(Debug)]
pub struct Store {}

impl Store {
    /// Makes a store in a folder that is absent or empty. Complete and on disk when it returns; a crash on
    /// the way leaves nothing in `folder`.
    pub fn create(
        folder: &Path,
        user: UserId,
        keys: &dyn KeyProvider,
        options: &Options,
    ) -> Result<Self, OpenError> {
        let _ = (user, keys, options);
        Err(OpenError::Absent { folder: folder.to_owned() })
    }

    /// Opens a store that was created with the same user, keys and engine.
    pub fn open(
        folder: &Path,
        user: UserId,
        keys: &dyn KeyProvider,
        options: &Options,
    ) -> Result<Self, OpenError> {
        let _ = (user, keys, options);
        Err(OpenError::Absent { folder: folder.to_owned() })
    }

    /// What the store holds now. Reading it never waits for a commit.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {}
    }

    /// Reserves rising ids; those that are never used are lost.
    pub fn allocate(&self, count: usize) -> Vec<EntryId> {
        vec![EntryId::NONE; count]
    }

    /// Does the steps of a batch, all or none; on disk when it returns.
    pub fn commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        let _ = batch;
        Err(CommitError::Poisoned)
    }

    /// Rewrites full fresh blocks as columns without their dead rows, and blocks that are mostly dead.
    /// Bounded: at most about 8,192 rows a call.
    pub fn settle(&self) -> Result<SettleReport, CommitError> {
        Ok(SettleReport::default())
    }

    /// What its files take on disk, bytes.
    pub fn bytes_on_disk(&self) -> Result<u64, OpenError> {
        Ok(0)
    }

    /// Gives space back to the system where more than half of the file is free; answers whether it did.
    pub fn compact(&self) -> Result<bool, CommitError> {
        Ok(false)
    }

    /// Destroys the keys of months and what they sealed. `months` counts calendar months of UTC since
    /// year 0 (`year * 12 + month - 1`), both ends included. `streams` empty: all of them. Answers how many blocks went.
    pub fn shred(
        &self,
        streams: &[Stream],
        months: std::ops::RangeInclusive<i32>,
    ) -> Result<u64, CommitError> {
        let _ = (streams, months);
        Ok(0)
    }

    /// Destroys the wrapped key of the store in `folder`, then its files. The store must not be open.
    pub fn erase(folder: &Path) -> Result<(), OpenError> {
        let _ = folder;
        Ok(())
    }
}
