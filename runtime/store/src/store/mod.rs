//! One person's store: opening, committing, and maintenance.

mod commit;
mod erase;
mod open;
mod plan;
mod publish;
mod puts;
mod rotate;
mod settle;
mod shred;

use std::fmt;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, TryLockError};

use runtime_types::{EntryId, Stream, UserId};

use crate::index::Index;
use crate::vault::Vault;
use crate::{Batch, Clock, CommitError, DataKey, Head, KeyProvider, OpenError, Options, ReadError, Snapshot};
pub use erase::Erased;
use publish::{Changes, When, Writer, is_same, publish};
use settle::Keep;

/// How far another clock that gave an entry its id may be ahead of this one, s: a day.
const IDS_AHEAD_S: f64 = 86_400.0;

/// What a commit did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Committed {
    /// The number that the commit has, or will have on disk; the number before, if the batch changed nothing.
    pub commit: u64,
    /// Entries that were stored, replaced ones included.
    pub stored: u64,
    /// Puts of entries that had been accepted already, byte for byte.
    pub ignored: u64,
    /// Entries of the usercache that a put replaced.
    pub overwritten: u64,
    /// Of those, the ones that were the same byte for byte.
    pub repeated: u64,
    /// Steps on entries that did not exist any more.
    pub skipped: u64,
}

/// What a call of [`Store::settle`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SettleReport {
    /// Blocks that were read and replaced.
    pub blocks_before: u64,
    /// Blocks that replaced them.
    pub blocks_after: u64,
    /// Rows that were rewritten.
    pub rows: u64,
    /// Whether there is more to do: call again.
    pub more: bool,
}

/// What [`Store::shred`] destroyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shredded {
    /// The number of keys: for each month of each stream the one in use, and those of earlier data keys.
    pub keys: u64,
    /// Blocks that they had sealed.
    pub blocks: u64,
}

/// One person's entries and documents. Shared between threads; one writer at a time, any number of readers.
///
/// The file stays open, and keys and decoded values stay in memory, until the store and its last snapshot and cursor
/// are dropped. Keys are wiped then. Texts, and what ring derived from the keys, are given back to the allocator; a
/// process that must keep nothing of a closed store wipes memory as it is freed.
pub struct Store {
    pub(crate) vault: Arc<Vault>,
    on_disk: RwLock<Arc<Index>>,
    /// The same state or a later one: with the commits that wait to be on disk.
    ahead: RwLock<Arc<Index>>,
    writer: Mutex<Writer>,
    /// The last id given out; the superblock has the one of the last commit.
    last_id: Mutex<EntryId>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("user", &self.vault.user).finish_non_exhaustive()
    }
}

impl Store {
    fn new(vault: Vault, writer: Writer, index: Arc<Index>, clock: Arc<dyn Clock>) -> Self {
        let last_id = Mutex::new(writer.superblock.last_id);
        let vault = Arc::new(vault);
        let (on_disk, ahead) = (RwLock::new(Arc::clone(&index)), RwLock::new(index));
        Self { vault, on_disk, ahead, writer: Mutex::new(writer), last_id, clock }
    }

    /// Creates a store in a folder that is absent or empty. It is complete and on disk when this returns; a crash on
    /// the way leaves nothing in `folder`, and the next try removes what it leaves in `<folder>.new`.
    pub fn create(
        folder: &Path,
        user: UserId,
        keys: &dyn KeyProvider,
        options: &Options,
    ) -> Result<Self, OpenError> {
        open::create(folder, user, keys, options)
    }

    /// Opens a store that was created with the same user, keys and engine.
    pub fn open(
        folder: &Path,
        user: UserId,
        keys: &dyn KeyProvider,
        options: &Options,
    ) -> Result<Self, OpenError> {
        open::open(folder, user, keys, options)
    }

    /// Creates an empty store in memory, which is gone when it is dropped: for trying what a batch would do. The
    /// options for the engine and its cache have no effect.
    pub fn in_memory(user: UserId, options: &Options) -> Result<Self, OpenError> {
        open::in_memory(user, options)
    }

    /// The generation of the data key that opens the store in `folder`, as its keyring says in clear: only opening it
    /// proves the number. `None` where there is no keyring. The store may be open.
    ///
    /// # Errors
    /// [`OpenError::Key`] where the file is no keyring, or cannot be read.
    pub fn key_generation(folder: &Path) -> Result<Option<u32>, OpenError> {
        open::key_generation(folder)
    }

