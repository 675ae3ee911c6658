//! Cursors and pages, with errors that say what was read.

use cells_sdk::model::page::Page;
use cells_sdk::{EntrySource, Query, ReadEntries};

use crate::ComposeError;

pub fn open<R: ReadEntries>(runtime: &mut R, query: &Query) -> Result<R::Entries, ComposeError> {
    runtime.find(query).map_err(|source| ComposeError::Read { keys: query.keys.join(", "), source })
}

/// The next page; empty at the end.
pub fn next(query: &Query, cursor: &mut impl EntrySource, bytes_max: u32) -> Result<Vec<u8>, ComposeError> {
    cursor.next_page(bytes_max).map_err(|source| ComposeError::Read { keys: query.keys.join(", "), source })
}

pub fn page<'a>(query: &Query, bytes: &'a [u8]) -> Result<Page<'a>, ComposeError> {
    Page::read(bytes).map_err(|source| ComposeError::Page { keys: query.keys.join(", "), source })
}
