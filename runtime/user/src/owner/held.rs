//! Data keys that owners have supplied: in memory only, each for a bounded time.
//!
//! * Invariants: a key is wiped when its time ends, when its owner locks the store, and when the process ends; after a
//!   restart there is none. Nothing here writes to a disk.
//! * Units: moments are milliseconds since 1970-01-01T00:00:00Z.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use runtime_store::Held;
use runtime_types::UserId;

struct Until {
    held: Held,
    until_ms: u64,
    /// Which opening of the store it is, counted over all people since the start of the process.
    opening: u64,
}

/// The keys of people whose stores may be opened now.
#[derive(Default)]
pub(crate) struct HeldKeys {
    held: Mutex<HashMap<UserId, Until>>,
    openings: AtomicU64,
}

impl HeldKeys {
    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, Until>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a key until the given moment, and replaces the key that was kept. A store whose time has ended is opened
    /// anew by this; another key for an open one is no new opening.
    pub fn hold(&self, user: UserId, held: Held, now_ms: u64, until_ms: u64) {
        let mut all = self.lock();
        let open = all.get(&user).filter(|held| now_ms < held.until_ms).map(|held| held.opening);
        let opening = open.unwrap_or_else(|| self.openings.fetch_add(1, Ordering::Relaxed) + 1);
        all.insert(user, Until { held, until_ms, opening });
    }

    /// The number of the present opening; `None`: the store is locked.
    pub fn opening(&self, user: UserId, now_ms: u64) -> Option<u64> {
        self.lock().get(&user).filter(|held| now_ms < held.until_ms).map(|held| held.opening)
    }

    /// A copy of the key, for opening the store.
    pub fn get(&self, user: UserId, now_ms: u64) -> Option<Held> {
        let all = self.lock();
        all.get(&user).filter(|held| now_ms < held.until_ms).map(|held| held.held.copy())
    }

    /// The end of the time in which the store may be opened; `None`: it is locked.
    pub fn until_ms(&self, user: UserId, now_ms: u64) -> Option<u64> {
        self.lock().get(&user).map(|held| held.until_ms).filter(|until_ms| now_ms < *until_ms)
    }

    /// Extends the time of a key; never shortens it.
    pub fn renew(&self, user: UserId, now_ms: u64, until_ms: u64) {
        if let Some(held) = self.lock().get_mut(&user).filter(|held| now_ms < held.until_ms) {
            held.until_ms = held.until_ms.max(until_ms);
        }
    }

    /// Wipes a key; returns whether there was one.
    pub fn wipe(&self, user: UserId) -> bool {
        self.lock().remove(&user).is_some()
    }

    /// The people whose time has ended.
    pub fn expired(&self, now_ms: u64) -> Vec<UserId> {
        let held = self.lock();
        held.iter().filter(|(_, held)| held.until_ms <= now_ms).map(|(user, _)| *user).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime_store::DataKey;

    const ADA: UserId = UserId([1; 16]);

    fn held(generation: u32) -> Held {
        Held { key: DataKey::from_bytes([7; 32]), generation }
    }

    #[test]
    fn a_key_is_there_until_its_time_is_over_or_it_is_wiped() {
        let keys = HeldKeys::default();
        keys.hold(ADA, held(3), 0, 1_000);
        let key = keys.get(ADA, 999).expect("held");
        assert_eq!((key.key.expose(), key.generation), (&[7; 32], 3));
        assert!(keys.get(ADA, 1_000).is_none());
        assert_eq!(keys.expired(1_000), [ADA]);
        assert!(keys.wipe(ADA) && !keys.wipe(ADA));
        assert!(keys.get(ADA, 0).is_none());
    }

    #[test]
    fn a_renewal_never_shortens_and_revives_nothing() {
        let keys = HeldKeys::default();
        keys.hold(ADA, held(1), 0, 1_000);
        keys.renew(ADA, 500, 900);
        assert_eq!(keys.until_ms(ADA, 500), Some(1_000));
        keys.renew(ADA, 500, 2_000);
        assert_eq!(keys.until_ms(ADA, 1_500), Some(2_000));
        keys.renew(ADA, 2_500, 9_000);
        assert_eq!(keys.until_ms(ADA, 2_500), None);
    }

    #[test]
    fn an_opening_has_a_number_of_its_own_which_another_key_keeps_and_a_lock_ends() {
        let keys = HeldKeys::default();
        keys.hold(ADA, held(1), 0, 1_000);
        let first = keys.opening(ADA, 10).expect("open");
        keys.hold(ADA, held(2), 20, 1_000);
        assert_eq!(keys.opening(ADA, 30), Some(first));
        assert_eq!(keys.opening(ADA, 1_000), None);
        // Its time has ended, whether or not the key was wiped since.
        keys.hold(ADA, held(2), 1_000, 2_000);
        let second = keys.opening(ADA, 1_000).expect("open");
        assert_ne!(second, first);
        keys.wipe(ADA);
        keys.hold(ADA, held(2), 1_001, 2_000);
        assert!(![Some(first), Some(second), None].contains(&keys.opening(ADA, 1_500)));
    }
}
