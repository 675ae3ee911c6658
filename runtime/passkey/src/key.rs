//! A passkey's id and its public key.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use handshake::encoding::{KeyKind, Spki};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The shortest id, bytes: authenticators draw at least this many.
pub const CREDENTIAL_BYTES_MIN: usize = 16;
/// The longest id, bytes.
pub const CREDENTIAL_BYTES_MAX: usize = 1023;

/// The id of a passkey. Not a secret; base64url without padding as text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CredentialId(Vec<u8>);

impl CredentialId {
    /// An id of 16 to 1023 bytes; `None` for others.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let fits = (CREDENTIAL_BYTES_MIN..=CREDENTIAL_BYTES_MAX).contains(&bytes.len());
        fits.then(|| Self(bytes.to_vec()))
    }

    /// Reads the text.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > CREDENTIAL_BYTES_MAX.div_ceil(3) * 4 {
            return None;
        }
        Self::new(&BASE64URL_NOPAD.decode(text.as_bytes()).ok()?)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64URL_NOPAD.encode(&self.0))
    }
}

impl fmt::Debug for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CredentialId({} bytes)", self.0.len())
    }
}

impl Serialize for CredentialId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CredentialId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("not the id of a passkey"))
    }
}

/// A passkey, as it is kept: nothing of it is a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// Its id.
    pub id: CredentialId,
    /// Its public key.
    pub key: Spki,
    /// The counter of its last signature; 0 if it has none.
    pub counter: u32,
}

/// ES256 on P-256: x follows, then [`P256_MIDDLE`] and y.
const P256_BEGIN: [u8; 10] = [0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20];
const P256_MIDDLE: [u8; 3] = [0x22, 0x58, 0x20];
/// EdDSA on Ed25519: the key follows.
const ED25519_BEGIN: [u8; 10] = [0xa4, 0x01, 0x01, 0x03, 0x27, 0x20, 0x06, 0x21, 0x58, 0x20];

/// The key that an authenticator writes in CBOR's canonical form; what follows it (extensions) is not looked at.
pub(crate) fn of_cose(bytes: &[u8]) -> Option<Spki> {
    if let Some(rest) = bytes.strip_prefix(&ED25519_BEGIN) {
        return Spki::from_ed25519(rest.get(..32)?.try_into().ok()?).ok();
    }
    let (x, rest) = bytes.strip_prefix(&P256_BEGIN)?.split_at_checked(32)?;
    let y = rest.strip_prefix(&P256_MIDDLE)?.get(..32)?;
    let mut point = [4; 65];
    point[1..33].copy_from_slice(x);
    point[33..].copy_from_slice(y);
    Spki::from_p256_point(&point).ok()
}

/// The key as `ring` takes it: a point of P-256, or the 32 bytes of Ed25519.
pub(crate) fn public_bytes(key: &Spki) -> &[u8] {
    let length = match key.kind() {
        KeyKind::P256 => 65,
        KeyKind::Ed25519 => 32,
    };
    let bytes = key.as_bytes();
    &bytes[bytes.len() - length..]
}

/// A key in CBOR's canonical form, as an authenticator writes it.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn to_cose(key: &Spki) -> Vec<u8> {
    let public = public_bytes(key);
    match key.kind() {
        KeyKind::P256 => [&P256_BEGIN[..], &public[1..33], &P256_MIDDLE, &public[33..]].concat(),
        KeyKind::Ed25519 => [&ED25519_BEGIN[..], public].concat(),
    }
}
