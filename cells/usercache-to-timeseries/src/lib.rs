//! Imports the entries that phones have put: each entry gets the form that analysis works on, or is set aside with a
//! reason.
//!
//! One run reads everything in the usercache up to the end of its window, in the order of `metadata.write_ts`, whatever
//! the mark is: an entry that arrives late is imported late. Entries written after the end of the window stay, however
//! far after: either the phone's clock is fast or the host's is slow, and the cell cannot tell which. The first run
//! whose clock has reached their time imports them. Entries of type `document` were never sent by a phone and stay.
//!
//! * Invariants: an entry that was processed has left the usercache; values that do not change keep their text; no
//!   entry is set aside because of the host's clock.
//! * Not here: when two entries are the same (the store), and checks of an entry's identity (`usercache-put`).

mod around;
mod format;
mod phones;
mod reason;

use std::ops::ControlFlow;

use cells_model::aside;
use cells_model::page::Entry;
use cells_model::plausible::LEAD_OF_CLOCK_MAX_S;
use cells_model::rows::{Row, Rows};
use cells_model::text;
use cells_model::time::Zones;
use cells_sdk::{
    Area, Outcome, Query, ReadEntries, Run, RunError, TimeField, Usercache, WINDOW_GAP_S, walk_entries,
};

use around::Around;
pub use format::{Formatted, WriteClock, format};
pub use reason::Reason;

/// How many entries one run processes; the rest is left to the next.
pub const ENTRIES_MAX: usize = 20_000;

const ROWS_BYTES: usize = 64 << 10;

/// How far the moment that an entry is about may be ahead of its writing, s: a wrong zone causes a smaller error.
const AHEAD_MAX_S: f64 = 86_400.0;

/// One run of the stage.
pub fn run<R: ReadEntries + Usercache>(runtime: &mut R, run: &Run) -> Result<Outcome, RunError> {
    run_at_most(runtime, run, ENTRIES_MAX)
}

/// As [`run`], with another bound on the number of entries.
pub fn run_at_most<R: ReadEntries + Usercache>(
    runtime: &mut R,
    run: &Run,
    entries_max: usize,
) -> Result<Outcome, RunError> {
    let waiting = Query::of(&[], TimeField::WriteTs).in_area(Area::Usercache).between(None, Some(run.end));
    let (mut work, mut more) = (Work::new(run), false);
    walk_entries(runtime, &waiting, |runtime, entry| {
        if work.handled == entries_max {
            more = true;
            return Ok(ControlFlow::Break(()));
        }
        work.handle(runtime, &entry).map(ControlFlow::Continue)
    })?;
    work.flush(runtime)?;
    // The mark never moves back, though entries below it are imported.
    let mark = run.start.map_or(f64::NEG_INFINITY, |start| start - WINDOW_GAP_S);
    let processed_through = work.last_good.filter(|last| *last > mark);
    Ok(Outcome { processed_through, state: Vec::new(), more })
}

struct Work<'r> {
    run: &'r Run,
    zones: Zones,
    around: Around,
    good: Rows,
    bad: Rows,
    handled: usize,
    last_good: Option<f64>,
}

impl<'r> Work<'r> {
    fn new(run: &'r Run) -> Self {
        let (zones, around) = (Zones::new(), Around::default());
        Self { run, zones, around, good: Rows::new(), bad: Rows::new(), handled: 0, last_good: None }
    }

    fn handle<R: ReadEntries + Usercache>(
        &mut self,
        runtime: &mut R,
        entry: &Entry<'_>,
    ) -> Result<(), RunError> {
        let kind = text::value_of(entry.metadata, "type").and_then(text::string);
        if kind.as_deref() == Some("document") {
            return Ok(());
        }
        self.handled += 1;
        let formatted = match kind.as_deref() {
            Some("message" | "sensor-data" | "rw-document") => self.format(runtime, entry)?,
            _ => Err(Reason::Type),
        };
        match formatted {
            Ok(Formatted { key, metadata, data }) => {
                self.good.push(Row { id: entry.id, key, metadata: &metadata, data: &data, extra: "" });
                self.last_good = Some(entry.write_ts);
            }
            Err(reason) => {
                let extra = aside::Error::new(reason, self.run.now).member();
                let Entry { id, key, metadata, data, .. } = *entry;
                self.bad.push(Row { id, key, metadata, data, extra: &extra });
            }
        }
        if self.good.as_bytes().len() + self.bad.as_bytes().len() < ROWS_BYTES {
            Ok(())
        } else {
            self.flush(runtime)
        }
    }

    fn format<'a, R: ReadEntries>(
        &mut self,
        runtime: &mut R,
        entry: &Entry<'a>,
    ) -> Result<Result<Formatted<'a>, Reason>, RunError> {
        let Entry { key, metadata, data, write_ts, .. } = *entry;
        let formatted = format(&mut self.zones, WriteClock::Right, key, metadata, data);
        match formatted {
            Err(Reason::Ahead { lead_s })
                if lead_s <= LEAD_OF_CLOCK_MAX_S
                    && self.around.are_ahead_alike(runtime, key, write_ts, lead_s)? =>
            {
                Ok(format(&mut self.zones, WriteClock::Behind, key, metadata, data))
            }
            formatted => Ok(formatted),
        }
    }

    fn flush<R: Usercache>(&mut self, runtime: &mut R) -> Result<(), RunError> {
        if !self.good.is_empty() {
            runtime.take_in(&self.good).map_err(RunError::Write)?;
            self.good.clear();
        }
        if !self.bad.is_empty() {
            runtime.set_aside(&self.bad).map_err(RunError::Write)?;
            self.bad.clear();
        }
        Ok(())
    }
}

cells_sdk::export_stage!(run);

#[cfg(test)]
mod tests;
