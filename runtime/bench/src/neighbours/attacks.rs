//! What somebody does who wants others to wait. All of it is bounded in number, and ends with [`Attacker::end`].

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use runtime_phone::{Native, PhoneFile};
use runtime_wire::tls::{IdentityError, Pin, pinned_client};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::super::BenchError;
use super::super::native::broken;
use super::{copy, dial, put_body, query};

/// Connections that drip.
const DRIPPING: usize = 1_000;
/// Pause before the next byte, or the next connection in place of one that the host closed.
const PAUSE: Duration = Duration::from_millis(1_000);
/// Bodies without a token: 64 MiB together.
const BODIES: usize = 16;
const BODY_BYTES: usize = 4 << 20;
/// Answers that nobody reads, of 5 MB each.
const UNREAD: u32 = 40;
const UNREAD_ENTRIES: usize = 100;
const UNREAD_ENTRY_BYTES: usize = 50_000;
/// Connections that ask for a lock, and how often each does; a connection may ask for no more at once.
const LOCKING: usize = 10;
const LOCKS_EACH: u32 = 60;

/// What the attacker does.
#[derive(Clone, Copy)]
pub(super) enum Attack {
    Unread,
    /// From so many networks.
    Dripping(usize),
    Anonymous,
    Locking,
}

impl Attack {
    pub(super) const ALL: [(Self, &'static str); 5] = [
        (Self::Unread, "40 unread answers"),
        (Self::Dripping(1), "1,000 dripping, 1 network"),
        (Self::Dripping(40), "1,000 dripping, 40 networks"),
        (Self::Anonymous, "64 MiB anonymous bodies"),
        (Self::Locking, "600 lock requests"),
    ];
}

/// Somebody with a paired device that has `admin`, and with many addresses.
pub(super) struct Attacker {
    /// Threads apart from those of the host.
    tokio: tokio::runtime::Runtime,
    address: SocketAddr,
    pin: Pin,
    file: PhoneFile,
    /// The path of a read.
    read: String,
}

impl Attacker {
    /// Gives the person the data that is read.
    pub(super) fn new(address: SocketAddr, pin: Pin, file: PhoneFile) -> Result<Self, BenchError> {
        let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let read = tokio.block_on(async {
            let mut phone = Native::open(copy(&file)?).await.map_err(broken)?;
            let body = put_body(0, UNREAD_ENTRIES, UNREAD_ENTRY_BYTES);
            phone.post("/usercache/put", body).await.map_err(broken)?.success().map_err(broken)?;
            phone.granted("/datastreams/find_entries/timestamp").map_err(broken)
        })?;
        Ok(Self { tokio, address, pin, file, read })
    }

    /// Begins an attack, which goes on until [`Self::end`].
    pub(super) fn begin(&self, attack: Attack) -> Result<JoinSet<()>, BenchError> {
        self.tokio.block_on(async {
            let mut tasks = JoinSet::new();
            match attack {
                Attack::Unread => self.read_nothing(&mut tasks).await?,
                Attack::Dripping(networks) => {
                    for number in 0..DRIPPING {
                        tasks.spawn(drip(network(2, number % networks), self.address));
                    }
                }
                Attack::Anonymous => {
                    for number in 0..BODIES {
                        tasks.spawn(anonymous(network(3, number % 4), self.address, self.pin));
                    }
                }
                Attack::Locking => {
                    // Runs that wait for their caller keep the store open, and a lock waits for them.
                    self.read_nothing(&mut tasks).await?;
                    for _ in 0..LOCKING {
                        let (stream, name) = dial(&self.file).await?;
                        tasks.spawn(ask(
                            stream,
                            name,
                            "/.upc/v1/lock".to_owned(),
                            b"{}".to_vec(),
                            LOCKS_EACH,
                        ));
                    }
                }
            }
            Ok(tasks)
        })
    }

    /// Ends an attack; its connections are cut.
    pub(super) fn end(&self, mut attack: JoinSet<()>) {
        self.tokio.block_on(attack.shutdown());
    }

