//! Plain decimals such as `-122.0839`: text to integer and scale, and back; and their exact double.

/// A number's text as an integer and the count of digits behind the point: `-1.50` is -150 and 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal {
    pub mantissa: i64,
    pub scale: u8,
}

/// The most digits a mantissa has, so that ten of them always fit in 64 bits: doubles need 17.
pub(super) const DIGITS_MAX: usize = 18;

/// 10 to the power of the index.
pub(super) const POWERS: [i64; DIGITS_MAX + 1] = {
    let mut powers = [1; DIGITS_MAX + 1];
    let mut at = 1;
    while at <= DIGITS_MAX {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

impl Decimal {
    /// Reads what [`put_decimal`] can write back byte for byte: JSON's grammar without exponents, at most
    /// 18 digits, and no minus before a zero.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (negative, digits) = match text {
            [b'-', digits @ ..] => (true, digits),
            digits => (false, digits),
        };
        if digits.len() > DIGITS_MAX + 1 {
            return None;
        }
        let mut mantissa = 0_i64;
        let mut point = None;
        for (at, byte) in digits.iter().enumerate() {
            match byte.wrapping_sub(b'0') {
                digit @ 0..=9 => mantissa = mantissa * 10 + i64::from(digit),
                _ if *byte == b'.' && point.is_none() => point = Some(at),
                _ => return None,
            }
        }
        let whole = point.unwrap_or(digits.len());
        let scale = point.map_or(0, |point| digits.len() - point - 1);
        let sound = whole > 0 && (digits[0] != b'0' || whole == 1) && (point.is_none() || scale > 0);
        let fits = whole + scale <= DIGITS_MAX;
        if !sound || !fits || (negative && mantissa == 0) {
            return None;
        }
        Some(Self { mantissa: if negative { -mantissa } else { mantissa }, scale: scale as u8 })
    }
}

/// Room that [`put_decimal`] and [`put_digits`] need behind `at`, whatever the number.
pub(super) const NUMBER_ROOM: usize = 64;

/// Writes a decimal at `at` and answers where it ends. The buffer must have [`NUMBER_ROOM`] there.
#[inline]
pub(super) fn put_decimal(buffer: &mut [u8], mut at: usize, mantissa: i64, scale: usize) -> usize {
    debug_assert!(scale <= DIGITS_MAX);
    let size = mantissa.unsigned_abs();
    // Always written, kept only where the number is negative: no branch on the sign.
    buffer[at] = b'-';
    at += usize::from(mantissa < 0);
    let digits = Digits::of(size);
    let count = size.checked_ilog10().map_or(1, |log| log as usize + 1);
    let whole = count.saturating_sub(scale).max(1);
    let point = Digits::END - scale;
    copy::<24>(buffer, at, &digits.0, point - whole);
    at += whole;
    if scale == 0 {
        return at;
    }
    buffer[at] = b'.';
    copy::<24>(buffer, at + 1, &digits.0, point);
    at + 1 + scale
}

/// Takes zeros, and then a bare point, off the end of a decimal with `scale` digits behind the point that
/// ends at `at`, leaving at least `least` digits there.
#[inline]
pub(super) fn strip_zeros(buffer: &[u8], mut at: usize, mut scale: usize, least: usize) -> usize {
    if scale == 0 {
        return at;
    }
    while scale > least && buffer[at - 1] == b'0' {
        at -= 1;
        scale -= 1;
    }
    if scale == 0 { at - 1 } else { at }
}

/// Writes the last `width` digits, at most 16, of a number, zeros in front, and answers where they end.
#[inline]
pub(super) fn put_digits(buffer: &mut [u8], at: usize, value: i64, width: usize) -> usize {
    let value = value as u64;
    if width <= 8 {
        let digits = eight_digits(value % 100_000_000) >> (8 * (8 - width.max(1)));
        buffer[at..at + 8].copy_from_slice(&digits.to_le_bytes());
    } else {
        let digits = Digits::of(value);
        copy::<24>(buffer, at, &digits.0, Digits::END - width);
    }
    at + width
}

#[inline]
fn copy<const N: usize>(to: &mut [u8], at: usize, from: &[u8], start: usize) {
    to[at..at + N].copy_from_slice(&from[start..start + N]);
}

/// 24 digits, zeros in front, and room behind them for copies of a fixed size.
struct Digits([u8; 48]);

impl Digits {
    const END: usize = 24;

    #[inline]
    fn of(value: u64) -> Self {
        const PART: u64 = 100_000_000;
        let mut digits = [b'0'; 48];
        digits[16..24].copy_from_slice(&eight_digits(value % PART).to_le_bytes());
        if value >= PART {
            let upper = value / PART;
            digits[8..16].copy_from_slice(&eight_digits(upper % PART).to_le_bytes());
            digits[..8].copy_from_slice(&eight_digits(upper / PART).to_le_bytes());
        }
        Self(digits)
    }
}

/// The eight digits of a number below 10^8, the first in the lowest byte: halved thrice, all halves at once.
#[inline]
fn eight_digits(value: u64) -> u64 {
    let fours = (value / 10_000) | ((value % 10_000) << 32);
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let twos = hundreds | ((fours - hundreds * 100) << 16);
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    let ones = tens | ((twos - tens * 10) << 8);
    ones + 0x3030_3030_3030_3030
}

