//! Finishing or undoing a change that stopped on the way: at a start, and before the next change of the same person.
//!
//! Each step looks at what is on disk and does what is missing, so that it may be repeated after it stopped itself.

use handshake::device::DeviceTable;
use handshake::encoding::DeviceId;
use handshake::route::Name;
use runtime_store::{Held, Store, Unattended, remove_tree};
use runtime_types::UserId;

use super::access::Owner;
use super::intent::Intent;
use super::slots::{Holder, SLOTS_FILE};
use super::{Locks, OwnerError, Owners};
use crate::error::CallError;
use crate::files;
use crate::people::KeyMode;

impl Owners {
    /// Finishes or undoes what an earlier change left; the caller holds [`Owner::changing`].
    ///
    /// # Errors
    /// [`OwnerError::Erasing`] if the person is being erased; others if it cannot be finished now: nothing else may be
    /// changed before.
    pub(super) fn resume(&self, owner: &Owner) -> Result<(), OwnerError> {
        let damaged = |damage| OwnerError::Call(CallError::Damaged(damage));
        let Some(intent) = Intent::read(owner.folder()).map_err(damaged)? else { return Ok(()) };
        tracing::info!(user = %owner.user.short(), "a change that stopped on the way goes on");
        match intent {
            Intent::Erase => Err(OwnerError::Erasing),
            Intent::FirstPairing { device } if self.has_device(owner, device) => {
                Intent::clear(owner.folder())
            }
            Intent::FirstPairing { .. } | Intent::UndoFirstPairing => self.undo_first_pairing(owner),
            Intent::Pairing { device, slots } => {
                if self.has_device(owner, device) {
                    slots.write(owner.folder())?;
                }
                Intent::clear(owner.folder())
            }
            Intent::LeaveUnattended { to } => Locks::of(self).finish_leaving(owner, to),
            Intent::EnterUnattended => Locks::of(self).finish_entering(owner),
        }
    }

    fn has_device(&self, owner: &Owner, device: DeviceId) -> bool {
        owner.state().access.devices.get(device).is_some()
    }

    /// Removes the store that a first pairing created, and whatever was made for it. Nothing was ever stored there.
    pub(super) fn undo_first_pairing(&self, owner: &Owner) -> Result<(), OwnerError> {
        let user = owner.user;
        let _no_upload = owner.inbox();
        Intent::UndoFirstPairing.write(owner.folder())?;
        let labels: Vec<_> = owner.state().access.devices.labels().map(|(label, _)| label).collect();
        self.change_access(user, |access| {
            access.devices = DeviceTable::new(user);
            access.untouched = None;
            Ok(())
        })?;
        self.withdraw(user, labels.into_iter().map(Name::Label));
        self.leases.wipe(user);
        if !self.open_people.close(user) {
            return Err(OwnerError::Busy);
        }
        let store = self.people.store_folder(user);
        if store.exists() {
            Store::erase(&store).map_err(OwnerError::Store)?;
        }
        let making = owner.folder().join("store.new");
        remove_tree(&making).map_err(|source| OwnerError::Disk { path: making, source })?;
        let slots = owner.folder().join(SLOTS_FILE);
        files::remove(&slots).map_err(|source| OwnerError::Disk { path: slots, source })?;
        Intent::clear(owner.folder())
    }

    /// After a start: what the table says of revoked devices holds for slots and keys too.
    pub(super) fn finish_revoking(&self, user: UserId) -> Result<(), OwnerError> {
        let owner = self.owner(user)?;
        if !owner.state().access.rotation_due {
            return Ok(());
        }
        {
            let _one_at_a_time = owner.changing();
            self.resume(&owner)?;
            self.drop_revoked_slots(&owner)?;
        }
        let here = self.people.store_folder(user).exists();
        if here && self.leases.check_unlocked(user).is_ok() {
            Locks::of(self).rotate_if_due(user)?;
        }
        Ok(())
    }

    /// Removes the slots of devices that may not connect; the caller holds [`Owner::changing`].
    pub(super) fn drop_revoked_slots(&self, owner: &Owner) -> Result<(), OwnerError> {
        let mut slots = self.slots(owner.user)?;
        let before = slots.count();
        slots.keep_holders(|holder, _| match holder {
            Holder::Recovery => true,
            Holder::Device(device) => {
                let state = owner.state();
                state.access.devices.get(device).is_some_and(|device| device.labels().is_some())
            }
        });
        if slots.count() < before { slots.write(owner.folder()) } else { Ok(()) }
    }
}

impl Locks<'_> {
    /// The data key, if the host has a slot that opens the store.
    fn host_opens(self, user: UserId) -> Result<Option<Held>, OwnerError> {
        let Owners { people, open_people, .. } = self.owners;
        let store = people.store_folder(user);
        if !Unattended::is_needed(&store) {
            return Ok(None);
        }
        let key = open_people.host_key();
        let held = runtime_store::KeyProvider::unlock(key, &store, user).map_err(OwnerError::Key)?;
        let current = Store::key_generation(&store).map_err(OwnerError::Store)? == Some(held.generation);
        let opens = current && Store::opens_with(&store, user, &held.key).map_err(OwnerError::Store)?;
        Ok(opens.then_some(held))
    }

    /// Takes the key from the host. First the key is changed, for its owner alone, while the person is unattended; from
    /// then on the host's slot opens nothing, and the rest follows.
    pub(super) fn finish_leaving(self, owner: &Owner, to: KeyMode) -> Result<(), OwnerError> {
        let Owners { people, .. } = self.owners;
        let user = owner.user;
        if let Some(old) = self.host_opens(user)? {
            self.rotate(owner, &old, to)?;
        }
        people.set_keys(user, to).map_err(OwnerError::People)?;
        Unattended::remove(&people.store_folder(user)).map_err(OwnerError::Key)?;
        Intent::clear(owner.folder())
    }

    /// The person is unattended if the host got a slot; otherwise nothing has changed.
    pub(super) fn finish_entering(self, owner: &Owner) -> Result<(), OwnerError> {
        let Owners { people, leases, .. } = self.owners;
        let user = owner.user;
        if self.host_opens(user)?.is_some() {
            people.set_keys(user, KeyMode::Unattended).map_err(OwnerError::People)?;
            leases.wipe(user);
        } else {
            Unattended::remove(&people.store_folder(user)).map_err(OwnerError::Key)?;
        }
        Intent::clear(owner.folder())
    }
}
