//! Data keys that owners have supplied: in memory only, each for a bounded time.
//!
//! * Invariants: a key is wiped when its time ends, when its owner locks the store, and when the process ends; after a
//!   restart there is none. Nothing here writes to a disk.
//! * Units: moments are milliseconds since 1970-01-01T00:00:00Z.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use runtime_store::Held;
use runtime_types::UserId;

struct Until {
    held: Held,
    until_ms: u64,
}

/// The keys of people whose stores may be opened now.
#[derive(Default)]
pub(crate) struct HeldKeys {
    held: Mutex<HashMap<UserId, Until>>,
}

impl HeldKeys {
    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, Until>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a key until the given moment, and replaces the key that was kept.
    pub fn hold(&self, user: UserId, held: Held, until_ms: u64) {
        self.lock().insert(user, Until { held, until_ms });
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
        keys.hold(ADA, held(3), 1_000);
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
        keys.hold(ADA, held(1), 1_000);
        keys.renew(ADA, 500, 900);
        assert_eq!(keys.until_ms(ADA, 500), Some(1_000));
        keys.renew(ADA, 500, 2_000);
        assert_eq!(keys.until_ms(ADA, 1_500), Some(2_000));
        keys.renew(ADA, 2_500, 9_000);
        assert_eq!(keys.until_ms(ADA, 2_500), None);
    }
}
