//! A limit on the bytes of bodies that the whole host holds at one moment.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use handshake::limit::Source;
use runtime_types::Shares;
use runtime_user::UserId;

/// What a person's bodies may take however much is used, as a part of all.
const LEAST_PART: u64 = 4096;

/// A shared allowance, in bytes: one for bodies of people, and a small one for bodies that have not shown yet whose
/// they are. Neither a person nor a source can use all of it.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Mutex<Books>>);

#[derive(Debug)]
struct Books {
    people: Shares<UserId>,
    strangers: Shares<Source>,
}

/// Whose body it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// A person's device, or somebody with a person's token.
    Person(UserId),
    /// Nobody knows yet; it comes from there.
    Stranger(Source),
}

/// The share of one body; returned to the allowance when it is dropped.
#[derive(Debug)]
pub struct Held {
    budget: Budget,
    holder: Holder,
    bytes: u64,
}

impl Budget {
    /// An allowance of `people` bytes for bodies of people, and of `strangers` for others.
    pub fn new(people: u64, strangers: u64) -> Self {
        let people = Shares::new(people, u64::MAX, people / LEAST_PART);
        Self(Arc::new(Mutex::new(Books { people, strangers: Shares::new(strangers, u64::MAX, 0) })))
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An empty share, for a body that begins.
    pub fn hold(&self, holder: Holder) -> Held {
        Held { budget: self.clone(), holder, bytes: 0 }
    }

    /// The remaining allowance of people, bytes.
    pub fn free(&self) -> u64 {
        self.lock().people.free()
    }

    /// The remaining allowance of bodies that have not shown whose they are, bytes.
    pub fn free_for_strangers(&self) -> u64 {
        self.lock().strangers.free()
    }
}

impl Books {
    fn take(&mut self, holder: Holder, bytes: u64) -> bool {
        match holder {
            Holder::Person(user) => self.people.take(user, bytes),
            Holder::Stranger(source) => self.strangers.take(source, bytes),
        }
    }

    fn give(&mut self, holder: Holder, bytes: u64) {
        match holder {
            Holder::Person(user) => self.people.give(&user, bytes),
            Holder::Stranger(source) => self.strangers.give(&source, bytes),
        }
    }
}

impl Held {
    /// Adds bytes to the share; returns whether there were enough left.
    #[must_use]
    pub fn take(&mut self, bytes: u64) -> bool {
        let taken = self.budget.lock().take(self.holder, bytes);
        self.bytes += if taken { bytes } else { 0 };
        taken
    }

    /// The body has shown that it is this person's, and counts for them from now on; returns whether they had enough
    /// left.
    #[must_use]
    pub fn belongs_to(&mut self, user: UserId) -> bool {
        let (before, now) = (self.holder, Holder::Person(user));
        let mut books = self.budget.lock();
        books.give(before, self.bytes);
        let taken = books.take(now, self.bytes);
        drop(books);
        self.holder = now;
        self.bytes = if taken { self.bytes } else { 0 };
        taken
    }

    /// Whether nobody knows yet whose body it is.
    pub fn is_strangers(&self) -> bool {
        matches!(self.holder, Holder::Stranger(_))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.lock().give(self.holder, self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: Holder = Holder::Person(UserId([1; 16]));
    const BOB: Holder = Holder::Person(UserId([2; 16]));

    #[test]
    fn what_is_taken_comes_back_and_no_more_is_given_than_there_is() {
        let budget = Budget::new(20, 10);
        let (mut first, mut second) = (budget.hold(ADA), budget.hold(BOB));
        assert!(first.take(7) && first.take(3) && !first.take(1) && second.take(5) && !second.take(1));
        assert_eq!(budget.free(), 5);
        drop(first);
        assert_eq!(budget.free(), 15);
        drop(second);
        assert_eq!(budget.free(), 20);
    }

    #[test]
    fn a_body_that_shows_whose_it_is_no_longer_counts_among_strangers() {
        let budget = Budget::new(20, 10);
        let stranger = Holder::Stranger(Source::V4([127, 0, 0]));
        let mut body = budget.hold(stranger);
        assert!(body.take(5) && !body.take(1) && body.is_strangers());
        assert!(body.belongs_to(UserId([1; 16])) && body.take(5) && !body.is_strangers());
        assert_eq!((budget.free(), budget.free_for_strangers()), (10, 10));
        let mut another = budget.hold(stranger);
        assert!(another.take(5) && !another.belongs_to(UserId([1; 16])), "the person has used their share");
        drop((body, another));
        assert_eq!((budget.free(), budget.free_for_strangers()), (20, 10));
    }
}
