//! A registry on the loopback, as far as packages need one: blobs, uploads, manifests, tokens. It can also lie.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use data_encoding::BASE64;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::header::{AUTHORIZATION, LOCATION, WWW_AUTHENTICATE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use runtime_registry::artifact::digest_of;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::support::{PASSWORD, USERNAME};

const TOKEN: &str = "a-token";

/// How a registry lies.
#[derive(Debug, Clone, PartialEq)]
pub enum Lie {
    /// These bytes for every blob.
    Blob(Bytes),
    /// These bytes for every manifest.
    Manifest(Bytes),
    /// A blob without an end.
    EndlessBlob,
    /// A manifest without an end.
    EndlessManifest,
    /// A token without an end.
    EndlessToken,
    /// A blob that says that it is huge, and never comes.
    SilentBlob,
    /// Blobs are said to be there.
    BlobAt(String),
    /// Tokens are said to be given there.
    TokenAt(String),
}

/// What a registry has and has been asked.
#[derive(Default)]
pub struct Kept {
    pub blobs: HashMap<String, Bytes>,
    /// By tag and by digest.
    pub manifests: HashMap<String, Bytes>,
    uploads: HashMap<String, Vec<u8>>,
    pub lie: Option<Lie>,
    /// Whether a token is needed.
    pub locked: bool,
}

/// A registry that serves until it is dropped.
pub struct Registry {
    pub address: SocketAddr,
    /// The authority to trust, PEM, where it has TLS.
    pub authority: Option<Vec<u8>>,
    kept: Arc<Mutex<Kept>>,
    requests: Arc<Mutex<Vec<String>>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Registry {
    pub async fn start() -> Self {
        Self::over(None).await
    }

    pub async fn start_with_tls() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let key = made.signing_key.serialize_der().try_into().expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions of the library")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("a pair");
        Self::over(Some((TlsAcceptor::from(Arc::new(config)), made.cert.pem().into_bytes()))).await
    }

    async fn over(tls: Option<(TlsAcceptor, Vec<u8>)>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let (kept, requests) = (Arc::new(Mutex::new(Kept::default())), Arc::new(Mutex::new(Vec::new())));
        let (acceptor, authority) = tls.unzip();
        let (shared, counted) = (Arc::clone(&kept), Arc::clone(&requests));
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                let (kept, requests, acceptor) =
                    (Arc::clone(&shared), Arc::clone(&counted), acceptor.clone());
                tokio::spawn(async move {
                    match acceptor {
                        None => serve(stream, address, kept, requests).await,
                        Some(acceptor) => {
                            let Ok(stream) = acceptor.accept(stream).await else { return };
                            serve(stream, address, kept, requests).await;
                        }
                    }
                });
            }
        });
        Self { address, authority, kept, requests, serving }
    }

    /// A reference in it.
    pub fn at(&self, rest: &str) -> String {
        let host = if self.authority.is_some() { "localhost" } else { "127.0.0.1" };
        format!("{host}:{}/{rest}", self.address.port())
    }

    pub fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().expect("no test panics while it holds this")
    }

    pub fn lie(&self, lie: Lie) {
        self.kept().lie = Some(lie);
    }

    /// The paths that were asked for.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no test panics while it holds this").clone()
    }
}

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
    requests: Arc<Mutex<Vec<String>>>,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let path = request.uri().path().to_owned();
        requests.lock().expect("no test panics while it holds this").push(path);
        let kept = Arc::clone(&kept);
        async move {
            let (head, body) = request.into_parts();
            let Ok(body) = body.collect().await else { return Ok(answer(400, "")) };
            let mut kept = kept.lock().expect("no test panics while it holds this");
            Ok::<_, Infallible>(handle(&mut kept, &Request::from_parts(head, body.to_bytes()), address))
        }
    });
    // A client that has enough closes the connection.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

fn answer(status: u16, body: impl Into<Bytes>) -> Answer {
    Response::builder().status(status).body(Full::new(body.into()).boxed_unsync()).expect("an answer")
}

/// Comes without an end, or never.
struct Endless {
    silent: bool,
}

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.silent {
            true => std::task::Poll::Pending,
            false => std::task::Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b' '; 16_384]))))),
        }
    }
}

fn endless(silent: bool) -> Answer {
    Response::new(Endless { silent }.boxed_unsync())
}

