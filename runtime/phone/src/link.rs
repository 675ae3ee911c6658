//! Connections of this phone: raw public keys on both sides, and the requests that are sent over them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use handshake::encoding::Spki;
use handshake::error::{Body, Code};
use handshake::secret::Secret;
use handshake::session::HEAD_FIELD;
use handshake::transcript::EXPORTER_LABEL;
use http_body_util::Full;
use hyper::client::conn::{http1, http2};
use hyper::http::request::Builder;
use hyper::{Method, Request, header};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use zeroize::Zeroizing;

use crate::client::{PhoneError, Reply, collect, sending_ms};
use handshake::keys::SigningKey;
use runtime_wire::tls::{Accepts, peer_key, raw_client};

/// How long connecting may take, ms.
const CONNECT_MS: u64 = 10_000;

/// An encrypted connection, and what both sides know of it.
pub struct Secured {
    /// The connection.
    pub stream: TlsStream<TcpStream>,
    /// The key that the runtime showed.
    pub runtime: Spki,
    /// The secret that TLS exports on this connection.
    pub exporter: Secret<32>,
}

/// The address to connect to, the phone's key, and the accepted keys of the runtime.
pub struct Call<'a> {
    /// The name or address to connect to.
    pub host: &'a str,
    /// The port.
    pub port: u16,
    /// The server name for TLS.
    pub server_name: &'a str,
    /// The phone's key.
    pub key: &'a SigningKey,
    /// The ALPN name of the protocol.
    pub protocol: &'a [u8],
    /// The keys that are accepted.
    pub accepts: Accepts,
}

/// Connects and encrypts.
///
/// # Errors
/// [`PhoneError::OtherRuntime`] where another runtime is there, [`PhoneError::Alert`] where the other side refuses.
pub async fn secure(call: &Call<'_>) -> Result<Secured, PhoneError> {
    let config = raw_client(call.key.pkcs8(), call.key.spki(), call.protocol, Arc::clone(&call.accepts))?;
    secure_with(call, config).await
}

/// Like [`secure`], with a configuration that may resume an earlier session.
///
/// # Errors
/// As [`secure`].
pub async fn secure_with(call: &Call<'_>, config: Arc<rustls::ClientConfig>) -> Result<Secured, PhoneError> {
    let authority = format!("{}:{}", call.host, call.port);
    let connect = async {
        let reach = |source| PhoneError::Reach { authority: authority.clone(), source };
        let socket = TcpStream::connect((call.host, call.port)).await.map_err(reach)?;
        socket.set_nodelay(true).map_err(reach)?;
        let name = ServerName::try_from(call.server_name.to_owned());
        let name = name.map_err(|_| PhoneError::Name(call.server_name.to_owned()))?;
        let connected = TlsConnector::from(config).connect(name, socket).await;
        connected.map_err(|source| PhoneError::of_tls(&authority, source))
    };
    let limit = Duration::from_millis(CONNECT_MS);
    let stream = timeout(limit, connect).await.unwrap_or(Err(PhoneError::Silent { limit_ms: CONNECT_MS }))?;
    let tls = stream.get_ref().1;
    let runtime = peer_key(tls.peer_certificates()).ok_or(PhoneError::OtherRuntime)?;
    // A library that resumes a session does not check whose key it was.
    if !(call.accepts)(&runtime) || tls.alpn_protocol() != Some(call.protocol) {
        return Err(PhoneError::OtherRuntime);
    }
    let exporter = tls.export_keying_material([0; 32], EXPORTER_LABEL, None)?;
    Ok(Secured { stream, runtime, exporter: Secret::new(exporter) })
}

/// Requests over one connection, of either version of HTTP.
pub enum Requests {
    /// For a pairing.
    One(http1::SendRequest<Full<Bytes>>),
    /// For a paired phone.
    Two(http2::SendRequest<Full<Bytes>>),
}

