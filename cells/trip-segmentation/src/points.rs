//! The points of one run, in the order of their times.

use std::collections::BTreeMap;

use cells_geometry::Position;
use cells_locations::Locations;
use cells_sdk::mark_past;
use cells_sdk::model::EntryId;
use cells_sdk::model::plausible::is_nowhere;

use crate::order::{InOrder, in_order};

/// Points in rising order of `ts`, equal times allowed; every time and place is finite. Made by [`Points::sort_out`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Points {
    /// Their entries.
    pub ids: Vec<EntryId>,
    /// When the fix was made, s.
    pub ts: Vec<f64>,
    /// When the phone wrote it down, s; rising too.
    pub write_ts: Vec<f64>,
    /// Where.
    pub positions: Vec<Position>,
    /// Radius that likely holds the true place, m; not a number where it is unknown.
    pub accuracy_m: Vec<f64>,
    /// What `data.filter` says.
    pub sampling: Vec<Option<cells_locations::Sampling>>,
}

impl Points {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.ts.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ts.is_empty()
    }

    /// Splits points, in the order of writing, into usable and unusable ones; see [`in_order`] for times that run
    /// backwards.
    pub fn sort_out(locations: &Locations) -> SortedOut {
        let rows = locations.columns();
        let mut sorted = SortedOut::default();
        let mut placed = Vec::with_capacity(locations.len());
        for row in 0..locations.len() {
            if has_place(locations, row) {
                placed.push(row);
            } else if locations.is_placed(row) {
                sorted.nowhere.push(rows.ids[row]);
            } else {
                sorted.unplaced += 1;
            }
        }
        let of_placed = |column: &[f64]| placed.iter().map(|row| column[*row]).collect::<Vec<_>>();
        let InOrder { stays, spared } = in_order(&of_placed(&rows.ts), &of_placed(&rows.write_ts));
        sorted.spared = spared;
        for (row, stays) in placed.into_iter().zip(stays) {
            if !stays {
                sorted.out_of_order.push(rows.ids[row]);
                continue;
            }
            let points = &mut sorted.points;
            points.ids.push(rows.ids[row]);
            points.ts.push(rows.ts[row]);
            points.write_ts.push(rows.write_ts[row]);
            points.positions.push(Position { latitude: rows.latitude[row], longitude: rows.longitude[row] });
            points.accuracy_m.push(rows.accuracy[row]);
            points.sampling.push(locations.sampling(row));
        }
        sorted
    }

    /// The columns of these rows for a method.
    pub fn track(&self, rows: std::ops::Range<usize>) -> Track<'_> {
        Track {
            ts: &self.ts[rows.clone()],
            write_ts: &self.write_ts[rows.clone()],
            positions: &self.positions[rows],
        }
    }
}

/// Whether that row has a time, and a plausible place.
pub(crate) fn has_place(locations: &Locations, row: usize) -> bool {
    let rows = locations.columns();
    locations.is_placed(row) && !is_nowhere(rows.latitude[row], rows.longitude[row])
}

impl SortedOut {
    /// The entries that are to be marked invalid.
    pub fn condemned(&self) -> Vec<EntryId> {
        [&self.out_of_order[..], &self.nowhere].concat()
    }
}

/// The result of [`Points::sort_out`].
#[derive(Debug, Default, PartialEq)]
pub struct SortedOut {
    /// The usable points.
    pub points: Points,
    /// Entries whose times do not agree with the order of writing; they are to be marked invalid.
    pub out_of_order: Vec<EntryId>,
    /// How many points are kept that the reference's rule would have put into `out_of_order`.
    pub spared: usize,
    /// Entries at 0° north, 0° east; they are to be marked invalid.
    pub nowhere: Vec<EntryId>,
    /// How many had no time or no place. In the reference a missing time marks all later points invalid; here they are
    /// skipped.
    pub unplaced: usize,
}

/// The input of a segmentation method: equally long columns with the invariants of [`Points`].
#[derive(Debug, Clone, Copy)]
pub struct Track<'a> {
    /// s
    pub ts: &'a [f64],
    /// s
    pub write_ts: &'a [f64],
    /// Where.
    pub positions: &'a [Position],
}

/// What follows the points of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behind {
    /// Nothing that is known: the reference's windows end so.
    Nothing,
    /// More of a back-log. The next run reads what is behind the last trip once more, so a trip counts only where the
    /// next one's start is known: then it is the trip of a window without an end.
    More,
    /// More, but the next run cannot read more than this one did: where no trip counts, the first counts nevertheless,
    /// and the stay behind it reaches to the end of this window.
    TooMuch,
}

/// The mark behind which the next window begins with that row, after a last trip that ended with the row `end`. `row`
/// may be the number of rows: then the mark is behind all of them. Rows that were written at once cannot be told apart:
/// then the window rather begins later, since a trip must not be made twice. `None` where there is no trip and all rows
/// before it were written with it.
pub fn done_before(write_ts: &[f64], end: Option<usize>, row: usize) -> Option<f64> {
    let written = write_ts.get(row).copied().unwrap_or(f64::INFINITY);
    let earlier = write_ts[..row].iter().rfind(|earlier| **earlier < written).copied();
    let ended = end.map(|end| write_ts[end]);
    earlier.into_iter().chain(ended).reduce(f64::max).map(mark_past)
}

/// The ends of a trip that lie between two points.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Unseen {
    /// Where its first row came later.
    pub departure: Option<Departure>,
    /// When the place was reached, where its last row came later, s; after the row before it.
    pub arrival_ts: Option<f64>,
}

/// When somebody left a place, before the first point of a trip.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Departure {
    /// The last row at the place.
    pub from: usize,
    /// s; after that row.
    pub ts: f64,
}

/// The trips that a method found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Segments {
    /// First and last row of each trip, in rising order.
    pub trips: Vec<(usize, usize)>,
    /// The ends of trips that no row shows, by the trip's first row; empty for the reference's methods.
    pub unseen: BTreeMap<usize, Unseen>,
    /// `write_ts` of the last point that need not be read again, s; `None` where no trip was closed.
    pub done_through: Option<f64>,
}

impl Segments {
    /// When a trip of these rows began and ended, s.
    pub fn times(&self, points: &Points, (start, end): (usize, usize)) -> (f64, f64) {
        let unseen = self.unseen.get(&start).copied().unwrap_or_default();
        let start_ts = unseen.departure.map_or(points.ts[start], |departure| departure.ts);
        (start_ts, unseen.arrival_ts.unwrap_or(points.ts[end]))
    }
}
