//! A person's slots: the data key, wrapped for each device and for the recovery phrase; and the key to which uploads
//! are sealed while the store is locked.
//!
//! `slots.json` in the person's folder: its content opens nothing without the private key of a phone or a phrase. The
//! slot of the host, if there is one, is in the store's folder.
//!
//! * Invariants: while a key is being changed, there are slots of both generations; the keyring names the valid one.

use std::path::{Path, PathBuf};

use handshake::encoding::{DeviceId, WrapPub};
use handshake::keys::{InboxPub, Slot, SlotKind};
use handshake::secret::Secret;
use ring::rand::SystemRandom;
use runtime_store::Held;
use runtime_types::UserId;
use serde::{Deserialize, Serialize};

use super::OwnerError;
use crate::files;

/// The holder of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Holder {
    /// A device of the table.
    Device(DeviceId),
    /// The holder of the recovery phrase.
    Recovery,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    holder: Holder,
    /// The key to wrap the next data key for.
    to: WrapPub,
    slot: Slot,
}

/// All slots of one person except the host's.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Slots {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inbox: Option<InboxPub>,
    slots: Vec<Kept>,
}

/// The file's name in a person's folder.
pub(crate) const SLOTS_FILE: &str = "slots.json";

fn path(person: &Path) -> PathBuf {
    person.join(SLOTS_FILE)
}

