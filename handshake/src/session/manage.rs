//! `POST /.upc/v1/rotate`, `/devices`, `/devices/{id}/revoke`, `/lock`.

use super::{Check, StoreState, require_valid};
use crate::device::{DEVICES_MAX, Device, DeviceName, DeviceTable, Platform, Scopes, Status};
use crate::encoding::{DeviceId, Spki};
use crate::error::Code;
use crate::keys::SIGNATURE_BYTES_MAX;
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An empty body, in both directions: `{}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Empty {}

/// Another key for the device that sends it. The answer is [`Empty`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotateRequest {
    /// The key.
    pub spki: Spki,
    /// A signature by that key, over this connection and both keys; 1 to 72 bytes.
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

/// The status of a device, without its keys.
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

/// One device as the owner sees it: without key, label and path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceLine {
    /// Its id.
    pub id: DeviceId,
    /// The name that the owner gave it.
    pub name: DeviceName,
    /// The platform that it claims.
    pub platform: Platform,
    /// What it may do.
    pub scopes: Scopes,
    /// Its status.
    pub status: StatusWord,
    /// When it was enrolled, milliseconds since 1970.
    #[serde(rename = "enrolled")]
    pub enrolled_ms: u64,
    /// Its last contact, to the day.
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
    /// The list of the devices in a table.
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

/// The answer to `lock`: the data key was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockReply {
    /// The state of the store now.
    pub store: StoreState,
}
