//! Reading results a page at a time, with errors that name the keys.

use std::ops::ControlFlow;

use cells_model::EntryId;
use cells_model::page::{Entry, Page};
use serde::Deserialize;

use crate::limits::QUERY_IDS_MAX;
use crate::{EntrySource, Exchange, Failure, Query, ReadEntries, RunError};

/// The most bytes of one page: large enough that calls cost little, small compared with a cell's memory.
const PAGE_BYTES: u32 = 64 << 10;
/// The size of the first page where a few entries are probably enough, bytes: the smallest possible.
const FIRST_PAGE_BYTES: u32 = 4 << 10;

/// The result of a query, a page at a time. `C`: the runtime's cursor.
#[derive(Debug)]
pub struct Pages<C> {
    keys: String,
    cursor: C,
    bytes: Vec<u8>,
}

impl<C: EntrySource> Pages<C> {
    /// The entries that match, in the query's order.
    pub fn find<R: ReadEntries<Entries = C>>(runtime: &mut R, query: &Query) -> Result<Self, RunError> {
        Self::new(query.keys.join(", "), runtime.find(query))
    }

    /// The entries of these keys that have one of the ids, at most [`QUERY_IDS_MAX`], in the order of the ids.
    pub fn find_ids<R: ReadEntries<Entries = C>>(
        runtime: &mut R,
        keys: &[&str],
        ids: &[EntryId],
    ) -> Result<Self, RunError> {
        Self::new(keys.join(", "), runtime.find_ids(keys, ids))
    }

    fn new(keys: String, cursor: Result<C, Failure>) -> Result<Self, RunError> {
        // A query without keys reads all keys that the grant covers.
        let keys = if keys.is_empty() { "entries of any key".to_owned() } else { keys };
        match cursor {
            Ok(cursor) => Ok(Self { keys, cursor, bytes: Vec::new() }),
            Err(failure) => Err(RunError::Read { keys, source: failure.into() }),
        }
    }

    /// The next page of at most `bytes_max` (4 KiB to 1 MiB), unless one entry alone is larger; `None` at the end.
    pub fn next_page(&mut self, bytes_max: u32) -> Result<Option<Page<'_>>, RunError> {
        let unreadable = |source| RunError::Read { keys: self.keys.clone(), source };
        self.bytes = self.cursor.next_page(bytes_max).map_err(|failure| unreadable(failure.into()))?;
        if self.bytes.is_empty() {
            return Ok(None);
        }
        Page::read(&self.bytes).map(Some).map_err(|bad| unreadable(bad.into()))
    }
}

