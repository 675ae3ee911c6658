//! The sessions of all people: in memory, each known by the digests of its cookie and of its page's token.
//!
//! * Units: moments are ms of the lasting clock.
//! * Invariants: an id is drawn when somebody signs in and never before; a session that has ended is gone before it is
//!   asked about.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use runtime_map::TileServer;
use runtime_user::UserId;
use runtime_user::passkey::{CHALLENGE_BYTES, CredentialId};
use zeroize::Zeroizing;

use crate::http::Refusal;

/// Sessions of one person; the one that was used least recently makes room.
pub const BROWSER_SESSIONS_MAX: usize = 16;
/// How long a session may be without a call that its owner made, ms.
pub const SESSION_IDLE_MS_MAX: u64 = 30 * 60_000;
/// How long a session lasts at most, ms.
pub const SESSION_MS_MAX: u64 = 12 * 3_600_000;
/// How long a challenge for a step-up may wait for its assertion, ms.
pub const STEP_UP_MS_MAX: u64 = 120_000;
/// Challenges of a session that wait; the oldest makes room.
pub const STEP_UPS_MAX: usize = 8;

/// A challenge.
pub(super) type Challenge = [u8; CHALLENGE_BYTES];
/// SHA-256.
pub(super) type Digest = [u8; 32];
/// A text that is a secret.
pub(super) type Words = Zeroizing<String>;

/// Why there is no session, or no step-up.
pub(super) fn outside() -> Refusal {
    Refusal::new(401, "outside", "sign in: there is no such session, or it has ended")
}

/// The digest of some texts, each with its length.
pub(super) fn digest_of(parts: &[&[u8]]) -> Digest {
    let mut context = ring::digest::Context::new(&SHA256);
    for part in parts {
        context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(part);
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    bytes
}

/// A random text of 256 bits.
pub(super) fn secret() -> Result<Words, Refusal> {
    Ok(Zeroizing::new(BASE64URL_NOPAD.encode(&*random()?)))
}

pub(super) fn random() -> Result<Zeroizing<[u8; 32]>, Refusal> {
    let mut bytes = Zeroizing::new([0; 32]);
    let filled = SystemRandom::new().fill(&mut *bytes);
    filled.map_err(|_| Refusal::new(503, "unavailable", "the operating system gives no random bytes"))?;
    Ok(bytes)
}

/// A challenge that was given for one call.
struct StepUp {
    challenge: Challenge,
    call: Digest,
    until_ms: u64,
}

struct Session {
    id: Digest,
    token: Digest,
    passkey: CredentialId,
    opening: u64,
    began_ms: u64,
    used_ms: u64,
    shown: Shown,
    step_ups: Vec<StepUp>,
    /// The tile server that its owner has allowed.
    tiles: Option<TileServer>,
}

/// A session as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(super) struct Shown {
    /// A name of it, from which its cookie cannot be found.
    pub(super) id: String,
    /// What the browser calls itself.
    pub(super) browser: String,
    /// When it began, ms since 1970.
    pub(super) began_ms: u64,
    /// Whether it is the one that asks.
    pub(super) current: bool,
}

/// A session that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    id: Digest,
    /// The passkey that began it.
    pub(super) passkey: CredentialId,
}

/// What a browser gets that has signed in.
pub(super) struct Begun {
    pub(super) cookie: Words,
    pub(super) token: Words,
}

/// What is known of somebody who signs in.
pub(super) struct New {
    pub(super) passkey: CredentialId,
    /// Which opening of the store it is.
    pub(super) opening: u64,
    pub(super) browser: String,
    /// ms since 1970, for display.
    pub(super) shown_ms: u64,
}

/// All sessions.
#[derive(Default)]
pub(super) struct Sessions {
    all: Mutex<HashMap<UserId, Vec<Session>>>,
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, Vec<Session>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins one, with a new id and a new token.
    pub(super) fn begin(&self, user: UserId, new: New, now_ms: u64) -> Result<Begun, Refusal> {
        let begun = Begun { cookie: secret()?, token: secret()? };
        let id = digest_of(&[begun.cookie.as_bytes()]);
        let shown = Shown {
            id: HEXLOWER.encode(&digest(&SHA256, &id).as_ref()[..8]),
            browser: new.browser,
            began_ms: new.shown_ms,
            current: false,
        };
        let session = Session {
            id,
            token: digest_of(&[begun.token.as_bytes()]),
            passkey: new.passkey,
            opening: new.opening,
            began_ms: now_ms,
            used_ms: now_ms,
            shown,
            step_ups: Vec::new(),
            tiles: None,
        };
        let mut all = self.lock();
        let of_person = all.entry(user).or_default();
        if of_person.len() >= BROWSER_SESSIONS_MAX {
            let oldest = of_person.iter().enumerate().min_by_key(|(_, session)| session.used_ms);
            oldest.map(|(place, _)| place).map(|place| of_person.swap_remove(place));
        }
        of_person.push(session);
        Ok(begun)
    }

