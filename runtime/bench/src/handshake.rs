//! What does it cost the host to admit a paired phone?
//!
//! * Work: handshakes of a paired phone, full and resumed, from the first byte to the first frame of HTTP/2: hello
//!   read, label looked up among 10,000, TLS with raw keys on both sides, device looked up in its table.
//! * Compared with: rustls alone on the same threads, with the same keys, which sends one byte when it is done.
//! * Reports: processor time of the process without the phone's own thread, which is the server's time; bytes both
//!   ways; how long a phone waits while 1,000 callers have sent half a hello and nothing more.
//! * Estimate: two signatures and a key agreement take 250 µs of a full handshake; sockets and tasks 100 µs of either.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use handshake::encoding::{KeyKind, Spki};
use handshake::route::ALPN_CONNECT;
use runtime_user::Runtime;
use rustix::time::{ClockId, clock_gettime};
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, ServerConfig};
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsAcceptor;

use super::rounds::{Comparison, compare, quantile};
use super::{BenchError, Figures};
use crate::native::{self, NO_GATEWAYS, NativeHost, broken};
use runtime_gateway::{Gateway, GatewayLimits, GatewayParts, GatewaySecret, Registration};
use runtime_phone::PhoneFile;
use runtime_wire::proxy;
use runtime_wire::tls::{raw_client, raw_server};

const ROUNDS: usize = 11;
const HANDSHAKES: usize = 100;
const FULL_US_MAX: f64 = 450.0;
const RESUMED_US_MAX: f64 = 320.0;
/// Labels of people who never connect, registered like an operator's people.
const LABELS: usize = 10_000;
const THREADS: usize = 8;
/// Callers that stop in the middle of their hello.
const STUCK: usize = 1_000;
const WAITS: usize = 300;

pub(super) fn run() -> Figures {
    let folder = tempfile::tempdir()?;
    let host = NativeHost::open(folder.path())?;
    register(&host.runtime)?;
    let direct = host.serve(NO_GATEWAYS)?;
    let port = host.serve(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)])?;
    let user = host.add("bench")?;
    let bare = host.tokio.block_on(serve_bare())?;
    let mut figures = Vec::new();
    for (name, kind) in [("Ed25519", KeyKind::Ed25519), ("P-256", KeyKind::P256)] {
        let file = host.pair(user, direct, kind)?;
        for (what, wanted) in [("full", HandshakeKind::Full), ("resumed", HandshakeKind::Resumed)] {
            let ours = Caller::new(&file, port, Origin::Announced, wanted)?;
            let theirs = Caller::new(&file, bare, Origin::Itself, wanted)?;
            figures.extend(costs(&ours, &theirs, &format!("{what}, {name}"))?);
        }
        if kind == KeyKind::P256 {
            figures.extend(waits(&file, port)?);
            figures.extend(gateway(&host, folder.path(), &file, port)?);
        }
    }
    host.shutdown();
    Ok(figures)
}

/// Registers people with a label each.
fn register(runtime: &Arc<Runtime>) -> Result<(), BenchError> {
    let add = |index: usize| -> Result<(), BenchError> {
        let user = runtime.people().add_owner(&format!("person {index}"), 0.0)?;
        runtime.owners().web_label(user).map(drop).map_err(broken)
    };
    thread::scope(|scope| {
        let adding: Vec<_> = (0..THREADS)
            .map(|thread| scope.spawn(move || (thread..LABELS).step_by(THREADS).try_for_each(add)))
            .collect();
        adding.into_iter().try_for_each(|thread| thread.join().expect("adding does not panic"))
    })
}

/// rustls and nothing else: any key of the two shapes, one byte, the end.
async fn serve_bare() -> Result<SocketAddr, BenchError> {
    let key = native::key(KeyKind::Ed25519)?;
    let config: Arc<ServerConfig> =
        raw_server(key.pkcs8(), key.spki(), ALPN_CONNECT, Arc::new(|_: &Spki| true), true).map_err(broken)?;
    let acceptor = TlsAcceptor::from(config);
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            // As a host does: otherwise the last bytes would wait for the caller's system.
            if socket.set_nodelay(true).is_err() {
                continue;
            }
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut encrypted = acceptor.accept(socket).await?;
                encrypted.write_all(&[0]).await?;
                encrypted.flush().await?;
                // Until the caller closes the connection, as a host does.
                tokio::io::copy(&mut encrypted, &mut tokio::io::sink()).await
            });
        }
    });
    Ok(address)
}

