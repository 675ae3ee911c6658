//! The bodies of `POST /.upc/pair/1/{hello,proof,enrol}`, both ways. [`crate::body::read`] reads them,
//! `serde_json::to_vec` writes them.
//!
//! * Units: bytes are base64url without padding; `approve_by` is in seconds from now, since a phone's clock is
//!   not trusted; keys and macs have the sizes of their types.
//! * Invariants: a value of these types was checked when it was read. The writer of an [`Enrolled`] must respect the
//!   ranges that its fields document.
//! * Not here: who may send which message when ([`super::Window`], [`super::Pairing`]).

use crate::body;
use crate::device::{DeviceName, Platform};
use crate::encoding::{
    Commit, DeviceId, KeyKind, Label, Nonce, Pin, Selector, Spki, WindowId, WrapPub, is_host,
};
use crate::keys::Head;
use crate::transcript::{Mac, Method};
use runtime_types::UserId;
use serde::{Deserialize, Deserializer, Serialize, de};

/// Most pins of future runtime keys.
pub const NEXT_PINS_MAX: usize = 2;
/// Most scopes of a device.
pub const SCOPES_MAX: usize = 32;
/// Longest scope, in bytes.
pub const SCOPE_BYTES_MAX: usize = 64;

/// How a phone names its window, which shows how it got the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WindowName {
    /// From a scanned code.
    Scanned(WindowId),
    /// From a typed code.
    Typed(Selector),
}

impl WindowName {
    /// The method that belongs to it.
    pub fn method(self) -> Method {
        match self {
            Self::Scanned(_) => Method::Qr,
            Self::Typed(_) => Method::Typed,
        }
    }
}

/// M1, the phone to the runtime: the window, and a commitment to a nonce that is not shown yet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "HelloFields", into = "HelloFields")]
pub struct Hello {
    /// The window.
    pub window: WindowName,
    /// SHA-256 of the phone's nonce.
    pub commit: Commit,
    /// The name that the owner sees.
    pub name: DeviceName,
    /// The platform that the owner sees.
    pub platform: Platform,
}

#[derive(Serialize, Deserialize)]
struct HelloFields {
    method: Method,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    window: Option<WindowId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    selector: Option<Selector>,
    commit: Commit,
    name: DeviceName,
    platform: Platform,
}

/// A hello that names its window not at all, in both ways, or not in the way of its method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a scanned code is named by its window and a typed one by its selector")]
pub struct BadHello;

impl TryFrom<HelloFields> for Hello {
    type Error = BadHello;
    fn try_from(fields: HelloFields) -> Result<Self, BadHello> {
        let HelloFields { method, window, selector, commit, name, platform } = fields;
        let window = match (method, window, selector) {
            (Method::Qr, Some(window), None) => WindowName::Scanned(window),
            (Method::Typed, None, Some(selector)) => WindowName::Typed(selector),
            _ => return Err(BadHello),
        };
        Ok(Self { window, commit, name, platform })
    }
}

impl From<Hello> for HelloFields {
    fn from(hello: Hello) -> Self {
        let Hello { window, commit, name, platform } = hello;
        let method = window.method();
        let (window, selector) = match window {
            WindowName::Scanned(window) => (Some(window), None),
            WindowName::Typed(selector) => (None, Some(selector)),
        };
        Self { method, window, selector, commit, name, platform }
    }
}

/// How often the phone must stretch a typed code: `{"alg":"pbkdf2-sha256","iter":100000}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "KdfFields", into = "KdfFields")]
pub struct Kdf {
    /// Rounds of PBKDF2-HMAC-SHA256. Any number is read; the phone checks it.
    pub iterations: u32,
}

#[derive(Serialize, Deserialize)]
struct KdfFields {
    alg: String,
    iter: u32,
}

const KDF_NAME: &str = "pbkdf2-sha256";

/// Another function than the one of this version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("typed codes are stretched with {KDF_NAME} alone")]
pub struct BadKdf;

