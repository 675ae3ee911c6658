//! `POST /.upc/v1/rotate`, `/devices`, `/devices/{id}/revoke`, `/lock`.

use super::{Check, StoreState, require_valid};
use crate::device::{DEVICES_MAX, Device, DeviceName, DeviceTable, Platform, Scopes, Status};
use crate::encoding::{DeviceId, Spki};
use crate::error::Code;
use crate::keys::SIGNATURE_BYTES_MAX;
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The body where there is nothing to say, both ways: `{}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Empty {}

/// Another key for the device that asks. Answered with [`Empty`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotateRequest {
    /// The key.
    pub spki: Spki,
    /// By that key, over this connection and both keys; 1 to 72 bytes.
    #[serde(serialize_with = "write_bytes", deserialize_with = "read_bytes")]
    pub signature: Vec<u8>,
}

impl Check for RotateRequest {
    fn check(&self) -> Result<(), Code> {
        require_valid((1..=SIGNATURE_BYTES_MAX).contains(&self.signature.len()))
    }
}

fn write_bytes<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&BASE64URL_NOPAD.encode(bytes))
}

fn read_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| de::Error::custom("not base64url"))
}

/// How a device stands, without its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StatusWord {
    /// See [`Status::Active`].
    Active,
    /// See [`Status::Stale`].
    Stale,
    /// See [`Status::Rotating`].
    Rotating,
}

/// One device as the owner sees it: no key, no label, no path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceLine {
    /// Which.
    pub id: DeviceId,
    /// What the owner calls it.
    pub name: DeviceName,
    /// What kind of phone it says it is.
    pub platform: Platform,
    /// What it may do.
    pub scopes: Scopes,
    /// How it stands.
    pub status: StatusWord,
    /// When it was enrolled, milliseconds since 1970.
    #[serde(rename = "enrolled")]
    pub enrolled_ms: u64,
    /// When it last came, to the day.
    #[serde(rename = "last_seen")]
    pub last_seen_ms: u64,
}

/// Every device that is not revoked, at most [`DEVICES_MAX`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DevicesReply {
    /// In the order of ids.
    pub devices: Vec<DeviceLine>,
}

impl DevicesReply {
    /// The list of a table.
    pub fn of(table: &DeviceTable) -> Self {
        Self { devices: table.iter().filter_map(line).collect() }
    }
}

fn line(device: &Device) -> Option<DeviceLine> {
    let status = match device.status() {
        Status::Active => StatusWord::Active,
        Status::Stale => StatusWord::Stale,
        Status::Rotating { .. } => StatusWord::Rotating,
        Status::Revoked { .. } => return None,
    };
    Some(DeviceLine {
        id: device.id(),
        name: device.name().clone(),
        platform: device.platform(),
        scopes: device.scopes(),
        status,
        enrolled_ms: device.enrolled_ms(),
        last_seen_ms: device.last_seen_ms(),
    })
}

impl Check for DevicesReply {
    fn check(&self) -> Result<(), Code> {
        require_valid(self.devices.len() <= DEVICES_MAX)
    }
}

/// The data key is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockReply {
    /// How the store stands now.
    pub store: StoreState,
}
