//! Secrets of a person that the host needs while the store is locked: sealed under the host's key, so that a copy of the
//! data folder without that key does not contain them.
//!
//! A sealed secret is `CRK1 | salt 16 | length 2, little-endian | ciphertext | tag 16`. Each has a key of its own, derived
//! from the host's key and the salt, so the nonce is zero.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use runtime_types::UserId;
use zeroize::Zeroizing;

use super::{Unattended, random_bytes};
use crate::KeyError;

const MAGIC: &[u8; 4] = b"CRK1";
const HEAD_BYTES: usize = 22;
const TAG_BYTES: usize = 16;
/// The label of the keys, and of what a secret is bound to.
const LABEL: &[u8] = b"cellar/apart/1";

/// Why sealed bytes did not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotOpened {
    /// They are damaged: their form is wrong.
    Unsound,
    /// They have the right form, and this key does not open them: they were sealed with another one, or changed.
    OtherKey,
}

/// Whether bytes begin like a sealed secret, or like the first bytes of one.
pub fn is_sealed_apart(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

impl Unattended {
    fn apart_key(&self, salt: &[u8], what: &str) -> LessSafeKey {
        let secret = self.secret().derive(salt, &[LABEL, what.as_bytes()]);
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &*secret.0).expect("the key has 32 bytes"))
    }

    /// A key for another purpose of the host's, which tells nothing of the host's key.
    pub fn derive(&self, what: &str) -> Zeroizing<[u8; 32]> {
        let derived = self.secret().derive(b"", &[LABEL, b"key for ", what.as_bytes()]);
        Zeroizing::new(*derived.0)
    }

    /// Seals a secret of at most 65,535 bytes; `what` says what it is, and no other opens it.
    ///
    /// # Errors
    /// [`KeyError`] where the system has no random bytes.
    pub fn seal_apart(&self, user: UserId, what: &str, secret: &[u8]) -> Result<Vec<u8>, KeyError> {
        let salt = random_bytes::<16>()?;
        let length = u16::try_from(secret.len()).expect("a key is far shorter");
        let mut sealed = [MAGIC.as_slice(), &salt, &length.to_le_bytes()].concat();
        // Room for everything, so that no copy of the secret stays behind.
        sealed.reserve_exact(secret.len() + TAG_BYTES);
        let aad = Aad::from([&sealed, what.as_bytes(), user.0.as_slice()].concat());
        sealed.extend_from_slice(secret);
        let tag = self
            .apart_key(&salt, what)
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key([0; 12]), aad, &mut sealed[HEAD_BYTES..])
            .expect("a key is far shorter than what one nonce can seal");
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Opens what [`Self::seal_apart`] sealed for the same person and purpose.
    ///
    /// # Errors
    /// [`NotOpened`].
    pub fn open_apart(
        &self,
        user: UserId,
        what: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, NotOpened> {
        let (head, body) = sealed.split_at_checked(HEAD_BYTES).ok_or(NotOpened::Unsound)?;
        let length = usize::from(u16::from_le_bytes([head[20], head[21]]));
        if !is_sealed_apart(head) || body.len() != length + TAG_BYTES {
            return Err(NotOpened::Unsound);
        }
        let aad = Aad::from([head, what.as_bytes(), user.0.as_slice()].concat());
        let mut opened = Zeroizing::new(body.to_vec());
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        let plain = self.apart_key(&head[4..20], what).open_in_place(nonce, aad, &mut opened);
        let length = plain.map_err(|_| NotOpened::OtherKey)?.len();
        opened.truncate(length);
        Ok(opened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: UserId = UserId([1; 16]);

    #[test]
    fn a_sealed_secret_opens_for_its_person_purpose_and_key_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let key = |name: &str| Unattended::open_or_create(&folder.path().join(name)).expect("a key");
        let (right, wrong) = (key("host.key"), key("other.key"));
        let sealed = right.seal_apart(ADA, "runtime key", b"secret").expect("sealed");
        assert!(is_sealed_apart(&sealed) && !sealed.windows(6).any(|part| part == b"secret"));
        assert_eq!(right.open_apart(ADA, "runtime key", &sealed).expect("opens").as_slice(), b"secret");
        assert_eq!(right.open_apart(UserId([2; 16]), "runtime key", &sealed), Err(NotOpened::OtherKey));
        assert_eq!(right.open_apart(ADA, "another", &sealed), Err(NotOpened::OtherKey));
        assert_eq!(wrong.open_apart(ADA, "runtime key", &sealed), Err(NotOpened::OtherKey));
        for left in 0..sealed.len() {
            assert_eq!(
                right.open_apart(ADA, "runtime key", &sealed[..left]),
                Err(NotOpened::Unsound),
                "{left}"
            );
        }
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(right.open_apart(ADA, "runtime key", &changed).is_err(), "byte {at}");
        }
        assert_ne!(right.seal_apart(ADA, "runtime key", b"secret").expect("sealed"), sealed);
    }
}
