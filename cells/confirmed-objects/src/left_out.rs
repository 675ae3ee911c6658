//! Finds cleaned trips that will never be confirmed.
//!
//! Quirk: a window has the trips that begin in it, and windows never go back. A trip that results from an old fix or a
//! second phone may begin before the window, or end before the stages in between read it: it stays a cleaned trip. The
//! reference reports nothing; here the owner sees how many.
//!
//! * Every trip is checked once, when the stage has passed it. The checked ones are known by their write time, since
//!   their own times need not rise.
//! * Not here: trips of the window that are left out since they cannot be read (see [`crate::timeline`]).

use std::collections::HashSet;

use cells_sdk::model::EntryId;
use cells_sdk::{Query, ReadEntries, Run, RunError, TimeField, for_each_entry};
use serde::Deserialize;

use crate::store::{TRIP, UNTRACKED as CONFIRMED_UNTRACKED};
use crate::timeline::{CLEANED_TRIP, Timeline, UNTRACKED};

/// The result.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LeftOut {
    /// How many trips and spans.
    pub count: usize,
    /// The write time, s, up to which trips need not be checked again.
    pub looked_through: Option<f64>,
}

#[derive(Deserialize)]
struct Wire {
    start_ts: f64,
    end_ts: f64,
    #[serde(default)]
    cleaned_trip: Option<EntryId>,
}

/// Confirmed trips and spans: trips by the ids of their cleaned ones, spans by their times, since a confirmed span has
/// nothing else of its cleaned one.
#[derive(Default)]
struct Known {
    trips: HashSet<EntryId>,
    spans: HashSet<[u64; 2]>,
}

/// A cleaned trip or span.
struct Cleaned {
    id: EntryId,
    write_ts: f64,
    wire: Wire,
}

impl Known {
    /// The trips that this run confirms, and those about whose places the owner is informed already.
    fn of(timeline: &Timeline) -> Self {
        let mut known = Self { trips: timeline.nowhere.iter().copied().collect(), ..Self::default() };
        for (journey, _) in timeline.journeys() {
            let (start_ts, end_ts) = (journey.read.start_ts, journey.read.end_ts);
            known.add(&Wire { start_ts, end_ts, cleaned_trip: journey.read.cleaned_trip });
        }
        known
    }

    fn add(&mut self, confirmed: &Wire) {
        match confirmed.cleaned_trip {
            Some(trip) => self.trips.insert(trip),
            None => self.spans.insert(confirmed.bits()),
        };
    }

    fn has(&self, cleaned: &Cleaned) -> bool {
        self.trips.contains(&cleaned.id) || self.spans.contains(&cleaned.wire.bits())
    }
}

impl Wire {
    fn bits(&self) -> [u64; 2] {
        [self.start_ts.to_bits(), self.end_ts.to_bits()]
    }
}

impl LeftOut {
    /// Checks the trips that were written after `looked_through`, s. A window with further parts is checked with its
    /// last part.
    pub fn find<R: ReadEntries>(
        runtime: &mut R,
        run: &Run,
        timeline: &Timeline,
        looked_through: Option<f64>,
    ) -> Result<Self, RunError> {
        let mut found = Self { count: 0, looked_through };
        if timeline.has_more() {
            return Ok(found);
        }
        let since = looked_through.map(f64::next_up);
        let mut known = Known::of(timeline);
        let mut rest = Vec::new();
        let written = Query::of(&[CLEANED_TRIP, UNTRACKED], TimeField::WriteTs).between(since, None);
        for_each_entry(runtime, &written, |_, entry| {
            found.looked_through = Some(entry.write_ts);
            // Unreadable trips were left out, and reported, by the stages in between.
            if let Ok(wire) = serde_json::from_str(entry.data) {
                rest.push(Cleaned { id: entry.id, write_ts: entry.write_ts, wire });
            }
            Ok(())
        })?;
        rest.retain(|cleaned| !known.has(cleaned));
        if rest.is_empty() {
            return Ok(found);
        }
        // Earlier parts of the window have confirmed some, or earlier runs that did not get so far.
        let confirmed = Query::of(&[TRIP, CONFIRMED_UNTRACKED], TimeField::WriteTs).between(since, None);
        for_each_entry(runtime, &confirmed, |_, entry| {
            if let Ok(wire) = serde_json::from_str(entry.data) {
                known.add(&wire);
            }
            Ok(())
        })?;
        rest.retain(|cleaned| !known.has(cleaned));
        let (will_come, left_out): (Vec<_>, Vec<_>) =
            rest.into_iter().partition(|cleaned| will_come(&cleaned.wire, run));
        found.count = left_out.len();
        if let Some(first) = will_come.first() {
            found.looked_through = Some(first.write_ts.next_down());
        }
        Ok(found)
    }
}

/// Whether the stages have not processed a trip yet, since it ends in the last seconds before the run.
fn will_come(trip: &Wire, run: &Run) -> bool {
    run.start.is_none_or(|start| trip.start_ts >= start) && trip.start_ts.max(trip.end_ts) > run.end
}
