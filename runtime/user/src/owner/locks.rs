//! Locking and unlocking: who may have a store open, until when, and how the data key is replaced.
//!
//! * Invariants: once [`Locks::lock`] has returned, neither the key nor an open store is in memory, and the store
//!   stays closed until the owner supplies the key again; a key is used only if the keyring opens with it; while a key
//!   is being changed, each holder has a slot for the key that the keyring names, whenever the process dies.
//! * Units: leases are ms of this process's steady clock, which setting the system's clock does not change; times
//!   shown to people are ms since 1970-01-01T00:00:00Z.

use std::time::Duration;

use runtime_store::{DataKey, DiskTrouble, Held, Store, Unattended};
use runtime_types::UserId;

use super::access::Owner;
use super::intent::Intent;
use super::slots::Holder;
use super::{OwnerError, Owners};
use crate::error::CallError;
use crate::people::KeyMode;
use crate::runtime::Runtime;

/// How long a run may keep a store open after its owner locked it: longer than any run of a stage.
const CLOSING_MAX: Duration = Duration::from_secs(40);
/// The pause between two checks whether it is closed.
const CLOSING_PAUSE: Duration = Duration::from_millis(5);

/// Whether a store can be opened now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockState {
    /// There is no store yet: the first paired device brings its key.
    Absent,
    /// Only a device or the recovery phrase can open it.
    Locked,
    /// It can be opened until this moment, ms since 1970; `None`: at any time.
    Unlocked {
        /// The end of that time.
        until_ms: Option<u64>,
    },
}

/// Locked and unlocked stores.
#[derive(Clone, Copy)]
pub struct Locks<'o> {
    pub(super) owners: &'o Owners,
}

impl Runtime {
    /// Accepts uploads that could not be accepted at an unlocking because of a disk error. Call it every few seconds.
    pub fn drain_again(&self) {
        for user in self.owners().take_undrained() {
            if self.owners().leases.check_unlocked(user).is_err() {
                // They are accepted at the next unlocking.
                continue;
            }
            if let Err(error) = self.after_unlocking(user) {
                tracing::error!(user = %user.short(), error = %crate::chain(&error), "uploads still wait");
            }
        }
    }

    /// Receives the data key from its owner: from now on the store may be opened. Uploads that arrived meanwhile are
    /// accepted before this returns. Reads the disk.
    ///
    /// # Errors
    /// [`OwnerError::WrongKey`] if it is not the key that the keyring names.
    pub fn unlock(&self, user: UserId, generation: u32, key: [u8; 32]) -> Result<LockState, OwnerError> {
        let key = DataKey::from_bytes(key);
        let folder = self.people().store_folder(user);
        let named = Store::key_generation(&folder).map_err(OwnerError::Store)?;
        if named != Some(generation) || !Store::opens_with(&folder, user, &key).map_err(OwnerError::Store)? {
            return Err(OwnerError::WrongKey);
        }
        self.owners().leases.keep(user, Held { key, generation }).map_err(OwnerError::Call)?;
        self.after_unlocking(user)?;
        self.locks().state(user).map_err(OwnerError::Call)
    }

    fn after_unlocking(&self, user: UserId) -> Result<(), OwnerError> {
        let compared = self.person(user).map_err(OwnerError::Call).and_then(|person| {
            self.owners().compare_roster(&person)?;
            self.owners().heal_slots(user)
        });
        let drained = compared.and_then(|()| self.drain_inbox(user));
        let tidied = drained.and_then(|()| self.locks().rotate_if_due(user));
        match tidied {
            // The owner can read all the same; the failed writes are retried.
            Err(error) if DiskTrouble::of(&error).is_some() => {
                let why = crate::chain(&error);
                tracing::warn!(user = %user.short(), error = %why, "uploads wait until the disk takes them");
                self.owners().note_undrained(user);
            }
            tidied => tidied?,
        }
        // Runs that were asked for while the store could not be read.
        if self.timetable().pending(user).is_some() {
            self.timetable().data_arrived(user);
        }
        Ok(())
    }
}

