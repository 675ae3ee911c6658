//! Cleans a person's diary: the stage `CLEAN_RESAMPLING`.
//!
//! Trips lose the points that smoothing has deleted and are extended to the places around them; their sections get
//! points at even times; stops that are none are joined to a section; and what was no trip is joined into the place
//! where the person stayed. The results equal the reference entry by entry; each odd rule is the reference's and is
//! marked "Quirk" in the module that has it.
//!
//! ```text
//! segmentation/raw_trip, _untracked, _place, _section, _stop    background/filtered_location    analysis/smoothing
//!        │                                                             │                             │
//! 1  window ──────────────────────────────────────────────────────── points ── anchors          smoothing
//! read   │   trips, places, sections and stops of the run          as numbers  at the places    deleted points
//!        └──────────────────────────────┬──────────────────────────────┴─────────────────────────────┘
//!                                    inputs
//!                                       │
//! 2                                 journeys     each trip by itself; `None`: it was no trip
//! clean                                 │
//!        section   drawn to its places (ends), at even times (resample), how it was travelled (mode)
//!        stop      between two sections; a long one is given to one of them
//!        trip      sections and stops together
//!                                       │
//! 3      open      the place at which the last run ended
//! link   chain     place, trip, place, …: what was no trip joins the places around it
//!        moved     a trip that begins a little off its place begins there
//!                                       │
//! 4      write     ids first, since places and trips name each other, then content, then links
//! write  entries   what each entry says
//!        alone, phone_point     points that keep what the phone said
//!                                       │
//! analysis/cleaned_trip, _untracked, _place, _section, _stop, analysis/recreated_location
//! ```
//!
//! A file uses only files of its own step or of an earlier one, so the files can be read in this order.
//!
//! * Units: seconds, metres, degrees. The window is on `data.start_ts` of trips and sections, `data.enter_ts` of places
//!   and stops and `data.ts` of points, closed at both ends. The mark is the arrival at the last raw place, but never
//!   one from which a trip of the window would be read again: an old fix leaves trips that end before they begin.
//! * Memory: about 100 bytes for each point of the window and 100 bytes for each point made. A back-log that would make
//!   more than some 20,000 points, or that has more than [`ROWS_A_RUN`] readings, is cut after a trip, and the run asks
//!   to be run again.
//! * Not here: names of places (no network), and the inference of how a section was really travelled.

// Used by every step.
mod fix;
mod mode;
mod points;

// 1. Read.
mod anchors;
mod inputs;
mod smoothing;
mod window;

// 2. Clean each trip.
mod ends;
mod journeys;
mod resample;
mod section;
mod stop;
mod trip;

// 3. Link trips and places.
mod chain;
mod moved;
mod open;

// 4. Write.
mod alone;
mod entries;
mod phone_point;
mod write;

use cells_locations::ROWS_A_RUN;
use cells_sdk::{Log, Outcome, ReadEntries, Run, RunError, WriteEntries, warn_count};

use chain::Chain;
use inputs::Inputs;
pub use inputs::Share;
use journeys::Journeys;
use open::OpenPlace;
use write::Sources;

/// A run that makes about this many points ends, so that its memory and writes stay small.
const POINTS_A_RUN: f64 = 20_000.0;
/// The state of a run that is to continue with a window.
const GOES_ON: &[u8] = b"goes on";

/// One run of the stage.
pub fn run<R: ReadEntries + WriteEntries + Log>(runtime: &mut R, run: &Run) -> Result<Outcome, RunError> {
    run_over(runtime, run, Share { points_max: POINTS_A_RUN, rows_max: ROWS_A_RUN })
}

/// As [`run`], with another share.
pub fn run_over<R: ReadEntries + WriteEntries + Log>(
    runtime: &mut R,
    run: &Run,
    share: Share,
) -> Result<Outcome, RunError> {
    let (inputs, journeys) = read_and_clean(runtime, run, share)?;
    report(runtime, run, &inputs, journeys.too_long)?;
    let more = inputs.window.is_cut();
    let state = if more { GOES_ON.to_vec() } else { Vec::new() };
    let outcome = Outcome { processed_through: inputs.window.mark(), state, more };
    if inputs.window.first_place().is_some() {
        link_and_write(runtime, run, &inputs, journeys)?;
    }
    Ok(outcome)
}

/// Steps 1 and 2: the window, or the part of a back-log that one run processes.
fn read_and_clean<R: ReadEntries>(
    runtime: &mut R,
    run: &Run,
    mut share: Share,
) -> Result<(Inputs, Journeys), RunError> {
    loop {
        let mut inputs = Inputs::read(runtime, run, share)?;
        let mut journeys = Journeys::clean(&inputs)?;
        if !inputs.window.is_cut() || journeys.cut(&mut inputs.window) {
            return Ok((inputs, journeys));
        }
        // Nothing in it could be decided without later entries.
        share = share.larger();
    }
}

/// Steps 3 and 4.
fn link_and_write<R: ReadEntries + WriteEntries>(
    runtime: &mut R,
    run: &Run,
    inputs: &Inputs,
    Journeys { mut outcomes, .. }: Journeys,
) -> Result<(), RunError> {
    let alone = alone::settle(runtime, run, inputs, &mut outcomes)?;
    let open = OpenPlace::find(runtime)?;
    let chain = Chain::link(&inputs.window, outcomes, open.as_ref().map(OpenPlace::stay))?;
    match chain {
        Some(chain) => write::write(runtime, run, Sources { inputs, alone: &alone }, &chain, open),
        None => Ok(()),
    }
}

/// Logs for the owner what did not count, and why; no places.
fn report<R: ReadEntries + Log>(
    runtime: &mut R,
    run: &Run,
    Inputs { window, points, .. }: &Inputs,
    too_long: usize,
) -> Result<(), RunError> {
    let passed_over = if run.state == GOES_ON { 0 } else { window::passed_over(runtime, run)? };
    warn_count(runtime, window.unreadable, "entries of the raw diary cannot be read: passed over");
    warn_count(runtime, points.unplaced, "points have no time or no place: passed over");
    warn_count(runtime, too_long, "trips last longer than three weeks: left out");
    warn_count(
        runtime,
        passed_over,
        "trips or spans begin before the mark of earlier runs: they are left out of the diary",
    );
    Ok(())
}

cells_sdk::export_stage!(run);
