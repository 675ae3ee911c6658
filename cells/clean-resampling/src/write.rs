//! A run's part of the chain on the way out.
//!
//! Places and trips name each other, and so do stops and sections, while ids come from inserting: so places and stops
//! are inserted first, without their links, then trips and sections with theirs, then the points, in pieces; and at
//! last places and stops get their links.

use std::collections::BTreeMap;

use cells_sdk::model::EntryId;
use cells_sdk::model::rows::{Row, Rows};
use cells_sdk::model::time::server_metadata;
use cells_sdk::{ReadEntries, WriteEntries};
use serde::Serialize;

use crate::CleanError;
use crate::alone;
use crate::chain::{Chain, Journey, Stay};
use crate::entries::{left, place, point, section, stop, trip};
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

/// Rows that cross in one call, bytes: few calls, and a small share of what one may carry.
const CALL_BYTES: usize = 128 << 10;

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
    rows: Rows,
    data: Vec<u8>,
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
    let (rows, data, inserted) = (Rows::new(), Vec::new(), Vec::new());
    let mut writer = Writer { runtime, now, written: 0, rows, data, inserted };
    let places = writer.places(from, chain, open.as_ref())?;
    let journeys = writer.journeys(from, chain, &places)?;
    let parts = writer.parts(from, chain, &journeys)?;
    writer.points(from, chain, &parts)?;
    writer.link(from, chain, [&places, &journeys], &parts, open)
}

impl<R: ReadEntries + WriteEntries> Writer<'_, R> {
    /// Puts a new entry with those rows that the next [`Self::insert`] will send.
    fn add(&mut self, key: &str, data: &impl Serialize) -> Result<(), CleanError> {
        self.data.clear();
        serde_json::to_writer(&mut self.data, data).expect("the types hold nothing that JSON has not");
        self.add_data(key, None)
    }

    /// As [`Self::add`], of data that are JSON already.
    fn add_text(&mut self, key: &str, data: &str) -> Result<(), CleanError> {
        self.add_data(key, Some(data))
    }

    fn add_data(&mut self, key: &str, text: Option<&str>) -> Result<(), CleanError> {
        let metadata = self.metadata(key)?;
        let written = || std::str::from_utf8(&self.data).expect("JSON is UTF-8");
        let data = text.unwrap_or_else(written);
        self.rows.push(Row { id: EntryId::NONE, key, metadata: &metadata, data, extra: "" });
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

    /// Inserts the new places, without links; answers the ids of all.
    fn places(
        &mut self,
        from: Sources<'_>,
        chain: &Chain,
        open: Option<&OpenPlace>,
    ) -> Result<Vec<EntryId>, CleanError> {
        for stay in &chain.stays {
            if let Some(raw) = stay.raw {
                self.add(PLACE, &place(from.window, raw, stay, [None, None]))?;
            }
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
            self.add(key, &trip(from.window, journey, ends))?;
        }
        Ok(self.insert()?.collect())
    }

    /// Inserts stops, which do not know their sections yet, and then sections.
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
        for ((journey, id), parts) in chain.journeys.iter().zip(journeys).zip(&parts) {
            for number in &journey.trip.kept_stops {
                self.add(STOP, &stop(from.window, journey, *number, *id, &parts.sections))?;
            }
        }
        let mut ids = self.insert()?;
        for (journey, parts) in chain.journeys.iter().zip(&mut parts) {
            for number in &journey.trip.kept_stops {
                parts.stops[*number] = ids.next().ok_or(CleanError::IdsMissing)?;
            }
        }
        for ((journey, id), parts) in chain.journeys.iter().zip(journeys).zip(&parts) {
            for number in &journey.trip.kept_sections {
                self.add(SECTION, &section(from.window, journey, *number, *id, &parts.stops))?;
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
                self.add_text(POINT, &data)?;
            }
        }
        self.send()?;
        self.inserted.clear();
        Ok(())
    }

    fn path(&mut self, from: Sources<'_>, section: &Cleaned, id: EntryId) -> Result<(), CleanError> {
        match &section.path {
            Path::Steps(steps) => {
                for step in steps {
                    let point = point(step, section, id, from.zones)?;
                    self.add(POINT, &point)?;
                }
                Ok(())
            }
            Path::Alone(point) => {
                let Some(row) = from.alone.get(&from.points.ids[point.row]) else { return Ok(()) };
                let data = alone::data(row, point, section.point_mode, id);
                self.add_text(POINT, &data)
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
                self.put_back(PLACE, *id, None, &place)?;
            }
        }
        let first = &chain.stays[0];
        if let Some(open) = open.filter(|_| first.raw.is_none() && first.is_changed()) {
            let place = left(open.data, first, journeys.first().copied());
            self.put_back(PLACE, open.id, Some(&open.metadata), &place)?;
        }
        for ((journey, id), parts) in chain.journeys.iter().zip(journeys).zip(parts) {
            for number in &journey.trip.kept_stops {
                let stop = stop(from.window, journey, *number, *id, &parts.sections);
                self.put_back(STOP, parts.stops[*number], None, &stop)?;
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
        data: &impl Serialize,
    ) -> Result<(), CleanError> {
        let data = serde_json::to_string(data).expect("the types hold nothing that JSON has not");
        let own = metadata.is_none().then(|| self.metadata(key)).transpose()?;
        let metadata = metadata.or(own.as_deref()).unwrap_or_default();
        self.rows.push(Row { id, key, metadata, data: &data, extra: "" });
        if self.rows.as_bytes().len() > CALL_BYTES {
            self.runtime.replace(&self.rows)?;
            self.rows.clear();
        }
        Ok(())
    }

    /// The metadata of the next entry. Those of one run keep their order in their write times.
    fn metadata(&mut self, key: &str) -> Result<String, CleanError> {
        let write_ts = self.now + f64::from(self.written) * 1e-6;
        self.written += 1;
        server_metadata(key, write_ts).map_err(CleanError::LocalTime)
    }
}
