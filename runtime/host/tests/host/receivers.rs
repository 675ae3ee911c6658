//! Trackers from the shops over the real port: a day of each app becomes a diary, and every answer is the one that the
//! app needs, so that none sends for ever or deletes what was not kept. Attacks 241 to 251 of the list.

use std::sync::Arc;

use crate::support::cloud;
use crate::support::sockets as wire;
use crate::support::trackers::{self, DAY_S, Fix, Sent};

use cloud::{Cloud, Wish, start_with};
use handshake::encoding::server_name;
use runtime_host::http::receivers::RECEIVER_BODY_BYTES_MAX;
use runtime_user::{Area, Receiver, UserId};
use runtime_wire::tls::Identity;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// The name of the front for everybody.
const FRONT: &str = "localhost";
const OK: &str = r#"{"result":"ok"}"#;

struct Answer {
    status: u16,
    body: String,
}

impl Answer {
    fn code(&self) -> (u16, String) {
        let body: Value = serde_json::from_str(&self.body).unwrap_or_default();
        (self.status, body["error"]["code"].as_str().unwrap_or("none").to_owned())
    }

    fn told(&self) -> (u16, &str) {
        (self.status, &self.body)
    }
}

/// An app on a phone, over one connection.
struct Tracker {
    stream: TlsStream<TcpStream>,
    host: String,
    path: String,
}

async fn host() -> Cloud {
    start_with(Wish { legacy: true, ..Wish::default() }).await
}

/// Adds a receiver; returns it and its path.
fn add(cloud: &Cloud, user: UserId, app: &str) -> (Receiver, String) {
    let added = cloud.runtime.people().add_receiver(user, (app, "phone"), Some("Europe/Zurich"), 1);
    let (secret, receiver) = added.unwrap();
    cloud.runtime.owners().vouch_unsigned(user).unwrap();
    (receiver, format!("/r/{}", secret.reveal().as_str()))
}

async fn tracker_from(cloud: &Cloud, source: [u8; 4], path: &str) -> Tracker {
    let pin = Identity::load_or_make(cloud.folder.path(), &[]).unwrap().pin();
    let stream = wire::encrypted(source, cloud.address, pin, FRONT).await;
    Tracker { stream, host: FRONT.to_owned(), path: path.to_owned() }
}

async fn tracker(cloud: &Cloud, path: &str) -> Tracker {
    tracker_from(cloud, [127, 0, 0, 1], path).await
}

impl Tracker {
    async fn ask(&mut self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n{headers}\r\n",
            self.host,
            body.len()
        );
        self.stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.stream.read_u8().await.expect("an answer"));
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        let length = lines.find(|(name, _)| *name == "content-length").expect("whole answers").1;
        let mut body = vec![0; length.parse().unwrap()];
        self.stream.read_exact(&mut body).await.unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, body: String::from_utf8(body).unwrap() }
    }

    async fn send(&mut self, (method, query, body): &Sent) -> Answer {
        let path = format!("{}{query}", self.path);
        self.ask(method, &path, "", body.as_bytes()).await
    }

    async fn post(&mut self, body: &str) -> Answer {
        let path = self.path.clone();
        self.ask("POST", &path, "", body.as_bytes()).await
    }
}

async fn run(cloud: &Cloud, user: UserId, now_s: f64) {
    let runtime = Arc::clone(&cloud.runtime);
    let ran = tokio::task::spawn_blocking(move || runtime.pipelines().run(user, now_s)).await.unwrap();
    assert!(ran.unwrap().failed().is_none());
}

