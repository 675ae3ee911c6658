//! The formats, and how one is told from the first bytes of a file.

use std::fmt;
use std::str::FromStr;

/// How many bytes of a file are looked at.
pub const LOOKED_AT_BYTES: usize = 64 << 10;

/// The format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Entries in the reference's form: a JSON array, one entry a line, or an export of everything about a person, of
    /// which what phones and people said is read.
    Emission,
    /// GPX 1.0 and 1.1.
    Gpx,
    /// GeoJSON, also a list of features such as Overland's; Dawarich's export is of this format.
    Geojson,
    /// KML with tracks, lines and points.
    Kml,
    /// FIT activities.
    Fit,
    /// TCX.
    Tcx,
    /// A table with a heading.
    Csv,
    /// Google's `Records.json`.
    GoogleRecords,
    /// Google's monthly semantic history.
    GoogleSemantic,
    /// `Timeline.json` of an Android phone or an iPhone.
    GoogleTimeline,
    /// OwnTracks recorder.
    OwntracksRec,
    /// OwnTracks payloads in a JSON list; Dawarich's older export is of this format.
    Owntracks,
    /// Traccar's positions as JSON.
    Traccar,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 13] = [
        Self::Emission,
        Self::Gpx,
        Self::Geojson,
        Self::Kml,
        Self::Fit,
        Self::Tcx,
        Self::Csv,
        Self::GoogleRecords,
        Self::GoogleSemantic,
        Self::GoogleTimeline,
        Self::OwntracksRec,
        Self::Owntracks,
        Self::Traccar,
    ];

    /// Its name at the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Emission => "e-mission",
            Self::Gpx => "gpx",
            Self::Geojson => "geojson",
            Self::Kml => "kml",
            Self::Fit => "fit",
            Self::Tcx => "tcx",
            Self::Csv => "csv",
            Self::GoogleRecords => "google-records",
            Self::GoogleSemantic => "google-semantic",
            Self::GoogleTimeline => "google-timeline",
            Self::OwntracksRec => "owntracks-rec",
            Self::Owntracks => "owntracks",
            Self::Traccar => "traccar",
        }
    }

    /// All names, for people.
    pub fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name is none of [`Format::names`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no format has that name: use one of {}", Format::names())]
pub struct NoFormat;

impl FromStr for Format {
    type Err = NoFormat;

    fn from_str(name: &str) -> Result<Self, NoFormat> {
        Self::ALL.into_iter().find(|format| format.name() == name).ok_or(NoFormat)
    }
}

/// The format that the first bytes of a file have, at most `LOOKED_AT_BYTES` of which matter.
pub fn detect(head: &[u8]) -> Option<Format> {
    let head = &head[..head.len().min(LOOKED_AT_BYTES)];
    if head.get(8..12) == Some(b".FIT") {
        return Some(Format::Fit);
    }
    let text = String::from_utf8_lossy(head);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    match text.as_bytes().first()? {
        b'<' => of_xml(text),
        b'{' | b'[' => of_json(text),
        _ => of_lines(text),
    }
}

fn of_xml(text: &str) -> Option<Format> {
    let roots = [("<gpx", Format::Gpx), ("<kml", Format::Kml), ("<TrainingCenterDatabase", Format::Tcx)];
    // The name of the root may have a prefix.
    let prefixed = [(":gpx", Format::Gpx), (":kml", Format::Kml), (":TrainingCenterDatabase", Format::Tcx)];
    let places =
        roots.into_iter().chain(prefixed).filter_map(|(root, format)| Some((text.find(root)?, format)));
    places.min_by_key(|(place, _)| *place).map(|(_, format)| format)
}

/// Names that only one format has; the first that occurs decides.
const MEMBERS: [(&str, Format); 23] = [
    ("\"cellar-export-", Format::Emission),
    ("\"FeatureCollection\"", Format::Geojson),
    ("\"Feature\"", Format::Geojson),
    ("\"LineString\"", Format::Geojson),
    ("\"timelineObjects\"", Format::GoogleSemantic),
    ("\"placeVisit\"", Format::GoogleSemantic),
    ("\"activitySegment\"", Format::GoogleSemantic),
    ("\"semanticSegments\"", Format::GoogleTimeline),
    ("\"rawSignals\"", Format::GoogleTimeline),
    ("\"timelinePath\"", Format::GoogleTimeline),
    ("\"timelineMemory\"", Format::GoogleTimeline),
    ("\"topCandidate\"", Format::GoogleTimeline),
    ("\"latitudeE7\"", Format::GoogleRecords),
    ("\"longitudeE7\"", Format::GoogleRecords),
    ("\"timestampMs\"", Format::GoogleRecords),
    ("\"dawarich-export\"", Format::Owntracks),
    ("\"_type\"", Format::Owntracks),
    ("\"tst\"", Format::Owntracks),
    ("\"fixTime\"", Format::Traccar),
    ("\"deviceTime\"", Format::Traccar),
    ("\"metadata\"", Format::Emission),
    ("\"write_ts\"", Format::Emission),
    ("\"$oid\"", Format::Emission),
];

fn of_json(text: &str) -> Option<Format> {
    let places = MEMBERS.into_iter().filter_map(|(member, format)| Some((text.find(member)?, format)));
    places.min_by_key(|(place, _)| *place).map(|(_, format)| format)
}

fn of_lines(text: &str) -> Option<Format> {
    let line = text.lines().next()?;
    if line.split('\t').nth(2).is_some_and(|payload| payload.trim_start().starts_with('{')) {
        return Some(Format::OwntracksRec);
    }
    crate::table::is_a_heading(line).then_some(Format::Csv)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_reads_its_own_name() {
        for format in Format::ALL {
            assert_eq!(format.name().parse(), Ok(format));
        }
        assert_eq!("shapefile".parse::<Format>(), Err(NoFormat));
    }
}
