//! Agreement on P-256, and the key derived from it: shared by slots and inbox.

use crate::encoding::{P256_POINT_BYTES, WrapPub};
use crate::secret::Secret;
use crate::token::NoRandomness;
use ring::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use ring::rand::SecureRandom;
use ring::{agreement, hkdf};
use std::fmt;
use zeroize::Zeroizing;

/// How often a draw is repeated when the bytes are no private key; that is so for one in 2^32.
const DRAWS_MAX: usize = 16;

/// The side of an agreement that opens: [`WrapKey`](super::WrapKey), or a key in a phone's hardware.
pub trait Agree {
    /// The public half, to which others seal.
    fn public(&self) -> WrapPub;

    /// The x coordinate of ECDH on P-256 with `ephemeral`; `None` where the hardware refuses, as it may until its owner
    /// has unlocked the phone.
    fn agree(&self, ephemeral: &WrapPub) -> Option<Secret<32>>;
}

/// 32 bytes that are no private key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a private key of P-256 lies between 1 and the order of the curve")]
pub struct BadPrivateKey;

/// A private key in software. `p256` wipes it when it is dropped.
pub(super) struct PrivateKey {
    secret: p256::SecretKey,
    public: WrapPub,
}

impl PrivateKey {
    pub fn random(random: &dyn SecureRandom) -> Result<Self, NoRandomness> {
        let mut bytes = Zeroizing::new([0; 32]);
        for _ in 0..DRAWS_MAX {
            random.fill(&mut *bytes).map_err(|_| NoRandomness)?;
            if let Ok(key) = Self::from_bytes(&bytes) {
                return Ok(key);
            }
        }
        Err(NoRandomness)
    }

    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, BadPrivateKey> {
        let secret = p256::SecretKey::from_slice(bytes).map_err(|_| BadPrivateKey)?;
        let public = WrapPub::parse(&secret.public_key().to_sec1_bytes())
            .expect("the public half of a private key is a point of the curve, written uncompressed");
        Ok(Self { secret, public })
    }

    pub fn to_bytes(&self) -> Secret<32> {
        let bytes = Zeroizing::new(self.secret.to_bytes());
        Secret::new((*bytes).into())
    }

    pub fn public(&self) -> &WrapPub {
        &self.public
    }

    pub fn agree(&self, with: &WrapPub) -> Secret<32> {
        let with = p256::PublicKey::from_sec1_bytes(with.as_bytes()).expect("a WrapPub is on the curve");
        Secret::new((*self.secret.diffie_hellman(&with).raw_secret_bytes()).into())
    }
}

/// Prints the public half.
impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, ..", self.public)
    }
}

/// The part of an agreement that sealing needs; the ephemeral private key is already dropped.
pub(super) struct Agreed {
    /// The ephemeral public key, which the opening side needs.
    pub ephemeral: [u8; P256_POINT_BYTES],
    /// The x coordinate that both sides compute.
    pub x: Secret<32>,
}

/// Agrees with a fresh key.
pub(super) fn agree_once(with: &WrapPub, random: &dyn SecureRandom) -> Result<Agreed, NoRandomness> {
    let private = agreement::EphemeralPrivateKey::generate(&agreement::ECDH_P256, random);
    let private = private.map_err(|_| NoRandomness)?;
    let public = private.compute_public_key().expect("a private key that was just drawn has a public half");
    let ephemeral = public.as_ref().try_into().expect("ring writes points uncompressed, 65 bytes");
    let with = agreement::UnparsedPublicKey::new(&agreement::ECDH_P256, with.as_bytes());
    let x = agreement::agree_ephemeral(private, &with, |x| {
        Secret::new(x.try_into().expect("a coordinate of P-256 has 32 bytes"))
    });
    Ok(Agreed { ephemeral, x: x.expect("a WrapPub is on the curve") })
}

/// HKDF-SHA256, 32 bytes.
pub(super) fn derive(salt: &[u8], secret: &Secret<32>, info: &[&[u8]]) -> Secret<32> {
    let mut key = Zeroizing::new([0; 32]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
        .extract(secret.expose())
        .expand(info, hkdf::HKDF_SHA256)
        .and_then(|bytes| bytes.fill(&mut *key))
        .expect("32 bytes are within what HKDF gives");
    Secret::new(*key)
}

pub(super) fn aes_256_gcm(key: &Secret<32>) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.expose()).expect("the key has 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::rand::SystemRandom;

    #[test]
    fn both_halves_agree() {
        let key = PrivateKey::random(&SystemRandom::new()).unwrap();
        let agreed = agree_once(key.public(), &SystemRandom::new()).unwrap();
        assert_eq!(key.agree(&WrapPub::parse(&agreed.ephemeral).unwrap()), agreed.x);
    }

    #[test]
    fn zero_the_order_and_what_is_above_are_no_private_keys() {
        let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
        let order = data_encoding::HEXLOWER.decode(order.as_bytes()).unwrap();
        let mut last: [u8; 32] = order.try_into().unwrap();
        for bytes in [[0; 32], last, [0xff; 32]] {
            assert_eq!(PrivateKey::from_bytes(&bytes).err(), Some(BadPrivateKey));
        }
        last[31] -= 1;
        assert!(PrivateKey::from_bytes(&last).is_ok());
    }
}
