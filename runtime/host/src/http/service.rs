//! Serves one request: its route, its caller, its body, its answer.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use handshake::error::Code;
use handshake::limit::Source;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use runtime_user::{Answer, Body, Call, Head, NotRun, PROFILE, Runtime, Stamp, Taken, UserId};
use runtime_wire::places::Place;
use serde_json::{Map, Value, json};

use super::backend::Backend;
use super::body::{self, Arrived, BodyLimits};
use super::budget::{Budget, Held, Holder};
use super::guesses::Guesses;
use super::head;
use super::receivers::{self, ReceiverRates};
use super::refusal::{Refusal, parts, response};
use super::reply::{Record, Reply};
use super::routes::{self, Own, Route};
use super::watch::Phase;

/// The largest body of a route that the host itself answers, bytes.
pub const SMALL_BYTES_MAX: u64 = 128 * 1024;
/// The largest profile, bytes: as large as any document of a person may be.
pub const PROFILE_BYTES_MAX: usize = 256 * 1024;

/// What every connection's requests share.
#[derive(Debug)]
pub struct App<B> {
    /// The code that answers.
    pub backend: B,
    /// Limits on the size of a body for a cell, and on the time for any body.
    pub limits: BodyLimits,
    /// Memory for bodies, of the whole host.
    pub budget: Budget,
    /// How much each receiver may still send.
    pub receivers: ReceiverRates,
}

/// Which callers' requests a connection may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Callers {
    /// Any caller that has a token: the front for phones that cannot name their person.
    Anybody,
    /// Any caller that has a token of this person.
    Of(UserId),
}

/// Who sends requests on a connection, as far as the connection shows it.
pub struct Caller {
    /// The callers whose tokens are valid here.
    pub callers: Callers,
    /// The source of the connection.
    pub source: Source,
    /// The host that every request must name; `None`: any.
    pub authority: Option<String>,
    /// The bad tokens that came to this port.
    pub guesses: Arc<Guesses>,
    /// The place of the connection.
    pub place: Arc<Place>,
}

/// Whose request it is, and which of the person's devices sent it.
#[derive(Debug, Clone)]
pub struct Sender {
    /// The person.
    pub user: UserId,
    /// The device, as far as the request proves it.
    pub device: Option<Stamp>,
}

