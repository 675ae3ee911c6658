//! Making the ends of the chains what they were when nothing came behind them.

use cells_locations::{for_each_entry, for_each_id};
use cells_sdk::model::EntryId;
use cells_sdk::model::rows::{Row, Rows};
use cells_sdk::{Query, ReadEntries, TimeField, WriteEntries};
use serde_json::{Map, Value, json};

use crate::RewindError;
use crate::cut::{CleanCut, ConfirmedCut, RawCut};

/// What a place has only once somebody has left it.
const OF_THE_EXIT: [&str; 5] = ["exit_ts", "exit_local_dt", "exit_fmt_time", "starting_trip", "duration"];

/// How many rows of points go in one call.
const ROWS_BYTES_MAX: usize = 4 << 20;

/// The place from which the first raw trip that goes had begun.
pub fn raw_place<R: ReadEntries + WriteEntries>(runtime: &mut R, cut: &RawCut) -> Result<(), RewindError> {
    reopen(runtime, "segmentation/raw_place", cut.place, |_| ())
}

/// The cleaned place at the end of the last cleaned trip that stays.
pub fn cleaned_place<R: ReadEntries + WriteEntries>(
    runtime: &mut R,
    cut: &CleanCut,
) -> Result<(), RewindError> {
    // Places that were joined to it belong to trips that go.
    let only_its_own = |place: &mut Map<String, Value>| {
        place.insert("raw_places".to_owned(), json!([cut.raw_place]));
    };
    reopen(runtime, "analysis/cleaned_place", cut.end_place, only_its_own)
}

/// The confirmed place from which that trip begins.
pub fn confirmed_place<R: ReadEntries + WriteEntries>(
    runtime: &mut R,
    cut: &ConfirmedCut,
) -> Result<(), RewindError> {
    reopen(runtime, "analysis/confirmed_place", cut.place, |_| ())
}

/// Points that were out of order may be in order now: that is judged anew.
pub fn valid_points<R: ReadEntries + WriteEntries>(runtime: &mut R, from: f64) -> Result<(), RewindError> {
    let written = Query::of(&["background/filtered_location"], TimeField::WriteTs).between(Some(from), None);
    let written = Query { with_invalid: true, ..written };
    let mut rows = Rows::new();
    for_each_entry(runtime, &written, |runtime, entry| {
        if entry.invalid {
            let Entry { key, metadata, data, .. } = entry;
            rows.push(Row { id: entry.id, key, metadata, data, extra: "" });
        }
        if rows.as_bytes().len() > ROWS_BYTES_MAX {
            runtime.replace(&rows)?;
            rows.clear();
        }
        Ok::<(), RewindError>(())
    })?;
    Ok(runtime.replace(&rows)?)
}

type Entry<'a> = cells_sdk::model::page::Entry<'a>;

/// Opens a place.
fn reopen<R: ReadEntries + WriteEntries>(
    runtime: &mut R,
    key: &str,
    id: EntryId,
    change: impl Fn(&mut Map<String, Value>),
) -> Result<(), RewindError> {
    let mut rows = Rows::new();
    let mut opened = Ok(());
    for_each_id(runtime, &[key], &[id], |entry| {
        opened = serde_json::from_str(entry.data).map(|mut place: Map<String, Value>| {
            OF_THE_EXIT.iter().for_each(|name| drop(place.remove(*name)));
            change(&mut place);
            let data = Value::Object(place).to_string();
            rows.push(Row { id, key, metadata: entry.metadata, data: &data, extra: "" });
        });
    })?;
    opened.map_err(|source| RewindError::BadEntry { id, source })?;
    if rows.is_empty() { Ok(()) } else { Ok(runtime.replace(&rows)?) }
}
