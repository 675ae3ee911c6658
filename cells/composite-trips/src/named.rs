//! The entries that trips name by id: the places at their ends and the raw trips from which they were made.
//!
//! Links are followed whatever the times are. A trip from an old fix or a second phone may lead to a place that was
//! reached long before the trip began.

use std::collections::{BTreeMap, BTreeSet};

use cells_sdk::model::EntryId;
use cells_sdk::{ReadEntries, RunError, for_each_by_id};
use serde::Deserialize;

const PLACE: &str = "analysis/confirmed_place";
const RAW_TRIP: &str = "segmentation/raw_trip";

/// The entries that the trips of one page name.
#[derive(Default)]
pub struct Named {
    places: BTreeMap<EntryId, String>,
    raw_trips: BTreeMap<EntryId, RawTrip>,
}

/// When a raw trip began and ended.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct RawTrip {
    /// s
    pub start_ts: f64,
    /// s
    pub end_ts: f64,
}

impl Named {
    /// Reads them.
    pub fn read<R: ReadEntries>(
        runtime: &mut R,
        places: BTreeSet<EntryId>,
        raw_trips: BTreeSet<EntryId>,
    ) -> Result<Self, RunError> {
        let mut named = Self::default();
        for_each_by_id(runtime, &[PLACE], &Vec::from_iter(places), |entry| {
            named.places.insert(entry.id, entry.text.to_owned());
            Ok(())
        })?;
        for_each_by_id(runtime, &[RAW_TRIP], &Vec::from_iter(raw_trips), |entry| {
            let times = serde_json::from_str(entry.data);
            named.raw_trips.extend(times.ok().map(|times| (entry.id, times)));
            Ok(())
        })?;
        Ok(named)
    }

    /// The whole entry of a place; `None` where no place has that id.
    pub fn place(&self, id: EntryId) -> Option<&str> {
        self.places.get(&id).map(String::as_str)
    }

    /// A raw trip; `None` where none has that id.
    pub fn raw_trip(&self, id: EntryId) -> Option<RawTrip> {
        self.raw_trips.get(&id).copied()
    }
}