/// The entries of that area.
fn dump(cloud: &Cloud, user: UserId, area: Area) -> Vec<Value> {
    let mut text = Vec::new();
    cloud.runtime.person(user).unwrap().dump(&[area], &mut text).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn of_key(entries: &[Value], key: &str) -> Vec<Value> {
    entries.iter().filter(|entry| entry["metadata"]["key"] == key).cloned().collect()
}

fn location(ts: f64) -> String {
    trackers::owntracks(&[Fix { ts, latitude: 46.5, longitude: 6.6, speed_m_s: 0.0 }]).remove(0).2
}

/// Sends a day, runs the analysis, and looks at what is kept and at the diary.
async fn is_a_diary(app: &str, rests: bool, sent: fn(&[Fix]) -> Vec<Sent>, answer: &str) {
    let cloud = host().await;
    let (ada, _) = cloud.runtime.people().add("Ada", 0.0).unwrap();
    let (receiver, path) = add(&cloud, ada, app);
    let fixes = trackers::day(rests);
    let mut phone = tracker(&cloud, &path).await;
    for request in sent(&fixes) {
        assert_eq!(phone.send(&request).await.told(), (200, answer), "{app}: {request:?}");
    }
    run(&cloud, ada, DAY_S + 86_400.0).await;
    let entries = dump(&cloud, ada, Area::Timeseries);
    let locations = of_key(&entries, "background/location");
    assert_eq!(locations.len(), fixes.len(), "{app}");
    for location in &locations {
        assert_eq!(location["metadata"]["device"], receiver.id(), "{app}");
        assert_eq!(location["metadata"]["time_zone"], "Europe/Zurich");
        assert!(!location["data"]["raw"].is_null());
    }
    let moving = locations.iter().filter_map(|entry| entry["data"]["sensed_speed"].as_f64());
    let fastest = moving.fold(0.0, f64::max);
    assert!((fastest - 10.0).abs() < 1e-6, "{app}: {fastest} m/s");
    assert!(dump(&cloud, ada, Area::Errors).is_empty());
    let listed = cloud.runtime.people().receivers(ada).unwrap();
    assert!(listed[0].last_seen_ms.is_some());
    let trips = of_key(&entries, "analysis/confirmed_trip");
    assert!(!trips.is_empty(), "{app}: no trip among {} entries", entries.len());
    let far = trips[0]["data"]["distance"].as_f64().unwrap();
    assert!((11_000.0..13_000.0).contains(&far), "{app}: {far} m");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_of_owntracks_becomes_a_diary() {
    is_a_diary("owntracks", false, trackers::owntracks, "[]").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_of_overland_becomes_a_diary() {
    is_a_diary("overland", false, trackers::overland, OK).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_of_traccar_client_9_becomes_a_diary() {
    is_a_diary("traccar", false, trackers::traccar_9, "{}").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_of_traccar_client_8_becomes_a_diary() {
    is_a_diary("traccar", false, trackers::traccar_8, "{}").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_of_gpslogger_becomes_a_diary() {
    is_a_diary("gpslogger", true, trackers::gpslogger, "{}").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_241_a_path_that_nobody_has_gets_nothing_and_guesses_are_held_up() {
    let cloud = host().await;
    let (ada, _) = cloud.runtime.people().add("Ada", 0.0).unwrap();
    let (_, path) = add(&cloud, ada, "owntracks");
    let mut stranger = tracker_from(&cloud, [127, 0, 1, 1], &path).await;
    // One character is another, one is missing, one too many, upper case.
    let last = if path.ends_with('a') { 'q' } else { 'a' };
    let near = &path[..path.len() - 1];
    for bad in [format!("{near}{last}"), near.to_owned(), format!("{path}a"), path.replacen("/r/", "/r/A", 1)]
    {
        let answer = stranger.ask("POST", &bad, "", location(DAY_S).as_bytes()).await;
        assert_eq!(answer.code(), (404, "unknown-receiver".to_owned()), "{bad}");
        assert!(!answer.body.contains(&bad[3..]));
    }
    let mut statuses = Vec::new();
    while statuses.last() != Some(&429) {
        let guess = format!("/r/{}{}", "a".repeat(40), "b".repeat(statuses.len() % 12));
        statuses.push(stranger.ask("POST", &guess, "", b"{}").await.status);
        assert!(statuses.len() < 200, "nobody stops it");
    }
    assert!(statuses.iter().all(|status| [404, 429].contains(status)), "{statuses:?}");
    assert!(dump(&cloud, ada, Area::Usercache).is_empty());
    // The phone itself is somewhere else, and comes through.
    assert_eq!(tracker(&cloud, &path).await.post(&location(DAY_S)).await.told(), (200, "[]"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_242_a_revoked_receiver_gets_what_a_stranger_gets_from_the_next_request_on() {
    let cloud = host().await;
    let (ada, _) = cloud.runtime.people().add("Ada", 0.0).unwrap();
    let (receiver, path) = add(&cloud, ada, "overland");
    let (_, other) = add(&cloud, ada, "overland");
    let mut phone = tracker(&cloud, &path).await;
    let batch = trackers::overland(&trackers::day(false)[..2]).remove(0).2;
    assert_eq!(phone.post(&batch).await.told(), (200, OK));
    cloud.runtime.people().revoke_receiver(ada, &receiver.id(), 2).unwrap();
    cloud.runtime.owners().vouch_unsigned(ada).unwrap();
    // The same connection: not `{"result":"ok"}`, so the app keeps what it has.
    let answer = phone.post(&batch).await;
    assert_eq!(answer.code(), (404, "unknown-receiver".to_owned()));
    let strangers = tracker(&cloud, &format!("/r/{}", "a".repeat(52))).await.post(&batch).await;
    assert_eq!(answer.told(), strangers.told());
    assert_eq!(
        tracker(&cloud, &other).await.post(&batch).await.told(),
        (200, OK),
        "the other one still works"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_243_a_receiver_adds_to_its_own_person_and_not_at_anothers_name() {
    let cloud = host().await;
    let (ada, _) = cloud.runtime.people().add("Ada", 0.0).unwrap();
    let (bob, _) = cloud.runtime.people().add("Bob", 0.0).unwrap();
    let (_, path) = add(&cloud, ada, "owntracks");
    let name = server_name(&cloud.runtime.owners().web_label(bob).unwrap().to_string(), "127.0.0.1");
    let folder = cloud.folder_of(bob).join("web");
    let pin = Identity::load_or_make(&folder, std::slice::from_ref(&name)).unwrap().pin();
    let stream = wire::encrypted([127, 0, 0, 1], cloud.address, pin, &name).await;
    let mut at_bobs = Tracker { stream, host: name, path: path.clone() };
    assert_eq!(at_bobs.post(&location(DAY_S)).await.code(), (404, "unknown-receiver".to_owned()));
    // What the body and the headers claim counts for nothing.
    let mut phone = tracker(&cloud, &path).await;
    let claims = location(DAY_S).replacen('{', r#"{"user":"bob","device":"receiver-0000000000000000","#, 1);
    let headers = "x-limit-u: bob\r\nx-limit-d: phone\r\nauthorization: Basic Ym9iOmJvYg==\r\n";
    let answer = phone.ask("POST", &path, headers, claims.as_bytes()).await;
    assert_eq!(answer.told(), (200, "[]"));
    assert!(dump(&cloud, bob, Area::Usercache).is_empty());
    assert_eq!(of_key(&dump(&cloud, ada, Area::Usercache), "background/location").len(), 1);
    run(&cloud, ada, DAY_S + 10.0).await;
    let stored = of_key(&dump(&cloud, ada, Area::Timeseries), "background/location");
    assert_ne!(stored[0]["metadata"]["device"], "receiver-0000000000000000");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_244_nothing_can_be_read_with_a_receivers_path() {
    let cloud = host().await;
    let (ada, token) = cloud.runtime.people().add("Ada", 0.0).unwrap();
    let (_, path) = add(&cloud, ada, "owntracks");
    let secret = path[3..].to_owned();
    let mut phone = tracker(&cloud, &path).await;
    assert_eq!(phone.post(&location(DAY_S)).await.status, 200);
    for method in ["GET", "PUT", "DELETE"] {
        assert_eq!(
            phone.ask(method, &path, "", b"").await.code(),
            (405, "wrong-method".to_owned()),
            "{method}"
        );
    }
    for behind in ["/usercache/get", "/datastreams/find_entries/timestamp", "/profile/get", "/.."] {
        let answer = phone.ask("POST", &format!("{path}{behind}"), "", b"{}").await;
        assert_eq!(answer.code(), (404, "unknown-route".to_owned()), "{behind}");
    }
    // It is no token, in the header or in the body.
    for route in ["/profile/get", "/datastreams/find_entries/timestamp", "/usercache/put"] {
        let header = format!("authorization: Bearer {secret}\r\n");
        assert_eq!(phone.ask("POST", route, &header, b"{}").await.code().0, 403, "{route}");
        let body = json!({ "user": secret }).to_string();
        assert_eq!(phone.ask("POST", route, "", body.as_bytes()).await.code().0, 403, "{route}");
    }
    // And the cell behind it is reached by no token.
    let header = format!("authorization: Bearer {}\r\n", token.reveal());
    let mut other = tracker_from(&cloud, [127, 0, 7, 1], &path).await;
    let answer = other.ask("POST", "/receive/owntracks", &header, location(DAY_S).as_bytes()).await;
    assert_eq!(answer.code(), (404, "unknown-route".to_owned()));
    // The answer is the same whatever the store holds.
    assert_eq!(other.post(&location(DAY_S + 1.0)).await.told(), (200, "[]"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_245_a_body_over_the_limit_is_refused_and_nothing_of_it_is_kept() {
    let cloud = host().await;
    let (ada, _) = cloud.runtime.people().add("Ada", 0.0).unwrap();
    let (_, path) = add(&cloud, ada, "overland");
    let (_, queries) = add(&cloud, ada, "traccar");
    let long = format!(r#"{{"locations":[],"x":"{}"}}"#, "y".repeat(RECEIVER_BODY_BYTES_MAX as usize));
    let answer = tracker(&cloud, &path).await.post(&long).await;
    assert_eq!(answer.code(), (413, "body-too-large".to_owned()));
    let query = format!("{queries}?lat=1&lon=2&timestamp=1&x={}", "y".repeat(5_000));
    let answer = tracker(&cloud, &queries).await.ask("GET", &query, "", b"").await;
    assert_eq!(answer.code(), (414, "query-too-long".to_owned()));
    assert!(dump(&cloud, ada, Area::Usercache).is_empty() && dump(&cloud, ada, Area::Errors).is_empty());
    // The largest batch that the app makes is taken.
    let fixes: Vec<Fix> = (0..1_000)
        .map(|at| Fix { ts: DAY_S + f64::from(at), latitude: 46.5, longitude: 6.6, speed_m_s: 1.0 })
        .collect();
    let locations: Vec<_> = fixes.iter().map(trackers::feature).collect();
    let answer = tracker(&cloud, &path).await.post(&json!({ "locations": locations }).to_string()).await;
    assert_eq!(answer.told(), (200, OK));
    assert_eq!(of_key(&dump(&cloud, ada, Area::Usercache), "background/location").len(), 1_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_246_the_same_batch_again_adds_nothing_and_succeeds() {
    let cloud = host().await;
    let (ada, _) = cloud.runtime.people().add("Ada", 0.0).unwrap();
    let (_, path) = add(&cloud, ada, "overland");
    let mut phone = tracker(&cloud, &path).await;
    let fixes = trackers::day(false);
    let mut locations: Vec<_> = fixes[..20].iter().map(trackers::feature).collect();
    locations.push(json!({ "type": "Feature", "properties": {} }));
    let batch = json!({ "locations": locations }).to_string();
    let counts = |cloud: &Cloud| {
        [Area::Usercache, Area::Timeseries, Area::Errors].map(|area| dump(cloud, ada, area).len())
    };
    assert_eq!(phone.post(&batch).await.told(), (200, OK));
    let first = counts(&cloud);
    assert_eq!((first[1], first[2]), (0, 1), "one bad record beside the good ones: {first:?}");
    assert_eq!(phone.post(&batch).await.told(), (200, OK));
    assert_eq!(counts(&cloud), first);
    run(&cloud, ada, DAY_S + 86_400.0).await;
    let after = counts(&cloud);
    assert_eq!(phone.post(&batch).await.told(), (200, OK), "also after it was taken in");
    assert_eq!(counts(&cloud), after);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_247_a_record_from_the_future_is_accepted_once_and_waits_for_its_time() {
    let cloud = host().await;
    let (ada, _) = cloud.runtime.people().add("Ada", 0.0).unwrap();
    let (_, path) = add(&cloud, ada, "owntracks");
    let mut phone = tracker(&cloud, &path).await;
    let ahead = DAY_S + 10.0 * 86_400.0;
    assert_eq!(phone.post(&location(ahead)).await.told(), (200, "[]"));
    run(&cloud, ada, DAY_S).await;
    assert!(of_key(&dump(&cloud, ada, Area::Timeseries), "background/location").is_empty());
    let waiting = cloud.runtime.person(ada).unwrap().waiting_entries(DAY_S).unwrap();
    assert!(waiting.iter().any(|one| one.reason == runtime_user::WaitReason::DatedAhead), "{waiting:?}");
    run(&cloud, ada, ahead + 60.0).await;
    assert_eq!(of_key(&dump(&cloud, ada, Area::Timeseries), "background/location").len(), 1);
    // A clock that was never set: taken, and set aside with the reason.
    assert_eq!(phone.post(&location(86_400.0)).await.told(), (200, "[]"));
    run(&cloud, ada, ahead + 120.0).await;
    let reasons = dump(&cloud, ada, Area::Errors)
        .iter()
        .map(|one| one["error"]["reason"].to_string())
        .collect::<Vec<_>>();
    assert!(
        !reasons.is_empty() && reasons.iter().all(|why| why.contains("clock was not set")),
        "{reasons:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_248_a_receiver_that_no_device_has_signed_for_gets_what_a_stranger_gets() {
    let cloud = host().await;
    let ada = cloud.add("Ada");
    let phone = cloud.connect(cloud.pair(ada).await).await;
    let (_, path) = add(&cloud, ada, "owntracks");
    let mut app = tracker(&cloud, &path).await;
    assert_eq!(app.post(&location(DAY_S)).await.code(), (404, "unknown-receiver".to_owned()));
    // The phone learns of it at its next contact, and asks its person.
    let mut phone = cloud.connect(phone.file).await;
    let changes = phone.approve().await.unwrap();
    assert!(changes.iter().any(|change| change.to_string().contains("1 more")), "{changes:?}");
    assert_eq!(app.post(&location(DAY_S)).await.told(), (200, "[]"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_249_what_comes_while_the_store_is_locked_is_sealed_whole_and_taken_in_when_it_opens() {
    let cloud = host().await;
    let ada = cloud.add("Ada");
    let file = cloud.pair(ada).await;
    let phone = cloud.connect(file).await;
    let paths = ["owntracks", "traccar"].map(|app| add(&cloud, ada, app).1);
    let mut phone = cloud.connect(phone.file).await;
    phone.approve().await.unwrap();
    let file = phone.file;
    cloud.lock(ada).await;
    let fix = Fix { ts: DAY_S, latitude: 46.5, longitude: 6.6, speed_m_s: 5.0 };
    assert_eq!(tracker(&cloud, &paths[0]).await.post(&location(DAY_S)).await.told(), (200, "[]"));
    // A query is all that this app sends.
    let request = trackers::traccar_8(&[Fix { ts: DAY_S + 5.0, ..fix }]).remove(0);
    assert_eq!(tracker(&cloud, &paths[1]).await.send(&request).await.told(), (200, "{}"));
    assert_eq!(cloud.runtime.owners().waiting_uploads(ada).unwrap().0, 2);
    let inbox = cloud.folder_of(ada).join("inbox");
    for sealed in std::fs::read_dir(inbox).unwrap() {
        let bytes = std::fs::read(sealed.unwrap().path()).unwrap();
        assert!(!bytes.windows(4).any(|window| window == b"46.5" || window == b"lat="));
    }
    drop(cloud.connect(file).await);
    assert_eq!(cloud.runtime.owners().waiting_uploads(ada).unwrap().0, 0);
    let kept = of_key(&dump(&cloud, ada, Area::Usercache), "background/location");
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert!(kept.iter().all(|entry| entry["metadata"]["time_zone"] == "Europe/Zurich"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_encrypted_record_is_refused_with_what_to_do_and_the_phone_keeps_it() {
    let cloud = host().await;
    let (ada, _) = cloud.runtime.people().add("Ada", 0.0).unwrap();
    let (_, path) = add(&cloud, ada, "owntracks");
    let answer = tracker(&cloud, &path).await.post(r#"{"_type":"encrypted","data":"AAAA"}"#).await;
    assert_eq!(answer.code(), (422, "encrypted".to_owned()));
    assert!(answer.body.contains("remove the encryption key"), "{}", answer.body);
    assert!(dump(&cloud, ada, Area::Usercache).is_empty() && dump(&cloud, ada, Area::Errors).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_251_whatever_a_receiver_sends_instead_of_records_is_kept_aside_once_and_the_next_record_comes_through()
 {
    let cloud = host().await;
    let (ada, _) = cloud.runtime.people().add("Ada", 0.0).unwrap();
    for (app, answer) in [("owntracks", "[]"), ("overland", OK), ("traccar", "{}"), ("gpslogger", "{}")] {
        let (_, path) = add(&cloud, ada, app);
        let mut phone = tracker(&cloud, &path).await;
        let before = dump(&cloud, ada, Area::Errors).len();
        let deep = "[".repeat(50_000);
        for body in [&deep, "\u{0}", "null", r#"{"locations":"#] {
            for _ in 0..2 {
                assert_eq!(phone.post(body).await.told(), (200, answer), "{app}");
            }
        }
        assert_eq!(dump(&cloud, ada, Area::Errors).len() - before, 4, "{app}");
        assert_eq!(phone.post("").await.told(), (200, answer), "an empty body is a test of the connection");
    }
}
