//! Adds artificial points in the gaps of a track that was sampled by distance.
//!
//! A phone that sends a fix at regular distances is silent while its owner stands still, and the step after such a
//! silence looks slow although it may be a jump. So a gap whose ends are close together is filled with a point a
//! minute, scattered around its end.

use std::f64::consts::TAU;

use cells_geometry::Position;

use crate::lots::Lots;
use crate::order::rising;
use crate::points::Points;

/// Longer silences are gaps, and the points in them are this far apart, s.
const GAP_S: f64 = 60.0;
/// How far apart the ends of a gap may be, and how far around its end the points are scattered, m.
const SAME_PLACE_M: f64 = 100.0;
/// Of a degree of latitude, as the reference rounds it, m.
const DEGREE_M: f64 = 111_111.0;

/// The points with those that fill their gaps, in the order of their times. Each gap draws two random numbers for each
/// point: first all distances, then all directions.
pub fn fill(points: Points, lots: &mut Lots) -> Points {
    let gaps: Vec<usize> =
        (1..points.len()).filter(|end| points.ts[*end] - points.ts[*end - 1] > GAP_S).collect();
    if gaps.is_empty() {
        return points;
    }
    let mut filled = points.clone();
    for end in gaps.into_iter().filter(|end| points.distance(*end - 1, *end) <= SAME_PLACE_M) {
        let times = times(points.ts[end - 1], points.ts[end]);
        let metres: Vec<f64> = times.iter().map(|_| lots.between(0.0, SAME_PLACE_M)).collect();
        for (ts, metres) in times.into_iter().zip(metres) {
            filled.push(ts, beside(points.positions[end], metres, lots.between(0.0, TAU)), None);
        }
    }
    filled.in_order(&rising(&filled.ts))
}

/// The moments between two fixes, in the arithmetic of NumPy's `arange`: every one is computed from the first, in steps
/// of the computed difference, including its rounding.
fn times(start: f64, end: f64) -> Vec<f64> {
    let first = start + GAP_S;
    let step = (first + GAP_S) - first;
    let count = ((end - first) / GAP_S).ceil();
    (0..).map(f64::from).take_while(|index| *index < count).map(|index| first + index * step).collect()
}

/// Quirk: the reference takes the cosine of the latitude's degrees as if they were radians, so points are
/// scattered too far or not far enough to the east and west; where it is near 0, around the Earth.
fn beside(place: Position, metres: f64, direction: f64) -> Position {
    let shrink = libm::cos(place.latitude);
    Position {
        latitude: place.latitude + metres * (libm::sin(direction) / DEGREE_M),
        longitude: place.longitude + metres * (libm::cos(direction) / shrink / DEGREE_M),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track(times: &[f64], latitudes: &[f64]) -> Points {
        let mut points = Points::default();
        for (row, (ts, latitude)) in times.iter().zip(latitudes).enumerate() {
            points.push(*ts, Position { latitude: *latitude, longitude: 8.0 }, Some(row));
        }
        points
    }

    #[test]
    fn a_gap_over_a_minute_gets_a_point_a_minute_around_its_end() {
        let mut lots = Lots::behind(0);
        let filled = fill(track(&[0.0, 200.0, 260.0], &[47.0, 47.0005, 47.0005]), &mut lots);
        assert_eq!(filled.ts, [0.0, 60.0, 120.0, 180.0, 200.0, 260.0]);
        assert_eq!(filled.rows, [Some(0), None, None, None, Some(1), Some(2)]);
        for made_up in 1..4 {
            assert!((filled.positions[made_up].latitude - 47.0005).abs() < 0.00091);
        }
        assert_eq!(lots.drawn(), 6);
    }

    #[test]
    fn a_gap_takes_all_distances_before_all_directions() {
        let mut lots = Lots::behind(0);
        let filled = fill(track(&[0.0, 170.0], &[0.0, 0.0]), &mut lots);
        let mut same = Lots::behind(0);
        let metres = [same.between(0.0, 100.0), same.between(0.0, 100.0)];
        let place = |metres, direction| beside(Position { latitude: 0.0, longitude: 8.0 }, metres, direction);
        let wanted = metres.map(|metres| place(metres, same.between(0.0, TAU)));
        assert_eq!(filled.positions[1..3], wanted);
    }

    // Row: "Points are made up in an iPhone's silences"
    #[test]
    fn points_are_scattered_east_and_west_by_the_cosine_of_the_degrees_taken_as_radians() {
        let east = beside(Position { latitude: 47.0, longitude: 8.0 }, 100.0, 0.0);
        assert_eq!(east.longitude, 8.0 + 100.0 / libm::cos(47.0) / DEGREE_M);
        assert!(east.longitude < 8.0, "the cosine of 47 radians is negative");
    }

    #[test]
    fn a_gap_whose_ends_are_over_100_m_apart_stays_empty_and_draws_no_random_number() {
        let mut lots = Lots::behind(0);
        let points = track(&[0.0, 200.0], &[47.0, 47.001]);
        assert_eq!(fill(points.clone(), &mut lots), points);
        assert_eq!(lots.drawn(), 0);
    }

    #[test]
    fn a_minute_without_points_is_not_a_gap() {
        let points = track(&[0.0, 60.0], &[47.0, 47.0]);
        assert_eq!(fill(points.clone(), &mut Lots::behind(0)), points);
    }

    #[test]
    fn the_times_between_two_fixes_end_before_the_second() {
        assert_eq!(times(0.5, 180.5), [60.5, 120.5]);
        assert_eq!(times(0.5, 180.75), [60.5, 120.5, 180.5]);
        assert_eq!(times(0.5, 60.75), [60.5]);
    }

    // Row: "No point in the window, no `filter`"
    #[test]
    fn a_gap_that_only_rounding_makes_longer_than_a_minute_stays_empty() {
        // A minute behind the first is the second, and yet they are more than 60 s apart.
        let start = 219.459_696_930_733_32;
        let end = start + GAP_S;
        assert!(end - start > GAP_S);
        let points = track(&[start, end], &[47.0, 47.0]);
        let mut lots = Lots::behind(0);
        assert_eq!((fill(points.clone(), &mut lots), lots.drawn()), (points, 0));
    }
}
