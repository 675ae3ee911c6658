//! Cuts trips into sections, each travelled in one way, and stops between them: the stage `SECTION_SEGMENTATION`.
//!
//! Reads raw trips of the run's window with the filtered locations and motion activity of their time; writes
//! `segmentation/raw_section` and `segmentation/raw_stop`, linked with one another. What it computes equals the
//! reference entry by entry; rules that look odd are the reference's and say so.
//!
//! * Units: seconds, metres, degrees. The window is on `data.end_ts` of trips, closed at both ends.
//! * Memory: about 85 bytes a point, 24 bytes a motion activity and 400 bytes a trip of the window.
//! * Not here: which points are wrong (`JUMP_SMOOTHING`), and in what vehicle (`MODE_INFERENCE`).

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
mod unsensed;
pub mod verdict;

use std::fmt::Write as _;
use std::ops::Range;

use cells_locations::ReadError;
use cells_sdk::model::EntryId;
use cells_sdk::model::time::BadTime;
use cells_sdk::{Failure, Level, Log, Outcome, ReadEntries, Run, WriteEntries};

use ends::read_two;
use read::{Motions, Points, Trip, trips};
use sections::{Part, unknown};
use store::{Cut, Leg};
use track::Track;
use unsensed::Unsensed;

/// What a run's error may say, bytes.
const ERROR_BYTES_MAX: usize = 500;
/// Points so many rows apart are read with all between them rather than one by one.
const NEAR_ROWS_MAX: usize = 8;

/// Why a run was given up; nothing of it is kept.
#[derive(Debug, thiserror::Error)]
enum SectionError {
    #[error("cannot read the window")]
    Read(#[from] ReadError),
    #[error("cannot write sections and stops")]
    Write(#[from] Failure),
    #[error("point {id} at {ts} s is in the columns but has no entry")]
    PointGone { id: EntryId, ts: f64 },
    #[error("point {id} cannot be read: {reason}")]
    BadPoint { id: EntryId, reason: String },
    #[error("the runtime gave fewer ids than there were rows")]
    IdsMissing,
    #[error("an end of a section has no local time")]
    LocalTime(#[source] BadTime),
    #[error("the moment of the run has no local time")]
    Now(#[source] BadTime),
}

/// One run of the stage.
pub fn run<R: ReadEntries + WriteEntries + Log>(runtime: &mut R, run: &Run) -> Result<Outcome, String> {
    try_run(runtime, run).map_err(|error| with_causes(&error))
}

fn try_run<R: ReadEntries + WriteEntries + Log>(runtime: &mut R, run: &Run) -> Result<Outcome, SectionError> {
    let found = trips(runtime, run)?;
    let (mut pointless, mut unreadable_motions) = (0, 0);
    if !found.trips.is_empty() {
        let points = Points::read(runtime, run, &found.trips)?;
        let motions = Motions::read(runtime, run, &found.trips)?;
        unreadable_motions = motions.unreadable;
        let mut unsensed = Unsensed::new(&found.trips);
        let mut cuts = Vec::with_capacity(found.trips.len());
        for trip in &found.trips {
            let rows = points.of(trip);
            if rows.is_empty() {
                pointless += 1;
                continue;
            }
            let track = Track::new(&points.ts()[rows.clone()], &points.positions()[rows.clone()]);
            let changes = changes::changes(motions.of(trip), trip.method.confidence_min(), &track);
            let parts = if !changes.is_empty() {
                trip.method.sections(&track, &changes)
            } else if unsensed.is_real(runtime, trip)? {
                vec![unknown(&track)]
            } else {
                Vec::new()
            };
            cuts.push(Cut { trip: trip.id, legs: legs(runtime, trip, &points, rows, &parts)? });
        }
        store::write(runtime, &cuts, run.now)?;
    }
    report(runtime, [found.unreadable, pointless, unreadable_motions]);
    Ok(Outcome { processed_through: found.through, state: Vec::new(), more: false })
}

/// Gives sections their moments. The first begins with the trip and the last ends with it, whatever points they have.
fn legs<R: ReadEntries>(
    runtime: &mut R,
    trip: &Trip,
    points: &Points,
    rows: Range<usize>,
    parts: &[Part],
) -> Result<Vec<Leg>, SectionError> {
    let (Some(first), Some(last)) = (parts.first(), parts.last()) else { return Ok(Vec::new()) };
    let (trip_first, trip_last) = (rows.start, rows.end - 1);
    let is_start = |row: usize| trip.start.is_at(points.ts()[row], points.positions()[row]);
    let is_end = |row: usize| trip.end.is_at(points.ts()[row], points.positions()[row]);
    // As a rule the ends of the trip are those of its points, and nothing has to be read.
    let (start, end) = match (is_start(trip_first), is_end(trip_last)) {
        (true, true) => (trip.start.clone(), trip.end.clone()),
        (known_start, known_end) => {
            let near = trip_last - trip_first <= NEAR_ROWS_MAX;
            let [start, end] = read_two(runtime, [points.row(trip_first), points.row(trip_last)], near)?;
            (
                if known_start { trip.start.clone() } else { start },
                if known_end { trip.end.clone() } else { end },
            )
        }
    };
    let mut legs = vec![Leg { start, end: end.clone(), kind: first.kind }];
    for pair in parts.windows(2) {
        let (before, after) = (rows.start + pair[0].last, rows.start + pair[1].first);
        let near = before.abs_diff(after) <= NEAR_ROWS_MAX;
        let [leave, enter] = read_two(runtime, [points.row(before), points.row(after)], near)?;
        legs.last_mut().expect("there is the first").end = leave;
        legs.push(Leg { start: enter, end: end.clone(), kind: pair[1].kind });
    }
    debug_assert_eq!(legs.last().map(|leg| leg.kind), Some(last.kind));
    Ok(legs)
}

/// Tells the owner what did not count, and why; no places.
fn report<R: Log>(runtime: &mut R, [trips, pointless, motions]: [usize; 3]) {
    let mut tell = |count: usize, what: &str| {
        if count > 0 {
            runtime.log(Level::Warn, &format!("{count} {what}"));
        }
    };
    tell(trips, "trips cannot be read: left without sections");
    tell(pointless, "trips have no points: left without sections");
    tell(motions, "motion activities have no kind that is known: passed over");
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(text, ": {error}").expect("writing to a string does not fail");
        cause = error.source();
    }
    text.truncate(text.floor_char_boundary(ERROR_BYTES_MAX));
    text
}

cells_sdk::export_stage!(run);
