//! What a block says of its rows without their texts: ids, origins, times.

use runtime_types::{EntryId, EntryTimes, TimeField};

use super::bytes::{Reader, put_u32, put_varint};
use super::{BadBlock, BlockRow};

/// Ids, origins and times of a block's rows, in the block's order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BlockMeta {
    pub(super) ids: Vec<EntryId>,
    /// Empty where all are 0.
    pub(super) origins: Vec<u64>,
    /// By [`TimeField`]; empty where no row has that time.
    pub(super) times: [Vec<f64>; 6],
    pub(super) position: Position,
}

/// Which column holds the sort times.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) enum Position {
    #[default]
    Nowhere,
    /// Every row has that time, and no row has a time that takes precedence over it.
    Field(TimeField),
    /// Rows differ in which time they sort by.
    Own(Vec<f64>),
}

impl BlockMeta {
    pub(super) fn new(ids: Vec<EntryId>, origins: Vec<u64>, times: [Vec<f64>; 6]) -> Self {
        let mut meta = Self { ids, origins, times, position: Position::Nowhere };
        meta.position = meta.find_position();
        meta
    }

    pub(super) fn of_rows(rows: &[BlockRow<'_>]) -> Self {
        let column = |field: TimeField| -> Vec<f64> {
            let times = rows.iter().map(|row| row.times.own[field as usize]);
            if times.clone().all(f64::is_nan) { Vec::new() } else { times.collect() }
        };
        let with_origin = rows.iter().any(|row| row.origin != 0);
        let origins = rows.iter().filter(|_| with_origin).map(|row| row.origin).collect();
        Self::new(rows.iter().map(|row| row.id).collect(), origins, TimeField::OWN.map(column))
    }

    fn find_position(&self) -> Position {
        let order = [
            TimeField::DataTs,
            TimeField::StartTs,
            TimeField::EnterTs,
            TimeField::ExitTs,
            TimeField::WriteTs,
        ];
        let Some(first) = order.into_iter().find(|field| !self.times[*field as usize].is_empty()) else {
            return Position::Nowhere;
        };
        if self.times[first as usize].iter().all(|time| !time.is_nan()) {
            return Position::Field(first);
        }
        Position::Own((0..self.len()).map(|row| self.entry_times(row).get(TimeField::Position)).collect())
    }

    /// How many rows, at least 1.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Never true for a decoded block: an empty block is an error.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// One id for each row.
    #[must_use]
    pub fn ids(&self) -> &[EntryId] {
        &self.ids
    }

    /// One origin for each row; empty where all are 0.
    #[must_use]
    pub fn origins(&self) -> &[u64] {
        &self.origins
    }

    /// The origin of a row; 0 for none.
    #[must_use]
    pub fn origin(&self, row: usize) -> u64 {
        self.origins.get(row).copied().unwrap_or(0)
    }

    /// One time for each row, s, NaN where a row has none; empty where no row has one.
    #[must_use]
    pub fn times(&self, field: TimeField) -> &[f64] {
        if field != TimeField::Position {
            return &self.times[field as usize];
        }
        match &self.position {
            Position::Nowhere => &[],
            Position::Field(field) => &self.times[*field as usize],
            Position::Own(times) => times,
        }
    }

    /// That time of a row, s; NaN where it has none.
    #[must_use]
    pub fn time(&self, row: usize, field: TimeField) -> f64 {
        self.times(field).get(row).copied().unwrap_or(f64::NAN)
    }

    /// All times of a row.
    #[must_use]
    pub fn entry_times(&self, row: usize) -> EntryTimes {
        EntryTimes { own: TimeField::OWN.map(|field| self.time(row, field)) }
    }
}

/// An id is 96 bits, so a step from one to the next is at most 12 bytes, sign included.
const ID_BITS: u32 = 96;
const ID_MASK: u128 = (1 << ID_BITS) - 1;

fn wide(id: EntryId) -> u128 {
    let mut bytes = [0; 16];
    bytes[4..].copy_from_slice(&id.0);
    u128::from_be_bytes(bytes)
}

fn narrow(value: u128) -> EntryId {
    let mut bytes = [0; 12];
    bytes.copy_from_slice(&value.to_be_bytes()[4..]);
    EntryId(bytes)
}

/// Writes the first id, then the steps between ids as planes of as few bytes as they need.
pub(super) fn put_ids(out: &mut Vec<u8>, rows: &[BlockRow<'_>]) {
    let steps: Vec<u128> = rows
        .windows(2)
        .map(|pair| {
            let step = wide(pair[1].id).wrapping_sub(wide(pair[0].id)) & ID_MASK;
            let signed = ((step << 32) as i128) >> 32;
            (((signed << 1) ^ (signed >> 127)) as u128) & ID_MASK
        })
        .collect();
    let all = steps.iter().fold(0, |all, step| all | step);
    let width = (128 - all.leading_zeros() as usize).div_ceil(8);
    out.extend_from_slice(&rows[0].id.0);
    out.push(width as u8);
    for plane in 0..width {
        out.extend(steps.iter().map(|step| (step >> (8 * plane)) as u8));
    }
}

pub(super) fn read_ids(reader: &mut Reader<'_>, rows: usize) -> Result<Vec<EntryId>, BadBlock> {
    let first = EntryId(reader.array()?);
    let width = usize::from(reader.u8()?);
    if width > 12 {
        return Err(BadBlock::Broken("a step between ids of more than 12 bytes"));
    }
    let steps = rows - 1;
    let planes = reader.take(steps * width)?;
    // The low eight bytes and the high four are gathered separately: a step seldom needs more than one word.
    let mut low = vec![0_u64; steps];
    let mut high = vec![0_u64; if width > 8 { steps } else { 0 }];
    for (plane, bytes) in planes.chunks_exact(steps.max(1)).enumerate() {
        let (word, shift) = if plane < 8 { (&mut low, 8 * plane) } else { (&mut high, 8 * (plane - 8)) };
        for (value, byte) in word.iter_mut().zip(bytes) {
            *value |= u64::from(*byte) << shift;
        }
    }
    let mut at = wide(first);
    let mut ids = Vec::with_capacity(rows);
    ids.push(first);
    for (row, low) in low.iter().enumerate() {
        let zigzag = u128::from(*low) | u128::from(high.get(row).copied().unwrap_or(0)) << 64;
        let step = (zigzag >> 1) ^ (zigzag & 1).wrapping_neg();
        at = at.wrapping_add(step) & ID_MASK;
        ids.push(narrow(at));
    }
    Ok(ids)
}

/// Writes whether any row has an origin and, if so, all of them.
pub(super) fn put_origins(out: &mut Vec<u8>, rows: &[BlockRow<'_>]) {
    let any = rows.iter().any(|row| row.origin != 0);
    out.push(u8::from(any));
    if any {
        rows.iter().for_each(|row| out.extend_from_slice(&row.origin.to_le_bytes()));
    }
}

pub(super) fn read_origins(reader: &mut Reader<'_>, rows: usize) -> Result<Vec<u64>, BadBlock> {
    match reader.u8()? {
        0 => Ok(Vec::new()),
        1 => {
            Ok(reader.take(rows * 8)?.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect())
        }
        _ => Err(BadBlock::Broken("origins neither kept nor left out")),
    }
}

/// Writes which times any row has, then those times in full, 8 bytes for each row.
pub(super) fn put_times(out: &mut Vec<u8>, rows: &[BlockRow<'_>]) {
    let present = |field: usize| rows.iter().any(|row| !row.times.own[field].is_nan());
    let mask = (0..6).fold(0, |mask, field| mask | u8::from(present(field)) << field);
    out.push(mask);
    for field in (0..6).filter(|field| mask >> field & 1 == 1) {
        rows.iter().for_each(|row| out.extend_from_slice(&row.times.own[field].to_le_bytes()));
    }
}

pub(super) fn read_times(reader: &mut Reader<'_>, rows: usize) -> Result<[Vec<f64>; 6], BadBlock> {
    let mask = reader.u8()?;
    if mask >= 1 << 6 {
        return Err(BadBlock::Broken("a time that no entry has"));
    }
    let mut times: [Vec<f64>; 6] = Default::default();
    for (_, column) in times.iter_mut().enumerate().filter(|(field, _)| mask >> field & 1 == 1) {
        let bytes = reader.take(rows * 8)?;
        column.extend(bytes.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)));
    }
    Ok(times)
}

/// Values of one field that the rows' shapes do not give: row numbers and values.
pub(super) fn put_told(out: &mut Vec<u8>, told: &[(usize, f64)]) {
    put_varint(out, told.len() as u64);
    told.iter().for_each(|(row, _)| put_u32(out, *row));
    told.iter().for_each(|(_, value)| out.extend_from_slice(&value.to_le_bytes()));
}

/// Reads what [`put_told`] wrote.
pub(super) fn read_told(reader: &mut Reader<'_>, rows: usize) -> Result<Vec<(usize, f64)>, BadBlock> {
    let count = reader.count("values told apart", rows)?;
    let numbers =
        reader.take(count * 4)?.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes) as usize);
    let values = reader.take(count * 8)?.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes));
    let told: Vec<(usize, f64)> = numbers.zip(values).collect();
    if told.iter().any(|(row, _)| *row >= rows) {
        return Err(BadBlock::Broken("a value of a row past the end"));
    }
    Ok(told)
}
