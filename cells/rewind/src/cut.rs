//! Where the chains are cut.
//!
//! Everything is removed by its time, so the order in time and in the chain must agree at a cut: see [`order`].

use std::ops::ControlFlow;

use cells_locations::read;
use cells_sdk::model::EntryId;
use cells_sdk::{
    Query, ReadEntries, RunError, TimeField, data_of, for_each_by_id, for_each_entry, walk_entries,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::chain::{Start, Trip};
use crate::order::{self, Order};

/// The cut of the chain of raw trips: the trip that begins at `start_ts` and everything after it is removed.
#[derive(Debug, Clone, PartialEq)]
pub struct RawCut {
    /// When the first removed trip began, s.
    pub start_ts: f64,
    /// The place where it began, which is open again.
    pub place: EntryId,
    /// `write_ts` of its first point, s: no valid point from there on belongs to an earlier trip.
    pub points_from_ts: f64,
    /// When the trip before ended, s; before `start_ts`.
    pub before_ts: f64,
}

/// The cut of the chain of cleaned trips: everything after the trip `last` is removed.
#[derive(Debug, Clone, PartialEq)]
pub struct CleanCut {
    /// The last cleaned trip that stays.
    pub last: EntryId,
    /// When it began, s.
    pub last_start_ts: f64,
    /// When its raw trip ended, s: the trip, its sections and its end place end no later; removed entries begin later.
    pub through_ts: f64,
    /// When its last cleaned section ended at the latest, s.
    pub end_ts: f64,
    /// The raw place at its end.
    pub raw_place: EntryId,
    /// The cleaned place at its end, which is open again.
    pub end_place: EntryId,
}

/// The cut of the chain of confirmed trips: from the last cleaned trip that stays, or one before, trips are confirmed
/// again, since the place at its end changes with what is joined to it.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfirmedCut {
    /// The confirmed place from which that trip begins, open again.
    pub place: EntryId,
    /// When the trip begins, s.
    pub start_ts: f64,
    /// When the trip before ended, s: it shows that place and its exit, and is composed again with all trips that end
    /// later.
    pub composed_from_ts: f64,
}

/// Where the chains are cut; `None`: at their beginnings.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cut {
    /// Raw trips, places and sections.
    pub raw: Option<RawCut>,
    /// Cleaned trips, places and sections, and what depends on them.
    pub clean: Option<CleanCut>,
    /// Confirmed trips and places, which include the person's inputs.
    pub confirmed: Option<ConfirmedCut>,
}

#[derive(Deserialize)]
struct CleanedTrip {
    start_ts: f64,
    end_ts: f64,
    raw_trip: EntryId,
    end_place: EntryId,
}

#[derive(Deserialize)]
struct CleanedPlace {
    /// Absent in the open place.
    starting_trip: Option<EntryId>,
}

#[derive(Deserialize)]
struct ConfirmedTrip {
    end_ts: f64,
    start_place: EntryId,
    /// Absent in a span without readings.
    cleaned_trip: Option<EntryId>,
}

#[derive(Deserialize)]
struct ConfirmedPlace {
    enter_ts: Option<f64>,
    ending_trip: Option<EntryId>,
}

