//! Counts the person's diary: the stage `USER_STATS`.
//!
//! Sets three members of the person's profile: `pipeline_range` (from the beginning of the first composite trip to the
//! end of the last), `total_trips` (confirmed trips) and `labeled_trips` (those whose `user_input` is not empty).
//!
//! The reference counts all trips in every run. Here the cost of a run depends on what is new: the stage stores how
//! many trips of each day have labels ([`counts`]), reads the trips made since, counts again the days that the window's
//! inputs may be about, and counts everything again when its sum is not the number of existing trips.
//!
//! * Units: seconds; days of UTC. The window is on the `write_ts` of inputs, as that of the stage that sets labels, and
//!   so is the mark.
//! * Memory: one page; the state is at most 2 KB, however long the person's history is.
//! * Quirk: a confirmed trip without `user_input` counts as one with labels, as the reference's query has it.

pub mod counts;
mod profile;
mod read;

use cells_sdk::{Documents, Outcome, ReadEntries, Run, RunError};

use counts::{Counts, Day};
use read::{Bound, Inputs};

/// What one run leaves to the next.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
struct Remembered {
    counts: Counts,
    /// The start of the first composite trip, s.
    start_ts: Option<f64>,
    /// The end of the last composite trip, s.
    end_ts: Option<f64>,
}

/// One run of the stage.
pub fn run<R: ReadEntries + Documents>(runtime: &mut R, run: &Run) -> Result<Outcome, RunError> {
    let inputs = Inputs::read(runtime, run)?;
    let trips = read::trips_count(runtime)?;
    // An unreadable state counts as none. Where the clock was set back, new trips cannot be recognised.
    let can_tell = |last: &Remembered| last.counts.through_ts().is_none_or(|ts| ts < run.now);
    let last = serde_json::from_slice(&run.state).ok().filter(can_tell);
    let remembered = match last {
        Some(last) => go_on(runtime, last, &inputs, trips)?,
        None => None,
    };
    let remembered = match remembered {
        Some(remembered) => remembered,
        None => from_scratch(runtime)?,
    };
    profile::update(runtime, &remembered)?;
    let state = serde_json::to_vec(&remembered).expect("numbers and lists of them");
    Ok(Outcome { processed_through: inputs.last_write_ts, state, more: false })
}

/// Adds what is new; `None` where that does not explain the number of trips.
fn go_on<R: ReadEntries>(
    runtime: &mut R,
    last: Remembered,
    inputs: &Inputs,
    trips: u64,
) -> Result<Option<Remembered>, RunError> {
    let Remembered { mut counts, start_ts, end_ts } = last;
    let new_from = read::new_trips(runtime, &mut counts)?;
    let mut nothing_removed = counts.trips() == trips;
    for days in inputs.days(&counts) {
        read::recount(runtime, &mut counts, days)?;
    }
    nothing_removed &= counts.trips() == trips;
    if counts.trips() != trips {
        // Where trips were undone and recomputed, the removed ones are after the first new one.
        let Some(from) = new_from.filter(|day| counts.has_single(*day)) else { return Ok(None) };
        read::recount(runtime, &mut counts, from..=Day::MAX)?;
    }
    if counts.trips() != trips {
        return Ok(None);
    }
    let bound = |known| if nothing_removed { Bound::Beyond(known) } else { Bound::Any };
    let start_ts = read::first_start(runtime, bound(start_ts))?;
    let end_ts = read::last_end(runtime, bound(end_ts))?;
    Ok(Some(Remembered { counts, start_ts, end_ts }))
}

fn from_scratch<R: ReadEntries>(runtime: &mut R) -> Result<Remembered, RunError> {
    let mut counts = Counts::default();
    read::recount(runtime, &mut counts, Day::MIN..=Day::MAX)?;
    let start_ts = read::first_start(runtime, Bound::Any)?;
    let end_ts = read::last_end(runtime, Bound::Any)?;
    Ok(Remembered { counts, start_ts, end_ts })
}

cells_sdk::export_stage!(run);
