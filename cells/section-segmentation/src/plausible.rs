//! Whether a change is plausible for its kind.

use cells_sdk::model::background::MotionType;

use crate::motion::Change;
use crate::track::Track;

/// A faster movement is not walking, m/s.
pub const WALKING_M_S_MAX: f64 = 1.7;
/// A faster movement is not cycling, m/s.
const BICYCLING_M_S_MAX: f64 = 8.5;
/// A shorter ride is not by bicycle, s.
const BICYCLING_S_MIN: f64 = 60.0;
/// A shorter ride is not in a vehicle, s.
pub const MOTORISED_S_MIN: f64 = 300.0;

/// Whether that median speed, m/s, can be walking. Without any speed (NaN) it can.
pub fn is_walking_speed(median_m_s: f64) -> bool {
    !is_over(median_m_s, WALKING_M_S_MAX)
}

/// Whether duration and median speed of a change allow its kind.
pub fn is_plausible(change: &Change, track: &Track<'_>) -> bool {
    // Without points the median is 0, which is not too fast for any kind.
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
