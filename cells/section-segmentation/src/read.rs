//! Reads trips, with the points and motions of their time.

use std::collections::BTreeSet;
use std::ops::{ControlFlow, Range};

use cells_geometry::Position;
use cells_locations::{ANY_CADENCE, Locations, read, spans_taken, without_exact_duplicates};
use cells_sdk::model::background::MotionType;
use cells_sdk::model::device::device_name;
use cells_sdk::model::page::Entry;
use cells_sdk::model::{EntryId, Point, text};
use cells_sdk::{Query, ReadEntries, Run, RunError, TimeField, WINDOW_GAP_S, for_each_entry, walk_entries};
use serde::Deserialize;

use crate::ends::{Moment, POINT, Row};
use crate::motion::Sensed;
use crate::sections::Method;

const TRIP: &str = "segmentation/raw_trip";
const MOTION: &str = "background/motion_activity";

/// A trip that is to be cut.
#[derive(Debug, Clone, PartialEq)]
pub struct Trip {
    /// Its entry.
    pub id: EntryId,
    /// Its first point.
    pub start: Moment,
    /// Its last point.
    pub end: Moment,
    /// The place that it came from.
    pub start_place: EntryId,
    /// How it was found.
    pub method: Method,
    /// Whether it may begin before its first point and end behind its last.
    pub between_points: bool,
    /// The device that was carried, where the person has several: readings of other devices do not belong to the trip.
    pub device: Option<String>,
}

/// How many trips one run takes, if they have few readings: at some 1 KB for each of their sections, its writes stay
/// well under the limit of a run.
const TRIPS_A_RUN: usize = 1_000;

/// The result of [`trips`].
#[derive(Debug, Default)]
pub struct Trips {
    /// In the order of their ends.
    pub trips: Vec<Trip>,
    /// End of the last one, readable or not, s.
    pub through: Option<f64>,
    /// When those ended that cannot be read, s.
    pub unreadable: Vec<f64>,
    /// Whether some were left to the next run.
    pub more: bool,
}

#[derive(Deserialize)]
struct TripData {
    start_ts: f64,
    start_local_dt: LocalZone,
    start_fmt_time: String,
    start_loc: Point,
    start_place: EntryId,
    end_ts: f64,
    end_local_dt: LocalZone,
    end_fmt_time: String,
    end_loc: Point,
    source: String,
    #[serde(default)]
    device: Option<String>,
}

#[derive(Deserialize)]
struct LocalZone {
    timezone: String,
}

/// The trips that ended within the window; of a back-log, the first that have about that many rows of
/// readings.
pub fn trips<R: ReadEntries>(runtime: &mut R, run: &Run, rows_a_run: usize) -> Result<Trips, RunError> {
    let query = run.window(&[TRIP], TimeField::EndTs);
    let mut found = Trips::default();
    walk_entries(runtime, &query, |_, entry| {
        let trip = serde_json::from_str(entry.data).map(|data| trip(entry.id, data)).ok();
        // Up to a pause before the next one; that others overlap it is not known here.
        let begins = trip.as_ref().map_or(entry.time, |trip| trip.start.ts.min(entry.time));
        let pauses = found.through.is_some_and(|through| begins - through > WINDOW_GAP_S);
        if found.trips.len() + found.unreadable.len() >= TRIPS_A_RUN && pauses {
            found.more = true;
            return Ok(ControlFlow::Break(()));
        }
        found.through = Some(entry.time);
        match trip {
            Some(trip) => found.trips.push(trip),
            None => found.unreadable.push(entry.time),
        }
        Ok(ControlFlow::Continue(()))
    })?;
    found.end_after_readings(runtime, run, rows_a_run)?;
    Ok(found)
}

