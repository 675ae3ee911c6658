//! Reading locations as columns of numbers.

use std::ops::ControlFlow;
use std::sync::Arc;

use runtime_types::{LocationRows, Query, TimeField};

use super::merge::Merge;
use super::source::Content;
use crate::ReadError;
use crate::block::{BlockMeta, Fields};
use crate::index::{BlockInfo, Index};
use crate::vault::Vault;

/// Appends a row of a block.
fn push(rows: &mut LocationRows, numbers: &Numbers, row: usize) {
    match numbers {
        Numbers::Whole(fields) => push_field(rows, fields, row),
        Numbers::Part(part) => push_row(rows, part, row),
    }
}

fn push_row(rows: &mut LocationRows, part: &LocationRows, row: usize) {
    rows.ids.push(part.ids[row]);
    rows.ts.push(part.ts[row]);
    rows.write_ts.push(part.write_ts[row]);
    rows.latitude.push(part.latitude[row]);
    rows.longitude.push(part.longitude[row]);
    rows.accuracy.push(part.accuracy[row]);
    rows.filter.push(part.filter[row]);
    rows.push_device(part.device_of(row));
}

fn push_field(rows: &mut LocationRows, fields: &Fields, row: usize) {
    rows.ids.push(fields.meta.ids()[row]);
    rows.ts.push(fields.meta.time(row, TimeField::DataTs));
    rows.write_ts.push(fields.meta.time(row, TimeField::WriteTs));
    rows.latitude.push(fields.latitude[row]);
    rows.longitude.push(fields.longitude[row]);
    rows.accuracy.push(fields.accuracy[row]);
    rows.filter.push(fields.filter[row]);
    rows.push_device(fields.devices.of(row));
}

/// The columns of a block or of a few of its rows.
#[derive(Debug)]
enum Numbers {
    Whole(Arc<Fields>),
    Part(Box<LocationRows>),
}

impl Content for Numbers {
    fn load(vault: &Vault, info: &BlockInfo) -> Result<Arc<Self>, ReadError> {
        vault.fields(&info.body).map(|fields| Arc::new(Self::Whole(fields)))
    }
    fn meta(&self) -> Option<&BlockMeta> {
        match self {
            Self::Whole(fields) => Some(&fields.meta),
            Self::Part(_) => None,
        }
    }
    fn select(&self, rows: &[u32], _: &BlockInfo) -> Self {
        let mut selected = LocationRows::default();
        rows.iter().for_each(|row| push(&mut selected, self, *row as usize));
        Self::Part(Box::new(selected))
    }
}

/// A position in a query's result of columns. It holds its snapshot.
#[derive(Debug)]
pub struct LocationCursor {
    /// Blocks that the snapshot needs stay on disk while this exists.
    _index: Arc<Index>,
    merge: Merge<Numbers>,
}

impl LocationCursor {
    pub(super) fn new(vault: &Arc<Vault>, index: &Arc<Index>, query: &Query) -> Self {
        let merge = Merge::new(Arc::clone(vault), index, query, None);
        Self { _index: Arc::clone(index), merge }
    }

    /// Appends the next rows, at most `rows_max`, and returns how many; 0 is the end.
    pub fn next(&mut self, rows_max: usize, into: &mut LocationRows) -> Result<usize, ReadError> {
        let mut rows = 0;
        self.merge.visit(|_, fields, row, _| {
            if rows == rows_max {
                return ControlFlow::Break(());
            }
            rows += 1;
            push(into, fields, row as usize);
            ControlFlow::Continue(())
        })?;
        Ok(rows)
    }
}
