//! Software keys that sign: the TLS key of a phone without secure hardware, and that of a runtime.
//!
//! A key is stored as PKCS#8, which TLS libraries read too. `ring` keeps copies of a key's scalars and does not wipe
//! them; the PKCS#8 bytes here are wiped.

use crate::encoding::{KeyKind, Spki};
use crate::token::NoRandomness;
use ring::rand::SecureRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use std::fmt;
use zeroize::Zeroizing;

/// Longest private key that is read; keys of the two kinds have 48 to 138 bytes.
pub const PKCS8_BYTES_MAX: usize = 256;

/// A private key of one of the two kinds.
pub struct SigningKey {
    pair: Pair,
    pkcs8: Zeroizing<Vec<u8>>,
    spki: Spki,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
}

/// Why bytes are no key of either kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadSigningKey {
    /// Far longer than either kind.
    #[error("a private key of {bytes} bytes is over the limit of {PKCS8_BYTES_MAX}")]
    Length {
        /// The number of bytes.
        bytes: usize,
    },
    /// Another algorithm, another form, or halves that do not belong together.
    #[error("the bytes are no PKCS#8 key of Ed25519 or P-256 with its public half")]
    Form,
}

impl SigningKey {
    /// Draws one.
    ///
    /// # Errors
    /// [`NoRandomness`] where `random` refuses.
    pub fn generate(kind: KeyKind, random: &dyn SecureRandom) -> Result<Self, NoRandomness> {
        let document = match kind {
            KeyKind::Ed25519 => Ed25519KeyPair::generate_pkcs8(random),
            KeyKind::P256 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, random),
        };
        let document = document.map_err(|_| NoRandomness)?;
        // Reading a P-256 key also draws random bytes, so an error here is one of randomness, not of form.
        Self::from_pkcs8(document.as_ref(), random).map_err(|_| NoRandomness)
    }

    /// Reads DER bytes: PKCS#8 version 1 or 2, with the public half in it. `random` blinds the arithmetic.
    ///
    /// # Errors
    /// [`BadSigningKey`].
    pub fn from_pkcs8(bytes: &[u8], random: &dyn SecureRandom) -> Result<Self, BadSigningKey> {
        if bytes.len() > PKCS8_BYTES_MAX {
            return Err(BadSigningKey::Length { bytes: bytes.len() });
        }
        let (pair, spki) = if let Ok(pair) = Ed25519KeyPair::from_pkcs8(bytes) {
            let public = pair.public_key().as_ref().try_into();
            let spki = Spki::from_ed25519(&public.map_err(|_| BadSigningKey::Form)?);
            (Pair::Ed25519(pair), spki)
        } else {
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, bytes, random);
            let pair = pair.map_err(|_| BadSigningKey::Form)?;
            let point = pair.public_key().as_ref().try_into();
            let spki = Spki::from_p256_point(&point.map_err(|_| BadSigningKey::Form)?);
            (Pair::P256(pair), spki)
        };
        let spki = spki.map_err(|_| BadSigningKey::Form)?;
        Ok(Self { pair, pkcs8: Zeroizing::new(bytes.to_vec()), spki })
    }

    /// The private key as DER, for its file and for TLS. Never log it.
    pub fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// The public half.
    pub fn spki(&self) -> &Spki {
        &self.spki
    }

    /// Signs: 64 bytes for Ed25519, DER of 8 to 72 for P-256 (ECDSA with SHA-256).
    ///
    /// # Errors
    /// [`NoRandomness`] where `random` refuses; Ed25519 needs no randomness.
    pub fn sign(&self, message: &[u8], random: &dyn SecureRandom) -> Result<Vec<u8>, NoRandomness> {
        match &self.pair {
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Pair::P256(pair) => {
                let signature = pair.sign(random, message).map_err(|_| NoRandomness)?;
                Ok(signature.as_ref().to_vec())
            }
        }
    }
}

/// Prints the public half.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({:?}, ..)", self.spki)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::rand::SystemRandom;

    #[test]
    fn a_key_of_either_kind_comes_back_from_its_bytes_and_shows_its_public_half_alone() {
        let random = SystemRandom::new();
        for kind in [KeyKind::Ed25519, KeyKind::P256] {
            let key = SigningKey::generate(kind, &random).unwrap();
            assert_eq!(key.spki().kind(), kind);
            let again = SigningKey::from_pkcs8(key.pkcs8(), &random).unwrap();
            assert_eq!(again.spki(), key.spki());
            assert_eq!(format!("{key:?}"), format!("SigningKey({:?}, ..)", key.spki()));
            let other = SigningKey::generate(kind, &random).unwrap();
            assert_ne!(other.spki(), key.spki());
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let random = SystemRandom::new();
        for bytes in 0..=PKCS8_BYTES_MAX {
            let refused = SigningKey::from_pkcs8(&vec![0x30; bytes], &random).err();
            assert_eq!(refused, Some(BadSigningKey::Form), "{bytes} bytes");
        }
        let refused = SigningKey::from_pkcs8(&[0x30; 257], &random).err();
        assert_eq!(refused, Some(BadSigningKey::Length { bytes: 257 }));
        for kind in [KeyKind::Ed25519, KeyKind::P256] {
            let key = SigningKey::generate(kind, &random).unwrap();
            for byte in 0..key.pkcs8().len() {
                assert!(SigningKey::from_pkcs8(&key.pkcs8()[..byte], &random).is_err());
                let mut other = key.pkcs8().to_vec();
                other[byte] ^= 1;
                let other = SigningKey::from_pkcs8(&other, &random);
                assert!(other.is_err(), "{kind:?}, byte {byte}: halves that do not belong together");
            }
        }
    }
}
