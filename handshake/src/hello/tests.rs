use super::testing::{HelloBuilder, behind_u8, behind_u16, handshake, record, records};
use super::*;
use data_encoding::HEXLOWER;
use proptest::prelude::*;

const NAME: &str = "aebagbafaydqqcikbmga2dqpca.cellar.example";

fn read(bytes: &[u8]) -> Progress {
    HelloReader::new().feed(bytes)
}

/// Feeds pieces that end at `cuts`; the answer, and how many bytes had been fed when it came.
fn read_in_pieces(bytes: &[u8], cuts: &[usize]) -> (Progress, usize) {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    ends.push(bytes.len());
    ends.sort_unstable();
    let (mut reader, mut from) = (HelloReader::new(), 0);
    for end in ends {
        let progress = reader.feed(&bytes[from..end]);
        if progress != Progress::NeedMore {
            return (progress, end);
        }
        from = end;
    }
    (Progress::NeedMore, from)
}

fn refused(bytes: &[u8]) -> Refused {
    match read(bytes) {
        Progress::Refused(refused) => refused,
        other => panic!("{other:?}"),
    }
}

fn recorded(text: &str) -> Hello {
    let digits: String = text.split_whitespace().collect();
    match read(&HEXLOWER.decode(digits.as_bytes()).unwrap()) {
        Progress::Hello(hello) => hello,
        other => panic!("{other:?}"),
    }
}

#[test]
fn hellos_of_three_implementations_say_what_they_were_made_to_say() {
    let raw = CertificateTypes { x509: false, raw_key: true };
    for (text, name, protocol) in [
        (include_str!("recorded/rustls-raw-keys.hex"), NAME, "upc/1"),
        (include_str!("recorded/rustls-raw-keys-hybrid.hex"), NAME, "upc/1"),
        (include_str!("recorded/rustls-pair.hex"), "p-7k3m.cellar.example", "upc-pair/1"),
    ] {
        let hello = recorded(text);
        assert_eq!(hello.server_name.as_deref(), Some(name));
        assert_eq!(hello.alpn, [protocol.as_bytes()]);
        assert_eq!((hello.server_certificate, hello.client_certificate), (raw, raw));
        assert!(hello.supports_tls13);
    }
    for (text, name, protocols, tls13) in [
        (include_str!("recorded/rustls-certificates.hex"), Some(NAME), &["h2", "http/1.1"][..], true),
        (include_str!("recorded/openssl-web.hex"), Some(NAME), &["http/1.1"], true),
        (include_str!("recorded/openssl-tls12.hex"), Some(NAME), &["http/1.1"], false),
        (include_str!("recorded/openssl-no-name.hex"), None, &[], true),
        (include_str!("recorded/java-study.hex"), Some("study.openpath.example"), &[], true),
    ] {
        let hello = recorded(text);
        assert_eq!(hello.server_name.as_deref(), name);
        assert_eq!(hello.alpn, protocols.iter().map(|text| text.as_bytes()).collect::<Vec<_>>());
        assert_eq!(hello.server_certificate, CertificateTypes::default());
        assert_eq!(hello.supports_tls13, tls13);
    }
}

#[test]
fn a_hybrid_hello_of_1700_bytes_passes_and_a_name_is_read_in_lower_case() {
    let browser = HelloBuilder::browser("Www.Cellar.EXAMPLE").key_share(1_600);
    assert!(browser.bytes().len() > 1_700);
    assert_eq!(browser.read().server_name.as_deref(), Some("www.cellar.example"));
    assert_eq!(browser.read().alpn, [b"h2".to_vec(), b"http/1.1".to_vec()]);
}

#[test]
fn attack_58_a_slow_hello_needs_more_until_its_last_byte_and_holds_no_more_than_it_sent() {
    let bytes = HelloBuilder::native(NAME, "upc/1").bytes();
    let mut reader = HelloReader::new();
    for byte in &bytes[..bytes.len() - 1] {
        assert_eq!(reader.feed(&[*byte]), Progress::NeedMore);
        assert!(reader.message.capacity() <= 2 * bytes.len());
    }
    assert!(matches!(reader.feed(&bytes[bytes.len() - 1..]), Progress::Hello(_)));
    assert_eq!(reader.message.capacity(), 0);
}

