//! The labelled trips from which a person's model is built, and the document that stores them; its form is in
//! docs/formats/trip-model.md.
//!
//! A document has at most 256 KiB, which are some 2,000 trips with usual coordinates and labels. Where there are more
//! labelled trips than that, or than [`TRIPS_MAX`], the oldest are left out: the model then represents what the person
//! did lately, while the reference's would still include the rest.

use std::collections::HashMap;
use std::ops::ControlFlow;

use cells_sdk::model::EntryId;
use cells_sdk::{Query, ReadEntries, RunError, TimeField, walk_entries};
use cells_similarity::{Ends, Given, Labels, TripModel};
use serde::{Deserialize, Serialize};

use crate::reading::{TRIP, Trip};

/// The document that keeps the labelled trips.
pub const TRAINING_DOCUMENT: &str = "model/trip-training";
/// The most trips that are stored.
pub const TRIPS_MAX: usize = 2_000;
const VERSION: u32 = 1;

/// Labelled trips in the order in which they were written.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Training {
    trips: Vec<Trip>,
    older_left_out: bool,
}

impl Training {
    /// Those trips, in any order.
    pub fn of(mut trips: Vec<Trip>, older_left_out: bool) -> Self {
        sort(&mut trips);
        Self { trips, older_left_out }
    }

    /// How many trips there are.
    pub fn len(&self) -> usize {
        self.trips.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.trips.is_empty()
    }

    /// Whether there are older labelled trips than these.
    pub fn has_left_out(&self) -> bool {
        self.older_left_out
    }

    /// Adds or updates trips, new ones and known ones; one without labels is removed. Returns whether anything has
    /// changed.
    pub fn take_in(&mut self, trips: Vec<Trip>) -> bool {
        let mut places: HashMap<EntryId, usize> =
            self.trips.iter().enumerate().map(|(place, trip)| (trip.id, place)).collect();
        let mut changed = false;
        for trip in trips {
            match places.get(&trip.id) {
                Some(place) => {
                    changed |= self.trips[*place] != trip;
                    self.trips[*place] = trip;
                }
                None if trip.is_labelled() => {
                    changed = true;
                    places.insert(trip.id, self.trips.len());
                    self.trips.push(trip);
                }
                None => {}
            }
        }
        self.trips.retain(Trip::is_labelled);
        sort(&mut self.trips);
        changed
    }

    /// Leaves out the oldest, so that at most `max` remain.
    pub fn leave_out_all_but(&mut self, max: usize) {
        let surplus = self.trips.len().saturating_sub(max);
        self.trips.drain(..surplus);
        self.older_left_out |= surplus > 0;
    }

    /// The model of these trips.
    pub fn model(&self) -> TripModel {
        let last_end = self.trips.iter().map(|trip| trip.end_ts).reduce(f64::max).unwrap_or(0.0);
        let trips: Vec<_> = self.trips.iter().map(|trip| (trip.ends, &trip.given)).collect();
        TripModel::build(&trips, last_end)
    }

    /// Reads the document; `None` where it is invalid: it can always be created again.
    pub fn parse(document: &[u8]) -> Option<Self> {
        let wire: Wire<Vec<Option<Labels>>> = serde_json::from_slice(document).ok()?;
        let trip = |WireTrip(id, write_ts, end_ts, ends, labels): WireTrip| {
            let given = match wire.labels.get(labels)? {
                Some(labels) => Given::Labels(labels.clone()),
                None => Given::Form,
            };
            Some(Trip { id: EntryId::parse(&id)?, write_ts, end_ts, ends: Ends::from_array(ends), given })
        };
        let trips = wire.trips.into_iter().map(trip).collect::<Option<Vec<_>>>()?;
        (wire.version == VERSION).then(|| Self::of(trips, wire.older_left_out))
    }

    /// The document.
    pub fn to_document(&self) -> Vec<u8> {
        let mut labels: Vec<Option<&Labels>> = Vec::new();
        let mut numbers: HashMap<Option<&Labels>, usize> = HashMap::new();
        let trip = |trip: &'_ Trip| {
            WireTrip(trip.id.to_string(), trip.write_ts, trip.end_ts, trip.ends.to_array(), 0)
        };
        let mut trips: Vec<WireTrip> = self.trips.iter().map(trip).collect();
        for (wire, trip) in trips.iter_mut().zip(&self.trips) {
            let given = match &trip.given {
                Given::Labels(labels) => Some(labels),
                Given::Form | Given::Nothing => None,
            };
            wire.4 = *numbers.entry(given).or_insert_with(|| {
                labels.push(given);
                labels.len() - 1
            });
        }
        let wire = Wire { version: VERSION, older_left_out: self.older_left_out, labels, trips };
        serde_json::to_vec(&wire).expect("the types hold only what JSON can represent")
    }
}

/// The last `max` labelled trips, by when they were written.
pub(crate) fn last_labelled<R: ReadEntries>(runtime: &mut R, max: usize) -> Result<Training, RunError> {
    let written = Query::of(&[TRIP], TimeField::WriteTs).latest_first();
    let (mut trips, mut left_out) = (Vec::new(), false);
    walk_entries(runtime, &written, |_, entry| {
        match Trip::read(&entry).filter(Trip::is_labelled) {
            Some(_) if trips.len() == max => left_out = true,
            Some(trip) => trips.push(trip),
            None => {}
        }
        Ok(if left_out { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(Training::of(trips, left_out))
}

fn sort(trips: &mut [Trip]) {
    trips.sort_by(|a, b| a.write_ts.total_cmp(&b.write_ts).then(a.id.cmp(&b.id)));
}

#[derive(Serialize, Deserialize)]
struct Wire<L> {
    version: u32,
    older_left_out: bool,
    /// Each set of labels once; `null` for forms.
    labels: L,
    trips: Vec<WireTrip>,
}

/// Id, times of writing and of the end, longitude and latitude of both ends, and which of the labels.
#[derive(Serialize, Deserialize)]
struct WireTrip(String, f64, f64, [f64; 4], usize);

#[cfg(test)]
mod tests;
