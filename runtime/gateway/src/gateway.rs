//! The two ports of a gateway: one for clients, and one where hosts register.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use handshake::hello::{Alert, Hello};
use handshake::limit::{Limits, Source};
use handshake::route::{Name, names_nobody};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::lines::Lines;
use crate::messages::{Accepted, Answer, Challenge, Change, Changed, NAMES_PER_CHANGE_MAX, VERSION};
use crate::secret::{Exchange, GatewaySecret, Side, nonce};
use crate::splice::splice;
use crate::table::{HostId, Table};
use runtime_wire::accept;
use runtime_wire::peek::{Unread, peek};
use runtime_wire::places::{PlaceLimits, Places};
use runtime_wire::proxy;

/// Time for a host to prove that it knows the secret.
const PROOF_WAIT: Duration = Duration::from_secs(10);
/// A host that sends nothing for this long is gone.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Sockets of clients that may be open beyond their places: those that are about to be closed.
const SOCKETS_BESIDES: usize = 16;
/// Interval between checks for hosts that are gone.
const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// Limits on connections.
#[derive(Debug, Clone, Copy)]
pub struct GatewayLimits {
    /// Clients at one moment, including those that are passed on. If there are as many, a newcomer takes the oldest
    /// place of the source that has the most.
    pub connections_max: usize,
    /// Clients of one source at one moment.
    pub each_source_max: usize,
    /// Connections to the port where hosts register, at one moment.
    pub hosts_max: usize,
    /// Time for the first message of a client, ms.
    pub hello_ms: u64,
    /// Time for reaching a host, ms.
    pub connect_ms: u64,
    /// A connection on which no byte moves for this long ends, within twice that time, ms.
    pub idle_ms: u64,
}

impl Default for GatewayLimits {
    fn default() -> Self {
        Self {
            connections_max: 8192,
            each_source_max: 512,
            hosts_max: 256,
            hello_ms: 3_000,
            connect_ms: 5_000,
            idle_ms: 600_000,
        }
    }
}

/// The parts of a gateway.
pub struct GatewayParts {
    /// The address for clients.
    pub listen: SocketAddr,
    /// The address where hosts register: on the loopback or a private network.
    pub register: SocketAddr,
    /// The secret that hosts prove to know.
    pub secret: GatewaySecret,
    /// The host for clients that name no person, `HOST:PORT`: it has a front for older phones and trusts this gateway.
    pub legacy: Option<String>,
    /// Limits on connections.
    pub limits: GatewayLimits,
}

/// A gateway with both ports bound.
pub struct Gateway {
    clients: TcpListener,
    hosts: TcpListener,
    shared: Arc<Shared>,
}

struct Shared {
    secret: GatewaySecret,
    legacy: Option<String>,
    limits: GatewayLimits,
    table: Mutex<Table>,
    strangers: Mutex<Limits>,
    started: Instant,
}

/// Why a client was not passed on.
#[derive(Debug, thiserror::Error)]
enum ConnectionRefused {
    #[error(transparent)]
    Unread(#[from] Unread),
    #[error("nobody of that name is here")]
    Unknown,
    #[error("too many from there")]
    Crowded,
    #[error("the host cannot be reached: {0}")]
    Host(io::Error),
    #[error("broken off: {0}")]
    Broken(io::Error),
}

impl Gateway {
    /// Binds both ports.
    ///
    /// # Errors
    /// The error of the operating system: an address is in use, or is not one of this machine.
    pub async fn bind(parts: GatewayParts) -> io::Result<Self> {
        let GatewayParts { listen, register, secret, legacy, limits } = parts;
        let shared = Shared {
            secret,
            legacy,
            limits,
            table: Mutex::default(),
            strangers: Mutex::default(),
            started: Instant::now(),
        };
        Ok(Self {
            clients: TcpListener::bind(listen).await?,
            hosts: TcpListener::bind(register).await?,
            shared: Arc::new(shared),
        })
    }

