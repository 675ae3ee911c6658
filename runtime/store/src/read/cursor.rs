//! Reading entries in the order of a query.

use std::ops::ControlFlow;
use std::sync::Arc;

use runtime_types::{EntryId, Query, StreamKey};

use super::merge::{Mark, Merge};
use super::source::Texts;
use super::token;
use crate::ReadError;
use crate::index::Index;
use crate::vault::Vault;

/// One entry, its texts borrowed from a decoded block for as long as the visit lasts.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// Which entry.
    pub id: EntryId,
    /// Which readings.
    pub key: &'a StreamKey,
    /// Whether it is marked invalid.
    pub invalid: bool,
    /// `metadata.write_ts`, s; NaN where there is none.
    pub write_ts: f64,
    /// The time that the query names, s.
    pub time: f64,
    /// A JSON object, byte for byte as it was stored.
    pub metadata: &'a str,
    /// A JSON object, byte for byte as it was stored.
    pub data: &'a str,
    /// Empty, or further members without braces.
    pub extra: &'a str,
    /// The digest of what a phone sent; 0 for none, and in the usercache.
    pub origin: u64,
}

/// One entry that owns its texts.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnedRow {
    /// Which entry.
    pub id: EntryId,
    /// Which readings.
    pub key: StreamKey,
    /// Whether it is marked invalid.
    pub invalid: bool,
    /// `metadata.write_ts`, s; NaN where there is none.
    pub write_ts: f64,
    /// A JSON object, byte for byte as it was stored.
    pub metadata: String,
    /// A JSON object, byte for byte as it was stored.
    pub data: String,
    /// Empty, or further members without braces.
    pub extra: String,
}

/// Whether a cursor has more rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The visit was stopped; the row at which it stopped comes first next time.
    More,
    /// Every row has been visited.
    End,
}

/// A position in a query's result. It holds its snapshot, and in memory only the blocks that it is reading.
#[derive(Debug)]
pub struct Cursor {
    vault: Arc<Vault>,
    /// Blocks that the snapshot needs stay on disk while this exists.
    _index: Arc<Index>,
    merge: Merge<Texts>,
}

impl Cursor {
    pub(super) fn new(vault: &Arc<Vault>, index: &Arc<Index>, query: &Query, mark: Option<Mark>) -> Self {
        let merge = Merge::new(Arc::clone(vault), index, query, mark);
        Self { vault: Arc::clone(vault), _index: Arc::clone(index), merge }
    }

    /// Visits rows in the query's order until `visit` breaks; that row is not consumed: it comes first next time.
    pub fn visit(
        &mut self,
        visit: &mut dyn FnMut(&Row<'_>) -> ControlFlow<()>,
    ) -> Result<Progress, ReadError> {
        self.merge.visit(|info, texts, row, time| {
            let (id, write_ts, [metadata, data, extra]) = texts.row(row as usize);
            let key = &info.body.stream.key;
            let invalid = texts.is_invalid(row as usize, info);
            let origin = texts.origin(row as usize);
            visit(&Row { id, key, invalid, write_ts, time, metadata, data, extra, origin })
        })
    }

    /// A token with which [`crate::Snapshot::resume`] continues behind the last row consumed. It is authenticated: only
    /// this store's tokens, for the same query, are accepted.
    pub fn token(&self) -> String {
        token::write(&self.vault, self.merge.query(), self.merge.mark)
    }
}
