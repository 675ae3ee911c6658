//! Composes the trips that a phone shows: the stage `CREATE_COMPOSITE_OBJECTS`.
//!
//! Each `analysis/confirmed_trip` and `analysis/confirmed_untracked` of the window becomes one
//! `analysis/composite_trip`: its own members, the whole entries of the places at both ends, at most 100 of its
//! locations, and its sections. A phone then reads one stream and follows no links.
//!
//! No stage moves more bytes, so texts are copied from page to row and never parsed as a whole.
//!
//! * Units: seconds. The window is on `data.end_ts`, closed at both ends; the mark is the last trip's `end_ts`.
//! * State: the write time up to which the stage has checked trips (see the module `behind`).
//! * Memory: the pages that the present trip needs, the places of a page of trips, and 32 KiB of rows. A long back-log
//!   is cut into runs of about 16 MiB of output.
//! * Quirk: a place is copied as it is now. A stage that changes it later updates the copies.
//! * Not here: updating entries of old formats.

mod behind;
mod compose;
mod named;
mod sections;
mod window;

use cells_sdk::limits::QUERY_IDS_MAX;
use cells_sdk::{
    EntrySource, Log, Outcome, Output, Pages, ReadEntries, Run, RunError, TimeField, WINDOW_GAP_S,
    WriteEntries, warn_count,
};

use behind::{Behind, Looked};
use compose::{Around, Trip};
use named::Named;

const TRIP: &str = "analysis/confirmed_trip";
const UNTRACKED: &str = "analysis/confirmed_untracked";
const COMPOSITE: &str = "analysis/composite_trip";

/// The most bytes of one page of trips: their places are in memory too.
const PAGE_BYTES: u32 = 32 << 10;
/// Room for a composite trip, bytes.
const TRIP_BYTES: usize = 32 << 10;
/// After this much output, a run ends and asks for another, so that no back-log comes near a run's limits.
const RUN_BYTES: usize = 16 << 20;
/// One run of the stage.
pub fn run<R: ReadEntries + WriteEntries + Log>(runtime: &mut R, run: &Run) -> Result<Outcome, RunError> {
    let mut looked = Looked::read(&run.state);
    let behind = Behind::find(runtime, run, &mut looked)?;
    let mut composer = Composer::new(run, looked);
    for some in behind.trips.chunks(QUERY_IDS_MAX) {
        let trips = Pages::find_ids(runtime, &[TRIP], some)?;
        composer.all_of(runtime, trips, Past::Window)?;
    }
    let trips = Pages::find(runtime, &run.window(&[TRIP, UNTRACKED], TimeField::EndTs))?;
    let more = composer.all_of(runtime, trips, Past::Mark)?;
    let Composer { output, last_end_ts, looked, unread, incomplete, .. } = composer;
    output.finish(runtime)?;
    warn_count(runtime, unread, "confirmed trips cannot be read: passed over");
    warn_count(runtime, incomplete, "trips lack a place at an end, or have a section of an unknown mode");
    warn_count(
        runtime,
        behind.spans,
        "spans without readings end before the mark of earlier runs: they are not shown",
    );
    Ok(Outcome { processed_through: last_end_ts, state: looked.to_state(), more })
}

/// How trips relate to the run's mark.
#[derive(Clone, Copy, PartialEq)]
enum Past {
    /// They belong to the window, in the order of their ends: the last one is the mark.
    Mark,
    /// They end before the window, and do not change the mark.
    Window,
}

/// The state during a run. `C`: the runtime's cursor.
struct Composer<C> {
    around: Around<C>,
    output: Output,
    /// The data of the present trip.
    data: String,
    /// When the last trip of the window ended, s.
    last_end_ts: Option<f64>,
    looked: Looked,
    unread: usize,
    incomplete: usize,
}

impl<C: EntrySource> Composer<C> {
    fn new(run: &Run, looked: Looked) -> Self {
        // A trip is mostly smaller.
        let data = String::with_capacity(TRIP_BYTES);
        let (around, output) = (Around::new(), Output::new(run));
        Self { around, output, data, last_end_ts: None, looked, unread: 0, incomplete: 0 }
    }

    /// Composes the trips of some pages. Returns whether it stopped before the end.
    fn all_of<R: ReadEntries<Entries = C> + WriteEntries>(
        &mut self,
        runtime: &mut R,
        mut trips: Pages<C>,
        past: Past,
    ) -> Result<bool, RunError> {
        while let Some(page) = trips.next_page(PAGE_BYTES)? {
            let read: Vec<_> = page.entries().map(|entry| (Trip::read(&entry), entry)).collect();
            let known = || read.iter().filter_map(|(trip, _)| trip.as_ref());
            let raw_trips = known().filter_map(Trip::raw_trip).collect();
            let named = Named::read(runtime, known().flat_map(Trip::places).collect(), raw_trips)?;
            for (trip, entry) in &read {
                if past == Past::Mark && self.is_enough(entry.time) {
                    return Ok(true);
                }
                self.looked.note(entry.write_ts);
                let Some(trip) = trip else {
                    self.unread += 1;
                    continue;
                };
                let whole = trip.compose(runtime, &mut self.around, &named, &mut self.data)?;
                self.incomplete += usize::from(!whole);
                let origin = format!(r#""origin_key":"{}""#, entry.key);
                self.output.insert_with(runtime, COMPOSITE, &origin, &self.data)?;
                if past == Past::Mark {
                    self.last_end_ts = Some(entry.time);
                }
            }
        }
        Ok(false)
    }

    /// Whether the run may end before a trip that ends at `end_ts`, s.
    fn is_enough(&self, end_ts: f64) -> bool {
        self.output.bytes() >= RUN_BYTES && self.last_end_ts.is_some_and(|last| end_ts > last + WINDOW_GAP_S)
    }
}

cells_sdk::export_stage!(run);
