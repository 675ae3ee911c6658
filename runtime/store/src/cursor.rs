//! Reading entries in the order of a query.

use std::ops::ControlFlow;

use runtime_types::{EntryId, StreamKey};

use crate::ReadError;

/// One entry, its texts borrowed from a decoded block for as long as the visit lasts.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// Which entry.
    pub id: EntryId,
    /// Which readings.
    pub key: &'a StreamKey,
    /// Marked invalid.
    pub invalid: bool,
    /// `metadata.write_ts`, s; NaN where there is none.
    pub write_ts: f64,
    /// The time that the query names, s.
    pub time: f64,
    /// A JSON object, byte for byte as it came.
    pub metadata: &'a str,
    /// A JSON object, byte for byte as it came.
    pub data: &'a str,
    /// Empty, or further members without braces.
    pub extra: &'a str,
}

/// One entry that owns its texts.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnedRow {
    /// Which entry.
    pub id: EntryId,
    /// Which readings.
    pub key: StreamKey,
    /// Marked invalid.
    pub invalid: bool,
    /// `metadata.write_ts`, s; NaN where there is none.
    pub write_ts: f64,
    /// A JSON object, byte for byte as it came.
    pub metadata: String,
    /// A JSON object, byte for byte as it came.
    pub data: String,
    /// Empty, or further members without braces.
    pub extra: String,
}

/// Whether a cursor has more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The visit was broken off; the row it broke at comes first next time.
    More,
    /// Every row has been visited.
    End,
}

/// A position in an answer. It keeps its snapshot, and of the blocks only those that it is reading.
#[derive(Debug)]
pub struct Cursor {}

impl Cursor {
    /// Visits rows in the query's order until `visit` breaks; that row is not consumed.
    pub fn visit(
        &mut self,
        visit: &mut dyn FnMut(&Row<'_>) -> ControlFlow<()>,
    ) -> Result<Progress, ReadError> {
        let _ = visit;
        Ok(Progress::End)
    }

    /// A text from which [`crate::Snapshot::resume`] goes on behind the last row consumed. It is
    /// authenticated: only this store's tokens, for the same query, are taken.
    pub fn token(&self) -> String {
        String::new()
    }
}
