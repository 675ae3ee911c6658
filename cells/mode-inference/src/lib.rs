//! Says how a section was travelled: the stage `MODE_INFERENCE`.
//!
//! Reads `analysis/cleaned_section`, whose mode is what the phone sensed, and writes for each an
//! `inference/prediction` and an `analysis/inferred_section`: the same section with the mode that its speed and the
//! stops near its ends suggest. The rules are in [`rules`]; which stops there are is asked of a
//! [`transit::StopSource`], which here is the person's own extract ([`transit::extract`]) and empty by default.
//!
//! * Units: seconds, metres, m/s, degrees. The window is on `data.end_ts`, closed at both ends.
//! * Memory: a page of sections, 1 MiB of what is written, and 16 tiles of the extract.
//! * Not here: any call to a network; where a section begins and ends.

mod output;
pub mod rules;
pub mod section;
pub mod transit;

use cells_locations::{ReadError, for_each_entry};
use cells_sdk::model::EntryId;
use cells_sdk::model::inference::PredictedMode;
use cells_sdk::model::time::BadTime;
use cells_sdk::{Documents, Failure, Level, Log, Outcome, Query, ReadEntries, Run, TimeField, WriteEntries};

use output::Output;
use rules::{Unpredictable, predict};
use section::Wire;
use transit::extract::Extract;

const CLEANED: &str = "analysis/cleaned_section";
/// The runtime starts the next run this much behind the mark, s.
const RUN_GAP_S: f64 = 5.0;

/// Why a run was given up; nothing of it is kept.
#[derive(Debug, thiserror::Error)]
enum InferError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("cannot write sections")]
    Write(#[from] Failure),
    #[error("section {0} is no JSON object with a mode and a key")]
    Shape(EntryId),
    #[error("the moment of the run has no local time")]
    Now(#[from] BadTime),
}

/// How the walk over the window ends before its end.
enum Ended {
    Failed(InferError),
    /// Enough is written; another run goes on.
    Full,
}

impl<E: Into<InferError>> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// One run of the stage.
pub fn run<R: ReadEntries + WriteEntries + Documents + Log>(
    runtime: &mut R,
    run: &Run,
) -> Result<Outcome, String> {
    try_run(runtime, run).map_err(|error| {
        let causes = std::iter::successors(std::error::Error::source(&error), |cause| cause.source());
        causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
    })
}

fn try_run<R: ReadEntries + WriteEntries + Documents + Log>(
    runtime: &mut R,
    run: &Run,
) -> Result<Outcome, InferError> {
    let ended = Query::of(&[CLEANED], TimeField::EndTs).between(run.start, Some(run.end));
    let (mut output, mut extract) = (Output::new(run.now), Extract::new());
    let (mut last, mut doubts) = (None, Doubts::default());
    let walked = for_each_entry(runtime, &ended, |runtime, entry| {
        // A run may end only where no section is lost in the gap to the next one.
        if output.is_full() && last.is_some_and(|last| entry.time - last > RUN_GAP_S) {
            return Err(Ended::Full);
        }
        last = Some(entry.time);
        let Ok(wire) = serde_json::from_str::<Wire<'_>>(entry.data) else {
            doubts.unread += 1;
            return Ok(());
        };
        let mode = predict(&wire.section(), &mut extract.of(runtime)).unwrap_or_else(|why| {
            doubts.add(&why);
            PredictedMode::Unknown
        });
        output.add(&entry, &wire, mode)?;
        output.write_if_long(runtime)?;
        Ok(())
    });
    let more = match walked {
        Ok(()) => false,
        Err(Ended::Full) => true,
        Err(Ended::Failed(error)) => return Err(error),
    };
    output.write(runtime)?;
    doubts.tell(runtime);
    Ok(Outcome { processed_through: last, state: Vec::new(), more })
}

/// What the owner is told; no places.
#[derive(Default)]
struct Doubts {
    unread: u32,
    unknown: u32,
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
        if *unread > 0 {
            runtime.log(Level::Warn, &format!("{unread} sections cannot be read: passed over"));
        }
        if *unknown > 0 {
            runtime
                .log(Level::Warn, &format!("{unknown} sections have an unknown mode, the first since {why}"));
        }
    }
}

cells_sdk::export_stage!(run);