    /// The address for clients; where port 0 was asked for, the port is the real one.
    ///
    /// # Errors
    /// The error of the operating system.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.clients.local_addr()
    }

    /// The address where hosts register.
    ///
    /// # Errors
    /// The error of the operating system.
    pub fn register_address(&self) -> io::Result<SocketAddr> {
        self.hosts.local_addr()
    }

    /// Passes clients on until `stop` resolves; connections that are under way are then cut off, and phones try again.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let Self { clients, hosts, shared } = self;
        let GatewayLimits { connections_max, each_source_max, .. } = shared.limits;
        let places = Places::new(PlaceLimits {
            strangers_max: connections_max,
            each_source_max,
            // A gateway knows nobody.
            people_max: 1,
            each_person_max: 0,
        });
        let client_sockets = Arc::new(Semaphore::new(connections_max.saturating_add(SOCKETS_BESIDES)));
        let host_places = Arc::new(Semaphore::new(shared.limits.hosts_max));
        let (mut tasks, mut sweep) = (JoinSet::new(), tokio::time::interval(SWEEP_EVERY));
        let mut stop = std::pin::pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = &mut stop => break,
                Some(_) = tasks.join_next(), if !tasks.is_empty() => continue,
                _ = sweep.tick() => {
                    shared.table().sweep(shared.clock_ms());
                    continue;
                }
                accepted = accept(&clients, &client_sockets) => accepted.map(|accepted| (accepted, true)),
                accepted = accept(&hosts, &host_places) => accepted.map(|accepted| (accepted, false)),
            };
            let ((socket, peer, open), is_client) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Most often the process is out of file descriptors; a moment later some connection has ended.
                    tracing::warn!(%error, "connection not accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let shared = Arc::clone(&shared);
            if !is_client {
                tasks.spawn(async move {
                    if let Err(error) = shared.host(socket, peer).await {
                        tracing::warn!(host = %peer, %error, "host not registered any more");
                    }
                    drop(open);
                });
                continue;
            }
            let place = match places.enter(Some(Source::from(peer.ip()))) {
                Ok(place) => place,
                Err(why) => {
                    tracing::debug!(%why, "client not passed on");
                    continue;
                }
            };
            tasks.spawn(async move {
                tokio::select! {
                    passed = shared.client(socket, peer) => {
                        if let Err(turned) = passed {
                            tracing::debug!(why = %turned, "client not passed on");
                        }
                    }
                    () = place.lost() => tracing::debug!("client cut off for one of another source"),
                }
                drop((place, open));
            });
        }
        tasks.shutdown().await;
    }
}

/// A registered host. Its names outlive its connection only by a little, however the connection ends.
struct Joined<'a> {
    shared: &'a Shared,
    host: HostId,
}

impl Drop for Joined<'_> {
    fn drop(&mut self) {
        self.shared.table().leave(self.host, self.shared.clock_ms());
    }
}

impl Shared {
    fn clock_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn strangers(&self) -> MutexGuard<'_, Limits> {
        self.strangers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn client(&self, mut socket: TcpStream, peer: SocketAddr) -> Result<(), ConnectionRefused> {
        let source = Source::from(peer.ip());
        self.strangers().connection(source, self.clock_ms()).map_err(|_| ConnectionRefused::Crowded)?;
        let (hello, seen) = match peek(&mut socket, self.limits.hello_ms).await {
            Ok(read) => read,
            Err(unread) => {
                if let Unread::Refused { why: refused, .. } = &unread
                    && let Some(alert) = refused.alert()
                {
                    turn_away(&mut socket, alert).await;
                }
                return Err(unread.into());
            }
        };
        let Some(target) = self.target(&hello, source)? else {
            turn_away(&mut socket, Alert::UnrecognizedName).await;
            return Err(ConnectionRefused::Unknown);
        };
        let local = socket.local_addr().map_err(ConnectionRefused::Broken)?;
        let reached = async {
            let mut host = match target {
                Target::Host(address) => TcpStream::connect(address).await?,
                Target::Legacy(address) => TcpStream::connect(address).await?,
            };
            host.set_nodelay(true)?;
            host.write_all(&[proxy::header(peer, local), seen].concat()).await?;
            Ok(host)
        };
        let limit = Duration::from_millis(self.limits.connect_ms);
        let reached = timeout(limit, reached).await.unwrap_or(Err(io::ErrorKind::TimedOut.into()));
        let host = reached.map_err(ConnectionRefused::Host)?;
        splice(socket, host, Duration::from_millis(self.limits.idle_ms))
            .await
            .map_err(ConnectionRefused::Broken)
    }

