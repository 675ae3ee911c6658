//! The entries of the timeseries that stages leave out, determined from the entries themselves.
//!
//! The rules are those of the cell `trip-segmentation`; the mark itself does not record which rule applied. Points are
//! read in the order of writing, as columns, so that years of them need little memory.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use cells_model::plausible::{LATE_S, is_nowhere};
use runtime_store::{LocationRows, Snapshot};
use runtime_types::{Area, EntryId, Query, StreamKey, TimeField};

use super::{Fate, raw_streams};
use crate::error::CallError;

/// The points that trips are made of.
const POINTS: &str = "background/filtered_location";
/// How many points are read at once.
const ROWS: usize = 4_096;
/// `data.filter` of a point that is sampled by distance.
const BY_DISTANCE: u8 = 2;

/// Why a stage leaves an entry out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    OutOfStep,
    Nowhere,
    OtherMark,
    Late,
    Unplaced,
}

impl Why {
    pub fn fate(self) -> Fate {
        match self {
            Self::OutOfStep | Self::Nowhere | Self::OtherMark => Fate::MarkedInvalid,
            Self::Late | Self::Unplaced => Fate::PassedOver,
        }
    }

    pub fn reason(self) -> &'static str {
        match self {
            Self::OutOfStep => "its time is out of step with those of points written before or behind it",
            Self::Nowhere => "its place is 0 degrees north, 0 degrees east, which is none",
            Self::OtherMark => {
                "it was marked invalid by a stage that said why in its own words, or before it was imported"
            }
            Self::Late => "it was written down over 1000 s after it was made: trips are found without it",
            Self::Unplaced => "it has no time or no place",
        }
    }
}

/// One entry that is left out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct LeftOut {
    pub id: EntryId,
    /// Time of writing, s.
    pub write_ts: f64,
    pub why: Why,
}

/// The entries left out of each stream that phones fill.
pub(super) fn all(snapshot: &Snapshot) -> Result<Vec<(StreamKey, Vec<LeftOut>)>, CallError> {
    let mut found = Vec::new();
    for key in raw_streams(snapshot) {
        let left_out = if key.as_str() == POINTS { points(snapshot, &key)? } else { marked(snapshot, &key)? };
        if !left_out.is_empty() {
            found.push((key, left_out));
        }
    }
    Ok(found)
}

fn query(key: &StreamKey, with_invalid: bool) -> Query {
    let field = TimeField::WriteTs;
    Query { keys: vec![key.clone()], field, with_invalid, ..Query::everything(Area::Timeseries) }
}

/// The hidden entries of a stream about which nothing else is known.
fn marked(snapshot: &Snapshot, key: &StreamKey) -> Result<Vec<LeftOut>, CallError> {
    let counts = [true, false].map(|with_invalid| snapshot.count(&query(key, with_invalid)));
    let [all, visible] = counts.map(|count| count.map_err(CallError::Read));
    let mut found = Vec::new();
    if all? == visible? {
        return Ok(found);
    }
    let mut cursor = snapshot.find(&query(key, true)).map_err(CallError::Read)?;
    let visited = cursor.visit(&mut |row| {
        if row.invalid {
            found.push(LeftOut { id: row.id, write_ts: row.write_ts, why: Why::OtherMark });
        }
        std::ops::ControlFlow::Continue(())
    });
    visited.map_err(CallError::Read)?;
    Ok(found)
}

/// The points that are left out of trips.
fn points(snapshot: &Snapshot, key: &StreamKey) -> Result<Vec<LeftOut>, CallError> {
    let mut all = Rows::open(snapshot, &query(key, true))?;
    let mut visible = Rows::open(snapshot, &query(key, false))?;
    let mut judge = Judge::default();
    // Both cursors have the same order: a point that the second one lacks is hidden.
    let mut shown = visible.next()?;
    while let Some(point) = all.next()? {
        let is_shown = shown.is_some_and(|shown| shown.id == point.id);
        judge.point(&point, !is_shown);
        if is_shown {
            shown = visible.next()?;
        }
    }
    Ok(judge.finish())
}

/// Rows of a cursor, one by one.
struct Rows {
    cursor: runtime_store::LocationCursor,
    rows: LocationRows,
    at: usize,
}

impl Rows {
    fn open(snapshot: &Snapshot, query: &Query) -> Result<Self, CallError> {
        let cursor = snapshot.find_locations(query).map_err(CallError::Read)?;
        Ok(Self { cursor, rows: LocationRows::default(), at: 0 })
    }

    fn next(&mut self) -> Result<Option<Point>, CallError> {
        if self.at == self.rows.len() {
            self.at = 0;
            self.rows.clear();
            if self.cursor.next(ROWS, &mut self.rows).map_err(CallError::Read)? == 0 {
                return Ok(None);
            }
        }
        let (rows, at) = (&self.rows, self.at);
        self.at += 1;
        Ok(Some(Point {
            id: rows.ids[at],
            ts: rows.ts[at],
            write_ts: rows.write_ts[at],
            latitude: rows.latitude[at],
            longitude: rows.longitude[at],
            by_distance: rows.filter[at] == BY_DISTANCE,
        }))
    }
}

