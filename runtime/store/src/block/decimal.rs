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

/// Digits are made eight at a time.
const EIGHT: u64 = 100_000_000;

/// Writes a decimal at `at` and returns where it ends. Zeros at the end, and a bare point with them, are
/// left out down to `least` digits behind the point. The buffer must have [`NUMBER_ROOM`] at `at`.
#[inline]
pub(super) fn put_decimal(
    buffer: &mut [u8],
    mut at: usize,
    mantissa: i64,
    scale: usize,
    least: usize,
) -> usize {
    debug_assert!(least <= scale && scale <= DIGITS_MAX);
    let size = mantissa.unsigned_abs();
    // Always written, kept only where the number is negative: no branch on the sign.
    buffer[at] = b'-';
    at += usize::from(mantissa < 0);
    if scale == 0 {
        return put_whole(buffer, at, size);
    }
    let power = POWERS[scale] as u64;
    at = put_whole(buffer, at, size / power);
    buffer[at] = b'.';
    let zeros = put_padded(buffer, at + 1, size % power, scale);
    let kept = scale.saturating_sub(zeros).max(least);
    at + kept + usize::from(kept > 0)
}

/// Writes the last `width` digits, 1 to 18, of a number, zeros in front, and returns where they end.
#[inline]
pub(super) fn put_digits(buffer: &mut [u8], at: usize, value: i64, width: usize) -> usize {
    if width == 2 {
        // Most of a written time, so worth a shorter way.
        let value = value as u64 % 100;
        let digits = ((value / 10) | (value % 10) << 8) as u16 + 0x3030;
        buffer[at..at + 2].copy_from_slice(&digits.to_le_bytes());
    } else {
        put_padded(buffer, at, value as u64, width);
    }
    at + width
}

/// Writes a number without zeros in front.
#[inline]
fn put_whole(buffer: &mut [u8], mut at: usize, value: u64) -> usize {
    if value < EIGHT {
        return put_first(buffer, at, value);
    }
    let upper = value / EIGHT;
    if upper < EIGHT {
        at = put_first(buffer, at, upper);
    } else {
        at = put_first(buffer, at, upper / EIGHT);
        put_eight(buffer, at, eight_digits(upper % EIGHT));
        at += 8;
    }
    put_eight(buffer, at, eight_digits(value % EIGHT));
    at + 8
}

/// Writes a number below 10^8 without zeros in front.
#[inline]
fn put_first(buffer: &mut [u8], at: usize, value: u64) -> usize {
    let digits = eight_digits(value);
    // The last digit stays even where it is zero.
    let lead = (digits | 1 << 56).trailing_zeros() as usize / 8;
    put_eight(buffer, at, digits >> (8 * lead));
    at + 8 - lead
}

/// Writes the last `width` digits of a number, zeros in front, and returns how many zeros they end with:
/// at least `width` where there is nothing else.
#[inline]
fn put_padded(buffer: &mut [u8], at: usize, value: u64, width: usize) -> usize {
    let last = eight_digits(value % EIGHT);
    let zeros = last.leading_zeros() as usize / 8;
    if width <= 8 {
        put_eight(buffer, at, last >> (8 * (8 - width)));
        return zeros;
    }
    let more = put_padded_long(buffer, at, value / EIGHT, width - 8);
    put_eight(buffer, at + width - 8, last);
    if zeros == 8 { 8 + more } else { zeros }
}

/// The same for the digits before the last eight: at most ten.
#[inline]
fn put_padded_long(buffer: &mut [u8], at: usize, value: u64, width: usize) -> usize {
    let last = eight_digits(value % EIGHT);
    let zeros = last.leading_zeros() as usize / 8;
    if width <= 8 {
        put_eight(buffer, at, last >> (8 * (8 - width)));
        return zeros;
    }
    put_eight(buffer, at, eight_digits(value / EIGHT % EIGHT) >> (8 * (16 - width)));
    put_eight(buffer, at + width - 8, last);
    if zeros == 8 { 8 + eight_digits(value / EIGHT % EIGHT).leading_zeros() as usize / 8 } else { zeros }
}

#[inline]
fn put_eight(buffer: &mut [u8], at: usize, digits: u64) {
    buffer[at..at + 8].copy_from_slice(&(digits + 0x3030_3030_3030_3030).to_le_bytes());
}

/// The eight digits of a number below 10^8, a byte each, the first one lowest: halved thrice, all halves at
/// once.
#[inline]
fn eight_digits(value: u64) -> u64 {
    let fours = (value / 10_000) | ((value % 10_000) << 32);
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let twos = hundreds | ((fours - hundreds * 100) << 16);
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | ((twos - tens * 10) << 8)
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
    const FRACTION: u64 = (1 << 52) - 1;
    let (size, power) = (mantissa.unsigned_abs(), POWERS[scale] as u64);
    let bits = quotient.abs().to_bits();
    // At least 2^53 / 10^18, so never subnormal: quotient = significand / 2^down.
    let mut significand = bits & FRACTION | 1 << 52;
    let Ok(down) = u32::try_from(1075 - (bits >> 52) as i64) else { return from_text(mantissa, scale) };
    // (mantissa/10^scale - quotient) * 2^down * 10^scale is at most two steps of 10^scale, so its low 64
    // bits are all of it.
    let grown = size.checked_shl(down).unwrap_or(0);
    let step = power as i64;
    let excess = grown.wrapping_sub(significand.wrapping_mul(power)) as i64;
    let steps = i64::from(2 * excess > step) + i64::from(2 * excess > 3 * step)
        - i64::from(2 * excess < -step)
        - i64::from(2 * excess < -3 * step);
    significand = significand.wrapping_add_signed(steps);
    let left = excess - steps * step;
    let edge = significand <= 1 << 52 || significand > FRACTION | 1 << 52 || 2 * left.abs() >= step;
    if edge {
        // Where steps change size, or halfway between two doubles: let the parser decide.
        return from_text(mantissa, scale);
    }
    let value = f64::from_bits(bits & !FRACTION | significand & FRACTION);
    if mantissa < 0 { -value } else { value }
}

#[cold]
fn from_text(mantissa: i64, scale: usize) -> f64 {
    let mut buffer = [0; NUMBER_ROOM];
    let end = put_decimal(&mut buffer, 0, mantissa, scale, scale);
    let text = std::str::from_utf8(&buffer[..end]).expect("digits, a sign and a point are ASCII");
    text.parse().expect("what is written is a decimal")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text_of(decimal: Decimal) -> String {
        let mut buffer = [0; NUMBER_ROOM];
        let end = put_decimal(&mut buffer, 0, decimal.mantissa, decimal.scale.into(), decimal.scale.into());
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
        for (mantissa, scale, least, want) in [
            (1500, 3, 0, "1.5"),
            (2000, 3, 0, "2"),
            (-2000, 3, 1, "-2.0"),
            (100, 0, 0, "100"),
            (105, 2, 0, "1.05"),
            (0, 9, 0, "0"),
            (0, 18, 1, "0.0"),
            (1_000_000_000, 9, 0, "1"),
            (10_000_000_010, 18, 0, "0.00000001000000001"),
            (120_000_000_000, 9, 2, "120.00"),
        ] {
            let mut buffer = [0; NUMBER_ROOM];
            let end = put_decimal(&mut buffer, 0, mantissa, scale, least);
            assert_eq!(&buffer[..end], want.as_bytes());
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
        fn a_decimal_is_the_double_that_its_text_parses_to(
            mantissa in any::<i64>(),
            digits in 0..18_u32,
            scale in 0..=18_u8,
        ) {
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
