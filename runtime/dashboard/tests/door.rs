//! The page's server on a real port, and what others on this machine and in that browser try.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use runtime_dashboard::{
    API_BODY_BYTES_MAX, About, CONNECTIONS_MAX, Carried, Carrier, Door, Listening, NotCarried, Server, Way,
};
use runtime_map::{MAP_PATH, MAP_RANGE_BYTES_MAX, MapFile};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);

/// Keeps what it was asked to carry.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<Bytes>>>);

impl Notes {
    fn count(&self) -> usize {
        self.0.lock().expect("no panic").len()
    }
}

impl Carrier for Notes {
    fn about(&self) -> About {
        let (scopes, commands) = (Vec::new(), vec!["status".to_owned()]);
        About { way: Way::Device, device: None, scopes, commands, puts: true, opens: true }
    }

    async fn ask(&mut self, command: Bytes) -> Result<Carried, NotCarried> {
        self.0.lock().expect("no panic").push(command);
        Ok(Carried { status: 200, body: Bytes::from_static(b"{\"Ok\":1}") })
    }

    async fn put(&mut self, batch: Bytes) -> Result<Carried, NotCarried> {
        self.ask(batch).await
    }

    async fn open(&mut self) -> Result<(), NotCarried> {
        Err(NotCarried::not_here("the store is elsewhere"))
    }
}

/// A server, and the browser of its owner.
struct Page {
    port: u16,
    code: String,
    notes: Notes,
    door: Arc<Door>,
}

struct Said {
    status: u16,
    head: String,
    body: String,
}

