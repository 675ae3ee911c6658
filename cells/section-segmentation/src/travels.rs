//! Made-up trips for the tests of this package.

use cells_geometry::Position;
use cells_sdk::model::background::MotionType;

use crate::motion::{Change, Motion, Sensed};
use crate::track::Track;

/// A degree of latitude, m.
const DEGREE_M: f64 = 111_194.926_644_558_74;

/// A phone that is carried north from second 0 on.
#[derive(Debug, Clone)]
pub struct Travel {
    pub ts: Vec<f64>,
    pub positions: Vec<Position>,
    pub sensed: Vec<Sensed>,
}

impl Travel {
    /// With a point at second 0.
    pub fn new() -> Self {
        let start = Position { latitude: 47.0, longitude: 8.0 };
        Self { ts: vec![0.0], positions: vec![start], sensed: Vec::new() }
    }

    /// Goes on at that speed, m/s, with a point every 10 s.
    pub fn goes(mut self, seconds: f64, speed: f64) -> Self {
        let (start, from) = (*self.ts.last().expect("one"), *self.positions.last().expect("one"));
        for step in 1..=(seconds / 10.0) as u32 {
            let after = f64::from(step) * 10.0;
            self.ts.push(start + after);
            let latitude = from.latitude + after * speed / DEGREE_M;
            self.positions.push(Position { latitude, ..from });
        }
        self
    }

    /// Says at each of those seconds that this is what the owner does, and is sure of it.
    pub fn senses(mut self, kind: MotionType, at: &[f64]) -> Self {
        self.sensed.extend(at.iter().map(|ts| Sensed { ts: *ts, kind, confidence: 100.0 }));
        self
    }

    pub fn track(&self) -> Track<'_> {
        Track::new(&self.ts, &self.positions)
    }

    /// The changes as start, end and kind.
    pub fn changes(&self) -> Vec<(f64, f64, MotionType)> {
        let changes = crate::changes::changes(&self.sensed, 60.0, &self.track());
        changes.iter().map(|change| (change.start.ts, change.end.ts, change.kind())).collect()
    }
}

/// Changes side by side, each with its kind, the second of its end and so many motions; the first begins at 0.
pub fn side_by_side(parts: &[(MotionType, f64, i64)]) -> Vec<Change> {
    let (mut ts, mut index) = (0.0, 0);
    let kinds = parts.iter().map(|part| part.0).skip(1).chain(parts.last().map(|part| part.0));
    let mut change = |((kind, end, motions), next): (&(MotionType, f64, i64), MotionType)| {
        let start = Motion { ts, kind: *kind, index };
        (ts, index) = (*end, index + motions);
        Change { start, end: Motion { ts, kind: next, index } }
    };
    parts.iter().zip(kinds).map(&mut change).collect()
}
