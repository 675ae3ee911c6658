//! Honest pairings, and attacks on them. Each attack is one test; a connection is a number, and TLS is represented by
//! what both sides report of it.

#![allow(clippy::unwrap_used, reason = "what is not there has failed a test already")]

mod support;

use handshake::body;
use handshake::device::DeviceName;
use handshake::encoding::{Digest32, Label, Nonce, Spki, WindowId};
use handshake::error::Code;
use handshake::keys::Head;
use handshake::pairing::{
    APPROVAL_MS, BAD_PROOFS_MAX, CHALLENGES_MAX, Challenge, Claimed, Codes, Confirmed, Enrol, Enrolled,
    Enrolment, Hello, Kdf, LIFETIME_MS, OpenError, OwnerError, PairError, Pairing, Proof, SentProof, Window,
    WindowName, WindowState,
};
use handshake::secret::Secret;
use handshake::transcript::{CompareDigits, Facts, Mac, PBKDF2_ROUNDS, PairingSecret, Transcript, commit_to};
use ring::rand::SystemRandom;
use runtime_types::UserId;
use std::collections::HashSet;
use support::{Cloud, NOW_MS, channel, ed25519, exporter, p256, runtime, wire, wrap_pub};

fn hello(
    cloud: &mut Cloud,
    pairing: Pairing,
    connection: u8,
    device: Spki,
) -> Result<(SentProof, Proof), Code> {
    let (said, hello) = pairing.connected(runtime(), exporter(connection)).unwrap();
    let challenge = cloud.hello(channel(connection, device), &hello)?;
    Ok(said.challenged(&challenge).unwrap())
}

fn claim(cloud: &mut Cloud, pairing: Pairing, connection: u8, device: Spki) -> Result<Confirmed, Code> {
    let (sent, proof) = hello(cloud, pairing, connection, device)?;
    let claimed = cloud.proof(connection, &proof)?;
    Ok(sent.claimed(&claimed).unwrap())
}

/// Pairs a phone; panics where anything is refused.
fn pair(cloud: &mut Cloud, pairing: Pairing, connection: u8, device: Spki) {
    let phone = claim(cloud, pairing, connection, device).unwrap();
    assert_eq!(cloud.window.claim().unwrap().digits, phone.digits());
    let (sent, enrol) = phone.enrol(wrap_pub(1));
    assert!(matches!(cloud.enrol(connection, &enrol), Ok(Enrolment::Wait { .. })));
    cloud.approve().unwrap();
    let Ok(Enrolment::Ready(new)) = cloud.enrol(connection, &enrol) else { panic!("not ready") };
    assert_eq!((new.device, new.wrap_pub, new.name.as_str()), (device, wrap_pub(1), "Anna's phone"));
    let enrolled = Enrolled {
        user_id: UserId([1; 16]),
        device_id: new.device.device_id(),
        label: Label([2; 16]),
        host: support::HOST.to_owned(),
        port: 443,
        spki_r: runtime(),
        next_pins: Vec::new(),
        scopes: vec!["usercache:put".to_owned()],
        head: Some(Head { seq: 1, hash: Digest32([3; 32]) }),
    };
    let paired = sent.enrolled(wire(&enrolled)).unwrap();
    assert_eq!((paired.device_id, paired.pin), (device.device_id(), runtime().pin()));
    assert_eq!(cloud.disk.as_ref().unwrap().state, WindowState::Done);
}

/// What an attacker with the secret computes, who writes the messages by hand.
fn by_hand(
    hello: &Hello,
    challenge: &Challenge,
    secret: &PairingSecret,
    connection: u8,
    device: Spki,
    nonce: Nonce,
) -> (Proof, CompareDigits) {
    let runtime = runtime();
    let facts = Facts {
        method: secret.method(),
        window: challenge.window,
        spki_runtime: runtime.as_bytes(),
        spki_device: device.as_bytes(),
        exporter: &exporter(connection),
        commit: hello.commit,
        nonce_runtime: challenge.nonce,
    };
    let transcript = Transcript::new(&facts, secret);
    (Proof { nonce, mac: transcript.mac_phone(&nonce) }, transcript.digits(&nonce))
}

