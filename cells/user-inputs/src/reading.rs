//! Walking over entries with a choice of how much is read at once, and of stopping early.

use std::ops::ControlFlow;

use cells_sdk::model::EntryId;
use cells_sdk::model::page::{BadPage, Entry, Page};
use cells_sdk::{EntrySource, Failure, Query, ReadEntries, Unreadable, for_each_id};

/// For answers that are read whole.
pub const WHOLE: u32 = 64 << 10;
/// For answers of which the first few entries are wanted: the least that a page may be.
pub const FEW: u32 = 4 << 10;

/// Why entries could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The runtime refused.
    #[error("cannot read {keys}")]
    Refused {
        /// The keys of the query.
        keys: String,
        /// Its words.
        #[source]
        source: Failure,
    },
    /// The runtime sent a page that breaks its own rules.
    #[error("cannot read {keys}")]
    Page {
        /// The keys of the query.
        keys: String,
        /// Which rule.
        #[source]
        source: BadPage,
    },
}

/// Calls `visit` with the entries that match, in order, until it breaks; holds a page of `page_bytes` at a time.
pub fn walk<R: ReadEntries>(
    runtime: &mut R,
    query: &Query,
    page_bytes: u32,
    mut visit: impl FnMut(&Entry<'_>) -> ControlFlow<()>,
) -> Result<(), ReadError> {
    let keys = || query.keys.join(", ");
    let refused = |source| ReadError::Refused { keys: keys(), source };
    let mut cursor = runtime.find(query).map_err(refused)?;
    loop {
        let bytes = cursor.next_page(page_bytes).map_err(refused)?;
        if bytes.is_empty() {
            return Ok(());
        }
        let page = Page::read(&bytes).map_err(|source| ReadError::Page { keys: keys(), source })?;
        if page.entries().try_for_each(|entry| visit(&entry)).is_break() {
            return Ok(());
        }
    }
}

/// Calls `visit` with the entries of these keys that have one of the ids, in the order of the ids, whatever their times.
pub fn walk_ids<R: ReadEntries>(
    runtime: &mut R,
    keys: &[&str],
    ids: &[EntryId],
    visit: impl FnMut(&Entry<'_>),
) -> Result<(), ReadError> {
    for_each_id(runtime, keys, ids, visit).map_err(|error| {
        let keys = keys.join(", ");
        match error {
            Unreadable::Refused(source) => ReadError::Refused { keys, source },
            Unreadable::Page(source) => ReadError::Page { keys, source },
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use cells_sdk::testing::Memory;
    use cells_sdk::{Area, TimeField};

    #[test]
    fn a_walk_goes_across_pages_until_it_is_told_to_stop() {
        let mut memory = Memory::new();
        for ts in 0..10 {
            let data = format!(r#"{{"ts":{ts},"long":"{}"}}"#, "x".repeat(3_000));
            memory = memory.with_entry(Area::Timeseries, r#"{"key":"a/b","write_ts":1}"#, &data);
        }
        let query = Query::of(&["a/b"], TimeField::DataTs);
        let mut seen = Vec::new();
        walk(&mut memory, &query, FEW, |entry| {
            seen.push(entry.time);
            if seen.len() < 7 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
        .expect("readable");
        assert_eq!(seen, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    }
}
