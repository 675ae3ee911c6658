//! Calls of a browser that has no session: signing in, and a first passkey.

use handshake::encoding::TypedCode;
use handshake::error::Code;
use hyper::header;
use runtime_user::passkey::{Assertion, CHALLENGE_BYTES, CredentialId, Registration, Site};
use runtime_user::{LockState, UserId};
use serde::Deserialize;
use serde_json::json;

use super::{Add, Answered, Asked, BROWSER_CHARS_MAX, COOKIE, crowded};
use crate::http::Refusal;
use crate::http::service::epoch_ms;
use crate::port::pairing::next_connection;
use crate::port::web::answer::{json, with_cookie};
use crate::port::web::first::{Stand, nobody};
use crate::port::web::sessions::{New, secret};
use crate::port::web::{Web, door, entry, keys};

impl Asked<'_> {
    /// Answers a call without a session.
    pub(super) async fn entering(self) -> Answered {
        match self.path.as_str() {
            "/api/sign-in/begin" => self.sign_in_begins(),
            "/api/sign-in" => self.sign_in().await,
            "/api/first" => self.first_code().await,
            "/api/first/wait" => self.first_waits().await,
            "/api/first/add" => self.first_adds().await,
            _ => Err(Refusal::unknown_route()),
        }
    }

    fn sign_in_begins(&self) -> Answered {
        let state = self.web.runtime.locks().state(self.user());
        // Whoever knows the name learns whether a passkey is of use now, and nothing else.
        if !matches!(state, Ok(LockState::Unlocked { .. })) {
            return Err(keys::locked());
        }
        let (cookie, challenge) = self.web.entries.begin(self.user(), self.web.now_ms())?;
        let get = keys::Get::new(&self.visit.name, &challenge);
        with_cookie(json(&get)?, &door::set_cookie(entry::COOKIE, &cookie, Some(entry::ENTRY_MS_MAX / 1_000)))
    }

    async fn sign_in(&self) -> Answered {
        let assertion: Assertion = self.parsed()?;
        let refused =
            || Refusal::new(403, "bad-passkey", "the assertion is for no challenge of this browser");
        let challenge = assertion.challenge().ok_or_else(refused)?;
        let now_ms = self.web.now_ms();
        if !self.web.entries.knows(self.user(), self.entry_cookies(), &challenge, now_ms)? {
            return Err(refused());
        }
        // Read before the passkey is: a lock in between leaves a session that has ended.
        let opening = self.opening().ok_or_else(keys::locked)?;
        let (name, origin, id) = (self.visit.name.clone(), self.origin.clone(), assertion.id.clone());
        let judge = move |web: &Web, user: UserId| {
            let site = Site { name: &name, origin: &origin };
            keys::assert(&web.runtime, user, site, &challenge, &assertion)
        };
        self.strangers_work(judge).await?;
        if !self.web.entries.use_up(challenge, now_ms) {
            return Err(refused());
        }
        self.begin_session(id, opening)
    }

    /// Begins a session, with an id that nobody knew before.
    fn begin_session(&self, passkey: CredentialId, opening: u64) -> Answered {
        let agent =
            self.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        let browser =
            agent.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(BROWSER_CHARS_MAX).collect();
        let new = New { passkey, opening, browser, shown_ms: epoch_ms() };
        let begun = self.web.sessions.begin(self.user(), new, self.web.now_ms())?;
        tracing::info!(user = %self.user().short(), "a browser has signed in");
        let shown = json(&json!({ "token": *begun.token }))?;
        let shown = with_cookie(shown, &door::set_cookie(COOKIE, &begun.cookie, None))?;
        with_cookie(shown, &door::set_cookie(entry::COOKIE, "", Some(0)))
    }

    async fn first_code(&self) -> Answered {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Asks {
            code: String,
        }
        let Asks { code } = self.parsed()?;
        let code = TypedCode::parse(&code).map_err(|_| {
            Refusal::new(400, "bad-code", "this is no code: one character is wrong, or missing")
        })?;
        if self.opening().is_none() {
            return Err(keys::locked());
        }
        let connection = next_connection();
        let claims = move |web: &Web, user: UserId| {
            let (pairing, now_ms) = (web.runtime.pairing(), web.now_ms());
            let claimed = pairing.browser_claims(user, connection, code, now_ms);
            if claimed.is_err() {
                pairing.connection_lost(user, connection, web.now_ms());
            }
            claimed.map_err(of_window)
        };
        let claim = self.strangers_work(claims).await?;
        let cookie = secret()?;
        self.web.firsts.claimed(self.user(), &cookie, connection, self.web.now_ms());
        let shown = json(&json!({ "digits": claim.digits, "approve_by_s": claim.approve_by_s }))?;
        with_cookie(shown, &door::set_cookie(entry::COOKIE, &cookie, Some(entry::ENTRY_MS_MAX / 1_000)))
    }

    async fn first_waits(&self) -> Answered {
        let now_ms = self.web.now_ms();
        let challenge = match self.web.firsts.stand(self.user(), self.entry_cookies(), now_ms)? {
            Stand::Approved(challenge) => challenge,
            Stand::Waits(connection) => {
                let is_approved = move |web: &Web, user: UserId| {
                    Ok(web.runtime.pairing().browser_is_approved(user, connection, web.now_ms()))
                };
                match self.strangers_work(is_approved).await? {
                    Ok(true) => self.web.firsts.approved(self.user(), connection, now_ms)?,
                    Ok(false) => return json(&json!({ "approved": false })),
                    Err(code) => {
                        self.web.firsts.end(self.user(), connection);
                        return Err(of_window(code));
                    }
                }
            }
        };
        let name = self.visit.name.clone();
        let create = self
            .strangers_work(move |web, user| keys::Create::new(&web.runtime, user, &name, &challenge))
            .await?;
        json(&json!({ "approved": true, "create": create }))
    }

    async fn first_adds(&self) -> Answered {
        let Add { registration, name } = self.parsed()?;
        let stand = self.web.firsts.stand(self.user(), self.entry_cookies(), self.web.now_ms())?;
        let Stand::Approved(challenge) = stand else { return Err(nobody()) };
        let opening = self.opening().ok_or_else(keys::locked)?;
        // Used up first: a second passkey needs the first one, or another code.
        registration.check(self.site(), &challenge).map_err(keys::bad_passkey)?;
        if !self.web.firsts.use_up(self.user(), &challenge) {
            return Err(nobody());
        }
        let id = self.added(challenge, registration, name).await?;
        self.begin_session(id, opening)
    }

    pub(super) async fn added(
        &self,
        challenge: [u8; CHALLENGE_BYTES],
        registration: Registration,
        name: String,
    ) -> Result<CredentialId, Refusal> {
        let (host, origin) = (self.visit.name.clone(), self.origin.clone());
        let add = move |web: &Web, user: UserId| {
            let site = Site { name: &host, origin: &origin };
            keys::add(&web.runtime, user, site, &challenge, (&registration, name))
        };
        let id = self.work(add).await?;
        tracing::info!(user = %self.user().short(), "a passkey was added");
        Ok(id)
    }
}

/// What the browser is told about the window.
fn of_window(code: Code) -> Refusal {
    match code {
        Code::ProofWrong => Refusal::new(403, "wrong-code", "this is not the code that is shown now"),
        Code::WindowClaimed => {
            Refusal::new(409, "code-claimed", "somebody else has used this code: cancel it, and make another")
        }
        Code::NotApproved => Refusal::new(403, "not-approved", "it was not approved, or not in time"),
        Code::WindowGone => nobody(),
        _ => crowded("the host cannot do this now: try again later"),
    }
}
