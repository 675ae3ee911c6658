//! Token buckets, each stored as the moment at which it will be full again.

use std::collections::BTreeMap;

/// How fast a bucket fills and how much it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Tokens a minute, 1 to 60,000.
    pub per_minute: u32,
    /// Tokens of a full bucket, at least 1.
    pub burst: u32,
}

/// Microseconds, so that rates which do not divide a second are exact enough.
const MINUTE_US: u64 = 60_000_000;

impl Rate {
    fn token_us(self) -> u64 {
        MINUTE_US / u64::from(self.per_minute.max(1))
    }

    fn full_us(self) -> u64 {
        self.token_us() * u64::from(self.burst.max(1))
    }
}

/// Buckets of one rate. A full bucket is not stored.
#[derive(Debug, Clone)]
pub struct Buckets<K> {
    rate: Rate,
    keys_max: usize,
    /// The moment when each is full again, microseconds since 1970.
    full_at_us: BTreeMap<K, u64>,
}

impl<K: Ord> Buckets<K> {
    /// All buckets are full at first; at most `keys_max` (at least 1) buckets that are not full are stored.
    pub fn new(rate: Rate, keys_max: usize) -> Self {
        Self { rate, keys_max: keys_max.max(1), full_at_us: BTreeMap::new() }
    }

    /// Takes a token.
    ///
    /// # Errors
    /// Milliseconds until there is one, at least 1; no token is taken then.
    pub fn take(&mut self, key: K, now_ms: u64) -> Result<(), u64> {
        match self.wait_ms(&key, now_ms) {
            0 => {
                if self.full_at_us.len() >= self.keys_max && !self.full_at_us.contains_key(&key) {
                    self.make_room(now_ms);
                }
                let full_at_us = self.full_at_us(&key, now_ms) + self.rate.token_us();
                self.full_at_us.insert(key, full_at_us);
                Ok(())
            }
            wait_ms => Err(wait_ms),
        }
    }

    /// Milliseconds until there is a token; 0: there is one.
    pub fn wait_ms(&self, key: &K, now_ms: u64) -> u64 {
        let filled_us = self.full_at_us(key, now_ms) + self.rate.token_us();
        filled_us.saturating_sub(micros(now_ms) + self.rate.full_us()).div_ceil(1_000)
    }

    /// Whether all taken tokens have come back.
    pub fn is_full(&self, key: &K, now_ms: u64) -> bool {
        self.full_at_us(key, now_ms) <= micros(now_ms)
    }

    /// How many buckets are stored.
    pub fn len(&self) -> usize {
        self.full_at_us.len()
    }

    /// Whether every bucket is full.
    pub fn is_empty(&self) -> bool {
        self.full_at_us.is_empty()
    }

    /// Never before now, and never later than an empty bucket needs, even if the clock has jumped.
    fn full_at_us(&self, key: &K, now_ms: u64) -> u64 {
        let now_us = micros(now_ms);
        let kept_us = self.full_at_us.get(key).copied().unwrap_or(now_us);
        kept_us.clamp(now_us, now_us + self.rate.full_us())
    }

    /// Drops full buckets, and if there are none, the fullest quarter. So a stranger who uses ever new addresses causes
    /// the search only once in many connections.
    fn make_room(&mut self, now_ms: u64) {
        let now_us = micros(now_ms);
        self.full_at_us.retain(|_, full_at_us| *full_at_us > now_us);
        if self.full_at_us.len() < self.keys_max {
            return;
        }
        let mut left = self.full_at_us.len() / 4 + 1;
        let mut moments: Vec<u64> = self.full_at_us.values().copied().collect();
        let (_, fullest_us, _) = moments.select_nth_unstable(left - 1);
        let fullest_us = *fullest_us;
        self.full_at_us.retain(|_, full_at_us| {
            let goes = *full_at_us <= fullest_us && left > 0;
            left -= usize::from(goes);
            !goes
        });
    }
}

/// Saturates so that additions to the result cannot overflow.
fn micros(now_ms: u64) -> u64 {
    now_ms.min(u64::MAX / 4_000) * 1_000
}