pub(crate) enum Answered {
    Json(Value),
    Html(&'static str),
    /// To another address.
    Redirect(String),
    /// Of the paths below `/.upc/`.
    Small {
        status: StatusCode,
        body: Bytes,
    },
    /// JSON whose memory is counted.
    Counted {
        body: Bytes,
        taken: Option<Taken>,
    },
    Cell {
        answer: Answer,
        held: Held,
    },
}

/// Answers one request. Never fails: an error is an answer too.
pub async fn answer<B: Backend>(
    app: Arc<App<B>>,
    request: Request<Incoming>,
    caller: Arc<Caller>,
    phase: Arc<Phase>,
) -> Response<Reply> {
    let mut record = Record::start(method_name(request.method()), phase);
    let outcome = handle(&app, request, &caller, &mut record).await;
    respond(outcome, record)
}

/// Turns an outcome into an HTTP answer.
pub(crate) fn respond(outcome: Result<Answered, Refusal>, record: Record) -> Response<Reply> {
    match outcome {
        Ok(Answered::Json(value)) => {
            whole(response(StatusCode::OK, "application/json"), value.to_string(), record)
        }
        Ok(Answered::Html(text)) => {
            let builder = response(StatusCode::OK, "text/html; charset=utf-8").header(
                header::CONTENT_SECURITY_POLICY,
                HeaderValue::from_static(
                    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
                ),
            );
            whole(builder, text, record)
        }
        Ok(Answered::Redirect(to)) => {
            let builder = response(StatusCode::SEE_OTHER, "application/json").header(header::LOCATION, to);
            whole(builder, r#"{"redirect":"success"}"#, record)
        }
        Ok(Answered::Small { status, body }) => whole(response(status, "application/json"), body, record),
        Ok(Answered::Counted { body, taken }) => finish(
            response(StatusCode::OK, "application/json"),
            |record| Reply::whole(body, taken, record),
            record,
        ),
        Ok(Answered::Cell { answer, held }) => cell_answer(answer, held, record),
        Err(refusal) => {
            let (builder, body) = parts(&refusal);
            whole(builder, body, record)
        }
    }
}

fn whole(builder: hyper::http::response::Builder, body: impl Into<Bytes>, record: Record) -> Response<Reply> {
    finish(builder, |record| Reply::whole(body.into(), None, record), record)
}

fn finish(
    builder: hyper::http::response::Builder,
    reply: impl FnOnce(Record) -> Reply,
    mut record: Record,
) -> Response<Reply> {
    let (mut parts, ()) =
        builder.body(()).expect("status and headers are ours or were checked before").into_parts();
    record.status = parts.status.as_u16();
    // A refused body may not have been read to its end, so the bytes that follow on the connection are not a request.
    if record.unread || matches!(record.status, 408 | 413) {
        parts.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Response::from_parts(parts, reply(record))
}

fn cell_answer(answer: Answer, held: Held, record: Record) -> Response<Reply> {
    // An invalid status would be a cell's fault; the runtime has checked that it is 200 to 599.
    let status = |status| StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    match answer {
        Answer::Whole { status: code, content_type, body, taken } => {
            let builder = response(status(code), &content_type);
            finish(builder, |record| Reply::whole(body.into(), taken, record), record)
        }
        Answer::Pieces { status: code, content_type, pieces } => {
            let builder = response(status(code), &content_type);
            finish(builder, |record| Reply::pieces(pieces, record, Some(held)), record)
        }
    }
}

async fn handle<B: Backend>(
    app: &App<B>,
    request: Request<Incoming>,
    caller: &Caller,
    record: &mut Record,
) -> Result<Answered, Refusal> {
    let pause = Duration::from_millis(app.limits.pause_ms);
    let (parts, body) = request.into_parts();
    let sender_waits = parts.headers.contains_key(header::EXPECT);
    let named = caller.authority.as_deref().is_none_or(|name| names_host(&parts.uri, &parts.headers, name));
    if let Some(secret) = receivers::secret_in(parts.uri.path()).filter(|_| named) {
        return receivers::handle(app, (&parts, body), caller, record, secret).await;
    }
    let route = match Route::find_behind_api(app.backend.paths(), &parts.method, parts.uri.path()) {
        _ if !named => Err(Refusal::wrong_authority()),
        found => found,
    };
    let route = match route {
        Ok(route) => route,
        Err(refusal) => return Err(unread(body, sender_waits, pause, record, refusal).await),
    };
    record.route = route.template();
    match route {
        Route::Own(Own::Home) => return Ok(Answered::Html(include_str!("home.html"))),
        Route::Own(Own::Health) => return Ok(Answered::Json(json!({ "healthy": true }))),
        Route::Own(Own::Redirect) => {
            return routes::redirected(parts.uri.path(), parts.uri.query())
                .map(Answered::Redirect)
                .ok_or_else(|| Refusal::new(414, "query-too-long", "the query of this address is too long"));
        }
        _ => {}
    }
    let authenticate = |token: &str| -> Result<Sender, Refusal> {
        let user = caller.guesses.look_up(caller.source, token, |token| {
            let user = app.backend.authenticate(token);
            user.filter(|user| caller.callers == Callers::Anybody || caller.callers == Callers::Of(*user))
        })?;
        if let Err(why) = caller.place.admit(user) {
            tracing::debug!(user = %user.short(), %why, "a connection keeps a stranger's place");
        }
        Ok(Sender { user, device: Stamp::of_token(token) })
    };
    let known =
        bearer(authenticate, &parts.headers).and_then(|bearer| Ok((bearer, head::of(&route, &parts)?)));
    let (bearer, head) = match known {
        Ok(known) => known,
        Err(refusal) => return Err(unread(body, sender_waits, pause, record, refusal).await),
    };
    record.user = bearer.as_ref().map(|bearer| bearer.user);
    let bytes_max =
        if route.is_cell() { app.limits.bytes_max } else { SMALL_BYTES_MAX.min(app.limits.bytes_max) };
    let limits = BodyLimits { bytes_max, ..app.limits };
    let authenticate = |token: &str| -> Result<Sender, Refusal> {
        let sender = authenticate(token)?;
        let another = bearer.as_ref().is_some_and(|bearer| bearer.user != sender.user);
        if another { Err(Refusal::two_users()) } else { Ok(sender) }
    };
    // A request without a body says nothing in it: its sender is the one that the header names.
    let check = (parts.method != Method::GET).then(|| route.check());
    let holder = bearer.as_ref().map_or(Holder::Stranger(caller.source), |known| Holder::Person(known.user));
    let held = app.budget.hold(holder);
    let mut arrived = body::collect(body, limits, held, check, sender_waits, authenticate).await?;
    record.bytes_in = arrived.bytes;
    let sender = bearer.clone().or(arrived.sender.take()).ok_or_else(Refusal::no_user)?;
    record.user = Some(sender.user);
    dispatch(app, route, sender, (head, arrived)).await
}

/// A refusal that needs nothing of the body. A sender that waits to be asked for the body is not asked: a read would
/// ask.
pub(super) async fn unread(
    body: Incoming,
    sender_waits: bool,
    pause: Duration,
    record: &mut Record,
    refusal: Refusal,
) -> Refusal {
    if sender_waits {
        record.unread = true;
    } else {
        body::drain(body, pause).await;
    }
    refusal
}

/// The caller that the header names; `None` where it names none.
fn bearer(
    authenticate: impl Fn(&str) -> Result<Sender, Refusal>,
    headers: &HeaderMap,
) -> Result<Option<Sender>, Refusal> {
    check_encoding(headers)?;
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Refusal::new(400, "two-authorizations", "send one `authorization` header"));
    }
    let token = value.to_str().ok().and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token)
    });
    authenticate(token.ok_or_else(Refusal::no_user)?).map(Some)
}

