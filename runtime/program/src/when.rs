//! A moment that a person typed: a date, a date with a time of the day, or seconds since 1970.
//!
//! * A date alone is a whole day: its first moment at the beginning of a span, its last at the end.
//! * Without an offset it is a time of the person's own zone, which only the host knows (it is passed to
//!   [`When::seconds`]); where no zone is known, it is UTC.
//! * Units: s since 1970-01-01T00:00:00Z.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use serde::{Deserialize, Serialize};

use crate::typed;

/// The end of a span that a moment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// The span begins there.
    First,
    /// The span ends there; both ends belong to it.
    Last,
}

/// A moment as it was typed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct When(Form);

#[derive(Debug, Clone, PartialEq)]
enum Form {
    Seconds(f64),
    Day(Date, Option<Offset>),
    Clock(DateTime, Option<Offset>),
}

/// Why a text is not a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "no moment: a date such as 2024-03-05, with a time such as 2024-03-05T08:00 or 2024-03-05T08:00:00+01:00, or seconds since 1970"
)]
pub struct BadWhen;

impl When {
    /// A moment that is the same in every zone.
    pub fn at(seconds: f64) -> Self {
        Self(Form::Seconds(seconds))
    }

    /// The local time that it names, as if in UTC, s; `None` where the text itself fixes the moment.
    pub fn needs_zone(&self) -> Option<f64> {
        match &self.0 {
            Form::Day(date, None) => Some(seconds_of(date.to_datetime(Time::midnight()), &TimeZone::UTC)),
            Form::Clock(clock, None) => Some(seconds_of(*clock, &TimeZone::UTC)),
            _ => None,
        }
    }

    /// The moment, s. `zone` is the zone of a text that names no offset.
    pub fn seconds(&self, bound: Bound, zone: &TimeZone) -> f64 {
        let zone_of = |offset: &Option<Offset>| offset.map_or_else(|| zone.clone(), TimeZone::fixed);
        match &self.0 {
            Form::Seconds(seconds) => *seconds,
            Form::Clock(clock, offset) => seconds_of(*clock, &zone_of(offset)),
            Form::Day(date, offset) => {
                let midnight = |date: Date| seconds_of(date.to_datetime(Time::midnight()), &zone_of(offset));
                match bound {
                    Bound::First => midnight(*date),
                    // The last number before the next day, since both ends of a span belong to it.
                    Bound::Last => date.tomorrow().map_or(f64::MAX, |next| midnight(next).next_down()),
                }
            }
        }
    }
}

/// A time of day that a change of clocks skips is read as the one after it; of a time that occurs twice, the first
/// counts.
fn seconds_of(clock: DateTime, zone: &TimeZone) -> f64 {
    let moment = zone.to_ambiguous_timestamp(clock).compatible();
    // Only the first and the last day of a calendar with four-digit years can be outside.
    moment.map_or(f64::NAN, |moment| moment.as_duration().as_secs_f64())
}

impl FromStr for When {
    type Err = BadWhen;

    fn from_str(text: &str) -> Result<Self, BadWhen> {
        let text = typed::trimmed(text);
        if let Ok(seconds) = text.parse::<f64>() {
            let sound = seconds.is_finite() && !looks_like_a_date(text);
            return if sound { Ok(Self::at(seconds)) } else { Err(BadWhen) };
        }
        let (date, rest) = text.split_at_checked(DATE_BYTES).ok_or(BadWhen)?;
        let date = read_date(date).ok_or(BadWhen)?;
        let (clock, zone) = split_zone(rest);
        let offset = read_zone(zone).ok_or(BadWhen)?;
        let Some(clock) = clock.strip_prefix(['T', 't', ' ', '_']) else {
            return if clock.is_empty() { Ok(Self(Form::Day(date, offset))) } else { Err(BadWhen) };
        };
        let clock = read_clock(date, typed::trimmed(clock)).ok_or(BadWhen)?;
        Ok(Self(Form::Clock(clock, offset)))
    }
}

