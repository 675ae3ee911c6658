//! Confirmed trips, with the members that the stage needs.

use cells_sdk::model::page::Entry;
use cells_sdk::model::{EntryId, Point};
use cells_similarity::{Ends, Given};
use serde::Deserialize;

/// The trips that people label.
pub(crate) const TRIP: &str = "analysis/confirmed_trip";

/// A trip, labelled or not.
#[derive(Debug, Clone, PartialEq)]
pub struct Trip {
    /// Of its entry.
    pub id: EntryId,
    /// When its entry was written, s.
    pub write_ts: f64,
    /// When it ended, s.
    pub end_ts: f64,
    /// The places at its ends.
    pub ends: Ends,
    /// The labels of its owner.
    pub given: Given,
}

#[derive(Deserialize)]
struct Wire {
    end_ts: f64,
    start_loc: Point,
    end_loc: Point,
    #[serde(default)]
    user_input: Given,
}

impl Trip {
    /// `None` where the entry cannot be read: then nothing can be learnt from it.
    pub(crate) fn read(entry: &Entry<'_>) -> Option<Self> {
        let Wire { end_ts, start_loc, end_loc, user_input } = serde_json::from_str(entry.data).ok()?;
        let ends = Ends::of(start_loc, end_loc);
        Some(Self { id: entry.id, write_ts: entry.write_ts, end_ts, ends, given: user_input })
    }

    /// Whether its owner labelled it.
    pub fn is_labelled(&self) -> bool {
        self.given != Given::Nothing
    }
}
