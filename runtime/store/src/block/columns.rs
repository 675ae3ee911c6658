//! Columns: the head and the rest of a block, each under zstd. For settled blocks.
//!
//! The head holds what is read without texts: shapes, ids, origins, and the columns of named fields. The rest holds the
//! other columns. It is unpacked only to rebuild texts, or where rows of one shape come from several devices.

use std::borrow::Cow;

use cells_json::text::{Member, members, number, value_of};

use super::bytes::{Reader, put_planes, put_u32, put_varint, width_of};
use super::column::{Column, ColumnReader, ColumnWriter};
use super::devices::{DeviceSlot, Devices};
use super::meta::{BlockMeta, put_ids, put_origins, put_told, read_ids, read_origins, read_told};
use super::rebuild::rebuild;
use super::section::{PADDING, pack, unpack};
use super::shape::{ACCURACY, FIELDS, FILTER, LATITUDE, LONGITUDE, NAMES, Shape, Slot};
use super::split::{Group, Split, split};
use super::{BadBlock, BlockRow, CannotEncode, Codec, DecodedBlock, ROWS_MAX, TEXT_BYTES_MAX, check_rows};

/// The largest size that a section may unpack to: columns of irregular integers take more than their texts.
const SECTION_BYTES_MAX: usize = 2 * TEXT_BYTES_MAX;

/// Encodes as columns.
pub(super) fn encode(rows: &[BlockRow<'_>]) -> Result<Vec<u8>, CannotEncode> {
    let text_bytes = check_rows(rows)?;
    let Split { groups, group_of } = split(rows);
    let mut head = Vec::with_capacity(rows.len() * 32 + 4096);
    let mut rest = Vec::with_capacity(rows.len() * 64 + 4096);
    put_shapes(&mut head, &groups, &group_of);
    put_ids(&mut head, rows);
    put_origins(&mut head, rows);
    for field in 0..FIELDS {
        put_told(&mut head, &untold(rows, &groups, field));
    }
    for group in &groups {
        let mut writer = ColumnWriter::default();
        for hole in group.shape.named_holes() {
            writer.put(&mut head, group.shape.holes[hole].mark, group.column(hole));
        }
        for hole in group.shape.other_holes() {
            writer.put(&mut rest, group.shape.holes[hole].mark, group.column(hole));
        }
    }
    let packed_head = pack(&head).map_err(CannotEncode::Zstd)?;
    let packed_rest = pack(&rest).map_err(CannotEncode::Zstd)?;
    let mut out = Vec::with_capacity(21 + packed_head.len() + packed_rest.len());
    out.push(Codec::Columns as u8);
    for size in [rows.len(), text_bytes, head.len(), packed_head.len(), rest.len()] {
        put_u32(&mut out, size);
    }
    out.extend_from_slice(&packed_head);
    out.extend_from_slice(&packed_rest);
    Ok(out)
}

fn put_shapes(out: &mut Vec<u8>, groups: &[Group<'_>], group_of: &[u64]) {
    put_varint(out, groups.len() as u64);
    for group in groups {
        put_varint(out, group.skeleton.len() as u64);
        out.extend_from_slice(group.skeleton.as_bytes());
    }
    let width = width_of(group_of.iter().copied());
    out.push(width as u8);
    put_planes(out, group_of, width);
}

/// The values of a field that the shapes do not give: times that differ from their text's, and values within texts that
/// are kept raw.
fn untold(rows: &[BlockRow<'_>], groups: &[Group<'_>], field: usize) -> Vec<(usize, f64)> {
    let mut untold = Vec::new();
    for group in groups {
        let slot = group.shape.slots[field];
        for (at, row) in group.rows.iter().enumerate() {
            let told = match slot {
                Slot::Hole(hole) if field < LATITUDE => {
                    let text = std::str::from_utf8(group.value(at, hole)).unwrap_or_default();
                    number(text).unwrap_or(f64::NAN)
                }
                _ => f64::NAN,
            };
            let value = match (field, slot) {
                (0..LATITUDE, _) => rows[*row].times.own[field],
                (_, Slot::Raw(_)) => named_value(rows[*row].data, field),
                _ => f64::NAN,
            };
            if value.to_bits() != told.to_bits() && !(value.is_nan() && told.is_nan()) {
                untold.push((*row, value));
            }
        }
    }
    untold.sort_by_key(|(row, _)| *row);
    untold
}

/// A named field of `data` other than a time; NaN where it is absent.
fn named_value(data: &str, field: usize) -> f64 {
    let value = value_of(data, NAMES[field - 1]);
    if field == FILTER {
        return value.map_or(f64::NAN, |value| f64::from(filter_of(value.as_bytes())));
    }
    value.and_then(number).unwrap_or(f64::NAN)
}

/// The sections of a block, unpacked as far as was asked.
struct Sections<'a> {
    rows: usize,
    text_bytes: usize,
    head: Vec<u8>,
    packed_rest: &'a [u8],
    rest_bytes: usize,
}

impl<'a> Sections<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self, BadBlock> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != Codec::Columns as u8 {
            return Err(BadBlock::OtherCodec);
        }
        let rows = reader.rows()?;
        let text_bytes = reader.text_bytes()?;
        let head_bytes = section_bytes(reader.u32()?)?;
        let packed_head_bytes = reader.u32()?;
        let rest_bytes = section_bytes(reader.u32()?)?;
        let head = unpack(reader.take(packed_head_bytes)?, head_bytes)?;
        Ok(Self { rows, text_bytes, head, packed_rest: reader.rest(), rest_bytes })
    }

    fn rest(&self) -> Result<Vec<u8>, BadBlock> {
        unpack(self.packed_rest, self.rest_bytes)
    }
}

