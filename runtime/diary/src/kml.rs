//! Trips as KML 2.2: a folder for each trip, a track with a time for each place for each section.
//!
//! The tracks are those of Google's extension (`gx:Track`), which maps and earth viewers animate. A section over the
//! 180th meridian has two. A track has altitudes where each of its points has one: some readers refuse a line that has
//! them in part. Text has no control characters, which XML cannot represent.

use std::io::{self, Write};

use quick_xml::events::BytesStart;

use crate::gpx::{Segment, segments, told};
use crate::time::utc_to_the_millisecond;
use crate::xml::Elements;
use crate::{Fix, Trip};

/// A file that is being written.
pub struct Folders<W: Write> {
    xml: Elements<W>,
}

impl<W: Write> Folders<W> {
    pub fn begin(out: W) -> io::Result<Self> {
        let root = BytesStart::new("kml").with_attributes([
            ("xmlns", "http://www.opengis.net/kml/2.2"),
            ("xmlns:gx", "http://www.google.com/kml/ext/2.2"),
        ]);
        let mut xml = Elements::begin(out, root)?;
        xml.open("Document")?;
        Ok(Self { xml })
    }

    /// The elements are in the order that the schema requires.
    pub fn trip(&mut self, trip: &Trip) -> io::Result<()> {
        self.xml.open("Folder")?;
        let [start, end] =
            ["start_fmt_time", "end_fmt_time"].map(|name| trip.entry.text(name).unwrap_or("?"));
        self.xml.text("name", &format!("{start} to {end}"))?;
        let told: Vec<String> = trip.sections.iter().map(told).collect();
        if !told.is_empty() {
            self.xml.text("description", &told.join(", "))?;
        }
        segments(trip).iter().try_for_each(|segment| self.segment(segment))?;
        self.xml.close("Folder")
    }

    fn segment(&mut self, segment: &Segment) -> io::Result<()> {
        // Without its time a point cannot be part of a track.
        let timed =
            segment.points.iter().filter_map(|point| Some((utc_to_the_millisecond(point.ts)?, point)));
        let timed: Vec<(String, &Fix)> = timed.collect();
        self.xml.open("Placemark")?;
        self.xml.text("name", segment.mode.unwrap_or("unknown"))?;
        self.xml.open("gx:Track")?;
        timed.iter().try_for_each(|(time, _)| self.xml.text("when", time))?;
        let high = timed.iter().all(|(_, point)| point.altitude.is_some());
        timed.iter().try_for_each(|(_, point)| self.xml.text("gx:coord", &coordinates(point, high)))?;
        self.xml.close("gx:Track")?;
        self.xml.close("Placemark")
    }

    pub fn end(mut self) -> io::Result<()> {
        self.xml.close("Document")?;
        self.xml.end("kml")
    }
}

/// Longitude, latitude and, in a track that has it everywhere, altitude.
fn coordinates(point: &Fix, high: bool) -> String {
    let [longitude, latitude] = point.coordinates;
    match point.altitude.filter(|_| high) {
        Some(altitude) => format!("{longitude} {latitude} {altitude}"),
        None => format!("{longitude} {latitude}"),
    }
}
