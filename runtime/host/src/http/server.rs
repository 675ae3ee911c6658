//! The port: accepts, encrypts, serves each connection within its limits, and stops without cutting anybody off.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::backend::Backend;
use super::service::{App, answer};
use super::watch::{Ended, Patience, Phase, Watched};

/// What connections may cost.
#[derive(Debug, Clone, Copy)]
pub struct ServerLimits {
    /// Connections at one moment; more wait in the operating system's queue until one ends.
    pub connections_max: usize,
    /// For the TLS handshake, ms.
    pub handshake_ms: u64,
    /// The head of a request, bytes: line and headers. At least 8192.
    pub head_bytes_max: usize,
    /// Headers of a request.
    pub headers_max: usize,
    /// For what the peer has to do.
    pub patience: Patience,
    /// For requests under way when the host stops, ms.
    pub grace_ms: u64,
}

/// A port that accepts connections.
pub struct Server {
    listener: TcpListener,
    tls: TlsAcceptor,
    limits: ServerLimits,
}

impl Server {
    /// Takes the port.
    ///
    /// # Errors
    /// What the operating system says: the address is in use, or not ours.
    pub async fn bind(
        address: SocketAddr,
        tls: Arc<rustls::ServerConfig>,
        limits: ServerLimits,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self { listener, tls: TlsAcceptor::from(tls), limits })
    }

    /// The address that it listens at; the port is the real one where 0 was asked for.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop` resolves, then lets requests that are under way end.
    pub async fn serve<B: Backend>(self, app: Arc<App<B>>, stop: impl Future<Output = ()>) {
        let Self { listener, tls, limits } = self;
        let places = Arc::new(Semaphore::new(limits.connections_max));
        let (stopping, stopped) = watch::channel(false);
        let mut connections = JoinSet::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = &mut stop => break,
                Some(_) = connections.join_next(), if !connections.is_empty() => continue,
                accepted = accept(&listener, &places) => accepted,
            };
            let (socket, place) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, most often: a moment later some connection has ended.
                    tracing::warn!(%error, "connection not accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let (tls, app, stopped) = (tls.clone(), Arc::clone(&app), stopped.clone());
            connections.spawn(async move {
                connection(socket, tls, app, limits, stopped).await;
                drop(place);
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

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(|_| io::ErrorKind::BrokenPipe)?;
    let (socket, _) = listener.accept().await?;
    // Answers are written whole; waiting to fill a packet only makes them late.
    socket.set_nodelay(true)?;
    Ok((socket, place))
}

async fn connection<B: Backend>(
    socket: TcpStream,
    tls: TlsAcceptor,
    app: Arc<App<B>>,
    limits: ServerLimits,
    mut stopped: watch::Receiver<bool>,
) {
    let handshake = timeout(Duration::from_millis(limits.handshake_ms), tls.accept(socket));
    let encrypted = tokio::select! {
        encrypted = handshake => encrypted,
        _ = stopped.wait_for(|stopped| *stopped) => return,
    };
    match encrypted {
        Ok(Ok(encrypted)) => requests(encrypted, app, limits, stopped).await,
        Ok(Err(error)) => tracing::debug!(%error, "handshake failed"),
        Err(_) => tracing::debug!(limit_ms = limits.handshake_ms, "handshake took too long"),
    }
}

async fn requests<B: Backend>(
    encrypted: TlsStream<TcpStream>,
    app: Arc<App<B>>,
    limits: ServerLimits,
    mut stopped: watch::Receiver<bool>,
) {
    let phase = Phase::new();
    let socket = Watched::new(encrypted, Arc::clone(&phase), limits.patience);
    let of_request = Arc::clone(&phase);
    let service = service_fn(move |request| {
        let (app, phase) = (Arc::clone(&app), Arc::clone(&of_request));
        async move { Ok::<_, std::convert::Infallible>(answer(app, request, phase).await) }
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

/// There is no request to answer yet, so this is written by hand.
const SLOW_HEAD: &str = "HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-type: application/json\r\n\
    content-length: 81\r\n\r\n\
    {\"error\":{\"code\":\"slow-head\",\"message\":\"the request's headers came too slowly\"}}\n";
