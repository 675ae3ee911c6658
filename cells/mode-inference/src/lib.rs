//! Infers how a section was travelled: the stage `MODE_INFERENCE`.
//!
//! Reads `analysis/cleaned_section`, whose mode is the one that the phone sensed, and writes for each an
//! `inference/prediction` and an `analysis/inferred_section`: the same section with the mode that its speed and the
//! stops near its ends suggest. The rules are in [`rules`]; the stops come from a [`transit::StopSource`], which here
//! is the person's own extract ([`transit::extract`]) and empty by default.
//!
//! * Units: seconds, metres, m/s, degrees. The window is on `data.end_ts`, closed at both ends.
//! * Memory: a page of sections, about 32 KiB of output, and 16 tiles of the extract.
//! * Not here: any call to a network; where a section begins and ends.

mod output;
pub mod rules;
pub mod section;
pub mod transit;

use std::ops::ControlFlow;

use cells_sdk::model::inference::PredictedMode;
use cells_sdk::{
    Documents, Log, Outcome, Output, ReadEntries, Run, RunError, TimeField, WriteEntries, walk_entries,
    warn_count,
};

use output::add;
use rules::{Unpredictable, predict};
use section::Wire;
use transit::extract::Extract;

const CLEANED: &str = "analysis/cleaned_section";

/// One run of the stage.
pub fn run<R: ReadEntries + WriteEntries + Documents + Log>(
    runtime: &mut R,
    run: &Run,
) -> Result<Outcome, RunError> {
    let ended = run.window(&[CLEANED], TimeField::EndTs);
    let (mut output, mut extract) = (Output::new(run), Extract::new());
    let (mut last, mut more, mut doubts) = (None, false, Doubts::default());
    walk_entries(runtime, &ended, |runtime, entry| {
        if output.may_end_before(last, entry.time) {
            more = true;
            return Ok(ControlFlow::Break(()));
        }
        last = Some(entry.time);
        let Ok(wire) = serde_json::from_str::<Wire<'_>>(entry.data) else {
            doubts.unread += 1;
            return Ok(ControlFlow::Continue(()));
        };
        let mode = predict(&wire.section(), &mut extract.of(runtime)).unwrap_or_else(|why| {
            doubts.add(&why);
            PredictedMode::Unknown
        });
        add(&mut output, runtime, &entry, &wire, mode)?;
        Ok(ControlFlow::Continue(()))
    })?;
    output.finish(runtime)?;
    doubts.tell(runtime);
    Ok(Outcome { processed_through: last, state: Vec::new(), more })
}

/// The messages for the owner; no places.
#[derive(Default)]
struct Doubts {
    unread: usize,
    unknown: usize,
    why: String,
}

impl Doubts {
    fn add(&mut self, why: &Unpredictable) {
        if self.unknown == 0 {
            self.why = why.to_string();
        }
        self.unknown += 1;
    }

    fn tell<R: Log>(&self, runtime: &mut R) {
        let Self { unread, unknown, why } = self;
        warn_count(runtime, *unread, "sections cannot be read: passed over");
        warn_count(runtime, *unknown, &format!("sections have an unknown mode, the first because {why}"));
    }
}

cells_sdk::export_stage!(run);
