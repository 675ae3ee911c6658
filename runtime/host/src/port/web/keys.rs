//! What is asked of a browser's authenticator, and what becomes of its answer.

use data_encoding::BASE64URL_NOPAD;
use runtime_user::passkey::{Assertion, BadPasskey, Credential, CredentialId, Registration, Site};
use runtime_user::{CallError, OwnerError, Passkey, PasskeyError, Runtime, UserId};
use serde::Serialize;

use super::sessions::Challenge;
use crate::http::Refusal;
use crate::http::service::epoch_ms;

/// What `navigator.credentials.create` is given: texts in base64url are bytes there.
#[derive(Serialize)]
pub(super) struct Create {
    challenge: String,
    rp_id: String,
    user_id: String,
    user_name: String,
    /// Passkeys of this person: an authenticator that has one of them makes no second one.
    exclude: Vec<CredentialId>,
}

/// What `navigator.credentials.get` is given.
#[derive(Serialize)]
pub(super) struct Get {
    challenge: String,
    rp_id: String,
}

impl Create {
    /// Reads the disk.
    pub(super) fn new(
        runtime: &Runtime,
        user: UserId,
        rp_id: &str,
        challenge: &Challenge,
    ) -> Result<Self, Refusal> {
        let known = runtime.passkeys().list(user).map_err(|error| refusal(&error))?;
        let person = runtime.people().show(&user.dashed());
        let person = person.map_err(|_| Refusal::new(404, "nobody", "the person is not here any more"))?;
        Ok(Self {
            challenge: BASE64URL_NOPAD.encode(challenge),
            rp_id: rp_id.to_owned(),
            user_id: BASE64URL_NOPAD.encode(&user.0),
            user_name: person.name,
            exclude: known.into_iter().map(|known| known.credential.id).collect(),
        })
    }
}

impl Get {
    pub(super) fn new(rp_id: &str, challenge: &Challenge) -> Self {
        Self { challenge: BASE64URL_NOPAD.encode(challenge), rp_id: rp_id.to_owned() }
    }
}

/// Why an assertion let nobody in.
#[derive(Debug)]
pub(super) enum Unasserted {
    Bad(BadPasskey),
    Kept(PasskeyError),
}

impl From<PasskeyError> for Unasserted {
    fn from(error: PasskeyError) -> Self {
        Self::Kept(error)
    }
}

/// Judges an assertion by one of the person's passkeys, and keeps its counter. Reads and writes the disk.
pub(super) fn assert(
    runtime: &Runtime,
    user: UserId,
    site: Site<'_>,
    challenge: &Challenge,
    assertion: &Assertion,
) -> Result<(), Refusal> {
    let judge = |known: &Credential| match assertion.check(site, challenge, known) {
        Ok(asserted) => Ok(asserted.counter),
        Err(bad) => Err(Unasserted::Bad(bad)),
    };
    let judged = runtime.passkeys().assert(user, &assertion.id, epoch_ms(), judge);
    judged.map_err(|unasserted| match unasserted {
        Unasserted::Bad(bad @ BadPasskey::Counter { .. }) => {
            tracing::warn!(user = %user.short(), "a passkey's counter went back: it was copied");
            bad_passkey(bad)
        }
        Unasserted::Bad(bad) => bad_passkey(bad),
        // Not told apart from a wrong signature: nobody learns here which ids there are.
        Unasserted::Kept(PasskeyError::Unknown) => bad_passkey(BadPasskey::Signature),
        Unasserted::Kept(error) => refusal(&error),
    })
}

/// Keeps a new passkey under that name. Reads and writes the disk.
pub(super) fn add(
    runtime: &Runtime,
    user: UserId,
    site: Site<'_>,
    challenge: &Challenge,
    (registration, name): (&Registration, String),
) -> Result<CredentialId, Refusal> {
    let credential = registration.check(site, challenge).map_err(bad_passkey)?;
    let (id, now_ms) = (credential.id.clone(), epoch_ms());
    let passkey = Passkey { credential, name, added_ms: now_ms, used_ms: now_ms };
    runtime.passkeys().add(user, passkey).map_err(|error| refusal(&error))?;
    Ok(id)
}

pub(super) fn bad_passkey(bad: BadPasskey) -> Refusal {
    Refusal::new(403, "bad-passkey", bad.to_string())
}

/// What the browser is told of an error; the log gets the rest.
pub(super) fn refusal(error: &PasskeyError) -> Refusal {
    match error {
        PasskeyError::Owner(OwnerError::Call(CallError::Locked)) => locked(),
        PasskeyError::Full | PasskeyError::Known => Refusal::new(409, "passkey-refused", error.to_string()),
        PasskeyError::Unknown => Refusal::new(404, "no-passkey", error.to_string()),
        PasskeyError::Name => Refusal::new(400, "bad-name", error.to_string()),
        error => {
            tracing::error!(error = %runtime_user::chain(error), "passkeys cannot be used");
            Refusal::new(
                503,
                "unavailable",
                "the host cannot read or write the passkeys now: its log says why",
            )
        }
    }
}

pub(super) fn locked() -> Refusal {
    let message = "the store is locked, and the passkeys are in it: open it with a phone, then sign in";
    Refusal::new(423, "store-locked", message)
}
