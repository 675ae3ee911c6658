//! Steps out of order, names that mislead, and the owner's word at the wrong moment: attacks 19, 20, 23 and 24.

use handshake::encoding::{KeyKind, Nonce};
use handshake::error::Code;
use handshake::pairing::{APPROVAL_MS, OwnerError, Proof, WindowState};
use handshake::transcript::Mac;
use runtime_host::admin::{AnswerPairing, Ask, Context, PhoneAddress};
use runtime_host::http::service::epoch_ms;
use runtime_user::OwnerError as RuntimeError;
use runtime_wire::tls::Identity;
use serde_json::{Value, json};

use super::cloud::{Cloud, start};
use super::pairing::{answer, burnt, devices, honest_anew, honest_in, nobody_enrolled, window};
use super::phone::{Hand, Way, hello, key, scanned};

const NONCE: Nonce = Nonce([1; 32]);

async fn connect(cloud: &Cloud, way: &Way) -> Hand {
    Hand::connect(cloud.address, &way.server_name, &key(KeyKind::P256)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_19_a_proof_before_a_hello_and_papers_before_approval() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let invitation = cloud.open_window(user).await;
    let way = scanned(&invitation);
    let mut phone = connect(&cloud, &way).await;
    let early = Proof { nonce: NONCE, mac: Mac([1; 32]) };
    assert_eq!(phone.proof(&early).await, Err((403, Code::ProofWrong)));
    assert_eq!(phone.enrol().await, Err((403, Code::NotApproved)));
    assert_eq!(window(&cloud, user), (WindowState::Open, 0, 0));
    let challenge = phone.hello(way.window, NONCE).await.unwrap();
    assert_eq!(phone.enrol().await, Err((403, Code::NotApproved)));
    let (right, _) = phone.right(&way, &challenge, NONCE);
    phone.proof(&right).await.unwrap();
    assert_eq!(phone.proof(&right).await, Err((409, Code::WindowClaimed)), "said twice");
    assert_eq!(phone.hello(way.window, NONCE).await, Err((409, Code::WindowClaimed)), "from the start");
    for step in ["approve", "hello/", "HELLO", "../../v1/session", "../../v1/unlock", ""] {
        let refused = phone.post::<Value>(step, &json!({})).await;
        assert_eq!(refused, Err((400, Code::Malformed)), "{step}");
    }
    assert_eq!(window(&cloud, user), (WindowState::Claimed, 0, 1));
    // Whoever asks for the papers first waits for the owner.
    let waiting = tokio::spawn(async move { phone.enrol().await });
    let mut other = connect(&cloud, &way).await;
    for _ in 0..20 {
        assert_eq!(other.hello(way.window, NONCE).await, Err((409, Code::WindowClaimed)));
        nobody_enrolled(&cloud, user);
    }
    assert!(!waiting.is_finished());
    answer(&cloud, user, &invitation, false).unwrap();
    assert_eq!(waiting.await.unwrap(), Err((403, Code::NotApproved)));
    assert_eq!(window(&cloud, user), (WindowState::Burnt, 0, 1));
    nobody_enrolled(&cloud, user);
    honest_anew(&cloud, user).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_20_steps_on_different_connections() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let invitation = cloud.open_window(user).await;
    let way = scanned(&invitation);
    let key = key(KeyKind::P256);
    let mut one = Hand::connect(cloud.address, &way.server_name, &key).await.unwrap();
    let mut two = Hand::connect(cloud.address, &way.server_name, &key).await.unwrap();
    let challenge = one.hello(way.window, NONCE).await.unwrap();
    let (right, _) = one.right(&way, &challenge, NONCE);
    assert_eq!(two.proof(&right).await, Err((403, Code::ProofWrong)));
    assert_eq!(
        window(&cloud, user),
        (WindowState::Open, 0, 1),
        "nothing was asked there, nothing was guessed"
    );
    one.proof(&right).await.unwrap();
    assert_eq!(two.enrol().await, Err((409, Code::WindowClaimed)));
    answer(&cloud, user, &invitation, true).unwrap();
    assert_eq!(two.enrol().await, Err((409, Code::WindowClaimed)), "approved was the other connection");
    nobody_enrolled(&cloud, user);
    // With the connection its approval is gone, even for the same key.
    drop(one);
    burnt(&cloud, user).await;
    assert_eq!(two.enrol().await, Err((410, Code::WindowGone)));
    let again = Hand::connect(cloud.address, &way.server_name, &key).await;
    assert_eq!(again.err(), Some(Some(112)));
    assert_eq!(window(&cloud, user), (WindowState::Burnt, 0, 1));
    nobody_enrolled(&cloud, user);
    honest_anew(&cloud, user).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_23_names_that_mislead_the_owner() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let invitation = cloud.open_window(user).await;
    let way = scanned(&invitation);
    let mut phone = connect(&cloud, &way).await;
    let sound = serde_json::to_value(hello(way.window, NONCE)).unwrap();
    let long = "x".repeat(65);
    let wide = "é".repeat(33);
    for name in [
        "phone\u{202e}gnp.",
        "\u{2066}phone",
        "phone\u{2069}",
        "\u{61c}phone",
        "\u{200e}phone",
        "\u{200f}",
        "two\nlines",
        "two\r",
        "two\u{2028}lines",
        "\u{1b}[2Jphone",
        "bell\u{7}",
        "nil\u{0}",
        "\u{9b}2J",
        "\u{7f}",
        "",
        " ",
        "\u{3000}",
        "\u{200b}",
        "pho\u{200b}ne",
        "pho\u{200d}ne",
        "phone\u{ad}",
        "phone\u{fe0f}",
        "\u{feff}phone",
        "phone\u{e0061}",
        &long,
        &wide,
    ] {
        let mut body = sound.clone();
        body["name"] = name.into();
        let refused = phone.post::<Value>("hello", &body).await;
        assert_eq!(refused, Err((400, Code::Malformed)), "{name:?}");
    }
    for name in [json!(null), json!(7), json!(["phone"]), json!({})] {
        let mut body = sound.clone();
        body["name"] = name;
        assert_eq!(phone.post::<Value>("hello", &body).await, Err((400, Code::Malformed)), "{body}");
    }
    let text = sound.to_string();
    let (quoted, twice) = ("\"name\":\"a phone by hand\"", "\"name\":\"b\",\"name\":\"a phone by hand\"");
    assert!(text.contains(quoted));
    let mut bytes = text.clone().into_bytes();
    let at = text.find("a phone").unwrap();
    bytes[at] = 0xff;
    for body in
        [text.replace(quoted, twice).into_bytes(), bytes, text.replace("\"a phone", "\"\\ud800").into_bytes()]
    {
        assert_eq!(phone.post_bytes::<Value>("hello", body).await, Err((400, Code::Malformed)));
    }
    let oversize = text.replace(quoted, &format!("{quoted},\"more\":\"{}\"", "x".repeat(16 * 1024)));
    assert_eq!(phone.post_bytes::<Value>("hello", oversize.into_bytes()).await, Err((400, Code::Malformed)));
    assert_eq!(window(&cloud, user), (WindowState::Open, 0, 0));
    nobody_enrolled(&cloud, user);
    // What is left of letters is shown as it is.
    let mut body = sound;
    body["name"] = "Zoë's 📱".into();
    let mut phone = connect(&cloud, &way).await;
    let challenge = phone.post("hello", &body).await.unwrap();
    let (right, _) = phone.right(&way, &challenge, NONCE);
    phone.proof(&right).await.unwrap();
    assert_eq!(cloud.pairing(user).unwrap().claim.unwrap().name, "Zoë's 📱");
}

/// What the console does with the owner's word.
async fn console(cloud: &Cloud, digits: Option<&str>) -> Result<Value, String> {
    let pin = Identity::load_or_make(cloud.folder.path(), &[]).unwrap().pin();
    let phone_address = PhoneAddress { address: cloud.address.to_string(), pin };
    let ask = AnswerPairing { person: "Ada".to_owned(), digits: digits.map(str::to_owned) };
    let runtime = std::sync::Arc::clone(&cloud.runtime);
    let done = tokio::task::spawn_blocking(move || {
        ask.answer(&Context { runtime: &runtime, phone_address: &phone_address })
    });
    let done = done.await.unwrap().map(|answered| serde_json::to_value(answered).unwrap());
    done.map_err(|failure| failure.to_string())
}

fn owner_error(word: Result<(), RuntimeError>) -> OwnerError {
    match word {
        Err(RuntimeError::Answer(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_24_an_approval_too_early_too_late_and_twice() {
    const NOBODY_WAITS: &str = "no phone waits for approval";
    let cloud = start().await;
    let user = cloud.add("Ada");
    assert!(console(&cloud, Some("000000")).await.unwrap_err().contains("no pairing is under way"));

    // Before anybody has proved anything.
    let invitation = cloud.open_window_with(user, |wish| wish.typed = false).await;
    let way = scanned(&invitation);
    assert_eq!(owner_error(answer(&cloud, user, &invitation, true)), OwnerError::NobodyWaits);
    assert!(console(&cloud, Some("000000")).await.unwrap_err().contains(NOBODY_WAITS));
    let mut phone = connect(&cloud, &way).await;
    let digits = phone.claim(&way).await.unwrap().to_string();
    // With other digits than the phone's, and for another window.
    let other = if digits == "000000" { "000001" } else { "000000" };
    assert!(console(&cloud, Some(other)).await.unwrap_err().contains("the digits are not the phone's"));
    assert!(console(&cloud, Some("")).await.unwrap_err().contains("the digits are not the phone's"));
    let elsewhere = handshake::encoding::WindowId([0; 8]);
    let word = cloud.runtime.pairing().answer(user, elsewhere, true, epoch_ms());
    assert_eq!(owner_error(word), OwnerError::OtherWindow);
    assert_eq!(window(&cloud, user), (WindowState::Claimed, 0, 1));
    nobody_enrolled(&cloud, user);
    // Too late: the phone, which waits, is told so.
    let waiting = tokio::spawn(async move { phone.enrol().await });
    let word = cloud.runtime.pairing().answer(user, invitation.window, true, epoch_ms() + APPROVAL_MS);
    assert_eq!(owner_error(word), OwnerError::Over);
    assert_eq!(waiting.await.unwrap(), Err((403, Code::NotApproved)));
    assert!(console(&cloud, Some(&digits)).await.unwrap_err().contains(NOBODY_WAITS));
    assert_eq!(window(&cloud, user), (WindowState::Burnt, 0, 1));
    nobody_enrolled(&cloud, user);

    // In time, but nobody comes for the papers.
    let invitation = cloud.open_window_with(user, |wish| wish.typed = false).await;
    let way = scanned(&invitation);
    let mut phone = connect(&cloud, &way).await;
    let digits = phone.claim(&way).await.unwrap().to_string();
    console(&cloud, Some(&digits)).await.unwrap();
    cloud.runtime.pairing().tick(user, epoch_ms() + APPROVAL_MS).unwrap();
    assert_eq!(phone.enrol().await, Err((403, Code::NotApproved)));
    nobody_enrolled(&cloud, user);

    // Twice: one device.
    let invitation = cloud.open_window_with(user, |wish| wish.typed = false).await;
    let way = scanned(&invitation);
    let mut phone = connect(&cloud, &way).await;
    let digits = phone.claim(&way).await.unwrap().to_string();
    let approved = console(&cloud, Some(&digits)).await.unwrap();
    assert_eq!(approved["approved"], true);
    assert!(console(&cloud, Some(&digits)).await.unwrap_err().contains(NOBODY_WAITS));
    assert_eq!(owner_error(answer(&cloud, user, &invitation, true)), OwnerError::AlreadyApproved);
    let enrolled = phone.enrol().await.unwrap();
    assert_eq!(owner_error(answer(&cloud, user, &invitation, true)), OwnerError::Over);
    assert!(console(&cloud, Some(&digits)).await.unwrap_err().contains(NOBODY_WAITS));
    assert_eq!(devices(&cloud, user), [enrolled.device_id.to_string()]);

    // Approved and then taken back, before the papers were fetched.
    let invitation = cloud.open_window_with(user, |wish| wish.typed = false).await;
    let way = scanned(&invitation);
    let mut phone = connect(&cloud, &way).await;
    let digits = phone.claim(&way).await.unwrap().to_string();
    console(&cloud, Some(&digits)).await.unwrap();
    assert_eq!(console(&cloud, None).await.unwrap()["approved"], false);
    assert_eq!(phone.enrol().await, Err((403, Code::NotApproved)));
    assert_eq!(devices(&cloud, user), [enrolled.device_id.to_string()]);
    let invitation = cloud.open_window_with(user, |wish| wish.typed = false).await;
    honest_in(&cloud, user, &invitation).await;
}
