//! The inputs of a run's window, in the order in which the person entered them.
//!
//! A window with many inputs is processed in parts, since each may change a composite trip of some 100 KB. A mark alone
//! cannot say where a part ended, as windows begin some seconds after it; so the state names the last processed input.
//! Other code may set the mark without changing the state: a state that does not match its mark is ignored.

use std::ops::ControlFlow;

use cells_sdk::model::EntryId;
use cells_sdk::{Query, ReadEntries, Run, RunError, TimeField, WINDOW_GAP_S, walk_entries};
use cells_user_inputs::{Input, Kind};

/// How many inputs one run processes: with composite trips of 250 KB it writes 64 MiB, the limit of a run.
pub const INPUTS_MAX: usize = 256;
/// The largest rounding error of a mark, s.
const MARK_ERROR_MAX_S: f64 = 1e-3;

/// A part of a window.
#[derive(Debug, Default)]
pub struct Window {
    /// By the time of writing and id.
    pub inputs: Vec<Input>,
    /// Inputs that could not be read.
    pub bad: usize,
    /// The last input, also where it could not be read.
    pub last: Option<Done>,
    /// Whether the window has more after it.
    pub more: bool,
}

/// An input up to which everything is processed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Done {
    /// When it was written, s.
    pub write_ts: f64,
    /// Its id.
    pub id: EntryId,
}

impl Done {
    /// As a state: 8 bytes of the time and 12 of the id.
    pub fn to_state(self) -> Vec<u8> {
        [&self.write_ts.to_le_bytes()[..], &self.id.0].concat()
    }

    /// Where the run continues within a window; `None` where it begins one.
    fn of(run: &Run) -> Option<Self> {
        let (write_ts, id) = run.state.split_first_chunk::<8>()?;
        let write_ts = f64::from_le_bytes(*write_ts);
        let id = EntryId(id.try_into().ok()?);
        let goes_with_mark = (run.start? - write_ts - WINDOW_GAP_S).abs() < MARK_ERROR_MAX_S;
        goes_with_mark.then_some(Self { write_ts, id })
    }
}

impl Window {
    /// Reads the next part.
    pub fn read<R: ReadEntries>(runtime: &mut R, run: &Run) -> Result<Self, RunError> {
        let done = Done::of(run);
        let start = done.map_or(run.start, |done| Some(done.write_ts));
        let query = Query::of(&Kind::keys(), TimeField::WriteTs).between(start, Some(run.end));
        let mut window = Self::default();
        walk_entries(runtime, &query, |_, entry| {
            let is_done = |done: Done| (entry.write_ts, entry.id) <= (done.write_ts, done.id);
            if done.is_some_and(is_done) {
                return Ok(ControlFlow::Continue(()));
            }
            if window.inputs.len() + window.bad == INPUTS_MAX {
                window.more = true;
                return Ok(ControlFlow::Break(()));
            }
            match Input::parse(&entry) {
                Ok(input) => window.inputs.push(input),
                Err(_) => window.bad += 1,
            }
            window.last = Some(Done { write_ts: entry.write_ts, id: entry.id });
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(window)
    }
}