/// The length of `2024-03-05`.
const DATE_BYTES: usize = 10;

fn number(text: &str, digits: usize) -> Option<i16> {
    let plain = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// Whether a number is more likely a year, or a date without its dashes, than a moment within a year of 1970.
fn looks_like_a_date(text: &str) -> bool {
    let years = 1900..=2200;
    match text.len() {
        4 => number(text, 4).is_some_and(|year| years.contains(&year)),
        8 if text.is_ascii() => {
            let dashed = format!("{}-{}-{}", &text[..4], &text[4..6], &text[6..]);
            read_date(&dashed).is_some_and(|date| years.contains(&date.year()))
        }
        _ => false,
    }
}

fn read_date(text: &str) -> Option<Date> {
    let (year, rest) = text.split_once('-')?;
    let (month, day) = rest.split_once('-')?;
    let small = |text| number(text, 2).and_then(|number| i8::try_from(number).ok());
    // The days before and after must exist for every zone.
    let date = Date::new(number(year, 4)?, small(month)?, small(day)?).ok()?;
    (date.year() >= 1 && date.year() < 9999).then_some(date)
}

/// Splits the text after a date into the time of day and the zone.
fn split_zone(text: &str) -> (&str, &str) {
    let at = text.find(['Z', 'z', '+', '-', 'U', 'u', '\u{2212}']).unwrap_or(text.len());
    let (clock, zone) = text.split_at(at);
    (clock.trim_end(), zone)
}

/// The offset of `Z`, `UTC`, `+01`, `+0100` or `+01:00`; none for an empty text.
fn read_zone(text: &str) -> Option<Option<Offset>> {
    if text.is_empty() {
        return Some(None);
    }
    if ["z", "utc"].iter().any(|name| text.eq_ignore_ascii_case(name)) {
        return Some(Some(Offset::UTC));
    }
    let (sign, rest) = match text.strip_prefix('+') {
        Some(rest) => (1, rest),
        None => (-1, text.strip_prefix(['-', '\u{2212}'])?),
    };
    let (hours, minutes) = match rest.split_once(':') {
        Some((hours, minutes)) => (hours, minutes),
        None if rest.len() == 2 => (rest, "00"),
        None => rest.split_at_checked(2)?,
    };
    let (hours, minutes) = (number(hours, 2)?, number(minutes, 2)?);
    if hours > 18 || minutes > 59 {
        return None;
    }
    let seconds = (i32::from(hours) * 60 + i32::from(minutes)) * 60 * sign;
    Offset::from_seconds(seconds).ok().map(Some)
}

/// `08`, `08:30`, `08:30:15` or `08:30:15.5`; also `24:00`, and the second 60, which is read as the one before it.
fn read_clock(date: Date, text: &str) -> Option<DateTime> {
    let mut parts = text.split(':');
    let hour = number(parts.next()?, 2)?;
    let minute = parts.next().map_or(Some(0), |text| number(text, 2))?;
    let (second, fraction) = match parts.next() {
        None => ("00", "0"),
        Some(text) => text.split_once(['.', ',']).unwrap_or((text, "0")),
    };
    let second = number(second, 2)?;
    if parts.next().is_some() || minute > 59 || second > 60 {
        return None;
    }
    let plain = (1..=18).contains(&fraction.len()) && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let nanos: i32 = plain.then(|| format!("{fraction:0<9}")[..9].parse().ok()).flatten()?;
    if hour == 24 {
        let midnight = minute == 0 && second == 0 && nanos == 0;
        return if midnight { Some(date.tomorrow().ok()?.to_datetime(Time::midnight())) } else { None };
    }
    let small = |number| i8::try_from(number).ok();
    let time = Time::new(small(hour)?, small(minute)?, small(second.min(59))?, nanos).ok()?;
    Some(date.to_datetime(time))
}

/// The form in which it can be read again.
impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let offset = match &self.0 {
            Form::Seconds(seconds) => return write!(f, "{seconds}"),
            Form::Day(date, offset) => {
                write!(f, "{date}")?;
                offset
            }
            Form::Clock(clock, offset) => {
                write!(f, "{clock}")?;
                offset
            }
        };
        let Some(offset) = offset else { return Ok(()) };
        let minutes = offset.seconds() / 60;
        let sign = if minutes < 0 { '-' } else { '+' };
        write!(f, "{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
    }
}