fn hello_by_hand(window: WindowName, nonce: Nonce) -> Hello {
    let me = support::me(ed25519(1));
    Hello { window, commit: commit_to(&nonce), name: me.name, platform: me.platform }
}

#[test]
fn an_honest_phone_of_either_kind_pairs_with_either_code() {
    for device in [ed25519(1), p256(1)] {
        let mut cloud = Cloud::new(true);
        let phone = cloud.scanned_by(device);
        pair(&mut cloud, phone, 1, device);
        let mut cloud = Cloud::new(true);
        let phone = cloud.typed_into(device);
        pair(&mut cloud, phone, 1, device);
    }
}

#[test]
fn attack_1_a_wrong_secret_is_refused_and_counted() {
    let mut cloud = Cloud::new(true);
    let guess = Codes { secret: Secret::new([0; 16]), ..cloud.codes.clone() };
    let code = guess.qr(runtime().pin(), support::HOST.to_owned(), 443, false);
    let phone = Pairing::scanned(code, support::me(ed25519(1)), &SystemRandom::new()).unwrap();
    assert_eq!(claim(&mut cloud, phone, 1, ed25519(1)).err(), Some(Code::ProofWrong));
    assert_eq!(cloud.bad(), 1);
}

#[test]
fn attack_2_an_expired_window_answers_nobody() {
    let mut cloud = Cloud::new(false);
    let (_, proof) = {
        let phone = cloud.scanned_by(ed25519(1));
        hello(&mut cloud, phone, 1, ed25519(1)).unwrap()
    };
    cloud.now_ms += LIFETIME_MS;
    assert_eq!(cloud.proof(1, &proof), Err(Code::WindowGone));
    let phone = cloud.scanned_by(ed25519(1));
    assert_eq!(hello(&mut cloud, phone, 2, ed25519(1)).err(), Some(Code::WindowGone));
    assert_eq!(cloud.disk.unwrap().state, WindowState::Burnt);
}

#[test]
fn attacks_3_and_4_a_window_that_is_over_is_not_used_again() {
    let mut done = Cloud::new(false);
    let phone = done.scanned_by(ed25519(1));
    pair(&mut done, phone, 1, ed25519(1));
    let mut burnt = Cloud::new(false);
    burnt.reject().unwrap();
    for mut cloud in [done, burnt] {
        for connection in [1, 2] {
            let phone = cloud.scanned_by(ed25519(2));
            let refused = hello(&mut cloud, phone, connection, ed25519(2)).err();
            assert_eq!(refused, Some(Code::WindowGone));
        }
        let enrol = Enrol { wrap_pub: wrap_pub(1) };
        assert_eq!(cloud.enrol(1, &enrol), Err(Code::WindowGone));
        assert_eq!(cloud.approve(), Err(OwnerError::Over));
    }
}

#[test]
fn attack_5_after_five_bad_proofs_a_right_one_comes_too_late() {
    let mut cloud = Cloud::new(false);
    let phone = cloud.scanned_by(ed25519(9));
    let (_, right) = hello(&mut cloud, phone, 9, ed25519(9)).unwrap();
    for connection in 1..=BAD_PROOFS_MAX {
        let phone = cloud.scanned_by(ed25519(1));
        let (_, mut proof) = hello(&mut cloud, phone, connection, ed25519(1)).unwrap();
        proof.mac.0[0] ^= 1;
        assert_eq!(cloud.proof(connection, &proof), Err(Code::ProofWrong));
        assert_eq!(cloud.bad(), connection, "on the disk before the answer");
    }
    assert_eq!(cloud.proof(9, &right), Err(Code::WindowGone));
}

