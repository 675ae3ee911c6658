//! Writes the entries. The reference writes the trips of a run first, then all guesses of the one algorithm, then all
//! guesses of all algorithms together; ids and write times keep that order within a piece of output.

use cells_sdk::model::EntryId;
use cells_sdk::model::inference::LabelSet;
use cells_sdk::model::page::Entry;
use cells_sdk::model::text::with_members;
use cells_sdk::{Output, Run, RunError, WriteEntries};

use crate::Trip;

const INFERRED: &str = "analysis/inferred_trip";
const LABELS: &str = "inference/labels";
const ALL_LABELS: &str = "analysis/inferred_labels";
/// The algorithm that compares trips between the same places.
const ALGORITHM: u8 = 7;
/// A piece ends when its trips are this long: 512 KiB with the 8 bytes in front of packed rows.
const TRIPS_BYTES: usize = (512 << 10) - 8;

/// Trips that are written, and guesses about them that wait for the end of the piece.
pub struct Guesses {
    output: Output,
    /// How much was written before this piece, bytes.
    written: usize,
    guesses: Vec<Guess>,
}

/// The data of `inference/labels` for a trip.
struct Guess {
    start_ts: String,
    end_ts: String,
    prediction: String,
}

impl Guesses {
    /// None yet.
    pub fn new(run: &Run) -> Self {
        Self { output: Output::new(run), written: 0, guesses: Vec::new() }
    }

    /// Adds a trip with its guess; returns `false` where its text is no object.
    pub fn add<R: WriteEntries>(
        &mut self,
        runtime: &mut R,
        entry: &Entry<'_>,
        trip: &Trip<'_>,
        prediction: &[LabelSet],
    ) -> Result<bool, RunError> {
        let prediction =
            serde_json::to_string(prediction).expect("the types hold only what JSON can represent");
        let id = entry.id;
        let more = format!(r#""cleaned_trip":{{"$oid":"{id}"}},"inferred_labels":{prediction}"#);
        let Some(data) = with_members(entry.data, &more) else { return Ok(false) };
        self.output.insert(runtime, INFERRED, &data)?;
        let (start_ts, end_ts) = (trip.start_ts.get().to_owned(), trip.end_ts.get().to_owned());
        self.guesses.push(Guess { start_ts, end_ts, prediction });
        if self.output.bytes() - self.written > TRIPS_BYTES {
            self.end_piece(runtime)?;
        }
        Ok(true)
    }

    /// As [`Output::may_end_before`].
    pub fn may_end_before(&self, last: Option<f64>, next: f64) -> bool {
        self.output.may_end_before(last, next)
    }

    /// Writes the rest.
    pub fn finish<R: WriteEntries>(mut self, runtime: &mut R) -> Result<(), RunError> {
        self.end_piece(runtime)?;
        self.output.finish(runtime)
    }

    /// Adds the guesses about the trips so far.
    fn end_piece<R: WriteEntries>(&mut self, runtime: &mut R) -> Result<(), RunError> {
        let (trips, guesses) = (self.output.take_ids(runtime)?, std::mem::take(&mut self.guesses));
        for key in [LABELS, ALL_LABELS] {
            for (trip, guess) in trips.iter().zip(&guesses) {
                self.output.insert(runtime, key, &guess.data(*trip))?;
            }
        }
        self.output.take_ids(runtime)?;
        self.written = self.output.bytes();
        Ok(())
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