impl Cut {
    /// Walks back from the moment, so that the cost does not depend on the length of the person's history.
    pub fn find<R: ReadEntries>(runtime: &mut R, moment: f64) -> Result<Self, RunError> {
        let before = Query::of(&["segmentation/raw_trip"], TimeField::StartTs).latest_first();
        let before = before.between(None, Some(moment.next_down()));
        let mut cut = Self::default();
        let mut order = Order::default();
        let mut later: Option<Trip> = None;
        walk_entries(runtime, &before, |runtime, entry| {
            let mut trip: Trip = data_of(&entry)?;
            (trip.id, trip.write_ts) = (entry.id, entry.write_ts);
            if let Some(later) = later.replace(trip.clone())
                // A mark between the two must separate them, and so must the order of the places at both ends of the
                // later one.
                && trip.end_ts < later.start_ts
                && later.start_ts < later.end_ts
                && order.is_parted(runtime, &trip, &later)?
            {
                cut.add(runtime, &trip, &later)?;
            }
            Ok(if cut.confirmed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(cut)
    }

    /// Checks two consecutive trips.
    fn add<R: ReadEntries>(&mut self, runtime: &mut R, trip: &Trip, later: &Trip) -> Result<(), RunError> {
        if self.raw.is_none() {
            let first = first_point(runtime, later.start_ts)?;
            self.raw = first.map(|points_from_ts| RawCut {
                start_ts: later.start_ts,
                place: later.start_place,
                points_from_ts,
                before_ts: trip.end_ts,
            });
        }
        if self.raw.is_some()
            && order::is_last_begun(runtime, trip)?
            && let Some(clean) = cleaned(runtime, trip)?
            && is_left_later(runtime, &clean)?
        {
            self.confirmed = confirmed(runtime, &clean)?;
            self.clean.get_or_insert(clean);
        }
        Ok(())
    }
}

/// When the point of that time was written, if no other valid point was written at the same moment: a window that
/// begins there begins with this point.
fn first_point<R: ReadEntries>(runtime: &mut R, ts: f64) -> Result<Option<f64>, RunError> {
    let points = |field, at| Query::of(&["background/filtered_location"], field).between(Some(at), Some(at));
    let at_once = read(runtime, &points(TimeField::DataTs, ts))?;
    let Some(write_ts) = at_once.columns().write_ts.iter().copied().min_by(f64::total_cmp) else {
        return Ok(None);
    };
    let written_together = runtime.count(&points(TimeField::WriteTs, write_ts))?;
    Ok((written_together == 1).then_some(write_ts))
}

/// The cleaned trip that was made from a raw one, if there is one.
fn cleaned<R: ReadEntries>(runtime: &mut R, raw: &Trip) -> Result<Option<CleanCut>, RunError> {
    let during = Query::of(&["analysis/cleaned_trip"], TimeField::EndTs);
    let during = during.between(Some(raw.start_ts), Some(raw.end_ts));
    let mut found = None;
    for_each_entry(runtime, &during, |_, entry| {
        let trip: CleanedTrip = data_of(&entry)?;
        if trip.raw_trip == raw.id {
            found = Some(CleanCut {
                last: entry.id,
                last_start_ts: trip.start_ts,
                through_ts: raw.end_ts,
                end_ts: trip.end_ts,
                raw_place: raw.end_place,
                end_place: trip.end_place,
            });
        }
        Ok(())
    })?;
    Ok(found)
}

/// Whether what leaves the place at the end of a cleaned trip is removed by the cut: a start that was moved to the
/// place may be before the end of the trip.
fn is_left_later<R: ReadEntries>(runtime: &mut R, trip: &CleanCut) -> Result<bool, RunError> {
    let place: Option<CleanedPlace> = by_id(runtime, &["analysis/cleaned_place"], trip.end_place)?;
    let Some(starting_trip) = place.and_then(|place| place.starting_trip) else { return Ok(true) };
    let next: Option<Start> = by_id(runtime, &CLEANED, starting_trip)?;
    Ok(next.is_none_or(|next| next.start_ts > trip.through_ts))
}

const CLEANED: [&str; 2] = ["analysis/cleaned_trip", "analysis/cleaned_untracked"];
const CONFIRMED: [&str; 2] = ["analysis/confirmed_trip", "analysis/confirmed_untracked"];

/// The place from which the confirmed trip begins that was made from a cleaned one. The confirmed chain follows the
/// beginnings of trips, so everything after that place begins no earlier. `None` where the trip is not confirmed, where
/// another begins at the same moment, and where its place was never reached.
fn confirmed<R: ReadEntries>(runtime: &mut R, trip: &CleanCut) -> Result<Option<ConfirmedCut>, RunError> {
    let begun = Query::of(&CONFIRMED, TimeField::StartTs);
    let begun = begun.between(Some(trip.last_start_ts), Some(trip.last_start_ts));
    let mut found: Vec<ConfirmedTrip> = Vec::new();
    for_each_entry(runtime, &begun, |_, entry| {
        found.push(data_of(&entry)?);
        Ok(())
    })?;
    let [ConfirmedTrip { cleaned_trip: Some(of), start_place, .. }] = found[..] else { return Ok(None) };
    let place: Option<ConfirmedPlace> = by_id(runtime, &["analysis/confirmed_place"], start_place)?;
    let Some(ConfirmedPlace { enter_ts: Some(_), ending_trip }) = place.filter(|_| of == trip.last) else {
        return Ok(None);
    };
    let before: Option<ConfirmedTrip> = match ending_trip {
        Some(ending_trip) => by_id(runtime, &CONFIRMED, ending_trip)?,
        None => None,
    };
    let composed_from_ts = before.map_or(trip.end_ts, |before| before.end_ts);
    Ok(Some(ConfirmedCut { place: start_place, start_ts: trip.last_start_ts, composed_from_ts }))
}

/// The entry with that id; `None` where none of these keys has it.
fn by_id<R: ReadEntries, T: DeserializeOwned>(
    runtime: &mut R,
    keys: &[&str],
    id: EntryId,
) -> Result<Option<T>, RunError> {
    let mut found = None;
    for_each_by_id(runtime, keys, &[id], |entry| {
        found = Some(data_of(&entry)?);
        Ok(())
    })?;
    Ok(found)
}
