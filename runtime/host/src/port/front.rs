//! Greets callers: reads the first message, chooses a person's configuration, and checks the connection again once it
//! is encrypted.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use handshake::hello::Alert;
use handshake::limit::{Limits, NoPlace, Slot, Source};
use handshake::pairing::Channel;
use handshake::route::{Decision, check_established};
use handshake::secret::Secret;
use handshake::transcript::EXPORTER_LABEL;
use runtime_acme::Certificates;
use runtime_user::{Runtime, UserId};
use rustls::{ProtocolVersion, ServerConfig};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::configs::{Configs, Purpose};
use super::native::{self, NativeApp};
use super::proof;
use super::web::{PageFiles, Web};
use super::{page, pairing};
use crate::http::page::Page;
use crate::http::server::{Encrypted, Front, Greeted, ServerLimits};
use crate::http::service::{Callers, blocking_code, epoch_ms};
use runtime_wire::peek::{Rewound, Unread, peek};
use runtime_wire::places::Place;
use runtime_wire::proxy;
use runtime_wire::tls::{Identity, peer_key};

/// The front of the port, for all people.
#[derive(Clone)]
pub struct PortFront(Arc<Shared>);

struct Shared {
    runtime: Arc<Runtime>,
    configs: Arc<Configs>,
    /// For phones that cannot name their person; `None`: switched off.
    legacy: Option<Mutex<TlsAcceptor>>,
    /// Gateways whose statement of a caller's address is trusted.
    gateways: Vec<IpAddr>,
    native: Arc<NativeApp>,
    web: Arc<Web>,
    limits: ServerLimits,
    strangers: Mutex<Limits>,
    started: Instant,
}

/// The parts of a front.
pub struct PortParts {
    /// All people's runtimes.
    pub runtime: Arc<Runtime>,
    /// The part after the label in the names of this host.
    pub host: String,
    /// The TLS configuration of the front for phones that cannot pair; `None`: that front is off.
    pub legacy: Option<Arc<ServerConfig>>,
    /// Gateways whose statement of a caller's address is trusted.
    pub gateways: Vec<IpAddr>,
    /// Answers devices.
    pub native: Arc<NativeApp>,
    /// Limits on connections.
    pub limits: ServerLimits,
}

impl PortFront {
    /// A front for all people.
    pub fn new(parts: PortParts) -> Self {
        let PortParts { runtime, host, legacy, gateways, native, limits } = parts;
        Self(Arc::new(Shared {
            configs: Arc::new(Configs::new(Arc::clone(&runtime), host)),
            web: Arc::new(Web::new(Arc::clone(&runtime))),
            runtime,
            legacy: legacy.map(|config| Mutex::new(TlsAcceptor::from(config))),
            gateways,
            native,
            limits,
            strangers: Mutex::default(),
            started: Instant::now(),
        }))
    }

    /// Says where phones reach the host, for those that are paired on a page.
    pub fn tell_address(&self, address: String) {
        self.0.web.tell_address(address);
    }

    /// Brings the files of the owner's page.
    pub fn bring_page(&self, files: PageFiles) {
        self.0.web.bring(files);
    }

    /// Shows this certificate at the names of all people from now on; `None`: one of each person's own, which no browser
    /// knows. Existing connections are kept.
    pub fn show_web(&self, identity: Option<Identity>) {
        self.0.configs.show_web(identity);
    }

    /// Takes certificates for people's own names from a server, where the operator has none for all of them.
    pub fn certify(&self, certificates: Arc<Certificates>) {
        self.0.configs.certify(certificates);
    }

    /// Orders and renews these certificates for as long as it is polled; ends at once if there are none to order.
    pub async fn keep_certificates(&self) {
        let configs = Arc::clone(&self.0.configs);
        let Some(certificates) = configs.certificates().cloned() else { return };
        let (known, to) = (Arc::clone(&configs), Arc::clone(&certificates));
        let taken_on = tokio::task::spawn_blocking(move || {
            known.certified().into_iter().for_each(|subject| to.take_on(subject));
        });
        if let Err(error) = taken_on.await {
            tracing::error!(%error, "certificates of people's names could not be looked at");
        }
        certificates.keep(|user| configs.renewed(user)).await;
    }

    /// Replaces the certificate for phones that cannot pair, where that front is open. Existing connections are kept.
    pub fn show_legacy(&self, config: Arc<ServerConfig>) {
        if let Some(legacy) = &self.0.legacy {
            *legacy.lock().unwrap_or_else(PoisonError::into_inner) = TlsAcceptor::from(config);
        }
    }
}

