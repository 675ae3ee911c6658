//! Entries on their way out. The reference makes the trips of a run first, then all guesses of the one algorithm,
//! then all guesses of all algorithms together; ids and write times keep that order within a piece of output.

use cells_sdk::WriteEntries;
use cells_sdk::model::EntryId;
use cells_sdk::model::inference::LabelSet;
use cells_sdk::model::page::Entry;
use cells_sdk::model::rows::{Row, Rows};
use cells_sdk::model::text::with_members;
use cells_sdk::model::time::server_metadata;

use crate::{InferError, Trip};

const INFERRED: &str = "analysis/inferred_trip";
const LABELS: &str = "inference/labels";
const ALL_LABELS: &str = "analysis/inferred_labels";
/// The algorithm that goes by trips between the same places.
const ALGORITHM: u8 = 7;
/// A piece of output is written when its trips are this long.
const TRIPS_BYTES: usize = 512 << 10;

/// Output that is not written yet.
pub struct Output {
    now: f64,
    created: u32,
    trips: Rows,
    guesses: Vec<Guess>,
}

/// What `inference/labels` says of a trip.
struct Guess {
    start_ts: String,
    end_ts: String,
    prediction: String,
}

impl Output {
    /// Nothing yet, at `now`, s.
    pub fn new(now: f64) -> Self {
        Self { now, created: 0, trips: Rows::new(), guesses: Vec::new() }
    }

    /// Adds a trip with its guess; answers `false` where its text is no object.
    pub fn add(
        &mut self,
        entry: &Entry<'_>,
        trip: &Trip<'_>,
        prediction: &[LabelSet],
    ) -> Result<bool, InferError> {
        let prediction = serde_json::to_string(prediction).expect("the types hold nothing that JSON has not");
        let id = entry.id;
        let more = format!(r#""cleaned_trip":{{"$oid":"{id}"}},"inferred_labels":{prediction}"#);
        let Some(data) = with_members(entry.data, &more) else { return Ok(false) };
        let metadata = self.metadata(INFERRED)?;
        self.trips.push(Row {
            id: EntryId::NONE,
            key: INFERRED,
            metadata: &metadata,
            data: &data,
            extra: "",
        });
        let (start_ts, end_ts) = (trip.start_ts.get().to_owned(), trip.end_ts.get().to_owned());
        self.guesses.push(Guess { start_ts, end_ts, prediction });
        Ok(true)
    }

    /// Writes where there is much.
    pub fn write_if_full<R: WriteEntries>(&mut self, runtime: &mut R) -> Result<(), InferError> {
        if self.trips.as_bytes().len() > TRIPS_BYTES { self.write(runtime) } else { Ok(()) }
    }

    /// Writes all there is.
    pub fn write<R: WriteEntries>(&mut self, runtime: &mut R) -> Result<(), InferError> {
        if self.guesses.is_empty() {
            return Ok(());
        }
        let trips = runtime.insert(&self.trips)?;
        self.trips.clear();
        let guesses = std::mem::take(&mut self.guesses);
        if trips.len() != guesses.len() {
            return Err(InferError::IdsMissing);
        }
        let mut rows = Rows::new();
        for key in [LABELS, ALL_LABELS] {
            for (trip, guess) in trips.iter().zip(&guesses) {
                let metadata = self.metadata(key)?;
                let data = guess.data(*trip);
                rows.push(Row { id: EntryId::NONE, key, metadata: &metadata, data: &data, extra: "" });
            }
        }
        runtime.insert(&rows)?;
        Ok(())
    }

    fn metadata(&mut self, key: &str) -> Result<String, InferError> {
        // Entries of one run keep their order in their write times.
        let metadata = server_metadata(key, self.now + f64::from(self.created) * 1e-6)?;
        self.created += 1;
        Ok(metadata)
    }
}

impl Guess {
    fn data(&self, trip: EntryId) -> String {
        let Self { start_ts, end_ts, prediction } = self;
        format!(
            r#"{{"trip_id":{{"$oid":"{trip}"}},"algorithm_id":{ALGORITHM},"prediction":{prediction},"start_ts":{start_ts},"end_ts":{end_ts}}}"#
        )
    }
}
