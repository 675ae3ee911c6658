//! Attacks on one's neighbours, 80 to 84 of the list: somebody uses up what all people share, and others go on.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use handshake::encoding::KeyKind;
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use runtime_gateway::GatewayLimits;
use runtime_phone::{Native, Phone, PhoneFile};
use runtime_user::LockState;
use runtime_wire::tls::Identity;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::support::cloud::{Wish, everything, put_body, start, start_with, until};
use crate::support::gate::{gate_of, host_behind_a_gateway};
use crate::support::sockets::{HANDSHAKE, config_of, connect_from, copy, encrypted, name_of, named};

/// Longer than any honest request takes beside an attack on a slow machine, and much shorter than any limit that ends
/// an attack by itself.
const MEANWHILE: Duration = Duration::from_secs(10);

const READ: &str = "/datastreams/find_entries/timestamp";

/// An honest phone puts an entry and reads its entries, of which there are then `entries`.
async fn goes_on(phone: &mut Native, entries: usize) {
    let begun = Instant::now();
    let at = 1_700_000_000.0 + entries as f64;
    let put = timeout(MEANWHILE, phone.post("/usercache/put", put_body(at, "honest"))).await;
    let put = put.unwrap_or_else(|_| panic!("no answer to a put in {MEANWHILE:?}")).unwrap();
    assert_eq!(put.status, 200, "after {:?}", begun.elapsed());
    let begun = Instant::now();
    let read = timeout(MEANWHILE, phone.post(READ, everything())).await;
    let read = read.unwrap_or_else(|_| panic!("no answer to a read in {MEANWHILE:?}")).unwrap();
    assert_eq!((read.status, count(&read.body)), (200, entries), "after {:?}", begun.elapsed());
}

fn count(body: &[u8]) -> usize {
    let read: Value = serde_json::from_slice(body).unwrap();
    read["phone_data"].as_array().unwrap().len()
}

/// A put of that many entries of 50 KB each.
fn large_put(entries: u32) -> Bytes {
    let one = |index| {
        let body: Value = serde_json::from_slice(&put_body(
            1_700_000_000.0 + f64::from(index),
            &format!("{index:05}").repeat(10_000),
        ))
        .unwrap();
        body["phone_to_server"][0].clone()
    };
    json!({ "phone_to_server": (0..entries).map(one).collect::<Vec<_>>() }).to_string().into()
}

/// A body that goes on for ever after its first bytes, or ends with them.
struct Sent {
    bytes: Option<Bytes>,
    ends: bool,
}

impl Body for Sent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.bytes.take() {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            None if self.ends => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

/// A connection of a paired phone whose requests a test makes by hand.
struct Hand {
    sender: http2::SendRequest<Sent>,
    name: String,
}

impl Hand {
    async fn of(file: &PhoneFile) -> Self {
        Self::try_of(file).await.unwrap()
    }

    /// `None`: the host has closed the connection.
    async fn try_of(file: &PhoneFile) -> Option<Self> {
        let address = (file.state.host.as_str(), file.state.port);
        let socket = tokio::net::TcpStream::connect(address).await.unwrap();
        let name = name_of(file);
        let connector = tokio_rustls::TlsConnector::from(config_of(file));
        let stream = connector.connect(named(&name), socket).await.ok()?;
        let mut builder = http2::Builder::new(TokioExecutor::new());
        // What is not read of one answer must not keep another from coming.
        builder.initial_stream_window_size(64 << 10).initial_connection_window_size(16 << 20);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.ok()?;
        tokio::spawn(async move { drop(connection.await) });
        Some(Self { sender, name })
    }

