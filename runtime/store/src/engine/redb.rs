//! redb: one file, copy on write, every commit synced.
//!
//! redb gives a large value a run of pages whose count is a power of two. A block is therefore kept in
//! pieces that each fill such a run to the last byte, the last of them less than a page.

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use redb::{
    Builder, Database, Durability, ReadableDatabase, StorageBackend, Table, TableDefinition, TableError,
};

use super::guard::{drop_guarded, guarded};
use super::{Engine, Key, Kind, Op};
use crate::EngineError;

const NAME: &str = "redb";
const PAGE_BYTES: usize = 4096;
/// What a leaf that holds one piece spends on itself: header, end of the value, key.
const LEAF_BYTES: usize = 4 + 4 + PIECE_KEY_BYTES;
const PIECE_KEY_BYTES: usize = 10;
/// The longest piece: longer runs are hard to find in a file that has been in use.
const PIECE_PAGES_MAX: usize = 16;

/// Up to this size a full repair takes about 20 ms, which whoever opens after a kill can wait.
const FULL_REPAIR_BYTES_MAX: u64 = 16 << 20;

/// Everything but blocks.
const VALUES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("values");
/// Blocks, by number and piece.
const PIECES: TableDefinition<'_, [u8; PIECE_KEY_BYTES], &[u8]> = TableDefinition::new("pieces");

/// One redb file.
pub struct Redb {
    /// `None` after a failure. The lock is held for writing only while compacting.
    database: RwLock<Option<Database>>,
    place: Place,
}

/// Where the data lies.
#[derive(Debug)]
enum Place {
    File(PathBuf),
    /// A test's backend, and whether each commit is to be ready for a quick repair.
    Backend {
        quick_repair: bool,
    },
}

impl fmt::Debug for Redb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redb").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Redb {
    /// Opens or creates the file.
    pub fn open(path: &Path, cache_bytes: usize) -> Result<Self, EngineError> {
        let database =
            guarded(NAME, "open its file", || Builder::new().set_cache_size(cache_bytes).create(path))?;
        Ok(Self { database: RwLock::new(Some(database)), place: Place::File(path.to_owned()) })
    }

    /// Opens or creates what the backend holds; `quick_repair` as it would be for a large file.
    pub fn on_backend(
        backend: impl StorageBackend,
        cache_bytes: usize,
        quick_repair: bool,
    ) -> Result<Self, EngineError> {
        let database = guarded(NAME, "open its file", || {
            Builder::new().set_cache_size(cache_bytes).create_with_backend(backend)
        })?;
        Ok(Self { database: RwLock::new(Some(database)), place: Place::Backend { quick_repair } })
    }

    /// A commit that is ready for a quick repair takes two syncs instead of one; without it, the first opening
    /// after a kill reads the whole file. So small files go without.
    fn wants_quick_repair(&self) -> bool {
        match &self.place {
            Place::File(path) => {
                std::fs::metadata(path).map_or(true, |file| file.len() > FULL_REPAIR_BYTES_MAX)
            }
            Place::Backend { quick_repair } => *quick_repair,
        }
    }

    fn with<T>(
        &self,
        what: &'static str,
        call: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, EngineError> {
        let answer = {
            let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
            let database = database.as_ref().ok_or(EngineError::Closed { engine: NAME })?;
            guarded(NAME, what, || call(database))
        };
        if matches!(answer, Err(EngineError::Panicked { .. })) {
            drop_guarded(self.database.write().unwrap_or_else(PoisonError::into_inner).take());
        }
        answer
    }
}

impl Drop for Redb {
    fn drop(&mut self) {
        drop_guarded(self.database.write().unwrap_or_else(PoisonError::into_inner).take());
    }
}

fn piece_key(block: u64, piece: u16) -> [u8; PIECE_KEY_BYTES] {
    let mut key = [0; PIECE_KEY_BYTES];
    key[..8].copy_from_slice(&block.to_be_bytes());
    key[8..].copy_from_slice(&piece.to_be_bytes());
    key
}

/// How many of the bytes that are left go into the next piece.
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
        let quick_repair = self.wants_quick_repair();
        self.with("commit", |database| apply(database, quick_repair, ops))
    }

    fn get(&self, key: Key) -> Result<Option<Vec<u8>>, EngineError> {
        self.with("read", |database| match key.kind() {
            Kind::Block => read_block(database, key.number()),
            _ => read_value(database, key),
        })
    }

    fn scan(&self, kind: Kind, visit: &mut dyn FnMut(Key, &[u8])) -> Result<(), EngineError> {
        self.with("scan", |database| {
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
        let Place::File(path) = &self.place else { return Ok(0) };
        // Allocated, not apparent: redb grows its file by doubling and leaves holes.
        guarded(NAME, "look at its file", || std::fs::metadata(path)).map(|file| file.blocks() * 512)
    }

    fn compact(&self) -> Result<bool, EngineError> {
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        let database = database.as_mut().ok_or(EngineError::Closed { engine: NAME })?;
        guarded(NAME, "compact", || database.compact())
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