fn section_bytes(size: usize) -> Result<usize, BadBlock> {
    if size > SECTION_BYTES_MAX {
        let limit = SECTION_BYTES_MAX as u64;
        return Err(BadBlock::TooLarge { what: "bytes in a section", size: size as u64, limit });
    }
    Ok(size)
}

/// The head of a block as it is read.
pub(super) struct Head<'b> {
    pub meta: BlockMeta,
    pub shapes: Vec<ReadShape<'b>>,
    /// The shape of each row, by index.
    pub shape_of: Vec<u16>,
    /// By field: rows and their values, which take precedence over those of the shapes.
    told: Vec<Vec<(usize, f64)>>,
}

/// A shape as it is read, with the columns that have been read so far.
pub(super) struct ReadShape<'b> {
    /// Where the skeleton begins in the head; its text follows the marks' offsets.
    pub start: usize,
    pub end: usize,
    pub shape: Shape,
    pub rows: usize,
    pub columns: Vec<Option<Column<'b>>>,
    reader: ColumnReader<'b>,
}

impl<'b> Head<'b> {
    fn read(head: &'b [u8], rows: usize) -> Result<Self, BadBlock> {
        let mut reader = Reader::new(&head[..head.len() - PADDING]);
        let (mut shapes, shape_of) = read_shapes(&mut reader, rows)?;
        let ids = read_ids(&mut reader, rows)?;
        let origins = read_origins(&mut reader, rows)?;
        let told = (0..FIELDS).map(|_| read_told(&mut reader, rows)).collect::<Result<Vec<_>, _>>()?;
        for shape in &mut shapes {
            for hole in shape.shape.named_holes().collect::<Vec<_>>() {
                shape.read_column(&mut reader, head, hole)?;
            }
        }
        let mut read = Self { meta: BlockMeta::default(), shapes, shape_of, told };
        let times = [0, 1, 2, 3, 4, 5].map(|field| {
            let times = read.numbers(field);
            if times.iter().all(|time| time.is_nan()) { Vec::new() } else { times }
        });
        read.meta = BlockMeta::new(ids, origins, times);
        Ok(read)
    }

    /// One value of a named field for each row.
    fn numbers(&self, field: usize) -> Vec<f64> {
        let mut values = self.gather(field, f64::NAN, |column, _| column.doubles());
        self.told[field].iter().for_each(|(row, value)| values[*row] = *value);
        values
    }

    fn filters(&self) -> Vec<u8> {
        let mut values = self.gather(FILTER, FILTER_ABSENT, |column, rows| column.kinds(rows, filter_of));
        let no_scalar = |shape: &u16| self.shapes[usize::from(*shape)].shape.slots[FILTER] == Slot::NoScalar;
        if self.shapes.iter().any(|shape| shape.shape.slots[FILTER] == Slot::NoScalar) {
            let other = values.iter_mut().zip(&self.shape_of).filter(|(_, shape)| no_scalar(shape));
            other.for_each(|(value, _)| *value = FILTER_OTHER);
        }
        // A cast saturates, so that no listed value is out of range.
        self.told[FILTER].iter().for_each(|(row, value)| values[*row] = (*value as u8).min(FILTER_OTHER));
        values
    }