/// The double nearest to `mantissa / 10^scale`: the one that parsing the decimal's text gives.
///
/// Both are exact as doubles below 2^53, and then one division rounds once. Otherwise the quotient of the
/// rounded mantissa is at most two steps off, and comparing whole numbers tells by how many.
#[inline]
pub(super) fn to_double(mantissa: i64, scale: usize) -> f64 {
    debug_assert!(scale <= DIGITS_MAX);
    let power = POWERS[scale];
    let quotient = mantissa as f64 / power as f64;
    if mantissa.unsigned_abs() < 1 << 53 || scale == 0 { quotient } else { nudge(quotient, mantissa, scale) }
}

fn nudge(quotient: f64, mantissa: i64, scale: usize) -> f64 {
    let size = i128::from(mantissa.unsigned_abs());
    let power = i128::from(POWERS[scale]);
    let bits = quotient.abs().to_bits();
    // At least 2^53 / 10^18, so never subnormal: quotient = significand * 2^exponent.
    let mut significand = (bits & ((1 << 52) - 1) | 1 << 52) as i128;
    let exponent = (bits >> 52) as i32 - 1075;
    let (up, down) = (exponent.max(0), (-exponent).max(0));
    // Everything times 10^scale and, if that makes it whole, times 2^-exponent: below 2^120 throughout.
    let step = power << up;
    let mut excess = (size << down) - significand * step;
    while 2 * excess > step {
        significand += 1;
        excess -= step;
    }
    while 2 * excess < -step {
        significand -= 1;
        excess += step;
    }
    let edge = significand <= 1 << 52 || significand >= 1 << 53 || 2 * excess.abs() == step;
    if edge {
        // Where steps change size, or halfway between two doubles: let the parser decide.
        return from_text(mantissa, scale);
    }
    let value = f64::from_bits((bits >> 52) << 52 | (significand as u64 & ((1 << 52) - 1)));
    if mantissa < 0 { -value } else { value }
}

#[cold]
fn from_text(mantissa: i64, scale: usize) -> f64 {
    let mut buffer = [0; NUMBER_ROOM];
    let end = put_decimal(&mut buffer, 0, mantissa, scale);
    let text = std::str::from_utf8(&buffer[..end]).expect("digits, a sign and a point are ASCII");
    text.parse().expect("what is written is a decimal")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text_of(decimal: Decimal) -> String {
        let mut buffer = [0; NUMBER_ROOM];
        let end = put_decimal(&mut buffer, 0, decimal.mantissa, usize::from(decimal.scale));
        String::from_utf8(buffer[..end].to_vec()).expect("ASCII")
    }

    #[test]
    fn plain_decimals_come_back_byte_for_byte() {
        for text in [
            "0",
            "5",
            "-5",
            "0.0",
            "0.5",
            "-0.5",
            "10",
            "1.0",
            "1.50",
            "0.000",
            "0.05",
            "-122.08390710699999",
            "1470397780.507",
            "99999999",
            "100000000",
            "999999999999999999",
            "0.12345678901234567",
            "-999999999.999999999",
            "12345678.9",
        ] {
            let decimal = Decimal::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text} is plain"));
            assert_eq!(text_of(decimal), text);
        }
    }

    #[test]
    fn what_would_not_come_back_is_refused() {
        for text in [
            "",
            "-",
            ".",
            "-0",
            "-0.0",
            "01",
            "00",
            "1.",
            ".5",
            "1e5",
            "1E5",
            "+1",
            "1.2.3",
            "--1",
            "1-",
            "nan",
            " 1",
            "1 ",
            "1000000000000000000",
            "0.123456789012345678",
            "null",
            "1,5",
        ] {
            assert_eq!(Decimal::parse(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn zeros_are_stripped_down_to_what_must_stay() {
        for (text, scale, least, want) in [
            ("1.500", 3, 0, "1.5"),
            ("2.000", 3, 0, "2"),
            ("2.000", 3, 1, "2.0"),
            ("100", 0, 0, "100"),
            ("1.05", 2, 0, "1.05"),
        ] {
            let end = strip_zeros(text.as_bytes(), text.len(), scale, least);
            assert_eq!(&text[..end], want);
        }
    }

    #[test]
    fn digits_are_padded_and_cut_to_their_width() {
        for (value, width, want) in
            [(7, 2, "07"), (2016, 4, "2016"), (507_000, 6, "507000"), (123, 2, "23"), (5, 12, "000000000005")]
        {
            let mut buffer = [0; NUMBER_ROOM];
            let end = put_digits(&mut buffer, 0, value, width);
            assert_eq!(&buffer[..end], want.as_bytes());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn a_decimal_is_the_double_that_its_text_parses_to(mantissa in -POWERS[18]..POWERS[18], digits in 0..18_u32, scale in 0..=18_u8) {
            let decimal = Decimal { mantissa: mantissa / 10_i64.pow(digits), scale };
            let want: f64 = text_of(decimal).parse().expect("a decimal");
            prop_assert_eq!(to_double(decimal.mantissa, scale.into()), want, "{:?}", decimal);
        }

        #[test]
        fn the_shortest_text_of_a_double_leads_back_to_it(bits in any::<u64>(), small in -200.0..200.0_f64) {
            for number in [small, f64::from_bits(bits >> 12 | 0x404 << 52)] {
                let text = number.to_string();
                if let Some(decimal) = Decimal::parse(text.as_bytes()) {
                    prop_assert_eq!(to_double(decimal.mantissa, decimal.scale.into()), number);
                    prop_assert_eq!(text_of(decimal), text);
                }
            }
        }
    }
}
