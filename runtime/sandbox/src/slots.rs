//! The pool's slots: as many instances as may live at one moment. Who finds none waits; nobody fails at once.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Counts free slots.
pub(crate) struct Slots {
    total: u32,
    free: Mutex<u32>,
    freed: Condvar,
}

/// One slot, given back when dropped.
pub(crate) struct Slot(Arc<Slots>);

impl Slots {
    pub(crate) fn new(total: u32) -> Arc<Self> {
        Arc::new(Self { total, free: Mutex::new(total), freed: Condvar::new() })
    }

    pub(crate) fn total(&self) -> u32 {
        self.total
    }

    pub(crate) fn free(&self) -> u32 {
        *self.lock()
    }

    /// Takes a slot, waiting at most `patience`.
    pub(crate) fn take(self: &Arc<Self>, patience: Duration) -> Option<Slot> {
        let mut free = self.lock();
        if *free == 0 {
            let deadline = Instant::now() + patience;
            while *free == 0 {
                let left = deadline.checked_duration_since(Instant::now())?;
                free = self.freed.wait_timeout(free, left).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        *free -= 1;
        Some(Slot(Arc::clone(self)))
    }

    fn lock(&self) -> MutexGuard<'_, u32> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        *self.0.lock() += 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_finds_no_slot_waits_for_one() {
        let slots = Slots::new(1);
        let first = slots.take(Duration::ZERO).expect("one is free");
        assert!(slots.take(Duration::ZERO).is_none());
        let waiting = std::thread::spawn({
            let slots = Arc::clone(&slots);
            move || slots.take(Duration::from_secs(60)).is_some()
        });
        drop(first);
        assert!(waiting.join().unwrap());
        assert_eq!(slots.free(), 1);
    }
}
