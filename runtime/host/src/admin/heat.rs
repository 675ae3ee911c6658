//! How often a person's phones were where: counts of locations on a grid, over any span.
//!
//! * The memory and the answer are bounded, whatever the span: places are counted on a fine grid, and once it has too many
//!   cells that were visited, two cells in each direction become one.
//! * Units: degrees; WGS 84.

use std::collections::HashMap;

use runtime_program::Failure;
use runtime_program::when::When;
use runtime_store::{LocationRows, ReadError, Snapshot};
use runtime_types::TimeField;
use runtime_user::{Stamp, UserId};
use serde::{Deserialize, Serialize};

use super::ask::{Ask, Context};
use super::days::{LOCATIONS, query};
use super::reading::{Reading, told};
use super::zone;

/// The most cells of an answer's grid in one direction.
pub const HEAT_SIDE_MAX: u32 = 128;
/// The fewest: however large a cell is, one lies on either side of 0° east and 0° north, and they never become one.
pub const HEAT_SIDE_MIN: u32 = 2;
/// How many visited cells of the fine grid are in memory at most.
const FINE_CELLS_MAX: usize = 131_072;
/// The finest cell, degrees: about 28 m to the north.
const FINEST_DEG: f64 = 0.000_25;
/// How many rows of locations are read at once.
const ROWS: usize = 4_096;

/// Asks how often a person's phones were where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShowHeat {
    /// The person, by name or id.
    pub person: String,
    /// The first day or moment; none: from the beginning.
    pub from: Option<When>,
    /// The last day or moment; none: to the end.
    pub to: Option<When>,
    /// Only places inside; none: everywhere.
    pub inside: Option<Bounds>,
    /// The most cells in one direction, from [`HEAT_SIDE_MIN`] to [`HEAT_SIDE_MAX`].
    pub side: u32,
}

/// A rectangle; its edges belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// The western edge, degrees.
    pub west: f64,
    /// The southern edge, degrees.
    pub south: f64,
    /// The eastern edge, degrees.
    pub east: f64,
    /// The northern edge, degrees.
    pub north: f64,
}

/// The answer to [`ShowHeat`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeatShown {
    /// The person's id.
    pub id: String,
    /// How many locations were counted.
    pub locations: u64,
    /// The western edge of the grid, degrees.
    pub west: f64,
    /// The southern edge of the grid, degrees.
    pub south: f64,
    /// The side of a cell, degrees.
    pub step: f64,
    /// How many cells there are from west to east.
    pub columns: u32,
    /// How many cells there are from south to north.
    pub rows: u32,
    /// The cells that were visited: column, row and how often, by row and column.
    pub cells: Vec<(u32, u32, u64)>,
}

impl Ask for ShowHeat {
    type Answer = HeatShown;

    fn answer(self, context: &Context<'_>) -> Result<HeatShown, Failure> {
        let user = context.find(&self.person)?;
        self.answer_to(context, user, None)
    }
}

impl ShowHeat {
    /// The grid as an answer to one of the person's devices, which its audit names; none: the console.
    pub(crate) fn answer_to(
        self,
        context: &Context<'_>,
        user: UserId,
        device: Option<&Stamp>,
    ) -> Result<HeatShown, Failure> {
        check(self.side)?;
        let span = zone::span(context.runtime, user, self.from.as_ref(), self.to.as_ref())?;
        let reading = Reading {
            command: "heat-map",
            device,
            what: "heat-map",
            streams: vec![LOCATIONS.to_owned()],
            time: "ts",
            span,
        };
        told(context.runtime, user, reading, |person| {
            let counted = count(&person.store.snapshot(), span, self.inside);
            let (grid, locations) =
                counted.map_err(|error| Failure::of(&error, "look into the host's log"))?;
            Ok((grid.shown(user, locations, self.side), locations))
        })
    }
}

/// Whether an answer's grid may have so many cells in one direction.
fn check(side: u32) -> Result<(), Failure> {
    if (HEAT_SIDE_MIN..=HEAT_SIDE_MAX).contains(&side) {
        return Ok(());
    }
    let what = format!("a grid has {HEAT_SIDE_MIN} to {HEAT_SIDE_MAX} cells in one direction, not {side}");
    Err(Failure::new(what, "give another `side`"))
}

impl Bounds {
    fn have(&self, latitude: f64, longitude: f64) -> bool {
        (self.west..=self.east).contains(&longitude) && (self.south..=self.north).contains(&latitude)
    }
}

/// Counts locations; one that is no place of the earth is left out.
fn count(snapshot: &Snapshot, span: [f64; 2], inside: Option<Bounds>) -> Result<(Grid, u64), ReadError> {
    let mut cursor = snapshot.find_locations(&query(LOCATIONS, TimeField::DataTs, span))?;
    let (mut grid, mut rows, mut locations) = (Grid::default(), LocationRows::default(), 0);
    loop {
        rows.clear();
        if cursor.next(ROWS, &mut rows)? == 0 {
            return Ok((grid, locations));
        }
        for (latitude, longitude) in rows.latitude.iter().zip(&rows.longitude) {
            let on_earth = latitude.abs() <= 90.0 && longitude.abs() <= 180.0;
            if on_earth && inside.is_none_or(|bounds| bounds.have(*latitude, *longitude)) {
                grid.add(*latitude, *longitude);
                locations += 1;
            }
        }
    }
}

/// Counts by cell.
#[derive(Debug, Default)]
struct Grid {
    /// A cell has the side of 2 to the power of this of the finest.
    level: u32,
    /// By column and row from 0° east, 0° north.
    cells: HashMap<(i32, i32), u64>,
}

