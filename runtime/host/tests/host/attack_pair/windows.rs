//! Whose window it is, how long, and how often: attacks 1 to 7 and 21.

use std::sync::Arc;

use handshake::encoding::{KeyKind, Nonce};
use handshake::error::Code;
use handshake::pairing::{BAD_PROOFS_MAX, LIFETIME_MS, OpenError, OwnerError, WindowState};
use runtime_host::http::service::epoch_ms;
use runtime_phone::PhoneError;
use runtime_user::OwnerError as RuntimeError;

use super::cloud::{Wish, start, start_with};
use super::folder::copy;
use super::pairing::{
    answer, burnt, devices, honest_anew, honest_in, nobody_enrolled, on_disk, open_at, try_open_at, window,
};
use super::phone::{Hand, key, network, scanned, typed};

const NONCE: Nonce = Nonce([1; 32]);
const GONE: Option<u16> = Some(410);
/// TLS: no such name here.
const UNRECOGNIZED_NAME: Option<u8> = Some(112);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_01_a_wrong_secret() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let invitation = cloud.open_window(user).await;
    for (bad, way) in [(1, scanned(&invitation)), (2, typed(&invitation))] {
        let mut thief = Hand::connect(cloud.address, &way.server_name, &key(KeyKind::Ed25519)).await.unwrap();
        assert_eq!(thief.guess(&way).await, Err((403, Code::ProofWrong)));
        assert_eq!(window(&cloud, user), (WindowState::Open, bad, bad));
        // A second look at the same challenge is not to be had, either.
        let (right, _) = thief.right(&way, &challenge_of_another_time(&invitation), NONCE);
        assert_eq!(thief.proof(&right).await, Err((403, Code::ProofWrong)));
        assert_eq!(window(&cloud, user), (WindowState::Open, bad, bad), "nothing was guessed");
    }
    nobody_enrolled(&cloud, user);
    honest_in(&cloud, user, &invitation).await;
}

fn challenge_of_another_time(invitation: &runtime_user::Invitation) -> handshake::pairing::Challenge {
    let kdf = handshake::pairing::Kdf { iterations: handshake::transcript::PBKDF2_ROUNDS };
    handshake::pairing::Challenge { window: invitation.window, nonce: NONCE, kdf }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_02_an_expired_window() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    // Its time was over before anybody came, and nobody has looked since.
    let invitation = open_at(&cloud, user, epoch_ms() - LIFETIME_MS).await;
    let way = scanned(&invitation);
    let mut late = Hand::connect(cloud.address, &way.server_name, &key(KeyKind::P256)).await.unwrap();
    assert_eq!(late.claim(&way).await, Err((410, Code::WindowGone)));
    assert_eq!(window(&cloud, user), (WindowState::Burnt, 0, 0));
    for way in [scanned(&invitation), typed(&invitation)] {
        let refused = Hand::connect(cloud.address, &way.server_name, &key(KeyKind::P256)).await.err();
        assert_eq!(refused, Some(UNRECOGNIZED_NAME));
    }

    // Its time ends between a challenge and the right proof.
    let invitation = cloud.open_window(user).await;
    let way = scanned(&invitation);
    let mut slow = Hand::connect(cloud.address, &way.server_name, &key(KeyKind::P256)).await.unwrap();
    let challenge = slow.hello(way.window, NONCE).await.unwrap();
    cloud.runtime.pairing().tick(user, epoch_ms() + LIFETIME_MS).unwrap();
    let (right, _) = slow.right(&way, &challenge, NONCE);
    assert_eq!(slow.proof(&right).await, Err((410, Code::WindowGone)));
    assert_eq!(window(&cloud, user), (WindowState::Burnt, 0, 1));
    let honest = cloud.pair_with(user, invitation.window, cloud.scanned(&invitation), KeyKind::P256).await;
    assert!(matches!(honest, Err(PhoneError::Alert { description: 112, .. })));
    nobody_enrolled(&cloud, user);
    honest_anew(&cloud, user).await;
}

