//! Puts together what a phone shows of a trip: the stage `CREATE_COMPOSITE_OBJECTS`.
//!
//! Each `analysis/confirmed_trip` and `analysis/confirmed_untracked` of the window becomes one
//! `analysis/composite_trip`: its own members, the whole entries of the places at both ends, at most 100 of its
//! locations, and its sections. A phone then reads one stream and follows no links.
//!
//! No stage moves more bytes, so texts are copied from page to row and never parsed as a whole.
//!
//! * Units: seconds. The window is on `data.end_ts`, closed at both ends; the mark is the last trip's `end_ts`.
//! * State: up to when trips were written that the stage has looked at (see the module `behind`).
//! * Memory: the pages that the trip at hand touches, the places of a page of trips, and 32 KiB of rows. A long
//!   back-log is cut into runs of about 16 MiB of output.
//! * Quirk: a place is copied as it is now. When it changes later, whoever changes it brings the copies up to date.
//! * Not here: bringing entries of old formats up to date.

mod behind;
mod compose;
mod named;
mod reading;
mod sections;
mod window;

use cells_sdk::model::EntryId;
use cells_sdk::model::page::BadPage;
use cells_sdk::model::rows::{Row, Rows};
use cells_sdk::model::time::{BadTime, server_metadata_with};
use cells_sdk::{
    EntrySource, Failure, Level, Log, Outcome, Query, ReadEntries, Run, TimeField, Unreadable, WriteEntries,
};

use behind::{Behind, Looked};
use compose::{Around, Trip};
use named::Named;

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
    #[error("cannot read {key}: {source}")]
    Named { key: &'static str, source: Unreadable },
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
    let mut looked = Looked::read(&run.state);
    let behind = Behind::find(runtime, run, &mut looked)?;
    let mut composer = Composer::new(run, looked);
    if !behind.trips.is_empty() {
        let query = Query::of(&[TRIP], TimeField::WriteTs);
        let trips = runtime.find_ids(&[TRIP], &behind.trips);
        let mut trips = trips.map_err(|source| ComposeError::Read { keys: TRIP.to_owned(), source })?;
        composer.all_of(runtime, &query, &mut trips, Past::Window)?;
    }
    let query = Query::of(&[TRIP, UNTRACKED], TimeField::EndTs).between(run.start, Some(run.end));
    let mut trips = reading::open(runtime, &query)?;
    let more = composer.all_of(runtime, &query, &mut trips, Past::Mark)?;
    composer.output.hand_over(runtime)?;
    let mut tell = |count: usize, what: &str| {
        if count > 0 {
            runtime.log(Level::Warn, &format!("{count} {what}"));
        }
    };
    tell(composer.unread, "confirmed trips cannot be read: passed over");
    tell(composer.incomplete, "trips lack a place at an end, or a section has a mode that nobody knows");
    tell(
        behind.spans,
        "spans without readings end before what earlier runs have come to: they are not shown",
    );
    let Composer { output, looked, .. } = composer;
    Ok(Outcome { processed_through: output.last_end_ts, state: looked.to_state(), more })
}

/// How trips stand to the run's mark.
#[derive(Clone, Copy, PartialEq)]
enum Past {
    /// They are of the window, in the order of their ends: the last one is the mark.
    Mark,
    /// They end before the window, and no mark is theirs.
    Window,
}

/// A run at work. `C`: the runtime's cursor.
struct Composer<C> {
    around: Around<C>,
    output: Output,
    looked: Looked,
    unread: usize,
    incomplete: usize,
}

impl<C: EntrySource> Composer<C> {
    fn new(run: &Run, looked: Looked) -> Self {
        Self { around: Around::new(), output: Output::new(run.now), looked, unread: 0, incomplete: 0 }
    }

    /// Composes the trips that a cursor brings. Answers whether it stopped before the end.
    fn all_of<R: ReadEntries<Entries = C> + WriteEntries>(
        &mut self,
        runtime: &mut R,
        query: &Query,
        trips: &mut C,
        past: Past,
    ) -> Result<bool, ComposeError> {
        loop {
            let bytes = reading::next(query, trips, TRIP_PAGE_BYTES)?;
            if bytes.is_empty() {
                return Ok(false);
            }
            let page = reading::page(query, &bytes)?;
            let read: Vec<_> = page.entries().map(|entry| (Trip::read(&entry), entry)).collect();
            let known = || read.iter().filter_map(|(trip, _)| trip.as_ref());
            let raw_trips = known().filter_map(Trip::raw_trip).collect();
            let named = Named::read(runtime, known().flat_map(Trip::places).collect(), raw_trips)?;
            for (trip, entry) in &read {
                if past == Past::Mark && self.output.is_enough(entry.time) {
                    return Ok(true);
                }
                self.looked.note(entry.write_ts);
                let Some(trip) = trip else {
                    self.unread += 1;
                    continue;
                };
                let whole = trip.compose(runtime, &mut self.around, &named, &mut self.output.data)?;
                self.incomplete += usize::from(!whole);
                self.output.push(runtime, entry.key)?;
                if past == Past::Mark {
                    self.output.last_end_ts = Some(entry.time);
                }
            }
        }
    }
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

    fn push<R: WriteEntries>(&mut self, runtime: &mut R, origin: &str) -> Result<(), ComposeError> {
        let write_ts = self.now + f64::from(self.created) * 1e-6;
        let origin = format!(r#""origin_key":"{origin}""#);
        let metadata = server_metadata_with(COMPOSITE, write_ts, &origin)?;
        let row = Row { id: EntryId::NONE, key: COMPOSITE, metadata: &metadata, data: &self.data, extra: "" };
        self.rows.push(row);
        self.created += 1;
        self.bytes += self.data.len();
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
