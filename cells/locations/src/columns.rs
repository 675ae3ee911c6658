//! Whole streams as columns.

use cells_sdk::model::page::{Entry, Page};
use cells_sdk::{EntrySource, Failure, LocationRows, LocationSource, Query, ReadEntries};

use crate::ReadError;

/// As many rows as the runtime gives at once.
const ROWS_MAX: u32 = 65_536;
const PAGE_BYTES_MAX: u32 = 64 << 10;

/// How a phone chose the moments of its fixes, as `data.filter` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampling {
    /// `time`: a fix every so many seconds (Android).
    Time,
    /// `distance`: a fix every so many metres (iOS).
    Distance,
}

/// Locations, row by row the same entry. A number that is absent is NaN.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Locations(LocationRows);

impl Locations {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.ids.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.ids.is_empty()
    }

    /// The columns.
    pub fn columns(&self) -> &LocationRows {
        &self.0
    }

    /// What `data.filter` of that row says; `None` where it is absent or says something else.
    pub fn sampling(&self, row: usize) -> Option<Sampling> {
        match self.0.filter[row] {
            1 => Some(Sampling::Time),
            2 => Some(Sampling::Distance),
            _ => None,
        }
    }

    /// Whether time and place of that row are numbers; nothing can be said about one without.
    pub fn is_placed(&self, row: usize) -> bool {
        [self.0.ts[row], self.0.latitude[row], self.0.longitude[row]].into_iter().all(f64::is_finite)
    }

    /// Keeps the rows for which `keep` holds, in their order.
    pub fn retain(&mut self, keep: impl Fn(usize) -> bool) {
        let mut kept = 0;
        for row in 0..self.len() {
            if keep(row) {
                self.0.ids[kept] = self.0.ids[row];
                for column in self.numbers() {
                    column[kept] = column[row];
                }
                self.0.filter[kept] = self.0.filter[row];
                kept += 1;
            }
        }
        self.truncate(kept);
    }

    /// As [`Self::retain`], for a rule that looks at the rows.
    pub fn retain_by(&mut self, keep: impl Fn(&Self, usize) -> bool) {
        let kept: Vec<bool> = (0..self.len()).map(|row| keep(self, row)).collect();
        self.retain(|row| kept[row]);
    }

    /// Keeps the first `len` rows.
    pub fn truncate(&mut self, len: usize) {
        self.0.ids.truncate(len);
        self.numbers().into_iter().for_each(|column| column.truncate(len));
        self.0.filter.truncate(len);
    }

    fn numbers(&mut self) -> [&mut Vec<f64>; 5] {
        let rows = &mut self.0;
        [&mut rows.ts, &mut rows.write_ts, &mut rows.latitude, &mut rows.longitude, &mut rows.accuracy]
    }

    fn append(&mut self, mut piece: LocationRows) {
        self.0.ids.append(&mut piece.ids);
        self.0.filter.append(&mut piece.filter);
        let mut piece = Self(piece);
        for (column, more) in self.numbers().into_iter().zip(piece.numbers()) {
            column.append(more);
        }
    }
}

/// Reads every location that matches, in the order of the query.
pub fn read<R: ReadEntries>(runtime: &mut R, query: &Query) -> Result<Locations, ReadError> {
    let mut cursor = runtime.find_locations(query).map_err(|source| refused(query, source))?;
    let mut locations = Locations::default();
    loop {
        let piece = cursor.next_rows(ROWS_MAX).map_err(|source| refused(query, source))?;
        if piece.ids.is_empty() {
            return Ok(locations);
        }
        locations.append(piece);
    }
}

/// Visits every entry that matches, in the order of the query, a page at a time.
pub fn for_each_entry<R: ReadEntries, E: From<ReadError>>(
    runtime: &mut R,
    query: &Query,
    mut visit: impl FnMut(&mut R, Entry<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut cursor = runtime.find(query).map_err(|source| refused(query, source))?;
    loop {
        let bytes = cursor.next_page(PAGE_BYTES_MAX).map_err(|source| refused(query, source))?;
        if bytes.is_empty() {
            return Ok(());
        }
        let page =
            Page::read(&bytes).map_err(|source| ReadError::Page { keys: query.keys.join(", "), source })?;
        for entry in page.entries() {
            visit(runtime, entry)?;
        }
    }
}

fn refused(query: &Query, source: Failure) -> ReadError {
    ReadError::Refused { keys: query.keys.join(", "), source }
}
