//! Trips as KML 2.2: a folder for each trip, a track with a time for each place for each section.
//!
//! The tracks are those of Google's extension (`gx:Track`), which maps and earth viewers animate. A section over the
//! 180th meridian has two. Text has no control characters, which XML cannot represent.

use std::io::{self, Write};

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use crate::gpx::{Segment, printable, segments, told};
use crate::time::utc_to_the_millisecond;
use crate::{Fix, Trip};

/// A file that is being written.
pub struct Folders<W: Write> {
    xml: Writer<W>,
}

impl<W: Write> Folders<W> {
    pub fn begin(out: W) -> io::Result<Self> {
        let mut xml = Writer::new_with_indent(out, b' ', 1);
        xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        let root = BytesStart::new("kml").with_attributes([
            ("xmlns", "http://www.opengis.net/kml/2.2"),
            ("xmlns:gx", "http://www.google.com/kml/ext/2.2"),
        ]);
        xml.write_event(Event::Start(root))?;
        let mut folders = Self { xml };
        folders.open("Document")?;
        Ok(folders)
    }

    /// The elements are in the order that the schema requires.
    pub fn trip(&mut self, trip: &Trip) -> io::Result<()> {
        self.open("Folder")?;
        let [start, end] =
            ["start_fmt_time", "end_fmt_time"].map(|name| trip.entry.text(name).unwrap_or("?"));
        self.text("name", &format!("{start} to {end}"))?;
        let told: Vec<String> = trip.sections.iter().map(told).collect();
        if !told.is_empty() {
            self.text("description", &told.join(", "))?;
        }
        segments(trip).iter().try_for_each(|segment| self.segment(segment))?;
        self.close("Folder")
    }

    fn segment(&mut self, segment: &Segment) -> io::Result<()> {
        // Without its time a point cannot be part of a track.
        let timed =
            segment.points.iter().filter_map(|point| Some((utc_to_the_millisecond(point.ts)?, point)));
        let timed: Vec<(String, &Fix)> = timed.collect();
        self.open("Placemark")?;
        self.text("name", segment.mode.unwrap_or("unknown"))?;
        self.open("gx:Track")?;
        timed.iter().try_for_each(|(time, _)| self.text("when", time))?;
        timed.iter().try_for_each(|(_, point)| self.text("gx:coord", &coordinates(point)))?;
        self.close("gx:Track")?;
        self.close("Placemark")
    }

    fn open(&mut self, name: &str) -> io::Result<()> {
        self.xml.write_event(Event::Start(BytesStart::new(name)))
    }

    fn close(&mut self, name: &str) -> io::Result<()> {
        self.xml.write_event(Event::End(BytesEnd::new(name)))
    }

    fn text(&mut self, name: &str, text: &str) -> io::Result<()> {
        self.open(name)?;
        self.xml.write_event(Event::Text(BytesText::new(&printable(text))))?;
        self.close(name)
    }

    pub fn end(mut self) -> io::Result<()> {
        self.close("Document")?;
        self.close("kml")?;
        let mut out = self.xml.into_inner();
        out.write_all(b"\n")?;
        out.flush()
    }
}

/// Longitude, latitude and, where it is known, altitude.
fn coordinates(point: &Fix) -> String {
    let [longitude, latitude] = point.coordinates;
    match point.altitude {
        Some(altitude) => format!("{longitude} {latitude} {altitude}"),
        None => format!("{longitude} {latitude}"),
    }
}
