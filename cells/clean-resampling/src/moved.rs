//! Moves the start of a trip to the cleaned place before it.
//!
//! Where short trips and spans were joined into a place, the next trip begins a little away from it. Up to 100 m, the
//! trip begins at the place instead, half a minute earlier.
//!
//! * Quirk: the time is always 30 s, whatever the distance.
//! * Quirk: the new first point has all members of the phone's point at the place, and the first section's corrected
//!   mode, which its other points do not have; it has no number.
//! * Quirk: the trip's point at the old start gets the new distance and speed, but keeps its heading. If another
//!   section has a point of that moment and the first has none, that point is used.
//! * Not as the reference: its own checks of lengths and speeds, which fail for the person where a section was also
//!   given a stop, are not made.

use cells_geometry::distance;
use cells_sdk::RunError;
use cells_sdk::model::Point;
use cells_sdk::model::time::Zone;

use crate::fix::Fix;
use crate::points::position;
use crate::section::{Cleaned, Path};
use crate::trip::CleanedTrip;

/// A start further away is not moved, m.
const MOVED_MAX_M: f64 = 100.0;
/// The duration of the way from the place to the old start, s.
const MOVED_S: f64 = 30.0;

/// The data from which the run still has to write the point at the place.
#[derive(Debug, Clone, PartialEq)]
pub struct Moved {
    /// The moment of the phone's point at the place, s; `None` where it is unknown.
    pub point_ts: Option<f64>,
    /// The place itself.
    pub location: Point,
    /// The section that now begins there, by its number in the trip.
    pub section: usize,
}

/// Moves the start of a trip, or of a span without readings, to a place; `point_ts`: the moment of the phone's point
/// there, s, if it is known. `None`: it was too far, or there is no section that a point could belong to.
pub fn move_start(
    trip: &mut CleanedTrip,
    location: Point,
    point_ts: Option<f64>,
) -> Result<Option<Moved>, RunError> {
    let metres = distance(position(trip.start.loc), position(location));
    if metres > MOVED_MAX_M {
        return Ok(None);
    }
    let old_ts = trip.start.ts;
    let zone = Zone::find(&trip.start.local_dt.timezone).unwrap_or_else(|_| Zone::server().clone());
    let start = Fix::at(old_ts - MOVED_S, &zone, location)?;
    trip.start = start.clone();
    trip.distance += metres;
    trip.duration += MOVED_S;
    let earliest = |a: &usize, b: &usize| {
        let ts = |number: &usize| trip.sections[*number].start.ts;
        ts(a).total_cmp(&ts(b))
    };
    let Some(number) = trip.kept_sections.iter().copied().min_by(earliest) else { return Ok(None) };
    let section = &mut trip.sections[number];
    section.start = start;
    section.distance += metres;
    section.duration += MOVED_S;
    let speed = metres / MOVED_S;
    for (list, number) in [(&mut section.distances, metres), (&mut section.speeds, speed)] {
        list.insert(list.len().min(1), number);
    }
    change_old_start(&mut trip.sections, old_ts, metres, speed);
    Ok(Some(Moved { point_ts, location, section: number }))
}

fn change_old_start(sections: &mut [Cleaned], ts: f64, metres: f64, speed: f64) {
    for section in sections {
        match &mut section.path {
            Path::Steps(steps) => {
                if let Some(step) = steps.iter_mut().find(|step| step.ts == ts) {
                    (step.distance, step.speed) = (metres, speed);
                    return;
                }
            }
            Path::Alone(alone) if alone.ts == ts => {
                (alone.distance, alone.speed) = (metres, speed);
                return;
            }
            Path::Alone(_) => {}
        }
    }
}
