//! Clients of TLS that do what no phone of ours does.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use handshake::encoding::{KeyKind, Spki};
use handshake::keys::SigningKey;
use handshake::route::{ALPN_CONNECT, ALPN_WEB};
use handshake::secret::Secret;
use handshake::session::SessionRequest;
use handshake::transcript::EXPORTER_LABEL;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use ring::rand::SystemRandom;
use runtime_phone::PhoneFile;
use runtime_wire::tls::{peer_key, provider};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientSessionStore, ResolvesClientCert, Resumption};
use rustls::client::{Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, HandshakeKind, NamedGroup, SignatureScheme,
    SupportedProtocolVersion,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::cloud::Cloud;
use super::witness::name_of;

/// Long enough for a machine under load; a test that waits so long has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Takes whoever answers, and asks for bare keys or for certificates as it is told at the moment.
#[derive(Debug)]
struct Anybody {
    raw: Arc<AtomicBool>,
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.raw.load(Ordering::Relaxed)
    }
}

/// Shows a key or none, and says that it could show a bare one.
#[derive(Debug)]
struct Shown {
    key: Option<Arc<CertifiedKey>>,
    raw: Arc<AtomicBool>,
}

impl ResolvesClientCert for Shown {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.key.clone()
    }

    fn only_raw_public_keys(&self) -> bool {
        self.raw.load(Ordering::Relaxed)
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Keeps every ticket, and offers the newest to whomever the client connects to.
#[derive(Debug, Default)]
pub struct Purse(Mutex<Vec<Tls13ClientSessionValue>>);

impl Purse {
    pub fn count(&self) -> usize {
        self.0.lock().expect("no panic").len()
    }

    pub fn empty(&self) {
        self.0.lock().expect("no panic").clear();
    }
}

impl ClientSessionStore for Purse {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.0.lock().expect("no panic").push(value);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.0.lock().expect("no panic").pop()
    }
}

/// A client of whatever habits. Its configurations share tickets, and the verifier that a library wants to be the same
/// for a ticket to be offered.
pub struct Stranger {
    pub purse: Arc<Purse>,
    raw: Arc<AtomicBool>,
    verifier: Arc<Anybody>,
    shown: Arc<Shown>,
}

/// Every version that the library speaks.
pub const ANY_TLS: &[&SupportedProtocolVersion] = rustls::ALL_VERSIONS;
pub const TLS12: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];

impl Stranger {
    /// Who shows that key, or says that they could and then shows none.
    pub fn with(key: Option<&SigningKey>) -> Self {
        let certified = key.map(|key| {
            let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.pkcs8().to_vec()));
            let signer = provider().key_provider.load_private_key(private).expect("a key");
            let shown = CertificateDer::from(key.spki().as_bytes().to_vec());
            Arc::new(CertifiedKey::new(vec![shown], signer))
        });
        let raw = Arc::new(AtomicBool::new(true));
        let shown = Arc::new(Shown { key: certified, raw: Arc::clone(&raw) });
        let verifier = Arc::new(Anybody { raw: Arc::clone(&raw) });
        Self { purse: Arc::default(), raw, verifier, shown }
    }

    /// From now on it takes bare keys alone, or certificates alone.
    pub fn takes_raw_keys(&self, raw: bool) {
        self.raw.store(raw, Ordering::Relaxed);
    }

    pub fn config(&self, protocols: &[&[u8]]) -> Arc<ClientConfig> {
        self.config_of(protocols, ANY_TLS)
    }

    pub fn config_of(
        &self,
        protocols: &[&[u8]],
        versions: &[&'static SupportedProtocolVersion],
    ) -> Arc<ClientConfig> {
        let verifier: Arc<Anybody> = Arc::clone(&self.verifier);
        let shown: Arc<Shown> = Arc::clone(&self.shown);
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .expect("versions of the library")
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(shown);
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        config.resumption = Resumption::store(Arc::clone(&self.purse) as Arc<dyn ClientSessionStore>);
        config.enable_early_data = true;
        Arc::new(config)
    }
}

impl Stranger {
    /// Does not even say that it could show a key.
    pub fn keyless(&self, protocols: &[&[u8]]) -> Arc<ClientConfig> {
        let verifier: Arc<Anybody> = Arc::clone(&self.verifier);
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(ANY_TLS)
            .expect("versions of the library")
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Arc::new(config)
    }
}

/// A key that nobody knows.
pub fn unknown_key(kind: KeyKind) -> SigningKey {
    SigningKey::generate(kind, &SystemRandom::new()).expect("randomness")
}

/// How the other side ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With an alert, as TLS numbers them.
    Alert(u8),
    /// Without a word.
    Cut,
}

