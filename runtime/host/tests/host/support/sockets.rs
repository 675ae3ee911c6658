//! Bytes on the wire, and where they seem to come from.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use handshake::encoding::Spki;
use handshake::route::ALPN_CONNECT;
use runtime_phone::PhoneFile;
use runtime_wire::tls::{Pin, pinned_client, raw_client};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A test that would hang fails after this.
const PATIENCE: Duration = Duration::from_secs(60);
/// The first byte of what a server answers to a hello that it goes on with.
pub const HANDSHAKE: u8 = 22;

/// A connection that comes from that network of the loopback.
pub async fn connect_from(source: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind((Ipv4Addr::from(source), 0).into()).expect("an address of the loopback");
    let socket = socket.connect(to).await.expect("connects");
    socket.set_nodelay(true).expect("set");
    socket
}

/// Everything until the other side ends the connection, or cuts it.
pub async fn rest(socket: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut all = Vec::new();
    let _ = timeout(PATIENCE, socket.read_to_end(&mut all)).await.expect("the connection ends");
    all
}

/// The first byte that comes; `None`: the connection ended without one.
pub async fn first(socket: &mut (impl AsyncRead + Unpin)) -> Option<u8> {
    let mut byte = [0];
    let read = timeout(PATIENCE, socket.read(&mut byte)).await.expect("an answer or the end");
    if read.unwrap_or(0) == 1 { Some(byte[0]) } else { None }
}

/// What comes of these bytes on a connection of their own.
pub async fn told(to: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut socket = connect_from([127, 0, 0, 1], to).await;
    // Who is cut off while writing still gets to see what was answered before.
    let _ = socket.write_all(bytes).await;
    rest(&mut socket).await
}

pub fn named(name: &str) -> ServerName<'static> {
    ServerName::try_from(name.to_owned()).expect("a name")
}

/// How a paired phone connects.
pub fn config_of(file: &PhoneFile) -> Arc<ClientConfig> {
    let state = file.state.clone();
    let accepts = Arc::new(move |spki: &Spki| state.expects(spki.as_bytes()));
    raw_client(file.device.pkcs8(), file.device.spki(), ALPN_CONNECT, accepts).expect("sound keys")
}

/// The name that a paired phone tells TLS.
pub fn name_of(file: &PhoneFile) -> String {
    file.state.server_names().next().expect("it has a label").1
}

/// The first message of a client.
pub fn hello(config: Arc<ClientConfig>, name: &str) -> Vec<u8> {
    let mut tls = ClientConnection::new(config, named(name)).expect("sound");
    let mut bytes = Vec::new();
    tls.write_tls(&mut bytes).expect("written");
    bytes
}

/// The first message of a browser, or of a phone that cannot pair.
pub fn plain_hello(name: &str) -> Vec<u8> {
    hello(pinned_client(any_pin()).expect("TLS"), name)
}

fn any_pin() -> Pin {
    "00".repeat(32).parse().expect("64 digits")
}

/// A connection of a client that expects that key.
pub async fn encrypted(source: [u8; 4], to: SocketAddr, pin: Pin, name: &str) -> TlsStream<TcpStream> {
    let socket = connect_from(source, to).await;
    let connector = TlsConnector::from(pinned_client(pin).expect("TLS"));
    connector.connect(named(name), socket).await.expect("a handshake")
}

/// The same phone again: who connects gives its file away.
pub fn copy(file: &PhoneFile) -> PhoneFile {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("phone");
    file.store(&path).expect("written");
    PhoneFile::load(&path).expect("read")
}
