//! redb: one file, copy on write, every commit synced.
//!
//! redb stores a large value in a run of pages whose count is a power of two. A block is therefore kept in pieces that
//! each fill such a run to the last byte, except the last, which is less than a page.
//!
//! After a failed write the file is opened another time, in a way that changes nothing on disk, and reads use that
//! opening until [`Engine::reopen`] has opened the file for writing again.

mod backend;

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use redb::backends::FileBackend;
use redb::{
    Builder, Database, Durability, ReadableDatabase, StorageBackend, Table, TableDefinition, TableError,
};

use super::guard::{drop_guarded, guarded};
use super::{Engine, Key, Kind, Op};
use crate::{DiskTrouble, EngineError, step};
use backend::{Backend, Unsynced, reading};

const NAME: &str = "redb";
const PAGE_BYTES: usize = 4096;
/// The overhead of a leaf that holds one piece: header, end of the value, key.
const LEAF_BYTES: usize = 4 + 4 + PIECE_KEY_BYTES;
const PIECE_KEY_BYTES: usize = 10;
/// The longest piece: longer runs are hard to find in a file that has been in use.
const PIECE_PAGES_MAX: usize = 16;

/// Up to this size a full repair takes about 20 ms, which is short enough for an opening after a kill.
const FULL_REPAIR_BYTES_MAX: u64 = 16 << 20;

/// What a disk must accept before the file is opened for writing again: about what a small commit writes.
const PROBE_BYTES: usize = 64 << 10;

/// Everything but blocks.
const VALUES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("values");
/// Blocks, by number and piece.
const PIECES: TableDefinition<'_, [u8; PIECE_KEY_BYTES], &[u8]> = TableDefinition::new("pieces");

/// One redb file.
pub struct Redb {
    /// The lock is held for writing only to replace the opening, and while compacting.
    opening: RwLock<Opening>,
    place: Storage,
    cache_bytes: usize,
    unsynced: Arc<Unsynced>,
}

/// How the file is open.
struct Opening {
    /// Counts the openings, so that a failure closes its own opening and not a later one.
    number: u64,
    state: State,
}

enum State {
    /// For reading and writing.
    Whole(Database),
    /// For reading, after a write failed: what redb itself changes stays in memory.
    Reading(Database),
    /// Closed after a failure; the next lookup opens it for reading.
    Closed,
}

/// Where the data is.
enum Storage {
    File(PathBuf),
    /// A test's backend, and whether each commit is to be ready for a quick repair.
    Backend {
        file: Box<dyn Fn() -> Box<dyn StorageBackend> + Send + Sync>,
        quick_repair: bool,
    },
}

impl Storage {
    /// The file, for one opening; `create` makes one where there is none.
    fn file(&self, writable: bool, create: bool) -> io::Result<Box<dyn StorageBackend>> {
        match self {
            Self::File(path) => {
                let mut options = OpenOptions::new();
                let file = options.read(true).write(writable).create(create).truncate(false).open(path)?;
                Ok(Box::new(FileBackend::new(file).map_err(io::Error::other)?))
            }
            Self::Backend { file, .. } => Ok(file()),
        }
    }

    /// Checks with a separate file whether the disk accepts writes at all. Opening the data for writing costs more, and
    /// would be in vain as long as this fails.
    fn probe(&self) -> io::Result<()> {
        let Self::File(path) = self else { return Ok(()) };
        let probe = path.with_extension("probe");
        let written = File::create(&probe).and_then(|mut file| {
            file.write_all(&[0; PROBE_BYTES])?;
            file.sync_all()
        });
        match std::fs::remove_file(&probe) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => written.and(Err(error)),
            _ => written,
        }
    }
}

impl fmt::Debug for Redb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if let Storage::File(path) = &self.place { Some(path) } else { None };
        f.debug_struct("Redb").field("path", &path).finish_non_exhaustive()
    }
}

/// The engine's error, with the system's error where there is one.
fn failed(what: &'static str, error: redb::Error) -> EngineError {
    let source: Box<dyn std::error::Error + Send + Sync> = match error {
        redb::Error::Io(error) => Box::new(error),
        error => Box::new(error),
    };
    EngineError::Failed { engine: NAME, what, source }
}

fn call<T>(what: &'static str, call: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, EngineError> {
    // redb's error is returned through the guard as a value, since the guard would box it before it was looked at.
    guarded(NAME, what, || Ok::<_, io::Error>(call()))
        .and_then(|answer| answer.map_err(|error| failed(what, error)))
}

