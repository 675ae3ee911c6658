//! The calls of the page, each a POST with JSON.

mod entering;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::HeaderName;
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Request};
use runtime_map::Allow;
use runtime_user::passkey::{Assertion, CHALLENGE_BYTES, CredentialId, Registration, Site};
use runtime_user::{Answer, Body, Call, Head, Method as CellMethod, NotRun, Stamp, UserId};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::answer::{counted, json, part, with_cookie};
use super::sessions::{Digest, Found, digest_of};
use super::{Web, commands, door, entry, keys};
use crate::admin::Command;
use crate::http::page::{Shown, Visit};
use crate::http::routes::Route;
use crate::http::service::{SMALL_BYTES_MAX, now};
use crate::http::{Backend, Refusal};
use crate::port::owner;

/// The paths of the calls.
pub const PATHS: [&str; 19] = [
    "/api/sign-in/begin",
    "/api/sign-in",
    "/api/first",
    "/api/first/wait",
    "/api/first/add",
    "/api/about",
    "/api/ask",
    "/api/watch",
    "/api/put",
    "/api/tile-server",
    "/api/step-up",
    "/api/passkeys",
    "/api/passkeys/begin",
    "/api/passkeys/add",
    "/api/passkeys/remove",
    "/api/sessions",
    "/api/sessions/end",
    "/api/sign-out",
    "/api/open",
];

/// How long a browser waits for a change at most, ms: then its session is looked at again, so that one that was ended
/// elsewhere is told so within a second.
const SESSION_LOOK_MS_MAX: u64 = 800;
/// Time for a whole body.
const BODY_WAIT: Duration = Duration::from_secs(30);
/// The cookie of a session.
pub(super) const COOKIE: &str = "__Host-cellar";
/// The token of the page.
const TOKEN_FIELD: HeaderName = HeaderName::from_static("x-cellar-token");
/// A fresh assertion, as JSON in base64url.
const ASSERTION_FIELD: HeaderName = HeaderName::from_static("x-cellar-assertion");
/// Where a phone puts entries.
const PUT: &str = "/usercache/put";
/// The beginning of the keys of what owners say themselves.
const SAID: &str = "manual/";
/// Characters of what a browser calls itself that are kept.
const BROWSER_CHARS_MAX: usize = 120;

type Answered = Result<Shown, Refusal>;

/// One call.
struct Asked<'w> {
    web: &'w Arc<Web>,
    visit: &'w Visit,
    headers: HeaderMap,
    path: String,
    /// `https://` and the host, as the browser names it.
    origin: String,
    body: Bytes,
}

/// Answers a call of the page.
pub(super) async fn answer(web: &Arc<Web>, visit: &Visit, request: Request<Incoming>) -> Answered {
    let (Parts { headers, uri, .. }, body) = request.into_parts();
    let origin = door::check_origin(&headers)?;
    let path = uri.path().to_owned();
    let asked = Asked { web, visit, headers, path, origin, body: Bytes::new() };
    let without_session = ["/api/sign-in", "/api/first"].iter().any(|begin| asked.path.starts_with(begin));
    if without_session {
        let of = if asked.path == "/api/first" { &web.codes } else { &web.visits };
        web.count(of, visit.source)?;
        return Asked { body: read(body).await?, ..asked }.entering().await;
    }
    let found = asked.session()?;
    if visit.place.admit(visit.user).is_err() {
        tracing::debug!(user = %visit.user.short(), "a browser keeps a stranger's place");
    }
    Asked { body: read(body).await?, ..asked }.inside(&found).await
}

/// Answers with a part of the operator's map.
pub(super) async fn map_part(web: &Web, visit: &Visit, headers: &HeaderMap) -> Answered {
    door::check_site(headers)?;
    session(web, visit, headers)?;
    let map = web.map().ok_or_else(Refusal::unknown_route)?;
    let answer = map.answer(headers).await;
    let taken = web.runtime.room_for_answer(visit.user, answer.body().len());
    Ok(part(answer, taken.ok_or_else(too_much)?))
}

