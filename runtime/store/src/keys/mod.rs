//! Keys: how the data key is held, what it opens, and how values are sealed.
//!
//! data key (in a slot) → keyring file → one random key for each stream and month, and one for everything but entries →
//! a subkey for each 16 random bytes → AES-256-GCM under a counter. The keys are random and wrapped, not derived: a
//! derived key cannot be destroyed.
//!
//! * Units: a generation counts the data keys of a person from 1; the keyring names the one that opens it.
//! * Invariants: bytes of a key are on the heap and are wiped when dropped. Only the allocator can wipe what ring
//!   derives from a key; that is on the heap too, and is freed with the store.
//! * Not here: slots that the owner opens (`handshake`, `runtime/user`).

mod apart;
mod files;
mod held;
mod keyring;
mod seal;
#[cfg(test)]
mod tests;
mod unattended;
#[cfg(test)]
mod vectors;

use std::path::Path;

use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::rand::{SecureRandom, SystemRandom};
use runtime_types::UserId;
use zeroize::Zeroize;

use crate::KeyError;

pub use apart::{NotOpened, is_sealed_apart};
pub use files::SmallFile;
pub(crate) use files::{FolderFile, MemoryFile, sync_folder};
pub use held::Held;
pub(crate) use keyring::{KEYRING_FILE, Keyring, SealKey, generation_in};
pub(crate) use seal::{About, Opener, SealId, Sealer, header_id};
pub(crate) use unattended::SLOT_PREFIX;
pub use unattended::Unattended;

/// A person's data key: 32 random bytes that open the keyring. Wiped from memory when dropped.
pub struct DataKey(pub(crate) Secret);

impl DataKey {
    /// Draws a random key.
    pub fn random() -> Result<Self, KeyError> {
        Secret::random().map(Self)
    }

    /// Makes a key of the bytes from a slot.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes.into())
    }

    /// The bytes, for wrapping them into a slot.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0.0
    }

    /// Another copy, which is wiped separately. Not `Clone`: copies of a key should be visible in the code.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self(self.0.clone())
    }
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DataKey(…)")
    }
}

/// Yields a person's data key and its generation.
pub trait KeyProvider: Send + Sync {
    /// The key of a store that is being created in `folder`; what is needed to open it again is on disk when this
    /// returns.
    fn create(&self, folder: &Path, user: UserId) -> Result<Held, KeyError>;
    /// The key of the store in `folder`.
    fn unlock(&self, folder: &Path, user: UserId) -> Result<Held, KeyError>;
}

/// 32 secret bytes, wiped from memory when dropped. On the heap, so that moving them about leaves no copies.
#[derive(Clone)]
pub(crate) struct Secret(pub Box<[u8; 32]>);

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl From<[u8; 32]> for Secret {
    fn from(mut bytes: [u8; 32]) -> Self {
        let secret = Self(Box::new(bytes));
        bytes.zeroize();
        secret
    }
}

impl Secret {
    pub fn random() -> Result<Self, KeyError> {
        let mut secret = Self::from([0; 32]);
        SystemRandom::new().fill(&mut *secret.0).map_err(|_| KeyError::NoRandom)?;
        Ok(secret)
    }

    /// HKDF-SHA-256 of this secret.
    pub fn derive(&self, salt: &[u8], info: &[&[u8]]) -> Self {
        struct Length;
        impl KeyType for Length {
            fn len(&self) -> usize {
                32
            }
        }
        let mut derived = Self::from([0; 32]);
        Salt::new(HKDF_SHA256, salt)
            .extract(&*self.0)
            .expand(info, Length)
            .and_then(|okm| okm.fill(&mut *derived.0))
            .expect("32 bytes are far below what HKDF can give");
        derived
    }
}

/// Fresh random bytes.
pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| KeyError::NoRandom)?;
    Ok(bytes)
}
