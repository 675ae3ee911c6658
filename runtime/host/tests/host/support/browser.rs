//! A browser at a person's own name, with an authenticator of software.

use data_encoding::BASE64URL_NOPAD;
use handshake::encoding::{KeyKind, server_name};
use runtime_host::http::service::epoch_ms;
use runtime_passkey::Site;
use runtime_passkey::testing::Authenticator;
use runtime_user::UserId;
use runtime_wire::tls::{Identity, Pin};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::cloud::Cloud;
use super::sockets::encrypted;

/// Where browsers seem to come from.
pub const HERE: [u8; 4] = [127, 0, 0, 1];

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// In lower case.
    pub head: String,
    pub body: Value,
    pub bytes: Vec<u8>,
}

impl Answer {
    pub fn code(&self) -> (u16, &str) {
        (self.status, self.body["error"]["code"].as_str().unwrap_or("none"))
    }

    #[track_caller]
    pub fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body
    }
}

/// One browser with one connection.
pub struct Browser {
    stream: TlsStream<TcpStream>,
    pub name: String,
    pub origin: String,
    /// Names with values.
    pub cookies: Vec<(String, String)>,
    pub token: String,
    pub passkey: Authenticator,
}

/// The certificate that the host made for a person's name.
pub fn pin_of(cloud: &Cloud, user: UserId) -> (String, Pin) {
    let label = cloud.runtime.owners().web_label(user).unwrap().to_string();
    let name = server_name(&label, "127.0.0.1");
    let folder = cloud.folder_of(user).join("web");
    (name.clone(), Identity::load_or_make(&folder, &[name]).unwrap().pin())
}

impl Browser {
    pub async fn open(cloud: &Cloud, user: UserId) -> Self {
        Self::open_from(HERE, cloud, user).await
    }

    pub async fn open_from(source: [u8; 4], cloud: &Cloud, user: UserId) -> Self {
        let (name, pin) = pin_of(cloud, user);
        let stream = encrypted(source, cloud.address, pin, &name).await;
        let origin = format!("https://{name}");
        let passkey = Authenticator::new(KeyKind::P256);
        Self { stream, name, origin, cookies: Vec::new(), token: String::new(), passkey }
    }

    /// A browser whose owner has made a passkey with the code of a window.
    pub async fn with_passkey(cloud: &Cloud, user: UserId) -> Self {
        let mut browser = Self::open(cloud, user).await;
        browser.first(cloud, user).await;
        browser
    }

