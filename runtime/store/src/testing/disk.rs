//! A simulated disk that loses unsynced changes: whole writes, parts of them, and in any order. It can also refuse for
//! a while, as a full or failing disk does, and be slow.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

use crate::keys::SmallFile;

/// The unit in which a real disk writes: a write in progress may be cut between two of these.
const SECTOR_BYTES: usize = 512;

/// Files in memory; clones share them. At every write, change of length and sync, power can fail or the disk can begin
/// to refuse.
#[derive(Debug, Clone, Default)]
pub struct SimDisk(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<String, File>,
    points: u64,
    dies_at: Option<u64>,
    dead: bool,
    /// Syncs return success and do nothing.
    lying: bool,
    syncs: u64,
    /// From that point on everything but reading fails, with that error.
    refuses: Option<(u64, io::ErrorKind)>,
    /// Reading that range of that file fails.
    bad: Option<(String, Range<usize>)>,
    /// Syncs block.
    held: bool,
    waiting_syncs: usize,
}

#[derive(Debug, Default)]
struct File {
    /// The content that programs see.
    seen: Vec<u8>,
    /// The content of the last sync.
    synced: Vec<u8>,
    /// The changes since.
    unsynced: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Write {
        at: usize,
        bytes: Vec<u8>,
    },
    Length(usize),
    /// A small file renamed over the old one.
    Replace(Vec<u8>),
}

/// A small pseudo-random generator (xorshift), so that a run is reproduced from its seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }
}

impl File {
    fn apply(content: &mut Vec<u8>, change: &Change) {
        match change {
            Change::Write { at, bytes } => {
                if content.len() < at + bytes.len() {
                    content.resize(at + bytes.len(), 0);
                }
                content[*at..at + bytes.len()].copy_from_slice(bytes);
            }
            Change::Length(length) => content.resize(*length, 0),
            Change::Replace(bytes) => content.clone_from(bytes),
        }
    }

    fn change(&mut self, change: Change) {
        Self::apply(&mut self.seen, &change);
        self.unsynced.push(change);
    }

    fn sync(&mut self) {
        // Not the content that programs see: a write that an earlier sync failed to store is not tried again.
        for change in self.unsynced.drain(..) {
            Self::apply(&mut self.synced, &change);
        }
    }

    /// A sync that fails: some changes reached the disk, the others never will, and programs see them all.
    fn sync_in_vain(&mut self, random: &mut Random) {
        for change in self.unsynced.drain(..) {
            if random.next().is_multiple_of(2) {
                Self::apply(&mut self.synced, &change);
            }
        }
    }

    /// Power fails: each change since the last sync is kept, lost, or kept in part.
    fn crash(&mut self, random: &mut Random) {
        let mut content = std::mem::take(&mut self.synced);
        for change in self.unsynced.drain(..) {
            match (random.next() % 3, change) {
                (0, _) => {}
                (1, Change::Write { at, bytes }) => {
                    for (sector, part) in bytes.chunks(SECTOR_BYTES).enumerate() {
                        if random.next().is_multiple_of(2) {
                            let (at, bytes) = (at + sector * SECTOR_BYTES, part.to_vec());
                            Self::apply(&mut content, &Change::Write { at, bytes });
                        }
                    }
                }
                (_, change) => Self::apply(&mut content, &change),
            }
        }
        self.seen.clone_from(&content);
        self.synced = content;
    }
}

impl State {
    fn point(&mut self) -> io::Result<()> {
        self.alive()?;
        self.dead = self.dies_at == Some(self.points);
        self.points += 1;
        Ok(())
    }

    fn alive(&self) -> io::Result<()> {
        if self.dead { Err(io::Error::other("the power is out")) } else { Ok(()) }
    }

    /// The error for the point just passed, if it is refused.
    fn refusal(&self) -> Option<io::Error> {
        let (from, kind) = self.refuses?;
        (self.points > from).then(|| kind.into())
    }
}

