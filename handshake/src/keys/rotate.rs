//! Statements by which one key replaces another.
//!
//! ```text
//! a phone's:   "upc/rotate/1"   exporter old new    signed by the new key, over a connection of the old
//! a runtime's: "upc/next-key/1" old new             signed by the old key, long before the new is used
//! ```
//!
//! Keys are DER, exporter 32 bytes. All parts contain their length, so no two statements have the same bytes.
//!
//! * A phone's old key is proved by the connection that carries the statement, whose exporter is in it: a statement
//!   from another connection is refused.
//! * Signatures: 64 bytes for Ed25519, DER for P-256 (ECDSA with SHA-256), by the kind of the key that signs.
//! * Not here: how long both keys are accepted.

use super::SigningKey;
use crate::encoding::{KeyKind, Spki};
use crate::secret::Secret;
use crate::token::NoRandomness;
use ring::rand::SecureRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey, VerificationAlgorithm};
use zeroize::Zeroizing;

/// Longest signature of either kind in bytes.
pub const SIGNATURE_BYTES_MAX: usize = 72;

/// Why a statement is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadStatement {
    /// A key cannot replace itself.
    #[error("the new key is the old one")]
    SameKey,
    /// Longer than any valid signature.
    #[error("a signature of {bytes} bytes is over the limit of {SIGNATURE_BYTES_MAX}")]
    Length {
        /// The number of bytes.
        bytes: usize,
    },
    /// A signature by another key or over other bytes.
    #[error("the signature is not over this statement by this key")]
    Signature,
}

/// The statement that a phone's new key signs; hardware keys sign these bytes. They contain the exporter, so they are
/// wiped.
pub fn rotation_statement(exporter: &Secret<32>, old: &Spki, new: &Spki) -> Zeroizing<Vec<u8>> {
    let parts = [b"upc/rotate/1".as_slice(), exporter.expose(), old.as_bytes(), new.as_bytes()];
    Zeroizing::new(parts.concat())
}

/// The statement that a runtime's old key signs.
pub fn next_key_statement(old: &Spki, new: &Spki) -> Vec<u8> {
    [b"upc/next-key/1".as_slice(), old.as_bytes(), new.as_bytes()].concat()
}

/// Signs that a phone's key `new` replaces `old`, on the connection that exported `exporter`.
///
/// # Errors
/// [`NoRandomness`] where `random` refuses.
pub fn sign_rotation(
    new: &SigningKey,
    exporter: &Secret<32>,
    old: &Spki,
    random: &dyn SecureRandom,
) -> Result<Vec<u8>, NoRandomness> {
    new.sign(&rotation_statement(exporter, old, new.spki()), random)
}

/// Checks what [`sign_rotation`] made. `old` and `exporter` come from the connection, not from the phone's message.
///
/// # Errors
/// [`BadStatement`].
pub fn verify_rotation(
    exporter: &Secret<32>,
    old: &Spki,
    new: &Spki,
    signature: &[u8],
) -> Result<(), BadStatement> {
    verify(old, new, new, &rotation_statement(exporter, old, new), signature)
}

/// Signs a runtime's announcement that `new` will replace its key `old`.
///
/// # Errors
/// [`NoRandomness`] where `random` refuses.
pub fn sign_next_key(
    old: &SigningKey,
    new: &Spki,
    random: &dyn SecureRandom,
) -> Result<Vec<u8>, NoRandomness> {
    old.sign(&next_key_statement(old.spki(), new), random)
}

/// Checks what [`sign_next_key`] made. `old` is the key that the phone has pinned.
///
/// # Errors
/// [`BadStatement`].
pub fn verify_next_key(old: &Spki, new: &Spki, signature: &[u8]) -> Result<(), BadStatement> {
    verify(old, new, old, &next_key_statement(old, new), signature)
}

fn verify(
    old: &Spki,
    new: &Spki,
    signer: &Spki,
    statement: &[u8],
    signature: &[u8],
) -> Result<(), BadStatement> {
    if old == new {
        return Err(BadStatement::SameKey);
    }
    verify_signature(signer, statement, signature)
}

