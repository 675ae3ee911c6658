//! One person's store: opening, committing, looking after itself.

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

/// How far ahead of ours the clock may be that gave an entry its id, s: a day.
const IDS_AHEAD_S: f64 = 86_400.0;

/// What a commit did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Committed {
    /// The number that it has, or will have on disk; the one before, if the batch changed nothing.
    pub commit: u64,
    /// Entries that were stored, replaced ones included.
    pub stored: u64,
    /// Puts of what had been taken in already, byte for byte.
    pub ignored: u64,
    /// Entries of the usercache that a put took the place of.
    pub overwritten: u64,
    /// Of those, the ones that were the same byte for byte.
    pub repeated: u64,
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

/// What [`Store::shred`] destroyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shredded {
    /// Keys: of each month of each stream the one in use, and those of earlier data keys.
    pub keys: u64,
    /// Blocks that they had sealed.
    pub blocks: u64,
}

/// One person's entries and documents. Shared between threads; one writer at a time, any number of readers.
///
/// Its file stays open, and its keys and what was read of it in memory, until the store and the last snapshot and
/// cursor of it are dropped. Keys are wiped then. Texts, and what ring made of the keys, are given back to the
/// allocator; a process that must keep nothing of a closed store wipes memory as it is freed.
pub struct Store {
    pub(crate) vault: Arc<Vault>,
    on_disk: RwLock<Arc<Index>>,
    /// The same, or later: with what waits to be on disk.
    ahead: RwLock<Arc<Index>>,
    writer: Mutex<Writer>,
    /// The last id given out; the superblock has it as of the last commit.
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

    /// Makes a store in a folder that is absent or empty. Complete and on disk when it returns; a crash on
    /// the way leaves nothing in `folder` (what it leaves in `<folder>.new`, the next try clears away).
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

    /// Makes an empty store in memory, gone when it is dropped: for trying what a batch would do. Of the options, the
    /// engine and its cache mean nothing.
    pub fn in_memory(user: UserId, options: &Options) -> Result<Self, OpenError> {
        open::in_memory(user, options)
    }

    /// The generation of the data key that opens the store in `folder`, as its keyring says in clear: proved only by
    /// opening it. `None` where there is no keyring. The store may be open.
    ///
    /// # Errors
    /// [`OpenError::Key`] where the file is no keyring, or cannot be read.
    pub fn key_generation(folder: &Path) -> Result<Option<u32>, OpenError> {
        open::key_generation(folder)
    }

    /// Whether a data key opens the keyring of the store in `folder`, which may be open. Takes no look at the engine.
    ///
    /// # Errors
    /// [`OpenError::Absent`] where there is no keyring; [`OpenError::Key`] where it is unsound or cannot be read.
    pub fn opens_with(folder: &Path, user: UserId, key: &DataKey) -> Result<bool, OpenError> {
        open::opens_with(folder, user, key)
    }

    /// Makes a store of an empty engine, such as one that loses power on command.
    #[cfg(any(test, feature = "testing"))]
    pub fn create_on(disk: crate::testing::Parts, options: &Options) -> Result<Self, OpenError> {
        open::create_on(disk.clone().vault_parts()?, options)?;
        open::open_on(disk.vault_parts()?, options)
    }

    /// Opens what [`Self::create_on`] made.
    #[cfg(any(test, feature = "testing"))]
    pub fn open_on(disk: crate::testing::Parts, options: &Options) -> Result<Self, OpenError> {
        open::open_on(disk.vault_parts()?, options)
    }

    /// What the next commit builds on.
    pub(crate) fn index(&self) -> Arc<Index> {
        Arc::clone(&self.ahead.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn index_on_disk(&self) -> Arc<Index> {
        Arc::clone(&self.on_disk.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The one writer, able to write again where an earlier write failed; refuses after a panic in the midst of one.
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

    /// Deletes what destroyed keys have sealed: nobody could read it, nor write beside it.
    fn finish_shredding(&self, writer: &mut Writer) -> Result<(), CommitError> {
        writer.shredding = true;
        self.show(shred::delete_doomed(&self.vault, writer, &self.index())?, When::Now);
        let forgotten = shred::forget(&self.vault);
        // Which of the two keyrings is on disk after a failure is not known.
        writer.keyring_waits |= forgotten.is_err();
        forgotten?;
        writer.shredding = false;
        Ok(())
    }

    /// After a failed write: opens the engine anew, and finds out whether the commit is on disk, as a whole, or not at
    /// all. Snapshots that were taken before stay what they are.
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
                // Neither what was there nor what was written: nothing is to be built upon that.
                writer.poisoned = true;
                return Err(CommitError::Poisoned);
            }
        }
        Ok(())
    }

    /// Whether it must be closed and opened before it takes another commit: see [`CommitError::Poisoned`].
    pub fn is_poisoned(&self) -> bool {
        match self.writer.try_lock() {
            Ok(writer) => writer.poisoned,
            Err(TryLockError::Poisoned(_)) => true,
            Err(TryLockError::WouldBlock) => false,
        }
    }

    /// Commits changes and lets readers see them.
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

    /// Lets readers see a commit.
    fn show(&self, index: Arc<Index>, when: When) {
        *self.ahead.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&index);
        if when == When::Now {
            *self.on_disk.write().unwrap_or_else(PoisonError::into_inner) = index;
        }
    }

