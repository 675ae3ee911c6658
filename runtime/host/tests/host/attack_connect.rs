//! Attacks on how a paired phone connects, each tried over TCP and TLS against a whole host: what the attacker gets, and
//! that the owner's phone finds everything as it was.
//!
//! Numbers are those of the list in the specification of the handshake, part CONNECT.

use crate::support::cloud;
use crate::support::middle;
use crate::support::wire;
use crate::support::witness;

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cloud::{Wish, put_body, start, start_with, until};
use handshake::encoding::{KeyKind, Label, Spki, server_name};
use handshake::error::Code;
use handshake::route::{ALPN_CONNECT, ALPN_WEB};
use handshake::session::{Grant, SessionRequest};
use handshake::transcript::ALPN_PAIR;
use middle::{Middle, door, led_astray, tickets_for_early_data};
use runtime_host::http::service::epoch_ms;
use runtime_phone::{Native, PhoneError};
use runtime_user::{LockState, SessionTerms};
use runtime_wire::tls::{Identity, provider, raw_server};
use rustls::HandshakeKind;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wire::{
    Clock, End, Line, PATIENCE, Stranger, TLS12, Wire, browse, held_back, raw_request, refusal, server,
    unknown_key,
};
use witness::{Standing, analyse, at_port, commits_of, name_of, settled, standing, twin};

const HANDSHAKE_FAILURE: End = End::Alert(40);
const BAD_CERTIFICATE: End = End::Alert(42);
const ACCESS_DENIED: End = End::Alert(49);
const PROTOCOL_VERSION: End = End::Alert(70);
const UNRECOGNIZED_NAME: End = End::Alert(112);
const CERTIFICATE_REQUIRED: End = End::Alert(116);
const NO_APPLICATION_PROTOCOL: End = End::Alert(120);
const BAD_RECORD_MAC: End = End::Alert(20);

const UPC: &[&[u8]] = &[ALPN_CONNECT];
const PUT: &str = "/usercache/put";

