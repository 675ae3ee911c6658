//! Entries on their way out: for each section a prediction and then the section itself.

use cells_sdk::WriteEntries;
use cells_sdk::model::EntryId;
use cells_sdk::model::inference::PredictedMode;
use cells_sdk::model::page::Entry;
use cells_sdk::model::rows::{Row, Rows};
use cells_sdk::model::text::{Object, member, quoted};
use cells_sdk::model::time::server_metadata;

use crate::InferError;
use crate::section::Wire;

const PREDICTION: &str = "inference/prediction";
const INFERRED: &str = "analysis/inferred_section";
/// The algorithm that goes by rules.
const ALGORITHM: u8 = 2;
const ROWS_BYTES: usize = 128 << 10;
/// How much one run writes at least, where there is as much: half of what a run may write.
const RUN_BYTES: usize = 32 << 20;

/// Output that is not written yet.
pub(crate) struct Output {
    now: f64,
    created: u32,
    rows: Rows,
    written_bytes: usize,
}

impl Output {
    /// Nothing yet, at `now`, s.
    pub(crate) fn new(now: f64) -> Self {
        Self { now, created: 0, rows: Rows::new(), written_bytes: 0 }
    }

    /// Adds a section that was travelled in that mode.
    pub(crate) fn add(
        &mut self,
        entry: &Entry<'_>,
        wire: &Wire<'_>,
        mode: PredictedMode,
    ) -> Result<(), InferError> {
        // Entries of one run keep their order in their write times.
        let metadata = server_metadata(PREDICTION, self.now + f64::from(self.created) * 1e-6)?;
        self.created += 1;
        self.push(PREDICTION, &metadata, &prediction(entry.id, wire, mode));
        // The reference copies the section's metadata as well, its write time included.
        let metadata = with_key(entry.metadata, INFERRED).ok_or(InferError::Shape(entry.id))?;
        let data = with_mode(entry, mode).ok_or(InferError::Shape(entry.id))?;
        self.push(INFERRED, &metadata, &data);
        Ok(())
    }

    fn push(&mut self, key: &str, metadata: &str, data: &str) {
        self.rows.push(Row { id: EntryId::NONE, key, metadata, data, extra: "" });
    }

    /// Whether a run should end here.
    pub(crate) fn is_full(&self) -> bool {
        self.written_bytes > RUN_BYTES
    }

    /// Writes where there is much.
    pub(crate) fn write_if_long<R: WriteEntries>(&mut self, runtime: &mut R) -> Result<(), InferError> {
        if self.rows.as_bytes().len() > ROWS_BYTES { self.write(runtime) } else { Ok(()) }
    }

    /// Writes all there is.
    pub(crate) fn write<R: WriteEntries>(&mut self, runtime: &mut R) -> Result<(), InferError> {
        if !self.rows.is_empty() {
            runtime.insert(&self.rows)?;
            self.written_bytes += self.rows.as_bytes().len();
            self.rows.clear();
        }
        Ok(())
    }
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
