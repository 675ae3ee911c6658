//! How far somebody went by each mode in one epoch of a study: [`MODES`] numbers, in kilometres. With epochs of a month,
//! a study gets the distance by mode and month.

use cells_sdk::model::inference::PredictedMode;
use cells_sdk::{ReadEntries, Run, RunError, TimeField, data_of, for_each_entry};
use serde::Deserialize;

const SECTION: &str = "analysis/inferred_section";
const METRES_PER_KILOMETRE: f64 = 1_000.0;

/// The names of the numbers, in their order, as a study calls them.
pub const MODES: [&str; 7] = ["walking", "bicycling", "bus", "train", "car", "air", "other"];

/// What the cell needs of a section.
#[derive(Deserialize)]
struct Section {
    sensed_mode: i64,
    distance: f64,
}

/// Sums the lengths of the sections that began in the epoch, by mode, in kilometres.
pub fn contribute<R: ReadEntries>(runtime: &mut R, run: &Run) -> Result<Vec<f64>, RunError> {
    let mut kilometres = vec![0.0; MODES.len()];
    for_each_entry(runtime, &run.window(&[SECTION], TimeField::Position), |_, entry| {
        let section: Section = data_of(&entry)?;
        // A length that is no number says nothing about a distance.
        if section.distance.is_finite() {
            kilometres[place_of(section.sensed_mode)] += section.distance / METRES_PER_KILOMETRE;
        }
        Ok(())
    })?;
    Ok(kilometres)
}

/// The place of a mode among [`MODES`].
fn place_of(mode: i64) -> usize {
    use PredictedMode::{AirOrHsr, Bicycling, Bus, Car, LightRail, Subway, Train, Tram, Walking};
    let is = |modes: &[PredictedMode]| modes.iter().any(|known| *known as i64 == mode);
    let places: [&[PredictedMode]; 6] =
        [&[Walking], &[Bicycling], &[Bus], &[Train, Subway, Tram, LightRail], &[Car], &[AirOrHsr]];
    places.iter().position(|modes| is(modes)).unwrap_or(places.len())
}

cells_sdk::export_contribution!(contribute);
