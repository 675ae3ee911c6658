//! A host on the loopback with whatever behind it, and a raw phone.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use handshake::token::Token;
use runtime_host::http::{App, Backend, BodyLimits, Budget, Patience, Rate, Refusal, Server, ServerLimits};
use runtime_phone::{Connect, Phone};
use runtime_user::manifest::Manifest;
use runtime_user::paths::{Paths, Target};
use runtime_user::{Answer, Broken, Call, PieceReceiver, Stamp, UserId};
use runtime_wire::tls::{Identity, Pin, pinned_client};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub const TOKEN: &str = "77777777777777777777777777777777777777";
pub const OTHER_TOKEN: &str = "88888888888888888888888888888888888888";
pub const USER: UserId = UserId([7; 16]);
pub const OTHER_USER: UserId = UserId([8; 16]);

/// What the fake cells do.
#[derive(Clone, Copy, PartialEq)]
pub enum Cells {
    /// Answer 200 with the number of bytes.
    Count,
    /// Answer once [`Fake::go`] has a permit.
    Wait,
    /// Answer in pieces that break off.
    Break,
    /// Are too busy.
    Busy,
}

/// Path, rest and body of a call.
pub type Seen = (String, String, Vec<u8>);

#[derive(Clone)]
pub struct Fake {
    pub cells: Cells,
    pub paths: Arc<Paths>,
    pub go: Arc<Semaphore>,
    pub called: Arc<Semaphore>,
    pub seen: Arc<Mutex<Vec<Seen>>>,
    pub profile: Arc<Mutex<Map<String, Value>>>,
}

impl Fake {
    pub fn new(cells: Cells) -> Self {
        let semaphore = || Arc::new(Semaphore::new(0));
        Self {
            cells,
            paths: Arc::new(paths()),
            go: semaphore(),
            called: semaphore(),
            seen: Arc::default(),
            profile: Arc::default(),
        }
    }

    pub fn bodies(&self) -> Vec<Vec<u8>> {
        self.seen.lock().unwrap().iter().map(|(.., body)| body.clone()).collect()
    }
}

/// The paths of the cells that a phone of e-mission calls.
fn paths() -> Paths {
    let mut paths = Paths::default();
    for manifest in [
        include_str!("../../../../../cells/usercache-put/cell.toml"),
        include_str!("../../../../../cells/usercache-get/cell.toml"),
        include_str!("../../../../../cells/datastreams-get/cell.toml"),
    ] {
        paths.add(&Manifest::parse(manifest).unwrap()).unwrap();
    }
    paths
}

fn whole(status: u16, body: Value) -> Answer {
    let body = body.to_string().into_bytes();
    Answer::Whole { status, content_type: "application/json".to_owned(), body, taken: None }
}

impl Backend for Fake {
    fn paths(&self) -> &Paths {
        &self.paths
    }

    fn authenticate(&self, token: &str) -> Option<UserId> {
        match token {
            TOKEN => Some(USER),
            OTHER_TOKEN => Some(OTHER_USER),
            _ => None,
        }
    }

    async fn call(&self, _user: UserId, mut call: Call) -> Result<Answer, Refusal> {
        let mut body = Vec::new();
        while !call.body.is_empty() {
            body.extend_from_slice(&call.body.read(1 << 20));
        }
        let count = body.len();
        let Target { path, rest, .. } = call.target;
        self.seen.lock().unwrap().push((path.path.clone(), rest, body));
        self.called.add_permits(1);
        match self.cells {
            Cells::Count => {}
            Cells::Wait => self.go.acquire().await.expect("never closed").forget(),
            Cells::Busy => return Err(Refusal::overloaded()),
            Cells::Break => {
                let pieces = PieceReceiver::of([
                    Ok(Bytes::from_static(b"{\"phone_data\":[")),
                    Err(Broken { reason: "deadline".to_owned() }),
                ]);
                return Ok(Answer::Pieces {
                    status: 200,
                    content_type: "application/json".to_owned(),
                    pieces,
                });
            }
        }
        Ok(whole(200, json!({ "bytes": count, "phone_data": [] })))
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        _user: UserId,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, runtime_user::NotRun> {
        tokio::task::spawn_blocking(work).await.map_err(|_| runtime_user::NotRun::Lost)
    }

    fn tell(
        &self,
        _: UserId,
        _: &'static str,
        _: &'static [&'static str],
        _: Option<&Stamp>,
    ) -> Result<(), Refusal> {
        Ok(())
    }

    fn profile(&self, _user: UserId) -> Result<Map<String, Value>, Refusal> {
        Ok(self.profile.lock().unwrap().clone())
    }