fn handle(kept: &mut Kept, request: &Request<Bytes>, address: SocketAddr) -> Answer {
    let path = request.uri().path().to_owned();
    let authorised = |wanted: &str| {
        request.headers().get(AUTHORIZATION).is_some_and(|shown| shown.as_bytes() == wanted.as_bytes())
    };
    if path == "/token" {
        let basic = format!("Basic {}", BASE64.encode(format!("{USERNAME}:{PASSWORD}").as_bytes()));
        return match (&kept.lie, authorised(&basic)) {
            (Some(Lie::EndlessToken), _) => endless(false),
            (_, true) => answer(200, format!(r#"{{"token":"{TOKEN}"}}"#)),
            (_, false) => answer(401, "who are you?"),
        };
    }
    if kept.locked && !authorised(&format!("Bearer {TOKEN}")) {
        let realm = match &kept.lie {
            Some(Lie::TokenAt(realm)) => realm.clone(),
            _ => format!("http://{address}/token"),
        };
        let mut refused = answer(401, r#"{"errors":[{"code":"UNAUTHORIZED","message":"no token"}]}"#);
        let challenge = format!(r#"Bearer realm="{realm}",service="tests""#);
        refused.headers_mut().insert(WWW_AUTHENTICATE, challenge.parse().expect("a header"));
        return refused;
    }
    if path == "/v2/" {
        return answer(200, "{}");
    }
    let rest: Vec<&str> = path.trim_start_matches("/v2/").split('/').collect();
    match (request.method(), &rest[..]) {
        (&Method::POST, [name, "blobs", "uploads", ""]) => {
            let id = format!("{}", kept.uploads.len());
            kept.uploads.insert(id.clone(), Vec::new());
            located(202, format!("/v2/{name}/uploads/{id}"))
        }
        (&Method::PATCH, [_, "uploads", id]) => {
            let upload = kept.uploads.get_mut(*id).expect("begun");
            upload.extend_from_slice(request.body());
            let mut taken = located(202, path.clone());
            let range = format!("0-{}", upload.len() - 1);
            taken.headers_mut().insert("range", range.parse().expect("a header"));
            taken
        }
        (&Method::PUT, [name, "uploads", id]) => finish(kept, request, name, id),
        (&Method::GET | &Method::HEAD, [_, "blobs", digest]) => blob(kept, digest),
        (&Method::PUT, [name, "manifests", tag]) => {
            let digest = digest_of(request.body());
            for key in [(*tag).to_owned(), digest.clone()] {
                kept.manifests.insert(key, request.body().clone());
            }
            located(201, format!("/v2/{name}/manifests/{digest}"))
        }
        (&Method::GET | &Method::HEAD, [_, "manifests", tag]) => manifest(kept, tag),
        _ => answer(404, ""),
    }
}

fn located(status: u16, location: String) -> Answer {
    let mut answer = answer(status, "");
    answer.headers_mut().insert(LOCATION, location.parse().expect("a header"));
    answer
}

fn finish(kept: &mut Kept, request: &Request<Bytes>, name: &str, id: &str) -> Answer {
    let mut upload = kept.uploads.remove(id).expect("begun");
    upload.extend_from_slice(request.body());
    let query = request.uri().query().unwrap_or_default().replace("%3A", ":");
    let told = query.split('&').find_map(|part| part.strip_prefix("digest=")).unwrap_or_default();
    let digest = digest_of(&upload);
    if told != digest {
        return answer(400, r#"{"errors":[{"code":"DIGEST_INVALID","message":"other bytes"}]}"#);
    }
    kept.blobs.insert(digest.clone(), upload.into());
    located(201, format!("/v2/{name}/blobs/{digest}"))
}

fn blob(kept: &Kept, digest: &str) -> Answer {
    match &kept.lie {
        Some(Lie::Blob(bytes)) => return answer(200, bytes.clone()),
        Some(Lie::EndlessBlob) => return endless(false),
        Some(Lie::SilentBlob) => return endless(true),
        Some(Lie::BlobAt(place)) => {
            let mut there = located(307, place.clone());
            *there.status_mut() = StatusCode::TEMPORARY_REDIRECT;
            return there;
        }
        _ => {}
    }
    kept.blobs.get(digest).map_or_else(|| answer(404, ""), |bytes| answer(200, bytes.clone()))
}

fn manifest(kept: &Kept, tag: &str) -> Answer {
    let found = match &kept.lie {
        Some(Lie::EndlessManifest) => return endless(false),
        Some(Lie::Manifest(bytes)) => Some(bytes),
        _ => kept.manifests.get(tag),
    };
    let Some(bytes) = found else {
        return answer(404, r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"no such tag"}]}"#);
    };
    let mut found = answer(200, bytes.clone());
    let content_type = "application/vnd.oci.image.manifest.v1+json";
    found.headers_mut().insert("content-type", content_type.parse().expect("a header"));
    found.headers_mut().insert("docker-content-digest", digest_of(bytes).parse().expect("a header"));
    found
}
