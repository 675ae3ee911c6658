//! Entries that are set aside: whether the errors area has the identical entry already.

use std::ops::ControlFlow;

use ring::digest::{Context, SHA256, SHA256_OUTPUT_LEN};
use runtime_store::{CheckedEntry, NewEntry, ReadError, Snapshot};
use runtime_types::{Area, Query, TimeField};

/// Distinguishes entries by their texts.
pub(super) type EntryDigest = [u8; SHA256_OUTPUT_LEN];

/// The digest of the texts that [`is_set_aside`] compares.
pub(super) fn digest_of(entry: &NewEntry<'_>) -> EntryDigest {
    let mut digest = Context::new(&SHA256);
    for text in [entry.key.as_str(), entry.metadata, entry.data] {
        digest.update(&text.len().to_le_bytes());
        digest.update(text.as_bytes());
    }
    digest.finish().as_ref().try_into().expect("SHA-256 has that length")
}

/// Whether the identical entry has been set aside before: a phone that resends a batch adds nothing.
pub(super) fn is_set_aside(snapshot: &Snapshot, read: &CheckedEntry<'_>) -> Result<bool, ReadError> {
    let (entry, write_ts) = (read.entry(), read.times().get(TimeField::WriteTs));
    if write_ts.is_nan() {
        return Ok(false);
    }
    let keys = vec![entry.key.clone()];
    let query = Query {
        keys,
        field: TimeField::WriteTs,
        start: write_ts,
        end: write_ts,
        ..Query::everything(Area::Errors)
    };
    let mut found = false;
    snapshot.find(&query)?.visit(&mut |row| {
        found = row.metadata == entry.metadata && row.data == entry.data;
        if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(found)
}
