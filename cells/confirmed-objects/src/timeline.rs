//! The cleaned timeline of a window: trips and untracked spans in the order of their beginnings, and the places
//! between them.
//!
//! * A window has the trips that begin in it. Places, and other entries that a trip or a place names, are read by their
//!   ids: the times of a timeline need not rise. A phone that sends an old fix first, or two phones of one person,
//!   leave trips that end before they begin and places that were left before they were reached.
//! * Every trip of the window is before the mark of the run, confirmed or not (see [`Timeline::mark`]): none is
//!   confirmed twice, and none keeps the stage at the same window.
//! * Memory: the texts of trips and places of one part of the window (see [`JOURNEYS_MAX`]).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use cells_sdk::model::EntryId;
use cells_sdk::model::page::Entry;
use cells_sdk::model::text::Object;
use cells_sdk::{
    ReadEntries, Run, RunError, TimeField, WINDOW_GAP_S, for_each_by_id, for_each_entry, mark_past,
    walk_entries,
};
use cells_user_inputs::{Next, Span};
use serde::Deserialize;

const PLACE: &str = "analysis/cleaned_place";
const TRIP: &str = "analysis/expected_trip";
/// Cleaned spans without readings.
pub const UNTRACKED: &str = "analysis/cleaned_untracked";
/// The trips from which expected trips are made.
pub const CLEANED_TRIP: &str = "analysis/cleaned_trip";
const RAW_TRIP: &str = "segmentation/raw_trip";

/// A window with more journeys is processed in parts, so that a back-log of years fits the memory and the bytes of a
/// run, with forms of 25 KB for each trip. A year has some 2,000.
pub const JOURNEYS_MAX: usize = 2_000;
/// A trip, or a span without readings.
#[derive(Debug, Clone, PartialEq)]
pub struct Journey {
    /// The id of the expected trip or the cleaned untracked span.
    pub id: EntryId,
    /// Whether nothing is known about it.
    pub untracked: bool,
    /// A JSON object.
    pub data: String,
    /// The members that are read.
    pub read: JourneyData,
}

/// The members of a journey that are needed.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct JourneyData {
    /// s
    pub start_ts: f64,
    /// s
    pub end_ts: f64,
    /// The cleaned place from which it began.
    pub start_place: EntryId,
    /// The cleaned place at its end.
    pub end_place: EntryId,
    /// s
    #[serde(default)]
    pub duration: Option<f64>,
    /// The id by which places name a trip; absent in an untracked span, which they name by its own id.
    #[serde(default)]
    pub cleaned_trip: Option<EntryId>,
    /// The raw trip from which it was made; absent in an untracked span.
    #[serde(default)]
    pub raw_trip: Option<EntryId>,
}

impl Journey {
    /// The id by which cleaned places name it.
    pub fn cleaned(&self) -> EntryId {
        self.read.cleaned_trip.unwrap_or(self.id)
    }

    /// The time that it covers.
    pub fn span(&self) -> Span {
        let JourneyData { start_ts, end_ts, duration, .. } = self.read;
        Span { begin: Some(start_ts), end: Some(end_ts), duration }
    }
}

/// A cleaned place.
#[derive(Debug, Clone, PartialEq)]
pub struct Stay {
    /// Its id.
    pub id: EntryId,
    /// A JSON object.
    pub data: String,
    /// The members that are read.
    pub read: StayData,
}

/// The members of a place that are needed.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct StayData {
    /// s
    #[serde(default)]
    pub enter_ts: Option<f64>,
    /// s
    #[serde(default)]
    pub exit_ts: Option<f64>,
    /// s
    #[serde(default)]
    pub duration: Option<f64>,
    /// The cleaned trip or untracked span that led there.
    #[serde(default)]
    pub ending_trip: Option<EntryId>,
    /// The cleaned trip or untracked span that led away.
    #[serde(default)]
    pub starting_trip: Option<EntryId>,
}

impl Stay {
    /// The time that it covers.
    pub fn span(&self) -> Span {
        let StayData { enter_ts, exit_ts, duration, .. } = self.read;
        Span { begin: enter_ts, end: exit_ts, duration }
    }
}

/// Trips and places of a window.
#[derive(Debug, Default)]
pub struct Timeline {
    journeys: Vec<Journey>,
    /// The places that the journeys name; without journeys those that were entered within the window.
    stays: BTreeMap<EntryId, Stay>,
    /// The ends of trips and spans that began outside the window, at a place of it, s; by the id that the place has.
    outside: BTreeMap<EntryId, f64>,
    /// How many of the journeys this run processes.
    done: usize,
    /// Whether there are more in the window.
    more: bool,
    /// When the last trip of the window begins, readable or not, s.
    last_begin_ts: Option<f64>,
    /// Trips and places that could not be read.
    pub unreadable: usize,
    /// Trips that end at a missing place, by the ids that cleaned places have.
    pub nowhere: Vec<EntryId>,
    /// Whether the place where the first trip began is missing: the trip's start replaces it.
    pub first_is_missing: bool,
}

