//! Making the ends of the chains what they were when nothing came behind them.

use cells_locations::for_each_entry;
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
    let entered = Query::of(&["segmentation/raw_place"], TimeField::EnterTs);
    let entered = entered.between(Some(cut.before_ts), Some(cut.start_ts));
    reopen(runtime, &entered, |id, _| id == cut.place, |_| ()).map(drop)
}

/// The cleaned place at the end of the last cleaned trip that stays.
pub fn cleaned_place<R: ReadEntries + WriteEntries>(
    runtime: &mut R,
    cut: &CleanCut,
) -> Result<(), RewindError> {
    let entered = Query::of(&["analysis/cleaned_place"], TimeField::EnterTs);
    let entered = entered.between(Some(cut.last_start_ts), Some(cut.through_ts));
    let trip = json!(cut.last);
    // Places that were joined to it belong to trips that go.
    let only_its_own = |place: &mut Map<String, Value>| {
        place.insert("raw_places".to_owned(), json!([cut.raw_place]));
    };
    let ends_trip = |_, place: &Map<String, Value>| place.get("ending_trip") == Some(&trip);
    reopen(runtime, &entered, ends_trip, only_its_own).map(drop)
}

/// The confirmed place from which that trip begins.
pub fn confirmed_place<R: ReadEntries + WriteEntries>(
    runtime: &mut R,
    cut: &ConfirmedCut,
) -> Result<(), RewindError> {
    let entered = Query::of(&["analysis/confirmed_place"], TimeField::EnterTs);
    let entered = entered.between(Some(cut.enter_ts), Some(cut.enter_ts));
    reopen(runtime, &entered, |id, _| id == cut.place, |_| ()).map(drop)
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

/// Opens the first place that is the one meant; answers its id.
fn reopen<R: ReadEntries + WriteEntries>(
    runtime: &mut R,
    query: &Query,
    is_it: impl Fn(EntryId, &Map<String, Value>) -> bool,
    change: impl Fn(&mut Map<String, Value>),
) -> Result<Option<EntryId>, RewindError> {
    let mut opened = None;
    for_each_entry(runtime, query, |runtime, entry| {
        let place = serde_json::from_str(entry.data);
        let mut place: Map<String, Value> =
            place.map_err(|source| RewindError::BadEntry { id: entry.id, source })?;
        if opened.is_none() && is_it(entry.id, &place) {
            OF_THE_EXIT.iter().for_each(|name| drop(place.remove(*name)));
            change(&mut place);
            let data = Value::Object(place).to_string();
            let mut rows = Rows::new();
            rows.push(Row { id: entry.id, key: entry.key, metadata: entry.metadata, data: &data, extra: "" });
            runtime.replace(&rows)?;
            opened = Some(entry.id);
        }
        Ok::<(), RewindError>(())
    })?;
    Ok(opened)
}
