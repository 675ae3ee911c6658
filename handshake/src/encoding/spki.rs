//! Public keys as TLS carries them: exactly two shapes, distinguished by length and prefix before any arithmetic.

use super::bytes::base64url;
use super::{DeviceId, Pin};
use data_encoding::BASE64URL_NOPAD;
use ring::digest;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// A SubjectPublicKeyInfo with an Ed25519 key.
pub const ED25519_SPKI_BYTES: usize = 44;
/// A SubjectPublicKeyInfo with an uncompressed P-256 point.
pub const P256_SPKI_BYTES: usize = 91;
/// An uncompressed P-256 point: 4, then both coordinates.
pub const P256_POINT_BYTES: usize = 65;

const ED25519_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const P256_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// The points of Ed25519 whose order is at most 8, with the sign of x cleared and the two that are not in canonical
/// form: 0, 1, -1 modulo 2^255 - 19, and the two of order 8. With such a key anyone can make signatures that `ring`
/// accepts.
const ED25519_WEAK: [[u8; 32]; 7] = [
    [0; 32],
    ends(1, 0, 0),
    ends(0xec, 0xff, 0x7f),
    ends(0xed, 0xff, 0x7f),
    ends(0xee, 0xff, 0x7f),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
];

const fn ends(first: u8, middle: u8, last: u8) -> [u8; 32] {
    let mut bytes = [middle; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}

const _: () = assert!(ED25519_PREFIX.len() + 32 == ED25519_SPKI_BYTES);
const _: () = assert!(P256_PREFIX.len() + P256_POINT_BYTES == P256_SPKI_BYTES);

/// The kind of signature that a key makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// Software keys, and the key of every runtime.
    Ed25519,
    /// Keys in the secure hardware of phones.
    P256,
}

/// A public key of one of the two shapes. Made only by [`Self::parse`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Spki {
    /// See [`KeyKind::Ed25519`].
    Ed25519([u8; ED25519_SPKI_BYTES]),
    /// See [`KeyKind::P256`].
    P256([u8; P256_SPKI_BYTES]),
}

/// Why bytes are no accepted key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadSpki {
    /// Neither of the two lengths.
    #[error("a key has {ED25519_SPKI_BYTES} or {P256_SPKI_BYTES} bytes, this one has {bytes}")]
    Length {
        /// The number of bytes.
        bytes: usize,
    },
    /// The right length, but another algorithm.
    #[error("a key of {bytes} bytes has another algorithm or parameters than the two that are taken")]
    Algorithm {
        /// The number of bytes.
        bytes: usize,
    },
    /// Compressed, not on the curve, or of so small an order that anyone can sign.
    #[error("the key is no point that can sign")]
    Point,
}

impl Spki {
    /// Reads DER bytes, which must have exactly one of the two shapes.
    ///
    /// # Errors
    /// [`BadSpki`]; lengths and prefixes are judged before anything is computed.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadSpki> {
        match bytes.len() {
            ED25519_SPKI_BYTES => {
                let key = bytes.strip_prefix(&ED25519_PREFIX);
                let key = key.ok_or(BadSpki::Algorithm { bytes: bytes.len() })?;
                let mut unsigned = [0; 32];
                unsigned.copy_from_slice(key);
                unsigned[31] &= 0x7f;
                if ED25519_WEAK.contains(&unsigned) {
                    return Err(BadSpki::Point);
                }
                bytes.try_into().map(Self::Ed25519).map_err(|_| BadSpki::Point)
            }
            P256_SPKI_BYTES => {
                let point = bytes.strip_prefix(&P256_PREFIX);
                let point = point.ok_or(BadSpki::Algorithm { bytes: bytes.len() })?;
                WrapPub::parse(point)?;
                bytes.try_into().map(Self::P256).map_err(|_| BadSpki::Point)
            }
            bytes => Err(BadSpki::Length { bytes }),
        }
    }

    /// The key of an Ed25519 pair.
    ///
    /// # Errors
    /// [`BadSpki::Point`] for the few keys with which anyone could sign, 32 zeros among them.
    pub fn from_ed25519(key: &[u8; 32]) -> Result<Self, BadSpki> {
        Self::parse(&[ED25519_PREFIX.as_slice(), key].concat())
    }

    /// The key of a P-256 pair, from its uncompressed point.
    ///
    /// # Errors
    /// [`BadSpki::Point`] where the bytes are no point.
    pub fn from_p256_point(point: &[u8; P256_POINT_BYTES]) -> Result<Self, BadSpki> {
        Self::parse(&[P256_PREFIX.as_slice(), point].concat())
    }

    /// The key that checks signatures of the private half of `point`.
    pub(crate) fn from_wrap_pub(point: &WrapPub) -> Self {
        let mut bytes = [0; P256_SPKI_BYTES];
        bytes[..P256_PREFIX.len()].copy_from_slice(&P256_PREFIX);
        bytes[P256_PREFIX.len()..].copy_from_slice(point.as_bytes());
        Self::P256(bytes)
    }

    /// The DER bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Ed25519(bytes) => bytes,
            Self::P256(bytes) => bytes,
        }
    }

    /// The raw key, as signature checks need it: 32 bytes, or a point of 65.
    pub fn key_bytes(&self) -> &[u8] {
        match self {
            Self::Ed25519(bytes) => &bytes[ED25519_PREFIX.len()..],
            Self::P256(bytes) => &bytes[P256_PREFIX.len()..],
        }
    }

    /// The kind of signature that it checks.
    pub fn kind(&self) -> KeyKind {
        match self {
            Self::Ed25519(_) => KeyKind::Ed25519,
            Self::P256(_) => KeyKind::P256,
        }
    }

    /// The pin by which a phone recognises its runtime.
    pub fn pin(&self) -> Pin {
        let mut pin = [0; 32];
        pin.copy_from_slice(digest::digest(&digest::SHA256, self.as_bytes()).as_ref());
        Pin(pin)
    }

    /// The id by which a runtime names this device.
    pub fn device_id(&self) -> DeviceId {
        let mut id = [0; 16];
        id.copy_from_slice(&self.pin().0[..16]);
        DeviceId(id)
    }
}

