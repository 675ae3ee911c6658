//! Single entries, with their texts.

use cells_sdk::model::EntryId;
use cells_sdk::model::device::device_name;
use cells_sdk::{Query, ReadEntries, RunError, TimeField, for_each_entry};

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

impl Found {
    /// The name of the device that sent it.
    pub fn device(&self) -> Option<String> {
        device_name(&self.metadata)
    }
}

/// The first of entries of one moment; where they are of several devices, the first of those that `fit`, if any does.
pub fn first_that_fits(found: &[Found], fits: impl Fn(&Found) -> bool) -> Option<&Found> {
    let first = found.first()?;
    if found.len() == 1 || found.iter().all(|entry| entry.device() == first.device()) {
        return Some(first);
    }
    Some(found.iter().find(|entry| fits(entry)).unwrap_or(first))
}

/// The entries of `key` whose `data.ts` is exactly `ts`, by rising ids.
pub fn at_time<R: ReadEntries>(
    runtime: &mut R,
    key: &str,
    ts: f64,
    with_invalid: bool,
) -> Result<Vec<Found>, RunError> {
    let query = Query { with_invalid, ..Query::of(&[key], TimeField::DataTs).between(Some(ts), Some(ts)) };
    let mut found = Vec::new();
    for_each_entry(runtime, &query, |_, entry| {
        found.push(Found { id: entry.id, metadata: entry.metadata.to_owned(), data: entry.data.to_owned() });
        Ok(())
    })?;
    Ok(found)
}
