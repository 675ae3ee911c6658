//! Limits on bad tokens: a number a minute from one source, and a number from all sources for tokens with the same
//! beginning.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use handshake::limit::{Limits, Source, TokenPrefix};

use super::refusal::Refusal;

/// The bad tokens that came to one port. It holds beginnings of bad tokens, never a whole one.
pub struct Guesses {
    limits: Mutex<Limits>,
    started: Instant,
}

impl Default for Guesses {
    fn default() -> Self {
        Self { limits: Mutex::default(), started: Instant::now() }
    }
}

impl Guesses {
    fn lock(&self) -> MutexGuard<'_, Limits> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The person whose token it is, or what a receiver's path leads to, according to `find`, if its source may present
    /// one now.
    ///
    /// # Errors
    /// 429 while the source may not; 403 where the token belongs to no person, which counts as a guess.
    pub(super) fn look_up<T>(
        &self,
        source: Source,
        token: &str,
        find: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, Refusal> {
        let now_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let prefix = TokenPrefix::of(token);
        self.lock().may_show_token(source, prefix, now_ms).map_err(Refusal::too_many_tokens)?;
        let found = find(token);
        if found.is_none() {
            self.lock().token_was_bad(source, prefix, now_ms);
        }
        found.ok_or_else(Refusal::unknown_token)
    }
}
