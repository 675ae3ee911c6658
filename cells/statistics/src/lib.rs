//! Medians and quantiles over columns of numbers, in the arithmetic of the reference (numpy and pandas).
//!
//! Thresholds compare the results, so the order of the operations is part of the rule; do not simplify.
//!
//! * Units: those of the values.
//! * NaN stands for a missing value, as in pandas: it is left out. Where nothing is left the result is NaN, never a
//!   panic. Infinities are ordinary values; between two of them the result may be NaN.

/// The middle value; of an even number of values the mean of the two in the middle.
pub fn median(values: &[f64]) -> f64 {
    median_in_place(&mut present(values))
}

/// As [`median`], without another copy: the values are put in another order, NaN behind all others.
pub fn median_in_place(values: &mut [f64]) -> f64 {
    let values = present_first(values);
    let middle = values.len() / 2;
    if values.is_empty() {
        return f64::NAN;
    }
    let odd = values.len() % 2 == 1;
    let (lower, upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    if odd {
        return *upper;
    }
    let below = lower.iter().copied().reduce(f64::max).expect("an even number of values, and not none");
    (below + *upper) / 2.0
}

/// The value below which the share `q`, 0 to 1, of the values lies, with linear interpolation between
/// neighbours. NaN for a `q` outside 0 to 1.
pub fn quantile(values: &[f64], q: f64) -> f64 {
    quantile_of_sorted(&sorted(values), q)
}

/// As [`quantile`], of what [`sorted`] made: for several quantiles of one column.
pub fn quantile_of_sorted(sorted: &[f64], q: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    if !(0.0..=1.0).contains(&q) {
        return f64::NAN;
    }
    let place = last as f64 * q;
    let below = (place.floor() as usize).min(last);
    let above = (below + 1).min(last);
    between(sorted[below], sorted[above], place - below as f64)
}

/// The values in rising order, without NaN.
pub fn sorted(values: &[f64]) -> Vec<f64> {
    let mut present = present(values);
    present.sort_unstable_by(f64::total_cmp);
    present
}

/// numpy's interpolation: from the nearer end, so that both ends come out exactly.
fn between(below: f64, above: f64, part: f64) -> f64 {
    let gap = above - below;
    if part >= 0.5 { above - gap * (1.0 - part) } else { below + gap * part }
}

fn present(values: &[f64]) -> Vec<f64> {
    values.iter().copied().filter(|value| !value.is_nan()).collect()
}

fn present_first(values: &mut [f64]) -> &mut [f64] {
    let mut count = 0;
    for index in 0..values.len() {
        if !values[index].is_nan() {
            values.swap(count, index);
            count += 1;
        }
    }
    &mut values[..count]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_median_is_the_value_in_the_middle_or_the_mean_of_two() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), 2.5);
        assert_eq!(median(&[7.0]), 7.0);
    }

    #[test]
    fn a_missing_value_does_not_count() {
        assert_eq!(median(&[f64::NAN, 3.0, 1.0, f64::NAN]), 2.0);
        assert_eq!(quantile(&[f64::NAN, 3.0, 1.0], 0.5), 2.0);
        assert_eq!(sorted(&[2.0, f64::NAN, -1.0]), [-1.0, 2.0]);
    }

    #[test]
    fn an_empty_list_has_no_median_and_no_quantile() {
        assert!(median(&[]).is_nan());
        assert!(median(&[f64::NAN]).is_nan());
        assert!(quantile(&[], 0.25).is_nan());
        assert!(quantile(&[1.0, 2.0], 1.5).is_nan());
        assert!(quantile(&[1.0, 2.0], f64::NAN).is_nan());
    }

    #[test]
    fn a_quantile_lies_on_the_line_between_its_neighbours() {
        let values = [4.0, 1.0, 3.0, 2.0];
        assert_eq!([0.0, 0.25, 0.5, 0.75, 1.0].map(|q| quantile(&values, q)), [1.0, 1.75, 2.5, 3.25, 4.0]);
        assert_eq!(quantile(&[5.0], 0.9), 5.0);
    }

    #[test]
    fn interpolation_starts_from_the_nearer_neighbour() {
        // Four fifths of the way from 0.1 to 0.3: the other end would give 0.26.
        let far = 0.1 + (0.3 - 0.1) * 0.8;
        let near = 0.3 - (0.3 - 0.1) * (1.0 - 0.8);
        assert_eq!(between(0.1, 0.3, 0.8), near);
        assert!((far - near).abs() < 1e-15);
    }

    proptest! {
        #[test]
        fn the_median_is_the_half_quantile_and_lies_between_the_ends(
            values in prop::collection::vec(prop_oneof![9 => -1e6..1e6, 1 => Just(f64::NAN)], 0..40),
        ) {
            let (median, half) = (median(&values), quantile(&values, 0.5));
            let sorted = sorted(&values);
            match (sorted.first(), sorted.last()) {
                (Some(first), Some(last)) => {
                    prop_assert!((median - half).abs() <= 1e-9 * (1.0 + median.abs()), "{median} {half}");
                    prop_assert!(*first <= median && median <= *last);
                }
                _ => prop_assert!(median.is_nan() && half.is_nan()),
            }
        }

        #[test]
        fn statistics_never_panic_whatever_the_numbers(values in prop::collection::vec(any::<f64>(), 0..20), q: f64) {
            let _ = (median(&values), quantile(&values, q), quantile(&values, 0.9));
        }
    }
}
