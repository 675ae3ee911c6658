//! Trips during which the phone was never sure of any motion: they count only with other evidence.

use std::collections::BTreeMap;

use cells_geometry::{Position, distance};
use cells_sdk::model::statemachine::TransitionType;
use cells_sdk::model::{EntryId, Point};
use cells_sdk::{Query, ReadEntries, RunError, TimeField, for_each_entry};
use serde::Deserialize;

use crate::read::{Trip, is_of};
use crate::sections::Method;

const PLACE: &str = "segmentation/raw_place";
const TRANSITION: &str = "statemachine/transition";
/// The end of a visit may be noticed this much after the trip, s.
const VISIT_LATE_S: f64 = 300.0;

/// Distinguishes real trips from false detections of movement.
#[derive(Debug)]
pub struct Unsensed<'a> {
    trips: &'a [Trip],
    /// Read when first asked for.
    places: Option<BTreeMap<EntryId, Position>>,
}

impl<'a> Unsensed<'a> {
    /// For the trips of a run.
    pub fn new(trips: &'a [Trip]) -> Self {
        Self { trips, places: None }
    }

    /// Whether the trip is real: it leads away from the place where it began, or its phone, which samples by distance,
    /// has seen a visit end. Such a phone must have sensed something.
    pub fn is_real<R: ReadEntries>(&mut self, runtime: &mut R, trip: &Trip) -> Result<bool, RunError> {
        let mut signs = Signs::default();
        if trip.method == Method::Distance {
            signs = Signs::read(runtime, trip)?;
            if !signs.any {
                return Ok(false);
            }
        }
        Ok(self.metres_away(runtime, trip)? > trip.method.away_m_min() || signs.visit_ended)
    }

    /// The distance from the place where the trip began to its last point. Without such a place the trip's first point
    /// is used.
    fn metres_away<R: ReadEntries>(&mut self, runtime: &mut R, trip: &Trip) -> Result<f64, RunError> {
        if self.places.is_none() {
            self.places = Some(self.read_places(runtime)?);
        }
        let place = self.places.as_ref().and_then(|places| places.get(&trip.start_place).copied());
        Ok(distance(place.unwrap_or(trip.start.position()), trip.end.position()))
    }

    /// A trip begins when its place is left, so the places are those left in the time of the trips' starts.
    fn read_places<R: ReadEntries>(&self, runtime: &mut R) -> Result<BTreeMap<EntryId, Position>, RunError> {
        let starts = || self.trips.iter().map(|trip| trip.start.ts);
        let query = Query::of(&[PLACE], TimeField::ExitTs)
            .between(starts().reduce(f64::min), starts().reduce(f64::max));
        let mut places = BTreeMap::new();
        for_each_entry(runtime, &query, |_, entry| {
            if let Ok(Place { location: Point { coordinates: [longitude, latitude], .. } }) =
                serde_json::from_str(entry.data)
            {
                places.insert(entry.id, Position { latitude, longitude });
            }
            Ok(())
        })?;
        Ok(places)
    }
}

#[derive(Deserialize)]
struct Place {
    location: Point,
}

/// What the phone's own trip detection did during a trip and shortly after.
#[derive(Debug, Default)]
struct Signs {
    any: bool,
    visit_ended: bool,
}

#[derive(Deserialize)]
struct Transition {
    transition: Option<i64>,
}

impl Signs {
    fn read<R: ReadEntries>(runtime: &mut R, trip: &Trip) -> Result<Self, RunError> {
        let (start, end) = (trip.start.ts, trip.end.ts + VISIT_LATE_S);
        let query = Query::of(&[TRANSITION], TimeField::DataTs).between(Some(start), Some(end));
        let mut signs = Self::default();
        for_each_entry(runtime, &query, |_, entry| {
            if !is_of(trip.device.as_deref(), entry.metadata) {
                return Ok(());
            }
            signs.any = true;
            let read: Option<Transition> = serde_json::from_str(entry.data).ok();
            let number = read.and_then(|read| read.transition);
            signs.visit_ended |= number == Some(i64::from(TransitionType::VisitEnded.number()));
            Ok(())
        })?;
        Ok(signs)
    }
}
