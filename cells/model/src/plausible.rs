//! Which times and places of a sensor's reading can be true.
//!
//! On the recorded days, fixes are from 432 s before their writing to 4 s behind it. Some are four hours old, from a
//! phone that had kept its last one, and two are an hour old, from a wrong clock.

/// How far a reading may be about a moment after its writing, s. The receiver's clock and the phone's differ by
/// seconds; a phone whose clock has missed a change to summer time is an hour behind.
pub const LEAD_MAX_S: f64 = 3_600.0;
/// The same where the readings written around it are ahead by as much, s: then the clock is wrong, and the reading is
/// not.
pub const LEAD_OF_CLOCK_MAX_S: f64 = 86_400.0;
/// How long before its writing a reading may be, s. When an app starts first, phones return the last fix that they
/// know.
pub const LAG_MAX_S: f64 = 30.0 * 86_400.0;
/// An entry written before this comes from a clock that was never set, s: 2010-01-01T00:00:00Z. No app is so old.
pub const WRITTEN_FROM: f64 = 1_262_304_000.0;
/// A reading this near to where the equator meets the prime meridian has no place, degrees: 11 m.
const NOWHERE_DEG: f64 = 0.000_1;
/// A circle of this radius does not show where a person is, m.
pub const ACCURACY_MAX_M: f64 = 100_000.0;
/// Fixes that were written this long after they were made are not used to find trips by time, s.
pub const LATE_S: f64 = 1_000.0;

/// Whether that is the place that receivers and programs report when they know none: 0° north, 0° east.
pub fn is_nowhere(latitude: f64, longitude: f64) -> bool {
    latitude.abs() <= NOWHERE_DEG && longitude.abs() <= NOWHERE_DEG
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_equator_and_the_prime_meridian_are_places() {
        for (latitude, longitude, nowhere) in [
            (0.0, 0.0, true),
            (-0.0, 0.0, true),
            (0.000_05, -0.000_05, true),
            (0.0, 9.45, false),
            (51.477_9, 0.0, false),
            (0.001, 0.0, false),
            (f64::NAN, 0.0, false),
        ] {
            assert_eq!(is_nowhere(latitude, longitude), nowhere, "{latitude} {longitude}");
        }
    }
}
