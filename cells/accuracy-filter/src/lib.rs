//! Makes filtered locations from plain ones, for phones that do not filter them: the stage `ACCURACY_FILTERING`.
//!
//! A location is copied to the filtered stream if it is accurate to under 200 m, repeats no other, and was not filtered
//! before. Its entry stays the same except for the key.
//!
//! * Not as the reference: a location without an accuracy is copied too, since a phone that never reports one would
//!   otherwise have no diary.
//!
//! * Units: seconds, metres, degrees. The window is on `metadata.write_ts`, closed at both ends.
//! * Memory: 53 bytes a location of the window and one page of texts. Of a back-log, a run takes
//!   `LOCATIONS_A_RUN` and asks to be run again.
//! * Not here: whether it runs at all; phones that filter themselves do not need it.

use std::collections::{BTreeMap, HashSet};

use cells_locations::{Locations, end_after, read, without_exact_duplicates};
use cells_sdk::model::EntryId;
use cells_sdk::model::rows::Row;
use cells_sdk::{
    Outcome, Output, Query, ReadEntries, Run, RunError, TimeField, WriteEntries, for_each_entry, mark_past,
};
use serde_json::value::RawValue;

const LOCATION: &str = "background/location";
const FILTERED: &str = "background/filtered_location";
/// Radius of the circle that likely holds the true place, m (exclusive).
const ACCURACY_M_MAX: f64 = 200.0;
/// The state of a run that is to continue with a window.
const GOES_ON: &[u8] = b"goes on";
/// The reference compares times by the whole millisecond.
const MILLIS_A_SECOND: f64 = 1000.0;
/// How many locations one run takes: at some 700 bytes each, its writes stay well under the limit of a run.
const LOCATIONS_A_RUN: usize = 40_000;
/// A part of a back-log knows the filtered locations that were written this long before and after it, s: a phone that
/// sends a fix again does so within a day or two.
const AROUND_S: f64 = 2.0 * 86_400.0;

/// One run of the stage.
pub fn run<R: ReadEntries + WriteEntries>(runtime: &mut R, run: &Run) -> Result<Outcome, RunError> {
    let written = |key| Query::of(&[key], TimeField::WriteTs).between(run.start, Some(run.end));
    let end = end_after(runtime, &written(LOCATION), LOCATIONS_A_RUN)?;
    let within = written(LOCATION).between(run.start, Some(end.unwrap_or(run.end)));
    let locations = read(runtime, &within)?;
    let Some(last) = locations.columns().write_ts.last().copied() else {
        return Ok(Outcome::default());
    };
    // Locations that earlier runs of the same back-log copied count as copied in the same window.
    let goes_on = run.state == GOES_ON;
    let filtered = written(FILTERED).between(
        run.start.map(|start| if goes_on { start - AROUND_S } else { start }),
        Some(end.map_or(run.end, |end| run.end.min(end + AROUND_S))),
    );
    let unique = without_exact_duplicates(runtime, &within, locations)?;
    let known = read(runtime, &filtered)?;
    let copied: HashSet<usize> = accepted(&unique, &known).into_iter().map(quirk::copied_row).collect();
    drop((unique, known));
    copy(runtime, run, &within, &copied)?;
    let more = end.is_some();
    let state = if more { GOES_ON.to_vec() } else { Vec::new() };
    // The next window of a back-log begins behind the last location, whatever lies between them.
    let processed_through = Some(if more { mark_past(last) } else { last });
    Ok(Outcome { processed_through, state, more })
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
