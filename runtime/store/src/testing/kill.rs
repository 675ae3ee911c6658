//! Ends what happens below a folder at a chosen operation, as a kill of the process would: that operation and all later
//! ones fail and change nothing.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How many folders are watched: an operation looks no further where there is none.
static WATCHED: AtomicUsize = AtomicUsize::new(0);
static KILLS: Mutex<Vec<Arc<Watch>>> = Mutex::new(Vec::new());

struct Watch {
    root: PathBuf,
    /// The first operation that fails, from 1.
    at: u64,
    asked: AtomicU64,
}

/// A kill that is planned below a folder. Dropping it lets operations pass again.
pub struct Kill(Arc<Watch>);

impl Kill {
    /// From the `at`-th operation below `root` on, counted from 1, every operation there fails.
    pub fn at(root: &Path, at: u64) -> Self {
        let watch = Arc::new(Watch { root: root.to_owned(), at, asked: AtomicU64::new(0) });
        KILLS.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&watch));
        WATCHED.fetch_add(1, Ordering::SeqCst);
        Self(watch)
    }

    /// Whether an operation was refused.
    pub fn struck(&self) -> bool {
        self.0.asked.load(Ordering::SeqCst) >= self.0.at
    }
}

impl Drop for Kill {
    fn drop(&mut self) {
        let mut kills = KILLS.lock().unwrap_or_else(PoisonError::into_inner);
        kills.retain(|watch| !Arc::ptr_eq(watch, &self.0));
        WATCHED.fetch_sub(1, Ordering::SeqCst);
    }
}

pub(crate) fn step(path: &Path) -> io::Result<()> {
    if WATCHED.load(Ordering::SeqCst) == 0 {
        return Ok(());
    }
    let kills = KILLS.lock().unwrap_or_else(PoisonError::into_inner);
    for watch in kills.iter().filter(|watch| path.starts_with(&watch.root)) {
        if watch.asked.fetch_add(1, Ordering::SeqCst) + 1 >= watch.at {
            return Err(io::Error::other("killed by a test"));
        }
    }
    Ok(())
}
