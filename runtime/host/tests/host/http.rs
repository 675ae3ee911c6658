//! The port says what is wrong, keeps nothing of it, and goes on answering others.

use crate::support::fake as support;

use std::time::Duration;

use serde_json::{Value, json};
use support::{Cells, Fake, Limits, OTHER_TOKEN, TOKEN, code, request, rest, start, status};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Method, path, headers and body of a bad request; status and code of its answer.
type Bad<'a> = (&'a str, &'a str, &'a str, &'a [u8], u16, &'a str);

fn body_of(user: &str) -> String {
    format!("{{\"user\":\"{user}\",\"phone_to_server\":[]}}")
}

// Row: "An unknown token's put is stored under no user"
// Row: "An unknown route answers 301"
// Row: "No `user` in the request"
// Row: "An exception answers 500 with an HTML page"
#[tokio::test]
async fn bad_requests_are_refused_with_a_reason_and_reach_no_cell() {
    let fake = Fake::new(Cells::Count);
    let host = start(fake.clone(), Limits::roomy()).await;
    let deep = format!("{{\"user\":\"{TOKEN}\",\"a\":{}", "[".repeat(100_000));
    let truncated = &body_of(TOKEN)[..60];
    let odd_user = format!("{{\"user\":[\"{TOKEN}\"]}}");
    let twice = format!("{{\"user\":\"{TOKEN}\",\"user\":\"{TOKEN}\"}}");
    let not_utf8 = [b"{\"user\":\"".as_slice(), TOKEN.as_bytes(), b"\",\"a\":\"\xff\"}"].concat();
    let bearer = format!("authorization: Bearer {OTHER_TOKEN}\r\n");
    let of_another = body_of(TOKEN);
    let huge = vec![b' '; 1 << 20 | 1];
    let (put, get) = ("/usercache/put", "/datastreams/find_entries/timestamp");
    let table: [Bad<'_>; 26] = [
        ("POST", put, "", b"", 400, "bad-json"),
        ("POST", put, "", b"[]", 400, "bad-json"),
        ("POST", put, "", b"not json", 400, "bad-json"),
        ("POST", put, "", truncated.as_bytes(), 400, "bad-json"),
        ("POST", put, "", deep.as_bytes(), 400, "bad-json"),
        ("POST", get, "", &not_utf8, 400, "bad-json"),
        ("POST", put, "", odd_user.as_bytes(), 400, "bad-json"),
        ("POST", put, "", twice.as_bytes(), 400, "bad-json"),
        ("POST", put, "", b"{\"user\":7}", 400, "bad-json"),
        ("POST", put, "", b"{}", 401, "no-user"),
        ("POST", put, "", b"{\"phone_to_server\":[]}", 401, "no-user"),
        ("POST", put, "", b"{\"user\":\"nobody\"}", 403, "unknown-token"),
        ("POST", put, "", b"{\"user\":\"\\ud800\"}", 403, "unknown-token"),
        ("POST", put, "authorization: Basic x\r\n", b"{}", 401, "no-user"),
        ("POST", put, "authorization: Bearer x\r\n", b"{}", 403, "unknown-token"),
        ("POST", put, &bearer, of_another.as_bytes(), 403, "two-users"),
        ("POST", put, "content-encoding: gzip\r\n", b"\x1f\x8b", 415, "content-encoding"),
        ("POST", put, "", &huge, 413, "body-too-large"),
        ("GET", put, "", b"", 405, "wrong-method"),
        ("PUT", put, "", b"{}", 405, "wrong-method"),
        ("POST", get, "", b"{}", 401, "no-user"),
        ("POST", "/nowhere", "", b"{}", 404, "unknown-route"),
        ("POST", "/usercache/put/x", "", b"{}", 404, "unknown-route"),
        ("POST", "/", "", b"{}", 405, "wrong-method"),
        ("POST", "/profile/create", "", b"{\"user\":\"new\"}", 403, "unknown-token"),
        ("POST", "/profile/get", "", b"{}", 401, "no-user"),
    ];
    for (method, path, headers, body, want, why) in table {
        let answer = host.exchange(&request(method, path, headers, body)).await;
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        assert_eq!(
            (status(&answer), code(&answer).as_str()),
            (want, why),
            "{method} {path} {shown}: {answer}"
        );
    }
    assert!(fake.seen.lock().unwrap().is_empty(), "a refused request reached a cell");
    assert_eq!(host.budget.free(), 4 << 20);
    host.stopped().await;
}