impl<'o> Locks<'o> {
    pub(crate) fn of(owners: &'o Owners) -> Self {
        Self { owners }
    }

    /// Whether the store can be opened now.
    pub fn state(self, user: UserId) -> Result<LockState, CallError> {
        let Owners { people, leases, .. } = self.owners;
        if leases.mode(user)? == KeyMode::Unattended {
            return Ok(LockState::Unlocked { until_ms: None });
        }
        Ok(match leases.left_ms(user) {
            Some(left_ms) => LockState::Unlocked { until_ms: Some(crate::clock::epoch_ms() + left_ms) },
            None if people.store_folder(user).exists() => LockState::Locked,
            None => LockState::Absent,
        })
    }

    /// A device has been in contact: the lease starts again.
    pub fn renew(self, user: UserId) {
        self.owners.leases.renew(user);
    }

    /// Closes the store and wipes its key. Calls are refused at once; runs under way may end, and this waits for them.
    ///
    /// # Errors
    /// [`OwnerError::Unattended`] if the host could open it again by itself, [`OwnerError::Busy`] if a run takes too
    /// long; even then the key is wiped, calls are refused, and the store is closed by the end of the run.
    pub fn lock(self, user: UserId) -> Result<(), OwnerError> {
        let Owners { leases, open_people, .. } = self.owners;
        if leases.mode(user).map_err(OwnerError::Call)? == KeyMode::Unattended {
            return Err(OwnerError::Unattended);
        }
        leases.wipe(user);
        self.owners.parcels().remove(user);
        let begun = std::time::Instant::now();
        while !open_people.close(user) {
            if begun.elapsed() > CLOSING_MAX {
                open_people.close_after_runs(user);
                return Err(OwnerError::Busy);
            }
            std::thread::sleep(CLOSING_PAUSE);
        }
        Ok(())
    }

    /// Locks every store whose time has ended; a store that a run uses is closed by the end of the run. Call it every
    /// few seconds.
    pub fn lock_expired(self) {
        let Owners { leases, open_people, .. } = self.owners;
        // Whoever has been unlocked again meanwhile keeps the store open.
        let mut due = open_people.take_unclosed();
        due.retain(|user| leases.check_unlocked(*user).is_err());
        due.extend(leases.expired());
        self.owners.parcels().tidy(|user| leases.opening(user));
        for user in due {
            leases.wipe(user);
            self.owners.parcels().remove(user);
            let closed = open_people.close_after_runs(user);
            tracing::info!(user = %user.short(), closed, "store locked at the end of its lease");
        }
    }

    /// Changes who can open the store. If the host had a slot for the key, the key is changed too, since the host knew
    /// it.
    ///
    /// # Errors
    /// [`OwnerError::NoOpener`] if nobody else could open it; [`CallError::Locked`] while it is locked.
    pub fn set_mode(self, user: UserId, mode: KeyMode) -> Result<(), OwnerError> {
        let Owners { people, leases, open_people, .. } = self.owners;
        let owner = self.owners.owner(user)?;
        let _one_at_a_time = owner.changing();
        self.owners.resume(&owner)?;
        let before = leases.mode(user).map_err(OwnerError::Call)?;
        let store = people.store_folder(user);
        match (before == KeyMode::Unattended, mode == KeyMode::Unattended) {
            (true, true) => Ok(()),
            (false, true) if store.exists() => {
                let held = self.key_of(user)?;
                Intent::EnterUnattended.write(owner.folder())?;
                open_people.host_key().write(&store, user, &held).map_err(OwnerError::Key)?;
                self.finish_entering(&owner)
            }
            (true, false) if store.exists() => {
                if self.owners.slots(user)?.is_empty() {
                    return Err(OwnerError::NoOpener);
                }
                Intent::LeaveUnattended { to: mode }.write(owner.folder())?;
                self.finish_leaving(&owner, mode)
            }
            _ => {
                people.set_keys(user, mode).map_err(OwnerError::People)?;
                // The key was kept for as long as the previous mode says.
                if let Some(held) = leases.key(user) {
                    leases.keep_as(user, held, mode);
                }
                Ok(())
            }
        }
    }

