//! Moments in the owner's local time, as entries carry them beside each `…ts`: a `local_dt` and a `fmt_time`.
//!
//! * Units: a moment is seconds since 1970-01-01T00:00:00Z; local fields are whole, the year is the proleptic Gregorian
//!   one.
//! * A double has no exact microsecond. As in the reference, the fraction is rounded to the nearest one, a half to the
//!   even one; the double itself is never changed.
//! * The rules of zones come from a tz database inside the program: no files, no clock.

use std::fmt;
use std::sync::OnceLock;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::text::{push_number, push_text, push_whole};
use crate::zone;

/// The zone of entries that the server makes, and of old phones that name none.
pub const SERVER_ZONE: &str = "America/Los_Angeles";

/// Why a moment has no local time.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BadTime {
    /// No rules are known by that name.
    #[error("unknown time zone {0:?}")]
    UnknownZone(String),
    /// Not finite, or outside the years -9999 to 9999.
    #[error("{0} s is not between the years -9999 and 9999")]
    OutOfRange(f64),
}

/// The parts of a local time, as `…local_dt` has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct LocalDt {
    /// Such as 2026.
    pub year: i16,
    /// 1 to 12
    pub month: i8,
    /// 1 to 31
    pub day: i8,
    /// 0 to 23
    pub hour: i8,
    /// 0 to 59
    pub minute: i8,
    /// 0 to 59
    pub second: i8,
    /// Monday is 0.
    pub weekday: i8,
    /// The zone as the phone named it.
    pub timezone: String,
}

/// A zone whose rules are known.
#[derive(Debug, Clone)]
pub struct Zone {
    name: Box<str>,
    rules: TimeZone,
}

impl Zone {
    /// Finds an IANA zone such as `Europe/Zurich`, an offset such as `+05:30`, or any other name that the reference reads.
    pub fn find(name: &str) -> Result<Self, BadTime> {
        match zone::rules_of(name) {
            Some(rules) => Ok(Self { name: name.into(), rules }),
            None => Err(BadTime::UnknownZone(name.chars().take(64).collect())),
        }
    }

    /// The zone of entries that the server makes, [`SERVER_ZONE`].
    pub fn server() -> &'static Self {
        static ZONE: OnceLock<Zone> = OnceLock::new();
        // Its rules are compiled in: a cell that needs no other zone does not contain the database of all of them, and
        // reads no rules in every run.
        ZONE.get_or_init(|| Self { name: SERVER_ZONE.into(), rules: jiff::tz::get!("America/Los_Angeles") })
    }

    /// The name it was found by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The local time at `ts`, s.
    pub fn at(&self, ts: f64) -> Result<LocalTime<'_>, BadTime> {
        let moment = moment(ts).ok_or(BadTime::OutOfRange(ts))?;
        let offset = self.rules.to_offset(moment);
        Ok(LocalTime { zone: &self.name, offset_s: offset.seconds(), parts: offset.to_datetime(moment) })
    }
}

fn moment(ts: f64) -> Option<Timestamp> {
    // Fraction and whole are rounded separately: ts * 1e6 as one product would round a second time.
    let whole = ts.trunc();
    let micros = ((ts - whole) * 1e6).round_ties_even();
    if !whole.is_finite() || whole.abs() > 1e12 {
        return None;
    }
    Timestamp::from_microsecond((whole as i64) * 1_000_000 + micros as i64).ok()
}

/// A moment in a zone.
#[derive(Debug, Clone, Copy)]
pub struct LocalTime<'a> {
    zone: &'a str,
    offset_s: i32,
    parts: jiff::civil::DateTime,
}

