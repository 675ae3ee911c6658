//! How much a run with one new day reads.

use std::cell::Cell;
use std::rc::Rc;

use cells_confirmed_objects::run;
use cells_sdk::model::EntryId;
use cells_sdk::model::rows::Rows;
use cells_sdk::testing::{EntryCursor, LocationCursor, Memory};
use cells_sdk::{EntrySource, Failure, Level, Log, Query, ReadEntries, Run, WriteEntries};

use crate::world::{NOW, World};

/// A runtime that counts the bytes of the pages that were read.
struct Counted<'a> {
    memory: &'a mut Memory,
    bytes: Rc<Cell<usize>>,
}

struct CountedCursor {
    cursor: EntryCursor,
    bytes: Rc<Cell<usize>>,
}

impl EntrySource for CountedCursor {
    fn next_page(&mut self, bytes_max: u32) -> Result<Vec<u8>, Failure> {
        let page = self.cursor.next_page(bytes_max)?;
        self.bytes.set(self.bytes.get() + page.len());
        Ok(page)
    }
}

impl ReadEntries for Counted<'_> {
    type Entries = CountedCursor;
    type Locations = LocationCursor;
    fn find(&mut self, query: &Query) -> Result<CountedCursor, Failure> {
        Ok(CountedCursor { cursor: self.memory.find(query)?, bytes: Rc::clone(&self.bytes) })
    }
    fn find_ids(&mut self, keys: &[&str], ids: &[EntryId]) -> Result<CountedCursor, Failure> {
        Ok(CountedCursor { cursor: self.memory.find_ids(keys, ids)?, bytes: Rc::clone(&self.bytes) })
    }
    fn count(&mut self, query: &Query) -> Result<u64, Failure> {
        self.memory.count(query)
    }
    fn find_locations(&mut self, query: &Query) -> Result<LocationCursor, Failure> {
        self.memory.find_locations(query)
    }
}

impl WriteEntries for Counted<'_> {
    fn insert(&mut self, rows: &Rows) -> Result<Vec<EntryId>, Failure> {
        self.memory.insert(rows)
    }
    fn replace(&mut self, rows: &Rows) -> Result<(), Failure> {
        self.memory.replace(rows)
    }
    fn delete(&mut self, ids: &[EntryId]) -> Result<(), Failure> {
        self.memory.delete(ids)
    }
    fn mark_invalid(&mut self, ids: &[EntryId]) -> Result<(), Failure> {
        self.memory.mark_invalid(ids)
    }
}

impl Log for Counted<'_> {
    fn log(&mut self, level: Level, text: &str) {
        self.memory.log(level, text);
    }
}

#[test]
fn a_new_day_reads_as_much_after_a_year_as_after_a_week() {
    let read_after = |days: usize| {
        let mut world = World::new().with_trips(5 * days, &[]).run().with_trips(5, &[]);
        let start = world.last.processed_through.map(|mark| mark + cells_sdk::WINDOW_GAP_S);
        let window = Run {
            now: NOW,
            start,
            end: NOW - cells_sdk::WINDOW_GAP_S,
            seed: 0,
            state: world.last.state.clone(),
        };
        let bytes = Rc::new(Cell::new(0));
        let mut counted = Counted { memory: &mut world.memory, bytes: Rc::clone(&bytes) };
        run(&mut counted, &window).expect("the stage works");
        bytes.get()
    };
    let (week, year) = (read_after(7), read_after(365));
    assert!(year.abs_diff(week) < 1_000, "{week} bytes after a week, {year} after a year");
}
