//! Which times and places of a sensor's reading can be true.
//!
//! Of the recorded days, fixes are from 432 s before their writing to 4 s behind it; some are four hours old, from a
//! phone that had kept its last one, and two are an hour old, from a wrong clock.

/// How far a reading may be about a moment after its writing, s. The receiver's clock and the phone's differ by seconds; a
/// phone whose clock has missed a change to summer time is an hour behind.
pub const LEAD_MAX_S: f64 = 3_600.0;
/// The same where the readings written around it are ahead alike, s: the clock is set wrong, and the reading is not.
pub const LEAD_OF_CLOCK_MAX_S: f64 = 86_400.0;
/// How long before its writing a reading may be, s. Phones give the last fix that they know at the first start of an app.
pub const LAG_MAX_S: f64 = 30.0 * 86_400.0;
/// Written before this, an entry is of a clock that was never set, s: 2010-01-01T00:00:00Z. No app is so old.
pub const WRITTEN_FROM: f64 = 1_262_304_000.0;
/// Within so many degrees of where the equator meets the prime meridian a reading has no place: 11 m.
const NOWHERE_DEG: f64 = 0.000_1;
/// A circle of this radius says nothing of where somebody is, m.
pub const ACCURACY_MAX_M: f64 = 100_000.0;
/// Fixes that were written down so long after they were made take no part in finding trips by time, s.
pub const LATE_S: f64 = 1_000.0;

/// Whether that is the place that receivers and programs tell which know none: 0° north, 0° east.
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
