//! The file that redb reads and writes, as one opening of it sees it.
//!
//! redb refuses all work after the first error of its file, reads included, until the file is opened again. Three
//! things are added to a plain file so that an error costs as little as possible:
//!
//! * A read that fails during a lookup ends only that lookup: see [`reading`].
//! * An opening may keep its changes in memory ([`Backend::in_memory`]). redb writes while it opens a file that was not
//!   closed properly, so this is how a file is read on a disk that accepts no writes.
//! * Writes since the last successful sync are remembered across openings ([`Unsynced`]). After a failed sync the
//!   system may show data that is not on disk and never will be; such data is written again before anything builds on
//!   it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{BackendError, StorageBackend};

use crate::engine::guard::ReadFailed;

/// The unit of changes that are kept in memory, bytes.
const PAGE_BYTES: u64 = 4096;
/// Past this many, the ranges are joined into one.
const RANGES_MAX: usize = 4096;
/// How much is written again at a time, bytes.
const REWRITE_BYTES: u64 = 1 << 20;

thread_local! {
    static READING: Cell<bool> = const { Cell::new(false) };
}

/// Runs a lookup that changes nothing. A read that fails meanwhile unwinds to the caller, who catches it (`guarded`),
/// instead of passing through redb, which would refuse everything from then on.
pub(super) fn reading<T>(lookup: impl FnOnce() -> T) -> T {
    struct Reset(bool);
    impl Drop for Reset {
        fn drop(&mut self) {
            READING.set(self.0);
        }
    }
    let _reset = Reset(READING.replace(true));
    lookup()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The ranges written since the last successful sync: positions, from and to.
#[derive(Debug, Default)]
pub(super) struct Unsynced(Mutex<Vec<(u64, u64)>>);

impl Unsynced {
    fn add(&self, from: u64, bytes: usize) {
        let mut ranges = lock(&self.0);
        if ranges.len() >= RANGES_MAX {
            let (from, to) =
                ranges.iter().fold((u64::MAX, 0), |all, one| (all.0.min(one.0), all.1.max(one.1)));
            *ranges = vec![(from, to)];
        }
        ranges.push((from, from + bytes as u64));
    }

    fn clear(&self) {
        lock(&self.0).clear();
    }

    fn ranges(&self) -> Vec<(u64, u64)> {
        lock(&self.0).clone()
    }
}

/// The file, as one opening sees it.
#[derive(Debug)]
pub(super) struct Backend {
    file: Box<dyn StorageBackend>,
    unsynced: Arc<Unsynced>,
    in_memory: Option<Mutex<Changes>>,
}

/// Changes that are not written to the file.
#[derive(Debug)]
struct Changes {
    pages: BTreeMap<u64, Box<[u8]>>,
    len: u64,
}

impl Backend {
    /// Changes are written to the file. Ranges that a failed sync left in doubt are written again, and synced, first.
    pub fn on_file(file: Box<dyn StorageBackend>, unsynced: Arc<Unsynced>) -> io::Result<Self> {
        let backend = Self { file, unsynced, in_memory: None };
        let ranges = backend.unsynced.ranges();
        if !ranges.is_empty() {
            let len = backend.file.len()?;
            for (from, to) in ranges {
                backend.rewrite(from, to.min(len))?;
            }
            backend.sync_data()?;
        }
        Ok(backend)
    }

    /// Changes stay in memory, and are lost with this opening.
    pub fn in_memory(file: Box<dyn StorageBackend>) -> io::Result<Self> {
        let len = file.len()?;
        let changes = Changes { pages: BTreeMap::new(), len };
        Ok(Self { file, unsynced: Arc::default(), in_memory: Some(Mutex::new(changes)) })
    }

    /// The holder of the file's locks. An opening that changes nothing holds none, so that the file can be opened for
    /// writing beside it.
    fn locks(&self) -> Result<&dyn StorageBackend, BackendError> {
        if self.in_memory.is_some() { Err(BackendError::Unsupported) } else { Ok(&*self.file) }
    }

    /// Whether the file is empty.
    pub fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    fn rewrite(&self, mut from: u64, to: u64) -> io::Result<()> {
        while from < to {
            let mut bytes = vec![0; REWRITE_BYTES.min(to - from) as usize];
            self.file.read(from, &mut bytes)?;
            self.file.write(from, &bytes)?;
            from += bytes.len() as u64;
        }
        Ok(())
    }

    /// Fills `out` from the file; positions behind its end are zero.
    fn read_padded(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let there = self.file.len()?.saturating_sub(offset).min(out.len() as u64) as usize;
        let (head, tail) = out.split_at_mut(there);
        tail.fill(0);
        if head.is_empty() { Ok(()) } else { self.file.read(offset, head) }
    }

    fn read_changed(&self, changes: &Changes, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let end = offset + out.len() as u64;
        if end > changes.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if changes.pages.is_empty() {
            return self.read_padded(offset, out);
        }
        for (at, part) in parts(offset, out.len()) {
            let to = &mut out[(at - offset) as usize..][..part];
            let page = at - at % PAGE_BYTES;
            match changes.pages.get(&page) {
                Some(bytes) => to.copy_from_slice(&bytes[(at - page) as usize..][..part]),
                None => self.read_padded(at, to)?,
            }
        }
        Ok(())
    }

    fn change(&self, changes: &mut Changes, offset: u64, data: &[u8]) -> io::Result<()> {
        for (at, part) in parts(offset, data.len()) {
            let page = at - at % PAGE_BYTES;
            let bytes = match changes.pages.get_mut(&page) {
                Some(bytes) => bytes,
                None => {
                    let mut bytes = vec![0; PAGE_BYTES as usize].into_boxed_slice();
                    self.read_padded(page, &mut bytes)?;
                    changes.pages.entry(page).or_insert(bytes)
                }
            };
            let from = &data[(at - offset) as usize..][..part];
            bytes[(at - page) as usize..][..part].copy_from_slice(from);
        }
        changes.len = changes.len.max(offset + data.len() as u64);
        Ok(())
    }
}

/// Cuts a stretch of the file at the ends of pages: where each part begins, and its length.
fn parts(offset: u64, bytes: usize) -> impl Iterator<Item = (u64, usize)> {
    let end = offset + bytes as u64;
    let mut at = offset;
    std::iter::from_fn(move || {
        let from = at;
        at = end.min(from - from % PAGE_BYTES + PAGE_BYTES);
        (from < end).then(|| (from, (at - from) as usize))
    })
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        match &self.in_memory {
            Some(changes) => Ok(lock(changes).len),
            None => self.file.len(),
        }
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let answer = match &self.in_memory {
            Some(changes) => self.read_changed(&lock(changes), offset, out),
            None => self.file.read(offset, out),
        };
        match answer {
            // Without a panic message: no code was wrong.
            Err(error) if READING.get() => resume_unwind(Box::new(ReadFailed(error))),
            answer => answer,
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let Some(changes) = &self.in_memory else { return self.file.set_len(len) };
        let mut changes = lock(changes);
        // Data that is later written there begins as zeros.
        drop(changes.pages.split_off(&len.next_multiple_of(PAGE_BYTES)));
        changes.len = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.in_memory.is_none() {
            self.file.sync_data()?;
            self.unsynced.clear();
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        match &self.in_memory {
            Some(changes) => self.change(&mut lock(changes), offset, data),
            None => {
                self.unsynced.add(offset, data.len());
                self.file.write(offset, data)
            }
        }
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.locks()?.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.locks()?.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.locks()?.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.locks()?.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.locks()?.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.locks()?.query_lock_range(start, end)
    }
}