/// The source from which a caller's connections seem to come; hosts count strangers by their networks.
#[derive(Clone)]
enum Origin {
    /// The real source.
    Itself,
    /// Any source that a header names, like a gateway's.
    Announced,
    /// Networks of the loopback, in turn.
    Loopback(tokio::runtime::Handle),
}

/// A phone that connects again and again.
struct Caller {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    address: SocketAddr,
    origin: Origin,
    wanted: HandshakeKind,
}

/// One connection, up to the first byte of what TLS carries.
struct Connected {
    took: Duration,
    up_bytes: u64,
    down_bytes: u64,
}

impl Caller {
    fn new(
        file: &PhoneFile,
        address: SocketAddr,
        origin: Origin,
        wanted: HandshakeKind,
    ) -> Result<Self, BenchError> {
        let accepts = Arc::new(|_: &Spki| true);
        let config = raw_client(file.device.pkcs8(), file.device.spki(), ALPN_CONNECT, accepts);
        let mut config = ClientConfig::clone(&*config.map_err(broken)?);
        if wanted == HandshakeKind::Full {
            config.resumption = Resumption::disabled();
        }
        let (_, name) = file.state.server_names().next().ok_or_else(|| broken("a phone without a name"))?;
        let name = ServerName::try_from(name).map_err(broken)?;
        let caller = Self { config: Arc::new(config), name, address, origin, wanted };
        if wanted == HandshakeKind::Resumed {
            caller.connect_as(0, HandshakeKind::Full)?;
        }
        Ok(caller)
    }

    fn connect(&self, source: usize) -> Result<Connected, BenchError> {
        self.connect_as(source, self.wanted)
    }

    fn connect_as(&self, source: usize, wanted: HandshakeKind) -> Result<Connected, BenchError> {
        let begun = Instant::now();
        let socket = self.open(source)?;
        let mut socket = Counted { socket, up: 0, down: 0 };
        let mut tls = ClientConnection::new(Arc::clone(&self.config), self.name.clone()).map_err(broken)?;
        let mut first = [0; 64];
        loop {
            while tls.wants_write() {
                tls.write_tls(&mut socket)?;
            }
            match tls.reader().read(&mut first) {
                Ok(count) if count > 0 => break,
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error.into()),
                _ => {}
            }
            if tls.read_tls(&mut socket)? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            tls.process_new_packets().map_err(broken)?;
        }
        let took = begun.elapsed();
        if tls.handshake_kind() != Some(wanted) {
            return Err(broken(format!("{:?} in place of {wanted:?}", tls.handshake_kind())));
        }
        tls.send_close_notify();
        tls.write_tls(&mut socket)?;
        Ok(Connected { took, up_bytes: socket.up, down_bytes: socket.down })
    }

    /// Opens the socket on which the handshake begins.
    fn open(&self, source: usize) -> Result<TcpStream, BenchError> {
        // Sources are counted by their first three bytes.
        let network = (source as u32 & 0xffff) << 8;
        if let Origin::Loopback(tokio) = &self.origin {
            let from = Ipv4Addr::from(0x7f00_0001 | network);
            return tokio.block_on(connect_from(from, self.address));
        }
        let mut socket = TcpStream::connect(self.address)?;
        socket.set_nodelay(true)?;
        if matches!(self.origin, Origin::Announced) {
            let source = Ipv4Addr::from(0x0a00_0001 | network);
            socket.write_all(&proxy::header((source, 1_024).into(), self.address))?;
        }
        Ok(socket)
    }
}

async fn connect_from(from: Ipv4Addr, to: SocketAddr) -> Result<TcpStream, BenchError> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    let socket = socket.connect(to).await?.into_std()?;
    socket.set_nonblocking(false)?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

struct Counted {
    socket: TcpStream,
    up: u64,
    down: u64,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.socket.read(buffer)?;
        self.down += count as u64;
        Ok(count)
    }
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.socket.write(bytes)?;
        self.up += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

fn processor_us(clock: ClockId) -> f64 {
    let now = clock_gettime(clock);
    now.tv_sec as f64 * 1e6 + now.tv_nsec as f64 / 1e3
}

/// Processor time of everything in this process except the calling thread, µs for each handshake.
fn server_us(caller: &Caller, sources: &mut std::ops::RangeFrom<usize>) -> f64 {
    let of_others = || processor_us(ClockId::ProcessCPUTime) - processor_us(ClockId::ThreadCPUTime);
    let before = of_others();
    for _ in 0..HANDSHAKES {
        let source = sources.next().expect("without end");
        caller.connect(source).expect("a handshake");
    }
    (of_others() - before) / HANDSHAKES as f64
}

