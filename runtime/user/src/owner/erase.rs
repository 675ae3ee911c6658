//! Erasing a person's data, and the receipt that remains.

use ring::digest::{Context, SHA256};
use runtime_store::Erased;
use runtime_types::UserId;
use serde::{Deserialize, Serialize};

use super::Owners;
use super::slots::{SLOTS_FILE, Slots};
use crate::error::CallError;
use crate::files;

/// What was destroyed. With the digests, a copy can be recognised but not opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The person's id, 32 hex digits.
    pub user: String,
    /// How many slots held the wrapped data key: one for each device, the recovery phrase and the host.
    pub slots: usize,
    /// SHA-256 of the owner's slots as they were on disk, 64 hex digits; `None`: there were none.
    pub slots_sha256: Option<String>,
    /// SHA-256 over the host's slot and the keyring, 64 hex digits; `None`: there was no store.
    pub keyring_sha256: Option<String>,
    /// All files of the store together, bytes.
    pub bytes: u64,
}

/// The owner's slots that were destroyed.
#[derive(Debug, Default)]
pub(crate) struct DestroyedSlots {
    count: usize,
    sha256: Option<String>,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Receipt {
    pub(crate) fn new(user: UserId, slots: &DestroyedSlots, store: Option<&Erased>) -> Self {
        Self {
            user: user.to_string(),
            slots: slots.count + store.map_or(0, |store| store.slots),
            slots_sha256: slots.sha256.clone(),
            keyring_sha256: store.map(|store| hex(&store.destroyed_sha256)),
            bytes: store.map_or(0, |store| store.bytes),
        }
    }
}

impl Owners {
    /// Removes the owner's slots, durably: from then on no device and no phrase opens the store.
    pub(crate) fn destroy_slots(&self, user: UserId) -> Result<DestroyedSlots, CallError> {
        let folder = self.people.folder(user);
        let path = folder.join(SLOTS_FILE);
        let disk = |source| CallError::Disk { path: path.clone(), source };
        let bytes = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(DestroyedSlots::default());
            }
            bytes => bytes.map_err(disk)?,
        };
        // A file that cannot be parsed is destroyed all the same.
        let count = Slots::read(&folder).map_or(0, |slots| slots.count());
        let mut digest = Context::new(&SHA256);
        digest.update(&bytes);
        std::fs::remove_file(&path).and_then(|()| files::sync_folder(&folder)).map_err(disk)?;
        Ok(DestroyedSlots { count, sha256: Some(hex(digest.finish().as_ref())) })
    }
}
