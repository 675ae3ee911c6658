//! The host's own port on the loopback, with phones that cost little in comparison.
//!
//! * Both ends run in this process and share its processors, so a phone does as little work as possible: requests are
//!   prepared in advance, answers are not kept.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use runtime_user::paths::{Paths, Target};
use runtime_user::{Answer, Call, Runtime, Stamp, UserId};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ServerConfig, StreamOwned};
use serde_json::{Map, Value};

use super::BenchError;
use runtime_host::config::Config;
use runtime_host::http::{App, Backend, Budget, Refusal, Server};
use runtime_wire::tls::{Identity, IdentityError, pinned_client};

/// The path that the no-op cell answers.
pub const NOOP_PATH: &str = "test/noop";

/// A route of the host that leads to a cell and brings no data; the code behind it is replaced here.
pub const SWAPPED_ROUTE: &str = "/usercache/get";

const NAME: &str = "localhost";

/// A server's and a phone's side of TLS, and the threads that serve.
pub struct Network {
    tokio: tokio::runtime::Runtime,
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl Network {
    /// A host's identity in `folder`, and phones that have its pin.
    pub fn new(folder: &Path) -> Result<Self, BenchError> {
        let identity = Identity::load_or_make(folder, &[])?;
        let client = pinned_client(identity.pin()).map_err(IdentityError::from)?;
        let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        Ok(Self { tokio, server: identity.server_config()?, client })
    }

    /// Opens a port in front of `backend`; it closes with the network.
    pub fn serve<B: Backend>(&self, backend: B) -> Result<SocketAddr, BenchError> {
        let config = Config::default();
        let budget = Budget::new(config.limits.bodies_bytes_max, config.limits.anonymous_bytes_max);
        let app = Arc::new(App { backend, limits: config.bodies(), budget, receivers: Default::default() });
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = self.tokio.block_on(Server::bind(
            any_port,
            tokio_rustls::TlsAcceptor::from(Arc::clone(&self.server)),
            config.server(),
        ))?;
        let address = server.address()?;
        self.tokio.spawn(server.serve(app, std::future::pending()));
        Ok(address)
    }

    /// A phone with an open connection.
    pub fn connect(&self, address: SocketAddr) -> Result<Phone, BenchError> {
        let name = ServerName::try_from(NAME).expect("a plain name");
        let tls = ClientConnection::new(Arc::clone(&self.client), name);
        let tls = tls.map_err(|error| BenchError::Network(error.to_string()))?;
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        let mut socket = StreamOwned::new(tls, socket);
        while socket.conn.is_handshaking() {
            socket.conn.complete_io(&mut socket.sock)?;
        }
        Ok(Phone { socket, buffer: vec![0; 64 << 10] })
    }
}

/// A request as it is sent.
pub fn request(route: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {route} HTTP/1.1\r\nhost: {NAME}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// One connection, kept open.
pub struct Phone {
    socket: StreamOwned<ClientConnection, TcpStream>,
    buffer: Vec<u8>,
}

impl Phone {
    /// Sends a request and waits for the whole answer, which must be 200; returns the time until its first byte.
    pub fn post(&mut self, request: &[u8]) -> Result<Duration, BenchError> {
        let started = Instant::now();
        self.socket.write_all(request)?;
        self.socket.flush()?;
        let mut filled = self.read(0)?;
        let first_byte = started.elapsed();
        let (head, length) = loop {
            if let Some(found) = read_head(&self.buffer[..filled])? {
                break found;
            }
            filled += self.read(filled)?;
        };
        let mut missing = (head + length).saturating_sub(filled);
        while missing > 0 {
            missing = missing.saturating_sub(self.read(0)?);
        }
        Ok(first_byte)
    }

    fn read(&mut self, from: usize) -> Result<usize, BenchError> {
        match self.socket.read(&mut self.buffer[from..])? {
            0 => Err(BenchError::System(io::ErrorKind::UnexpectedEof.into())),
            count => Ok(count),
        }
    }
}

/// Length of the head and of the body, once the head is whole.
fn read_head(bytes: &[u8]) -> Result<Option<(usize, usize)>, BenchError> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    if head.get(9..12) != Some("200") {
        let whole = String::from_utf8_lossy(bytes);
        return Err(BenchError::Network(format!("the host answered {whole}")));
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length = length.and_then(|text| text.trim().parse().ok());
    let length = length.ok_or_else(|| BenchError::Network("an answer without a length".to_owned()))?;
    Ok(Some((end + 4, length)))
}

/// A person's runtime with other code behind [`SWAPPED_ROUTE`]; callers are still identified by their tokens.
#[derive(Clone)]
pub struct Swapped {
    runtime: Arc<Runtime>,
    /// The cell that answers; `None`: no cell does.
    target: Option<Target>,
}

impl Swapped {
    /// Answers without a cell.
    pub fn bare(runtime: &Arc<Runtime>) -> Self {
        Self { runtime: Arc::clone(runtime), target: None }
    }

    /// Lets the no-op cell answer.
    pub fn noop(runtime: &Arc<Runtime>) -> Result<Self, BenchError> {
        let target = runtime.catalogue().target(NOOP_PATH)?;
        Ok(Self { runtime: Arc::clone(runtime), target: Some(target) })
    }
}

impl Backend for Swapped {
    fn paths(&self) -> &Paths {
        self.runtime.catalogue().paths()
    }

    fn authenticate(&self, token: &str) -> Option<UserId> {
        Backend::authenticate(&self.runtime, token)
    }

    async fn call(&self, user: UserId, call: Call) -> Result<Answer, Refusal> {
        if let Some(target) = self.target.clone() {
            return Backend::call(&self.runtime, user, Call { target, ..call }).await;
        }
        Ok(Answer::Whole { status: 200, content_type: String::new(), body: Vec::new(), taken: None })
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        user: UserId,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, runtime_user::NotRun> {
        Backend::in_turn(&self.runtime, user, work).await
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

    fn profile(&self, user: UserId) -> Result<Map<String, Value>, Refusal> {
        Backend::profile(&self.runtime, user)
    }

    fn update_profile(&self, user: UserId, fields: Map<String, Value>) -> Result<(), Refusal> {
        Backend::update_profile(&self.runtime, user, fields)
    }

    fn pipeline_range(&self, user: UserId) -> Result<(Option<f64>, Option<f64>), Refusal> {
        Backend::pipeline_range(&self.runtime, user)
    }

    fn pipeline_complete(&self, user: UserId) -> Result<Option<f64>, Refusal> {
        Backend::pipeline_complete(&self.runtime, user)
    }
}
