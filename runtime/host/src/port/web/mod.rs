//! The owner's page at the person's own name: a browser signs in with a passkey, and its session gives the owner's
//! commands.
//!
//! ```text
//! browser ── GET /, /assets/… ───────────────▶ files: nothing of anybody's
//!         ── GET /map.pmtiles, a range ──────▶ `sessions`, then a part of the operator's map
//!         ── POST /api/first… ───────────────▶ `first`: code of a pairing window, digits, a first passkey
//!         ── POST /api/sign-in… ─────────────▶ `entry`: an assertion by a passkey; a cookie, and a token for the page
//!         ── POST /api/ask, /api/step-up … ──▶ `sessions`, `calls`: cookie and token; an assertion for what takes away
//! ```
//!
//! * Invariants: nothing of a person leaves before a session was found by its cookie and its token, at the origin of this
//!   very name; a session ends with the lock of the store, with its passkey, after a time without use, and after a day's
//!   part; an assertion counts once, for one session and one call.
//! * Session ids and tokens are kept as digests. Sessions are in memory: a restart ends them.
//! * Not here: what a passkey is (`runtime_passkey`), where they are kept (`runtime_user`), which commands there are
//!   (`crate::admin`), the files of the page (`runtime/dashboard`).

mod answer;
mod calls;
mod commands;
mod door;
mod entry;
mod first;
mod keys;
mod sessions;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use handshake::limit::{Buckets, Rate, Source};
use hyper::body::Incoming;
use hyper::{HeaderMap, Method, Request, Response};
use runtime_map::{MAP_PATH, MapFile, TileServer};
use runtime_user::{Runtime, UserId};

use crate::admin::PhoneAddress;
use crate::http::Refusal;
use crate::http::page::{Page, Showing, Shown, Visit};
use entry::Entries;
use first::Firsts;
use sessions::Sessions;

pub use calls::PATHS;
pub use entry::ENTRY_MS_MAX;
pub use sessions::{BROWSER_SESSIONS_MAX, SESSION_IDLE_MS_MAX, SESSION_MS_MAX, STEP_UP_MS_MAX, STEP_UPS_MAX};

/// Calls without a session of one source, a minute.
pub const VISITS_PER_MINUTE_MAX: u32 = 60;
/// Codes that one source may try, a minute.
pub const CODES_PER_MINUTE_MAX: u32 = 10;
/// Sources whose calls are counted.
const SOURCES_MAX: usize = 8192;

/// The answer to a request for a file with these headers, security headers included; `None`: there is no such file. The
/// page may ask the tile server, if there is one.
pub type FindFile = fn(&str, &HeaderMap, Option<&TileServer>) -> Option<Response<Bytes>>;

/// The files of the page, which the program brings that serves them.
#[derive(Clone)]
pub struct PageFiles {
    /// Finds one.
    pub find: FindFile,
    /// The street map of the operator, if there is one.
    pub map: Option<Arc<MapFile>>,
}

/// The page of all people.
pub(crate) struct Web {
    runtime: Arc<Runtime>,
    files: OnceLock<PageFiles>,
    /// Where phones reach the host.
    address: OnceLock<PhoneAddress>,
    sessions: Sessions,
    entries: Entries,
    firsts: Firsts,
    visits: Mutex<Buckets<Source>>,
    codes: Mutex<Buckets<Source>>,
}

impl Web {
    /// Nobody is signed in.
    pub(crate) fn new(runtime: Arc<Runtime>) -> Self {
        let buckets =
            |per_minute| Mutex::new(Buckets::new(Rate { per_minute, burst: per_minute }, SOURCES_MAX));
        Self {
            runtime,
            files: OnceLock::new(),
            address: OnceLock::new(),
            sessions: Sessions::default(),
            entries: Entries::default(),
            firsts: Firsts::default(),
            visits: buckets(VISITS_PER_MINUTE_MAX),
            codes: buckets(CODES_PER_MINUTE_MAX),
        }
    }