    /// The session with one of these cookies and this token, while the store is in that opening. Sessions that have ended
    /// are removed.
    pub(super) fn find<'c>(
        &self,
        user: UserId,
        cookies: impl Iterator<Item = &'c str>,
        token: &str,
        opening: Option<u64>,
        now_ms: u64,
    ) -> Result<Found, Refusal> {
        let token = digest_of(&[token.as_bytes()]);
        let ids: Vec<Digest> = cookies.map(|cookie| digest_of(&[cookie.as_bytes()])).collect();
        let mut all = self.lock();
        let Some(of_person) = all.get_mut(&user) else { return Err(outside()) };
        of_person.retain(|session| session.lasts(opening, now_ms));
        let found = of_person.iter().find(|session| session.token == token && ids.contains(&session.id));
        let found = found.map(|session| Found { id: session.id, passkey: session.passkey.clone() });
        if of_person.is_empty() {
            all.remove(&user);
        }
        found.ok_or_else(outside)
    }

    fn with<T>(
        &self,
        user: UserId,
        found: &Found,
        change: impl FnOnce(&mut Session) -> T,
    ) -> Result<T, Refusal> {
        let mut all = self.lock();
        let session = all.get_mut(&user).and_then(|all| all.iter_mut().find(|one| one.id == found.id));
        session.map(change).ok_or_else(outside)
    }

    /// Its owner has done something: the time without use begins anew.
    pub(super) fn used(&self, user: UserId, found: &Found, now_ms: u64) -> Result<(), Refusal> {
        self.with(user, found, |session| session.used_ms = now_ms)
    }

    /// Lets the page of this session ask that tile server; `None`: none any more.
    pub(super) fn allow_tiles(
        &self,
        user: UserId,
        found: &Found,
        tiles: Option<TileServer>,
    ) -> Result<(), Refusal> {
        self.with(user, found, |session| session.tiles = tiles)
    }

    /// The tile server of this session.
    pub(super) fn tiles(&self, user: UserId, found: &Found) -> Result<Option<TileServer>, Refusal> {
        self.with(user, found, |session| session.tiles.clone())
    }

    /// The tile server of the session with one of these cookies. A browser that loads the page has no token to show; what it
    /// learns here is the policy that it was given before.
    pub(super) fn tiles_of_browser<'c>(
        &self,
        user: UserId,
        cookies: impl Iterator<Item = &'c str>,
        opening: Option<u64>,
        now_ms: u64,
    ) -> Option<TileServer> {
        let ids: Vec<Digest> = cookies.map(|cookie| digest_of(&[cookie.as_bytes()])).collect();
        let all = self.lock();
        let mut lasting = all.get(&user)?.iter().filter(|session| session.lasts(opening, now_ms));
        lasting.find(|session| ids.contains(&session.id))?.tiles.clone()
    }

    /// A challenge whose assertion counts for this call of this session.
    pub(super) fn challenge(
        &self,
        user: UserId,
        found: &Found,
        call: Digest,
        now_ms: u64,
    ) -> Result<Challenge, Refusal> {
        let challenge = *random()?;
        self.with(user, found, |session| {
            session.step_ups.retain(|waiting| now_ms < waiting.until_ms);
            if session.step_ups.len() >= STEP_UPS_MAX {
                session.step_ups.remove(0);
            }
            session.step_ups.push(StepUp { challenge, call, until_ms: now_ms + STEP_UP_MS_MAX });
            challenge
        })
    }

    /// Uses up a challenge; whether it was given to this session, for this call, a short time ago. Whatever the answer, it
    /// counts no more.
    pub(super) fn use_up(
        &self,
        user: UserId,
        found: &Found,
        challenge: &Challenge,
        call: Digest,
        now_ms: u64,
    ) -> Result<bool, Refusal> {
        self.with(user, found, |session| {
            let place = session.step_ups.iter().position(|waiting| waiting.challenge == *challenge);
            let waiting = place.map(|place| session.step_ups.remove(place));
            waiting.is_some_and(|waiting| waiting.call == call && now_ms < waiting.until_ms)
        })
    }

    /// The person's sessions.
    pub(super) fn list(&self, user: UserId, found: &Found) -> Vec<Shown> {
        let all = self.lock();
        let of_person = all.get(&user).into_iter().flatten();
        of_person.map(|session| Shown { current: session.id == found.id, ..session.shown.clone() }).collect()
    }

    /// Ends the one of that name; returns whether there was one.
    pub(super) fn end(&self, user: UserId, name: &str) -> bool {
        self.end_where(user, |session| session.shown.id == name)
    }

    /// Ends this one.
    pub(super) fn end_own(&self, user: UserId, found: &Found) {
        self.end_where(user, |session| session.id == found.id);
    }

    /// Ends all that this passkey began.
    pub(super) fn end_of(&self, user: UserId, passkey: &CredentialId) {
        self.end_where(user, |session| session.passkey == *passkey);
    }

    fn end_where(&self, user: UserId, ends: impl Fn(&Session) -> bool) -> bool {
        let mut all = self.lock();
        let Some(of_person) = all.get_mut(&user) else { return false };
        let before = of_person.len();
        of_person.retain(|session| !ends(session));
        of_person.len() < before
    }
}

impl Session {
    fn lasts(&self, opening: Option<u64>, now_ms: u64) -> bool {
        opening == Some(self.opening)
            && now_ms.saturating_sub(self.used_ms) < SESSION_IDLE_MS_MAX
            && now_ms.saturating_sub(self.began_ms) < SESSION_MS_MAX
    }
}