#[test]
fn attack_6_a_restart_gives_no_guess_back() {
    let mut cloud = Cloud::new(false);
    for connection in 1..BAD_PROOFS_MAX {
        let phone = cloud.scanned_by(ed25519(1));
        let (_, mut proof) = hello(&mut cloud, phone, connection, ed25519(1)).unwrap();
        proof.mac.0[0] ^= 1;
        assert_eq!(cloud.proof(connection, &proof), Err(Code::ProofWrong));
    }
    let old = cloud.codes.clone();
    let record = wire(&cloud.disk.unwrap());
    let refused = Window::open(&old, LIFETIME_MS, Some(&record), NOW_MS).err();
    assert_eq!(refused, Some(OpenError::WindowOpen), "not before it is burnt");
    let record = record.after_restart(NOW_MS);
    assert_eq!((record.state, record.bad), (WindowState::Burnt, BAD_PROOFS_MAX - 1));
    // Every later window has other secrets and another name.
    let mut next = Cloud::new(false);
    let stale = old.qr(runtime().pin(), support::HOST.to_owned(), 443, false);
    let phone = Pairing::scanned(stale, support::me(ed25519(1)), &SystemRandom::new()).unwrap();
    assert_eq!(hello(&mut next, phone, 1, ed25519(1)).err(), Some(Code::WindowGone));
}

#[test]
fn attack_7_of_two_phones_one_gets_the_window_and_the_other_is_told() {
    let mut cloud = Cloud::new(false);
    let (first, second) = (cloud.scanned_by(ed25519(1)), cloud.scanned_by(ed25519(2)));
    let (_, proof_1) = hello(&mut cloud, first, 1, ed25519(1)).unwrap();
    let (_, proof_2) = hello(&mut cloud, second, 2, ed25519(2)).unwrap();
    cloud.proof(2, &proof_2).unwrap();
    assert_eq!(cloud.proof(1, &proof_1), Err(Code::WindowClaimed));
    let third = cloud.scanned_by(ed25519(3));
    assert_eq!(hello(&mut cloud, third, 3, ed25519(3)).err(), Some(Code::WindowClaimed));
    cloud.approve().unwrap();
    let enrol = Enrol { wrap_pub: wrap_pub(1) };
    assert_eq!(cloud.enrol(1, &enrol), Err(Code::WindowClaimed));
    assert!(matches!(cloud.enrol(2, &enrol), Ok(Enrolment::Ready(new)) if new.device == ed25519(2)));
}

#[test]
fn attack_8_the_phones_own_mac_sent_back_is_not_the_runtimes() {
    let mut cloud = Cloud::new(true);
    let phone = cloud.typed_into(ed25519(1));
    let (sent, proof) = hello(&mut cloud, phone, 1, ed25519(1)).unwrap();
    let reflected = Claimed { mac: proof.mac, approve_by_s: 120 };
    assert_eq!(sent.claimed(&reflected).err(), Some(PairError::RuntimeProof));
}

#[test]
fn attacks_9_and_16_a_proof_is_worth_nothing_on_another_connection_even_if_nonces_repeat() {
    #[expect(deprecated, reason = "ring's own fixed bytes; its trait is sealed")]
    let fixed = ring::test::rand::FixedByteRandom { byte: 7 };
    let mut cloud = Cloud::new(false);
    let (said, hello) = cloud.scanned_by(ed25519(1)).connected(runtime(), exporter(1)).unwrap();
    let challenge = cloud.hello_with(channel(1, ed25519(1)), &hello, &fixed).unwrap();
    let (_, proof) = said.challenged(&challenge).unwrap();
    let again = cloud.hello_with(channel(2, ed25519(1)), &hello, &fixed).unwrap();
    assert_eq!(again, challenge, "same commitment, same nonces, same keys");
    assert_eq!(cloud.proof(2, &proof), Err(Code::ProofWrong));
    assert_eq!(cloud.bad(), 1);
    assert!(cloud.proof(1, &proof).is_ok(), "where it belongs");
}

#[test]
fn attack_16_a_runtime_draws_a_nonce_for_every_challenge() {
    let mut cloud = Cloud::new(false);
    let (_, hello) = cloud.scanned_by(ed25519(1)).connected(runtime(), exporter(1)).unwrap();
    let mut nonces = HashSet::new();
    for _ in 0..CHALLENGES_MAX {
        assert!(nonces.insert(cloud.hello(channel(1, ed25519(1)), &hello).unwrap().nonce));
    }
}

#[test]
fn attack_10_whoever_stands_between_is_met_by_the_pin_before_a_word_is_said() {
    let cloud = Cloud::new(false);
    let refused = cloud.scanned_by(ed25519(1)).connected(ed25519(99), exporter(1)).err();
    assert_eq!(refused, Some(PairError::OtherRuntime));
}

