//! Distances on the Earth, in the arithmetic of the reference.
//!
//! The reference has the haversine in two forms that differ in their last bits, and thresholds compare the results, so
//! each use names its form: [`distance`] for single pairs, [`column_distance`] for what the reference computes over
//! whole columns. The order of the operations is part of the rule; do not simplify.
//!
//! * Units: degrees in, metres out. The Earth is a sphere of [`EARTH_RADIUS_M`].
//! * Longitudes are angles: every difference of two takes the short way round ([`degrees_east`]), so that results do
//!   not depend on which side of the 180th meridian a place lies. Differences of up to 180° are plain subtractions,
//!   so that the bits are those of the reference everywhere else.
//! * Numbers that are not finite give NaN, never a panic.
//! * Sine and related functions come from `libm`, so that the results are the same bits natively and in the sandbox.

mod exact;
mod longitude;
mod track;

pub use longitude::{between, degrees_east, wrapped};
pub use track::{Steps, heading, over, speed, speeds, steps};

use longitude::radians_east;

/// The radius of the sphere, m.
pub const EARTH_RADIUS_M: f64 = 6_371_000.0;

/// A place on the Earth, degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Position {
    /// North is plus.
    pub latitude: f64,
    /// East is plus.
    pub longitude: f64,
}

impl Position {
    /// Whether both angles are numbers, so that distances mean something.
    pub fn is_finite(self) -> bool {
        self.latitude.is_finite() && self.longitude.is_finite()
    }

    /// Whether both are the same place: 180° east is 180° west.
    pub fn is_same(self, other: Self) -> bool {
        self.latitude == other.latitude && degrees_east(self.longitude, other.longitude) == 0.0
    }
}

/// Metres between two places, in the form for single pairs: the angle by `atan2`, and differences taken in degrees.
///
/// Not as the reference: between opposite points rounding can leave the range of the square root, which raises there.
pub fn distance(from: Position, to: Position) -> f64 {
    let half_latitude = libm::sin((from.latitude - to.latitude).to_radians() / 2.0);
    let half_longitude = libm::sin(degrees_east(to.longitude, from.longitude).to_radians() / 2.0);
    let (from_latitude, to_latitude) = (from.latitude.to_radians(), to.latitude.to_radians());
    let chord = half_latitude * half_latitude
        + half_longitude * half_longitude * libm::cos(from_latitude) * libm::cos(to_latitude);
    let chord = chord.clamp(0.0, 1.0);
    EARTH_RADIUS_M * (2.0 * libm::atan2(chord.sqrt(), (1.0 - chord).sqrt()))
}

/// Metres between two places, in the form for columns: the angle by `asin`, and differences taken in radians.
///
/// Not as the reference: between opposite points rounding can leave the range of `asin`, which gives NaN there.
pub fn column_distance(from: Position, to: Position) -> f64 {
    let (from_latitude, to_latitude) = (from.latitude.to_radians(), to.latitude.to_radians());
    let half_latitude = libm::sin((to_latitude - from_latitude) / 2.0);
    let half_longitude = libm::sin(radians_east(from.longitude, to.longitude) / 2.0);
    let chord = half_latitude * half_latitude
        + libm::cos(from_latitude) * libm::cos(to_latitude) * (half_longitude * half_longitude);
    2.0 * EARTH_RADIUS_M * libm::asin(chord.clamp(0.0, 1.0).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(latitude: f64, longitude: f64) -> Position {
        Position { latitude, longitude }
    }

    #[test]
    fn a_degree_along_the_equator_is_a_360th_of_the_circumference() {
        let degree = 2.0 * std::f64::consts::PI * EARTH_RADIUS_M / 360.0;
        for form in [distance, column_distance] {
            assert!((form(at(0.0, 7.0), at(0.0, 8.0)) - degree).abs() < 1e-6);
            assert!((form(at(60.0, 7.0), at(61.0, 7.0)) - degree).abs() < 1e-6);
        }
    }

    #[test]
    fn a_place_is_no_distance_from_itself() {
        assert_eq!(distance(at(47.1, 8.2), at(47.1, 8.2)), 0.0);
        assert_eq!(column_distance(at(47.1, 8.2), at(47.1, 8.2)), 0.0);
    }

    #[test]
    fn a_coordinate_that_is_not_a_number_gives_nan() {
        for form in [distance, column_distance] {
            assert!(form(at(f64::NAN, 0.0), at(0.0, 0.0)).is_nan());
            assert!(form(at(f64::INFINITY, 0.0), at(0.0, 0.0)).is_nan());
        }
        assert!(!at(f64::NAN, 0.0).is_finite());
    }

    proptest! {
        #[test]
        fn both_forms_agree_to_a_millimetre_in_a_kilometre(
            latitude in -89.0..89.0, longitude in -180.0..180.0, north in -0.5..0.5, east in -0.5..0.5,
        ) {
            let (from, to) = (at(latitude, longitude), at(latitude + north, longitude + east));
            let (single, column) = (distance(from, to), column_distance(from, to));
            prop_assert!((single - column).abs() <= 1e-6 * single + 1e-3, "{single} {column}");
        }
    }
}
