//! Puts together what a phone shows of a trip: the stage `CREATE_COMPOSITE_OBJECTS`.
//!
//! Each `analysis/confirmed_trip` and `analysis/confirmed_untracked` of the window becomes one
//! `analysis/composite_trip`: its own members, the whole entries of the places at both ends, at most 100 of its
//! locations, and its sections. A phone then reads one stream and follows no links.
//!
//! No stage moves more bytes, so texts are copied from page to row and never parsed as a whole.
//!
//! * Units: seconds. The window is on `data.end_ts`, closed at both ends; the mark is the last trip's `end_ts`.
//! * Memory: the pages that the trip at hand touches, the places of the run, and 32 KiB of rows. A long back-log is
//!   cut into runs of about 16 MiB of output.
//! * Quirk: a place is copied as it is now. When it changes later, whoever changes it brings the copies up to date.
//! * Not here: bringing entries of old formats up to date.

mod compose;
mod places;
mod reading;
mod sections;
mod window;

use cells_sdk::model::EntryId;
use cells_sdk::model::page::BadPage;
use cells_sdk::model::rows::{Row, Rows};
use cells_sdk::model::time::{BadTime, server_metadata_with};
use cells_sdk::{Failure, Level, Log, Outcome, Query, ReadEntries, Run, TimeField, WriteEntries};

use compose::{Around, Trip};

const TRIP: &str = "analysis/confirmed_trip";
const UNTRACKED: &str = "analysis/confirmed_untracked";
const COMPOSITE: &str = "analysis/composite_trip";

const TRIP_PAGE_BYTES: u32 = 32 << 10;
/// What is held back before it is handed over: little, since a guest that grows its memory pays for it.
const ROWS_BYTES: usize = 32 << 10;
/// After this much, a run ends and asks for another, so that no back-log comes near a run's limits.
const RUN_BYTES: usize = 16 << 20;
/// How far behind its mark the next run begins, s: between two runs of a back-log, a trip must not end there.
const RUN_GAP_S: f64 = 5.0;

/// Why a run was given up; nothing of it is kept.
#[derive(Debug, thiserror::Error)]
enum ComposeError {
    #[error("cannot read {keys}: {source}")]
    Read { keys: String, source: Failure },
    #[error("cannot read {keys}: {source}")]
    Page { keys: String, source: BadPage },
    #[error("cannot write composite trips: {0}")]
    Write(#[from] Failure),
    #[error("the moment of the run has no local time: {0}")]
    Now(#[from] BadTime),
}

/// One run of the stage.
pub fn run<R: ReadEntries + WriteEntries + Log>(runtime: &mut R, run: &Run) -> Result<Outcome, String> {
    try_run(runtime, run).map_err(|error| error.to_string())
}

fn try_run<R: ReadEntries + WriteEntries + Log>(runtime: &mut R, run: &Run) -> Result<Outcome, ComposeError> {
    let query = Query::of(&[TRIP, UNTRACKED], TimeField::EndTs).between(run.start, Some(run.end));
    let mut trips = reading::open(runtime, &query)?;
    let mut around = None;
    let mut output = Output::new(run.now);
    let (mut unread, mut incomplete) = (0, 0);
    let mut more = false;
    'pages: loop {
        let bytes = reading::next(&query, &mut trips, TRIP_PAGE_BYTES)?;
        if bytes.is_empty() {
            break;
        }
        for entry in reading::page(&query, &bytes)?.entries() {
            if output.is_enough(entry.time) {
                more = true;
                break 'pages;
            }
            let Some(trip) = Trip::read(&entry) else {
                unread += 1;
                continue;
            };
            let around = around.get_or_insert_with(|| Around::new(run.end, trip.start_ts()));
            let whole = trip.compose(runtime, around, &mut output.data)?;
            incomplete += usize::from(!whole);
            output.push(runtime, entry.key, entry.time)?;
        }
    }
    output.hand_over(runtime)?;
    let mut tell = |count: usize, what: &str| {
        if count > 0 {
            runtime.log(Level::Warn, &format!("{count} {what}"));
        }
    };
    tell(unread, "confirmed trips cannot be read: passed over");
    tell(incomplete, "trips lack a place at an end, or a section has a mode that nobody knows");
    Ok(Outcome { processed_through: output.last_end_ts, state: Vec::new(), more })
}

/// What a run has made so far.
struct Output {
    now: f64,
    /// The data of the trip at hand.
    data: String,
    rows: Rows,
    created: u32,
    bytes: usize,
    last_end_ts: Option<f64>,
}

impl Output {
    fn new(now: f64) -> Self {
        // A trip is mostly smaller than what is held back.
        let (data, rows) = (String::with_capacity(ROWS_BYTES), Rows::with_room(2 * ROWS_BYTES));
        Self { now, data, rows, created: 0, bytes: 0, last_end_ts: None }
    }

    /// Whether the run may end before a trip that ends at `end_ts`, s.
    fn is_enough(&self, end_ts: f64) -> bool {
        self.bytes >= RUN_BYTES && self.last_end_ts.is_some_and(|last| end_ts > last + RUN_GAP_S)
    }

    fn push<R: WriteEntries>(
        &mut self,
        runtime: &mut R,
        origin: &str,
        end_ts: f64,
    ) -> Result<(), ComposeError> {
        let write_ts = self.now + f64::from(self.created) * 1e-6;
        let origin = format!(r#""origin_key":"{origin}""#);
        let metadata = server_metadata_with(COMPOSITE, write_ts, &origin)?;
        let row = Row { id: EntryId::NONE, key: COMPOSITE, metadata: &metadata, data: &self.data, extra: "" };
        self.rows.push(row);
        self.created += 1;
        self.bytes += self.data.len();
        self.last_end_ts = Some(end_ts);
        if self.rows.as_bytes().len() >= ROWS_BYTES { self.hand_over(runtime) } else { Ok(()) }
    }

    fn hand_over<R: WriteEntries>(&mut self, runtime: &mut R) -> Result<(), ComposeError> {
        if !self.rows.is_empty() {
            runtime.insert(&self.rows)?;
            self.rows.clear();
        }
        Ok(())
    }
}

cells_sdk::export_stage!(run);
