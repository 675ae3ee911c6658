//! Removes the results of the analysis from a moment on, so that the stages recompute them.
//!
//! Raw entries arrive late, are deleted by their owner, or a reset is requested: all results from raw entries from
//! `run.start` on may be wrong. The earlier results are a chain (place, trip, place, …) that is still valid; this cell
//! finds the last link that cannot depend on anything later, removes what comes after it, opens the place at its end,
//! and returns the mark from which each stage continues. A run of the stages from those marks gives the same as one run
//! over everything.
//!
//! * The chain of raw trips is cut before the last trip that began before the moment: a trip's end is found by points
//!   that come no later than the beginning of the next one.
//! * The chain of cleaned trips is cut after the last cleaned trip before that: whether a span without readings is kept
//!   depends on the cleaned trip after it.
//! * The chain of confirmed trips is cut before that same trip: the place at its end shows what was joined to it.
//! * A chain need not rise in time: an old fix, or a second phone, leaves trips that lead back. It is cut only where
//!   everything before the cut in time is before it in the chain. The cleaned chain follows the beginnings of trips and
//!   spans, so it is cut only after a trip during which no other begins.
//! * Where there is no such trip, everything is removed.
//! * Memory: ids of removed entries; texts are read a page at a time.
//! * Not here: raw entries, labels and forms of the person, which only their owner removes; the model of the person's
//!   trips, which its own stage maintains.
//!
//! Read `chain.rs` (the links), `order.rs` (where time and chain agree), `cut.rs` (where the chains are cut), then the
//! three files that act on a cut: `remove.rs`, `reopen.rs` and `marks.rs`.

mod chain;
mod cut;
mod marks;
mod order;
mod remove;
mod reopen;

use cells_sdk::{Outcome, Output, ReadEntries, Run, RunError, WriteEntries};

use cut::Cut;

/// Removes every result that may depend on raw entries from `run.start` on. The outcome's state is
/// `{"marks":{"TRIP_SEGMENTATION":1466436483.4,…}}`: the mark from which each stage continues, `null` for the very
/// beginning.
pub fn run<R: ReadEntries + WriteEntries>(runtime: &mut R, run: &Run) -> Result<Outcome, RunError> {
    let no_moment =
        || RunError::Other("the run has no `start`, the moment from which results are removed".to_owned());
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
