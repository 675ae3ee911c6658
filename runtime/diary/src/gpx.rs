//! Trips as GPX 1.1: a track for each trip, a segment for each section.

use std::io::{self, Write};

use cells_model::time::local;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use crate::{Fix, Section, Trip};

/// A file that was begun.
pub struct Tracks<W: Write> {
    xml: Writer<W>,
}

impl<W: Write> Tracks<W> {
    pub fn begin(out: W) -> io::Result<Self> {
        let mut xml = Writer::new_with_indent(out, b' ', 1);
        xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        let root = BytesStart::new("gpx").with_attributes([
            ("version", "1.1"),
            ("creator", "Cellar"),
            ("xmlns", "http://www.topografix.com/GPX/1/1"),
        ]);
        xml.write_event(Event::Start(root))?;
        Ok(Self { xml })
    }

    /// The elements stand in the order that the schema asks for.
    pub fn trip(&mut self, trip: &Trip) -> io::Result<()> {
        self.xml.write_event(Event::Start(BytesStart::new("trk")))?;
        let [start, end] =
            ["start_fmt_time", "end_fmt_time"].map(|name| trip.entry.text(name).unwrap_or("?"));
        self.text("name", &format!("{start} to {end}"))?;
        let modes: Vec<_> = trip.sections.iter().map(told).collect();
        if !modes.is_empty() {
            self.text("desc", &modes.join(", "))?;
        }
        self.text("src", &format!("confirmed_trip {}", trip.entry.id))?;
        for section in trip.sections.iter().filter(|section| !section.points.is_empty()) {
            self.xml.write_event(Event::Start(BytesStart::new("trkseg")))?;
            section.points.iter().try_for_each(|point| self.point(point))?;
            self.xml.write_event(Event::End(BytesEnd::new("trkseg")))?;
        }
        self.xml.write_event(Event::End(BytesEnd::new("trk")))
    }

    fn point(&mut self, point: &Fix) -> io::Result<()> {
        let [longitude, latitude] = point.coordinates.map(|degrees| degrees.to_string());
        let start = BytesStart::new("trkpt")
            .with_attributes([("lat", latitude.as_str()), ("lon", longitude.as_str())]);
        self.xml.write_event(Event::Start(start))?;
        if let Some(altitude) = point.altitude {
            self.text("ele", &altitude.to_string())?;
        }
        if let Some(time) = utc(point.ts) {
            self.text("time", &time)?;
        }
        self.xml.write_event(Event::End(BytesEnd::new("trkpt")))
    }

    fn text(&mut self, name: &str, text: &str) -> io::Result<()> {
        self.xml.write_event(Event::Start(BytesStart::new(name)))?;
        // XML has no way to write control characters.
        let text: String = text.chars().filter(|letter| !letter.is_control()).collect();
        self.xml.write_event(Event::Text(BytesText::new(&text)))?;
        self.xml.write_event(Event::End(BytesEnd::new(name)))
    }

    pub fn end(mut self) -> io::Result<()> {
        self.xml.write_event(Event::End(BytesEnd::new("gpx")))?;
        let mut out = self.xml.into_inner();
        out.write_all(b"\n")?;
        out.flush()
    }
}

fn told(section: &Section) -> String {
    let metres = section.entry.number("distance").unwrap_or(0.0);
    format!("{} {:.2} km", section.mode.name(), metres / 1e3)
}

/// A moment as GPX wants it; `None` where the calendar has none.
fn utc(ts: f64) -> Option<String> {
    let (_, text) = local(ts, "UTC").ok()?;
    Some(format!("{}Z", text.strip_suffix("+00:00")?))
}
