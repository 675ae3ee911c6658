//! Entries that a cell writes to the store: the packed form `CRW1` of docs/formats/page.md.

use crate::EntryId;
use crate::take::Take;

const MAGIC: [u8; 4] = *b"CRW1";
const HEADER_BYTES: usize = 8;

/// Why a buffer of rows was refused; nothing of it is used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRows {
    /// It does not begin with the magic.
    #[error("rows do not begin with CRW1")]
    Magic,
    /// It ends within a row, or a text is not UTF-8.
    #[error("row {index} of {count} does not fit its buffer or is not UTF-8")]
    Row {
        /// The index of the row, from 0.
        index: u32,
        /// How many rows the buffer says it has.
        count: u32,
    },
    /// There are bytes behind the last row.
    #[error("bytes after the last of {count} rows")]
    Rest {
        /// How many rows the buffer says it has.
        count: u32,
    },
}

/// One row; the texts are kept byte for byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<'a> {
    /// The entry that the row changes; [`EntryId::NONE`] for a new one.
    pub id: EntryId,
    /// Such as `background/location`.
    pub key: &'a str,
    /// A JSON object.
    pub metadata: &'a str,
    /// A JSON object.
    pub data: &'a str,
    /// Empty, or further members of the entry without the outer braces.
    pub extra: &'a str,
}

/// Rows in the packed form.
#[derive(Debug, Clone)]
pub struct Rows {
    bytes: Vec<u8>,
}

impl Default for Rows {
    fn default() -> Self {
        Self::new()
    }
}

impl Rows {
    /// No rows yet.
    pub fn new() -> Self {
        Self::with_room(0)
    }

    /// No rows yet, with room for this many bytes: a buffer that grows while it is filled is copied again and again.
    pub fn with_room(bytes: usize) -> Self {
        let mut rows = Vec::with_capacity(HEADER_BYTES + bytes);
        rows.extend(MAGIC);
        rows.extend([0; 4]);
        Self { bytes: rows }
    }

    /// How many rows there are.
    pub fn count(&self) -> u32 {
        u32::from_le_bytes([self.bytes[4], self.bytes[5], self.bytes[6], self.bytes[7]])
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// The packed form.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Adds a row.
    ///
    /// # Panics
    /// When a text is 4 GiB long or a key 64 KiB: neither fits the form, and no cell has that much memory.
    pub fn push(&mut self, row: Row<'_>) {
        let length = |text: &str| u32::try_from(text.len()).expect("a text is under 4 GiB").to_le_bytes();
        self.bytes.extend(row.id.0);
        self.bytes.extend(u16::try_from(row.key.len()).expect("a key is under 64 KiB").to_le_bytes());
        self.bytes.extend([0; 2]);
        for text in [row.metadata, row.data, row.extra] {
            self.bytes.extend(length(text));
        }
        for text in [row.key, row.metadata, row.data, row.extra] {
            self.bytes.extend(text.as_bytes());
        }
        let count = (self.count() + 1).to_le_bytes();
        self.bytes[4..8].copy_from_slice(&count);
    }

    /// Removes all rows and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.truncate(HEADER_BYTES);
        self.bytes[4..8].fill(0);
    }
}

/// Reads rows; the first error refuses them all.
pub fn read(bytes: &[u8]) -> Result<Vec<Row<'_>>, BadRows> {
    let mut take = Take::new(bytes);
    if take.array() != Some(MAGIC) {
        return Err(BadRows::Magic);
    }
    let count = take.u32().ok_or(BadRows::Magic)?;
    // A row has at least 28 bytes: an impossible count reserves no memory.
    let mut rows = Vec::with_capacity((count as usize).min(bytes.len() / 28));
    for index in 0..count {
        rows.push(read_row(&mut take).ok_or(BadRows::Row { index, count })?);
    }
    if take.is_empty() { Ok(rows) } else { Err(BadRows::Rest { count }) }
}

fn read_row<'a>(take: &mut Take<'a>) -> Option<Row<'a>> {
    let id = EntryId(take.array()?);
    let key_bytes = take.u16()?;
    take.u16()?;
    let [metadata_bytes, data_bytes, extra_bytes] = [take.u32()?, take.u32()?, take.u32()?];
    Some(Row {
        id,
        key: take.text(usize::from(key_bytes))?,
        metadata: take.text(metadata_bytes as usize)?,
        data: take.text(data_bytes as usize)?,
        extra: take.text(extra_bytes as usize)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row<'a>(key: &'a str, data: &'a str) -> Row<'a> {
        Row { id: EntryId([7; 12]), key, metadata: r#"{"write_ts":1}"#, data, extra: "" }
    }

    #[test]
    fn rows_can_be_written_and_read_back() {
        let mut rows = Rows::new();
        rows.push(row("a/b", "{}"));
        rows.push(Row { extra: r#""error":{}"#, ..row("c/d", "{\"ü\":1}") });
        let back = read(rows.as_bytes()).expect("sound");
        assert_eq!(back, [row("a/b", "{}"), Row { extra: r#""error":{}"#, ..row("c/d", "{\"ü\":1}") }]);
        rows.clear();
        assert_eq!(read(rows.as_bytes()), Ok(Vec::new()));
    }

    #[test]
    fn a_buffer_that_is_truncated_anywhere_is_refused() {
        let mut rows = Rows::new();
        rows.push(row("a/b", "{}"));
        for end in 0..rows.as_bytes().len() {
            assert!(read(&rows.as_bytes()[..end]).is_err(), "cut at {end}");
        }
        let longer = [rows.as_bytes(), &[0]].concat();
        assert_eq!(read(&longer), Err(BadRows::Rest { count: 1 }));
    }

    proptest! {
        #[test]
        fn the_reader_never_panics_whatever_the_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&[&MAGIC[..], &bytes].concat());
        }
    }
}