impl Redb {
    /// Opens or creates the file. Where the disk accepts no writes, the file is opened for reading, and commits fail
    /// until [`Engine::reopen`] succeeds.
    pub fn open(path: &Path, cache_bytes: usize) -> Result<Self, EngineError> {
        Self::at(Storage::File(path.to_owned()), cache_bytes)
    }

    /// The file, which is opened for reading with the first lookup. Nothing on disk changes.
    pub fn for_reading(path: &Path, cache_bytes: usize) -> Self {
        let opening = RwLock::new(Opening { number: 0, state: State::Closed });
        Self { opening, place: Storage::File(path.to_owned()), cache_bytes, unsynced: Arc::default() }
    }

    /// Opens or creates the data of the backend, which is requested for each opening; `quick_repair` as for a large
    /// file.
    pub fn on_backend(
        file: impl Fn() -> Box<dyn StorageBackend> + Send + Sync + 'static,
        cache_bytes: usize,
        quick_repair: bool,
    ) -> Result<Self, EngineError> {
        Self::at(Storage::Backend { file: Box::new(file), quick_repair }, cache_bytes)
    }

    fn at(place: Storage, cache_bytes: usize) -> Result<Self, EngineError> {
        let opening = RwLock::new(Opening { number: 0, state: State::Closed });
        let engine = Self { opening, place, cache_bytes, unsynced: Arc::default() };
        match engine.open_whole(true) {
            Ok(database) => engine.replace(State::Whole(database)),
            Err(error) => {
                // Data that does not exist cannot be read either, and an error of another cause is not the disk's
                // fault.
                if DiskTrouble::of(&error).is_none() || engine.open_for_reading().is_err() {
                    return Err(error);
                }
            }
        }
        Ok(engine)
    }

    fn opening(&self) -> RwLockReadGuard<'_, Opening> {
        self.opening.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn opening_mut(&self) -> RwLockWriteGuard<'_, Opening> {
        self.opening.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the current opening.
    fn replace(&self, state: State) {
        let before = {
            let mut opening = self.opening_mut();
            opening.number += 1;
            std::mem::replace(&mut opening.state, state)
        };
        drop_guarded(before);
    }

    /// Closes an opening after a failure, but not a later one.
    fn close(&self, number: u64) {
        let before = {
            let mut opening = self.opening_mut();
            let is_it = opening.number == number;
            is_it.then(|| std::mem::replace(&mut opening.state, State::Closed))
        };
        drop_guarded(before);
    }

    fn open_whole(&self, create: bool) -> Result<Database, EngineError> {
        call("open its file", || {
            let backend = Backend::on_file(self.place.file(true, create)?, Arc::clone(&self.unsynced))?;
            if !create && backend.is_empty()? {
                // There is another disk now, or none: no new file is created.
                return Err(io::Error::from(io::ErrorKind::NotFound).into());
            }
            Ok(Builder::new().set_cache_size(self.cache_bytes).create_with_backend(backend)?)
        })
    }

    /// Opens the file for reading, unless another thread has opened it meanwhile.
    fn open_for_reading(&self) -> Result<(), EngineError> {
        let database = call("open its file", || {
            let backend = Backend::in_memory(self.place.file(false, false)?)?;
            if backend.is_empty()? {
                return Err(io::Error::from(io::ErrorKind::NotFound).into());
            }
            Ok(Builder::new().set_cache_size(self.cache_bytes).create_with_backend(backend)?)
        })?;
        let mut opening = self.opening_mut();
        if matches!(opening.state, State::Closed) {
            opening.number += 1;
            opening.state = State::Reading(database);
        }
        Ok(())
    }

    /// A commit that is ready for a quick repair takes two syncs instead of one; without it, the first opening
    /// after a kill reads the whole file. So small files go without.
    fn wants_quick_repair(&self) -> bool {
        match &self.place {
            Storage::File(path) => {
                std::fs::metadata(path).map_or(true, |file| file.len() > FULL_REPAIR_BYTES_MAX)
            }
            Storage::Backend { quick_repair, .. } => *quick_repair,
        }
    }

