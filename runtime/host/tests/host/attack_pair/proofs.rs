//! What a proof is about: attacks 9 and 13 to 17.

use std::collections::HashSet;

use handshake::encoding::{KeyKind, Nonce};
use handshake::error::Code;
use handshake::pairing::{CHALLENGES_MAX, WindowState};
use handshake::transcript::{Facts, commit_to};
use serde_json::json;

use super::cloud::start;
use super::pairing::{burnt, honest_anew, honest_in, nobody_enrolled, window};
use super::phone::{Hand, hello, key, network, prove, scanned, typed};

const NONCE: Nonce = Nonce([1; 32]);
const WRONG: (u16, Code) = (403, Code::ProofWrong);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_09_a_proof_of_another_connection() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let invitation = cloud.open_window(user).await;
    let way = scanned(&invitation);
    // Both connections show the same key, so that nothing but the connection tells them apart.
    let key = key(KeyKind::P256);
    let mut here = Hand::connect(cloud.address, &way.server_name, &key).await.unwrap();
    let mut there = Hand::connect(cloud.address, &way.server_name, &key).await.unwrap();
    assert_ne!(here.exporter, there.exporter);
    let challenge = here.hello(way.window, NONCE).await.unwrap();
    let other = there.hello(way.window, NONCE).await.unwrap();
    assert_ne!(challenge.nonce, other.nonce);
    // As it was sent there.
    let (proof, _) = there.right(&way, &other, NONCE);
    assert_eq!(here.proof(&proof).await, Err(WRONG));
    // With this connection's challenge, but bound to the other connection.
    let challenge = here.hello(way.window, NONCE).await.unwrap();
    let (proof, _) = there.right(&way, &challenge, NONCE);
    assert_eq!(here.proof(&proof).await, Err(WRONG));
    assert_eq!(window(&cloud, user), (WindowState::Open, 2, 3));
    nobody_enrolled(&cloud, user);
    // Where it belongs it is right.
    let (proof, _) = there.right(&way, &other, NONCE);
    there.proof(&proof).await.unwrap();
    assert_eq!(window(&cloud, user), (WindowState::Claimed, 2, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_13_the_devices_key_swapped() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let invitation = cloud.open_window(user).await;
    let way = scanned(&invitation);
    for (bad, kind) in [(1, KeyKind::P256), (2, KeyKind::Ed25519)] {
        let mut thief = Hand::connect(cloud.address, &way.server_name, &key(kind)).await.unwrap();
        let challenge = thief.hello(way.window, NONCE).await.unwrap();
        let victim = key(KeyKind::P256);
        let facts = Facts {
            spki_device: victim.spki().as_bytes(),
            ..thief.facts(&way, &challenge, commit_to(&NONCE))
        };
        let (proof, _) = prove(&facts, &way.secret, NONCE);
        assert_eq!(thief.proof(&proof).await, Err(WRONG), "proven for another key than the connection's");
        assert_eq!(window(&cloud, user), (WindowState::Open, bad, bad));
    }
    nobody_enrolled(&cloud, user);
    honest_in(&cloud, user, &invitation).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_14_the_runtimes_key_swapped() {
    let cloud = start().await;
    let (user, neighbour) = (cloud.add("Ada"), cloud.add("Bob"));
    let invitation = cloud.open_window(user).await;
    let way = scanned(&invitation);
    let mut phone = Hand::connect(cloud.address, &way.server_name, &key(KeyKind::P256)).await.unwrap();
    assert_eq!(phone.runtime, *cloud.runtime.owners().signing_key(user).unwrap().spki());
    let bobs = *cloud.runtime.owners().signing_key(neighbour).unwrap().spki();
    assert_ne!(bobs, phone.runtime, "no two people share a key");
    for (bad, swapped) in [(1, bobs), (2, *key(KeyKind::Ed25519).spki())] {
        let challenge = phone.hello(way.window, NONCE).await.unwrap();
        let facts =
            Facts { spki_runtime: swapped.as_bytes(), ..phone.facts(&way, &challenge, commit_to(&NONCE)) };
        let (proof, _) = prove(&facts, &way.secret, NONCE);
        assert_eq!(phone.proof(&proof).await, Err(WRONG), "proven for another runtime");
        assert_eq!(window(&cloud, user), (WindowState::Open, bad, bad));
    }
    nobody_enrolled(&cloud, user);
    honest_in(&cloud, user, &invitation).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_15_a_nonce_that_was_not_committed_to() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let invitation = cloud.open_window(user).await;
    let way = scanned(&invitation);
    let mut phone = Hand::connect(cloud.address, &way.server_name, &key(KeyKind::P256)).await.unwrap();
    let challenge = phone.hello(way.window, NONCE).await.unwrap();
    // The mac is right for the commitment that was sent, and the nonce chosen after the challenge was seen.
    let chosen = Nonce([2; 32]);
    let facts = phone.facts(&way, &challenge, commit_to(&NONCE));
    let (proof, _) = prove(&facts, &way.secret, chosen);
    assert_eq!(phone.proof(&proof).await, Err(WRONG));
    assert_eq!(window(&cloud, user), (WindowState::Open, 1, 1), "and counted");
    // Nor with a mac that pretends the other commitment.
    let challenge = phone.hello(way.window, NONCE).await.unwrap();
    let (proof, _) = phone.right(&way, &challenge, chosen);
    assert_eq!(phone.proof(&proof).await, Err(WRONG));
    assert_eq!(window(&cloud, user), (WindowState::Open, 2, 2));
    nobody_enrolled(&cloud, user);
    honest_in(&cloud, user, &invitation).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_16_a_runtimes_nonce_used_again() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let invitation = cloud.open_window(user).await;
    let way = scanned(&invitation);
    // The runtime never repeats one, on one connection or on several.
    let mut nonces = HashSet::new();
    let mut phone = Hand::connect(cloud.address, &way.server_name, &key(KeyKind::P256)).await.unwrap();
    for round in 0..CHALLENGES_MAX - 1 {
        if round % 3 == 2 {
            let from = network(round);
            phone =
                Hand::connect_from(from, cloud.address, &way.server_name, &key(KeyKind::P256)).await.unwrap();
        }
        assert!(nonces.insert(phone.hello(way.window, NONCE).await.unwrap().nonce));
    }
    // And one of its old ones is good for nothing: the last challenge alone counts.
    let challenge = phone.hello(way.window, NONCE).await.unwrap();
    let mut old = challenge.clone();
    old.nonce = *nonces.iter().next().unwrap();
    let (proof, _) = phone.right(&way, &old, NONCE);
    assert_eq!(phone.proof(&proof).await, Err(WRONG));
    nobody_enrolled(&cloud, user);
    drop(phone);
    // As ten challenges are gone, the window is of no use to anybody.
    burnt(&cloud, user).await;
    let refused = Hand::connect(cloud.address, &way.server_name, &key(KeyKind::P256)).await;
    assert_eq!(refused.err(), Some(Some(112)));
    honest_anew(&cloud, user).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_17_a_scanned_code_taken_for_a_typed_one_and_the_reverse() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let invitation = cloud.open_window(user).await;
    let (scan, type_) = (scanned(&invitation), typed(&invitation));
    let mut phone = Hand::connect(cloud.address, &scan.server_name, &key(KeyKind::P256)).await.unwrap();
    // Each code's secret under the name of the other, and under its own name with the other method proven.
    let tries =
        [(&scan, &type_, &type_), (&type_, &scan, &scan), (&scan, &scan, &type_), (&type_, &type_, &scan)];
    for (named, known, said) in tries {
        let challenge = phone.hello(named.window, NONCE).await.unwrap();
        let facts =
            Facts { method: said.secret.method(), ..phone.facts(known, &challenge, commit_to(&NONCE)) };
        let (proof, _) = prove(&facts, &known.secret, NONCE);
        assert_eq!(phone.proof(&proof).await, Err(WRONG));
    }
    assert_eq!(window(&cloud, user), (WindowState::Open, 4, 4));
    // A hello that names its window in both ways, in none, in the other's, or by a method that is not offered.
    let (by_scan, by_type) = (
        serde_json::to_value(hello(scan.window, NONCE)).unwrap(),
        serde_json::to_value(hello(type_.window, NONCE)).unwrap(),
    );
    let mut both = by_scan.clone();
    both["selector"] = by_type["selector"].clone();
    let mut none = by_scan.clone();
    none.as_object_mut().unwrap().remove("window");
    let (mut as_typed, mut as_scanned) = (by_scan.clone(), by_type);
    (as_typed["method"], as_scanned["method"]) = (json!(2), json!(1));
    let mut bodies = vec![both, none, as_typed, as_scanned];
    for method in [json!(0), json!(3), json!(4), json!("1"), json!(null)] {
        let mut other = by_scan.clone();
        other["method"] = method;
        bodies.push(other);
    }
    for body in bodies {
        let refused = phone.post::<serde_json::Value>("hello", &body).await;
        assert_eq!(refused, Err((400, Code::Malformed)), "{body}");
    }
    assert_eq!(window(&cloud, user), (WindowState::Open, 4, 4), "none of them was a hello");
    nobody_enrolled(&cloud, user);
    honest_in(&cloud, user, &invitation).await;
}
