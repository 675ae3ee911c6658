//! The stop between two cleaned sections.
//!
//! Cleaning moves the ends of sections, and so those of a stop. A stop that is longer than 150 m is none: the section
//! with the worse data takes over the way.
//!
//! * Quirk: the section that takes over the way also gets the time, but with the wrong sign, in its duration and in its
//!   last speed.
//! * Quirk: its points stay unchanged, and so does the trip.
//! * Not as the reference: a stop without a duration is divided by zero there; here that speed is 0.

use cells_geometry::{distance, over};

use crate::fix::Fix;
use crate::mode::is_motorized;
use crate::points::{Points, position};
use crate::section::Cleaned;

/// A longer stop is given to a section, m.
const STOP_MAX_M: f64 = 150.0;

/// A cleaned stop.
#[derive(Debug, Clone, PartialEq)]
pub struct CleanedStop {
    /// Its number among the stops of the window.
    pub raw: usize,
    /// The end of the section before.
    pub enter: Fix,
    /// The start of the section after.
    pub exit: Fix,
    /// s
    pub duration: f64,
    /// m
    pub distance: f64,
    /// The section before, by its number in the trip.
    pub ending: usize,
    /// The section after, by its number in the trip.
    pub starting: usize,
}

/// Cleans the stop between two sections of a trip, which may change one of them; `device`: the carried one, if the stop
/// names it.
pub fn clean(
    raw: usize,
    sections: &mut [Cleaned],
    ending: usize,
    starting: usize,
    points: &Points,
    device: Option<&str>,
) -> CleanedStop {
    let (mut enter, mut exit) = (sections[ending].end.clone(), sections[starting].start.clone());
    let mut duration = exit.ts - enter.ts;
    let mut length = distance(position(exit.loc), position(enter.loc));
    if length > STOP_MAX_M {
        let metres = distance(position(enter.loc), position(exit.loc));
        let seconds = enter.ts - exit.ts;
        let taker = if goes_to_next(&sections[ending], &sections[starting], points, device) {
            exit = enter.clone();
            sections[starting].start = enter.clone();
            &mut sections[starting]
        } else {
            enter = exit.clone();
            sections[ending].end = exit.clone();
            &mut sections[ending]
        };
        taker.distance += metres;
        taker.duration += seconds;
        taker.distances.push(metres);
        taker.speeds.push(over(metres, seconds));
        (duration, length) = (0.0, 0.0);
    }
    CleanedStop { raw, enter, exit, duration, distance: length, ending, starting }
}

/// Whether the section after takes over the stop: of a section with an engine and one without, the one with; otherwise
/// the one with fewer points per metre, and if equal the one before.
fn goes_to_next(previous: &Cleaned, next: &Cleaned, points: &Points, device: Option<&str>) -> bool {
    let density = |section: &Cleaned| {
        points.within(device, section.start.ts, section.end.ts).len() as f64 / (section.distance + 1.0)
    };
    match (is_motorized(previous.mode), is_motorized(next.mode)) {
        (false, true) => true,
        (true, false) => false,
        _ => density(previous) > density(next),
    }
}

#[cfg(test)]
mod tests {
    use cells_sdk::model::Point;
    use cells_sdk::model::background::MotionType;
    use cells_sdk::model::time::Zone;

    use super::*;
    use crate::section::Path;

    /// A section from one moment and latitude to another.
    fn section(raw: usize, mode: MotionType, [start, end]: [(f64, f64); 2]) -> Cleaned {
        let fix = |(ts, latitude)| Fix::at(ts, Zone::server(), Point::at(8.0, latitude)).expect("sound");
        Cleaned {
            raw,
            start: fix(start),
            end: fix(end),
            duration: end.0 - start.0,
            mode,
            point_mode: mode,
            speeds: vec![0.0],
            distances: vec![0.0],
            distance: 0.0,
            path: Path::Steps(Vec::new()),
        }
    }

    // Row: "A stop without a duration, or a section of"
    #[test]
    fn a_long_stop_without_a_duration_beside_a_section_of_less_than_none_adds_a_speed_of_0() {
        // The car stands 1,112 m from where the walk ends, at the same moment.
        let walk = section(0, MotionType::OnFoot, [(1000.0, 47.0), (1100.0, 47.0)]);
        let drive = section(1, MotionType::InVehicle, [(1100.0, 47.01), (1099.0, 47.01)]);
        let mut sections = [walk, drive];
        let stop = clean(0, &mut sections, 0, 1, &Points::default(), None);
        assert_eq!((stop.duration, stop.distance), (0.0, 0.0));
        assert_eq!((sections[1].duration, &sections[1].speeds[..]), (-1.0, &[0.0, 0.0][..]));
        assert!((sections[1].distance - 1_112.0).abs() < 1.0, "{}", sections[1].distance);
    }
}
