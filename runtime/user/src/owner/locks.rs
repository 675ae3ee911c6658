//! Locking and unlocking: who may have a store open, until when, and how its key gives way to the next.
//!
//! * Invariants: once [`Runtime::lock`] has returned, neither the key nor an open store is in memory, and nobody opens
//!   one before the owner hands the key over again; a key is used only if the keyring opens with it; while a key is being
//!   changed, each holder has a slot for the one that the keyring names, whenever the process dies.
//! * Units: leases are ms of this process's own clock, which no setting of the system's clock moves; what is shown to
//!   people is ms since 1970-01-01T00:00:00Z.

use std::time::Duration;

use runtime_store::{DataKey, DiskTrouble, Held, Store, Unattended};
use runtime_types::UserId;

use super::OwnerError;
use super::slots::Holder;
use crate::error::CallError;
use crate::people::KeyMode;
use crate::runtime::Runtime;

/// How long a run that is under way may keep a store open after its owner locked: longer than any run of a stage.
const CLOSING_MAX: Duration = Duration::from_secs(40);
/// Between two looks at whether it is closed.
const CLOSING_PAUSE: Duration = Duration::from_millis(5);

/// Whether a store can be opened now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockState {
    /// There is no store yet: the first device to be paired brings its key.
    Absent,
    /// Only a device or the recovery phrase opens it.
    Locked,
    /// It can be opened until this moment, ms since 1970; `None`: at any time.
    Unlocked {
        /// Until when.
        until_ms: Option<u64>,
    },
}

impl Runtime {
    /// How long the key of a person is held after a contact, ms; `None`: the host has a slot of its own.
    fn held_ms(&self, mode: KeyMode) -> Option<u64> {
        match mode {
            KeyMode::Unattended => None,
            KeyMode::Lease => Some(self.settings().lease_ms),
            KeyMode::PhoneUnlocked => Some(self.settings().phone_unlocked_ms),
        }
    }

    pub(crate) fn mode(&self, user: UserId) -> Result<KeyMode, CallError> {
        self.people().standing(user).map(|standing| standing.keys).ok_or(CallError::Nobody)
    }

    /// Refuses with [`CallError::Locked`] unless the person's store may be open now.
    pub(crate) fn check_unlocked(&self, user: UserId) -> Result<(), CallError> {
        let locked = self.mode(user)? != KeyMode::Unattended
            && self.owners.keys.until_ms(user, self.clock_ms()).is_none();
        if locked { Err(CallError::Locked) } else { Ok(()) }
    }

    /// Whether the store can be opened now.
    pub fn lock_state(&self, user: UserId) -> Result<LockState, CallError> {
        if self.mode(user)? == KeyMode::Unattended {
            return Ok(LockState::Unlocked { until_ms: None });
        }
        let now = self.clock_ms();
        Ok(match self.owners.keys.until_ms(user, now) {
            Some(until) => LockState::Unlocked { until_ms: Some(crate::clock::epoch_ms() + (until - now)) },
            None if self.store_folder(user).exists() => LockState::Locked,
            None => LockState::Absent,
        })
    }

    /// A device has been in contact: the lease begins anew.
    pub fn contact(&self, user: UserId) {
        let Ok(Some(held_ms)) = self.mode(user).map(|mode| self.held_ms(mode)) else { return };
        let now = self.clock_ms();
        self.owners.keys.renew(user, now, now + held_ms);
    }

    /// Takes in uploads that could not be taken in at an unlocking because the disk refused. To be called every few
    /// seconds.
    pub fn drain_again(&self) {
        for user in self.owners.take_undrained() {
            if self.check_unlocked(user).is_err() {
                // The next unlocking takes them in.
                continue;
            }
            if let Err(error) = self.after_unlocking(user) {
                tracing::error!(user = %user.short(), error = %crate::chain(&error), "uploads were not taken in");
            }
        }
    }

    /// Takes the data key from its owner: from now on the store may be opened. Uploads that came meanwhile are taken in
    /// before this returns. Reads the disk.
    ///
    /// # Errors
    /// [`OwnerError::WrongKey`] where it is not the key that the keyring names.
    pub fn unlock(&self, user: UserId, generation: u32, key: [u8; 32]) -> Result<LockState, OwnerError> {
        let key = DataKey::from_bytes(key);
        let folder = self.store_folder(user);
        let named = Store::key_generation(&folder).map_err(OwnerError::Store)?;
        if named != Some(generation) || !Store::opens_with(&folder, user, &key).map_err(OwnerError::Store)? {
            return Err(OwnerError::WrongKey);
        }
        self.hold(user, Held { key, generation })?;
        self.after_unlocking(user)?;
        self.lock_state(user).map_err(OwnerError::Call)
    }

    /// Keeps a key for as long as the person's mode says.
    pub(super) fn hold(&self, user: UserId, held: Held) -> Result<(), OwnerError> {
        let mode = self.mode(user).map_err(OwnerError::Call)?;
        if let Some(held_ms) = self.held_ms(mode) {
            self.owners.keys.hold(user, held, self.clock_ms() + held_ms);
        }
        Ok(())
    }

    fn after_unlocking(&self, user: UserId) -> Result<(), OwnerError> {
        let tidied = self.drain_inbox(user).and_then(|()| self.rotate_if_due(user));
        match tidied {
            // Its owner can read all the same; what was to be written is tried again.
            Err(error) if DiskTrouble::of(&error).is_some() => {
                let why = crate::chain(&error);
                tracing::warn!(user = %user.short(), error = %why, "uploads wait until the disk takes them");
                self.owners.note_undrained(user);
            }
            tidied => tidied?,
        }
        // Runs that were asked for while nothing could be read.
        if self.pending(user).is_some() {
            self.data_arrived(user);
        }
        Ok(())
    }

