//! Challenges of browsers that have not signed in. None of them is kept: a challenge proves itself, so that strangers
//! cannot use up room in which its owner would stand.
//!
//! ```text
//! challenge = end, ms (8) ‖ HMAC-SHA256(key of this process, person ‖ end ‖ SHA-256(cookie)), 24 bytes of it
//! ```
//!
//! * A challenge is bound to the cookie that came with it. One that has let somebody in is remembered until its end, and
//!   counts no more.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use ring::hmac;
use ring::rand::SystemRandom;
use runtime_user::UserId;
use subtle::ConstantTimeEq;

use super::sessions::{Challenge, Words, digest_of, secret};
use crate::http::Refusal;

/// How long a browser that has not signed in may take for a step, ms.
pub const ENTRY_MS_MAX: u64 = 5 * 60_000;
/// The cookie of a browser that has not signed in.
pub(super) const COOKIE: &str = "__Host-cellar-entry";

const END_BYTES: usize = 8;

/// Challenges of all browsers.
#[derive(Default)]
pub(super) struct Entries {
    key: Mutex<Option<hmac::Key>>,
    /// Those that have let somebody in, with their end.
    used: Mutex<BTreeMap<Challenge, u64>>,
}

impl Entries {
    /// A cookie and a challenge for it.
    pub(super) fn begin(&self, user: UserId, now_ms: u64) -> Result<(Words, Challenge), Refusal> {
        let cookie = secret()?;
        let challenge = self.made(user, &cookie, now_ms + ENTRY_MS_MAX)?;
        Ok((cookie, challenge))
    }

    fn made(&self, user: UserId, cookie: &str, end_ms: u64) -> Result<Challenge, Refusal> {
        let mut key = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        if key.is_none() {
            let drawn = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
            let failed = |_| Refusal::new(503, "unavailable", "the operating system gives no random bytes");
            *key = Some(drawn.map_err(failed)?);
        }
        let key = key.as_ref().ok_or_else(|| Refusal::new(503, "unavailable", "there is no key"))?;
        let end = end_ms.to_be_bytes();
        let tag = hmac::sign(key, &digest_of(&[&user.0, &end, &digest_of(&[cookie.as_bytes()])]));
        let mut challenge = [0; 32];
        challenge[..END_BYTES].copy_from_slice(&end);
        challenge[END_BYTES..].copy_from_slice(&tag.as_ref()[..32 - END_BYTES]);
        Ok(challenge)
    }

    /// Whether this challenge was given to the browser with one of these cookies, has not ended and let nobody in.
    pub(super) fn knows<'c>(
        &self,
        user: UserId,
        cookies: impl Iterator<Item = &'c str>,
        challenge: &Challenge,
        now_ms: u64,
    ) -> Result<bool, Refusal> {
        let mut end = [0; END_BYTES];
        end.copy_from_slice(&challenge[..END_BYTES]);
        let end_ms = u64::from_be_bytes(end);
        let left_ms = end_ms.checked_sub(now_ms).filter(|left_ms| (1..=ENTRY_MS_MAX).contains(left_ms));
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner).contains_key(challenge);
        if left_ms.is_none() || used {
            return Ok(false);
        }
        for cookie in cookies {
            let made = self.made(user, cookie, end_ms)?;
            if bool::from(made.ct_eq(challenge)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Uses up a challenge that has let somebody in; `false`: somebody was faster.
    pub(super) fn use_up(&self, challenge: Challenge, now_ms: u64) -> bool {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, end_ms| now_ms < *end_ms);
        used.insert(challenge, now_ms + ENTRY_MS_MAX).is_none()
    }
}
