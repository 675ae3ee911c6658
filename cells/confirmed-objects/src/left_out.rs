//! Which cleaned trips will never be confirmed.
//!
//! Quirk: a window has the trips that begin in it, and windows never go back. A trip that an old fix or a second phone
//! has left may begin before the window, or end before the stages in between look: it stays a cleaned trip. The
//! reference says nothing; here the owner reads how many.
//!
//! * Every trip is looked at once, when the stage has come behind it. Which ones were looked at goes by when they were
//!   written, since their own times need not rise.
//! * Not here: trips of the window that are left out since they cannot be read (see [`crate::timeline`]).

use std::collections::HashSet;
use std::ops::ControlFlow;

use cells_sdk::model::EntryId;
use cells_sdk::{Query, ReadEntries, Run, TimeField};
use cells_user_inputs::reading::{ReadError, WHOLE, walk};
use serde::Deserialize;

use crate::store::{TRIP, UNTRACKED as CONFIRMED_UNTRACKED};
use crate::timeline::{CLEANED_TRIP, Timeline, UNTRACKED};

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LeftOut {
    /// How many trips and spans.
    pub count: usize,
    /// Up to when, s, trips were written that need not be looked at again.
    pub looked_through: Option<f64>,
}

#[derive(Deserialize)]
struct Wire {
    start_ts: f64,
    end_ts: f64,
    #[serde(default)]
    cleaned_trip: Option<EntryId>,
}

/// What is known by now: confirmed trips by their cleaned ones, spans by their times, which are all that they keep.
#[derive(Default)]
struct Known {
    trips: HashSet<EntryId>,
    spans: HashSet<[u64; 2]>,
}

impl Known {
    fn add(&mut self, wire: &Wire) {
        match wire.cleaned_trip {
            Some(trip) => drop(self.trips.insert(trip)),
            None => drop(self.spans.insert(bits(wire))),
        }
    }
}

fn bits(wire: &Wire) -> [u64; 2] {
    [wire.start_ts.to_bits(), wire.end_ts.to_bits()]
}

impl LeftOut {
    /// Looks at the trips that were written behind `looked_through`, s. A window that goes on is not looked at before its
    /// last part.
    pub fn find<R: ReadEntries>(
        runtime: &mut R,
        run: &Run,
        timeline: &Timeline,
        looked_through: Option<f64>,
    ) -> Result<Self, ReadError> {
        let mut found = Self { count: 0, looked_through };
        if timeline.has_more() {
            return Ok(found);
        }
        let since = looked_through.map(f64::next_up);
        let known = known(runtime, timeline, since)?;
        let mut waits_since: Option<f64> = None;
        let written = Query::of(&[CLEANED_TRIP, UNTRACKED], TimeField::WriteTs).between(since, None);
        walk(runtime, &written, WHOLE, |entry| {
            found.looked_through = Some(entry.write_ts);
            // The stage of labels leaves out what it cannot read, and says so.
            let Ok(wire) = serde_json::from_str::<Wire>(entry.data) else { return ControlFlow::Continue(()) };
            let is_known = known.trips.contains(&entry.id) || known.spans.contains(&bits(&wire));
            let will_come = run.start.is_none_or(|start| wire.start_ts >= start)
                && wire.start_ts.max(wire.end_ts) > run.end;
            if !is_known && will_come {
                waits_since.get_or_insert(entry.write_ts);
            }
            found.count += usize::from(!is_known && !will_come);
            ControlFlow::Continue(())
        })?;
        if let Some(waits_since) = waits_since {
            found.looked_through = Some(waits_since.next_down());
        }
        Ok(found)
    }
}

/// What this run confirms, and what earlier ones have confirmed since.
fn known<R: ReadEntries>(
    runtime: &mut R,
    timeline: &Timeline,
    since: Option<f64>,
) -> Result<Known, ReadError> {
    let mut known = Known::default();
    // The owner is told of these already.
    known.trips.extend(&timeline.nowhere);
    for (journey, _) in timeline.journeys() {
        let (start_ts, end_ts) = (journey.read.start_ts, journey.read.end_ts);
        known.add(&Wire { start_ts, end_ts, cleaned_trip: journey.read.cleaned_trip });
    }
    let written = Query::of(&[TRIP, CONFIRMED_UNTRACKED], TimeField::WriteTs).between(since, None);
    walk(runtime, &written, WHOLE, |entry| {
        if let Ok(wire) = serde_json::from_str(entry.data) {
            known.add(&wire);
        }
        ControlFlow::Continue(())
    })?;
    Ok(known)
}