impl TryFrom<String> for When {
    type Error = BadWhen;

    fn try_from(text: String) -> Result<Self, BadWhen> {
        text.parse()
    }
}

impl From<When> for String {
    fn from(when: When) -> Self {
        when.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).expect("a zone")
    }

    fn read(text: &str) -> When {
        text.parse().unwrap_or_else(|_| panic!("{text}"))
    }

    fn first(text: &str, zone: &TimeZone) -> f64 {
        read(text).seconds(Bound::First, zone)
    }

    #[test]
    fn a_date_alone_is_a_whole_day_of_the_persons_zone() {
        let zurich = zone("Europe/Zurich");
        let day = read("2024-03-05");
        assert_eq!(day.seconds(Bound::First, &TimeZone::UTC), 1_709_596_800.0);
        assert_eq!(day.seconds(Bound::First, &zurich), 1_709_593_200.0);
        let last = day.seconds(Bound::Last, &zurich);
        assert!(last < 1_709_593_200.0 + 86_400.0 && last > 1_709_593_200.0 + 86_399.999);
        // The days on which clocks change have 23 and 25 hours.
        for (text, hours) in [("2024-03-31", 23.0), ("2024-10-27", 25.0)] {
            let day = read(text);
            let span = day.seconds(Bound::Last, &zurich) - day.seconds(Bound::First, &zurich);
            assert!((span - hours * 3600.0).abs() < 1e-3, "{text}: {span}");
        }
        // Where midnight is skipped, the day begins an hour later.
        assert_eq!(first("2018-11-04", &zone("America/Sao_Paulo")), 1_541_300_400.0);
    }

    #[test]
    fn a_time_with_an_offset_is_the_same_moment_everywhere() {
        let anywhere = zone("Asia/Tokyo");
        for text in [
            "2016-06-20T15:28:03Z",
            "2016-06-20t15:28:03z",
            "2016-06-20 15:28:03 UTC",
            "2016-06-20T08:28:03-07:00",
            "2016-06-20T08:28:03-0700",
            "2016-06-20T08:28:03-07",
            "2016-06-20T08:28:03\u{2212}07:00",
            "2016-06-20T20:58:03+05:30",
            " 2016-06-20T15:28:03.000Z\n",
            "2016-06-20T15:28:03,0Z",
            "1466436483",
            "1466436483.0",
            "1.466436483e9",
        ] {
            assert_eq!(first(text, &anywhere), 1_466_436_483.0, "{text}");
            assert_eq!(read(text).needs_zone(), None, "{text}");
        }
        assert_eq!(first("2016-06-20T15:28:03.5Z", &anywhere), 1_466_436_483.5);
        assert_eq!(first("2016-06-20+02:00", &anywhere), 1_466_373_600.0);
        assert_eq!(first("2016-06-20Z", &anywhere), 1_466_380_800.0);
        assert_eq!(first("1466436483.395", &anywhere), 1_466_436_483.395);
        assert_eq!(first("-5", &anywhere), -5.0);
    }

    #[test]
    fn a_time_without_an_offset_is_the_persons_wall_clock_and_seconds_may_be_left_out() {
        let tokyo = zone("Asia/Tokyo");
        for text in ["2016-06-20T15:28", "2016-06-20 15:28", "2016-06-20T15:28:00", "2016-06-20_15:28"] {
            assert_eq!(first(text, &tokyo), 1_466_404_080.0, "{text}");
            assert_eq!(read(text).needs_zone(), Some(1_466_436_480.0), "{text}");
        }
        assert_eq!(first("2016-06-20T15", &TimeZone::UTC), 1_466_434_800.0);
        assert_eq!(first("2016-06-20T15:28Z", &tokyo), 1_466_436_480.0);
        assert_eq!(first("2016-06-20T24:00Z", &tokyo), 1_466_467_200.0);
        assert_eq!(first("2016-12-31T23:59:60Z", &tokyo), 1_483_228_799.0);
        // A time that is skipped, and one that occurs twice.
        let zurich = zone("Europe/Zurich");
        assert_eq!(first("2024-03-31T02:30", &zurich), first("2024-03-31T03:30", &zurich));
        assert_eq!(first("2024-10-27T02:30", &zurich), first("2024-10-27T02:30+02:00", &zurich));
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for bad in [
            "",
            "yesterday",
            "nan",
            "inf",
            "-inf",
            "1e999",
            "2016",
            "20160620",
            "2016-06",
            "2016-6-20",
            "2016-13-01",
            "2016-02-30",
            "2016-06-20T",
            "2016-06-20T25:00",
            "2016-06-20T24:01",
            "2016-06-20T12:60",
            "2016-06-20T12:00:61",
            "2016-06-20T12:00:00.",
            "2016-06-20T12:00:00:00",
            "2016-06-20X12:00",
            "2016-06-20T12:00+",
            "2016-06-20T12:00+1",
            "2016-06-20T12:00+19:00",
            "2016-06-20T12:00+01:60",
            "2016-06-20T12:00CET",
            "2016-06-20T1:00",
            "20.06.2016",
            "06/20/2016",
            "2016-06-20T12:00Zx",
            "9999-12-31",
            "0000-01-01",
            "２０１６-06-20",
            "2016-06-20T12:00:00 +01:00 x",
        ] {
            assert!(bad.parse::<When>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn it_reads_what_it_writes_and_no_text_panics(text in "\\PC{0,40}") {
            if let Ok(when) = text.parse::<When>() {
                prop_assert_eq!(&when.to_string().parse::<When>().expect("read again"), &when);
            }
        }

        #[test]
        fn every_form_of_a_moment_is_the_same_moment(
            seconds in 0_i64..4_102_444_800, nanos in 0_i32..1_000_000_000, minutes in -18 * 60..18 * 60_i32,
            form in 0_usize..3,
        ) {
            let offset = Offset::from_seconds(minutes * 60).expect("an offset");
            let moment = jiff::Timestamp::new(seconds, nanos).expect("a moment");
            let clock = offset.to_datetime(moment);
            let sign = if minutes < 0 { '-' } else { '+' };
            let (hours, rest) = (minutes.abs() / 60, minutes.abs() % 60);
            let zone = match form {
                0 => format!("{sign}{hours:02}:{rest:02}"),
                1 => format!("{sign}{hours:02}{rest:02}"),
                _ => format!(" {sign}{hours:02}:{rest:02}"),
            };
            let when = read(&format!("{clock}{zone}"));
            let want = moment.as_duration().as_secs_f64();
            prop_assert_eq!(when.seconds(Bound::First, &TimeZone::UTC), want);
            prop_assert_eq!(when.seconds(Bound::Last, &TimeZone::UTC), want);
            let travelled: When = serde_json::from_str(&serde_json::to_string(&when).expect("JSON")).expect("JSON");
            prop_assert_eq!(travelled, when);
        }

        #[test]
        fn the_days_of_a_zone_follow_each_other_without_gap_or_overlap(
            day in 0_i32..20_000, name in prop_oneof!["Europe/Zurich", "America/Sao_Paulo", "Pacific/Apia", "Asia/Kathmandu"],
        ) {
            let zone = zone(&name);
            let date = Date::new(1975, 1, 1).expect("a date").checked_add(jiff::Span::new().days(day)).expect("a date");
            let next = date.tomorrow().expect("a date");
            let (this, next) = (read(&date.to_string()), read(&next.to_string()));
            let (from, to) = (this.seconds(Bound::First, &zone), this.seconds(Bound::Last, &zone));
            prop_assert!(from <= to.next_up());
            prop_assert_eq!(to.next_up(), next.seconds(Bound::First, &zone));
        }
    }
}
