//! The stages of the standard list, compiled natively and called directly: what the sandbox costs is measured
//! against them. Nothing that serves a person uses this.
//!
//! A stage is generic over the runtime that it reaches, so the same source runs here over [`Direct`], which hands
//! every call straight to what the sandbox would have called.

mod direct;

pub use cells_sdk::{Outcome, Run, RunError};

pub use direct::Direct;

/// One run of a stage.
pub type Stage = fn(&mut Direct, &Run) -> Result<Outcome, RunError>;

/// The stage of that name in the standard list; `None` where there is none.
pub fn stage(name: &str) -> Option<Stage> {
    Some(match name {
        "USERCACHE" => cells_usercache_to_timeseries::run,
        "USER_INPUT_MATCH_INCOMING" => cells_user_input_matching::run,
        "ACCURACY_FILTERING" => cells_accuracy_filter::run,
        "TRIP_SEGMENTATION" => cells_trip_segmentation::run,
        "SECTION_SEGMENTATION" => cells_section_segmentation::run,
        "JUMP_SMOOTHING" => cells_jump_smoothing::run,
        "CLEAN_RESAMPLING" => cells_clean_resampling::run,
        "MODE_INFERENCE" => cells_mode_inference::run,
        "LABEL_INFERENCE" => cells_label_inference::run,
        "EXPECTATION_POPULATION" => cells_expectation::run,
        "CREATE_CONFIRMED_OBJECTS" => cells_confirmed_objects::run,
        "CREATE_COMPOSITE_OBJECTS" => cells_composite_trips::run,
        "USER_STATS" => cells_user_stats::run,
        "TRIP_MODEL" => cells_trip_model::run,
        _ => return None,
    })
}
