//! A run's part of the chain on the way out.
//!
//! Places and trips name each other, and so do stops and sections, while ids come from inserting: so those of places
//! and stops are drawn first, then trips and sections are inserted with their links, then the points, in pieces; and
//! at last places and stops get their content.

use std::collections::BTreeMap;

use cells_sdk::model::EntryId;
use cells_sdk::model::rows::{Row, Rows};
use cells_sdk::model::time::ServerMetadata;
use cells_sdk::{ReadEntries, WriteEntries};

use crate::CleanError;
use crate::alone;
use crate::chain::{Chain, Journey, Stay};
use crate::entries::{json, left, place, point, section, stop, trip};
use crate::open::{OpenPlace, PLACE};
use crate::phone_point;
use crate::points::{Points, ZoneTable};
use crate::section::{Cleaned, Path};
use crate::window::Window;

const TRIP: &str = "analysis/cleaned_trip";
const UNTRACKED: &str = "analysis/cleaned_untracked";
const SECTION: &str = "analysis/cleaned_section";
const STOP: &str = "analysis/cleaned_stop";
const POINT: &str = "analysis/recreated_location";

/// Rows that cross in one call, bytes: little, since a guest that grows its memory pays for it.
const CALL_BYTES: usize = 32 << 10;
/// What the last row of a call may have beyond that without being copied, bytes.
const LAST_ROW_BYTES: usize = 4 << 10;

/// Where everything comes from that a run writes.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// The raw diary.
    pub window: &'a Window,
    /// The run's points.
    pub points: &'a Points,
    /// Their zones.
    pub zones: &'a ZoneTable,
    /// The points of sections of one point.
    pub alone: &'a BTreeMap<EntryId, alone::Row>,
}

/// The ids of a trip's stops and sections, by number. One that is not kept has [`EntryId::NONE`]: what names it
/// names nothing.
#[derive(Debug, Clone)]
struct Parts {
    stops: Vec<EntryId>,
    sections: Vec<EntryId>,
}

/// What is written, with the moments at which it is said to have been.
struct Writer<'r, R> {
    runtime: &'r mut R,
    now: f64,
    written: u32,
    metadata: ServerMetadata,
    rows: Rows,
    data: String,
    inserted: Vec<EntryId>,
}

/// Writes a run's part of the chain.
pub fn write<R: ReadEntries + WriteEntries>(
    runtime: &mut R,
    from: Sources<'_>,
    chain: &Chain,
    open: Option<OpenPlace>,
    now: f64,
) -> Result<(), CleanError> {
    let (metadata, data) = (ServerMetadata::default(), String::new());
    let rows = Rows::with_room(CALL_BYTES + LAST_ROW_BYTES);
    let mut writer = Writer { runtime, now, written: 0, metadata, rows, data, inserted: Vec::new() };
    let places = writer.places(chain, open.as_ref())?;
    let journeys = writer.journeys(from, chain, &places)?;
    let parts = writer.parts(from, chain, &journeys)?;
    writer.points(from, chain, &parts)?;
    writer.link(from, chain, [&places, &journeys], &parts, open)
}

