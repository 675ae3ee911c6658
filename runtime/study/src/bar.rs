//! How far a total may be from the truth: the tail of the noise that the gate draws.
//!
//! The noise of each total is discrete Laplace of scale b: P(X = k) = (1 - q) / (1 + q) · q^|k| with q = e^(-1/b). See
//! C. Canonne, G. Kamath, T. Steinke, The Discrete Gaussian for Differential Privacy (2020), section 5.2. With two
//! aggregators, each draws such noise, and a total has the sum S of both: P(S = k) = C² · q^|k| · (|k| + A), with
//! C = (1 - q) / (1 + q) and A = (1 + q²) / (1 - q²).

/// How often in a hundred a total lies within its error bar, at least.
pub const CONFIDENCE_PERCENT: u32 = 95;

/// The probability that noise of that scale, above 0, is more than `bar` away from 0.
pub fn outside_probability(scale: f64, bar: u64) -> f64 {
    let q = (-1.0 / scale).exp();
    2.0 * (-(bar as f64 + 1.0) / scale).exp() / (1.0 + q)
}

/// The error bar of each total: the least whole number that noise of that scale, above 0, exceeds in at most
/// 100 - [`CONFIDENCE_PERCENT`] of a hundred cases.
pub fn error_bar(scale: f64) -> u64 {
    let outside = f64::from(100 - CONFIDENCE_PERCENT) / 100.0;
    let q = (-1.0 / scale).exp();
    // The least k with 2 q^(k + 1) / (1 + q) <= outside, up to rounding, which the loop mends.
    let near = (scale * (2.0 / (outside * (1.0 + q))).ln() - 1.0).floor().max(0.0) as u64;
    let mut bar = near.saturating_sub(2);
    while outside_probability(scale, bar) > outside {
        bar += 1;
    }
    bar
}

/// The probability that the sum of two independent noises of that scale, above 0, is more than `bar` away from 0.
pub fn outside_probability_of_two(scale: f64, bar: u64) -> f64 {
    // 1 - q and 1 - q² as differences of numbers near 1 would have no digits left where the scale is large.
    let (less, less_twice) = (-(-1.0 / scale).exp_m1(), -(-2.0 / scale).exp_m1());
    let q = 1.0 - less;
    let first = bar as f64 + 1.0;
    let beyond = (-first / scale).exp();
    let weight = (1.0 + q * q) / less_twice;
    let height = less / (1.0 + q);
    // The sums of q^k and of k · q^k over all k from `first` on.
    2.0 * height * height * beyond * ((weight + first) / less + q / (less * less))
}

/// The error bar of each total of two aggregators: the least whole number that the sum of two noises of that scale, above
/// 0, exceeds in at most 100 - [`CONFIDENCE_PERCENT`] of a hundred cases.
pub fn error_bar_of_two(scale: f64) -> u64 {
    let outside = f64::from(100 - CONFIDENCE_PERCENT) / 100.0;
    // The probability falls with the bar, and 16 scales are far enough out.
    let (mut low, mut high) = (0, (16.0 * scale).ceil() as u64 + 16);
    while low < high {
        let middle = low + (high - low) / 2;
        match outside_probability_of_two(scale, middle) <= outside {
            true => high = middle,
            false => low = middle + 1,
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_the_least_that_keeps_what_it_says() {
        for scale in [0.01, 0.3, 1.0, 7.5, 1e3, 123_456.7, 1e9] {
            let bar = error_bar(scale);
            assert!(outside_probability(scale, bar) <= 0.05, "{scale}");
            assert!(bar == 0 || outside_probability(scale, bar - 1) > 0.05, "{scale}: {bar}");
        }
        // For large scales it is that of the continuous distribution: b · ln 20.
        let wide = error_bar(1e6) as f64;
        assert!((wide - 1e6 * 20f64.ln()).abs() < 2.0, "{wide}");
    }

    #[test]
    fn the_bar_of_two_is_the_least_that_keeps_what_it_says() {
        for scale in [0.01, 0.3, 1.0, 7.5, 1e3, 123_456.7, 1e9, 4e12] {
            let bar = error_bar_of_two(scale);
            assert!(outside_probability_of_two(scale, bar) <= 0.05, "{scale}");
            assert!(bar == 0 || outside_probability_of_two(scale, bar - 1) > 0.05, "{scale}: {bar}");
        }
        for (scale, bar) in [(1.0_f64, 0_u64), (2.0, 3), (10.0, 25)] {
            let q = (-1.0 / scale).exp();
            let one = |k: i64| (1.0 - q) / (1.0 + q) * q.powi(i32::try_from(k.abs()).expect("small"));
            let two = |k: i64| (-600..=600).map(|j| one(j) * one(k - j)).sum::<f64>();
            let bar_signed = i64::try_from(bar).expect("small");
            let sum: f64 = (bar_signed + 1..500).map(|k| 2.0 * two(k)).sum();
            assert!((sum - outside_probability_of_two(scale, bar)).abs() < 1e-9, "{scale} {bar}: {sum}");
        }
    }

    #[test]
    fn the_tail_is_the_sum_of_the_probabilities_beyond_the_bar() {
        for (scale, bar) in [(1.0_f64, 0_u64), (2.0, 3), (10.0, 25)] {
            let q = (-1.0 / scale).exp();
            let of = |k: u64| (1.0 - q) / (1.0 + q) * q.powi(i32::try_from(k).expect("small"));
            let sum: f64 = (bar + 1..bar + 2_000).map(|k| 2.0 * of(k)).sum();
            assert!((sum - outside_probability(scale, bar)).abs() < 1e-12, "{scale} {bar}");
        }
    }
}
