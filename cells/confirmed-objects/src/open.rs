//! The confirmed place that an earlier run left open, and the composite trip that shows it.
//!
//! The open place is the end of the chain: the place that no confirmed trip has left. It need not be the one whose
//! cleaned place has no exit. Where trips overlap, the confirmed chain follows their beginnings and the cleaned one
//! does not; the reference looks for the exit, finds a place in the middle of its chain, and fails for the person from
//! then on.
//!
//! Quirk: such a place gets its exit, its inputs and the trip from there, but keeps the `raw_places` of when it was
//! made and never gets a `duration`. A place that was opened again for another reason (a part of a long window ended
//! there, or later results were undone) is recomputed from its cleaned place, as if it had never been open.
//!
//! Quirk: the composite trip that ends when the place was entered shows it; the composite trip that begins there does
//! not exist yet.

use cells_sdk::model::EntryId;
use cells_sdk::model::text::{BadObject, Object};
use cells_sdk::{Query, ReadEntries, RunError, TimeField, find_entry};
use cells_user_inputs::Entered;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::timeline::Stay;

/// Confirmed places.
pub const PLACE: &str = "analysis/confirmed_place";
/// Composite trips, which the diary shows.
pub const COMPOSITE: &str = "analysis/composite_trip";
const TRIP: &str = "analysis/confirmed_trip";
/// How long before an arrival its trip may have ended, s: cleaning moves either of them by minutes.
const APART_MAX_S: f64 = 86_400.0;

/// The place, as stored.
#[derive(Debug, Clone)]
pub struct OpenPlace {
    /// Its id.
    pub id: EntryId,
    /// When it was reached; `None` in the first place of all, s.
    pub enter_ts: Option<f64>,
    /// The confirmed trip or untracked span that led there.
    pub ending_trip: Option<EntryId>,
    /// The cleaned place from which it was made.
    pub cleaned_place: Option<EntryId>,
    /// A JSON object.
    pub metadata: String,
    /// A JSON object.
    pub data: String,
    /// The whole entry.
    text: String,
}

#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    enter_ts: Option<f64>,
    #[serde(default)]
    starting_trip: Option<IgnoredAny>,
    #[serde(default)]
    ending_trip: Option<EntryId>,
    #[serde(default)]
    cleaned_place: Option<EntryId>,
}

impl OpenPlace {
    /// Finds the place that no trip has left. There is at most one; as a rule it is the last one reached, so the search
    /// goes back in time and ends at once. Unreadable places are skipped.
    pub fn find<R: ReadEntries>(runtime: &mut R) -> Result<Option<Self>, RunError> {
        let query = Query::of(&[PLACE], TimeField::Position).latest_first();
        find_entry(runtime, &query, |entry| {
            let Ok(wire @ Wire { starting_trip: None, .. }) = serde_json::from_str::<Wire>(entry.data) else {
                return Ok(None);
            };
            let Wire { enter_ts, ending_trip, cleaned_place, .. } = wire;
            let [metadata, data, text] = [entry.metadata, entry.data, entry.text].map(str::to_owned);
            Ok(Some(Self { id: entry.id, enter_ts, ending_trip, cleaned_place, metadata, data, text }))
        })
    }

    /// Its data, updated from its cleaned place as the module's first quirk says.
    pub fn continued(
        &self,
        cleaned: &Stay,
        entered: &Entered,
        starting_trip: Option<&str>,
    ) -> Result<String, BadObject> {
        let cleaned = Object::read(&cleaned.data)?;
        let mut data = Object::read(&self.data)?;
        for name in ["exit_ts", "exit_local_dt", "exit_fmt_time"] {
            if let Some(value) = cleaned.get(name) {
                data.set(name, value.to_owned());
            }
        }
        data.set("user_input", &*entered.user_input);
        data.set("additions", &*entered.additions);
        if let Some(trip) = starting_trip {
            data.set("starting_trip", trip.to_owned());
        }
        Ok(data.write(""))
    }

    /// The whole entry with other data.
    pub fn entry_with(&self, data: &str) -> Result<String, BadObject> {
        let mut entry = Object::read(&self.text)?;
        entry.set("data", data);
        Ok(entry.write(""))
    }
}

/// The composite trip that shows a place at its end.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Its id.
    pub id: EntryId,
    /// A JSON object.
    pub metadata: String,
    /// A JSON object.
    pub data: String,
}

impl Shown {
    /// Finds the composite trip that leads to a place and ends when the place was reached. If several trips end at the
    /// same moment, such as those of two phones, it is the one that names the place.
    pub fn find<R: ReadEntries>(runtime: &mut R, place: &OpenPlace) -> Result<Option<Self>, RunError> {
        #[derive(Deserialize)]
        struct Wire {
            end_place: EntryId,
        }
        let Some(enter_ts) = place.enter_ts else { return Ok(None) };
        let query = Query::of(&[COMPOSITE], TimeField::EndTs).between(Some(enter_ts), Some(enter_ts));
        find_entry(runtime, &query, |entry| match serde_json::from_str(entry.data) {
            Ok(Wire { end_place }) if end_place == place.id => {
                let [metadata, data] = [entry.metadata, entry.data].map(str::to_owned);
                Ok(Some(Self { id: entry.id, metadata, data }))
            }
            _ => Ok(None),
        })
    }

    /// Its data with that entry as the place at its end.
    pub fn with_place(&self, place: &str) -> Result<String, BadObject> {
        let mut data = Object::read(&self.data)?;
        data.set("end_confirmed_place", place);
        Ok(data.write(""))
    }
}

/// The confirmed trip that was made from a cleaned one, which ended about when `enter_ts` says, s.
pub fn confirmed_trip_of<R: ReadEntries>(
    runtime: &mut R,
    cleaned_trip: EntryId,
    enter_ts: f64,
) -> Result<Option<EntryId>, RunError> {
    #[derive(Deserialize)]
    struct Wire {
        cleaned_trip: Option<EntryId>,
    }
    let ended = Query::of(&[TRIP], TimeField::EndTs).between(Some(enter_ts - APART_MAX_S), Some(enter_ts));
    find_entry(runtime, &ended, |entry| match serde_json::from_str(entry.data) {
        Ok(Wire { cleaned_trip: Some(of) }) if of == cleaned_trip => Ok(Some(entry.id)),
        _ => Ok(None),
    })
}
