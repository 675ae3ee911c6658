//! The server: at most [`CONNECTIONS_MAX`] connections of browsers on this machine, HTTP/1.1.

use std::convert::Infallible;
use std::sync::{Arc, Mutex as Held, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use runtime_map::{Allow, MAP_PATH, MapFile, TileServer};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::carrier::{About, Carried, Carrier, NotCarried};
use crate::door::{Door, Refused};
use crate::files;
use crate::headers;
use crate::listen::Listening;

/// Connections at one moment: a browser opens six.
pub const CONNECTIONS_MAX: usize = 64;
/// The largest body of a call, bytes.
pub const API_BODY_BYTES_MAX: usize = 128 * 1024;
/// How long a browser may take to send the head of a request, and then its body.
const REQUEST_WAIT: Duration = Duration::from_secs(5);
/// Pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves the page, and carries its calls.
pub struct Server<C> {
    door: Arc<Door>,
    carrier: Mutex<C>,
    map: Option<MapFile>,
    /// The tile server that the owner has allowed.
    tiles: Held<Option<TileServer>>,
}

type Answer = Response<Full<Bytes>>;

impl<C: Carrier> Server<C> {
    /// A server whose callers pass that door.
    pub fn new(door: Arc<Door>, carrier: C) -> Self {
        Self { door, carrier: Mutex::new(carrier), map: None, tiles: Held::default() }
    }

    /// The same with a street map.
    #[must_use]
    pub fn with_map(self, map: Option<MapFile>) -> Self {
        Self { map, ..self }
    }

    /// The tile server that the page may ask, for a browser that has entered.
    fn tiles(&self, headers: &HeaderMap) -> Option<TileServer> {
        self.allowed().filter(|_| self.door.knows_browser(headers))
    }

    fn allowed(&self) -> Option<TileServer> {
        self.tiles.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Serves for as long as it is awaited.
    pub async fn serve(self: Arc<Self>, listening: Listening) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let each = listening.sockets.into_iter().map(|socket| {
            let (server, places) = (Arc::clone(&self), Arc::clone(&places));
            tokio::spawn(async move { server.accept(socket, places).await })
        });
        let each: Vec<_> = each.collect();
        let _ended = AbortAll(each.iter().map(tokio::task::JoinHandle::abort_handle).collect());
        for task in each {
            // It ends with this future alone.
            let _ = task.await;
        }
    }

    async fn accept(self: Arc<Self>, socket: TcpListener, places: Arc<Semaphore>) {
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            match socket.accept().await {
                Ok((stream, from)) if from.ip().is_loopback() => {
                    tokio::spawn(Arc::clone(&self).connection(stream, place));
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "browser not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, _place: OwnedSemaphorePermit) {
        let service = service_fn(move |request| {
            let server = Arc::clone(&self);
            async move { Ok::<_, Infallible>(server.answer(request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(REQUEST_WAIT)
            .serve_connection(TokioIo::new(stream), service);
        if let Err(error) = connection.await {
            tracing::debug!(%error, "browser's connection ended");
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let mut answer = match self.door.check_host(request.headers()) {
            Err(refused) => refusal(refused),
            Ok(()) => match *request.method() {
                Method::GET if request.uri().path() == MAP_PATH => {
                    self.map_part(request.headers()).await.unwrap_or_else(refusal)
                }
                Method::GET | Method::HEAD => self.file(request.uri().path(), request.headers()),
                Method::POST => self.call(request).await.unwrap_or_else(refusal),
                _ => said(StatusCode::METHOD_NOT_ALLOWED, "wrong-method", "this server answers GET and POST"),
            },
        };
        headers::add(answer.headers_mut());
        answer
    }

    fn file(&self, path: &str, asked: &HeaderMap) -> Answer {
        let found = files::answer(path, asked, self.tiles(asked).as_ref());
        found.map_or_else(no_file, |file| file.map(Full::new))
    }

    /// A part of the map, for the page alone: it may say where its owner lives.
    async fn map_part(&self, headers: &HeaderMap) -> Result<Answer, Refused> {
        self.door.check_site(headers)?;
        self.door.check_inside(headers)?;
        Ok(match &self.map {
            Some(map) => map.answer(headers).await.map(Full::new),
            None => no_file(),
        })
    }

    /// Lets the page ask a tile server from its next load on, or none any more.
    fn allow(&self, body: &[u8]) -> Answer {
        match serde_json::from_slice(body) {
            Ok(Allow { origin }) => {
                *self.tiles.lock().unwrap_or_else(PoisonError::into_inner) = origin;
                json_answer(StatusCode::OK, Bytes::from_static(b"{}"))
            }
            Err(error) => said(StatusCode::BAD_REQUEST, "bad-body", &error.to_string()),
        }
    }

    /// Answers a call of the page.
    async fn call(&self, request: Request<Incoming>) -> Result<Answer, Refused> {
        let (head, body) = request.into_parts();
        self.door.check_origin(&head.headers)?;
        let path = head.uri.path();
        if path == "/api/enter" {
            return self.enter(body).await;
        }
        self.door.check_inside(&head.headers)?;
        let Ok(body) = read(body).await else {
            return Ok(said(StatusCode::BAD_REQUEST, "bad-body", "the body is too large or too slow"));
        };
        if path == "/api/tile-server" {
            return Ok(self.allow(&body));
        }
        let mut carrier = self.carrier.lock().await;
        let carried = match path {
            "/api/about" => serde_json::to_vec(&self.told(&carrier.about()))
                .map(|about| Carried { status: 200, body: about.into() })
                .map_err(|_| NotCarried::not_here("the connection cannot be described")),
            "/api/ask" => carrier.ask(body).await,
            "/api/put" => carrier.put(body).await,
            "/api/watch" => match carrier.watch(body).await {
                Ok(waiting) => {
                    // Other calls go on while this one waits.
                    drop(carrier);
                    waiting.await
                }
                Err(error) => Err(error),
            },
            "/api/open" => {
                carrier.open().await.map(|()| Carried { status: 200, body: Bytes::from_static(b"{}") })
            }
            _ => return Ok(said(StatusCode::NOT_FOUND, "unknown-route", "no such call")),
        };
        Ok(match carried {
            Ok(Carried { status, body }) => {
                json_answer(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY), body)
            }
            Err(NotCarried { code, message }) => said(StatusCode::BAD_GATEWAY, code, &message),
        })
    }

    fn told<'a>(&self, about: &'a About) -> Told<'a> {
        Told { about, map_file: self.map.is_some(), tile_server: self.allowed() }
    }

    async fn enter(&self, body: Incoming) -> Result<Answer, Refused> {
        #[derive(Deserialize)]
        struct Enter {
            code: String,
        }
        let body = read(body).await.map_err(|()| Refused::Code)?;
        let Enter { code } = serde_json::from_slice(&body).map_err(|_| Refused::Code)?;
        let entered = self.door.enter(&code)?;
        let mut answer = json_answer(StatusCode::OK, json!({ "token": *entered.token }).to_string().into());
        let cookie = HeaderValue::from_str(&entered.cookie).map_err(|_| Refused::Code)?;
        answer.headers_mut().insert(header::SET_COOKIE, cookie);
        Ok(answer)
    }
}

/// What the page is told of its connection and of its map.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    about: &'a About,
    map_file: bool,
    tile_server: Option<TileServer>,
}

/// Ends tasks when it is dropped.
struct AbortAll(Vec<tokio::task::AbortHandle>);

impl Drop for AbortAll {
    fn drop(&mut self) {
        self.0.iter().for_each(tokio::task::AbortHandle::abort);
    }
}

async fn read(body: Incoming) -> Result<Bytes, ()> {
    let whole = timeout(REQUEST_WAIT, Limited::new(body, API_BODY_BYTES_MAX).collect()).await;
    Ok(whole.map_err(drop)?.map_err(drop)?.to_bytes())
}

fn no_file() -> Answer {
    said(StatusCode::NOT_FOUND, "unknown-route", "no such file")
}

fn json_answer(status: StatusCode, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

fn said(status: StatusCode, code: &str, message: &str) -> Answer {
    json_answer(status, json!({ "error": { "code": code, "message": message } }).to_string().into())
}

fn refusal(refused: Refused) -> Answer {
    let (status, code, message) = match refused {
        Refused::Host => (421, "wrong-host", "this server is `localhost` and its port, and no other name"),
        Refused::Origin => (403, "wrong-origin", "only the page of this server may call"),
        Refused::Outside => (401, "outside", "open the link that `cellar open` printed, or start it again"),
        Refused::Code => {
            (403, "used-code", "this link was used or has been replaced: start `cellar open` again")
        }
    };
    said(StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN), code, message)
}
