//! A phone driven by hand over real TLS: it says what a test wants it to say, and hands back exactly what came.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use handshake::device::{DeviceName, Platform};
use handshake::encoding::{Commit, KeyKind, Nonce, QrCode, Spki, TypedCode, server_name};
use handshake::error::Code;
use handshake::keys::{Agree, SigningKey, WrapKey};
use handshake::pairing::{Challenge, Claimed, Enrol, Enrolled, Hello, Proof, WindowName};
use handshake::secret::Secret;
use handshake::transcript::{
    ALPN_PAIR, CompareDigits, EXPORTER_LABEL, Facts, PBKDF2_ROUNDS, PairingSecret, Transcript, commit_to,
};
use ring::rand::SystemRandom;
use runtime_phone::{PhoneError, Requests};
use runtime_user::Invitation;
use runtime_wire::tls::{peer_key, raw_client};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// An address of this machine in a network where nobody else of a test is, so that its limits are its own.
pub const fn network(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 1, number, 1)
}

/// The alert that ended a connection; `None`: it was cut without a word.
pub fn alert_of(error: &std::io::Error) -> Option<u8> {
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(rustls::Error::AlertReceived(description)) => Some(u8::from(*description)),
        _ => None,
    }
}

/// Connects from there and encrypts.
pub async fn encrypt(
    from: Ipv4Addr,
    to: SocketAddr,
    name: &str,
    config: Arc<ClientConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    let socket = socket.connect(to).await?;
    TlsConnector::from(config).connect(ServerName::try_from(name.to_owned()).unwrap(), socket).await
}

/// What ends a connection whose client thinks that the handshake is through: the alert, or nothing.
pub async fn ended_with(connected: std::io::Result<TlsStream<TcpStream>>) -> Option<u8> {
    match connected {
        Err(error) => alert_of(&error),
        Ok(mut stream) => match stream.read_u8().await {
            Ok(byte) => panic!("the runtime said {byte}"),
            Err(error) => alert_of(&error),
        },
    }
}

pub fn key(kind: KeyKind) -> Arc<SigningKey> {
    Arc::new(SigningKey::generate(kind, &SystemRandom::new()).unwrap())
}

/// A way into a window: what its code tells whoever has read it.
#[derive(Clone)]
pub struct Way {
    pub server_name: String,
    pub window: WindowName,
    pub secret: PairingSecret,
}

pub fn qr_of(invitation: &Invitation) -> QrCode {
    QrCode::parse(&invitation.qr).unwrap()
}

pub fn typed_of(invitation: &Invitation) -> TypedCode {
    TypedCode::parse(invitation.typed.as_ref().unwrap()).unwrap()
}

pub fn scanned(invitation: &Invitation) -> Way {
    let qr = qr_of(invitation);
    Way {
        server_name: server_name(&qr.label.to_string(), &qr.host),
        window: WindowName::Scanned(qr.window),
        secret: PairingSecret::Qr(qr.secret),
    }
}

pub fn typed(invitation: &Invitation) -> Way {
    let code = typed_of(invitation);
    Way {
        server_name: server_name(&code.selector().server_label(), "127.0.0.1"),
        window: WindowName::Typed(code.selector()),
        secret: PairingSecret::stretch(&code, invitation.window, PBKDF2_ROUNDS).unwrap(),
    }
}

/// Whoever is refused is told a status and a code, and nothing else.
pub type Refused = (u16, Code);

/// One pairing connection.
pub struct Hand {
    pub key: Arc<SigningKey>,
    pub runtime: Spki,
    pub exporter: Secret<32>,
    server_name: String,
    requests: Requests,
}

impl Hand {
    /// Connects from the network where honest phones are, too.
    pub async fn connect(to: SocketAddr, name: &str, key: &Arc<SigningKey>) -> Result<Self, Option<u8>> {
        Self::connect_from(Ipv4Addr::LOCALHOST, to, name, key).await
    }

    /// Connects; the alert where it is refused.
    pub async fn connect_from(
        from: Ipv4Addr,
        to: SocketAddr,
        name: &str,
        key: &Arc<SigningKey>,
    ) -> Result<Self, Option<u8>> {
        let config = raw_client(key.pkcs8(), key.spki(), ALPN_PAIR, Arc::new(|_: &Spki| true)).unwrap();
        let stream = encrypt(from, to, name, config).await.map_err(|error| alert_of(&error))?;
        let tls = stream.get_ref().1;
        let runtime = peer_key(tls.peer_certificates()).unwrap();
        let exporter = Secret::new(tls.export_keying_material([0; 32], EXPORTER_LABEL, None).unwrap());
        let requests = Requests::one(stream).await.unwrap();
        Ok(Self { key: Arc::clone(key), runtime, exporter, server_name: name.to_owned(), requests })
    }

