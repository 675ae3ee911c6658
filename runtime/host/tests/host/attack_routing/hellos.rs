//! 60 to 63: first messages that are none.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr};

use handshake::hello::{Alert, HELLO_BYTES_MAX};
use handshake::route::ALPN_CONNECT;
use rustls::ClientConnection;

use super::cloud::{Wish, start, start_with};
use super::gate::gate;
use super::standing;
use super::wire::{HANDSHAKE, config_of, hello, name_of, named, told};

/// The same hello in records of that many bytes.
fn in_records(hello: &[u8], size: usize) -> Vec<u8> {
    let message = &hello[5..];
    let records = message.chunks(size).map(|piece| {
        let length = u16::try_from(piece.len()).unwrap().to_be_bytes();
        [&[HANDSHAKE, 3, 1, length[0], length[1]], piece].concat()
    });
    records.collect::<Vec<_>>().concat()
}

/// The beginning of a hello in a record, both with the lengths that they claim.
fn claim(record_bytes: u16, message_bytes: u32) -> Vec<u8> {
    let ([a, b], [_, c, d, e]) = (record_bytes.to_be_bytes(), message_bytes.to_be_bytes());
    vec![HANDSHAKE, 3, 1, a, b, 1, c, d, e]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_60_a_hello_over_16_kib_is_refused_at_the_byte_that_shows_it() {
    let (cloud, gate) = (start().await, gate().await);
    for address in [cloud.address, gate.address] {
        // Announced: refused before any of it has come.
        let announced = claim(16_384, 17_000);
        assert_eq!(told(address, &announced).await, Alert::DecodeError.record());
        // Not announced, but so many headers of records that it comes to more.
        let mut many = claim(4, 16_000);
        while many.len() < HELLO_BYTES_MAX {
            many.extend_from_slice(&[HANDSHAKE, 3, 1, 0, 1, 0]);
        }
        many.truncate(HELLO_BYTES_MAX);
        assert_eq!(told(address, &many).await, Alert::DecodeError.record());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_61_a_hello_in_records_of_one_byte_is_accepted_up_to_16_kib() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let file = cloud.pair(user).await;
    let (config, name, address) = (config_of(&file), name_of(&file), cloud.address);
    let shaken = tokio::task::spawn_blocking(move || {
        let mut tls = ClientConnection::new(config, named(&name)).unwrap();
        let mut hello = Vec::new();
        tls.write_tls(&mut hello).unwrap();
        let crumbs = in_records(&hello, 1);
        assert!(crumbs.len() < HELLO_BYTES_MAX && crumbs.len() > 5 * hello.len(), "{}", crumbs.len());
        let mut socket = std::net::TcpStream::connect(address).unwrap();
        for piece in crumbs.chunks(7) {
            socket.write_all(piece).unwrap();
        }
        while tls.is_handshaking() {
            tls.complete_io(&mut socket).unwrap();
        }
        // The runtime's first word over the connection proves that it took the device in.
        let mut settings = [0; 9];
        rustls::Stream::new(&mut tls, &mut socket).read_exact(&mut settings).unwrap();
        (tls.alpn_protocol().map(<[u8]>::to_vec), settings[3])
    });
    const SETTINGS: u8 = 4;
    assert_eq!(shaken.await.unwrap(), (Some(ALPN_CONNECT.to_vec()), SETTINGS));
    // A longer one, for a name that is known, comes to more than 16 KiB and is refused.
    let mut long = in_records(&[&[0; 5][..], &claim(0, 4_000)[5..], &[0; 4_000]].concat(), 1);
    long.truncate(HELLO_BYTES_MAX);
    assert_eq!(told(cloud.address, &long).await, Alert::DecodeError.record());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_62_lengths_that_lie_end_the_connection() {
    let mut config = Wish::default().config;
    config.limits.hello_ms = 300;
    let cloud = start_with(Wish { config, ..Wish::default() }).await;
    let user = cloud.add("Ada");
    let file = cloud.pair(user).await;
    let before = standing(&cloud, user);
    let sound = hello(config_of(&file), &name_of(&file));
    let message = u32::try_from(sound.len()).unwrap() - 9;
    let with = |at: usize, byte: u8| {
        let mut changed = sound.clone();
        changed[at] = changed[at].wrapping_add(byte);
        changed
    };
    // Behind the header: version 2, random 32, session 1 and its bytes, then the suites with their length.
    let suites = 9 + 2 + 32 + 1 + usize::from(sound[9 + 2 + 32]);
    let silent = Vec::new();
    let refused = Alert::DecodeError.record().to_vec();
    for (what, bytes, want) in [
        ("a record without bytes", vec![HANDSHAKE, 3, 1, 0, 0], &refused),
        ("a record over 16 KiB", vec![HANDSHAKE, 3, 1, 0x40, 1], &refused),
        ("the longest record of all", vec![HANDSHAKE, 3, 1, 0xff, 0xff], &refused),
        ("a record longer than its hello", claim(2_000, 200), &refused),
        ("a hello shorter than its record", claim(message as u16 + 4, message - 1), &refused),
        ("suites that reach into what follows", with(suites + 1, 2), &refused),
        ("suites of an odd length", with(suites + 1, 1), &refused),
        ("a session id beyond the end", with(9 + 2 + 32, 200), &refused),
        ("a record that never ends", sound[..sound.len() - 1].to_vec(), &silent),
    ] {
        assert_eq!(&told(cloud.address, &bytes).await, want, "{what}");
    }
    assert_eq!(standing(&cloud, user), before);
    cloud.connect(file).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_63_plain_http_gets_no_byte_back() {
    // The host is told that callers are elsewhere: for browsers on its own machine it has a page.
    let gateways = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
    let cloud = start_with(Wish { legacy: true, gateways, ..Wish::default() }).await;
    let gate = gate().await;
    let elsewhere = runtime_wire::proxy::header(([203, 0, 113, 9], 1234).into(), cloud.address);
    for (address, before) in [(cloud.address, &elsewhere[..]), (gate.address, b"")] {
        for bytes in [
            &b"GET / HTTP/1.1\r\nhost: h\r\n\r\n"[..],
            b"POST /usercache/put HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\n{}",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"\x80\x2e\x01\x00\x02",
            b"SSH-2.0-x\r\n",
        ] {
            assert_eq!(told(address, &[before, bytes].concat()).await, b"");
        }
    }
}
