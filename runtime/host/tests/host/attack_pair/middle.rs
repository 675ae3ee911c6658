//! Whoever stands between a phone and its host, or in place of it: attacks 8, 10 to 12, 18 and 79.

use std::collections::HashSet;
use std::sync::Arc;

use handshake::device::{DeviceName, Platform};
use handshake::encoding::{KeyKind, Label, Nonce, Pin};
use handshake::error::Code;
use handshake::keys::{Agree, Head, WrapKey};
use handshake::pairing::{
    CHALLENGES_MAX, Challenge, Claimed, Codes, Enrol, Enrolled, Hello, Kdf, LIFETIME_MS, PairError, Proof,
    Window, WindowState,
};
use handshake::secret::Secret;
use handshake::transcript::{CompareDigits, Mac};
use ring::rand::SystemRandom;
use runtime_phone::{Code as Given, PhoneError, PhoneFile, PhoneKeys, pair};
use runtime_user::{Invitation, UserId};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::cloud::{Cloud, start};
use super::impostor::{Impostor, Met};
use super::pairing::{answer, burnt, honest_anew, honest_in, nobody_enrolled, window};
use super::phone::{Hand, hello, key, network, qr_of, typed, typed_of};

const NONCE: Nonce = Nonce([1; 32]);
const NOW_MS: u64 = 1_790_000_000_000;

type Phone = (JoinHandle<Result<PhoneFile, PhoneError>>, oneshot::Receiver<String>);

/// An honest phone, and the digits that it shows.
fn phone(given: Given) -> Phone {
    let (show, shown) = oneshot::channel();
    let keys = PhoneKeys::random(KeyKind::P256).unwrap();
    let name = DeviceName::new("honest phone").unwrap();
    let phone = tokio::spawn(pair(given, keys, name, Platform::Ios, |digits| {
        let _ = show.send(digits.to_string());
    }));
    (phone, shown)
}

/// The scanned code; the network leads its caller to the impostor.
fn scans(invitation: &Invitation, impostor: &Impostor) -> Given {
    let mut code = qr_of(invitation);
    code.port = impostor.port();
    Given::Scanned(code)
}

fn types(invitation: &Invitation, impostor: &Impostor) -> Given {
    let (code, host) = (typed_of(invitation), "127.0.0.1".to_owned());
    Given::Typed { code, host, port: impostor.port() }
}

/// An open window, and an honest phone whose typed code the network leads to an impostor.
struct Astray {
    cloud: Cloud,
    user: UserId,
    invitation: Invitation,
    impostor: Impostor,
    met: Met,
    phone: Phone,
}

async fn led_astray() -> Astray {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let invitation = cloud.open_window(user).await;
    let impostor = Impostor::new().await;
    let phone = phone(types(&invitation, &impostor));
    let met = impostor.meet().await.unwrap();
    Astray { cloud, user, invitation, impostor, met, phone }
}

fn refused_by_phone(outcome: Result<PhoneFile, PhoneError>) -> PairError {
    match outcome {
        Err(PhoneError::Pair { why }) => why,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("paired"),
    }
}

fn other_runtime(outcome: &Result<PhoneFile, PhoneError>) -> bool {
    matches!(outcome, Err(PhoneError::OtherRuntime))
}

/// A runtime of the impostor's own, for a code that it knows; what it does not know of it is made up.
struct Fake(Window);

impl Fake {
    fn knowing(invitation: &Invitation) -> Self {
        let codes = Codes {
            window: invitation.window,
            label: Label([0; 16]),
            secret: Secret::new([0; 16]),
            typed: Some(typed_of(invitation)),
        };
        let window = Window::open(&codes, LIFETIME_MS, None, NOW_MS).unwrap();
        Self(window.after(|_, _| Ok::<_, ()>(())).unwrap())
    }

