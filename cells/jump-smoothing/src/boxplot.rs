//! Which speeds are outliers: the outer fence of a box plot.

use cells_statistics::{quantile_of_sorted, sorted};

/// How many box heights lie between the box and its outer fence.
const HEIGHTS: f64 = 3.0;

/// The speed above which a step is an outlier, m/s: the third quartile and three times the distance between the
/// quartiles. Steps of 0 m/s count. NaN, which nothing is above, without a speed that is a number.
pub fn fence(speeds: &[f64]) -> f64 {
    let sorted = sorted(speeds);
    let [first, third] = [0.25, 0.75].map(|share| quantile_of_sorted(&sorted, share));
    third + HEIGHTS * (third - first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fence_stands_three_heights_above_the_box() {
        assert_eq!(fence(&[4.0, 0.0, 1.0, 2.0, 3.0]), 9.0);
        assert_eq!(fence(&[5.0, 5.0, 5.0, 900.0]), 228.75 + 3.0 * 223.75);
    }

    #[test]
    fn without_speeds_nothing_is_above_the_fence() {
        assert!(fence(&[]).is_nan());
    }
}
