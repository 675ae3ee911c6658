//! Cuts a person's days into trips and places: the stage `TRIP_SEGMENTATION`.
//!
//! Reads filtered locations, transitions and motion activity of the run's window; writes `segmentation/raw_trip`,
//! `segmentation/raw_place` and `segmentation/raw_untracked`, linked to a chain that every run continues. The results
//! equal the reference entry by entry; odd rules are the reference's and are marked so. Trackers from the shops choose
//! their points in other ways, which the reference does not know; their trips have a method of their own
//! ([`app_method`]).
//!
//! A person may have several devices. Entries name the device that sent them; each device's trips are found in its own
//! points, and those of the device that was carried count ([`follow`]). Where entries name at most one device, all of
//! this has no effect.
//!
//! * Units: seconds, metres, degrees. The window is on `metadata.write_ts`, closed at both ends.
//! * Memory: about 150 bytes a point and 70 bytes a motion activity of the window; texts are read one at a time. Of a
//!   back-log, a run takes [`ROWS_A_RUN`] of these, as if it ran at the moment when the last of them was written, and
//!   asks to be run again; where no trip ended in them, the next run takes four times as many. What has no end within
//!   so many is no trip: the earlier half is passed over.
//! * State: where devices stay that share a token with the carried one ([`tracks`]), and how much the next run reads
//!   (`memory.rs`); mostly empty.
//! * Not here: which readings are good enough (`cells/accuracy-filter`), and how a trip was travelled.
//!
//! Read in this order, in which each file uses only earlier ones:
//!
//! 1. Readings: `order.rs`, `points.rs`, `reconsider.rs`, `signals.rs`.
//! 2. Trips of one device: `time_method.rs`, `distance_method.rs`, `between.rs`, `app_method.rs`,
//!    `method.rs`.
//! 3. The chain that they are linked to: `fix.rs`, `chain.rs`, `store.rs`.
//! 4. Several devices: `spread.rs`, `tracks.rs`, `memory.rs`, `follow.rs`, `several.rs`.

pub mod app_method;
pub mod between;
mod chain;
pub mod distance_method;
mod fix;
pub mod follow;
mod memory;
pub mod method;
pub mod order;
pub mod points;
mod reconsider;
mod several;
pub mod signals;
pub mod spread;
mod store;
pub mod time_method;
pub mod tracks;

use cells_locations::{ROWS_A_RUN, Sampling, end_after, read, without_exact_duplicates};
use cells_sdk::model::EntryId;
use cells_sdk::{
    Level, Log, Outcome, ReadEntries, Run, RunError, TimeField, WINDOW_GAP_S, WriteEntries, mark_past,
    warn_count,
};

use chain::{Chain, Way};
use fix::{Fix, KEY};
use memory::Memory;
use method::{first_named, segment};
use points::{Behind, Points, SortedOut};
use reconsider::reconsidered;
use several::{Carried, End, Found, Sent, carried, devices, ends};
use signals::{MOTION, Signals};
use store::{LastTrip, OpenEntry};

/// One run of the stage.
pub fn run<R: ReadEntries + WriteEntries + Log>(runtime: &mut R, run: &Run) -> Result<Outcome, RunError> {
    run_over(runtime, run, ROWS_A_RUN)
}

