//! Requests of trackers from the shops, which send to an address of their own: `/r/<segment>`.
//!
//! The segment says whose device it is and with which app it reports; `handshake` has its form. What it leads to is one
//! call of one cell that adds to the streams of that device. There is no way to read: every answer is the same whatever
//! the person's store holds.
//!
//! * Invariants: the segment reaches neither a cell nor a log; an unknown and a revoked one get the same answer; the
//!   cell is told the time zone that the owner gave, before whatever query the app sends.
//! * Not here: what the apps send (`cells/receivers`).

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use handshake::limit::{Buckets, Rate, SOURCES_MAX};
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method};
use runtime_user::paths::Target;
use runtime_user::{Answer, Head, Method as CellMethod, Receiving};

use super::backend::Backend;
use super::body::{self, BodyLimits};
use super::budget::Holder;
use super::head;
use super::refusal::Refusal;
use super::reply::Record;
use super::routes::{Route, Template};
use super::service::{Answered, App, Caller, Callers, Sender, check_encoding, dispatch, epoch_ms, unread};

/// The first segment of the paths of receivers.
pub const FIRST: &str = "r";
/// Requests of one receiver: ten a second, and a backlog of one point a request at once.
pub const REQUESTS: Rate = Rate { per_minute: 600, burst: 3_000 };
/// The longest body of a receiver's request, bytes.
pub const RECEIVER_BODY_BYTES_MAX: u64 = 1 << 20;
/// The path of the cell behind it, before the app's name.
const CELL_PATH: &str = "receive";
/// The parameter by which the cell is told the time zone.
const ZONE: &str = "zone";
/// The apps that send a point in the query of an address, also by `GET`.
const BY_QUERY: [&str; 2] = ["traccar", "gpslogger"];

/// How much each receiver may still send.
#[derive(Debug)]
pub struct ReceiverRates {
    buckets: Mutex<Buckets<[u8; 32]>>,
    started: Instant,
}

impl Default for ReceiverRates {
    fn default() -> Self {
        Self { buckets: Mutex::new(Buckets::new(REQUESTS, SOURCES_MAX)), started: Instant::now() }
    }
}

impl ReceiverRates {
    fn take(&self, receiving: &Receiving) -> Result<(), Refusal> {
        let now_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.take(*receiving.hash.as_bytes(), now_ms).map_err(Refusal::receiver_too_often)
    }
}

/// The secret segment of a receiver's path; `None` for every other path. Empty segments and one `api` before it are
/// ignored, as for other routes.
pub fn secret_in(path: &str) -> Option<&str> {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    let first = match segments.next() {
        Some("api") => segments.next(),
        first => first,
    };
    let secret = (first == Some(FIRST)).then(|| segments.next())??;
    segments.next().is_none().then_some(secret)
}

/// Answers a request to a receiver's path.
pub(super) async fn handle<B: Backend>(
    app: &App<B>,
    (parts, body): (&Parts, Incoming),
    caller: &Caller,
    record: &mut Record,
    secret: &str,
) -> Result<Answered, Refusal> {
    record.route = Template::Own("/r/<receiver>");
    let sender_waits = parts.headers.contains_key(hyper::header::EXPECT);
    let pause = Duration::from_millis(app.limits.pause_ms);
    let (receiving, target, head) = match admit(app, parts, caller, secret) {
        Ok(admitted) => admitted,
        Err(refusal) => return Err(unread(body, sender_waits, pause, record, refusal).await),
    };
    record.user = Some(receiving.user);
    let bytes_max = RECEIVER_BODY_BYTES_MAX.min(app.limits.bytes_max);
    let limits = BodyLimits { bytes_max, ..app.limits };
    let held = app.budget.hold(Holder::Person(receiving.user));
    // No JSON is expected of it: the cell keeps what it cannot read.
    let arrived = body::collect(body, limits, held, None, sender_waits, |_| Err(Refusal::no_user())).await?;
    record.bytes_in = arrived.bytes;
    let sender = Sender { user: receiving.user, device: Some(receiving.stamp()) };
    let answered = dispatch(app, Route::Cell(target), sender, (head, arrived)).await?;
    if matches!(&answered, Answered::Cell { answer: Answer::Whole { status: 200..300, .. }, .. }) {
        note(app, receiving).await;
    }
    Ok(answered)
}

