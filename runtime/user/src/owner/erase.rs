//! Erasing a person's data, and the receipt that remains.
//!
//! The folder gets another name first, by which nobody is served; then its keys are destroyed, then the rest. A process
//! that ends on the way goes on at its next start, or when the same is asked again.

use data_encoding::HEXLOWER;
use std::fs;
use std::path::Path;

use ring::digest::{Context, SHA256};
use runtime_store::{Erased, Store, remove_tree, step};
use runtime_types::UserId;
use serde::{Deserialize, Serialize};

use super::access::Owner;
use super::intent::Intent;
use super::slots::{SLOTS_FILE, Slots};
use super::{OwnerError, Owners};
use crate::error::CallError;
use crate::files;
use crate::people::{PeopleError, RECORD_FILE, STORE_FOLDER};

/// The receipt, in the folder of a person who is being erased.
const RECEIPT_FILE: &str = "receipt";

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

impl Receipt {
    /// What there is to destroy in a person's folder.
    fn of(folder: &Path, user: UserId) -> Result<Self, CallError> {
        let path = folder.join(SLOTS_FILE);
        let slots = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            bytes => Some(bytes.map_err(|source| CallError::Disk { path, source })?),
        };
        let store = folder.join(STORE_FOLDER);
        let store: Option<Erased> =
            if store.exists() { Some(Store::survey(&store).map_err(CallError::Open)?) } else { None };
        // A file that cannot be parsed is destroyed all the same.
        let count = Slots::read(folder).map_or(0, |slots| slots.count());
        let digest = |bytes: Vec<u8>| {
            let mut digest = Context::new(&SHA256);
            digest.update(&bytes);
            HEXLOWER.encode(digest.finish().as_ref())
        };
        Ok(Self {
            user: user.to_string(),
            slots: count + store.as_ref().map_or(0, |store| store.slots),
            slots_sha256: slots.map(digest),
            keyring_sha256: store.as_ref().map(|store| HEXLOWER.encode(&store.destroyed_sha256)),
            bytes: store.map_or(0, |store| store.bytes),
        })
    }
}

/// Destroys what is in the folder of a person who is not here any more: keys, then data, then the record, by which the
/// person is found until the end.
fn destroy(folder: &Path, user: UserId) -> Result<Receipt, CallError> {
    let disk = |source| CallError::Disk { path: folder.to_owned(), source };
    let path = folder.join(RECEIPT_FILE);
    let kept = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let receipt = match kept {
        Some(receipt) => receipt,
        None => {
            let receipt = Receipt::of(folder, user)?;
            let text = serde_json::to_vec(&receipt).expect("numbers and texts");
            if let Err(error) = files::replace(&path, &text) {
                // Erasing may be what makes room on the disk.
                tracing::warn!(user = %user.short(), %error, "an erasure that stops on the way loses its receipt");
            }
            receipt
        }
    };
    files::remove(&folder.join(SLOTS_FILE)).map_err(disk)?;
    let store = folder.join(STORE_FOLDER);
    if store.exists() {
        Store::erase(&store).map_err(CallError::Open)?;
    }
    for entry in fs::read_dir(folder).map_err(disk)? {
        let entry = entry.map_err(disk)?;
        if entry.file_type().map_err(disk)?.is_dir() {
            remove_tree(&entry.path()).map_err(disk)?;
        } else if entry.file_name() != RECORD_FILE && entry.file_name() != RECEIPT_FILE {
            step(&entry.path()).and_then(|()| fs::remove_file(entry.path())).map_err(disk)?;
        }
    }
    files::sync_folder(folder).map_err(disk)?;
    remove_tree(folder).map_err(disk)?;
    folder.parent().map_or(Ok(()), files::sync_folder).map_err(disk)?;
    Ok(receipt)
}

impl Owners {
    /// Erases a person. `closed` closes the store and returns whether it is closed.
    pub(crate) fn erase(&self, user: UserId, closed: impl Fn() -> bool) -> Result<Receipt, CallError> {
        if !self.people.is_erasing(user) {
            self.take_leave(user, closed)?;
        }
        destroy(&self.people.erasing_folder(user), user)
    }

    fn take_leave(&self, user: UserId, closed: impl Fn() -> bool) -> Result<(), CallError> {
        if self.people.standing(user).is_none() && self.people.damage(user).is_none() {
            return Err(CallError::Nobody);
        }
        let owner = self.get(user);
        let _one_at_a_time = owner.as_deref().map(Owner::changing);
        if let Err(error) = Intent::Erase.write(&self.people.folder(user)) {
            let why = crate::chain(&error);
            // Erasing may be what makes room on the disk, and the new name of the folder says the same.
            tracing::warn!(user = %user.short(), error = %why, "erasing without a record of it");
        }
        self.people.shut_out(user);
        self.forget(user);
        if !closed() {
            return Err(CallError::Overloaded(runtime_sandbox::Overloaded::Person { waiting: 1 }));
        }
        self.people.leave(user).map_err(|error| match error {
            PeopleError::Disk { path, source } => CallError::Disk { path, source },
            _ => CallError::Nobody,
        })?;
        // A request that came in between has made another one.
        self.forget(user);
        Ok(())
    }

    /// At a start: goes on with every erasure that stopped on the way.
    pub(super) fn finish_all_erasing(&self) {
        let intended = self
            .people
            .everybody()
            .into_iter()
            .filter(|user| matches!(Intent::read(&self.people.folder(*user)), Ok(Some(Intent::Erase))));
        self.erase_all(intended.collect());
        self.finish_erasing();
    }

    /// Goes on with the erasures of people who are not here any more, nameless ones included.
    pub fn finish_erasing(&self) {
        self.erase_all(self.people.all_erasing().unwrap_or_default());
    }

    fn erase_all(&self, users: Vec<UserId>) {
        for user in users {
            match self.erase(user, || true) {
                Ok(_) => {
                    tracing::info!(user = %user.short(), "an erasure that stopped on the way is finished")
                }
                Err(error) => {
                    let why = crate::chain(&error);
                    tracing::error!(user = %user.short(), error = %why, "a person is not wholly erased; `cellar user erase` goes on");
                }
            }
        }
    }
}

impl From<CallError> for OwnerError {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}
