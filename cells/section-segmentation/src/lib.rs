//! Cuts trips into sections, each travelled in one way, and stops between them: the stage `SECTION_SEGMENTATION`.
//!
//! Reads raw trips of the run's window with the filtered locations, motion activity and beacons of their time; writes
//! `segmentation/raw_section` and `segmentation/raw_stop`, linked with one another. The results equal the reference
//! entry by entry; odd rules are the reference's and are marked so.
//!
//! * Units: seconds, metres, degrees. The window is on `data.end_ts` of trips, closed at both ends.
//! * Memory: about 85 bytes a point, 24 bytes a motion activity and 400 bytes a trip of the window. A back-log with more
//!   than [`ROWS_A_RUN`] of these is cut behind a trip, and the run asks to be run again.
//! * Not here: which points are wrong (`JUMP_SMOOTHING`), and the kind of vehicle (`MODE_INFERENCE`).
//!
//! Two groups of files can be read one after the other; [`run`] joins them. In each, a file uses only earlier ones:
//!
//! 1. The method: `motion.rs`, `track.rs`, `plausible.rs`, `streaks.rs`, `verdict.rs`, `merging.rs`, `changes.rs`,
//!    `sections.rs`.
//! 2. The entries: `ends.rs`, `read.rs`, `beacons.rs`, `unsensed.rs`, `store.rs`.

pub mod beacons;
pub mod changes;
mod ends;
pub mod merging;
pub mod motion;
pub mod plausible;
mod read;
pub mod sections;
mod store;
pub mod streaks;
pub mod track;
#[cfg(test)]
mod travels;
mod unsensed;
pub mod verdict;

use std::collections::BTreeMap;
use std::ops::Range;

use cells_locations::ROWS_A_RUN;
use cells_sdk::{Documents, Level, Log, Outcome, ReadEntries, Run, RunError, WriteEntries, warn_count};

use beacons::{Beacons, VEHICLES, Vehicles};
use changes::changes;
use ends::{Moment, read_two};
use read::{Motions, Points, Trip, devices, span, trips};
use sections::{Part, unknown};
use store::{Cut, Leg};
use track::Track;
use unsensed::Unsensed;

/// Points at most this many rows apart are read with all between them rather than one by one.
const NEAR_ROWS_MAX: usize = 8;

/// One run of the stage.
pub fn run<R: ReadEntries + WriteEntries + Documents + Log>(
    runtime: &mut R,
    run: &Run,
) -> Result<Outcome, RunError> {
    run_over(runtime, run, ROWS_A_RUN)
}

/// As [`run`], with another number in place of [`ROWS_A_RUN`].
pub fn run_over<R: ReadEntries + WriteEntries + Documents + Log>(
    runtime: &mut R,
    run: &Run,
    rows_a_run: usize,
) -> Result<Outcome, RunError> {
    let found = trips(runtime, run, rows_a_run)?;
    let mut pointless = 0;
    if !found.trips.is_empty() {
        let readings = Readings::of_devices(runtime, run, &found.trips)?;
        let unreadable: usize = readings.values().map(|readings| readings.motions.unreadable).sum();
        let mut unsensed = Unsensed::new(&found.trips);
        let mut cuts = Vec::with_capacity(found.trips.len());
        for trip in &found.trips {
            let readings = &readings[&trip.device];
            let rows = readings.points.of(trip);
            if rows.is_empty() {
                pointless += 1;
                continue;
            }
            let parts = parts(runtime, trip, readings, rows.clone(), &mut unsensed)?;
            let legs = legs(runtime, trip, readings, rows, &parts)?;
            cuts.push(Cut { trip: trip.id, device: trip.device.clone(), legs });
        }
        store::write(runtime, run, &cuts)?;
        warn_count(runtime, unreadable, "motion activities have no known kind: passed over");
    }
    warn_count(runtime, found.unreadable.len(), "trips cannot be read: left without sections");
    warn_count(runtime, pointless, "trips have no points: left without sections");
    Ok(Outcome { processed_through: found.through, state: Vec::new(), more: found.more })
}

/// The readings in the time of a run's trips, of one device where the trips name one.
struct Readings {
    points: Points,
    motions: Motions,
    beacons: Beacons,
}

