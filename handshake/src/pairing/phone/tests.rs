use super::*;
use crate::encoding::Digest32;
use crate::pairing::{Codes, Kdf};
use ring::rand::SystemRandom;

fn runtime(number: u8) -> Spki {
    Spki::from_ed25519(&[number; 32]).unwrap()
}

fn me() -> Me {
    let name = DeviceName::new("phone").unwrap();
    Me { device: runtime(2), name, platform: Platform::Ios }
}

fn scanned() -> Pairing {
    let random = SystemRandom::new();
    let codes = Codes { window: WindowId([7; 8]), ..Codes::random(false, &random).unwrap() };
    let code = codes.qr(runtime(1).pin(), "cellar.example".to_owned(), 8443, false);
    Pairing::scanned(code, me(), &random).unwrap()
}

fn typed() -> Pairing {
    let code = TypedCode::parse("0000-0000-0000-0000-0000").unwrap();
    Pairing::typed(code, "Cellar.Example", 443, me(), &SystemRandom::new()).unwrap()
}

fn challenge(iterations: u32) -> Challenge {
    Challenge { window: WindowId([7; 8]), nonce: Nonce([3; 32]), kdf: Kdf { iterations } }
}

fn said_hello(pairing: Pairing) -> SaidHello {
    pairing.connected(runtime(1), Secret::new([4; 32])).unwrap().0
}

fn sent_enrol() -> SentEnrol {
    let (mut sent, _) = said_hello(scanned()).challenged(&challenge(PBKDF2_ROUNDS)).unwrap();
    sent.expected = Mac([5; 32]);
    let confirmed = sent.claimed(&Claimed { mac: Mac([5; 32]), approve_by_s: 120 }).unwrap();
    let secret = p256::SecretKey::from_slice(&[7; 32]).unwrap();
    confirmed.enrol(WrapPub::parse(&secret.public_key().to_sec1_bytes()).unwrap()).0
}

fn enrolled() -> Enrolled {
    Enrolled {
        user_id: UserId([1; 16]),
        device_id: me().device.device_id(),
        label: Label([2; 16]),
        host: "cellar.example".to_owned(),
        port: 443,
        spki_r: runtime(1),
        next_pins: vec![Pin([3; 32])],
        scopes: vec!["usercache:put".to_owned()],
        head: Some(Head { seq: 4, hash: Digest32([5; 32]) }),
    }
}

#[test]
fn a_scanned_code_says_where_to_connect_and_whom_to_meet() {
    let pairing = scanned();
    let address = pairing.address();
    assert_eq!((address.host.as_str(), address.port), ("cellar.example", 8443));
    assert_eq!(address.pin, Some(runtime(1).pin()));
    let label = Label::of_server_name(&address.server_name).unwrap();
    assert_eq!(address.server_name, format!("{label}.cellar.example"));
}

#[test]
fn a_typed_code_says_where_to_connect_and_not_whom_to_meet() {
    let pairing = typed();
    let address = pairing.address();
    assert_eq!(address.server_name, "p-0000.cellar.example");
    assert_eq!((address.port, address.pin), (443, None));
    let code = TypedCode::parse("0000-0000-0000-0000-0000").unwrap();
    for (host, port) in [("", 443), ("a b", 443), ("cellar.example", 0), ("http://x", 443)] {
        let refused = Pairing::typed(code.clone(), host, port, me(), &SystemRandom::new());
        assert_eq!(refused.err(), Some(PairError::CannotCall), "{host}:{port}");
    }
}

#[test]
fn two_runs_with_one_code_have_two_nonces() {
    assert_ne!(said_hello(typed()).nonce, said_hello(typed()).nonce);
}

#[test]
fn nothing_is_said_to_a_key_that_is_not_in_the_code_or_is_no_runtimes() {
    let refused = scanned().connected(runtime(9), Secret::new([4; 32])).err().unwrap();
    assert_eq!(refused.words(), Some("Not your cloud. Nothing was sent"));
    let secret = p256::SecretKey::from_slice(&[7; 32]).unwrap();
    let point = secret.public_key().to_sec1_bytes();
    let odd = Spki::from_p256_point(point.as_ref().try_into().unwrap()).unwrap();
    assert_eq!(typed().connected(odd, Secret::new([4; 32])).err(), Some(PairError::OtherRuntime));
    assert!(typed().connected(runtime(9), Secret::new([4; 32])).is_ok());
}

#[test]
fn a_challenge_for_another_window_ends_a_scanned_run() {
    let other = Challenge { window: WindowId([8; 8]), ..challenge(PBKDF2_ROUNDS) };
    assert_eq!(said_hello(scanned()).challenged(&other).err(), Some(PairError::OtherWindow));
}

#[test]
fn the_phone_stretches_neither_too_little_nor_without_end() {
    for pairing in [scanned, typed] {
        for iterations in [0, 1, PBKDF2_ROUNDS - 1, PBKDF2_ROUNDS_MAX + 1, u32::MAX] {
            let refused = said_hello(pairing()).challenged(&challenge(iterations)).err();
            assert_eq!(refused, Some(PairError::Stretch { iterations }));
        }
        assert!(said_hello(pairing()).challenged(&challenge(PBKDF2_ROUNDS + 1)).is_ok());
    }
}

#[test]
fn nothing_is_enrolled_with_a_runtime_that_does_not_prove_the_code() {
    for flipped in 0..256 {
        let (sent, _) = said_hello(scanned()).challenged(&challenge(PBKDF2_ROUNDS)).unwrap();
        let mut mac = sent.expected;
        mac.0[flipped / 8] ^= 1 << (flipped % 8);
        let refused = sent.claimed(&Claimed { mac, approve_by_s: 120 }).err();
        assert_eq!(refused, Some(PairError::RuntimeProof), "bit {flipped}");
    }
}

#[test]
fn what_was_enrolled_must_be_this_phone_with_the_runtime_on_this_connection() {
    let paired = sent_enrol().enrolled(enrolled()).unwrap();
    assert_eq!((paired.pin, paired.head), (runtime(1).pin(), enrolled().head));
    let text = serde_json::to_string(&paired).unwrap();
    assert_eq!(serde_json::from_str::<Paired>(&text).unwrap(), paired);
    for other in [
        Enrolled { spki_r: runtime(9), ..enrolled() },
        Enrolled { device_id: runtime(9).device_id(), ..enrolled() },
    ] {
        assert_eq!(sent_enrol().enrolled(other).err(), Some(PairError::OtherEnrolment));
    }
}

#[test]
fn every_refusal_has_its_words_or_is_silent() {
    let silent = [Code::StoreLocked, Code::RateLimited, Code::WrongAuthority, Code::Starting];
    for code in Code::ALL {
        let words = PairError::from(code).words();
        assert_eq!(words.is_none(), silent.contains(&code), "{code}");
    }
    let words = |code| PairError::from(code).words();
    assert_eq!(words(Code::WindowClaimed), Some("Another phone used this code. Cancel on the dashboard"));
    assert_eq!(words(Code::WindowGone), Some("Code expired. Make a new one"));
}
