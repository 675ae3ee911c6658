//! Limits that a cell can reach, so that both sides must know them. docs/limits.md has each with what happens past it.

use std::ops::RangeInclusive;

/// The largest document, bytes.
pub const DOCUMENT_BYTES_MAX: usize = 256 << 10;
/// How many cursors a run may hold at once.
pub const CURSORS_MAX: usize = 16;
/// How many keys a query may name.
pub const QUERY_KEYS_MAX: usize = 64;
/// How many ids `find-ids` takes at once.
pub const QUERY_IDS_MAX: usize = 16_384;
/// The smallest and the largest page that a cell gets, whatever it asks for, bytes. A page of one entry may be larger.
pub const PAGE_BYTES: RangeInclusive<u32> = 4 << 10..=1 << 20;
/// The most rows of columns that a cell gets at once.
pub const ROWS_MAX: u32 = 65_536;
/// The largest piece of a request's body that a cell gets at once, bytes.
pub const BODY_PIECE_BYTES_MAX: u32 = 1 << 20;
/// Where a log line, or the text of a cell's error, is cut, bytes.
pub const LOG_LINE_BYTES_MAX: usize = 500;