impl Timeline {
    /// Reads a window, or its first part.
    pub fn read<R: ReadEntries>(runtime: &mut R, run: &Run) -> Result<Self, RunError> {
        let mut journeys_max = JOURNEYS_MAX;
        loop {
            let mut timeline = Self::default();
            timeline.read_journeys(runtime, run, journeys_max)?;
            timeline.read_stays(runtime, run)?;
            timeline.leave_out_what_leads_nowhere();
            timeline.find_first_place();
            if !timeline.cut() {
                // So many trips overlap that a part cannot end at any of them.
                journeys_max *= 2;
                continue;
            }
            timeline.read_outside(runtime)?;
            return Ok(timeline);
        }
    }

    fn read_journeys<R: ReadEntries>(
        &mut self,
        runtime: &mut R,
        run: &Run,
        journeys_max: usize,
    ) -> Result<(), RunError> {
        let query = run.window(&[TRIP, UNTRACKED], TimeField::StartTs);
        walk_entries(runtime, &query, |_, entry| {
            if self.journeys.len() > journeys_max {
                self.more = true;
                return Ok(ControlFlow::Break(()));
            }
            self.last_begin_ts = Some(entry.time);
            let (id, data) = (entry.id, entry.data.to_owned());
            match serde_json::from_str(entry.data) {
                Ok(read) => {
                    self.journeys.push(Journey { id, untracked: entry.key == UNTRACKED, data, read });
                }
                Err(_) => self.unreadable += 1,
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    /// Reads the places that the journeys name. Without journeys: those that were entered within the window.
    fn read_stays<R: ReadEntries>(&mut self, runtime: &mut R, run: &Run) -> Result<(), RunError> {
        let Self { journeys, stays, unreadable, .. } = self;
        let mut keep = |entry: Entry<'_>| {
            match serde_json::from_str(entry.data) {
                Ok(read) => {
                    stays.insert(entry.id, Stay { id: entry.id, data: entry.data.to_owned(), read });
                }
                Err(_) => *unreadable += 1,
            }
            Ok(())
        };
        if self.last_begin_ts.is_none() {
            let entered = run.window(&[PLACE], TimeField::EnterTs);
            return for_each_entry(runtime, &entered, |_, entry| keep(entry));
        }
        let named = journeys.iter().flat_map(|journey| [journey.read.start_place, journey.read.end_place]);
        let named: BTreeSet<EntryId> = named.collect();
        for_each_by_id(runtime, &[PLACE], &Vec::from_iter(named), keep)
    }

    fn leave_out_what_leads_nowhere(&mut self) {
        let (stays, nowhere) = (&self.stays, &mut self.nowhere);
        self.journeys.retain(|journey| {
            let leads_somewhere = stays.contains_key(&journey.read.end_place);
            if !leads_somewhere {
                nowhere.push(journey.cleaned());
            }
            leads_somewhere
        });
    }

    fn find_first_place(&mut self) {
        let Some(first) = self.journeys.first() else { return };
        if let std::collections::btree_map::Entry::Vacant(vacant) = self.stays.entry(first.read.start_place) {
            vacant.insert(Stay::at_the_start_of(first));
            self.first_is_missing = true;
        }
    }

    /// Where there is more, stops at a trip from which the next window continues without losing one. Returns whether
    /// there is such a trip.
    fn cut(&mut self) -> bool {
        let count = self.journeys.len();
        if !self.more {
            self.done = count;
            return true;
        }
        let goes_on = |at: &usize| {
            let mark = mark_behind(&self.journeys[*at - 1], &self.stays);
            mark + WINDOW_GAP_S <= self.journeys[*at].read.start_ts
        };
        let cut = (1..count).rev().find(goes_on);
        self.done = cut.unwrap_or(count);
        // If none of so many trips remains, the window continues after them.
        cut.is_some() || count == 0
    }

    /// Finds the ends of trips that begin at a place of the window but are not in it.
    fn read_outside<R: ReadEntries>(&mut self, runtime: &mut R) -> Result<(), RunError> {
        let mut named: BTreeSet<EntryId> =
            self.stays.values().filter_map(|stay| stay.read.starting_trip).collect();
        for journey in &self.journeys {
            named.remove(&journey.cleaned());
        }
        let outside = &mut self.outside;
        for_each_by_id(runtime, &[CLEANED_TRIP, UNTRACKED], &Vec::from_iter(named), |entry| {
            if let Ok(Ends { end_ts, .. }) = serde_json::from_str(entry.data) {
                outside.insert(entry.id, end_ts);
            }
            Ok(())
        })
    }

    /// The moments between which the sections of this run's trips begin, s; `None` where it has no trips.
    pub fn sections_span<R: ReadEntries>(&self, runtime: &mut R) -> Result<Option<(f64, f64)>, RunError> {
        let trips = || self.journeys[..self.done].iter().filter(|journey| !journey.untracked);
        let mut moments: Vec<f64> = trips().flat_map(|trip| [trip.read.start_ts, trip.read.end_ts]).collect();
        // Cleaning moves the ends of a trip, but its sections are within the raw trip or at those ends.
        let raw: Vec<EntryId> = trips().filter_map(|trip| trip.read.raw_trip).collect();
        for_each_by_id(runtime, &[RAW_TRIP], &raw, |entry| {
            if let Ok(Ends { start_ts, end_ts }) = serde_json::from_str(entry.data) {
                moments.extend([start_ts, end_ts]);
            }
            Ok(())
        })?;
        let first = moments.iter().copied().min_by(f64::total_cmp);
        Ok(first.zip(moments.iter().copied().max_by(f64::total_cmp)))
    }

    /// The trips and untracked spans of this run, each with the place at its end.
    pub fn journeys(&self) -> impl Iterator<Item = (&Journey, &Stay)> {
        self.journeys[..self.done].iter().map(|journey| (journey, &self.stays[&journey.read.end_place]))
    }

    /// Whether the window continues after the last of them.
    pub fn has_more(&self) -> bool {
        self.more
    }

    /// The mark of this run, s: the arrival at its last place, or later, so that each trip which it has read is before
    /// the next window. `None`: the window is empty.
    pub fn mark(&self) -> Option<f64> {
        let done = match self.journeys[..self.done].last() {
            Some(last) => Some(mark_behind(last, &self.stays)),
            None => self.only_place().and_then(|place| place.read.enter_ts),
        };
        if self.more && done.is_some() {
            return done;
        }
        done.into_iter().chain(self.last_begin_ts.map(mark_past)).max_by(f64::total_cmp)
    }

    /// The place at which this run begins. Without trips: the only place of the window.
    pub fn first_place(&self) -> Option<&Stay> {
        match self.journeys.first() {
            Some(first) => self.stays.get(&first.read.start_place),
            None => self.only_place(),
        }
    }

    /// The place at which this run ends. Without trips: the only place of the window.
    pub fn last_place(&self) -> Option<&Stay> {
        match self.journeys().last() {
            Some((_, place)) => Some(place),
            None => self.only_place(),
        }
    }

    /// A window is about a place alone only if no trip begins in it.
    fn only_place(&self) -> Option<&Stay> {
        let alone = self.stays.len() == 1 && self.last_begin_ts.is_none();
        if alone { self.stays.values().next() } else { None }
    }

    /// How many places were entered in a window in which no trip begins.
    pub fn places_alone(&self) -> usize {
        if self.last_begin_ts.is_none() { self.stays.len() } else { 0 }
    }

    /// What follows a trip: the place at its end.
    pub fn behind_journey(&self, journey: &Journey) -> Next {
        let exit = self.stays.get(&journey.read.end_place).map(|stay| stay.read.exit_ts);
        exit.map_or(Next::None, |exit| exit.map_or(Next::Open, Next::Ends))
    }

    /// What follows a place: the trip or untracked span that began there.
    pub fn behind_stay(&self, stay: &Stay) -> Next {
        let Some(starting) = stay.read.starting_trip else { return Next::None };
        let journey = self.journeys.iter().find(|journey| journey.cleaned() == starting);
        let end_ts = journey.map(|journey| journey.read.end_ts);
        end_ts.or_else(|| self.outside.get(&starting).copied()).map_or(Next::None, Next::Ends)
    }
}

/// When a trip begins and ends.
#[derive(Deserialize)]
struct Ends {
    start_ts: f64,
    end_ts: f64,
}

impl Stay {
    /// The place where a trip began, from the data of the trip itself.
    fn at_the_start_of(journey: &Journey) -> Self {
        let mut data = Object::empty();
        let known = Object::read(&journey.data).unwrap_or_else(|_| Object::empty());
        for (name, of_the_trip) in [
            ("source", "source"),
            ("location", "start_loc"),
            ("exit_ts", "start_ts"),
            ("exit_local_dt", "start_local_dt"),
            ("exit_fmt_time", "start_fmt_time"),
        ] {
            if let Some(value) = known.get(of_the_trip) {
                data.set(name, value.to_owned());
            }
        }
        let JourneyData { start_ts, start_place, .. } = journey.read;
        let (exit_ts, starting_trip) = (Some(start_ts), Some(journey.cleaned()));
        let read = StayData { enter_ts: None, exit_ts, duration: None, ending_trip: None, starting_trip };
        Self { id: start_place, data: data.write(""), read }
    }
}

/// The mark of a run whose last trip is that one, s.
fn mark_behind(journey: &Journey, stays: &BTreeMap<EntryId, Stay>) -> f64 {
    let begun = mark_past(journey.read.start_ts);
    let arrived = stays.get(&journey.read.end_place).and_then(|stay| stay.read.enter_ts);
    arrived.map_or(begun, |arrived| arrived.max(begun))
}
