//! The cleaned chain: place, trip, place, …, where anything that was no trip joins the places on both its sides.
//!
//! The chain continues from the place that the last run left open, or begins with the first raw place. After a raw trip
//! that was none, or a span without readings that led nowhere, the person is still at the same place: the raw place
//! before it becomes part of the current one.
//!
//! * Quirk: a place lists the raw place from which it was made again when it is left.
//! * Everything here is built in memory, linked by position; [`crate::write`] gives it ids.

use cells_geometry::distance;
use cells_sdk::RunError;
use cells_sdk::model::segmentation::Place;
use cells_sdk::model::{EntryId, Point};

use crate::fix::Fix;
use crate::moved::{Moved, move_start};
use crate::points::position;
use crate::trip::CleanedTrip;
use crate::window::{Raw, Window};

/// A person who is found again this near to where readings ended has not been away, m.
const SQUISH_MAX_M: f64 = 100.0;

/// A stay of the person.
#[derive(Debug, Clone, PartialEq)]
pub struct Stay {
    /// The raw place from which it was made; `None` for the one that an earlier run left open.
    pub raw: Option<EntryId>,
    /// When it was reached, s.
    pub enter_ts: Option<f64>,
    /// The moment of the point that represents it, s: when it was reached or, for the first place of all, left.
    pub point_ts: Option<f64>,
    /// Where.
    pub location: Point,
    /// The raw places that this run joined into it.
    pub raw_places: Vec<EntryId>,
    /// How it was left.
    pub exit: Option<Fix>,
}

/// A trip or a span without readings that is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Journey {
    /// Its number among the journeys of the window.
    pub raw: usize,
    /// The trip; a span is one without sections.
    pub trip: CleanedTrip,
    /// How its start was moved to the place before it.
    pub moved: Option<Moved>,
}

/// The part of the chain that a run adds: stays and journeys in turn, beginning with a stay. Journey `n` leads from
/// stay `n` to `n + 1`.
#[derive(Debug, Clone, PartialEq)]
pub struct Chain {
    /// Places; the first may be an earlier one.
    pub stays: Vec<Stay>,
    /// Trips and spans.
    pub journeys: Vec<Journey>,
}

impl Stay {
    /// The stay that a raw place becomes.
    fn of(Raw { id, data, .. }: &Raw<Place>) -> Self {
        let Place { enter_ts, exit_ts, location, .. } = data.known;
        let point_ts = enter_ts.or(exit_ts);
        Self { raw: Some(*id), enter_ts, point_ts, location, raw_places: vec![*id], exit: None }
    }

    /// Whether this run added anything to a stay of an earlier run.
    pub fn is_changed(&self) -> bool {
        self.exit.is_some() || !self.raw_places.is_empty()
    }
}

impl Chain {
    /// Links the results of the window's journeys, by number: a trip, an unchanged span, or `None` where there was no
    /// trip. `open`: the place that an earlier run left open. `None`: there is no place to begin with.
    pub fn link(
        window: &Window,
        outcomes: Vec<Option<CleanedTrip>>,
        open: Option<Stay>,
    ) -> Result<Option<Self>, RunError> {
        let Some(first) = open.or_else(|| window.first_place().map(Stay::of)) else { return Ok(None) };
        let squished = squished_spans(window, &outcomes);
        let mut chain = Self { stays: vec![first], journeys: Vec::new() };
        for (raw, (outcome, squished)) in outcomes.into_iter().zip(squished).enumerate() {
            let journey = &window.journeys[raw].entry.data.known;
            let (from, to) = (window.place(journey.start_place), window.place(journey.end_place));
            match outcome.filter(|_| !squished) {
                Some(trip) => chain.add(raw, trip, from, to)?,
                None => chain.last().raw_places.push(from.id),
            }
        }
        Ok(Some(chain))
    }

    fn last(&mut self) -> &mut Stay {
        self.stays.last_mut().expect("a chain begins with a stay")
    }

    fn add(
        &mut self,
        raw: usize,
        mut trip: CleanedTrip,
        from: &Raw<Place>,
        to: &Raw<Place>,
    ) -> Result<(), RunError> {
        let stay = self.last();
        let mut moved = None;
        if !position(stay.location).is_same(position(from.data.known.location)) {
            moved = move_start(&mut trip, stay.location, stay.point_ts)?;
        }
        stay.exit = Some(trip.start.clone());
        stay.raw_places.push(from.id);
        self.stays.push(Stay::of(to));
        self.journeys.push(Journey { raw, trip, moved });
        Ok(())
    }
}

/// Which journeys are spans that led nowhere: no later trip or span of this run begins further away.
fn squished_spans(window: &Window, outcomes: &[Option<CleanedTrip>]) -> Vec<bool> {
    let mut squished = vec![false; outcomes.len()];
    let mut next: Option<&CleanedTrip> = None;
    for (raw, outcome) in outcomes.iter().enumerate().rev() {
        let Some(trip) = outcome else { continue };
        if window.journeys[raw].untracked {
            let far = |next: &CleanedTrip| {
                distance(position(trip.start.loc), position(next.start.loc)) > SQUISH_MAX_M
            };
            squished[raw] = !next.is_some_and(far);
        }
        next = Some(trip);
    }
    squished
}