/// As [`run`], with another number in place of [`ROWS_A_RUN`].
pub fn run_over<R: ReadEntries + WriteEntries + Log>(
    runtime: &mut R,
    run: &Run,
    rows_a_run: usize,
) -> Result<Outcome, RunError> {
    let mut memory = Memory::read(&run.state).unwrap_or_else(|bad| {
        // The state's content is found again in time; a person's pipeline need not stop for it.
        runtime.log(Level::Warn, &format!("the stage's memory cannot be read and is emptied: {bad}"));
        Memory::default()
    });
    memory.take_back(run.start);
    let rows = memory.rows(rows_a_run);
    let end = end_after(runtime, &run.window(&[KEY, MOTION], TimeField::WriteTs), rows)?;
    let Some(end) = end else {
        memory.take_usual();
        let Part { done_through, .. } = part(runtime, run, Behind::Nothing, &mut memory)?;
        memory.signals_from(None);
        return Ok(Outcome { processed_through: done_through, state: memory.write(), more: false });
    };
    let more = memory.take_more(rows_a_run);
    let behind = if more { Behind::More } else { Behind::TooMuch };
    let Part { done_through, middle, last_end } =
        part(runtime, &Run { end, ..run.clone() }, behind, &mut memory)?;
    if last_end.is_some() {
        memory.signals_from(last_end);
    }
    // Of several devices, the points of one that is still on its way are needed again.
    let goes_on = |mark: &f64| run.start.is_none_or(|start| mark + WINDOW_GAP_S > start);
    let mut processed_through = done_through.filter(goes_on);
    if processed_through.is_some() {
        memory.take_usual();
    } else if middle.is_none() {
        // Without points nothing else counts.
        processed_through = Some(mark_past(end));
        memory.take_usual();
    } else if !more {
        let (count, written) = middle.unzip();
        warn_count(runtime, count.unwrap_or(0), "points without the end of a trip: passed over");
        processed_through = written;
    }
    Ok(Outcome { processed_through, state: memory.write(), more: true })
}

/// What a run found in the part of its window that it takes.
struct Part {
    /// `write_ts` of the last point that need not be read again, s; `None` where no trip ended.
    done_through: Option<f64>,
    /// The number of the point in the middle, and its `write_ts`, s.
    middle: Option<(usize, f64)>,
    /// When the last of its trips ended, s.
    last_end: Option<f64>,
}

/// Finds and writes the trips of one window.
fn part<R: ReadEntries + WriteEntries + Log>(
    runtime: &mut R,
    run: &Run,
    behind: Behind,
    memory: &mut Memory,
) -> Result<Part, RunError> {
    let written = run.window(&[KEY], TimeField::WriteTs);
    let locations = read(runtime, &written)?;
    let locations = without_exact_duplicates(runtime, &written, locations)?;
    let locations = reconsidered(runtime, run, &written, locations)?;
    let middle = locations.len() / 2;
    let middle = locations.columns().write_ts.get(middle).map(|written| (middle, *written));
    let sent = devices(&locations, memory);
    drop(locations);
    let condemned: Vec<EntryId> = sent.iter().flat_map(|sent| sent.sorted.condemned()).collect();
    if !condemned.is_empty() {
        runtime.mark_invalid(&condemned)?;
    }
    report(runtime, &sent);
    let last = if sent.iter().any(Sent::is_stamped) { LastTrip::find(runtime)? } else { None };
    let one =
        sent.len() == 1 && sent[0].is_carried() && last.as_ref().is_none_or(|last| last.device.is_none());
    if sent.iter().all(|sent| sent.sorted.points.is_empty()) {
        return Ok(Part { done_through: None, middle, last_end: None });
    }
    let (trips, done_through);
    let (one_signals, signals);
    let open = OpenEntry::find(runtime)?;
    let signals_start = memory.signals_start(run.start);
    if one {
        one_signals = Signals::read(runtime, signals_start, run.end)?;
        (trips, done_through) = of_one(&sent[0].sorted.points, &one_signals, run.end, behind);
    } else {
        signals = Signals::read_by_device(runtime, signals_start, run.end)?;
        let carried = carried(&sent, &signals, run.end, open.as_ref(), last.as_ref());
        if !carried.of_others.is_empty() {
            runtime.mark_invalid(&carried.of_others)?;
        }
        tell_of_several(runtime, &sent, &carried);
        (trips, done_through) = (carried.trips, carried.done_through);
    }
    let device = last.as_ref().and_then(|last| last.device.as_deref());
    write_trips(runtime, run, &trips, open, device)?;
    Ok(Part { done_through, middle, last_end: trips.last().map(|trip| trip.end.made_ts) })
}

/// The trips of a person who has one device, or whose entries do not name their device.
fn of_one<'a>(
    points: &Points,
    signals: &'a Signals,
    run_end: f64,
    behind: Behind,
) -> (Vec<Found<'a>>, Option<f64>) {
    let found = segment(points, signals, run_end, behind);
    let trips = found.segments.trips.iter().map(|trip| {
        let [start, end] = ends(points, &found.segments, *trip, f64::NEG_INFINITY);
        Found { start, end, method: found.method, signals, device: None }
    });
    (trips.collect(), found.segments.done_through)
}