/// Why a connection was not served. It contains no personal data.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectionRefused {
    #[error(transparent)]
    Unread(#[from] Unread),
    #[error("alert {0:?}")]
    Alert(Alert),
    #[error("too many from there")]
    Crowded,
    #[error(transparent)]
    NoPlace(#[from] NoPlace),
    #[error("not encrypted: {0}")]
    Tls(#[from] io::Error),
    #[error("not what was routed: {0}")]
    Routed(#[from] handshake::route::Refusal),
    #[error("another protocol than that of a proof")]
    Protocol,
    #[error("no key of ours")]
    Key,
    #[error("the person's configuration cannot be made")]
    Config,
}

impl Front for PortFront {
    fn source(&self, peer: SocketAddr) -> Option<Source> {
        (!self.0.is_gateway(peer)).then(|| Source::from(peer.ip()))
    }

    fn page(&self) -> Option<Arc<dyn Page>> {
        Some(Arc::clone(&self.0.web) as Arc<dyn Page>)
    }

    async fn greet(&self, socket: TcpStream, peer: SocketAddr, place: &Place) -> Option<Greeted> {
        match self.0.greet(socket, peer, place).await {
            Ok(greeted) => Some(greeted),
            Err(turned) => {
                tracing::debug!(why = %turned, "connection turned away");
                None
            }
        }
    }
}

/// One of the handshakes under way; the place is released however the handshake ends.
struct HandshakePermit<'a> {
    strangers: &'a Mutex<Limits>,
    slot: Option<Slot>,
}

impl Drop for HandshakePermit<'_> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            lock(self.strangers).handshakes.end(slot);
        }
    }
}

