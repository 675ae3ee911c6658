//! Lines on the globe as other programs draw them: cut at the 180th meridian (RFC 7946, 3.1.9), so that no line leads
//! around the world.

use cells_geometry::degrees_east;

use crate::Fix;

/// The pieces of a line, in order; each stays on its side of the 180th meridian. Where the line is cut, both pieces
/// have the point of the cut, with interpolated time and altitude. A line that begins on that meridian lies on the side to
/// which it leads. There is a piece of a single place only where the whole line is one.
pub fn pieces(points: &[Fix]) -> Vec<Vec<Fix>> {
    let mut pieces = Vec::new();
    let mut piece: Vec<Fix> = Vec::with_capacity(points.len());
    for point in points {
        match piece.last() {
            Some(last) if is_cut(last, point) && piece.iter().all(is_on_meridian) => {
                let side = point.coordinates[0];
                piece.iter_mut().for_each(|begun| *begun = on_side_of(begun, side));
                piece.push(*point);
            }
            Some(last) if is_cut(last, point) => {
                let (before, behind) = cut(last, point);
                push_new(&mut piece, before);
                pieces.push(std::mem::replace(&mut piece, vec![behind]));
                push_new(&mut piece, *point);
            }
            Some(last) => {
                let side = last.coordinates[0];
                piece.push(on_side_of(point, side));
            }
            None => piece.push(*point),
        }
    }
    if !piece.is_empty() {
        pieces.push(piece);
    }
    pieces
}

/// Whether all points are at one place.
pub fn is_one_place(points: &[Fix]) -> bool {
    points.windows(2).all(|pair| is_same_place(pair[0].coordinates, pair[1].coordinates))
}

fn is_same_place([a_longitude, a_latitude]: [f64; 2], [b_longitude, b_latitude]: [f64; 2]) -> bool {
    a_latitude == b_latitude && degrees_east(a_longitude, b_longitude) == 0.0
}

fn is_on_meridian(point: &Fix) -> bool {
    point.coordinates[0].abs() == 180.0
}

/// Whether the short way from one point to the next crosses the 180th meridian. A point exactly on that meridian
/// belongs to the side of the point before it.
fn is_cut(from: &Fix, to: &Fix) -> bool {
    let [from, to] = [from.coordinates[0], to.coordinates[0]];
    to.abs() < 180.0 && (to - from).abs() > 180.0
}

/// The point; on the 180th meridian, with the longitude of that side.
fn on_side_of(point: &Fix, side: f64) -> Fix {
    let [longitude, latitude] = point.coordinates;
    let longitude = if is_on_meridian(point) { longitude.copysign(side) } else { longitude };
    Fix { coordinates: [longitude, latitude], ..*point }
}

/// The point at which the way crosses the 180th meridian, on both sides of it.
fn cut(from: &Fix, to: &Fix) -> (Fix, Fix) {
    let edge = 180.0_f64.copysign(from.coordinates[0]);
    let way = degrees_east(from.coordinates[0], to.coordinates[0]);
    // `is_cut` has found more than half a turn, so the short way is not 0.
    let share = ((edge - from.coordinates[0]) / way).clamp(0.0, 1.0);
    let along = |from: f64, to: f64| from + (to - from) * share;
    let at = |longitude: f64| Fix {
        ts: along(from.ts, to.ts),
        coordinates: [longitude, along(from.coordinates[1], to.coordinates[1])],
        altitude: from.altitude.zip(to.altitude).map(|(from, to)| along(from, to)),
    };
    (at(edge), at(-edge))
}

