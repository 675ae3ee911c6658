//! sled 0.34: a folder of files. Its flush never calls fsync, so this one does.

use std::collections::HashSet;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::guard::{drop_guarded, guarded};
use super::{Engine, Key, Kind, Op};
use crate::EngineError;

const NAME: &str = "sled";
/// How often opening is tried again, and the pause between two tries.
const LOCK_TRIES_MAX: u32 = 20;
const LOCK_WAIT: Duration = Duration::from_millis(10);

/// One sled folder.
pub struct Sled {
    /// `None` only while dropping.
    database: Option<sled::Db>,
    path: PathBuf,
    /// Files that were synced with their folder once; only the log changes after that.
    synced: Mutex<HashSet<PathBuf>>,
    /// A commit failed: what is on disk is unknown.
    failed: AtomicBool,
}

impl fmt::Debug for Sled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sled").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Sled {
    /// Opens or creates the folder.
    pub fn open(path: &Path, cache_bytes: usize) -> Result<Self, EngineError> {
        let config = sled::Config::new()
            .path(path)
            .cache_capacity(cache_bytes as u64)
            // Flushing on a timer takes a thread for each store, and would come too late.
            .flush_every_ms(None);
        let mut database = guarded(NAME, "open its folder", || config.open());
        for _ in 0..LOCK_TRIES_MAX {
            if database.is_ok() {
                break;
            }
            // sled's own threads hold the lock of a store that was closed for a little longer.
            std::thread::sleep(LOCK_WAIT);
            database = guarded(NAME, "open its folder", || config.open());
        }
        let database = database?;
        Ok(Self {
            database: Some(database),
            path: path.to_owned(),
            synced: Mutex::default(),
            failed: AtomicBool::new(false),
        })
    }

    fn database(&self) -> Result<&sled::Db, EngineError> {
        self.database.as_ref().ok_or(EngineError::Closed { engine: NAME })
    }

    /// Syncs what flush leaves out: the log's bytes, new files, and the folders that name them.
    fn sync(&self) -> io::Result<()> {
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        for folder in [self.path.clone(), self.path.join("blobs")] {
            let mut new = false;
            for file in fs::read_dir(&folder)? {
                let file = file?;
                if !file.file_type()?.is_file() || synced.contains(&file.path()) {
                    continue;
                }
                match File::open(file.path()) {
                    Ok(open) => open.sync_all()?,
                    // sled removes old snapshots and blobs in its background threads.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                }
                synced.insert(file.path());
                new = true;
            }
            if new {
                File::open(&folder)?.sync_all()?;
            }
        }
        File::open(self.path.join("db"))?.sync_data()
    }
}

impl Drop for Sled {
    fn drop(&mut self) {
        drop_guarded(self.database.take());
    }
}

impl Engine for Sled {
    fn commit(&self, ops: &[&Op]) -> Result<(), EngineError> {
        let database = self.database()?;
        let applied = guarded(NAME, "commit", || {
            let mut batch = sled::Batch::default();
            for op in ops {
                match op {
                    Op::Put(key, value) => batch.insert(key.bytes(), value.as_slice()),
                    Op::Delete(key) => batch.remove(key.bytes()),
                }
            }
            database.apply_batch(batch)?;
            database.flush()
        });
        let answer = applied.and_then(|_| guarded(NAME, "sync", || self.sync()));
        self.failed.fetch_or(answer.is_err(), Ordering::AcqRel);
        answer
    }

    fn takes_commits(&self) -> bool {
        !self.failed.load(Ordering::Acquire)
    }

    /// sled goes on after an error as if nothing had happened, and cannot be closed in time to be opened again.
    fn reopen(&self) -> Result<(), EngineError> {
        if self.takes_commits() { Ok(()) } else { Err(EngineError::Closed { engine: NAME }) }
    }

    fn get(&self, key: Key) -> Result<Option<Vec<u8>>, EngineError> {
        let database = self.database()?;
        let value = guarded(NAME, "read", || database.get(key.bytes()))?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn scan(&self, kind: Kind, visit: &mut dyn FnMut(Key, &[u8])) -> Result<(), EngineError> {
        let database = self.database()?;
        guarded(NAME, "scan", || {
            for pair in database.scan_prefix([kind as u8]) {
                let (key, value) = pair?;
                if let Some(key) = Key::from_bytes(&key) {
                    visit(key, &value);
                }
            }
            Ok::<_, sled::Error>(())
        })
    }

    fn bytes_on_disk(&self) -> Result<u64, EngineError> {
        guarded(NAME, "look at its files", || folder_bytes(&self.path))
    }

    /// sled has no call for compacting.
    fn compact(&self) -> Result<bool, EngineError> {
        Ok(false)
    }
}

fn folder_bytes(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let about = entry.metadata()?;
        bytes += if about.is_dir() { folder_bytes(&entry.path())? } else { about.blocks() * 512 };
    }
    Ok(bytes)
}