fn lock(strangers: &Mutex<Limits>) -> MutexGuard<'_, Limits> {
    strangers.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn clock_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Whether a program on this machine has connected directly, not through a gateway.
    fn is_here(&self, peer: SocketAddr) -> bool {
        let ip = peer.ip().to_canonical();
        ip.is_loopback() && !self.gateways.contains(&ip)
    }

    fn is_gateway(&self, peer: SocketAddr) -> bool {
        self.gateways.contains(&peer.ip().to_canonical())
    }

    async fn greet(
        &self,
        mut socket: TcpStream,
        peer: SocketAddr,
        place: &Place,
    ) -> Result<Greeted, ConnectionRefused> {
        let mut source = Source::from(peer.ip());
        if self.is_gateway(peer) {
            source = Source::from(proxy::read_header(&mut socket).await?.ip());
            place.comes_from(source)?;
        }
        let now_ms = self.clock_ms();
        lock(&self.strangers).connection(source, now_ms).map_err(|_| ConnectionRefused::Crowded)?;
        let (hello, seen) = match peek(&mut socket, self.limits.hello_ms).await {
            Ok(read) => read,
            Err(unread) => {
                if let Unread::Refused { why, seen } = &unread {
                    match why.alert() {
                        Some(alert) => turn_away(&mut socket, alert).await,
                        None if seen.starts_with(page::METHOD) && self.is_here(peer) => {
                            page::show(&mut socket).await;
                        }
                        None => {}
                    }
                }
                return Err(unread.into());
            }
        };
        if let Some((user, config)) = proof::asked(self.configs.certificates(), &hello) {
            let _place = self.place(user, source)?;
            return proof::give(Rewound::new(seen, socket), config).await;
        }
        let decision = self.runtime.owners().decide(&hello, self.legacy.is_some());
        if let Decision::Alert(alert) = decision {
            turn_away(&mut socket, alert).await;
            return Err(ConnectionRefused::Alert(alert));
        }
        self.route(Rewound::new(seen, socket), decision, source, place).await
    }

    async fn route(
        &self,
        socket: Rewound<TcpStream>,
        decision: Decision,
        source: Source,
        place: &Place,
    ) -> Result<Greeted, ConnectionRefused> {
        match decision {
            Decision::Legacy => {
                let acceptor =
                    self.legacy.as_ref().ok_or(ConnectionRefused::Alert(Alert::UnrecognizedName))?;
                let acceptor = acceptor.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let encrypted = encrypt(socket, decision, &acceptor).await?;
                Ok(Greeted::Requests(Box::new(encrypted), Callers::Anybody, source))
            }
            Decision::Web { user, .. } => {
                let _place = self.place(user, source)?;
                self.certified(user).await;
                let encrypted = encrypt(socket, decision, &self.acceptor(user, Purpose::Web).await?).await?;
                Ok(Greeted::Requests(Box::new(encrypted), Callers::Of(user), source))
            }
            Decision::Pair { user, .. } => {
                let _place = self.place(user, source)?;
                let now_ms = self.clock_ms();
                lock(&self.strangers).pairing(source, now_ms).map_err(|_| ConnectionRefused::Crowded)?;
                let encrypted = encrypt(socket, decision, &self.acceptor(user, Purpose::Pair).await?).await?;
                self.pair(encrypted, user)
            }
            Decision::Native { user, label, .. } => {
                let _place = self.place(user, source)?;
                let acceptor = self.acceptor(user, Purpose::Native).await?;
                let encrypted = encrypt(socket, decision, &acceptor).await?;
                self.device(encrypted, user, label, place).await
            }
            Decision::Alert(alert) => Err(ConnectionRefused::Alert(alert)),
        }
    }

    fn place(&self, user: UserId, source: Source) -> Result<HandshakePermit<'_>, ConnectionRefused> {
        let slot = lock(&self.strangers).handshakes.begin(user, source).ok_or(ConnectionRefused::Crowded)?;
        Ok(HandshakePermit { strangers: &self.strangers, slot: Some(slot) })
    }

    /// The person's acceptor for this purpose; the first one is created on a thread that may wait for the disk.
    async fn acceptor(&self, user: UserId, purpose: Purpose) -> Result<TlsAcceptor, ConnectionRefused> {
        if let Some(config) = self.configs.ready(user, purpose) {
            return Ok(TlsAcceptor::from(config));
        }
        let configs = Arc::clone(&self.configs);
        let made = tokio::task::spawn_blocking(move || configs.get(user, purpose)).await;
        match made {
            Ok(Ok(config)) => Ok(TlsAcceptor::from(config)),
            Ok(Err(error)) => {
                tracing::error!(user = %user.short(), error = %runtime_user::chain(&error), "person cannot be served");
                Err(ConnectionRefused::Config)
            }
            Err(_) => Err(ConnectionRefused::Config),
        }
    }

    /// The person's name has a certificate of the server, if it is to have one and that does not take long.
    async fn certified(&self, user: UserId) {
        let Some(certificates) = self.configs.certificates() else { return };
        if !certificates.knows(user) && certificates.has_place() {
            let (configs, to) = (Arc::clone(&self.configs), Arc::clone(certificates));
            let taken_on =
                tokio::task::spawn_blocking(move || configs.subject(user).map(|one| to.take_on(one)));
            if !matches!(taken_on.await, Ok(Ok(()))) {
                tracing::error!(user = %user.short(), "no certificate can be ordered for the person's name");
            }
        }
        certificates.first(user).await;
    }

    fn pair(&self, encrypted: Encrypted, user: UserId) -> Result<Greeted, ConnectionRefused> {
        let device = peer_key(encrypted.get_ref().1.peer_certificates()).ok_or(ConnectionRefused::Key)?;
        let exporter = exporter(&encrypted)?;
        let shown = self.runtime.owners().signing_key(user).map_err(|_| ConnectionRefused::Config)?;
        let connection = pairing::next_connection();
        let channel = Channel { connection, device, runtime: *shown.spki(), exporter };
        let runtime = Arc::clone(&self.runtime);
        Ok(Greeted::Own(Box::new(move |stopped| {
            Box::pin(pairing::serve(encrypted, runtime, user, channel, stopped))
        })))
    }

    async fn device(
        &self,
        encrypted: Encrypted,
        user: UserId,
        label: handshake::encoding::Label,
        place: &Place,
    ) -> Result<Greeted, ConnectionRefused> {
        let key = peer_key(encrypted.get_ref().1.peer_certificates()).ok_or(ConnectionRefused::Key)?;
        let exporter = exporter(&encrypted)?;
        let runtime = Arc::clone(&self.runtime);
        // A resumed session does not verify the key again, so the table is asked every time.
        let admit = move || runtime.devices().admit(user, label, key, epoch_ms());
        let admitted = blocking_code(&self.runtime, user, admit).await;
        let native = Arc::clone(&self.native);
        match admitted {
            Ok(admission) => {
                place.admit(user)?;
                Ok(Greeted::Own(Box::new(move |stopped| {
                    Box::pin(native::serve(encrypted, native, admission, exporter, stopped))
                })))
            }
            Err(code) => {
                // A device that is not admitted loses its sessions as well, so that it cannot resume one.
                self.configs.forget(user);
                Ok(Greeted::Own(Box::new(move |_| Box::pin(native::refuse(encrypted, code)))))
            }
        }
    }
}

/// Encrypts, and checks that the connection is what it was routed for.
async fn encrypt(
    socket: Rewound<TcpStream>,
    decision: Decision,
    acceptor: &TlsAcceptor,
) -> Result<Encrypted, ConnectionRefused> {
    let encrypted = acceptor.accept(socket).await?;
    let tls = encrypted.get_ref().1;
    let tls13 = tls.protocol_version() == Some(ProtocolVersion::TLSv1_3);
    check_established(decision, tls.server_name(), tls.alpn_protocol(), tls13)?;
    Ok(encrypted)
}

/// A secret that only the two sides of this connection can compute.
fn exporter(encrypted: &Encrypted) -> Result<Secret<32>, ConnectionRefused> {
    let bytes = zeroize::Zeroizing::new([0; 32]);
    let exported = encrypted.get_ref().1.export_keying_material(*bytes, EXPORTER_LABEL, None);
    exported.map(Secret::new).map_err(|_| ConnectionRefused::Key)
}

async fn turn_away(socket: &mut TcpStream, alert: Alert) {
    // The peer may already be gone; then it needs no alert.
    let _ = socket.write_all(&alert.record()).await;
    let _ = socket.shutdown().await;
}