    /// Puts on disk what waits, if anything does.
    fn sync_with(&self, writer: &mut Writer) -> Result<(), CommitError> {
        if !self.vault.engine.is_empty() {
            self.publish(writer, &self.index(), Changes::default(), When::Now)?;
        }
        Ok(())
    }

    /// The last commit: its number, and a hash over it and all before it. Every commit changes both, also one that only
    /// looks after the store, and they are on disk with it; opening a store may add commits of its own. Whoever has
    /// seen a later number than a store tells of knows that it was put back to an older copy; the same number with
    /// another hash, that it has gone another way since.
    pub fn head(&self) -> Head {
        let index = self.index_on_disk();
        Head { commit: index.commit, hash: index.head }
    }

    /// What the store holds now, all of it on disk. Reading it never waits for a commit.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(Arc::clone(&self.vault), self.index_on_disk())
    }

    /// The same with what waits to be on disk, after a crash perhaps never was: for whoever reads in order to write,
    /// and is on disk no sooner than what was read.
    pub fn snapshot_ahead(&self) -> Snapshot {
        Snapshot::new(Arc::clone(&self.vault), self.index())
    }

    /// Reserves rising ids; those that are never used are lost. The first four bytes are the clock's
    /// seconds, unless the last id is later than the clock.
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

    /// Rises above ids that entries bring, so that none is given out a second time: an import may bring one of this
    /// very second. Ids of a far future are nobody's clock's, and would leave no room behind them.
    fn rise_above(&self, batch: &Batch) {
        let end = EntryId::first_of_second((self.clock.now_s() + IDS_AHEAD_S) as u32);
        if let Some(latest) = batch.latest_id_brought(end) {
            let mut last = self.last_id.lock().unwrap_or_else(PoisonError::into_inner);
            *last = latest.max(*last);
        }
    }

    /// Does the steps of a batch, all or none; on disk when it returns, with everything that waited.
    ///
    /// # Errors
    /// Whatever the disk refuses costs this call alone: what waited waits on, reads go on, and the next call tries the
    /// disk again.
    pub fn commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        self.commit_when(batch, When::Now)
    }

    /// As [`Self::commit`], but on disk only with the next commit that is, together with it or not at all; until then
    /// [`Self::snapshot_ahead`] alone sees it. It waits in memory: whoever commits much looks at
    /// [`Self::waiting_bytes`].
    pub fn commit_ahead(&self, batch: Batch) -> Result<Committed, CommitError> {
        self.commit_when(batch, When::Later)
    }

    /// How much waits to be on disk, bytes.
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

    /// Rewrites full fresh blocks as columns without their dead rows, joins small blocks of months past,
    /// and deletes blocks that no snapshot reads any more. Bounded: about 8,192 rows a call. On disk when it returns,
    /// with everything that waited.
    pub fn settle(&self) -> Result<SettleReport, CommitError> {
        self.rewrite(Keep::AsManyAsLive)
    }

    /// As [`Self::settle`], and no block keeps a dead row: what was removed is in no block any more once all of it is
    /// done. Bounded likewise.
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

    /// Destroys the keys of months and what they sealed. `months` counts calendar months of UTC since
    /// year 0 (`year * 12 + month - 1`), both ends included; an entry belongs to the month of its position.
    /// `streams` empty: all of them.
    ///
    /// Copies of the keyring that were made before still have the keys: to put those out of reach of who has only a
    /// data key, rotate it afterwards.
    pub fn shred(&self, streams: &[Stream], months: RangeInclusive<i32>) -> Result<Shredded, CommitError> {
        let mut writer = self.writer()?;
        self.sync_with(&mut writer)?;
        let index = self.index();
        let chosen = |stream: &Stream, month: i32| {
            months.contains(&month) && (streams.is_empty() || streams.contains(stream))
        };
        let destroyed = shred::destroy_keys(&self.vault, &index, chosen);
        // The keyring that has them still may be the one on disk, or the one in use.
        writer.keyring_waits |= destroyed.is_err();
        let (keys, blocks) = destroyed?;
        self.finish_shredding(&mut writer)?;
        Ok(Shredded { keys, blocks })
    }

    /// The key with which origins are told, for whoever carries entries with their origins elsewhere. A secret.
    pub fn origins_key(&self) -> [u8; 32] {
        *self.vault.keyring().origins.0
    }

    /// Takes over the key of the store that entries come from, so that they can be inserted with their origins.
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

    /// What its engine takes on disk, bytes.
    pub fn bytes_on_disk(&self) -> Result<u64, ReadError> {
        Ok(self.vault.engine.bytes_on_disk()?)
    }

    /// Gives space back to the system where more than half of the file is free; answers whether it did.
    /// Reading waits meanwhile: for a store that is about to be closed.
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

/// About what a descriptor takes, sealed.
const DESCRIPTOR_BYTES: u64 = 350;
/// A file of that size is not worth compacting.
const SMALL_FILE_BYTES: u64 = 256 << 10;