/// A point; absent values are NaN.
#[derive(Debug, Clone, Copy)]
struct Point {
    id: EntryId,
    ts: f64,
    write_ts: f64,
    latitude: f64,
    longitude: f64,
    by_distance: bool,
}

/// Judges points in the order of writing.
#[derive(Debug, Default)]
struct Judge {
    /// The latest time of a visible point so far, s.
    latest: Option<f64>,
    /// Hidden points that were not behind any visible one; the latest is first.
    ahead: BinaryHeap<Ahead>,
    found: Vec<LeftOut>,
}

impl Judge {
    fn point(&mut self, point: &Point, hidden: bool) {
        let placed = [point.ts, point.latitude, point.longitude].into_iter().all(f64::is_finite);
        let why = match (hidden, placed) {
            (true, true) if is_nowhere(point.latitude, point.longitude) => Why::Nowhere,
            (true, _) if self.latest.is_some_and(|latest| point.ts < latest) => Why::OutOfStep,
            (true, _) => {
                return self.ahead.push(Ahead { ts: point.ts, id: point.id, write_ts: point.write_ts });
            }
            (false, false) => Why::Unplaced,
            (false, true) => {
                self.shown(point.ts);
                if point.by_distance || point.write_ts - point.ts < LATE_S {
                    return;
                }
                Why::Late
            }
        };
        self.found.push(LeftOut { id: point.id, write_ts: point.write_ts, why });
    }

    /// Notes a visible point: hidden points ahead of it are out of step.
    fn shown(&mut self, ts: f64) {
        self.latest = Some(self.latest.map_or(ts, |latest| latest.max(ts)));
        while let Some(ahead) = self.ahead.peek().copied().filter(|ahead| ahead.ts > ts) {
            self.ahead.pop();
            self.found.push(LeftOut { id: ahead.id, write_ts: ahead.write_ts, why: Why::OutOfStep });
        }
    }

    fn finish(mut self) -> Vec<LeftOut> {
        let rest = self.ahead.into_iter();
        self.found.extend(rest.map(|ahead| LeftOut {
            id: ahead.id,
            write_ts: ahead.write_ts,
            why: Why::OtherMark,
        }));
        self.found
    }
}

/// A hidden point that may be ahead of points written after it. Ordered by its time.
#[derive(Debug, Clone, Copy)]
struct Ahead {
    ts: f64,
    id: EntryId,
    write_ts: f64,
}

impl Ord for Ahead {
    fn cmp(&self, other: &Self) -> Ordering {
        self.ts.total_cmp(&other.ts).then(self.id.cmp(&other.id))
    }
}

impl PartialOrd for Ahead {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ahead {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ahead {}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(points: &[(f64, f64, bool)]) -> Vec<(u8, Why)> {
        let mut judge = Judge::default();
        for (at, (ts, latitude, hidden)) in (0..).zip(points) {
            let mut id = EntryId::NONE;
            id.0[11] = at;
            let write_ts = 1_000.0 + f64::from(at) * 10.0;
            let longitude = if *latitude == 0.0 { 0.0 } else { 8.5 };
            judge.point(
                &Point { id, ts: *ts, write_ts, latitude: *latitude, longitude, by_distance: false },
                *hidden,
            );
        }
        let mut found: Vec<_> = judge.finish().iter().map(|one| (one.id.0[11], one.why)).collect();
        found.sort_by_key(|(at, _)| *at);
        found
    }

    #[test]
    fn each_hidden_point_has_the_reason_that_its_neighbours_show() {
        let points = [
            (1_000.0, 47.0, false),
            (1_600.0, 47.0, true),
            (1_020.0, 47.0, false),
            (900.0, 47.0, true),
            (1_040.0, 0.0, true),
            (1_050.0, 47.0, false),
            (f64::NAN, 47.0, false),
            (2_000.0, 47.0, true),
            (-500.0, 47.0, false),
            (0.0, 0.0, false),
        ];
        let want = [
            (1, Why::OutOfStep),
            (3, Why::OutOfStep),
            (4, Why::Nowhere),
            (6, Why::Unplaced),
            (7, Why::OutOfStep),
            (8, Why::Late),
            (9, Why::Late),
        ];
        assert_eq!(why(&points), want);
    }

    #[test]
    fn a_mark_that_no_neighbour_explains_is_somebody_elses() {
        assert_eq!(why(&[(1_000.0, 47.0, false), (1_010.0, 47.0, true)]), [(1, Why::OtherMark)]);
        assert_eq!(why(&[(1_000.0, 47.0, false), (1_010.0, 47.0, false)]), []);
    }
}