/// Who it is, which cell answers, and what that is told.
fn admit<B: Backend>(
    app: &App<B>,
    parts: &Parts,
    caller: &Caller,
    secret: &str,
) -> Result<(Receiving, Target, Head), Refusal> {
    check_encoding(&parts.headers)?;
    let receiving = caller.guesses.look_up(caller.source, secret, |secret| {
        let receiving = app.backend.receiver(secret);
        receiving.filter(|it| caller.callers == Callers::Anybody || caller.callers == Callers::Of(it.user))
    });
    let receiving = receiving.map_err(Refusal::of_receiver)?;
    if let Err(why) = caller.place.admit(receiving.user) {
        tracing::debug!(user = %receiving.user.short(), %why, "a connection keeps a stranger's place");
    }
    let method = match parts.method {
        Method::POST => CellMethod::Post,
        Method::GET if BY_QUERY.contains(&&*receiving.app) => CellMethod::Get,
        _ if BY_QUERY.contains(&&*receiving.app) => return Err(Refusal::wrong_method("GET, POST")),
        _ => return Err(Refusal::wrong_method("POST")),
    };
    app.receivers.take(&receiving)?;
    let target =
        app.backend.paths().find(&[CELL_PATH, &receiving.app]).ok_or_else(Refusal::unknown_receiver)?;
    let head = head_of(&receiving, method, parts.uri.query().unwrap_or_default(), &parts.headers)?;
    Ok((receiving, target, head))
}

/// The head as the cell is told it: the owner's time zone is the first parameter of the query, empty if there is none.
fn head_of(
    receiving: &Receiving,
    method: CellMethod,
    query: &str,
    headers: &HeaderMap,
) -> Result<Head, Refusal> {
    let mut told = form_urlencoded::Serializer::new(String::new());
    told.append_pair(ZONE, receiving.time_zone.as_deref().unwrap_or_default());
    let mut told = told.finish();
    if !query.is_empty() {
        told.push('&');
        told.push_str(query);
    }
    Head::new(method, &told, |name| head::value(headers, name)).map_err(|bad| Refusal::bad_head(&bad))
}

/// Notes the day of a contact. What cannot be noted costs the owner a date in a list, so the request succeeds.
async fn note<B: Backend>(app: &App<B>, receiving: Receiving) {
    let now_ms = epoch_ms();
    if !receiving.is_news(now_ms) {
        return;
    }
    let (backend, user) = (app.backend.clone(), receiving.user);
    let noted = app.backend.in_turn(user, move || backend.note_receiver(&receiving, now_ms)).await;
    if !matches!(noted, Ok(true)) {
        tracing::warn!(user = %user.short(), "the day of a receiver's contact is not noted");
    }
}

#[cfg(test)]
mod tests {
    use runtime_user::people::People;

    use super::*;

    #[test]
    fn attack_250_a_receiver_that_sends_too_often_is_held_up_and_no_other_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let people = People::open(folder.path()).expect("opened");
        let (ada, _) = people.add("Ada", 0.0).expect("added");
        let [one, other] = ["one", "other"].map(|name| {
            let (secret, _) = people.add_receiver(ada, ("gpslogger", name), None, 1).expect("added");
            people.receiving(&secret.reveal()).expect("known")
        });
        let rates = ReceiverRates::default();
        let mut taken = 0;
        let refusal = loop {
            match rates.take(&one) {
                Ok(()) => taken += 1,
                Err(refusal) => break refusal,
            }
            assert!(taken < 2 * REQUESTS.burst, "nobody stops it");
        };
        assert!(taken >= REQUESTS.burst, "{taken}");
        assert_eq!(
            (refusal.status, &*refusal.code, refusal.retry_after_s),
            (429, "receiver-too-often", Some(1))
        );
        assert!(rates.take(&other).is_ok());
    }

    #[test]
    fn only_a_path_of_two_segments_is_a_receivers() {
        for (path, secret) in [
            ("/r/abc", Some("abc")),
            ("//r//abc/", Some("abc")),
            ("/api/r/abc", Some("abc")),
            ("/r", None),
            ("/r/", None),
            ("/r/abc/usercache/get", None),
            ("/R/abc", None),
            ("/x/r/abc", None),
            ("/api/api/r/abc", None),
            ("/", None),
        ] {
            assert_eq!(secret_in(path), secret, "{path}");
        }
    }
}
