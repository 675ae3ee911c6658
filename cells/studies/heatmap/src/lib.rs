//! In how many hours of one epoch somebody was in each square of a grid: [`SIDE`] × [`SIDE`] numbers, row by row from
//! the south-west corner, each row from west to east.
//!
//! * Units: degrees (WGS 84); times in s since 1970-01-01T00:00:00Z.
//! * A study of another place is another cell: copy this one and change the corner and the size of a square.

use std::collections::HashSet;

use cells_sdk::{ReadEntries, Run, RunError, TimeField};

const POSITION: &str = "background/filtered_location";
/// How many squares the grid has in each direction.
pub const SIDE: usize = 16;
/// The south-west corner of the grid: latitude and longitude.
pub const CORNER_DEG: (f64, f64) = (12.42, 67.92);
/// The size of a square in latitude and in longitude: about 1.1 km by 1.1 km there.
pub const SQUARE_DEG: (f64, f64) = (0.01, 0.01);
const HOUR_S: f64 = 3_600.0;
const ROWS: u32 = 4_096;

/// Counts the hours in which there is a position in a square; an hour counts once for each square.
pub fn contribute<R: ReadEntries>(runtime: &mut R, run: &Run) -> Result<Vec<f64>, RunError> {
    use cells_sdk::LocationSource as _;
    let mut seen = HashSet::new();
    let mut columns = runtime.find_locations(&run.window(&[POSITION], TimeField::Position))?;
    loop {
        let rows = columns.next_rows(ROWS)?;
        if rows.ts.is_empty() {
            break;
        }
        let places = rows.latitude.iter().zip(&rows.longitude);
        for ((latitude, longitude), ts) in places.zip(&rows.ts) {
            if let Some(square) = square_of(*latitude, *longitude) {
                seen.insert((square, (ts / HOUR_S).floor() as i64));
            }
        }
    }
    let mut hours = vec![0.0; SIDE * SIDE];
    seen.into_iter().for_each(|(square, _)| hours[square] += 1.0);
    Ok(hours)
}

/// The square of a place; `None` outside the grid, and for a place that is no number.
pub fn square_of(latitude: f64, longitude: f64) -> Option<usize> {
    let along = |place: f64, corner: f64, size: f64| {
        let at = ((place - corner) / size).floor();
        (at >= 0.0 && at < SIDE as f64).then_some(at as usize)
    };
    let row = along(latitude, CORNER_DEG.0, SQUARE_DEG.0)?;
    Some(row * SIDE + along(longitude, CORNER_DEG.1, SQUARE_DEG.1)?)
}

cells_sdk::export_contribution!(contribute);
