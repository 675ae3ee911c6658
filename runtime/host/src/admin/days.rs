//! The days of a span on which a person's phones reported, and the time of which nothing is known.

use std::ops::ControlFlow;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use runtime_program::Failure;
use runtime_program::when::When;
use runtime_store::{LocationRows, ReadError, Snapshot};
use runtime_types::TimeField;
use runtime_user::{Area, Query, Stamp, StreamKey, UserId};
use serde::{Deserialize, Serialize};

use super::ask::{Ask, Context};
use super::reading::{Reading, told};
use super::zone;

/// The longest span of one answer, days.
pub const DAYS_MAX: usize = 400;
/// How many times without data one answer lists.
pub const UNTRACKED_MAX: usize = 2_000;
/// How many rows of locations are read at once.
const ROWS: usize = 4_096;

/// Where a phone was.
pub(super) const LOCATIONS: &str = "background/filtered_location";
/// Time of which nothing is known.
const UNTRACKED: &str = "analysis/cleaned_untracked";

/// Asks on which days of a span a person's phones reported, and of which time nothing is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShowDays {
    /// The person, by name or id.
    pub person: String,
    /// The first day or moment.
    pub from: When,
    /// The last day or moment, at most [`DAYS_MAX`] days later.
    pub to: When,
}

/// The answer to [`ShowDays`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DaysShown {
    /// The person's id.
    pub id: String,
    /// The zone of the dates: the one in which the phone was at the beginning of the span.
    pub zone: String,
    /// The days with at least one location, the earliest first.
    pub days: Vec<DayWithData>,
    /// Of which time between two places nothing is known, the earliest first; at most [`UNTRACKED_MAX`].
    pub untracked: Vec<Untracked>,
}

/// A day with data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayWithData {
    /// The date, such as `2024-03-05`.
    pub date: String,
    /// How many locations there are.
    pub locations: u64,
}

/// Time of which nothing is known.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Untracked {
    /// From, s since 1970.
    pub start_ts: f64,
    /// To, s since 1970.
    pub end_ts: f64,
}

impl Ask for ShowDays {
    type Answer = DaysShown;

    fn answer(self, context: &Context<'_>) -> Result<DaysShown, Failure> {
        let user = context.find(&self.person)?;
        self.answer_to(context, user, None)
    }
}

impl ShowDays {
    /// The days as an answer to one of the person's devices, which its audit names; none: the console.
    pub(crate) fn answer_to(
        self,
        context: &Context<'_>,
        user: UserId,
        device: Option<&Stamp>,
    ) -> Result<DaysShown, Failure> {
        let runtime = context.runtime;
        let span = zone::span(runtime, user, Some(&self.from), Some(&self.to))?;
        let tz = zone::zone_at(runtime, user, span[0])?;
        let days = Days::of(span, &tz)?;
        let reading = Reading {
            command: "days",
            device,
            what: "days",
            streams: vec![LOCATIONS.to_owned(), UNTRACKED.to_owned()],
            time: "position",
            span,
        };
        told(runtime, user, reading, |person| {
            let snapshot = person.store.snapshot();
            let unread = |error| Failure::of(&error, "look into the host's log");
            let (days, locations) = days.counted(&snapshot, span).map_err(unread)?;
            let untracked = untracked(&snapshot, span).map_err(unread)?;
            let entries = locations + untracked.len() as u64;
            let zone = tz.iana_name().unwrap_or("UTC").to_owned();
            Ok((DaysShown { id: user.dashed(), zone, days, untracked }, entries))
        })
    }
}

/// The dates of a span, and the moments at which they begin.
struct Days {
    dates: Vec<Date>,
    /// One more than there are dates, s.
    begins: Vec<f64>,
}

