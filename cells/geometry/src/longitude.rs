//! Arithmetic with longitudes, which wrap around, and with places near the poles, where longitudes mean little.

use crate::Position;

/// Further north or south than this a track is interpolated along the great circle, degrees: the meridians are so close
/// there that a straight line in degrees would be a spiral around the pole.
const POLAR_DEG: f64 = 89.0;

/// How far `to` is east of `from`, degrees, the short way round: -180 to 180. Where the plain difference is no more
/// than 180 it is the result, bit by bit.
pub fn degrees_east(from: f64, to: f64) -> f64 {
    let plain = to - from;
    if plain.abs() <= 180.0 || !plain.is_finite() { plain } else { wrapped(plain) }
}

/// The same angle between -180 and 180 degrees; one that is in this range already keeps its bits.
pub fn wrapped(degrees: f64) -> f64 {
    if degrees.abs() <= 180.0 {
        return degrees;
    }
    let turned = (degrees + 180.0).rem_euclid(360.0) - 180.0;
    turned.clamp(-180.0, 180.0)
}

/// As [`degrees_east`], but in radians, from a difference that is computed in radians as in the reference.
pub(crate) fn radians_east(from: f64, to: f64) -> f64 {
    let is_short = (to - from).abs() <= 180.0;
    if is_short { to.to_radians() - from.to_radians() } else { degrees_east(from, to).to_radians() }
}

/// The position after `elapsed` of the `whole` time from one place to another, both in one unit: on the straight line
/// in degrees, as in the reference, but over the 180th meridian where that is nearer, and on the great circle near the
/// poles. A value that is not a number stays so; otherwise the result is always a place on the globe.
pub fn between(from: Position, to: Position, elapsed: f64, whole: f64) -> Position {
    let is_polar = |place: Position| place.latitude.abs() > POLAR_DEG;
    if is_polar(from) || is_polar(to) {
        return on_great_circle(from, to, elapsed / whole);
    }
    // Divided before it is multiplied: the last bits are the reference's.
    let along = |start: f64, step: f64| step / whole * elapsed + start;
    Position {
        latitude: along(from.latitude, to.latitude - from.latitude).clamp(-90.0, 90.0),
        longitude: wrapped(along(from.longitude, degrees_east(from.longitude, to.longitude))),
    }
}

/// On the chord, seen from the middle of the Earth. Near a pole the way between two fixes is short, and the speed
/// along the chord even.
fn on_great_circle(from: Position, to: Position, share: f64) -> Position {
    if from == to {
        // Without rounding; but a share that is no number says nothing.
        return if share.is_finite() { from } else { Position { latitude: share, longitude: share } };
    }
    let (from, to) = (from.vector(), to.vector());
    let [x, y, z] = [0, 1, 2].map(|axis| from[axis] + (to[axis] - from[axis]) * share);
    Position {
        latitude: libm::atan2(z, libm::hypot(x, y)).to_degrees(),
        longitude: libm::atan2(y, x).to_degrees(),
    }
}