#[test]
fn attack_60_a_hello_of_more_than_16_kib_is_refused_by_what_it_announces() {
    let padded = |bytes: usize| {
        let padded = HelloBuilder::native(NAME, "upc/1").with(21, &vec![0; bytes]);
        records(&padded.message(), 9_000)
    };
    let spare = HELLO_BYTES_MAX - padded(15_000).len();
    assert_eq!(padded(15_000 + spare).len(), HELLO_BYTES_MAX);
    assert!(matches!(read(&padded(15_000 + spare)), Progress::Hello(_)));
    assert_eq!(refused(&padded(15_000 + spare + 1)), Refused::TooLarge);
    assert_eq!(refused(&padded(40_000)[..RECORD_HEADER_BYTES + 4]), Refused::TooLarge);
    assert_eq!(refused(&[22, 3, 1, 0x40, 1]), Refused::TooLarge);
}

#[test]
fn attack_61_a_hello_in_records_of_1_byte_is_read_while_it_stays_under_the_limit() {
    let message = HelloBuilder::native(NAME, "upc/1").message();
    assert!(matches!(read(&records(&message, 1)), Progress::Hello(_)));
    let hybrid = HelloBuilder::browser(NAME).key_share(3_000).message();
    assert!(matches!(read(&records(&hybrid, 2)), Progress::Hello(_)));
    assert_eq!(refused(&records(&hybrid, 1)), Refused::TooLarge);
    assert_eq!(refused(&records(&hybrid, 1)[..HELLO_BYTES_MAX]), Refused::TooLarge);
}

#[test]
fn attack_62_lengths_that_lie_are_refused() {
    let sound = HelloBuilder::native(NAME, "upc/1");
    let message = sound.message();
    assert_eq!(refused(&record(22, &[&message[..], b"x"].concat())), Refused::Unaligned);
    assert_eq!(
        refused(&[record(22, &message[..9]), record(22, &[&message[9..], b"x"].concat())].concat()),
        Refused::Unaligned
    );
    assert_eq!(refused(&record(22, &handshake(1, &message[4..message.len() - 1]))), Refused::Length);
    assert_eq!(refused(&record(22, &handshake(1, &[]))), Refused::Length);
    let with_more = [&message[4..], b"x"].concat();
    assert_eq!(refused(&record(22, &handshake(1, &with_more))), Refused::Length);
    for (kind, content) in [
        (0, behind_u16(&[&[0][..], &60_000_u16.to_be_bytes()].concat())),
        (0, [&behind_u16(&[]), &b"x"[..]].concat()),
        (0, Vec::new()),
        (16, behind_u16(&[9, b'u'])),
        (16, behind_u16(&[0])),
        (16, behind_u16(&[])),
        (16, [behind_u16(&behind_u8(b"upc/1")), vec![0]].concat()),
        (19, behind_u8(&[])),
        (20, vec![2, 2]),
        (43, behind_u8(&[3])),
        (43, behind_u8(&[])),
    ] {
        let lying = sound.clone().without(kind).with(kind, &content);
        assert_eq!(refused(&lying.bytes()), Refused::Length, "{kind}: {content:?}");
    }
    let long_session = HelloBuilder { session_id: vec![0; 33], ..sound.clone() };
    assert_eq!(refused(&long_session.bytes()), Refused::Length);
    assert_eq!(refused(&HelloBuilder { suites: Vec::new(), ..sound }.bytes()), Refused::Length);
}

#[test]
fn attack_63_plain_http_and_other_protocols_are_known_by_their_first_byte_and_get_no_alert() {
    for (bytes, expected) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], Refused::PlainHttp),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Refused::PlainHttp),
        (&[0x80, 0x2e, 1, 0, 2], Refused::Sslv2),
        (&[21, 3, 3, 0, 2, 1, 0], Refused::AlertFirst),
        (&[23, 3, 3, 0, 1, 0], Refused::NotTls),
        (&[20, 3, 3, 0, 1, 1], Refused::NotTls),
        (&[22, 2, 0, 0, 1], Refused::NotTls),
    ] {
        assert_eq!(refused(bytes), expected);
        assert_eq!(expected.alert(), None);
    }
    assert_eq!(refused(b"G"), Refused::PlainHttp);
}

