//! Reads the raw diary of a run: trips, places, sections and stops of its window.
//!
//! * A trip belongs to the window by its start, a place by its arrival, closed at both ends.
//! * All entries are read with one cursor in the order of time. A back-log that is too long for one run ends early,
//!   before a trip: see [`Window::is_cut`].
//! * An entry that cannot be read is skipped and counted; only its own trip is affected.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;

use cells_locations::end_after;
use cells_sdk::model::page::Entry;
use cells_sdk::model::segmentation::{Place, Section, Stop, Trip};
use cells_sdk::model::{EntryId, Kept};
use cells_sdk::{
    Query, ReadEntries, Run, RunError, TimeField, WINDOW_GAP_S, for_each_by_id, for_each_entry, mark_past,
    walk_entries,
};
use serde::de::DeserializeOwned;

use crate::inputs::Share;
use crate::points::{INTERVAL_S, KEY as POINT};

pub(crate) const TRIP: &str = "segmentation/raw_trip";
pub(crate) const UNTRACKED: &str = "segmentation/raw_untracked";
pub(crate) const PLACE: &str = "segmentation/raw_place";
const SECTION: &str = "segmentation/raw_section";
const STOP: &str = "segmentation/raw_stop";

/// A window begins [`WINDOW_GAP_S`] after the arrival at the last place of the run before; that place and its point are
/// needed, and rounding must not lose them.
pub(crate) const BEFORE_S: f64 = WINDOW_GAP_S + 1.0;

/// An entry with its id.
#[derive(Debug, Clone)]
pub struct Raw<T> {
    /// Its id.
    pub id: EntryId,
    /// When it was written, s.
    pub write_ts: f64,
    /// Its data, with the members that the type does not name.
    pub data: Kept<T>,
}

/// A trip, or a span without readings.
#[derive(Debug, Clone)]
pub struct Journey {
    /// Its entry.
    pub entry: Raw<Trip>,
    /// Whether it is unknown what happened.
    pub untracked: bool,
}

/// The raw diary that a run works on.
#[derive(Debug, Default)]
pub struct Window {
    /// Ordered by start and id.
    pub journeys: Vec<Journey>,
    /// The places of the window, and those where its journeys begin and end.
    pub places: HashMap<EntryId, Raw<Place>>,
    /// Places that were reached within the window, in that order.
    pub reached: Vec<EntryId>,
    /// Ordered by start and id.
    pub sections: Vec<Raw<Section>>,
    /// Ordered by arrival and id.
    pub stops: Vec<Raw<Stop>>,
    /// The start of the first trip that was left for the next run, s.
    pub cut_before: Option<f64>,
    /// Whether it has more readings than the share.
    is_long: bool,
    /// The start of the last trip or span that was read, also where it is skipped, s.
    last_start_ts: Option<f64>,
    /// Entries that cannot be read.
    pub unreadable: usize,
}

impl Window {
    /// Reads the window; ends early where the journeys so far will make as many points, or have as many readings, as
    /// the share has.
    pub fn read<R: ReadEntries>(runtime: &mut R, run: &Run, share: Share) -> Result<Self, RunError> {
        let Run { start, end, .. } = *run;
        let keys = [TRIP, UNTRACKED, PLACE, SECTION, STOP];
        let from = start.map(|start| start - BEFORE_S);
        let query = Query::of(&keys, TimeField::Position).between(from, Some(end));
        let readings = Query::of(&[POINT], TimeField::DataTs).between(from, Some(end));
        let readings_end = end_after(runtime, &readings, share.rows_max)?;
        let mut window = Self { is_long: readings_end.is_some(), ..Self::default() };
        let readings_end = readings_end.unwrap_or(f64::INFINITY);
        let mut points = 0.0;
        walk_entries(runtime, &query, |_, entry| {
            let begun = start.is_none_or(|start| entry.time >= start);
            let is_journey = entry.key == TRIP || entry.key == UNTRACKED;
            let is_full =
                points >= share.points_max || (entry.time > readings_end && !window.journeys.is_empty());
            if begun && is_journey && is_full {
                window.cut_before = Some(entry.time);
                return Ok(ControlFlow::Break(()));
            }
            points += window.add(&entry, begun);
            Ok(ControlFlow::Continue(()))
        })?;
        window.find_missing_places(runtime)?;
        Ok(window)
    }

    /// Adds an entry; returns about how many points it will make.
    fn add(&mut self, entry: &Entry<'_>, begun: bool) -> f64 {
        match entry.key {
            PLACE => {
                if let Some(place) = self.parse::<Place>(entry) {
                    if begun && place.data.known.enter_ts.is_some() {
                        self.reached.push(place.id);
                    }
                    self.places.insert(place.id, place);
                }
                0.0
            }
            _ if !begun => 0.0,
            SECTION => {
                let section = self.parse(entry);
                self.sections.extend(section);
                0.0
            }
            STOP => {
                let stop = self.parse(entry);
                self.stops.extend(stop);
                0.0
            }
            key => {
                let untracked = key == UNTRACKED;
                self.last_start_ts = Some(entry.time);
                let Some(entry) = self.parse::<Trip>(entry) else { return 0.0 };
                let seconds = if untracked { 0.0 } else { entry.data.known.duration.max(0.0) };
                self.journeys.push(Journey { entry, untracked });
                1.0 + seconds / INTERVAL_S
            }
        }
    }

