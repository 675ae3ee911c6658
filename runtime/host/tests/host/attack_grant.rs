//! Attacks on what a paired phone may do once it is connected, each tried over TCP and TLS against a whole host: what the
//! attacker gets, and that the owner's phone finds everything as it was.
//!
//! Numbers are those of the list in the specification of the handshake, part GRANT/AUTHZ.

use crate::support::cloud;
use crate::support::wire;
use crate::support::witness;

use cloud::{Cloud, Wish, put_body, start, start_with};
use data_encoding::BASE64URL_NOPAD;
use handshake::encoding::{DeviceId, KeyKind};
use handshake::keys::{SigningKey, rotation_statement, sign_rotation};
use handshake::route::ALPN_CONNECT;
use handshake::secret::Secret;
use handshake::session::{DevicesReply, Grant, RotateRequest};
use ring::rand::SystemRandom;
use runtime_host::http::service::epoch_ms;
use runtime_phone::PhoneFile;
use runtime_user::{LockState, UserId};
use serde_json::{Value, json};
use wire::{End, Line, PATIENCE, Said, Stranger, refusal, server, unknown_key};
use witness::{analyse, name_of, settled, standing, twin};

const ACCESS_DENIED: End = End::Alert(49);
const UPC: &[&[u8]] = &[ALPN_CONNECT];
const PUT: &str = "/usercache/put";
const GET: &str = "/usercache/get";
const EVERYTHING: &[&str] =
    &["usercache:put", "usercache:get", "datastreams:read", "profile", "pipeline:read", "admin"];

fn granted(said: &Said) -> Grant {
    assert_eq!(said.status, 200, "{said:?}");
    serde_json::from_str(&said.body).unwrap()
}

/// The path at which a grant has a cell.
fn path_of(grant: &Grant, cell: &str) -> String {
    grant.cells.iter().find(|granted| granted.name == cell).unwrap().path.clone()
}

async fn open(file: &PhoneFile, want: &[&str]) -> (Line, Grant) {
    let mut line = Line::of(file).await.unwrap();
    let grant = granted(&line.session(want).await.unwrap());
    (line, grant)
}

/// A person's second phone, which the owner lets administer.
async fn pair_admin(cloud: &Cloud, user: UserId) -> PhoneFile {
    let invitation = cloud.open_window_with(user, |wish| wish.admin = true).await;
    let code = cloud.scanned(&invitation);
    cloud.pair_with(user, invitation.window, code, KeyKind::P256).await.unwrap()
}

fn revoke_path(device: DeviceId) -> String {
    format!("/.upc/v1/devices/{}/revoke", BASE64URL_NOPAD.encode(&device.0))
}

