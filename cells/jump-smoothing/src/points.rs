//! The points of one section and the steps between them.

use cells_geometry::{Position, distance, over};

/// Points in rising order of `ts`; equally long columns.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Points {
    /// When, s.
    pub ts: Vec<f64>,
    /// Where.
    pub positions: Vec<Position>,
    /// Which row of the readings it is; `None` for a point that was made up.
    pub rows: Vec<Option<usize>>,
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

    /// Adds a point at the end.
    pub fn push(&mut self, ts: f64, position: Position, row: Option<usize>) {
        self.ts.push(ts);
        self.positions.push(position);
        self.rows.push(row);
    }

    /// The same points in another order.
    #[must_use]
    pub fn in_order(&self, order: &[usize]) -> Self {
        let mut points = Self::default();
        for index in order {
            points.push(self.ts[*index], self.positions[*index], self.rows[*index]);
        }
        points
    }

    /// Metres from one point to another.
    pub fn distance(&self, from: usize, to: usize) -> f64 {
        distance(self.positions[from], self.positions[to])
    }
}

/// What leads to each point from the one before; 0 for the first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Steps {
    /// m
    pub distance: Vec<f64>,
    /// m/s; 0 where no time passed, however far it was.
    pub speed: Vec<f64>,
}

impl Steps {
    /// The steps over those of the points for which `kept` holds.
    pub fn over(points: &Points, kept: impl Fn(usize) -> bool) -> Self {
        let mut steps = Self::default();
        let mut before = None;
        for index in (0..points.len()).filter(|index| kept(*index)) {
            let (distance, speed) = before.map_or((0.0, 0.0), |before| step(points, before, index));
            steps.distance.push(distance);
            steps.speed.push(speed);
            before = Some(index);
        }
        steps
    }
}

fn step(points: &Points, from: usize, to: usize) -> (f64, f64) {
    let metres = points.distance(from, to);
    (metres, over(metres, points.ts[to] - points.ts[from]))
}