/// Whether a request names that host and no other, with any port.
pub(crate) fn names_host(uri: &Uri, headers: &HeaderMap, name: &str) -> bool {
    let is_it = |authority: &str| {
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        host.eq_ignore_ascii_case(name)
    };
    let named = uri.authority().map(|authority| authority.as_str());
    let headers = headers.get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or_default());
    let mut all = named.into_iter().chain(headers).peekable();
    all.peek().is_some() && all.all(is_it)
}

/// Compressed bodies are not accepted.
pub(crate) fn check_encoding(headers: &HeaderMap) -> Result<(), Refusal> {
    let encoding = headers.get(header::CONTENT_ENCODING);
    let plain = encoding.is_none_or(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if plain { Ok(()) } else { Err(Refusal::encoded()) }
}

pub(crate) async fn dispatch<B: Backend>(
    app: &App<B>,
    route: Route,
    Sender { user, device }: Sender,
    (head, mut arrived): (Head, Arrived),
) -> Result<Answered, Refusal> {
    let backend = app.backend.clone();
    let own = match route {
        Route::Cell(target) => {
            let body = Body::from_chunks(std::mem::take(&mut arrived.pieces));
            let call = Call { target, now: now(), head, body, device };
            let answer = backend.call(user, call).await?;
            return Ok(Answered::Cell { answer, held: arrived.held });
        }
        Route::Own(own) => own,
    };
    // What the other routes show is told in the audit first.
    let tell = move |backend: &B, route, documents| backend.tell(user, route, documents, device.as_ref());
    let json = match own {
        Own::Home | Own::Health | Own::Redirect | Own::OwnerAsk => return Err(Refusal::unknown_route()),
        Own::ProfileCreate => json!({ "uuid": user.dashed() }),
        Own::ProfileGet => {
            let shown = blocking(app, user, move || {
                tell(&backend, "/profile/get", &[PROFILE])?;
                backend.profile(user)
            });
            Value::Object(shown.await?)
        }
        Own::ProfileUpdate => {
            let fields = update_doc(&arrived.pieces.concat())?;
            blocking(app, user, move || update_profile(&backend, user, fields)).await?;
            json!({ "update": true })
        }
        Own::PipelineRange => {
            let shown = blocking(app, user, move || {
                tell(&backend, "/pipeline/get_range_ts", &[PROFILE])?;
                backend.pipeline_range(user)
            });
            let (start_ts, end_ts) = shown.await?;
            json!({ "start_ts": start_ts, "end_ts": end_ts })
        }
        Own::PipelineComplete => {
            let shown = blocking(app, user, move || {
                tell(&backend, "/pipeline/get_complete_ts", &["pipeline"])?;
                backend.pipeline_complete(user)
            });
            json!({ "complete_ts": shown.await? })
        }
    };
    Ok(Answered::Json(json))
}

fn update_doc(body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    let parsed: Value = serde_json::from_slice(body).map_err(|error| {
        Refusal::new(400, "bad-json", format!("the body is not JSON as this route needs it: {error}"))
    })?;
    match parsed {
        Value::Object(mut members) => match members.remove("update_doc") {
            Some(Value::Object(fields)) => Ok(fields),
            _ => {
                Err(Refusal::new(400, "no-update-doc", "`update_doc` must be an object of the fields to set"))
            }
        },
        _ => Err(Refusal::new(400, "bad-json", "the body must be an object")),
    }
}

fn update_profile<B: Backend>(backend: &B, user: UserId, fields: Map<String, Value>) -> Result<(), Refusal> {
    let mut profile = backend.profile(user)?;
    profile.extend(fields.clone());
    let bytes = Value::Object(profile).to_string().len();
    if bytes > PROFILE_BYTES_MAX {
        let message = format!("the profile would have {bytes} bytes, over the limit of {PROFILE_BYTES_MAX}");
        return Err(Refusal::new(413, "profile-too-large", message));
    }
    backend.update_profile(user, fields)
}

/// Runs what may wait for the disk on a thread where that delays no socket, in the person's turn.
async fn blocking<B: Backend, T: Send + 'static>(
    app: &App<B>,
    user: UserId,
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let done = app.backend.in_turn(user, work).await;
    done.unwrap_or_else(
        |_| Err(Refusal::new(503, "unavailable", "the host cannot answer now").retry_after(5)),
    )
}

/// The same for an answer of the handshake.
pub(crate) async fn blocking_code<T: Send + 'static>(
    runtime: &Runtime,
    user: UserId,
    work: impl FnOnce() -> Result<T, Code> + Send + 'static,
) -> Result<T, Code> {
    told(runtime.turns().run(user, work).await)
}

/// What work that waited for its turn tells a phone.
pub(crate) fn told<T>(done: Result<Result<T, Code>, NotRun>) -> Result<T, Code> {
    match done {
        Ok(done) => done,
        Err(NotRun::Crowded { .. }) => Err(Code::RateLimited),
        Err(NotRun::Lost) => Err(Code::Starting),
    }
}

/// The host's clock, ms since 1970.
pub fn epoch_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The host's clock, s.
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// A method in the form that logs show: only known names, since a caller may send any text.
pub(crate) fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::HEAD => "HEAD",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}