impl Days {
    fn of([from, to]: [f64; 2], tz: &TimeZone) -> Result<Self, Failure> {
        let outside = || Failure::new("the span lies outside the calendar", "give a year from 1 to 9998");
        let date = |moment: f64| {
            let at = Timestamp::from_second(moment.floor() as i64).map_err(|_| outside())?;
            Ok::<_, Failure>(at.to_zoned_datetime(tz.clone()).date())
        };
        let (mut day, last) = (date(from)?, date(to)?);
        let (mut dates, mut begins) = (Vec::new(), Vec::new());
        loop {
            let begin = day.to_zoned_datetime(tz.clone()).map_err(|_| outside())?;
            begins.push(begin.timestamp().as_second() as f64);
            if day > last {
                return Ok(Self { dates, begins });
            }
            if dates.len() == DAYS_MAX {
                let what = format!("the span has more than {DAYS_MAX} days");
                return Err(Failure::new(what, "ask for a shorter span"));
            }
            dates.push(day);
            day = day.tomorrow().map_err(|_| outside())?;
        }
    }

    /// Counts the locations of each day; returns how many there are, too.
    fn counted(&self, snapshot: &Snapshot, span: [f64; 2]) -> Result<(Vec<DayWithData>, u64), ReadError> {
        let mut counts = vec![0_u64; self.dates.len()];
        let mut cursor = snapshot.find_locations(&query(LOCATIONS, TimeField::DataTs, span))?;
        let (mut rows, mut total) = (LocationRows::default(), 0);
        loop {
            rows.clear();
            let read = cursor.next(ROWS, &mut rows)?;
            if read == 0 {
                break;
            }
            total += read as u64;
            for ts in &rows.ts {
                let day = self.begins.partition_point(|begin| begin <= ts);
                if let Some(count) = day.checked_sub(1).and_then(|day| counts.get_mut(day)) {
                    *count += 1;
                }
            }
        }
        let with_data = self.dates.iter().zip(counts).filter(|(_, locations)| *locations > 0);
        let days = with_data.map(|(date, locations)| DayWithData { date: date.to_string(), locations });
        Ok((days.collect(), total))
    }
}

fn untracked(snapshot: &Snapshot, span: [f64; 2]) -> Result<Vec<Untracked>, ReadError> {
    let mut found = Vec::new();
    snapshot.find(&query(UNTRACKED, TimeField::StartTs, span))?.visit(&mut |row| {
        found.extend(serde_json::from_str::<Untracked>(row.data).ok());
        if found.len() < UNTRACKED_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(found)
}

/// Every valid entry of a stream in a span, s.
pub(super) fn query(key: &str, field: TimeField, [start, end]: [f64; 2]) -> Query {
    let keys = vec![StreamKey::parse(key).expect("a key of the model names a stream")];
    Query { keys, field, start, end, with_invalid: false, ..Query::everything(Area::Timeseries) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> f64 {
        text.parse::<Timestamp>().expect("a moment").as_second() as f64
    }

    #[test]
    fn days_begin_at_midnight_of_the_zone_also_when_its_clocks_change() {
        let tz = TimeZone::get("Europe/Berlin").expect("a zone");
        let span = [moment("2024-03-29T23:30:00Z"), moment("2024-03-31T21:59:59Z")];
        let days = Days::of(span, &tz).unwrap_or_else(|failure| panic!("{failure:?}"));
        let dates: Vec<String> = days.dates.iter().map(Date::to_string).collect();
        assert_eq!(dates, ["2024-03-30", "2024-03-31"]);
        let hours: Vec<f64> = days.begins.windows(2).map(|pair| (pair[1] - pair[0]) / 3_600.0).collect();
        assert_eq!(hours, [24.0, 23.0]);
    }

    #[test]
    fn a_span_of_more_days_than_an_answer_has_is_refused_before_anything_is_read() {
        let refused = Days::of([0.0, 86_400.0 * 401.0], &TimeZone::UTC).map(|_| ()).expect_err("too long");
        assert!(refused.what.contains("400"), "{refused:?}");
        assert!(Days::of([0.0, 86_400.0 * 399.0], &TimeZone::UTC).is_ok());
        assert!(Days::of([f64::NEG_INFINITY, 0.0], &TimeZone::UTC).is_err());
    }
}
