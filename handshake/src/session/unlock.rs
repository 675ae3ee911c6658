//! `POST /.upc/v1/unlock`: a device opens its slot in its hardware and sends the data key.

use super::{Check, require_valid};
use crate::body::INTEGER_MAX;
use crate::encoding::DeviceId;
use crate::error::Code;
use crate::secret::Secret;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Wrong data keys that one device may send within an hour.
pub const UNLOCKS_PER_HOUR_MAX: usize = 5;
const HOUR_MS: u64 = 3_600_000;

/// The data key. Only in the body, never in a header, never in a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnlockRequest {
    /// The generation of the data key, from 1.
    #[serde(rename = "gen")]
    pub generation: u32,
    /// The key.
    pub udk: Secret<32>,
}

impl Check for UnlockRequest {
    fn check(&self) -> Result<(), Code> {
        require_valid(self.generation > 0)
    }
}

/// The answer: the store is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnlockReply {
    /// For how long, in seconds from now.
    #[serde(rename = "until")]
    pub until_s: u64,
}

impl Check for UnlockReply {
    fn check(&self) -> Result<(), Code> {
        require_valid(self.until_s <= INTEGER_MAX)
    }
}

/// Counts the attempts of each device. The caller stores it after an attempt is counted and before the key is checked,
/// or a crash at the right moment would give free attempts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnlockGuard(BTreeMap<DeviceId, Vec<u64>>);

impl UnlockGuard {
    /// Counts an attempt. It remains counted unless [`Self::forget`] follows.
    ///
    /// # Errors
    /// Seconds until the device may try again, where it has made [`UNLOCKS_PER_HOUR_MAX`] attempts; this one is not
    /// counted then. Answer with [`Code::RateLimited`].
    pub fn attempt(&mut self, device: DeviceId, now_ms: u64) -> Result<(), u32> {
        let attempts = self.0.entry(device).or_default();
        attempts.retain(|at_ms| now_ms < at_ms.saturating_add(HOUR_MS));
        // A clock that was set back must not turn an hour into years.
        attempts.iter_mut().for_each(|at_ms| *at_ms = now_ms.min(*at_ms));
        if attempts.len() < UNLOCKS_PER_HOUR_MAX {
            attempts.push(now_ms);
            return Ok(());
        }
        let first_ms = attempts.iter().min().copied().unwrap_or(now_ms);
        let wait_ms = (first_ms + HOUR_MS).saturating_sub(now_ms);
        Err(u32::try_from(wait_ms.div_ceil(1_000)).unwrap_or(u32::MAX))
    }

    /// Drops the attempts of a device: the key was right, or the device is revoked.
    pub fn forget(&mut self, device: DeviceId) {
        self.0.remove(&device);
    }
}
