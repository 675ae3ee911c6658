//! The cleaned timeline of a window: trips and untracked spans in the order of their beginnings, and the places
//! between them.
//!
//! * A window has the trips that begin in it. The place from which the first one began was entered before, so
//!   places are read from the one on at which the last run stopped.
//! * Memory: the texts of trips and places of one part of the window (see [`JOURNEYS_MAX`]).

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use cells_sdk::model::EntryId;
use cells_sdk::{Query, ReadEntries, Run, TimeField};
use cells_user_inputs::reading::{ReadError, WHOLE, walk};
use cells_user_inputs::{Next, Span};
use serde::Deserialize;

const PLACE: &str = "analysis/cleaned_place";
const TRIP: &str = "analysis/expected_trip";
const UNTRACKED: &str = "analysis/cleaned_untracked";

/// A window with more is done in parts, so that a back-log of years fits the memory and the bytes of a run, with
/// forms of 25 KB for each trip. A year has some 2,000.
pub const JOURNEYS_MAX: usize = 2_000;
/// Between the mark that a run leaves and the beginning of the next one's window, s.
const MARK_AHEAD_S: f64 = 5.0;

/// A trip, or a span without readings.
#[derive(Debug, Clone, PartialEq)]
pub struct Journey {
    /// Of the expected trip or the cleaned untracked span.
    pub id: EntryId,
    /// Nothing is known about it.
    pub untracked: bool,
    /// A JSON object.
    pub data: String,
    /// What is read of it.
    pub read: JourneyData,
}

/// As much of a journey as is needed.
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
    /// What places know a trip by; absent in an untracked span, which they know by its own id.
    #[serde(default)]
    pub cleaned_trip: Option<EntryId>,
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
    /// What is read of it.
    pub read: StayData,
}

/// As much of a place as is needed.
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
    stays: BTreeMap<EntryId, Stay>,
    /// How many of the journeys this run does.
    done: usize,
    /// There are more in the window.
    more: bool,
    /// Trips and places that could not be read.
    pub unreadable: usize,
    /// Trips that end at a place which is not there.
    pub nowhere: usize,
}

impl Timeline {
    /// Reads a window. Places are looked for from `since` on, s, the arrival at the place where the last run stopped.
    pub fn read<R: ReadEntries>(runtime: &mut R, run: &Run, since: Option<f64>) -> Result<Self, ReadError> {
        let mut timeline = Self::default();
        timeline.read_journeys(runtime, run)?;
        if timeline.journeys.is_empty() {
            let entered = Query::of(&[PLACE], TimeField::EnterTs).between(run.start, Some(run.end));
            timeline.read_stays(runtime, &entered, None)?;
            return Ok(timeline);
        }
        let first = timeline.journeys[0].read.start_place;
        let from = |since| Query::of(&[PLACE], TimeField::Position).between(since, None);
        let last = timeline.journeys.last().map(|journey| journey.read.end_place);
        timeline.read_stays(runtime, &from(since), last)?;
        if since.is_some() && !timeline.stays.contains_key(&first) {
            timeline.read_stays(runtime, &from(None), last)?;
        }
        timeline.leave_out_what_leads_nowhere();
        timeline.cut();
        Ok(timeline)
    }

    fn read_journeys<R: ReadEntries>(&mut self, runtime: &mut R, run: &Run) -> Result<(), ReadError> {
        let query = Query::of(&[TRIP, UNTRACKED], TimeField::StartTs).between(run.start, Some(run.end));
        walk(runtime, &query, WHOLE, |entry| {
            if self.journeys.len() > JOURNEYS_MAX {
                self.more = true;
                return ControlFlow::Break(());
            }
            let (id, data) = (entry.id, entry.data.to_owned());
            match serde_json::from_str(entry.data) {
                Ok(read) => {
                    self.journeys.push(Journey { id, untracked: entry.key == UNTRACKED, data, read });
                }
                Err(_) => self.unreadable += 1,
            }
            ControlFlow::Continue(())
        })
    }

    /// Reads places up to the one named `last`.
    fn read_stays<R: ReadEntries>(
        &mut self,
        runtime: &mut R,
        query: &Query,
        last: Option<EntryId>,
    ) -> Result<(), ReadError> {
        walk(runtime, query, WHOLE, |entry| {
            match serde_json::from_str(entry.data) {
                Ok(read) => {
                    let stay = Stay { id: entry.id, data: entry.data.to_owned(), read };
                    self.stays.insert(entry.id, stay);
                }
                Err(_) => self.unreadable += 1,
            }
            if last == Some(entry.id) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    }

    fn leave_out_what_leads_nowhere(&mut self) {
        let before = self.journeys.len();
        let stays = &self.stays;
        self.journeys.retain(|journey| {
            // A place that was never reached gives no mark from which to go on.
            stays.get(&journey.read.end_place).is_some_and(|stay| stay.read.enter_ts.is_some())
        });
        self.nowhere = before - self.journeys.len();
        if self.journeys.is_empty() {
            // Places alone mean something else.
            self.stays.clear();
            self.more = false;
        }
    }

    /// Where there is more, stops at a place that the next window does not cut away from its trip: windows begin
    /// some seconds behind the mark.
    fn cut(&mut self) {
        let count = self.journeys.len();
        let may_end_behind = |at: &usize| {
            let entered = self.stays[&self.journeys[at - 1].read.end_place].read.enter_ts;
            entered.is_some_and(|entered| self.journeys[*at].read.start_ts >= entered + MARK_AHEAD_S)
        };
        let cut = if self.more { (1..count).rev().find(may_end_behind) } else { None };
        self.done = cut.unwrap_or(count);
    }

    /// The trips and untracked spans of this run, each with the place at its end.
    pub fn journeys(&self) -> impl Iterator<Item = (&Journey, &Stay)> {
        self.journeys[..self.done].iter().map(|journey| (journey, &self.stays[&journey.read.end_place]))
    }

    /// Whether the window goes on behind the last of them.
    pub fn has_more(&self) -> bool {
        self.more
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

    fn only_place(&self) -> Option<&Stay> {
        if self.stays.len() == 1 { self.stays.values().next() } else { None }
    }

    /// How many places there are.
    pub fn places(&self) -> usize {
        self.stays.len()
    }

    /// What follows a trip: the place at its end.
    pub fn behind_journey(&self, journey: &Journey) -> Next {
        let exit = self.stays.get(&journey.read.end_place).map(|stay| stay.read.exit_ts);
        exit.map_or(Next::None, |exit| exit.map_or(Next::Open, Next::Ends))
    }

    /// What follows a place: the trip or untracked span that began there.
    pub fn behind_stay(&self, stay: &Stay) -> Next {
        let starting = stay.read.starting_trip;
        let journey = self.journeys.iter().find(|journey| Some(journey.cleaned()) == starting);
        journey.map_or(Next::None, |journey| Next::Ends(journey.read.end_ts))
    }
}
