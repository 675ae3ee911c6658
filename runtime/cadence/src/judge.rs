//! How well the trips of a segmentation agree with the true ones.
//!
//! Every true trip gets one verdict, and every found trip that belongs to none is counted as invented. A found trip
//! *belongs* to a true one where they share at least half of the shorter one's time; a found trip without a length
//! belongs to the true one that it lies in.
//!
//! * Pure functions; times in s since 1970.

use std::ops::AddAssign;

use serde::Serialize;

/// From the departure to the arrival, s since 1970.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Departure.
    pub start_ts: f64,
    /// Arrival, not before the departure.
    pub end_ts: f64,
}

impl Interval {
    /// Between two moments.
    pub fn new(start_ts: f64, end_ts: f64) -> Self {
        Self { start_ts, end_ts }
    }

    fn lasts_s(self) -> f64 {
        self.end_ts - self.start_ts
    }

    /// Whether one belongs to the other.
    fn belongs_to(self, truth: Self) -> bool {
        let shorter_s = self.lasts_s().min(truth.lasts_s());
        let shared_s = self.end_ts.min(truth.end_ts) - self.start_ts.max(truth.start_ts);
        shared_s >= 0.0 && shared_s * 2.0 >= shorter_s
    }

    fn agrees_with(self, truth: Self, within_s: f64) -> bool {
        (self.start_ts - truth.start_ts).abs() <= within_s && (self.end_ts - truth.end_ts).abs() <= within_s
    }
}

/// What became of a true trip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// One found trip belongs to it and to no other, and its times agree.
    Found,
    /// No found trip belongs to it.
    Missed,
    /// One found trip belongs to it and to no other, and its times do not agree: it counts as missed.
    Mistimed,
    /// Several found trips belong to it.
    Split,
    /// The only found trip that belongs to it belongs to another one, too.
    Merged,
}

/// How many true trips got which verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Score {
    /// True trips.
    pub truth: usize,
    /// [`Verdict::Found`].
    pub found: usize,
    /// [`Verdict::Missed`] and [`Verdict::Mistimed`].
    pub missed: usize,
    /// Those of `missed` that are [`Verdict::Mistimed`].
    pub mistimed: usize,
    /// [`Verdict::Split`].
    pub split: usize,
    /// [`Verdict::Merged`].
    pub merged: usize,
    /// Found trips that belong to no true one.
    pub invented: usize,
}

impl Score {
    /// Missed and split trips: what the aim is about.
    pub fn missed_or_split(&self) -> usize {
        self.missed + self.split
    }

    /// All true trips that were not found.
    pub fn wrong(&self) -> usize {
        self.truth - self.found
    }
}

impl AddAssign for Score {
    fn add_assign(&mut self, other: Self) {
        self.truth += other.truth;
        self.found += other.found;
        self.missed += other.missed;
        self.mistimed += other.mistimed;
        self.split += other.split;
        self.merged += other.merged;
        self.invented += other.invented;
    }
}

/// The verdict on each true trip; times agree within `within_s`.
pub fn verdicts(truth: &[Interval], found: &[Interval], within_s: f64) -> Vec<Verdict> {
    let truths_of = |found: &Interval| truth.iter().filter(|truth| found.belongs_to(**truth)).count();
    let verdict = |truth: &Interval| {
        let own: Vec<&Interval> = found.iter().filter(|found| found.belongs_to(*truth)).collect();
        match own[..] {
            [] => Verdict::Missed,
            [only] if truths_of(only) > 1 => Verdict::Merged,
            [only] if only.agrees_with(*truth, within_s) => Verdict::Found,
            [_] => Verdict::Mistimed,
            _ => Verdict::Split,
        }
    };
    truth.iter().map(verdict).collect()
}

/// Counts the verdicts.
pub fn judge(truth: &[Interval], found: &[Interval], within_s: f64) -> Score {
    let verdicts = verdicts(truth, found, within_s);
    let count = |wanted| verdicts.iter().filter(|verdict| **verdict == wanted).count();
    let mistimed = count(Verdict::Mistimed);
    Score {
        truth: truth.len(),
        found: count(Verdict::Found),
        missed: count(Verdict::Missed) + mistimed,
        mistimed,
        split: count(Verdict::Split),
        merged: count(Verdict::Merged),
        invented: found.iter().filter(|found| !truth.iter().any(|truth| found.belongs_to(*truth))).count(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trips(times: &[(f64, f64)]) -> Vec<Interval> {
        times.iter().map(|(start, end)| Interval::new(*start, *end)).collect()
    }

    const TRUTH: [(f64, f64); 4] =
        [(1_000.0, 1_600.0), (5_000.0, 6_800.0), (9_000.0, 9_900.0), (20_000.0, 20_900.0)];

    fn score(found: &[(f64, f64)]) -> Score {
        judge(&trips(&TRUTH), &trips(found), 300.0)
    }

    #[test]
    fn the_truth_itself_is_found_and_so_is_what_is_off_by_less_than_the_tolerance() {
        let all = Score { truth: 4, found: 4, ..Score::default() };
        assert_eq!(score(&TRUTH), all);
        assert_eq!(score(&TRUTH.map(|(start, end)| (start + 290.0, end + 290.0))), all);
    }

    #[test]
    fn every_planted_fault_gets_its_own_verdict() {
        let mut found = TRUTH.to_vec();
        found[0] = (1_000.0, 2_000.0);
        found.remove(1);
        found.splice(1..1, [(5_000.0, 5_600.0), (5_900.0, 6_800.0)]);
        found.retain(|trip| trip.0 != 9_000.0);
        found.push((15_000.0, 15_600.0));
        let wanted = Score { truth: 4, found: 1, missed: 2, mistimed: 1, split: 1, merged: 0, invented: 1 };
        assert_eq!(score(&found), wanted);
        assert_eq!(score(&found).missed_or_split(), 3);
        let merged = [(1_000.0, 1_600.0), (5_000.0, 9_900.0), (20_000.0, 20_900.0)];
        let wanted = Score { truth: 4, found: 2, merged: 2, ..Score::default() };
        assert_eq!(score(&merged), wanted);
    }

    #[test]
    fn a_trip_without_a_length_is_found_only_in_a_trip_that_is_short() {
        assert_eq!(score(&[(1_300.0, 1_300.0)]).found, 1);
        assert_eq!(score(&[(5_900.0, 5_900.0)]).mistimed, 1);
        assert_eq!(score(&[(3_000.0, 3_000.0)]).invented, 1);
        assert_eq!(score(&[(1_200.0, 1_200.0), (1_400.0, 1_400.0)]).split, 1);
    }

    #[test]
    fn a_worse_segmentation_never_scores_better() {
        let mut before = score(&TRUTH).found;
        let mut found = TRUTH.to_vec();
        while let Some((start, end)) = found.pop() {
            let whole = score(&found).found;
            assert!(whole < before);
            let middle = f64::midpoint(start, end);
            let halves = [&found[..], &[(start, middle - 30.0), (middle + 30.0, end)]].concat();
            assert_eq!((score(&halves).found, score(&halves).split), (whole, 1));
            before = whole;
        }
        assert_eq!(judge(&[], &trips(&TRUTH), 300.0).invented, 4);
    }
}