/// Stops the host, changes what it has kept of a device, and starts it again; the phone learns the new port.
pub(crate) async fn restarted_with(
    cloud: Cloud,
    file: &mut PhoneFile,
    change: impl FnOnce(&mut Value),
) -> Cloud {
    let path = cloud.folder_of(file.state.user).join("access.json");
    let folder = cloud.stop().await;
    let mut access: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let id = serde_json::to_value(file.state.device).unwrap();
    let devices = access["devices"]["devices"].as_array_mut().unwrap();
    change(devices.iter_mut().find(|device| device["id"] == id).unwrap());
    std::fs::write(&path, access.to_string()).unwrap();
    let cloud = start_with(Wish { folder: Some(folder), ..Wish::default() }).await;
    file.state.port = cloud.address.port();
    cloud
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_45_a_cell_that_is_not_in_the_grant() {
    let cloud = start().await;
    let (user, file, before) = settled(&cloud).await;
    let (mut line, grant) = open(&file, EVERYTHING).await;
    let (put, get) = (path_of(&grant, "usercache-put"), path_of(&grant, "usercache-get"));
    let digits = put.rsplit_once('/').unwrap().1;
    let other: String = digits.chars().map(|digit| if digit == '0' { '1' } else { '0' }).collect();
    let stage = grant.cells.iter().all(|cell| cell.name != "trip-segmentation");
    assert!(stage, "a stage of the analysis is granted to nobody");
    for path in [
        // Another version, one of a cell of its own, and one that nobody has.
        format!("/c/usercache-put/{other}{PUT}"),
        format!("/c/usercache-get/{digits}{PUT}"),
        format!("/c/trip-segmentation/{digits}{PUT}"),
        format!("/c/trip-segmentation/{other}"),
        format!("/c/nobody/{digits}{PUT}"),
        // A granted cell, asked for what another one answers.
        format!("{get}{PUT}"),
        format!("{put}{GET}"),
        format!("{put}/datastreams/find_entries/timestamp"),
        format!("{put}/profile/get"),
        // As phones with a token do it.
        PUT.to_owned(),
        "/datastreams/find_entries/timestamp".to_owned(),
    ] {
        let said = line.post(&path, put_body(1_700_000_500.0, "elsewhere")).await.unwrap();
        assert!(said.is(403, "UPC-002"), "{path}: {said:?}");
    }
    // Within the cell, what it does not know is nothing.
    let said = line.post(&format!("{put}/usercache/nothing"), "{}").await.unwrap();
    assert_eq!(said.status, 404);
    assert_eq!(standing(&cloud, user, &file).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_46_a_path_that_climbs_out_of_its_cell() {
    let cloud = start().await;
    let (user, file, before) = settled(&cloud).await;
    // It was granted reading alone, and wants to write.
    let (mut line, grant) = open(&file, &["usercache:get"]).await;
    assert_eq!(grant.cells.len(), 1);
    let get = path_of(&grant, "usercache-get");
    let put = format!("c/usercache-put/{}{PUT}", get.rsplit_once('/').unwrap().1);
    for path in [
        format!("{get}/../../../{put}"),
        format!("{get}/../{PUT}"),
        format!("{get}/..{PUT}"),
        format!("{get}/%2e%2e/%2e%2e/{put}"),
        format!("{get}/..%2f..%2f{put}"),
        format!("{get}/.{PUT}"),
        format!("{get}/%2e{PUT}"),
        format!("{get}/{PUT}"),
        format!("{get}//usercache//put"),
        format!("{get}%2fusercache%2fput"),
        format!("{get};{PUT}"),
        format!("{get}/usercache/put/"),
        format!("/c/../{put}"),
        format!("/c/./{put}"),
        format!("/c//{put}"),
        format!("/c/usercache-get/../{put}"),
        format!("/c/%75sercache-get/{}{GET}", get.rsplit_once('/').unwrap().1),
        format!("{}{GET}", get.to_uppercase().replacen("/C/", "/c/", 1)),
    ] {
        let said = line.post(&path, put_body(1_700_000_500.0, "climbed")).await.unwrap();
        assert!(said.is(403, "UPC-002"), "{path}: {said:?}");
    }
    for (path, status) in [
        (format!("/{put}"), 403),
        (format!("//{put}"), 404),
        (format!("/C/{}", &put[2..]), 404),
        (format!("/.upc/v1/../../{put}"), 400),
        ("/.upc/v1/session/../devices".to_owned(), 400),
        ("/.upc/v1//devices".to_owned(), 400),
        ("//.upc/v1/devices".to_owned(), 404),
    ] {
        let said = line.post(&path, put_body(1_700_000_500.0, "climbed")).await.unwrap();
        assert_eq!(said.status, status, "{path}: {said:?}");
    }
    let said = line.post(&format!("{get}{GET}?../../{put}"), "{}").await.unwrap();
    assert_eq!(said.status, 200, "a query leads nowhere else: {said:?}");
    assert_eq!(standing(&cloud, user, &file).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_47_more_is_wanted_than_the_device_may() {
    let cloud = start().await;
    let (user, file, before) = settled(&cloud).await;
    let (mut line, grant) = open(&file, EVERYTHING).await;
    assert!(!serde_json::to_string(&grant).unwrap().contains("admin"));
    for want in [&["admin"][..], &["*"], &["ADMIN", "root", "usercache:*"], &[]] {
        let grant = granted(&line.session(want).await.unwrap());
        assert!(grant.cells.is_empty(), "{want:?}");
    }
    for path in ["/.upc/v1/devices".to_owned(), "/.upc/v1/lock".to_owned(), revoke_path(file.state.device)] {
        let said = line.post(&path, "{}").await.unwrap();
        assert!(said.is(403, "UPC-002"), "{path}: {said:?}");
    }
    for body in [
        json!({ "v": [1], "want": vec!["a"; 33], "client": "c" }).to_string(),
        json!({ "v": [1], "want": ["x".repeat(65)], "client": "c" }).to_string(),
        r#"{"v":[1],"want":["usercache:get"],"want":["admin"],"client":"c"}"#.to_owned(),
    ] {
        let said = line.post("/.upc/v1/session", body.clone()).await.unwrap();
        assert!(said.is(400, "UPC-013"), "{body}: {said:?}");
    }
    assert!(matches!(cloud.runtime.locks().state(user).unwrap(), LockState::Unlocked { .. }));
    assert_eq!(standing(&cloud, user, &file).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_47_more_is_wanted_than_a_device_of_few_scopes_may() {
    let cloud = start().await;
    let (_, mut file, _) = settled(&cloud).await;
    let (_, whole) = open(&file, EVERYTHING).await;
    let put = format!("{}{PUT}", path_of(&whole, "usercache-put"));
    let get = format!("{}{GET}", path_of(&whole, "usercache-get"));
    let cloud = restarted_with(cloud, &mut file, |device| device["scopes"] = json!(["usercache:get"])).await;
    drop(cloud.connect(twin(&file)).await);
    let (mut line, grant) = open(&file, EVERYTHING).await;
    let cells: Vec<_> = grant.cells.iter().map(|cell| cell.name.as_str()).collect();
    assert_eq!(cells, ["usercache-get"]);
    // What it was granted when it might do more is still on disk, and opens nothing.
    for path in [put.as_str(), "/profile/get", "/pipeline/get_range_ts", "/.upc/v1/devices"] {
        let said = line.post(path, put_body(1_700_000_500.0, "wanted")).await.unwrap();
        assert!(said.is(403, "UPC-002"), "{path}: {said:?}");
    }
    assert_eq!(line.post(&get, "{}").await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_48_the_grant_of_another_device() {
    let cloud = start().await;
    let (user, file, before) = settled(&cloud).await;
    let (_line, grant) = open(&file, EVERYTHING).await;
    let copied = serde_json::to_string(&grant).unwrap();
    let session = BASE64URL_NOPAD.encode(&grant.session.0);
    let put = format!("{}{PUT}", path_of(&grant, "usercache-put"));

    // Another device of the same person that has opened no session, and one of somebody else.
    let second = cloud.pair(user).await;
    let neighbour = cloud.add("Eve");
    let hers = cloud.pair(neighbour).await;
    for thief in [&second, &hers] {
        let mut line = Line::of(thief).await.unwrap();
        for headers in [
            vec![],
            vec![("authorization", format!("Bearer {session}")), ("x-session", session.clone())],
            vec![("grant", copied.clone())],
        ] {
            let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let said = line.post_with(&put, put_body(1_700_000_500.0, "copied"), &headers).await.unwrap();
            assert!(said.is(403, "UPC-002"), "{said:?}");
        }
    }
    // With a session of its own the other person's phone reaches its own cell at that path, and nobody else's data.
    let (mut line, own) = open(&hers, EVERYTHING).await;
    assert_eq!(path_of(&own, "usercache-put"), path_of(&grant, "usercache-put"));
    assert_eq!(line.post(&put, put_body(1_700_000_500.0, "copied")).await.unwrap().status, 200);
    analyse(&cloud, user).await;
    let after = standing(&cloud, user, &file).await;
    assert_eq!((after.readings, after.devices.len()), (before.readings, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_49_a_grant_from_before_an_upgrade() {
    const HOUR_MS: u64 = 3_600_000;
    let cloud = start().await;
    let (user, mut file, before) = settled(&cloud).await;
    let now_ms = epoch_ms();
    let paths = [
        ("/c/usercache-put/aaaaaaaa", now_ms + HOUR_MS),
        ("/c/usercache-put/bbbbbbbb", now_ms - 1),
        ("/c/removed/cccccccc", now_ms + HOUR_MS),
        ("/c/trip-segmentation/dddddddd", now_ms + HOUR_MS),
    ];
    let paths = paths.map(|(path, until_ms)| json!({ "path": path, "until_ms": until_ms }));
    let cloud = restarted_with(cloud, &mut file, |device| {
        device["state"]["live"]["paths"].as_array_mut().expect("it has a grant").extend(paths);
    })
    .await;
    let unlocked = standing(&cloud, user, &file).await;
    assert_eq!(unlocked.readings, before.readings);
    let before = unlocked;

    let (mut line, _) = open(&file, &["usercache:get"]).await;
    for path in [
        "/c/usercache-put/bbbbbbbb/usercache/put",
        "/c/removed/cccccccc/usercache/put",
        "/c/trip-segmentation/dddddddd/usercache/put",
        "/c/usercache-put/aaaaaaaa/usercache/get",
        "/c/usercache-put/eeeeeeee/usercache/put",
    ] {
        let said = line.post(path, put_body(1_700_000_500.0, "stale")).await.unwrap();
        assert!(said.is(403, "UPC-002"), "{path}: {said:?}");
    }
    assert_eq!(standing(&cloud, user, &file).await, before);
    let path = "/c/usercache-put/aaaaaaaa/usercache/put";
    let said = line.post(path, put_body(1_700_000_600.0, "alive")).await.unwrap();
    assert_eq!(said.status, 200, "as long as its grant lives, a phone need not ask again");
    analyse(&cloud, user).await;
    assert_eq!(standing(&cloud, user, &file).await.readings.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_50_the_idempotency_key_of_another_device() {
    let cloud = start().await;
    let (user, file, before) = settled(&cloud).await;
    let second = cloud.pair(user).await;
    let key = BASE64URL_NOPAD.encode(&[7; 16]);
    let header = [("idempotency-key", key.as_str())];
    // The thief comes first with the key that the honest phone will use, and with a body that is none.
    let (mut thief, grant) = open(&second, EVERYTHING).await;
    let put = format!("{}{PUT}", path_of(&grant, "usercache-put"));
    assert_eq!(thief.post_with(&put, r#"{"phone_to_server":[]}"#, &header).await.unwrap().status, 200);
    assert_eq!(thief.post_with(&put, r#"{"phone_to_server":[{}]}"#, &header).await.unwrap().status, 400);
    // Nor does it keep the honest phone's reading of a moment out by one of its own: both are kept, each with its device.
    let said = thief.post_with(&put, put_body(1_700_000_200.0, "thief"), &header).await.unwrap();
    assert_eq!(said.status, 200);
    let (mut honest, _) = open(&file, EVERYTHING).await;
    for write_ts in [1_700_000_100.0, 1_700_000_200.0] {
        let said = honest.post_with(&put, put_body(write_ts, "honest"), &header).await.unwrap();
        assert_eq!(said.status, 200);
    }
    // A repetition is known by what it is, with the key or without.
    assert_eq!(honest.post(&put, put_body(1_700_000_200.0, "honest")).await.unwrap().status, 200);
    analyse(&cloud, user).await;
    let after = standing(&cloud, user, &file).await;
    let honest = after.readings.iter().filter(|reading| reading.contains("honest")).count();
    assert_eq!((after.readings.len(), honest), (before.readings.len() + 3, 2), "{:?}", after.readings);
}

fn rotate(key: &SigningKey, signature: Vec<u8>) -> String {
    serde_json::to_string(&RotateRequest { spki: *key.spki(), signature }).unwrap()
}

fn signed(new: &SigningKey, exporter: &Secret<32>, old: &PhoneFile) -> Vec<u8> {
    sign_rotation(new, exporter, old.device.spki(), &SystemRandom::new()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_51_a_rotation_signed_for_another_channel() {
    const ROTATE: &str = "/.upc/v1/rotate";
    let cloud = start().await;
    let (user, file, before) = settled(&cloud).await;
    let second = cloud.pair(user).await;
    let devices = cloud.runtime.devices().list(user).unwrap();
    let random = SystemRandom::new();
    let next = unknown_key(KeyKind::P256);
    let mut line = Line::of(&file).await.unwrap();
    let other = Line::of(&file).await.unwrap();
    let seconds = Line::of(&second).await.unwrap();
    let by_old = rotation_statement(&line.exporter, file.device.spki(), next.spki());
    let flipped = {
        let mut signature = signed(&next, &line.exporter, &file);
        *signature.last_mut().unwrap() ^= 1;
        signature
    };
    for (why, body) in [
        ("another connection of the same device", rotate(&next, signed(&next, &other.exporter, &file))),
        ("a connection of another device", rotate(&next, signed(&next, &seconds.exporter, &second))),
        ("another device's key as the old one", rotate(&next, signed(&next, &line.exporter, &second))),
        ("signed by the old key", rotate(&next, file.device.sign(&by_old, &random).unwrap())),
        ("signed by a third", rotate(&next, signed(&unknown_key(KeyKind::P256), &line.exporter, &file))),
        ("a bit flipped", rotate(&next, flipped)),
        ("the key of another device", rotate(&second.device, signed(&second.device, &line.exporter, &file))),
        ("no new key at all", rotate(&file.device, signed(&file.device, &line.exporter, &file))),
    ] {
        let said = line.post(ROTATE, body).await.unwrap();
        assert!(said.is(403, "UPC-004"), "{why}: {said:?}");
    }
    let said = line.post(ROTATE, rotate(&next, vec![7; 73])).await.unwrap();
    assert!(said.is(400, "UPC-013"), "{said:?}");
    assert_eq!(cloud.runtime.devices().list(user).unwrap(), devices);
    let by_next = Stranger::with(Some(&next));
    assert_eq!(refusal(cloud.address, by_next.config(UPC), server(&name_of(&file))).await, ACCESS_DENIED);
    assert_eq!(standing(&cloud, user, &file).await.readings, before.readings);

    // The honest one: both keys work until the new one was used, and then the old one nowhere.
    let said = line.post(ROTATE, rotate(&next, signed(&next, &line.exporter, &file))).await.unwrap();
    assert_eq!((said.status, said.body.as_str()), (200, "{}"));
    assert_eq!(Line::of(&file).await.unwrap().session(&[]).await.unwrap().status, 200);
    // The old key signs for the new one, at the next contact.
    let file = cloud.connect(twin(&file)).await.file;
    let mut renewed = twin(&file);
    renewed.device = next;
    let mut new = Line::of(&renewed).await.unwrap();
    assert_eq!(new.session(&[]).await.unwrap().status, 200);
    let by_old = Stranger::with(Some(&file.device));
    assert_eq!(refusal(cloud.address, by_old.config(UPC), server(&name_of(&file))).await, ACCESS_DENIED);
    assert_eq!(line.ended(PATIENCE).await, End::Cut, "what the old key had opened is over");
    assert_eq!(other.ended(PATIENCE).await, End::Cut);
    let after = standing(&cloud, user, &renewed).await;
    assert_eq!((&after.readings, after.devices.len()), (&before.readings, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_52_an_administrator_revokes_without_its_owner() {
    let cloud = start().await;
    let (user, file, before) = settled(&cloud).await;
    let admin = pair_admin(&cloud, user).await;
    let (mut line, _) = open(&admin, EVERYTHING).await;
    let listed = line.post("/.upc/v1/devices", "{}").await.unwrap();
    let listed: DevicesReply = serde_json::from_str(&listed.body).unwrap();
    assert_eq!(listed.devices.len(), 2, "it may look");
    let unknown = unknown_key(KeyKind::P256).spki().device_id();
    for device in [file.state.device, admin.state.device, unknown] {
        let headers = [("x-step-up", "true"), ("authorization", "Bearer step-up")];
        for body in ["{}", r#"{"step_up":true,"user_verified":true}"#, "nonsense"] {
            let said = line.post_with(&revoke_path(device), body, &headers).await.unwrap();
            assert!(said.is(403, "UPC-002"), "nobody learns which devices there are: {said:?}");
        }
    }
    assert_eq!(cloud.runtime.devices().list(user).unwrap().len(), 2);
    assert!(cloud.runtime.devices().list(user).unwrap().iter().all(|device| device.status == "active"));
    let after = standing(&cloud, user, &file).await;
    assert_eq!(after.readings, before.readings);
    // What needs no more than the scope works: it locks, and the honest phone unlocks.
    assert_eq!(line.post("/.upc/v1/lock", "{}").await.unwrap().status, 200);
    assert_eq!(cloud.runtime.locks().state(user).unwrap(), LockState::Locked);
    assert_eq!(standing(&cloud, user, &file).await.readings, before.readings);
}
