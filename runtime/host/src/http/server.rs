//! The port: accepts and encrypts connections, serves each within its limits, and stops without cutting off requests.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use handshake::limit::{CONNECTIONS_PER_PERSON_MAX, CONNECTIONS_PER_SOURCE_MAX, Source};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::backend::Backend;
use super::guesses::Guesses;
use super::page::{OfPerson, Page};
use super::service::{App, Caller, Callers, answer};
use super::watch::{Ended, Patience, Phase, Watched};
use runtime_wire::accept;
use runtime_wire::peek::Rewound;
use runtime_wire::places::{Place, PlaceLimits, Places};

/// Limits on connections.
#[derive(Debug, Clone, Copy)]
pub struct ServerLimits {
    /// Connections at one moment: half of them are for strangers, half for devices and tokens of people.
    pub connections_max: usize,
    /// Time for the first message of a client, ms.
    pub hello_ms: u64,
    /// Time for the TLS handshake, ms.
    pub handshake_ms: u64,
    /// The head of a request, bytes: line and headers. At least 8192.
    pub head_bytes_max: usize,
    /// Headers of a request.
    pub headers_max: usize,
    /// Time for what the peer has to do.
    pub patience: Patience,
    /// Time for requests that are under way when the host stops, ms.
    pub grace_ms: u64,
}

impl ServerLimits {
    fn places(&self) -> PlaceLimits {
        PlaceLimits {
            strangers_max: self.connections_max / 2,
            each_source_max: CONNECTIONS_PER_SOURCE_MAX,
            people_max: self.connections_max - self.connections_max / 2,
            each_person_max: CONNECTIONS_PER_PERSON_MAX,
        }
    }
}

/// An encrypted connection.
pub type Encrypted = TlsStream<Rewound<TcpStream>>;

/// Reports to a connection that the host stops.
pub type Stopped = watch::Receiver<bool>;

/// What serves a connection to its end.
pub type Serve = Box<dyn FnOnce(Stopped) -> Serving + Send>;

/// A connection that is being served.
pub type Serving = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a front returns for a socket.
pub enum Greeted {
    /// Requests come from that source, each with a token of one of these callers.
    Requests(Box<Encrypted>, Callers, Source),
    /// The front serves it itself.
    Own(Serve),
}

/// Turns a socket into an encrypted connection of a caller.
pub trait Front: Clone + Send + Sync + 'static {
    /// Greets the peer that has connected from this address. `None`: the connection is not served; the peer has been
    /// sent the reason where that makes sense. The server bounds how long this may take.
    fn greet(
        &self,
        socket: TcpStream,
        peer: SocketAddr,
        place: &Place,
    ) -> impl Future<Output = Option<Greeted>> + Send;

    /// The source of connections from this address; `None`: it is a gateway, and its callers have sources of their own.
    fn source(&self, peer: SocketAddr) -> Option<Source> {
        Some(Source::from(peer.ip()))
    }

    /// The page at people's own names; `None`: there is none.
    fn page(&self) -> Option<Arc<dyn Page>> {
        None
    }
}

/// Sockets that may be open beyond the places for connections: those that are about to be closed.
const SOCKETS_BESIDES: usize = 16;

/// The front of a host that has one certificate and identifies callers by their tokens alone.
impl Front for TlsAcceptor {
    async fn greet(&self, socket: TcpStream, peer: SocketAddr, _: &Place) -> Option<Greeted> {
        let source = Source::from(peer.ip());
        match self.accept(Rewound::new(Vec::new(), socket)).await {
            Ok(encrypted) => Some(Greeted::Requests(Box::new(encrypted), Callers::Anybody, source)),
            Err(error) => {
                tracing::debug!(%error, "handshake failed");
                None
            }
        }
    }
}

/// A port that accepts connections.
pub struct Server<F> {
    listener: TcpListener,
    front: F,
    limits: ServerLimits,
}

