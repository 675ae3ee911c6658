//! Callers of the front for phones that cannot pair.

use handshake::encoding::server_name;
use runtime_user::UserId;
use runtime_wire::tls::Identity;
use serde_json::{Map, Value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::cloud::{Cloud, Wish, put_body, start_with};
use super::sockets::encrypted;

pub const HERE: [u8; 4] = [127, 0, 0, 1];
/// The name of the front for everybody.
pub const FRONT: &str = "localhost";

/// A host with a front for phones that cannot pair.
pub async fn legacy() -> Cloud {
    start_with(Wish { legacy: true, ..Wish::default() }).await
}

/// Somebody who shows tokens over one connection.
pub struct Caller {
    pub stream: TlsStream<TcpStream>,
    pub host: String,
}

/// What it was answered; the head in lower case.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Value,
}

impl Answer {
    /// The status, and the code of an error.
    pub fn code(&self) -> (u16, &str) {
        (self.status, self.body["error"]["code"].as_str().unwrap_or("none"))
    }
}

/// Somebody at the front for everybody, from that network.
pub async fn caller(cloud: &Cloud, source: [u8; 4]) -> Caller {
    let pin = Identity::load_or_make(cloud.folder.path(), &[]).unwrap().pin();
    let stream = encrypted(source, cloud.address, pin, FRONT).await;
    Caller { stream, host: FRONT.to_owned() }
}

/// Somebody at a person's own name.
pub async fn caller_of(cloud: &Cloud, user: UserId) -> Caller {
    let host = server_name(&cloud.runtime.owners().web_label(user).unwrap().to_string(), "127.0.0.1");
    let folder = cloud.folder_of(user).join("web");
    let pin = Identity::load_or_make(&folder, std::slice::from_ref(&host)).unwrap().pin();
    Caller { stream: encrypted(HERE, cloud.address, pin, &host).await, host }
}

impl Caller {
    /// Sends one request and waits for its whole answer.
    pub async fn post(&mut self, path: &str, headers: &str, body: &[u8]) -> Answer {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n{headers}\r\n",
            self.host,
            body.len()
        );
        self.stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
        self.answer().await
    }

    /// The next answer.
    pub async fn answer(&mut self) -> Answer {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.stream.read_u8().await.expect("an answer"));
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let body = match value_of(&head, "content-length") {
            Some(length) => {
                let mut body = vec![0; length.parse().unwrap()];
                self.stream.read_exact(&mut body).await.unwrap();
                body
            }
            None => self.chunks().await,
        };
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, body: serde_json::from_slice(&body).unwrap_or_default(), head }
    }

    /// The body of an answer that came in chunks.
    async fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let mut line = Vec::new();
            while !line.ends_with(b"\r\n") {
                line.push(self.stream.read_u8().await.expect("a chunk"));
            }
            let length = usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim(), 16).unwrap();
            let mut chunk = vec![0; length + 2];
            self.stream.read_exact(&mut chunk).await.unwrap();
            if length == 0 {
                return body;
            }
            body.extend(&chunk[..length]);
        }
    }

    /// Puts one entry in the name of whoever has the token.
    pub async fn put(&mut self, token: &str) -> Answer {
        self.post("/usercache/put", "", as_of(token, &put_body(1_700_000_000.0, "put")).as_bytes()).await
    }
}

pub fn value_of<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// The body with that `user`.
pub fn as_of(token: &str, body: &[u8]) -> String {
    let mut body: Map<String, Value> = serde_json::from_slice(body).unwrap();
    body.insert("user".to_owned(), token.into());
    Value::Object(body).to_string()
}
