//! How many trips there are and how many of them have labels, by day for recent days, which may still change.
//!
//! The latest 128 days with trips are stored separately; all days before them are one sum. A label on a trip of a
//! separate day costs reading that day's trips; one on an older trip costs reading all older trips.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

/// Days since 1970-01-01 UTC; a trip belongs to the day in which it begins.
pub type Day = i64;

const DAY_S: f64 = 86_400.0;
/// How many days are stored separately.
const DAYS_MAX: usize = 128;

/// The day of a moment, s.
pub fn day_of(ts: f64) -> Day {
    (ts / DAY_S).floor() as Day
}

/// When a day begins, s.
pub fn start_of(day: Day) -> f64 {
    day as f64 * DAY_S
}

/// Trips, and trips with labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "(u64, u64)", into = "(u64, u64)")]
pub struct Count {
    /// All of them.
    pub trips: u64,
    /// Those with labels.
    pub labeled: u64,
}

impl Count {
    fn add(&mut self, other: Self) {
        self.trips += other.trips;
        self.labeled += other.labeled;
    }
}

/// As short as JSON allows: there is one for each of many days.
impl From<(u64, u64)> for Count {
    fn from((trips, labeled): (u64, u64)) -> Self {
        Self { trips, labeled }
    }
}

impl From<Count> for (u64, u64) {
    fn from(count: Count) -> Self {
        (count.trips, count.labeled)
    }
}

/// The stored counts of all trips.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// The latest `write_ts` of a trip, s.
    through_ts: Option<f64>,
    /// The days before all those in `days`.
    older: Count,
    /// The last day that is in `older`.
    older_through: Option<Day>,
    /// Rising by day.
    days: Vec<(Day, Count)>,
}

impl Counts {
    /// No trip that was written later is included, s; `None` where there is none at all.
    pub fn through_ts(&self) -> Option<f64> {
        self.through_ts
    }

    /// All trips.
    pub fn trips(&self) -> u64 {
        self.sum().trips
    }

    /// Those with labels.
    pub fn labeled(&self) -> u64 {
        self.sum().labeled
    }

    fn sum(&self) -> Count {
        let mut sum = self.older;
        self.days.iter().for_each(|(_, count)| sum.add(*count));
        sum
    }

    /// Whether that day is counted separately.
    pub fn has_single(&self, day: Day) -> bool {
        self.older_through.is_none_or(|older| day > older)
    }

    /// One more trip: when it begins and when it was written, s.
    pub fn add(&mut self, start_ts: f64, write_ts: f64, labeled: bool) {
        self.through_ts = Some(self.through_ts.map_or(write_ts, |ts| ts.max(write_ts)));
        let (day, count) = (day_of(start_ts), Count { trips: 1, labeled: u64::from(labeled) });
        if !self.has_single(day) {
            self.older.add(count);
            return;
        }
        match self.days.binary_search_by_key(&day, |(day, _)| *day) {
            Ok(index) => self.days[index].1.add(count),
            Err(index) => self.days.insert(index, (day, count)),
        }
        if self.days.len() > DAYS_MAX {
            let (day, count) = self.days.remove(0);
            self.older.add(count);
            self.older_through = Some(day);
        }
    }

    /// The days that must be counted together when these are counted again.
    pub fn whole(&self, days: RangeInclusive<Day>) -> RangeInclusive<Day> {
        if self.has_single(*days.start()) {
            return days;
        }
        let older_through = self.older_through.expect("there are older days");
        Day::MIN..=older_through.max(*days.end())
    }

    /// Removes the trips of those days.
    pub fn forget(&mut self, days: &RangeInclusive<Day>) {
        if !self.has_single(*days.start()) {
            self.older = Count::default();
        }
        if *days == (Day::MIN..=Day::MAX) {
            self.older_through = None;
        }
        self.days.retain(|(day, _)| !days.contains(day));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_days_become_one_sum_and_nothing_is_lost() {
        let mut counts = Counts::default();
        for day in 0..1_000 {
            counts.add(start_of(day) + 5.0, 1e6 + day as f64, day % 2 == 0);
        }
        counts.add(start_of(3), 5.0, true);
        assert_eq!((counts.trips(), counts.labeled(), counts.days.len()), (1_001, 501, DAYS_MAX));
        assert_eq!((counts.has_single(872), counts.has_single(871)), (true, false));
        assert_eq!(counts.through_ts(), Some(1e6 + 999.0));
        assert!(serde_json::to_vec(&counts).expect("plain").len() < 2_048);
    }

    #[test]
    fn recounting_an_old_day_recounts_all_older_days() {
        let mut counts = Counts::default();
        (0..200).for_each(|day| counts.add(start_of(day), 0.0, false));
        assert_eq!(counts.whole(100..=101), 100..=101);
        assert_eq!(counts.whole(50..=51), Day::MIN..=71);
        assert_eq!(counts.whole(70..=80), Day::MIN..=80);
        counts.forget(&(Day::MIN..=80));
        assert_eq!((counts.trips(), counts.days[0].0), (119, 81));
    }

    #[test]
    fn a_moment_belongs_to_its_utc_day() {
        assert_eq!([-0.5, 0.0, 86_399.5, 86_400.0].map(day_of), [-1, 0, 0, 1]);
        assert_eq!(start_of(1), 86_400.0);
    }
}
