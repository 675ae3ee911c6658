//! Byte strings of fixed length, each with a type; base64url in JSON.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use ring::rand::SecureRandom;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::token::NoRandomness;

/// A value that has not the length of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{bytes} bytes where {want} are wanted")]
pub struct BadLength {
    /// The length of the value, bytes.
    pub bytes: usize,
    /// The length of its kind, bytes.
    pub want: usize,
}

/// For `#[serde(with)]`: base64url without padding, exactly `N` bytes.
pub(crate) mod base64url {
    use super::*;

    pub fn serialize<S: Serializer, T: AsRef<[u8]>>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64URL_NOPAD.encode(value.as_ref()))
    }

    pub fn deserialize<'de, D, const N: usize>(deserializer: D) -> Result<[u8; N], D::Error>
    where
        D: Deserializer<'de>,
    {
        let text = String::deserialize(deserializer)?;
        let bytes =
            BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| de::Error::custom("not base64url"))?;
        bytes.try_into().map_err(|_| de::Error::custom(format_args!("not {N} bytes")))
    }
}

macro_rules! byte_types {
    ($($(#[$doc:meta])* $name:ident($bytes:literal);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(#[serde(with = "base64url")] pub [u8; $bytes]);

        impl TryFrom<&[u8]> for $name {
            type Error = BadLength;
            fn try_from(bytes: &[u8]) -> Result<Self, BadLength> {
                bytes.try_into().map(Self).map_err(|_| BadLength { bytes: bytes.len(), want: $bytes })
            }
        }

        /// Lower-case hex digits.
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&HEXLOWER.encode(&self.0))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
    )*};
}

byte_types! {
    /// One pairing window, drawn at random. Public.
    WindowId(8);
    /// The first half of the SHA-256 of a device's key; safe to log.
    DeviceId(16);
    /// One session of a device, drawn at random; for logs, gives no access.
    SessionId(16);
    /// A phone sends it with an upload so that a repetition is recognised.
    IdempotencyKey(16);
    /// SHA-256 of a runtime's key: the runtime that a phone expects.
    Pin(32);
    /// Random bytes that make one run of the protocol differ from every other.
    Nonce(32);
    /// SHA-256 of the phone's nonce, sent before the phone sees the runtime's.
    Commit(32);
    /// The SHA-256 of some other value; the field that holds it says which.
    Digest32(32);
}

impl Nonce {
    /// Draws a nonce.
    ///
    /// # Errors
    /// [`NoRandomness`] where `random` refuses.
    pub fn random(random: &dyn SecureRandom) -> Result<Self, NoRandomness> {
        draw(random).map(Self)
    }
}

/// `N` random bytes.
pub(crate) fn draw<const N: usize>(random: &dyn SecureRandom) -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    random.fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}
