//! Moments as files write them: ISO 8601 with or without an offset, seconds and milliseconds since 1970.

/// The moment after the last one that is taken: 2100-01-01T00:00:00Z, s.
const END_S: f64 = 4_102_444_800.0;
/// A number from here on counts milliseconds: in seconds it would be the year 5138.
const MILLISECONDS_FROM: f64 = 1e11;

/// Whether somebody can have been somewhere then, s.
pub fn is_a_moment(ts: f64) -> bool {
    ts > 0.0 && ts < END_S
}

/// Seconds of a number that counts seconds or milliseconds.
pub fn of_number(number: f64) -> f64 {
    if number.abs() >= MILLISECONDS_FROM { number / 1e3 } else { number }
}

/// A moment as a text: ISO 8601, or a number of seconds or milliseconds. A time without an offset is UTC.
pub fn seconds(text: &str) -> Option<f64> {
    let text = text.trim();
    iso(text).or_else(|| crate::number::plain(text).map(of_number))
}

/// `2024-03-05T08:00:00.123+01:00`; `T` may be a space, a fraction and an offset may be absent, or a space may stand
/// before the offset.
fn iso(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    let digits = |from: usize, to: usize| -> Option<i64> {
        let part = bytes.get(from..to)?;
        part.iter()
            .try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0')))
    };
    let at = |place: usize, of: &[u8]| bytes.get(place).is_some_and(|byte| of.contains(byte));
    if !(at(4, b"-/") && at(7, b"-/") && at(10, b"T t") && at(13, b":")) {
        return None;
    }
    let (year, month, day) = (digits(0, 4)?, digits(5, 7)?, digits(8, 10)?);
    let (hour, minute) = (digits(11, 13)?, digits(14, 16)?);
    let (mut second, mut rest) = (0, 16);
    if at(16, b":") {
        second = digits(17, 19)?;
        rest = 19;
    }
    let days_of_month = match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    };
    if !(1..=12).contains(&month)
        || !(1..=days_of_month).contains(&day)
        || hour > 23
        || minute > 59
        || second > 60
    {
        return None;
    }
    let mut fraction = 0.0;
    if at(rest, b".,") {
        let end = bytes[rest + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count() + rest + 1;
        fraction = format!("0.{}", text.get(rest + 1..end.min(rest + 10))?).parse().ok()?;
        rest = end;
    }
    let offset_s = offset(text.get(rest..)?.trim_start())?;
    let whole = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset_s;
    Some(whole as f64 + fraction)
}

/// `Z`, `UTC`, nothing, `+01`, `+0100`, `+01:00`; s.
fn offset(text: &str) -> Option<i64> {
    let sign = match text.as_bytes().first() {
        None => return Some(0),
        Some(b'+') => 1,
        Some(b'-') => -1,
        Some(_) => return matches!(text, "Z" | "z" | "UTC" | "GMT").then_some(0),
    };
    let digits: String = text[1..].chars().filter(|letter| *letter != ':').collect();
    if !matches!(digits.len(), 2 | 4) || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = (digits[..2].parse::<i64>().ok()?, digits[2..].parse::<i64>().unwrap_or(0));
    (hours < 16 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
}

/// Days from 1970-01-01 to a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March here, so that the leap day is the last of its year.
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_in_every_form_that_files_have() {
        let same = [
            "2024-03-05T08:00:00Z",
            "2024-03-05T09:00:00+01:00",
            "2024-03-05 08:00:00",
            "2024-03-05T13:30:00.000+0530",
            "2024-03-05T08:00Z",
            "2024/03/05 08:00:00 UTC",
            "1709625600",
            "1709625600000",
        ];
        for text in same {
            assert_eq!(seconds(text), Some(1_709_625_600.0), "{text}");
        }
        assert_eq!(seconds("1970-01-01T00:00:00.250Z"), Some(0.25));
        assert_eq!(seconds("2000-02-29T12:00:00Z"), Some(951_825_600.0));
        assert_eq!(seconds("1969-12-31T23:59:59Z"), Some(-1.0));
    }

    #[test]
    fn what_is_no_moment_is_none() {
        for text in [
            "",
            "yesterday",
            "2024-13-01T00:00:00Z",
            "2023-02-29T00:00:00Z",
            "2024-03-05T25:00:00Z",
            "2024-03-05",
            "2024-03-05T08:00:00+99:00",
            "2024-03-05T08:00:00é",
            "2024-03-05T08:00:00+é",
            "2024-03-05T08:00:0",
            "nan",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