/// Links trips to the chain, at whose end `device` was carried.
fn write_trips<R: ReadEntries + WriteEntries>(
    runtime: &mut R,
    run: &Run,
    trips: &[Found<'_>],
    open: Option<OpenEntry>,
    device: Option<&str>,
) -> Result<(), RunError> {
    let mut chain: Option<Chain<'_>> = None;
    for trip in trips {
        let start_fix = fix(runtime, trip.start)?;
        let end_fix = fix(runtime, trip.end)?;
        let chain = chain.get_or_insert_with(|| {
            let place = open.as_ref().map(OpenEntry::place);
            Chain::begin(place, device, &start_fix, trip.method)
        });
        let way = Way { method: trip.method, restarts: &trip.signals.restarts, device: trip.device };
        let arrival = match chain.untracked_since(&start_fix, &way) {
            // Several devices may have a point of that time; the place is where one of them was.
            Some(ts) if trip.device.is_some() => match chain.last_arrival() {
                Some(arrival) => Some(arrival),
                None => Fix::read_by_time(runtime, ts)?,
            },
            // The point may be deleted, for instance when its owner has deleted the month; the place still has the
            // values.
            Some(ts) => Fix::read_by_time(runtime, ts)?.or_else(|| chain.last_arrival()),
            None => None,
        };
        chain.add_trip(start_fix, end_fix, arrival, &way);
    }
    match chain {
        Some(chain) => store::write(runtime, &chain, open, run),
        None => Ok(()),
    }
}

/// The moment and the place of a trip's end.
fn fix<R: ReadEntries>(runtime: &mut R, end: End) -> Result<Fix, RunError> {
    let fix = Fix::read(runtime, end.id, end.made_ts)?;
    if end.ts == end.made_ts { Ok(fix) } else { fix.at(end.ts) }
}

/// Logs for the owner which devices there were, and what was left out; no places.
fn tell_of_several<R: Log>(runtime: &mut R, sent: &[Sent], carried: &Carried<'_>) {
    let count = sent.iter().filter(|sent| !sent.sorted.points.is_empty()).count();
    if count > 1 {
        let text = format!("{count} devices sent points: trips are those of the device that was carried");
        runtime.log(Level::Info, &text);
    }
    warn_count(
        runtime,
        carried.of_others.len(),
        "points during trips are of another device that shows the same token: marked invalid; pair each device to \
         keep their points apart",
    );
}

/// Logs for the owner what did not count, and why; no places.
fn report<R: Log>(runtime: &mut R, sent: &[Sent]) {
    let mut tell = |count: usize, what: &str| warn_count(runtime, count, what);
    let of_all = |count: fn(&SortedOut) -> usize| sent.iter().map(|sent| count(&sent.sorted)).sum();
    let (out_of_order, spared): (usize, usize) =
        (of_all(|sorted| sorted.out_of_order.len()), of_all(|sorted| sorted.spared));
    if spared > 0 {
        tell(out_of_order, "points have times out of step with those written around them: marked invalid");
        tell(spared, "points followed one that was ahead of its time: they are kept");
    } else {
        tell(out_of_order, "points have an earlier time than one written before them: marked invalid");
    }
    tell(
        of_all(|sorted| sorted.nowhere.len()),
        "points are at 0 degrees north, 0 degrees east, which is no place: marked invalid",
    );
    tell(of_all(|sorted| sorted.unplaced), "points have no time or no place: passed over");
    tell(
        of_all(|sorted| if first_named(&sorted.points).is_some() { 0 } else { sorted.points.len() }),
        "points do not say how they were sampled (`filter`): treated as sampled in time",
    );
    tell(
        of_all(|sorted| late(&sorted.points)),
        "points were written down over 1000 s after they were made: passed over",
    );
}

/// How many of the points that count as sampled in time came too late.
fn late(points: &Points) -> usize {
    let rows = points.track(0..points.len());
    let counts_as_time = |row: usize| points.sampling[row].is_none_or(|sampling| sampling == Sampling::Time);
    (0..points.len()).filter(|row| counts_as_time(*row) && !time_method::is_timely(rows, *row)).count()
}

cells_sdk::export_stage!(run);
