//! A person's diary in the forms that other programs read: GeoJSON, GPX, KML, CSV.
//!
//! [`write()`] reads the confirmed trips of a span from a [`Source`], joins each with its places, stops, sections and
//! points, and writes it before it reads the next.
//!
//! * Units: times are seconds since 1970-01-01T00:00:00Z, lengths metres; coordinates are longitude, latitude, degrees.
//! * Invariants: programs that follow a format can read every file of it (docs/formats/diary.md): coordinates are on
//!   the globe, lines are cut at the 180th meridian, a line without length is a point, and all times of a file have one
//!   form.
//! * Memory: one trip, and 12 bytes for each trip of the span.
//! * Not here: the entries themselves (the host provides them), and spans without readings, which no trip explains.

mod entry;
mod geojson;
mod gpx;
mod kml;
mod labels;
mod line;
mod source;
mod table;
mod time;
mod trip;
mod xml;

use std::io::{self, Write};

pub use entry::Entry;
pub use geojson::timeline;
pub use source::{Source, Visit};
pub use trip::{Fix, Mode, Modes, STREAMS, Section, Trip};

use gpx::Tracks;
use kml::Folders;
use table::Table;

/// The format of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// One GeoJSON feature collection (RFC 7946) of trips, places, stops, sections and incidents.
    Geojson,
    /// A feature collection for each trip, one within the other, as the reference's own clients show it.
    Timeline,
    /// GPX 1.1: a track for each trip, a segment for each section.
    Gpx,
    /// KML 2.2: a folder for each trip, a track for each section.
    Kml,
    /// A line for each trip, with a heading.
    Csv,
}

/// Why a diary was not written, or not completely. `E`: the error of the source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError<E> {
    /// The source cannot be read.
    #[error("the diary cannot be read")]
    Read(#[source] E),
    /// The output cannot be written.
    #[error("the diary cannot be written")]
    Write(#[from] io::Error),
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Number of trips.
    pub trips: u64,
    /// Confirmed trips that lack what every trip has, and were skipped.
    pub unread: u64,
}

/// Writes the trips that begin between `from` and `to`, s, both included, in the order of their beginnings.
///
/// # Errors
/// [`ExportError`]; the output written by then is incomplete.
pub fn write<S: Source, W: Write>(
    source: &mut S,
    format: Format,
    from: f64,
    to: f64,
    out: W,
) -> Result<Written, ExportError<S::Error>> {
    let ids = trip::ids(source, from, to).map_err(ExportError::Read)?;
    let mut sheet = Sheet::begin(format, out)?;
    let mut written = Written::default();
    for id in ids {
        match Trip::read(source, id, Modes::Inferred).map_err(ExportError::Read)? {
            Some(trip) => {
                sheet.trip(&trip)?;
                written.trips += 1;
            }
            None => written.unread += 1,
        }
    }
    sheet.end()?;
    Ok(written)
}

/// An output that is being written.
enum Sheet<W: Write> {
    /// The feature collection, or the list, and whether it has an item yet.
    Json {
        out: W,
        flat: bool,
        begun: bool,
    },
    Gpx(Tracks<W>),
    Kml(Folders<W>),
    Csv(Box<Table<W>>),
}

impl<W: Write> Sheet<W> {
    fn begin(format: Format, mut out: W) -> io::Result<Self> {
        Ok(match format {
            Format::Geojson => {
                out.write_all(b"{\"type\":\"FeatureCollection\",\"features\":[")?;
                Self::Json { out, flat: true, begun: false }
            }
            Format::Timeline => {
                out.write_all(b"[")?;
                Self::Json { out, flat: false, begun: false }
            }
            Format::Gpx => Self::Gpx(Tracks::begin(out)?),
            Format::Kml => Self::Kml(Folders::begin(out)?),
            Format::Csv => Self::Csv(Box::new(Table::begin(out)?)),
        })
    }

    fn trip(&mut self, trip: &Trip) -> io::Result<()> {
        match self {
            Self::Json { out, flat, begun } => {
                let values = if *flat { geojson::features(trip) } else { vec![timeline(trip)] };
                for value in values {
                    out.write_all(if *begun { b",\n" } else { b"\n" })?;
                    serde_json::to_writer(&mut *out, &value)?;
                    *begun = true;
                }
                Ok(())
            }
            Self::Gpx(tracks) => tracks.trip(trip),
            Self::Kml(folders) => folders.trip(trip),
            Self::Csv(table) => table.trip(trip),
        }
    }

    fn end(self) -> io::Result<()> {
        match self {
            Self::Json { mut out, flat, .. } => {
                out.write_all(if flat { b"\n]}\n" } else { b"\n]\n" })?;
                out.flush()
            }
            Self::Gpx(tracks) => tracks.end(),
            Self::Kml(folders) => folders.end(),
            Self::Csv(table) => table.end(),
        }
    }
}
