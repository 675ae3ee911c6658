//! False hosts, and somebody in the middle who has every record of a phone in their hands.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use handshake::encoding::{KeyKind, Spki};
use handshake::route::ALPN_CONNECT;
use runtime_phone::{Native, PhoneError, PhoneFile};
use runtime_wire::tls::raw_server;
use rustls::{ClientConfig, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::wire::{PATIENCE, server, shake, unknown_key};
use super::witness::at_port;

/// Somebody in the middle: sees each record of a phone before the host does, and lets the host's through as they are.
pub struct Middle {
    phone: OwnedReadHalf,
    host: OwnedWriteHalf,
}

/// A door in the middle, for phones that were told its port.
pub async fn door() -> (TcpListener, u16) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    (listener, port)
}

impl Middle {
    pub async fn between(door: &TcpListener, host: SocketAddr) -> Self {
        let (phone, _) = door.accept().await.expect("a phone");
        let host = TcpStream::connect(host).await.expect("somebody listens");
        for socket in [&phone, &host] {
            socket.set_nodelay(true).expect("a socket");
        }
        let (phone, mut to_phone) = phone.into_split();
        let (mut from_host, host) = host.into_split();
        tokio::spawn(async move {
            // Whoever is gone need not be told.
            let _ = tokio::io::copy(&mut from_host, &mut to_phone).await;
        });
        Self { phone, host }
    }

    /// The phone's next record, header and all; `None` at the end.
    pub async fn record(&mut self) -> Option<Vec<u8>> {
        let mut record = vec![0; 5];
        self.phone.read_exact(&mut record).await.ok()?;
        let length = usize::from(u16::from_be_bytes([record[3], record[4]]));
        record.resize(5 + length, 0);
        self.phone.read_exact(&mut record[5..]).await.ok()?;
        Some(record)
    }

    /// Hands bytes to the host.
    pub async fn pass(&mut self, bytes: &[u8]) {
        // A host that has ended the connection takes nothing more, which is what is looked at elsewhere.
        let _ = self.host.write_all(bytes).await;
    }

    /// Ends the phone's direction towards the host.
    pub async fn cut(&mut self) {
        let _ = self.host.shutdown().await;
    }

    /// Hands on whatever comes, from now on, and tells what it was.
    pub fn let_through(mut self) -> JoinHandle<Vec<Vec<u8>>> {
        tokio::spawn(async move {
            let mut seen = Vec::new();
            while let Some(record) = self.record().await {
                self.pass(&record).await;
                seen.push(record);
            }
            self.cut().await;
            seen
        })
    }
}

/// A phone that is led elsewhere, and what the one there has heard of it.
pub async fn led_astray(file: &PhoneFile, config: Arc<ServerConfig>) -> (PhoneError, io::Error) {
    let (door, port) = door().await;
    let false_host = tokio::spawn(async move {
        let (socket, _) = door.accept().await.expect("sound");
        match TlsAcceptor::from(config).accept(socket).await {
            Err(error) => error,
            Ok(mut stream) => {
                let mut heard = Vec::new();
                let end = stream.read_to_end(&mut heard).await;
                assert!(heard.is_empty(), "the phone said something");
                end.expect_err("the phone leaves with an alert")
            }
        }
    });
    let error = Native::open(at_port(file, port)).await.err().expect("the phone stays away");
    (error, timeout(PATIENCE, false_host).await.expect("sound").expect("sound"))
}

/// Fetches tickets at a host that allows early data.
pub async fn tickets_for_early_data(config: &Arc<ClientConfig>, name: &str) {
    let (door, port) = door().await;
    let key = unknown_key(KeyKind::Ed25519);
    let anybody = Arc::new(|_: &Spki| true);
    let allowing = raw_server(key.pkcs8(), key.spki(), ALPN_CONNECT, anybody, true).expect("sound");
    let mut allowing = (*allowing).clone();
    allowing.max_early_data_size = 16 * 1024;
    let serving = tokio::spawn(async move {
        let (socket, _) = door.accept().await.expect("sound");
        let mut stream = TlsAcceptor::from(Arc::new(allowing)).accept(socket).await.expect("sound");
        stream.write_all(b"!").await.expect("sound");
        stream.shutdown().await.expect("sound");
    });
    let mut stream =
        shake(([127, 0, 0, 1], port).into(), Arc::clone(config), server(name)).await.expect("sound");
    assert_eq!(stream.read_u8().await.expect("sound"), b'!');
    serving.await.expect("sound");
}
