//! The cleaned place that the last run left open.

use cells_sdk::model::analysis::Place;
use cells_sdk::model::segmentation;
use cells_sdk::model::{EntryId, Kept};
use cells_sdk::{Query, ReadEntries, RunError, TimeField, data_of, find_entry, for_each_by_id};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::chain::Stay;
use crate::window::PLACE as RAW_PLACE;

/// The key of cleaned places.
pub const PLACE: &str = "analysis/cleaned_place";

/// The place's entry, as stored.
#[derive(Debug)]
pub struct OpenPlace {
    /// Its id.
    pub id: EntryId,
    /// A JSON object.
    pub metadata: String,
    /// Its data.
    pub data: Kept<Place>,
    /// When the first place of all was left, s; only if this is that place.
    first_exit_ts: Option<f64>,
}

#[derive(Deserialize)]
struct Exit {
    exit_ts: Option<IgnoredAny>,
}

impl OpenPlace {
    /// Finds the place without an exit. There is at most one, and it is the last one reached or, where the first trips
    /// were none, the only one: so the search goes back in time and ends at once.
    pub fn find<R: ReadEntries>(runtime: &mut R) -> Result<Option<Self>, RunError> {
        let query = Query::of(&[PLACE], TimeField::Position).latest_first();
        let mut found = find_entry(runtime, &query, |entry| {
            // Only the place that is written again must be valid in all its members.
            let Exit { exit_ts } = data_of(&entry)?;
            if exit_ts.is_some() {
                return Ok(None);
            }
            let bad = |why| RunError::bad_entry(entry.id, "cannot be read", why);
            let data = Kept::read(entry.data).map_err(bad)?;
            Ok(Some(Self { id: entry.id, metadata: entry.metadata.to_owned(), data, first_exit_ts: None }))
        })?;
        if let Some(place) = found.as_mut().filter(|place| place.data.known.enter_ts.is_none()) {
            place.first_exit_ts = first_exit(runtime, &place.data.known)?;
        }
        Ok(found)
    }

    /// The stay from which the chain continues.
    pub fn stay(&self) -> Stay {
        let Place { enter_ts, location, .. } = self.data.known;
        let point_ts = enter_ts.or(self.first_exit_ts);
        Stay { raw: None, enter_ts, point_ts, location, raw_places: Vec::new(), exit: None }
    }
}

/// When the raw place was left from which a place without an arrival was made, s.
fn first_exit<R: ReadEntries>(runtime: &mut R, place: &Place) -> Result<Option<f64>, RunError> {
    let Some(raw) = place.raw_places.as_ref().and_then(|raw| raw.first()) else { return Ok(None) };
    let mut exit_ts = None;
    for_each_by_id(runtime, &[RAW_PLACE], &[*raw], |entry| {
        let place: Result<segmentation::Place, _> = serde_json::from_str(entry.data);
        exit_ts = place.ok().and_then(|place| place.exit_ts);
        Ok(())
    })?;
    Ok(exit_ts)
}
