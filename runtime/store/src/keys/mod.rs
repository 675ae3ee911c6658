//! Keys: who holds the data key, what it opens, and how values are sealed.
//!
//! data key (in a slot) → keyring file → one random key a stream and month, and one for what is not an
//! entry → a subkey per 16 random bytes → AES-256-GCM under a counter. Random and wrapped, not derived: a
//! derived key cannot be destroyed.

mod files;
mod keyring;
mod seal;
#[cfg(test)]
mod tests;
mod unattended;

use std::path::Path;

use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::rand::{SecureRandom, SystemRandom};
use runtime_types::UserId;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::KeyError;

pub use files::SmallFile;
pub(crate) use files::{FolderFile, sync_folder};
pub(crate) use keyring::{KEYRING_FILE, Keyring, MonthKey};
pub(crate) use seal::{About, Opener, SealId, Sealer, header_id};
pub use unattended::Unattended;

/// A person's data key: 32 random bytes that open the keyring. Wiped from memory when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct DataKey(pub(crate) Secret);

impl DataKey {
    /// Draws one.
    pub fn random() -> Result<Self, KeyError> {
        Ok(Self(Secret::random()?))
    }

    /// Takes one that a slot held.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Secret(bytes))
    }

    /// For wrapping it into a slot.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0.0
    }
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DataKey(…)")
    }
}

/// Yields a person's data key, which lies wrapped in a slot file of the store's folder.
pub trait KeyProvider: Send + Sync {
    /// Draws a data key and writes its slot into `folder`, on disk when it returns.
    fn create(&self, folder: &Path, user: UserId) -> Result<DataKey, KeyError>;
    /// Opens the slot in `folder`.
    fn unlock(&self, folder: &Path, user: UserId) -> Result<DataKey, KeyError>;
}

/// 32 secret bytes, wiped from memory when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Secret(pub [u8; 32]);

impl Secret {
    pub fn random() -> Result<Self, KeyError> {
        let mut secret = Self([0; 32]);
        SystemRandom::new().fill(&mut secret.0).map_err(|_| KeyError::NoRandom)?;
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
        let mut derived = Self([0; 32]);
        Salt::new(HKDF_SHA256, salt)
            .extract(&self.0)
            .expand(info, Length)
            .and_then(|okm| okm.fill(&mut derived.0))
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
