//! The block codec: up to 4,096 entries of one stream as bytes, and back, byte for byte.
//!
//! There are two codecs (docs/formats/block.md). *Rows* are plain arrays and one lz4 block of texts, for fresh tails;
//! *columns* are texts split into shapes and columns of values under zstd, for settled blocks.
//!
//! * Units: times are seconds, sizes are bytes. Rows keep the order they were given in.
//! * Invariants: the decoder returns what an encoder accepted unchanged: ids, origins, times (every NaN as NaN) and
//!   every byte of text. No bytes, however broken, make the decoder panic or allocate past what [`ROWS_MAX`] and
//!   [`TEXT_BYTES_MAX`] allow.
//! * Not here: keys, files, digests. The seal proves that the bytes are those that were written.

mod bytes;
mod column;
mod columns;
mod decimal;
mod devices;
mod follow;
mod lz4;
mod meta;
mod numbers;
mod rebuild;
mod rows;
mod scan;
mod section;
mod shape;
mod split;
#[cfg(test)]
mod tests;

pub use columns::Fields;
pub use devices::Devices;
pub use meta::BlockMeta;
use std::sync::{Arc, OnceLock};

use runtime_types::{EntryId, EntryTimes, TimeField};

/// The most rows a block may hold.
pub const ROWS_MAX: usize = 4096;
/// The most bytes of text a block may hold: four entries of the largest size.
pub const TEXT_BYTES_MAX: usize = 64 << 20;

/// How a block is written. The number is the block's first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Codec {
    /// Plain arrays and lz4: quick to write and to read whole.
    Rows = 1,
    /// Columns and zstd: small, and single fields are read without the texts.
    Columns = 2,
}

impl Codec {
    /// The codec with that number in a descriptor.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::Rows, Self::Columns].into_iter().find(|codec| *codec as u8 == number)
    }
}

/// One row, as it is encoded and decoded.
#[derive(Debug, Clone, Copy)]
pub struct BlockRow<'a> {
    /// Which entry.
    pub id: EntryId,
    /// The digest of what a phone sent; 0 for none.
    pub origin: u64,
    /// Its times. They need not be those of the texts, but packing is best where they are.
    pub times: EntryTimes,
    /// The text of `metadata`.
    pub metadata: &'a str,
    /// The text of `data`.
    pub data: &'a str,
    /// Empty, or the text of further members without braces.
    pub extra: &'a str,
}

impl<'a> BlockRow<'a> {
    fn parts(&self) -> [&'a str; 3] {
        [self.metadata, self.data, self.extra]
    }
}

/// Why rows do not fit in a block.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CannotEncode {
    /// A block holds at least one row.
    #[error("a block without rows")]
    Empty,
    /// The caller should split.
    #[error("{rows} rows are over a block's limit of {ROWS_MAX}")]
    TooManyRows {
        /// How many there were.
        rows: usize,
    },
    /// The caller should split.
    #[error("{text_bytes} bytes of text are over a block's limit of {TEXT_BYTES_MAX}")]
    TooMuchText {
        /// How many there were.
        text_bytes: usize,
    },
    /// The compressor ran out of memory.
    #[error("zstd gave up")]
    Zstd(#[source] std::io::Error),
}

/// Why bytes are not a block.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BadBlock {
    /// An offset or a length reaches past the end.
    #[error("block ends too early")]
    Short,
    /// A block holds at least one row.
    #[error("block without rows")]
    Empty,
    /// The first byte names another codec than the descriptor does.
    #[error("block of another codec")]
    OtherCodec,
    /// A rule of the format is broken.
    #[error("block with {0}")]
    Broken(&'static str),
    /// More of something than any encoder writes.
    #[error("block of {size} {what}, over the limit of {limit}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much the block claims.
        size: u64,
        /// How much it may.
        limit: u64,
    },
    /// A text is not UTF-8.
    #[error("block whose texts are not UTF-8")]
    NotUtf8(#[source] std::str::Utf8Error),
    /// The texts do not unpack.
    #[error("block whose lz4 part is broken")]
    Lz4(#[source] lz4_flex::block::DecompressError),
    /// A section does not unpack.
    #[error("block whose zstd part is broken")]
    Zstd(#[source] std::io::Error),
}

/// A block with all its texts, in two buffers, whatever the count of rows.
#[derive(Debug)]
pub struct DecodedBlock {
    meta: BlockMeta,
    text: String,
    /// Where each row's metadata, data and extra end in `text`; each begins where the one before ends.
    ends: Vec<[u32; 3]>,
    fields: OnceLock<Arc<Fields>>,
}

impl DecodedBlock {
    fn new(meta: BlockMeta, text: Vec<u8>, ends: Vec<[u32; 3]>) -> Result<Self, BadBlock> {
        let text = String::from_utf8(text).map_err(|error| BadBlock::NotUtf8(error.utf8_error()))?;
        if !ends.iter().flatten().all(|end| text.is_char_boundary(*end as usize)) {
            return Err(BadBlock::Broken("a text that ends inside a character"));
        }
        Ok(Self { meta, text, ends, fields: OnceLock::new() })
    }

    /// What decoding a block of these rows will give.
    pub(crate) fn of_rows(rows: &[BlockRow<'_>]) -> Self {
        let mut text = String::with_capacity(rows.iter().flat_map(|row| row.parts()).map(str::len).sum());
        let ends = rows.iter().map(|row| {
            row.parts().map(|part| {
                text.push_str(part);
                text.len() as u32
            })
        });
        let ends = ends.collect();
        Self { meta: BlockMeta::of_rows(rows), text, ends, fields: OnceLock::new() }
    }

    /// How many rows, at least 1.
    #[must_use]
    pub fn len(&self) -> usize {
        self.meta.len()
    }

    /// Never true: an empty block is an error.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.meta.is_empty()
    }

    /// Ids, origins and times.
    #[must_use]
    pub fn meta(&self) -> &BlockMeta {
        &self.meta
    }

    /// One id for each row.
    #[must_use]
    pub fn ids(&self) -> &[EntryId] {
        self.meta.ids()
    }

    /// See [`BlockMeta::times`].
    #[must_use]
    pub fn times(&self, field: TimeField) -> &[f64] {
        self.meta.times(field)
    }

    /// The texts of a row: metadata, data, extra.
    ///
    /// # Panics
    /// Where `row` is not below [`Self::len`].
    #[must_use]
    pub fn texts(&self, row: usize) -> [&str; 3] {
        let start = if row == 0 { 0 } else { self.ends[row - 1][2] as usize };
        let [metadata, data, extra] = self.ends[row].map(|end| end as usize);
        [&self.text[start..metadata], &self.text[metadata..data], &self.text[data..extra]]
    }

    /// A row, its texts borrowed from the block.
    ///
    /// # Panics
    /// Where `row` is not below [`Self::len`].
    #[must_use]
    pub fn row(&self, row: usize) -> BlockRow<'_> {
        let [metadata, data, extra] = self.texts(row);
        let times = self.meta.entry_times(row);
        BlockRow { id: self.meta.ids[row], origin: self.meta.origin(row), times, metadata, data, extra }
    }

    /// All rows in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = BlockRow<'_>> {
        (0..self.len()).map(|row| self.row(row))
    }

    /// The columns that locations have; found in the texts when they are first asked for.
    #[must_use]
    pub fn fields(&self) -> Arc<Fields> {
        Arc::clone(self.fields.get_or_init(|| Arc::new(Fields::of_texts(self))))
    }

    /// Bytes of memory it holds, for a cache's budget.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let times: usize = self.meta.times.iter().map(|times| times.len() * 8).sum();
        let meta = self.len() * 12 + self.meta.origins.len() * 8 + times;
        let of_fields = |fields: &Arc<Fields>| meta + self.len() * 25 + fields.devices.memory_bytes();
        let fields = self.fields.get().map_or(0, of_fields);
        self.text.capacity() + self.ends.len() * 12 + meta + fields
    }
}