    /// Looks something up once; returns the number of the opening with the result.
    fn look_once<T>(
        &self,
        what: &'static str,
        lookup: &mut dyn FnMut(&Database) -> Result<T, redb::Error>,
    ) -> (u64, Result<T, EngineError>) {
        if matches!(self.opening().state, State::Closed)
            && let Err(error) = self.open_for_reading()
        {
            return (self.opening().number, Err(error));
        }
        let opening = self.opening();
        let answer = match &opening.state {
            State::Whole(database) | State::Reading(database) => call(what, || reading(|| lookup(database))),
            State::Closed => Err(EngineError::Closed { engine: NAME }),
        };
        (opening.number, answer)
    }

    /// Looks something up. A commit that fails meanwhile closes the opening; the lookup is then repeated in another
    /// one.
    fn look<T>(
        &self,
        what: &'static str,
        lookup: &mut dyn FnMut(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, EngineError> {
        let mut again = true;
        loop {
            let (number, answer) = self.look_once(what, lookup);
            match answer {
                Err(error) if is_over(&error) => {
                    self.close(number);
                    if !std::mem::take(&mut again) {
                        return Err(error);
                    }
                }
                answer => return answer,
            }
        }
    }
}

/// Whether an opening is useless after that error.
fn is_over(error: &EngineError) -> bool {
    match error {
        EngineError::Failed { source, .. } => {
            let error = source.downcast_ref::<redb::Error>();
            matches!(error, Some(redb::Error::PreviousIo | redb::Error::DatabaseClosed))
        }
        EngineError::Panicked { .. } | EngineError::Closed { .. } => true,
    }
}

impl Drop for Redb {
    fn drop(&mut self) {
        self.replace(State::Closed);
    }
}

fn piece_key(block: u64, piece: u16) -> [u8; PIECE_KEY_BYTES] {
    let mut key = [0; PIECE_KEY_BYTES];
    key[..8].copy_from_slice(&block.to_be_bytes());
    key[8..].copy_from_slice(&piece.to_be_bytes());
    key
}

/// How many of the remaining bytes go into the next piece.
fn piece_bytes(left: usize) -> usize {
    let mut pages = PIECE_PAGES_MAX;
    while pages > 1 && pages * PAGE_BYTES - LEAF_BYTES > left {
        pages /= 2;
    }
    left.min(pages * PAGE_BYTES - LEAF_BYTES)
}

type Pieces<'t> = Table<'t, [u8; PIECE_KEY_BYTES], &'static [u8]>;

fn put_block(pieces: &mut Pieces<'_>, block: u64, mut value: &[u8]) -> Result<(), redb::Error> {
    let mut piece = 0;
    while !value.is_empty() {
        let (head, rest) = value.split_at(piece_bytes(value.len()));
        pieces.insert(piece_key(block, piece), head)?;
        value = rest;
        piece += 1;
    }
    Ok(())
}

fn delete_block(pieces: &mut Pieces<'_>, block: u64) -> Result<(), redb::Error> {
    let mut piece = 0;
    while pieces.remove(piece_key(block, piece))?.is_some() {
        piece += 1;
    }
    Ok(())
}

fn apply(database: &Database, quick_repair: bool, ops: &[&Op]) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    transaction.set_quick_repair(quick_repair);
    {
        let mut values = transaction.open_table(VALUES)?;
        let mut pieces = transaction.open_table(PIECES)?;
        for op in ops {
            match op {
                Op::Put(key, value) if key.kind() == Kind::Block => {
                    put_block(&mut pieces, key.number(), value)?;
                }
                Op::Delete(key) if key.kind() == Kind::Block => delete_block(&mut pieces, key.number())?,
                Op::Put(key, value) => drop(values.insert(key.bytes(), value.as_slice())?),
                Op::Delete(key) => drop(values.remove(key.bytes())?),
            }
        }
    }
    transaction.commit()?;
    Ok(())
}

fn read_block(database: &Database, block: u64) -> Result<Option<Vec<u8>>, redb::Error> {
    let transaction = database.begin_read()?;
    let pieces = match transaction.open_table(PIECES) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        table => table?,
    };
    let mut value = Vec::new();
    for piece in pieces.range(piece_key(block, 0)..=piece_key(block, u16::MAX))? {
        value.extend_from_slice(piece?.1.value());
    }
    Ok((!value.is_empty()).then_some(value))
}

fn read_value(database: &Database, key: Key) -> Result<Option<Vec<u8>>, redb::Error> {
    let transaction = database.begin_read()?;
    let values = match transaction.open_table(VALUES) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        table => table?,
    };
    Ok(values.get(key.bytes())?.map(|value| value.value().to_vec()))
}