#[tokio::test]
async fn the_place_of_an_error_in_a_body_is_told() {
    let host = start(Fake::new(Cells::Count), Limits::roomy()).await;
    let body = format!("{{\"user\":\"{TOKEN}\",\"a\":[1,,2]}}");
    let find = "/datastreams/find_entries/timestamp";
    let answer = host.exchange(&request("POST", find, "", body.as_bytes())).await;
    assert!(answer.contains("expected a value at byte 56"), "{answer}");
    host.stopped().await;
}

#[tokio::test]
async fn heads_that_are_too_long_or_have_too_many_headers_are_refused() {
    let host = start(Fake::new(Cells::Count), Limits::roomy()).await;
    let long = format!("GET / HTTP/1.1\r\nhost: h\r\nx: {}\r\n\r\n", "x".repeat(20_000));
    assert_eq!(status(&host.exchange(long.as_bytes()).await), 431);
    let many = format!("GET / HTTP/1.1\r\nhost: h\r\n{}\r\n", "x: y\r\n".repeat(200));
    assert_eq!(status(&host.exchange(many.as_bytes()).await), 431);
    assert_eq!(status(&host.exchange(b"\x00\x01nonsense\r\n\r\n").await), 400);
    host.stopped().await;
}

#[tokio::test]
async fn a_head_that_comes_too_slowly_is_told_so_and_an_idle_connection_just_ends() {
    let mut limits = Limits::roomy();
    limits.server.patience.head_ms = 50;
    limits.server.patience.idle_ms = 50;
    let host = start(Fake::new(Cells::Count), limits).await;
    let answer = host.exchange(b"POST /usercache/put HT").await;
    assert_eq!((status(&answer), code(&answer).as_str()), (408, "slow-head"), "{answer}");
    assert_eq!(host.exchange(b"").await, "");
    // Answered, then idle: the answer came whole and nothing follows it.
    let answer = host.exchange(b"GET /health HTTP/1.1\r\nhost: h\r\n\r\n").await;
    assert!(answer.ends_with("{\"healthy\":true}"), "{answer}");
    host.stopped().await;
}

