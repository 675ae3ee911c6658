//! The only way out: a proxy on the loopback that the client of a registry must use. It connects to the hosts that were
//! named and to no other, in the manner that was agreed, counts what comes from there, and ends it at a limit.
//!
//! The client follows redirects, asks for tokens wherever a registry says, and reads answers of any size; none of this
//! can be set. What it may reach is therefore decided here, below it, where TLS is already sealed.
//!
//! * Invariants: a connection is opened only to a host and port of [`Allowed`]; unencrypted requests reach only the
//!   registry itself, and only at an address of this machine; no more than [`Bounds::received_bytes_max`] come in.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1 as client;
use hyper::header::{HeaderName, PROXY_AUTHORIZATION};
use hyper::http::uri::Authority;
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use runtime_package::PACKAGE_BYTES_MAX;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// What comes from a registry besides a package: manifests, tokens, heads, and what TLS adds. Bytes.
const BESIDES_BYTES: u64 = 2 << 20;
/// All that comes for one push or pull, bytes.
pub const RECEIVED_BYTES_MAX: u64 = PACKAGE_BYTES_MAX as u64 + BESIDES_BYTES;
/// How long one push or pull may take, ms: the largest package at half a megabit a second.
pub const TOTAL_MS_MAX: u64 = 600_000;
/// How long connecting may take, and how long a registry may be silent within an answer, ms.
pub const SILENCE_MS_MAX: u64 = 30_000;

/// How much and how long.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// All that is received, bytes.
    pub received_bytes_max: u64,
    /// All of a push or pull, ms.
    pub total_ms: u64,
    /// Connecting, and a silence within an answer, ms.
    pub silence_ms: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { received_bytes_max: RECEIVED_BYTES_MAX, total_ms: TOTAL_MS_MAX, silence_ms: SILENCE_MS_MAX }
    }
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    name: String,
    port: u16,
}

impl Host {
    /// Reads `HOST` or `HOST:PORT`; `None` for another form.
    pub fn parse(text: &str, default_port: u16) -> Option<Self> {
        let authority: Authority = text.parse().ok()?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return None;
        }
        Some(Self::of(&authority, default_port))
    }

    fn of(authority: &Authority, default_port: u16) -> Self {
        let port = authority.port_u16().unwrap_or(default_port);
        Self { name: authority.host().to_ascii_lowercase(), port }
    }

    /// Whether the name means this machine, whatever a name server says.
    pub fn is_this_machine(&self) -> bool {
        let address = self.name.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        self.name == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }

    async fn connect(&self, silence_ms: u64) -> io::Result<TcpStream> {
        let name = self.name.trim_matches(['[', ']']);
        let connected =
            timeout(Duration::from_millis(silence_ms), TcpStream::connect((name, self.port))).await;
        connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.name, self.port)
    }
}

/// What may be reached.
#[derive(Debug, Clone)]
pub struct Allowed {
    /// The registry.
    pub registry: Host,
    /// Whether it is reached without TLS: only on this machine.
    pub plain: bool,
    /// Further hosts, reached with TLS.
    pub also: Vec<Host>,
}

/// Why the gate let something not through. The first one counts.
#[derive(Debug)]
pub enum Stopped {
    /// A host that was not named, or in another manner.
    Elsewhere(String),
    /// More than the limit came.
    TooMuch,
    /// A host that may be reached cannot be.
    Unreachable(Host, io::Error),
}

struct State {
    allowed: Allowed,
    bounds: Bounds,
    received_bytes: AtomicU64,
    stopped: Mutex<Option<Stopped>>,
}

impl State {
    fn stop(&self, why: Stopped) {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
    }

    /// Counts received bytes; false beyond the limit.
    fn count(&self, bytes: usize) -> bool {
        let before = self.received_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        let fits = before.saturating_add(bytes as u64) <= self.bounds.received_bytes_max;
        if !fits {
            self.stop(Stopped::TooMuch);
        }
        fits
    }

    async fn connect(self: &Arc<Self>, host: &Host) -> Option<Counted> {
        match host.connect(self.bounds.silence_ms).await {
            Ok(stream) => Some(Counted { stream, state: Arc::clone(self) }),
            Err(error) => {
                self.stop(Stopped::Unreachable(host.clone(), error));
                None
            }
        }
    }
}

