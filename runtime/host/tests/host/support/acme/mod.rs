//! A small server that speaks ACME (RFC 8555): it verifies what it is sent, looks at the host's port for the proof, and
//! signs the request with an authority of its own. A test can have it misbehave.

mod ca;
mod jws;
pub mod proof;

use std::collections::{HashSet, VecDeque};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use ca::Ca;
pub use ca::Validity;
use jws::Jwk;

/// A test that would hang fails after this.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the server does other than it should.
#[derive(Clone, Default)]
pub struct Whims {
    /// It closes every connection.
    pub down: bool,
    /// It refuses every order with this problem, and this header `Retry-After`.
    pub refuses: Option<(&'static str, &'static str)>,
    /// It looks for the proof of another token than it gave.
    pub other_token: bool,
    /// It gives the proof of this name instead of the one that was asked for.
    pub other_name: Option<String>,
    /// It writes this name into certificates.
    pub certifies: Option<String>,
    /// It names addresses of this server in its directory.
    pub elsewhere: Option<String>,
    /// It answers an order with a body of this size.
    pub large: Option<usize>,
    /// It stops at this step until it is told to go on.
    pub hold: Option<&'static str>,
}

struct Order {
    name: String,
    token: String,
    state: &'static str,
    problem: Option<String>,
    chain: Option<String>,
}

#[derive(Default)]
struct State {
    nonces: HashSet<String>,
    drawn: u64,
    accounts: Vec<Jwk>,
    orders: Vec<Order>,
    validities: VecDeque<Validity>,
    whims: Whims,
    port: Option<SocketAddr>,
    requests: usize,
}

struct Shared {
    ca: Ca,
    base: String,
    state: Mutex<State>,
    reached: Notify,
    go: Notify,
}

/// The server.
pub struct Acme {
    shared: Arc<Shared>,
    folder: tempfile::TempDir,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Acme {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Acme {
    pub async fn start() -> Self {
        let (ca, listener) = (Ca::new(), TcpListener::bind("127.0.0.1:0").await.expect("a port"));
        let base = format!("https://localhost:{}", listener.local_addr().expect("an address").port());
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("roots.pem"), ca.pem()).expect("written");
        let acceptor = TlsAcceptor::from(Arc::new(ca.server()));
        let shared =
            Arc::new(Shared { ca, base, state: Mutex::default(), reached: Notify::new(), go: Notify::new() });
        let server = Arc::clone(&shared);
        let serving = tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.expect("a connection");
                if server.lock().whims.down {
                    continue;
                }
                let (server, acceptor) = (Arc::clone(&server), acceptor.clone());
                tokio::spawn(async move {
                    let Ok(encrypted) = acceptor.accept(socket).await else { return };
                    let service = service_fn(move |request| {
                        let server = Arc::clone(&server);
                        async move { Ok::<_, Infallible>(server.answer(request).await) }
                    });
                    let connection = hyper::server::conn::http1::Builder::new();
                    let _ = connection.serve_connection(TokioIo::new(encrypted), service).await;
                });
            }
        });
        Self { shared, folder, serving }
    }

    pub fn directory(&self) -> String {
        format!("{}/directory", self.shared.base)
    }

    pub fn base(&self) -> &str {
        &self.shared.base
    }

    /// The file with its authority.
    pub fn roots(&self) -> PathBuf {
        self.folder.path().join("roots.pem")
    }

    pub fn authority(&self) -> &str {
        self.shared.ca.pem()
    }

    /// Where it looks for proofs.
    pub fn looks_at(&self, port: SocketAddr) {
        self.shared.lock().port = Some(port);
    }

    /// How long its next certificates are valid; the last of these counts for all further ones.
    pub fn valid_for(&self, validities: &[Validity]) {
        self.shared.lock().validities = validities.iter().copied().collect();
    }

    pub fn change(&self, change: impl FnOnce(&mut Whims)) {
        change(&mut self.shared.lock().whims);
    }

    /// Until it has reached the step at which it holds.
    pub async fn reached(&self) {
        let reached = timeout(PATIENCE, self.shared.reached.notified()).await;
        reached.expect("the host has come to this step");
    }

    /// Goes on to the next time that it holds.
    pub fn go(&self) {
        self.shared.go.notify_one();
    }

    /// Goes on, and holds no more.
    pub fn release(&self) {
        self.shared.lock().whims.hold = None;
        self.shared.go.notify_one();
    }

    /// Accounts, orders and certificates so far.
    pub fn counts(&self) -> (usize, usize, usize) {
        let state = self.shared.lock();
        let issued = state.orders.iter().filter(|order| order.chain.is_some()).count();
        (state.accounts.len(), state.orders.len(), issued)
    }

    pub fn requests(&self) -> usize {
        self.shared.lock().requests
    }

    /// Forgets all accounts, as after a restart without its data.
    pub fn forget_accounts(&self) {
        self.shared.lock().accounts.clear();
    }
}

