//! The pool's slots: the number of instances that may exist at one moment. If none is free, a caller waits; it does
//! not fail at once.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Counts free slots. Taking and returning one is one atomic step each, since every thread does it for every instance;
/// the lock is for waiting threads.
pub(crate) struct Slots {
    total: u32,
    free: AtomicU32,
    waiting: AtomicU32,
    wake: Mutex<()>,
    given: Condvar,
}

impl Slots {
    pub(crate) fn new(total: u32) -> Self {
        let (free, waiting) = (AtomicU32::new(total), AtomicU32::new(0));
        Self { total, free, waiting, wake: Mutex::new(()), given: Condvar::new() }
    }

    pub(crate) fn total(&self) -> u32 {
        self.total
    }

    pub(crate) fn free(&self) -> u32 {
        self.free.load(Ordering::Relaxed)
    }

    /// Takes a slot, waiting at most `patience`. A caller that gets `true` must call [`Self::give`] once.
    pub(crate) fn take(&self, patience: Duration) -> bool {
        self.take_free() || self.wait(patience)
    }

    /// Returns a slot.
    pub(crate) fn give(&self) {
        self.free.fetch_add(1, Ordering::SeqCst);
        // A waiting thread registers before it looks for a free slot once more, so one of the two threads sees the
        // other.
        if self.waiting.load(Ordering::SeqCst) > 0 {
            drop(self.wake.lock().unwrap_or_else(PoisonError::into_inner));
            self.given.notify_one();
        }
    }

    fn take_free(&self) -> bool {
        self.free.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |free| free.checked_sub(1)).is_ok()
    }

    fn wait(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let mut wake = self.wake.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = loop {
            if self.take_free() {
                break true;
            }
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { break false };
            wake = self.given.wait_timeout(wake, left).unwrap_or_else(PoisonError::into_inner).0;
        };
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_finds_no_slot_waits_for_one() {
        let slots = Slots::new(1);
        assert!(slots.take(Duration::ZERO));
        assert!(!slots.take(Duration::ZERO));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| slots.take(Duration::from_secs(60)));
            while slots.waiting.load(Ordering::SeqCst) == 0 {
                std::thread::yield_now();
            }
            slots.give();
            assert!(waiting.join().unwrap());
        });
        assert_eq!(slots.free(), 0);
    }

    #[test]
    fn no_slot_is_lost_and_none_is_given_twice() {
        let slots = Slots::new(2);
        let alive = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        assert!(slots.take(Duration::from_secs(60)));
                        assert!(alive.fetch_add(1, Ordering::SeqCst) < 2);
                        std::thread::yield_now();
                        alive.fetch_sub(1, Ordering::SeqCst);
                        slots.give();
                    }
                });
            }
        });
        assert_eq!((slots.free(), slots.waiting.into_inner()), (2, 0));
    }
}
