//! The cursors that a run has open.

use cells_model::page::{self, PageWriter};
use runtime_consent::StreamReach;
use runtime_store::{Cursor, LocationCursor, OwnedRow, ReadError, Snapshot};
use runtime_types::{Area, EntryId, StreamKey};

use super::shown::{ShownCursor, ShownIds};
use crate::runs::audit::ReadNumber;

/// A cursor of a run.
pub(super) struct OpenCursor {
    /// The audit's read that it belongs to.
    pub read: ReadNumber,
    pub rows: Open,
}

/// The content of a cursor.
pub(super) enum Open {
    Entries {
        cursor: Cursor,
        /// Whether they are from the usercache: the run must know which devices brought them.
        waiting: bool,
    },
    Ids(ByIds),
    Locations(LocationCursor),
    /// The same, as a cell from elsewhere is shown them; `None`: nothing is.
    Shown(Option<ShownCursor>),
    ShownIds(ShownIds),
    /// Columns of which only the places have to be shown otherwise.
    ShownLocations(LocationCursor, StreamReach),
}

/// The state of a cursor over entries with given ids.
pub(super) struct ByIds {
    /// Empty: every stream of the timeseries.
    pub keys: Vec<StreamKey>,
    /// The ids that are still to be looked up.
    pub ids: std::vec::IntoIter<EntryId>,
    /// The entry that did not fit the last page.
    pub kept: Option<OwnedRow>,
}

impl ByIds {
    fn next(&mut self, snapshot: &Snapshot) -> Result<Option<OwnedRow>, ReadError> {
        if let Some(kept) = self.kept.take() {
            return Ok(Some(kept));
        }
        for id in self.ids.by_ref() {
            let found = if self.keys.is_empty() {
                snapshot.find_id(Area::Timeseries, id)?
            } else {
                snapshot.find_id_of(Area::Timeseries, &self.keys, id)?
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Fills a page.
    pub(super) fn fill(&mut self, snapshot: &Snapshot, page: &mut PageWriter) -> Result<(), ReadError> {
        while let Some(row) = self.next(snapshot)? {
            let entry = page::Entry {
                id: EntryId(row.id.0),
                key: row.key.as_str(),
                invalid: row.invalid,
                write_ts: row.write_ts,
                time: row.write_ts,
                metadata: &row.metadata,
                data: &row.data,
                text: "",
            };
            if !page.push(&entry, &row.extra) {
                self.kept = Some(row);
                break;
            }
        }
        Ok(())
    }
}