impl Trips {
    /// Leaves trips to the next run whose readings are too many for this one.
    fn end_after_readings<R: ReadEntries>(
        &mut self,
        runtime: &mut R,
        run: &Run,
        rows_a_run: usize,
    ) -> Result<(), RunError> {
        if self.trips.is_empty() {
            return Ok(());
        }
        let (start, end) = span(run, &self.trips);
        let readings = Query::of(&[POINT, MOTION], TimeField::DataTs).between(Some(start), Some(end));
        let spans: Vec<(f64, f64)> = self.trips.iter().map(|trip| (trip.start.ts, trip.end.ts)).collect();
        let taken = spans_taken(runtime, &readings, rows_a_run, &spans)?;
        if taken < spans.len() {
            let through = spans[taken - 1].1;
            self.trips.truncate(taken);
            self.unreadable.retain(|ended| *ended <= through);
            (self.through, self.more) = (Some(through), true);
        }
        Ok(())
    }
}

fn trip(id: EntryId, data: TripData) -> Trip {
    Trip {
        id,
        start: Moment {
            ts: data.start_ts,
            zone: data.start_local_dt.timezone,
            fmt_time: data.start_fmt_time,
            loc: data.start_loc,
        },
        end: Moment {
            ts: data.end_ts,
            zone: data.end_local_dt.timezone,
            fmt_time: data.end_fmt_time,
            loc: data.end_loc,
        },
        start_place: data.start_place,
        method: Method::of_trip(&data.source),
        between_points: data.source == ANY_CADENCE,
        device: data.device,
    }
}

/// The time span of the readings: that of the trips, but nothing before the run's window.
///
/// Quirk: the reference uses the window of the trips' ends for the readings too. So readings of the 5 s after the last
/// run's last trip are missing from a trip that began in them.
pub fn span(run: &Run, trips: &[Trip]) -> (f64, f64) {
    let first = trips.iter().map(|trip| trip.start.ts).fold(f64::INFINITY, f64::min);
    let last = trips.iter().map(|trip| trip.end.ts).fold(f64::NEG_INFINITY, f64::max);
    (run.start.map_or(first, |start| start.max(first)), last)
}

/// The devices that trips name, each once; `None` for those that name no device.
pub fn devices(trips: &[Trip]) -> BTreeSet<Option<String>> {
    trips.iter().map(|trip| trip.device.clone()).collect()
}

/// Whether an entry counts for trips of a device: all entries do where the trip names none.
pub fn is_of(device: Option<&str>, metadata: &str) -> bool {
    device.is_none_or(|device| device_name(metadata).as_deref() == Some(device))
}

/// Points in the order of their times, every number finite.
#[derive(Debug, Default)]
pub struct Points {
    locations: Locations,
    positions: Vec<Position>,
}

impl Points {
    /// Reads those of a device within closed bounds, s; `None`: of all.
    pub fn read<R: ReadEntries>(
        runtime: &mut R,
        (start, end): (f64, f64),
        device: Option<&str>,
    ) -> Result<Self, RunError> {
        let query = Query::of(&[POINT], TimeField::DataTs).between(Some(start), Some(end));
        let mut locations = read(runtime, &query)?;
        if device.is_some() {
            locations.retain_device(device);
        }
        let mut locations = without_exact_duplicates(runtime, &query, locations)?;
        if !(0..locations.len()).all(|row| locations.is_placed(row)) {
            let placed: Vec<bool> = (0..locations.len()).map(|row| locations.is_placed(row)).collect();
            locations.retain(|row| placed[row]);
        }
        let columns = locations.columns();
        let places = columns.latitude.iter().zip(&columns.longitude);
        let positions =
            places.map(|(latitude, longitude)| Position { latitude: *latitude, longitude: *longitude });
        let positions = positions.collect();
        Ok(Self { locations, positions })
    }

    /// The rows of a trip.
    pub fn of(&self, trip: &Trip) -> Range<usize> {
        within(self.ts(), |ts| *ts, trip)
    }

    /// When the points were made, s.
    pub fn ts(&self) -> &[f64] {
        &self.locations.columns().ts
    }