/// A gate that is open until it is dropped.
pub struct Gate {
    address: SocketAddr,
    state: Arc<State>,
    serving: JoinHandle<()>,
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Gate {
    /// Opens a gate on the loopback.
    ///
    /// # Errors
    /// No port can be had.
    pub async fn open(allowed: Allowed, bounds: Bounds) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (received_bytes, stopped) = (AtomicU64::new(0), Mutex::new(None));
        let state = Arc::new(State { allowed, bounds, received_bytes, stopped });
        let shared = Arc::clone(&state);
        let serving = tokio::spawn(async move {
            // Ended with the set, so that nothing goes on once the gate is dropped.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                connections.spawn(serve(stream, state));
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, state, serving })
    }

    /// Its address, in the form of a proxy's.
    pub fn proxy(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Why something was not let through, if something was.
    pub fn stopped(&self) -> Option<Stopped> {
        self.state.stopped.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

type Answer = Response<BoxBody<Bytes, hyper::Error>>;

async fn serve(stream: TcpStream, state: Arc<State>) {
    let service = service_fn(move |request| {
        let state = Arc::clone(&state);
        async move { Ok::<_, Infallible>(handle(request, state).await) }
    });
    // The client learns of a broken connection by itself.
    let _ = server::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades().await;
}

async fn handle(request: Request<Incoming>, state: Arc<State>) -> Answer {
    let tunnel = request.method() == Method::CONNECT;
    let default_port = if tunnel { 443 } else { 80 };
    let host = request.uri().authority().map(|authority| Host::of(authority, default_port));
    let Allowed { registry, plain, also } = &state.allowed;
    let allowed = host.filter(|host| match tunnel {
        true => (host == registry && !plain) || also.contains(host),
        false => host == registry && *plain,
    });
    let Some(host) = allowed else {
        // Without a path: what stands behind the host may be secret.
        let authority = request.uri().authority().map_or("nowhere", |authority| authority.as_str());
        let scheme = if tunnel { "https" } else { "http" };
        let shown: String = authority.chars().filter(|letter| !letter.is_control()).take(120).collect();
        state.stop(Stopped::Elsewhere(format!("{scheme}://{shown}")));
        return empty(StatusCode::FORBIDDEN);
    };
    let Some(stream) = state.connect(&host).await else { return empty(StatusCode::BAD_GATEWAY) };
    if tunnel {
        return join(request, stream);
    }
    if !stream.stream.peer_addr().is_ok_and(|peer| peer.ip().is_loopback()) {
        state.stop(Stopped::Elsewhere(format!("http://{host}")));
        return empty(StatusCode::FORBIDDEN);
    }
    pass(request, stream).await.unwrap_or_else(|_| empty(StatusCode::BAD_GATEWAY))
}

fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Empty::new().map_err(|never: Infallible| match never {}).boxed());
    *answer.status_mut() = status;
    answer
}

/// Passes the bytes of a connection on, in both directions.
fn join(request: Request<Incoming>, mut stream: Counted) -> Answer {
    // Ends when either side does; beyond the limit, reading fails.
    tokio::spawn(async move {
        let Ok(client) = hyper::upgrade::on(request).await else { return };
        let _ = copy_bidirectional(&mut TokioIo::new(client), &mut stream).await;
    });
    empty(StatusCode::OK)
}

/// Passes one unencrypted request on, and its answer back.
async fn pass(mut request: Request<Incoming>, stream: Counted) -> Result<Answer, hyper::Error> {
    let (mut sender, connection) = client::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move { drop(connection.await) });
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    // What was an address a moment ago is one without its host as well.
    *request.uri_mut() = path.parse::<Uri>().unwrap_or_default();
    request.headers_mut().remove(PROXY_AUTHORIZATION);
    request.headers_mut().remove(HeaderName::from_static("proxy-connection"));
    Ok(sender.send_request(request).await?.map(BodyExt::boxed))
}

/// A connection to a host, whose received bytes are counted.
struct Counted {
    stream: TcpStream,
    state: Arc<State>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        let fits = !matches!(read, Poll::Ready(Ok(()))) || self.state.count(buf.filled().len() - before);
        if fits { read } else { Poll::Ready(Err(io::Error::other("more came than may come"))) }
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
