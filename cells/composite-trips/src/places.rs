//! Confirmed places by their ids.
//!
//! Places are reached and left in the order in which trips end, so one cursor that begins where the first trip of the
//! run begins meets every place but the one where that trip started.

use cells_sdk::model::EntryId;
use cells_sdk::{EntrySource, Order, Query, ReadEntries, TimeField};

use crate::window::{Held, Texts};
use crate::{ComposeError, reading};

const PLACE: &str = "analysis/confirmed_place";
const PAGE_BYTES: u32 = 16 << 10;
/// Room for one place or a few.
const EARLIER_PAGE_BYTES: u32 = 4 << 10;
/// How far to look back for a place that the first trip names; were it gone, the search would walk through all of the
/// person's places in every run.
const EARLIER_MAX: usize = 64;

/// The places of a run. `C`: the runtime's cursor.
pub struct Places<C> {
    /// When the first trip of the run began, s.
    from_ts: f64,
    query: Query,
    cursor: Cursor<C>,
    pages: Vec<Texts<EntryId>>,
}

enum Cursor<C> {
    Closed,
    Open(C),
    AtEnd,
}

impl<C: EntrySource> Places<C> {
    /// None yet. `from_ts`: when the first trip of the run began, s.
    pub fn new(from_ts: f64) -> Self {
        let query = Query::of(&[PLACE], TimeField::Position).between(Some(from_ts), None);
        Self { from_ts, query, cursor: Cursor::Closed, pages: Vec::new() }
    }

    /// The whole entry of a place that a trip comes from; `None` where there is none of that id.
    pub fn left<R: ReadEntries<Entries = C>>(
        &mut self,
        runtime: &mut R,
        id: EntryId,
    ) -> Result<Option<&str>, ComposeError> {
        if self.find(id).is_none() {
            self.look_back(runtime, id)?;
        }
        self.reached(runtime, id)
    }

    /// The whole entry of a place that a trip leads to; `None` where there is none of that id.
    pub fn reached<R: ReadEntries<Entries = C>>(
        &mut self,
        runtime: &mut R,
        id: EntryId,
    ) -> Result<Option<&str>, ComposeError> {
        while self.find(id).is_none() && self.read_on(runtime)? {}
        Ok(self.find(id))
    }

    /// The newest pages are the likeliest.
    fn find(&self, id: EntryId) -> Option<&str> {
        let mut held = self.pages.iter().rev().flat_map(Texts::held);
        held.find_map(|(_, Held { note, text })| (*note == id).then_some(text))
    }

    /// Reads one more page; `false` at the end.
    fn read_on<R: ReadEntries<Entries = C>>(&mut self, runtime: &mut R) -> Result<bool, ComposeError> {
        if matches!(self.cursor, Cursor::Closed) {
            self.cursor = Cursor::Open(reading::open(runtime, &self.query)?);
        }
        let Cursor::Open(cursor) = &mut self.cursor else { return Ok(false) };
        let bytes = reading::next(&self.query, cursor, PAGE_BYTES)?;
        if bytes.is_empty() {
            self.cursor = Cursor::AtEnd;
            return Ok(false);
        }
        self.keep(&bytes)?;
        Ok(true)
    }

    fn look_back<R: ReadEntries<Entries = C>>(
        &mut self,
        runtime: &mut R,
        id: EntryId,
    ) -> Result<(), ComposeError> {
        let before = Query::of(&[PLACE], TimeField::Position).between(None, Some(self.from_ts));
        let before = Query { order: Order::Descending, ..before };
        let mut cursor = reading::open(runtime, &before)?;
        let mut seen = 0;
        while seen < EARLIER_MAX && self.find(id).is_none() {
            let bytes = reading::next(&before, &mut cursor, EARLIER_PAGE_BYTES)?;
            if bytes.is_empty() {
                break;
            }
            seen += self.keep(&bytes)?;
        }
        Ok(())
    }

    /// Answers how many places were new.
    fn keep(&mut self, bytes: &[u8]) -> Result<usize, ComposeError> {
        let page = Texts::read(&self.query, bytes, |entry| entry.id)?;
        let count = page.held().len();
        self.pages.push(page);
        Ok(count)
    }
}