    pub fn site(&self) -> Site<'_> {
        Site { name: &self.name, origin: &self.origin }
    }

    /// A request as it is, and its answer; cookies are kept.
    pub async fn send(&mut self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        let head = format!("{method} {path} HTTP/1.1\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
        self.stream.write_all(&[head.as_bytes(), body].concat()).await.expect("sent");
        let answer = self.answer(method == "HEAD").await;
        for line in answer.1.lines().filter_map(|line| line.strip_prefix("set-cookie: ")) {
            let (name, rest) = line.split_once('=').expect("a cookie");
            let value = rest.split(';').next().expect("a value").to_owned();
            self.cookies.retain(|(known, _)| known != name);
            if !value.is_empty() {
                self.cookies.push((name.to_owned(), value));
            }
        }
        answer.0
    }

    async fn answer(&mut self, headless: bool) -> (Answer, String) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.stream.read_u8().await.expect("an answer"));
        }
        let shown = String::from_utf8(head).unwrap();
        let head = shown.to_lowercase();
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        let length = lines.find(|(name, _)| *name == "content-length").map_or("0", |(_, value)| value);
        let mut bytes = vec![0; if headless { 0 } else { length.parse().unwrap() }];
        self.stream.read_exact(&mut bytes).await.unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (Answer { status, head, body: serde_json::from_slice(&bytes).unwrap_or_default(), bytes }, shown)
    }

    pub fn cookie_header(&self) -> String {
        let all: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if all.is_empty() { String::new() } else { format!("cookie: {}\r\n", all.join("; ")) }
    }

    /// The headers of a call of the page.
    pub fn headers(&self) -> String {
        format!(
            "host: {}\r\norigin: {}\r\nsec-fetch-site: same-origin\r\ncontent-type: application/json\r\n\
             x-cellar-token: {}\r\n{}",
            self.name,
            self.origin,
            self.token,
            self.cookie_header()
        )
    }

    /// A call of the page.
    pub async fn post(&mut self, path: &str, body: &Value) -> Answer {
        self.post_with(path, body, "").await
    }

    pub async fn post_with(&mut self, path: &str, body: &Value, more: &str) -> Answer {
        let headers = format!("{}{more}", self.headers());
        self.send("POST", path, &headers, body.to_string().as_bytes()).await
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        let headers = format!("host: {}\r\n{}", self.name, self.cookie_header());
        self.send("GET", path, &headers, b"").await
    }

    /// Hands in a code; its owner approves if both sides show the same digits.
    pub async fn first(&mut self, cloud: &Cloud, user: UserId) {
        let invitation = cloud.open_window(user).await;
        let code = invitation.typed.as_ref().expect("typing is offered").to_string();
        let claimed = self.post("/api/first", &json!({ "code": code })).await.ok();
        assert_eq!(self.post("/api/first/wait", &json!({})).await.ok(), json!({ "approved": false }));
        let claim = cloud.pairing(user).and_then(|status| status.claim).expect("somebody waits");
        assert_eq!(claimed["digits"], claim.digits);
        cloud.runtime.pairing().answer(user, invitation.window, true, epoch_ms()).expect("answered");
        let told = self.post("/api/first/wait", &json!({})).await.ok();
        let registration = self.passkey.register(self.site(), &challenge(&told["create"]["challenge"]));
        let added = json!({ "registration": registration, "name": "first" });
        let begun = self.post("/api/first/add", &added).await.ok();
        begun["token"].as_str().expect("a token").clone_into(&mut self.token);
    }

    pub async fn begin_sign_in(&mut self) -> [u8; 32] {
        challenge(&self.post("/api/sign-in/begin", &json!({})).await.ok()["challenge"])
    }

    pub fn assertion(&mut self, challenge: &[u8; 32]) -> Value {
        let (name, origin) = (self.name.clone(), self.origin.clone());
        self.passkey.assert(Site { name: &name, origin: &origin }, challenge)
    }

    pub async fn sign_in(&mut self) -> Answer {
        let challenge = self.begin_sign_in().await;
        let assertion = self.assertion(&challenge);
        let answer = self.post("/api/sign-in", &assertion).await;
        if let Some(token) = answer.body["token"].as_str() {
            token.clone_into(&mut self.token);
        }
        answer
    }

    /// The header with a fresh assertion for that call.
    pub async fn stepped(&mut self, path: &str, body: &Value) -> String {
        let asked = json!({ "path": path, "body": body.to_string() });
        let challenge = challenge(&self.post("/api/step-up", &asked).await.ok()["challenge"]);
        let assertion = self.assertion(&challenge).to_string();
        format!("x-cellar-assertion: {}\r\n", BASE64URL_NOPAD.encode(assertion.as_bytes()))
    }

    /// A call with a fresh assertion.
    pub async fn post_stepped(&mut self, path: &str, body: &Value) -> Answer {
        let header = self.stepped(path, body).await;
        self.post_with(path, body, &header).await
    }

    pub async fn status(&mut self) -> Answer {
        self.post("/api/ask", &json!({ "command": "status" })).await
    }
}

/// A challenge as it is told.
pub fn challenge(text: &Value) -> [u8; 32] {
    let text = text.as_str().expect("a text");
    BASE64URL_NOPAD.decode(text.as_bytes()).unwrap().try_into().expect("32 bytes")
}