    /// Closes the store and wipes its key. Calls are refused at once; runs that are under way may end. Waits for them.
    ///
    /// # Errors
    /// [`OwnerError::Unattended`] where the host could open it again by itself, [`OwnerError::Busy`] where a run
    /// goes on for too long; the key is wiped and calls are refused nevertheless.
    pub fn lock(&self, user: UserId) -> Result<(), OwnerError> {
        if self.mode(user).map_err(OwnerError::Call)? == KeyMode::Unattended {
            return Err(OwnerError::Unattended);
        }
        self.owners.keys.wipe(user);
        let begun = std::time::Instant::now();
        while !self.put_to_sleep(user) {
            if begun.elapsed() > CLOSING_MAX {
                return Err(OwnerError::Busy);
            }
            std::thread::sleep(CLOSING_PAUSE);
        }
        Ok(())
    }

    /// Locks everybody whose time is over. To be called every few seconds.
    pub fn lock_expired(&self) {
        for user in self.owners.keys.expired(self.clock_ms()) {
            self.owners.keys.wipe(user);
            // Whoever still runs ends first; the next look finds it closed.
            let closed = self.put_to_sleep(user);
            tracing::info!(user = %user.short(), closed, "store locked at the end of its lease");
        }
    }

    /// Changes who can open the store. A key that the host had a slot for is changed too, since the host knew it.
    ///
    /// # Errors
    /// [`OwnerError::NoOpener`] where nobody else could open it; [`CallError::Locked`] while it is locked.
    pub fn set_key_mode(&self, user: UserId, mode: KeyMode) -> Result<(), OwnerError> {
        let before = self.mode(user).map_err(OwnerError::Call)?;
        if mode == KeyMode::Unattended {
            if before != KeyMode::Unattended && self.store_folder(user).exists() {
                let held = self.key_of(user)?;
                self.host_key().write(&self.store_folder(user), user, &held).map_err(OwnerError::Key)?;
            }
            self.people().set_keys(user, mode).map_err(OwnerError::People)?;
            self.owners.keys.wipe(user);
            return Ok(());
        }
        if before == KeyMode::Unattended && self.store_folder(user).exists() {
            if self.slots(user)?.is_empty() {
                return Err(OwnerError::NoOpener);
            }
            let held = self.key_of(user)?;
            self.owners.keys.hold(user, held, self.clock_ms() + self.held_ms(mode).unwrap_or(0));
            self.people().set_keys(user, mode).map_err(OwnerError::People)?;
            self.rotate_key(user)?;
            return Unattended::remove(&self.store_folder(user)).map_err(OwnerError::Key);
        }
        self.people().set_keys(user, mode).map_err(OwnerError::People)?;
        // What is held was held for as long as the mode before says.
        self.owners.keys.get(user, self.clock_ms()).map_or(Ok(()), |held| self.hold(user, held))
    }

    /// The data key that opens the store now.
    pub(super) fn key_of(&self, user: UserId) -> Result<Held, OwnerError> {
        match self.mode(user).map_err(OwnerError::Call)? {
            KeyMode::Unattended => {
                let folder = self.store_folder(user);
                runtime_store::KeyProvider::unlock(self.host_key(), &folder, user).map_err(OwnerError::Key)
            }
            _ => {
                let held = self.owners.keys.get(user, self.clock_ms());
                held.ok_or(OwnerError::Call(CallError::Locked))
            }
        }
    }

    /// Replaces the data key, and with it what every holder has. Who holds the old key and a copy of the disk still
    /// reads what was written before, and nothing that is written from now on.
    ///
    /// # Errors
    /// [`CallError::Locked`] while it is locked; [`OwnerError`] where the disk refuses: the old key stays.
    pub fn rotate_key(&self, user: UserId) -> Result<u32, OwnerError> {
        let (person, owner) = (self.person(user).map_err(OwnerError::Call)?, self.owner(user)?);
        let _one_at_a_time = owner.changing();
        let old = self.key_of(user)?;
        let generation = old.generation + 1;
        let new = Held { key: DataKey::random().map_err(OwnerError::Key)?, generation };
        self.rotate_inbox_key(&person)?;
        let folder = self.people().folder(user);
        let mut slots = self.slots(user)?;
        // The table says who is here, not the file, which may be from before somebody was shut out.
        slots.keep_holders(|holder, to| match holder {
            Holder::Recovery => true,
            Holder::Device(device) => {
                let state = owner.state();
                let known = state.access.devices.get(device);
                known.is_some_and(|known| known.labels().is_some() && known.wrap_pub() == to)
            }
        });
        slots.seal_for_all(user, &new)?;
        slots.write(&folder)?;
        let unattended = self.mode(user).map_err(OwnerError::Call)? == KeyMode::Unattended;
        if unattended {
            self.host_key().write(&self.store_folder(user), user, &new).map_err(OwnerError::Key)?;
        }
        let rotated = person.store.rotate_data_key(new.key.copy(), generation);
        rotated.map_err(OwnerError::Commit)?;
        if !unattended {
            self.hold(user, new)?;
        }
        slots.keep_generation(generation);
        slots.write(&folder)?;
        if unattended {
            let store = self.store_folder(user);
            Unattended::keep_generation(&store, generation).map_err(OwnerError::Key)?;
        }
        Ok(generation)
    }

    pub(crate) fn host_key(&self) -> &Unattended {
        &self.keys
    }
}
