//! One connection to a host, kept for as long as both sides want it.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::batches::batches;
use crate::connect::Connect;
use crate::native::Native;
use crate::state::PhoneFile;
use runtime_wire::tls::pinned_client;

/// Why a host did not answer, or refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PhoneError {
    /// The host cannot be reached.
    #[error("cannot reach {authority}")]
    Reach {
        /// The address.
        authority: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Another server is there, or the connection is not valid.
    #[error("{authority} is not the host with the pinned key, or no TLS host")]
    Tls {
        /// The address.
        authority: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The host name is not valid.
    #[error("{0} is no name of a host")]
    Name(String),
    /// Cryptography could not be set up.
    #[error("TLS cannot be set up")]
    Setup(#[from] rustls::Error),
    /// The connection broke off.
    #[error("the connection broke off")]
    Broken(#[from] hyper::Error),
    /// No data arrived for too long.
    #[error("no answer within {limit_ms} ms")]
    Silent {
        /// How long the phone waited, ms.
        limit_ms: u64,
    },
    /// The host refused the request.
    #[error("the host answered {status} {code}: {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The short code.
        code: String,
        /// The sentence.
        message: String,
    },
    /// The runtime has a different key than the one at pairing.
    #[error("not your cloud: another key answers there, nothing was sent")]
    OtherRuntime,
    /// The other side ended the handshake.
    #[error("{authority} refuses the connection (alert {description}): {}", alert_words(*description))]
    Alert {
        /// The address.
        authority: String,
        /// The alert, by its number in TLS.
        description: u8,
    },
    /// The runtime refused the request.
    #[error("the runtime answered {code}: {}", code_words(*code))]
    Code {
        /// The code of the reason.
        code: handshake::error::Code,
    },
    /// The pairing failed.
    #[error("{}", pair_words(*why))]
    Pair {
        /// The cause.
        why: handshake::pairing::PairError,
    },
    /// The runtime's description of itself is not valid.
    #[error(transparent)]
    Distrust(handshake::session::Distrust),
    /// The store is locked, and this phone cannot open it.
    #[error(
        "the store is locked, and neither the host nor this phone has a slot for this phone that opens; the host's slots.json may be an older copy"
    )]
    Slot,
    /// The operating system gave no random bytes for a signature.
    #[error("nothing was signed: no random bytes from the operating system")]
    Unsigned,
    /// The host asks for another signature than the one that the phone's person has seen.
    #[error("the host asks for another signature than a moment ago: look again")]
    OtherProposal,
    /// The phone was not granted this path.
    #[error("this phone was not granted {0}")]
    NotGranted(String),
    /// The answer is not what the route promises.
    #[error("the host's answer is not the JSON that {path} promises")]
    Answer {
        /// The route.
        path: String,
    },
}

impl PhoneError {
    /// The error for a failed handshake.
    pub(super) fn of_tls(authority: &str, source: io::Error) -> Self {
        let authority = authority.to_owned();
        match alert_in(&source) {
            Some(description) => Self::Alert { authority, description },
            None if is_refused_key(&source) => Self::OtherRuntime,
            None => Self::Tls { authority, source },
        }
    }

    /// The alert that ended a connection, also where it came after the handshake.
    pub fn alert(&self) -> Option<u8> {
        match self {
            Self::Alert { description, .. } => Some(*description),
            Self::Broken(error) => alert_in(error),
            _ => None,
        }
    }
}

fn rustls_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let inner = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if let Some(found) = error.downcast_ref::<rustls::Error>().or(inner) {
            return Some(found);
        }
        next = error.source();
    }
    None
}

fn alert_in(error: &(dyn std::error::Error + 'static)) -> Option<u8> {
    match rustls_error(error)? {
        rustls::Error::AlertReceived(description) => Some(u8::from(*description)),
        _ => None,
    }
}

fn is_refused_key(error: &io::Error) -> bool {
    matches!(rustls_error(error), Some(rustls::Error::InvalidCertificate(_)))
}

impl From<handshake::pairing::PairError> for PhoneError {
    fn from(why: handshake::pairing::PairError) -> Self {
        Self::Pair { why }
    }
}

fn pair_words(why: handshake::pairing::PairError) -> String {
    why.words().map_or_else(|| why.to_string(), str::to_owned)
}

fn alert_words(description: u8) -> &'static str {
    match description {
        49 => "this phone was removed, pair again",
        112 => "your cloud is not at this address",
        120 => "update the app",
        _ => "the two do not understand each other",
    }
}

