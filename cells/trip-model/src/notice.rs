//! Finds what is new since the last run, at a cost that does not grow with the years.
//!
//! A trip that is labelled later keeps its times, so no window over trips shows it. The person's input shows it: it
//! names a moment, and the trip that it belongs to began at most a day before. So the new trips are those after the
//! newest one seen, and those that inputs written since may belong to.
//!
//! Some changes go further back: inputs that arrive late or are removed, and trips that are recomputed since their raw
//! readings changed. The first change the number of inputs up to the last run (a late input and a removed one between
//! two runs would hide each other); the others always include the newest trip, which then has another id. Then
//! everything is read again.

use cells_sdk::model::EntryId;
use cells_sdk::{Query, ReadEntries, RunError, TimeField, find_entry, for_each_entry};
use serde::{Deserialize, Serialize};

use crate::reading::{TRIP, Trip};

/// The inputs with which people label trips.
const INPUTS: [&str; 4] =
    ["manual/mode_confirm", "manual/purpose_confirm", "manual/replaced_mode", "manual/trip_user_input"];
/// An input belongs to a trip that began at most so long before the moment that it names, s.
const INPUT_AFTER_START_S_MAX: f64 = 86_400.0;

/// What a run has seen; the stage's state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    newest: Option<Newest>,
    /// How many inputs were written up to `inputs_through`.
    inputs: u64,
    /// s
    inputs_through: f64,
}

/// The trip that ended last.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Newest {
    end_ts: f64,
    id: EntryId,
}

/// The changes since the last run.
pub(crate) struct News {
    /// What has been seen now.
    pub(crate) seen: Seen,
    /// New trips that are labelled, and all whose labels may be new.
    pub(crate) trips: Vec<Trip>,
}

impl Seen {
    /// Reads the stage's state; `None` where there is none or it cannot be read.
    pub fn from_state(state: &[u8]) -> Option<Self> {
        serde_json::from_slice(state).ok()
    }

    /// The stage's state.
    pub fn to_state(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("the types hold only what JSON can represent")
    }

    /// When the trip that ended last ended, s.
    pub fn newest_end_ts(&self) -> Option<f64> {
        self.newest.map(|newest| newest.end_ts)
    }
}

/// The changes up to `end`, s; `None` where older entries have changed as well.
pub(crate) fn since<R: ReadEntries>(runtime: &mut R, end: f64, seen: Seen) -> Result<Option<News>, RunError> {
    if end < seen.inputs_through || count_inputs(runtime, seen.inputs_through)? != seen.inputs {
        return Ok(None);
    }
    let Some((newest, mut trips)) = new_trips(runtime, end, seen.newest)? else { return Ok(None) };
    let new = new_inputs(runtime, end, &seen)?;
    for (first, last) in spans(new.moments) {
        let began = Query::of(&[TRIP], TimeField::StartTs).between(Some(first), Some(last));
        for_each_entry(runtime, &began, |_, entry| {
            trips.extend(Trip::read(&entry));
            Ok(())
        })?;
    }
    let seen = Seen { newest, inputs: seen.inputs + new.count, inputs_through: end };
    Ok(Some(News { seen, trips }))
}

/// What a run has seen that reads everything up to `end`, s.
pub(crate) fn all<R: ReadEntries>(runtime: &mut R, end: f64) -> Result<Seen, RunError> {
    let ended = Query::of(&[TRIP], TimeField::EndTs).between(None, Some(end));
    let newest = find_entry(runtime, &ended.latest_first(), |entry| {
        Ok(Some(Newest { end_ts: entry.time, id: entry.id }))
    })?;
    Ok(Seen { newest, inputs: count_inputs(runtime, end)?, inputs_through: end })
}

fn count_inputs<R: ReadEntries>(runtime: &mut R, through: f64) -> Result<u64, RunError> {
    Ok(runtime.count(&Query::of(&INPUTS, TimeField::WriteTs).between(None, Some(through)))?)
}

type NewTrips = (Option<Newest>, Vec<Trip>);

/// The trip that ended last, and the labelled ones behind the one that did before; `None` where that is gone.
fn new_trips<R: ReadEntries>(
    runtime: &mut R,
    end: f64,
    before: Option<Newest>,
) -> Result<Option<NewTrips>, RunError> {
    let ended = Query::of(&[TRIP], TimeField::EndTs).between(before.map(|before| before.end_ts), Some(end));
    let (mut newest, mut found) = (None, before.is_none());
    let mut trips = Vec::new();
    for_each_entry(runtime, &ended, |_, entry| {
        newest = Some(Newest { end_ts: entry.time, id: entry.id });
        if before.is_some_and(|before| before.id == entry.id) {
            found = true;
        } else {
            trips.extend(Trip::read(&entry).filter(Trip::is_labelled));
        }
        Ok(())
    })?;
    Ok(found.then_some((newest, trips)))
}

#[derive(Default)]
struct NewInputs {
    count: u64,
    /// The moments that the inputs name, s.
    moments: Vec<f64>,
}

#[derive(Deserialize)]
struct Moment {
    start_ts: f64,
}

fn new_inputs<R: ReadEntries>(runtime: &mut R, end: f64, seen: &Seen) -> Result<NewInputs, RunError> {
    let written = Query::of(&INPUTS, TimeField::WriteTs).between(Some(seen.inputs_through), Some(end));
    let mut new = NewInputs::default();
    for_each_entry(runtime, &written, |_, entry| {
        // The bound is closed, and inputs written at that moment have been counted.
        if entry.time > seen.inputs_through {
            new.count += 1;
            let moment = serde_json::from_str::<Moment>(entry.data);
            new.moments.extend(moment.ok().map(|moment| moment.start_ts));
        }
        Ok(())
    })?;
    Ok(new)
}

/// When the trips may have begun that inputs naming those moments belong to: spans in order, without contact.
fn spans(mut moments: Vec<f64>) -> Vec<(f64, f64)> {
    moments.sort_unstable_by(f64::total_cmp);
    let mut spans: Vec<(f64, f64)> = Vec::new();
    for moment in moments {
        let first = moment - INPUT_AFTER_START_S_MAX;
        match spans.last_mut() {
            Some((_, last)) if first <= *last => *last = moment,
            _ => spans.push((first, moment)),
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn inputs_of_one_day_are_one_span() {
        let day = INPUT_AFTER_START_S_MAX;
        assert_eq!(spans(vec![3.0 * day, 10.0, 20.0]), [(10.0 - day, 20.0), (2.0 * day, 3.0 * day)]);
        assert_eq!(spans(Vec::new()), []);
    }

    #[test]
    fn a_state_that_cannot_be_read_is_treated_as_absent() {
        let seen = Seen { newest: None, inputs: 3, inputs_through: 7.5 };
        assert_eq!(Seen::from_state(&seen.to_state()), Some(seen));
        assert_eq!(Seen::from_state(b""), None);
    }

    proptest! {
        #[test]
        fn spans_hold_every_moment_and_do_not_touch(moments in prop::collection::vec(-1e6..1e6_f64, 0..30)) {
            let spans = spans(moments.clone());
            prop_assert!(spans.is_sorted_by(|a, b| a.1 < b.0));
            for moment in moments {
                let inside = |span: &&(f64, f64)| span.0 <= moment - INPUT_AFTER_START_S_MAX && moment <= span.1;
                prop_assert_eq!(spans.iter().filter(inside).count(), 1);
            }
        }
    }
}
