//! Whether points stay in a place or go somewhere: a test for devices that may lie at home.

use cells_geometry::{Position, distance};

/// The radius of a stay, m.
pub const STAY_M: f64 = 100.0;
/// A device that stays has three of four points this near their middle, m; its fixes may be off by 50 m and more.
const SPREAD_M: f64 = 150.0;
/// With fewer points the spread has no meaning.
const SPREAD_POINTS: usize = 12;
/// With so few points the device went somewhere where the middles of the first half and the second are this far apart,
/// m.
const APART_M: f64 = 300.0;
/// After a stay, a device has left where points are this far from it, m.
const LEFT_M: f64 = 150.0;
/// This many points in a row must be that far: a single one may be a bad fix.
const LEFT_POINTS: usize = 3;
/// The number of first or last points of a stay that determine its place.
const FIRST_POINTS: usize = 5;
/// A device that stays this long has arrived, whether or not a trip was closed, s: longer than any method waits.
const ARRIVED_S: f64 = 900.0;

/// The middle of points: the median of each coordinate, which a few bad fixes do not move.
pub fn middle(positions: &[Position]) -> Option<Position> {
    let median = |of: fn(&Position) -> f64| {
        let mut sorted: Vec<f64> = positions.iter().map(of).collect();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len().checked_sub(1)? / 2).copied()
    };
    Some(Position {
        latitude: median(|position| position.latitude)?,
        longitude: median(|position| position.longitude)?,
    })
}

/// The distance from their middle within which three of four points lie, m; 0 without points.
pub fn spread_m(positions: &[Position]) -> f64 {
    let Some(middle) = middle(positions) else { return 0.0 };
    let mut distances: Vec<f64> = positions.iter().map(|position| distance(middle, *position)).collect();
    distances.sort_by(f64::total_cmp);
    distances[(distances.len() * 3 / 4).min(distances.len() - 1)]
}

/// Whether points go somewhere: they are not in one place, or they leave it in the end.
pub fn moves(positions: &[Position]) -> bool {
    let (first, second) = positions.split_at(positions.len() / 2);
    let spread = if positions.len() >= SPREAD_POINTS {
        spread_m(positions) >= SPREAD_M
    } else {
        middle(first).zip(middle(second)).is_some_and(|(first, second)| distance(first, second) >= APART_M)
    };
    spread || Tail::under_way(positions).moves_from.is_some()
}

/// How far a device went, m: steps shorter than a stay's radius are ignored as noise, until they add up.
pub fn length_m(positions: &[Position]) -> f64 {
    let Some(mut from) = positions.first() else { return 0.0 };
    let mut length = 0.0;
    for position in positions {
        let step = distance(*from, *position);
        if step >= STAY_M {
            length += step;
            from = position;
        }
    }
    length
}

/// What the points after a device's last trip show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tail {
    /// The first row at which the device may be on its way: a window that begins later might miss a start.
    pub leaves_at: Option<usize>,
    /// The same, once it is certain.
    pub moves_from: Option<usize>,
}

impl Tail {
    /// The tail of points at these times, which begin with a stay, even if a short one.
    pub fn of(ts: &[f64], positions: &[Position]) -> Self {
        if has_arrived(ts, positions) { Self::default() } else { Self::under_way(positions) }
    }

    fn under_way(positions: &[Position]) -> Self {
        let Some(stay) = middle(&positions[..positions.len().min(FIRST_POINTS)]) else {
            return Self::default();
        };
        let away: Vec<f64> = positions.iter().map(|position| distance(stay, *position)).collect();
        let last_near = |before: usize| away[..before].iter().rposition(|away| *away <= STAY_M);
        let left = away.windows(LEFT_POINTS).position(|points| points.iter().all(|away| *away > LEFT_M));
        if let Some(left) = left {
            // Without a stay before it, or after a short one, the way began with the first point.
            let from = if left <= 2 * FIRST_POINTS { 0 } else { last_near(left).unwrap_or(0) };
            return Self { leaves_at: Some(from), moves_from: Some(from) };
        }
        let lately = away.len().saturating_sub(LEFT_POINTS);
        let leaves = away[lately..].iter().any(|away| *away > STAY_M);
        let leaves_at = leaves.then(|| last_near(away.len()).map_or(0, |near| near.min(lately)));
        Self { leaves_at, moves_from: None }
    }
}

