//! How many puts have left no entry of their own: counted for the owner, since nothing else tells of them.

use runtime_store::{Batch, Committed, Snapshot};
use serde::{Deserialize, Serialize};

use crate::error::CallError;
use crate::people::person::Person;

/// The document with the counts. No cell is granted names that begin so.
const PUTS: &str = "runtime/puts";

/// The counts, since there is a store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PutCounts {
    /// The very same entry was here already.
    #[serde(default)]
    pub ignored: u64,
    /// Another one took the place of the earlier before any run came.
    #[serde(default)]
    pub replaced: u64,
}

pub(super) fn read(snapshot: &Snapshot) -> Result<PutCounts, CallError> {
    let Some(content) = snapshot.document(PUTS).map_err(CallError::Read)? else {
        return Ok(PutCounts::default());
    };
    serde_json::from_slice(&content).map_err(|source| CallError::Document { name: PUTS.to_owned(), source })
}

/// Adds what a put's commit did, and `known_aside` entries that were set aside before. On disk with the next commit. The
/// caller holds the person's `documents` where puts may come at once.
pub(crate) fn count_put(person: &Person, committed: &Committed, known_aside: u64) -> Result<(), CallError> {
    let ignored = committed.ignored + committed.repeated + known_aside;
    let replaced = committed.overwritten - committed.repeated;
    if ignored + replaced == 0 {
        return Ok(());
    }
    // Counts that cannot be read begin again at 0: a put must not fail for them.
    let before = read(&person.store.snapshot_ahead()).unwrap_or_default();
    let counts = PutCounts { ignored: before.ignored + ignored, replaced: before.replaced + replaced };
    let mut batch = Batch::new();
    batch.put_document(PUTS, serde_json::to_vec(&counts).expect("two numbers"));
    person.commit_ahead(batch).map_err(CallError::Commit)
}
