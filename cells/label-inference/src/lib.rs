//! Guesses what a person would call a trip: the stage `LABEL_INFERENCE`.
//!
//! Reads `analysis/cleaned_trip` and applies the person's model of trips (`cells/similarity`), if there is one. Writes
//! `analysis/inferred_trip`, the same trip with its probable labels, and for each the guess separately:
//! `inference/labels` of the only algorithm, and `analysis/inferred_labels` of all algorithms together, which is the
//! same.
//!
//! * Units: seconds; probabilities 0 to 1. The window is on `data.end_ts`, closed at both ends.
//! * Memory: the model, a page of trips, and the trips of about 512 KiB of output.
//! * Not here: building the model (`cells/trip-model`).

mod guess;
mod output;

use std::ops::ControlFlow;

use cells_sdk::model::Point;
use cells_sdk::{
    Documents, Level, Log, Outcome, ReadEntries, Run, RunError, TimeField, WriteEntries, walk_entries,
    warn_count,
};
use cells_similarity::{Ends, MODEL_DOCUMENT, TripModel};
use serde::Deserialize;
use serde_json::value::RawValue;

use output::Guesses;

const CLEANED: &str = "analysis/cleaned_trip";

/// One run of the stage.
pub fn run<R: ReadEntries + WriteEntries + Documents + Log>(
    runtime: &mut R,
    run: &Run,
) -> Result<Outcome, RunError> {
    let ended = run.window(&[CLEANED], TimeField::EndTs);
    let mut output = Guesses::new(run);
    // Read at the first trip: most runs have none.
    let mut model: Option<Option<TripModel>> = None;
    let (mut last, mut unread, mut more) = (None, 0, false);
    walk_entries(runtime, &ended, |runtime, entry| {
        if output.may_end_before(last, entry.time) {
            more = true;
            return Ok(ControlFlow::Break(()));
        }
        if model.is_none() {
            model = Some(stored_model(runtime)?);
        }
        last = Some(entry.time);
        let added = match serde_json::from_str::<Trip<'_>>(entry.data) {
            Ok(trip) => {
                let model = model.as_ref().and_then(Option::as_ref);
                let labels = guess::labels(model, &Ends::of(trip.start_loc, trip.end_loc));
                output.add(runtime, &entry, &trip, &labels)?
            }
            Err(_) => false,
        };
        unread += usize::from(!added);
        Ok(ControlFlow::Continue(()))
    })?;
    output.finish(runtime)?;
    warn_count(runtime, unread, "trips cannot be read: passed over");
    Ok(Outcome { processed_through: last, state: Vec::new(), more })
}

/// The members of a trip that the stage reads.
#[derive(Deserialize)]
struct Trip<'a> {
    #[serde(borrow)]
    start_ts: &'a RawValue,
    #[serde(borrow)]
    end_ts: &'a RawValue,
    start_loc: Point,
    end_loc: Point,
}

/// The person's model. An unreadable one counts as none: its stage builds a new one.
fn stored_model<R: Documents + Log>(runtime: &mut R) -> Result<Option<TripModel>, RunError> {
    let document = runtime.document(MODEL_DOCUMENT);
    let document = document.map_err(|failure| RunError::document(MODEL_DOCUMENT, failure))?;
    let Some(document) = document else { return Ok(None) };
    match TripModel::parse(&document) {
        Ok(model) => Ok(Some(model)),
        Err(error) => {
            runtime.log(Level::Warn, &format!("no labels are guessed: {error}"));
            Ok(None)
        }
    }
}

cells_sdk::export_stage!(run);