/// Everything that can be said on a connection to a window that is over, and on a new one.
async fn is_over(
    cloud: &super::cloud::Cloud,
    user: runtime_user::UserId,
    invitation: &runtime_user::Invitation,
    hand: &mut Hand,
) {
    let before = window(cloud, user);
    let way = scanned(invitation);
    assert_eq!(hand.claim(&way).await.err().map(|(status, _)| status), GONE);
    let (proof, _) = hand.right(&way, &challenge_of_another_time(invitation), NONCE);
    assert_eq!(hand.proof(&proof).await, Err((410, Code::WindowGone)));
    for way in [scanned(invitation), typed(invitation)] {
        let other = Hand::connect(cloud.address, &way.server_name, &key(KeyKind::P256)).await.err();
        assert_eq!(other, Some(UNRECOGNIZED_NAME));
    }
    let word = answer(cloud, user, invitation, true);
    assert!(matches!(word, Err(RuntimeError::Answer(OwnerError::Over))), "{word:?}");
    assert_eq!(window(cloud, user), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_03_a_window_that_is_done_is_used_again() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let invitation = cloud.open_window(user).await;
    let way = scanned(&invitation);
    let mut phone = Hand::connect(cloud.address, &way.server_name, &key(KeyKind::P256)).await.unwrap();
    phone.claim(&way).await.unwrap();
    answer(&cloud, user, &invitation, true).unwrap();
    let enrolled = phone.enrol().await.unwrap();
    assert_eq!(devices(&cloud, user), [enrolled.device_id.to_string()]);
    assert_eq!(phone.enrol().await, Err((410, Code::WindowGone)), "the same papers twice");
    is_over(&cloud, user, &invitation, &mut phone).await;
    assert_eq!(devices(&cloud, user), [enrolled.device_id.to_string()]);
    honest_anew(&cloud, user).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_04_a_window_that_is_burnt_is_used_again() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let invitation = cloud.open_window(user).await;
    let way = scanned(&invitation);
    let mut early = Hand::connect(cloud.address, &way.server_name, &key(KeyKind::P256)).await.unwrap();
    let challenge = early.hello(way.window, NONCE).await.unwrap();
    answer(&cloud, user, &invitation, false).unwrap();
    let (right, _) = early.right(&way, &challenge, NONCE);
    assert_eq!(early.proof(&right).await, Err((410, Code::WindowGone)));
    assert_eq!(early.enrol().await, Err((410, Code::WindowGone)));
    is_over(&cloud, user, &invitation, &mut early).await;
    nobody_enrolled(&cloud, user);
    honest_anew(&cloud, user).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_05_five_bad_proofs_and_then_a_right_one() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let invitation = cloud.open_window(user).await;
    let way = scanned(&invitation);
    let mut right = Hand::connect(cloud.address, &way.server_name, &key(KeyKind::P256)).await.unwrap();
    let challenge = right.hello(way.window, NONCE).await.unwrap();
    // Some from one connection, the others each from a connection and a network of its own.
    let mut guesser =
        Hand::connect_from(network(1), cloud.address, &way.server_name, &key(KeyKind::P256)).await.unwrap();
    for bad in 1..=BAD_PROOFS_MAX {
        if bad > 2 {
            let from = network(bad);
            guesser =
                Hand::connect_from(from, cloud.address, &way.server_name, &key(KeyKind::P256)).await.unwrap();
        }
        assert_eq!(guesser.guess(&way).await, Err((403, Code::ProofWrong)));
        let state = if bad == BAD_PROOFS_MAX { WindowState::Burnt } else { WindowState::Open };
        assert_eq!(window(&cloud, user), (state, bad, bad + 1));
    }
    let (proof, _) = right.right(&way, &challenge, NONCE);
    assert_eq!(right.proof(&proof).await, Err((410, Code::WindowGone)));
    is_over(&cloud, user, &invitation, &mut guesser).await;
    nobody_enrolled(&cloud, user);
    honest_anew(&cloud, user).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_06_the_count_of_bad_proofs_across_restarts() {
    let mut cloud = start().await;
    let user = cloud.add("Ada");
    for round in 0..3 {
        let invitation = cloud.open_window(user).await;
        let way = typed(&invitation);
        let mut guesser = Hand::connect(cloud.address, &way.server_name, &key(KeyKind::P256)).await.unwrap();
        for bad in 1..BAD_PROOFS_MAX {
            assert_eq!(guesser.guess(&way).await, Err((403, Code::ProofWrong)));
            assert_eq!(on_disk(&cloud.folder_of(user)), (WindowState::Open, bad, bad), "before the answer");
        }
        // The power fails: what is on the disk now is all that there is. Then, once, a restart in good order.
        let crashed = Arc::new(tempfile::tempdir().unwrap());
        copy(cloud.folder.path(), crashed.path());
        let stopped = cloud.stop().await;
        let folder = if round == 2 { stopped } else { crashed };
        cloud = start_with(Wish { folder: Some(folder), ..Wish::default() }).await;
        assert_eq!(window(&cloud, user), (WindowState::Burnt, BAD_PROOFS_MAX - 1, BAD_PROOFS_MAX - 1));
        for way in [scanned(&invitation), typed(&invitation)] {
            let refused = Hand::connect(cloud.address, &way.server_name, &key(KeyKind::P256)).await.err();
            assert_eq!(refused, Some(UNRECOGNIZED_NAME));
        }
    }
    nobody_enrolled(&cloud, user);
    // Three windows burnt within the hour: no code is typed for a while, and scanning goes on.
    let refused = try_open_at(&cloud, user, epoch_ms()).await.err();
    assert!(matches!(refused, Some(RuntimeError::Window(OpenError::TypedOff { .. }))), "{refused:?}");
    honest_anew(&cloud, user).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_07_two_phones_race_for_one_window() {
    const ROUNDS: u8 = 24;
    let cloud = start().await;
    let user = cloud.add("Ada");
    let mut known = Vec::new();
    for round in 0..ROUNDS {
        let invitation = cloud.open_window_with(user, |wish| wish.typed = false).await;
        let way = scanned(&invitation);
        let mut hands = Vec::new();
        for _ in 0..2 {
            let key = key(KeyKind::Ed25519);
            let hand = Hand::connect_from(network(round), cloud.address, &way.server_name, &key).await;
            hands.push(hand.unwrap());
        }
        let second = hands.pop().unwrap();
        let first = hands.pop().unwrap();
        let start = Arc::new(tokio::sync::Barrier::new(2));
        let race = |mut hand: Hand| {
            let (way, start) = (way.clone(), Arc::clone(&start));
            tokio::spawn(async move {
                let challenge = hand.hello(way.window, NONCE).await.unwrap();
                let (proof, digits) = hand.right(&way, &challenge, NONCE);
                start.wait().await;
                let claimed = hand.proof(&proof).await;
                (hand, claimed, digits)
            })
        };
        let (first, second) = (race(first), race(second));
        let ((one, claimed_1, digits_1), (two, claimed_2, digits_2)) =
            (first.await.unwrap(), second.await.unwrap());
        let ((mut winner, digits), (mut loser, lost)) = match (&claimed_1, &claimed_2) {
            (Ok(_), Err(_)) => ((one, digits_1), (two, claimed_2)),
            (Err(_), Ok(_)) => ((two, digits_2), (one, claimed_1)),
            both => panic!("exactly one claims the window: {both:?}"),
        };
        assert_eq!(lost, Err((409, Code::WindowClaimed)));
        assert_eq!(window(&cloud, user), (WindowState::Claimed, 0, 2));
        let shown = cloud.pairing(user).unwrap().claim.unwrap();
        assert_eq!(shown.digits, digits.to_string(), "the winner's");
        assert_eq!(loser.claim(&way).await, Err((409, Code::WindowClaimed)));
        assert_eq!(loser.enrol().await, Err((409, Code::WindowClaimed)));
        if round % 4 == 3 {
            answer(&cloud, user, &invitation, true).unwrap();
            // Approved, and both want the papers at once.
            let late = tokio::spawn(async move { loser.enrol().await });
            known.push(winner.enrol().await.unwrap().device_id.to_string());
            let late = late.await.unwrap();
            assert!(matches!(late, Err((409, Code::WindowClaimed) | (410, Code::WindowGone))), "{late:?}");
        } else if round % 4 == 2 {
            // The winner is gone before anybody decides; its place is not the loser's.
            drop(winner);
            burnt(&cloud, user).await;
            assert_eq!(loser.claim(&way).await, Err((410, Code::WindowGone)));
        } else {
            answer(&cloud, user, &invitation, false).unwrap();
            assert_eq!(winner.enrol().await, Err((403, Code::NotApproved)));
            assert_eq!(loser.enrol().await, Err((410, Code::WindowGone)));
        }
        let mut now = devices(&cloud, user);
        now.sort();
        known.sort();
        assert_eq!(now, known);
    }
    honest_anew(&cloud, user).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_21_a_window_of_one_person_claimed_at_anothers() {
    let cloud = start().await;
    let (ada, bob) = (cloud.add("Ada"), cloud.add("Bob"));
    let (adas, bobs) = (cloud.open_window(ada).await, cloud.open_window(bob).await);
    let (way, other) = (scanned(&adas), scanned(&bobs));
    for key in [key(KeyKind::Ed25519), key(KeyKind::P256)] {
        let mut phone = Hand::connect(cloud.address, &other.server_name, &key).await.unwrap();
        for way in [scanned(&adas), typed(&adas)] {
            assert_eq!(phone.claim(&way).await, Err((410, Code::WindowGone)));
        }
        // Ada's secret under the name of Bob's window.
        let mut mixed = way.clone();
        mixed.window = other.window;
        assert_eq!(phone.claim(&mixed).await, Err((403, Code::ProofWrong)));
    }
    assert_eq!(window(&cloud, ada), (WindowState::Open, 0, 0));
    assert_eq!(window(&cloud, bob), (WindowState::Open, 2, 2));
    // Nor does anybody's word count for the other's.
    let crossed = cloud.runtime.pairing().answer(bob, adas.window, true, epoch_ms());
    assert!(matches!(crossed, Err(RuntimeError::Answer(OwnerError::OtherWindow))), "{crossed:?}");
    nobody_enrolled(&cloud, ada);
    nobody_enrolled(&cloud, bob);
    let file = honest_in(&cloud, ada, &adas).await;
    assert_eq!(file.state.user, ada);
    nobody_enrolled(&cloud, bob);
    let file = honest_in(&cloud, bob, &bobs).await;
    assert_eq!(file.state.user, bob);
}