impl Said {
    fn field(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

async fn serve() -> Page {
    serve_with(None).await
}

/// A server whose page has a map, if there is one.
async fn serve_with(map: Option<MapFile>) -> Page {
    let listening = Listening::at(0).await.expect("a port");
    let port = listening.port();
    let door = Arc::new(Door::new(port));
    let link = door.link().expect("randomness");
    let (place, code) = link.reveal().split_once("/#enter=").expect("a code");
    assert_eq!(place, format!("http://localhost:{port}"));
    let code = code.to_owned();
    let notes = Notes::default();
    tokio::spawn(Arc::new(Server::new(Arc::clone(&door), notes.clone()).with_map(map)).serve(listening));
    Page { port, code, notes, door }
}

impl Page {
    /// Sends bytes as they are, and reads to the end.
    async fn raw(&self, bytes: &[u8]) -> Said {
        let exchange = async {
            let mut socket = TcpStream::connect(("127.0.0.1", self.port)).await.expect("it listens");
            // The server may answer and close before all of it is sent.
            let _ = socket.write_all(bytes).await;
            let mut all = Vec::new();
            let _ = socket.read_to_end(&mut all).await;
            String::from_utf8_lossy(&all).into_owned()
        };
        let text = timeout(PATIENCE, exchange).await.expect("an end");
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Said { status, head: head.to_owned(), body: body.to_owned() }
    }

    async fn send(&self, method: &str, path: &str, fields: &[(&str, &str)], body: &str) -> Said {
        let mut text = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
        for (name, value) in fields {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
        self.raw(text.as_bytes()).await
    }

    fn host(&self) -> String {
        format!("localhost:{}", self.port)
    }

    fn origin(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// As the page does it.
    async fn call(&self, path: &str, cookie: &str, token: &str, body: &str) -> Said {
        let fields = [
            ("host", self.host()),
            ("origin", self.origin()),
            ("cookie", cookie.to_owned()),
            ("x-cellar-token", token.to_owned()),
        ];
        self.send("POST", path, &fields.each_ref().map(|(name, value)| (*name, value.as_str())), body).await
    }

    async fn enter(&self) -> (String, String) {
        let body = format!("{{\"code\":\"{}\"}}", self.code);
        let said = self.call("/api/enter", "", "", &body).await;
        assert_eq!(said.status, 200, "{}", said.body);
        let cookie = said.field("set-cookie").expect("a cookie");
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
        let cookie = cookie.split(';').next().expect("a pair").to_owned();
        let token: serde_json::Value = serde_json::from_str(&said.body).expect("JSON");
        (cookie, token["token"].as_str().expect("a token").to_owned())
    }
}

#[tokio::test]
async fn who_has_the_link_gets_the_page_and_its_calls_are_carried() {
    let page = serve().await;
    let index = page.send("GET", "/", &[("host", &page.host())], "").await;
    assert_eq!((index.status, index.field("cache-control")), (200, Some("no-cache")));
    assert!(index.body.contains("<title>Cellar</title>"), "{}", index.body);
    let tag = index.field("etag").expect("a tag").to_owned();
    let again = page.send("GET", "/", &[("host", &page.host()), ("if-none-match", &tag)], "").await;
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    let (cookie, token) = page.enter().await;
    let said = page.call("/api/ask", &cookie, &token, "{\"command\":\"status\"}").await;
    assert_eq!((said.status, said.body.as_str()), (200, "{\"Ok\":1}"));
    assert_eq!(said.field("cache-control"), Some("no-store"));
    assert_eq!(page.notes.0.lock().expect("no panic")[..], [Bytes::from_static(b"{\"command\":\"status\"}")]);
    let about = page.call("/api/about", &cookie, &token, "{}").await;
    assert!(about.body.contains("\"way\":\"device\""), "{}", about.body);
    let opened = page.call("/api/open", &cookie, &token, "{}").await;
    assert!(opened.status == 502 && opened.body.contains("not-here"), "{}", opened.body);
    assert_eq!(page.call("/api/else", &cookie, &token, "{}").await.status, 404);
}

#[tokio::test]
async fn attack_72_another_page_of_the_browser_calls_and_nothing_is_carried() {
    let page = serve().await;
    let (cookie, token) = page.enter().await;
    let (host, own, port) = (page.host(), page.origin(), page.port);
    let other = format!("http://localhost:{}", port.wrapping_add(1).max(1));
    let by_number = format!("http://127.0.0.1:{port}");
    for origin in ["null", "https://evil.example", &other, &by_number, &format!("https://localhost:{port}")] {
        let fields = [("host", &*host), ("origin", origin), ("cookie", &cookie), ("x-cellar-token", &token)];
        let said = page.send("POST", "/api/ask", &fields, "{}").await;
        assert!(said.status == 403 && said.body.contains("wrong-origin"), "{origin}: {}", said.body);
        assert_eq!(said.field("access-control-allow-origin"), None, "nobody else may read an answer");
    }
    // A form sends no Origin in some browsers, and says that it comes from another site.
    let fields = [("host", &*host), ("cookie", &cookie), ("x-cellar-token", &token)];
    assert_eq!(page.send("POST", "/api/ask", &fields, "{}").await.status, 403);
    for site in ["cross-site", "same-site", "none"] {
        let fields = [
            ("host", &*host),
            ("origin", &own),
            ("sec-fetch-site", site),
            ("cookie", &cookie),
            ("x-cellar-token", &token),
        ];
        assert_eq!(page.send("POST", "/api/ask", &fields, "{}").await.status, 403, "{site}");
    }
    // The question that a browser asks before it sends a header of another page's.
    let fields = [("host", &*host), ("origin", "https://evil.example")];
    let asked = page.send("OPTIONS", "/api/ask", &fields, "").await;
    assert_eq!((asked.status, asked.field("access-control-allow-headers")), (405, None));
    assert_eq!(page.send("GET", "/api/ask", &[("host", &host), ("cookie", &cookie)], "").await.status, 404);
    assert_eq!(page.notes.count(), 0);
}

#[tokio::test]
async fn attack_73_a_cookie_without_the_pages_token_or_one_that_others_have_set_is_nothing() {
    let page = serve().await;
    let (cookie, token) = page.enter().await;
    // A server at another port of localhost learns the cookie, and may set one of the same name.
    for (cookie, token) in [
        (cookie.as_str(), ""),
        (cookie.as_str(), "AAAAAAAAAAAAAAAAAAAAAA"),
        ("", token.as_str()),
        ("cellar=AAAAAAAAAAAAAAAAAAAAAA", token.as_str()),
        ("cellar=; other=1", token.as_str()),
    ] {
        let said = page.call("/api/ask", cookie, token, "{}").await;
        assert!(said.status == 401 && said.body.contains("outside"), "{}", said.body);
    }
    assert_eq!(page.notes.count(), 0);
    let beside = format!("cellar=forged; {cookie}");
    assert_eq!(
        page.call("/api/ask", &beside, &token, "{}").await.status,
        200,
        "it does not shut the owner out"
    );
}

#[tokio::test]
async fn attack_182_another_name_that_leads_to_this_machine_gets_not_even_the_page() {
    let page = serve().await;
    let (cookie, token) = page.enter().await;
    for host in [
        format!("evil.example:{}", page.port),
        format!("localhost.evil.example:{}", page.port),
        format!("[::1]:{}", page.port),
        "localhost".to_owned(),
        String::new(),
    ] {
        let origin = format!("http://{host}");
        let fields = [("host", &*host), ("origin", &origin), ("cookie", &cookie), ("x-cellar-token", &token)];
        assert_eq!(page.send("GET", "/", &fields, "").await.status, 421, "{host}");
        assert_eq!(page.send("POST", "/api/ask", &fields, "{}").await.status, 421, "{host}");
    }
    let twice = [("host", page.host()), ("host", "evil.example".to_owned())];
    let twice = twice.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert!(matches!(page.send("GET", "/", &twice, "").await.status, 400 | 421));
    assert_eq!(page.notes.count(), 0);
}

#[tokio::test]
async fn attack_183_a_link_that_was_used_or_guessed_or_replaced_lets_nobody_in() {
    let page = serve().await;
    for code in ["", "AAAAAAAAAAAAAAAAAAAAAA", &page.code[1..]] {
        let said = page.call("/api/enter", "", "", &format!("{{\"code\":\"{code}\"}}")).await;
        assert_eq!(said.status, 403, "{}", said.body);
    }
    assert_eq!(page.call("/api/enter", "", "", "no JSON").await.status, 403);
    let (cookie, token) = page.enter().await;
    let again = page.call("/api/enter", "", "", &format!("{{\"code\":\"{}\"}}", page.code)).await;
    assert!(again.status == 403 && again.field("set-cookie").is_none(), "{}", again.body);
    assert_eq!(page.call("/api/ask", &cookie, &token, "{}").await.status, 200, "the first stays inside");
    page.door.link().expect("randomness");
    assert_eq!(page.call("/api/ask", &cookie, &token, "{}").await.status, 401);
}

#[tokio::test]
async fn attack_184_no_answer_may_be_framed_stored_or_read_by_another_page() {
    let page = serve().await;
    let (host, (cookie, token)) = (page.host(), page.enter().await);
    let answers = [
        page.send("GET", "/", &[("host", &host)], "").await,
        page.send("GET", "/nothing", &[("host", &host)], "").await,
        page.send("GET", "/", &[("host", "evil.example")], "").await,
        page.send("PUT", "/", &[("host", &host)], "").await,
        page.call("/api/ask", &cookie, &token, "{}").await,
        page.call("/api/ask", "", "", "{}").await,
    ];
    for said in &answers {
        let policy = said.field("content-security-policy").expect("a policy");
        for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "script-src 'self'"] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http"), "{policy}");
        assert_eq!(said.field("x-frame-options"), Some("DENY"));
        assert_eq!(said.field("x-content-type-options"), Some("nosniff"));
        assert_eq!(said.field("referrer-policy"), Some("no-referrer"));
        assert_eq!(said.field("cross-origin-resource-policy"), Some("same-origin"));
        assert_eq!(said.field("access-control-allow-origin"), None);
    }
    assert!(answers[4..].iter().all(|said| said.field("cache-control") == Some("no-store")));
}

#[tokio::test]
async fn attack_185_no_path_leads_to_a_file_that_is_not_of_the_page() {
    let page = serve().await;
    for path in [
        "/..",
        "/../../etc/passwd",
        "/assets/../../Cargo.toml",
        "/assets/..%2f..%2fCargo.toml",
        "/%2e%2e/Cargo.toml",
        "/assets//index.html",
        "/index.html.gz",
        "/files.txt",
        "/assets/",
        "/.",
        "//evil.example/",
        "/index.html/..",
        "http://evil.example/",
        "/assets\\..\\x",
    ] {
        let said = page.send("GET", path, &[("host", &page.host())], "").await;
        // A whole address in a request names its host there, and the page is what `/` is.
        let is_page = path == "http://evil.example/" && said.status == 200;
        assert!(matches!(said.status, 400 | 404 | 421) || is_page, "{path}: {} {}", said.status, said.body);
        assert_eq!(said.field("location"), None, "{path}: nobody is sent elsewhere");
    }
}

#[tokio::test]
async fn attack_186_large_bodies_and_many_slow_callers_cost_a_bounded_part_and_the_owner_is_answered() {
    let page = serve().await;
    let (cookie, token) = page.enter().await;
    let large = "x".repeat(API_BODY_BYTES_MAX + 1);
    assert_ne!(page.call("/api/ask", &cookie, &token, &large).await.status, 200);
    // Nobody's body is read before the door has seen who it is.
    let stranger = page.call("/api/ask", "", "", &large).await;
    assert!(matches!(stranger.status, 401 | 0), "{}", stranger.status);
    let mut slow = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        let mut socket = TcpStream::connect(("127.0.0.1", page.port)).await.expect("it listens");
        socket.write_all(b"GET / HT").await.expect("sent");
        slow.push(socket);
    }
    // The slow ones are ended, and their places are free again.
    let said = timeout(PATIENCE, page.call("/api/ask", &cookie, &token, "{}")).await.expect("an answer");
    assert_eq!(said.status, 200);
    assert_eq!(page.notes.count(), 1);
}

/// The smallest map: the header of a PMTiles file, a root directory without tiles, and no metadata.
fn map() -> MapFile {
    let mut bytes = vec![0; 128];
    bytes[..8].copy_from_slice(b"PMTiles\x03");
    (bytes[8], bytes[16], bytes[24], bytes[40], bytes[56]) = (127, 1, 128, 128, 128);
    bytes[97..102].copy_from_slice(&[1, 1, 1, 0, 14]);
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), bytes).expect("written");
    // It stays open, and has no name any more.
    MapFile::open(file.path()).expect("a map")
}

