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
/// The most rows of columns at which a cursor of version 0.2 stands: the runtime holds them meanwhile.
pub const COLUMN_ROWS_MAX: u32 = 16_384;
/// The form of pages that docs/formats/page.md describes.
pub const PAGE_FORMAT: u32 = 1;
/// The longest key of a cell's private state, bytes.
pub const STATE_KEY_BYTES_MAX: usize = 256;
/// The largest value of a cell's private state, bytes.
pub const STATE_VALUE_BYTES_MAX: usize = 256 << 10;
/// The most keys in one answer of `state.scan`.
pub const STATE_SCAN_KEYS_MAX: u32 = 1_024;
/// The size at which an answer of `state.scan` ends, bytes; one value alone may be larger.
pub const STATE_SCAN_BYTES_MAX: usize = 1 << 20;
/// The most numbers of one contribution to a study.
pub const CONTRIBUTION_NUMBERS_MAX: usize = 4_096;
/// The largest piece of a request's body in one call, bytes.
pub const BODY_PIECE_BYTES_MAX: u32 = 1 << 20;
/// The length at which a log line, or the text of a cell's error, is cut, bytes.
pub const LOG_LINE_BYTES_MAX: usize = 500;
