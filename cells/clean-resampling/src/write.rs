//! Writes a run's part of the chain.
//!
//! Places and trips name each other, and so do stops and sections, while ids come from inserting: so the ids of places
//! and stops are drawn first, then trips and sections are inserted with their links, then the points, in pieces; and at
//! last places and stops get their content.

use std::collections::BTreeMap;

use cells_sdk::model::EntryId;
use cells_sdk::model::rows::Row;
use cells_sdk::{Output, ReadEntries, Run, RunError, WriteEntries};

use crate::alone;
use crate::chain::{Chain, Journey, Stay};
use crate::entries::{json, left, place, point, section, stop, trip};
use crate::inputs::Inputs;
use crate::open::{OpenPlace, PLACE};
use crate::phone_point;
use crate::section::{Cleaned, Path};

const TRIP: &str = "analysis/cleaned_trip";
const UNTRACKED: &str = "analysis/cleaned_untracked";
const SECTION: &str = "analysis/cleaned_section";
const STOP: &str = "analysis/cleaned_stop";
const POINT: &str = "analysis/recreated_location";

/// The sources of everything that a run writes.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// What was read.
    pub inputs: &'a Inputs,
    /// The points of sections of one point.
    pub alone: &'a BTreeMap<EntryId, alone::Row>,
}

/// The ids of a trip's stops and sections, by number. One that is not kept has [`EntryId::NONE`]: an entry that would
/// name it names none.
#[derive(Debug, Clone)]
struct Parts {
    stops: Vec<EntryId>,
    sections: Vec<EntryId>,
}

/// All requested ids are present: [`Output`] ensures it.
const FOR_EACH: &str = "each entry that was inserted has an id";

/// The writer of a run. `data`: a buffer for the data of one entry.
struct Writer<'r, R> {
    runtime: &'r mut R,
    output: Output,
    data: String,
}

/// Writes a run's part of the chain.
pub fn write<R: ReadEntries + WriteEntries>(
    runtime: &mut R,
    run: &Run,
    from: Sources<'_>,
    chain: &Chain,
    open: Option<OpenPlace>,
) -> Result<(), RunError> {
    let mut writer = Writer { runtime, output: Output::new(run), data: String::new() };
    let places = writer.places(chain, open.as_ref())?;
    let journeys = writer.journeys(from, chain, &places)?;
    let parts = writer.parts(from, chain, &journeys)?;
    writer.points(from, chain, &parts)?;
    writer.link(from, chain, [&places, &journeys], &parts, open)?;
    writer.output.finish(writer.runtime)
}

