//! The epochs of a study: spans that follow one another, each of which gets at most one answer.

use jiff::civil::DateTime;
use jiff::{Span, Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::{BadStudy, COLLECT_S, EPOCHS_MAX};

/// How long an epoch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EpochLength {
    /// 24 hours.
    Day,
    /// Seven days.
    Week,
    /// A calendar month in UTC.
    Month,
    /// The whole study is one epoch.
    Whole,
}

/// One epoch: from its first moment up to, and without, the first of the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epoch {
    /// From 0.
    pub index: u32,
    /// Its first moment, s.
    pub from_s: i64,
    /// The first moment after it, s.
    pub until_s: i64,
}

impl EpochLength {
    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Whole => "whole",
        }
    }

    /// The epochs between two moments, s, which they fill exactly.
    pub(crate) fn between(self, from_s: i64, until_s: i64) -> Result<Vec<Epoch>, BadStudy> {
        let unfit = || BadStudy::Epochs { epoch: self.as_str() };
        let start = civil(from_s).ok_or_else(unfit)?;
        let mut epochs = Vec::new();
        let mut begins_s = from_s;
        while begins_s < until_s {
            let number = epochs.len();
            if number == EPOCHS_MAX {
                return Err(unfit());
            }
            let ends_s = match self.span(number + 1) {
                Some(span) => self.end(start, span).ok_or_else(unfit)?,
                None => until_s,
            };
            let index = u32::try_from(number).expect("EPOCHS_MAX fits");
            epochs.push(Epoch { index, from_s: begins_s, until_s: ends_s });
            begins_s = ends_s;
        }
        // A month that begins on its first day has the same length whatever the day of the study's beginning.
        let aligned =
            self != Self::Month || start.day() == 1 && start.time() == jiff::civil::Time::midnight();
        if begins_s == until_s && !epochs.is_empty() && aligned { Ok(epochs) } else { Err(unfit()) }
    }

    fn span(self, count: usize) -> Option<Span> {
        let count = i64::try_from(count).ok()?;
        match self {
            Self::Day => Some(Span::new().days(count)),
            Self::Week => Some(Span::new().weeks(count)),
            Self::Month => Some(Span::new().months(count)),
            Self::Whole => None,
        }
    }

    fn end(self, start: DateTime, span: Span) -> Option<i64> {
        let end = start.checked_add(span).ok()?;
        Some(TimeZone::UTC.to_timestamp(end).ok()?.as_second())
    }
}

impl Epoch {
    /// Whether a total of it may be asked for at `now`, s: it has ended, and not too long ago.
    pub fn is_open_at(&self, now: f64) -> bool {
        now >= self.until_s as f64 && now < (self.until_s + COLLECT_S) as f64
    }
}

fn civil(moment_s: i64) -> Option<DateTime> {
    Some(TimeZone::UTC.to_datetime(Timestamp::from_second(moment_s).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().expect("a moment").as_second()
    }

    #[test]
    fn months_follow_the_calendar_and_fill_the_time() {
        let (from, until) = (at("2027-12-01T00:00:00Z"), at("2028-04-01T00:00:00Z"));
        let epochs = EpochLength::Month.between(from, until).expect("four months");
        let days: Vec<_> = epochs.iter().map(|epoch| (epoch.until_s - epoch.from_s) / 86_400).collect();
        assert_eq!(days, [31, 31, 29, 31]);
        assert!(epochs.windows(2).all(|two| two[0].until_s == two[1].from_s));
        assert_eq!(epochs.last().map(|epoch| (epoch.index, epoch.until_s)), Some((3, until)));
    }

    #[test]
    fn epochs_that_do_not_fill_the_time_are_refused() {
        let from = at("2028-01-01T00:00:00Z");
        let refused = |length: EpochLength, from: i64, until: i64| length.between(from, until).is_err();
        assert!(refused(EpochLength::Week, from, from + 8 * 86_400));
        assert!(refused(EpochLength::Day, from, from));
        assert!(refused(EpochLength::Day, from, from + 1_001 * 86_400));
        assert!(refused(EpochLength::Month, from + 86_400, at("2028-02-02T00:00:00Z")));
        assert!(refused(EpochLength::Whole, from, from - 1));
        assert_eq!(EpochLength::Week.between(from, from + 14 * 86_400).map(|two| two.len()), Ok(2));
        assert_eq!(EpochLength::Whole.between(from, from + 5).map(|one| one.len()), Ok(1));
    }

    #[test]
    fn a_total_is_asked_for_after_the_epoch_and_not_for_ever() {
        let epoch = Epoch { index: 0, from_s: 0, until_s: 100 };
        assert!(!epoch.is_open_at(99.0) && epoch.is_open_at(100.0));
        assert!(!epoch.is_open_at((100 + COLLECT_S) as f64) && !epoch.is_open_at(f64::NAN));
    }
}
