//! What an installed cell would be shown if it ran now, for its owner: the same view of the same entries, made by the
//! same code.

use std::ops::ControlFlow;

use runtime_types::{Area, EntryId, UserId};
use serde::{Deserialize, Serialize};

use crate::cells::installed::change::{InstallError, InstalledCells, find};
use crate::error::CallError;
use crate::runs::host::preview;

/// How many entries of one stream a preview shows.
pub const PREVIEW_ENTRIES_MAX: usize = 20;
/// How much of an entry's data a preview shows, bytes.
pub const PREVIEW_DATA_BYTES_MAX: usize = 4_096;

/// What a cell would be shown of one stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamPreview {
    /// The stream.
    pub key: String,
    /// How many entries it would be shown.
    pub entries: u64,
    /// The newest of them, the newest first.
    pub newest: Vec<EntryPreview>,
}

/// An entry as a cell would be shown it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryPreview {
    /// The id under which the cell would see it, 24 hex digits.
    pub id: String,
    /// Its metadata, JSON.
    pub metadata: String,
    /// The beginning of its data, JSON.
    pub data: String,
    /// Whether the data goes on.
    pub cut: bool,
}

impl InstalledCells<'_> {
    /// What a cell would be shown at `now`, s: of each stream how many entries, and the newest `each` of them, at most
    /// [`PREVIEW_ENTRIES_MAX`]. The cell does not run. A cell that is paused or ended would be shown nothing.
    ///
    /// # Errors
    /// [`InstallError::NoSuchCell`]; [`InstallError::Cell`] where its package cannot run here.
    pub fn preview(
        self,
        user: UserId,
        cell: &str,
        each: usize,
        now: f64,
    ) -> Result<Vec<StreamPreview>, InstallError> {
        let person = self.runtime.person(user)?;
        let stages = self.runtime.stages_of(&person)?;
        let one = find(&stages, cell)?;
        let runs = one.cell.as_ref().map_err(|_| InstallError::CannotRun(one.consent.name.clone()))?;
        if runs.grant.expired(now) {
            return Ok(Vec::new());
        }
        let snapshot = person.store.snapshot();
        let mut streams = Vec::new();
        let present = snapshot.stream_names().filter(|stream| stream.area == Area::Timeseries);
        for key in present.map(|stream| stream.key.clone()) {
            let of_stream = preview(&runs.grant, &snapshot, &key, user, now).map_err(CallError::Read)?;
            let Some((entries, mut cursor)) = of_stream.filter(|(entries, _)| *entries > 0) else { continue };
            let mut newest = Vec::new();
            let each = each.min(PREVIEW_ENTRIES_MAX);
            let visited = cursor(&mut |id, metadata, data| {
                if newest.len() == each {
                    return ControlFlow::Break(());
                }
                newest.push(shown(id, metadata, data));
                ControlFlow::Continue(())
            });
            visited.map_err(CallError::Read)?;
            streams.push(StreamPreview { key: key.as_str().to_owned(), entries, newest });
        }
        streams.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(streams)
    }
}

fn shown(id: EntryId, metadata: &str, data: &str) -> EntryPreview {
    let end = (0..=PREVIEW_DATA_BYTES_MAX.min(data.len())).rev().find(|end| data.is_char_boundary(*end));
    let begin = &data[..end.unwrap_or_default()];
    EntryPreview {
        id: id.to_string(),
        metadata: metadata.to_owned(),
        data: begin.to_owned(),
        cut: begin.len() < data.len(),
    }
}