impl Engine for Redb {
    fn commit(&self, ops: &[&Op]) -> Result<(), EngineError> {
        if let Storage::File(path) = &self.place {
            step(path).map_err(|error| failed("commit", redb::Error::Io(error)))?;
        }
        let quick_repair = self.wants_quick_repair();
        let (number, answer) = {
            let opening = self.opening();
            let answer = match &opening.state {
                State::Whole(database) => call("commit", || apply(database, quick_repair, ops)),
                _ => return Err(EngineError::Closed { engine: NAME }),
            };
            (opening.number, answer)
        };
        if answer.is_err() {
            self.close(number);
        }
        answer
    }

    fn takes_commits(&self) -> bool {
        matches!(self.opening().state, State::Whole(_))
    }

    /// Concurrent readers continue with the opening before.
    fn reopen(&self) -> Result<(), EngineError> {
        if self.takes_commits() {
            return Ok(());
        }
        call("write beside its file", || Ok(self.place.probe()?))?;
        self.replace(State::Whole(self.open_whole(false)?));
        Ok(())
    }

    fn get(&self, key: Key) -> Result<Option<Vec<u8>>, EngineError> {
        self.look("read", &mut |database| match key.kind() {
            Kind::Block => read_block(database, key.number()),
            _ => read_value(database, key),
        })
    }

    fn scan(&self, kind: Kind, visit: &mut dyn FnMut(Key, &[u8])) -> Result<(), EngineError> {
        self.look("scan", &mut |database| {
            let transaction = database.begin_read()?;
            let values = match transaction.open_table(VALUES) {
                Err(TableError::TableDoesNotExist(_)) => return Ok(()),
                table => table?,
            };
            let (from, to) = ([kind as u8], [kind as u8 + 1]);
            for value in values.range(from.as_slice()..to.as_slice())? {
                let (key, value) = value?;
                if let Some(key) = Key::from_bytes(key.value()) {
                    visit(key, value.value());
                }
            }
            Ok(())
        })
    }

    fn bytes_on_disk(&self) -> Result<u64, EngineError> {
        let Storage::File(path) = &self.place else { return Ok(0) };
        // Allocated, not apparent: redb grows its file by doubling and leaves holes.
        guarded(NAME, "look at its file", || std::fs::metadata(path)).map(|file| file.blocks() * 512)
    }

    fn compact(&self) -> Result<bool, EngineError> {
        let (number, answer) = {
            let mut opening = self.opening_mut();
            let answer = match &mut opening.state {
                State::Whole(database) => call("compact", || Ok(database.compact()?)),
                _ => return Err(EngineError::Closed { engine: NAME }),
            };
            (opening.number, answer)
        };
        if answer.is_err() {
            self.close(number);
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_fill_runs_of_pages_and_come_back_as_one_value() {
        let folder = tempfile::tempdir().unwrap();
        let engine = Redb::open(&folder.path().join("data.redb"), 1 << 20).unwrap();
        for (block, size) in [1, 4077, 4078, 4079, 12_000, 65_518, 65_519, 300_001].into_iter().enumerate() {
            let value: Vec<u8> = (0..size).map(|at| (at * 7 + block) as u8).collect();
            engine.commit(&[&Op::Put(Key::block(block as u64), value.clone())]).unwrap();
            assert_eq!(engine.get(Key::block(block as u64)).unwrap(), Some(value), "{size} bytes");
            assert_eq!(engine.get(Key::block(block as u64 + 1)).unwrap(), None);
        }
        let deletes: Vec<_> = (0..8).map(|block| Op::Delete(Key::block(block))).collect();
        engine.commit(&deletes.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!(engine.get(Key::block(7)).unwrap(), None);
    }

    #[test]
    fn blocks_of_odd_sizes_take_little_more_than_their_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let engine = Redb::open(&folder.path().join("data.redb"), 1 << 20).unwrap();
        let mut stored = 0;
        for block in 0..100_u64 {
            let size = 30_000 + (block as usize * 7919) % 40_000;
            stored += size as u64;
            engine.commit(&[&Op::Put(Key::block(block), vec![block as u8; size])]).unwrap();
        }
        let before = engine.bytes_on_disk().unwrap();
        engine.compact().unwrap();
        let after = engine.bytes_on_disk().unwrap();
        eprintln!("{stored} bytes of blocks: {before} on disk, {after} compacted");
        assert!(after < stored * 112 / 100, "{after} on disk for {stored}");
    }
}
