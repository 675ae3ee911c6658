//! `SmoothPosdap`: a track is cut where it moves faster than sound. Of two neighbouring pieces the one that took less
//! time loses the points that could not have been reached from the other.

use std::ops::Range;

use crate::points::{Points, Steps};

/// The speed of sound, m/s.
pub const MACH_1: f64 = 340.29;

/// Which points to keep.
///
/// Quirk: the first point belongs to no piece and is always kept, and reachable means at a thousandth of the speed of
/// sound, a slow walk. Points are removed piece by piece, but later pieces are compared with all points of the one
/// before, including the removed ones.
pub fn posdap(points: &Points, steps: &Steps) -> Vec<bool> {
    let mut kept = vec![true; points.len()];
    let mut pieces = pieces(&steps.speed).into_iter().filter(|piece| !piece.is_empty());
    let Some(mut before) = pieces.next() else { return kept };
    for piece in pieces {
        if duration(points, &piece) <= duration(points, &before) {
            let from = before.end - 1;
            piece
                .clone()
                .filter(|index| !is_near(points, from, *index))
                .for_each(|index| kept[index] = false);
        } else {
            let from = piece.end - 1;
            before.filter(|index| !is_near(points, from, *index)).for_each(|index| kept[index] = false);
        }
        before = piece;
    }
    kept
}

/// The points between supersonic steps, without the first point; only the first piece can be empty.
fn pieces(speeds: &[f64]) -> Vec<Range<usize>> {
    let cuts = (1..speeds.len()).filter(|index| speeds[*index] > MACH_1);
    let starts = std::iter::once(1).chain(cuts.clone());
    starts.zip(cuts.chain([speeds.len()])).map(|(start, end)| start..end).collect()
}

fn duration(points: &Points, piece: &Range<usize>) -> f64 {
    points.ts[piece.end - 1] - points.ts[piece.start]
}

fn is_near(points: &Points, from: usize, to: usize) -> bool {
    let reach = MACH_1 / 1000.0 * (points.ts[from] - points.ts[to]).abs();
    points.distance(from, to) <= reach
}

#[cfg(test)]
mod tests {
    use cells_geometry::Position;
    use proptest::prelude::*;

    use super::*;

    /// Points at those moments, so many metres north of the equator.
    fn track(points: &[(f64, f64)]) -> Points {
        let mut track = Points::default();
        for (row, (ts, metres)) in points.iter().enumerate() {
            let latitude = metres / cells_geometry::EARTH_RADIUS_M.to_radians();
            track.push(*ts, Position { latitude, longitude: 0.0 }, Some(row));
        }
        track
    }

    fn thrown_out(points: &[(f64, f64)]) -> Vec<usize> {
        let points = track(points);
        let kept = posdap(&points, &Steps::over(&points, |_| true));
        (0..points.len()).filter(|index| !kept[*index]).collect()
    }

    #[test]
    fn below_the_speed_of_sound_every_point_is_kept() {
        assert_eq!(thrown_out(&[(0.0, 0.0), (10.0, 3000.0), (20.0, 6000.0)]), [0; 0]);
        assert_eq!(thrown_out(&[(0.0, 0.0)]), [0; 0]);
        assert_eq!(thrown_out(&[]), [0; 0]);
    }

    #[test]
    fn the_piece_that_took_less_time_loses_what_is_out_of_reach_of_the_other() {
        let start = [(0.0, 0.0), (30.0, 10.0), (90.0, 20.0)];
        // Behind: 60 s against 10 s.
        assert_eq!(thrown_out(&[&start[..], &[(91.0, 9000.0), (101.0, 9001.0)]].concat()), [3, 4]);
        // Before: 60 s against 200 s. The first point of all belongs to no piece.
        assert_eq!(thrown_out(&[&start[..], &[(91.0, 9000.0), (291.0, 9001.0)]].concat()), [1, 2]);
    }

    // Row: "The second rule"
    #[test]
    fn a_point_is_in_reach_if_a_slow_walk_reaches_it() {
        let start = [(0.0, 0.0), (30.0, 0.0), (90.0, 0.0), (91.0, 9000.0)];
        let reach = 60.0 * MACH_1 / 1000.0;
        assert_eq!(thrown_out(&[&start[..], &[(150.0, reach - 0.1)]].concat()), [3]);
        assert_eq!(thrown_out(&[&start[..], &[(150.0, reach + 0.1)]].concat()), [3, 4]);
    }

    // Row: "The second rule"
    #[test]
    fn a_piece_is_compared_with_points_that_were_thrown_out_too() {
        // The short stay at 9 km is thrown out; the next piece took less time than it, and is not in its reach either.
        let start = [(0.0, 0.0), (30.0, 0.0), (90.0, 0.0)];
        let away = [(91.0, 9000.0), (131.0, 9001.0)];
        let back = [(132.0, 0.0), (142.0, 0.0)];
        assert_eq!(thrown_out(&[&start[..], &away, &back].concat()), [3, 4, 5, 6]);
    }

    #[test]
    fn a_jump_right_after_the_first_point_leaves_nothing_to_compare() {
        assert_eq!(thrown_out(&[(0.0, 0.0), (1.0, 9000.0), (2.0, 9001.0)]), [0; 0]);
    }

    proptest! {
        // Row: "The second rule"
        #[test]
        fn the_first_point_is_always_kept(points in prop::collection::vec((0.0..60.0, 0.0..60_000.0), 1..40)) {
            let points = track(&points);
            let kept = posdap(&points, &Steps::over(&points, |_| true));
            prop_assert!(kept[0] && kept.len() == points.len());
        }
    }
}