impl fmt::Debug for Spki {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Spki({:?} {})", self.kind(), self.device_id())
    }
}

impl Serialize for Spki {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64URL_NOPAD.encode(self.as_bytes()))
    }
}

impl<'de> Deserialize<'de> for Spki {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes =
            BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| de::Error::custom("not base64url"))?;
        Self::parse(&bytes).map_err(de::Error::custom)
    }
}

/// The public half of a key that unwraps a data key: an uncompressed P-256 point, on the curve.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct WrapPub(#[serde(with = "base64url")] [u8; P256_POINT_BYTES]);

impl WrapPub {
    /// Reads a point and checks that it lies on the curve.
    ///
    /// # Errors
    /// [`BadSpki::Length`] and [`BadSpki::Point`].
    pub fn parse(bytes: &[u8]) -> Result<Self, BadSpki> {
        let point: [u8; P256_POINT_BYTES] =
            bytes.try_into().map_err(|_| BadSpki::Length { bytes: bytes.len() })?;
        if point[0] != 4 || p256::PublicKey::from_sec1_bytes(&point).is_err() {
            return Err(BadSpki::Point);
        }
        Ok(Self(point))
    }

    /// The 65 bytes.
    pub fn as_bytes(&self) -> &[u8; P256_POINT_BYTES] {
        &self.0
    }
}

impl fmt::Debug for WrapPub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WrapPub({:02x}{:02x}..)", self.0[1], self.0[2])
    }
}

impl<'de> Deserialize<'de> for WrapPub {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes: [u8; P256_POINT_BYTES] = base64url::deserialize(deserializer)?;
        Self::parse(&bytes).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn p256_key() -> Spki {
        let secret = p256::SecretKey::from_slice(&[7; 32]).unwrap();
        let point = secret.public_key().to_sec1_bytes();
        Spki::from_p256_point(point.as_ref().try_into().unwrap()).unwrap()
    }

    #[test]
    fn the_two_shapes_read_back_and_a_device_is_named_by_half_a_digest() {
        for key in [Spki::from_ed25519(&[9; 32]).unwrap(), p256_key()] {
            assert_eq!(Spki::parse(key.as_bytes()), Ok(key));
            assert_eq!(key.device_id().0, key.pin().0[..16]);
            let text = serde_json::to_string(&key).unwrap();
            assert_eq!(serde_json::from_str::<Spki>(&text).unwrap(), key);
        }
    }

    #[test]
    fn zeros_compressed_points_and_points_off_the_curve_are_refused() {
        assert_eq!(Spki::from_ed25519(&[0; 32]), Err(BadSpki::Point));
        assert_eq!(Spki::from_p256_point(&[0; 65]), Err(BadSpki::Point));
        let mut zero = [0; 65];
        zero[0] = 4;
        assert_eq!(Spki::from_p256_point(&zero), Err(BadSpki::Point));
        let mut compressed: [u8; 65] = p256_key().key_bytes().try_into().unwrap();
        compressed[0] = 2;
        assert_eq!(Spki::from_p256_point(&compressed), Err(BadSpki::Point));
        compressed[0] = 4;
        compressed[64] ^= 1;
        assert_eq!(Spki::from_p256_point(&compressed), Err(BadSpki::Point));
    }

    #[test]
    fn keys_with_which_everybody_can_sign_are_refused() {
        use ring::signature::{ED25519, UnparsedPublicKey};
        // The neutral point and 0: `ring` accepts it as a signature of some message under every such key.
        let mut signature = [0; 64];
        signature[0] = 1;
        let mut signed = 0;
        for weak in ED25519_WEAK {
            for sign in [0, 0x80] {
                let mut key = weak;
                key[31] |= sign;
                let public = UnparsedPublicKey::new(&ED25519, key);
                signed += usize::from((0_u8..200).any(|byte| public.verify(&[byte], &signature).is_ok()));
                assert_eq!(Spki::from_ed25519(&key), Err(BadSpki::Point));
            }
        }
        assert_eq!(signed, 14, "or the list is of other points");
    }

    #[test]
    fn other_algorithms_of_the_right_length_and_every_other_length_are_refused() {
        for bytes in 0..600 {
            let refused = Spki::parse(&vec![0x30; bytes]).unwrap_err();
            match bytes {
                44 | 91 => assert_eq!(refused, BadSpki::Algorithm { bytes }),
                _ => assert_eq!(refused, BadSpki::Length { bytes }),
            }
        }
        let mut x25519 = Spki::from_ed25519(&[9; 32]).unwrap().as_bytes().to_vec();
        x25519[8] = 0x6e;
        assert_eq!(Spki::parse(&x25519), Err(BadSpki::Algorithm { bytes: 44 }));
    }

    proptest! {
        #[test]
        fn a_flipped_bit_makes_another_key_or_none(bit in 0_usize..91 * 8) {
            let key = p256_key();
            let mut bytes = key.as_bytes().to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(Spki::parse(&bytes).is_err(), "bit {}", bit);
        }
    }
}
