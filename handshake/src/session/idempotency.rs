//! Uploads that a device repeats because it missed the answer: each is counted once.
//!
//! * Bounds: [`IDEMPOTENCY_KEYS_MAX`] keys of a device, the oldest dropped first, for [`IDEMPOTENCY_MS`]. This protects
//!   against a network that loses answers, not against attackers, who cannot send a request twice anyway.
//! * It serialises, so that a repetition is recognised after a restart; store a key in the same commit as its upload.

use crate::encoding::{DeviceId, IdempotencyKey};
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// How long a key is remembered in milliseconds: 7 days.
pub const IDEMPOTENCY_MS: u64 = 7 * 24 * 3_600_000;
/// How many keys of one device are remembered; 64 KiB at 16 bytes.
pub const IDEMPOTENCY_KEYS_MAX: usize = 4096;

/// The keys of one person's devices.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Idempotency(BTreeMap<DeviceId, VecDeque<(IdempotencyKey, u64)>>);

impl Idempotency {
    /// Reads the header `Idempotency-Key`: 16 bytes in base64url without padding.
    pub fn key_of_header(text: &str) -> Option<IdempotencyKey> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        IdempotencyKey::try_from(bytes.as_slice()).ok()
    }

    /// Whether this device's upload with this key was accepted already.
    pub fn is_repeated(&self, device: DeviceId, key: IdempotencyKey, now_ms: u64) -> bool {
        let mut known = self.0.get(&device).into_iter().flatten();
        known.any(|(other, at_ms)| *other == key && lives(*at_ms, now_ms))
    }

    /// Stores a key whose upload was accepted, and drops keys that are too old or too many.
    pub fn remember(&mut self, device: DeviceId, key: IdempotencyKey, now_ms: u64) {
        let known = self.0.entry(device).or_default();
        known.retain(|(other, at_ms)| *other != key && lives(*at_ms, now_ms));
        known.push_back((key, now_ms));
        while known.len() > IDEMPOTENCY_KEYS_MAX {
            known.pop_front();
        }
    }

    /// Drops the keys of a device, for instance when it is revoked.
    pub fn forget(&mut self, device: DeviceId) {
        self.0.remove(&device);
    }
}

fn lives(at_ms: u64, now_ms: u64) -> bool {
    now_ms < at_ms.saturating_add(IDEMPOTENCY_MS)
}