impl<R: ReadEntries + WriteEntries> Writer<'_, R> {
    fn add(&mut self, key: &str, data: &str) -> Result<(), RunError> {
        self.output.insert(self.runtime, key, data)
    }

    fn draw(&mut self, key: &str) -> Result<(), RunError> {
        self.output.draw(self.runtime, key)
    }

    fn put_back(&mut self, key: &str, id: EntryId, data: &str) -> Result<(), RunError> {
        self.output.replace(self.runtime, key, id, data)
    }

    /// The ids of all entries added since the last time, in order.
    fn take_ids(&mut self) -> Result<std::vec::IntoIter<EntryId>, RunError> {
        Ok(self.output.take_ids(self.runtime)?.into_iter())
    }

    /// Draws ids for the new places; returns those of all.
    fn places(&mut self, chain: &Chain, open: Option<&OpenPlace>) -> Result<Vec<EntryId>, RunError> {
        for _ in chain.stays.iter().filter(|stay| stay.raw.is_some()) {
            self.draw(PLACE)?;
        }
        let mut new = self.take_ids()?;
        let id = |stay: &Stay| match (stay.raw, open) {
            (None, Some(open)) => open.id,
            _ => new.next().expect(FOR_EACH),
        };
        Ok(chain.stays.iter().map(id).collect())
    }

    fn journeys(
        &mut self,
        from: Sources<'_>,
        chain: &Chain,
        places: &[EntryId],
    ) -> Result<Vec<EntryId>, RunError> {
        for (number, journey) in chain.journeys.iter().enumerate() {
            let ends = [places[number], places[number + 1]];
            let key = if from.inputs.window.journeys[journey.raw].untracked { UNTRACKED } else { TRIP };
            self.add(key, &json(&trip(&from.inputs.window, journey, ends)))?;
        }
        Ok(self.take_ids()?.collect())
    }

    /// Draws ids for stops, and then inserts sections.
    fn parts(
        &mut self,
        from: Sources<'_>,
        chain: &Chain,
        journeys: &[EntryId],
    ) -> Result<Vec<Parts>, RunError> {
        let none = |journey: &Journey| Parts {
            stops: vec![EntryId::NONE; journey.trip.stops.len()],
            sections: vec![EntryId::NONE; journey.trip.sections.len()],
        };
        let mut parts: Vec<Parts> = chain.journeys.iter().map(none).collect();
        for _ in chain.journeys.iter().flat_map(|journey| &journey.trip.kept_stops) {
            self.draw(STOP)?;
        }
        let mut ids = self.take_ids()?;
        for (journey, parts) in chain.journeys.iter().zip(&mut parts) {
            for number in &journey.trip.kept_stops {
                parts.stops[*number] = ids.next().expect(FOR_EACH);
            }
        }
        for ((journey, id), parts) in chain.journeys.iter().zip(journeys).zip(&parts) {
            for number in &journey.trip.kept_sections {
                self.add(SECTION, &json(&section(&from.inputs.window, journey, *number, *id, &parts.stops)))?;
            }
        }
        let mut ids = self.take_ids()?;
        for (journey, parts) in chain.journeys.iter().zip(&mut parts) {
            for number in &journey.trip.kept_sections {
                parts.sections[*number] = ids.next().expect(FOR_EACH);
            }
        }
        Ok(parts)
    }

    fn points(&mut self, from: Sources<'_>, chain: &Chain, parts: &[Parts]) -> Result<(), RunError> {
        for (journey, parts) in chain.journeys.iter().zip(parts) {
            for (section, id) in journey.trip.sections.iter().zip(&parts.sections) {
                self.path(from, section, *id)?;
            }
            if let Some(moved) = &journey.moved {
                let section = &journey.trip.sections[moved.section];
                let data = phone_point::read(self.runtime, moved, section, parts.sections[moved.section])?;
                self.add(POINT, &data)?;
            }
        }
        Ok(())
    }

    fn path(&mut self, from: Sources<'_>, section: &Cleaned, id: EntryId) -> Result<(), RunError> {
        match &section.path {
            Path::Steps(steps) => {
                let mut data = std::mem::take(&mut self.data);
                for step in steps {
                    data.clear();
                    point(step, section, id, &from.inputs.zones, &mut data)?;
                    self.add(POINT, &data)?;
                }
                self.data = data;
                Ok(())
            }
            Path::Alone(point) => {
                let Some(row) = from.alone.get(&from.inputs.points.ids[point.row]) else { return Ok(()) };
                let data = alone::data(row, point, section.point_mode, id);
                self.add(POINT, &data)
            }
        }
    }

    /// Gives places and stops their links, the open place its exit.
    fn link(
        &mut self,
        from: Sources<'_>,
        chain: &Chain,
        [places, journeys]: [&[EntryId]; 2],
        parts: &[Parts],
        open: Option<OpenPlace>,
    ) -> Result<(), RunError> {
        for (number, (stay, id)) in chain.stays.iter().zip(places).enumerate() {
            let ending = number.checked_sub(1).and_then(|before| journeys.get(before)).copied();
            let starting = journeys.get(number).copied();
            if let Some(raw) = stay.raw {
                let place = place(&from.inputs.window, raw, stay, [ending, starting]);
                self.put_back(PLACE, *id, &json(&place))?;
            }
        }
        let first = &chain.stays[0];
        if let Some(open) = open.filter(|_| first.raw.is_none() && first.is_changed()) {
            let place = left(open.data, first, journeys.first().copied());
            let (id, metadata, data) = (open.id, &*open.metadata, &*json(&place));
            self.output.push(self.runtime, Row { id, key: PLACE, metadata, data, extra: "" })?;
        }
        for ((journey, id), parts) in chain.journeys.iter().zip(journeys).zip(parts) {
            for number in &journey.trip.kept_stops {
                let stop = stop(&from.inputs.window, journey, *number, *id, &parts.sections);
                self.put_back(STOP, parts.stops[*number], &json(&stop))?;
            }
        }
        Ok(())
    }
}