pub fn rustls_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let inner = inner.and_then(|inner| inner.downcast_ref::<Error>());
        if let Some(found) = error.downcast_ref::<Error>().or(inner) {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// What a failure says of the other side; fails a test where it was the client that refused.
pub fn end_of(error: &(dyn std::error::Error + 'static)) -> End {
    match rustls_error(error) {
        Some(Error::AlertReceived(description)) => End::Alert(u8::from(*description)),
        Some(error) => panic!("the client itself ended: {error}"),
        None => End::Cut,
    }
}

/// Connects and encrypts; `Err`: the other side refused within the handshake.
pub async fn shake(
    address: SocketAddr,
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
) -> Result<TlsStream<TcpStream>, End> {
    let socket = TcpStream::connect(address).await.expect("somebody listens");
    socket.set_nodelay(true).expect("a socket");
    let shaken = timeout(PATIENCE, TlsConnector::from(config).connect(name, socket)).await;
    shaken.expect("no endless handshake").map_err(|error| end_of(&error))
}

pub fn server(name: &str) -> ServerName<'static> {
    ServerName::try_from(name.to_owned()).expect("a name")
}

/// How a try to connect to the devices' protocol ends. A host that lets a device in speaks first; who is refused hears
/// an alert in its place.
pub async fn refusal(address: SocketAddr, config: Arc<ClientConfig>, name: ServerName<'static>) -> End {
    match shake(address, config, name).await {
        Err(end) => end,
        Ok(mut stream) => {
            let read = timeout(PATIENCE, stream.read_u8()).await.expect("a word");
            end_of(&read.expect_err("let in"))
        }
    }
}

/// A connection of HTTP/2 that its test opens, watches and ends.
pub struct Line {
    sender: http2::SendRequest<Full<Bytes>>,
    over: JoinHandle<Result<(), hyper::Error>>,
    name: String,
    pub runtime: Option<Spki>,
    pub exporter: Secret<32>,
    pub resumed: bool,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub status: u16,
    pub body: String,
}

impl Said {
    /// A refusal with that code and status and nothing else.
    pub fn is(&self, status: u16, code: &str) -> bool {
        let body = format!(r#"{{"error":"{code}","retry":null}}"#);
        self.status == status && self.body == body
    }
}

impl Line {
    pub async fn open(address: SocketAddr, config: Arc<ClientConfig>, name: &str) -> Result<Self, End> {
        let stream = shake(address, config, server(name)).await?;
        Self::over(stream, name).await
    }

    /// As a phone would, with all that its file says.
    pub async fn of(file: &PhoneFile) -> Result<Self, End> {
        let stranger = Stranger::with(Some(&file.device));
        let address = SocketAddr::from(([127, 0, 0, 1], file.state.port));
        Self::open(address, stranger.config(&[ALPN_CONNECT]), &name_of(file)).await
    }

    async fn over(stream: TlsStream<TcpStream>, name: &str) -> Result<Self, End> {
        let tls = stream.get_ref().1;
        let resumed = tls.handshake_kind() == Some(HandshakeKind::Resumed);
        let exporter = tls.export_keying_material([0; 32], EXPORTER_LABEL, None).expect("shaken");
        let runtime = peer_key(tls.peer_certificates());
        let shaken = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (sender, connection) = shaken.map_err(|error| end_of(&error))?;
        let over = tokio::spawn(connection);
        Ok(Self { sender, over, name: name.to_owned(), runtime, exporter: Secret::new(exporter), resumed })
    }

    pub async fn post(&mut self, path: &str, body: impl Into<Bytes>) -> Result<Said, End> {
        self.post_with(path, body, &[]).await
    }

    pub async fn post_with(
        &mut self,
        path: &str,
        body: impl Into<Bytes>,
        headers: &[(&str, &str)],
    ) -> Result<Said, End> {
        let mut request = Request::post(format!("https://{}{path}", self.name));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).expect("a request");
        let exchange = async {
            self.sender.ready().await?;
            let (head, body) = self.sender.send_request(request).await?.into_parts();
            let body = body.collect().await?.to_bytes();
            let body = String::from_utf8(body.to_vec()).expect("text");
            Ok(Said { status: head.status.as_u16(), body })
        };
        let answered = timeout(PATIENCE, exchange).await.expect("an answer or an end");
        answered.map_err(|error: hyper::Error| end_of(&error))
    }

    /// Asks for a session with those scopes.
    pub async fn session(&mut self, want: &[&str]) -> Result<Said, End> {
        let request = SessionRequest {
            v: vec![1],
            want: want.iter().map(|scope| (*scope).to_owned()).collect(),
            last_head: None,
            client: "wire/1".to_owned(),
        };
        self.post("/.upc/v1/session", serde_json::to_vec(&request).expect("a request")).await
    }

    /// Waits until the other side ends it.
    pub async fn ended(self, limit: Duration) -> End {
        let Self { sender, over, .. } = self;
        let ended = timeout(limit, over).await.expect("ended in time").expect("no panic");
        drop(sender);
        ended.map_or_else(|error| end_of(&error), |()| End::Cut)
    }
}

/// A client whose every byte passes through the test.
pub struct Wire {
    pub tls: ClientConnection,
    pub socket: TcpStream,
    /// Everything that was sent so far.
    pub sent: Vec<u8>,
}

impl Wire {
    pub async fn open(address: SocketAddr, config: Arc<ClientConfig>, name: &str) -> Self {
        let socket = TcpStream::connect(address).await.expect("somebody listens");
        socket.set_nodelay(true).expect("a socket");
        let tls = ClientConnection::new(config, server(name)).expect("a client");
        Self { tls, socket, sent: Vec::new() }
    }

    /// Sends what TLS has to say.
    pub async fn send(&mut self) -> Result<(), End> {
        while self.tls.wants_write() {
            let mut out = Vec::new();
            self.tls.write_tls(&mut out).expect("memory takes it");
            self.sent.extend_from_slice(&out);
            self.socket.write_all(&out).await.map_err(|_| End::Cut)?;
        }
        Ok(())
    }

    /// What TLS makes of these bytes, kept back: one record.
    pub fn seal(&mut self, plain: &[u8]) -> Vec<u8> {
        let mut record = Vec::new();
        io::Write::write_all(&mut self.tls.writer(), plain).expect("memory takes it");
        while self.tls.wants_write() {
            self.tls.write_tls(&mut record).expect("memory takes it");
        }
        record
    }

    /// Sends bytes as they are.
    pub async fn pass(&mut self, bytes: &[&[u8]]) {
        // A host that has ended the connection takes nothing more, which is what is looked at elsewhere.
        let _ = self.socket.write_all(&bytes.concat()).await;
    }

    /// Reads once, and answers what came out of TLS.
    pub async fn receive(&mut self) -> Result<Vec<u8>, End> {
        let mut bytes = vec![0; 16 * 1024];
        let read = timeout(PATIENCE, self.socket.read(&mut bytes)).await.expect("a word");
        let count = read.map_err(|_| End::Cut)?;
        if count == 0 {
            return Err(End::Cut);
        }
        let mut rest = &bytes[..count];
        let mut plain = Vec::new();
        while !rest.is_empty() {
            self.tls.read_tls(&mut rest).expect("memory gives it");
            let state = self.tls.process_new_packets().map_err(|error| end_of(&error))?;
            let mut more = vec![0; state.plaintext_bytes_to_read()];
            io::Read::read_exact(&mut self.tls.reader(), &mut more).expect("it is there");
            plain.append(&mut more);
        }
        Ok(plain)
    }

    pub async fn shake(&mut self) -> Result<(), End> {
        self.send().await?;
        while self.tls.is_handshaking() {
            self.receive().await?;
            self.send().await?;
        }
        Ok(())
    }

    /// Reads to the end.
    pub async fn ended(&mut self) -> End {
        loop {
            if let Err(end) = self.receive().await {
                return end;
            }
        }
    }
}

/// A request of HTTP/2 with all that a connection begins with, byte for byte; its body apart.
pub fn raw_request(authority: &str, path: &str, body: &[u8]) -> [Vec<u8>; 2] {
    let frame = |kind: u8, flags: u8, stream: u8, payload: &[u8]| {
        let mut out = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        out.extend_from_slice(&[kind, flags, 0, 0, 0, stream]);
        out.extend_from_slice(payload);
        out
    };
    let mut headers = Vec::new();
    for (name, value) in
        [(":method", "POST"), (":scheme", "https"), (":authority", authority), (":path", path)]
    {
        // A literal that is not indexed; both lengths below 127.
        headers.extend_from_slice(&[0, name.len() as u8]);
        headers.extend_from_slice(name.as_bytes());
        headers.push(value.len() as u8);
        headers.extend_from_slice(value.as_bytes());
    }
    const SETTINGS: u8 = 4;
    const HEADERS: u8 = 1;
    const DATA: u8 = 0;
    let head = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(SETTINGS, 0, 0, &[]),
        frame(HEADERS, 4, 1, &headers),
    ];
    [head.concat(), frame(DATA, 1, 1, body)]
}

/// Visits a person's page as a browser does, and keeps the tickets.
pub async fn browse(cloud: &Cloud, stranger: &Stranger, web: &str) {
    stranger.takes_raw_keys(false);
    let mut stream = shake(cloud.address, stranger.config(&[ALPN_WEB]), server(web)).await.expect("sound");
    let request = format!("GET /health HTTP/1.1\r\nhost: {web}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sound");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{answer:?}");
}

/// A connection of the phone whose records its test holds back, and the two of them that are a request.
pub async fn held_back(cloud: &Cloud, file: &PhoneFile, path: &str, body: &[u8]) -> (Wire, [Vec<u8>; 2]) {
    let config = Stranger::with(Some(&file.device)).config(&[ALPN_CONNECT]);
    let mut wire = Wire::open(cloud.address, config, &name_of(file)).await;
    wire.shake().await.expect("sound");
    let [head, rest] = raw_request(&name_of(file), path, body);
    let records = [wire.seal(&head), wire.seal(&rest)];
    (wire, records)
}

/// A phone's clock.
#[derive(Debug)]
pub struct Clock(pub u64);

impl rustls::time_provider::TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_millis(self.0)))
    }
}
