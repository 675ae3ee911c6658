//! Trips as GeoJSON, in the reference's form and in that of RFC 7946.
//!
//! In both, a line over the 180th meridian is cut there into a `MultiLineString` (RFC 7946, 3.1.9). In the flat form
//! every geometry is valid: one without length is a point, or `null` where the place is not known. The reference's form
//! keeps lines that stay at one place. A line of the flat form has altitudes where each of its points has one: the
//! positions of a geometry have one form.

use serde_json::{Map, Value, json};

use crate::line::{is_one_place, pieces};
use crate::{Entry, Fix, Mode, Section, Trip};

/// A trip as the reference shows it: a feature collection of its places, stops, sections (each a feature collection of
/// one line) and incidents, with the confirmed trip's data as properties. Other programs often refuse collections
/// within collections.
pub fn timeline(trip: &Trip) -> Value {
    let sections = trip.sections.iter().map(|section| {
        let line = Shape::line(&section.points);
        let line = feature(&section.entry, line.geometry, section_properties(section, &line.points));
        json!({ "type": "FeatureCollection", "features": [line] })
    });
    let features: Vec<Value> = places(trip)
        .chain(trip.stops.iter().map(|stop| stop_feature(stop, Shape::line)))
        .chain(sections)
        .chain(trip.incidents.iter().map(incident))
        .collect();
    json!({
        "type": "FeatureCollection", "id": trip.entry.id.to_string(),
        "properties": properties(&trip.entry, "trip", &[]), "features": features,
    })
}

/// A trip as features of one flat collection: the trip itself has no geometry, and each of the other features names it
/// in `trip`. A section or a stop without length is a point.
pub fn features(trip: &Trip) -> Vec<Value> {
    let sections = trip.sections.iter().map(|section| {
        let shape = Shape::valid(&section.points);
        let mut properties = section_properties(section, &shape.points);
        properties.insert("mode".to_owned(), section.mode.name().into());
        feature(&section.entry, shape.geometry, properties)
    });
    let parts = places(trip)
        .chain(trip.stops.iter().map(|stop| stop_feature(stop, Shape::valid)))
        .chain(sections)
        .chain(trip.incidents.iter().map(incident));
    let id = trip.entry.id.to_string();
    let own = feature(&trip.entry, Value::Null, properties(&trip.entry, "trip", &[]));
    let parts = parts.map(|mut part| {
        part["properties"]["trip"] = id.as_str().into();
        part
    });
    std::iter::once(own).chain(parts).collect()
}

/// A geometry, and the points of its line, including those at which it is cut.
struct Shape {
    geometry: Value,
    points: Vec<Fix>,
}

impl Shape {
    /// A line through the points, however few they are.
    fn line(points: &[Fix]) -> Self {
        let pieces = pieces(points);
        match pieces.as_slice() {
            [] | [_] => Self::of_one(pieces.concat(), false),
            _ => Self::of_pieces(pieces, false),
        }
    }

    /// The simplest valid geometry: a line needs two different places.
    fn valid(points: &[Fix]) -> Self {
        match points {
            [] => Self { geometry: Value::Null, points: Vec::new() },
            [first, ..] if is_one_place(points) => {
                Self { geometry: point(Some(first.coordinates)), points: points.to_vec() }
            }
            _ => {
                let pieces = pieces(points);
                let high = points.iter().all(|point| point.altitude.is_some());
                match pieces.len() {
                    1 => Self::of_one(pieces.concat(), high),
                    _ => Self::of_pieces(pieces, high),
                }
            }
        }
    }

    /// `high`: with altitudes.
    fn of_one(points: Vec<Fix>, high: bool) -> Self {
        Self { geometry: json!({ "type": "LineString", "coordinates": coordinates(&points, high) }), points }
    }

    fn of_pieces(pieces: Vec<Vec<Fix>>, high: bool) -> Self {
        let lines: Vec<_> = pieces.iter().map(|piece| coordinates(piece, high)).collect();
        let geometry = json!({ "type": "MultiLineString", "coordinates": lines });
        Self { geometry, points: pieces.concat() }
    }
}

fn coordinates(points: &[Fix], high: bool) -> Vec<Vec<f64>> {
    let position = |point: &Fix| {
        let altitude = point.altitude.filter(|_| high);
        point.coordinates.into_iter().chain(altitude).collect()
    };
    points.iter().map(position).collect()
}

fn point(coordinates: Option<[f64; 2]>) -> Value {
    coordinates.map_or(Value::Null, |coordinates| json!({ "type": "Point", "coordinates": coordinates }))
}

fn places(trip: &Trip) -> impl Iterator<Item = Value> {
    let places = [(&trip.start_place, "start_place"), (&trip.end_place, "end_place")];
    places.into_iter().filter_map(|(place, kind)| {
        let place = place.as_ref()?;
        let location = point(place.coordinates("location"));
        Some(feature(place, location, properties(place, kind, &["location"])))
    })
}

fn stop_feature(stop: &Entry, shape: impl Fn(&[Fix]) -> Shape) -> Value {
    let end = |place: &str, time: &str| {
        let (coordinates, ts) = (stop.coordinates(place)?, stop.number(time).unwrap_or(0.0));
        Some(Fix { ts, coordinates, altitude: None })
    };
    let geometry = match (end("enter_loc", "enter_ts"), end("exit_loc", "exit_ts")) {
        (Some(enter), Some(exit)) => shape(&[enter, exit]).geometry,
        _ => Value::Null,
    };
    feature(stop, geometry, properties(stop, "stop", &[]))
}

fn incident(incident: &Entry) -> Value {
    let geometry = point(incident.coordinates("loc"));
    feature(incident, geometry, properties(incident, "incident", &["loc"]))
}

/// `points`: those of the geometry; `times` has one moment for each, in the order in which they are drawn.
fn section_properties(section: &Section, points: &[Fix]) -> Map<String, Value> {
    let mut members = properties(&section.entry, "section", &["start_loc", "end_loc"]);
    let times: Vec<f64> = points.iter().map(|point| point.ts).collect();
    let milliseconds: Vec<i64> = times.iter().map(|ts| (ts * 1000.0).round_ties_even() as i64).collect();
    let mode = match section.mode {
        Mode::Sensed(mode) => format!("MotionTypes.{}", mode.name()),
        Mode::Inferred(mode) => format!("PredictedModeTypes.{}", mode.name()),
    };
    members.insert("times".to_owned(), times.into());
    members.insert("timestamps".to_owned(), milliseconds.into());
    members.insert("sensed_mode".to_owned(), mode.into());
    members
}

fn properties(entry: &Entry, kind: &str, left_out: &[&str]) -> Map<String, Value> {
    let mut members = entry.data.clone();
    for name in left_out {
        members.remove(*name);
    }
    members.insert("feature_type".to_owned(), kind.into());
    members
}

fn feature(entry: &Entry, geometry: Value, properties: Map<String, Value>) -> Value {
    json!({ "type": "Feature", "id": entry.id.to_string(), "geometry": geometry, "properties": properties })
}