#[test]
fn attack_11_whoever_stands_between_without_the_typed_code_convinces_neither_side() {
    let mut cloud = Cloud::new(true);
    // The phone speaks to the attacker, key 99, connection 1; the attacker to the runtime, connection 2.
    let (said, hello) = cloud.typed_into(ed25519(1)).connected(ed25519(99), exporter(1)).unwrap();
    let challenge = cloud.hello(channel(2, ed25519(98)), &hello).unwrap();
    let (sent, proof) = said.challenged(&challenge).unwrap();
    assert_eq!(cloud.proof(2, &proof), Err(Code::ProofWrong), "relayed");
    let guessed = Claimed { mac: Mac([0; 32]), approve_by_s: 120 };
    let refused = sent.claimed(&guessed).err().unwrap();
    assert_eq!(refused.words(), Some("Not your cloud. Nothing was enrolled"));
}

#[test]
fn attack_12_whoever_stands_between_with_the_typed_code_is_betrayed_by_the_digits() {
    let mut cloud = Cloud::new(true);
    let mut attacker = Cloud::with(cloud.codes.clone());
    let (said, hello_1) = cloud.typed_into(ed25519(1)).connected(ed25519(99), exporter(1)).unwrap();
    let mut leg = channel(1, ed25519(1));
    leg.runtime = ed25519(99);
    let challenge = attacker.hello(leg, &hello_1).unwrap();
    let (sent, proof) = said.challenged(&challenge).unwrap();
    let victim = sent.claimed(&attacker.proof(1, &proof).unwrap()).unwrap();
    let phone = cloud.typed_into(ed25519(98));
    let attackers = claim(&mut cloud, phone, 2, ed25519(98)).unwrap();
    let shown = cloud.window.claim().unwrap();
    assert_eq!((shown.digits, shown.device), (attackers.digits(), ed25519(98)));
    assert_ne!(shown.digits, victim.digits());
    cloud.reject().unwrap();
    assert_eq!(cloud.enrol(2, &attackers.enrol(wrap_pub(2)).1), Err(Code::NotApproved));
}

#[test]
fn attacks_13_and_14_both_keys_and_the_exporter_are_proven() {
    for (device, runtime_key, exported) in
        [(ed25519(2), runtime(), 1), (ed25519(1), ed25519(99), 1), (ed25519(1), runtime(), 9)]
    {
        let mut cloud = Cloud::new(true);
        let (said, hello) = cloud.typed_into(ed25519(1)).connected(runtime(), exporter(1)).unwrap();
        let mut seen = channel(1, device);
        (seen.runtime, seen.exporter) = (runtime_key, exporter(exported));
        let (_, proof) = said.challenged(&cloud.hello(seen, &hello).unwrap()).unwrap();
        assert_eq!(cloud.proof(1, &proof), Err(Code::ProofWrong));
    }
}

#[test]
fn attack_15_a_nonce_that_was_not_committed_to_is_a_bad_proof_although_its_mac_is_right() {
    let mut cloud = Cloud::new(false);
    let secret = PairingSecret::Qr(cloud.codes.secret.clone());
    let window = WindowName::Scanned(cloud.codes.window);
    let hello = hello_by_hand(window, Nonce([1; 32]));
    for (nonce, right) in [(Nonce([2; 32]), false), (Nonce([1; 32]), true)] {
        let challenge = cloud.hello(channel(1, ed25519(1)), &hello).unwrap();
        let (proof, _) = by_hand(&hello, &challenge, &secret, 1, ed25519(1), nonce);
        assert_eq!(cloud.proof(1, &proof).is_ok(), right);
    }
    assert_eq!(cloud.bad(), 1);
}

