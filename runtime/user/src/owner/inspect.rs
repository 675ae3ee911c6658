//! Looks through a person's files for damage, without opening the store: for the list of people and for a status.

use std::path::Path;

use runtime_store::{KeyProvider, Store};
use runtime_types::UserId;

use super::access::missing;
use super::slots::{SLOTS_FILE, Slots};
use super::{OwnerError, Owners, identity, intent};
use crate::people::{Damage, KeyMode, STORE_FOLDER};

impl Owners {
    /// The first file of a person that is damaged. Reads the disk.
    pub fn inspect(&self, user: UserId) -> Option<Damage> {
        self.people.damage(user).or_else(|| self.inspect_files(user).err())
    }

    fn inspect_files(&self, user: UserId) -> Result<(), Damage> {
        let folder = self.people.folder(user);
        intent::Intent::read(&folder)?;
        let access = self.get(user).map(|owner| owner.state().access.clone());
        if let Some(access) = &access {
            if let Some(path) = missing(&folder, access) {
                return Err(Damage::missing(&path));
            }
            identity::inspect(&folder, user, self.open_people.host_key())?;
        }
        let slots_path = folder.join(SLOTS_FILE);
        let slots = Slots::read(&folder).map_err(|error| match error {
            OwnerError::Record { source, .. } => Damage::unparsed(&slots_path, &source),
            error => Damage::new(&slots_path, format!("cannot be read: {error}")),
        })?;
        let store = folder.join(STORE_FOLDER);
        if !store.exists() {
            return Ok(());
        }
        let keyring = store.join("keyring");
        let generation = Store::key_generation(&store)
            .map_err(|error| Damage::new(&keyring, format!("is unsound: {}", crate::chain(&error))))?
            .ok_or_else(|| Damage::missing(&keyring))?;
        let unattended = self.leases.mode(user).is_ok_and(|mode| mode == KeyMode::Unattended);
        let live = access.iter().flat_map(|access| access.devices.iter());
        let mut live = live.filter(|device| device.labels().is_some()).peekable();
        let fits = match live.peek() {
            Some(_) => live.any(|device| slots.fits(device.id(), device.wrap_pub(), generation)),
            None => unattended || slots.has_generation(generation),
        };
        if !fits {
            let what = "is of another time or another person: it has no slot of a paired device";
            return Err(Damage::new(&slots_path, format!("{what} for key {generation}")));
        }
        if unattended { self.inspect_hosts_slot(user, &store, generation) } else { Ok(()) }
    }

    fn inspect_hosts_slot(&self, user: UserId, store: &Path, generation: u32) -> Result<(), Damage> {
        let path = store.join("slot-unattended");
        let slot = self.open_people.host_key().unlock(store, user);
        let slot = slot.map_err(|error| Damage::new(&path, error.to_string()))?;
        if slot.generation != generation {
            let what = format!("holds key {}, and the store is at key {generation}", slot.generation);
            return Err(Damage::new(&path, what));
        }
        if !Store::opens_with(store, user, &slot.key).is_ok_and(|opens| opens) {
            return Err(Damage::new(&store.join("keyring"), "does not open with the key in slot-unattended"));
        }
        Ok(())
    }
}
