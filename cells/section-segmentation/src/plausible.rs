//! Whether a change looks like its kind at all.

use cells_sdk::model::background::MotionType;

use crate::motion::Change;
use crate::track::Track;

/// Nobody walks faster, m/s.
pub const WALKING_M_S_MAX: f64 = 1.7;
/// Nobody rides a bicycle faster, m/s.
const BICYCLING_M_S_MAX: f64 = 8.5;
/// Nobody takes a bicycle for less, s.
const BICYCLING_S_MIN: f64 = 60.0;
/// Nobody takes a vehicle for less, s.
pub const MOTORISED_S_MIN: f64 = 300.0;

/// Whether somebody may walk at that median speed, m/s. Without any speed (NaN) they may.
pub fn is_walking_speed(median_m_s: f64) -> bool {
    !is_over(median_m_s, WALKING_M_S_MAX)
}

/// Whether duration and median speed of a change allow its kind.
pub fn is_plausible(change: &Change, track: &Track<'_>) -> bool {
    // Without points the median is 0, which is too fast for nobody.
    let median = || track.median_speed(track.during(change));
    match change.kind() {
        MotionType::InVehicle => change.seconds() >= MOTORISED_S_MIN,
        MotionType::Bicycling => change.seconds() >= BICYCLING_S_MIN && !is_over(median(), BICYCLING_M_S_MAX),
        _ => is_walking_speed(median()),
    }
}

/// False for NaN.
fn is_over(value: f64, limit: f64) -> bool {
    value > limit
}
