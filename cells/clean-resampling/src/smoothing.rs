//! The points that smoothing has deleted from each section.

use std::collections::HashMap;

use cells_sdk::model::EntryId;
use cells_sdk::{Query, ReadEntries, RunError, TimeField, for_each_entry};
use serde::Deserialize;

use crate::window::Window;

const KEY: &str = "analysis/smoothing";

/// Deleted points by section.
#[derive(Debug, Default)]
pub struct Deleted {
    by_section: HashMap<EntryId, Vec<EntryId>>,
}

#[derive(Deserialize)]
struct Smoothing {
    section: EntryId,
    deleted_points: Vec<EntryId>,
}

impl Deleted {
    /// Reads the deleted points of the window's sections. A section is smoothed after it was written, so earlier
    /// results need not be read. Of several results for one section the first counts.
    pub fn read<R: ReadEntries>(runtime: &mut R, window: &Window) -> Result<Self, RunError> {
        let written = window.sections.iter().map(|section| section.write_ts);
        let start = written.fold(f64::INFINITY, f64::min);
        let query = Query::of(&[KEY], TimeField::WriteTs).between(start.is_finite().then_some(start), None);
        let mut deleted = Self::default();
        for_each_entry(runtime, &query, |_, entry| {
            // An unreadable result deletes nothing.
            if let Ok(Smoothing { section, mut deleted_points }) = serde_json::from_str(entry.data) {
                deleted_points.sort_unstable();
                deleted.by_section.entry(section).or_insert(deleted_points);
            }
            Ok(())
        })?;
        Ok(deleted)
    }

    /// The deleted points of a section, in the order of ids.
    pub fn of(&self, section: EntryId) -> &[EntryId] {
        self.by_section.get(&section).map_or(&[], Vec::as_slice)
    }
}
