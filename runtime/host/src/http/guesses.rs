//! How many bad tokens strangers may show: one source so many a minute, and tokens that begin alike so many from all.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use handshake::limit::{Limits, Source, TokenPrefix};
use runtime_user::UserId;

use super::refusal::Refusal;

/// What was guessed at one port. Holds beginnings of bad tokens, never a whole one.
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

    /// Whose token that is, as `find` says, if its source may show one now.
    ///
    /// # Errors
    /// 429 while the source may not; 403 where the token is nobody's, which counts.
    pub(super) fn look_up(
        &self,
        source: Source,
        token: &str,
        find: impl FnOnce(&str) -> Option<UserId>,
    ) -> Result<UserId, Refusal> {
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