/// Adds a point, unless it is the last point of the piece already.
fn push_new(piece: &mut Vec<Fix>, point: Fix) {
    if piece.last().is_none_or(|last| last.coordinates != point.coordinates) {
        piece.push(point);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fix(ts: f64, longitude: f64, latitude: f64) -> Fix {
        Fix { ts, coordinates: [longitude, latitude], altitude: Some(ts) }
    }

    fn longitudes(points: &[Fix]) -> Vec<Vec<f64>> {
        let longitudes = |piece: &Vec<Fix>| piece.iter().map(|point| point.coordinates[0]).collect();
        pieces(points).iter().map(longitudes).collect()
    }

    fn line(longitudes: &[f64]) -> Vec<Fix> {
        (0..).map(f64::from).zip(longitudes).map(|(ts, longitude)| fix(ts, *longitude, ts)).collect()
    }

    // Row: "A line over the 180th meridian"
    #[test]
    fn a_line_over_the_180th_meridian_is_cut_there() {
        let pieces = pieces(&[fix(0.0, 179.75, -16.0), fix(30.0, -179.25, -17.0)]);
        let there =
            pieces.iter().map(|piece| piece.iter().map(|point| point.coordinates).collect::<Vec<_>>());
        let there: Vec<_> = there.collect();
        assert_eq!(there, [[[179.75, -16.0], [180.0, -16.25]], [[-180.0, -16.25], [-179.25, -17.0]]]);
        assert_eq!((pieces[0][1].ts, pieces[0][1].altitude), (7.5, Some(7.5)));
        assert_eq!((pieces[1][0].ts, pieces[1][0].altitude), (7.5, Some(7.5)));
        assert_eq!(longitudes(&line(&[-179.5, 179.5])), [[-179.5, -180.0], [180.0, 179.5]]);
        assert_eq!(longitudes(&line(&[8.0, 9.0, -170.0, -171.0])), [[8.0, 9.0, -170.0, -171.0]]);
        assert_eq!(longitudes(&line(&[])), Vec::<Vec<f64>>::new());
    }

    #[test]
    fn a_point_on_the_180th_meridian_stays_on_the_side_of_the_point_before_it() {
        assert_eq!(longitudes(&line(&[179.5, -180.0, 179.5])), [[179.5, 180.0, 179.5]]);
        assert_eq!(longitudes(&line(&[-179.5, 180.0, -180.0])), [[-179.5, -180.0, -180.0]]);
        assert_eq!(longitudes(&line(&[179.5, 180.0, -179.5])), [vec![179.5, 180.0], vec![-180.0, -179.5]]);
        assert_eq!(longitudes(&line(&[180.0, -179.5])), [[-180.0, -179.5]]);
        assert_eq!(longitudes(&line(&[-180.0, -180.0, 179.5])), [[180.0, 180.0, 179.5]]);
    }

    proptest! {
        #[test]
        fn no_piece_leads_round_the_world_and_no_point_is_lost(
            start in prop_oneof![-180.0..=180.0, Just(180.0), Just(-180.0)], steps in prop::collection::vec(-2.0..2.0, 0..40),
        ) {
            let mut longitude: f64 = start;
            let mut points = vec![fix(0.0, start, 0.0)];
            for (ts, step) in (1..).map(f64::from).zip(steps) {
                longitude = cells_geometry::wrapped(longitude + step);
                points.push(fix(ts, longitude, ts / 10.0));
            }
            let pieces = pieces(&points);
            for pair in pieces.iter().flat_map(|piece| piece.windows(2)) {
                prop_assert!((pair[0].coordinates[0] - pair[1].coordinates[0]).abs() <= 180.0);
                prop_assert!(pair[0].ts <= pair[1].ts);
            }
            prop_assert!(pieces.len() == 1 || !pieces.iter().any(|piece| is_one_place(piece)));
            let flat: Vec<Fix> = pieces.concat();
            prop_assert!(flat.iter().all(|point| point.coordinates[0].abs() <= 180.0));
            for point in &points {
                prop_assert!(flat.iter().any(|other| is_same_place(other.coordinates, point.coordinates)));
            }
            let edges = pieces.windows(2).map(|pair| (pair[0].last(), pair[1].first()));
            for (before, behind) in edges {
                let (before, behind) = (before.expect("no piece is empty"), behind.expect("no piece is empty"));
                prop_assert_eq!(before.coordinates[0].abs(), 180.0);
                prop_assert_eq!(behind.coordinates[0], -before.coordinates[0]);
            }
        }
    }
}