/// Whether the last points are of a stay that is long enough.
fn has_arrived(ts: &[f64], positions: &[Position]) -> bool {
    let (Some(last), Some(stay)) =
        (ts.last(), middle(&positions[positions.len().saturating_sub(FIRST_POINTS)..]))
    else {
        return false;
    };
    let left = positions.iter().rposition(|position| distance(stay, *position) > LEFT_M);
    ts.get(left.map_or(0, |left| left + 1)).is_some_and(|since| last - since >= ARRIVED_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points at these distances north of a place, m.
    fn north(metres: &[f64]) -> Vec<Position> {
        let at = |metres: &f64| Position { latitude: 47.0 + metres / 111_194.9, longitude: 8.5 };
        metres.iter().map(at).collect()
    }

    #[test]
    fn points_count_as_moving_if_they_are_not_in_one_place_or_leave_it_in_the_end() {
        let way = |points: u32| north(&(0..points).map(|step| f64::from(step) * 42.0).collect::<Vec<_>>());
        let here = [0.0, 40.0, 5_000.0, 30.0, 20.0, -60.0, 10.0, 0.0];
        assert!(!moves(&north(&here)) && !moves(&north(&here.repeat(4))), "bad fixes are no way");
        assert!(moves(&way(10)) && moves(&way(30)));
        let there_and_back: Vec<Position> = way(20).into_iter().chain(way(20).into_iter().rev()).collect();
        assert!(moves(&there_and_back));
        assert!(moves(&north(&[0.0, 900.0])) && !moves(&north(&[0.0, 136.0])));
        let left_after_hours = [&[0.0; 90][..], &[90.0, 170.0, 180.0, 200.0]].concat();
        assert!(moves(&north(&left_after_hours)));
        assert!(!moves(&[]) && !moves(&north(&[7.0])));
    }

    #[test]
    fn small_steps_back_and_forth_are_not_movement() {
        assert_eq!(length_m(&north(&[0.0, 60.0, -20.0, 50.0, 10.0])), 0.0);
        let way: Vec<f64> = (0..=30).map(|step| f64::from(step) * 30.0).collect();
        assert!((length_m(&north(&way)) - 840.0).abs() < 1.0, "{}", length_m(&north(&way)));
        assert_eq!(length_m(&[]), 0.0);
    }

    /// The tail of points at these distances north, m, at equal intervals.
    fn tail(every_s: f64, metres: &[f64]) -> Tail {
        let ts: Vec<f64> = (0..metres.len()).map(|row| row as f64 * every_s).collect();
        Tail::of(&ts, &north(metres))
    }

    #[test]
    fn a_tail_moves_from_the_last_point_of_its_stay() {
        let stay = [0.0, 10.0, -20.0, 15.0, 0.0, 30.0, -10.0, 5.0];
        assert_eq!(tail(30.0, &stay), Tail::default());
        let leaving = [&stay[..], &[160.0]].concat();
        assert_eq!(tail(30.0, &leaving), Tail { leaves_at: Some(6), moves_from: None });
        let gone = [&stay[..], &stay, &[90.0, 180.0, 270.0, 360.0]].concat();
        assert_eq!(tail(30.0, &gone), Tail { leaves_at: Some(16), moves_from: Some(16) });
        let one_bad_fix = [&stay[..], &[5_000.0], &stay[..]].concat();
        assert_eq!(tail(30.0, &one_bad_fix), Tail::default());
        let way: Vec<f64> = (0..12).map(|step| f64::from(step) * 42.0).collect();
        assert_eq!(tail(30.0, &way).moves_from, Some(0));
        assert_eq!(tail(30.0, &[]), Tail::default());
    }

    #[test]
    fn a_device_that_stayed_elsewhere_for_a_quarter_of_an_hour_is_not_moving() {
        let moved = [&[0.0; 12][..], &[900.0, 1_800.0], &[2_500.0; 10]].concat();
        assert!(tail(30.0, &moved).moves_from.is_some(), "five minutes may be a pause");
        assert_eq!(tail(600.0, &moved), Tail::default());
    }
}
