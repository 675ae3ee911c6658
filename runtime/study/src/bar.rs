//! How far a total may be from the truth: the tail of the noise that the gate draws.
//!
//! The noise of each total is discrete Laplace of scale b: P(X = k) = (1 - q) / (1 + q) · q^|k| with q = e^(-1/b). See
//! C. Canonne, G. Kamath, T. Steinke, The Discrete Gaussian for Differential Privacy (2020), section 5.2.

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
    fn the_tail_is_the_sum_of_the_probabilities_beyond_the_bar() {
        for (scale, bar) in [(1.0_f64, 0_u64), (2.0, 3), (10.0, 25)] {
            let q = (-1.0 / scale).exp();
            let of = |k: u64| (1.0 - q) / (1.0 + q) * q.powi(i32::try_from(k).expect("small"));
            let sum: f64 = (bar + 1..bar + 2_000).map(|k| 2.0 * of(k)).sum();
            assert!((sum - outside_probability(scale, bar)).abs() < 1e-12, "{scale} {bar}");
        }
    }
}
