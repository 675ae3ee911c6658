//! Entries of one stream around a trip, while trips are processed in the order of their ends.
//!
//! One cursor serves the whole run. Its pages are kept from the trip's start on and dropped once no trip needs them; a
//! trip that begins before the kept part opens the stream again, at its own start.

use std::collections::VecDeque;
use std::ops::Range;

use cells_sdk::model::page::{Entry, Page};
use cells_sdk::{EntrySource, Pages, Query, ReadEntries, RunError, TimeField};

const PAGE_BYTES: u32 = 64 << 10;

/// The note on each entry, and its whole text.
#[derive(Debug)]
pub struct Held<'a, T> {
    /// The note that was made when it was read.
    pub note: &'a T,
    /// The whole entry, as the page has it.
    pub text: &'a str,
}

/// A stream around the present trip. `C`: the runtime's cursor.
pub struct Window<C, T> {
    key: &'static str,
    field: TimeField,
    note: fn(&Entry<'_>) -> T,
    cursor: Option<Pages<C>>,
    pages: VecDeque<Texts<T>>,
    /// All entries from here on that the cursor has returned are kept, s.
    complete_from: f64,
}

/// The texts of one page.
pub struct Texts<T> {
    payload: String,
    rows: Vec<(f64, Range<usize>, T)>,
}

impl<C, T> Window<C, T> {
    /// Nothing of the stream is read yet. `note`: makes the note on an entry.
    pub fn new(key: &'static str, field: TimeField, note: fn(&Entry<'_>) -> T) -> Self {
        Self { key, field, note, cursor: None, pages: VecDeque::new(), complete_from: f64::INFINITY }
    }

    /// Ensures that all entries from `start` to `end`, s, both closed, are kept.
    pub fn reach<R: ReadEntries<Entries = C>>(
        &mut self,
        runtime: &mut R,
        start: f64,
        end: f64,
    ) -> Result<(), RunError>
    where
        C: EntrySource,
    {
        if start < self.complete_from {
            self.pages.clear();
            let query = Query::of(&[self.key], self.field).between(Some(start), None);
            self.cursor = Some(Pages::find(runtime, &query)?);
        }
        self.complete_from = start;
        while self.pages.front().is_some_and(|page| page.last_time() < start) {
            self.pages.pop_front();
        }
        while self.pages.back().is_none_or(|page| page.last_time() <= end) {
            let Some(cursor) = &mut self.cursor else { break };
            match cursor.next_page(PAGE_BYTES)? {
                Some(page) => self.pages.push_back(Texts::of(&page, self.note)),
                None => self.cursor = None,
            }
        }
        Ok(())
    }

    /// The kept entries from `start` to `end`, s, both closed, in the order of time.
    pub fn between(&self, start: f64, end: f64) -> impl Iterator<Item = Held<'_, T>> {
        let held = self.pages.iter().flat_map(Texts::held);
        held.filter(move |(ts, _)| (start..=end).contains(ts)).map(|(_, held)| held)
    }
}

impl<T> Texts<T> {
    /// Keeps a page that is not empty; `note`: makes the note on an entry.
    pub fn of(page: &Page<'_>, note: fn(&Entry<'_>) -> T) -> Self {
        let payload = page.payload();
        let rows = page.entries().map(|entry| (entry.time, place_in(payload, entry.text), note(&entry)));
        Self { rows: rows.collect(), payload: payload.to_owned() }
    }

    /// All entries of the page in its order, with the query's time, s.
    pub fn held(&self) -> impl ExactSizeIterator<Item = (f64, Held<'_, T>)> {
        self.rows.iter().map(|(ts, range, note)| (*ts, Held { note, text: &self.payload[range.clone()] }))
    }

    fn last_time(&self) -> f64 {
        self.rows.last().map_or(f64::INFINITY, |row| row.0)
    }
}

/// The range of `part` in the text that it was cut from.
pub fn place_in(whole: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr().addr() - whole.as_ptr().addr();
    start..start + part.len()
}
