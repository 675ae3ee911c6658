//! A paired device's connection: HTTP/2, with each request checked against what the device may do at that moment.
//!
//! * Invariants: a request counts for the device whose key is this connection's, whatever its body says; a revoked
//!   device loses its open connections within a second; a path leads to a cell only through the device's own grant.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use handshake::body;
use handshake::error::Code;
use handshake::keys::Head;
use handshake::limit::{Buckets, Rate};
use handshake::secret::Secret;
use handshake::session::{
    Check, Endpoint, HEAD_FIELD, LockReply, RosterRequest, RotateRequest, SessionRequest, SignRequest,
    StoreState, UnlockRequest, head_field,
};
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use runtime_user::{Admission, Runtime, SessionTerms, Stamp};
use serde::de::DeserializeOwned;

use super::owner;
use super::pairing::json;
use super::upc::{self, SmallBody};
use crate::http::Refusal;
use crate::http::body::{self as http_body, BodyLimits};
use crate::http::budget::Holder;
use crate::http::head;
use crate::http::pace::{self, Pace};
use crate::http::reply::{Record, Reply, Taking};
use crate::http::routes::{Own, Route, Template};
use crate::http::server::{Encrypted, Stopped};
use crate::http::service::{
    Answered, App, SMALL_BYTES_MAX, Sender, blocking_code, check_encoding, dispatch, epoch_ms, method_name,
    names_host, respond,
};
use crate::http::watch::{Patience, Phase, Watched};

/// Maximum number of requests of one connection at one moment.
const STREAMS_MAX: u32 = 64;
/// A device that was quiet may send the requests of this many seconds at once, s.
const BURST_S: u32 = 2;
/// Longest headers of a request, bytes.
const HEADERS_BYTES_MAX: u32 = 16 * 1024;
/// Streams that a device opened and reset before they were handled; beyond this the connection ends.
const RESETS_MAX: usize = 32;
/// Every connection ends after a day, however busy it is, so that its keys are replaced.
const CONNECTION_MAX: Duration = Duration::from_secs(24 * 3_600);
/// How long a revoked device may take to ask for the reason.
const REFUSAL_MAX: Duration = Duration::from_secs(1);
/// Interval between checks whether a connection is idle, or its device stops receiving an answer.
const IDLE_LOOK: Duration = Duration::from_secs(5);

/// Answers the requests of all devices.
pub struct NativeApp {
    /// All people's runtimes, and the limits on bodies.
    pub app: Arc<App<Arc<Runtime>>>,
    /// The limits that a grant states.
    pub terms: SessionTerms,
    /// How long a connection may take for each thing that its device has to do.
    pub patience: Patience,
}

struct Connection {
    native: Arc<NativeApp>,
    admission: Admission,
    exporter: Secret<32>,
    /// The server name of the TLS handshake, which every request must name too.
    server_name: String,
    active: AtomicU32,
    last: Mutex<Instant>,
    rate: Mutex<Buckets<()>>,
    /// The answers under way.
    taking: Mutex<Vec<Weak<Taking>>>,
}

/// Counts a request while it is being answered.
struct Active<'a>(&'a Connection);

impl<'a> Active<'a> {
    fn begin(connection: &'a Connection) -> Self {
        connection.active.fetch_add(1, Ordering::Relaxed);
        Self(connection)
    }
}

