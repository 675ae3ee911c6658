//! Restores the ends of the chains to their state when nothing followed them.

use cells_sdk::model::EntryId;
use cells_sdk::model::rows::Row;
use cells_sdk::{
    Output, Query, ReadEntries, RunError, TimeField, WriteEntries, data_of, for_each_by_id, for_each_entry,
};
use serde_json::{Map, Value, json};

use crate::cut::{CleanCut, ConfirmedCut, RawCut};

/// Members that a place has only after it was left.
const OF_THE_EXIT: [&str; 5] = ["exit_ts", "exit_local_dt", "exit_fmt_time", "starting_trip", "duration"];

/// Reopens the place from which the first removed raw trip had begun.
pub fn raw_place<R: ReadEntries + WriteEntries>(
    runtime: &mut R,
    output: &mut Output,
    cut: &RawCut,
) -> Result<(), RunError> {
    reopen(runtime, output, "segmentation/raw_place", cut.place, |_| ())
}

/// Reopens the cleaned place at the end of the last cleaned trip that stays.
pub fn cleaned_place<R: ReadEntries + WriteEntries>(
    runtime: &mut R,
    output: &mut Output,
    cut: &CleanCut,
) -> Result<(), RunError> {
    // Places that were joined to it belong to removed trips.
    let only_its_own = |place: &mut Map<String, Value>| {
        place.insert("raw_places".to_owned(), json!([cut.raw_place]));
    };
    reopen(runtime, output, "analysis/cleaned_place", cut.end_place, only_its_own)
}

/// Reopens the confirmed place from which that trip begins.
pub fn confirmed_place<R: ReadEntries + WriteEntries>(
    runtime: &mut R,
    output: &mut Output,
    cut: &ConfirmedCut,
) -> Result<(), RunError> {
    reopen(runtime, output, "analysis/confirmed_place", cut.place, |_| ())
}

/// Points that were out of order may be in order now: this is decided again.
pub fn valid_points<R: ReadEntries + WriteEntries>(
    runtime: &mut R,
    output: &mut Output,
    from: f64,
) -> Result<(), RunError> {
    let written = Query::of(&["background/filtered_location"], TimeField::WriteTs).between(Some(from), None);
    let written = Query { with_invalid: true, ..written };
    for_each_entry(runtime, &written, |runtime, entry| {
        if !entry.invalid {
            return Ok(());
        }
        let (id, key, metadata, data) = (entry.id, entry.key, entry.metadata, entry.data);
        output.push(runtime, Row { id, key, metadata, data, extra: "" })
    })
}

/// Opens a place.
fn reopen<R: ReadEntries + WriteEntries>(
    runtime: &mut R,
    output: &mut Output,
    key: &str,
    id: EntryId,
    change: impl Fn(&mut Map<String, Value>),
) -> Result<(), RunError> {
    let mut opened = None;
    for_each_by_id(runtime, &[key], &[id], |entry| {
        let mut place: Map<String, Value> = data_of(&entry)?;
        OF_THE_EXIT.iter().for_each(|name| drop(place.remove(*name)));
        change(&mut place);
        opened = Some((entry.metadata.to_owned(), Value::Object(place).to_string()));
        Ok(())
    })?;
    let Some((metadata, data)) = opened else { return Ok(()) };
    output.push(runtime, Row { id, key, metadata: &metadata, data: &data, extra: "" })
}
