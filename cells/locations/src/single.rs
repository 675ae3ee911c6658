//! Single entries, with their texts.

use cells_sdk::model::EntryId;
use cells_sdk::{Query, ReadEntries, TimeField};

use crate::{ReadError, for_each_entry};

/// One entry with its texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its id.
    pub id: EntryId,
    /// A JSON object.
    pub metadata: String,
    /// A JSON object.
    pub data: String,
}

/// The entries of `key` whose `data.ts` is exactly `ts`, by rising ids.
pub fn at_time<R: ReadEntries>(
    runtime: &mut R,
    key: &str,
    ts: f64,
    with_invalid: bool,
) -> Result<Vec<Found>, ReadError> {
    let query = Query { with_invalid, ..Query::of(&[key], TimeField::DataTs).between(Some(ts), Some(ts)) };
    let mut found = Vec::new();
    for_each_entry(runtime, &query, |_, entry| {
        found.push(Found { id: entry.id, metadata: entry.metadata.to_owned(), data: entry.data.to_owned() });
        Ok::<(), ReadError>(())
    })?;
    Ok(found)
}
