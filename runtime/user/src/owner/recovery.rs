//! The recovery phrase: it opens a store whose devices are all lost. The phrase itself never reaches the host: its
//! holder opens the slot elsewhere, and supplies the data key.
//!
//! * Units: moments are ms of [`Clocks::lasting_ms`](crate::Clocks::lasting_ms): a phrase waits for a day in which the
//!   host runs, whatever its wall clock is set to. Up to an hour before a restart is not counted.

use handshake::encoding::WrapPub;
use handshake::keys::Slot;
use runtime_store::Store;
use runtime_types::UserId;

use super::slots::Holder;
use super::{LockState, OwnerError, Owners};
use crate::runtime::Runtime;

/// How long a phrase waits where its owner has devices, ms: they have a day to notice. A device that only the console
/// has revoked counts as long as no other device has signed that it is out.
pub const RECOVERY_DELAY_MS: u64 = 24 * 3_600_000;

/// What the holder of a phrase gets to open.
#[derive(Debug, Clone)]
pub struct Recovery {
    /// The data key, wrapped for the phrase.
    pub slot: Slot,
    /// The earliest moment at which the data key may be supplied, ms; `None`: now.
    pub from_ms: Option<u64>,
}

impl Owners {
    /// Begins a recovery. While devices are active it must wait, and a contact of one of them ends it.
    ///
    /// # Errors
    /// [`OwnerError::NoPhrase`] if there is no slot for one.
    pub fn begin_recovery(&self, user: UserId, now_ms: u64) -> Result<Recovery, OwnerError> {
        let (slot, _) = self.phrases_slot(user)?;
        // A revocation at the console does not make the phrase's way shorter.
        if !self.has_signed_devices(user)? {
            return Ok(Recovery { slot, from_ms: None });
        }
        let asked_ms = self.owner(user)?.state().access.recovery_asked_ms;
        let asked_ms = match asked_ms {
            Some(asked_ms) => asked_ms,
            None => self.change_access(user, |access| {
                (access.recovery_asked_ms, access.recovery_waited_ms) = (Some(now_ms), 0);
                Ok(now_ms)
            })?,
        };
        let from_ms = asked_ms + RECOVERY_DELAY_MS;
        Ok(Recovery { slot, from_ms: (now_ms < from_ms).then_some(from_ms) })
    }

    /// The slot that a phrase opens, and the public half of that phrase.
    fn phrases_slot(&self, user: UserId) -> Result<(Slot, WrapPub), OwnerError> {
        let generation = Store::key_generation(&self.people.store_folder(user)).map_err(OwnerError::Store)?;
        let slots = self.slots(user)?;
        let found = generation.and_then(|generation| slots.find_with_key(Holder::Recovery, generation));
        let (slot, to) = found.ok_or_else(|| match (slots.newest_generation(), generation) {
            (Some(slots), Some(store)) if slots < store => OwnerError::OldSlots { slots, store },
            _ => OwnerError::NoPhrase,
        })?;
        Ok((*slot, *to))
    }

    /// Whether the phrase with this public half opens the store. Nothing is opened, so nobody has to wait; and nothing is
    /// learnt that could be tried: a public half is guessed as badly as its phrase.
    ///
    /// # Errors
    /// [`OwnerError::NoPhrase`] if there is no slot for one.
    pub fn phrase_opens(&self, user: UserId, phrase: &WrapPub) -> Result<bool, OwnerError> {
        Ok(self.phrases_slot(user)?.1 == *phrase)
    }
}

impl Runtime {
    /// Ends a recovery with the key that the phrase opened: the store is unlocked, so that a phone can be paired.
    ///
    /// # Errors
    /// [`OwnerError::Wait`] before its time, [`OwnerError::WrongKey`].
    pub fn end_recovery(
        &self,
        user: UserId,
        generation: u32,
        key: [u8; 32],
        now_ms: u64,
    ) -> Result<LockState, OwnerError> {
        if let Some(from_ms) = self.owners().begin_recovery(user, now_ms)?.from_ms {
            return Err(OwnerError::Wait { until_ms: self.clocks().shown_ms(from_ms) });
        }
        let state = self.unlock(user, generation, key)?;
        // The phrase may still have to sign for the next phone; a contact of a device ends the recovery all the same.
        if !self.owners().has_signed_devices(user)? {
            self.owners().end_waiting(user)?;
        }
        Ok(state)
    }
}

impl Owners {
    /// Forgets that the phrase was used.
    pub(super) fn end_waiting(&self, user: UserId) -> Result<(), OwnerError> {
        self.change_access(user, |access| {
            access.recovery_asked_ms = None;
            Ok(())
        })
    }

    /// Records how long a phrase has waited, if one waits. Call it every hour.
    pub(super) fn keep_recovery(&self, user: UserId, now_ms: u64) -> Result<(), OwnerError> {
        let owner = self.owner(user)?;
        let Some(asked_ms) = owner.state().access.recovery_asked_ms else { return Ok(()) };
        self.change_access(user, |access| {
            access.recovery_waited_ms = now_ms.saturating_sub(asked_ms);
            Ok(())
        })
    }

    /// If a recovery waits, the earliest moment at which the phrase may be used, ms.
    pub fn recovery_pending(&self, user: UserId) -> Option<u64> {
        let owner = self.get(user)?;
        let asked_ms = owner.state().access.recovery_asked_ms;
        asked_ms.map(|asked_ms| asked_ms + RECOVERY_DELAY_MS)
    }

    /// Whether a recovery phrase opens the store.
    pub fn has_recovery(&self, user: UserId) -> Result<bool, OwnerError> {
        Ok(self.slots(user)?.has_recovery())
    }
}