#[test]
fn records_of_other_kinds_empty_records_and_other_messages_are_refused() {
    let message = HelloBuilder::native(NAME, "upc/1").message();
    let begun = record(22, &message[..50]);
    assert_eq!(refused(&[&begun[..], &record(21, &[1, 0])].concat()), Refused::Interleaved);
    assert_eq!(refused(&[&begun[..], &record(20, &[1])].concat()), Refused::Interleaved);
    assert_eq!(refused(&[&begun[..], &record(22, &[])].concat()), Refused::EmptyRecord);
    assert_eq!(refused(&record(22, &[])), Refused::EmptyRecord);
    assert_eq!(refused(&record(22, &[2])), Refused::NotClientHello { kind: 2 });
    assert_eq!(Refused::EmptyRecord.alert(), Some(Alert::DecodeError));
}

#[test]
fn an_extension_twice_too_many_of_them_and_too_many_protocols_are_refused() {
    let native = HelloBuilder::native(NAME, "upc/1");
    let twice = native.clone().with(19, &[1, 0]);
    assert_eq!(refused(&twice.bytes()), Refused::DuplicateExtension { kind: 19 });
    let unknown_twice = native.clone().with(0x1a1a, &[]).with(0x1a1a, &[]);
    assert_eq!(refused(&unknown_twice.bytes()), Refused::DuplicateExtension { kind: 0x1a1a });
    let filled =
        |count: u16| (0..count).fold(HelloBuilder::empty(), |hello, kind| hello.with(1_000 + kind, &[]));
    assert!(matches!(read(&filled(128).bytes()), Progress::Hello(_)));
    assert_eq!(refused(&filled(129).bytes()), Refused::TooMany);
    assert!(matches!(read(&native.clone().protocols(&["a"; 16]).bytes()), Progress::Hello(_)));
    assert_eq!(refused(&native.protocols(&["a"; 17]).bytes()), Refused::TooMany);
}

#[test]
fn a_name_that_is_no_host_name_or_is_one_of_two_is_refused_as_unrecognised() {
    let long = format!("{}.example", "a".repeat(64));
    for name in
        ["", ".", "a.", ".a", "a..b", "-a.b", "a-.b", "a_b.c", "a b", "a\0b", "\u{e9}.example", "::1", &long]
    {
        let hello = HelloBuilder::native(name, "upc/1");
        assert_eq!(refused(&hello.bytes()), Refused::ServerName, "{name:?}");
    }
    assert_eq!(refused(&HelloBuilder::native(&["a"; 128].join("."), "upc/1").bytes()), Refused::ServerName);
    assert_eq!(HelloBuilder::native(&["a"; 127].join("."), "upc/1").read().server_name.unwrap().len(), 253);
    let entry = |kind: u8, name: &str| [&[kind][..], &behind_u16(name.as_bytes())].concat();
    let names = [entry(0, "a.example"), entry(0, "b.example")].concat();
    let two = HelloBuilder::empty().with(0, &behind_u16(&names));
    assert_eq!(refused(&two.bytes()), Refused::ServerName);
    let other_kind = HelloBuilder::empty().with(0, &behind_u16(&entry(1, "a.example")));
    assert_eq!(refused(&other_kind.bytes()), Refused::ServerName);
    assert_eq!(Refused::ServerName.alert(), Some(Alert::UnrecognizedName));
}

#[test]
fn a_hello_without_extensions_offers_certificates_and_nothing_else() {
    let body = [&[3, 1][..], &[9; 32], &[0], &[0, 2, 0, 47], &[1, 0]].concat();
    assert_eq!(read(&record(22, &handshake(1, &body))), Progress::Hello(Hello::default()));
}