type Answer = Response<Full<Bytes>>;

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics while it holds this")
    }

    async fn hold(&self, step: &str) {
        if self.lock().whims.hold == Some(step) {
            self.reached.notify_one();
            self.go.notified().await;
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Answer {
        self.lock().requests += 1;
        let path = request.uri().path().to_owned();
        let answer = match (request.method(), path.as_str()) {
            (&Method::GET, "/directory") => self.show_directory(),
            (&Method::HEAD, "/nonce") => json(200, &Value::Null),
            (&Method::POST, _) => self.post(&path, request).await.unwrap_or_else(|kind| problem(kind, None)),
            _ => problem("malformed", None),
        };
        self.with_nonce(answer)
    }

    fn with_nonce(&self, mut answer: Answer) -> Answer {
        let mut state = self.lock();
        state.drawn += 1;
        let nonce = BASE64URL_NOPAD.encode(format!("nonce {}", state.drawn).as_bytes());
        answer.headers_mut().insert("replay-nonce", nonce.parse().expect("a header"));
        state.nonces.insert(nonce);
        answer
    }

    fn show_directory(&self) -> Answer {
        let base = self.lock().whims.elsewhere.clone().unwrap_or_else(|| self.base.clone());
        let at = |path: &str| format!("{base}/{path}");
        json(200, &json!({ "newNonce": at("nonce"), "newAccount": at("account"), "newOrder": at("order") }))
    }

    async fn post(&self, path: &str, request: Request<Incoming>) -> Result<Answer, &'static str> {
        let is_jose =
            request.headers().get("content-type").is_some_and(|kind| kind == "application/jose+json");
        let body = request.into_body().collect().await.map_err(|_| "malformed")?.to_bytes();
        let signed = {
            let mut guard = self.lock();
            let state = &mut *guard;
            jws::open(&body, &format!("{}{path}", self.base), &mut state.nonces, &state.accounts)?
        };
        let mut parts = path[1..].split('/');
        let (what, number) = (parts.next().unwrap_or_default(), parts.next());
        let number = number.map(str::parse).transpose().map_err(|_| "malformed")?;
        if !is_jose || (signed.account.is_none() && path != "/account") {
            return Err("malformed");
        }
        match (what, number) {
            ("account", None) => self.begin_account(signed),
            ("account", Some(_)) => Ok(json(200, &json!({ "status": "valid" }))),
            ("order", None) => self.begin_order(&signed.payload),
            ("order", Some(number)) => self.show_order(number),
            ("authorization", Some(number)) => self.show_authorization(number),
            ("challenge", Some(number)) => {
                self.hold("challenge").await;
                self.look_for_proof(number, &signed.key).await
            }
            ("finalize", Some(number)) => self.finalize(number, &signed.payload),
            ("certificate", Some(number)) => {
                self.hold("certificate").await;
                let state = self.lock();
                let chain =
                    state.orders.get(number).and_then(|order| order.chain.clone()).ok_or("malformed")?;
                Ok(Response::new(Full::from(chain)))
            }
            _ => Err("malformed"),
        }
    }

    fn begin_account(&self, signed: jws::Signed) -> Result<Answer, &'static str> {
        if signed.payload["termsOfServiceAgreed"] != true {
            return Err("userActionRequired");
        }
        let mut state = self.lock();
        state.accounts.push(signed.key);
        let at = format!("{}/account/{}", self.base, state.accounts.len() - 1);
        Ok(with("location", &at, json(201, &json!({ "status": "valid" }))))
    }

    fn begin_order(&self, payload: &Value) -> Result<Answer, &'static str> {
        let whims = self.lock().whims.clone();
        if let Some((kind, wait)) = whims.refuses {
            return Ok(with("retry-after", wait, problem(kind, None)));
        }
        if let Some(size) = whims.large {
            return Ok(Response::new(Full::from(vec![b' '; size])));
        }
        let identifier = &payload["identifiers"][0];
        let name = identifier["value"].as_str().filter(|_| identifier["type"] == "dns").ok_or("malformed")?;
        let mut state = self.lock();
        let (number, token) = (state.orders.len(), format!("token-{}", state.drawn));
        let order = Order { name: name.to_owned(), token, state: "pending", problem: None, chain: None };
        state.orders.push(order);
        drop(state);
        let at = format!("{}/order/{number}", self.base);
        let shown = self.show_order(number)?;
        Ok(with("location", &at, shown))
    }

    fn show_order(&self, number: usize) -> Result<Answer, &'static str> {
        let state = self.lock();
        let order = state.orders.get(number).ok_or("malformed")?;
        let at = |what: &str| format!("{}/{what}/{number}", self.base);
        let mut shown = json!({
            "status": order.state, "authorizations": [at("authorization")], "finalize": at("finalize"),
            "identifiers": [{ "type": "dns", "value": order.name }],
        });
        if order.chain.is_some() {
            shown["certificate"] = at("certificate").into();
        }
        Ok(json(200, &shown))
    }

    fn show_authorization(&self, number: usize) -> Result<Answer, &'static str> {
        let state = self.lock();
        let order = state.orders.get(number).ok_or("malformed")?;
        let status = match order.state {
            "ready" | "valid" => "valid",
            other => other,
        };
        let mut challenge = json!({
            "type": "tls-alpn-01", "url": format!("{}/challenge/{number}", self.base), "token": order.token,
            "status": status,
        });
        if let Some(why) = &order.problem {
            challenge["error"] = said("incorrectResponse", Some(why));
        }
        let name = state.whims.other_name.as_ref().unwrap_or(&order.name);
        let http =
            json!({ "type": "http-01", "url": "https://localhost/x", "token": "x", "status": "pending" });
        Ok(json(
            200,
            &json!({ "status": status, "identifier": { "type": "dns", "value": name }, "challenges": [http, challenge] }),
        ))
    }

    async fn look_for_proof(&self, number: usize, key: &Jwk) -> Result<Answer, &'static str> {
        let (port, name, mut token, other_token) = {
            let state = self.lock();
            let order = state.orders.get(number).ok_or("malformed")?;
            let port = state.port.expect("the test has said where the host is");
            (port, order.name.clone(), order.token.clone(), state.whims.other_token)
        };
        if other_token {
            token.push('x');
        }
        let proved = proof::proves(port, &name, &format!("{token}.{}", key.thumbprint())).await;
        let mut state = self.lock();
        let order = &mut state.orders[number];
        order.state = if proved.is_ok() { "ready" } else { "invalid" };
        order.problem = proved.err();
        let url = format!("{}/challenge/{number}", self.base);
        Ok(json(200, &json!({ "type": "tls-alpn-01", "url": url, "token": token, "status": "processing" })))
    }

    fn finalize(&self, number: usize, payload: &Value) -> Result<Answer, &'static str> {
        let request = payload["csr"].as_str().and_then(|text| BASE64URL_NOPAD.decode(text.as_bytes()).ok());
        let request = request.ok_or("badCSR")?;
        {
            let mut guard = self.lock();
            let state = &mut *guard;
            let validity = match state.validities.len() {
                0 => Validity { since_s: 3_600, for_s: 90 * 86_400 },
                1 => state.validities[0],
                _ => state.validities.pop_front().expect("two or more"),
            };
            let order =
                state.orders.get_mut(number).filter(|order| order.state == "ready").ok_or("orderNotReady")?;
            let name = state.whims.certifies.as_ref().unwrap_or(&order.name);
            let chain = self.ca.certify(&request, &order.name, name, validity).ok_or("badCSR")?;
            (order.chain, order.state) = (Some(chain), "valid");
        }
        self.show_order(number)
    }
}

fn json(status: u16, value: &Value) -> Answer {
    let body = if value.is_null() { String::new() } else { value.to_string() };
    Response::builder().status(status).body(Full::from(body)).expect("an answer")
}

fn with(header: &'static str, value: &str, mut answer: Answer) -> Answer {
    answer.headers_mut().insert(header, value.parse().expect("a header"));
    answer
}

fn said(kind: &str, detail: Option<&String>) -> Value {
    json!({ "type": format!("urn:ietf:params:acme:error:{kind}"), "detail": detail })
}

fn problem(kind: &str, detail: Option<&String>) -> Answer {
    json(if kind == "rateLimited" { 429 } else { 400 }, &said(kind, detail))
}