impl<R: ReadEntries + WriteEntries> Writer<'_, R> {
    /// Puts a new entry with those rows that the next [`Self::insert`] will send.
    fn add(&mut self, key: &str, data: &str) -> Result<(), CleanError> {
        let write_ts = self.next_write_ts();
        let metadata = self.metadata.write(key, write_ts, "").map_err(CleanError::LocalTime)?;
        self.rows.push(Row { id: EntryId::NONE, key, metadata, data, extra: "" });
        self.send_if_enough()
    }

    /// As [`Self::add`], of an entry that is only to have an id until it is [put back](Self::put_back).
    fn draw(&mut self, key: &str) -> Result<(), CleanError> {
        self.rows.push(Row { id: EntryId::NONE, key, metadata: "{}", data: "{}", extra: "" });
        self.send_if_enough()
    }

    fn send_if_enough(&mut self) -> Result<(), CleanError> {
        if self.rows.as_bytes().len() > CALL_BYTES { self.send() } else { Ok(()) }
    }

    fn send(&mut self) -> Result<(), CleanError> {
        if !self.rows.is_empty() {
            let wanted = self.rows.count() as usize;
            let ids = self.runtime.insert(&self.rows)?;
            if ids.len() != wanted {
                return Err(CleanError::IdsMissing);
            }
            self.inserted.extend(ids);
            self.rows.clear();
        }
        Ok(())
    }

    /// The ids of everything added since the last time, in order.
    fn insert(&mut self) -> Result<std::vec::IntoIter<EntryId>, CleanError> {
        self.send()?;
        Ok(std::mem::take(&mut self.inserted).into_iter())
    }

    /// Draws ids for the new places; answers those of all.
    fn places(&mut self, chain: &Chain, open: Option<&OpenPlace>) -> Result<Vec<EntryId>, CleanError> {
        for _ in chain.stays.iter().filter(|stay| stay.raw.is_some()) {
            self.draw(PLACE)?;
        }
        let mut new = self.insert()?;
        let id = |stay: &Stay| match stay.raw {
            Some(_) => new.next(),
            None => open.map(|open| open.id),
        };
        chain.stays.iter().map(id).collect::<Option<_>>().ok_or(CleanError::IdsMissing)
    }

    fn journeys(
        &mut self,
        from: Sources<'_>,
        chain: &Chain,
        places: &[EntryId],
    ) -> Result<Vec<EntryId>, CleanError> {
        for (number, journey) in chain.journeys.iter().enumerate() {
            let ends = [places[number], places[number + 1]];
            let key = if from.window.journeys[journey.raw].untracked { UNTRACKED } else { TRIP };
            self.add(key, &json(&trip(from.window, journey, ends)))?;
        }
        Ok(self.insert()?.collect())
    }

    /// Draws ids for stops, and then inserts sections.
    fn parts(
        &mut self,
        from: Sources<'_>,
        chain: &Chain,
        journeys: &[EntryId],
    ) -> Result<Vec<Parts>, CleanError> {
        let none = |journey: &Journey| Parts {
            stops: vec![EntryId::NONE; journey.trip.stops.len()],
            sections: vec![EntryId::NONE; journey.trip.sections.len()],
        };
        let mut parts: Vec<Parts> = chain.journeys.iter().map(none).collect();
        for _ in chain.journeys.iter().flat_map(|journey| &journey.trip.kept_stops) {
            self.draw(STOP)?;
        }
        let mut ids = self.insert()?;
        for (journey, parts) in chain.journeys.iter().zip(&mut parts) {
            for number in &journey.trip.kept_stops {
                parts.stops[*number] = ids.next().ok_or(CleanError::IdsMissing)?;
            }
        }
        for ((journey, id), parts) in chain.journeys.iter().zip(journeys).zip(&parts) {
            for number in &journey.trip.kept_sections {
                self.add(SECTION, &json(&section(from.window, journey, *number, *id, &parts.stops)))?;
            }
        }
        let mut ids = self.insert()?;
        for (journey, parts) in chain.journeys.iter().zip(&mut parts) {
            for number in &journey.trip.kept_sections {
                parts.sections[*number] = ids.next().ok_or(CleanError::IdsMissing)?;
            }
        }
        Ok(parts)
    }

    fn points(&mut self, from: Sources<'_>, chain: &Chain, parts: &[Parts]) -> Result<(), CleanError> {
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
        self.send()?;
        self.inserted.clear();
        Ok(())
    }

    fn path(&mut self, from: Sources<'_>, section: &Cleaned, id: EntryId) -> Result<(), CleanError> {
        match &section.path {
            Path::Steps(steps) => {
                let mut data = std::mem::take(&mut self.data);
                for step in steps {
                    data.clear();
                    point(step, section, id, from.zones, &mut data)?;
                    self.add(POINT, &data)?;
                }
                self.data = data;
                Ok(())
            }
            Path::Alone(point) => {
                let Some(row) = from.alone.get(&from.points.ids[point.row]) else { return Ok(()) };
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
    ) -> Result<(), CleanError> {
        for (number, (stay, id)) in chain.stays.iter().zip(places).enumerate() {
            let ending = number.checked_sub(1).and_then(|before| journeys.get(before)).copied();
            let starting = journeys.get(number).copied();
            if let Some(raw) = stay.raw {
                let place = place(from.window, raw, stay, [ending, starting]);
                self.put_back(PLACE, *id, None, &json(&place))?;
            }
        }
        let first = &chain.stays[0];
        if let Some(open) = open.filter(|_| first.raw.is_none() && first.is_changed()) {
            let place = left(open.data, first, journeys.first().copied());
            self.put_back(PLACE, open.id, Some(&open.metadata), &json(&place))?;
        }
        for ((journey, id), parts) in chain.journeys.iter().zip(journeys).zip(parts) {
            for number in &journey.trip.kept_stops {
                let stop = stop(from.window, journey, *number, *id, &parts.sections);
                self.put_back(STOP, parts.stops[*number], None, &json(&stop))?;
            }
        }
        if self.rows.is_empty() { Ok(()) } else { Ok(self.runtime.replace(&self.rows)?) }
    }

    /// Puts new content for an entry with the rows that are sent at the end.
    fn put_back(
        &mut self,
        key: &str,
        id: EntryId,
        metadata: Option<&str>,
        data: &str,
    ) -> Result<(), CleanError> {
        let metadata = match metadata {
            Some(metadata) => metadata,
            None => {
                let write_ts = self.next_write_ts();
                self.metadata.write(key, write_ts, "").map_err(CleanError::LocalTime)?
            }
        };
        self.rows.push(Row { id, key, metadata, data, extra: "" });
        if self.rows.as_bytes().len() > CALL_BYTES {
            self.runtime.replace(&self.rows)?;
            self.rows.clear();
        }
        Ok(())
    }

    /// The write time of the next entry, s. Those of one run keep their order.
    fn next_write_ts(&mut self) -> f64 {
        self.written += 1;
        self.now + f64::from(self.written - 1) * 1e-6
    }
}