#[test]
fn an_alert_is_one_fatal_record_of_seven_bytes() {
    assert_eq!(Alert::UnrecognizedName.record(), [21, 3, 3, 0, 2, 2, 112]);
    assert_eq!(Alert::DecodeError.record()[6], 50);
    assert_eq!(Alert::NoApplicationProtocol.record()[6], 120);
    assert_eq!(Alert::HandshakeFailure.record()[6], 40);
}

#[test]
fn an_answer_stays_whatever_comes_behind_it() {
    let mut reader = HelloReader::new();
    let answer = reader.feed(&HelloBuilder::native(NAME, "upc/1").bytes());
    assert_eq!(reader.feed(b"GET /"), answer);
    let early_data = [HelloBuilder::native(NAME, "upc/1").bytes(), record(23, &[0; 99])].concat();
    assert_eq!(read(&early_data), answer);
}

fn any_stream() -> impl Strategy<Value = Vec<u8>> {
    let names = "[a-z]{1,9}\\.example";
    let sound = (names, 1_usize..2_000, 0_usize..2_000, proptest::option::of((0_usize..4_000, 0_u8..8)));
    let nearly_sound = sound.prop_map(|(name, size, share, flip)| {
        let mut bytes = records(&HelloBuilder::browser(&name).key_share(share).message(), size);
        if let Some((at, bit)) = flip {
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
        }
        bytes
    });
    prop_oneof![
        4 => nearly_sound,
        1 => proptest::collection::vec(any::<u8>(), 1..300),
        1 => proptest::collection::vec(any::<u8>(), 1..300).prop_map(|body| record(22, &handshake(1, &body))),
    ]
}

proptest! {
    #[test]
    fn the_answer_is_the_same_however_the_bytes_are_split(
        bytes in any_stream(), cuts in proptest::collection::vec(any::<usize>(), 0..20),
    ) {
        let whole = read(&bytes);
        let (in_pieces, _) = read_in_pieces(&bytes, &cuts);
        prop_assert_eq!(&in_pieces, &whole);
        let (byte_by_byte, settled_at) = read_in_pieces(&bytes, &(0..bytes.len()).collect::<Vec<_>>());
        prop_assert_eq!(&byte_by_byte, &whole);
        // It comes with the earliest byte that settles it, and not earlier.
        prop_assert_eq!(read(&bytes[..settled_at]), whole.clone());
        if whole != Progress::NeedMore {
            prop_assert_eq!(read(&bytes[..settled_at - 1]), Progress::NeedMore);
        }
    }

    #[test]
    fn a_flipped_bit_never_panics_and_no_name_is_read_that_was_not_sent(
        bit in 0_usize..8 * 300,
    ) {
        let mut bytes = HelloBuilder::native(NAME, "upc/1").bytes();
        let bit = bit % (8 * bytes.len());
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Progress::Hello(hello) = read(&bytes) {
            let name = hello.server_name.unwrap_or_default();
            let inside = bytes.windows(name.len().max(1)).any(|part| part.eq_ignore_ascii_case(name.as_bytes()));
            prop_assert!(name.is_empty() || inside);
        }
    }

    #[test]
    fn what_was_built_is_what_is_read(
        name in "[a-z0-9]{1,20}(\\.[a-z0-9]{1,9}){0,3}",
        protocols in proptest::collection::vec("[a-z/0-9]{1,20}", 1..16),
        types in proptest::collection::vec(0_u8..4, 1..5), size in 1_usize..500,
    ) {
        let offered: Vec<&str> = protocols.iter().map(String::as_str).collect();
        let built = HelloBuilder::browser(&name).key_share(32).protocols(&offered).with(20, &behind_u8(&types));
        let Progress::Hello(hello) = read(&records(&built.message(), size)) else {
            return Err(TestCaseError::fail("refused"));
        };
        prop_assert_eq!(hello.server_name, Some(name));
        prop_assert_eq!(hello.alpn, protocols.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>());
        prop_assert_eq!(hello.server_certificate.raw_key, types.contains(&2));
        prop_assert_eq!(hello.server_certificate.x509, types.contains(&0));
        prop_assert_eq!(hello.client_certificate, CertificateTypes::default());
    }
}