fn costs(ours: &Caller, theirs: &Caller, what: &str) -> Figures {
    let (mut mine, mut other) = (0.., 0..);
    let compared = compare(ROUNDS, "us", || server_us(ours, &mut mine), || server_us(theirs, &mut other));
    let max = if ours.wanted == HandshakeKind::Full { FULL_US_MAX } else { RESUMED_US_MAX };
    let met = compared.ours <= max;
    let row = compared.named(&format!("{what}: server's processor time"), "rustls alone");
    let Connected { up_bytes, down_bytes, .. } = ours.connect(0)?;
    let bytes = |way, bytes: u64| {
        Comparison::figure(&format!("{what}: bytes {way}, to the first frame"), bytes as f64, "B", "", true)
    };
    Ok(vec![
        row.held_against(&format!("≤ {max:.0} us"), met),
        bytes("up", up_bytes),
        bytes("down", down_bytes),
    ])
}

/// How long one phone waits, ms, at these quantiles of its connections.
fn wait_ms(caller: &Caller, sources: &mut std::ops::RangeFrom<usize>, shares: [f64; 2]) -> [f64; 2] {
    let mut each: Vec<f64> = (0..WAITS)
        .map(|_| {
            let source = sources.next().expect("without end");
            caller.connect(source).expect("a handshake").took.as_secs_f64() * 1e3
        })
        .collect();
    shares.map(|share| quantile(&mut each, share))
}

const MIDDLE_AND_WORST: [f64; 2] = [0.5, 0.99];

/// A phone among callers that stopped in the middle of their hello.
fn waits(file: &PhoneFile, port: SocketAddr) -> Figures {
    let caller = Caller::new(file, port, Origin::Announced, HandshakeKind::Full)?;
    let mut sources = 1..;
    let quiet = wait_ms(&caller, &mut sources, MIDDLE_AND_WORST);
    allow_files();
    let mut stuck = Vec::with_capacity(STUCK);
    for index in 0..STUCK {
        let mut socket = caller.open(0x8000 + index)?;
        // The header of a record, and the beginning of a hello that never ends.
        socket.write_all(&[22, 3, 1, 1, 0, 1, 0, 0])?;
        stuck.push(socket);
    }
    let crowded = wait_ms(&caller, &mut sources, MIDDLE_AND_WORST);
    drop(stuck);
    let row = |what: &str, at: usize| {
        let ratio = crowded[at] / quiet[at];
        let row = Comparison::figure("", crowded[at], "ms", "", true);
        let row = Comparison { other: quiet[at], ratio, ratio_p25: ratio, ratio_p75: ratio, ..row };
        row.named(&format!("a phone beside {STUCK} stuck hellos, {what}"), "quiet")
    };
    Ok(vec![row("median", 0), row("99th of 100", 1)])
}

/// The time that a gateway in front of `port` adds to a phone's wait.
fn gateway(host: &NativeHost, folder: &Path, file: &PhoneFile, port: SocketAddr) -> Figures {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let secret = GatewaySecret::load_or_make(&folder.join("gateway.secret")).map_err(broken)?;
    let parts = GatewayParts {
        listen: any,
        register: any,
        secret: secret.clone(),
        legacy: None,
        limits: GatewayLimits::default(),
    };
    let (address, _registered) = host.tokio.block_on(async {
        let gateway = Gateway::bind(parts).await?;
        let (address, register) = (gateway.address()?, gateway.register_address()?);
        tokio::spawn(gateway.serve(std::future::pending()));
        let mut registered = Registration::open(register, &secret, port.port()).await?;
        registered.change(vec![file.state.label.to_string()], Vec::new()).await?;
        Ok::<_, io::Error>((address, registered))
    })?;
    let handle = host.tokio.handle().clone();
    let through = Caller::new(file, address, Origin::Loopback(handle), HandshakeKind::Full)?;
    let direct = Caller::new(file, port, Origin::Announced, HandshakeKind::Full)?;
    let (mut mine, mut other) = (1.., 1..);
    let median = |caller: &Caller, sources: &mut _| wait_ms(caller, sources, MIDDLE_AND_WORST)[0];
    let compared = compare(ROUNDS, "ms", || median(&through, &mut mine), || median(&direct, &mut other));
    Ok(vec![compared.named("a phone's wait through a gateway, median", "directly").held_against("", true)])
}

/// Both ends of every connection are files of this process.
fn allow_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // If it is refused, opening a file reports the error.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}
