//! Making a span of time unreadable: its keys are destroyed first, then the blocks that they sealed.

use std::sync::Arc;

use runtime_types::Stream;

use super::publish::{Changes, When, Writer, publish};
use crate::CommitError;
use crate::index::{BlockInfo, Index};
use crate::vault::Vault;

/// Destroys the keys of the chosen months, retired ones too, on disk when it returns; returns how many keys there were,
/// and how many blocks they sealed.
pub(super) fn destroy_keys(
    vault: &Vault,
    index: &Index,
    chosen: impl Fn(&Stream, i32) -> bool,
) -> Result<(u64, u64), CommitError> {
    let mut keyring = (*vault.keyring()).clone();
    let keys = keyring.destroy(&chosen).len() as u64;
    vault.replace_keyring(keyring)?;
    vault.cache.clear();
    let sealed = index.blocks().filter(|info| chosen(&info.body.stream, info.body.month));
    Ok((keys, sealed.count() as u64))
}

/// Deletes the blocks that destroyed keys have sealed; returns the index without them.
pub(super) fn delete_doomed(
    vault: &Vault,
    writer: &mut Writer,
    index: &Index,
) -> Result<Arc<Index>, CommitError> {
    let keyring = vault.keyring();
    let doomed = |info: &&Arc<BlockInfo>| keyring.doomed().contains(&info.body.key_number);
    let removed = index.blocks().filter(doomed).map(|info| (info.body.number, Arc::clone(info))).collect();
    publish(vault, writer, index, Changes { removed, ..Changes::default() }, When::Now)
}

/// The blocks are deleted, so their keys need not be remembered as destroyed.
pub(super) fn forget(vault: &Vault) -> Result<(), CommitError> {
    let mut keyring = (*vault.keyring()).clone();
    keyring.forget_doomed();
    Ok(vault.replace_keyring(keyring)?)
}