    /// Sends a request and does not wait for its answer.
    async fn begin(
        &mut self,
        path: &str,
        body: Sent,
    ) -> impl Future<Output = hyper::Result<hyper::Response<Incoming>>> + use<> {
        let request = Request::post(format!("https://{}{path}", self.name));
        self.sender.ready().await.unwrap();
        self.sender.send_request(request.body(body).unwrap())
    }
}

fn sent(bytes: Bytes) -> Sent {
    Sent { bytes: Some(bytes), ends: true }
}

/// As many answers of 5 MB each, of which nobody takes a byte beyond the first window; those that have begun by then.
async fn read_nothing(hand: &mut Hand, path: &str, answers: usize) -> (Vec<hyper::Response<Incoming>>, Rest) {
    let (mut unread, mut rest) = (Vec::new(), JoinSet::new());
    for _ in 0..answers {
        let answer = hand.begin(path, sent(everything())).await;
        rest.spawn(answer);
    }
    // As many as have memory, and those that wait beside the workers.
    for _ in 0..8 {
        unread.push(rest.join_next().await.unwrap().unwrap().unwrap());
    }
    (unread, rest)
}

type Rest = JoinSet<hyper::Result<hyper::Response<Incoming>>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_80_forty_answers_that_nobody_reads_hold_no_worker() {
    let cloud = start().await;
    let (ada, bob) = (cloud.add("Ada"), cloud.add("Bob"));
    let (adas, bobs) = (cloud.pair(ada).await, cloud.pair(bob).await);
    let mut bob = cloud.connect(bobs).await;
    let mut phone = cloud.connect(copy(&adas)).await;
    assert_eq!(phone.post("/usercache/put", large_put(100)).await.unwrap().status, 200);
    let (read, mut hand) = (phone.granted(READ).unwrap(), Hand::of(&adas).await);
    let (unread, _rest) = read_nothing(&mut hand, &read, 40).await;
    for entries in 1..=5 {
        goes_on(&mut bob, entries).await;
    }
    // Her own uploads do not wait behind her readers either.
    let own = timeout(MEANWHILE, phone.post("/usercache/put", put_body(1_800_000_000.0, "own"))).await;
    assert_eq!(own.expect("in time").unwrap().status, 200);
    // Whoever reads in the end gets the whole answer.
    for answer in unread {
        assert_eq!(answer.status(), 200);
        let body = timeout(MEANWHILE, answer.into_body().collect()).await.expect("in time").unwrap();
        assert_eq!(count(&body.to_bytes()), 100);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_81_bodies_that_do_not_show_whose_they_are_fill_no_memory_of_people() {
    let cloud = start_with(Wish { legacy: true, ..Wish::default() }).await;
    let bob = cloud.add("Bob");
    let (_, token) = cloud.runtime.people().add("Cid", 0.0).unwrap();
    let mut bob = cloud.connect(cloud.pair(bob).await).await;
    let pin = Identity::load_or_make(cloud.folder.path(), &[]).unwrap().pin();
    // 14 MiB each, from three networks: together as much as all people's bodies may take.
    let body = Bytes::from([b"{\"phone_to_server\":[],\"a\":\"".to_vec(), vec![b'x'; 14 << 20]].concat());
    let mut refused = JoinSet::new();
    for number in 0..18 {
        let mut stream = encrypted([127, 0, 1 + number % 3, 1], cloud.address, pin, "localhost").await;
        let body = body.clone();
        refused.spawn(async move {
            let length = 15 << 20;
            let head = format!("POST /usercache/put HTTP/1.1\r\nhost: h\r\ncontent-length: {length}\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            // Whoever is refused may be cut off while writing.
            let _ = stream.write_all(&body).await;
            let mut status = [0; 12];
            stream.read_exact(&mut status).await.map(|_| String::from_utf8_lossy(&status).into_owned())
        });
    }
    // All but the one or two that fit into the strangers' memory.
    for number in 0..16 {
        let answer = timeout(3 * MEANWHILE, refused.join_next()).await.expect("refused in time");
        let status = answer.unwrap().unwrap().unwrap_or_else(|error| error.to_string());
        assert_eq!(status, "HTTP/1.1 503", "body {number}");
    }
    for entries in 1..=3 {
        goes_on(&mut bob, entries).await;
    }
    // Whoever shows a token first needs nothing of that memory either.
    let body =
        format!("{{\"user\":\"{}\",{}", token.reveal(), &String::from_utf8_lossy(&large_put(100))[1..]);
    let mut phone = Phone::connect(cloud.connect_string(token)).await.unwrap();
    let put = timeout(MEANWHILE, phone.post("/usercache/put", body)).await.expect("in time").unwrap();
    assert_eq!(put.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_82_strangers_from_one_and_from_forty_networks_keep_no_device_out() {
    let mut config = Wish::default().config;
    config.limits.connections_max = 64;
    // Nothing but the number of places ends an attack here.
    (config.limits.hello_ms, config.limits.handshake_ms) = (600_000, 600_000);
    let cloud = start_with(Wish { config, ..Wish::default() }).await;
    let bob = cloud.add("Bob");
    let file = cloud.pair(bob).await;
    let mut before = cloud.connect(copy(&file)).await;
    let address = cloud.address;
    let drip = async |network: u8| {
        let mut socket = connect_from([127, 2, network, 1], address).await;
        let _ = socket.write_all(&[HANDSHAKE]).await;
        socket
    };
    let (mut open, mut entries) = (Vec::new(), 0);
    for networks in [1, 40] {
        for number in 0..240_u8 {
            open.push(drip(number % networks).await);
        }
        entries += 1;
        goes_on(&mut before, entries).await;
        let mut anew = timeout(MEANWHILE, Native::open(copy(&file))).await.expect("in time").unwrap();
        entries += 1;
        goes_on(&mut anew, entries).await;
    }
    // The rest was closed, not left to wait.
    let mut held = 0;
    for socket in &mut open {
        held += usize::from(timeout(Duration::from_millis(1), socket.read_u8()).await.is_err());
    }
    assert!((1..=32).contains(&held), "{held} of {} are open", open.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_83_six_hundred_requests_to_lock_hold_no_thread_of_others() {
    let cloud = start().await;
    let (ada, bob) = (cloud.add("Ada"), cloud.add("Bob"));
    let invitation = cloud.open_window_with(ada, |wish| wish.admin = true).await;
    let code = cloud.scanned(&invitation);
    let adas = cloud.pair_with(ada, invitation.window, code, KeyKind::P256).await.unwrap();
    let bobs = cloud.pair(bob).await;
    let mut phone = cloud.connect(copy(&adas)).await;
    assert_eq!(phone.post("/usercache/put", large_put(100)).await.unwrap().status, 200);
    // A run that waits for its caller keeps the store open, and a lock waits for that run.
    let (read, mut hand) = (phone.granted(READ).unwrap(), Hand::of(&adas).await);
    let (_unread, _rest) = read_nothing(&mut hand, &read, 12).await;
    let (mut hands, mut locks) = (Vec::new(), JoinSet::new());
    for _ in 0..10 {
        let mut hand = Hand::of(&adas).await;
        for _ in 0..60 {
            let asked = hand.begin("/.upc/v1/lock", sent(Bytes::from_static(b"{}"))).await;
            locks.spawn(asked);
        }
        hands.push(hand);
    }
    until("the store is locked", || cloud.runtime.locks().state(ada).unwrap() == LockState::Locked).await;
    // All of these need a thread that may wait for the disk.
    let anew = timeout(MEANWHILE, Native::open(copy(&bobs))).await;
    let mut bob = anew.expect("a session in time").unwrap();
    for entries in 1..=3 {
        goes_on(&mut bob, entries).await;
        let profile = timeout(MEANWHILE, bob.post("/profile/get", Bytes::from_static(b"{}"))).await;
        assert_eq!(profile.expect("in time").unwrap().status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_84_the_bodies_of_one_device_leave_memory_for_others() {
    let mut config = Wish::default().config;
    (config.limits.bodies_bytes_max, config.limits.body_bytes_max) = (16 << 20, 8 << 20);
    let cloud = start_with(Wish { config, ..Wish::default() }).await;
    let (ada, bob) = (cloud.add("Ada"), cloud.add("Bob"));
    let (adas, bobs) = (cloud.pair(ada).await, cloud.pair(bob).await);
    let put = cloud.connect(copy(&adas)).await.granted("/usercache/put").unwrap();
    let mut bob = cloud.connect(bobs).await;
    let (mut hand, mut answers) = (Hand::of(&adas).await, JoinSet::new());
    for _ in 0..8 {
        // 3 MiB of a body that never ends.
        let body = Sent { bytes: Some(vec![b' '; 3 << 20].into()), ends: false };
        let answer = hand.begin(&put, body).await;
        answers.spawn(answer);
    }
    // Two of them fit into her half, and stay.
    for _ in 0..6 {
        let answer = timeout(3 * MEANWHILE, answers.join_next()).await.expect("refused in time");
        assert_eq!(answer.unwrap().unwrap().unwrap().status(), 503);
    }
    for entries in 1..=3 {
        goes_on(&mut bob, entries).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_84_the_connections_of_one_device_leave_places_for_others() {
    let mut config = Wish::default().config;
    config.limits.connections_max = 16;
    let cloud = start_with(Wish { config, ..Wish::default() }).await;
    let (ada, bob) = (cloud.add("Ada"), cloud.add("Bob"));
    let (adas, bobs) = (cloud.pair(ada).await, cloud.pair(bob).await);
    let mut open = Vec::new();
    for _ in 0..20 {
        open.push(Hand::try_of(&adas).await);
    }
    // Hers that were sent away may still be leaving, and Bob calls from the same network: a phone comes back.
    let comes_in = async { while Hand::try_of(&bobs).await.is_none() {} };
    timeout(MEANWHILE, comes_in).await.expect("in time");
    let mut bob = timeout(MEANWHILE, Native::open(bobs)).await.expect("in time").unwrap();
    for entries in 1..=3 {
        goes_on(&mut bob, entries).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_84_the_clients_of_one_network_leave_places_at_a_gateway() {
    let limits = GatewayLimits { connections_max: 16, hello_ms: 600_000, ..GatewayLimits::default() };
    let gate = gate_of(None, None, limits).await;
    let cloud = host_behind_a_gateway().await;
    let _registered = gate.register(&cloud);
    let bob = cloud.add("Bob");
    let file = gate.pair(&cloud, bob, false).await;
    let mut open = Vec::new();
    for _ in 0..40 {
        let mut socket = connect_from([127, 2, 1, 1], gate.address).await;
        let _ = socket.write_all(&[HANDSHAKE]).await;
        open.push(socket);
    }
    let mut bob = timeout(MEANWHILE, Native::open(file)).await.expect("in time").unwrap();
    for entries in 1..=3 {
        goes_on(&mut bob, entries).await;
    }
}