    /// One value of a named field for each row: `of` reads from a column as many values as the number says; `none` is
    /// the value where a shape has no such column.
    fn gather<T: Copy>(&self, field: usize, none: T, of: impl Fn(&Column<'_>, usize) -> Vec<T>) -> Vec<T> {
        let mut columns: Vec<Option<Vec<T>>> = self
            .shapes
            .iter()
            .map(|shape| match shape.shape.slots[field] {
                Slot::Hole(hole) => shape.columns[hole].as_ref().map(|column| of(column, shape.rows)),
                _ => None,
            })
            .collect();
        if let [only] = &mut columns[..] {
            return only.take().unwrap_or_else(|| vec![none; self.shape_of.len()]);
        }
        let mut columns: Vec<_> = columns.into_iter().map(|column| column.map(Vec::into_iter)).collect();
        let mut next = |shape: &u16| columns[usize::from(*shape)].as_mut().and_then(Iterator::next);
        self.shape_of.iter().map(|shape| next(shape).unwrap_or(none)).collect()
    }

    /// The devices of the rows; `bytes` is the block, whose rest may be needed.
    fn devices(&self, bytes: &[u8]) -> Result<Devices, BadBlock> {
        if self.shapes.iter().any(|shape| shape.shape.device == DeviceSlot::Text) {
            let block = decode(bytes)?;
            return Ok(Devices::of_texts((0..block.len()).map(|row| block.texts(row)[0])));
        }
        let mut row_of = vec![0; self.shapes.len()];
        let told: Vec<Option<String>> =
            self.shapes.iter().map(|shape| shape.shape.device.name(|_| None)).collect();
        Ok(Devices::of_names(self.shape_of.iter().map(|shape| {
            let number = usize::from(*shape);
            let (row, shape) = (row_of[number], &self.shapes[number]);
            row_of[number] += 1;
            if shape.shape.device.is_told_by_shape() {
                return told[number].as_deref().map(Cow::Borrowed);
            }
            let value = |hole: usize| shape.columns[hole].as_ref()?.text(row);
            shape.shape.device.name(value).map(Cow::Owned)
        })))
    }

    fn read_rest(&mut self, rest: &'b [u8]) -> Result<(), BadBlock> {
        let mut reader = Reader::new(&rest[..rest.len() - PADDING]);
        for shape in &mut self.shapes {
            for hole in shape.shape.other_holes().collect::<Vec<_>>() {
                shape.read_column(&mut reader, rest, hole)?;
            }
        }
        Ok(())
    }
}

impl<'b> ReadShape<'b> {
    fn read_column(
        &mut self,
        reader: &mut Reader<'b>,
        section: &'b [u8],
        hole: usize,
    ) -> Result<(), BadBlock> {
        let mark = self.shape.holes[hole].mark;
        self.columns[hole] = Some(self.reader.read(reader, section, mark, self.rows)?);
        Ok(())
    }
}

fn read_shapes<'b>(reader: &mut Reader<'b>, rows: usize) -> Result<(Vec<ReadShape<'b>>, Vec<u16>), BadBlock> {
    let count = reader.count("shapes", rows)?;
    let mut shapes = Vec::with_capacity(count);
    for _ in 0..count {
        let length = reader.count("bytes in a shape", SECTION_BYTES_MAX)?;
        let start = reader.position();
        let skeleton = std::str::from_utf8(reader.take(length)?).map_err(BadBlock::NotUtf8)?;
        let shape = Shape::parse(skeleton)?;
        let columns = vec![None; shape.holes.len()];
        let reader = ColumnReader::default();
        shapes.push(ReadShape { start, end: start + length, shape, rows: 0, columns, reader });
    }
    let width = usize::from(reader.u8()?);
    let shape_of: Vec<u16> = reader.planes(rows, width)?.iter().map(|shape| *shape as u16).collect();
    for shape in &shape_of {
        shapes.get_mut(usize::from(*shape)).ok_or(BadBlock::Broken("a row of no shape"))?.rows += 1;
    }
    if shapes.iter().any(|shape| shape.rows == 0) {
        return Err(BadBlock::Broken("a shape without rows"));
    }
    Ok((shapes, shape_of))
}