impl Position {
    /// The same place as a vector of length 1.
    fn vector(self) -> [f64; 3] {
        let (latitude, longitude) = (self.latitude.to_radians(), self.longitude.to_radians());
        let (north, out) = (libm::sin(latitude), libm::cos(latitude));
        [out * libm::cos(longitude), out * libm::sin(longitude), north]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{column_distance, distance, heading};
    use proptest::prelude::*;

    fn at(latitude: f64, longitude: f64) -> Position {
        Position { latitude, longitude }
    }

    #[test]
    fn the_short_way_round_leads_over_the_180th_meridian_where_that_is_nearer() {
        assert_eq!(degrees_east(179.5, -179.5), 1.0);
        assert_eq!(degrees_east(-179.5, 179.5), -1.0);
        assert_eq!(degrees_east(180.0, -180.0), 0.0);
        assert_eq!(degrees_east(-90.0, 90.0), 180.0, "half a turn is a plain difference");
        assert_eq!(degrees_east(8.0, 1e9 * 360.0 + 9.0), 1.0, "whole turns do not count");
        assert!(degrees_east(f64::NAN, 0.0).is_nan() && degrees_east(f64::INFINITY, 0.0).is_infinite());
    }

    #[test]
    fn a_path_over_the_180th_meridian_stays_near_it() {
        let (from, to) = (at(-16.8, 179.75), at(-16.9, -179.75));
        for (elapsed, longitude) in [(0.0, 179.75), (7.5, 179.875), (15.0, 180.0), (30.0, -179.75)] {
            let there = between(from, to, elapsed, 30.0).longitude;
            assert!(
                degrees_east(there, longitude).abs() < 1e-9 && there.abs() <= 180.0,
                "{elapsed} s: {there}"
            );
        }
    }

    #[test]
    fn a_path_over_a_pole_is_straight() {
        for pole in [1.0, -1.0] {
            let (from, to) = (at(89.99 * pole, 30.0), at(89.99 * pole, -150.0));
            let middle = between(from, to, 15.0, 30.0);
            assert!(distance(middle, at(90.0 * pole, 0.0)) < 1e-3, "{middle:?}");
            let whole = distance(from, to);
            assert!((distance(from, middle) - whole / 2.0).abs() < 1e-3);
        }
        let stays = at(90.0, 17.5);
        assert_eq!(between(stays, stays, 10.0, 30.0), stays);
    }

    #[test]
    fn a_path_that_takes_no_time_does_not_move() {
        for (from, to) in [(at(47.0, 8.0), at(47.1, 8.0)), (at(90.0, 8.0), at(90.0, 8.0))] {
            assert!(!between(from, to, 0.0, 0.0).is_finite());
        }
    }

    // Row: "The distance between opposite points"
    #[test]
    fn opposite_points_are_half_the_circumference_apart() {
        let half = std::f64::consts::PI * crate::EARTH_RADIUS_M;
        for form in [distance, column_distance] {
            for latitude in [0.0, 12.345_678_9, 47.371_234_5, 89.123_456_7, 90.0] {
                for longitude in [0.0, 8.541_234_5, 179.999] {
                    let metres = form(at(latitude, longitude), at(-latitude, longitude - 180.0));
                    assert!((metres - half).abs() < 1.0, "{metres}");
                }
            }
        }
    }

    // Row: "180° east and 180° west"
    #[test]
    fn a_place_has_one_meridian_under_two_names() {
        assert!(at(5.0, 180.0).is_same(at(5.0, -180.0)));
        assert!(!at(5.0, 180.0).is_same(at(5.0, 179.0)) && !at(5.0, 180.0).is_same(at(5.1, -180.0)));
        assert_eq!(distance(at(5.0, 180.0), at(5.0, -180.0)), 0.0);
        assert_eq!(column_distance(at(5.0, 180.0), at(5.0, -180.0)), 0.0);
        assert_eq!(heading(at(5.0, 180.0), at(5.0, -180.0)), 0.0);
    }

    /// Places that are near each other, near the poles too.
    fn near() -> impl Strategy<Value = (Position, Position)> {
        (-90.0..=90.0, -180.0..=180.0, -0.5..0.5, -0.5..0.5).prop_map(|(latitude, longitude, north, east)| {
            let there: f64 = latitude + north;
            (at(latitude, longitude), at(there.clamp(-90.0, 90.0), wrapped(longitude + east)))
        })
    }

    proptest! {
        #[test]
        fn turning_the_globe_changes_no_distance_and_no_heading(
            (from, to) in near(), turn in -180.0..180.0,
        ) {
            let turned = |place: Position| at(place.latitude, wrapped(place.longitude + turn));
            for form in [distance, column_distance] {
                let (plain, other) = (form(from, to), form(turned(from), turned(to)));
                // Longitudes near 180 have their last place at 3e-9 m.
                prop_assert!((plain - other).abs() <= 1e-6 + 1e-9 * plain, "{plain} {other}");
            }
            if distance(from, to) > 1.0 && from.latitude.abs() < 89.9 {
                let (plain, other) = (heading(from, to), heading(turned(from), turned(to)));
                prop_assert!(degrees_east(plain, other).abs() < 1e-5, "{plain} {other}");
            }
        }

        #[test]
        fn between_two_places_is_between_them_wherever_the_globe_is_cut(
            (from, to) in near(), turn in -180.0..180.0, share in 0.0..=1.0,
        ) {
            let turned = |place: Position| at(place.latitude, wrapped(place.longitude + turn));
            let there = between(from, to, share * 30.0, 30.0);
            prop_assert!((-180.0..=180.0).contains(&there.longitude) && there.latitude.abs() <= 90.0);
            let (way, first) = (distance(from, to), distance(from, there));
            prop_assert!(first + distance(there, to) <= way * 1.001 + 0.01, "{there:?}");
            let other = between(turned(from), turned(to), share * 30.0, 30.0);
            prop_assert!(distance(other, turned(there)) < 1e-3, "{other:?} {there:?}");
        }

        #[test]
        fn the_southern_hemisphere_mirrors_the_northern_one(
            (from, to) in near(), share in 0.0..=1.0,
        ) {
            let mirrored = |place: Position| at(-place.latitude, place.longitude);
            let there = between(from, to, share, 1.0);
            let other = between(mirrored(from), mirrored(to), share, 1.0);
            prop_assert_eq!(mirrored(other), there);
            prop_assert_eq!(distance(from, to), distance(mirrored(from), mirrored(to)));
        }

        // Row: "Longitudes are interpolated"
        #[test]
        fn away_from_the_180th_meridian_and_the_poles_every_bit_is_the_plain_formulas(
            latitude in -88.0..88.0, longitude in -90.0..90.0, north in -1.0..1.0, east in -90.0..90.0,
            elapsed in 0.0..30.0,
        ) {
            let (from, to) = (at(latitude, longitude), at(latitude + north, longitude + east));
            let there = between(from, to, elapsed, 30.0);
            prop_assert_eq!(there.latitude, (to.latitude - from.latitude) / 30.0 * elapsed + from.latitude);
            prop_assert_eq!(there.longitude, (to.longitude - from.longitude) / 30.0 * elapsed + from.longitude);
            prop_assert_eq!(degrees_east(from.longitude, to.longitude), to.longitude - from.longitude);
            let plain = to.longitude.to_radians() - from.longitude.to_radians();
            prop_assert_eq!(radians_east(from.longitude, to.longitude), plain);
        }

        #[test]
        fn it_never_panics_whatever_the_numbers(numbers: [f64; 6]) {
            let [a, b, c, d, elapsed, whole] = numbers;
            let there = between(at(a, b), at(c, d), elapsed, whole);
            let _ = (distance(at(a, b), at(c, d)), column_distance(at(a, b), at(c, d)), heading(at(a, b), there));
        }
    }
}
