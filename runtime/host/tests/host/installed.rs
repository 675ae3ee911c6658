//! Cells that an owner has installed, as a paired phone reaches them through the port. A real package, compiled by the
//! program that stands beside this one.

use crate::attack_grant::restarted_with;
use crate::support::cloud;
use crate::support::fake;
use crate::support::wire;
use crate::support::witness;

use std::path::PathBuf;
use std::sync::Arc;

use cloud::{Cloud, Wish, start_with};
use ring::rand::SystemRandom;
use runtime_host::http::service::now;
use runtime_package::{PublisherKey, pack};
use runtime_phone::{Native, PhoneFile, Reply};
use runtime_user::{HEADER_BYTES_MAX, QUERY_BYTES_MAX, UserId};
use serde_json::{Value, json};
use wire::Line;

const READER: &str = "reader";

/// The program that compiles cells, where this build has made it.
fn compiler() -> Option<PathBuf> {
    let this = std::env::current_exe().expect("a path");
    let beside = this.parent().and_then(|deps| deps.parent()).expect("it is in the folder deps");
    let compiler = beside.join("cellar-cell-compiler");
    if !compiler.is_file() {
        println!("SKIPPED: no cellar-cell-compiler in {}", beside.display());
        return None;
    }
    Some(compiler)
}

/// A host that compiles cells.
async fn host(legacy: bool) -> Option<Cloud> {
    let compiler = compiler()?;
    Some(start_with(Wish { legacy, compiler: Some(compiler), ..Wish::default() }).await)
}

fn package() -> Vec<u8> {
    let cell = runtime_cells::PACKAGES.iter().find(|cell| cell.name == READER).expect("it is built");
    let package = pack(cell.component, cell.manifest, cell.schemas).expect("a package");
    let key = PublisherKey::generate(&SystemRandom::new()).expect("random bytes");
    key.sign(&package, &SystemRandom::new()).expect("signed")
}

/// Does something with a person's installed cells, on a thread that may wait for the disk.
async fn change<T: Send + 'static>(
    cloud: &Cloud,
    change: impl FnOnce(runtime_user::InstalledCells<'_>) -> Result<T, runtime_user::InstallError>
    + Send
    + 'static,
) -> T {
    let runtime = Arc::clone(&cloud.runtime);
    let done = tokio::task::spawn_blocking(move || change(runtime.installed_cells())).await;
    done.expect("no panic").expect("changed")
}

async fn install(cloud: &Cloud, user: UserId) {
    change(cloud, move |cells| cells.install(user, &package(), &[], now())).await;
}

/// Somebody with a phone, and the cell.
async fn owner(cloud: &Cloud, name: &str) -> (UserId, PhoneFile) {
    let user = cloud.add(name);
    let file = cloud.pair(user).await;
    // The store exists since the phone's first contact.
    let phone = cloud.connect(file).await;
    install(cloud, user).await;
    (user, phone.file)
}

fn json_of(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{:?}", reply.body);
    serde_json::from_slice(&reply.body).expect("JSON")
}

