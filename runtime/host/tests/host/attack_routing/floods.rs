//! 58, 59, 64 and 65: so much, or so slowly, that others might have to wait.

use std::collections::{BTreeSet, VecDeque};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use handshake::limit::{HANDSHAKES_PER_RUNTIME_MAX, HANDSHAKES_PER_SOURCE_MAX};
use hyper::Request;
use hyper::body::{Body, Frame as Piece};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use runtime_phone::Native;
use tokio::io::{AsyncRead, AsyncWriteExt};

use super::cloud::{Wish, put_body, start, start_with};
use super::frames::{self, Frame, GOAWAY, HEADERS, read_frame};
use super::wire::{HANDSHAKE, config_of, connect_from, copy, first, hello, name_of, rest};
use super::{dial, entries, standing};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_58_a_thousand_slow_hellos_do_not_keep_an_honest_phone_out() {
    let mut config = Wish::default().config;
    (config.limits.connections_max, config.limits.hello_ms) = (200, 500);
    let cloud = start_with(Wish { config, ..Wish::default() }).await;
    let user = cloud.add("Ada");
    let file = cloud.pair(user).await;
    let before = standing(&cloud, user);
    let address = cloud.address;
    let (half_way, is_half_way) = tokio::sync::oneshot::channel();
    let attack = tokio::spawn(async move {
        let (mut half_way, mut open) = (Some(half_way), VecDeque::new());
        for number in 0..1_000_u32 {
            let mut socket = connect_from([127, 0, 10 + (number % 8) as u8, 1], address).await;
            let _ = socket.write_all(&[HANDSHAKE]).await;
            open.push_back(socket);
            if number == 500 {
                half_way.take().unwrap().send(()).unwrap();
            }
            if open.len() > 400 {
                open.pop_front();
            }
        }
        open
    });
    is_half_way.await.unwrap();
    let mut phone = Native::open(file).await.unwrap();
    let put = phone.post("/usercache/put", put_body(1_700_000_000.0, "honest")).await.unwrap();
    assert_eq!(put.status, 200);
    for mut socket in attack.await.unwrap() {
        assert_eq!(rest(&mut socket).await, b"", "a slow hello was answered");
    }
    assert_eq!((entries(&mut phone).await, standing(&cloud, user)), (1, before));
}