impl Drop for Active<'_> {
    fn drop(&mut self) {
        *self.0.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serves a device's connection to its end.
pub(super) async fn serve(
    encrypted: Encrypted,
    native: Arc<NativeApp>,
    mut admission: Admission,
    exporter: Secret<32>,
    mut stopped: Stopped,
) {
    let server_name = encrypted.get_ref().1.server_name().unwrap_or_default().to_owned();
    let last = Mutex::new(Instant::now());
    let per_s = native.terms.requests_per_s_max;
    let rate = Rate { per_minute: per_s.saturating_mul(60), burst: per_s.saturating_mul(BURST_S) };
    let shared = Arc::new(Connection {
        native,
        admission: admission.clone(),
        exporter,
        server_name,
        active: AtomicU32::new(0),
        last,
        rate: Mutex::new(Buckets::new(rate, 1)),
        taking: Mutex::default(),
    });
    // A ping would wait behind an answer on a slow link, so the traffic is watched instead.
    let patience = shared.native.patience;
    let socket = Watched::new(encrypted, Phase::new(), patience);
    let mut ending = Ending {
        sent: socket.sent(),
        seen: 0,
        rate: patience.rate,
        pace: Pace::new(patience.rate),
        begun: false,
    };
    let of_request = Arc::clone(&shared);
    let service = service_fn(move |request| {
        let connection = Arc::clone(&of_request);
        async move { Ok::<_, Infallible>(connection.answer(request).await) }
    });
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADERS_BYTES_MAX)
        .max_pending_accept_reset_streams(RESETS_MAX);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(socket), service));
    let mut look = tokio::time::interval(IDLE_LOOK);
    let begun = Instant::now();
    loop {
        let end = tokio::select! {
            done = &mut connection => {
                if let Err(error) = done {
                    tracing::debug!(%error, "device's connection ended");
                }
                return;
            }
            () = admission.changed() => {
                // Dropping the connection ends it fastest; requests that are under way get no answer.
                if !shared.runtime().devices().still_admitted(&shared.admission) {
                    tracing::info!(user = %admission.user.short(), device = %admission.device, "device shut out");
                    return;
                }
                false
            }
            _ = look.tick() => {
                if shared.is_overdue() || ending.is_overdue(shared.active.load(Ordering::Relaxed)) {
                    tracing::info!(user = %admission.user.short(), "device took its answers too slowly");
                    return;
                }
                shared.is_idle() || begun.elapsed() >= CONNECTION_MAX
            }
            _ = stopped.wait_for(|stopped| *stopped), if !ending.begun => true,
        };
        if end && !ending.begun {
            ending.begun = true;
            connection.as_mut().graceful_shutdown();
        }
    }
}

/// The end of a connection, which waits for the device to receive its answers, as long as it makes progress.
struct Ending {
    begun: bool,
    sent: Arc<AtomicU64>,
    seen: u64,
    rate: pace::Rate,
    pace: Pace,
}

impl Ending {
    /// Whether the device has taken too long. Requests that are still being answered do not count against it.
    fn is_overdue(&mut self, active: u32) -> bool {
        let sent = self.sent.load(Ordering::Relaxed);
        let moved = sent - std::mem::replace(&mut self.seen, sent);
        if !self.begun || active > 0 {
            self.pace = Pace::new(self.rate);
            return false;
        }
        self.pace.wait();
        self.pace.moved(moved);
        self.pace.wait() <= tokio::time::Instant::now()
    }
}

/// Reports the refusal to a device that is no longer admitted, on the connection that it resumed, and ends the
/// connection.
pub(super) async fn refuse(encrypted: Encrypted, code: Code) {
    let service =
        service_fn(move |_: Request<Incoming>| async move { Ok::<_, Infallible>(upc::response(Err(code))) });
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(1)
        .serve_connection(TokioIo::new(encrypted), service);
    let mut connection = std::pin::pin!(connection);
    // One answer for a device that asks at once.
    let _ = tokio::time::timeout(REFUSAL_MAX, connection.as_mut()).await;
}

/// Why a request did not get its route's answer.
enum Unanswered {
    Code(Code),
    Refusal(Refusal),
}

impl From<Code> for Unanswered {
    fn from(code: Code) -> Self {
        Self::Code(code)
    }
}

impl From<Refusal> for Unanswered {
    fn from(refusal: Refusal) -> Self {
        Self::Refusal(refusal)
    }
}

impl From<owner::Unasked> for Unanswered {
    fn from(why: owner::Unasked) -> Self {
        match why {
            owner::Unasked::Code(code) => Self::Code(code),
            owner::Unasked::Refusal(refusal) => Self::Refusal(refusal),
        }
    }
}

impl Connection {
    fn runtime(&self) -> &Arc<Runtime> {
        &self.native.app.backend
    }

    fn is_idle(&self) -> bool {
        let since = self.last.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
        let quiet = since >= Duration::from_millis(self.native.patience.idle_ms);
        quiet && self.active.load(Ordering::Relaxed) == 0 && self.taking().is_empty()
    }