    /// The last commit of the store in `folder`, as its disk says in clear: only opening the store proves it. `None`
    /// where there is no store, or an earlier version wrote it last. The store must not be open.
    ///
    /// # Errors
    /// [`OpenError::Engine`] where the disk cannot be read.
    pub fn told_head(folder: &Path, options: &Options) -> Result<Option<Head>, OpenError> {
        open::told_head(folder, options)
    }

    /// Whether a data key opens the keyring of the store in `folder`, which may be open. The engine is not read.
    ///
    /// # Errors
    /// [`OpenError::Absent`] where there is no keyring; [`OpenError::Key`] where it is invalid or cannot be read.
    pub fn opens_with(folder: &Path, user: UserId, key: &DataKey) -> Result<bool, OpenError> {
        open::opens_with(folder, user, key)
    }

    /// Creates a store on an empty engine, such as one that loses power on command.
    #[cfg(any(test, feature = "testing"))]
    pub fn create_on(disk: crate::testing::Parts, options: &Options) -> Result<Self, OpenError> {
        open::create_on(disk.clone().vault_parts()?, options)?;
        open::open_on(disk.vault_parts()?, options)
    }

    /// Opens a store that [`Self::create_on`] created.
    #[cfg(any(test, feature = "testing"))]
    pub fn open_on(disk: crate::testing::Parts, options: &Options) -> Result<Self, OpenError> {
        open::open_on(disk.vault_parts()?, options)
    }

