//! The chain of a person's life: place, trip, place, trip, …; with an untracked span and another place where it is
//! unknown how the person got to the start of a trip.
//!
//! Everything here is built in memory, linked by position; [`crate::store`] gives it ids.

use cells_geometry::distance;
use cells_locations::Sampling;
use cells_sdk::model::time::LocalDt;
use cells_sdk::model::{EntryId, Point};

use crate::between::UNSEEN_M;
use crate::fix::{Fix, position};
use crate::signals::Moment;

/// Between the arrival at a place and the untracked span that begins there, s.
const UNTRACKED_AFTER_S: f64 = 5.0;
/// A slower move from the last place is no travel: a little under walking speed, m/s.
const STILL_M_S: f64 = 3000.0 / 3600.0;

/// Where the person takes up another device within this distance, the person is there, m.
const TAKEN_UP_M: f64 = 300.0;

/// How a trip was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Way<'a> {
    /// The method that found it.
    pub method: Sampling,
    /// The moments at which its device's tracking was restarted.
    pub restarts: &'a [Moment],
    /// The device that was carried, where the person has several.
    pub device: Option<&'a str>,
}

/// The moment at which a journey meets a place in the chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Passage {
    /// s
    pub ts: f64,
    /// Local time of `ts`.
    pub local_dt: LocalDt,
    /// Local time of `ts`.
    pub fmt_time: String,
    /// The trip or untracked span on the other side: its position in [`Chain::journeys`].
    pub journey: usize,
}

/// A place. The first of a chain has no arrival, the last no exit.
#[derive(Debug, Clone, PartialEq)]
pub struct Stay {
    /// Its entry, where an earlier run made it and this run only adds the exit.
    pub earlier: Option<EntryId>,
    /// Its number among the run's new entries, from 0.
    pub created: u32,
    /// When it was reached, s.
    pub enter_ts: Option<f64>,
    /// How it was reached, if this run knows.
    pub entered: Option<Passage>,
    /// How it was left.
    pub exited: Option<Passage>,
    /// Where.
    pub location: Point,
    /// The method that found the first trip to it or from it.
    pub method: Sampling,
}

/// A trip or an untracked span, from one place to another.
#[derive(Debug, Clone, PartialEq)]
pub struct Journey<'a> {
    /// Whether it is unknown what happened.
    pub untracked: bool,
    /// Its number among the run's new entries, from 0.
    pub created: u32,
    /// Its first moment.
    pub start: Fix,
    /// Its last moment.
    pub end: Fix,
    /// Index in [`Chain::stays`].
    pub from: usize,
    /// Index in [`Chain::stays`].
    pub to: usize,
    /// The method that found it.
    pub method: Sampling,
    /// The device that was carried, where the person has several.
    pub device: Option<&'a str>,
}

impl Journey<'_> {
    /// Straight from start to end, m.
    pub fn distance(&self) -> f64 {
        distance(position(self.end.loc), position(self.start.loc))
    }
}

/// The place that an earlier run left open.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenPlace {
    /// Its entry.
    pub id: EntryId,
    /// s
    pub enter_ts: Option<f64>,
    /// The same with its local time, if the place has it.
    pub arrival: Option<Fix>,
    /// Where.
    pub location: Point,
}

/// What a run adds to the chain.
#[derive(Debug)]
pub struct Chain<'a> {
    /// Places; the first may be an earlier one.
    pub stays: Vec<Stay>,
    /// Trips and untracked spans.
    pub journeys: Vec<Journey<'a>>,
    created: u32,
    earlier_arrival: Option<Fix>,
    /// The device that was carried on the way to the last place.
    device: Option<&'a str>,
}

impl<'a> Chain<'a> {
    /// Continues from the open place, to which `device` led, or begins a chain with a place where the first trip
    /// starts.
    pub fn begin(
        mut open: Option<OpenPlace>,
        device: Option<&'a str>,
        first: &Fix,
        method: Sampling,
    ) -> Self {
        let earlier_arrival = open.as_mut().and_then(|open| open.arrival.take());
        let mut chain = Self { stays: Vec::new(), journeys: Vec::new(), created: 0, earlier_arrival, device };
        let stay = match open {
            Some(open) => Stay {
                earlier: Some(open.id),
                created: 0,
                enter_ts: open.enter_ts,
                entered: None,
                exited: None,
                location: open.location,
                method,
            },
            None => Stay {
                earlier: None,
                created: chain.next_created(),
                enter_ts: None,
                entered: None,
                exited: None,
                location: first.loc,
                method,
            },
        };
        chain.stays.push(stay);
        chain
    }