    /// The answers that are under way now.
    fn taking(&self) -> MutexGuard<'_, Vec<Weak<Taking>>> {
        let mut taking = self.taking.lock().unwrap_or_else(PoisonError::into_inner);
        taking.retain(|taking| taking.strong_count() > 0);
        taking
    }

    /// Whether the device has stopped receiving an answer that it asked for.
    fn is_overdue(&self) -> bool {
        self.taking().iter().filter_map(Weak::upgrade).any(|taking| taking.is_overdue())
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Reply> {
        let _active = Active::begin(&self);
        let mut record = Record::start(method_name(request.method()), Phase::new());
        record.user = Some(self.admission.user);
        let of_data = !request.uri().path().starts_with("/.upc/");
        let mut response = match self.handle(request, &mut record).await {
            Ok(answered) => {
                let head = if of_data { self.head().await } else { None };
                let mut response = respond(Ok(answered), record);
                let field = head.and_then(|head| HeaderValue::from_str(&head_field(&head)).ok());
                if let Some(field) = field {
                    response.headers_mut().insert(HEAD_FIELD, field);
                }
                response
            }
            Err(Unanswered::Refusal(refusal)) => respond(Err(refusal), record),
            Err(Unanswered::Code(code)) => {
                let (status, body) = upc::refusal(code);
                respond(Ok(Answered::Small { status, body }), record)
            }
        };
        let taking = response.body_mut().watch(self.native.patience.rate);
        self.taking().push(Arc::downgrade(&taking));
        response
    }

    /// Where the store stands after a request, with what the request stored.
    async fn head(&self) -> Option<Head> {
        let (runtime, user) = (Arc::clone(self.runtime()), self.admission.user);
        if let Some(head) = runtime.head_now(user) {
            return Some(head);
        }
        if runtime.open_people().check_standing(user).is_err() {
            return None;
        }
        tokio::task::spawn_blocking(move || runtime.head(user)).await.ok().flatten()
    }

    async fn handle(
        self: &Arc<Self>,
        request: Request<Incoming>,
        record: &mut Record,
    ) -> Result<Answered, Unanswered> {
        if !self.runtime().devices().still_admitted(&self.admission) {
            return Err(Code::DeviceUnknown.into());
        }
        self.runtime().devices().vouched(&self.admission)?;
        let taken = self
            .rate
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take((), self.runtime().clocks().lasting_ms());
        taken.map_err(|_| Code::RateLimited)?;
        if !names_host(request.uri(), request.headers(), &self.server_name) {
            return Err(Code::WrongAuthority.into());
        }
        let path = request.uri().path().to_owned();
        if path.starts_with("/.upc/") {
            record.route = Template::Own("/.upc/v1");
            let endpoint = Endpoint::of_path(&path).filter(|_| request.method() == Method::POST);
            let endpoint = endpoint.ok_or(Code::Malformed)?;
            // An owner proves to be present at the console only; a device alone never does.
            self.admission.authorise(endpoint, false)?;
            let body = upc::read_body(request.into_body()).await?;
            let answer = self.upc(endpoint, &body).await?;
            return Ok(Answered::Small {
                status: hyper::StatusCode::OK,
                body: Bytes::copy_from_slice(&answer),
            });
        }
        let route = self.route(request.method(), &path)?;
        record.route = route.template();
        self.call(route, request, record).await
    }

    /// The route of a path, as far as the device may use it.
    fn route(&self, method: &Method, path: &str) -> Result<Route, Unanswered> {
        let paths = self.runtime().catalogue().paths();
        if path.starts_with("/c/") {
            let granted = self.runtime().devices().granted(
                &self.admission,
                path,
                self.runtime().clocks().lasting_ms(),
            )?;
            let route = Route::find(paths, method, &granted.path)?;
            return match &route {
                Route::Cell(target) if *target.cell == granted.cell => {
                    self.admission.require(target.path.scope)?;
                    Ok(route)
                }
                _ => Err(Code::ScopeMissing.into()),
            };
        }
        let route = Route::find(paths, method, path)?;
        // Cells can be reached at granted paths only.
        let Route::Own(own) = route else { return Err(Code::ScopeMissing.into()) };
        own.scope().map_or(Ok(()), |scope| self.admission.require(scope))?;
        Ok(route)
    }

    async fn call(
        &self,
        route: Route,
        request: Request<Incoming>,
        record: &mut Record,
    ) -> Result<Answered, Unanswered> {
        let app = &self.native.app;
        let user = self.admission.user;
        check_encoding(request.headers())?;
        let bytes_max =
            if route.is_cell() { app.limits.bytes_max } else { SMALL_BYTES_MAX.min(app.limits.bytes_max) };
        let limits = BodyLimits { bytes_max, ..app.limits };
        let sender_waits = request.headers().contains_key(header::EXPECT);
        // The connection identifies the caller, so the body is not searched for a name. The cell that reads it judges
        // its JSON.
        let sender = Sender { user, device: Some(Stamp::of_device(self.admission.device)) };
        let (parts, body) = request.into_parts();
        let (head, known) = (head::of(&route, &parts)?, |_: &str| Ok(sender.clone()));
        let held = app.budget.hold(Holder::Person(user));
        let arrived = http_body::collect(body, limits, held, None, sender_waits, known).await?;
        record.bytes_in = arrived.bytes;
        if route == Route::Own(Own::OwnerAsk) {
            // A page that stays open asks again and again, so this keeps no store open: a session does.
            return Ok(owner::answer(self.runtime(), &self.admission, &arrived.pieces.concat()).await?);
        }
        self.runtime().locks().renew(user);
        Ok(dispatch(app, route, sender, (head, arrived)).await?)
    }

    async fn upc(self: &Arc<Self>, endpoint: Endpoint, body: &SmallBody) -> Result<SmallBody, Code> {
        // Limits and grants use the lasting clock; a revocation is dated for people.
        let (this, now_ms) = (Arc::clone(self), self.runtime().clocks().lasting_ms());
        let (runtime, user) = (self.runtime(), self.admission.user);
        match endpoint {
            Endpoint::Session => {
                let request: SessionRequest = read(body)?;
                let terms = self.native.terms;
                let open = move || this.runtime().session(&this.admission, &request, terms, now_ms);
                json(&blocking_code(runtime, user, open).await?)
            }
            Endpoint::Unlock => {
                let request: UnlockRequest = read(body)?;
                let unlock = move || this.runtime().unlock_by(&this.admission, &request, now_ms);
                json(&blocking_code(runtime, user, unlock).await?)
            }
            Endpoint::Rotate => {
                let request: RotateRequest = read(body)?;
                let rotate =
                    move || this.runtime().devices().rotate_key(&this.admission, &request, &this.exporter);
                blocking_code(runtime, user, rotate).await?;
                json(&handshake::session::Empty {})
            }
            Endpoint::Roster => {
                let request: RosterRequest = read(body)?;
                let show = move || this.runtime().rosters_for(&this.admission, request);
                json(&blocking_code(runtime, user, show).await?)
            }
            Endpoint::Sign => {
                let request: SignRequest = read(body)?;
                let sign = move || this.runtime().sign_roster(&this.admission, request);
                blocking_code(runtime, user, sign).await?;
                json(&handshake::session::Empty {})
            }
            Endpoint::Devices => json(&self.runtime().devices().list_for(&self.admission)?),
            Endpoint::Lock => {
                runtime.lock_by(&self.admission).await?;
                json(&LockReply { store: StoreState::Locked })
            }
            Endpoint::Revoke(device) => {
                let revoke = move || {
                    let runtime = this.runtime();
                    runtime
                        .devices()
                        .revoke(this.admission.user, device, epoch_ms())
                        .map_err(|_| Code::Malformed)
                };
                blocking_code(runtime, user, revoke).await?;
                json(&handshake::session::Empty {})
            }
        }
    }
}

fn read<T: DeserializeOwned + Check>(bytes: &[u8]) -> Result<T, Code> {
    let read: T = body::read(bytes)?;
    read.check()?;
    Ok(read)
}
