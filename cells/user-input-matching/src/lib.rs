//! Adds labels and forms that arrive later to existing trips and places: the stage `USER_INPUT_MATCH_INCOMING`.
//!
//! People answer after the trip was shown to them, so as a rule their inputs arrive a run later than the trip. This
//! stage runs early, over the inputs that were written since its last run: each is added to the confirmed trip or place
//! that it belongs to (the rule is that of `cells/user-inputs`), and from there to the composite trip that the diary
//! shows. An input whose trip does not exist yet is skipped; `cells/confirmed-objects` finds it when it makes the trip.
//!
//! * Units: seconds. The window is on `metadata.write_ts` of the inputs, closed at both ends.
//! * Running again over the same window changes nothing.
//! * Memory: at most 256 inputs at a time, and the trips and places of the days around them.
//! * Not here: what labels mean.

mod changes;
mod confirmed;
mod window;

use cells_sdk::{Log, Outcome, Output, ReadEntries, Run, RunError, WriteEntries, warn_count};

use changes::Changes;
use confirmed::{Around, Owner};
use window::Window;

/// One run of the stage.
pub fn run<R: ReadEntries + WriteEntries + Log>(runtime: &mut R, run: &Run) -> Result<Outcome, RunError> {
    let window = Window::read(runtime, run)?;
    warn_count(runtime, window.bad, "labels or forms cannot be read: passed over");
    let Some(last) = window.last else { return Ok(Outcome::default()) };
    let begins = |places: bool| -> Vec<f64> {
        let about = window.inputs.iter().filter(|input| input.kind.is_about_a_place() == places);
        about.map(|input| input.start_ts).collect()
    };
    let trips = Around::read(runtime, false, &begins(false))?;
    let places = Around::read(runtime, true, &begins(true))?;
    let (mut changes, mut unmeasured, mut odd) = (Changes::default(), 0, 0);
    for input in &window.inputs {
        let around = if input.kind.is_about_a_place() { &places } else { &trips };
        match around.owner(runtime, input)? {
            Owner::Found(at) => odd += usize::from(changes.take_in(around.get(at), input).is_err()),
            Owner::Nobody => {}
            Owner::Unmeasured => unmeasured += 1,
        }
    }
    warn_count(runtime, unmeasured, "inputs end too late for a place without a duration: passed over");
    warn_count(runtime, odd, "inputs belong to entries that cannot take them in: passed over");
    let mut output = Output::new(run);
    changes.write(runtime, &mut output)?;
    output.finish(runtime)?;
    let state = if window.more { last.to_state() } else { Vec::new() };
    Ok(Outcome { processed_through: Some(last.write_ts), state, more: window.more })
}

cells_sdk::export_stage!(run);
