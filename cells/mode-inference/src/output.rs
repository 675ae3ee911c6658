//! Writes the entries: for each section a prediction and then the section itself.

use cells_sdk::model::EntryId;
use cells_sdk::model::inference::PredictedMode;
use cells_sdk::model::page::Entry;
use cells_sdk::model::rows::Row;
use cells_sdk::model::text::{Object, member, quoted};
use cells_sdk::{Output, RunError, WriteEntries};

use crate::section::Wire;

const PREDICTION: &str = "inference/prediction";
const INFERRED: &str = "analysis/inferred_section";
/// The algorithm that uses rules.
const ALGORITHM: u8 = 2;

/// Adds a section that was travelled in that mode.
pub(crate) fn add<R: WriteEntries>(
    output: &mut Output,
    runtime: &mut R,
    entry: &Entry<'_>,
    wire: &Wire<'_>,
    mode: PredictedMode,
) -> Result<(), RunError> {
    output.insert(runtime, PREDICTION, &prediction(entry.id, wire, mode))?;
    let bad = || RunError::entry(entry.id, "is not a JSON object with a mode and a key");
    // The reference copies the section's metadata as well, its write time included.
    let metadata = with_key(entry.metadata, INFERRED).ok_or_else(bad)?;
    let data = with_mode(entry, mode).ok_or_else(bad)?;
    let id = EntryId::NONE;
    output.push(runtime, Row { id, key: INFERRED, metadata: &metadata, data: &data, extra: "" })
}

fn prediction(section: EntryId, wire: &Wire<'_>, mode: PredictedMode) -> String {
    let Wire { trip_id, start_ts, end_ts, .. } = wire;
    let name = mode.name();
    format!(
        r#"{{"trip_id":{trip_id},"section_id":{{"$oid":"{section}"}},"algorithm_id":{ALGORITHM},"predicted_mode_map":{{"{name}":1}},"start_ts":{start_ts},"end_ts":{end_ts}}}"#
    )
}

/// The section's data with that mode; all other members keep their text.
fn with_mode(entry: &Entry<'_>, mode: PredictedMode) -> Option<String> {
    let mut data = Object::read(entry.data).ok()?;
    data.set("sensed_mode", mode.number().to_string());
    data.set("cleaned_section", format!(r#"{{"$oid":"{}"}}"#, entry.id));
    Some(data.write(""))
}

/// The metadata with another key, byte for byte the same elsewhere.
fn with_key(metadata: &str, key: &str) -> Option<String> {
    let place = member(metadata, "key")?.value_range();
    Some([&metadata[..place.start], &quoted(key), &metadata[place.end..]].concat())
}