#[test]
fn attack_17_a_code_typed_and_a_code_scanned_are_never_taken_for_one_another() {
    let mut cloud = Cloud::new(true);
    let code = cloud.codes.typed.clone().unwrap();
    let scanned = PairingSecret::Qr(cloud.codes.secret.clone());
    let typed = PairingSecret::stretch(&code, cloud.codes.window, PBKDF2_ROUNDS).unwrap();
    let (by_id, by_selector) = (WindowName::Scanned(cloud.codes.window), WindowName::Typed(code.selector()));
    for (window, secret, right) in
        [(by_id, &typed, false), (by_selector, &scanned, false), (by_selector, &typed, true)]
    {
        let hello = hello_by_hand(window, Nonce([1; 32]));
        let challenge = cloud.hello(channel(1, ed25519(1)), &hello).unwrap();
        let (proof, _) = by_hand(&hello, &challenge, secret, 1, ed25519(1), Nonce([1; 32]));
        assert_eq!(cloud.proof(1, &proof).is_ok(), right);
    }
}

#[test]
fn attack_18_a_phone_neither_weakens_its_code_nor_computes_without_end() {
    let cloud = Cloud::new(true);
    for iterations in [1, 99_999, 2_000_001, u32::MAX] {
        let (said, _) = cloud.typed_into(ed25519(1)).connected(runtime(), exporter(1)).unwrap();
        let (window, nonce) = (cloud.codes.window, Nonce([1; 32]));
        let challenge = Challenge { window, nonce, kdf: Kdf { iterations } };
        let refused = said.challenged(&wire(&challenge)).err();
        assert_eq!(refused, Some(PairError::Stretch { iterations }));
    }
}

#[test]
fn attack_19_steps_out_of_order_lead_nowhere() {
    let mut cloud = Cloud::new(false);
    let enrol = Enrol { wrap_pub: wrap_pub(1) };
    let early = Proof { nonce: Nonce([1; 32]), mac: Mac([1; 32]) };
    assert_eq!(cloud.proof(1, &early), Err(Code::ProofWrong), "M3 before M1");
    assert_eq!(cloud.bad(), 0, "nothing was guessed");
    assert_eq!(cloud.enrol(1, &enrol), Err(Code::NotApproved), "M5 before M1");
    assert_eq!(cloud.approve(), Err(OwnerError::NobodyWaits));
    let phone = cloud.scanned_by(ed25519(1));
    let (_, proof) = hello(&mut cloud, phone, 1, ed25519(1)).unwrap();
    assert_eq!(cloud.enrol(1, &enrol), Err(Code::NotApproved), "M5 before M3");
    cloud.proof(1, &proof).unwrap();
    assert_eq!(cloud.proof(1, &proof), Err(Code::WindowClaimed), "M3 twice");
    let until_ms = NOW_MS + APPROVAL_MS;
    assert_eq!(cloud.enrol(1, &enrol), Ok(Enrolment::Wait { until_ms }), "M5 before the owner");
}

#[test]
fn attack_20_all_three_requests_come_on_one_connection() {
    let mut cloud = Cloud::new(false);
    let phone = cloud.scanned_by(ed25519(1));
    let (_, proof) = hello(&mut cloud, phone, 1, ed25519(1)).unwrap();
    assert_eq!(cloud.proof(2, &proof), Err(Code::ProofWrong));
    cloud.proof(1, &proof).unwrap();
    cloud.approve().unwrap();
    let enrol = Enrol { wrap_pub: wrap_pub(1) };
    assert_eq!(cloud.enrol(2, &enrol), Err(Code::WindowClaimed));
    assert!(matches!(cloud.enrol(1, &enrol), Ok(Enrolment::Ready(_))));
}

#[test]
fn attack_21_a_window_of_one_person_is_unknown_to_another_also_when_that_ones_is_claimed() {
    let (mine, mut other) = (Cloud::new(false), Cloud::new(false));
    let phone = mine.scanned_by(ed25519(1));
    assert_eq!(hello(&mut other, phone, 1, ed25519(1)).err(), Some(Code::WindowGone));
    let phone = other.scanned_by(ed25519(2));
    claim(&mut other, phone, 2, ed25519(2)).unwrap();
    let phone = mine.scanned_by(ed25519(1));
    assert_eq!(hello(&mut other, phone, 1, ed25519(1)).err(), Some(Code::WindowGone));
    assert_eq!(other.disk.unwrap().challenges, 1);
}

