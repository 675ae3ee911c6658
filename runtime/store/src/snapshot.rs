//! What the store held at one moment.

use std::sync::Arc;

use runtime_types::{Area, EntryId, Query, Stream};

use crate::{Cursor, LocationCursor, OwnedRow, ReadError};

/// The last commit of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Number of the commit; 0 before the first.
    pub commit: u64,
    /// Hash over that commit and all before it.
    pub hash: [u8; 32],
}

/// What the store held at one moment: entries and documents. Cheap to take and to clone.
#[derive(Debug, Clone)]
pub struct Snapshot {}

impl Snapshot {
    /// Opens a cursor over the entries that match.
    pub fn find(&self, query: &Query) -> Result<Cursor, ReadError> {
        query.check()?;
        Ok(Cursor {})
    }

    /// Goes on where the cursor was that gave the token, also in a later snapshot.
    pub fn resume(&self, query: &Query, token: &str) -> Result<Cursor, ReadError> {
        let _ = token;
        self.find(query)
    }

    /// How many entries match; blocks are read only where the index cannot tell.
    pub fn count(&self, query: &Query) -> Result<u64, ReadError> {
        query.check()?;
        Ok(0)
    }

    /// Opens a cursor over the locations that match, as columns.
    pub fn find_locations(&self, query: &Query) -> Result<LocationCursor, ReadError> {
        query.check()?;
        Ok(LocationCursor {})
    }

    /// The entry with that id in an area.
    pub fn find_id(&self, area: Area, id: EntryId) -> Result<Option<OwnedRow>, ReadError> {
        let _ = (area, id);
        Ok(None)
    }

    /// The document of that name.
    pub fn document(&self, name: &str) -> Result<Option<Arc<[u8]>>, ReadError> {
        let _ = name;
        Ok(None)
    }

    /// The names of all documents, in order.
    pub fn documents(&self) -> Vec<String> {
        Vec::new()
    }

    /// Every stream that has entries, with how many, invalid ones included.
    pub fn streams(&self) -> Vec<(Stream, u64)> {
        Vec::new()
    }

    /// The last commit in it.
    pub fn head(&self) -> Head {
        Head { commit: 0, hash: [0; 32] }
    }
}