    async fn read_nothing(&self, tasks: &mut JoinSet<()>) -> Result<(), BenchError> {
        // Unlocks the store if the attack before has locked it.
        drop(Native::open(copy(&self.file)?).await.map_err(broken)?);
        let (mut stream, name) = dial(&self.file).await?;
        let requests = requests(&name, &self.read, &query(UNREAD_ENTRIES), UNREAD);
        tasks.spawn(async move {
            let _ = stream.write_all(&requests).await;
            std::future::pending::<()>().await;
        });
        Ok(())
    }
}

/// An address in a network of its own.
fn network(kind: u8, number: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, kind, u8::try_from(number).unwrap_or(u8::MAX), 1)
}

async fn connect(from: Ipv4Addr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    socket.connect(to).await
}

/// One byte of a first message now and then, for ever; a connection that is closed is replaced.
async fn drip(from: Ipv4Addr, to: SocketAddr) {
    loop {
        if let Ok(mut socket) = connect(from, to).await {
            // A record of TLS that never ends.
            let mut next = [22_u8, 3, 1, 64, 0].into_iter().chain(std::iter::repeat(0));
            while let Some(byte) = next.next()
                && socket.write_all(&[byte]).await.is_ok()
                && !is_closed_within(&mut socket, PAUSE).await
            {}
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn is_closed_within(socket: &mut (impl AsyncRead + Unpin), limit: Duration) -> bool {
    let mut buffer = [0; 4096];
    // Whatever the host says, it is about to close the connection.
    tokio::time::timeout(limit, socket.read(&mut buffer)).await.is_ok()
}

/// A body that never shows a token and never ends; one that is refused is sent again.
async fn anonymous(from: Ipv4Addr, to: SocketAddr, pin: Pin) {
    let head =
        format!("POST /usercache/put HTTP/1.1\r\nhost: h\r\ncontent-length: {}\r\n\r\n", 2 * BODY_BYTES);
    let body = [head.into_bytes(), b"{\"a\":\"".to_vec(), vec![b'x'; BODY_BYTES]].concat();
    loop {
        let sent = async {
            let config = pinned_client(pin).map_err(IdentityError::from)?;
            let name = ServerName::try_from("localhost").map_err(broken)?;
            let mut stream = TlsConnector::from(config).connect(name, connect(from, to).await?).await?;
            stream.write_all(&body).await?;
            while !is_closed_within(&mut stream, PAUSE).await {
                stream.write_all(&[b'x'; 1024]).await?;
            }
            Ok::<_, BenchError>(())
        };
        // However it ended, the next one is tried.
        drop(sent.await);
        tokio::time::sleep(PAUSE).await;
    }
}

/// Makes so many requests on one connection, and throws the answers away.
async fn ask(
    stream: tokio_rustls::client::TlsStream<TcpStream>,
    name: String,
    path: String,
    body: Vec<u8>,
    count: u32,
) {
    let (mut reading, mut writing) = tokio::io::split(stream);
    if writing.write_all(&requests(&name, &path, &body, count)).await.is_ok() {
        let _ = tokio::io::copy(&mut reading, &mut tokio::io::sink()).await;
    }
    std::future::pending::<()>().await;
}

/// What a client of HTTP/2 says that makes so many requests at once; names and paths are shorter than 127 bytes.
fn requests(authority: &str, path: &str, body: &[u8], count: u32) -> Vec<u8> {
    const DATA: u8 = 0;
    const HEADERS: u8 = 1;
    const SETTINGS: u8 = 4;
    const END_STREAM: u8 = 1;
    const END_HEADERS: u8 = 4;
    let frame = |kind: u8, flags: u8, stream: u32, payload: &[u8]| {
        let mut out = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes()[1..].to_vec();
        out.extend_from_slice(&[kind, flags]);
        out.extend_from_slice(&stream.to_be_bytes());
        out.extend_from_slice(payload);
        out
    };
    // Indexed: `:method: POST`, `:scheme: https`; literal, names indexed, not kept: `:authority`, `:path`.
    let mut block = vec![0x83, 0x87];
    for (name, value) in [(1_u8, authority), (4, path)] {
        block.extend_from_slice(&[name, u8::try_from(value.len()).unwrap_or(0)]);
        block.extend_from_slice(value.as_bytes());
    }
    let mut all = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    all.extend(frame(SETTINGS, 0, 0, &[]));
    for number in 0..count {
        let stream = 2 * number + 1;
        all.extend(frame(HEADERS, END_HEADERS, stream, &block));
        all.extend(frame(DATA, END_STREAM, stream, body));
    }
    all
}
