//! Hosts behind a gateway: phones find each at one address, whoever restarts.

use crate::support::cloud;
use crate::support::gate;
use crate::support::sockets as wire;

use std::io::ErrorKind;

use cloud::{Wish, everything, put_body, start_with};
use gate::{gate, gate_with, host_behind_a_gateway};
use handshake::hello::Alert;
use runtime_gateway::{GatewaySecret, NAMES_PER_CHANGE_MAX, Registration};
use runtime_phone::Native;
use runtime_wire::tls::Identity;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use wire::{encrypted, plain_hello, rest, told};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn phones_of_two_hosts_pair_and_connect_through_one_gateway() {
    let (gate, first, second) = (gate().await, host_behind_a_gateway().await, host_behind_a_gateway().await);
    let (_first, _second) = (gate.register(&first), gate.register(&second));
    for (cloud, typed) in [(&first, false), (&second, true), (&first, true), (&second, false)] {
        let user = cloud.add("Ada");
        let file = gate.pair(cloud, user, typed).await;
        assert_eq!(file.state.port, gate.address.port(), "it knows the gateway alone");
        let mut phone = Native::open(file).await.unwrap();
        let put = phone.post("/usercache/put", put_body(1_700_000_000.0, "through")).await.unwrap();
        assert_eq!(put.status, 200, "{:?}", put.body);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_restarts_at_another_port_registers_again_and_its_phone_finds_it() {
    let (gate, cloud) = (gate().await, host_behind_a_gateway().await);
    let registered = gate.register(&cloud);
    let user = cloud.add("Ada");
    let file = gate.pair(&cloud, user, false).await;
    let mut phone = Native::open(file).await.unwrap();
    phone.post("/usercache/put", put_body(1_700_000_000.0, "before")).await.unwrap();
    let Native { file, .. } = phone;
    drop(registered);
    let folder = cloud.stop().await;

    let gateways = vec![std::net::Ipv4Addr::LOCALHOST.into()];
    let cloud = start_with(Wish { folder: Some(folder), gateways, ..Wish::default() }).await;
    let _registered = gate.register(&cloud);
    gate.knows(&cloud).await;
    let mut phone = Native::open(file).await.unwrap();
    let read = phone.post("/datastreams/find_entries/timestamp", everything()).await.unwrap();
    assert_eq!(read.status, 200, "{:?}", read.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_restarts_is_told_everything_again() {
    let (gate, cloud) = (gate().await, host_behind_a_gateway().await);
    let _registered = gate.register(&cloud);
    let user = cloud.add("Ada");
    let file = gate.pair(&cloud, user, false).await;
    let gate = gate_with(Some(gate), None).await;
    gate.knows(&cloud).await;
    Native::open(file).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_the_host_withdraws_leads_nowhere_at_the_gateway_either() {
    let (gate, cloud) = (gate().await, host_behind_a_gateway().await);
    let _registered = gate.register(&cloud);
    let user = cloud.add("Ada");
    let file = gate.pair(&cloud, user, false).await;
    let name = file.state.label.to_string();
    assert!(gate.leads(&name).await);
    cloud.revoke(user, &file).await;
    gate.until_leads(&name, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_names_nobody_goes_to_the_host_for_older_phones_if_there_is_one() {
    let gateways = vec![std::net::Ipv4Addr::LOCALHOST.into()];
    let cloud = start_with(Wish { legacy: true, gateways, ..Wish::default() }).await;
    let (with, without) = (gate_with(None, Some(cloud.address)).await, gate().await);
    let pin = Identity::load_or_make(cloud.folder.path(), &[]).unwrap().pin();
    let mut socket = encrypted([127, 0, 0, 1], with.address, pin, "localhost").await;
    socket.write_all(b"GET /health HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await.unwrap();
    let answer = String::from_utf8(rest(&mut socket).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(told(without.address, &plain_hello("localhost")).await, Alert::UnrecognizedName.record());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_know_the_secret_registers_nothing_and_is_told_nothing() {
    let (gate, cloud) = (gate().await, host_behind_a_gateway().await);
    let user = cloud.add("Ada");
    let name = cloud.runtime.owners().web_label(user).unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let other = GatewaySecret::load_or_make(&folder.path().join("other")).unwrap();
    assert!(Registration::open(gate.register, &other, cloud.address.port()).await.is_err());
    assert!(!gate.leads(&name).await);

    // The other way round: a host tells no name to a gateway that cannot prove anything.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let impostor = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let nonce = "A".repeat(43);
        let challenge = format!("{{\"gateway\":1,\"nonce\":\"{nonce}\"}}\n");
        socket.write_all(challenge.as_bytes()).await.unwrap();
        let mut socket = BufReader::new(socket);
        let mut answer = String::new();
        socket.read_line(&mut answer).await.unwrap();
        socket.write_all(format!("{{\"proof\":\"{nonce}\"}}\n").as_bytes()).await.unwrap();
        (answer, rest(&mut socket).await)
    });
    let refused = Registration::open(address, &gate.secret, 1).await.err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
    let (answer, more) = impostor.await.unwrap();
    assert!(answer.contains("proof") && more.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_is_too_large_ends_the_registration_and_what_is_no_name_is_refused() {
    let gate = gate().await;
    let mut host = Registration::open(gate.register, &gate.secret, 1).await.unwrap();
    let odd = vec!["".to_owned(), "www".to_owned(), "p-12345".to_owned(), "a".repeat(27)];
    assert_eq!(host.change(odd.clone(), odd.clone()).await.unwrap(), odd);
    let many = vec!["a".repeat(26); NAMES_PER_CHANGE_MAX + 1];
    assert!(host.change(many, Vec::new()).await.is_err());
    // One who says nothing but a word that is none is cut off as well.
    let mut socket = TcpStream::connect(gate.register).await.unwrap();
    socket.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let told = String::from_utf8(rest(&mut socket).await).unwrap();
    assert!(told.is_empty() || told.starts_with("{\"gateway\":1,"), "{told}");
}
