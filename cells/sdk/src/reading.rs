//! Reading answers whole, a page at a time.

use cells_model::EntryId;
use cells_model::page::{BadPage, Entry, Page};

use crate::limits::QUERY_IDS_MAX;
use crate::{EntrySource, Exchange, Failure, Query, ReadEntries};

/// What one page brings at most, bytes: large enough that crossing costs little, small beside a cell's memory.
const PAGE_BYTES: u32 = 64 << 10;

/// Calls `visit` with every entry that matches, in the query's order, until it answers `Err`.
/// Holds one page at a time. `Err`: the words of `visit`, or why the runtime refused.
pub fn for_each_entry<R: ReadEntries>(
    runtime: &mut R,
    query: &Query,
    mut visit: impl FnMut(Entry<'_>) -> Result<(), String>,
) -> Result<(), String> {
    let words = |failure: Failure| format!("cannot read {}: {failure}", query.keys.join(", "));
    let mut cursor = runtime.find(query).map_err(words)?;
    loop {
        let bytes = cursor.next_page(PAGE_BYTES).map_err(words)?;
        if bytes.is_empty() {
            return Ok(());
        }
        let page = Page::read(&bytes).map_err(|error| error.to_string())?;
        page.entries().try_for_each(&mut visit)?;
    }
}

/// Why an answer could not be read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Unreadable {
    /// The runtime refused.
    #[error(transparent)]
    Refused(#[from] Failure),
    /// The runtime sent a page that breaks its own rules.
    #[error(transparent)]
    Page(#[from] BadPage),
}

/// Calls `visit` with the entries of these keys that have one of the ids, in the order of the ids, whatever their times.
/// An id that names none of them is passed over. Holds one page at a time.
pub fn for_each_id<R: ReadEntries>(
    runtime: &mut R,
    keys: &[&str],
    ids: &[EntryId],
    mut visit: impl FnMut(&Entry<'_>),
) -> Result<(), Unreadable> {
    for ids in ids.chunks(QUERY_IDS_MAX) {
        let mut cursor = runtime.find_ids(keys, ids)?;
        loop {
            let bytes = cursor.next_page(PAGE_BYTES)?;
            if bytes.is_empty() {
                break;
            }
            Page::read(&bytes)?.entries().for_each(|entry| visit(&entry));
        }
    }
    Ok(())
}

/// Reads the whole body of a request, for cells whose requests are short: more than `bytes_max` is refused as
/// `invalid`, before it is held.
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

    #[test]
    fn every_entry_is_visited_across_pages_until_one_is_refused() {
        let long = "x".repeat(100_000);
        let mut memory = Memory::new();
        for ts in 0..10 {
            let data = format!(r#"{{"ts":{ts},"long":"{long}"}}"#);
            memory = memory.with_entry(Area::Timeseries, r#"{"key":"a/b","write_ts":1}"#, &data);
        }
        let query = Query::of(&["a/b"], TimeField::DataTs);
        let mut seen = Vec::new();
        let visited = for_each_entry(&mut memory, &query, |entry| {
            seen.push(entry.time);
            if seen.len() < 7 { Ok(()) } else { Err("enough".to_owned()) }
        });
        assert_eq!(visited, Err("enough".to_owned()));
        assert_eq!(seen, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
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
        for_each_id(&mut memory, &["a/b"], &wanted, |entry| seen.push(entry.id)).unwrap();
        assert_eq!(seen, [ids[2], ids[1], ids[2]], "what is not there, or is of another key, is left out");
        let many = vec![ids[0]; 2 * QUERY_IDS_MAX + 1];
        let mut count = 0;
        for_each_id(&mut memory, &["a/b"], &many, |_| count += 1).unwrap();
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