#[test]
fn attack_23_a_name_that_misleads_the_owner_is_no_body() {
    let cloud = Cloud::new(false);
    let (_, hello) = cloud.scanned_by(ed25519(1)).connected(runtime(), exporter(1)).unwrap();
    let mut body = serde_json::to_value(&hello).unwrap();
    for name in ["a\u{202e}b", "a\u{2067}b", "a\nb", "", &"x".repeat(65)] {
        body["name"] = name.into();
        let read = body::read::<Hello>(&serde_json::to_vec(&body).unwrap());
        assert_eq!(read, Err(Code::Malformed), "{name:?}");
    }
    body["name"] = "x".into();
    let read = body::read::<Hello>(&serde_json::to_vec(&body).unwrap()).unwrap();
    assert_eq!(read.name, DeviceName::new("x").unwrap());
}

#[test]
fn attack_24_an_approval_is_worth_something_once_and_in_time() {
    let mut cloud = Cloud::new(false);
    let phone = cloud.scanned_by(ed25519(1));
    let phone = claim(&mut cloud, phone, 1, ed25519(1)).unwrap();
    cloud.now_ms += APPROVAL_MS - 1;
    let other = support::persisted(cloud.window.approve(WindowId([0; 8]), cloud.now_ms), &mut None);
    assert_eq!(other, Err(OwnerError::OtherWindow));
    assert_eq!((cloud.approve(), cloud.approve()), (Ok(()), Err(OwnerError::AlreadyApproved)));
    let (_, enrol) = phone.enrol(wrap_pub(1));
    assert!(matches!(cloud.enrol(1, &enrol), Ok(Enrolment::Ready(_))));
    assert_eq!(cloud.approve(), Err(OwnerError::Over));

    let mut late = Cloud::new(false);
    let phone = late.scanned_by(ed25519(1));
    claim(&mut late, phone, 1, ed25519(1)).unwrap();
    late.now_ms += APPROVAL_MS;
    assert_eq!(late.approve(), Err(OwnerError::Over));
    assert_eq!(late.enrol(1, &enrol), Err(Code::NotApproved));

    let mut unused = Cloud::new(false);
    let phone = unused.scanned_by(ed25519(1));
    claim(&mut unused, phone, 1, ed25519(1)).unwrap();
    unused.approve().unwrap();
    unused.now_ms += APPROVAL_MS;
    assert_eq!(unused.enrol(1, &enrol), Err(Code::NotApproved), "an approval that nobody uses ends too");
}

#[test]
fn attack_79_whoever_has_the_typed_code_and_stands_between_sees_ten_pairs_of_digits_of_a_million() {
    let mut cloud = Cloud::new(true);
    let code = cloud.codes.typed.clone().unwrap();
    let secret = PairingSecret::stretch(&code, cloud.codes.window, PBKDF2_ROUNDS).unwrap();
    let nonce = Nonce([1; 32]);
    let hello = hello_by_hand(WindowName::Typed(code.selector()), nonce);
    let mut seen = Vec::new();
    while let Ok(challenge) = cloud.hello(channel(1, ed25519(98)), &hello) {
        // The digits are known before M3 is sent, so a pair that does not match the phone's is dropped unseen.
        let (_, digits) = by_hand(&hello, &challenge, &secret, 1, ed25519(98), nonce);
        seen.push(digits);
        assert!(seen.len() <= usize::from(CHALLENGES_MAX));
    }
    assert_eq!(seen.len(), 10);
    assert!(seen.iter().collect::<HashSet<_>>().len() > 1, "each challenge gives other digits");
    assert_eq!(cloud.hello(channel(1, ed25519(98)), &hello), Err(Code::WindowGone));
    assert_eq!(cloud.disk.unwrap().state, WindowState::Burnt);

    // The limit is needed because these are the digits that the owner would see.
    let mut cloud = Cloud::with(cloud.codes);
    let challenge = cloud.hello(channel(1, ed25519(98)), &hello).unwrap();
    let (proof, digits) = by_hand(&hello, &challenge, &secret, 1, ed25519(98), nonce);
    cloud.proof(1, &proof).unwrap();
    assert_eq!(cloud.window.claim().unwrap().digits, digits);
}
