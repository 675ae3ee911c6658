//! Reading locations as columns of numbers.

use crate::ReadError;

/// Columns of location-like entries, row by row the same entry. A number that is absent is NaN.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LocationRows {
    /// 12 bytes an entry.
    pub ids: Vec<u8>,
    /// `data.ts`, s
    pub ts: Vec<f64>,
    /// `metadata.write_ts`, s
    pub write_ts: Vec<f64>,
    /// `data.latitude`, degrees
    pub latitude: Vec<f64>,
    /// `data.longitude`, degrees
    pub longitude: Vec<f64>,
    /// `data.accuracy`, m
    pub accuracy: Vec<f64>,
    /// `data.filter`: 0 absent, 1 `time`, 2 `distance`, 3 anything else.
    pub filter: Vec<u8>,
}

impl LocationRows {
    /// How many rows.
    pub fn len(&self) -> usize {
        self.ts.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ts.is_empty()
    }

    /// Forgets the rows and keeps the memory.
    pub fn clear(&mut self) {
        self.ids.clear();
        self.filter.clear();
        for column in
            [&mut self.ts, &mut self.write_ts, &mut self.latitude, &mut self.longitude, &mut self.accuracy]
        {
            column.clear();
        }
    }
}

/// A position in an answer of columns.
#[derive(Debug)]
pub struct LocationCursor {}

impl LocationCursor {
    /// Appends the next rows, at most `rows_max`, and says how many; 0 is the end.
    pub fn next(&mut self, rows_max: usize, into: &mut LocationRows) -> Result<usize, ReadError> {
        let _ = (rows_max, into);
        Ok(0)
    }
}
