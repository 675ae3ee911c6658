//! The anchors of trips: the points at which their places were reached.
//!
//! * A place is reached at one of its own points. If the section beside it has that point, it is this one, otherwise
//!   the first of that moment, marked invalid or not.
//! * Quirk: the first place of all has no arrival: its anchor is at its exit and, where points have altitudes, 0 m
//!   high.
//! * Not as the reference: the anchor of a place whose point lacks an altitude has none; in the reference it is 0 m
//!   high, or the points beside it are lost.
//! * Not as the reference: where the point is deleted, the place itself replaces it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;

use cells_locations::{Found, at_time, first_that_fits};
use cells_sdk::model::segmentation::Place;
use cells_sdk::model::time::SERVER_ZONE;
use cells_sdk::model::{EntryId, Point};
use cells_sdk::{ReadEntries, RunError};

use crate::points::{KEY, Points, Sample, ZoneTable, position, sample};
use crate::window::{Raw, Window};

/// The parts of a place that the ends of a trip need.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Anchor {
    /// Where the place is.
    pub location: Point,
    /// The point at which the place was reached; for the first place of all, the place itself at its exit.
    pub point: Sample,
    /// When it was reached, s; `None` for the first place of all.
    pub enter_ts: Option<f64>,
    /// How long the stay was, s.
    pub duration: Option<f64>,
}

impl Anchor {
    /// When the person left the place, given the departure with which they would have arrived in time.
    pub fn departure(&self, wanted_ts: f64) -> f64 {
        match self.enter_ts {
            Some(enter_ts) if wanted_ts < enter_ts => match self.duration {
                Some(duration) if duration != 0.0 => (enter_ts + duration / 2.0).min(enter_ts + 3.0 * 60.0),
                _ => enter_ts,
            },
            _ => wanted_ts,
        }
    }
}

/// The anchors of a run's places.
#[derive(Debug, Default)]
pub struct Anchors {
    by_place: HashMap<EntryId, Anchor>,
}

impl Anchors {
    /// Finds the points of all places at which trips of the window begin or end. Points outside `points` are read.
    pub fn find<R: ReadEntries>(
        runtime: &mut R,
        window: &Window,
        points: &Points,
        zones: &mut ZoneTable,
    ) -> Result<Self, RunError> {
        let mut anchors = Self::default();
        for journey in window.journeys.iter().filter(|journey| !journey.untracked) {
            let trip = &journey.entry.data.known;
            for id in [trip.start_place, trip.end_place] {
                if let Entry::Vacant(vacant) = anchors.by_place.entry(id) {
                    let place = window.place(id);
                    let point = point_of(runtime, place, points, zones)?;
                    let Place { location, enter_ts, duration, .. } = place.data.known;
                    vacant.insert(Anchor { location, point, enter_ts, duration });
                }
            }
        }
        Ok(anchors)
    }

    /// The anchor of a place of the window, for the section with these rows of the points.
    pub fn of(
        &self,
        place: EntryId,
        points: &Points,
        device: Option<&str>,
        section: &Range<usize>,
    ) -> Option<Anchor> {
        let anchor = *self.by_place.get(&place)?;
        let own = anchor
            .enter_ts
            .map(|ts| points.at(device, ts))
            .filter(|rows| !rows.is_empty() && section.contains(&rows.start));
        let point = match own {
            Some(rows) => points.samples[rows.start],
            None if anchor.enter_ts.is_none() && points.any_altitude => {
                Sample { altitude: 0.0, ..anchor.point }
            }
            None => anchor.point,
        };
        Some(Anchor { point, ..anchor })
    }
}

fn point_of<R: ReadEntries>(
    runtime: &mut R,
    place: &Raw<Place>,
    points: &Points,
    zones: &mut ZoneTable,
) -> Result<Sample, RunError> {
    let Some(enter_ts) = place.data.known.enter_ts else { return Ok(place_itself(place, zones)) };
    let location = place.data.known.location;
    if let Some(row) = points.reached_at(enter_ts, location) {
        return Ok(points.samples[row]);
    }
    let mut found = at_time(runtime, KEY, enter_ts, true)?;
    found.retain(|entry| sample(&entry.metadata, &entry.data, zones).is_some());
    let is_there = |entry: &Found| {
        let read = sample(&entry.metadata, &entry.data, &mut ZoneTable::default());
        read.is_some_and(|sample| sample.loc == location)
    };
    let found = first_that_fits(&found, is_there);
    let found = found.and_then(|entry| sample(&entry.metadata, &entry.data, zones));
    Ok(found.unwrap_or_else(|| place_itself(place, zones)))
}

fn place_itself(place: &Raw<Place>, zones: &mut ZoneTable) -> Sample {
    let place = &place.data.known;
    let local_dt = place.enter_local_dt.as_ref().or(place.exit_local_dt.as_ref());
    Sample {
        ts: place.enter_ts.or(place.exit_ts).unwrap_or(0.0),
        position: position(place.location),
        loc: place.location,
        altitude: f64::NAN,
        zone: zones.number(local_dt.map_or(SERVER_ZONE, |local| &local.timezone)),
    }
}