/// Writes rows as they are: quick, about a fifth of the texts' size.
///
/// # Errors
/// No rows, too many, too much text.
pub fn encode_rows(rows: &[BlockRow<'_>]) -> Result<Vec<u8>, CannotEncode> {
    rows::encode(rows)
}

/// Writes rows as shapes and columns: a few times slower, about half of [`encode_rows`]'s size or less.
///
/// # Errors
/// No rows, too many, too much text.
pub fn encode_columns(rows: &[BlockRow<'_>]) -> Result<Vec<u8>, CannotEncode> {
    columns::encode(rows)
}

/// Reads a whole block, texts included.
///
/// # Errors
/// The bytes are not what that codec's encoder writes.
pub fn decode(codec: Codec, bytes: &[u8]) -> Result<DecodedBlock, BadBlock> {
    match codec {
        Codec::Rows => rows::decode(bytes),
        Codec::Columns => columns::decode(bytes),
    }
}

/// Reads ids, origins and times; no text is unpacked.
///
/// # Errors
/// As [`decode`]; broken texts may go unnoticed.
pub fn decode_meta(codec: Codec, bytes: &[u8]) -> Result<BlockMeta, BadBlock> {
    match codec {
        Codec::Rows => rows::decode_meta(bytes),
        Codec::Columns => columns::decode_meta(bytes),
    }
}

/// Reads ids, origins, times, the named fields of `data`, and which device brought each row. From columns no text is
/// rebuilt.
///
/// # Errors
/// As [`decode`]; broken texts may go unnoticed.
pub fn decode_fields(codec: Codec, bytes: &[u8]) -> Result<Fields, BadBlock> {
    match codec {
        Codec::Rows => rows::decode(bytes).map(|block| Fields::of_texts(&block)),
        Codec::Columns => columns::decode_fields(bytes),
    }
}

/// Releases the memory that is kept from block to block: remains of texts are in it.
pub(crate) fn forget() {
    section::forget();
}

/// The entry point of fuzzing: reads `bytes` in every way and touches all results.
pub fn fuzz_decode(bytes: &[u8]) {
    for codec in [Codec::Rows, Codec::Columns] {
        if let Ok(block) = decode(codec, bytes) {
            let sum: usize = block.rows().map(|row| row.parts().map(str::len).iter().sum::<usize>()).sum();
            assert_eq!(sum, block.text.len(), "rows cover the texts");
            assert_eq!(block.len(), block.ids().len());
        }
        if let Ok(meta) = decode_meta(codec, bytes) {
            assert!(TimeField::OWN.iter().all(|field| [0, meta.len()].contains(&meta.times(*field).len())));
        }
        if let Ok(fields) = decode_fields(codec, bytes) {
            assert_eq!(fields.latitude.len(), fields.meta.len());
        }
    }
}

/// Refuses what both encoders refuse; returns how many bytes of text there are.
fn check_rows(rows: &[BlockRow<'_>]) -> Result<usize, CannotEncode> {
    if rows.is_empty() {
        return Err(CannotEncode::Empty);
    }
    if rows.len() > ROWS_MAX {
        return Err(CannotEncode::TooManyRows { rows: rows.len() });
    }
    let text_bytes = rows.iter().flat_map(|row| row.parts()).map(str::len).sum();
    if text_bytes > TEXT_BYTES_MAX {
        return Err(CannotEncode::TooMuchText { text_bytes });
    }
    Ok(text_bytes)
}