fn code_of(reply: &Reply) -> String {
    let body: Value = serde_json::from_slice(&reply.body).expect("JSON");
    body["error"]["code"].as_str().expect("a code").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paired_phone_reaches_an_installed_cell_and_the_cell_sees_how_it_was_asked() {
    let Some(cloud) = host(false).await else { return };
    let (_, file) = owner(&cloud, "Ada").await;
    let mut phone = cloud.connect(file).await;
    let headers = [
        ("accept", "text/csv"),
        ("accept", "application/json"),
        ("accept-language", "de"),
        ("if-none-match", "\"7\""),
        ("user-agent", "a phone"),
        ("cookie", "a=1"),
    ];
    let asked = phone.get("/x/reader/days/all?from=1&to=a%20b", &headers).await.unwrap();
    assert_eq!(
        json_of(&asked),
        json!({
            "method": "GET", "rest": "days/all", "query": "from=1&to=a%20b", "scope": "datastreams:read",
            "headers": { "accept": "text/csv, application/json", "accept-language": "de", "if-none-match": "\"7\"" },
        })
    );
    // The next call of the same cell has nothing of the one before.
    let posted = phone.post("/x/reader", bytes::Bytes::new()).await.unwrap();
    assert_eq!(
        json_of(&posted),
        json!({
            "method": "POST", "rest": "", "query": "", "scope": "datastreams:read",
            "headers": { "content-type": "application/json; charset=UTF-8" },
        })
    );
    let count = json!({ "find": "count", "keys": ["background/location"] }).to_string();
    assert_eq!(json_of(&phone.post("/x/reader", count.into()).await.unwrap()), json!({ "count": 0 }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_180_who_is_not_the_owner_or_lacks_the_scope_reaches_no_installed_cell() {
    let Some(cloud) = host(false).await else { return };
    let (_, mut file) = owner(&cloud, "Ada").await;
    let mut phone = cloud.connect(witness::twin(&file)).await;
    let path = phone.granted("/x/reader").unwrap();
    assert_eq!(phone.post_raw(&path, bytes::Bytes::new()).await.unwrap().status, 200);
    drop(phone);
    // Another person's phone: the cell is in no grant of theirs, and Ada's path leads nowhere.
    let neighbour = cloud.add("Boris");
    let theirs = cloud.pair(neighbour).await;
    let mut phone = cloud.connect(theirs).await;
    assert!(phone.grant.cells.iter().all(|cell| cell.name != "x-reader"));
    for path in [path.as_str(), "/x/reader"] {
        assert_eq!(phone.post_raw(path, bytes::Bytes::new()).await.unwrap().status, 403, "{path}");
    }
    // Ada's own phone once it has the scope no more, at the path that it was granted before, however it names the cell.
    drop(phone);
    let scopes = json!(["usercache:put", "profile"]);
    let cloud = restarted_with(cloud, &mut file, |device| device["scopes"] = scopes).await;
    drop(cloud.connect(witness::twin(&file)).await);
    let mut line = Line::of(&file).await.unwrap();
    assert_eq!(line.session(&["usercache:put", "profile", "datastreams:read"]).await.unwrap().status, 200);
    for path in [path.clone(), format!("{path}?scope=datastreams:read"), "/x/reader".to_owned()] {
        let said = line.post_with(&path, "", &[("x-scope", "datastreams:read")]).await.unwrap();
        assert!(said.is(403, "UPC-002"), "{path}: {said:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cell_that_is_paused_or_revoked_says_so_to_its_owners_phone_and_one_that_is_removed_is_unknown() {
    let Some(cloud) = host(false).await else { return };
    let (user, file) = owner(&cloud, "Ada").await;
    let mut phone = cloud.connect(file).await;
    assert_eq!(phone.get("/x/reader", &[]).await.unwrap().status, 200);
    change(&cloud, move |cells| cells.set_paused(user, READER, true, now())).await;
    let paused = phone.get("/x/reader", &[]).await.unwrap();
    assert_eq!((paused.status, code_of(&paused).as_str()), (409, "cell-paused"));
    change(&cloud, move |cells| cells.set_paused(user, READER, false, now())).await;
    assert_eq!(phone.get("/x/reader", &[]).await.unwrap().status, 200);
    change(&cloud, move |cells| cells.revoke(user, READER, now())).await;
    let ended = phone.get("/x/reader", &[]).await.unwrap();
    assert_eq!((ended.status, code_of(&ended).as_str()), (410, "cell-ended"));
    change(&cloud, move |cells| cells.remove(user, READER, true)).await;
    let gone = phone.get("/x/reader", &[]).await.unwrap();
    assert_eq!((gone.status, code_of(&gone).as_str()), (404, "no-such-cell"));
    // A new session does not offer it any more.
    let mut phone = Native::open(phone.file).await.unwrap();
    assert!(phone.grant.cells.iter().all(|cell| cell.name != "x-reader"));
    assert_eq!(phone.get("/x/reader", &[]).await.unwrap().status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_181_a_head_that_is_too_long_is_refused_before_the_cell_runs() {
    let Some(cloud) = host(false).await else { return };
    let (user, file) = owner(&cloud, "Ada").await;
    let mut phone = cloud.connect(file).await;
    let long = "q".repeat(QUERY_BYTES_MAX + 1);
    let refused = phone.get(&format!("/x/reader?{long}"), &[]).await.unwrap();
    assert_eq!((refused.status, code_of(&refused).as_str()), (414, "query-too-long"));
    let long = "e".repeat(HEADER_BYTES_MAX + 1);
    let refused = phone.get("/x/reader", &[("if-none-match", &long)]).await.unwrap();
    assert_eq!((refused.status, code_of(&refused).as_str()), (431, "header-too-long"));
    // What is as long as it may be arrives whole.
    let (query, header) = ("q".repeat(QUERY_BYTES_MAX), "e".repeat(HEADER_BYTES_MAX));
    let whole = phone.get(&format!("/x/reader?{query}"), &[("if-none-match", &header)]).await.unwrap();
    let whole = json_of(&whole);
    assert_eq!(
        (whole["query"].as_str(), whole["headers"]["if-none-match"].as_str()),
        (Some(&*query), Some(&*header))
    );
    let runtime = Arc::clone(&cloud.runtime);
    let lines =
        tokio::task::spawn_blocking(move || runtime.person(user).unwrap().audit(None, Some(READER)).unwrap());
    assert!(lines.await.unwrap().len() <= 1, "what was refused is no run");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_with_a_token_asks_an_installed_cell_by_get_and_nobody_without_one_does() {
    let Some(cloud) = host(true).await else { return };
    let (user, token) = cloud.runtime.people().add("Ada", 1_700_000_000.0).unwrap();
    let secret = token.reveal().to_owned();
    install(&cloud, user).await;
    let connect = cloud.connect_string(token);
    let ask = async |headers: &str| -> String {
        let bytes = fake::request("GET", "/api/x/reader/a?b=c", headers, b"");
        fake::exchange(cloud.address, connect.pin, &bytes).await
    };
    let answer = ask(&format!("authorization: Bearer {secret}\r\naccept: text/csv\r\n")).await;
    assert_eq!(fake::status(&answer), 200, "{answer}");
    let body: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!(
        body,
        json!({ "method": "GET", "rest": "a", "query": "b=c", "headers": { "accept": "text/csv" },
                "scope": "datastreams:read" })
    );
    assert_eq!(fake::status(&ask("").await), 401);
    assert_eq!(fake::status(&ask("authorization: Bearer nobody\r\n").await), 403);
}
