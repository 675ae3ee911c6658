//! The two ends of a trip, and when two trips go between the same places.

use cells_geometry::{EARTH_RADIUS_M, Position, distance};
use cells_sdk::model::Point;

/// Two positions no further apart than this, m, are the same place.
pub const SAME_PLACE_M: f64 = 500.0;
/// By how much rounding may make a distance of some hundred metres shorter than its northward part, m.
const ROUNDING_M: f64 = 0.001;

/// Where a trip began and where it ended: trips are compared only by these.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ends {
    /// Where it began.
    pub origin: Position,
    /// Where it ended.
    pub destination: Position,
}

impl Ends {
    /// The ends of a trip between two points.
    pub fn of(start: Point, end: Point) -> Self {
        let position = |point: Point| {
            let [longitude, latitude] = point.coordinates;
            Position { latitude, longitude }
        };
        Self { origin: position(start), destination: position(end) }
    }

    /// Whether a trip with these ends goes between the same places as `other`. Ends that are no numbers are
    /// similar to none.
    pub fn similar(&self, other: &Self) -> bool {
        is_same_place(self.origin, other.origin) && is_same_place(self.destination, other.destination)
    }

    /// Longitude and latitude of the origin, then of the destination, degrees.
    pub fn to_array(&self) -> [f64; 4] {
        let Self { origin, destination } = self;
        [origin.longitude, origin.latitude, destination.longitude, destination.latitude]
    }

    /// The inverse of [`Self::to_array`].
    pub fn from_array([from_lng, from_lat, to_lng, to_lat]: [f64; 4]) -> Self {
        Self {
            origin: Position { latitude: from_lat, longitude: from_lng },
            destination: Position { latitude: to_lat, longitude: to_lng },
        }
    }
}

fn is_same_place(here: Position, there: Position) -> bool {
    // The way cannot be shorter than its part to the north, which needs no trigonometry: most comparisons end here.
    let north_m = (here.latitude - there.latitude).abs().to_radians() * EARTH_RADIUS_M;
    if north_m > SAME_PLACE_M + ROUNDING_M {
        return false;
    }
    distance(here, there) <= SAME_PLACE_M
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ends(values: [f64; 4]) -> Ends {
        Ends::from_array(values)
    }

    #[test]
    fn both_ends_must_be_the_same_place() {
        // 0.004° of latitude are 445 m, 0.005° are 556 m.
        let trip = ends([8.0, 47.0, 8.1, 47.1]);
        assert!(trip.similar(&ends([8.0, 47.004, 8.1, 47.104])));
        assert!(!trip.similar(&ends([8.0, 47.005, 8.1, 47.1])));
        assert!(!trip.similar(&ends([8.0, 47.0, 8.1, 47.105])));
        assert!(!trip.similar(&ends([8.1, 47.1, 8.0, 47.0])), "the way back is another trip");
    }

    #[test]
    fn ends_that_are_not_numbers_are_similar_to_no_others() {
        let odd = ends([f64::NAN, 47.0, 8.1, 47.1]);
        assert!(!odd.similar(&odd));
        let odd = ends([8.0, f64::INFINITY, 8.1, 47.1]);
        assert!(!odd.similar(&odd));
    }

    proptest! {
        #[test]
        fn the_shortcut_decides_as_the_distance_does(
            latitude in -89.9..89.9, longitude in -180.0..180.0, north in -0.0046..0.0046, east in -0.02..0.02,
        ) {
            let here = Position { latitude, longitude };
            let there = Position { latitude: latitude + north, longitude: longitude + east };
            prop_assert_eq!(is_same_place(here, there), distance(here, there) <= SAME_PLACE_M);
        }
    }
}