/// Decodes everything.
pub(super) fn decode(bytes: &[u8]) -> Result<DecodedBlock, BadBlock> {
    let sections = Sections::open(bytes)?;
    let rest = sections.rest()?;
    let mut head = Head::read(&sections.head, sections.rows)?;
    head.read_rest(&rest)?;
    let (text, ends) = rebuild(&head, &sections.head, sections.text_bytes)?;
    DecodedBlock::new(head.meta, text, ends)
}

/// Decodes ids, origins and times.
pub(super) fn decode_meta(bytes: &[u8]) -> Result<BlockMeta, BadBlock> {
    let sections = Sections::open(bytes)?;
    Ok(Head::read(&sections.head, sections.rows)?.meta)
}

/// Ids, origins, times and named fields of `data`, one value for each row.
#[derive(Debug, Clone, PartialEq)]
pub struct Fields {
    /// Ids, origins and times.
    pub meta: BlockMeta,
    /// `data.latitude`, degrees; NaN where it is absent or not a number. The same holds for the next two.
    pub latitude: Vec<f64>,
    /// `data.longitude`, degrees.
    pub longitude: Vec<f64>,
    /// `data.accuracy`, m.
    pub accuracy: Vec<f64>,
    /// `data.filter`: 0 absent, 1 `"time"`, 2 `"distance"`, 3 anything else.
    pub filter: Vec<u8>,
    /// The device that each entry came from.
    pub devices: Devices,
}

const FILTER_ABSENT: u8 = 0;
const FILTER_OTHER: u8 = 3;

fn filter_of(value: &[u8]) -> u8 {
    match value {
        b"\"time\"" => 1,
        b"\"distance\"" => 2,
        _ => FILTER_OTHER,
    }
}

impl Fields {
    /// The same from texts.
    pub(super) fn of_texts(block: &DecodedBlock) -> Self {
        let column = || Vec::with_capacity(block.len());
        let (mut latitude, mut longitude, mut accuracy) = (column(), column(), column());
        let mut filter = Vec::with_capacity(block.len());
        for row in 0..block.len() {
            let values = named_values(block.texts(row)[1]);
            let of = |field: usize| values[field - LATITUDE];
            for (column, field) in
                [(&mut latitude, LATITUDE), (&mut longitude, LONGITUDE), (&mut accuracy, ACCURACY)]
            {
                column.push(of(field).and_then(number).unwrap_or(f64::NAN));
            }
            filter.push(of(FILTER).map_or(FILTER_ABSENT, |value| filter_of(value.as_bytes())));
        }
        let devices = Devices::of_texts((0..block.len()).map(|row| block.texts(row)[0]));
        Self { meta: block.meta().clone(), latitude, longitude, accuracy, filter, devices }
    }
}

/// The first value of each named field of `data` other than times, in one pass.
fn named_values(data: &str) -> [Option<&str>; FIELDS - LATITUDE] {
    let mut values = [None; FIELDS - LATITUDE];
    let mut missing = values.len();
    for Member { name, value, .. } in members(data).map_while(Result::ok) {
        let field = NAMES[LATITUDE - 1..].iter().position(|known| *known == name);
        if let Some(field) = field.filter(|field| values[*field].is_none()) {
            values[field] = Some(value);
            missing -= 1;
            if missing == 0 {
                break;
            }
        }
    }
    values
}

/// Decodes ids, origins, times, named fields and devices.
pub(super) fn decode_fields(bytes: &[u8]) -> Result<Fields, BadBlock> {
    let sections = Sections::open(bytes)?;
    let rest;
    let mut head = Head::read(&sections.head, sections.rows)?;
    if !head.shapes.iter().all(|shape| shape.shape.device.is_told_by_shape()) {
        rest = sections.rest()?;
        head.read_rest(&rest)?;
    }
    Ok(Fields {
        latitude: head.numbers(LATITUDE),
        longitude: head.numbers(LONGITUDE),
        accuracy: head.numbers(ACCURACY),
        filter: head.filters(),
        devices: head.devices(bytes)?,
        meta: head.meta,
    })
}

const _: () = assert!(FIELDS == FILTER + 1 && ROWS_MAX <= u16::MAX as usize);
