//! 53 to 57 and 66: whose name it is, and on whose behalf.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use handshake::encoding::{KeyKind, Label, Spki, server_name};
use handshake::error::Code;
use handshake::hello::Alert;
use handshake::keys::SigningKey;
use handshake::limit::HANDSHAKES_PER_SOURCE_MAX;
use handshake::route::ALPN_CONNECT;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper::{Request, header};
use hyper_util::rt::{TokioExecutor, TokioIo};
use runtime_gateway::Registration;
use runtime_phone::{Native, PhoneError, PhoneFile};
use runtime_wire::tls::{Identity, raw_client, raw_server};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::cloud::{Wish, put_body, start, start_with};
use super::gate::{gate, host_behind_a_gateway};
use super::wire::{
    HANDSHAKE, config_of, connect_from, copy, encrypted, first, hello, name_of, named, plain_hello, rest,
    told,
};
use super::{dial, entries, standing};

/// From where phones come, and strangers.
const HERE: [u8; 4] = [127, 0, 0, 1];
const ELSEWHERE: [u8; 4] = [127, 0, 9, 1];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_53_an_unknown_name_gets_the_same_alert_at_a_host_and_at_a_gateway() {
    let gateways = vec![IpAddr::from([127, 0, 0, 2])];
    let cloud = start_with(Wish { legacy: true, gateways, ..Wish::default() }).await;
    let gate = gate().await;
    let user = cloud.add("Ada");
    let file = cloud.pair(user).await;
    let revoked = name_of(&file);
    cloud.revoke(user, &file).await;
    let before = standing(&cloud, user);
    let unknown = server_name(&Label([9; 16]).to_string(), "127.0.0.1");
    let selector = server_name("p-7k3m", "127.0.0.1");
    for name in [unknown.as_str(), &revoked, &selector, "www.example.org"] {
        for address in [cloud.address, gate.address] {
            let answer = told(address, &hello(config_of(&file), name)).await;
            assert_eq!(answer, Alert::UnrecognizedName.record(), "{name}");
        }
    }
    for name in [unknown.as_str(), &selector] {
        let answer = told(cloud.address, &plain_hello(name)).await;
        assert_eq!(
            answer,
            Alert::UnrecognizedName.record(),
            "{name} never reaches the front for older phones"
        );
    }
    assert_eq!(standing(&cloud, user), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_54_a_gateway_that_sends_a_phone_to_another_host_learns_nothing_from_it() {
    let (gate, ours, theirs) = (gate().await, start().await, host_behind_a_gateway().await);
    let user = ours.add("Ada");
    let mut file = ours.pair(user).await;
    // Another host of the gateway's says that it has the name.
    let mut thief = Registration::open(gate.register, &gate.secret, theirs.address.port()).await.unwrap();
    let refused = thief.change(vec![file.state.label.to_string()], Vec::new()).await.unwrap();
    assert!(refused.is_empty(), "nobody else has registered it");
    let direct = file.state.port;
    file.state.port = gate.address.port();
    let error = Native::session(copy(&file)).await.err().unwrap();
    assert!(matches!(error, PhoneError::Alert { description: 112, .. }), "an honest host: {error}");

    // And one that ends TLS itself, for whatever name.
    let key = SigningKey::generate(KeyKind::Ed25519, &ring::rand::SystemRandom::new()).unwrap();
    let config = raw_server(key.pkcs8(), key.spki(), ALPN_CONNECT, Arc::new(|_| true), false).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    file.state.port = listener.local_addr().unwrap().port();
    let impostor = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        match TlsAcceptor::from(config).accept(socket).await {
            Ok(mut encrypted) => rest(&mut encrypted).await,
            Err(_) => Vec::new(),
        }
    });
    let error = Native::session(copy(&file)).await.err().unwrap();
    assert!(matches!(error, PhoneError::OtherRuntime), "{error}");
    assert!(impostor.await.unwrap().is_empty(), "the phone sent something");
    file.state.port = direct;
    Native::open(file).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_55_a_name_of_a_living_host_is_not_given_to_another_host() {
    let (gate, cloud) = (gate().await, host_behind_a_gateway().await);
    let registered = gate.register(&cloud);
    let user = cloud.add("Ada");
    let file = gate.pair(&cloud, user, false).await;
    let name = vec![file.state.label.to_string()];
    let mut thief = Registration::open(gate.register, &gate.secret, 9).await.unwrap();
    assert_eq!(thief.change(name.clone(), Vec::new()).await.unwrap(), name);
    assert_eq!(thief.change(name.clone(), name.clone()).await.unwrap(), name, "nor once it withdrew it");
    let mut phone = Native::open(copy(&file)).await.unwrap();
    assert_eq!(entries(&mut phone).await, 0);
    // While the host is away for a moment, only who comes from its own address takes its place.
    let socket = connect_from([127, 0, 0, 2], gate.register).await;
    let mut stranger = Registration::over(socket, &gate.secret, 9).await.unwrap();
    drop(registered);
    assert_eq!(stranger.change(name.clone(), Vec::new()).await.unwrap(), name);
    let _registered = gate.register(&cloud);
    gate.knows(&cloud).await;
    Native::open(file).await.unwrap();
}

/// An answer's status and the code in its body.
async fn ask(
    sender: &mut http2::SendRequest<Full<Bytes>>,
    authority: &str,
    host: Option<&str>,
    path: &str,
) -> (u16, String) {
    let mut request = Request::post(format!("https://{authority}{path}"));
    if let Some(host) = host {
        request = request.header(header::HOST, host);
    }
    let body = put_body(1_700_000_000.0, "elsewhere");
    sender.ready().await.unwrap();
    let answer = sender.send_request(request.body(Full::new(body)).unwrap()).await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    (status, body["error"].as_str().unwrap_or_default().to_owned())
}

async fn two(file: &PhoneFile) -> http2::SendRequest<Full<Bytes>> {
    let io = TokioIo::new(dial(file).await.stream);
    let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(async move { drop(connection.await) });
    sender
}

fn wrong_authority() -> (u16, String) {
    (421, Code::WrongAuthority.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_56_a_request_for_another_host_than_tls_was_told_is_misdirected() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let file = cloud.pair(user).await;
    let name = name_of(&file);
    let mut phone = cloud.connect(copy(&file)).await;
    let put = phone.granted("/usercache/put").unwrap();
    let web = server_name(&cloud.runtime.owners().web_label(user).unwrap().to_string(), "127.0.0.1");
    let before = standing(&cloud, user);
    let mut sender = two(&file).await;
    for (authority, host) in [
        ("other.example", None),
        ("other.example:443", Some(name.as_str())),
        (name.as_str(), Some("other.example")),
        (&format!("x{name}"), None),
    ] {
        assert_eq!(ask(&mut sender, authority, host, &put).await, wrong_authority(), "{authority} {host:?}");
    }
    let (status, _) = ask(&mut sender, &format!("{name}:1"), Some(&name), "/health").await;
    assert_eq!(status, 405, "its own name, with whatever port, is heard");

    // The same at the name for browsers and phones that cannot pair.
    let pin = Identity::load_or_make(&cloud.folder_of(user).join("web"), &[]).unwrap().pin();
    for (host, want) in [
        ("host: other.example\r\n", "HTTP/1.1 421"),
        ("", "HTTP/1.1 421"),
        (&format!("host: {web}\r\nhost: other.example\r\n"), "HTTP/1.1 421"),
        (&format!("host: {web}\r\n"), "HTTP/1.1 200"),
    ] {
        let mut socket = encrypted(HERE, cloud.address, pin, &web).await;
        let request = format!("GET /health HTTP/1.1\r\n{host}connection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let answer = String::from_utf8(rest(&mut socket).await).unwrap();
        assert!(answer.starts_with(want), "{host:?}: {answer}");
    }
    assert_eq!(entries(&mut phone).await, 0);
    assert_eq!(standing(&cloud, user), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_57_one_connection_is_not_used_for_two_names() {
    let cloud = start().await;
    let (ada, bob) = (cloud.add("Ada"), cloud.add("Bob"));
    let (phone, tablet, bobs) = (cloud.pair(ada).await, cloud.pair(ada).await, cloud.pair(bob).await);
    let mut bobs_phone = cloud.connect(copy(&bobs)).await;
    let mut adas_tablet = cloud.connect(copy(&tablet)).await;
    let paths =
        [bobs_phone.granted("/usercache/put").unwrap(), adas_tablet.granted("/usercache/put").unwrap()];
    let before = (standing(&cloud, ada), standing(&cloud, bob));
    let mut sender = two(&phone).await;
    for name in [name_of(&bobs), name_of(&tablet)] {
        for path in [paths[0].as_str(), &paths[1], "/.upc/v1/session", "/.upc/v1/lock"] {
            assert_eq!(ask(&mut sender, &name, None, path).await, wrong_authority(), "{name} {path}");
        }
    }
    assert_eq!((entries(&mut bobs_phone).await, entries(&mut adas_tablet).await), (0, 0));
    assert_eq!((standing(&cloud, ada), standing(&cloud, bob)), before);
}

/// What a gateway says of a caller.
fn on_behalf_of(source: [u8; 4]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c".to_vec();
    header.extend_from_slice(&source);
    header.extend_from_slice(&[127, 0, 0, 1, 0xc3, 0x50, 0x01, 0xbb]);
    header
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_66_the_word_of_a_gateway_counts_from_a_gateway_alone_and_for_limits_alone() {
    const GATEWAY: [u8; 4] = [127, 0, 30, 1];
    let mut config = Wish::default().config;
    config.limits.handshake_ms = 600_000;
    let gateways = vec![IpAddr::from(GATEWAY)];
    let cloud = start_with(Wish { config, gateways, ..Wish::default() }).await;
    let user = cloud.add("Ada");
    let file = cloud.pair(user).await;
    let before = standing(&cloud, user);
    let hello = hello(config_of(&file), &name_of(&file));

    // From elsewhere the header is bytes that are no TLS, in either version of the protocol.
    for header in [on_behalf_of([192, 0, 2, 7]), b"PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\n".to_vec()] {
        let mut socket = connect_from(ELSEWHERE, cloud.address).await;
        let _ = socket.write_all(&[header, hello.clone()].concat()).await;
        assert_eq!(rest(&mut socket).await, b"");
    }
    // A gateway's own bytes are nobody's.
    let mut socket = connect_from(GATEWAY, cloud.address).await;
    let _ = socket.write_all(&hello).await;
    assert_eq!(rest(&mut socket).await, b"");

    // What it says decides whose places are taken, and nothing else.
    let through = async |source: [u8; 4]| {
        let mut socket = connect_from(GATEWAY, cloud.address).await;
        socket.write_all(&[on_behalf_of(source), hello.clone()].concat()).await.unwrap();
        let answered = first(&mut socket).await;
        (answered, socket)
    };
    let mut held = Vec::new();
    for _ in 0..HANDSHAKES_PER_SOURCE_MAX {
        let (answered, socket) = through([192, 0, 2, 7]).await;
        assert_eq!(answered, Some(HANDSHAKE));
        held.push(socket);
    }
    assert_eq!(through([192, 0, 2, 8]).await.0, None, "its network has its places");
    assert_eq!(through([198, 51, 100, 7]).await.0, Some(HANDSHAKE), "another has its own");
    // A stranger whom the gateway calls by the phone's own address still has no key of the phone's.
    let stranger = SigningKey::generate(KeyKind::Ed25519, &ring::rand::SystemRandom::new()).unwrap();
    let state = file.state.clone();
    let accepts = Arc::new(move |spki: &Spki| state.expects(spki.as_bytes()));
    let config = raw_client(stranger.pkcs8(), stranger.spki(), ALPN_CONNECT, accepts).unwrap();
    let mut socket = connect_from(GATEWAY, cloud.address).await;
    socket.write_all(&on_behalf_of(HERE)).await.unwrap();
    let connected = TlsConnector::from(config).connect(named(&name_of(&file)), socket).await;
    // In TLS 1.3 a client hears of its refusal with the first thing that it reads.
    if let Ok(mut encrypted) = connected {
        let mut byte = [0];
        assert!(encrypted.read_exact(&mut byte).await.is_err(), "a stranger was let in");
    }
    cloud.connect(file).await;
    assert_eq!(standing(&cloud, user), before);
}
