//! The mode that a section's speed and surroundings suggest.

use cells_sdk::model::background::MotionType;
use cells_sdk::model::inference::PredictedMode;

use crate::section::Section;
use crate::transit::collapse::{Unsupported, collapse};
use crate::transit::matching::{LonelyStops, modes_in_common};
use crate::transit::{Bounds, SourceError, StopSource};

/// A faster movement for half of the time is not walking, m/s.
const WALKING_M_S_MAX: f64 = 1.7;
/// A stop within this of a section's end may be where it ended, m.
const STOP_RADIUS_M: f64 = 150.0;

/// Why a section's mode is unknown although a rule should have found it.
///
/// In the reference these are exceptions, each of which makes the mode unknown. One is different: a single kind of
/// route without a mode stops the whole stage there; here it is like the others.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unpredictable {
    /// The number is not among the known ones.
    #[error("the phone sensed an unknown mode")]
    Sensed,
    /// The section has no list of speeds.
    #[error("it has no speeds")]
    NoSpeeds,
    /// Distance or duration is missing, or the duration is 0.
    #[error("it has no overall speed")]
    NoOverallSpeed,
    /// The stops cannot be read.
    #[error("{0}")]
    Source(#[from] SourceError),
    /// Its ends have a kind of route in common for which there is no mode.
    #[error("{0}")]
    Unsupported(#[from] Unsupported),
}

/// The mode in which a section was probably travelled.
pub fn predict(section: &Section, stops: &mut dyn StopSource) -> Result<PredictedMode, Unpredictable> {
    match section.sensed.ok_or(Unpredictable::Sensed)? {
        MotionType::AirOrHsr => Ok(PredictedMode::AirOrHsr),
        MotionType::Unknown => unknown(section, stops),
        MotionType::InVehicle => Ok(transit(section, stops)?.unwrap_or(PredictedMode::Car)),
        _ if is_walking_speed(median_speed(section)?) => Ok(PredictedMode::Walking),
        _ => Ok(PredictedMode::Bicycling),
    }
}

/// Nothing was sensed: slow is walking, and a ride from stop to stop is transit.
fn unknown(section: &Section, stops: &mut dyn StopSource) -> Result<PredictedMode, Unpredictable> {
    let has_speeds = !section.speeds.as_ref().ok_or(Unpredictable::NoSpeeds)?.is_empty();
    if has_speeds && is_walking_speed(median_speed(section)?) {
        return Ok(PredictedMode::Walking);
    }
    let overall = match (section.distance_m, section.duration_s) {
        (Some(distance_m), Some(duration_s)) if duration_s != 0.0 => distance_m / duration_s,
        _ => return Err(Unpredictable::NoOverallSpeed),
    };
    if is_walking_speed(overall) {
        return Ok(PredictedMode::Walking);
    }
    Ok(transit(section, stops)?.unwrap_or(PredictedMode::Unknown))
}

/// The mode of transit between the stops near the section's ends.
fn transit(section: &Section, stops: &mut dyn StopSource) -> Result<Option<PredictedMode>, Unpredictable> {
    let start = stops.stops_within(&Bounds::around(section.start, STOP_RADIUS_M))?;
    let end = stops.stops_within(&Bounds::around(section.end, STOP_RADIUS_M))?;
    match modes_in_common(&start, &end, LonelyStops::AsInReference) {
        Some(modes) => Ok(collapse(&modes, || median_speed(section).unwrap_or(f64::NAN))?),
        None => Ok(None),
    }
}

fn median_speed(section: &Section) -> Result<f64, Unpredictable> {
    section.speeds.as_deref().map(cells_statistics::median).ok_or(Unpredictable::NoSpeeds)
}

/// A speed that is missing counts as walking, as in the reference.
fn is_walking_speed(speed_m_s: f64) -> bool {
    speed_m_s.is_nan() || speed_m_s <= WALKING_M_S_MAX
}

#[cfg(test)]
mod tests;