    /// The index that the next commit builds on.
    pub(crate) fn index(&self) -> Arc<Index> {
        Arc::clone(&self.ahead.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn index_on_disk(&self) -> Arc<Index> {
        Arc::clone(&self.on_disk.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The only writer, made able to write again where an earlier write failed; an error after a panic during a write.
    fn writer(&self) -> Result<MutexGuard<'_, Writer>, CommitError> {
        let mut writer = self.writer.lock().map_err(|_| CommitError::Poisoned)?;
        if writer.poisoned {
            return Err(CommitError::Poisoned);
        }
        if writer.in_doubt.is_some() || !self.vault.engine.takes_commits() {
            self.recover(&mut writer)?;
        }
        if writer.shredding {
            self.finish_shredding(&mut writer)?;
        }
        Ok(writer)
    }

    /// Deletes the blocks of destroyed keys: they cannot be read, and nothing can be written beside them.
    fn finish_shredding(&self, writer: &mut Writer) -> Result<(), CommitError> {
        writer.shredding = true;
        self.show(shred::delete_doomed(&self.vault, writer, &self.index())?, When::Now);
        let forgotten = shred::forget(&self.vault);
        // After a failure it is unknown which of the two keyrings is on disk.
        writer.keyring_waits |= forgotten.is_err();
        forgotten?;
        writer.shredding = false;
        Ok(())
    }

    /// After a failed write: opens the engine again, and finds out whether the whole commit is on disk or none of it.
    /// Snapshots that were taken before do not change.
    fn recover(&self, writer: &mut Writer) -> Result<(), CommitError> {
        self.vault.engine.reopen()?;
        let found = match open::read_superblock(&self.vault) {
            Err(error @ ReadError::Engine(_)) => return Err(error.into()),
            found => found.ok(),
        };
        let attempt = writer.in_doubt.take();
        match (found, attempt) {
            (Some(found), _) if is_same(&found, &writer.superblock) => {}
            (Some(found), Some(attempt)) if attempt.made(&found) => {
                self.vault.engine.landed();
                self.show(writer.adopt(attempt), When::Now);
            }
            _ => {
                // The state on disk is neither the old one nor the new one: nothing may be built on it.
                writer.poisoned = true;
                return Err(CommitError::Poisoned);
            }
        }
        Ok(())
    }

    /// Whether the store must be closed and opened before it accepts another commit: see [`CommitError::Poisoned`].
    pub fn is_poisoned(&self) -> bool {
        match self.writer.try_lock() {
            Ok(writer) => writer.poisoned,
            Err(TryLockError::Poisoned(_)) => true,
            Err(TryLockError::WouldBlock) => false,
        }
    }

    /// Commits changes and makes them visible to readers.
    fn publish(
        &self,
        writer: &mut Writer,
        index: &Index,
        changes: Changes,
        when: When,
    ) -> Result<(), CommitError> {
        writer.superblock.last_id = *self.last_id.lock().unwrap_or_else(PoisonError::into_inner);
        self.show(publish(&self.vault, writer, index, changes, when)?, when);
        Ok(())
    }

    /// Makes a commit visible to readers.
    fn show(&self, index: Arc<Index>, when: When) {
        *self.ahead.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&index);
        if when == When::Now {
            *self.on_disk.write().unwrap_or_else(PoisonError::into_inner) = index;
        }
    }

    /// Puts waiting commits on disk, if there are any.
    fn sync_with(&self, writer: &mut Writer) -> Result<(), CommitError> {
        if !self.vault.engine.is_empty() {
            self.publish(writer, &self.index(), Changes::default(), When::Now)?;
        }
        Ok(())
    }

    /// The last commit: its number, and a hash over it and all before it. Every commit changes both, also one that only
    /// maintains the store, and they are on disk with it; opening a store may add commits. If a later number than the
    /// store's was seen earlier, the store was restored from an older copy; if the same number was seen with another
    /// hash, the store has diverged since.
    pub fn head(&self) -> Head {
        let index = self.index_on_disk();
        Head { commit: index.commit, hash: index.head }
    }

    /// What the store holds now, all of it on disk. Reading it never waits for a commit.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(Arc::clone(&self.vault), self.index_on_disk())
    }

    /// The same with waiting commits, which are lost if a crash comes before they are on disk: for callers that read in
    /// order to write, and whose writes are on disk no sooner than what they read.
    pub fn snapshot_ahead(&self) -> Snapshot {
        Snapshot::new(Arc::clone(&self.vault), self.index())
    }

    /// Reserves rising ids; unused ones are lost. The first four bytes are the clock's seconds, unless the last id is
    /// later than the clock.
    pub fn allocate(&self, count: usize) -> Vec<EntryId> {
        // Saturates outside 1970 to 2106.
        let now = EntryId::first_of_second(self.clock.now_s() as u32);
        let mut last = self.last_id.lock().unwrap_or_else(PoisonError::into_inner);
        let ids = (0..count).map(|_| {
            *last = last.next().max(now);
            *last
        });
        ids.collect()
    }

    /// Raises the last id above the ids that entries bring, so that none is given out a second time: an import may
    /// bring one of this very second. Ids of a far future come from no correct clock, and would leave no room for later
    /// ids.
    fn rise_above(&self, batch: &Batch) {
        let end = EntryId::first_of_second((self.clock.now_s() + IDS_AHEAD_S) as u32);
        if let Some(latest) = batch.latest_id_brought(end) {
            let mut last = self.last_id.lock().unwrap_or_else(PoisonError::into_inner);
            *last = latest.max(*last);
        }
    }

    /// Performs the steps of a batch, all or none; they are on disk when it returns, with every waiting commit.
    ///
    /// # Errors
    /// An error of the disk fails only this call: waiting commits keep waiting, reads go on, and the next call tries
    /// the disk again.
    pub fn commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        self.commit_when(batch, When::Now)
    }

    /// As [`Self::commit`], but the batch is on disk only with the next commit that is, together with it or not at all;
    /// until then only [`Self::snapshot_ahead`] shows it. It waits in memory: a caller that commits much must check
    /// [`Self::waiting_bytes`].
    pub fn commit_ahead(&self, batch: Batch) -> Result<Committed, CommitError> {
        self.commit_when(batch, When::Later)
    }

    /// The size of the commits that wait to be on disk, bytes.
    pub fn waiting_bytes(&self) -> usize {
        self.vault.engine.waiting_bytes()
    }

    fn commit_when(&self, batch: Batch, when: When) -> Result<Committed, CommitError> {
        let mut writer = self.writer()?;
        let index = self.index();
        self.rise_above(&batch);
        let mut ids = self.allocate(batch.ids_wanted()).into_iter();
        let mut new_id = || ids.next().expect("one for each step that wants one");
        let (changes, tally) = commit::changes(&self.vault, &index, batch, &mut new_id, when)?;
        match changes {
            None => {
                if when == When::Now {
                    self.sync_with(&mut writer)?;
                }
                Ok(tally)
            }
            Some(changes) => {
                self.publish(&mut writer, &index, changes, when)?;
                Ok(Committed { commit: self.index().commit, ..tally })
            }
        }
    }

