//! Passkeys of both kinds, and what is not taken.

use data_encoding::BASE64URL_NOPAD;
use handshake::encoding::KeyKind;
use serde_json::Value;

use super::testing::Authenticator;
use super::*;

const HOME: Site<'static> = Site { name: "abc.cellar.example", origin: "https://abc.cellar.example:8443" };
const CHALLENGE: [u8; CHALLENGE_BYTES] = [7; CHALLENGE_BYTES];

fn registered(answer: Value) -> Result<Credential, BadPasskey> {
    let registration: Registration = serde_json::from_value(answer).expect("its form");
    registration.check(HOME, &CHALLENGE)
}

fn asserted(answer: Value, known: &Credential) -> Result<Asserted, BadPasskey> {
    let assertion: Assertion = serde_json::from_value(answer).expect("its form");
    assertion.check(HOME, &CHALLENGE, known)
}

#[test]
fn a_passkey_of_either_kind_is_made_and_signs() {
    for kind in [KeyKind::P256, KeyKind::Ed25519] {
        let mut authenticator = Authenticator::new(kind);
        let known = registered(authenticator.register(HOME, &CHALLENGE)).expect("taken");
        assert_eq!((known.id.as_bytes(), known.key), (&authenticator.id[..], authenticator.key));
        let text = serde_json::to_string(&known).expect("JSON");
        assert_eq!(serde_json::from_str::<Credential>(&text).expect("read"), known);
        let answer = authenticator.assert(HOME, &CHALLENGE);
        let assertion: Assertion = serde_json::from_value(answer.clone()).expect("its form");
        assert_eq!(assertion.challenge(), Some(CHALLENGE));
        assert_eq!(asserted(answer, &known), Ok(Asserted { counter: 0 }));
    }
}

#[test]
fn another_site_page_challenge_or_purpose_and_a_user_who_was_not_verified_are_refused() {
    let mut authenticator = Authenticator::new(KeyKind::P256);
    let known = registered(authenticator.register(HOME, &CHALLENGE)).expect("taken");
    let parent = Site { name: "cellar.example", ..HOME };
    let sibling = Site { name: "xyz.cellar.example", origin: "https://xyz.cellar.example:8443" };
    let other_port = Site { origin: "https://abc.cellar.example", ..HOME };
    for site in [parent, sibling, other_port] {
        assert!(registered(authenticator.register(site, &CHALLENGE)).is_err(), "{site:?}");
        assert!(asserted(authenticator.assert(site, &CHALLENGE), &known).is_err(), "{site:?}");
    }
    assert_eq!(
        asserted(authenticator.assert(HOME, &[8; CHALLENGE_BYTES]), &known),
        Err(BadPasskey::Client("challenge"))
    );
    let mut mixed = authenticator.assert(HOME, &CHALLENGE);
    let create = testing::client_data("webauthn.create", HOME, &CHALLENGE);
    mixed["client_data"] = BASE64URL_NOPAD.encode(create.as_bytes()).into();
    assert_eq!(asserted(mixed, &known), Err(BadPasskey::Client("purpose")));
    for flags in [0x00, 0x01, 0x04, 0x15] {
        authenticator.flags = flags;
        assert!(registered(authenticator.register(HOME, &CHALLENGE)).is_err(), "{flags:#x}");
        assert!(asserted(authenticator.assert(HOME, &CHALLENGE), &known).is_err(), "{flags:#x}");
    }
}

#[test]
fn a_signature_of_another_key_or_over_other_bytes_is_refused_and_so_is_a_counter_that_does_not_rise() {
    let (mut one, mut other) = (Authenticator::new(KeyKind::P256), Authenticator::new(KeyKind::Ed25519));
    one.counter = 5;
    let known = registered(one.register(HOME, &CHALLENGE)).expect("taken");
    other.id.clone_from(&one.id);
    assert_eq!(asserted(other.assert(HOME, &CHALLENGE), &known), Err(BadPasskey::Signature));
    let right = one.assert(HOME, &CHALLENGE);
    assert_eq!(asserted(right.clone(), &known), Ok(Asserted { counter: 6 }));
    let newer = Credential { counter: 6, ..known.clone() };
    assert_eq!(asserted(right.clone(), &newer), Err(BadPasskey::Counter { known: 6, told: 6 }));
    // Each bit of what was signed matters.
    let data = BASE64URL_NOPAD.decode(right["authenticator_data"].as_str().expect("a text").as_bytes());
    let data = data.expect("base64url");
    for place in 0..data.len() * 8 {
        let mut changed = data.clone();
        changed[place / 8] ^= 1 << (place % 8);
        let mut answer = right.clone();
        answer["authenticator_data"] = BASE64URL_NOPAD.encode(&changed).into();
        assert!(asserted(answer, &known).is_err(), "bit {place}");
    }
}

#[test]
fn malformed_parts_are_refused_and_never_panic() {
    let authenticator = Authenticator::new(KeyKind::P256);
    let whole = authenticator.register(HOME, &CHALLENGE);
    let data = whole["authenticator_data"].as_str().expect("a text");
    let data = BASE64URL_NOPAD.decode(data.as_bytes()).expect("base64url");
    for length in 0..data.len() {
        let mut answer = whole.clone();
        answer["authenticator_data"] = BASE64URL_NOPAD.encode(&data[..length]).into();
        assert!(registered(answer).is_err(), "{length} bytes");
    }
    for (member, text) in [
        ("client_data", "=="),
        ("client_data", ""),
        ("authenticator_data", "not base64url!"),
        ("client_data", &"A".repeat(CLIENT_BYTES_MAX * 2)),
        ("authenticator_data", &"A".repeat(AUTHENTICATOR_BYTES_MAX * 2)),
    ] {
        let mut answer = whole.clone();
        answer[member] = text.into();
        assert!(registered(answer).is_err(), "{member}");
    }
    assert!(CredentialId::new(&[0; 15]).is_none() && CredentialId::new(&[0; 1024]).is_none());
    assert!(CredentialId::parse(&"A".repeat(4000)).is_none());
}
