//! The points of one trip.

use std::cell::OnceCell;
use std::ops::Range;

use cells_geometry::{Position, distance, speeds};
use cells_statistics::median_in_place;

use crate::motion::Change;

/// Points in rising order of `ts`, equal times allowed; two columns of one length.
#[derive(Debug, Clone)]
pub struct Track<'a> {
    ts: &'a [f64],
    positions: &'a [Position],
    /// From the point before each; made when first asked for.
    speeds: OnceCell<Vec<f64>>,
}

impl<'a> Track<'a> {
    /// Of both columns what they have in common counts.
    pub fn new(ts: &'a [f64], positions: &'a [Position]) -> Self {
        let count = ts.len().min(positions.len());
        Self { ts: &ts[..count], positions: &positions[..count], speeds: OnceCell::new() }
    }

    /// How many points there are.
    pub fn len(&self) -> usize {
        self.ts.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ts.is_empty()
    }

    /// When that point was made, s.
    pub fn ts(&self, row: usize) -> f64 {
        self.ts[row]
    }

    /// From point to point, m.
    pub fn distance(&self, from: usize, to: usize) -> f64 {
        distance(self.positions[from], self.positions[to])
    }

    /// The points within closed bounds, s.
    pub fn between(&self, start: f64, end: f64) -> Range<usize> {
        let first = self.ts.partition_point(|ts| *ts < start);
        let behind = self.ts.partition_point(|ts| *ts <= end);
        first..behind.max(first)
    }

    /// The points of a change, both its ends included.
    pub fn during(&self, change: &Change) -> Range<usize> {
        self.between(change.start.ts, change.end.ts)
    }

    /// The median speed of those points, m/s. The first of them was reached from nowhere and counts as 0; so does
    /// the speed of no points at all.
    pub fn median_speed(&self, rows: Range<usize>) -> f64 {
        let speeds = self.speeds.get_or_init(|| speeds(self.ts, self.positions));
        let mut own = speeds[rows].to_vec();
        match own.first_mut() {
            Some(first) => *first = 0.0,
            None => return 0.0,
        }
        median_in_place(&mut own)
    }
}