    /// Brings the files; a second time it changes nothing.
    pub(crate) fn bring(&self, files: PageFiles) {
        let _ = self.files.set(files);
    }

    fn map(&self) -> Option<&Arc<MapFile>> {
        self.files.get()?.map.as_ref()
    }

    /// Which opening of the person's store it is; `None`: it is locked, or the person is suspended.
    fn opening(&self, user: UserId) -> Option<u64> {
        let stands = self.runtime.people().is_suspended(user) == Some(false);
        self.runtime.passkeys().opening(user).filter(|_| stands)
    }

    /// The tile server that the owner has allowed in this browser, where a request for the page comes from it.
    fn tiles(&self, user: UserId, headers: &HeaderMap) -> Option<TileServer> {
        let cookies = door::cookies(headers, calls::COOKIE);
        self.sessions.tiles_of_browser(user, cookies, self.opening(user), self.now_ms())
    }

    fn file(&self, visit: &Visit, path: &str, headers: &HeaderMap) -> Shown {
        let is_page = path == "/" || path == "/index.html";
        let tiles = is_page.then(|| self.tiles(visit.user, headers)).flatten();
        let found = self.files.get().and_then(|files| (files.find)(path, headers, tiles.as_ref()));
        found.map_or_else(|| answer::refused(&Refusal::unknown_route()), answer::file)
    }

    /// Says where phones reach the host; a second time it changes nothing.
    pub(crate) fn tell_address(&self, address: String) {
        let _ = self.address.set(PhoneAddress::of_pairing(address));
    }

    fn address(&self) -> &PhoneAddress {
        self.address.get_or_init(PhoneAddress::untold)
    }

    fn now_ms(&self) -> u64 {
        self.runtime.clocks().lasting_ms()
    }

    /// Counts a call of somebody who has not signed in.
    fn count(&self, buckets: &Mutex<Buckets<Source>>, source: Source) -> Result<(), Refusal> {
        let taken = buckets.lock().unwrap_or_else(PoisonError::into_inner).take(source, self.now_ms());
        taken.map_err(|wait_ms| {
            let seconds = u32::try_from(wait_ms.div_ceil(1_000)).unwrap_or(u32::MAX);
            Refusal::new(429, "too-often", "too many calls from there without a session: try again later")
                .retry_after(seconds)
        })
    }

    async fn shown(self: &Arc<Self>, visit: &Visit, request: Request<Incoming>) -> Shown {
        if let Err(refusal) = door::check_host(&request, &visit.name) {
            return answer::refused(&refusal);
        }
        let is_call = PATHS.contains(&request.uri().path());
        match (request.method(), is_call) {
            (&Method::POST, true) => {
                calls::answer(self, visit, request).await.unwrap_or_else(|refusal| answer::refused(&refusal))
            }
            (_, true) => answer::refused(&Refusal::wrong_method("POST")),
            (&Method::GET, false) if request.uri().path() == MAP_PATH => {
                let shown = calls::map_part(self, visit, request.headers()).await;
                shown.unwrap_or_else(|refusal| answer::refused(&refusal))
            }
            (&Method::GET | &Method::HEAD, false) => {
                self.file(visit, request.uri().path(), request.headers())
            }
            (_, false) => answer::refused(&Refusal::wrong_method("GET")),
        }
    }
}

impl Page for Web {
    fn takes(&self, path: &str) -> bool {
        let is_file =
            || path == "/" || path == "/index.html" || path == "/icon.svg" || path.starts_with("/assets/");
        let is_map = || path == MAP_PATH && self.map().is_some();
        PATHS.contains(&path) || (self.files.get().is_some() && is_file()) || is_map()
    }

    fn answer(self: Arc<Self>, visit: Visit, request: Request<Incoming>) -> Showing {
        Box::pin(async move { self.shown(&visit, request).await })
    }
}
