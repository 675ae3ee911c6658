//! Cuts a person's days into trips and places: the stage `TRIP_SEGMENTATION`.
//!
//! Reads filtered locations, transitions and motion activity of the run's window; writes `segmentation/raw_trip`,
//! `segmentation/raw_place` and `segmentation/raw_untracked`, linked to a chain that every run goes on with.
//! What it computes equals the reference entry by entry; rules that look odd are the reference's and say so.
//!
//! * Units: seconds, metres, degrees. The window is on `metadata.write_ts`, closed at both ends.
//! * Memory: about 100 bytes a point and 16 bytes a motion activity of the window; texts are read one at a time.
//! * Not here: which readings are good enough (`cells/accuracy-filter`), and how a trip was travelled.

mod chain;
pub mod distance_method;
mod fix;
pub mod method;
pub mod order;
pub mod points;
pub mod signals;
mod store;
pub mod time_method;

use std::fmt::Write as _;

use cells_locations::{ReadError, Sampling, read, without_exact_duplicates};
use cells_sdk::model::EntryId;
use cells_sdk::model::time::BadTime;
use cells_sdk::{Failure, Level, Log, Outcome, Query, ReadEntries, Run, TimeField, WriteEntries};

use chain::Chain;
use fix::{Fix, KEY};
use method::{Segmentation, first_named, segment};
use points::{Points, SortedOut};
use signals::Signals;
use store::OpenEntry;

/// What a run's error may say, bytes.
const ERROR_BYTES_MAX: usize = 500;

/// Why a run was given up; nothing of it is kept.
#[derive(Debug, thiserror::Error)]
enum SegmentError {
    #[error("cannot read the window")]
    Read(#[from] ReadError),
    #[error("cannot write trips and places")]
    Write(#[from] Failure),
    #[error("point {id} at {ts} s is in the columns but has no entry")]
    PointGone { id: EntryId, ts: f64 },
    #[error("point {id} cannot be read: {reason}")]
    BadPoint { id: EntryId, reason: String },
    #[error("place {id} cannot be read")]
    BadPlace {
        id: EntryId,
        #[source]
        source: serde_json::Error,
    },
    #[error("the runtime gave fewer ids than there were rows")]
    IdsMissing,
    #[error("the moment of the run has no local time")]
    Now(#[source] BadTime),
}

/// One run of the stage.
pub fn run<R: ReadEntries + WriteEntries + Log>(runtime: &mut R, run: &Run) -> Result<Outcome, String> {
    try_run(runtime, run).map_err(|error| with_causes(&error))
}

fn try_run<R: ReadEntries + WriteEntries + Log>(runtime: &mut R, run: &Run) -> Result<Outcome, SegmentError> {
    let written = Query::of(&[KEY], TimeField::WriteTs).between(run.start, Some(run.end));
    let locations = read(runtime, &written)?;
    let locations = without_exact_duplicates(runtime, &written, locations)?;
    let locations = order::reconsidered(runtime, &written, locations)?;
    let sorted = Points::sort_out(&locations);
    drop(locations);
    let condemned = sorted.condemned();
    if !condemned.is_empty() {
        runtime.mark_invalid(&condemned)?;
    }
    report(runtime, &sorted);
    let points = &sorted.points;
    if points.is_empty() {
        return Ok(Outcome::default());
    }
    let signals = Signals::read(runtime, run.start, run.end)?;
    let found = segment(points, &signals, run.end);
    if !found.segments.trips.is_empty() {
        write_trips(runtime, run, points, &signals, &found)?;
    }
    Ok(Outcome { processed_through: found.segments.done_through, state: Vec::new(), more: false })
}

fn write_trips<R: ReadEntries + WriteEntries>(
    runtime: &mut R,
    run: &Run,
    points: &Points,
    signals: &Signals,
    found: &Segmentation,
) -> Result<(), SegmentError> {
    let open = OpenEntry::find(runtime)?;
    let mut chain: Option<Chain<'_>> = None;
    for (start, end) in &found.segments.trips {
        let start_fix = Fix::read(runtime, points.ids[*start], points.ts[*start])?;
        let end_fix = Fix::read(runtime, points.ids[*end], points.ts[*end])?;
        let chain = chain.get_or_insert_with(|| {
            let place = open.as_ref().map(OpenEntry::place);
            Chain::begin(place, &start_fix, found.method, &signals.restarts)
        });
        let arrival = match chain.untracked_since(&start_fix) {
            // The point may be gone, as when its owner has deleted the month; the place still knows.
            Some(ts) => Fix::read_by_time(runtime, ts)?.or_else(|| chain.last_arrival()),
            None => None,
        };
        chain.add_trip(start_fix, end_fix, arrival);
    }
    match chain {
        Some(chain) => store::write(runtime, &chain, open, run.now),
        None => Ok(()),
    }
}

/// Tells the owner what did not count, and why; no places.
fn report<R: Log>(runtime: &mut R, sorted: &SortedOut) {
    let SortedOut { points, out_of_order, spared, nowhere, unplaced } = sorted;
    let mut tell = |count: usize, what: &str| {
        if count > 0 {
            runtime.log(Level::Warn, &format!("{count} {what}"));
        }
    };
    if *spared > 0 {
        tell(
            out_of_order.len(),
            "points have times out of step with those written around them: marked invalid",
        );
        tell(*spared, "points came behind one that was ahead of its time: they count");
    } else {
        tell(out_of_order.len(), "points have an earlier time than one written before them: marked invalid");
    }
    tell(nowhere.len(), "points are at 0 degrees north, 0 degrees east, which is no place: marked invalid");
    tell(*unplaced, "points have no time or no place: passed over");
    let unnamed = points.sampling.iter().filter(|sampling| sampling.is_none()).count();
    match first_named(points) {
        Some(_) => {}
        None => tell(unnamed, "points do not say how they were sampled (`filter`): taken as sampled in time"),
    }
    let rows = points.track(0..points.len());
    let counts_as_time = |row: usize| points.sampling[row].is_none_or(|sampling| sampling == Sampling::Time);
    let late =
        (0..points.len()).filter(|row| counts_as_time(*row) && !time_method::is_timely(rows, *row)).count();
    tell(late, "points were written down over 1000 s after they were made: passed over");
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
