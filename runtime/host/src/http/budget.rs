//! A limit on the bytes of bodies that the whole host holds at one moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A shared allowance, in bytes.
#[derive(Debug, Clone)]
pub struct Budget {
    free: Arc<AtomicU64>,
}

/// The share of one body; returned to the allowance when it is dropped.
#[derive(Debug)]
pub struct Held {
    budget: Budget,
    bytes: u64,
}

impl Budget {
    /// An allowance of `bytes`.
    pub fn new(bytes: u64) -> Self {
        Self { free: Arc::new(AtomicU64::new(bytes)) }
    }

    /// An empty share, for a body that begins.
    pub fn hold(&self) -> Held {
        Held { budget: self.clone(), bytes: 0 }
    }

    /// The remaining allowance, bytes.
    pub fn free(&self) -> u64 {
        self.free.load(Ordering::Relaxed)
    }
}

impl Held {
    /// Adds bytes to the share; returns whether there were enough left.
    #[must_use]
    pub fn take(&mut self, bytes: u64) -> bool {
        let taken = self
            .budget
            .free
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| free.checked_sub(bytes));
        if taken.is_ok() {
            self.bytes += bytes;
        }
        taken.is_ok()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.free.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_comes_back_and_no_more_is_given_than_there_is() {
        let budget = Budget::new(10);
        let (mut first, mut second) = (budget.hold(), budget.hold());
        assert!(first.take(7) && !second.take(4) && second.take(3));
        assert_eq!(budget.free(), 0);
        drop(first);
        assert_eq!(budget.free(), 7);
        drop(second);
        assert_eq!(budget.free(), 10);
    }
}
