//! Attacks on the way to a host and on its port, 53 to 66 of the list: what the attacker gets, and that nothing changed.

use crate::support::cloud;
use crate::support::frames;
use crate::support::gate;
use crate::support::sockets as wire;

mod floods;
mod hellos;
mod names;

use std::sync::Arc;

use cloud::{Cloud, everything};
use handshake::route::ALPN_CONNECT;
use runtime_phone::{Call, Native, PhoneFile, Secured, secure};
use runtime_user::UserId;
use serde_json::Value;
use wire::name_of;

/// What an attack must leave as it was.
fn standing(cloud: &Cloud, user: UserId) -> String {
    let (mut names, devices) = (cloud.runtime.owners().names(), cloud.runtime.devices().list(user).unwrap());
    names.sort();
    format!("{names:?} {devices:?} {:?}", cloud.runtime.owners().waiting_uploads(user).unwrap())
}

/// How many entries a phone's store has.
async fn entries(phone: &mut Native) -> usize {
    let read = phone.post("/datastreams/find_entries/timestamp", everything()).await.unwrap();
    let read: Value = serde_json::from_slice(&read.body).unwrap();
    read["phone_data"].as_array().unwrap().len()
}

async fn dial(file: &PhoneFile) -> Secured {
    let (state, server_name) = (file.state.clone(), name_of(file));
    let call = Call {
        host: &file.state.host,
        port: file.state.port,
        server_name: &server_name,
        key: &file.device,
        protocol: ALPN_CONNECT,
        accepts: Arc::new(move |spki| state.expects(spki.as_bytes())),
    };
    secure(&call).await.unwrap()
}