fn code_words(code: handshake::error::Code) -> &'static str {
    use handshake::error::Code;
    match code {
        Code::DeviceUnknown => "this phone was removed, pair again",
        Code::ScopeMissing => "not permitted for this phone",
        Code::WindowGone => "the code has expired, make a new one",
        Code::ProofWrong => "the code or the key was not accepted",
        Code::WindowClaimed => "another phone used this code: cancel the pairing",
        Code::NotApproved => {
            "not approved: another of your phones has to sign for this one (`cellar phone approve`)"
        }
        Code::StoreLocked => "the store is locked",
        Code::RolledBack => "your cloud stands before what this phone has seen of it",
        Code::RateLimited => "too often, try again later",
        Code::VersionRetired => "update the app",
        Code::WrongAuthority => "another name than the connection's",
        Code::Starting => "try again in a moment",
        _ => "the request was not understood",
    }
}

/// The answer of a host.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// `Retry-After`, s.
    pub retry_after_s: Option<u32>,
    /// `Content-Type`.
    pub content_type: String,
    /// The field in which a runtime tells where its store stands, as it came.
    pub head: Option<String>,
    /// The body, whole.
    pub body: Bytes,
}

/// How long an answer may take, ms: longer than any run of a cell.
const ANSWER_MS: u64 = 120_000;
/// The rate of the slowest supported link, bytes a second.
const BYTES_PER_S_MIN: u64 = 1_024;
/// How long connecting may take, ms.
const CONNECT_MS: u64 = 10_000;

/// A phone with its connection: a paired one, or one that presents a token.
pub struct Phone {
    line: Line,
}

enum Line {
    Token(Box<TokenLine>),
    Paired(Box<Native>),
}

struct TokenLine {
    connect: Connect,
    sender: http1::SendRequest<Full<Bytes>>,
}

impl Phone {
    /// Connects, and stops unless the host has the pinned key.
    ///
    /// # Errors
    /// [`PhoneError`] where no host or another host is there.
    pub async fn connect(connect: Connect) -> Result<Self, PhoneError> {
        let limit = Duration::from_millis(CONNECT_MS);
        let opened = timeout(limit, open(&connect)).await;
        let sender = opened.map_err(|_| PhoneError::Silent { limit_ms: CONNECT_MS })??;
        Ok(Self { line: Line::Token(Box::new(TokenLine { connect, sender })) })
    }

    /// A paired phone that has opened a session.
    pub fn paired(native: Native) -> Self {
        Self { line: Line::Paired(Box::new(native)) }
    }

    /// What a paired phone stores now; `None` for one with a token.
    pub fn file(&self) -> Option<&PhoneFile> {
        match &self.line {
            Line::Paired(native) => Some(&native.file),
            Line::Token(_) => None,
        }
    }

    /// The token for the member `user` of a body; `None`: a paired phone needs none.
    pub fn token(&self) -> Option<&str> {
        match &self.line {
            Line::Token(line) => Some(line.connect.token.reveal()),
            Line::Paired(_) => None,
        }
    }

    /// Posts a body to a path and reads the whole answer. Connects again if the connection has ended meanwhile.
    ///
    /// # Errors
    /// [`PhoneError`] where no answer came; a refusal is an answer.
    pub async fn post(&mut self, path: &str, body: impl Into<Bytes>) -> Result<Reply, PhoneError> {
        match &mut self.line {
            Line::Token(line) => line.post(path, body.into()).await,
            Line::Paired(native) => native.post(path, body.into()).await,
        }
    }

    /// Puts entries, in batches of a phone's size. Returns the number of batches; all of them are on the host's disk.
    ///
    /// # Errors
    /// [`PhoneError`]; batches before the one that failed are stored.
    pub async fn put(&mut self, entries: &[String]) -> Result<usize, PhoneError> {
        let token = zeroize::Zeroizing::new(self.token().unwrap_or_default().to_owned());
        let mut count = 0;
        for (body, _) in batches(&token, entries) {
            let reply = self.post("/usercache/put", body).await?;
            reply.success()?;
            count += 1;
        }
        Ok(count)
    }

