//! Reading locations as columns of numbers.

use std::ops::ControlFlow;
use std::sync::Arc;

use runtime_types::{Query, TimeField};

use super::merge::Merge;
use super::source::Content;
use crate::ReadError;
use crate::block::{BlockMeta, Fields};
use crate::index::{BlockInfo, Index};
use crate::vault::Vault;

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
    /// Which device brought the entry: 0 none, otherwise one more than its place in `devices`. Empty: none of them has one.
    pub device: Vec<u16>,
    /// The names of those devices, such as `token-5d41402abc4b2a76/android`.
    pub devices: Vec<String>,
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

    fn push(&mut self, numbers: &Numbers, row: usize) {
        match numbers {
            Numbers::Whole(fields) => self.push_field(fields, row),
            Numbers::Part(rows) => self.push_row(rows, row),
        }
    }

    fn push_row(&mut self, rows: &Self, row: usize) {
        self.ids.extend_from_slice(&rows.ids[row * 12..][..12]);
        self.ts.push(rows.ts[row]);
        self.write_ts.push(rows.write_ts[row]);
        self.latitude.push(rows.latitude[row]);
        self.longitude.push(rows.longitude[row]);
        self.accuracy.push(rows.accuracy[row]);
        self.filter.push(rows.filter[row]);
        self.push_device(rows.device_of(row));
    }

    /// The name of a row's device.
    pub fn device_of(&self, row: usize) -> Option<&str> {
        let number = usize::from(*self.device.get(row)?);
        Some(&self.devices[number.checked_sub(1)?])
    }

    /// Of the row that was pushed last.
    fn push_device(&mut self, name: Option<&str>) {
        if name.is_none() && self.device.is_empty() {
            return;
        }
        let number = name.map_or(0, |name| self.number(name));
        self.device.resize(self.len() - 1, 0);
        self.device.push(number);
    }

    /// One more than the place of a name; 0, as for none, where there are more than can be told apart.
    fn number(&mut self, name: &str) -> u16 {
        let known = self.devices.iter().rposition(|known| known == name);
        let place = known.unwrap_or(self.devices.len());
        let Ok(number) = u16::try_from(place + 1) else { return 0 };
        if known.is_none() {
            self.devices.push(name.to_owned());
        }
        number
    }

    fn push_field(&mut self, fields: &Fields, row: usize) {
        self.ids.extend_from_slice(&fields.meta.ids()[row].0);
        self.ts.push(fields.meta.time(row, TimeField::DataTs));
        self.write_ts.push(fields.meta.time(row, TimeField::WriteTs));
        self.latitude.push(fields.latitude[row]);
        self.longitude.push(fields.longitude[row]);
        self.accuracy.push(fields.accuracy[row]);
        self.filter.push(fields.filter[row]);
        self.push_device(fields.devices.of(row));
    }

    /// Forgets the rows and keeps the memory.
    pub fn clear(&mut self) {
        self.ids.clear();
        self.filter.clear();
        self.device.clear();
        self.devices.clear();
        for column in
            [&mut self.ts, &mut self.write_ts, &mut self.latitude, &mut self.longitude, &mut self.accuracy]
        {
            column.clear();
        }
    }
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
        rows.iter().for_each(|row| selected.push(self, *row as usize));
        Self::Part(Box::new(selected))
    }
}

/// A position in an answer of columns. It keeps its snapshot.
#[derive(Debug)]
pub struct LocationCursor {
    /// Blocks that the snapshot needs stay on disk while this lives.
    _index: Arc<Index>,
    merge: Merge<Numbers>,
}

impl LocationCursor {
    pub(super) fn new(vault: &Arc<Vault>, index: &Arc<Index>, query: &Query) -> Self {
        let merge = Merge::new(Arc::clone(vault), index, query, None);
        Self { _index: Arc::clone(index), merge }
    }

    /// Appends the next rows, at most `rows_max`, and says how many; 0 is the end.
    pub fn next(&mut self, rows_max: usize, into: &mut LocationRows) -> Result<usize, ReadError> {
        let mut rows = 0;
        self.merge.visit(|_, fields, row, _| {
            if rows == rows_max {
                return ControlFlow::Break(());
            }
            rows += 1;
            into.push(fields, row as usize);
            ControlFlow::Continue(())
        })?;
        Ok(rows)
    }
}
