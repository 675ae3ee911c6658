//! Routes between two points of a town.

use crate::geometry::Spot;
use crate::motion::Mode;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Finds the route from one point to another. A route starts at `from`, ends at `to` and depends only on the arguments,
/// otherwise a seed would not repeat a day.
pub trait Route: Send + Sync {
    /// Corners of the route, both ends included.
    fn path(&self, from: Spot, to: Spot, mode: Mode) -> Vec<Spot>;
}

/// A straight line.
#[derive(Debug, Clone, Copy, Default)]
pub struct Straight;

impl Route for Straight {
    fn path(&self, from: Spot, to: Spot, _mode: Mode) -> Vec<Spot> {
        vec![from, to]
    }
}

/// Streets in a grid with a river across, few bridges, and main roads that vehicles prefer; takes the fastest route.
///
/// Crossings are numbered row by row from the corner; every street between neighbours can be used in both directions.
#[derive(Debug, Clone)]
pub struct StreetGrid {
    /// Distance between two neighbouring crossings, m.
    pub block_m: f64,
    /// Crossings from west to east, at least 2.
    pub columns: usize,
    /// Crossings from south to north, at least 2.
    pub rows: usize,
    /// The river runs north of this row ...
    pub river_row: usize,
    /// ... and every so many columns a bridge crosses it, the first in column 0. 0: no bridge at all.
    pub bridge_every: usize,
    /// Every so many rows and columns there is a main road. 0: none.
    pub main_road_every: usize,
}

impl StreetGrid {
    /// 12 km by 8 km with blocks of 200 m, a river in the middle and eight bridges.
    pub fn invented() -> Self {
        Self { block_m: 200.0, columns: 61, rows: 41, river_row: 20, bridge_every: 8, main_road_every: 5 }
    }

    fn nearest(&self, spot: Spot) -> usize {
        let cell =
            |metres: f64, count: usize| ((metres / self.block_m).round().max(0.0) as usize).min(count - 1);
        cell(spot.north_m, self.rows) * self.columns + cell(spot.east_m, self.columns)
    }

    fn spot(&self, crossing: usize) -> Spot {
        let (row, column) = (crossing / self.columns, crossing % self.columns);
        Spot::new(column as f64 * self.block_m, row as f64 * self.block_m)
    }

    /// Cost of one block; a vehicle loses time on small streets, a walker does not.
    fn cost(&self, mode: Mode, on_main_road: bool) -> u32 {
        match mode {
            Mode::Car | Mode::Bus if !on_main_road => 3,
            Mode::Car | Mode::Bus => 2,
            Mode::Walk | Mode::Bicycle | Mode::Train => 2,
        }
    }

    /// Neighbours of a crossing with the cost of the block between.
    fn neighbours(&self, crossing: usize, mode: Mode) -> impl Iterator<Item = (usize, u32)> + '_ {
        let (row, column) = (crossing / self.columns, crossing % self.columns);
        let every = |count: usize, step: usize| step > 0 && count.is_multiple_of(step);
        let bridge = every(column, self.bridge_every);
        let along = self.cost(mode, every(row, self.main_road_every));
        let across = self.cost(mode, every(column, self.main_road_every));
        [
            (column > 0).then(|| (crossing - 1, along)),
            (column + 1 < self.columns).then(|| (crossing + 1, along)),
            (row > 0 && (row - 1 != self.river_row || bridge)).then(|| (crossing - self.columns, across)),
            (row + 1 < self.rows && (row != self.river_row || bridge))
                .then(|| (crossing + self.columns, across)),
        ]
        .into_iter()
        .flatten()
    }

    /// At least 2 for each block: never more than the remaining cost, so the first route found is a fastest one.
    fn at_least(&self, crossing: usize, goal: usize) -> u32 {
        let rows = (crossing / self.columns).abs_diff(goal / self.columns);
        let columns = (crossing % self.columns).abs_diff(goal % self.columns);
        2 * (rows + columns) as u32
    }

    /// Crossings of a fastest route. Empty if there is none (a river without a bridge).
    fn quickest(&self, start: usize, goal: usize, mode: Mode) -> Vec<usize> {
        let mut best = vec![u32::MAX; self.columns * self.rows];
        let mut came_from = vec![usize::MAX; best.len()];
        let mut open = BinaryHeap::from([Reverse((self.at_least(start, goal), start))]);
        best[start] = 0;
        while let Some(Reverse((estimate, crossing))) = open.pop() {
            if crossing == goal {
                return walk_back(&came_from, start, goal);
            }
            if estimate > best[crossing] + self.at_least(crossing, goal) {
                continue;
            }
            for (next, cost) in self.neighbours(crossing, mode) {
                let cost = best[crossing] + cost;
                if cost < best[next] {
                    best[next] = cost;
                    came_from[next] = crossing;
                    open.push(Reverse((cost + self.at_least(next, goal), next)));
                }
            }
        }
        Vec::new()
    }
}

fn walk_back(came_from: &[usize], start: usize, goal: usize) -> Vec<usize> {
    let mut way = vec![goal];
    let mut here = goal;
    while here != start {
        here = came_from[here];
        way.push(here);
    }
    way.reverse();
    way
}

impl Route for StreetGrid {
    fn path(&self, from: Spot, to: Spot, mode: Mode) -> Vec<Spot> {
        let way = self.quickest(self.nearest(from), self.nearest(to), mode);
        let mut points = vec![from];
        points.extend(way.into_iter().map(|crossing| self.spot(crossing)));
        points.push(to);
        points
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_crosses_the_river_takes_a_bridge() {
        let grid = StreetGrid::invented();
        for mode in [Mode::Walk, Mode::Car] {
            let path = grid.path(Spot::new(800.0, 3900.0), Spot::new(800.0, 4400.0), mode);
            assert!(path.windows(2).all(|step| step[0].distance_m(step[1]) <= 200.0));
            let over: Vec<_> =
                path.windows(2).filter(|s| s[0].north_m == 4000.0 && s[1].north_m == 4200.0).collect();
            assert_eq!(over.len(), 1);
            assert_eq!(over[0][0].east_m % 1600.0, 0.0);
        }
    }

    #[test]
    fn without_a_bridge_between_both_banks_the_way_is_straight() {
        let grid = StreetGrid { bridge_every: 0, ..StreetGrid::invented() };
        let (from, to) = (Spot::new(810.0, 200.0), Spot::new(810.0, 6000.0));
        assert_eq!(grid.path(from, to, Mode::Walk), [from, to]);
    }
}