    /// Where they are.
    pub fn positions(&self) -> &[Position] {
        &self.positions
    }

    /// A point's entry.
    pub fn row(&self, row: usize) -> Row {
        Row { id: self.locations.columns().ids[row], ts: self.ts()[row] }
    }
}

/// Motion activities in the order of their times.
#[derive(Debug, Default)]
pub struct Motions {
    sensed: Vec<Sensed>,
    /// How many have an unknown kind.
    pub unreadable: usize,
}

/// The kind of a motion and the phone's confidence in it, NaN where it is missing; `None` where the kind is unknown.
fn motion(data: &str) -> Option<(MotionType, f64)> {
    let (mut kind, mut confidence) = (None, None);
    for member in text::members(data).map_while(Result::ok) {
        match member.name {
            "type" => kind = Some(serde_json::from_str(member.value).ok()?),
            "confidence" => confidence = text::optional(member.value, text::number)?,
            _ => {}
        }
    }
    Some((kind?, confidence.unwrap_or(f64::NAN)))
}

impl Motions {
    /// Reads those of a device within closed bounds, s; repeated ones once. `None`: of all.
    pub fn read<R: ReadEntries>(
        runtime: &mut R,
        (start, end): (f64, f64),
        device: Option<&str>,
    ) -> Result<Self, RunError> {
        let query = Query::of(&[MOTION], TimeField::DataTs).between(Some(start), Some(end));
        let (mut motions, mut repeats) = (Self::default(), Repeats::default());
        for_each_entry(runtime, &query, |_, entry| {
            if !is_of(device, entry.metadata) {
                return Ok(());
            }
            match motion(entry.data) {
                Some((kind, confidence)) => {
                    let sensed = Sensed { ts: entry.time, kind, confidence };
                    if repeats.is_new(&sensed, &entry) {
                        motions.sensed.push(sensed);
                    }
                }
                None => motions.unreadable += 1,
            }
            Ok(())
        })?;
        Ok(motions)
    }

    /// Those of a trip.
    pub fn of(&self, trip: &Trip) -> &[Sensed] {
        &self.sensed[within(&self.sensed, |sensed| sensed.ts, trip)]
    }
}

/// Motions of one moment that were read. The reference drops one whose kind, confidence, time and write time are those
/// of an earlier one; and their number matters for flickering.
#[derive(Debug, Default)]
struct Repeats {
    ts: f64,
    seen: BTreeSet<(u8, u64, u64)>,
}

impl Repeats {
    fn is_new(&mut self, sensed: &Sensed, entry: &Entry<'_>) -> bool {
        if self.ts != sensed.ts {
            self.ts = sensed.ts;
            self.seen.clear();
        }
        let bits = |number: f64| (number + 0.0).to_bits();
        self.seen.insert((sensed.kind.number(), bits(sensed.confidence), bits(entry.write_ts)))
    }
}

/// The part of items in the order of time that is within a trip, both ends included.
fn within<T>(items: &[T], ts: impl Fn(&T) -> f64, trip: &Trip) -> Range<usize> {
    let first = items.partition_point(|item| ts(item) < trip.start.ts);
    let behind = items.partition_point(|item| ts(item) <= trip.end.ts);
    first..behind.max(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_motion_has_a_known_kind_and_may_lack_a_confidence() {
        let read = |data: &str| motion(data).map(|(kind, sure)| (kind.number(), sure.to_string()));
        assert_eq!(read(r#"{"type":7,"confidence":62.5,"ts":1}"#), Some((7, "62.5".to_owned())));
        for unsure in [r#"{"type":7}"#, r#"{"confidence":null,"type":7}"#] {
            assert_eq!(read(unsure), Some((7, "NaN".to_owned())));
        }
        for odd in
            ["{}", r#"{"type":"walk"}"#, r#"{"type":7,"confidence":"high"}"#, r#"{"type":null}"#, "[7]"]
        {
            assert_eq!(read(odd), None, "{odd}");
        }
    }
}
