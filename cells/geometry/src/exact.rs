//! Sine and cosine, rounded correctly in all but about one of a million cases.
//!
//! The usual functions are sometimes wrong in the last bit. That does not matter, except where two products that are
//! almost equal are subtracted, as in the heading between points a few centimetres apart: there the last bit decides
//! the seventh digit, and it must be the one that the reference gets from its C library.
//!
//! * Units: radians, up to a few turns; further out the error grows with the angle.
//! * Sums of two doubles carry twice the digits: Taylor's series, its first terms in pairs, the rest in doubles.
//! * No fused operations: the same bits come out natively and in the sandbox.

/// A number as the sum of two doubles, the second below half a last place of the first.
#[derive(Clone, Copy)]
struct Pair(f64, f64);

/// A quarter turn, in three parts.
const QUARTER: [f64; 3] = [std::f64::consts::FRAC_PI_2, 6.123233995736766e-17, -1.4973849048591698e-33];
/// 1/2!, 1/4!, 1/6!
const EVEN: [Pair; 3] = [
    Pair(0.5, 0.0),
    Pair(0.041666666666666664, 2.3129646346357427e-18),
    Pair(0.001388888888888889, -5.300543954373577e-20),
];
/// 1/3!, 1/5!, 1/7!
const ODD: [Pair; 3] = [
    Pair(0.16666666666666666, 9.25185853854297e-18),
    Pair(0.008333333333333333, 1.1564823173178714e-19),
    Pair(0.0001984126984126984, 1.7209558293420705e-22),
];

/// 1/8!, 1/10! to 1/18!, with their signs: in the eighth of a turn that is left, what follows is too small to count.
const EVEN_REST: [f64; 6] = [
    1.0 / 40_320.0,
    -1.0 / 3_628_800.0,
    1.0 / 479_001_600.0,
    -1.0 / 87_178_291_200.0,
    1.0 / 20_922_789_888_000.0,
    -1.0 / 6_402_373_705_728_000.0,
];
/// 1/9!, 1/11! to 1/19!, with their signs.
const ODD_REST: [f64; 6] = [
    1.0 / 362_880.0,
    -1.0 / 39_916_800.0,
    1.0 / 6_227_020_800.0,
    -1.0 / 1_307_674_368_000.0,
    1.0 / 355_687_428_096_000.0,
    -1.0 / 121_645_100_408_832_000.0,
];

/// The sine and the cosine of an angle; NaN for an angle that is not finite.
pub(crate) fn sin_cos(angle: f64) -> (f64, f64) {
    let quarters = (angle / QUARTER[0]).round_ties_even();
    let rest = QUARTER.iter().fold(Pair(angle, 0.0), |rest, part| {
        let Pair(high, low) = product(quarters, *part);
        rest.plus(Pair(-high, -low))
    });
    let square = rest.times(rest);
    let sine = rest.times(alternating(square, ODD, horner(square.0, ODD_REST)));
    let cosine = alternating(square, EVEN, horner(square.0, EVEN_REST));
    match (quarters as i64).rem_euclid(4) {
        0 => (sine.0, cosine.0),
        1 => (cosine.0, -sine.0),
        2 => (-sine.0, -cosine.0),
        _ => (-cosine.0, sine.0),
    }
}

fn horner(square: f64, terms: [f64; 6]) -> f64 {
    terms.into_iter().rev().fold(0.0, |sum, term| sum * square + term)
}

/// 1 - s (a - s (b - s (c - s rest)))
fn alternating(square: Pair, [a, b, c]: [Pair; 3], rest: f64) -> Pair {
    let inner = [c, b, a, Pair(1.0, 0.0)];
    inner.into_iter().fold(Pair(rest, 0.0), |sum, term| {
        let Pair(high, low) = square.times(sum);
        term.plus(Pair(-high, -low))
    })
}

impl Pair {
    fn plus(self, other: Self) -> Self {
        let Self(high, low) = sum(self.0, other.0);
        fast_sum(high, low + (self.1 + other.1))
    }

    fn times(self, other: Self) -> Self {
        let Self(high, low) = product(self.0, other.0);
        fast_sum(high, low + (self.0 * other.1 + self.1 * other.0))
    }
}

/// a + b and its rounding error (Knuth).
fn sum(a: f64, b: f64) -> Pair {
    let total = a + b;
    let b_there = total - a;
    Pair(total, (a - (total - b_there)) + (b - b_there))
}

/// As [`sum`], where a is the larger (Dekker).
fn fast_sum(a: f64, b: f64) -> Pair {
    let total = a + b;
    Pair(total, b - (total - a))
}

/// a b and its rounding error (Dekker).
fn product(a: f64, b: f64) -> Pair {
    let halves = |number: f64| {
        let scaled = 134_217_729.0 * number;
        let high = scaled - (scaled - number);
        (high, number - high)
    };
    let total = a * b;
    let ((a_high, a_low), (b_high, b_low)) = (halves(a), halves(b));
    Pair(total, ((a_high * b_high - total) + a_high * b_low + a_low * b_high) + a_low * b_low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    #[expect(
        clippy::approx_constant,
        reason = "the angles are given by their digits, and so are the results"
    )]
    fn angles_have_the_sine_and_cosine_that_exact_arithmetic_gives() {
        let known = [
            (0.6614, 0.6142222398818236, 0.7891330939927407),
            (0.7853981633974483, 0.7071067811865475, 0.7071067811865476),
            (1e-9, 1e-9, 1.0),
            (-2.1339, -0.8456024045799334, -0.5338132382852965),
            (1.5707963267948966, 1.0, 6.123233995736766e-17),
            (3.141592653589793, 1.2246467991473532e-16, -1.0),
            (0.25, 0.24740395925452294, 0.9689124217106447),
            (6.283, -0.00018530717852557836, 0.9999999828306246),
        ];
        for (angle, sine, cosine) in known {
            assert_eq!(sin_cos(angle), (sine, cosine), "{angle}");
        }
        assert_eq!(sin_cos(0.0), (0.0, 1.0));
        assert!(sin_cos(f64::NAN).0.is_nan() && sin_cos(f64::INFINITY).1.is_nan());
    }

    proptest! {
        #[test]
        fn sine_and_cosine_are_within_one_unit_in_the_last_place_of_libm(angle in -7.0..7.0) {
            let (sine, cosine) = sin_cos(angle);
            prop_assert!((sine - libm::sin(angle)).abs() <= f64::EPSILON * sine.abs(), "{angle}");
            prop_assert!((cosine - libm::cos(angle)).abs() <= f64::EPSILON * cosine.abs(), "{angle}");
        }

        #[test]
        fn it_never_panics_whatever_the_angle(angle: f64) {
            let _ = sin_cos(angle);
        }
    }
}