    /// The target of a client; `None`: there is none.
    fn target(&self, hello: &Hello, source: Source) -> Result<Option<Target>, ConnectionRefused> {
        let Some(name) = hello.server_name.as_deref().and_then(Name::of_server_name) else {
            let legacy = self.legacy.clone().filter(|_| names_nobody(hello));
            return Ok(legacy.map(Target::Legacy));
        };
        let now_ms = self.clock_ms();
        if matches!(name, Name::Selector(_)) {
            // There are only a million selectors, so a client that tries them all is slowed down.
            self.strangers().pairing(source, now_ms).map_err(|_| ConnectionRefused::Crowded)?;
        }
        Ok(self.table().find(name, now_ms).map(Target::Host))
    }

    /// Serves a host's registration to its end.
    async fn host(&self, socket: TcpStream, peer: SocketAddr) -> io::Result<()> {
        let mut lines = Lines::new(socket);
        let proven = timeout(PROOF_WAIT, self.prove(&mut lines)).await;
        let port = proven.unwrap_or(Err(io::ErrorKind::TimedOut.into()))?;
        let address = SocketAddr::new(peer.ip(), port);
        let host = self.table().join(address, self.clock_ms());
        let joined = Joined { shared: self, host };
        tracing::info!(host = %address, "host registered");
        loop {
            let change = timeout(SILENCE_MAX, lines.read::<Change>()).await;
            let change = change.unwrap_or(Err(io::ErrorKind::TimedOut.into()))?;
            let refused = self.change(joined.host, change)?;
            timeout(SILENCE_MAX, lines.write(&Changed { refused }))
                .await
                .unwrap_or(Err(io::ErrorKind::TimedOut.into()))?;
        }
    }

    /// Proves both sides to each other and returns the port of the host.
    async fn prove(&self, lines: &mut Lines<TcpStream>) -> io::Result<u16> {
        let ours = nonce()?;
        lines.write(&Challenge { gateway: VERSION, nonce: ours }).await?;
        let answer: Answer = lines.read().await?;
        let exchange = Exchange { gateway: ours, host: answer.nonce, port: answer.port };
        if !self.secret.is_proven(Side::Host, &exchange, &answer.proof) {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it does not know the secret"));
        }
        lines.write(&Accepted { proof: self.secret.prove(Side::Gateway, &exchange) }).await?;
        Ok(answer.port)
    }

    /// Carries out a change; returns the names that were refused.
    fn change(&self, host: HostId, change: Change) -> io::Result<Vec<String>> {
        if change.add.len().max(change.withdraw.len()) > NAMES_PER_CHANGE_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "too many names in one change"));
        }
        let (mut table, now_ms) = (self.table(), self.clock_ms());
        for name in change.withdraw.iter().filter_map(|text| Name::parse(text)) {
            table.withdraw(host, name);
        }
        let mut refused = change.add;
        refused.retain(|text| !Name::parse(text).is_some_and(|name| table.add(host, name, now_ms)));
        Ok(refused)
    }
}

enum Target {
    Host(SocketAddr),
    Legacy(String),
}

async fn turn_away(socket: &mut TcpStream, alert: Alert) {
    // The peer may already be gone; then it needs no alert.
    let _ = socket.write_all(&alert.record()).await;
    let _ = socket.shutdown().await;
}
