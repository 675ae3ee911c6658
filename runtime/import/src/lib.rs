//! Readers of files in which people keep where they were, and what entries their records become.
//!
//! [`open`] finds the format of a file from its first bytes, reads through gzip and zip, and [`Opened::read`] gives each
//! record as an [`Item`]: a [`Reading`], an entry in the reference's form, or a refusal with its place and its reason.
//!
//! * Units: seconds since 1970-01-01T00:00:00Z, degrees, metres, metres a second. What a format has in other units is
//!   converted here.
//! * Invariants: no bytes cause a panic; a bad record costs that record alone; the same file gives the same items, and
//!   the same reading the same id, in every run and from every format that keeps place and time.
//! * Memory: one record of at most [`json::stream::ITEM_BYTES_MAX`], a buffer of the source, and for KML the times of
//!   one track.
//! * Not here: the store, what is known already, progress (the host and `runtime/user` have them).

mod archive;
mod entry;
mod fit;
mod format;
pub mod json;
mod moment;
mod number;
mod reading;
mod table;
mod xml;

use std::io::{self, BufRead};
use std::ops::ControlFlow;

pub use archive::{ARCHIVED, Bounds, Opened, Part, Source, open, open_source};
pub use entry::{Entries, Texts};
pub use format::{Format, detect};
pub use moment::seconds;
pub use reading::{Battery, Fix, Motion, Reading};

/// The longest raw record that is kept beside what was read from it, bytes.
pub const RAW_BYTES_MAX: usize = 16 << 10;
/// How much of a refused record is shown, bytes.
pub const SHOWN_BYTES_MAX: usize = 2 << 10;

/// One record of a file.
#[derive(Debug, Clone, PartialEq)]
pub enum Item<'a> {
    /// What a sensor said.
    Reading {
        /// What it says.
        reading: Reading,
        /// The record as JSON, where it says more than the reading; empty elsewhere.
        raw: &'a str,
    },
    /// An entry of a dump, as it is written; whether it reads is for its reader.
    Entry(&'a [u8]),
    /// How the columns of a table were understood, for people.
    Columns(String),
    /// A record that was not understood.
    Refused(Refused),
}

/// A record that was not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Where it begins or ends, bytes from the start of the decompressed file.
    pub at: u64,
    /// What is wrong, without values.
    pub why: &'static str,
    /// The record as far as it was read, at most [`SHOWN_BYTES_MAX`] bytes; may be empty.
    pub text: String,
}

impl Refused {
    pub(crate) fn new(at: u64, why: &'static str, text: &str) -> Self {
        let mut end = text.len().min(SHOWN_BYTES_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Self { at, why, text: text[..end].to_owned() }
    }
}

/// Takes the items of a file one by one; `Break` ends the reading.
pub type Takes<'t> = &'t mut dyn FnMut(Item<'_>) -> ControlFlow<()>;

/// Why the rest of a file was not read. What came before was given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The source failed, or expands to more than its bound.
    #[error("the file cannot be read further")]
    Read(#[from] io::Error),
    /// Its format is none of those that are known.
    #[error(
        "the format is not known from the first bytes: name it with --format, one of {}",
        Format::names()
    )]
    Unknown,
    /// The file is not of the format from here on.
    #[error("not {format} at byte {at}: {why}")]
    Broken {
        /// The format.
        format: Format,
        /// Offset in the decompressed file, bytes.
        at: u64,
        /// What is wrong there.
        why: String,
    },
}

/// Reads one decompressed file of a known format from its start.
///
/// # Errors
/// [`ReadError`] where the structure of the file ends; `Break` of the taker is no error.
pub fn read(format: Format, source: &mut dyn BufRead, take: Takes<'_>) -> Result<(), ReadError> {
    match format {
        Format::Gpx | Format::Kml | Format::Tcx => xml::read(format, source, take),
        Format::Fit => fit::read(source, take),
        Format::Csv => table::read(source, take),
        Format::OwntracksRec => json::lines(format, source, take),
        _ => json::read(format, source, take),
    }
}