    fn parse<T: DeserializeOwned>(&mut self, entry: &Entry<'_>) -> Option<Raw<T>> {
        let data = Kept::read(entry.data);
        self.unreadable += usize::from(data.is_err());
        data.ok().map(|data| Raw { id: entry.id, write_ts: entry.write_ts, data })
    }

    /// Reads places outside the window that its journeys name, by their ids: an old fix, or a second phone, leaves
    /// trips that lead back in time. A journey without its places is skipped.
    fn find_missing_places<R: ReadEntries>(&mut self, runtime: &mut R) -> Result<(), RunError> {
        let named = |journey: &Journey| {
            let trip = &journey.entry.data.known;
            [trip.start_place, trip.end_place]
        };
        let mut wanted: BTreeSet<EntryId> = self.journeys.iter().flat_map(named).collect();
        wanted.retain(|place| !self.places.contains_key(place));
        for_each_by_id(runtime, &[PLACE], &Vec::from_iter(wanted), |entry| {
            if let Some(place) = self.parse::<Place>(&entry) {
                self.places.insert(place.id, place);
            }
            Ok(())
        })?;
        let places = &self.places;
        let before = self.journeys.len();
        self.journeys.retain(|journey| {
            let trip = &journey.entry.data.known;
            places.contains_key(&trip.start_place) && places.contains_key(&trip.end_place)
        });
        self.unreadable += before - self.journeys.len();
        Ok(())
    }

    /// Whether the run was ended early.
    pub fn is_cut(&self) -> bool {
        self.cut_before.is_some()
    }

    /// Whether it is part of a back-log, of whose readings only those of its journeys are read.
    pub fn is_part(&self) -> bool {
        self.is_cut() || self.is_long
    }

    /// Leaves the journeys from `index` on to the next run.
    pub fn cut(&mut self, index: usize) {
        self.journeys.truncate(index);
        self.last_start_ts = None;
    }

    /// The mark of a run that ends with that journey, s: the arrival at its end, but none from which the next window
    /// would have the journey again.
    pub fn mark_behind(&self, journey: &Journey) -> f64 {
        let trip = &journey.entry.data.known;
        let begun = mark_past(trip.start_ts);
        self.place(trip.end_place).data.known.enter_ts.map_or(begun, |arrived| arrived.max(begun))
    }

    /// The mark of the run, s; `None` where the window is empty.
    pub fn mark(&self) -> Option<f64> {
        let done = match self.journeys.last() {
            Some(journey) => Some(self.mark_behind(journey)),
            None => self.only_place().and_then(|place| place.data.known.enter_ts),
        };
        done.into_iter().chain(self.last_start_ts.map(mark_past)).max_by(f64::total_cmp)
    }

    /// The devices that its sections name.
    pub fn devices(&self) -> BTreeSet<String> {
        self.sections.iter().filter_map(|section| section.data.known.device.clone()).collect()
    }

    /// When the first of its sections begins, s; `None` without sections.
    pub fn sections_start_ts(&self) -> Option<f64> {
        self.sections.iter().map(|section| section.data.known.start_ts).reduce(f64::min)
    }

    /// When the last of its journeys ended, s.
    pub fn end_ts(&self) -> f64 {
        self.journeys.iter().map(|journey| journey.entry.data.known.end_ts).fold(f64::NEG_INFINITY, f64::max)
    }

    /// The place with that id; both places of every journey exist.
    pub fn place(&self, id: EntryId) -> &Raw<Place> {
        self.places.get(&id).expect("a journey without its places is passed over")
    }

    /// Where the run began: the start of its first journey, or the only place of a run without any.
    pub fn first_place(&self) -> Option<&Raw<Place>> {
        match self.journeys.first() {
            Some(journey) => Some(self.place(journey.entry.data.known.start_place)),
            None => self.only_place(),
        }
    }

    fn only_place(&self) -> Option<&Raw<Place>> {
        match self.reached[..] {
            [only] if self.last_start_ts.is_none() => self.places.get(&only),
            _ => None,
        }
    }
}

/// How many raw trips and spans that this pipeline run made begin before the window: no run of the stage will read
/// them. An old fix, or a second phone, leaves such trips, and the reference skips them, too.
pub fn passed_over<R: ReadEntries>(runtime: &mut R, run: &Run) -> Result<usize, RunError> {
    let Some(start) = run.start else { return Ok(0) };
    let written = Query::of(&[TRIP, UNTRACKED], TimeField::WriteTs).between(Some(run.now), None);
    let mut count = 0;
    for_each_entry(runtime, &written, |_, entry| {
        #[derive(serde::Deserialize)]
        struct Wire {
            start_ts: f64,
        }
        let begins_before = serde_json::from_str(entry.data).is_ok_and(|Wire { start_ts }| start_ts < start);
        count += usize::from(begins_before);
        Ok(())
    })?;
    Ok(count)
}