    /// The data key that opens the store now.
    pub(super) fn key_of(self, user: UserId) -> Result<Held, OwnerError> {
        let Owners { people, leases, open_people, .. } = self.owners;
        match leases.mode(user).map_err(OwnerError::Call)? {
            KeyMode::Unattended => {
                let (key, folder) = (open_people.host_key(), people.store_folder(user));
                runtime_store::KeyProvider::unlock(key, &folder, user).map_err(OwnerError::Key)
            }
            _ => leases.key(user).ok_or(OwnerError::Call(CallError::Locked)),
        }
    }

    /// Changes the data key if a revocation asked for it.
    pub(super) fn rotate_if_due(self, user: UserId) -> Result<(), OwnerError> {
        if self.owners.owner(user)?.state().access.rotation_due {
            self.rotate_key(user)?;
            self.owners.change_access(user, |access| {
                access.rotation_due = false;
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Replaces the data key, and every holder's slot with it. A holder of the old key with a copy of the disk can
    /// still read earlier data, but nothing that is written from now on.
    ///
    /// # Errors
    /// [`CallError::Locked`] while it is locked; [`OwnerError`] on a disk error: the old key stays.
    pub fn rotate_key(self, user: UserId) -> Result<u32, OwnerError> {
        let Owners { leases, .. } = self.owners;
        let owner = self.owners.owner(user)?;
        let _one_at_a_time = owner.changing();
        self.owners.resume(&owner)?;
        let mode = leases.mode(user).map_err(OwnerError::Call)?;
        let old = self.key_of(user)?;
        self.rotate(&owner, &old, mode).map(|new| new.generation)
    }

    /// Replaces the data key for all holders that `mode` has: the host only where it is unattended. The caller holds
    /// [`Owner::changing`]. When the process dies, the keyring names the key that counts, and each holder has a slot
    /// for it.
    pub(super) fn rotate(self, owner: &Owner, old: &Held, mode: KeyMode) -> Result<Held, OwnerError> {
        let host_too = mode == KeyMode::Unattended;
        let Owners { people, leases, open_people, .. } = self.owners;
        let user = owner.user;
        let person = open_people.person(user).map_err(OwnerError::Call)?;
        let generation = old.generation + 1;
        let new = Held { key: DataKey::random().map_err(OwnerError::Key)?, generation };
        self.owners.rotate_inbox_key(&person)?;
        let (folder, store) = (owner.folder(), people.store_folder(user));
        let mut slots = self.owners.slots(user)?;
        // The table decides which devices are paired, because the file may date from before a revocation.
        slots.keep_holders(|holder, to| match holder {
            Holder::Recovery => true,
            Holder::Device(device) => {
                let state = owner.state();
                let known = state.access.devices.get(device);
                known.is_some_and(|known| known.labels().is_some() && known.wrap_pub() == to)
            }
        });
        // Where devices have signed who the holders are, the file adds nobody and loses nobody.
        self.owners.fill_slots(owner, &mut slots, &new)?;
        if !self.owners.needs_signature(user)? {
            slots.seal_for_all(user, &new)?;
        }
        slots.write(folder)?;
        if host_too {
            open_people.host_key().write(&store, user, &new).map_err(OwnerError::Key)?;
        }
        if let Err(error) = person.store.rotate_data_key(new.key.copy(), generation) {
            if Store::key_generation(&store).map_err(OwnerError::Store)? != Some(generation) {
                return Err(OwnerError::Commit(error));
            }
            // The new key counts: the store is opened again with it, and sealed under it then.
            let why = crate::chain(&error);
            tracing::warn!(user = %user.short(), error = %why, "a change of the key is finished at the next opening");
        }
        // In a mode of its owner's, the store can be opened again with this key alone.
        leases.keep_as(user, new.copy(), mode);
        slots.keep_generation(generation);
        slots.write(folder)?;
        if host_too {
            Unattended::keep_generation(&store, generation).map_err(OwnerError::Key)?;
        }
        Ok(new)
    }
}
