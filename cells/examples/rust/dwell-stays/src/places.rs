//! The chain of places and trips that other stages read, and what the stage remembers of it.

use cells_sdk::model::segmentation::{Place, Trip};
use cells_sdk::model::{EntryId, Point};
use cells_sdk::{Output, Run, RunError, WriteEntries};
use serde::{Deserialize, Serialize};

use crate::stays::{self, Fix, Found, Stay};

const TRIP: &str = "segmentation/raw_trip";
const PLACE: &str = "segmentation/raw_place";
/// What made them.
const SOURCE: &str = "DwellStays";

/// What the stage remembers.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Memory {
    /// The last stay that is certain.
    stay: Option<Stay>,
    /// The place at the end of the last trip, which nobody has left yet, and how it was reached.
    open: Option<Open>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Open {
    place: EntryId,
    reached: Fix,
    by: EntryId,
}

impl Memory {
    /// Reads the state of the run before.
    pub fn read(state: &[u8]) -> Result<Self, RunError> {
        if state.is_empty() { Ok(Self::default()) } else { serde_json::from_slice(state).map_err(unreadable) }
    }

    /// The last stay that is certain.
    pub fn stay(&self) -> Option<Stay> {
        self.stay.clone()
    }

    /// The time of its last point, s.
    pub fn through(&self) -> Option<f64> {
        self.stay.as_ref().map(|stay| stay.last.ts)
    }

    /// Goes on from this stay.
    pub fn remember(&mut self, stay: Option<Stay>) {
        self.stay = stay;
    }

    /// The state for the next run.
    pub fn write(&self) -> Result<Vec<u8>, RunError> {
        serde_json::to_vec(self).map_err(unreadable)
    }
}

fn unreadable(error: serde_json::Error) -> RunError {
    RunError::Other(format!("what was remembered does not read: {error}"))
}

/// Links trips to the chain, and remembers its end. A place and a trip name each other, so places get their ids first.
pub fn write<R: WriteEntries>(
    runtime: &mut R,
    run: &Run,
    memory: &mut Memory,
    found: &Found,
) -> Result<(), RunError> {
    if found.trips.is_empty() {
        return Ok(());
    }
    let mut output = Output::new(run);
    let begun = memory.open.take();
    // The place before the first trip, unless it is there already, and one behind each.
    for _ in 0..found.trips.len() + usize::from(begun.is_none()) {
        output.draw(runtime, PLACE)?;
    }
    let drawn = output.take_ids(runtime)?;
    let places: Vec<EntryId> = begun.iter().map(|open| open.place).chain(drawn).collect();
    for (trip, ends) in found.trips.iter().zip(places.windows(2)) {
        output.insert(runtime, TRIP, &json(&entry_of(trip, ends[0], ends[1]))?)?;
    }
    let trips = output.take_ids(runtime)?;
    let mut reached = begun.map(|open| (open.reached, open.by));
    for ((trip, id), place) in found.trips.iter().zip(&trips).zip(&places) {
        let left = Some((&trip.start, *id));
        output.replace(runtime, PLACE, *place, &json(&place_of(reached.as_ref(), left))?)?;
        reached = Some((trip.end.clone(), *id));
    }
    if let (Some((fix, by)), Some(place)) = (reached, places.last()) {
        output.replace(runtime, PLACE, *place, &json(&place_of(Some(&(fix.clone(), by)), None))?)?;
        memory.open = Some(Open { place: *place, reached: fix, by });
    }
    output.finish(runtime)
}

fn json(value: &impl Serialize) -> Result<String, RunError> {
    serde_json::to_string(value).map_err(|error| RunError::Other(format!("an entry has no JSON: {error}")))
}

fn entry_of(trip: &stays::Trip, from: EntryId, to: EntryId) -> Trip {
    let (start, end) = (trip.start.clone(), trip.end.clone());
    Trip {
        duration: end.ts - start.ts,
        distance: distance_m(&start, &end),
        start_ts: start.ts,
        start_loc: point(&start),
        start_local_dt: start.local_dt,
        start_fmt_time: start.fmt_time,
        end_ts: end.ts,
        end_loc: point(&end),
        end_local_dt: end.local_dt,
        end_fmt_time: end.fmt_time,
        start_place: from,
        end_place: to,
        source: SOURCE.to_owned(),
        device: None,
    }
}

/// A place that was reached there by that trip, and left there by that one.
fn place_of(reached: Option<&(Fix, EntryId)>, left: Option<(&Fix, EntryId)>) -> Place {
    let (entered, ending_trip) = reached.map(|(fix, trip)| (fix.clone(), *trip)).unzip();
    let (exited, starting_trip) = left.map(|(fix, trip)| (fix.clone(), trip)).unzip();
    let at = entered.as_ref().or(exited.as_ref());
    Place {
        location: at.map_or_else(|| Point::at(0.0, 0.0), point),
        duration: entered.as_ref().zip(exited.as_ref()).map(|(enter, exit)| exit.ts - enter.ts),
        enter_ts: entered.as_ref().map(|fix| fix.ts),
        enter_local_dt: entered.as_ref().map(|fix| fix.local_dt.clone()),
        enter_fmt_time: entered.map(|fix| fix.fmt_time),
        exit_ts: exited.as_ref().map(|fix| fix.ts),
        exit_local_dt: exited.as_ref().map(|fix| fix.local_dt.clone()),
        exit_fmt_time: exited.map(|fix| fix.fmt_time),
        ending_trip,
        starting_trip,
        source: SOURCE.to_owned(),
    }
}

fn point(fix: &Fix) -> Point {
    Point::at(fix.longitude, fix.latitude)
}

/// Along a great circle, m.
fn distance_m(from: &Fix, to: &Fix) -> f64 {
    let half = |degrees: f64| (degrees.to_radians() / 2.0).sin().powi(2);
    let north = half(to.latitude - from.latitude);
    let east = half(to.longitude - from.longitude);
    let parallels = from.latitude.to_radians().cos() * to.latitude.to_radians().cos();
    2.0 * stays::EARTH_M * (north + parallels * east).sqrt().min(1.0).asin()
}