    fn next_created(&mut self) -> u32 {
        self.created += 1;
        self.created - 1
    }

    /// The time at which the last place was reached, where the next trip from `start` must follow an untracked span.
    pub fn untracked_since(&self, start: &Fix, way: &Way<'_>) -> Option<f64> {
        let place = self.stays.last().expect("a chain begins with a place");
        let enter_ts = place.enter_ts?;
        let restarted = way.restarts.iter().any(|restart| (enter_ts..=start.ts).contains(&restart.ts));
        (restarted || self.jumped(place, enter_ts, start, way)).then_some(enter_ts)
    }

    /// Whether a trip's device is not the one that was carried to the last place.
    pub fn is_taken_up(&self, way: &Way<'_>) -> bool {
        self.device.is_some() && way.device.is_some() && self.device != way.device
    }

    /// The moment at which the last place was reached, as the place's entry has it.
    pub fn last_arrival(&self) -> Option<Fix> {
        let place = self.stays.last().expect("a chain begins with a place");
        match &place.entered {
            Some(passage) => Some(Fix {
                ts: passage.ts,
                local_dt: passage.local_dt.clone(),
                fmt_time: passage.fmt_time.clone(),
                loc: place.location,
            }),
            None => self.earlier_arrival.clone(),
        }
    }

    /// Whether the person is far from the last place, and did not travel there at a notable speed. This includes a
    /// start before the arrival, but not one at the very moment of the arrival.
    fn jumped(&self, place: &Stay, enter_ts: f64, start: &Fix, way: &Way<'_>) -> bool {
        let far_m = match way.method {
            _ if self.is_taken_up(way) => TAKEN_UP_M,
            Sampling::Distance => 1200.0,
            Sampling::Time => 2500.0,
            Sampling::App => UNSEEN_M,
        };
        let jump = distance(position(place.location), position(start.loc));
        // Written with the negations of the reference, on which the result for NaN depends.
        let near = jump < far_m;
        let travelled = jump / (start.ts - enter_ts) > STILL_M_S;
        !near && !travelled
    }

    /// Adds a trip and the place at its end. `arrival`: the point at which the last place was reached, where
    /// [`Self::untracked_since`] asked for it; an untracked span then precedes the trip.
    pub fn add_trip(&mut self, start: Fix, end: Fix, arrival: Option<Fix>, way: &Way<'a>) {
        // The reference makes the trip and its end before the untracked span, and dates them in that order.
        let (trip, place) = (self.next_created(), self.next_created());
        if let Some(arrival) = arrival {
            let (untracked, restarted) = (self.next_created(), self.next_created());
            let gap = shifted_in_seconds_only(arrival);
            let unknown = Way { device: None, ..*way };
            self.add_journey(true, [untracked, restarted], gap, start.clone(), &unknown);
        }
        self.add_journey(false, [trip, place], start, end, way);
        self.device = way.device;
    }

    fn add_journey(&mut self, untracked: bool, created: [u32; 2], start: Fix, end: Fix, way: &Way<'a>) {
        let Way { method, device, .. } = *way;
        let journey = self.journeys.len();
        let from = self.stays.len() - 1;
        let last = &mut self.stays[from];
        last.exited = Some(passage(&start, journey));
        if last.enter_ts.is_none() {
            last.location = start.loc;
        }
        self.stays.push(Stay {
            earlier: None,
            created: created[1],
            enter_ts: Some(end.ts),
            entered: Some(passage(&end, journey)),
            exited: None,
            location: end.loc,
            method,
        });
        let created = created[0];
        self.journeys.push(Journey { untracked, created, start, end, from, to: from + 1, method, device });
    }
}

/// An untracked span begins 5 s after the arrival, but the reference leaves the local times at the arrival.
fn shifted_in_seconds_only(arrival: Fix) -> Fix {
    Fix { ts: arrival.ts + UNTRACKED_AFTER_S, ..arrival }
}

fn passage(fix: &Fix, journey: usize) -> Passage {
    Passage { ts: fix.ts, local_dt: fix.local_dt.clone(), fmt_time: fix.fmt_time.clone(), journey }
}