impl Slots {
    /// Reads the slots; empty if there is no file.
    pub fn read(person: &Path) -> Result<Self, OwnerError> {
        let path = path(person);
        match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(OwnerError::Disk { path, source }),
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|source| OwnerError::Record { path, source }),
        }
    }

    /// Replaces the file; it is on disk when this returns.
    pub fn write(&self, person: &Path) -> Result<(), OwnerError> {
        let path = path(person);
        let text = serde_json::to_vec(self).expect("keys and bytes as texts");
        files::replace(&path, &text).map_err(|source| OwnerError::Disk { path, source })
    }

    /// The key to which uploads are sealed; `None` before the first device.
    pub fn inbox(&self) -> Option<&InboxPub> {
        self.inbox.as_ref()
    }

    pub fn set_inbox(&mut self, inbox: InboxPub) {
        self.inbox = Some(inbox);
    }

    /// The number of slots.
    pub fn count(&self) -> usize {
        self.slots.len()
    }

    /// Whether only the host can open the store.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The holder's slot for that generation of the data key.
    pub fn find(&self, holder: Holder, generation: u32) -> Option<&Slot> {
        self.find_with_key(holder, generation).map(|(slot, _)| slot)
    }

    /// The same, with the key that it is wrapped for.
    pub fn find_with_key(&self, holder: Holder, generation: u32) -> Option<(&Slot, &WrapPub)> {
        let fits = |kept: &&Kept| kept.holder == holder && kept.slot.generation() == generation;
        self.slots.iter().find(fits).map(|kept| (&kept.slot, &kept.to))
    }

    /// Whether a device with that wrap key has a slot for that generation of the data key.
    pub fn fits(&self, device: DeviceId, to: &WrapPub, generation: u32) -> bool {
        let own = |kept: &&Kept| kept.holder == Holder::Device(device) && kept.to == *to;
        self.slots.iter().filter(own).any(|kept| kept.slot.generation() == generation)
    }

    /// Whether anybody has a slot for that generation of the data key.
    pub fn has_generation(&self, generation: u32) -> bool {
        self.slots.iter().any(|kept| kept.slot.generation() == generation)
    }

    /// The key that a holder's slots are for.
    pub fn holder(&self, holder: Holder) -> Option<WrapPub> {
        self.slots.iter().rev().find(|kept| kept.holder == holder).map(|kept| kept.to)
    }

    /// The newest generation of the data key that has a slot; `None`: there is no slot.
    pub fn newest_generation(&self) -> Option<u32> {
        self.slots.iter().map(|kept| kept.slot.generation()).max()
    }

    /// Whether there is a slot for the recovery phrase.
    pub fn has_recovery(&self) -> bool {
        self.slots.iter().any(|kept| kept.holder == Holder::Recovery)
    }

    /// Wraps a data key for a holder, in place of the holder's slot of this generation.
    pub fn seal(&mut self, user: UserId, holder: Holder, to: WrapPub, key: &Held) -> Result<(), OwnerError> {
        let kind = match holder {
            Holder::Device(_) => SlotKind::Device,
            Holder::Recovery => SlotKind::Recovery,
        };
        let secret = Secret::new(*key.key.expose());
        let slot = Slot::seal(&user.0, key.generation, kind, &to, &secret, &SystemRandom::new());
        let slot = slot.map_err(|_| OwnerError::NoRandomness)?;
        self.slots.retain(|kept| kept.holder != holder || kept.slot.generation() != key.generation);
        self.slots.push(Kept { holder, to, slot });
        Ok(())
    }

    /// Wraps the next data key for every holder that has a slot now.
    pub fn seal_for_all(&mut self, user: UserId, key: &Held) -> Result<(), OwnerError> {
        let mut holders: Vec<(Holder, WrapPub)> = Vec::new();
        for kept in &self.slots {
            if !holders.iter().any(|(holder, _)| *holder == kept.holder) {
                holders.push((kept.holder, kept.to));
            }
        }
        holders.into_iter().try_for_each(|(holder, to)| self.seal(user, holder, to, key))
    }

    /// Removes the slots of every holder for which `stays` returns false.
    pub fn keep_holders(&mut self, stays: impl Fn(Holder, &WrapPub) -> bool) {
        self.slots.retain(|kept| stays(kept.holder, &kept.to));
    }

    /// Removes the slots of every other generation.
    pub fn keep_generation(&mut self, generation: u32) {
        self.slots.retain(|kept| kept.slot.generation() == generation);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use handshake::keys::{Agree, WrapKey};
    use runtime_store::DataKey;

    const ADA: UserId = UserId([1; 16]);

    fn held(byte: u8, generation: u32) -> Held {
        Held { key: DataKey::from_bytes([byte; 32]), generation }
    }

    #[test]
    fn after_a_change_of_key_every_holder_opens_the_new_one_and_only_it() {
        let random = SystemRandom::new();
        let (phone, phrase) =
            (WrapKey::random(&random).expect("a key"), WrapKey::random(&random).expect("a key"));
        let (device, mut slots) = (Holder::Device(DeviceId([3; 16])), Slots::default());
        slots.seal(ADA, device, phone.public(), &held(7, 1)).expect("sealed");
        slots.seal(ADA, Holder::Recovery, phrase.public(), &held(7, 1)).expect("sealed");
        slots.seal_for_all(ADA, &held(8, 2)).expect("sealed");
        for (generation, byte) in [(1, 7), (2, 8)] {
            let slot = slots.find(device, generation).expect("a slot");
            assert_eq!(slot.open(&phone, &ADA.0).expect("opens").expose(), &[byte; 32]);
            assert!(slot.open(&phrase, &ADA.0).is_err());
        }
        slots.keep_generation(2);
        assert!(slots.find(device, 1).is_none() && slots.find(Holder::Recovery, 2).is_some());
        slots.keep_holders(|holder, _| holder != device);
        assert!(slots.find(device, 2).is_none());
        assert!(slots.has_recovery() && !slots.is_empty());
    }

    #[test]
    fn they_read_back_from_disk() {
        let folder = tempfile::tempdir().expect("a folder");
        let phone = WrapKey::random(&SystemRandom::new()).expect("a key");
        let mut slots = Slots::read(folder.path()).expect("none yet");
        slots.seal(ADA, Holder::Recovery, phone.public(), &held(7, 1)).expect("sealed");
        slots.write(folder.path()).expect("written");
        let again = Slots::read(folder.path()).expect("read");
        assert_eq!(again.find(Holder::Recovery, 1), slots.find(Holder::Recovery, 1));
        std::fs::write(path(folder.path()), "{").expect("written");
        assert!(matches!(Slots::read(folder.path()), Err(OwnerError::Record { .. })));
    }
}
