//! Trips as GeoJSON, in the reference's form and in that of RFC 7946.

use serde_json::{Map, Value, json};

use crate::{Entry, Mode, Section, Trip};

/// A trip as the reference shows it: a feature collection of its places, stops, sections (each a feature collection
/// of one line) and incidents, with the confirmed trip's data as properties. Other programs often refuse collections
/// within collections.
pub fn timeline(trip: &Trip) -> Value {
    let features: Vec<Value> = places(trip)
        .chain(trip.stops.iter().map(stop))
        .chain(trip.sections.iter().map(|section| {
            let line = feature(&section.entry, line(section), section_properties(section));
            json!({ "type": "FeatureCollection", "features": [line] })
        }))
        .chain(trip.incidents.iter().map(incident))
        .collect();
    json!({
        "type": "FeatureCollection", "id": trip.entry.id.to_string(),
        "properties": properties(&trip.entry, "trip", &[]), "features": features,
    })
}

/// A trip as features of one flat collection: the trip itself has no geometry, and each of the others names it in
/// `trip`. A section of one point is that point.
pub fn features(trip: &Trip) -> Vec<Value> {
    let sections = trip.sections.iter().map(|section| {
        let geometry = match section.points.as_slice() {
            [] => Value::Null,
            [only] => json!({ "type": "Point", "coordinates": only.coordinates }),
            _ => line(section),
        };
        let mut properties = section_properties(section);
        properties.insert("mode".to_owned(), section.mode.name().into());
        feature(&section.entry, geometry, properties)
    });
    let parts = places(trip)
        .chain(trip.stops.iter().map(stop))
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

fn places(trip: &Trip) -> impl Iterator<Item = Value> {
    let places = [(&trip.start_place, "start_place"), (&trip.end_place, "end_place")];
    places.into_iter().filter_map(|(place, kind)| {
        let place = place.as_ref()?;
        let location = place.data.get("location").cloned().unwrap_or_default();
        Some(feature(place, location, properties(place, kind, &["location"])))
    })
}

fn stop(stop: &Entry) -> Value {
    let ends = [stop.coordinates("enter_loc"), stop.coordinates("exit_loc")];
    let geometry = match ends {
        [Some(enter), Some(exit)] => json!({ "type": "LineString", "coordinates": [enter, exit] }),
        _ => Value::Null,
    };
    feature(stop, geometry, properties(stop, "stop", &[]))
}

fn incident(incident: &Entry) -> Value {
    let geometry = match incident.coordinates("loc") {
        Some(coordinates) => json!({ "type": "Point", "coordinates": coordinates }),
        None => Value::Null,
    };
    feature(incident, geometry, properties(incident, "incident", &["loc"]))
}

fn line(section: &Section) -> Value {
    let coordinates: Vec<_> = section.points.iter().map(|point| point.coordinates).collect();
    json!({ "type": "LineString", "coordinates": coordinates })
}

fn section_properties(section: &Section) -> Map<String, Value> {
    let mut members = properties(&section.entry, "section", &["start_loc", "end_loc"]);
    let times: Vec<f64> = section.points.iter().map(|point| point.ts).collect();
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