    /// Rewrites full fresh blocks as columns without their dead rows, joins small blocks of past months, and deletes
    /// blocks that no snapshot reads any more. Bounded: about 8,192 rows a call. On disk when it returns, with every
    /// waiting commit.
    pub fn settle(&self) -> Result<SettleReport, CommitError> {
        self.rewrite(Keep::AsManyAsLive)
    }

    /// As [`Self::settle`], but no block keeps a dead row: once all calls are done, no block contains a removed entry
    /// any more. Bounded likewise.
    pub fn scrub(&self) -> Result<SettleReport, CommitError> {
        self.rewrite(Keep::None)
    }

    fn rewrite(&self, keep: Keep) -> Result<SettleReport, CommitError> {
        let mut writer = self.writer()?;
        let index = self.index();
        let (changes, report) = settle::changes(&self.vault, &index, keep)?;
        if changes.is_some() || writer.has_reapable() {
            self.publish(&mut writer, &index, changes.unwrap_or_default(), When::Now)?;
        }
        self.sync_with(&mut writer)?;
        Ok(report)
    }

    /// Destroys the keys of months and the blocks that they sealed. `months` counts calendar months of UTC since year 0
    /// (`year * 12 + month - 1`), both ends included; an entry belongs to the month of its position. An empty `streams`
    /// means all streams.
    ///
    /// Earlier copies of the keyring still contain the keys. Rotate the data key afterwards, so that the new data key
    /// alone does not open them.
    pub fn shred(&self, streams: &[Stream], months: RangeInclusive<i32>) -> Result<Shredded, CommitError> {
        let mut writer = self.writer()?;
        self.sync_with(&mut writer)?;
        let index = self.index();
        let chosen = |stream: &Stream, month: i32| {
            months.contains(&month) && (streams.is_empty() || streams.contains(stream))
        };
        let destroyed = shred::destroy_keys(&self.vault, &index, chosen);
        // The keyring on disk, or the one in use, may still contain them.
        writer.keyring_waits |= destroyed.is_err();
        let (keys, blocks) = destroyed?;
        self.finish_shredding(&mut writer)?;
        Ok(Shredded { keys, blocks })
    }

    /// The key from which origins are computed, for a caller that moves entries with their origins elsewhere. It is
    /// secret.
    pub fn origins_key(&self) -> [u8; 32] {
        *self.vault.keyring().origins.0
    }

    /// Adopts the key of the store that entries come from, so that they can be inserted with their origins.
    ///
    /// # Errors
    /// [`CommitError::NotEmpty`] once there are entries.
    pub fn adopt_origins_key(&self, key: [u8; 32]) -> Result<(), CommitError> {
        let mut writer = self.writer()?;
        if !self.index().streams.is_empty() {
            return Err(CommitError::NotEmpty);
        }
        let mut keyring = (*self.vault.keyring()).clone();
        keyring.origins = key.into();
        let replaced = self.vault.replace_keyring(keyring);
        writer.keyring_waits |= replaced.is_err();
        Ok(replaced?)
    }

    /// The space that its engine takes on disk, bytes.
    pub fn bytes_on_disk(&self) -> Result<u64, ReadError> {
        Ok(self.vault.engine.bytes_on_disk()?)
    }

    /// Gives space back to the system where more than half of the file is free; returns whether it did. Reads wait
    /// meanwhile: for a store that is about to be closed.
    pub fn compact(&self) -> Result<bool, CommitError> {
        let mut writer = self.writer()?;
        self.sync_with(&mut writer)?;
        let index = self.index();
        if writer.has_reapable() {
            self.publish(&mut writer, &index, Changes::default(), When::Now)?;
        }
        let live: u64 = index.blocks().map(|info| u64::from(info.body.bytes) + DESCRIPTOR_BYTES).sum();
        if self.bytes_on_disk()? <= 2 * live + SMALL_FILE_BYTES {
            return Ok(false);
        }
        Ok(self.vault.engine.compact()?)
    }
}

/// About the size of a sealed descriptor.
const DESCRIPTOR_BYTES: u64 = 350;
/// A file up to this size is not worth compacting.
const SMALL_FILE_BYTES: u64 = 256 << 10;
