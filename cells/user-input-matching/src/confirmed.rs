//! Confirmed trips and places that an input may belong to.
//!
//! The rule does not limit how long before an input its trip began. The reference searches what began within a day
//! before or after the input, and so does this stage: each input costs the same after a year as after a week.
//!
//! * Quirk: of several entries that an input belongs to, the one that was made last gets it.
//! * Quirk: untracked spans get no labels, and the first place of all, which was never reached, gets no inputs.

use cells_sdk::model::EntryId;
use cells_sdk::model::page::Entry;
use cells_sdk::{Query, ReadEntries, RunError, TimeField, for_each_by_id, for_each_entry};
use cells_user_inputs::{Fit, Input, Next, Span, fit};
use serde::Deserialize;

/// Confirmed trips.
pub const TRIP: &str = "analysis/confirmed_trip";
/// Confirmed places.
pub const PLACE: &str = "analysis/confirmed_place";
const UNTRACKED: &str = "analysis/confirmed_untracked";
/// How far from an input a trip or place may begin, s.
const AROUND_S: f64 = 86_400.0;

/// A confirmed trip or place.
#[derive(Debug, Clone)]
pub struct Confirmed {
    /// Its id.
    pub id: EntryId,
    /// When it was made, s.
    pub write_ts: f64,
    /// A JSON object.
    pub metadata: String,
    /// A JSON object.
    pub data: String,
    /// The whole entry of a place; empty for a trip.
    pub text: String,
    /// Whether it is a place.
    pub is_place: bool,
    /// When it begins, s.
    pub begin_ts: f64,
    times: Times,
}

/// The members of a trip or place that the rule needs.
#[derive(Debug, Clone, Deserialize)]
struct Times {
    #[serde(default, alias = "enter_ts")]
    start_ts: Option<f64>,
    #[serde(default, alias = "exit_ts")]
    end_ts: Option<f64>,
    #[serde(default)]
    duration: Option<f64>,
    /// What follows.
    #[serde(default, alias = "starting_trip")]
    end_place: Option<EntryId>,
}

impl Confirmed {
    fn parse(entry: &Entry<'_>) -> Option<Self> {
        let times: Times = serde_json::from_str(entry.data).ok()?;
        let is_place = entry.key == PLACE;
        let text = if is_place { entry.text } else { "" };
        let [metadata, data, text] = [entry.metadata, entry.data, text].map(str::to_owned);
        let (id, write_ts, begin_ts) = (entry.id, entry.write_ts, entry.time);
        Some(Self { id, write_ts, metadata, data, text, is_place, begin_ts, times })
    }

    /// `end_ts` of a trip, `enter_ts` of a place: the end of the composite trip that shows it, s.
    pub fn shown_until(&self) -> Option<f64> {
        if self.is_place { self.times.start_ts } else { self.times.end_ts }
    }

    fn span(&self) -> Span {
        let Times { start_ts, end_ts, duration, .. } = self.times;
        Span { begin: start_ts, end: end_ts, duration }
    }

    /// What follows it in the timeline.
    fn next<R: ReadEntries>(&self, runtime: &mut R) -> Result<Next, RunError> {
        let Some(wanted) = self.times.end_place else { return Ok(Next::None) };
        let keys: &[&str] = if self.is_place { &[TRIP, UNTRACKED] } else { &[PLACE] };
        let mut next = Next::None;
        for_each_by_id(runtime, keys, &[wanted], |entry| {
            if let Ok(times) = serde_json::from_str::<Times>(entry.data) {
                next = times.end_ts.map_or(Next::Open, Next::Ends);
            }
            Ok(())
        })?;
        Ok(next)
    }
}

/// Trips or places around some inputs, by beginning and id.
#[derive(Debug, Default)]
pub struct Around {
    found: Vec<Confirmed>,
}

/// The entry that an input belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// That one.
    Found(usize),
    /// None yet.
    Nobody,
    /// It ends too late for a place without a duration.
    Unmeasured,
}

impl Around {
    /// Reads the trips (or the places) that begin around the beginnings of inputs, s. Spans between them are not read:
    /// labels of two trips a year apart do not cost reading the year.
    pub fn read<R: ReadEntries>(runtime: &mut R, places: bool, begins: &[f64]) -> Result<Self, RunError> {
        let (key, field) = if places { (PLACE, TimeField::EnterTs) } else { (TRIP, TimeField::StartTs) };
        let mut found = Vec::new();
        for (start, end) in joined(begins) {
            let query = Query::of(&[key], field).between(Some(start), Some(end));
            for_each_entry(runtime, &query, |_, entry| {
                found.extend(Confirmed::parse(&entry));
                Ok(())
            })?;
        }
        Ok(Self { found })
    }

    /// That one.
    pub fn get(&self, at: usize) -> &Confirmed {
        &self.found[at]
    }

    /// Whom an input belongs to.
    pub fn owner<R: ReadEntries>(&self, runtime: &mut R, input: &Input) -> Result<Owner, RunError> {
        let from = self.found.partition_point(|confirmed| confirmed.begin_ts < input.start_ts - AROUND_S);
        let mut owner = Owner::Nobody;
        let mut made_last = f64::NEG_INFINITY;
        for (at, confirmed) in self.found.iter().enumerate().skip(from) {
            if confirmed.begin_ts > input.start_ts + AROUND_S {
                break;
            }
            let next = || confirmed.next(runtime);
            match fit(input.start_ts, input.end_ts, &confirmed.span(), next)? {
                Fit::Belongs if confirmed.write_ts >= made_last => {
                    made_last = confirmed.write_ts;
                    owner = Owner::Found(at);
                }
                Fit::Unmeasured if owner == Owner::Nobody => owner = Owner::Unmeasured,
                Fit::Belongs | Fit::Unmeasured | Fit::Apart => {}
            }
        }
        Ok(owner)
    }
}

/// The spans around moments, s, joined where they overlap.
fn joined(moments: &[f64]) -> Vec<(f64, f64)> {
    let mut moments = moments.to_vec();
    moments.sort_by(f64::total_cmp);
    let mut spans: Vec<(f64, f64)> = Vec::new();
    for moment in moments {
        let (start, end) = (moment - AROUND_S, moment + AROUND_S);
        match spans.last_mut() {
            Some(last) if start <= last.1 => last.1 = end,
            _ => spans.push((start, end)),
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_around_moments_are_joined_where_they_overlap() {
        let day = AROUND_S;
        assert_eq!(joined(&[3.0 * day, 0.0]), [(-day, day), (2.0 * day, 4.0 * day)]);
        assert_eq!(joined(&[2.0 * day, 0.0, 0.0]), [(-day, 3.0 * day)]);
        assert_eq!(joined(&[]), []);
    }
}
