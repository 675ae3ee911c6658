//! A browser whose owner has typed the code of a pairing window, until it has its passkey.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use handshake::pairing::ConnectionId;
use runtime_user::UserId;

use super::entry::ENTRY_MS_MAX;
use super::sessions::{Challenge, Digest, digest_of, random};
use crate::http::Refusal;

/// Where a browser stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stand {
    /// Its owner has not answered.
    Waits(ConnectionId),
    /// Its owner has said yes: it may make a passkey for this challenge.
    Approved(Challenge),
}

struct First {
    cookie: Digest,
    stand: Stand,
    until_ms: u64,
}

/// At most one for each person, like their windows.
#[derive(Default)]
pub(super) struct Firsts {
    all: Mutex<HashMap<UserId, First>>,
}

pub(super) fn nobody() -> Refusal {
    Refusal::new(
        410,
        "code-over",
        "no code waits for this browser: make another with `cellar pair`, and type it in",
    )
}

impl Firsts {
    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, First>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A browser has claimed the window.
    pub(super) fn claimed(&self, user: UserId, cookie: &str, connection: ConnectionId, now_ms: u64) {
        let (cookie, stand) = (digest_of(&[cookie.as_bytes()]), Stand::Waits(connection));
        self.lock().insert(user, First { cookie, stand, until_ms: now_ms + ENTRY_MS_MAX });
    }

    /// Where the browser with one of these cookies stands.
    pub(super) fn stand<'c>(
        &self,
        user: UserId,
        mut cookies: impl Iterator<Item = &'c str>,
        now_ms: u64,
    ) -> Result<Stand, Refusal> {
        let mut all = self.lock();
        all.retain(|_, first| now_ms < first.until_ms);
        let first = all.get(&user).ok_or_else(nobody)?;
        let is_it = cookies.any(|cookie| digest_of(&[cookie.as_bytes()]) == first.cookie);
        if is_it { Ok(first.stand) } else { Err(nobody()) }
    }

    /// Its owner has said yes; returns the challenge for its passkey.
    pub(super) fn approved(
        &self,
        user: UserId,
        connection: ConnectionId,
        now_ms: u64,
    ) -> Result<Challenge, Refusal> {
        let challenge = *random()?;
        let mut all = self.lock();
        let first = all.get_mut(&user).filter(|first| first.stand == Stand::Waits(connection));
        let first = first.ok_or_else(nobody)?;
        (first.stand, first.until_ms) = (Stand::Approved(challenge), now_ms + ENTRY_MS_MAX);
        Ok(challenge)
    }

    /// Uses up the approval; `false`: another request was faster.
    pub(super) fn use_up(&self, user: UserId, challenge: &Challenge) -> bool {
        let mut all = self.lock();
        let is_it = all.get(&user).is_some_and(|first| first.stand == Stand::Approved(*challenge));
        is_it && all.remove(&user).is_some()
    }

    /// The window has no browser any more.
    pub(super) fn end(&self, user: UserId, connection: ConnectionId) {
        self.lock().retain(|owner, first| *owner != user || first.stand != Stand::Waits(connection));
    }
}
