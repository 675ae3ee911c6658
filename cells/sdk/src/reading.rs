//! Reading answers whole, a page at a time.

use cells_model::page::{Entry, Page};

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
    fn a_body_over_the_limit_is_refused() {
        let mut memory = Memory::new().with_body("12345");
        assert_eq!(read_body(&mut memory, 5), Ok(b"12345".to_vec()));
        memory.set_body("123456");
        assert!(matches!(read_body(&mut memory, 5), Err(Failure::Invalid(_))));
    }
}
