//! A person's page at their own name: a first passkey, sessions, commands, another certificate.

use crate::support::browser::{Browser, HERE, challenge, pin_of};
use crate::support::cloud::{Cloud, Wish, put_body, start, start_with};
use crate::support::sockets::encrypted;

use handshake::encoding::KeyKind;
use runtime_passkey::testing::Authenticator;
use runtime_user::{LockState, UserId};
use runtime_wire::tls::Identity;
use serde_json::json;

async fn home() -> (Cloud, UserId) {
    let cloud = start().await;
    let user = cloud.add("Ada");
    cloud.pair(user).await;
    (cloud, user)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_makes_a_first_passkey_which_signs_in_and_reads_and_the_audit_names_it() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let mut phone = cloud.connect(cloud.pair(user).await).await;
    phone.post("/usercache/put", put_body(1_700_000_000.0, "here")).await.expect("an answer");
    let mut browser = Browser::with_passkey(&cloud, user).await;
    let about = browser.post("/api/about", &json!({})).await.ok();
    assert_eq!(about["way"], "passkey");
    assert_eq!(browser.status().await.ok()["Ok"]["store"], "unlocked");
    let diary = json!({ "command": "export-diary", "format": "geojson", "from": "2023-11-14", "to": null, "output": null });
    let shown = browser.post("/api/ask", &diary).await.ok();
    assert!(shown["Ok"]["text"].as_str().expect("a text").contains("FeatureCollection"), "{shown}");
    let audit = json!({ "command": "audit", "since": null, "cell": null });
    let audit = browser.post("/api/ask", &audit).await.ok();
    let runs = audit["Ok"]["runs"].as_array().expect("lines");
    let read = runs.iter().find(|run| run["cell"] == "export-diary geojson").expect("the diary was read");
    assert!(read["device"].as_str().expect("a stamp").starts_with("passkey-"), "{read}");
    browser.post("/api/sign-out", &json!({})).await.ok();
    assert_eq!(browser.status().await.code(), (401, "outside"));
    browser.sign_in().await.ok();
    assert_eq!(browser.status().await.status, 200);
    // The window is used up, and no device came of it.
    let devices = browser.post("/api/ask", &json!({ "command": "device-list" })).await.ok();
    assert_eq!(devices["Ok"].as_array().map(Vec::len), Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_takes_away_needs_a_fresh_assertion_and_then_it_is_done() {
    let (cloud, user) = home().await;
    let mut browser = Browser::with_passkey(&cloud, user).await;
    let devices = browser.post("/api/ask", &json!({ "command": "device-list" })).await.ok();
    let rename = json!({ "command": "device-rename", "device": devices["Ok"][0]["id"], "name": "old phone" });
    assert_eq!(browser.post("/api/ask", &rename).await.code(), (403, "step-up"));
    browser.post_stepped("/api/ask", &rename).await.ok();
    let devices = browser.post("/api/ask", &json!({ "command": "device-list" })).await.ok();
    assert_eq!(devices["Ok"][0]["name"], "old phone");
    let forget = json!({ "command": "forget", "from": "2023-01-01", "to": "2024-01-01", "keys": [] });
    assert_eq!(browser.post("/api/ask", &forget).await.code(), (403, "step-up"));
    assert!(browser.post_stepped("/api/ask", &forget).await.ok()["Ok"].is_object());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_passkey_lets_another_one_in_and_either_can_be_removed() {
    let (cloud, user) = home().await;
    let mut browser = Browser::with_passkey(&cloud, user).await;
    let begin = json!({});
    assert_eq!(browser.post("/api/passkeys/begin", &begin).await.code(), (403, "step-up"));
    let create = browser.post_stepped("/api/passkeys/begin", &begin).await.ok();
    let mut second = Browser::open(&cloud, user).await;
    second.passkey = Authenticator::new(KeyKind::Ed25519);
    let made = second.passkey.register(second.site(), &challenge(&create["challenge"]));
    let add = json!({ "challenge": create["challenge"], "registration": made, "name": "second" });
    let added = browser.post("/api/passkeys/add", &add).await.ok();
    assert_eq!(browser.post("/api/passkeys/add", &add).await.code(), (403, "bad-passkey"), "once");
    second.sign_in().await.ok();
    let sessions = second.post("/api/sessions", &json!({})).await.ok();
    assert_eq!(sessions.as_array().map(Vec::len), Some(2));
    let other =
        sessions.as_array().unwrap().iter().find(|one| one["current"] == false).unwrap()["id"].clone();
    second.post("/api/sessions/end", &json!({ "id": other })).await.ok();
    assert_eq!(browser.status().await.code(), (401, "outside"));
    browser.sign_in().await.ok();
    browser.post_stepped("/api/passkeys/remove", &json!({ "id": added["id"] })).await.ok();
    assert_eq!(second.status().await.code(), (401, "outside"));
    assert_eq!(second.sign_in().await.code(), (403, "bad-passkey"));
    let left = browser.post("/api/passkeys", &json!({})).await.ok();
    assert_eq!((left.as_array().map(Vec::len), &left[0]["name"]), (Some(1), &json!("first")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passkeys_are_there_after_a_restart_and_sessions_are_not() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let mut file = cloud.pair(user).await;
    let mut browser = Browser::with_passkey(&cloud, user).await;
    browser.status().await.ok();
    let folder = cloud.stop().await;
    let cloud = start_with(Wish { folder: Some(folder), ..Wish::default() }).await;
    assert_eq!(cloud.runtime.locks().state(user).expect("read"), LockState::Locked);
    let mut again = Browser::open(&cloud, user).await;
    (again.passkey, again.cookies, again.token) = (browser.passkey, browser.cookies, browser.token);
    assert_eq!(again.status().await.code(), (401, "outside"));
    assert_eq!(again.post("/api/sign-in/begin", &json!({})).await.code(), (423, "store-locked"));
    file.state.port = cloud.address.port();
    cloud.connect(file).await;
    assert_eq!(again.status().await.code(), (401, "outside"));
    again.sign_in().await.ok();
    again.status().await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operators_certificate_is_shown_at_every_name_and_replaced_without_ending_a_connection() {
    let (cloud, user) = home().await;
    let mut before = Browser::open(&cloud, user).await;
    let (name, own) = pin_of(&cloud, user);
    for _ in 0..2 {
        let folder = tempfile::tempdir().expect("a folder");
        let made = Identity::load_or_make(folder.path(), &["*.upc.internal".to_owned()]).expect("made");
        let pin = made.pin();
        assert_ne!(pin, own);
        cloud.front.show_web(Some(made));
        encrypted(HERE, cloud.address, pin, &name).await;
        assert_eq!(before.status().await.code(), (401, "outside"), "the connection from before answers");
    }
    cloud.front.show_web(None);
    encrypted(HERE, cloud.address, own, &name).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_puts_what_its_owner_says_and_no_readings() {
    let (cloud, user) = home().await;
    let mut browser = Browser::with_passkey(&cloud, user).await;
    let entry = |key: &str| {
        json!({
            "metadata": { "key": key, "type": "message", "platform": "browser", "read_ts": 0, "write_ts": 1_700_000_000.0,
                          "time_zone": "UTC" },
            "data": { "start_ts": 1_699_990_000.0, "end_ts": 1_699_999_000.0, "label": "bus" },
        })
    };
    let put = |entries: serde_json::Value| json!({ "phone_to_server": entries });
    for bad in [
        put(json!([entry("background/location")])),
        put(json!([entry("manual/mode_confirm"), entry("statemachine/transition")])),
        put(json!([])),
        json!({}),
    ] {
        assert_eq!(browser.post("/api/put", &bad).await.code(), (400, "bad-body"), "{bad}");
    }
    browser.post("/api/put", &put(json!([entry("manual/mode_confirm")]))).await.ok();
    let shown = browser.post("/api/ask", &json!({ "command": "show" })).await.ok();
    let streams = shown["Ok"]["streams"].as_array().expect("streams");
    let said = streams.iter().filter(|stream| stream["key"] == "manual/mode_confirm");
    assert_eq!(said.map(|stream| stream["entries"].as_u64()).collect::<Vec<_>>(), [Some(1)], "{shown}");
}