/// Calls `visit` with every entry that matches, in the query's order. Only one page is in memory at a time.
pub fn for_each_entry<R: ReadEntries>(
    runtime: &mut R,
    query: &Query,
    mut visit: impl FnMut(&mut R, Entry<'_>) -> Result<(), RunError>,
) -> Result<(), RunError> {
    walk_entries(runtime, query, |runtime, entry| visit(runtime, entry).map(ControlFlow::Continue))
}

/// As [`for_each_entry`], but stops when `visit` breaks.
pub fn walk_entries<R: ReadEntries>(
    runtime: &mut R,
    query: &Query,
    mut visit: impl FnMut(&mut R, Entry<'_>) -> Result<ControlFlow<()>, RunError>,
) -> Result<(), RunError> {
    let mut pages = Pages::find(runtime, query)?;
    while let Some(page) = pages.next_page(PAGE_BYTES)? {
        for entry in page.entries() {
            if visit(runtime, entry)?.is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The value that `pick` returns for the first entry, in the query's order, for which it returns one. The first page is
/// small, so that an entry near the beginning costs little.
pub fn find_entry<R: ReadEntries, T>(
    runtime: &mut R,
    query: &Query,
    mut pick: impl FnMut(Entry<'_>) -> Result<Option<T>, RunError>,
) -> Result<Option<T>, RunError> {
    let (mut pages, mut bytes) = (Pages::find(runtime, query)?, FIRST_PAGE_BYTES);
    while let Some(page) = pages.next_page(bytes)? {
        for entry in page.entries() {
            if let Some(picked) = pick(entry)? {
                return Ok(Some(picked));
            }
        }
        bytes = PAGE_BYTES.min(2 * bytes);
    }
    Ok(None)
}

/// Calls `visit` with the entries of these keys that have one of the ids, in the order of the ids, whatever their
/// times. Ids without an entry are skipped. Only one page is in memory at a time.
pub fn for_each_by_id<R: ReadEntries>(
    runtime: &mut R,
    keys: &[&str],
    ids: &[EntryId],
    mut visit: impl FnMut(Entry<'_>) -> Result<(), RunError>,
) -> Result<(), RunError> {
    for ids in ids.chunks(QUERY_IDS_MAX) {
        let mut pages = Pages::find_ids(runtime, keys, ids)?;
        while let Some(page) = pages.next_page(PAGE_BYTES)? {
            page.entries().try_for_each(&mut visit)?;
        }
    }
    Ok(())
}

/// Deserialises the data of an entry. The error names the entry.
pub fn data_of<'a, T: Deserialize<'a>>(entry: &Entry<'a>) -> Result<T, RunError> {
    serde_json::from_str(entry.data).map_err(|error| RunError::bad_entry(entry.id, "cannot be read", error))
}

/// Reads the whole body of a request, for cells whose requests are short: a body of more than `bytes_max` is refused as
/// `invalid`, before it is in memory.
pub fn read_body<R: Exchange>(runtime: &mut R, bytes_max: usize) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    loop {
        let piece = runtime.read(PAGE_BYTES)?;
        if piece.is_empty() {
            return Ok(body);
        }
        if body.len() + piece.len() > bytes_max {
            return Err(Failure::Invalid(format!("a body of more than {bytes_max} bytes")));
        }
        body.extend(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Memory;
    use crate::{Area, TimeField};

    /// Ten entries of 100 KB.
    fn long_entries() -> (Memory, Query) {
        let long = "x".repeat(100_000);
        let mut memory = Memory::new();
        for ts in 0..10 {
            let data = format!(r#"{{"ts":{ts},"long":"{long}"}}"#);
            memory = memory.with_entry(Area::Timeseries, r#"{"key":"a/b","write_ts":1}"#, &data);
        }
        (memory, Query::of(&["a/b"], TimeField::DataTs))
    }

    #[test]
    fn every_entry_is_visited_across_pages_until_one_is_refused() {
        let (mut memory, query) = long_entries();
        let mut seen = Vec::new();
        let visited = for_each_entry(&mut memory, &query, |_, entry| {
            seen.push(entry.time);
            if seen.len() < 7 { Ok(()) } else { Err(RunError::Other("enough".to_owned())) }
        });
        assert_eq!(visited.map_err(String::from), Err("enough".to_owned()));
        assert_eq!(seen, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    }

    #[test]
    fn a_walk_ends_where_the_visitor_ends_it() {
        let (mut memory, query) = long_entries();
        let mut seen = Vec::new();
        walk_entries(&mut memory, &query, |_, entry| {
            seen.push(entry.time);
            Ok(if seen.len() < 3 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })
        .unwrap();
        assert_eq!(seen, [0.0, 1.0, 2.0]);
    }

    #[test]
    fn the_first_entry_that_is_wanted_is_found() {
        let (mut memory, query) = long_entries();
        let mut find = |wanted: f64| {
            let pick = |entry: Entry<'_>| Ok((entry.time >= wanted).then_some(entry.time));
            find_entry(&mut memory, &query, pick).unwrap()
        };
        assert_eq!((find(-1.0), find(6.5), find(10.0)), (Some(0.0), Some(7.0), None));
        let latest = query.latest_first();
        let found = find_entry(&mut memory, &latest, |entry| Ok(Some(entry.time)));
        assert_eq!(found.unwrap(), Some(9.0));
    }

    #[test]
    fn a_read_error_names_the_keys() {
        let mut memory = Memory::new();
        let query = Query::of(&["a/b", "c/d"], TimeField::DataTs).between(Some(f64::NAN), None);
        let read = for_each_entry(&mut memory, &query, |_, _| Ok(()));
        let text = read.map_err(String::from).unwrap_err();
        assert!(text.starts_with("cannot read a/b, c/d: invalid: "), "{text}");
    }

    #[test]
    fn entries_are_found_by_their_ids_whatever_their_times() {
        let metadata = r#"{"key":"a/b","write_ts":1}"#;
        let mut memory = Memory::new();
        for ts in [5.0, -3.0, 5.0] {
            memory = memory.with_entry(Area::Timeseries, metadata, &format!(r#"{{"ts":{ts}}}"#));
        }
        memory = memory.with_entry(Area::Timeseries, r#"{"key":"c/d","write_ts":1}"#, "{}");
        let ids: Vec<EntryId> = memory.entries(Area::Timeseries).iter().map(|entry| entry.id).collect();
        let wanted = [ids[3], ids[2], EntryId([7; 12]), ids[1], ids[2]];
        let mut seen = Vec::new();
        for_each_by_id(&mut memory, &["a/b"], &wanted, |entry| {
            seen.push(entry.id);
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, [ids[2], ids[1], ids[2]], "what is not there, or is of another key, is left out");
        let many = vec![ids[0]; 2 * QUERY_IDS_MAX + 1];
        let mut count = 0;
        for_each_by_id(&mut memory, &["a/b"], &many, |_| {
            count += 1;
            Ok(())
        })
        .unwrap();
        assert_eq!(count, many.len());
    }

    #[test]
    fn a_body_over_the_limit_is_refused() {
        let mut memory = Memory::new().with_body("12345");
        assert_eq!(read_body(&mut memory, 5), Ok(b"12345".to_vec()));
        memory.set_body("123456");
        assert!(matches!(read_body(&mut memory, 5), Err(Failure::Invalid(_))));
    }
}
