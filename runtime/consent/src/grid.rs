//! The grid that coarse places lie on.
//!
//! Rows are bands of latitude from the south pole to the north pole, all of one height: as many as fit if each is at
//! least as high as the cell's size. Each row is divided into columns from the meridian of 180° eastwards, all of one
//! width: as many as fit if each is at least as wide as the size where the row is narrowest. So no cell is smaller than
//! its size, and the row at a pole is one cell. A place is shown as the centre of its cell, which lies in that cell.

use std::f64::consts::PI;

use crate::precision::Place;

/// The length of a degree on a sphere of the Earth's mean radius, m.
const METRES_PER_DEGREE: f64 = 6_371_008.8 * PI / 180.0;

/// The centre of the cell that a place lies in: latitude and longitude, degrees. A place that is exact or not a number
/// stays. Latitudes beyond a pole count as the pole; longitudes go round.
pub fn centre_of(precision: Place, latitude: f64, longitude: f64) -> (f64, f64) {
    let Some(metres) = precision.metres() else { return (latitude, longitude) };
    if !latitude.is_finite() || !longitude.is_finite() {
        return (f64::NAN, f64::NAN);
    }
    let rows = (180.0 * METRES_PER_DEGREE / metres).floor();
    let height = 180.0 / rows;
    let row = ((latitude.clamp(-90.0, 90.0) + 90.0) / height).floor().min(rows - 1.0);
    let south = row.mul_add(height, -90.0);
    let narrowest = south.abs().max((south + height).abs()).min(90.0);
    // Of libm, so that every host has the same grid.
    let around = 360.0 * METRES_PER_DEGREE * libm::cos(narrowest * PI / 180.0);
    let columns = (around / metres).floor().max(1.0);
    let width = 360.0 / columns;
    let column = ((longitude + 180.0).rem_euclid(360.0) / width).floor().min(columns - 1.0);
    ((row + 0.5).mul_add(height, -90.0), (column + 0.5).mul_add(width, -180.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn metres(place: Place) -> f64 {
        place.metres().expect("coarse")
    }

    #[test]
    fn places_of_one_cell_are_shown_as_one_place() {
        let shown = centre_of(Place::Kilometre, 47.3769, 8.5417);
        assert_eq!(centre_of(Place::Kilometre, shown.0 + 0.004, shown.1 - 0.006), shown);
        assert_ne!(centre_of(Place::Kilometre, shown.0 + 0.005, shown.1), shown);
        assert_eq!(centre_of(Place::Exact, 47.3769, 8.5417), (47.3769, 8.5417));
    }

    #[test]
    fn nothing_that_is_no_place_makes_the_grid_panic() {
        for (latitude, longitude) in [(90.0, 180.0), (-90.0, -180.0), (1e300, -1e300), (-500.0, 720.0)] {
            let (shown_latitude, shown_longitude) = centre_of(Place::Hundred, latitude, longitude);
            assert!((-90.0..=90.0).contains(&shown_latitude) && (-180.0..=180.0).contains(&shown_longitude));
        }
        assert!(centre_of(Place::Hundred, f64::NAN, 8.0).1.is_nan());
        assert!(centre_of(Place::Hundred, 47.0, f64::INFINITY).0.is_nan());
    }

    proptest! {
        #[test]
        fn a_cell_is_no_smaller_than_its_size_and_its_centre_stays(
            latitude in -90.0_f64..=90.0,
            longitude in -180.0_f64..180.0,
            place in prop::sample::select(&Place::ALL[1..]),
        ) {
            let shown = centre_of(place, latitude, longitude);
            prop_assert_eq!(centre_of(place, shown.0, shown.1), shown);
            // Nearly half a cell to each side is still the same cell.
            let half = 0.499 * metres(place) / METRES_PER_DEGREE;
            for (north, east) in [(half, 0.0), (-half, 0.0), (0.0, half), (0.0, -half)] {
                let latitude = shown.0 + north;
                let longitude = shown.1 + east / libm::cos(latitude * PI / 180.0).clamp(1e-9, 1.0);
                // Beyond the pole's cell, longitudes turn quickly; its row is one cell.
                if latitude.abs() < 89.0 {
                    prop_assert_eq!(centre_of(place, latitude, longitude), shown);
                }
            }
            // And it is near: no further than a cell that is at most twice as wide as it must be, below 80 degrees.
            prop_assert!((latitude - shown.0).abs() * METRES_PER_DEGREE <= metres(place));
        }
    }
}