impl<F: Front> Server<F> {
    /// Binds the port.
    ///
    /// # Errors
    /// The error of the operating system: the address is in use, or is not one of this machine.
    pub async fn bind(address: SocketAddr, front: F, limits: ServerLimits) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self { listener, front, limits })
    }

    /// The address that it listens at; where port 0 was asked for, the port is the real one.
    ///
    /// # Errors
    /// The error of the operating system.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop` resolves, then lets requests that are under way end.
    pub async fn serve<B: Backend>(self, app: Arc<App<B>>, stop: impl Future<Output = ()>) {
        let Self { listener, front, limits } = self;
        let places = Places::new(limits.places());
        let sockets = Arc::new(Semaphore::new(limits.connections_max.saturating_add(SOCKETS_BESIDES)));
        let guesses = Arc::new(Guesses::default());
        let (stopping, stopped) = watch::channel(false);
        let mut connections = JoinSet::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = &mut stop => break,
                Some(_) = connections.join_next(), if !connections.is_empty() => continue,
                accepted = accept(&listener, &sockets) => accepted,
            };
            let (socket, peer, open) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Most often the process is out of file descriptors; a moment later some connection has ended.
                    tracing::warn!(%error, "connection not accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let place = match places.enter(front.source(peer)) {
                Ok(place) => Arc::new(place),
                Err(why) => {
                    tracing::debug!(%why, "connection turned away");
                    continue;
                }
            };
            let (front, app, stopped) = (front.clone(), Arc::clone(&app), stopped.clone());
            let (guesses, lost, page) = (Arc::clone(&guesses), Arc::clone(&place), front.page());
            let serving = async move {
                match greet(socket, peer, front, &place, limits, stopped.clone()).await {
                    Some(Greeted::Requests(encrypted, callers, source)) => {
                        let name = encrypted.get_ref().1.server_name();
                        let page = OfPerson::new(page, callers, source, name, &place);
                        let caller = Caller::of(&encrypted, callers, source, guesses, place);
                        requests(*encrypted, (caller, page), app, limits, stopped).await;
                    }
                    Some(Greeted::Own(serve)) => serve(stopped).await,
                    None => {}
                }
            };
            connections.spawn(async move {
                tokio::select! {
                    () = serving => {}
                    () = lost.lost() => tracing::debug!("connection ended for one of another source"),
                }
                drop(open);
            });
        }
        drop(listener);
        stopping.send_replace(true);
        let waiting = connections.len();
        let all = async { while connections.join_next().await.is_some() {} };
        if timeout(Duration::from_millis(limits.grace_ms), all).await.is_err() {
            tracing::warn!(waiting, "connections cut off at the end of the grace period");
        }
        connections.shutdown().await;
    }
}

async fn greet(
    socket: TcpStream,
    peer: SocketAddr,
    front: impl Front,
    place: &Place,
    limits: ServerLimits,
    mut stopped: Stopped,
) -> Option<Greeted> {
    let greeting = timeout(Duration::from_millis(limits.handshake_ms), front.greet(socket, peer, place));
    let greeted = tokio::select! {
        greeted = greeting => greeted,
        _ = stopped.wait_for(|stopped| *stopped) => return None,
    };
    greeted.unwrap_or_else(|_| {
        tracing::debug!(limit_ms = limits.handshake_ms, "handshake took too long");
        None
    })
}

impl Caller {
    fn of(
        encrypted: &Encrypted,
        callers: Callers,
        source: Source,
        guesses: Arc<Guesses>,
        place: Arc<Place>,
    ) -> Self {
        let authority = match callers {
            Callers::Anybody => None,
            Callers::Of(_) => encrypted.get_ref().1.server_name().map(str::to_owned),
        };
        Self { callers, source, authority, guesses, place }
    }
}

async fn requests<B: Backend>(
    encrypted: Encrypted,
    (caller, page): (Caller, Option<OfPerson>),
    app: Arc<App<B>>,
    limits: ServerLimits,
    mut stopped: Stopped,
) {
    let phase = Phase::new();
    let socket = Watched::new(encrypted, Arc::clone(&phase), limits.patience);
    let (of_request, caller) = (Arc::clone(&phase), Arc::new(caller));
    let service = service_fn(move |request| {
        let (app, caller, phase) = (Arc::clone(&app), Arc::clone(&caller), Arc::clone(&of_request));
        let page = page.clone().filter(|of| of.page.takes(request.uri().path()));
        async move {
            Ok::<_, std::convert::Infallible>(match page {
                Some(page) => page.answer(request, phase).await,
                None => answer(app, request, caller, phase).await,
            })
        }
    });
    let mut connection = http1::Builder::new()
        .header_read_timeout(None)
        .max_buf_size(limits.head_bytes_max)
        .max_headers(limits.headers_max)
        .serve_connection(TokioIo::new(socket), service);
    let mut told = false;
    let ended = loop {
        tokio::select! {
            done = &mut connection => {
                if let Err(error) = done {
                    tracing::debug!(%error, "connection ended");
                }
                return;
            }
            ended = phase.watch(limits.patience) => break ended,
            _ = stopped.wait_for(|stopped| *stopped), if !told => {
                told = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    let mut socket = connection.into_parts().io.into_inner();
    let farewell = async {
        if ended == Ended::SlowHead {
            socket.write_all(SLOW_HEAD.as_bytes()).await?;
        }
        socket.shutdown().await
    };
    let _ = timeout(Duration::from_millis(limits.patience.write_ms), farewell).await;
}

/// There is no request yet that hyper could answer, so this answer is written by hand.
const SLOW_HEAD: &str = "HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-type: application/json\r\n\
    content-length: 81\r\n\r\n\
    {\"error\":{\"code\":\"slow-head\",\"message\":\"the request's headers came too slowly\"}}\n";
