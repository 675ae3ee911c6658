//! The passkeys with which a person signs in at a browser, as a document of the open store.
//!
//! * The document is sealed like every other: without the data key nobody adds a passkey, whatever they write to the
//!   disk. So nobody signs in while the store is locked, either.
//! * Invariants: a change is on disk before it is acknowledged; no export has the document, and no import brings one.
//! * Not here: what a browser proves (`runtime_passkey`), sessions (`runtime/host`, `port/web`).

use std::sync::Arc;

use runtime_passkey::{Credential, CredentialId};
use runtime_store::Batch;
use runtime_types::UserId;
use serde::{Deserialize, Serialize};

use super::{LockState, Locks, OwnerError, Owners};
use crate::CallError;
use crate::people::person::Person;

/// Passkeys of one person.
pub const PASSKEYS_MAX: usize = 16;
/// The document. No cell is granted names with this prefix.
pub(super) const PASSKEYS: &str = "runtime/passkeys";

/// A passkey, and what its owner is shown of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Passkey {
    /// Its id, its key, its counter.
    pub credential: Credential,
    /// The name that its owner gave it, 1 to 64 bytes like a device's.
    pub name: String,
    /// When it was added, ms since 1970.
    pub added_ms: u64,
    /// When it last signed somebody in, ms since 1970.
    pub used_ms: u64,
}

/// Why passkeys were not read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PasskeyError {
    /// There are as many as there may be.
    #[error("a person has at most {PASSKEYS_MAX} passkeys: remove one first")]
    Full,
    /// It is there already.
    #[error("this passkey is there already")]
    Known,
    /// None has that id.
    #[error("no passkey of this person has that id")]
    Unknown,
    /// The name cannot be shown.
    #[error("a passkey's name has 1 to 64 bytes, none of them of a control or invisible character")]
    Name,
    /// The document has another form than this program writes.
    #[error("the list of passkeys cannot be read by this program")]
    Form,
    /// The store is locked, or nobody is there.
    #[error(transparent)]
    Owner(#[from] OwnerError),
}

/// The passkeys of people whose stores are open.
#[derive(Clone, Copy)]
pub struct Passkeys<'o> {
    owners: &'o Arc<Owners>,
}

impl<'o> Passkeys<'o> {
    pub(crate) fn of(owners: &'o Arc<Owners>) -> Self {
        Self { owners }
    }

    /// Which opening of the store this is: another number after a lock; `None` while it is locked or absent.
    pub fn opening(self, user: UserId) -> Option<u64> {
        self.owners.leases.opening(user)
    }

    /// All of them, in the order in which they were added. Reads the disk.
    ///
    /// # Errors
    /// [`PasskeyError::Owner`] while the store is locked or there is none.
    pub fn list(self, user: UserId) -> Result<Vec<Passkey>, PasskeyError> {
        read(&*self.person(user)?)
    }

    /// Adds one. Reads and writes the disk.
    ///
    /// # Errors
    /// [`PasskeyError`].
    pub fn add(self, user: UserId, passkey: Passkey) -> Result<(), PasskeyError> {
        handshake::device::DeviceName::new(passkey.name.clone()).map_err(|_| PasskeyError::Name)?;
        self.change(user, |all| {
            if all.iter().any(|known| known.credential.id == passkey.credential.id) {
                return Err(PasskeyError::Known);
            }
            if all.len() >= PASSKEYS_MAX {
                return Err(PasskeyError::Full);
            }
            all.push(passkey);
            Ok(())
        })
    }

    /// Removes one. Reads and writes the disk.
    ///
    /// # Errors
    /// [`PasskeyError`].
    pub fn remove(self, user: UserId, id: &CredentialId) -> Result<(), PasskeyError> {
        self.change(user, |all| {
            let before = all.len();
            all.retain(|known| known.credential.id != *id);
            if all.len() == before { Err(PasskeyError::Unknown) } else { Ok(()) }
        })
    }

    /// Judges an assertion by one of them and keeps its new counter: `judge` gets what is known and returns the counter.
    /// Two assertions are judged one after the other, so that a counter counts for one of them. Reads and writes the disk.
    ///
    /// # Errors
    /// [`PasskeyError`], or what `judge` says.
    pub fn assert<E: From<PasskeyError>>(
        self,
        user: UserId,
        id: &CredentialId,
        now_ms: u64,
        judge: impl FnOnce(&Credential) -> Result<u32, E>,
    ) -> Result<(), E> {
        let mut judged = Ok(());
        self.change(user, |all| {
            let known =
                all.iter_mut().find(|known| known.credential.id == *id).ok_or(PasskeyError::Unknown)?;
            match judge(&known.credential) {
                Ok(counter) => (known.credential.counter, known.used_ms) = (counter, now_ms),
                Err(error) => judged = Err(error),
            }
            Ok(())
        })?;
        judged
    }

    fn person(self, user: UserId) -> Result<Arc<Person>, OwnerError> {
        match Locks::of(self.owners).state(user).map_err(OwnerError::Call)? {
            LockState::Unlocked { .. } => self.owners.open_people.person(user).map_err(OwnerError::Call),
            LockState::Locked | LockState::Absent => Err(OwnerError::Call(CallError::Locked)),
        }
    }

    fn change(
        self,
        user: UserId,
        change: impl FnOnce(&mut Vec<Passkey>) -> Result<(), PasskeyError>,
    ) -> Result<(), PasskeyError> {
        let owner = self.owners.owner(user)?;
        let _one_at_a_time = owner.changing();
        let person = self.person(user)?;
        let mut all = read(&person)?;
        let before = all.clone();
        change(&mut all)?;
        if all == before {
            return Ok(());
        }
        let mut batch = Batch::new();
        batch.put_document(PASSKEYS, serde_json::to_vec(&all).map_err(|_| PasskeyError::Form)?);
        person.commit(batch).map_err(OwnerError::Commit)?;
        Ok(())
    }
}

fn read(person: &Person) -> Result<Vec<Passkey>, PasskeyError> {
    let content = person.store.snapshot().document(PASSKEYS).map_err(OwnerError::Read)?;
    content.map_or_else(
        || Ok(Vec::new()),
        |bytes| serde_json::from_slice(&bytes).map_err(|_| PasskeyError::Form),
    )
}