#[tokio::test]
async fn attack_172_no_other_page_and_no_other_user_of_the_machine_reads_the_map_and_no_path_leads_around_it()
{
    let page = serve_with(Some(map())).await;
    let (cookie, token) = page.enter().await;
    let (host, own) = (page.host(), page.origin());
    let right = [("host", &*host), ("cookie", &*cookie), ("x-cellar-token", &*token), ("range", "bytes=0-6")];
    let with = |more: &[(&'static str, &'static str)]| [&right[..], more].concat();
    let said = page.send("GET", MAP_PATH, &right, "").await;
    assert_eq!((said.status, &*said.body), (206, "PMTiles"));
    assert_eq!(said.field("cache-control"), Some("no-store"));
    assert!(said.field("content-security-policy").is_some());
    let said = page.send("GET", MAP_PATH, &with(&[("sec-fetch-site", "same-origin")]), "").await;
    assert_eq!(said.status, 206);
    // Without the cookie, without the token, by another page.
    for (left_out, status) in [("cookie", 401), ("x-cellar-token", 401), ("host", 421)] {
        let fields: Vec<_> = right.iter().copied().filter(|(name, _)| *name != left_out).collect();
        assert_eq!(page.send("GET", MAP_PATH, &fields, "").await.status, status, "{left_out}");
    }
    for fields in [
        with(&[("sec-fetch-site", "cross-site")]),
        with(&[("sec-fetch-site", "same-site")]),
        with(&[("origin", "null")]),
        with(&[("origin", "https://evil.example")]),
    ] {
        let said = page.send("GET", MAP_PATH, &fields, "").await;
        assert_eq!((said.status, said.field("access-control-allow-origin")), (403, None), "{fields:?}");
    }
    let fields = [&right[..], &[("origin", &*own)]].concat();
    assert_eq!(page.send("GET", MAP_PATH, &fields, "").await.status, 206);
    for path in [
        "/map.pmtiles/",
        "/map.pmtiles/../../etc/passwd",
        "/./map.pmtiles",
        "//map.pmtiles",
        "/map.pmtiles%00",
        "/MAP.PMTILES",
        "/%6dap.pmtiles",
        "/map.pmtiles.gz",
        "/assets/../map.pmtiles",
        "/../map.pmtiles",
    ] {
        let said = page.send("GET", path, &right, "").await;
        assert!(matches!(said.status, 400 | 404), "{path}: {} {}", said.status, said.body);
    }
    let without = serve().await;
    let (cookie, token) = without.enter().await;
    let host = without.host();
    let right = [("host", &*host), ("cookie", &*cookie), ("x-cellar-token", &*token), ("range", "bytes=0-6")];
    assert_eq!(without.send("GET", MAP_PATH, &right, "").await.status, 404, "there is no map");
}

