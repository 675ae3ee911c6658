//! Waiting until something about a person changes: what a page that is open follows.
//!
//! * A mark is a text that differs once anything was stored for the person, the store was opened or closed, a device may
//!   have lost its access, or a pairing made progress. It says nothing else, and has no meaning after a restart.
//! * Invariants: a call waits for at most [`WATCH_MS_MAX`], and a person has at most [`WATCHES_MAX`] calls that wait.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use runtime_types::UserId;
use tokio::time::Instant;

use super::LockState;
use crate::runtime::Runtime;

/// How long one call may wait for a change, ms.
pub const WATCH_MS_MAX: u64 = 25_000;
/// How many calls of one person may wait for a change at once.
pub const WATCHES_MAX: usize = 16;

/// Interval between two looks at a mark. A look reads memory alone.
const LOOK: Duration = Duration::from_millis(100);

/// The calls that wait, by person.
#[derive(Debug, Default)]
pub(crate) struct Watches(Mutex<HashMap<UserId, usize>>);

impl Watches {
    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One call that waits; its place is free again when this is dropped.
pub struct Watch<'r> {
    runtime: &'r Runtime,
    user: UserId,
}

/// Too many calls of the person wait already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{WATCHES_MAX} calls of this person wait for a change already: end one of them")]
pub struct TooManyWatches;

impl Runtime {
    /// The mark of a person now.
    pub fn mark(&self, user: UserId) -> String {
        // Counters of an earlier process have other values.
        static STARTED_MS: OnceLock<u64> = OnceLock::new();
        let started_ms = STARTED_MS.get_or_init(crate::clock::epoch_ms);
        let access = self.owners().changes(user);
        let store = match self.locks().state(user) {
            Ok(LockState::Absent) => 'a',
            Ok(LockState::Locked) => 'l',
            Ok(LockState::Unlocked { .. }) => 'u',
            Err(_) => 'd',
        };
        let commits = self.head_now(user).map_or(0, |head| head.seq);
        format!("{started_ms:x}.{access:x}.{store}.{commits:x}")
    }

    /// Begins to wait for a change.
    ///
    /// # Errors
    /// [`TooManyWatches`].
    pub fn watch(&self, user: UserId) -> Result<Watch<'_>, TooManyWatches> {
        let mut waiting = self.owners().watches.lock();
        let count = waiting.entry(user).or_default();
        if *count >= WATCHES_MAX {
            return Err(TooManyWatches);
        }
        *count += 1;
        Ok(Watch { runtime: self, user })
    }
}

impl Watch<'_> {
    /// The mark once it is not `since`, or after `wait_ms`, at most [`WATCH_MS_MAX`].
    pub async fn changed(&self, since: Option<&str>, wait_ms: u64) -> String {
        let until = Instant::now() + Duration::from_millis(wait_ms.min(WATCH_MS_MAX));
        loop {
            let mark = self.runtime.mark(self.user);
            let left = until.saturating_duration_since(Instant::now());
            if since != Some(mark.as_str()) || left.is_zero() {
                return mark;
            }
            tokio::time::sleep(LOOK.min(left)).await;
        }
    }

    /// As [`Self::changed`], on a thread that may wait.
    pub fn changed_blocking(&self, since: Option<&str>, wait_ms: u64) -> String {
        let until = std::time::Instant::now() + Duration::from_millis(wait_ms.min(WATCH_MS_MAX));
        loop {
            let mark = self.runtime.mark(self.user);
            let left = until.saturating_duration_since(std::time::Instant::now());
            if since != Some(mark.as_str()) || left.is_zero() {
                return mark;
            }
            std::thread::sleep(LOOK.min(left));
        }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let mut waiting = self.runtime.owners().watches.lock();
        if let Some(count) = waiting.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                waiting.remove(&self.user);
            }
        }
    }
}
