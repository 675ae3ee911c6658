//! Makes filtered locations from plain ones, for phones that do not filter them: the stage `ACCURACY_FILTERING`.
//!
//! A location is copied to the filtered stream if it is accurate to under 200 m, repeats no other, and was not filtered
//! before. Its entry stays the same except for the key.
//!
//! * Not as the reference: a location without an accuracy is copied too, since a phone that never reports one would
//!   otherwise have no diary.
//!
//! * Units: seconds, metres, degrees. The window is on `metadata.write_ts`, closed at both ends.
//! * Memory: 53 bytes a location of the window and one page of texts.
//! * Not here: whether it runs at all; phones that filter themselves do not need it.

use std::collections::{BTreeMap, HashSet};

use cells_locations::{Locations, read, without_exact_duplicates};
use cells_sdk::model::EntryId;
use cells_sdk::model::rows::Row;
use cells_sdk::{
    Outcome, Output, Query, ReadEntries, Run, RunError, TimeField, WINDOW_GAP_S, WriteEntries, for_each_entry,
};
use serde_json::value::RawValue;

const LOCATION: &str = "background/location";
const FILTERED: &str = "background/filtered_location";
/// Radius of the circle that likely holds the true place, m (exclusive).
const ACCURACY_M_MAX: f64 = 200.0;
/// The reference compares times by the whole millisecond.
const MILLIS_A_SECOND: f64 = 1000.0;
/// How many locations one run processes at least, if there are as many: at some 700 bytes each, its writes stay well
/// under the limit of a run. Another run continues.
const LOCATIONS_A_RUN: usize = 40_000;

/// One run of the stage.
pub fn run<R: ReadEntries + WriteEntries>(runtime: &mut R, run: &Run) -> Result<Outcome, RunError> {
    let written = |key| Query::of(&[key], TimeField::WriteTs).between(run.start, Some(run.end));
    let mut locations = read(runtime, &written(LOCATION))?;
    let whole = locations.len();
    locations.truncate(end_of_run(&locations.columns().write_ts));
    let more = locations.len() < whole;
    let Some(last) = locations.columns().write_ts.last().copied() else {
        return Ok(Outcome::default());
    };
    let within = written(LOCATION).between(run.start, Some(if more { last } else { run.end }));
    // Locations that earlier runs of the same back-log copied count as copied in the same window.
    let backlog_start = if run.state.is_empty() { run.start } else { start_from(&run.state) };
    let filtered = written(FILTERED).between(backlog_start, Some(run.end));

    let unique = without_exact_duplicates(runtime, &within, locations)?;
    let known = read(runtime, &filtered)?;
    let copied: HashSet<usize> = accepted(&unique, &known).into_iter().map(quirk::copied_row).collect();
    drop((unique, known));
    copy(runtime, run, &within, &copied)?;
    let state = if more { state_of(backlog_start) } else { Vec::new() };
    Ok(Outcome { processed_through: Some(last), state, more })
}

/// The state between the runs of one back-log: where it started, s; eight bytes, NaN for "at the beginning".
fn state_of(backlog_start: Option<f64>) -> Vec<u8> {
    backlog_start.unwrap_or(f64::NAN).to_le_bytes().to_vec()
}

fn start_from(state: &[u8]) -> Option<f64> {
    let start = f64::from_le_bytes(state.try_into().ok()?);
    start.is_finite().then_some(start)
}

/// How many locations a run processes: all, or up to a pause after the first [`LOCATIONS_A_RUN`] that is long enough
/// that nothing is lost between the mark and the next run.
fn end_of_run(write_ts: &[f64]) -> usize {
    (LOCATIONS_A_RUN..write_ts.len())
        .find(|row| write_ts[*row] - write_ts[row - 1] > WINDOW_GAP_S)
        .unwrap_or(write_ts.len())
}

/// The rows of `locations` to be copied to the filtered stream, whose entries of the same window are `known`.
fn accepted(locations: &Locations, known: &Locations) -> Vec<usize> {
    // The filtered locations of one device do not affect another's.
    let of_known =
        (0..known.len()).filter_map(|row| Some((known.device(row), millis(known.columns().ts[row])?)));
    let known: HashSet<(Option<&str>, i64)> = of_known.collect();
    let mut seen = HashSet::new();
    let rows = locations.columns();
    (0..locations.len())
        .filter(|row| locations.is_placed(*row) && is_accurate(rows.accuracy[*row]))
        .filter(|row| {
            // Adding zero makes the two zeros one.
            let numbers = [rows.latitude[*row], rows.longitude[*row], rows.ts[*row], rows.accuracy[*row]];
            let bits = |number: f64| if number.is_nan() { f64::NAN } else { number + 0.0 }.to_bits();
            seen.insert((locations.device(*row), numbers.map(bits)))
        })
        .filter(|row| {
            let device = locations.device(*row);
            millis(rows.ts[*row]).is_some_and(|millis| !known.contains(&(device, millis)))
        })
        .collect()
}

/// Whether the accuracy of a location, m, is good or unknown.
fn is_accurate(accuracy_m: f64) -> bool {
    accuracy_m.is_nan() || accuracy_m < ACCURACY_M_MAX
}

/// The whole milliseconds of a time in s, cut towards zero; `None` for a time that is not a number.
fn millis(ts: f64) -> Option<i64> {
    ts.is_finite().then_some((ts * MILLIS_A_SECOND) as i64)
}

mod quirk {
    /// Which row of the window, duplicates included, is copied for a row that was accepted among the rows
    /// without exact duplicates.
    ///
    /// The reference counts rows in the list without duplicates and copies from the list with them. So after an exact
    /// duplicate it copies an earlier entry than the accepted one. The right row would be the one with the accepted
    /// row's id.
    pub(super) fn copied_row(accepted: usize) -> usize {
        accepted
    }
}

/// Copies those rows of the query's result into the filtered stream, in their order.
fn copy<R: ReadEntries + WriteEntries>(
    runtime: &mut R,
    run: &Run,
    query: &Query,
    copied: &HashSet<usize>,
) -> Result<(), RunError> {
    let mut output = Output::new(run);
    let mut row = 0;
    for_each_entry(runtime, query, |runtime, entry| {
        row += 1;
        if !copied.contains(&(row - 1)) {
            return Ok(());
        }
        let metadata = filtered_metadata(entry.metadata)
            .ok_or_else(|| RunError::entry(entry.id, "has metadata that is not a JSON object"))?;
        let id = EntryId::NONE;
        output.push(runtime, Row { id, key: FILTERED, metadata: &metadata, data: entry.data, extra: "" })
    })?;
    output.finish(runtime)
}

/// The metadata of the copy: the same byte for byte, except for the key.
fn filtered_metadata(metadata: &str) -> Option<String> {
    let mut members: BTreeMap<String, &RawValue> = serde_json::from_str(metadata).ok()?;
    let key = serde_json::value::to_raw_value(FILTERED).ok()?;
    members.insert("key".to_owned(), &key);
    serde_json::to_string(&members).ok()
}

cells_sdk::export_stage!(run);