/// The session of a request.
fn session(web: &Web, visit: &Visit, headers: &HeaderMap) -> Result<Found, Refusal> {
    let token = headers.get(TOKEN_FIELD).and_then(|token| token.to_str().ok()).unwrap_or_default();
    let cookies = door::cookies(headers, COOKIE);
    web.sessions.find(visit.user, cookies, token, web.opening(visit.user), web.now_ms())
}

async fn read(body: Incoming) -> Result<Bytes, Refusal> {
    let bytes_max = usize::try_from(SMALL_BYTES_MAX).unwrap_or(usize::MAX);
    let whole = timeout(BODY_WAIT, Limited::new(body, bytes_max).collect()).await;
    let refused =
        || Refusal::new(413, "bad-body", format!("a call has at most {bytes_max} bytes, within 30 s"));
    Ok(whole.map_err(|_| refused())?.map_err(|_| refused())?.to_bytes())
}

/// The body of a call that adds a passkey.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Add {
    registration: Registration,
    name: String,
}

impl Asked<'_> {
    fn user(&self) -> UserId {
        self.visit.user
    }

    fn site(&self) -> Site<'_> {
        Site { name: &self.visit.name, origin: &self.origin }
    }

    fn parsed<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        serde_json::from_slice(&self.body).map_err(|_| {
            Refusal::new(400, "bad-body", "the body is not what this call takes: see docs/api.md")
        })
    }

    fn entry_cookies(&self) -> impl Iterator<Item = &str> {
        door::cookies(&self.headers, entry::COOKIE)
    }

    fn opening(&self) -> Option<u64> {
        self.web.opening(self.user())
    }

    /// The session of this call.
    fn session(&self) -> Result<Found, Refusal> {
        session(self.web, self.visit, &self.headers)
    }

    /// Does work of the person that may wait for the disk.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Web, UserId) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let (web, user) = (Arc::clone(self.web), self.user());
        ran(self.web.runtime.turns().run(user, move || work(&web, user)).await)
    }

    /// The same for somebody who has not signed in.
    async fn strangers_work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Web, UserId) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let (web, user) = (Arc::clone(self.web), self.user());
        ran(self.web.runtime.turns().run_for_strangers(user, move || work(&web, user)).await)
    }

    async fn inside(self, found: &Found) -> Answered {
        match self.path.as_str() {
            "/api/about" => self.about(found),
            "/api/tile-server" => self.tile_server(found).await,
            "/api/ask" => self.ask(found).await,
            "/api/watch" => self.watch().await,
            "/api/put" => self.put(found).await,
            "/api/step-up" => self.step_up_begins(found),
            "/api/passkeys" => self.passkeys(found).await,
            "/api/passkeys/begin" => self.passkey_begins(found).await,
            "/api/passkeys/add" => self.passkey_is_added(found).await,
            "/api/passkeys/remove" => self.passkey_is_removed(found).await,
            "/api/sessions" => json(&self.web.sessions.list(self.user(), found)),
            "/api/sessions/end" => self.session_ends(),
            "/api/sign-out" => {
                self.web.sessions.end_own(self.user(), found);
                with_cookie(json(&json!({}))?, &door::set_cookie(COOKIE, "", Some(0)))
            }
            "/api/open" => Err(keys::locked()),
            _ => Err(Refusal::unknown_route()),
        }
    }

    fn about(&self, found: &Found) -> Answered {
        json(&json!({
            "way": "passkey", "device": null, "scopes": [], "commands": commands::names(),
            "step_up": commands::of_step_up(), "puts": true, "opens": false,
            "map_file": self.web.map().is_some(), "tile_server": self.web.sessions.tiles(self.user(), found)?,
        }))
    }

    /// Lets the page of this session ask a tile server from its next load on, or none any more. Whoever is asked learns where
    /// the owner looks, so it needs the passkey.
    async fn tile_server(&self, found: &Found) -> Answered {
        let Allow { origin } = self.parsed()?;
        if origin.is_some() {
            self.check_step_up(found).await?;
        }
        self.web.sessions.allow_tiles(self.user(), found, origin)?;
        json(&json!({}))
    }

    /// What an assertion of this call is bound to: its path and its body.
    fn call(&self) -> Digest {
        digest_of(&[self.path.as_bytes(), &self.body])
    }

    fn step_up_begins(&self, found: &Found) -> Answered {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Asks {
            path: String,
            body: String,
        }
        let Asks { path, body } = self.parsed()?;
        let call = digest_of(&[path.as_bytes(), body.as_bytes()]);
        let challenge = self.web.sessions.challenge(self.user(), found, call, self.web.now_ms())?;
        json(&keys::Get::new(&self.visit.name, &challenge))
    }

    /// Whether this very call comes with a fresh assertion, which is used up by it.
    async fn check_step_up(&self, found: &Found) -> Result<(), Refusal> {
        let missing =
            || Refusal::new(403, "step-up", "this needs a fresh signature of a passkey for this very call");
        let field = self.headers.get(ASSERTION_FIELD).ok_or_else(missing)?;
        let bytes = BASE64URL_NOPAD.decode(field.as_bytes()).map_err(|_| missing())?;
        let assertion: Assertion = serde_json::from_slice(&bytes).map_err(|_| missing())?;
        let challenge = assertion.challenge().ok_or_else(missing)?;
        let now_ms = self.web.now_ms();
        if !self.web.sessions.use_up(self.user(), found, &challenge, self.call(), now_ms)? {
            return Err(missing());
        }
        let (name, origin) = (self.visit.name.clone(), self.origin.clone());
        self.work(move |web, user| {
            let site = Site { name: &name, origin: &origin };
            keys::assert(&web.runtime, user, site, &challenge, &assertion)
        })
        .await
    }

    async fn ask(&self, found: &Found) -> Answered {
        let command = Command::of_person(&self.body, &self.user().dashed())
            .map_err(|error| Refusal::new(400, "bad-command", error.to_string()))?;
        // It waits; so it has a path of its own, which holds no turn of the person's work.
        if !command.is_for_page() || matches!(command, Command::WatchPerson(_)) {
            return Err(Refusal::new(403, "not-here", "this command is not given here"));
        }
        if commands::needs_step_up(&command) {
            self.check_step_up(found).await?;
        }
        if !commands::is_idle(&command) {
            self.web.sessions.used(self.user(), found, self.web.now_ms())?;
        }
        let stamp = Stamp::of_passkey(found.passkey.as_bytes());
        let text = self
            .work(move |web, user| owner::outcome(&web.runtime, user, &stamp, command, web.address()))
            .await?;
        let taken = self.web.runtime.room_for_answer(self.user(), text.len());
        let taken = taken.ok_or_else(too_much)?;
        Ok(counted(Bytes::from(text), taken))
    }

    /// Waits until something changes, and answers only if the session still lasts then. It shows no owner.
    async fn watch(&self) -> Answered {
        let command = Command::of_person(&self.body, &self.user().dashed())
            .map_err(|error| Refusal::new(400, "bad-command", error.to_string()))?;
        let Command::WatchPerson(mut watch) = command else {
            return Err(Refusal::new(400, "bad-command", "this path takes the command `watch`"));
        };
        watch.wait_ms = watch.wait_ms.min(SESSION_LOOK_MS_MAX);
        let outcome = watch.answer_later(&self.web.runtime, self.user()).await;
        self.session()?;
        json(&outcome)
    }

    /// Puts what its owner says about their diary, as a phone puts it, and no reading.
    async fn put(&self, found: &Found) -> Answered {
        let batch: Value = self.parsed()?;
        let entries = batch["phone_to_server"].as_array().map(Vec::as_slice).unwrap_or_default();
        let is_said =
            |entry: &Value| entry["metadata"]["key"].as_str().is_some_and(|key| key.starts_with(SAID));
        if entries.is_empty() || !entries.iter().all(is_said) {
            let message = "a browser puts what its owner says: entries whose keys begin with `manual/`, and no readings";
            return Err(Refusal::new(400, "bad-body", message));
        }
        self.web.sessions.used(self.user(), found, self.web.now_ms())?;
        let runtime = &self.web.runtime;
        let Route::Cell(target) = Route::find(runtime.catalogue().paths(), &Method::POST, PUT)? else {
            return Err(Refusal::unknown_route());
        };
        let head = Head::new(CellMethod::Post, "", |_| None).map_err(|bad| Refusal::bad_head(&bad))?;
        // As it was read: a member that stands twice is judged and stored as one.
        let body = Body::from_chunks(vec![Bytes::from(json!({ "phone_to_server": entries }).to_string())]);
        let device = Some(Stamp::of_passkey(found.passkey.as_bytes()));
        match Backend::call(runtime, self.user(), Call { target, now: now(), head, body, device }).await? {
            Answer::Whole { status: 200, body, taken, .. } => Ok(counted(body.into(), taken)),
            _ => Err(Refusal::new(400, "not-taken", "the entries were not taken")),
        }
    }

    async fn passkeys(&self, found: &Found) -> Answered {
        let all =
            self.work(|web, user| web.runtime.passkeys().list(user).map_err(|error| keys::refusal(&error)));
        let all: Vec<_> = all
            .await?
            .into_iter()
            .map(|passkey| {
                json!({
                    "id": passkey.credential.id, "name": passkey.name, "added_ms": passkey.added_ms,
                    "used_ms": passkey.used_ms, "current": passkey.credential.id == found.passkey,
                })
            })
            .collect();
        json(&all)
    }

    async fn passkey_begins(&self, found: &Found) -> Answered {
        self.check_step_up(found).await?;
        let call = adding();
        let challenge = self.web.sessions.challenge(self.user(), found, call, self.web.now_ms())?;
        let name = self.visit.name.clone();
        json(&self.work(move |web, user| keys::Create::new(&web.runtime, user, &name, &challenge)).await?)
    }

    async fn passkey_is_added(&self, found: &Found) -> Answered {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Asks {
            challenge: String,
            registration: Registration,
            name: String,
        }
        let Asks { challenge, registration, name } = self.parsed()?;
        let refused = || Refusal::new(403, "bad-passkey", "the passkey is for no challenge of this session");
        let challenge =
            BASE64URL_NOPAD.decode(challenge.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        let challenge: [u8; CHALLENGE_BYTES] = challenge.ok_or_else(refused)?;
        if !self.web.sessions.use_up(self.user(), found, &challenge, adding(), self.web.now_ms())? {
            return Err(refused());
        }
        let id = self.added(challenge, registration, name).await?;
        json(&json!({ "id": id }))
    }

    async fn passkey_is_removed(&self, found: &Found) -> Answered {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Asks {
            id: CredentialId,
        }
        let Asks { id } = self.parsed()?;
        self.check_step_up(found).await?;
        let removed = id.clone();
        let remove = move |web: &Web, user: UserId| {
            web.runtime.passkeys().remove(user, &removed).map_err(|error| keys::refusal(&error))
        };
        self.work(remove).await?;
        self.web.sessions.end_of(self.user(), &id);
        tracing::info!(user = %self.user().short(), "a passkey was removed, and its sessions have ended");
        json(&json!({}))
    }

    fn session_ends(&self) -> Answered {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Asks {
            id: String,
        }
        let Asks { id } = self.parsed()?;
        if self.web.sessions.end(self.user(), &id) {
            json(&json!({}))
        } else {
            Err(Refusal::new(404, "no-session", "this session has ended already"))
        }
    }
}

/// What the challenge for another passkey is bound to.
fn adding() -> Digest {
    digest_of(&[b"adding a passkey"])
}

fn too_much() -> Refusal {
    crowded("too much waits for this person's callers: try again later")
}

fn crowded(message: &'static str) -> Refusal {
    Refusal::new(503, "unavailable", message).retry_after(5)
}

fn ran<T>(done: Result<Result<T, Refusal>, NotRun>) -> Result<T, Refusal> {
    done.unwrap_or_else(|_| Err(crowded("too much of this person's work waits: try again later")))
}
