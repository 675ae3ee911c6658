//! How many puts have left no entry of their own: counted for the owner, since no other record shows them.

use runtime_store::{Batch, Committed, Snapshot};
use serde::{Deserialize, Serialize};

use crate::error::CallError;
use crate::people::person::Person;

/// The document with the counts. No cell is granted names with this prefix.
const PUTS: &str = "runtime/puts";

/// The counts since the store was created.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PutCounts {
    /// Puts of an entry that the store had already.
    #[serde(default)]
    pub ignored: u64,
    /// Puts that replaced an earlier entry before any run accepted it.
    #[serde(default)]
    pub replaced: u64,
}

pub(super) fn read(snapshot: &Snapshot) -> Result<PutCounts, CallError> {
    let Some(content) = snapshot.document(PUTS).map_err(CallError::Read)? else {
        return Ok(PutCounts::default());
    };
    serde_json::from_slice(&content).map_err(|source| CallError::Document { name: PUTS.to_owned(), source })
}

/// Adds the result of a put's commit, and `known_aside` entries that had been set aside before. On disk with the next
/// commit. The caller holds the person's `documents` if puts may run at the same time.
pub(crate) fn count_put(person: &Person, committed: &Committed, known_aside: u64) -> Result<(), CallError> {
    let ignored = committed.ignored + committed.repeated + known_aside;
    let replaced = committed.overwritten - committed.repeated;
    if ignored + replaced == 0 {
        return Ok(());
    }
    // Counts that cannot be read start again at 0: a put must not fail because of them.
    let before = read(&person.store.snapshot_ahead()).unwrap_or_default();
    let counts = PutCounts { ignored: before.ignored + ignored, replaced: before.replaced + replaced };
    let mut batch = Batch::new();
    batch.put_document(PUTS, serde_json::to_vec(&counts).expect("two numbers"));
    person.commit_ahead(batch).map_err(CallError::Commit)
}
