//! How long an owner's store may be open. Keys that owners have supplied are kept for as long as the owner's mode
//! says; every contact of a device renews that time.
//!
//! * Units: ms of the steady clock, which setting the system's clock does not change.

use std::sync::Arc;

use runtime_store::Held;
use runtime_types::UserId;

use super::HeldKeys;
use crate::clock::Clocks;
use crate::error::CallError;
use crate::people::{KeyMode, People};
use crate::settings::Settings;

/// The people whose stores may be open now, and until when.
pub(crate) struct Leases {
    people: Arc<People>,
    clocks: Arc<Clocks>,
    keys: HeldKeys,
    lease_ms: u64,
    phone_unlocked_ms: u64,
}

impl Leases {
    /// At first, every store whose owner holds the key is locked.
    pub fn new(settings: &Settings, people: Arc<People>, clocks: Arc<Clocks>) -> Self {
        let (lease_ms, phone_unlocked_ms) = (settings.lease_ms, settings.phone_unlocked_ms);
        Self { people, clocks, keys: HeldKeys::default(), lease_ms, phone_unlocked_ms }
    }

    /// Who can open the person's store.
    pub fn mode(&self, user: UserId) -> Result<KeyMode, CallError> {
        if let Some(damage) = self.people.damage(user) {
            return Err(CallError::Damaged(damage));
        }
        self.people.standing(user).map(|standing| standing.keys).ok_or(CallError::Nobody)
    }

    /// How long a key is kept after a contact, ms; `None`: the host has its own slot.
    fn kept_ms(&self, mode: KeyMode) -> Option<u64> {
        match mode {
            KeyMode::Unattended => None,
            KeyMode::Lease => Some(self.lease_ms),
            KeyMode::PhoneUnlocked => Some(self.phone_unlocked_ms),
        }
    }

    /// Fails with [`CallError::Locked`] unless the person's store may be open now.
    pub fn check_unlocked(&self, user: UserId) -> Result<(), CallError> {
        let locked = self.mode(user)? != KeyMode::Unattended && self.left_ms(user).is_none();
        if locked { Err(CallError::Locked) } else { Ok(()) }
    }

    /// How long the store may stay open without another contact, ms; `None`: it is locked.
    pub fn left_ms(&self, user: UserId) -> Option<u64> {
        let now_ms = self.clocks.elapsed_ms();
        self.keys.until_ms(user, now_ms).map(|until_ms| until_ms - now_ms)
    }

    /// A number of the time since the store was last opened by its owner, 0 where the host opens it by itself; `None`:
    /// it is locked.
    pub fn opening(&self, user: UserId) -> Option<u64> {
        match self.mode(user).ok()? {
            KeyMode::Unattended => Some(0),
            _ => self.keys.opening(user, self.clocks.elapsed_ms()),
        }
    }

    /// A copy of the key, for opening the store.
    pub fn key(&self, user: UserId) -> Option<Held> {
        self.keys.get(user, self.clocks.elapsed_ms())
    }

    /// Keeps a key for as long as the person's mode says.
    pub fn keep(&self, user: UserId, key: Held) -> Result<(), CallError> {
        self.keep_as(user, key, self.mode(user)?);
        Ok(())
    }

    /// Keeps a key for as long as the given mode says, which is about to become the person's.
    pub fn keep_as(&self, user: UserId, key: Held, mode: KeyMode) {
        if let Some(kept_ms) = self.kept_ms(mode) {
            let now_ms = self.clocks.elapsed_ms();
            self.keys.hold(user, key, now_ms, now_ms + kept_ms);
        }
    }

    /// A device has been in contact: the lease starts again.
    pub fn renew(&self, user: UserId) {
        let Ok(Some(kept_ms)) = self.mode(user).map(|mode| self.kept_ms(mode)) else { return };
        let now_ms = self.clocks.elapsed_ms();
        self.keys.renew(user, now_ms, now_ms + kept_ms);
    }

    /// Wipes a key; returns whether there was one.
    pub fn wipe(&self, user: UserId) -> bool {
        self.keys.wipe(user)
    }

    /// The people whose time has ended.
    pub fn expired(&self) -> Vec<UserId> {
        self.keys.expired(self.clocks.elapsed_ms())
    }
}