impl LocalTime<'_> {
    /// The parts, as `…local_dt` has them.
    pub fn local_dt(&self) -> LocalDt {
        LocalDt {
            year: self.parts.year(),
            month: self.parts.month(),
            day: self.parts.day(),
            hour: self.parts.hour(),
            minute: self.parts.minute(),
            second: self.parts.second(),
            weekday: self.parts.weekday().to_monday_zero_offset(),
            timezone: self.zone.to_owned(),
        }
    }

    /// ISO 8601 with the offset, as `…fmt_time` has it; no fraction where there are no microseconds.
    pub fn fmt_time(&self) -> String {
        self.short().as_str().to_owned()
    }

    /// Appends `"<prefix>local_dt":{…},"<prefix>fmt_time":"…"`; the prefix is such as `start_`.
    pub fn write_members(&self, prefix: &str, text: &mut String) {
        let parts = &self.parts;
        let numbers = [
            (r#"local_dt":{"year":"#, i64::from(parts.year())),
            (r#","month":"#, i64::from(parts.month())),
            (r#","day":"#, i64::from(parts.day())),
            (r#","hour":"#, i64::from(parts.hour())),
            (r#","minute":"#, i64::from(parts.minute())),
            (r#","second":"#, i64::from(parts.second())),
            (r#","weekday":"#, i64::from(parts.weekday().to_monday_zero_offset())),
        ];
        text.push('"');
        text.push_str(prefix);
        for (before, number) in numbers {
            text.push_str(before);
            push_whole(text, number);
        }
        text.push_str(r#","timezone":"#);
        push_text(text, self.zone);
        for part in ["},\"", prefix, "fmt_time\":\""] {
            text.push_str(part);
        }
        text.push_str(self.short().as_str());
        text.push('"');
    }

    fn short(&self) -> Short {
        let parts = &self.parts;
        let small = |number: i8| u32::from(number.unsigned_abs());
        let mut text = Short::empty();
        if parts.year() < 0 {
            text.put(b"-");
        }
        let year_digits = if parts.year() < 0 { 3 } else { 4 };
        text.put_number(u32::from(parts.year().unsigned_abs()), year_digits, b"-");
        text.put_number(small(parts.month()), 2, b"-");
        text.put_number(small(parts.day()), 2, b"T");
        text.put_number(small(parts.hour()), 2, b":");
        text.put_number(small(parts.minute()), 2, b":");
        text.put_number(small(parts.second()), 2, b"");
        let micros = parts.subsec_nanosecond().unsigned_abs() / 1_000;
        if micros != 0 {
            text.put(b".");
            text.put_number(micros, 6, b"");
        }
        text.put(if self.offset_s < 0 { b"-" } else { b"+" });
        let offset_s = self.offset_s.unsigned_abs();
        text.put_number(offset_s / 3_600, 2, b":");
        text.put_number(offset_s / 60 % 60, 2, b"");
        // Local mean times before zones were whole minutes.
        if !offset_s.is_multiple_of(60) {
            text.put(b":");
            text.put_number(offset_s % 60, 2, b"");
        }
        text
    }
}

/// The longest text of a local time: a year of four digits with its sign, microseconds, an offset with seconds.
const FMT_TIME_BYTES_MAX: usize = 40;

/// A text under construction, on the stack.
struct Short {
    bytes: [u8; FMT_TIME_BYTES_MAX],
    len: usize,
}

impl Short {
    fn empty() -> Self {
        Self { bytes: [0; FMT_TIME_BYTES_MAX], len: 0 }
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).expect("digits and signs are ASCII")
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    /// A number with leading zeros up to `width` digits, which are 1 to 10. Entries are full of local times, and the
    /// formatter of the standard library costs several times as much.
    fn put_number(&mut self, mut number: u32, width: usize, behind: &[u8]) {
        let (mut digits, mut start) = ([b'0'; 10], 10);
        while number > 0 || start > 10 - width {
            start -= 1;
            digits[start] = b'0' + (number % 10) as u8;
            number /= 10;
        }
        self.put(&digits[start..]);
        self.put(behind);
    }
}

impl fmt::Display for LocalTime<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.short().as_str())
    }
}

/// Zones that one run has used: each is looked up once.
#[derive(Debug, Default)]
pub struct Zones {
    known: Vec<Zone>,
}

/// A phone travels through a few zones; names beyond this many are looked up each time.
const ZONES_MAX: usize = 32;

impl Zones {
    /// No zones yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The zone of that name; see [`Zone::find`].
    pub fn get(&mut self, name: &str) -> Result<&Zone, BadTime> {
        let index = match self.known.iter().position(|zone| &*zone.name == name) {
            Some(index) => index,
            None => {
                let zone = Zone::find(name)?;
                self.known.truncate(ZONES_MAX - 1);
                self.known.push(zone);
                self.known.len() - 1
            }
        };
        Ok(&self.known[index])
    }
}

/// `local_dt` and `fmt_time` of `ts` (s) in the IANA zone `zone`.
pub fn local(ts: f64, zone: &str) -> Result<(LocalDt, String), BadTime> {
    let zone = Zone::find(zone)?;
    let local = zone.at(ts)?;
    Ok((local.local_dt(), local.fmt_time()))
}

/// The metadata of an entry that a stage makes, as JSON text: platform `server`, the server's zone.
/// `write_ts`, s, is the run's `now`; entries of one run that must keep their order add a microsecond each.
pub fn server_metadata(key: &str, write_ts: f64) -> Result<String, BadTime> {
    server_metadata_with(key, write_ts, "")
}

/// As [`server_metadata`], with further members, such as `"origin_key":"analysis/confirmed_trip"`, at the end.
pub fn server_metadata_with(key: &str, write_ts: f64, members: &str) -> Result<String, BadTime> {
    let mut metadata = ServerMetadata::default();
    metadata.write(key, write_ts, members)?;
    Ok(metadata.text)
}

/// Writes [`server_metadata`] for entries that a run makes one after the other: the parts that are the same for one
/// second are written once.
#[derive(Debug, Default)]
pub struct ServerMetadata {
    /// The whole second of the two parts, s.
    second: Option<i64>,
    /// The text from behind the number of `write_ts` to the fraction of a second in `write_fmt_time`.
    middle: String,
    /// The offset behind that fraction.
    offset: String,
    text: String,
}

impl ServerMetadata {
    /// The metadata of the next entry; see [`server_metadata_with`].
    pub fn write(&mut self, key: &str, write_ts: f64, members: &str) -> Result<&str, BadTime> {
        let micros = moment(write_ts).ok_or(BadTime::OutOfRange(write_ts))?.as_microsecond();
        let (second, fraction) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
        if self.second != Some(second) {
            self.enter(second)?;
        }
        let text = &mut self.text;
        text.clear();
        // Room for all of it: there are many entries, and each has metadata.
        text.reserve(320 + key.len() + members.len());
        text.push_str(r#"{"key":"#);
        push_text(text, key);
        text.push_str(r#","platform":"server","write_ts":"#);
        push_number(text, write_ts);
        text.push_str(&self.middle);
        if fraction != 0 {
            let mut digits = Short::empty();
            digits.put_number(fraction as u32, 6, b"");
            text.push('.');
            text.push_str(digits.as_str());
        }
        text.push_str(&self.offset);
        text.push('"');
        if !members.is_empty() {
            text.push(',');
            text.push_str(members);
        }
        text.push('}');
        Ok(text)
    }

    fn enter(&mut self, second: i64) -> Result<(), BadTime> {
        let local = Zone::server().at(second as f64)?;
        self.middle.clear();
        for part in [r#","time_zone":""#, SERVER_ZONE, "\","] {
            self.middle.push_str(part);
        }
        local.write_members("write_", &mut self.middle);
        // The sign of the offset is the last one in the text, which ends with a quote.
        let sign = self.middle.rfind(['+', '-']).expect("a local time has an offset");
        self.offset.clear();
        self.offset.push_str(&self.middle[sign..self.middle.len() - 1]);
        self.middle.truncate(sign);
        self.second = Some(second);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn formatted(ts: f64, zone: &str) -> String {
        local(ts, zone).expect("a sound time").1
    }

    #[test]
    fn a_moment_reads_as_the_reference_writes_it() {
        let (parts, text) = local(1_600_000_000.25, "America/Los_Angeles").expect("sound");
        assert_eq!(text, "2020-09-13T05:26:40.250000-07:00");
        let parts = serde_json::to_string(&parts).expect("plain");
        let want = concat!(
            r#"{"year":2020,"month":9,"day":13,"hour":5,"minute":26,"second":40,"#,
            r#""weekday":6,"timezone":"America/Los_Angeles"}"#
        );
        assert_eq!(parts, want);
        assert_eq!(formatted(1_600_000_001.0, "America/Los_Angeles"), "2020-09-13T05:26:41-07:00");
        assert_eq!(formatted(1_451_606_400.0, "Asia/Kolkata"), "2016-01-01T05:30:00+05:30");
    }

    #[test]
    fn a_fraction_is_rounded_to_the_nearest_microsecond_and_a_half_to_the_even_one() {
        // 2^-21 s lies between two microseconds; 0.5 µs needs a whole part small enough to be exact.
        assert_eq!(formatted(0.000_000_5, "UTC"), "1970-01-01T00:00:00+00:00");
        assert_eq!(formatted(0.000_001_5, "UTC"), "1970-01-01T00:00:00.000002+00:00");
        assert_eq!(formatted(0.999_999_9, "UTC"), "1970-01-01T00:00:01+00:00");
        assert_eq!(formatted(-0.25, "UTC"), "1969-12-31T23:59:59.750000+00:00");
        assert_eq!(formatted(1_466_436_427.109, "UTC"), "2016-06-20T15:27:07.109000+00:00");
    }

    #[test]
    fn summer_time_begins_and_ends_where_the_zone_says() {
        assert_eq!(formatted(1_457_863_199.0, "America/Los_Angeles"), "2016-03-13T01:59:59-08:00");
        assert_eq!(formatted(1_457_863_200.0, "America/Los_Angeles"), "2016-03-13T03:00:00-07:00");
    }

    #[test]
    fn unknown_zones_and_moments_outside_the_calendar_are_refused() {
        assert_eq!(local(0.0, "Not/AZone"), Err(BadTime::UnknownZone("Not/AZone".to_owned())));
        for bad in ["GMT+", "GMT+24", "UTC+12345", "GMT+ü", "../../etc/passwd"] {
            assert!(local(0.0, bad).is_err(), "{bad:?}");
        }
        for bad in [f64::NAN, f64::INFINITY, -f64::INFINITY, 1e300, 3e11, -9e11] {
            assert!(matches!(local(bad, "UTC"), Err(BadTime::OutOfRange(_))), "{bad}");
        }
    }

    #[test]
    fn an_offset_stands_for_a_zone() {
        assert_eq!(formatted(0.0, "GMT+2"), "1970-01-01T02:00:00+02:00");
        assert_eq!(formatted(0.0, "UTC-0330"), "1969-12-31T20:30:00-03:30");
        assert_eq!(formatted(0.0, "GMT+05:30"), "1970-01-01T05:30:00+05:30");
    }

    #[test]
    fn both_ways_of_writing_a_local_time_agree() {
        let zone = Zone::find("Europe/Zurich").expect("known");
        let local = zone.at(1_700_000_000.125).expect("sound");
        let mut text = String::from("{");
        local.write_members("start_", &mut text);
        text.push('}');
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(value["start_local_dt"], serde_json::to_value(local.local_dt()).expect("plain"));
        assert_eq!(value["start_fmt_time"], local.fmt_time());
    }

    #[test]
    fn entries_of_a_stage_are_dated_in_the_servers_zone() {
        let text = server_metadata("segmentation/raw_trip", 1_600_000_000.25).expect("sound");
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(value["platform"], "server");
        assert_eq!(value["write_ts"], 1_600_000_000.25);
        assert_eq!(value["write_fmt_time"], "2020-09-13T05:26:40.250000-07:00");
        assert_eq!(value["write_local_dt"]["weekday"], 6);
        let origin = r#""origin_key":"a/b""#;
        let with = server_metadata_with("analysis/composite_trip", 1.5, origin).expect("sound");
        assert!(serde_json::from_str::<serde_json::Value>(&with).expect("JSON")["origin_key"] == "a/b");
    }

    #[test]
    fn the_servers_zone_has_the_rules_of_the_database() {
        let server = Zone::find(SERVER_ZONE).expect("known");
        // From before its first rule to the end of the calendar, by steps that meet every hour of a week.
        for step in 0..40_000 {
            let ts = -5e9 + f64::from(step) * 6_350_400.25;
            let both = [Zone::server(), &server].map(|zone| zone.at(ts).expect("sound").fmt_time());
            assert_eq!(both[0], both[1]);
        }
    }

    #[test]
    fn entries_of_one_run_are_dated_like_entries_alone() {
        let mut metadata = ServerMetadata::default();
        for ts in [1.75e9, 1.75e9 + 1e-6, 1.75e9 + 0.5, 1.75e9 - 0.5, 1.75e9, -2.5e9 + 0.999_999_9, 1.5] {
            for (key, members) in [("a/b", ""), ("\"ü\\", r#""origin_key":"c/d""#)] {
                let together = metadata.write(key, ts, members).expect("sound").to_owned();
                let value: serde_json::Value = serde_json::from_str(&together).expect("JSON");
                let local = Zone::server().at(ts).expect("sound");
                assert_eq!((&value["key"], &value["write_ts"]), (&key.into(), &ts.into()));
                assert_eq!(value["write_fmt_time"], local.fmt_time());
                assert_eq!(value["write_local_dt"], serde_json::to_value(local.local_dt()).expect("plain"));
                assert_eq!(value["origin_key"].is_null(), members.is_empty());
                assert_eq!(together, server_metadata_with(key, ts, members).expect("sound"));
            }
        }
        assert!(metadata.write("a/b", f64::NAN, "").is_err());
    }

    #[test]
    fn a_zone_is_looked_up_once() {
        let mut zones = Zones::new();
        let first: *const Zone = zones.get("Europe/Zurich").expect("known");
        assert!(zones.get("Not/AZone").is_err());
        assert_eq!(first, std::ptr::from_ref(zones.get("Europe/Zurich").expect("known")));
    }

    #[test]
    fn years_have_four_places_and_a_sign_where_they_are_before_the_first() {
        assert_eq!(formatted(-62_167_219_200.0, "UTC"), "0000-01-01T00:00:00+00:00");
        assert_eq!(formatted(-62_200_000_000.0, "UTC"), "-002-12-17T14:13:20+00:00");
        assert_eq!(formatted(-2e9, "Africa/Monrovia"), "1906-08-16T19:43:32-00:43:08");
        let mut text = "{".to_owned();
        Zone::find("UTC").expect("known").at(-62_200_000_000.0).expect("sound").write_members("", &mut text);
        assert!(text.starts_with(r#"{"local_dt":{"year":-2,"month":12,"day":17,"hour":14,"#), "{text}");
    }

    proptest! {
        #[test]
        fn times_never_panic_whatever_the_moment_or_zone_name(ts: f64, name in "[A-Za-z/+0-9:-]{0,12}") {
            let _ = local(ts, &name);
            let _ = local(ts, "Europe/Zurich");
            let _ = local(ts, "Africa/Monrovia");
        }
    }
}
