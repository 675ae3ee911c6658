//! The changes of confirmed and composite entries.
//!
//! A composite trip holds copies: of its confirmed trip's members and of the whole place at its end. So a changed trip
//! is copied into its composite trip, and a changed place into the composite trip that leads there and ends when the
//! place was reached.
//!
//! Quirk: the composite trip that *begins* at a changed place keeps its old copy.
//!
//! * Memory: one composite trip at a time.

use std::collections::BTreeMap;

use cells_sdk::model::EntryId;
use cells_sdk::model::rows::Row;
use cells_sdk::model::text::{BadObject, Object};
use cells_sdk::{Output, Query, ReadEntries, RunError, TimeField, WriteEntries, for_each_entry};
use cells_user_inputs::{Entered, Input};
use serde::Deserialize;

use crate::confirmed::{Confirmed, PLACE, TRIP};

const COMPOSITE: &str = "analysis/composite_trip";
/// What an error says of an entry that no stage has written.
const CANNOT: &str = "cannot be changed";

/// A confirmed trip or place and its new members.
#[derive(Debug)]
struct Changed<'a> {
    confirmed: &'a Confirmed,
    entered: Entered,
}

impl<'a> Changed<'a> {
    fn new(confirmed: &'a Confirmed) -> Result<Self, BadObject> {
        let data = Object::read(&confirmed.data)?;
        let member = |name, without: &str| match data.get(name) {
            None | Some("null") => without.to_owned(),
            Some(text) => text.to_owned(),
        };
        let entered =
            Entered { user_input: member("user_input", "{}"), additions: member("additions", "[]") };
        Ok(Self { confirmed, entered })
    }

    /// A text with the new members; `None` where it has them already.
    fn in_text(&self, text: &str) -> Result<Option<String>, BadObject> {
        let mut data = Object::read(text)?;
        let Entered { user_input, additions } = &self.entered;
        if data.get("user_input") == Some(user_input) && data.get("additions") == Some(additions) {
            return Ok(None);
        }
        data.set("user_input", &**user_input);
        data.set("additions", &**additions);
        Ok(Some(data.write("")))
    }
}

/// Everything that a run changes.
#[derive(Debug, Default)]
pub struct Changes<'a> {
    by_id: BTreeMap<EntryId, Changed<'a>>,
}

/// The changes of the composite trips that end at one moment, by the ids that these trips name. There may be more than
/// one: two phones of one person end trips together.
#[derive(Debug, Default)]
struct Shown<'a> {
    /// By the confirmed trip.
    trips: BTreeMap<EntryId, &'a Changed<'a>>,
    /// By the place at the end.
    places: BTreeMap<EntryId, &'a Changed<'a>>,
}

/// By what a composite trip names what it shows.
#[derive(Deserialize)]
struct Names {
    #[serde(default)]
    confirmed_trip: Option<EntryId>,
    #[serde(default)]
    end_place: Option<EntryId>,
}

impl<'a> Changes<'a> {
    /// Adds an input to the trip or place that it belongs to. `Err`: the present inputs were not written by a stage.
    pub fn take_in(&mut self, confirmed: &'a Confirmed, input: &Input) -> Result<(), RunError> {
        let bad = |why| RunError::bad_entry(confirmed.id, CANNOT, why);
        let changed = match self.by_id.entry(confirmed.id) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(new) => {
                new.insert(Changed::new(confirmed).map_err(bad)?)
            }
        };
        let taken = changed.entered.take_in(input);
        taken.map_err(|why| RunError::bad_entry(confirmed.id, "cannot take an input in", why))
    }

    /// Writes the entries that differ.
    pub fn write<R: ReadEntries + WriteEntries>(
        self,
        runtime: &mut R,
        output: &mut Output,
    ) -> Result<(), RunError> {
        let mut shown = BTreeMap::<u64, Shown<'_>>::new();
        for changed in self.by_id.values() {
            let confirmed = changed.confirmed;
            let bad = |why| RunError::bad_entry(confirmed.id, CANNOT, why);
            if let Some(data) = changed.in_text(&confirmed.data).map_err(bad)? {
                let key = if confirmed.is_place { PLACE } else { TRIP };
                let (id, metadata) = (confirmed.id, &*confirmed.metadata);
                output.push(runtime, Row { id, key, metadata, data: &data, extra: "" })?;
            }
            let Some(until) = confirmed.shown_until() else { continue };
            let shown = shown.entry(until.to_bits()).or_default();
            let by_id = if confirmed.is_place { &mut shown.places } else { &mut shown.trips };
            by_id.insert(confirmed.id, changed);
        }
        for (until, shown) in shown {
            shown.write(runtime, f64::from_bits(until), output)?;
        }
        Ok(())
    }
}

impl Shown<'_> {
    /// Writes the composite trips that end at `until`, s, where they differ.
    fn write<R: ReadEntries + WriteEntries>(
        &self,
        runtime: &mut R,
        until: f64,
        output: &mut Output,
    ) -> Result<(), RunError> {
        let query = Query::of(&[COMPOSITE], TimeField::EndTs).between(Some(until), Some(until));
        for_each_entry(runtime, &query, |runtime, entry| {
            let changed = self.in_text(entry.data);
            let changed = changed.map_err(|why| RunError::bad_entry(entry.id, CANNOT, why))?;
            let Some(data) = changed else { return Ok(()) };
            let (id, metadata) = (entry.id, entry.metadata);
            output.push(runtime, Row { id, key: COMPOSITE, metadata, data: &data, extra: "" })
        })
    }

    /// A composite trip with the new copies; `None` where it has them already.
    fn in_text(&self, text: &str) -> Result<Option<String>, BadObject> {
        // A composite trip without these links was not written by a stage, and shows none of it.
        let Ok(Names { confirmed_trip, end_place }) = serde_json::from_str(text) else { return Ok(None) };
        let trip = confirmed_trip.and_then(|id| self.trips.get(&id));
        let with_trip = match trip {
            Some(changed) => changed.in_text(text)?,
            None => None,
        };
        let Some(place) = end_place.and_then(|id| self.places.get(&id)) else { return Ok(with_trip) };
        let mut entry = Object::read(&place.confirmed.text)?;
        let place_data = place.in_text(&place.confirmed.data)?;
        entry.set("data", place_data.as_deref().unwrap_or(&place.confirmed.data));
        let entry = entry.write("");
        let mut data = Object::read(with_trip.as_deref().unwrap_or(text))?;
        if data.get("end_confirmed_place") == Some(&entry) {
            drop(data);
            return Ok(with_trip);
        }
        data.set("end_confirmed_place", entry);
        Ok(Some(data.write("")))
    }
}
