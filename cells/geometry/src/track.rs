//! Steps from point to point along a track: distance, speed, heading.
//!
//! The first point of a track has no point before it: its three values are 0, and they count in medians and quantiles
//! of the track as any other, as in the reference.

use crate::exact::sin_cos;
use crate::longitude::radians_east;
use crate::{EARTH_RADIUS_M, Position, distance};

/// The step to each point of a track from the one before; as long as the track.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Steps {
    /// From the point before, m, by [`distance`].
    pub distances: Vec<f64>,
    /// From the point before, m/s, by [`speed`].
    pub speeds: Vec<f64>,
    /// From the point before, degrees, by [`heading`].
    pub headings: Vec<f64>,
}

/// Distances, speeds and headings of points in their order; `ts` in seconds. If the columns have unequal lengths, the
/// common part counts.
pub fn steps(ts: &[f64], positions: &[Position]) -> Steps {
    let count = ts.len().min(positions.len());
    let mut steps = Steps {
        distances: Vec::with_capacity(count),
        speeds: Vec::with_capacity(count),
        headings: Vec::with_capacity(count),
    };
    for index in 0..count {
        let (mut metres, mut metres_per_second, mut degrees) = (0.0, 0.0, 0.0);
        if let Some(before) = index.checked_sub(1) {
            metres = distance(positions[before], positions[index]);
            metres_per_second = over(metres, ts[index] - ts[before]);
            degrees = heading(positions[before], positions[index]);
        }
        steps.distances.push(metres);
        steps.speeds.push(metres_per_second);
        steps.headings.push(degrees);
    }
    steps
}

/// The speeds of [`steps`] alone.
pub fn speeds(ts: &[f64], positions: &[Position]) -> Vec<f64> {
    let pairs = ts.windows(2).zip(positions.windows(2));
    let pairwise = pairs.map(|(ts, positions)| speed(positions[0], positions[1], ts[1] - ts[0]));
    std::iter::once(0.0).chain(pairwise).take(ts.len().min(positions.len())).collect()
}

/// The speed on a straight way that took `seconds`, m/s. A way that took no time has the speed 0, however long it was:
/// phones do report two places for one moment.
pub fn speed(from: Position, to: Position, seconds: f64) -> f64 {
    over(distance(from, to), seconds)
}

/// As [`speed`], with a known distance.
pub fn over(metres: f64, seconds: f64) -> f64 {
    if seconds == 0.0 { 0.0 } else { metres / seconds }
}

/// Nearer points than this have their heading from exactly rounded sines, m: further apart a last bit of those
/// costs less than a billionth of it.
const NEAR_M: f64 = 20.0;

/// The direction in which the straight way to `to` begins, degrees clockwise from north, over -180 to 180.
pub fn heading(from: Position, to: Position) -> f64 {
    let (from_latitude, to_latitude) = (from.latitude.to_radians(), to.latitude.to_radians());
    let east = radians_east(from.longitude, to.longitude);
    let near = NEAR_M / EARTH_RADIUS_M;
    let is_near = (to_latitude - from_latitude).abs() < near && libm::cos(from_latitude) * east.abs() < near;
    let sin_cos = if is_near { sin_cos } else { |angle| (libm::sin(angle), libm::cos(angle)) };
    let [(from_sin, from_cos), (to_sin, to_cos), (east_sin, east_cos)] =
        [from_latitude, to_latitude, east].map(sin_cos);
    let y = east_sin * to_cos;
    let x = from_cos * to_sin - from_sin * to_cos * east_cos;
    libm::atan2(y, x).to_degrees()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(latitude: f64, longitude: f64) -> Position {
        Position { latitude, longitude }
    }

    #[test]
    fn a_heading_is_clockwise_from_north() {
        let here = at(0.0, 8.0);
        let headings = [at(1.0, 8.0), at(0.0, 9.0), at(0.0, 7.0), at(-1.0, 8.0)].map(|to| heading(here, to));
        assert_eq!(headings, [0.0, 90.0, -90.0, 180.0]);
        assert_eq!(heading(here, here), 0.0);
    }

    #[test]
    fn the_heading_of_a_few_millimetres_is_that_of_exactly_rounded_sines() {
        let to = |latitude, longitude| heading(at(47.11, 8.2), at(latitude, longitude));
        assert!((to(47.110000013, 8.200000021) / 47.711272961521004 - 1.0).abs() < 1e-12);
        let from = at(47.13, 8.2);
        assert!((heading(from, at(47.130000039, 8.200000021)) / 20.11957248055768 - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_speed_is_a_distance_over_a_time_and_0_where_no_time_passed() {
        let (from, to) = (at(47.0, 8.0), at(47.001, 8.0));
        assert_eq!(speed(from, to, 10.0), distance(from, to) / 10.0);
        assert_eq!(speed(from, to, 0.0), 0.0);
        assert!(speed(from, to, -10.0) < 0.0);
    }

    #[test]
    fn the_first_point_has_no_distance_speed_or_heading() {
        let (ts, positions) = ([5.0, 15.0, 15.0], [at(47.0, 8.0), at(47.001, 8.0), at(47.001, 8.001)]);
        let steps = steps(&ts, &positions);
        assert_eq!(steps.distances[0], 0.0);
        assert_eq!(steps.distances[1], distance(positions[0], positions[1]));
        assert_eq!(steps.speeds, [0.0, steps.distances[1] / 10.0, 0.0]);
        assert_eq!(steps.headings[0..2], [0.0, 0.0]);
        assert!((steps.headings[2] - 90.0).abs() < 1e-3);
    }

    proptest! {
        #[test]
        fn speeds_alone_are_those_of_the_steps(
            track in prop::collection::vec((0.0..1e4, -90.0..90.0, -180.0..180.0), 0..20),
        ) {
            let ts: Vec<f64> = track.iter().map(|point| point.0).collect();
            let positions: Vec<Position> = track.iter().map(|point| at(point.1, point.2)).collect();
            let steps = steps(&ts, &positions);
            prop_assert_eq!(&speeds(&ts, &positions), &steps.speeds);
            prop_assert!(steps.headings.iter().all(|heading| (-180.0..=180.0).contains(heading)));
            prop_assert_eq!(steps.distances.len(), track.len());
        }
    }
}