    fn update_profile(&self, _user: UserId, fields: Map<String, Value>) -> Result<(), Refusal> {
        self.profile.lock().unwrap().extend(fields);
        Ok(())
    }

    fn pipeline_range(&self, _user: UserId) -> Result<(Option<f64>, Option<f64>), Refusal> {
        Ok((Some(1.5), None))
    }

    fn pipeline_complete(&self, _user: UserId) -> Result<Option<f64>, Refusal> {
        Ok(None)
    }
}

/// Limits that a test changes as it needs.
pub struct Limits {
    pub server: ServerLimits,
    pub body: BodyLimits,
    pub budget: u64,
}

impl Limits {
    pub fn roomy() -> Self {
        let rate = Rate { bytes_per_s_min: 1, window_ms: 30_000 };
        let patience = Patience { head_ms: 30_000, idle_ms: 30_000, write_ms: 30_000, rate };
        let server = ServerLimits {
            connections_max: 64,
            hello_ms: 30_000,
            handshake_ms: 30_000,
            head_bytes_max: 8192,
            headers_max: 32,
            patience,
            grace_ms: 30_000,
        };
        let body = BodyLimits {
            bytes_max: 1 << 20,
            pause_ms: 30_000,
            rate,
            anonymous_bytes_max: 1 << 20,
            anonymous_ms: 30_000,
        };
        Self { server, body, budget: 4 << 20 }
    }
}

pub struct Host {
    pub address: SocketAddr,
    pub pin: Pin,
    pub budget: Budget,
    stop: Option<oneshot::Sender<()>>,
    serving: tokio::task::JoinHandle<()>,
}

pub async fn start(backend: impl Backend, limits: Limits) -> Host {
    let folder = tempfile::tempdir().expect("a folder");
    let identity = Identity::load_or_make(folder.path(), &[]).expect("a certificate");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let tls = identity.server_config().expect("sound");
    let server =
        Server::bind(any, tokio_rustls::TlsAcceptor::from(tls), limits.server).await.expect("a port");
    let address = server.address().expect("bound");
    let budget = Budget::new(limits.budget, limits.budget);
    let app =
        Arc::new(App { backend, limits: limits.body, budget: budget.clone(), receivers: Default::default() });
    let (stop, stopped) = oneshot::channel();
    let serving = tokio::spawn(server.serve(app, async { drop(stopped.await) }));
    Host { address, pin: identity.pin(), budget, stop: Some(stop), serving }
}

impl Host {
    pub fn connect_string(&self, token: &str) -> Connect {
        Connect {
            host: self.address.ip().to_string(),
            port: self.address.port(),
            token: Token::parse(token).expect("a token"),
            pin: self.pin,
        }
    }

    pub async fn phone(&self) -> Phone {
        Phone::connect(self.connect_string(TOKEN)).await.expect("connects")
    }

    pub async fn raw(&self) -> TlsStream<TcpStream> {
        raw(self.address, self.pin).await
    }

    /// As [`exchange`].
    pub async fn exchange(&self, bytes: &[u8]) -> String {
        exchange(self.address, self.pin, bytes).await
    }

    /// Tells the host to stop, without waiting for it.
    pub fn tell_to_stop(&mut self) {
        drop(self.stop.take());
    }

    pub async fn stopped(self) {
        drop(self.stop);
        tokio::time::timeout(Duration::from_secs(20), self.serving)
            .await
            .expect("in time")
            .expect("no panic");
    }
}

async fn raw(address: SocketAddr, pin: Pin) -> TlsStream<TcpStream> {
    let socket = TcpStream::connect(address).await.expect("connects");
    let connector = TlsConnector::from(pinned_client(pin).expect("TLS"));
    connector.connect("localhost".try_into().expect("a name"), socket).await.expect("a handshake")
}

/// Sends these bytes and reads until the host closes the connection.
pub async fn exchange(address: SocketAddr, pin: Pin, bytes: &[u8]) -> String {
    let mut socket = raw(address, pin).await;
    socket.write_all(bytes).await.expect("written");
    rest(&mut socket).await
}

/// Everything until the end of the connection; fails a test that would hang.
pub async fn rest(socket: &mut TlsStream<TcpStream>) -> String {
    let mut all = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), socket.read_to_end(&mut all)).await;
    // A connection that is cut without TLS's farewell is an end too.
    let _ = read.expect("the host ends the connection");
    String::from_utf8(all).expect("UTF-8")
}

/// A request that asks for the connection to be closed after it.
pub fn request(method: &str, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut all = format!(
        "{method} {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
    )
    .into_bytes();
    all.extend_from_slice(body);
    all
}

pub fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

/// The short code of an error's body.
pub fn code(answer: &str) -> String {
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    body["error"]["code"].as_str().unwrap_or("none").to_owned()
}