impl TryFrom<KdfFields> for Kdf {
    type Error = BadKdf;
    fn try_from(fields: KdfFields) -> Result<Self, BadKdf> {
        if fields.alg == KDF_NAME { Ok(Self { iterations: fields.iter }) } else { Err(BadKdf) }
    }
}

impl From<Kdf> for KdfFields {
    fn from(kdf: Kdf) -> Self {
        Self { alg: KDF_NAME.to_owned(), iter: kdf.iterations }
    }
}

/// M2, the runtime to the phone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Challenge {
    /// The window; a phone that typed learns it here, one that scanned compares it.
    pub window: WindowId,
    /// The runtime's nonce.
    pub nonce: Nonce,
    /// Sent with either method, so that the answer does not depend on it.
    #[serde(deserialize_with = "body::object")]
    pub kdf: Kdf,
}

/// M3, the phone to the runtime: the commitment opened, and the proof that it has the secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Proof {
    /// The phone's nonce.
    pub nonce: Nonce,
    /// See [`crate::transcript`].
    pub mac: Mac,
}

/// M4, the runtime to the phone: the proof that it has the secret too.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Claimed {
    /// See [`crate::transcript`].
    pub mac: Mac,
    /// How long the owner has to approve, in seconds from now.
    #[serde(rename = "approve_by")]
    pub approve_by_s: u32,
}

/// M5, the phone to the runtime. The protocol also lets it send `push`, which this version does not read: like any
/// unknown key it is ignored, and bounded by the body.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Enrol {
    /// The key to which the store's key is wrapped.
    pub wrap_pub: WrapPub,
}

/// M6, the runtime to the phone: what the phone stores of the pairing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Enrolled {
    /// The owner of the runtime.
    #[serde(with = "crate::device::user_id")]
    pub user_id: UserId,
    /// The id by which the runtime names this phone.
    pub device_id: DeviceId,
    /// The label by which this phone connects from now on.
    pub label: Label,
    /// Host name without the label, 1 to 63 bytes of lower-case letters, digits, dots and inner dashes.
    #[serde(deserialize_with = "read_host")]
    pub host: String,
    /// TCP port, not 0.
    #[serde(deserialize_with = "read_port")]
    pub port: u16,
    /// The runtime's key, Ed25519.
    #[serde(deserialize_with = "read_runtime_key")]
    pub spki_r: Spki,
    /// Keys that the runtime may change to, at most 2.
    #[serde(deserialize_with = "read_pins")]
    pub next_pins: Vec<Pin>,
    /// What this phone may do: at most 32, each 1 to 64 bytes of printable ASCII without space.
    #[serde(deserialize_with = "read_scopes")]
    pub scopes: Vec<String>,
    /// The head of the store's chain; a new store has none.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "body::object_or_none")]
    pub head: Option<Head>,
}

fn read_host<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    checked(deserializer, "a host name", |host: &String| is_host(host.as_bytes()))
}

fn read_port<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    checked(deserializer, "a port", |port| *port != 0)
}

fn read_runtime_key<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Spki, D::Error> {
    checked(deserializer, "an Ed25519 key", |key: &Spki| key.kind() == KeyKind::Ed25519)
}

fn read_pins<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Pin>, D::Error> {
    checked(deserializer, "at most 2 pins", |pins: &Vec<Pin>| pins.len() <= NEXT_PINS_MAX)
}

fn read_scopes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let is_scope = |scope: &String| {
        (1..=SCOPE_BYTES_MAX).contains(&scope.len()) && scope.bytes().all(|byte| byte.is_ascii_graphic())
    };
    let sound = |scopes: &Vec<String>| scopes.len() <= SCOPES_MAX && scopes.iter().all(is_scope);
    checked(deserializer, "at most 32 scopes of 1 to 64 characters", sound)
}

fn checked<'de, D, T>(deserializer: D, what: &str, sound: impl FnOnce(&T) -> bool) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let value = T::deserialize(deserializer)?;
    if sound(&value) { Ok(value) } else { Err(de::Error::custom(format_args!("not {what}"))) }
}

#[cfg(test)]
mod tests;
