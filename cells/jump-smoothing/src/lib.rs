//! Finds the points of a section that a person cannot have reached: the stage `JUMP_SMOOTHING`.
//!
//! Reads raw sections of the run's window and the filtered locations within them; writes one `analysis/smoothing` for
//! each, which names the points to leave out, often none. A section whose pieces do not fit the rule
//! ([`zigzag::Misfit`]) gets none. The results equal the reference entry by entry; odd rules are the reference's and
//! are marked so.
//!
//! * Units: seconds, metres, degrees. The window is on `data.end_ts` of sections, closed at both ends.
//! * Memory: about 60 bytes a location and 30 a section of the window. A back-log with more than
//!   [`ROWS_A_RUN`] locations is cut behind a section, and the run asks to be run again.
//! * State: how many random numbers were drawn ([`record`]); empty for a person without an iPhone.
//! * Not here: leaving the points out (`CLEAN_RESAMPLING`).

pub mod boxplot;
pub mod fill;
pub mod lots;
pub mod order;
pub mod points;
pub mod posdap;
pub mod record;
pub mod smooth;
mod store;
pub mod zigzag;

use std::collections::BTreeMap;
use std::ops::Range;

use cells_geometry::Position;
use cells_locations::{Locations, ROWS_A_RUN, Sampling};
use cells_sdk::model::EntryId;
use cells_sdk::{Level, Log, Outcome, ReadEntries, Run, RunError, WriteEntries, warn_count};

use points::Points;
use record::Record;
use store::Found;
use zigzag::Misfit;

/// One run of the stage.
pub fn run<R: ReadEntries + WriteEntries + Log>(runtime: &mut R, run: &Run) -> Result<Outcome, RunError> {
    run_over(runtime, run, ROWS_A_RUN)
}

/// As [`run`], with another number in place of [`ROWS_A_RUN`].
pub fn run_over<R: ReadEntries + WriteEntries + Log>(
    runtime: &mut R,
    run: &Run,
    rows_a_run: usize,
) -> Result<Outcome, RunError> {
    let mut record = Record::read(&run.state).unwrap_or_else(|bad| {
        // The random numbers are arbitrary anyway; a person's pipeline need not stop for them.
        runtime.log(
            Level::Warn,
            &format!("the stage's memory cannot be read, random numbers are drawn from the beginning: {bad}"),
        );
        Record::default()
    });
    record.take_back(run.start);
    let mut lots = record.lots();
    let Found { sections, unreadable, more } = store::sections(runtime, run, rows_a_run)?;
    let locations = store::locations(runtime, run, &sections)?;
    let mut smoothings = Vec::with_capacity(sections.len());
    let mut misfits = BTreeMap::<Misfit, Vec<EntryId>>::new();
    for section in &sections {
        let locations = &locations[&section.device];
        let rows = section.rows(locations);
        let by_distance = is_by_distance(locations, rows.clone());
        let points = points(locations, rows);
        let points = if by_distance { fill::fill(points, &mut lots) } else { points };
        record.note(section.end_ts, &lots);
        match smooth::smooth(&points, by_distance) {
            Ok(smoothed) => smoothings.push(store::smoothing(section, locations, &points, &smoothed)),
            Err(misfit) => misfits.entry(misfit).or_default().push(section.id),
        }
    }
    store::write(runtime, run, &smoothings)?;
    report(runtime, &misfits, unreadable.len());
    let processed_through = sections.last().map(|section| section.end_ts);
    Ok(Outcome { processed_through, state: record.write(&lots), more })
}

/// The points of those rows.
fn points(locations: &Locations, rows: Range<usize>) -> Points {
    let columns = locations.columns();
    let mut points = Points::default();
    for row in rows {
        let position = Position { latitude: columns.latitude[row], longitude: columns.longitude[row] };
        points.push(columns.ts[row], position, Some(row));
    }
    points
}

/// Whether a phone chose those fixes by distance: one of them says so, and none says otherwise. A `filter` that is
/// absent, null or unknown is ignored.
fn is_by_distance(locations: &Locations, mut rows: Range<usize>) -> bool {
    let says = |sampling: Sampling| move |row: usize| locations.sampling(row) == Some(sampling);
    rows.clone().any(says(Sampling::Distance)) && !rows.any(says(Sampling::Time))
}

/// Logs for the owner what was left unchanged, and why; no places.
fn report<R: Log>(runtime: &mut R, misfits: &BTreeMap<Misfit, Vec<EntryId>>, unreadable: usize) {
    for (misfit, sections) in misfits {
        let (count, first) = (sections.len(), sections[0]);
        warn_count(runtime, count, &format!("sections keep all their points, such as {first}: {misfit}"));
    }
    warn_count(runtime, unreadable, "sections have no start that can be read: passed over");
}

cells_sdk::export_stage!(run);
