//! Commands of a person over a paired device's connection, and what a device tries with them.

use crate::support::cloud;

use cloud::{Cloud, Wish, put_body, start, start_with};
use handshake::encoding::KeyKind;
use runtime_phone::{Native, Phone, PhoneFile};
use runtime_user::{LockState, UserId};
use serde_json::{Value, json};

const ASK: &str = "/owner/ask";

async fn pair(cloud: &Cloud, user: UserId, admin: bool) -> PhoneFile {
    let invitation = cloud.open_window_with(user, |wish| wish.admin = admin).await;
    let code = cloud.scanned(&invitation);
    cloud.pair_with(user, invitation.window, code, KeyKind::P256).await.expect("paired")
}

/// The status, and the answer.
async fn ask(phone: &mut Native, command: Value) -> (u16, Value) {
    let reply = phone.post(ASK, command.to_string().into()).await.expect("an answer");
    (reply.status, serde_json::from_slice(&reply.body).expect("JSON"))
}

async fn told(phone: &mut Native, command: Value) -> Value {
    let (status, answer) = ask(phone, command.clone()).await;
    assert_eq!(status, 200, "{command}: {answer}");
    assert!(answer["Err"].is_null(), "{command}: {answer}");
    answer["Ok"].clone()
}

fn diary() -> Value {
    json!({ "command": "export-diary", "format": "geojson", "from": "2023-11-14", "to": null, "output": null })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_reads_what_its_owner_reads_at_the_console_and_the_audit_names_it() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let mut phone = cloud.connect(pair(&cloud, user, true).await).await;
    let put = phone.post("/usercache/put", put_body(1_700_000_000.0, "here")).await.expect("an answer");
    assert_eq!(put.status, 200);
    let status = told(&mut phone, json!({ "command": "status" })).await;
    assert_eq!((&status["store"], &status["id"]), (&json!("unlocked"), &json!(user.dashed())));
    let shown = told(&mut phone, json!({ "command": "show" })).await;
    assert!(shown["name"] == "Ada" && shown["bytes_on_disk"].as_u64() > Some(0), "{shown}");
    assert!(told(&mut phone, json!({ "command": "pipeline-status" })).await["stages"].is_array());
    assert_eq!(told(&mut phone, json!({ "command": "cell-list" })).await, json!([]));
    let devices = told(&mut phone, json!({ "command": "device-list" })).await;
    let device = phone.file.state.device.to_string();
    assert_eq!(devices[0]["id"], json!(device));
    let shown = told(&mut phone, diary()).await;
    assert!(shown["text"].as_str().expect("a text").contains("FeatureCollection"), "{shown}");
    let audit = told(&mut phone, json!({ "command": "audit", "since": null, "cell": null })).await;
    let read =
        audit["runs"].as_array().expect("lines").iter().find(|run| run["cell"] == "export-diary geojson");
    let read = read.expect("the diary was read");
    assert_eq!((&read["device"], &read["outcome"]), (&json!(device), &json!("done")));
    // Locking takes effect at once; what is asked then says so.
    assert_eq!(told(&mut phone, json!({ "command": "lock" })).await["store"], "locked");
    assert_eq!(cloud.runtime.locks().state(user).expect("read"), LockState::Locked);
    let (status, answer) = ask(&mut phone, diary()).await;
    assert!(status == 200 && answer["Err"]["what"].is_string(), "{answer}");
    assert_eq!(told(&mut phone, json!({ "command": "status" })).await["store"], "locked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_190_a_device_gives_no_command_of_another_person_of_a_file_or_of_the_console() {
    let cloud = start().await;
    let (user, other) = (cloud.add("Ada"), cloud.add("Bob"));
    let mut phone = cloud.connect(pair(&cloud, user, true).await).await;
    let own = phone.file.state.device.to_string();
    let target = tempfile::tempdir().expect("a folder");
    let file = target.path().join("out");
    for command in [
        json!({ "command": "status", "person": "Bob" }),
        json!({ "command": "status", "person": other.dashed() }),
        json!({ "command": "list" }),
        json!({ "command": "add", "name": "Eve", "unattended": true }),
        json!({ "command": "status", "more": 1 }),
        json!({ "Command": "status" }),
        json!("status"),
        json!([{ "command": "status" }]),
    ] {
        assert_eq!(ask(&mut phone, command.clone()).await.0, 400, "{command}");
    }
    for command in [
        json!({ "command": "erase" }),
        json!({ "command": "export", "output": file }),
        json!({ "command": "export-diary", "format": "csv", "from": null, "to": null, "output": file }),
        json!({ "command": "forget", "from": "2023-01-01", "to": "2024-01-01", "keys": [] }),
        json!({ "command": "device-revoke", "device": own }),
        json!({ "command": "device-rename", "device": own, "name": "x" }),
        json!({ "command": "keys", "mode": "unattended" }),
        json!({ "command": "suspend", "suspended": true }),
        json!({ "command": "cell-install", "package": file, "agreed": true }),
        json!({ "command": "cell-remove", "cell": "x", "with_output": true }),
        json!({ "command": "recover-begin" }),
        json!({ "command": "pair-status" }),
    ] {
        let (status, answer) = ask(&mut phone, command.clone()).await;
        assert!(status == 403 && answer["error"] == "UPC-002", "{command}: {status} {answer}");
    }
    assert!(!file.exists());
    assert_eq!(told(&mut phone, json!({ "command": "device-list" })).await[0]["status"], "active");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_191_a_device_without_the_scope_sees_no_devices_and_takes_nothing_away() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let mut phone = cloud.connect(pair(&cloud, user, false).await).await;
    for command in [
        json!({ "command": "device-list" }),
        json!({ "command": "lock" }),
        json!({ "command": "cell-change", "cell": "x", "change": "revoke" }),
    ] {
        let (status, answer) = ask(&mut phone, command.clone()).await;
        assert!(status == 403 && answer["error"] == "UPC-002", "{command}: {status} {answer}");
    }
    assert!(matches!(cloud.runtime.locks().state(user), Ok(LockState::Unlocked { .. })));
    // What it may read in any case, it reads here, too.
    assert!(told(&mut phone, diary()).await["text"].is_string());
    // A device that was shut out asks nothing more.
    let Native { file, .. } = phone;
    let mut phone = cloud.connect(file).await;
    let state = told(&mut phone, json!({ "command": "status" })).await;
    assert_eq!(state["store"], "unlocked");
    cloud.revoke(user, &phone.file).await;
    assert!(phone.post(ASK, json!({ "command": "status" }).to_string().into()).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_192_a_token_gives_no_commands() {
    let cloud = start_with(Wish { legacy: true, ..Wish::default() }).await;
    let (user, token) = cloud.runtime.people().add("Ada", 1_700_000_000.0).expect("added");
    let mut phone = Phone::connect(cloud.connect_string(token)).await.expect("connected");
    for path in [ASK, "/api/owner/ask", "//owner//ask"] {
        let mut body = json!({ "command": "status" });
        body["user"] = json!(phone.token());
        let reply = phone.post(path, body.to_string()).await.expect("an answer");
        assert_eq!(reply.status, 404, "{path}");
    }
    assert!(cloud.runtime.people().show(&user.to_string()).is_ok());
}