/// Checks a signature of either kind over any bytes, whose prefix says what they are.
pub(crate) fn verify_signature(
    signer: &Spki,
    statement: &[u8],
    signature: &[u8],
) -> Result<(), BadStatement> {
    if signature.len() > SIGNATURE_BYTES_MAX {
        return Err(BadStatement::Length { bytes: signature.len() });
    }
    let algorithm: &dyn VerificationAlgorithm = match signer.kind() {
        KeyKind::Ed25519 => &ED25519,
        KeyKind::P256 => &ECDSA_P256_SHA256_ASN1,
    };
    let key = UnparsedPublicKey::new(algorithm, signer.key_bytes());
    key.verify(statement, signature).map_err(|_| BadStatement::Signature)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ring::rand::SystemRandom;

    const KINDS: [KeyKind; 2] = [KeyKind::Ed25519, KeyKind::P256];

    fn key(kind: KeyKind) -> SigningKey {
        SigningKey::generate(kind, &SystemRandom::new()).unwrap()
    }

    fn exporter() -> Secret<32> {
        Secret::new([0x33; 32])
    }

    #[test]
    fn the_new_key_of_a_phone_signs_and_no_other() {
        for (old_kind, new_kind) in KINDS.into_iter().flat_map(|old| KINDS.map(|new| (old, new))) {
            let (old, new, other) = (key(old_kind), key(new_kind), key(new_kind));
            let random = SystemRandom::new();
            let signature = sign_rotation(&new, &exporter(), old.spki(), &random).unwrap();
            assert!(signature.len() <= SIGNATURE_BYTES_MAX);
            assert_eq!(verify_rotation(&exporter(), old.spki(), new.spki(), &signature), Ok(()));
            let elsewhere = Secret::new([0x34; 32]);
            let wrong = Err(BadStatement::Signature);
            assert_eq!(verify_rotation(&elsewhere, old.spki(), new.spki(), &signature), wrong);
            assert_eq!(verify_rotation(&exporter(), other.spki(), new.spki(), &signature), wrong);
            assert_eq!(verify_rotation(&exporter(), old.spki(), other.spki(), &signature), wrong);
            let by_old = old.sign(&rotation_statement(&exporter(), old.spki(), new.spki()), &random).unwrap();
            assert_eq!(verify_rotation(&exporter(), old.spki(), new.spki(), &by_old), wrong);
            let same = verify_rotation(&exporter(), new.spki(), new.spki(), &signature);
            assert_eq!(same, Err(BadStatement::SameKey));
        }
    }

    #[test]
    fn the_old_key_of_a_runtime_signs_and_no_other() {
        let (old, new, other) = (key(KeyKind::Ed25519), key(KeyKind::Ed25519), key(KeyKind::P256));
        let random = SystemRandom::new();
        let signature = sign_next_key(&old, new.spki(), &random).unwrap();
        assert_eq!(verify_next_key(old.spki(), new.spki(), &signature), Ok(()));
        let wrong = Err(BadStatement::Signature);
        assert_eq!(verify_next_key(old.spki(), other.spki(), &signature), wrong);
        assert_eq!(verify_next_key(new.spki(), old.spki(), &signature), wrong);
        assert_eq!(verify_next_key(other.spki(), new.spki(), &signature), wrong);
        let by_new = new.sign(&next_key_statement(old.spki(), new.spki()), &random).unwrap();
        assert_eq!(verify_next_key(old.spki(), new.spki(), &by_new), wrong);
        assert_eq!(verify_next_key(old.spki(), old.spki(), &signature), Err(BadStatement::SameKey));
    }

    #[test]
    fn a_flipped_bit_of_a_signature_is_refused() {
        for kind in KINDS {
            let (old, new) = (key(KeyKind::Ed25519), key(kind));
            let signature = sign_rotation(&new, &exporter(), old.spki(), &SystemRandom::new()).unwrap();
            for bit in 0..signature.len() * 8 {
                let mut other = signature.clone();
                other[bit / 8] ^= 1 << (bit % 8);
                let refused = verify_rotation(&exporter(), old.spki(), new.spki(), &other);
                assert_eq!(refused, Err(BadStatement::Signature), "{kind:?}, bit {bit}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_a_signature(signature in proptest::collection::vec(any::<u8>(), 0..100), first: usize) {
            let keys = KINDS.map(key);
            let (old, new) = (&keys[first % 2], &keys[1 - first % 2]);
            let refused = verify_rotation(&exporter(), old.spki(), new.spki(), &signature);
            let long = signature.len() > SIGNATURE_BYTES_MAX;
            let want = if long { BadStatement::Length { bytes: signature.len() } } else { BadStatement::Signature };
            prop_assert_eq!(refused, Err(want));
        }
    }
}
