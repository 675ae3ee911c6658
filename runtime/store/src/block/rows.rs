//! Rows: plain arrays and one lz4 block of all texts. For fresh tails, which are read whole and soon
//! rewritten.

use std::cell::Cell;

use super::bytes::{Reader, put_u32};
use super::lz4;
use super::meta::{BlockMeta, put_ids, put_origins, put_times, read_ids, read_origins, read_times};
use super::{BadBlock, BlockRow, CannotEncode, Codec, DecodedBlock, ROWS_MAX, TEXT_BYTES_MAX, check_rows};

/// Lengths take 4 bytes each instead of 2.
const WIDE_LENGTHS: u8 = 1;
/// Some row has an extra text, so that there is a third array of lengths.
const EXTRAS: u8 = 2;

thread_local! {
    /// The buffer in which texts are put together, kept from block to block: new memory costs more than filling it. It
    /// holds no text between calls, since no store may leave any behind.
    static TEXT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}
/// The most that a thread keeps of it.
const TEXT_KEPT_BYTES_MAX: usize = 1 << 20;

/// Encodes as rows.
pub(super) fn encode(rows: &[BlockRow<'_>]) -> Result<Vec<u8>, CannotEncode> {
    let text_bytes = check_rows(rows)?;
    let wide = rows.iter().flat_map(|row| row.parts()).any(|part| part.len() > usize::from(u16::MAX));
    let extras = rows.iter().any(|row| !row.extra.is_empty());

    let mut out = Vec::with_capacity(text_bytes / 3 + rows.len() * 40 + 64);
    out.push(Codec::Rows as u8);
    let flags = [(wide, WIDE_LENGTHS), (extras, EXTRAS)];
    out.push(flags.iter().filter(|(set, _)| *set).map(|(_, flag)| flag).sum());
    put_u32(&mut out, rows.len());
    put_u32(&mut out, text_bytes);
    put_ids(&mut out, rows);
    put_origins(&mut out, rows);
    put_times(&mut out, rows);
    for part in 0..2 + usize::from(extras) {
        for length in rows.iter().map(|row| row.parts()[part].len()) {
            let bytes = (length as u32).to_le_bytes();
            out.extend_from_slice(if wide { &bytes } else { &bytes[..2] });
        }
    }
    let mut text = TEXT.take();
    text.clear();
    for row in rows {
        row.parts().into_iter().for_each(|part| text.extend_from_slice(part.as_bytes()));
    }
    lz4::pack(&text, &mut out);
    if text.capacity() <= TEXT_KEPT_BYTES_MAX {
        text.fill(0);
        TEXT.set(text);
    }
    Ok(out)
}

struct Header<'a> {
    meta: BlockMeta,
    flags: u8,
    text_bytes: usize,
    /// The arrays of lengths and the packed text.
    reader: Reader<'a>,
}

fn header(bytes: &[u8]) -> Result<Header<'_>, BadBlock> {
    let mut reader = Reader::new(bytes);
    if reader.u8()? != Codec::Rows as u8 {
        return Err(BadBlock::OtherCodec);
    }
    let flags = reader.u8()?;
    if flags > WIDE_LENGTHS | EXTRAS {
        return Err(BadBlock::Broken("flags of rows that mean nothing"));
    }
    let rows = reader.rows()?;
    let text_bytes = reader.text_bytes()?;
    let ids = read_ids(&mut reader, rows)?;
    let origins = read_origins(&mut reader, rows)?;
    let times = read_times(&mut reader, rows)?;
    Ok(Header { meta: BlockMeta::new(ids, origins, times), flags, text_bytes, reader })
}

/// Decodes ids, origins and times; the texts stay packed.
pub(super) fn decode_meta(bytes: &[u8]) -> Result<BlockMeta, BadBlock> {
    header(bytes).map(|header| header.meta)
}

/// Decodes everything.
pub(super) fn decode(bytes: &[u8]) -> Result<DecodedBlock, BadBlock> {
    let Header { meta, flags, text_bytes, mut reader } = header(bytes)?;
    let ends = ends(&mut reader, meta.len(), flags)?;
    if ends.last().is_none_or(|last| last[2] as usize != text_bytes) {
        return Err(BadBlock::Broken("lengths of texts that do not add up"));
    }
    let text = if text_bytes == 0 { Vec::new() } else { unpack(reader.rest(), text_bytes)? };
    DecodedBlock::new(meta, text, ends)
}

fn unpack(packed: &[u8], text_bytes: usize) -> Result<Vec<u8>, BadBlock> {
    let text = lz4_flex::block::decompress(packed, text_bytes).map_err(BadBlock::Lz4)?;
    if text.len() != text_bytes {
        return Err(BadBlock::Broken("texts of another length than told"));
    }
    Ok(text)
}

/// Where each row's three texts end.
fn ends(reader: &mut Reader<'_>, rows: usize, flags: u8) -> Result<Vec<[u32; 3]>, BadBlock> {
    let mut lengths = |present: bool| -> Result<Vec<u32>, BadBlock> {
        Ok(if !present {
            vec![0; rows]
        } else if flags & WIDE_LENGTHS != 0 {
            reader.take(rows * 4)?.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect()
        } else {
            let short = reader.take(rows * 2)?.as_chunks().0;
            short.iter().map(|bytes| u32::from(u16::from_le_bytes(*bytes))).collect()
        })
    };
    let [metadata, data, extra] = [lengths(true)?, lengths(true)?, lengths(flags & EXTRAS != 0)?];
    let mut at = 0_u64;
    let mut ends = Vec::with_capacity(rows);
    for ((metadata, data), extra) in metadata.into_iter().zip(data).zip(extra) {
        ends.push([metadata, data, extra].map(|length| {
            at += u64::from(length);
            at.min(u64::from(u32::MAX)) as u32
        }));
    }
    // There are at most 3 * 4,096 lengths of 32 bits, so the sum cannot wrap; what was clamped is refused here.
    if at > TEXT_BYTES_MAX as u64 {
        return Err(BadBlock::TooLarge { what: "bytes of text", size: at, limit: TEXT_BYTES_MAX as u64 });
    }
    Ok(ends)
}

impl Reader<'_> {
    /// The count of rows in a block's header.
    pub(super) fn rows(&mut self) -> Result<usize, BadBlock> {
        match self.u32()? {
            0 => Err(BadBlock::Empty),
            rows if rows > ROWS_MAX => {
                Err(BadBlock::TooLarge { what: "rows", size: rows as u64, limit: ROWS_MAX as u64 })
            }
            rows => Ok(rows),
        }
    }

    /// A size of text or of a section in a block's header, checked so that no more than the limit is allocated.
    pub(super) fn text_bytes(&mut self) -> Result<usize, BadBlock> {
        let size = self.u32()?;
        if size > TEXT_BYTES_MAX {
            return Err(BadBlock::TooLarge {
                what: "bytes of text",
                size: size as u64,
                limit: TEXT_BYTES_MAX as u64,
            });
        }
        Ok(size)
    }
}
