//! Trips as GPX 1.1: a track for each trip, a segment for each section.
//!
//! * `type` of a track is the mode that the trip's owner has confirmed, or else the mode of most of its length; `desc`
//!   lists modes, lengths and labels for people, `extensions` have the same for programs, each under its own name.
//! * Every segment has two points or more. If a section has a single point, the point goes to the neighbouring segment,
//!   and a trip without a segment is drawn from its start to its end. A segment over the 180th meridian is cut there.
//! * Text has no control characters, which XML cannot represent.

use std::io::{self, Write};

use quick_xml::events::BytesStart;

use crate::labels::{LABELS, label, modes};
use crate::line::pieces;
use crate::time::utc_to_the_millisecond;
use crate::xml::Elements;
use crate::{Fix, Section, Trip};

/// The namespace of the project's own elements. The name does not have to be an address.
const NAMESPACE: &str = "urn:cellar:gpx:1";
/// The schema has no longitude of 180: this is the last one before it, about a centimetre away, degrees.
const EASTERN_EDGE_DEG: f64 = 179.999_999_9;

/// A file that is being written.
pub struct Tracks<W: Write> {
    xml: Elements<W>,
}

/// Points that are drawn as one line, and the mode of travel, if it is known.
pub struct Segment {
    pub mode: Option<&'static str>,
    pub points: Vec<Fix>,
}

impl<W: Write> Tracks<W> {
    pub fn begin(out: W) -> io::Result<Self> {
        let root = BytesStart::new("gpx").with_attributes([
            ("version", "1.1"),
            ("creator", "Cellar"),
            ("xmlns", "http://www.topografix.com/GPX/1/1"),
            ("xmlns:cellar", NAMESPACE),
        ]);
        Ok(Self { xml: Elements::begin(out, root)? })
    }

    /// The elements are in the order that the schema requires.
    pub fn trip(&mut self, trip: &Trip) -> io::Result<()> {
        self.xml.open("trk")?;
        let [start, end] =
            ["start_fmt_time", "end_fmt_time"].map(|name| trip.entry.text(name).unwrap_or("?"));
        self.xml.text("name", &format!("{start} to {end}"))?;
        let labels: Vec<(&str, String)> =
            LABELS.into_iter().filter_map(|name| Some((name, label(&trip.entry, name)?))).collect();
        let told: Vec<String> = trip.sections.iter().map(told).collect();
        let said = labels.iter().map(|(name, label)| format!("{}: {label}", name.replace('_', " ")));
        let desc: Vec<String> =
            Some(told.join(", ")).filter(|told| !told.is_empty()).into_iter().chain(said).collect();
        if !desc.is_empty() {
            self.xml.text("desc", &desc.join("; "))?;
        }
        self.xml.text("src", &format!("confirmed_trip {}", trip.entry.id))?;
        let main_mode = modes(trip).into_iter().next().map(|(mode, _)| mode);
        let confirmed = labels.iter().find(|(name, _)| *name == "mode_confirm").map(|(_, label)| label);
        if let Some(kind) = confirmed.or(main_mode.as_ref()) {
            self.xml.text("type", kind)?;
        }
        if main_mode.is_some() || !labels.is_empty() {
            self.xml.open("extensions")?;
            if let Some(mode) = &main_mode {
                self.xml.text("cellar:main_mode", mode)?;
            }
            labels.iter().try_for_each(|(name, label)| self.xml.text(&format!("cellar:{name}"), label))?;
            self.xml.close("extensions")?;
        }
        segments(trip).iter().try_for_each(|segment| self.segment(segment))?;
        self.xml.close("trk")
    }

    fn segment(&mut self, segment: &Segment) -> io::Result<()> {
        self.xml.open("trkseg")?;
        segment.points.iter().try_for_each(|point| self.point(point))?;
        if let Some(mode) = segment.mode {
            self.xml.open("extensions")?;
            self.xml.text("cellar:mode", mode)?;
            self.xml.close("extensions")?;
        }
        self.xml.close("trkseg")
    }

    fn point(&mut self, point: &Fix) -> io::Result<()> {
        let [longitude, latitude] = point.coordinates;
        let longitude = longitude.min(EASTERN_EDGE_DEG).to_string();
        let start = BytesStart::new("trkpt")
            .with_attributes([("lat", latitude.to_string().as_str()), ("lon", longitude.as_str())]);
        self.xml.start(start)?;
        if let Some(altitude) = point.altitude {
            self.xml.text("ele", &altitude.to_string())?;
        }
        if let Some(time) = utc_to_the_millisecond(point.ts) {
            self.xml.text("time", &time)?;
        }
        self.xml.close("trkpt")
    }

    pub fn end(self) -> io::Result<()> {
        self.xml.end("gpx")
    }
}

/// The mode and the length of a section, for people.
pub fn told(section: &Section) -> String {
    let metres = section.entry.number("distance").unwrap_or(0.0);
    format!("{} {:.2} km", section.mode.name(), metres / 1e3)
}

/// The lines of a trip; see the head of this module.
pub fn segments(trip: &Trip) -> Vec<Segment> {
    let pieces_of = |section: &Section| -> Vec<Segment> {
        let mode = Some(section.mode.name());
        pieces(&section.points).into_iter().map(|points| Segment { mode, points }).collect()
    };
    let mut segments: Vec<Segment> = Vec::new();
    let mut waiting: Vec<Fix> = Vec::new();
    for mut segment in trip.sections.iter().flat_map(pieces_of) {
        if let [only] = segment.points[..] {
            match segments.last_mut().filter(|last| is_on_its_side(last, &only)) {
                Some(last) => add(&mut last.points, only),
                None => waiting.push(only),
            }
            continue;
        }
        for only in waiting.drain(..) {
            if is_on_its_side(&segment, &only) {
                add(&mut segment.points, only);
            }
        }
        segments.push(segment);
    }
    if segments.is_empty() { from_start_to_end(trip, waiting) } else { segments }
}

/// Whether a point can be joined to a segment without a line around the world.
fn is_on_its_side(segment: &Segment, point: &Fix) -> bool {
    segment.points.iter().all(|other| (other.coordinates[0] - point.coordinates[0]).abs() <= 180.0)
}

/// Adds a point at its moment, unless it is already there.
fn add(points: &mut Vec<Fix>, point: Fix) {
    if !points.contains(&point) {
        let place = points.partition_point(|other| other.ts <= point.ts);
        points.insert(place, point);
    }
}

/// The segment of a trip that has no line: its ends, with the single points in between.
fn from_start_to_end(trip: &Trip, single: Vec<Fix>) -> Vec<Segment> {
    let [from, to] = [(&trip.start_place, "start_loc"), (&trip.end_place, "end_loc")].map(|(place, own)| {
        let own = trip.entry.coordinates(own);
        own.or_else(|| place.as_ref()?.coordinates("location"))
    });
    let end = |coordinates: Option<[f64; 2]>, ts: f64| {
        coordinates.map(|coordinates| Fix { ts, coordinates, altitude: None })
    };
    let mut points: Vec<Fix> = end(from, trip.start_ts).into_iter().collect();
    single.into_iter().for_each(|point| add(&mut points, point));
    if let Some(end) = end(to, trip.end_ts) {
        add(&mut points, end);
    }
    let pieces = pieces(&points).into_iter().filter(|points| points.len() > 1);
    pieces.map(|points| Segment { mode: None, points }).collect()
}