/// The standing without the devices, which a test has changed on purpose.
fn data(standing: &Standing) -> &[String] {
    &standing.readings
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_25_a_revoked_device_connects_with_a_full_handshake() {
    let cloud = start().await;
    let (user, file, before) = settled(&cloud).await;
    let stolen = cloud.pair(user).await;
    cloud.revoke(user, &stolen).await;

    let stranger = Stranger::with(Some(&stolen.device));
    let by_its_own_label = refusal(cloud.address, stranger.config(UPC), server(&name_of(&stolen))).await;
    assert_eq!(by_its_own_label, UNRECOGNIZED_NAME, "its label leads nowhere any more");
    let by_another = refusal(cloud.address, stranger.config(UPC), server(&name_of(&file))).await;
    assert_eq!(by_another, ACCESS_DENIED);
    let error = Native::open(at_port(&stolen, cloud.address.port())).await.err().unwrap();
    assert!(matches!(error, PhoneError::Alert { description: 112, .. }), "{error:?}");

    let after = standing(&cloud, user, &file).await;
    assert_eq!(data(&after), data(&before));
    let revoked = after.devices.iter().find(|device| device.status == "revoked").unwrap();
    assert_eq!(revoked.id, stolen.state.device.to_string());
}

/// A library resumes without asking for the key. A label is withdrawn with its device, so the only door is the moment
/// between the hello, which was routed while the label was there, and the end of the handshake.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_26_a_revoked_device_resumes() {
    let cloud = start().await;
    let (user, file, before) = settled(&cloud).await;
    let stolen = cloud.pair(user).await;
    // By the label of another device TLS lets it in, and gives it tickets; who is then refused keeps none that counts.
    let by_another = Stranger::with(Some(&stolen.device)).config(UPC);
    let mut turned_away = Line::open(cloud.address, Arc::clone(&by_another), &name_of(&file)).await.unwrap();
    assert!(turned_away.session(&[]).await.unwrap().is(401, "UPC-001"));

    let stranger = Stranger::with(Some(&stolen.device));
    let (config, name) = (stranger.config(UPC), name_of(&stolen));
    let mut first = Line::open(cloud.address, Arc::clone(&config), &name).await.unwrap();
    assert!(!first.resumed && first.session(&["usercache:put"]).await.unwrap().status == 200);
    let mut honest = Line::open(cloud.address, Arc::clone(&config), &name).await.unwrap();
    assert!(honest.resumed, "the tickets are good as long as the device is");
    let granted: Grant =
        serde_json::from_str(&honest.session(&["usercache:put"]).await.unwrap().body).unwrap();
    let put = format!("{}{PUT}", granted.cells[0].path);
    drop((first, honest));

    let (door, port) = door().await;
    let attack = tokio::spawn({
        let (config, name) = (Arc::clone(&config), name.clone());
        async move {
            let mut line = Line::open(([127, 0, 0, 1], port).into(), config, &name).await.unwrap();
            (line.resumed, line.post(&put, put_body(1_700_000_500.0, "stolen")).await)
        }
    });
    let mut middle = Middle::between(&door, cloud.address).await;
    let hello = middle.record().await.unwrap();
    middle.pass(&hello).await;
    // The phone has the host's half of the handshake once it goes on; its own half is held back meanwhile.
    let held = middle.record().await.unwrap();
    cloud.revoke(user, &stolen).await;
    middle.pass(&held).await;
    let _passing = middle.let_through();
    let (resumed, answer) = attack.await.unwrap();
    assert!(resumed, "TLS let it in");
    assert!(answer.as_ref().unwrap().is(401, "UPC-001"), "{answer:?}");

    assert_eq!(refusal(cloud.address, config, server(&name)).await, UNRECOGNIZED_NAME);
    assert_eq!(refusal(cloud.address, by_another, server(&name_of(&file))).await, ACCESS_DENIED);
    let after = standing(&cloud, user, &file).await;
    assert_eq!(data(&after), data(&before));
    analyse(&cloud, user).await;
    assert_eq!(data(&standing(&cloud, user, &file).await), data(&before), "no cell was reached");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_27_a_device_is_revoked_while_its_connection_is_open() {
    let cloud = start().await;
    let (user, file, before) = settled(&cloud).await;
    let stolen = cloud.pair(user).await;
    let mut idle = Line::of(&stolen).await.unwrap();
    let mut busy = Line::of(&stolen).await.unwrap();
    let granted: Grant = serde_json::from_str(&busy.session(&["usercache:put"]).await.unwrap().body).unwrap();
    assert_eq!(idle.session(&[]).await.unwrap().status, 200);
    let put = format!("{}{PUT}", granted.cells[0].path);

    // Requests go on all the time, so that one meets the very moment.
    let hammer = tokio::spawn(async move {
        loop {
            match busy.post(&put, "{\"phone_to_server\":[]}").await {
                // As fast as a phone may, and faster.
                Ok(said) if said.status == 200 || said.status == 429 => {}
                other => return (other, Instant::now()),
            }
        }
    });
    cloud.revoke(user, &stolen).await;
    let revoked = Instant::now();
    assert_eq!(idle.ended(Duration::from_secs(1)).await, End::Cut);
    let (last, at) = hammer.await.unwrap();
    assert!(at.saturating_duration_since(revoked) < Duration::from_secs(1));
    match last {
        Err(end) => assert_eq!(end, End::Cut),
        Ok(said) => assert!(said.is(401, "UPC-001"), "{said:?}"),
    }
    assert_eq!(data(&standing(&cloud, user, &file).await), data(&before));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_28_a_key_that_nobody_knows() {
    let cloud = start().await;
    let (user, file, before) = settled(&cloud).await;
    for kind in [KeyKind::P256, KeyKind::Ed25519] {
        let stranger = Stranger::with(Some(&unknown_key(kind)));
        let end = refusal(cloud.address, stranger.config(UPC), server(&name_of(&file))).await;
        assert_eq!(end, ACCESS_DENIED, "{kind:?}");
        assert_eq!(stranger.purse.count(), 0, "nothing to come back with");
    }
    assert_eq!(standing(&cloud, user, &file).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_29_another_persons_device_at_this_persons_label() {
    let cloud = start().await;
    let (user, file, before) = settled(&cloud).await;
    let neighbour = cloud.add("Eve");
    let hers = cloud.pair(neighbour).await;
    let stranger = Stranger::with(Some(&hers.device));
    let own = Line::open(cloud.address, stranger.config(UPC), &name_of(&hers)).await.unwrap();
    assert_ne!(own.runtime.unwrap().pin(), file.state.pin, "no two people's runtimes show one key");
    let end = refusal(cloud.address, stranger.config(UPC), server(&name_of(&file))).await;
    assert_eq!(end, ACCESS_DENIED);
    assert_eq!(standing(&cloud, user, &file).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_30_a_false_host_shows_another_key() {
    let cloud = start().await;
    let (user, file, before) = settled(&cloud).await;
    let false_key = unknown_key(KeyKind::Ed25519);
    let anybody = Arc::new(|_: &Spki| true);
    let config = raw_server(false_key.pkcs8(), false_key.spki(), ALPN_CONNECT, anybody, true).unwrap();
    let (error, heard) = led_astray(&file, config).await;
    assert!(matches!(error, PhoneError::OtherRuntime), "{error:?}");
    assert_eq!(wire::end_of(&heard), ACCESS_DENIED, "all that the false host learns");
    assert_eq!(standing(&cloud, user, &file).await, before);
}

/// Serves devices, with a certificate where its key should be.
fn disguised(folder: &Path) -> Arc<rustls::ServerConfig> {
    let chain = vec![CertificateDer::from_pem_file(folder.join("host.crt")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(folder.join("host.tls.key")).unwrap();
    let shown = Arc::new(CertifiedKey::new(chain, provider().key_provider.load_private_key(key).unwrap()));
    let own = unknown_key(KeyKind::Ed25519);
    let config = raw_server(own.pkcs8(), own.spki(), ALPN_CONNECT, Arc::new(|_: &Spki| true), true).unwrap();
    let mut config = (*config).clone();
    config.cert_resolver = Arc::new(AlwaysResolvesServerRawPublicKeys::new(shown));
    Arc::new(config)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_31_a_certificate_in_place_of_a_bare_key() {
    let cloud = start().await;
    let (user, file, before) = settled(&cloud).await;
    let folder = tempfile::tempdir().unwrap();
    let identity = Identity::load_or_make(folder.path(), &[name_of(&file)]).unwrap();
    let mut config = (*identity.server_config().unwrap()).clone();
    config.alpn_protocols = vec![ALPN_CONNECT.to_vec()];
    let (error, heard) = led_astray(&file, Arc::new(config)).await;
    assert!(matches!(error, PhoneError::Alert { description: 40, .. }), "{error:?}");
    assert!(matches!(wire::rustls_error(&heard), Some(rustls::Error::PeerIncompatible(_))), "{heard:?}");
    // A host that says it shows a bare key, and shows a certificate for it.
    let (error, heard) = led_astray(&file, disguised(folder.path())).await;
    assert!(matches!(error, PhoneError::OtherRuntime), "{error:?}");
    assert_eq!(wire::end_of(&heard), BAD_CERTIFICATE);

    // The same the other way: a client that knows certificates alone does not reach a device's protocol.
    let client = Stranger::with(Some(&file.device));
    client.takes_raw_keys(false);
    let end = refusal(cloud.address, client.config(UPC), server(&name_of(&file))).await;
    assert_eq!(end, HANDSHAKE_FAILURE);
    assert_eq!(standing(&cloud, user, &file).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_32_a_client_that_shows_no_key() {
    let cloud = start().await;
    let (user, file, before) = settled(&cloud).await;
    let name = name_of(&file);
    // It says that it could show one, and shows none.
    let stranger = Stranger::with(None);
    assert_eq!(refusal(cloud.address, stranger.config(UPC), server(&name)).await, CERTIFICATE_REQUIRED);
    assert_eq!(stranger.purse.count(), 0);
    // It does not even say so.
    assert_eq!(refusal(cloud.address, stranger.keyless(UPC), server(&name)).await, HANDSHAKE_FAILURE);
    assert_eq!(standing(&cloud, user, &file).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_33_tls_1_2_and_nothing_newer() {
    let cloud = start().await;
    let (user, file, before) = settled(&cloud).await;
    let stranger = Stranger::with(Some(&file.device));
    for raw in [true, false] {
        stranger.takes_raw_keys(raw);
        let config = stranger.config_of(UPC, TLS12);
        assert_eq!(refusal(cloud.address, config, server(&name_of(&file))).await, PROTOCOL_VERSION);
    }
    assert_eq!(standing(&cloud, user, &file).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_34_no_protocol_named() {
    let cloud = start().await;
    let (user, file, before) = settled(&cloud).await;
    let stranger = Stranger::with(Some(&file.device));
    let end = refusal(cloud.address, stranger.config(&[]), server(&name_of(&file))).await;
    assert_eq!(end, NO_APPLICATION_PROTOCOL);
    assert_eq!(standing(&cloud, user, &file).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_35_another_protocol_named() {
    let cloud = start().await;
    let (user, file, before) = settled(&cloud).await;
    let stranger = Stranger::with(Some(&file.device));
    let table: [&[&[u8]]; 7] = [
        &[b"upc/2"],
        &[b"h2"],
        &[ALPN_WEB],
        &[ALPN_PAIR],
        &[b"UPC/1"],
        &[ALPN_CONNECT, b"h2"],
        &[ALPN_PAIR, ALPN_CONNECT],
    ];
    for protocols in table {
        let end = refusal(cloud.address, stranger.config(protocols), server(&name_of(&file))).await;
        assert_eq!(end, NO_APPLICATION_PROTOCOL, "{protocols:?}");
    }
    assert_eq!(standing(&cloud, user, &file).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_36_no_server_name() {
    for legacy in [false, true] {
        let cloud = start_with(Wish { legacy, ..Wish::default() }).await;
        let (user, file, before) = settled(&cloud).await;
        let stranger = Stranger::with(Some(&file.device));
        let nameless = || ServerName::from(IpAddr::from(Ipv4Addr::LOCALHOST));
        assert_eq!(refusal(cloud.address, stranger.config(UPC), nameless()).await, UNRECOGNIZED_NAME);
        // Where old phones are served, whoever is nameless is one of them, and gets a certificate or nothing.
        let end = refusal(cloud.address, stranger.config(&[]), nameless()).await;
        assert_eq!(end, if legacy { HANDSHAKE_FAILURE } else { UNRECOGNIZED_NAME });
        assert_eq!(standing(&cloud, user, &file).await, before);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_37_the_label_of_another_device_of_the_same_person() {
    let cloud = start().await;
    let (user, file, _) = settled(&cloud).await;
    let other = cloud.pair(user).await;
    // A label that is announced to another device is its own as well.
    let announced = cloud.runtime.devices().rotate_label(user, file.state.device).unwrap();
    let announced = server_name(&announced.to_string(), &file.state.host);
    let before = cloud.runtime.devices().list(user).unwrap();
    let stranger = Stranger::with(Some(&other.device));
    for name in [name_of(&file), announced.clone()] {
        let mut line = Line::open(cloud.address, stranger.config(UPC), &name).await.unwrap();
        let answer = line.session(&["usercache:put"]).await;
        assert!(answer.as_ref().unwrap().is(401, "UPC-001"), "{answer:?}");
    }
    assert_eq!(cloud.runtime.devices().list(user).unwrap(), before);
    // The device itself still comes by both, and the announced one was not used up.
    for name in [name_of(&file), announced] {
        let mut line =
            Line::open(cloud.address, Stranger::with(Some(&file.device)).config(UPC), &name).await.unwrap();
        assert_eq!(line.session(&["usercache:put"]).await.unwrap().status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_38_a_ticket_under_another_label() {
    let cloud = start().await;
    let (user, file, before) = settled(&cloud).await;
    let announced = cloud.runtime.devices().rotate_label(user, file.state.device).unwrap();
    let announced = server_name(&announced.to_string(), &file.state.host);
    let stranger = Stranger::with(Some(&file.device));
    let config = stranger.config(UPC);
    let mut line = Line::open(cloud.address, Arc::clone(&config), &name_of(&file)).await.unwrap();
    assert_eq!(line.session(&[]).await.unwrap().status, 200);
    let again = Line::open(cloud.address, Arc::clone(&config), &name_of(&file)).await.unwrap();
    assert!(again.resumed, "under its own label it resumes");

    for elsewhere in [announced, name_of(&cloud.pair(user).await)] {
        let mut own = Line::open(cloud.address, Arc::clone(&config), &name_of(&file)).await.unwrap();
        assert_eq!(own.session(&[]).await.unwrap().status, 200);
        let tickets = stranger.purse.count();
        let mut wire = Wire::open(cloud.address, Arc::clone(&config), &elsewhere).await;
        assert_eq!(stranger.purse.count(), tickets - 1, "one is offered");
        wire.shake().await.unwrap();
        assert_eq!(wire.tls.handshake_kind(), Some(HandshakeKind::Full), "and not taken");
    }
    let after = standing(&cloud, user, &file).await;
    assert_eq!(data(&after), data(&before));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_39_a_pairing_leaves_a_ticket() {
    let cloud = start().await;
    let (user, file, before) = settled(&cloud).await;
    let invitation = cloud.open_window(user).await;
    let stranger = Stranger::with(Some(&unknown_key(KeyKind::P256)));
    let code = handshake::encoding::QrCode::parse(&invitation.qr).unwrap();
    let name = server_name(&code.label.to_string(), &file.state.host);
    let mut wire = Wire::open(cloud.address, stranger.config(&[ALPN_PAIR]), &name).await;
    wire.shake().await.unwrap();
    let request = "POST /.upc/pair/1/hello HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\n{}";
    std::io::Write::write_all(&mut wire.tls.writer(), request.as_bytes()).unwrap();
    wire.send().await.unwrap();
    let mut answer = Vec::new();
    while answer.is_empty() {
        answer = wire.receive().await.unwrap();
    }
    assert!(answer.starts_with(b"HTTP/1.1 400"), "tickets would have come before this");
    assert_eq!((wire.tls.tls13_tickets_received(), stranger.purse.count()), (0, 0));
    drop(wire);
    // So there is nothing to offer where devices connect.
    let end = refusal(cloud.address, stranger.config(UPC), server(&name_of(&file))).await;
    assert_eq!(end, ACCESS_DENIED);
    assert_eq!(standing(&cloud, user, &file).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_40_a_browsers_ticket_where_devices_connect() {
    let cloud = start().await;
    let (user, file, before) = settled(&cloud).await;
    let web = cloud.runtime.owners().web_label(user).unwrap();
    let web = server_name(&web.to_string(), &file.state.host);
    let unknown = unknown_key(KeyKind::P256);
    for (key, is_device) in [(&unknown, false), (&file.device, true)] {
        let stranger = Stranger::with(Some(key));
        browse(&cloud, &stranger, &web).await;
        let tickets = stranger.purse.count();
        assert!(tickets > 0, "a browser gets some");
        stranger.takes_raw_keys(true);
        let mut wire = Wire::open(cloud.address, stranger.config(UPC), &name_of(&file)).await;
        assert_eq!(stranger.purse.count(), tickets - 1, "one is offered");
        wire.shake().await.unwrap();
        assert_eq!(wire.tls.handshake_kind(), Some(HandshakeKind::Full), "and not taken");
        if is_device {
            assert!(wire.receive().await.is_ok());
        } else {
            assert_eq!(wire.ended().await, ACCESS_DENIED);
        }
    }
    assert_eq!(standing(&cloud, user, &file).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_41_early_data_and_its_replay() {
    let cloud = start().await;
    let (user, file, before) = settled(&cloud).await;
    let mut phone = Native::open(twin(&file)).await.unwrap();
    let name = name_of(&file);
    let path = phone.granted(PUT).unwrap();
    let request = |write_ts, marker| raw_request(&name, &path, &put_body(write_ts, marker)).concat();
    let stranger = Stranger::with(Some(&file.device));
    let config = stranger.config(UPC);

    // The host's own tickets leave no room for it.
    let mut own = Line::open(cloud.address, Arc::clone(&config), &name).await.unwrap();
    assert_eq!(own.session(&[]).await.unwrap().status, 200);
    let mut wire = Wire::open(cloud.address, Arc::clone(&config), &name).await;
    assert!(wire.tls.early_data().is_none());
    wire.shake().await.unwrap();
    assert_eq!(wire.tls.handshake_kind(), Some(HandshakeKind::Resumed));
    stranger.purse.empty();

    // Tickets from elsewhere do, so the client sends a whole request before it has heard anything.
    tickets_for_early_data(&config, &name).await;
    let early = request(1_700_000_100.0, "early");
    let mut wire = Wire::open(cloud.address, Arc::clone(&config), &name).await;
    std::io::Write::write_all(&mut wire.tls.early_data().unwrap(), &early).unwrap();
    wire.send().await.unwrap();
    let flight = wire.sent.clone();
    assert!(flight.len() > early.len(), "hello and request");
    wire.shake().await.unwrap();
    assert!(!wire.tls.is_early_data_accepted());
    assert_eq!(wire.tls.handshake_kind(), Some(HandshakeKind::Full));
    let commits = commits_of(&cloud, user);
    // The same bytes, once more, after the handshake: now they count, and prove that they were a request.
    let late = request(1_700_000_200.0, "late");
    std::io::Write::write_all(&mut wire.tls.writer(), &late).unwrap();
    wire.send().await.unwrap();
    until("the late request was stored", || commits_of(&cloud, user) > commits).await;

    // Whoever has recorded the flight sends it again, twice.
    for _ in 0..2 {
        let mut socket = tokio::net::TcpStream::connect(cloud.address).await.unwrap();
        socket.write_all(&flight).await.unwrap();
        let mut first = [0; 1];
        socket.read_exact(&mut first).await.unwrap();
        socket.shutdown().await.unwrap();
        let _ = tokio::time::timeout(PATIENCE, socket.read_to_end(&mut Vec::new())).await.unwrap();
    }
    analyse(&cloud, user).await;
    let after = standing(&cloud, user, &file).await;
    assert_eq!((after.readings.len(), &after.devices), (2, &before.devices));
    let all = after.readings.concat();
    assert!(all.contains("late") && !all.contains("early"), "{all}");
    assert_eq!(phone.post(PUT, put_body(1_700_000_300.0, "honest")).await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_42_records_are_replayed_reordered_truncated_and_changed() {
    let cloud = start().await;
    let (user, file, before) = settled(&cloud).await;
    let path = cloud.connect(twin(&file)).await.granted(PUT).unwrap();
    let body = put_body(1_700_001_000.0, "between");

    let (mut wire, [head, rest]) = held_back(&cloud, &file, &path, &body).await;
    wire.pass(&[&rest, &head]).await;
    assert_eq!(wire.ended().await, BAD_RECORD_MAC, "reordered");

    let (mut wire, [head, mut rest]) = held_back(&cloud, &file, &path, &body).await;
    *rest.last_mut().unwrap() ^= 1;
    wire.pass(&[&head, &rest]).await;
    assert_eq!(wire.ended().await, BAD_RECORD_MAC, "changed");

    let (mut wire, [head, _]) = held_back(&cloud, &file, &path, &body).await;
    let (mut other, [_, rest]) = held_back(&cloud, &file, &path, &body).await;
    wire.pass(&[&head, &rest]).await;
    assert_eq!(wire.ended().await, BAD_RECORD_MAC, "from another connection");
    other.pass(&[&head]).await;
    assert_eq!(other.ended().await, BAD_RECORD_MAC, "the other way round");

    // Cut within a record, and at the end of one: TLS's farewell is missing, and so is the end of the body.
    for keep in [0, 1, 100] {
        let (mut wire, [head, rest]) = held_back(&cloud, &file, &path, &body).await;
        wire.pass(&[&head, &rest[..keep]]).await;
        wire.socket.shutdown().await.unwrap();
        assert_eq!(wire.ended().await, End::Cut, "truncated after {keep} bytes");
    }
    assert_eq!(standing(&cloud, user, &file).await, before, "nothing of all that was stored");

    let commits = commits_of(&cloud, user);
    let (mut wire, [head, rest]) = held_back(&cloud, &file, &path, &body).await;
    wire.pass(&[&head, &rest]).await;
    until("it was stored as it was sent", || commits_of(&cloud, user) > commits).await;
    let once = commits_of(&cloud, user);
    wire.pass(&[&head, &rest]).await;
    assert_eq!(wire.ended().await, BAD_RECORD_MAC, "replayed");
    let (mut wire, _) = held_back(&cloud, &file, &path, &body).await;
    wire.pass(&[&head, &rest]).await;
    assert_eq!(wire.ended().await, BAD_RECORD_MAC, "replayed on a connection of its own");
    assert_eq!(commits_of(&cloud, user), once);
    analyse(&cloud, user).await;
    let after = standing(&cloud, user, &file).await;
    assert_eq!((after.readings.len(), after.devices), (2, before.devices));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_43_a_flood_of_key_updates() {
    let cloud = start().await;
    let (user, file, before) = settled(&cloud).await;
    let flooder = cloud.pair(user).await;
    let mut honest = Native::open(twin(&file)).await.unwrap();
    let path = honest.granted(PUT).unwrap();
    let mut own = Line::of(&flooder).await.unwrap();
    assert_eq!(own.session(&["usercache:put"]).await.unwrap().status, 200);
    let config = Stranger::with(Some(&flooder.device)).config(UPC);
    for round in 0..4 {
        let mut wire = Wire::open(cloud.address, Arc::clone(&config), &name_of(&flooder)).await;
        wire.shake().await.unwrap();
        for _ in 0..KEY_UPDATES_MAX {
            wire.tls.refresh_traffic_keys().unwrap();
        }
        let body = put_body(1_700_002_000.0 + f64::from(round), "by the flooder");
        let request = raw_request(&name_of(&flooder), &path, &body).concat();
        let (record, commits) = (wire.seal(&request), commits_of(&cloud, user));
        wire.pass(&[&record]).await;
        until("so many are borne", || commits_of(&cloud, user) > commits).await;
        for _ in 0..=KEY_UPDATES_MAX {
            wire.tls.refresh_traffic_keys().unwrap();
        }
        wire.send().await.unwrap();
        let put = honest.post(PUT, put_body(1_700_003_000.0 + f64::from(round), "meanwhile")).await.unwrap();
        assert_eq!(put.status, 200);
        // The library ends it without an alert.
        assert_eq!(wire.ended().await, End::Cut);
    }
    analyse(&cloud, user).await;
    assert_eq!(standing(&cloud, user, &file).await.readings.len(), before.readings.len() + 8);
}

/// So many key updates in a row, without a byte of data, and no more.
const KEY_UPDATES_MAX: usize = 32;
const TEN_YEARS_MS: u64 = 10 * 365 * 24 * 3_600_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_44_clocks_ten_years_off_on_either_side() {
    let cloud = start().await;
    let (user, file, before) = settled(&cloud).await;
    let stolen = cloud.pair(user).await;
    cloud.revoke(user, &stolen).await;
    let now_ms = epoch_ms();
    let off = [now_ms - TEN_YEARS_MS, now_ms + TEN_YEARS_MS, 0];
    let put = cloud.connect(twin(&file)).await.granted(PUT).unwrap();

    // The phone's. Nothing that it sends is dated but its data.
    let (name, label) = (name_of(&file), file.state.label);
    let mut shown = None;
    for phones_ms in off {
        let mut config = (*Stranger::with(Some(&file.device)).config(UPC)).clone();
        config.time_provider = Arc::new(Clock(phones_ms));
        let mut line = Line::open(cloud.address, Arc::new(config), &name).await.unwrap();
        assert_eq!(line.session(&["usercache:put"]).await.unwrap().status, 200);
        shown = line.runtime;
    }
    let shown = shown.unwrap();

    // The host's, as far as it is told the time; the phone believes the host whatever it says.
    let runtime = &cloud.runtime;
    let terms = SessionTerms { body_bytes_max: 1 << 20, requests_per_s_max: 10 };
    let want = SessionRequest {
        v: vec![1],
        want: vec!["usercache:put".to_owned()],
        last_head: None,
        client: "wire/1".to_owned(),
    };
    for hosts_ms in off {
        let admission = runtime.devices().admit(user, label, *file.device.spki(), hosts_ms).unwrap();
        let grant = runtime.session(&admission, &want, terms, hosts_ms).unwrap();
        assert_eq!(grant.now_ms, hosts_ms);
        file.state.clone().take_grant(&grant, shown.as_bytes(), label).unwrap();
        assert!(
            runtime.devices().still_admitted(&admission)
                && runtime.devices().granted(&admission, &put, hosts_ms).is_ok()
        );
        for (key, label) in [
            (unknown_key(KeyKind::P256), label),
            (twin(&stolen).device, label),
            (twin(&stolen).device, stolen.state.label),
            (twin(&file).device, Label([7; 16])),
        ] {
            let refused = runtime.devices().admit(user, label, *key.spki(), hosts_ms).err();
            assert_eq!(refused, Some(Code::DeviceUnknown));
        }
        // A lease is counted by a clock that nobody sets.
        let LockState::Unlocked { until_ms: Some(until_ms) } = runtime.locks().state(user).unwrap() else {
            panic!("the key is held for a while")
        };
        let lease_ms = runtime_host::config::Config::default().people.lease_ms;
        assert!((now_ms..=epoch_ms() + lease_ms).contains(&until_ms), "{until_ms}");
    }
    let after = standing(&cloud, user, &file).await;
    assert_eq!(after.readings, before.readings);
    assert_eq!(after.devices.len(), 2);
}
