//! What is seen of an owner before an attack and after it.

use std::sync::Arc;

use handshake::keys::{SigningKey, WrapKey};
use ring::rand::SystemRandom;
use runtime_phone::{Native, PhoneFile};
use runtime_user::{DeviceSummary, UserId};

use super::cloud::{Cloud, everything, put_body};

/// The same phone once more.
pub fn twin(file: &PhoneFile) -> PhoneFile {
    PhoneFile {
        state: file.state.clone(),
        device: SigningKey::from_pkcs8(file.device.pkcs8(), &SystemRandom::new()).expect("a key"),
        wrap: WrapKey::from_bytes(&file.wrap.to_bytes()).expect("a key"),
    }
}

/// The name by which a phone connects.
pub fn name_of(file: &PhoneFile) -> String {
    file.state.server_names().next().expect("a phone has a label").1
}

/// The phone as it is once it knows another port.
pub fn at_port(file: &PhoneFile, port: u16) -> PhoneFile {
    let mut file = twin(file);
    file.state.port = port;
    file
}

/// What an owner has: who may come, how often the store was written to (not counting what tells of this phone's own
/// reads), and what a phone of theirs reads.
#[derive(Debug, PartialEq)]
pub struct Standing {
    pub devices: Vec<DeviceSummary>,
    pub commits: u64,
    pub readings: Vec<String>,
}

/// Looks at an owner through an honest phone.
pub async fn standing(cloud: &Cloud, user: UserId, file: &PhoneFile) -> Standing {
    let mut phone = Native::open(twin(file)).await.expect("the honest phone comes in");
    let commits = phone.grant.head.expect("an open store says where it stands").seq;
    let (runtime, own) = (Arc::clone(&cloud.runtime), Some(file.state.device.to_string()));
    let told = tokio::task::spawn_blocking(move || {
        let lines = runtime.person(user).expect("open").audit(None, Some("datastreams-get")).expect("read");
        lines.iter().filter(|line| line.device == own).count()
    });
    let commits = commits - told.await.expect("no panic") as u64;
    let read = phone.post("/datastreams/find_entries/timestamp", everything()).await.expect("an answer");
    assert_eq!(read.status, 200, "the honest phone reads");
    let read: serde_json::Value = serde_json::from_slice(&read.body).expect("JSON");
    let readings = read["phone_data"].as_array().expect("entries").iter().map(ToString::to_string).collect();
    Standing { devices: cloud.runtime.devices().list(user).expect("read"), commits, readings }
}

/// A person with one phone, one reading that the analysis has seen, and how they stand.
pub async fn settled(cloud: &Cloud) -> (UserId, PhoneFile, Standing) {
    let user = cloud.add("Ada");
    let file = cloud.pair(user).await;
    let mut phone = cloud.connect(twin(&file)).await;
    let put = phone.post("/usercache/put", put_body(1_700_000_000.0, "at home")).await.unwrap();
    assert_eq!(put.status, 200, "{:?}", put.body);
    analyse(cloud, user).await;
    let before = standing(cloud, user, &file).await;
    assert_eq!(before.readings.len(), 1);
    (user, file, before)
}

pub async fn analyse(cloud: &Cloud, user: UserId) {
    let runtime = Arc::clone(&cloud.runtime);
    let ran =
        tokio::task::spawn_blocking(move || runtime.pipelines().run(user, 1_700_010_000.0)).await.unwrap();
    assert!(ran.unwrap().failed().is_none());
}

/// How often the store was written to.
pub fn commits_of(cloud: &Cloud, user: UserId) -> u64 {
    cloud.runtime.person(user).unwrap().store.head().commit
}
