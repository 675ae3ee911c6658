//! Finds trips that end before the window although they were confirmed since the last run.
//!
//! A trip from an old fix or a second phone may end long before the trips that are composed already, and no window goes
//! back. The reference never shows it; here it is composed as well. As in the reference, a span without readings is
//! not: it has nothing to show.
//!
//! * Newly confirmed trips are found by their write time. The state has the time up to which the stage checked; see
//!   [`Looked`].
//! * A trip that is shown already is not composed again, whatever the state says.

use cells_sdk::model::EntryId;
use cells_sdk::{Query, ReadEntries, Run, RunError, TimeField, find_entry, for_each_entry};
use serde::Deserialize;

use crate::{COMPOSITE, TRIP, UNTRACKED};

/// The write time up to which trips were checked, s; the stage's state, 8 bytes. `None`: there is no state.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Looked(Option<f64>);

impl Looked {
    /// Reads a state.
    pub fn read(state: &[u8]) -> Self {
        Self(state.try_into().ok().map(f64::from_le_bytes).filter(|ts| ts.is_finite()))
    }

    /// Writes a state.
    pub fn to_state(self) -> Vec<u8> {
        self.0.map(|ts| ts.to_le_bytes().to_vec()).unwrap_or_default()
    }

    /// Records a trip that was written at `write_ts`, s.
    pub fn note(&mut self, write_ts: f64) {
        self.0 = Some(self.0.map_or(write_ts, |ts| ts.max(write_ts)));
    }
}

/// The trips and spans that end before a window.
#[derive(Debug, Default)]
pub struct Behind {
    /// Trips that no composite trip shows.
    pub trips: Vec<EntryId>,
    /// The number of spans without readings.
    pub spans: usize,
}

#[derive(Deserialize)]
struct Ends {
    end_ts: f64,
}

impl Behind {
    /// Checks the trips that were written since.
    pub fn find<R: ReadEntries>(runtime: &mut R, run: &Run, looked: &mut Looked) -> Result<Self, RunError> {
        let mut behind = Self::default();
        let Some(start) = run.start else { return Ok(behind) };
        // Without a state it is unknown what earlier runs checked: this run is responsible for the trips written with
        // it.
        let since = looked.0.map_or(run.now, f64::next_up);
        let query = Query::of(&[TRIP, UNTRACKED], TimeField::WriteTs).between(Some(since), None);
        let mut trips = Vec::new();
        for_each_entry(runtime, &query, |_, entry| {
            looked.note(entry.write_ts);
            if let Ok(Ends { end_ts }) = serde_json::from_str(entry.data)
                && end_ts < start
            {
                if entry.key == TRIP {
                    trips.push((entry.id, end_ts));
                } else {
                    behind.spans += 1;
                }
            }
            Ok(())
        })?;
        for (id, end_ts) in trips {
            if !is_shown(runtime, id, end_ts)? {
                behind.trips.push(id);
            }
        }
        Ok(behind)
    }
}

/// Whether a composite trip shows a trip that ends at `end_ts`, s.
fn is_shown<R: ReadEntries>(runtime: &mut R, trip: EntryId, end_ts: f64) -> Result<bool, RunError> {
    #[derive(Deserialize)]
    struct Shown {
        confirmed_trip: EntryId,
    }
    let query = Query::of(&[COMPOSITE], TimeField::EndTs).between(Some(end_ts), Some(end_ts));
    let shown = find_entry(runtime, &query, |entry| {
        let shown = serde_json::from_str::<Shown>(entry.data);
        Ok(shown.is_ok_and(|shown| shown.confirmed_trip == trip).then_some(()))
    })?;
    Ok(shown.is_some())
}
