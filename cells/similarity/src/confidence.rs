//! The factor of a share, by the number of trips behind it.

/// The largest factor, however many trips there are.
const CONFIDENCE_MAX: f64 = 0.99;
/// The factor for a single trip.
const CONFIDENCE_FIRST: f64 = 0.80;
/// The part of the remaining difference to the largest factor that each further trip adds.
const GAIN: f64 = 0.30;

/// The factor, 0.80 to 0.99, by which the shares of a bin of `trips` trips, at least one, are discounted.
pub fn coefficient(trips: u32) -> f64 {
    let further = f64::from(trips.saturating_sub(1));
    CONFIDENCE_MAX - (CONFIDENCE_MAX - CONFIDENCE_FIRST) * libm::pow(1.0 - GAIN, further)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confidence_grows_with_the_number_of_trips_up_to_a_limit() {
        assert!((coefficient(1) - 0.80).abs() < 1e-12);
        assert!((coefficient(2) - 0.857).abs() < 1e-12);
        assert!((coefficient(3) - 0.8969).abs() < 1e-12);
        assert!((1..100).all(|trips| coefficient(trips) <= coefficient(trips + 1)));
        assert!((coefficient(1_000_000) - 0.99).abs() < 1e-12);
        assert_eq!(coefficient(0), coefficient(1));
    }
}
