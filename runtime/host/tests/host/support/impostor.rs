//! Somebody whom phones reach instead of their host: takes the connection with a key of its own and answers what a
//! test wants.

use std::sync::Arc;

use handshake::encoding::{KeyKind, Spki};
use handshake::keys::SigningKey;
use handshake::pairing::{Channel, ConnectionId};
use handshake::secret::Secret;
use handshake::transcript::{ALPN_PAIR, EXPORTER_LABEL};
use runtime_wire::tls::{peer_key, raw_server};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::phone::{alert_of, key};

pub struct Impostor {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    pub key: Arc<SigningKey>,
}

impl Impostor {
    pub async fn new() -> Self {
        let key = key(KeyKind::Ed25519);
        let shown = *key.spki();
        Self::showing(key, &shown).await
    }

    /// Shows a key that it may not have.
    pub async fn showing(key: Arc<SigningKey>, shown: &Spki) -> Self {
        let config = raw_server(key.pkcs8(), shown, ALPN_PAIR, Arc::new(|_: &Spki| true), false).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener, acceptor: TlsAcceptor::from(config), key }
    }

    pub fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    /// A phone comes; the alert where it turns away.
    pub async fn meet(&self) -> Result<Met, Option<u8>> {
        let (socket, _) = self.listener.accept().await.unwrap();
        let stream = self.acceptor.accept(socket).await.map_err(|error| alert_of(&error))?;
        let tls = stream.get_ref().1;
        let device = peer_key(tls.peer_certificates()).unwrap();
        let exporter = Secret::new(tls.export_keying_material([0; 32], EXPORTER_LABEL, None).unwrap());
        let channel = Channel { connection: ConnectionId(1), device, runtime: *self.key.spki(), exporter };
        Ok(Met { stream, channel, read: Vec::new() })
    }
}

/// A phone that believes it has reached its host.
pub struct Met {
    stream: TlsStream<TcpStream>,
    pub channel: Channel,
    read: Vec<u8>,
}

impl Met {
    /// The next request: its step and its body. `None`: the phone has hung up.
    pub async fn heard(&mut self) -> Option<(String, Vec<u8>)> {
        let head = loop {
            if let Some(end) = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let head = self.read.drain(..end + 4).collect::<Vec<_>>();
                break String::from_utf8(head).unwrap().to_ascii_lowercase();
            }
            self.more().await?;
        };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let length: usize = length.parse().unwrap();
        while self.read.len() < length {
            self.more().await?;
        }
        let step = head.split(' ').nth(1).unwrap().rsplit('/').next().unwrap().to_owned();
        Some((step, self.read.drain(..length).collect()))
    }

    /// The next request must be that step.
    pub async fn hears<T: DeserializeOwned>(&mut self, wanted: &str) -> T {
        let (step, body) = self.heard().await.unwrap();
        assert_eq!(step, wanted);
        handshake::body::read(&body).unwrap()
    }

    pub async fn answers(&mut self, answer: &impl Serialize) {
        self.answers_bytes(200, &serde_json::to_vec(answer).unwrap()).await;
    }

    pub async fn answers_bytes(&mut self, status: u16, body: &[u8]) {
        let head = format!(
            "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        self.stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    async fn more(&mut self) -> Option<()> {
        let mut bytes = [0; 4096];
        match self.stream.read(&mut bytes).await {
            Ok(0) | Err(_) => None,
            Ok(count) => {
                self.read.extend_from_slice(&bytes[..count]);
                Some(())
            }
        }
    }
}