    /// Takes the phone's leg up to M4; gives the digits that the phone now shows.
    async fn charm(&mut self, met: &mut Met) -> CompareDigits {
        let hello: Hello = met.hears("hello").await;
        let challenge = self.0.hello(met.channel.clone(), &hello, NOW_MS, &SystemRandom::new());
        met.answers(&challenge.after(|_, _| Ok::<_, ()>(())).unwrap().unwrap()).await;
        let proof: Proof = met.hears("proof").await;
        let claimed = self.0.proof(met.channel.connection, &proof, NOW_MS);
        met.answers(&claimed.after(|_, _| Ok::<_, ()>(())).unwrap().unwrap()).await;
        self.0.claim().unwrap().digits
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_08_the_phones_mac_reflected_as_the_runtimes() {
    let Astray { cloud, user, invitation, impostor: _listens, mut met, phone: (phone, shown) } =
        led_astray().await;
    let _: Hello = met.hears("hello").await;
    let kdf = Kdf { iterations: handshake::transcript::PBKDF2_ROUNDS };
    met.answers(&Challenge { window: invitation.window, nonce: NONCE, kdf }).await;
    let proof: Proof = met.hears("proof").await;
    met.answers(&Claimed { mac: proof.mac, approve_by_s: 120 }).await;
    assert_eq!(refused_by_phone(phone.await.unwrap()), PairError::RuntimeProof);
    assert!(met.heard().await.is_none(), "no key for wrapping was sent");
    assert!(shown.await.is_err(), "and no digits were shown");
    assert_eq!(window(&cloud, user), (WindowState::Open, 0, 0));
    nobody_enrolled(&cloud, user);
    honest_in(&cloud, user, &invitation).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_10_somebody_between_where_the_code_was_scanned() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let invitation = cloud.open_window(user).await;
    // With a key of its own: the pin of the code is of another.
    let impostor = Impostor::new().await;
    let (turned_away, _) = phone(scans(&invitation, &impostor));
    let access_denied = 49;
    assert_eq!(impostor.meet().await.err(), Some(Some(access_denied)), "before a word is said");
    assert!(other_runtime(&turned_away.await.unwrap()));
    // With the runtime's own public key, which anybody can see, and without the private one.
    let shown = *cloud.runtime.owners().signing_key(user).unwrap().spki();
    let impostor = Impostor::showing(key(KeyKind::Ed25519), &shown).await;
    let (turned_away, _) = phone(scans(&invitation, &impostor));
    let decrypt_error = 51;
    assert_eq!(impostor.meet().await.err(), Some(Some(decrypt_error)));
    assert!(other_runtime(&turned_away.await.unwrap()));
    assert_eq!(window(&cloud, user), (WindowState::Open, 0, 0));
    nobody_enrolled(&cloud, user);
    honest_in(&cloud, user, &invitation).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_11_somebody_between_who_does_not_know_the_typed_code() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let invitation = cloud.open_window(user).await;
    let name = typed(&invitation).server_name;
    for (round, forges) in [(1, false), (2, true)] {
        let impostor = Impostor::new().await;
        let (phone, shown) = phone(types(&invitation, &impostor));
        let mut met = impostor.meet().await.unwrap();
        let mut onward = Hand::connect(cloud.address, &name, &impostor.key).await.unwrap();
        // Everything is handed on as it came, both ways.
        let (step, body) = met.heard().await.unwrap();
        let challenge: Challenge = onward.post_bytes(&step, body).await.unwrap();
        met.answers(&challenge).await;
        let (step, body) = met.heard().await.unwrap();
        let (status, answer) = onward.try_post(&step, body).await.unwrap();
        assert_eq!((status, &answer[..]), (403, &br#"{"error":"UPC-004","retry":null}"#[..]));
        if forges {
            met.answers(&Claimed { mac: Mac([0; 32]), approve_by_s: 120 }).await;
            assert_eq!(refused_by_phone(phone.await.unwrap()), PairError::RuntimeProof);
        } else {
            met.answers_bytes(status, &answer).await;
            let refused = phone.await.unwrap().err().unwrap();
            assert!(matches!(refused, PhoneError::Code { code: Code::ProofWrong }), "{refused}");
        }
        assert!(met.heard().await.is_none(), "the phone hangs up");
        assert!(shown.await.is_err(), "and shows no digits");
        assert_eq!(window(&cloud, user), (WindowState::Open, round, round));
    }
    nobody_enrolled(&cloud, user);
    honest_in(&cloud, user, &invitation).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_12_somebody_between_who_knows_the_typed_code() {
    let Astray { cloud, user, invitation, impostor, mut met, phone: (phone, shown) } = led_astray().await;
    let phones = Fake::knowing(&invitation).charm(&mut met).await.to_string();
    assert_eq!(shown.await.unwrap(), phones, "the phone believes it");
    let way = typed(&invitation);
    let mut onward = Hand::connect(cloud.address, &way.server_name, &impostor.key).await.unwrap();
    let claimed = onward.claim(&way).await.unwrap();
    assert_eq!(window(&cloud, user), (WindowState::Claimed, 0, 1), "and so does the runtime");
    // Whoever compares sees two numbers.
    let owners = cloud.pairing(user).unwrap().claim.unwrap().digits;
    assert_eq!(owners, claimed.to_string());
    assert_ne!(owners, phones);
    let _: Enrol = met.hears("enrol").await;
    answer(&cloud, user, &invitation, false).unwrap();
    assert_eq!(onward.enrol().await, Err((403, Code::NotApproved)));
    met.answers_bytes(403, br#"{"error":"UPC-006","retry":null}"#).await;
    let refused = phone.await.unwrap().err().unwrap();
    assert!(matches!(refused, PhoneError::Code { code: Code::NotApproved }), "{refused}");
    assert_eq!(window(&cloud, user).0, WindowState::Burnt);
    nobody_enrolled(&cloud, user);
    honest_anew(&cloud, user).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_14_papers_of_another_runtime_or_another_phone() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let invitation = cloud.open_window(user).await;
    for swaps_runtime in [true, false] {
        let impostor = Impostor::new().await;
        let (phone, _shown) = phone(types(&invitation, &impostor));
        let mut met = impostor.meet().await.unwrap();
        Fake::knowing(&invitation).charm(&mut met).await;
        let _: Enrol = met.hears("enrol").await;
        let other = *key(KeyKind::Ed25519).spki();
        let enrolled = Enrolled {
            user_id: user,
            device_id: if swaps_runtime { met.channel.device } else { other }.device_id(),
            label: Label([2; 16]),
            host: "127.0.0.1".to_owned(),
            port: impostor.port(),
            spki_r: if swaps_runtime { other } else { met.channel.runtime },
            next_pins: Vec::<Pin>::new(),
            scopes: Vec::new(),
            head: None::<Head>,
        };
        met.answers(&enrolled).await;
        assert_eq!(refused_by_phone(phone.await.unwrap()), PairError::OtherEnrolment);
    }
    assert_eq!(window(&cloud, user), (WindowState::Open, 0, 0));
    nobody_enrolled(&cloud, user);
    honest_in(&cloud, user, &invitation).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_16_an_impostor_repeats_a_runtimes_answers() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let invitation = cloud.open_window(user).await;
    // What the runtime said to a phone whose messages were seen in the clear, for whatever reason.
    let way = typed(&invitation);
    let mut phone_1 = Hand::connect(cloud.address, &way.server_name, &key(KeyKind::P256)).await.unwrap();
    let challenge = phone_1.hello(way.window, NONCE).await.unwrap();
    let (proof, _) = phone_1.right(&way, &challenge, NONCE);
    let claimed = phone_1.proof(&proof).await.unwrap();
    answer(&cloud, user, &invitation, false).unwrap();
    let impostor = Impostor::new().await;
    let (phone_2, shown) = phone(types(&invitation, &impostor));
    let mut met = impostor.meet().await.unwrap();
    let _: Hello = met.hears("hello").await;
    met.answers(&challenge).await;
    let again: Proof = met.hears("proof").await;
    assert_ne!((again.nonce, again.mac), (proof.nonce, proof.mac), "the phone's part is fresh");
    met.answers(&claimed).await;
    assert_eq!(refused_by_phone(phone_2.await.unwrap()), PairError::RuntimeProof);
    assert!(shown.await.is_err());
    nobody_enrolled(&cloud, user);
    honest_anew(&cloud, user).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_18_too_few_rounds_of_stretching_or_far_too_many() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let invitation = cloud.open_window(user).await;
    for iterations in [0, 1, 99_999, 2_000_001, 1_000_000_000, u32::MAX] {
        let impostor = Impostor::new().await;
        let (phone, shown) = phone(types(&invitation, &impostor));
        let mut met = impostor.meet().await.unwrap();
        let _: Hello = met.hears("hello").await;
        met.answers(&Challenge { window: invitation.window, nonce: NONCE, kdf: Kdf { iterations } }).await;
        assert_eq!(refused_by_phone(phone.await.unwrap()), PairError::Stretch { iterations });
        assert!(met.heard().await.is_none(), "no proof that could be guessed at");
        assert!(shown.await.is_err());
    }
    // Other functions, and numbers that are none.
    let sound = serde_json::to_value(Challenge {
        window: invitation.window,
        nonce: NONCE,
        kdf: Kdf { iterations: handshake::transcript::PBKDF2_ROUNDS },
    });
    for kdf in [
        json!({"alg": "pbkdf2-sha1", "iter": 100_000}),
        json!({"alg": "none", "iter": 100_000}),
        json!({"alg": "pbkdf2-sha256", "iter": 1_000_000_000_000_u64}),
        json!({"alg": "pbkdf2-sha256", "iter": -1}),
        json!({"alg": "pbkdf2-sha256"}),
        Value::Null,
    ] {
        let impostor = Impostor::new().await;
        let (phone, _shown) = phone(types(&invitation, &impostor));
        let mut met = impostor.meet().await.unwrap();
        let _: Hello = met.hears("hello").await;
        let mut challenge = sound.as_ref().unwrap().clone();
        challenge["kdf"] = kdf;
        met.answers(&challenge).await;
        let refused = phone.await.unwrap().err().unwrap();
        assert!(matches!(refused, PhoneError::Answer { .. }), "{refused}");
        assert!(met.heard().await.is_none());
    }
    assert_eq!(window(&cloud, user), (WindowState::Open, 0, 0));
    nobody_enrolled(&cloud, user);
    honest_in(&cloud, user, &invitation).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_79_challenges_until_the_digits_match() {
    let Astray { cloud, user, invitation, impostor, mut met, phone: (phone, shown) } = led_astray().await;
    Fake::knowing(&invitation).charm(&mut met).await;
    let victims = shown.await.unwrap();
    // It knows the code, so it knows each challenge's digits before it proves anything, and throws away those that do
    // not match; on one connection, on more, from one network or from several.
    let way = typed(&invitation);
    let (mut seen, mut hands) = (HashSet::new(), Vec::new());
    for round in 0..CHALLENGES_MAX {
        if round % 4 == 0 {
            let from = network(round / 4);
            let hand = Hand::connect_from(from, cloud.address, &way.server_name, &impostor.key).await;
            hands.push(hand.unwrap());
        }
        let hand = hands.last_mut().unwrap();
        let challenge = hand.hello(way.window, NONCE).await.unwrap();
        let (_, digits) = hand.right(&way, &challenge, NONCE);
        assert_ne!(digits.to_string(), victims, "one in a hundred thousand");
        seen.insert(digits);
        assert_eq!(window(&cloud, user), (WindowState::Open, 0, round + 1));
    }
    assert!(seen.len() > 1, "each challenge has digits of its own");
    let mut fresh =
        Hand::connect_from(network(9), cloud.address, &way.server_name, &impostor.key).await.unwrap();
    assert_eq!(fresh.hello(way.window, NONCE).await, Err((410, Code::WindowGone)));
    assert_eq!(window(&cloud, user), (WindowState::Burnt, 0, CHALLENGES_MAX));
    // Nor is the last challenge good for anything now.
    let (proof, _) = fresh.right(&way, &challenge_of(&invitation), NONCE);
    for hand in &mut hands {
        assert_eq!(hand.proof(&proof).await, Err((410, Code::WindowGone)));
    }
    let wrap = WrapKey::random(&SystemRandom::new()).unwrap();
    let enrol = Enrol { wrap_pub: wrap.public() };
    let refused = fresh.post::<Enrolled>("enrol", &enrol).await;
    assert_eq!(refused, Err((410, Code::WindowGone)));
    drop(met);
    assert!(phone.await.unwrap().is_err(), "the phone was never let in anywhere");
    nobody_enrolled(&cloud, user);

    // The same without a window burning: connections that go away give no challenge back, either.
    let invitation = cloud.open_window(user).await;
    let way = typed(&invitation);
    for round in 0..CHALLENGES_MAX {
        let from = network(10 + round);
        let key = Arc::clone(&impostor.key);
        let mut hand = Hand::connect_from(from, cloud.address, &way.server_name, &key).await.unwrap();
        let sent: Result<Challenge, _> = hand.post("hello", &hello(way.window, NONCE)).await;
        sent.unwrap();
    }
    burnt(&cloud, user).await;
    assert_eq!(window(&cloud, user), (WindowState::Burnt, 0, CHALLENGES_MAX));
    nobody_enrolled(&cloud, user);
    honest_anew(&cloud, user).await;
}

fn challenge_of(invitation: &Invitation) -> Challenge {
    let kdf = Kdf { iterations: handshake::transcript::PBKDF2_ROUNDS };
    Challenge { window: invitation.window, nonce: NONCE, kdf }
}
