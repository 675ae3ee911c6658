//! Blocks that are not sealed yet: rows sorted, split and encoded.

use std::collections::HashSet;
use std::sync::Arc;

use runtime_types::{EntryId, EntryTimes, Stream, TimeField};

use crate::block::{self, BlockRow, Codec, DecodedBlock};
use crate::layout::{FIELDS, Span};
use crate::rows::RowSet;
use crate::{CommitError, ENTRY_BYTES_MAX, ReadError};

/// The most rows of a block.
pub(crate) const BLOCK_ROWS_MAX: usize = 1024;
/// The size at which a block with more than one row stops growing, bytes of text: what a cursor holds at a time.
pub(crate) const BLOCK_TEXT_BYTES_MAX: usize = 640 << 10;

const _: () = assert!(BLOCK_ROWS_MAX <= block::ROWS_MAX && ENTRY_BYTES_MAX <= block::TEXT_BYTES_MAX);

/// A block without number and seal.
#[derive(Debug)]
pub(crate) struct Draft {
    pub stream: Arc<Stream>,
    pub month: i32,
    pub codec: Codec,
    pub rows: u32,
    pub plain: Vec<u8>,
    pub text_bytes: u32,
    pub min_id: EntryId,
    pub max_id: EntryId,
    pub spans: [Option<Span>; FIELDS],
    pub invalid: RowSet,
    /// What decoding it would give; `None` unless asked for.
    pub decoded: Option<Arc<DecodedBlock>>,
}

/// Whether a block will be read before it is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CacheHint {
    /// It will: its decoded form is kept.
    Keep,
    /// It may not be read.
    Drop,
}

/// Rows of one stream and month that will become blocks.
#[derive(Debug, Default)]
pub(crate) struct DraftRows<'a> {
    pub rows: Vec<BlockRow<'a>>,
    /// Which of them are marked invalid.
    pub invalid: HashSet<EntryId>,
}

impl<'a> DraftRows<'a> {
    pub fn with_capacity(rows: usize) -> Self {
        Self { rows: Vec::with_capacity(rows), invalid: HashSet::new() }
    }

    pub fn push(&mut self, row: BlockRow<'a>, invalid: bool) {
        if invalid {
            self.invalid.insert(row.id);
        }
        self.rows.push(row);
    }

    /// Adds the rows of a stored block that are not dead.
    pub fn extend(&mut self, block: &'a DecodedBlock, dead: &RowSet, invalid: &RowSet) {
        let alive = (0..block.len() as u32).filter(|row| !dead.contains(*row));
        alive.for_each(|row| self.push(block.row(row as usize), invalid.contains(row)));
    }
}

/// The time that an entry is sorted by, s: its position; 0 where it has no time at all.
pub(crate) fn position(times: &EntryTimes) -> f64 {
    or_zero(times.get(TimeField::Position))
}

/// The value used for a missing position.
pub(crate) fn or_zero(position: f64) -> f64 {
    if position.is_nan() { 0.0 } else { position }
}

/// All texts of a row, bytes.
pub(crate) fn text_bytes(row: &BlockRow<'_>) -> usize {
    row.metadata.len() + row.data.len() + row.extra.len()
}

/// Sorts rows of one stream and month by position and id, and encodes them as few blocks of similar size.
pub(crate) fn draft(
    stream: &Arc<Stream>,
    month: i32,
    codec: Codec,
    rows: DraftRows<'_>,
    cache: CacheHint,
) -> Result<Vec<Draft>, CommitError> {
    let DraftRows { mut rows, invalid } = rows;
    rows.sort_by(|a, b| position(&a.times).total_cmp(&position(&b.times)).then(a.id.cmp(&b.id)));
    let bytes: usize = rows.iter().map(text_bytes).sum();
    let parts = rows.len().div_ceil(BLOCK_ROWS_MAX).max(bytes.div_ceil(BLOCK_TEXT_BYTES_MAX)).max(1);
    let rows_each = rows.len().div_ceil(parts);
    let mut drafts = Vec::new();
    let mut rest = rows.as_slice();
    while !rest.is_empty() {
        let count = chunk(rest, rows_each);
        let (head, tail) = rest.split_at(count);
        let decoded = (cache == CacheHint::Keep).then(|| Arc::new(DecodedBlock::of_rows(head)));
        drafts.push(Draft { decoded, ..encode(stream, month, codec, head, &invalid)? });
        rest = tail;
    }
    Ok(drafts)
}

/// How many rows the next block takes: its share, fewer where they are large, and at least one.
fn chunk(rows: &[BlockRow<'_>], rows_each: usize) -> usize {
    let mut bytes = 0;
    let fitting = rows.iter().take(rows_each).take_while(|row| {
        bytes += text_bytes(row);
        bytes <= BLOCK_TEXT_BYTES_MAX
    });
    fitting.count().max(1)
}

fn encode(
    stream: &Arc<Stream>,
    month: i32,
    codec: Codec,
    rows: &[BlockRow<'_>],
    marked: &HashSet<EntryId>,
) -> Result<Draft, CommitError> {
    let encoded = match codec {
        Codec::Rows => block::encode_rows(rows),
        Codec::Columns => block::encode_columns(rows),
    };
    let plain = encoded.map_err(|source| ReadError::Block { block: 0, source: Box::new(source) })?;
    let mut invalid = RowSet::default();
    if !marked.is_empty() {
        let rows = (0..).zip(rows).filter(|(_, row)| marked.contains(&row.id));
        for (at, _) in rows {
            invalid.insert(at);
        }
    }
    let ids = || rows.iter().map(|row| row.id);
    Ok(Draft {
        stream: Arc::clone(stream),
        month,
        codec,
        rows: rows.len() as u32,
        plain,
        text_bytes: rows.iter().map(text_bytes).sum::<usize>() as u32,
        min_id: ids().min().unwrap_or(EntryId::NONE),
        max_id: ids().max().unwrap_or(EntryId::NONE),
        spans: spans(rows),
        invalid,
        decoded: None,
    })
}

fn spans(rows: &[BlockRow<'_>]) -> [Option<Span>; FIELDS] {
    let mut spans: [Option<Span>; FIELDS] = [None; FIELDS];
    for row in rows {
        let times = row.times.own.iter().copied().chain([position(&row.times)]);
        for (span, time) in spans.iter_mut().zip(times).filter(|(_, time)| !time.is_nan()) {
            let so_far = span.unwrap_or(Span { min: time, max: time, rows: 0 });
            *span =
                Some(Span { min: so_far.min.min(time), max: so_far.max.max(time), rows: so_far.rows + 1 });
        }
    }
    spans
}
