//! Making a span of time unreadable: its keys go first, then what they sealed.

use std::collections::HashMap;
use std::sync::Arc;

use runtime_types::Stream;

use crate::CommitError;
use crate::index::{BlockInfo, Index};
use crate::vault::Vault;

/// Destroys the keys of the chosen months, on disk when it returns; answers the blocks that they sealed.
pub(super) fn destroy_keys(
    vault: &Vault,
    index: &Index,
    chosen: impl Fn(&Stream, i32) -> bool,
) -> Result<HashMap<u64, Arc<BlockInfo>>, CommitError> {
    let mut keyring = (*vault.keyring()).clone();
    keyring.destroy(&chosen);
    vault.replace_keyring(keyring)?;
    vault.cache.clear();
    let sealed = index.blocks().filter(|info| chosen(&info.body.stream, info.body.month));
    Ok(sealed.map(|info| (info.body.number, Arc::clone(info))).collect())
}

/// The blocks are gone, so their keys need not be remembered as destroyed.
pub(super) fn forget(vault: &Vault) -> Result<(), CommitError> {
    let mut keyring = (*vault.keyring()).clone();
    keyring.forget_doomed();
    Ok(vault.replace_keyring(keyring)?)
}
