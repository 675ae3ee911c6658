//! What is asked for.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::groups::Group;

/// The longest span of days, from the first moment that `start_time` may mean to the last of `end_time`.
pub const SPAN_DAYS_MAX: i64 = 200 * 366;
/// The metrics that are answered if the request names none.
pub const ALL: [Metric; 4] = [Metric::Distance, Metric::Duration, Metric::Count, Metric::ResponseCount];
/// The latest and the earliest that a day begins somewhere, from its beginning in UTC, s; and a day to spare.
const ZONES_S: f64 = 2.0 * DAY_S;
const DAY_S: f64 = 86_400.0;

/// What is summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// m
    Distance,
    /// s
    Duration,
    /// Trips.
    Count,
    /// Trips with a label of the kind, and without.
    ResponseCount,
}

impl Metric {
    /// Its name in requests and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Distance => "distance",
            Self::Duration => "duration",
            Self::Count => "count",
            Self::ResponseCount => "response_count",
        }
    }
}

/// Why a request cannot be answered.
#[derive(Debug, thiserror::Error)]
pub enum BadRequest {
    /// It is no JSON object with `start_time` and `end_time`.
    #[error("the request is not what this path takes: {0}")]
    Json(#[from] serde_json::Error),
    /// A day is not written as one.
    #[error("`{0}` is no day; write it as 2024-05-31, 2024-05 or 2024")]
    Day(&'static str),
    /// The days are too many.
    #[error("the span has {0} days, over the limit of {SPAN_DAYS_MAX}")]
    Span(i64),
}

#[derive(Deserialize)]
struct Body<'a> {
    start_time: String,
    end_time: String,
    #[serde(borrow)]
    metric_list: Option<&'a RawValue>,
}

/// Each metric with its groups.
type Metrics = Vec<(Metric, Vec<Group>)>;

/// A request that can be answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// The first day, or the beginning of its text.
    start: String,
    /// The text behind every moment of the last day.
    end: String,
    /// Closed bounds within which every wanted trip begins, s.
    pub(crate) bounds: (f64, f64),
    /// What is summed and by what.
    pub metrics: Metrics,
}

impl Wanted {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// [`BadRequest`].
    pub fn read(body: &[u8]) -> Result<Self, BadRequest> {
        let Body { start_time, end_time, metric_list } = serde_json::from_slice(body)?;
        let metrics = match metric_list {
            Some(list) => metrics(list)?,
            None => ALL.iter().map(|metric| (*metric, vec![Group::Label("mode")])).collect(),
        };
        let first = days(&start_time).ok_or(BadRequest::Day("start_time"))?.0;
        let last = days(&end_time).ok_or(BadRequest::Day("end_time"))?.1;
        if last - first > SPAN_DAYS_MAX {
            return Err(BadRequest::Span(last - first));
        }
        #[expect(clippy::cast_precision_loss, reason = "years have four digits")]
        let bounds = (first as f64 * DAY_S - ZONES_S, last as f64 * DAY_S + ZONES_S);
        // Behind every character that follows a day in a time, so that the last day is included.
        Ok(Self { start: start_time, end: format!("{end_time}Z"), bounds, metrics })
    }

    /// Whether a trip of this day is asked for; texts are compared, as in the reference.
    pub(crate) fn has(&self, day: &str) -> bool {
        (self.start.as_str()..=self.end.as_str()).contains(&day)
    }
}

fn metrics(list: &RawValue) -> Result<Metrics, serde_json::Error> {
    let list: serde_json::Map<String, serde_json::Value> = serde_json::from_str(list.get())?;
    let known = |name: &str| ALL.into_iter().find(|metric| metric.name() == name);
    let groups = |names: &serde_json::Value| -> Vec<Group> {
        let names = names.as_array().into_iter().flatten().filter_map(serde_json::Value::as_str);
        names.filter_map(Group::find).collect()
    };
    Ok(list.iter().filter_map(|(name, names)| Some((known(name)?, groups(names)))).collect())
}

/// The first and the last day that the beginning of a date may mean, in days since 1970-01-01; `None` if it is no date.
fn days(text: &str) -> Option<(i64, i64)> {
    let date = text.split('T').next().unwrap_or_default();
    let mut parts = date.split('-');
    let mut number = |digits: usize, range: std::ops::RangeInclusive<i64>| match parts.next() {
        None => Some(None),
        Some(part) if part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit()) => {
            part.parse().ok().filter(|number| range.contains(number)).map(Some)
        }
        Some(_) => None,
    };
    let year = number(4, 0..=9_999)??;
    let month = number(2, 1..=12)?;
    let day = number(2, 1..=31)?;
    if parts.next().is_some() {
        return None;
    }
    let first = days_from_civil(year, month.unwrap_or(1), day.unwrap_or(1));
    let last = days_from_civil(year, month.unwrap_or(12), day.unwrap_or(31));
    Some((first, last))
}

/// Days since 1970-01-01 of a date of the Gregorian calendar; a day that its month does not have counts on into the next.
/// The algorithm counts years from March, so that the day that is sometimes missing is the last of a year.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_as_the_calendar_has_them() {
        for (text, first, last) in [
            ("1970-01-01", 0, 0),
            ("1970", 0, 364),
            ("1969-12-31", -1, -1),
            ("2000-02-29", 11_016, 11_016),
            ("2024-05", 19_844, 19_874),
            ("2024-05-20T08:00", 19_863, 19_863),
        ] {
            assert_eq!(days(text), Some((first, last)), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in
            ["", "24-05-01", "2024-5-1", "2024-13-01", "2024-05-32", "2024-05-01-01", "2024/05", "٢٠٢٤"]
        {
            assert_eq!(days(text), None, "{text}");
        }
    }
}