impl Requests {
    /// HTTP/1.1 on that connection.
    ///
    /// # Errors
    /// [`PhoneError::Broken`].
    pub async fn one(stream: TlsStream<TcpStream>) -> Result<Self, PhoneError> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // The task ends with the sender; callers that wait for an answer get the reason.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Self::One(sender))
    }

    /// HTTP/2 on that connection.
    ///
    /// # Errors
    /// [`PhoneError::Broken`].
    pub async fn two(stream: TlsStream<TcpStream>) -> Result<Self, PhoneError> {
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        tokio::spawn(async move { drop(connection.await) });
        Ok(Self::Two(sender))
    }

    /// The same connection for a call beside others; `None` for HTTP/1.1, which has one call at a time.
    pub fn beside(&self) -> Option<Self> {
        match self {
            Self::One(_) => None,
            Self::Two(sender) => Some(Self::Two(sender.clone())),
        }
    }

    /// Whether the connection has ended, so that no call can be sent.
    pub fn is_closed(&self) -> bool {
        match self {
            Self::One(sender) => sender.is_closed(),
            Self::Two(sender) => sender.is_closed(),
        }
    }

    /// Posts a body and reads the whole answer.
    ///
    /// # Errors
    /// [`PhoneError`] where no answer came; a refusal is an answer.
    pub async fn post(
        &mut self,
        authority: &str,
        path: &str,
        body: Bytes,
        limit_ms: u64,
    ) -> Result<Reply, PhoneError> {
        let request = Request::builder()
            .method(Method::POST)
            .header(header::CONTENT_TYPE, "application/json; charset=UTF-8");
        self.send(authority, path, (request, body), limit_ms).await
    }

    /// Asks with `GET` and these headers, and reads the whole answer.
    ///
    /// # Errors
    /// As [`Self::post`].
    pub async fn get(
        &mut self,
        authority: &str,
        path: &str,
        headers: &[(&str, &str)],
        limit_ms: u64,
    ) -> Result<Reply, PhoneError> {
        let request = Request::builder().method(Method::GET);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        self.send(authority, path, (request, Bytes::new()), limit_ms).await
    }

    async fn send(
        &mut self,
        authority: &str,
        path: &str,
        (request, body): (Builder, Bytes),
        limit_ms: u64,
    ) -> Result<Reply, PhoneError> {
        let bad_path = |_| PhoneError::Name(path.to_owned());
        let limit_ms = sending_ms(limit_ms, body.len());
        let exchange = async {
            Ok::<_, PhoneError>(match self {
                Self::One(sender) => {
                    let request = request.uri(path).header(header::HOST, authority).body(Full::new(body));
                    sender.ready().await?;
                    sender.send_request(request.map_err(bad_path)?).await?
                }
                Self::Two(sender) => {
                    let request = request.uri(format!("https://{authority}{path}")).body(Full::new(body));
                    sender.ready().await?;
                    sender.send_request(request.map_err(bad_path)?).await?
                }
            })
        };
        let answered = timeout(Duration::from_millis(limit_ms), exchange).await;
        let (head, body) = answered.unwrap_or(Err(PhoneError::Silent { limit_ms }))?.into_parts();
        let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (retry_after_s, content_type) =
            (text(header::RETRY_AFTER).parse().ok(), text(header::CONTENT_TYPE).to_owned());
        let stands = head.headers.get(HEAD_FIELD).map(|value| value.to_str().unwrap_or_default().to_owned());
        let body = collect(body, limit_ms).await?;
        Ok(Reply { status: head.status.as_u16(), retry_after_s, content_type, head: stands, body })
    }

    /// Sends a request to a path below `/.upc/`.
    ///
    /// # Errors
    /// [`PhoneError::Code`] where the runtime refuses it.
    pub async fn ask<T: DeserializeOwned>(
        &mut self,
        authority: &str,
        path: &str,
        body: &impl Serialize,
        limit_ms: u64,
    ) -> Result<T, PhoneError> {
        let body = Zeroizing::new(serde_json::to_vec(body).map_err(|_| PhoneError::Name(path.to_owned()))?);
        let reply = self.post(authority, path, Bytes::copy_from_slice(&body), limit_ms).await?;
        if reply.status == 200 {
            return handshake::body::read(&reply.body)
                .map_err(|_| PhoneError::Answer { path: path.to_owned() });
        }
        let refused = handshake::body::read::<Body>(&reply.body).ok();
        match refused.and_then(|body| Code::parse(&body.error)) {
            Some(code) => Err(PhoneError::Code { code }),
            None => Err(PhoneError::Answer { path: path.to_owned() }),
        }
    }
}