impl Grid {
    fn step(&self) -> f64 {
        FINEST_DEG * f64::from(1_u32 << self.level)
    }

    fn add(&mut self, latitude: f64, longitude: f64) {
        let step = self.step();
        // At most 180 / FINEST_DEG, which an i32 holds.
        let cell = ((longitude / step).floor() as i32, (latitude / step).floor() as i32);
        *self.cells.entry(cell).or_default() += 1;
        while self.cells.len() > FINE_CELLS_MAX {
            self.coarsen();
        }
    }

    /// Makes one cell of four.
    fn coarsen(&mut self) {
        self.level += 1;
        for ((column, row), count) in std::mem::take(&mut self.cells) {
            *self.cells.entry((column >> 1, row >> 1)).or_default() += count;
        }
    }

    /// The columns and the rows that were visited, both closed.
    fn extent(&self) -> Option<[(i32, i32); 2]> {
        let columns = self.cells.keys().map(|(column, _)| *column);
        let rows = self.cells.keys().map(|(_, row)| *row);
        Some([(columns.clone().min()?, columns.max()?), (rows.clone().min()?, rows.max()?)])
    }

    fn shown(mut self, user: UserId, locations: u64, side: u32) -> HeatShown {
        let wide =
            |extent: &[(i32, i32); 2]| extent.iter().any(|(first, last)| last.abs_diff(*first) >= side);
        while self.extent().as_ref().is_some_and(wide) {
            self.coarsen();
        }
        let [columns, rows] = self.extent().unwrap_or_default();
        let mut cells: Vec<_> = self
            .cells
            .iter()
            .map(|((column, row), count)| (column.abs_diff(columns.0), row.abs_diff(rows.0), *count))
            .collect();
        cells.sort_unstable_by_key(|(column, row, _)| (*row, *column));
        let step = self.step();
        HeatShown {
            id: user.dashed(),
            locations,
            west: f64::from(columns.0) * step,
            south: f64::from(rows.0) * step,
            step,
            columns: if cells.is_empty() { 0 } else { columns.1.abs_diff(columns.0) + 1 },
            rows: if cells.is_empty() { 0 } else { rows.1.abs_diff(rows.0) + 1 },
            cells,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(places: &[(f64, f64)]) -> Grid {
        let mut grid = Grid::default();
        places.iter().for_each(|(latitude, longitude)| grid.add(*latitude, *longitude));
        grid
    }

    fn shown(places: &[(f64, f64)], side: u32) -> HeatShown {
        grid(places).shown(UserId([0; 16]), places.len() as u64, side)
    }

    #[test]
    fn every_location_is_counted_in_the_cell_that_holds_it() {
        let places = [(47.37, 8.54), (47.37, 8.54), (47.38, 8.55), (-33.9, -70.6), (0.0, 0.0)];
        for side in [HEAT_SIDE_MIN, 3, 7, HEAT_SIDE_MAX] {
            let heat = shown(&places, side);
            assert!(heat.columns <= side && heat.rows <= side, "{heat:?}");
            assert_eq!(heat.cells.iter().map(|(_, _, count)| count).sum::<u64>(), 5);
            for (latitude, longitude) in places {
                let column = ((longitude - heat.west) / heat.step).floor() as u32;
                let row = ((latitude - heat.south) / heat.step).floor() as u32;
                let found = heat.cells.iter().any(|(east, north, _)| (*east, *north) == (column, row));
                assert!(found, "side {side}: {latitude}, {longitude} in {heat:?}");
            }
        }
    }

    #[test]
    fn attack_220_the_smallest_grid_over_the_whole_earth_ends_and_a_smaller_one_is_refused() {
        let corners = [(90.0, 180.0), (-90.0, -180.0), (90.0, -180.0), (-90.0, 180.0), (0.0, 0.0)];
        let heat = shown(&corners, HEAT_SIDE_MIN);
        assert!(heat.columns <= HEAT_SIDE_MIN && heat.rows <= HEAT_SIDE_MIN, "{heat:?}");
        for side in [0, 1, HEAT_SIDE_MAX + 1, u32::MAX] {
            let refused = check(side).expect_err("refused");
            assert!(refused.what.contains("2 to 128"), "{refused:?}");
        }
    }

    #[test]
    fn where_nobody_was_there_is_no_grid_and_one_place_is_one_cell() {
        let nowhere = shown(&[], 16);
        assert_eq!((nowhere.columns, nowhere.rows, nowhere.cells.len()), (0, 0, 0));
        let one = shown(&[(52.5, 13.4)], 16);
        assert_eq!((one.columns, one.rows, one.cells), (1, 1, vec![(0, 0, 1)]));
        assert_eq!(one.step, FINEST_DEG);
    }

    #[test]
    fn a_traveller_of_the_whole_earth_costs_a_bounded_grid_in_memory_and_in_the_answer() {
        let mut grid = Grid::default();
        let steps = 600_i32;
        for east in -steps..=steps {
            for north in -steps..=steps {
                grid.add(
                    f64::from(north) * 90.0 / f64::from(steps),
                    f64::from(east) * 180.0 / f64::from(steps),
                );
                assert!(grid.cells.len() <= FINE_CELLS_MAX);
            }
        }
        let all = u64::from(2 * steps.unsigned_abs() + 1).pow(2);
        let heat = grid.shown(UserId([0; 16]), all, HEAT_SIDE_MAX);
        assert!(heat.cells.len() <= (HEAT_SIDE_MAX * HEAT_SIDE_MAX) as usize);
        assert_eq!(heat.cells.iter().map(|(_, _, count)| count).sum::<u64>(), all);
    }
}
