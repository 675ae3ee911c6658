//! Takes in what phones have put: each entry gets the form that analysis works on, or is set aside with a reason.
//!
//! One run looks at everything in the usercache up to the end of its window, in the order of `metadata.write_ts`,
//! whatever the mark says: an entry that arrives late is taken in late. What was written behind the end of the window
//! stays, however far: either the phone's clock is ahead or the host's is behind, and the cell cannot tell which. It is
//! taken in by the first run whose clock has come so far. Entries of type `document` were never sent by a phone and stay.
//!
//! * Invariants: an entry that was looked at has left the usercache; values that do not change keep their text; nothing
//!   is set aside because of the host's clock.
//! * Not here: what makes an entry the same as another (the store), and checks of its identity (`usercache-put`).

mod around;
mod format;
mod phones;
mod reason;

use cells_model::aside;
use cells_model::page::{Entry, Page};
use cells_model::plausible::LEAD_OF_CLOCK_MAX_S;
use cells_model::rows::{Row, Rows};
use cells_model::text;
use cells_model::time::Zones;
use cells_sdk::{Area, EntrySource, Failure, Outcome, Query, ReadEntries, Run, TimeField, Usercache};

use around::Around;
pub use format::{Formatted, WriteClock, format};
pub use reason::Reason;

/// How many entries one run handles; more are for the next.
pub const ENTRIES_MAX: usize = 20_000;

const PAGE_BYTES: u32 = 64 << 10;
const ROWS_BYTES: usize = 64 << 10;

/// How far the moment that an entry is about may be ahead of its writing, s: a phone in the wrong zone is wrong by less.
const AHEAD_MAX_S: f64 = 86_400.0;
/// The pipeline starts a run this far behind the mark that the last one left, s.
const RUN_GAP_S: f64 = 5.0;

/// One run of the stage.
pub fn run<R: ReadEntries + Usercache>(runtime: &mut R, run: &Run) -> Result<Outcome, String> {
    run_at_most(runtime, run, ENTRIES_MAX)
}

/// As [`run`], with another bound on the number of entries.
pub fn run_at_most<R: ReadEntries + Usercache>(
    runtime: &mut R,
    run: &Run,
    entries_max: usize,
) -> Result<Outcome, String> {
    let waiting = Query::of(&[], TimeField::WriteTs).in_area(Area::Usercache);
    let mut work = Work {
        runtime,
        run,
        zones: Zones::new(),
        around: Around::default(),
        good: Rows::new(),
        bad: Rows::new(),
        handled: 0,
        last_good: None,
    };
    let more = work.through(&waiting.between(None, Some(run.end)), entries_max)?;
    work.flush()?;
    // The mark never moves back, though entries below it are taken in.
    let mark = run.start.map_or(f64::NEG_INFINITY, |start| start - RUN_GAP_S);
    let processed_through = work.last_good.filter(|last| *last > mark);
    Ok(Outcome { processed_through, state: Vec::new(), more })
}

struct Work<'r, R> {
    runtime: &'r mut R,
    run: &'r Run,
    zones: Zones,
    around: Around,
    good: Rows,
    bad: Rows,
    handled: usize,
    last_good: Option<f64>,
}

impl<R: ReadEntries + Usercache> Work<'_, R> {
    /// Handles what the query finds; answers whether some of it is left for the next run.
    fn through(&mut self, query: &Query, entries_max: usize) -> Result<bool, String> {
        let mut cursor = self.runtime.find(query).map_err(|failure| failure.to_string())?;
        loop {
            let bytes = cursor.next_page(PAGE_BYTES).map_err(|failure| failure.to_string())?;
            if bytes.is_empty() {
                return Ok(false);
            }
            let page = Page::read(&bytes).map_err(|bad| bad.to_string())?;
            for entry in page.entries() {
                if self.handled == entries_max {
                    return Ok(true);
                }
                self.handle(&entry)?;
            }
        }
    }

    fn handle(&mut self, entry: &Entry<'_>) -> Result<(), String> {
        let kind = text::value_of(entry.metadata, "type").and_then(text::string);
        if kind.as_deref() == Some("document") {
            return Ok(());
        }
        self.handled += 1;
        let formatted = match kind.as_deref() {
            Some("message" | "sensor-data" | "rw-document") => {
                self.format(entry).map_err(|failure| failure.to_string())?
            }
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
            self.flush()
        }
    }

    fn format<'a>(&mut self, entry: &Entry<'a>) -> Result<Result<Formatted<'a>, Reason>, Failure> {
        let Entry { key, metadata, data, write_ts, .. } = *entry;
        let formatted = format(&mut self.zones, WriteClock::Right, key, metadata, data);
        match formatted {
            Err(Reason::Ahead { lead_s })
                if lead_s <= LEAD_OF_CLOCK_MAX_S
                    && self.around.are_ahead_alike(self.runtime, key, write_ts, lead_s)? =>
            {
                Ok(format(&mut self.zones, WriteClock::Behind, key, metadata, data))
            }
            formatted => Ok(formatted),
        }
    }

    fn flush(&mut self) -> Result<(), String> {
        if !self.good.is_empty() {
            self.runtime.take_in(&self.good).map_err(|failure| failure.to_string())?;
            self.good.clear();
        }
        if !self.bad.is_empty() {
            self.runtime.set_aside(&self.bad).map_err(|failure| failure.to_string())?;
            self.bad.clear();
        }
        Ok(())
    }
}

cells_sdk::export_stage!(run);

#[cfg(test)]
mod tests;