impl Readings {
    /// By the device that trips name.
    fn of_devices<R: ReadEntries + Documents + Log>(
        runtime: &mut R,
        run: &Run,
        trips: &[Trip],
    ) -> Result<BTreeMap<Option<String>, Self>, RunError> {
        let span = span(run, trips);
        let vehicles = vehicles(runtime)?;
        let mut readings = BTreeMap::new();
        for device in devices(trips) {
            let of = device.as_deref();
            let points = Points::read(runtime, span, of)?;
            let motions = Motions::read(runtime, span, of)?;
            let beacons = Beacons::read(runtime, vehicles.clone(), span, of)?;
            readings.insert(device, Self { points, motions, beacons });
        }
        Ok(readings)
    }
}

/// The person's vehicles. If the document has another form, only the vehicles of sections are lost.
fn vehicles<R: Documents + Log>(runtime: &mut R) -> Result<Vehicles, RunError> {
    let document = runtime.document(VEHICLES).map_err(|failure| RunError::document(VEHICLES, failure))?;
    Ok(document.map_or_else(Vehicles::default, |text| {
        Vehicles::parse(&text).unwrap_or_else(|bad| {
            runtime
                .log(Level::Warn, &format!("beacons cannot name vehicles: the document {VEHICLES}: {bad}"));
            Vehicles::default()
        })
    }))
}

/// The points of each section of a trip; the trip has some.
fn parts<R: ReadEntries>(
    runtime: &mut R,
    trip: &Trip,
    readings: &Readings,
    rows: Range<usize>,
    unsensed: &mut Unsensed<'_>,
) -> Result<Vec<Part>, RunError> {
    let points = &readings.points;
    let track = Track::new(&points.ts()[rows.clone()], &points.positions()[rows]);
    let changes = changes(readings.motions.of(trip), trip.method.confidence_min(), &track);
    if !changes.is_empty() {
        return Ok(trip.method.sections(&track, &changes));
    }
    Ok(if unsensed.is_real(runtime, trip)? { vec![unknown(&track)] } else { Vec::new() })
}

/// Adds moments and vehicles to sections. The first begins with the trip and the last ends with it, whatever points
/// they have.
fn legs<R: ReadEntries>(
    runtime: &mut R,
    trip: &Trip,
    Readings { points, beacons, .. }: &Readings,
    rows: Range<usize>,
    parts: &[Part],
) -> Result<Vec<Leg>, RunError> {
    let Some(first) = parts.first() else { return Ok(Vec::new()) };
    let (start, end) = ends_of_trip(runtime, trip, points, &rows)?;
    let mut legs = vec![Leg { start, end: end.clone(), kind: first.kind, vehicle: None }];
    for pair in parts.windows(2) {
        let (before, after) = (rows.start + pair[0].last, rows.start + pair[1].first);
        let near = before.abs_diff(after) <= NEAR_ROWS_MAX;
        let [leave, enter] = read_two(runtime, [points.row(before), points.row(after)], near)?;
        legs.last_mut().expect("there is the first").end = leave;
        legs.push(Leg { start: enter, end: end.clone(), kind: pair[1].kind, vehicle: None });
    }
    for leg in &mut legs {
        leg.vehicle = beacons.vehicle(leg.start.ts, leg.end.ts).cloned();
    }
    Ok(legs)
}

/// The first and the last of a trip's points. As a rule the trip has them, and nothing is read.
fn ends_of_trip<R: ReadEntries>(
    runtime: &mut R,
    trip: &Trip,
    points: &Points,
    rows: &Range<usize>,
) -> Result<(Moment, Moment), RunError> {
    let (first, last) = (rows.start, rows.end - 1);
    let knows = |moment: &Moment, row: usize| moment.is_at(points.ts()[row], points.positions()[row]);
    // An app that was silent at the departure: trip segmentation knows more than the points.
    let (departs, arrives) = (trip.start.ts < points.ts()[first], trip.end.ts > points.ts()[last]);
    let known = [
        knows(&trip.start, first) || (trip.between_points && departs),
        knows(&trip.end, last) || (trip.between_points && arrives),
    ];
    if known == [true, true] {
        return Ok((trip.start.clone(), trip.end.clone()));
    }
    let near = last - first <= NEAR_ROWS_MAX;
    let [start, end] = read_two(runtime, [points.row(first), points.row(last)], near)?;
    Ok((if known[0] { trip.start.clone() } else { start }, if known[1] { trip.end.clone() } else { end }))
}

cells_sdk::export_stage!(run);