    /// Entries of some keys between two moments (s, both included) of `metadata.write_ts` or another time.
    ///
    /// # Errors
    /// [`PhoneError`] where the host refuses or answers something else.
    pub async fn find_entries(&mut self, query: Value) -> Result<Vec<Value>, PhoneError> {
        let path = "/datastreams/find_entries/timestamp";
        let mut answer = self.ask(path, query).await?;
        match answer.get_mut("phone_data").map(Value::take) {
            Some(Value::Array(entries)) => Ok(entries),
            _ => Err(PhoneError::Answer { path: path.to_owned() }),
        }
    }

    /// Posts an object, with the token added, and reads the JSON of the answer.
    ///
    /// # Errors
    /// [`PhoneError`] where the host refuses or does not answer with JSON.
    pub async fn ask(&mut self, path: &str, mut body: Value) -> Result<Value, PhoneError> {
        if let (Value::Object(members), Some(token)) = (&mut body, self.token()) {
            members.insert("user".to_owned(), json!(token));
        }
        let reply = self.post(path, body.to_string()).await?;
        reply.success()?;
        serde_json::from_slice(&reply.body).map_err(|_| PhoneError::Answer { path: path.to_owned() })
    }
}

impl Reply {
    /// Returns an error unless the status is a success.
    ///
    /// # Errors
    /// [`PhoneError::Refused`] with the host's message.
    pub fn success(&self) -> Result<(), PhoneError> {
        if (200..300).contains(&self.status) {
            return Ok(());
        }
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let word = |name: &str| body["error"][name].as_str().unwrap_or("?").to_owned();
        Err(PhoneError::Refused { status: self.status, code: word("code"), message: word("message") })
    }
}

impl TokenLine {
    async fn post(&mut self, path: &str, body: Bytes) -> Result<Reply, PhoneError> {
        let bytes = body.len();
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(header::HOST, self.connect.authority())
            .header(header::CONTENT_TYPE, "application/json; charset=UTF-8")
            .body(Full::new(body))
            .map_err(|_| PhoneError::Name(path.to_owned()))?;
        if self.sender.ready().await.is_err() {
            self.sender = open(&self.connect).await?;
        }
        exchange(&mut self.sender, request, bytes).await
    }
}

async fn open(connect: &Connect) -> Result<http1::SendRequest<Full<Bytes>>, PhoneError> {
    let authority = connect.authority();
    let reach = |source| PhoneError::Reach { authority: authority.clone(), source };
    let socket = TcpStream::connect((connect.host.as_str(), connect.port)).await.map_err(reach)?;
    socket.set_nodelay(true).map_err(reach)?;
    let name = ServerName::try_from(connect.host.clone());
    let name = name.map_err(|_| PhoneError::Name(connect.host.clone()))?;
    let connector = TlsConnector::from(pinned_client(connect.pin)?);
    let encrypted = connector.connect(name, socket).await;
    let encrypted = encrypted.map_err(|source| PhoneError::Tls { authority: authority.clone(), source })?;
    let (sender, connection) = http1::handshake(TokioIo::new(encrypted)).await?;
    // The task ends with the sender; callers that wait for an answer get the reason.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

async fn exchange(
    sender: &mut http1::SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
    bytes: usize,
) -> Result<Reply, PhoneError> {
    let limit_ms = sending_ms(ANSWER_MS, bytes);
    let answered = timeout(Duration::from_millis(limit_ms), sender.send_request(request)).await;
    let (head, body) = answered.map_err(|_| PhoneError::Silent { limit_ms })??.into_parts();
    let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (retry_after_s, content_type) =
        (text(header::RETRY_AFTER).parse().ok(), text(header::CONTENT_TYPE).to_owned());
    let body = collect(body, ANSWER_MS).await?;
    Ok(Reply { status: head.status.as_u16(), retry_after_s, content_type, head: None, body })
}

/// How long an answer may take that waits for `bytes` to be sent, ms: a larger body has more time.
pub(super) fn sending_ms(limit_ms: u64, bytes: usize) -> u64 {
    limit_ms.saturating_add((bytes as u64).saturating_mul(1_000) / BYTES_PER_S_MIN)
}

/// The body of an answer; each piece must arrive within the pause.
pub(super) async fn collect(mut body: Incoming, pause_ms: u64) -> Result<Bytes, PhoneError> {
    let mut all = BytesMut::new();
    loop {
        let next = timeout(Duration::from_millis(pause_ms), body.frame()).await;
        match next.map_err(|_| PhoneError::Silent { limit_ms: pause_ms })? {
            Some(frame) => all.extend_from_slice(&frame?.into_data().unwrap_or_default()),
            None => return Ok(all.freeze()),
        }
    }
}
