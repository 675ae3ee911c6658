//! Changing the data key: the keyring is sealed under it, and everything but blocks under another meta key.
//!
//! The keyring is one file that is replaced whole, and that replacement is the rotation: before it the old data key
//! opens the store, after it the new one. A second commit then seals the rest again; after a crash in between, the next
//! opening makes it. Blocks stay under the keys of their months, which the keyring keeps.

use std::collections::HashSet;
use std::sync::Arc;

use super::Store;
use super::publish::{Changes, When, Writer};
use crate::index::Index;
use crate::keys::{DataKey, Keyring};
use crate::vault::Vault;
use crate::{CommitError, KeyError, ReadError};

impl Store {
    /// Replaces the data key that opens the store; on disk when it returns. `generation` is the number of the new key,
    /// one more than that of the old. Entries written from now on are sealed under fresh keys. Existing entries stay
    /// under their keys until they are rewritten; everything else is sealed again at once.
    ///
    /// # Errors
    /// [`CommitError::Generation`] and [`CommitError::Read`] change nothing, nor does any other as long as
    /// [`Store::key_generation`] names the old key. Once it names the new one, the store accepts no more commits until
    /// it is closed and opened with the new key. Keep both until then.
    pub fn rotate_data_key(&self, new: DataKey, generation: u32) -> Result<(), CommitError> {
        let mut writer = self.writer()?;
        self.sync_with(&mut writer)?;
        let (index, keyring) = (self.index(), self.vault.keyring());
        if keyring.generation.checked_add(1) != Some(generation) {
            return Err(CommitError::Generation { current: keyring.generation, given: generation });
        }
        // While the old meta key is in use.
        let changes = everything(&self.vault, &index)?;
        let keyring = keyring.rotated(generation, &used_keys(&index, &writer))?;
        let rotated = self.rotate(&mut writer, &index, keyring, new, changes);
        if rotated.is_err() {
            let before = Some(generation - 1);
            let untouched = [Some(self.vault.keyring().generation), self.vault.generation_on_disk()];
            // Otherwise the disk may have part of it, and differs from memory.
            writer.poisoned |= untouched != [before, before];
        }
        rotated
    }

    fn rotate(
        &self,
        writer: &mut Writer,
        index: &Index,
        keyring: Keyring,
        new: DataKey,
        changes: Changes,
    ) -> Result<(), CommitError> {
        self.vault.rotate_keyring(keyring, new)?;
        self.publish(writer, index, changes, When::Now)?;
        Ok(forget_meta_before(&self.vault)?)
    }
}

/// The keys of blocks that may still be read.
fn used_keys(index: &Index, writer: &Writer) -> HashSet<u32> {
    let bodies = index.blocks().map(|info| &info.body).chain(&writer.graveyard);
    bodies.map(|body| body.key_number).collect()
}

/// Everything that is sealed with the meta key, unchanged. Contents of documents are kept in memory for snapshots,
/// which will not find them in the engine any more.
pub(super) fn everything(vault: &Vault, index: &Index) -> Result<Changes, ReadError> {
    let mut changes = Changes::default();
    for (name, document) in &index.documents {
        let content = vault.document(document)?;
        let content = document.content.get_or_init(|| content);
        changes.documents.insert(name.clone(), Some(content.to_vec()));
    }
    let marked = index.blocks().map(|info| (Arc::clone(info), info.dead.clone(), info.invalid.clone()));
    changes.marked.extend(marked);
    Ok(changes)
}

/// Nothing is sealed with the old meta key any more.
pub(super) fn forget_meta_before(vault: &Vault) -> Result<(), KeyError> {
    let mut keyring = (*vault.keyring()).clone();
    if keyring.forget_meta_before() { vault.replace_keyring(keyring) } else { Ok(()) }
}
