//! Learns the labels that a person gives to trips: the stage `TRIP_MODEL`, the last one.
//!
//! Reads the labelled ones among `analysis/confirmed_trip` and stores the model built from them (`cells/similarity`) in
//! the document `model/trip`, where the next run's `LABEL_INFERENCE` finds it. The trips from which it was built are
//! stored in `model/trip-training`, so that a day's new labels do not require reading the years before.
//!
//! * A first model needs [`LABELLED_MIN`] labelled trips; later any number does.
//! * At most [`TRIPS_MAX`] trips, the last written, and no more than fit the two documents; see [`training`].
//! * The same trips give the same model: it is rebuilt each time, in the order in which trips were written. (The
//!   reference adds all trips once more to the bins of the model before, so that there each run makes it more certain.)
//! * The detection of changes is in [`notice`]. `run.start` is not used.
//! * Memory: the trips in training, some 300 bytes each, and the model.
//! * Not here: applying the model (`cells/label-inference`).
//!
//! Read `reading.rs` (a trip), then `training.rs` (the trips in training) and `notice.rs` (what is new), which do not
//! use each other.

pub mod notice;
pub mod reading;
pub mod training;

use cells_sdk::limits::DOCUMENT_BYTES_MAX;
use cells_sdk::{Documents, Level, Log, Outcome, ReadEntries, Run, RunError};
use cells_similarity::{MODEL_DOCUMENT, TripModel};

use notice::{News, Seen};
use training::{TRAINING_DOCUMENT, TRIPS_MAX, Training};

/// The number of labelled trips that a first model needs.
pub const LABELLED_MIN: usize = 14;

/// One run of the stage.
pub fn run<R: ReadEntries + Documents + Log>(runtime: &mut R, run: &Run) -> Result<Outcome, RunError> {
    let before = Seen::from_state(&run.state);
    let newest_before = before.as_ref().and_then(Seen::newest_end_ts);
    let seen = match before {
        Some(before) => learn_news(runtime, run.end, before)?,
        None => None,
    };
    let seen = match seen {
        Some(seen) => seen,
        None => learn_anew(runtime, run.end)?,
    };
    let newest = seen.newest_end_ts();
    let processed_through = newest.filter(|newest| newest_before != Some(*newest));
    Ok(Outcome { processed_through, state: seen.to_state(), more: false })
}

/// Adds what is new. Returns `None` where that is not enough, and everything has to be read again: older entries have
/// changed, the stored training cannot be read, or trips that were left out have to be added.
fn learn_news<R: ReadEntries + Documents + Log>(
    runtime: &mut R,
    end: f64,
    before: Seen,
) -> Result<Option<Seen>, RunError> {
    let Some(News { seen, trips }) = notice::since(runtime, end, before)? else { return Ok(None) };
    if trips.is_empty() {
        return Ok(Some(seen));
    }
    let kept = runtime.document(TRAINING_DOCUMENT)?;
    let Some(mut training) = kept.as_deref().and_then(Training::parse) else { return Ok(None) };
    let trips_before = training.len();
    if training.take_in(trips) {
        if training.has_left_out() && training.len() < trips_before {
            return Ok(None);
        }
        keep(runtime, training)?;
    }
    Ok(Some(seen))
}

fn learn_anew<R: ReadEntries + Documents + Log>(runtime: &mut R, end: f64) -> Result<Seen, RunError> {
    let seen = notice::all(runtime, end)?;
    let training = training::last_labelled(runtime, TRIPS_MAX)?;
    // Existing content need not be written, and a person without labels needs no documents.
    let kept = match runtime.document(TRAINING_DOCUMENT)? {
        Some(kept) => Training::parse(&kept),
        None => Some(Training::default()),
    };
    if kept.is_none_or(|kept| kept != training) {
        keep(runtime, training)?;
    }
    Ok(seen)
}

/// Stores the training, and the model if there should be one.
fn keep<R: Documents + Log>(runtime: &mut R, mut training: Training) -> Result<(), RunError> {
    let has_model = runtime
        .document(MODEL_DOCUMENT)?
        .is_some_and(|document| TripModel::parse(&document).is_ok_and(|model| !model.bins.is_empty()));
    let all = training.len();
    training.leave_out_all_but(TRIPS_MAX);
    let (training_text, model_text) = loop {
        let (training_text, model_text) = (training.to_document(), training.model().to_document());
        if training_text.len().max(model_text.len()) <= DOCUMENT_BYTES_MAX {
            break (training_text, model_text);
        }
        // Labels differ in length, so the number of trips that fit is found by trying.
        training.leave_out_all_but(training.len() - training.len().div_ceil(16));
    };
    let left_out = all - training.len();
    if left_out > 0 {
        runtime
            .log(Level::Info, &format!("{left_out} labelled trips, the oldest, are left out of the model"));
    }
    runtime.put_document(TRAINING_DOCUMENT, &training_text)?;
    // An owner who removes all labels, or deletes the trips, wants no model that contains them.
    if training.len() >= LABELLED_MIN || has_model {
        runtime.put_document(MODEL_DOCUMENT, &model_text)?;
    }
    Ok(())
}

cells_sdk::export_stage!(run);
