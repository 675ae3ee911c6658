//! Takes back what the analysis made of a person's data from a moment on, so that the stages make it anew.
//!
//! Raw entries arrive late, are deleted by their owner, or a reset is asked for: everything that was made of raw
//! entries from `run.start` on may be wrong. What was made before is a chain (place, trip, place, …) that still
//! stands; this cell finds the last link that cannot depend on anything later, removes what comes after it, opens the
//! place at its end, and says from which mark each stage goes on. A run of the stages from those marks gives what one
//! run over everything would have given.
//!
//! * The chain of raw trips is cut before the last trip that began before the moment: a trip's end is found by
//!   points that come no later than the beginning of the next one.
//! * The chain of cleaned trips is cut behind the last cleaned trip before that: whether a span without readings is
//!   kept depends on the cleaned trip behind it.
//! * The chain of confirmed trips is cut before that same trip: the place at its end shows what was joined to it.
//! * A chain need not rise in time: an old fix, or a second phone, leaves trips that lead back. It is cut only where
//!   everything before the cut in time is before it in the chain. The cleaned chain follows the beginnings of trips
//!   and spans, so it is cut only behind a trip during which no other begins.
//! * Where there is no such trip, everything is taken back.
//! * Memory: ids of what is removed; texts are read a page at a time.
//! * Not here: raw entries, labels and forms of the person, which nobody but their owner removes; the model of the
//!   person's trips, which its own stage keeps.

mod cut;
mod marks;
mod order;
mod remove;
mod reopen;

use cells_sdk::{Outcome, Output, ReadEntries, Run, RunError, WriteEntries};

use cut::Cut;

/// Takes back everything that may depend on raw entries from `run.start` on. The outcome's state is
/// `{"marks":{"TRIP_SEGMENTATION":1466436483.4,…}}`: where each stage goes on, `null` for the very beginning.
pub fn run<R: ReadEntries + WriteEntries>(runtime: &mut R, run: &Run) -> Result<Outcome, RunError> {
    let no_moment = || RunError::Other("no moment is given to go back to".to_owned());
    let moment = run.start.ok_or_else(no_moment)?;
    let cut = Cut::find(runtime, moment)?;
    remove::segmented(runtime, cut.raw.as_ref())?;
    remove::cleaned(runtime, cut.clean.as_ref())?;
    remove::confirmed(runtime, cut.confirmed.as_ref())?;
    let mut output = Output::new(run);
    if let Some(raw) = &cut.raw {
        reopen::raw_place(runtime, &mut output, raw)?;
        reopen::valid_points(runtime, &mut output, raw.points_from_ts)?;
    } else {
        reopen::valid_points(runtime, &mut output, f64::NEG_INFINITY)?;
    }
    if let Some(clean) = &cut.clean {
        reopen::cleaned_place(runtime, &mut output, clean)?;
    }
    if let Some(confirmed) = &cut.confirmed {
        reopen::confirmed_place(runtime, &mut output, confirmed)?;
    }
    output.finish(runtime)?;
    Ok(Outcome { processed_through: None, state: marks::to_json(moment, &cut), more: false })
}

cells_sdk::export_stage!(run);
