//! The reads of a run.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use cells_sdk::model::text::{members, number};
use cells_sdk::{Query, ReadEntries, Run, RunError, TimeField, find_entry, for_each_entry};

use crate::counts::{Counts, Day, day_of, start_of};

const TRIP: &str = "analysis/confirmed_trip";
const COMPOSITE: &str = "analysis/composite_trip";
/// Inputs that become a trip's `user_input`.
const INPUTS: [&str; 4] =
    ["manual/mode_confirm", "manual/purpose_confirm", "manual/replaced_mode", "manual/trip_user_input"];

/// An input belongs to a trip that begins at most this long before it, s: earlier trips are not searched.
const TRIP_BEFORE_INPUT_S: f64 = 86_400.0;

/// The inputs since the last run.
pub struct Inputs {
    /// When the last was written, s.
    pub last_write_ts: Option<f64>,
    days: BTreeSet<Day>,
}

impl Inputs {
    /// Reads the inputs that were written within the run's window.
    pub fn read<R: ReadEntries>(runtime: &mut R, run: &Run) -> Result<Self, RunError> {
        let query = run.window(&INPUTS, TimeField::WriteTs);
        let mut inputs = Self { last_write_ts: None, days: BTreeSet::new() };
        for_each_entry(runtime, &query, |_, entry| {
            inputs.last_write_ts = Some(entry.write_ts);
            if let Some(start_ts) = start_ts(entry.data) {
                inputs.days.extend([start_ts - TRIP_BEFORE_INPUT_S, start_ts].map(day_of));
            }
            Ok(())
        })?;
        Ok(inputs)
    }

    /// The days whose trips they may be about, as spans that do not touch.
    pub fn days(&self, counts: &Counts) -> Vec<RangeInclusive<Day>> {
        let mut spans: Vec<RangeInclusive<Day>> = Vec::new();
        for day in &self.days {
            let span = counts.whole(*day..=*day);
            match spans.last_mut() {
                Some(last) if *span.start() <= last.end().saturating_add(1) => {
                    *last = *last.start()..=*last.end().max(span.end());
                }
                _ => spans.push(span),
            }
        }
        spans
    }
}

/// How many confirmed trips there are.
pub fn trips_count<R: ReadEntries>(runtime: &mut R) -> Result<u64, RunError> {
    Ok(runtime.count(&Query::of(&[TRIP], TimeField::StartTs))?)
}

/// Counts the trips that were written since; returns the first day that has one.
pub fn new_trips<R: ReadEntries>(runtime: &mut R, counts: &mut Counts) -> Result<Option<Day>, RunError> {
    let from = counts.through_ts().map(f64::next_up);
    let query = Query::of(&[TRIP], TimeField::WriteTs).between(from, None);
    let mut first: Option<Day> = None;
    for_each_entry(runtime, &query, |_, entry| {
        if let Some(start_ts) = start_ts(entry.data) {
            let day = day_of(start_ts);
            first = Some(first.map_or(day, |first| first.min(day)));
            counts.add(start_ts, entry.write_ts, is_labeled(entry.data));
        }
        Ok(())
    })?;
    Ok(first)
}

/// Counts again the trips of those days, and of those that must be counted together with them.
pub fn recount<R: ReadEntries>(
    runtime: &mut R,
    counts: &mut Counts,
    days: RangeInclusive<Day>,
) -> Result<(), RunError> {
    let days = counts.whole(days);
    counts.forget(&days);
    let start = (*days.start() > Day::MIN).then(|| start_of(*days.start()));
    let end = (*days.end() < Day::MAX).then(|| start_of(days.end() + 1).next_down());
    let query = Query::of(&[TRIP], TimeField::StartTs).between(start, end);
    for_each_entry(runtime, &query, |_, entry| {
        counts.add(entry.time, entry.write_ts, is_labeled(entry.data));
        Ok(())
    })
}

/// Where to look for the first or last trip.
#[derive(Debug, Clone, Copy)]
pub enum Bound {
    /// Everywhere.
    Any,
    /// Only beyond the known one, s, which still exists.
    Beyond(Option<f64>),
}

/// When the first composite trip begins, s; `None` where there is none.
pub fn first_start<R: ReadEntries>(runtime: &mut R, bound: Bound) -> Result<Option<f64>, RunError> {
    let query = Query::of(&[COMPOSITE], TimeField::StartTs);
    match bound {
        Bound::Beyond(Some(known)) => {
            let earlier = query.between(None, Some(known.next_down()));
            Ok(first(runtime, &earlier)?.or(Some(known)))
        }
        Bound::Any | Bound::Beyond(None) => first(runtime, &query),
    }
}

/// When the last composite trip ends, s; `None` where there is none.
pub fn last_end<R: ReadEntries>(runtime: &mut R, bound: Bound) -> Result<Option<f64>, RunError> {
    let query = Query::of(&[COMPOSITE], TimeField::EndTs).latest_first();
    match bound {
        Bound::Beyond(Some(known)) => {
            let later = query.between(Some(known.next_up()), None);
            Ok(first(runtime, &later)?.or(Some(known)))
        }
        Bound::Any | Bound::Beyond(None) => first(runtime, &query),
    }
}

/// The time of the first entry that matches, s.
fn first<R: ReadEntries>(runtime: &mut R, query: &Query) -> Result<Option<f64>, RunError> {
    find_entry(runtime, query, |entry| Ok(Some(entry.time)))
}

fn start_ts(data: &str) -> Option<f64> {
    member(data, "start_ts").and_then(number)
}

/// Whether `user_input` is anything but an empty object.
fn is_labeled(data: &str) -> bool {
    let inside =
        |value: &str| value.strip_prefix('{')?.strip_suffix('}').map(|inside| inside.trim_ascii().is_empty());
    member(data, "user_input").and_then(inside) != Some(true)
}

fn member<'a>(data: &'a str, name: &str) -> Option<&'a str> {
    members(data).map_while(Result::ok).find(|member| member.name == name).map(|member| member.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Row: "A confirmed trip without `user_input`"
    #[test]
    fn a_trip_has_labels_unless_its_user_input_is_empty() {
        for empty in [r#"{"user_input":{}}"#, "{\"a\":{\"user_input\":1},\"user_input\": { \n} }"] {
            assert!(!is_labeled(empty), "{empty}");
        }
        for labeled in [r#"{"user_input":{"mode_confirm":"bike"}}"#, "{}", r#"{"user_input":null}"#] {
            assert!(is_labeled(labeled), "{labeled}");
        }
    }
}
