//! Whether the chain of raw trips can be cut between two of them.
//!
//! What comes after a cut is removed by its time, and the stages continue from marks, which are times, too. So a cut is
//! possible only where time and chain agree: what was made before the later trip begins before it, what was made from
//! there on does not, no trip that stays ends after the end of the earlier one, and that one is the last of the chain
//! that stays. A trip from an old fix is made last and begins long before, so that the chain cannot be cut between the
//! two.
//!
//! The cleaned chain follows the beginnings, whatever the raw one is: see [`is_last_begun`].

use cells_sdk::model::EntryId;
use cells_sdk::{Query, ReadEntries, RunError, TimeField, data_of, for_each_entry};

use crate::chain::{RUN_SPREAD_S, Start, Trip};

const TRIP: &str = "segmentation/raw_trip";
const UNTRACKED: &str = "segmentation/raw_untracked";

/// What is known of the chain so far. A trip that rules out one cut rules out those up to itself, which are then not
/// checked: the cost does not grow with how far back it leads.
#[derive(Debug)]
pub struct Order {
    /// No cut is possible before a trip that begins later, s.
    start_max: f64,
    /// No cut is possible before a trip that was made later.
    id_max: EntryId,
}

impl Default for Order {
    fn default() -> Self {
        Self { start_max: f64::INFINITY, id_max: EntryId([u8::MAX; 12]) }
    }
}

/// Whether no other trip or span begins during a trip. The cleaned chain follows their beginnings, not the raw chain: a
/// span that leads back, or a trip of another phone, comes after the trip there, though it was made before.
pub fn is_last_begun<R: ReadEntries>(runtime: &mut R, trip: &Trip) -> Result<bool, RunError> {
    let meanwhile = Query::of(&[TRIP, UNTRACKED], TimeField::StartTs);
    let meanwhile = meanwhile.between(Some(trip.start_ts), Some(trip.end_ts));
    let mut is_alone = true;
    for_each_entry(runtime, &meanwhile, |_, entry| {
        is_alone &= entry.id == trip.id;
        Ok(())
    })?;
    Ok(is_alone)
}

impl Order {
    /// Whether the chain can be cut between a trip and a later one. Must be called in falling order of their
    /// beginnings.
    pub fn is_parted<R: ReadEntries>(
        &mut self,
        runtime: &mut R,
        trip: &Trip,
        later: &Trip,
    ) -> Result<bool, RunError> {
        if later.start_ts > self.start_max || later.id > self.id_max {
            return Ok(false);
        }
        let from = |keys: &[&str], field, ts| Query::of(keys, field).between(Some(ts), None);
        let begun_later = from(&[TRIP, UNTRACKED], TimeField::StartTs, later.start_ts);
        for_each_entry(runtime, &begun_later, |_, entry| {
            self.id_max = self.id_max.min(entry.id);
            Ok(())
        })?;
        let ends_later = from(&[TRIP], TimeField::EndTs, trip.end_ts.next_up());
        self.look_at(runtime, &ends_later, |_| true)?;
        // All entries of one run are written at about the same moment.
        let made_later = from(&[TRIP, UNTRACKED], TimeField::WriteTs, later.write_ts - RUN_SPREAD_S);
        self.look_at(runtime, &made_later, |id| id > later.id)?;
        if later.start_ts > self.start_max || later.id > self.id_max {
            return Ok(false);
        }
        let mut are_neighbours = true;
        let made_between = from(&[TRIP], TimeField::WriteTs, trip.write_ts - RUN_SPREAD_S);
        for_each_entry(runtime, &made_between, |_, entry| {
            are_neighbours &= entry.id <= trip.id || entry.id >= later.id;
            Ok(())
        })?;
        Ok(are_neighbours)
    }

    /// Records the beginnings of those that count.
    fn look_at<R: ReadEntries>(
        &mut self,
        runtime: &mut R,
        query: &Query,
        counts: impl Fn(EntryId) -> bool,
    ) -> Result<(), RunError> {
        for_each_entry(runtime, query, |_, entry| {
            if counts(entry.id) {
                let Start { start_ts } = data_of(&entry)?;
                self.start_max = self.start_max.min(start_ts);
            }
            Ok(())
        })
    }
}
