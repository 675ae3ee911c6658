//! Limits that a cell can reach, so that both sides must know them. docs/limits.md lists them and what happens beyond
//! them.

use std::ops::RangeInclusive;

/// The largest document, bytes.
pub const DOCUMENT_BYTES_MAX: usize = 256 << 10;
/// How many cursors a run may have open at once.
pub const CURSORS_MAX: usize = 16;
/// How many keys a query may name.
pub const QUERY_KEYS_MAX: usize = 64;
/// The most ids in one call of `find-ids`.
pub const QUERY_IDS_MAX: usize = 16_384;
/// The range of a page's size, whatever a cell asks for, bytes. A page of one entry may be larger.
pub const PAGE_BYTES: RangeInclusive<u32> = 4 << 10..=1 << 20;
/// The most rows of columns in one call.
pub const ROWS_MAX: u32 = 65_536;
/// The largest piece of a request's body in one call, bytes.
pub const BODY_PIECE_BYTES_MAX: u32 = 1 << 20;
/// The length at which a log line, or the text of a cell's error, is cut, bytes.
pub const LOG_LINE_BYTES_MAX: usize = 500;