// Row: "A body may pause for an hour"
#[tokio::test]
async fn a_body_that_pauses_or_drips_is_told_so() {
    for (pause_ms, window_ms, named) in [(50, 30_000, "for 50 ms"), (30_000, 50, "over 50 ms")] {
        let mut limits = Limits::roomy();
        (limits.body.pause_ms, limits.body.rate.window_ms) = (pause_ms, window_ms);
        let host = start(Fake::new(Cells::Count), limits).await;
        let mut socket = host.raw().await;
        let head = b"POST /usercache/put HTTP/1.1\r\nhost: h\r\ncontent-length: 100\r\n\r\n{\"user\":";
        socket.write_all(head).await.expect("written");
        let mut answer = vec![0; 1024];
        let count = tokio::time::timeout(Duration::from_secs(20), socket.read(&mut answer)).await;
        let count = count.expect("in time").expect("an answer");
        let answer = String::from_utf8_lossy(&answer[..count]).into_owned();
        assert_eq!((status(&answer), code(&answer).as_str()), (408, "slow-body"), "{answer}");
        assert!(answer.contains(named), "the limit that was reached is named: {answer}");
        drop(socket);
        host.stopped().await;
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_stores_nothing() {
    let fake = Fake::new(Cells::Count);
    let host = start(fake.clone(), Limits::roomy()).await;
    let mut socket = host.raw().await;
    let head =
        format!("POST /usercache/put HTTP/1.1\r\nhost: h\r\ncontent-length: 9999\r\n\r\n{}", body_of(TOKEN));
    socket.write_all(head.as_bytes()).await.expect("written");
    socket.shutdown().await.expect("closed");
    rest(&mut socket).await;
    drop(socket);
    let chunked = b"POST /usercache/put HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n";
    let answer = host.exchange(chunked).await;
    assert_eq!(status(&answer), 400, "{answer}");
    host.stopped().await;
    assert!(fake.bodies().is_empty());
}

#[tokio::test]
async fn who_waits_to_be_asked_for_a_large_body_is_refused_before_sending_it() {
    let host = start(Fake::new(Cells::Count), Limits::roomy()).await;
    let head = b"POST /usercache/put HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 99999999\r\n\r\n";
    let answer = host.exchange(head).await;
    assert_eq!((status(&answer), code(&answer).as_str()), (413, "body-too-large"), "{answer}");
    host.stopped().await;
}

// Row: "Requests up to 1 GiB"
#[tokio::test]
async fn by_default_a_body_may_have_64_mib_and_not_a_byte_more() {
    let limits = Limits { body: runtime_host::config::Config::default().bodies(), ..Limits::roomy() };
    assert_eq!(limits.body.bytes_max, 64 << 20);
    let host = start(Fake::new(Cells::Count), Limits { budget: 256 << 20, ..limits }).await;
    let head = |bytes: u64| {
        format!(
            "POST /usercache/put HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: {bytes}\r\n\r\n"
        )
    };
    let answer = host.exchange(head((64 << 20) + 1).as_bytes()).await;
    assert_eq!((status(&answer), code(&answer).as_str()), (413, "body-too-large"), "{answer}");
    let mut socket = host.raw().await;
    socket.write_all(head(64 << 20).as_bytes()).await.expect("written");
    let mut answer = [0; 12];
    socket.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 100", "it may be sent");
    drop(socket);
    host.stopped().await;
}

#[tokio::test]
async fn who_waits_to_be_asked_is_refused_before_sending_what_the_head_alone_rules_out() {
    let fake = Fake::new(Cells::Count);
    let host = start(fake.clone(), Limits::roomy()).await;
    for (line, more, want) in [
        ("POST /nope", "", (404, "unknown-route")),
        ("PUT /usercache/put", "", (405, "wrong-method")),
        ("POST /usercache/put", "authorization: Basic x\r\n", (401, "no-user")),
        ("POST /usercache/put", "authorization: Bearer x\r\n", (403, "unknown-token")),
        ("POST /usercache/put", "content-encoding: gzip\r\n", (415, "content-encoding")),
        ("POST /profile/get", "content-length: 200000\r\n", (413, "body-too-large")),
    ] {
        let length = if more.contains("length") { "" } else { "content-length: 1000\r\n" };
        let head = format!("{line} HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\n{length}{more}\r\n");
        // The connection ends, since what follows on it could be the body as well as a request.
        let answer = host.exchange(head.as_bytes()).await;
        assert_eq!((status(&answer), code(&answer).as_str()), want, "{line}: {answer}");
        assert!(!answer.contains("100 Continue"), "{line}: {answer}");
    }
    let body = body_of(TOKEN);
    let head = format!(
        "POST /usercache/put HTTP/1.1\r\nhost: h\r\nconnection: close\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut socket = host.raw().await;
    socket.write_all(head.as_bytes()).await.expect("written");
    let mut asked = [0; 25];
    socket.read_exact(&mut asked).await.expect("asked for the body");
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    socket.write_all(body.as_bytes()).await.expect("written");
    assert_eq!(status(&rest(&mut socket).await), 200);
    host.stopped().await;
    assert_eq!(fake.bodies().len(), 1);
}

// Row: "Phones send `/api//usercache/put`"
#[tokio::test]
async fn phones_whose_base_url_ends_in_api_reach_the_same_cells() {
    let fake = Fake::new(Cells::Count);
    let host = start(fake.clone(), Limits::roomy()).await;
    for (path, want) in [
        ("/api//usercache/put", 200),
        ("/api/usercache/put", 200),
        ("https://h/api//usercache/put", 200),
        ("/api/../usercache/put", 404),
        ("/api/%2e%2e/usercache/put", 404),
        ("/api/api/usercache/put", 404),
        ("/apiary/usercache/put", 404),
        ("/api", 404),
    ] {
        let answer = host.exchange(&request("POST", path, "", body_of(TOKEN).as_bytes())).await;
        assert_eq!(status(&answer), want, "{path}: {answer}");
    }
    host.stopped().await;
    assert!(
        fake.seen.lock().unwrap().iter().all(|(path, rest, _)| path == "usercache/put" && rest.is_empty())
    );
}

#[tokio::test]
async fn a_chunked_body_over_the_limit_is_refused_while_it_arrives() {
    let host = start(Fake::new(Cells::Count), Limits::roomy()).await;
    let mut body = format!("{{\"user\":\"{TOKEN}\",\"a\":\"").into_bytes();
    body.resize(2 << 20, b'x');
    body.extend_from_slice(b"\"}");
    let mut all =
        b"POST /usercache/put HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
            .to_vec();
    for piece in body.chunks(5000) {
        all.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        all.extend_from_slice(piece);
        all.extend_from_slice(b"\r\n");
    }
    all.extend_from_slice(b"0\r\n\r\n");
    let answer = host.exchange(&all).await;
    assert_eq!((status(&answer), code(&answer).as_str()), (413, "body-too-large"), "{answer}");
    assert_eq!(host.budget.free(), 4 << 20);
    host.stopped().await;
}

// Row: "`//` in a path"
#[tokio::test]
async fn a_cell_gets_the_whole_body_without_the_token() {
    let fake = Fake::new(Cells::Count);
    let host = start(fake.clone(), Limits::roomy()).await;
    let filler = "y".repeat(300_000);
    let body = format!("{{\"a\":[NaN,\"{filler}\"],\"user\":\"{TOKEN}\",\"z\":1}}");
    let reply = host.phone().await.post("//usercache//put", body.clone()).await.expect("answered");
    assert_eq!(reply.status, 200);
    let seen = fake.bodies().pop().expect("called");
    assert_eq!(String::from_utf8(seen).expect("UTF-8"), body.replace(TOKEN, &"-".repeat(TOKEN.len())));
    host.stopped().await;
}

#[tokio::test]
async fn the_rest_of_a_path_reaches_the_cell() {
    let fake = Fake::new(Cells::Count);
    let host = start(fake.clone(), Limits::roomy()).await;
    assert!(host.phone().await.find_entries(json!({ "key_list": [] })).await.expect("answered").is_empty());
    let (path, rest, _) = fake.seen.lock().unwrap().pop().expect("called");
    assert_eq!((path.as_str(), rest.as_str()), ("datastreams/find_entries", "timestamp"));
    host.stopped().await;
}

#[tokio::test]
async fn the_hosts_own_routes_answer_as_the_reference_does() {
    let host = start(Fake::new(Cells::Count), Limits::roomy()).await;
    let mut phone = host.phone().await;
    let created = phone.ask("/profile/create", json!({})).await.expect("answered");
    assert_eq!(created, json!({ "uuid": support::USER.dashed() }));
    let update = json!({ "update_doc": { "curr_platform": "android", "n": 1.5 } });
    assert_eq!(phone.ask("/profile/update", update).await.expect("answered"), json!({ "update": true }));
    let profile = phone.ask("/profile/get", json!({})).await.expect("answered");
    assert_eq!(profile, json!({ "curr_platform": "android", "n": 1.5 }));
    let range = phone.ask("/pipeline/get_range_ts", json!({})).await.expect("answered");
    assert_eq!(range, json!({ "start_ts": 1.5, "end_ts": null }));
    let complete = phone.ask("/pipeline/get_complete_ts", json!({})).await.expect("answered");
    assert_eq!(complete, json!({ "complete_ts": null }));
    host.stopped().await;
}

#[tokio::test]
async fn a_bad_profile_update_is_refused_and_changes_nothing() {
    let fake = Fake::new(Cells::Count);
    let host = start(fake.clone(), Limits::roomy()).await;
    let mut phone = host.phone().await;
    for (members, want) in [
        ("", 400),
        (",\"update_doc\":7", 400),
        (",\"update_doc\":null", 400),
        (",\"update_doc\":{\"a\":NaN}", 400),
        (&format!(",\"update_doc\":{{\"a\":\"{}\"}}", "x".repeat(200_000)), 413),
    ] {
        let body = format!("{{\"user\":\"{TOKEN}\"{members}}}");
        let reply = phone.post("/profile/update", body).await.expect("answered");
        assert_eq!(reply.status, want, "{:?}", String::from_utf8_lossy(&reply.body));
    }
    let large = json!({ "update_doc": { "b": "x".repeat(100_000) } });
    phone.ask("/profile/update", large).await.expect("answered");
    for name in ["c", "d"] {
        let more = json!({ "user": TOKEN, "update_doc": { name: "x".repeat(100_000) } });
        let _ = phone.post("/profile/update", more.to_string()).await.expect("answered");
    }
    let stored = Value::Object(fake.profile.lock().unwrap().clone()).to_string().len();
    assert!((200_000..=256 * 1024).contains(&stored), "{stored} bytes");
    host.stopped().await;
}

// Route: "/"
#[tokio::test]
async fn the_page_says_what_this_is_and_runs_nothing() {
    let host = start(Fake::new(Cells::Count), Limits::roomy()).await;
    let answer = host.exchange(&request("GET", "/", "", b"")).await;
    assert!(answer.contains("private server") && answer.contains("default-src 'none'"), "{answer}");
    assert!(!answer.contains("<script"));
    let head = host.exchange(&request("HEAD", "/", "", b"")).await;
    assert_eq!(status(&head), 200);
    host.stopped().await;
}

#[tokio::test]
async fn bodies_share_one_allowance_and_give_it_back() {
    let fake = Fake::new(Cells::Wait);
    let mut limits = Limits::roomy();
    // One person's bodies take at most half.
    limits.budget = 1600;
    let host = start(fake.clone(), limits).await;
    let body = format!("{{\"user\":\"{TOKEN}\",\"a\":\"{}\"}}", "x".repeat(700));
    let mut first = host.phone().await;
    let waiting = tokio::spawn({
        let body = body.clone();
        async move { first.post("/usercache/put", body).await.expect("answered").status }
    });
    fake.called.acquire().await.expect("called").forget();
    let mut second = host.phone().await;
    let reply = second.post("/usercache/put", body.clone()).await.expect("answered");
    assert_eq!((reply.status, reply.retry_after_s), (503, Some(5)));
    fake.go.add_permits(2);
    assert_eq!(waiting.await.expect("no panic"), 200);
    assert_eq!(second.post("/usercache/put", body).await.expect("answered").status, 200);
    assert_eq!(host.budget.free(), 1600);
    host.stopped().await;
}

// Row: "An exception answers 500 with an HTML page"
#[tokio::test]
async fn a_busy_host_says_when_to_come_back() {
    let host = start(Fake::new(Cells::Busy), Limits::roomy()).await;
    let reply = host.phone().await.post("/usercache/put", body_of(TOKEN)).await.expect("answered");
    assert_eq!((reply.status, reply.retry_after_s), (503, Some(5)));
    let body: Value = serde_json::from_slice(&reply.body).expect("JSON");
    assert_eq!(body["error"]["code"], "overloaded");
    host.stopped().await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_no_whole_answer() {
    let host = start(Fake::new(Cells::Break), Limits::roomy()).await;
    let reply = host.phone().await.post("/datastreams/get", body_of(TOKEN)).await;
    assert!(reply.is_err(), "{reply:?}");
    host.stopped().await;
}

#[tokio::test]
async fn requests_under_way_end_when_the_host_is_told_to_stop() {
    let fake = Fake::new(Cells::Wait);
    let mut host = start(fake.clone(), Limits::roomy()).await;
    let mut phone = host.phone().await;
    let idle = host.phone().await;
    let waiting =
        tokio::spawn(
            async move { phone.post("/usercache/put", body_of(TOKEN)).await.expect("answered").status },
        );
    fake.called.acquire().await.expect("called").forget();
    host.tell_to_stop();
    fake.go.add_permits(1);
    assert_eq!(waiting.await.expect("no panic"), 200);
    host.stopped().await;
    drop(idle);
}

#[tokio::test]
async fn a_full_host_serves_whoever_has_a_token_and_the_next_stranger_when_one_ends() {
    let mut limits = Limits::roomy();
    limits.server.connections_max = 2;
    let host = start(Fake::new(Cells::Count), limits).await;
    // Whoever shows a token has a place of another kind than strangers have.
    let mut first = host.phone().await;
    assert_eq!(first.post("/usercache/put", body_of(TOKEN)).await.expect("answered").status, 200);
    let stranger = host.phone().await;
    let turned_away = runtime_phone::Phone::connect(host.connect_string(TOKEN)).await;
    assert!(turned_away.is_err(), "there is one place for strangers");
    assert_eq!(first.post("/usercache/put", body_of(TOKEN)).await.expect("answered").status, 200);
    drop(stranger);
    let mut next = Err(());
    for _ in 0..400 {
        next = runtime_phone::Phone::connect(host.connect_string(TOKEN)).await.map_err(drop);
        if next.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut next = next.expect("the place is free again");
    assert_eq!(next.post("/usercache/put", body_of(TOKEN)).await.expect("answered").status, 200);
    drop(first);
    host.stopped().await;
}

#[tokio::test]
async fn a_connection_that_never_shakes_hands_ends() {
    let mut limits = Limits::roomy();
    limits.server.handshake_ms = 50;
    let host = start(Fake::new(Cells::Count), limits).await;
    let mut socket = tokio::net::TcpStream::connect(host.address).await.expect("connects");
    let mut all = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), socket.read_to_end(&mut all)).await;
    assert_eq!(read.expect("in time").unwrap_or(0), 0);
    host.stopped().await;
}

#[tokio::test]
async fn a_phone_sends_nothing_to_a_host_with_another_key() {
    let (ours, theirs) = (Fake::new(Cells::Count), Fake::new(Cells::Count));
    let (host, other) = (start(ours, Limits::roomy()).await, start(theirs.clone(), Limits::roomy()).await);
    let mut connect = host.connect_string(TOKEN);
    connect.port = other.address.port();
    let error = runtime_phone::Phone::connect(connect).await.err().expect("refused");
    assert!(matches!(error, runtime_phone::PhoneError::Tls { .. }), "{error:?}");
    assert!(theirs.seen.lock().unwrap().is_empty());
    host.stopped().await;
    other.stopped().await;
}

#[tokio::test]
async fn a_phone_puts_any_number_of_entries_in_batches_on_one_connection() {
    let fake = Fake::new(Cells::Count);
    let host = start(fake.clone(), Limits::roomy()).await;
    let entries: Vec<String> = (0..20_001).map(|index| format!("{{\"n\":{index}}}")).collect();
    assert_eq!(host.phone().await.put(&entries).await.expect("stored"), 3);
    assert_eq!(fake.bodies().len(), 3);
    host.stopped().await;
}
