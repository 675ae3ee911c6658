//! Who holds the keys of a store.

mod unattended;

use std::path::Path;

use runtime_types::UserId;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::KeyError;

pub use unattended::Unattended;

/// A person's data key: 32 random bytes that open the keyring. Wiped from memory when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct DataKey(pub(crate) [u8; 32]);

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
