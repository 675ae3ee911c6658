//! Trips between stays: another way to find trips, to be installed in the place of the host's own.
//!
//! The method gathers points, in the order of their times, around the mean of those before them. A person *stays* where
//! the points remain within [`RADIUS_M`] of that mean for [`DWELL_S`], or where the phone falls silent for as long:
//! phones sleep while nobody moves. What lies between two stays is a trip; an excursion that never leaves the
//! surroundings of a stay belongs to it.
//!
//! It looks at nothing but positions: neither motion activity nor what the phone believes to begin and end. So it
//! cannot tell a long wait on the way from a stay, and it knows a trip once the phone has stayed at its end or has left
//! it again. Positions of all devices count as those of one.
//!
//! * Units: seconds, metres, degrees.
//! * Output does not depend on where a backlog is cut into runs: a run goes on from the last stay that is certain,
//!   which is what it remembers, and reads everything behind it again.

mod places;
mod stays;

use cells_sdk::{
    Log, Outcome, Query, ReadEntries, Run, RunError, TimeField, WriteEntries, data_of, for_each_entry,
    warn_count,
};

use places::Memory;
use stays::{Fix, Search};

/// The points from which stays are made.
pub const POINTS: &str = "background/filtered_location";
/// How long somebody stays at least, s.
pub const DWELL_S: f64 = 600.0;
/// How far from the mean of a stay its points are at most, m.
pub const RADIUS_M: f64 = 120.0;
/// A reading that is less exact than this does not count, m.
const ACCURACY_M: f64 = 200.0;

/// One run of the stage.
pub fn run<R: ReadEntries + WriteEntries + Log>(runtime: &mut R, run: &Run) -> Result<Outcome, RunError> {
    let mut memory = Memory::read(&run.state)?;
    let mut search = Search::from(memory.stay());
    let mut unread = 0;
    let points = Query::of(&[POINTS], TimeField::DataTs).between(memory.through().map(f64::next_up), None);
    for_each_entry(runtime, &points, |_, entry| {
        match data_of::<Fix>(&entry) {
            Ok(fix) if fix.accuracy.is_some_and(|accuracy| accuracy > ACCURACY_M) => {}
            Ok(fix) if fix.is_somewhere() => search.add(fix),
            _ => unread += 1,
        }
        Ok(())
    })?;
    warn_count(runtime, unread, "positions cannot be read, or are no place: passed over");
    let found = search.finish();
    places::write(runtime, run, &mut memory, &found)?;
    memory.remember(found.last);
    Ok(Outcome { processed_through: memory.through(), state: memory.write()?, more: false })
}

cells_sdk::export_stage!(run);
