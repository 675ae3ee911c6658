//! Handshakes in progress at the same time.

use super::Source;
use runtime_types::UserId;
use std::collections::BTreeMap;

/// Handshakes in progress to one runtime.
pub const HANDSHAKES_PER_RUNTIME_MAX: u32 = 64;
/// Handshakes in progress from one source.
pub const HANDSHAKES_PER_SOURCE_MAX: u32 = 8;

/// Counts handshakes. Its memory is proportional to the handshakes in progress.
#[derive(Debug, Clone, Default)]
pub struct Handshakes {
    by_runtime: BTreeMap<UserId, u32>,
    by_source: BTreeMap<Source, u32>,
}

/// One handshake in progress. Return it to [`Handshakes::end`] however the handshake ended, and within 10 seconds, or
/// strangers could occupy a runtime's places.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a handshake that is never ended counts for ever"]
pub struct Slot {
    user: UserId,
    source: Source,
}

impl Handshakes {
    /// Begins a handshake; `None` where the runtime or the source has reached its limit. Close the connection then.
    pub fn begin(&mut self, user: UserId, source: Source) -> Option<Slot> {
        let from_source = self.by_source.get(&source).copied().unwrap_or(0);
        let to_runtime = self.by_runtime.get(&user).copied().unwrap_or(0);
        if from_source >= HANDSHAKES_PER_SOURCE_MAX || to_runtime >= HANDSHAKES_PER_RUNTIME_MAX {
            return None;
        }
        self.by_source.insert(source, from_source + 1);
        self.by_runtime.insert(user, to_runtime + 1);
        Some(Slot { user, source })
    }

    /// Ends a handshake.
    pub fn end(&mut self, slot: Slot) {
        release(&mut self.by_source, &slot.source);
        release(&mut self.by_runtime, &slot.user);
    }

    /// How many are in progress.
    pub fn len(&self) -> usize {
        self.by_runtime.values().map(|count| *count as usize).sum()
    }

    /// Whether none is in progress.
    pub fn is_empty(&self) -> bool {
        self.by_runtime.is_empty() && self.by_source.is_empty()
    }
}

fn release<K: Ord>(counts: &mut BTreeMap<K, u32>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}
