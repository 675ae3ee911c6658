//! Requests to the one server of the settings: TLS, one connection each, bounded in time and size.
//!
//! * A server that names other addresses in its answers does not get the host to connect to them.
//! * `Retry-After` is bounded before anybody computes with it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, HeaderValue, RETRY_AFTER};
use hyper::http::uri::{PathAndQuery, Scheme};
use hyper::{HeaderMap, Request, Uri};
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, HttpClient};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::{ACME_BODY_BYTES_MAX, ACME_HEAD_BYTES_MAX, TOLD_WAIT_S_MAX};

/// Why the server gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAnswer {
    #[error("the address of the directory is not one of https with a host")]
    Address,
    #[error("the server names an address of another server than that of its directory")]
    Elsewhere,
    #[error("the server cannot be reached")]
    Unreachable(#[from] std::io::Error),
    #[error("the server did not answer within {} s", .0.as_secs_f64())]
    TooSlow(Duration),
    #[error("the server's answer has more than {ACME_BODY_BYTES_MAX} bytes, or ends early")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the server does not speak HTTP")]
    Http(#[from] hyper::Error),
}

/// The way to the server.
#[derive(Clone)]
pub(crate) struct Transport {
    host: String,
    port: u16,
    tls: Arc<ClientConfig>,
    request: Duration,
    /// How long the server has told the host to wait with its refusals, at the most, s.
    told_wait_s: Arc<AtomicU64>,
}

impl Transport {
    /// The way to the server of this directory.
    pub(crate) fn new(directory: &str, tls: Arc<ClientConfig>, request: Duration) -> Result<Self, NoAnswer> {
        let uri: Uri = directory.parse().map_err(|_| NoAnswer::Address)?;
        let (host, port) = place(&uri).ok_or(NoAnswer::Address)?;
        Ok(Self { host: host.to_owned(), port, tls, request, told_wait_s: Arc::default() })
    }

    /// How long the server has told the host to wait since this was last asked, at the most.
    pub(crate) fn take_told_wait(&self) -> Duration {
        Duration::from_secs(self.told_wait_s.swap(0, Ordering::Relaxed))
    }

    async fn exchange(&self, mut request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, NoAnswer> {
        if place(request.uri()) != Some((&self.host, self.port)) {
            return Err(NoAnswer::Elsewhere);
        }
        let name = ServerName::try_from(self.host.clone()).map_err(|_| NoAnswer::Address)?;
        let path = request.uri().path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        let port = if self.port == 443 { String::new() } else { format!(":{}", self.port) };
        let authority =
            HeaderValue::try_from(format!("{}{port}", self.host)).map_err(|_| NoAnswer::Address)?;
        *request.uri_mut() = Uri::from(path);
        request.headers_mut().insert(HOST, authority);
        request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));

        let socket = TcpStream::connect((self.host.as_str(), self.port)).await?;
        let encrypted = TlsConnector::from(Arc::clone(&self.tls)).connect(name, socket).await?;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(ACME_HEAD_BYTES_MAX)
            .handshake::<_, BodyWrapper<Bytes>>(TokioIo::new(encrypted))
            .await?;
        // It ends with this call, however that ends.
        let mut driving = JoinSet::new();
        driving.spawn(connection);
        let (mut parts, body) = sender.send_request(request).await?.into_parts();
        let body =
            Limited::new(body, ACME_BODY_BYTES_MAX).collect().await.map_err(NoAnswer::Body)?.to_bytes();
        let wait_s = bound_wait(&mut parts.headers);
        if !parts.status.is_success() {
            self.told_wait_s.fetch_max(wait_s, Ordering::Relaxed);
        }
        Ok(BytesResponse { parts, body: Box::new(body) })
    }
}

impl HttpClient for Transport {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
        let this = self.clone();
        Box::pin(async move {
            let answer = timeout(this.request, this.exchange(request)).await;
            let answer = answer.unwrap_or(Err(NoAnswer::TooSlow(this.request)));
            answer.map_err(|error| instant_acme::Error::Other(Box::new(error)))
        })
    }
}

/// Host and port of an address of `https`.
fn place(uri: &Uri) -> Option<(&str, u16)> {
    let host = uri.host().filter(|host| !host.is_empty())?;
    (uri.scheme() == Some(&Scheme::HTTPS)).then(|| (host, uri.port_u16().unwrap_or(443)))
}

/// Leaves at most one `Retry-After`, in seconds and of at most a day; returns it.
fn bound_wait(headers: &mut HeaderMap) -> u64 {
    let told = headers.remove(RETRY_AFTER);
    // The other form, a date, is not used by servers of ACME; without it the pauses are ours.
    let told = told.as_ref().and_then(|value| value.to_str().ok()).map(str::trim);
    let Some(digits) = told.filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
    else {
        return 0;
    };
    let wait_s = digits.parse().unwrap_or(u64::MAX).min(TOLD_WAIT_S_MAX);
    headers.insert(RETRY_AFTER, HeaderValue::from(wait_s));
    wait_s
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_tells_how_long_to_wait_in_seconds_and_for_a_day_at_most() {
        for (told, wait_s) in [
            ("120", 120),
            ("18446744073709551615", TOLD_WAIT_S_MAX),
            ("99999999999999999999999", TOLD_WAIT_S_MAX),
            ("+5", 0),
            ("Fri, 31 Dec 9999 23:59:59 GMT", 0),
            ("", 0),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, told.parse().expect("a value"));
            headers.append(RETRY_AFTER, HeaderValue::from(7));
            assert_eq!(bound_wait(&mut headers), wait_s, "{told}");
            assert_eq!(headers.get_all(RETRY_AFTER).iter().count(), usize::from(wait_s > 0), "{told}");
        }
    }

    #[test]
    fn only_an_address_of_https_is_one() {
        let place = |text: &str| text.parse::<Uri>().ok().and_then(|uri| place(&uri).map(|(_, port)| port));
        assert_eq!(place("https://acme.example/directory"), Some(443));
        assert_eq!(place("https://acme.example:14000/directory"), Some(14_000));
        for other in ["http://acme.example/directory", "/directory", "acme.example", "https:///directory", ""]
        {
            assert_eq!(place(other), None, "{other}");
        }
    }
}
