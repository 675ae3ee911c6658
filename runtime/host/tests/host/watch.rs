//! Calls that wait until something about a person changes, and what a device tries with them.

use std::time::{Duration, Instant};

use runtime_phone::{Native, PhoneError};
use runtime_user::WATCHES_MAX;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::support::cloud;
use cloud::{Cloud, put_body, start, until};

const ASK: &str = "/owner/ask";
/// A change is told within this time; the machine may be busy.
const SOON: Duration = Duration::from_secs(1);

type Told = Result<Value, PhoneError>;

/// Begins to wait; the calls of a phone go on meanwhile.
fn watch(phone: &Native, since: Option<&str>, wait_ms: u64) -> JoinHandle<Told> {
    let body = json!({ "command": "watch", "since": since, "wait_ms": wait_ms }).to_string();
    let answer = phone.post_beside(ASK, body.into()).expect("granted");
    tokio::spawn(async move {
        let reply = answer.await?;
        Ok(serde_json::from_slice(&reply.body).expect("JSON"))
    })
}

async fn mark(phone: &Native) -> String {
    let told = watch(phone, None, 60_000).await.expect("no panic").expect("an answer");
    assert_eq!(told["Ok"]["changed"], true, "{told}");
    told["Ok"]["mark"].as_str().expect("a mark").to_owned()
}

/// Waits for a change; how long it took since `from`.
async fn changed(waiting: JoinHandle<Told>, from: Instant) -> (Value, Duration) {
    let told = waiting.await.expect("no panic").expect("an answer");
    assert_eq!(told["Ok"]["changed"], true, "{told}");
    (told["Ok"].clone(), from.elapsed())
}

async fn paired() -> (Cloud, runtime_user::UserId, Native) {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let phone = cloud.connect(cloud.pair(user).await).await;
    (cloud, user, phone)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_is_told_within_a_second_that_entries_arrived_or_the_store_was_locked_and_else_at_the_end()
{
    let (cloud, user, mut phone) = paired().await;
    let before = mark(&phone).await;
    let waited = watch(&phone, Some(&before), 300).await.expect("no panic").expect("an answer");
    assert_eq!(waited["Ok"], json!({ "id": user.dashed(), "mark": before, "changed": false }));
    let waiting = watch(&phone, Some(&before), 20_000);
    let put = phone.post("/usercache/put", put_body(1_700_000_000.0, "here")).await.expect("an answer");
    assert_eq!(put.status, 200);
    let (told, took) = changed(waiting, Instant::now()).await;
    assert!(took < SOON, "told of an upload after {took:?}");
    let after = told["mark"].as_str().expect("a mark");
    assert_ne!(after, before);
    let waiting = watch(&phone, Some(after), 20_000);
    cloud.lock(user).await;
    let (told, took) = changed(waiting, Instant::now()).await;
    assert!(took < SOON, "told of a lock after {took:?}");
    // A window that is opened at the console is a change, too.
    let waiting = watch(&phone, told["mark"].as_str(), 20_000);
    let from = Instant::now();
    cloud.runtime.owners().look_again(user);
    let (_, took) = changed(waiting, from).await;
    assert!(took < SOON, "told of access after {took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_216_a_device_that_waits_in_many_calls_has_a_bounded_number_and_holds_nobody_up() {
    let (cloud, _, mut phone) = paired().await;
    let other = cloud.add("Bob");
    let others = cloud.connect(cloud.pair(other).await).await;
    let before = mark(&phone).await;
    let waiting: Vec<_> = (0..WATCHES_MAX).map(|_| watch(&phone, Some(&before), 20_000)).collect();
    // The calls are sent one after the other; once all of them wait, one more is told so.
    let crowded = loop {
        let told = watch(&phone, Some(&before), 0).await.expect("no panic").expect("an answer");
        if told["Err"]["what"].is_string() {
            break told;
        }
    };
    assert!(crowded["Err"]["what"].as_str().expect("words").contains("16"), "{crowded}");
    // They hold no thread and no turn: the person's other calls and other people's are answered.
    let status = async {
        // So many calls may have used up what a device may ask in a second.
        while phone
            .post(ASK, json!({ "command": "status" }).to_string().into())
            .await
            .expect("an answer")
            .status
            != 200
        {}
    };
    tokio::time::timeout(Duration::from_secs(20), status).await.expect("answered");
    mark(&others).await;
    // Whoever ends a call has its place again.
    waiting.iter().for_each(JoinHandle::abort);
    drop(waiting);
    let free = async {
        loop {
            let told = watch(&phone, Some(&before), 0).await.expect("no panic").expect("an answer");
            if told["Ok"].is_object() {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), free).await.expect("the places are free again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_217_a_device_that_is_revoked_while_it_waits_is_shut_out_within_a_second_and_waits_no_more() {
    let (cloud, user, phone) = paired().await;
    let before = mark(&phone).await;
    let waiting = watch(&phone, Some(&before), 20_000);
    // It waits: a call that was sent after it has its answer.
    mark(&phone).await;
    let from = Instant::now();
    cloud.revoke(user, &phone.file).await;
    let ended = waiting.await.expect("no panic");
    let took = from.elapsed();
    assert!(ended.is_err(), "a device that is shut out is told nothing: {ended:?}");
    assert!(took < SOON, "shut out after {took:?}");
    until("the connection has ended", || phone.is_closed()).await;
    let Native { file, .. } = phone;
    let refused = Native::session(file).await.err().expect("it is shut out");
    assert!(matches!(refused.alert(), Some(49 | 112)), "{refused}");
}