impl SimDisk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From that point on every write, change of length and sync fails with an error of that kind, until
    /// [`Self::heal`]. Unsynced earlier writes may be lost or kept: as with a real disk, programs cannot tell which.
    pub fn refuse_from(&self, point: u64, kind: io::ErrorKind) {
        self.state().refuses = Some((point, kind));
    }

    /// From now on reading any byte of that range of a file fails, until [`Self::heal`].
    pub fn damage(&self, name: &str, stretch: Range<usize>) {
        self.state().bad = Some((name.to_owned(), stretch));
    }

    /// Ends all failures.
    pub fn heal(&self) {
        let mut state = self.state();
        (state.refuses, state.bad) = (None, None);
    }

    /// From now on syncs wait for [`Self::release_syncs`].
    pub fn hold_syncs(&self) {
        self.state().held = true;
    }

    /// Waits until a sync is waiting.
    pub fn await_held_sync(&self) {
        let mut state = self.state();
        while state.waiting_syncs == 0 {
            state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets syncs continue.
    pub fn release_syncs(&self) {
        self.state().held = false;
        self.0.changed.notify_all();
    }

    /// A file of the disk; it need not exist.
    pub fn file(&self, name: &str) -> SimFile {
        SimFile { disk: self.clone(), name: name.to_owned() }
    }

    /// How many points there have been at which power can fail.
    pub fn points(&self) -> u64 {
        self.state().points
    }

    /// How many syncs there have been.
    pub fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// Power fails at that point: the change made there may or may not reach the disk, and no later one does.
    pub fn die_at(&self, point: u64) {
        self.state().dies_at = Some(point);
    }

    /// Power is back; `seed` decides which unsynced changes are kept.
    pub fn revive(&self, seed: u64) {
        let mut state = self.state();
        // A generator of this kind must not start at zero.
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        state.files.values_mut().for_each(|file| file.crash(&mut random));
        state.dies_at = None;
        state.dead = false;
    }

    /// From now on syncs return success and do nothing.
    pub fn ignore_syncs(&self) {
        self.state().lying = true;
    }

    /// The content of a file as programs see it.
    pub fn content(&self, name: &str) -> Vec<u8> {
        self.state().files.get(name).map(|file| file.seen.clone()).unwrap_or_default()
    }

    /// Replaces the content of a file, synced.
    pub fn set_content(&self, name: &str, content: Vec<u8>) {
        let file = File { seen: content.clone(), synced: content, unsynced: Vec::new() };
        self.state().files.insert(name.to_owned(), file);
    }
}

/// One file of a [`SimDisk`].
#[derive(Debug, Clone)]
pub struct SimFile {
    disk: SimDisk,
    name: String,
}

impl SimFile {
    fn change(&self, change: Change) -> io::Result<()> {
        let mut state = self.disk.state();
        state.point()?;
        if let Some(refusal) = state.refusal() {
            // A write that is refused may have begun.
            if let Change::Write { at, mut bytes } = change {
                bytes.truncate(bytes.len() / 2 / SECTOR_BYTES * SECTOR_BYTES);
                state.files.entry(self.name.clone()).or_default().change(Change::Write { at, bytes });
            }
            return Err(refusal);
        }
        state.files.entry(self.name.clone()).or_default().change(change);
        // The caller whose change coincides with the power failure gets no answer; the change may still reach the disk.
        state.alive()
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        while state.held {
            state.waiting_syncs += 1;
            self.disk.0.changed.notify_all();
            state = self.disk.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.waiting_syncs -= 1;
        }
        state.point()?;
        state.alive()?;
        if let Some(refusal) = state.refusal() {
            let mut random = Random(state.points | 1);
            state.files.entry(self.name.clone()).or_default().sync_in_vain(&mut random);
            return Err(refusal);
        }
        state.syncs += 1;
        if state.lying {
            return Ok(());
        }
        state.files.entry(self.name.clone()).or_default().sync();
        Ok(())
    }
}

impl SmallFile for SimFile {
    fn read(&self) -> io::Result<Option<Vec<u8>>> {
        let state = self.disk.state();
        state.alive()?;
        Ok(state.files.get(&self.name).map(|file| file.seen.clone()))
    }

    fn replace(&self, content: &[u8]) -> io::Result<()> {
        self.change(Change::Replace(content.to_vec()))?;
        self.sync()
    }
}

impl StorageBackend for SimFile {
    fn len(&self) -> Result<u64, io::Error> {
        let state = self.disk.state();
        state.alive()?;
        Ok(state.files.get(&self.name).map_or(0, |file| file.seen.len() as u64))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        let state = self.disk.state();
        state.alive()?;
        let file = state.files.get(&self.name).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        let (from, to) = (offset as usize, offset as usize + out.len());
        let hits =
            |(name, bad): &(String, Range<usize>)| *name == self.name && from < bad.end && bad.start < to;
        if state.bad.as_ref().is_some_and(hits) {
            return Err(io::Error::other("that place cannot be read"));
        }
        let bytes = file.seen.get(offset as usize..).and_then(|rest| rest.get(..out.len()));
        out.copy_from_slice(bytes.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.change(Change::Length(len as usize))
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        self.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        self.change(Change::Write { at: offset as usize, bytes: data.to_vec() })
    }
}