    /// One request as it stands, and what came; an error where the connection ended instead.
    pub async fn try_post(&mut self, step: &str, body: Vec<u8>) -> Result<(u16, Bytes), PhoneError> {
        let path = format!("/.upc/pair/1/{step}");
        let reply = self.requests.post(&self.server_name, &path, Bytes::from(body), 30_000).await?;
        Ok((reply.status, reply.body))
    }

    /// One request. A refusal has exactly the form that it is to have.
    pub async fn post<T: DeserializeOwned>(
        &mut self,
        step: &str,
        body: &impl Serialize,
    ) -> Result<T, Refused> {
        self.post_bytes(step, serde_json::to_vec(body).unwrap()).await
    }

    pub async fn post_bytes<T: DeserializeOwned>(&mut self, step: &str, body: Vec<u8>) -> Result<T, Refused> {
        let (status, body) = self.try_post(step, body).await.unwrap();
        if status == 200 {
            return Ok(handshake::body::read(&body).unwrap());
        }
        let told: handshake::error::Body = serde_json::from_slice(&body).unwrap();
        let code = Code::parse(&told.error).unwrap();
        assert_eq!(body, serde_json::to_vec(&code.body(told.retry)).unwrap(), "a code and nothing more");
        Err((status, code))
    }

    /// M1, with a commitment to that nonce.
    pub async fn hello(&mut self, window: WindowName, nonce: Nonce) -> Result<Challenge, Refused> {
        self.post("hello", &hello(window, nonce)).await
    }

    /// M3.
    pub async fn proof(&mut self, proof: &Proof) -> Result<Claimed, Refused> {
        self.post("proof", proof).await
    }

    /// M5.
    pub async fn enrol(&mut self) -> Result<Enrolled, Refused> {
        let wrap = WrapKey::random(&SystemRandom::new()).unwrap();
        self.post("enrol", &Enrol { wrap_pub: wrap.public() }).await
    }

    /// What this connection is about, as an honest phone sees it.
    pub fn facts<'a>(&'a self, way: &Way, challenge: &Challenge, commit: Commit) -> Facts<'a> {
        Facts {
            method: way.secret.method(),
            window: challenge.window,
            spki_runtime: self.runtime.as_bytes(),
            spki_device: self.key.spki().as_bytes(),
            exporter: &self.exporter,
            commit,
            nonce_runtime: challenge.nonce,
        }
    }

    /// The right proof for that challenge, and the digits of it.
    pub fn right(&self, way: &Way, challenge: &Challenge, nonce: Nonce) -> (Proof, CompareDigits) {
        prove(&self.facts(way, challenge, commit_to(&nonce)), &way.secret, nonce)
    }

    /// M1 and M3 as they should be: the window is this phone's.
    pub async fn claim(&mut self, way: &Way) -> Result<CompareDigits, Refused> {
        let nonce = Nonce::random(&SystemRandom::new()).unwrap();
        let challenge = self.hello(way.window, nonce).await?;
        let (proof, digits) = self.right(way, &challenge, nonce);
        self.proof(&proof).await.map(|_| digits)
    }

    /// M1, and M3 with a secret that is not the window's.
    pub async fn guess(&mut self, way: &Way) -> Result<Claimed, Refused> {
        let nonce = Nonce::random(&SystemRandom::new()).unwrap();
        let challenge = self.hello(way.window, nonce).await?;
        let secret = match way.secret {
            PairingSecret::Qr(_) => PairingSecret::Qr(Secret::new([0; 16])),
            PairingSecret::Typed(_) => PairingSecret::Typed(Secret::new([0; 32])),
        };
        let (proof, _) = prove(&self.facts(way, &challenge, commit_to(&nonce)), &secret, nonce);
        self.proof(&proof).await
    }
}

pub fn hello(window: WindowName, nonce: Nonce) -> Hello {
    let name = DeviceName::new("a phone by hand").unwrap();
    Hello { window, commit: commit_to(&nonce), name, platform: Platform::Android }
}

/// What follows from those facts, true or not.
pub fn prove(facts: &Facts<'_>, secret: &PairingSecret, nonce: Nonce) -> (Proof, CompareDigits) {
    let transcript = Transcript::new(facts, secret);
    (Proof { nonce, mac: transcript.mac_phone(&nonce) }, transcript.digits(&nonce))
}
