//! How a pairing stands, in memory and on the disk, and what an attack must leave as it was.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use handshake::encoding::KeyKind;
use handshake::pairing::WindowState;
use runtime_phone::PhoneFile;
use runtime_user::{Invitation, LockState, OwnerError, UserId, WindowWish};
use serde_json::Value;

use super::cloud::{Cloud, until};

/// The newest window's state, wrong proofs and challenges. What is in memory stands on the disk.
pub fn window(cloud: &Cloud, user: UserId) -> (WindowState, u8, u8) {
    let status = cloud.pairing(user).unwrap();
    let kept = on_disk(&cloud.folder_of(user));
    assert_eq!(kept, (status.state, status.bad, status.challenges), "memory and disk");
    kept
}

/// As [`window`], of a folder that nobody serves.
pub fn on_disk(folder: &Path) -> (WindowState, u8, u8) {
    let window = &access(folder)["window"];
    let count = |name: &str| u8::try_from(window[name].as_u64().unwrap()).unwrap();
    (serde_json::from_value(window["state"].clone()).unwrap(), count("bad"), count("challenges"))
}

fn access(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("access.json")).unwrap()).unwrap()
}

/// Nobody was let in: no device, no slot, no store.
pub fn nobody_enrolled(cloud: &Cloud, user: UserId) {
    assert_eq!(cloud.runtime.devices().list(user).unwrap(), []);
    assert_eq!(cloud.runtime.locks().state(user).unwrap(), LockState::Absent);
    let folder = cloud.folder_of(user);
    assert_eq!(access(&folder)["devices"]["devices"].as_array().unwrap().len(), 0);
    for file in ["store", "slots.json"] {
        assert!(!folder.join(file).exists(), "{file}");
    }
}

/// Exactly those came in, each with its slot.
pub fn devices(cloud: &Cloud, user: UserId) -> Vec<String> {
    let devices: Vec<_> =
        cloud.runtime.devices().list(user).unwrap().into_iter().map(|device| device.id).collect();
    let kept = access(&cloud.folder_of(user));
    assert_eq!(kept["devices"]["devices"].as_array().unwrap().len(), devices.len());
    devices
}

/// An honest phone pairs in that window.
pub async fn honest_in(cloud: &Cloud, user: UserId, invitation: &Invitation) -> PhoneFile {
    let code = cloud.scanned(invitation);
    let file = cloud.pair_with(user, invitation.window, code, KeyKind::P256).await.unwrap();
    assert_eq!(window(cloud, user).0, WindowState::Done);
    assert!(devices(cloud, user).contains(&file.state.device.to_string()));
    file
}

/// An honest phone pairs in a window that is opened for it, and its session is good.
pub async fn honest_anew(cloud: &Cloud, user: UserId) -> PhoneFile {
    let invitation = cloud.open_window_with(user, |wish| wish.typed = false).await;
    let file = honest_in(cloud, user, &invitation).await;
    cloud.connect(file).await.file
}

/// A window that was opened at another moment than now.
pub async fn try_open_at(cloud: &Cloud, user: UserId, now_ms: u64) -> Result<Invitation, OwnerError> {
    let wish = WindowWish {
        host: Ipv4Addr::LOCALHOST.to_string(),
        port: cloud.address.port(),
        lifetime_ms: None,
        typed: true,
        admin: false,
        recovery: None,
    };
    let runtime = Arc::clone(&cloud.runtime);
    let opened = tokio::task::spawn_blocking(move || runtime.pairing().open(user, wish, now_ms)).await;
    opened.unwrap()
}

/// As [`try_open_at`], where nothing speaks against it.
pub async fn open_at(cloud: &Cloud, user: UserId, now_ms: u64) -> Invitation {
    try_open_at(cloud, user, now_ms).await.unwrap()
}

/// Waits until the runtime has noticed that a connection is gone.
pub async fn burnt(cloud: &Cloud, user: UserId) {
    until("the window is burnt", || cloud.pairing(user).unwrap().state == WindowState::Burnt).await;
}

/// The owner's word.
pub fn answer(
    cloud: &Cloud,
    user: UserId,
    invitation: &Invitation,
    approved: bool,
) -> Result<(), OwnerError> {
    let now_ms = runtime_host::http::service::epoch_ms();
    cloud.runtime.pairing().answer(user, invitation.window, approved, now_ms)
}
