//! The marks from which the stages continue.

use serde_json::{Value, json};

use crate::cut::Cut;

/// A window is closed at both ends, so the next double is the first moment that it leaves out.
fn behind(ts: f64) -> f64 {
    ts.next_up()
}

/// The outcome's state, as [`crate::run`] describes it.
pub fn to_json(moment: f64, cut: &Cut) -> Vec<u8> {
    let raw = |mark: fn(&crate::cut::RawCut) -> f64| cut.raw.as_ref().map(mark);
    let clean = |mark: fn(&crate::cut::CleanCut) -> f64| cut.clean.as_ref().map(mark);
    let by_trip_end = clean(|clean| behind(clean.end_ts.max(clean.through_ts)));
    let marks: Value = json!({
        // The filter skips locations that it has copied before.
        "ACCURACY_FILTERING": moment,
        "TRIP_SEGMENTATION": raw(|raw| raw.points_from_ts),
        "SECTION_SEGMENTATION": raw(|raw| behind(raw.before_ts)),
        "JUMP_SMOOTHING": raw(|raw| behind(raw.before_ts)),
        "CLEAN_RESAMPLING": clean(|clean| behind(clean.through_ts)),
        "MODE_INFERENCE": by_trip_end,
        "LABEL_INFERENCE": by_trip_end,
        "EXPECTATION_POPULATION": by_trip_end,
        "CREATE_CONFIRMED_OBJECTS": cut.confirmed.as_ref().map(|confirmed| confirmed.start_ts),
        // Trips that are confirmed again are composed again.
        "CREATE_COMPOSITE_OBJECTS": cut.confirmed.as_ref().map(|confirmed| confirmed.composed_from_ts),
    });
    json!({ "marks": marks }).to_string().into_bytes()
}