/// A body that begins and never ends.
struct Endless(Option<Bytes>);

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Piece<Bytes>, Infallible>>> {
        match self.0.take() {
            Some(piece) => Poll::Ready(Some(Ok(Piece::data(piece)))),
            None => Poll::Pending,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_59_a_body_that_stands_still_is_ended_and_others_are_answered_meanwhile() {
    let mut config = Wish::default().config;
    config.limits.body_pause_ms = 300;
    let cloud = start_with(Wish { config, ..Wish::default() }).await;
    let user = cloud.add("Ada");
    let file = cloud.pair(user).await;
    let mut phone = cloud.connect(copy(&file)).await;
    let (put, name) = (phone.granted("/usercache/put").unwrap(), name_of(&file));
    let io = TokioIo::new(dial(&file).await.stream);
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(async move { drop(connection.await) });
    let mut slow = Vec::new();
    // As many as one connection may have under way.
    for _ in 0..64 {
        let request = Request::post(format!("https://{name}{put}"));
        let body = Endless(Some(Bytes::from_static(b"{\"phone_to_server\":[")));
        sender.ready().await.unwrap();
        slow.push(sender.send_request(request.body(body).unwrap()));
    }
    let honest = phone.post("/usercache/put", put_body(1_700_000_000.0, "honest")).await.unwrap();
    assert_eq!(honest.status, 200);
    let mut statuses = BTreeSet::new();
    for answer in slow {
        statuses.insert(answer.await.unwrap().status().as_u16());
    }
    assert!(statuses.contains(&408) && statuses.is_subset(&[408, 429].into()), "{statuses:?}");
    assert_eq!(entries(&mut phone).await, 1, "nothing of half a body is kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_64_half_open_handshakes_hold_8_places_of_a_source_and_64_of_a_runtime() {
    let mut config = Wish::default().config;
    config.limits.handshake_ms = 600_000;
    let cloud = start_with(Wish { config, ..Wish::default() }).await;
    let (ada, bob) = (cloud.add("Ada"), cloud.add("Bob"));
    let (adas, bobs) = (cloud.pair(ada).await, cloud.pair(bob).await);
    let before = standing(&cloud, ada);
    let hello = hello(config_of(&adas), &name_of(&adas));
    let half = async |network: u8| {
        let mut socket = connect_from([127, 0, network, 1], cloud.address).await;
        socket.write_all(&hello).await.unwrap();
        let answered = first(&mut socket).await;
        (answered, socket)
    };
    let mut held = Vec::new();
    let networks = (HANDSHAKES_PER_RUNTIME_MAX / HANDSHAKES_PER_SOURCE_MAX) as u8;
    for network in 20..20 + networks {
        for place in 0..HANDSHAKES_PER_SOURCE_MAX {
            let (answered, socket) = half(network).await;
            assert_eq!(answered, Some(HANDSHAKE), "place {place} of network {network}");
            held.push(socket);
        }
        assert_eq!(half(network).await.0, None, "one more of network {network}");
    }
    assert_eq!(half(20 + networks).await.0, None, "a 65th of the runtime, from wherever");
    // Another person's runtime is as it was.
    cloud.connect(bobs).await;
    drop(held);
    let mut adas = Some(adas);
    for _ in 0..200 {
        match Native::open(copy(adas.as_ref().unwrap())).await {
            Ok(_) => {
                adas = None;
                break;
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    assert!(adas.is_none(), "the places never came back");
    assert_eq!(standing(&cloud, ada), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_65_rapid_resets_and_empty_data_end_the_connection_that_they_come_on() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let file = cloud.pair(user).await;
    let mut phone = cloud.connect(copy(&file)).await;
    let (put, name) = (phone.granted("/usercache/put").unwrap(), name_of(&file));

    let mut stream = dial(&file).await.stream;
    let mut resets = frames::preface();
    for index in 0..100_u32 {
        resets.extend(frames::headers(1 + 2 * index, &name, &put));
        resets.extend(frames::reset(1 + 2 * index));
    }
    stream.write_all(&resets).await.unwrap();
    assert_eq!(told_off(&mut stream).await, Some(ENHANCE_YOUR_CALM), "resets");

    // A body of frames without a byte: each costs as much to take apart as one with 16 KiB.
    let (mut reading, mut writing) = tokio::io::split(dial(&file).await.stream);
    let begin = [frames::preface(), frames::headers(1, &name, &put)].concat();
    writing.write_all(&begin).await.unwrap();
    let flooding = tokio::spawn(async move {
        let batch = frames::empty_data(1).repeat(1_000);
        while writing.write_all(&batch).await.is_ok() {}
    });
    assert_eq!(told_off(&mut reading).await, Some(ENHANCE_YOUR_CALM), "empty data");
    // Nobody takes the flood any more.
    flooding.await.unwrap();

    let honest = phone.post("/usercache/put", put_body(1_700_000_000.0, "honest")).await.unwrap();
    assert_eq!((honest.status, entries(&mut phone).await), (200, 1), "its other connection goes on");
}

const ENHANCE_YOUR_CALM: u8 = 11;

/// Why the connection is ended, which answers no request before; `None`: it was just cut.
async fn told_off(stream: &mut (impl AsyncRead + Unpin)) -> Option<u8> {
    let mut why = None;
    while let Some(Frame { kind, payload }) = read_frame(stream).await {
        assert_ne!(kind, HEADERS, "a request was answered");
        if kind == GOAWAY {
            why = payload.get(7).copied();
        }
    }
    why
}