#[tokio::test]
async fn attack_170_a_range_that_is_malformed_doubled_too_large_or_outside_gets_nothing_of_the_map() {
    let page = serve_with(Some(map())).await;
    let (host, (cookie, token)) = (page.host(), page.enter().await);
    let right = [("host", &*host), ("cookie", &*cookie), ("x-cellar-token", &*token)];
    let large = format!("bytes=0-{MAP_RANGE_BYTES_MAX}");
    for range in ["bytes=0-1,0-1", "bytes=-1", "bytes=0-", "bytes=1-0", "bytes=128-200", "bytes=a-b", &large]
    {
        let said = page.send("GET", MAP_PATH, &[&right[..], &[("range", range)]].concat(), "").await;
        assert!(said.status == 416 && said.body.contains("bad-range"), "{range}: {}", said.body);
        assert_eq!(said.field("content-range"), Some("bytes */128"), "{range}");
    }
    let twice = [&right[..], &[("range", "bytes=0-1"), ("range", "bytes=2-3")]].concat();
    assert_eq!(page.send("GET", MAP_PATH, &twice, "").await.status, 416);
    assert_eq!(page.send("GET", MAP_PATH, &right, "").await.status, 416, "not the whole file");
}

#[tokio::test]
async fn attack_173_a_tile_server_is_one_origin_in_the_policy_and_says_nothing_else_there() {
    let page = serve().await;
    let (host, (cookie, token)) = (page.host(), page.enter().await);
    let allow = |body: &'static str| page.call("/api/tile-server", &cookie, &token, body);
    let policy = async |cookie: &str| {
        let said = page.send("GET", "/", &[("host", &host), ("cookie", cookie)], "").await;
        assert_eq!(said.status, 200);
        (said.field("content-security-policy").expect("a policy").to_owned(), said)
    };
    let (usual, _) = policy(&cookie).await;
    for body in [
        r#"{"origin":"https://tiles.example; script-src *"}"#,
        r#"{"origin":"https://tiles.example 'unsafe-inline'"}"#,
        r#"{"origin":"https://tiles.example\r\nset-cookie: a=b"}"#,
        r#"{"origin":"*"}"#,
        r#"{"origin":"http://tiles.example"}"#,
        r#"{"origin":["https://tiles.example"]}"#,
        r#"{"origin":null,"more":1}"#,
        "no JSON",
    ] {
        let said = allow(body).await;
        assert!(said.status == 400 && said.body.contains("bad-body"), "{body}: {}", said.body);
    }
    assert_eq!(policy(&cookie).await.0, usual);
    assert_eq!(page.call("/api/tile-server", &cookie, "", "{\"origin\":null}").await.status, 401);
    assert_eq!(allow(r#"{"origin":"https://tiles.example"}"#).await.status, 200);
    let (allowed, said) = policy(&cookie).await;
    assert_eq!(
        allowed,
        usual.replace("connect-src 'self'", "connect-src 'self' https://tiles.example"),
        "that origin, for calls alone"
    );
    assert_eq!((said.field("cache-control"), said.field("etag")), (Some("no-store"), None));
    assert!(page.call("/api/about", &cookie, &token, "{}").await.body.contains("https://tiles.example"));
    assert_eq!(policy("").await.0, usual, "a browser that has not entered is told nothing of it");
    assert_eq!(allow(r#"{"origin":null}"#).await.status, 200);
    assert_eq!(policy(&cookie).await.0, usual);
}
