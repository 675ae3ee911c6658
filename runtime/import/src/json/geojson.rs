//! GeoJSON: points with a time, lines with a time for each point, and the features of Overland and Dawarich.

use cells_json::text::{self, value_of};
use cells_model::background::BatteryStatus;

use super::{Record, moment, number};
use crate::Fix;

/// Members that have the time of a point, in the order in which they are looked for.
const TIMES: [&str; 9] =
    ["timestamp", "time", "ts", "tst", "recorded_at", "datetime", "date", "fixTime", "created_at"];
/// Members that have the times of a line's points.
const TIMES_OF_LINE: [&str; 4] = ["coordTimes", "coordinateTimes", "times", "timestamps"];

/// How deep collections may lie within one another.
const COLLECTIONS_MAX: usize = 4;

/// A feature, a collection of them, or a geometry with the members of a feature.
pub fn feature(record: &mut Record<'_, '_>) -> Result<(), &'static str> {
    feature_within(record, 0)
}

fn feature_within(record: &mut Record<'_, '_>, depth: usize) -> Result<(), &'static str> {
    let text = record.text;
    if let Some(features) = value_of(text, "features").filter(|features| features.starts_with('[')) {
        if depth == COLLECTIONS_MAX {
            return Err("it has collections within collections within collections");
        }
        let mut wrong = Ok(());
        for feature in items(features).ok_or("its features are no list")? {
            record.text = feature;
            wrong = feature_within(record, depth + 1).and(wrong);
        }
        record.text = text;
        return wrong;
    }
    let geometry = match value_of(text, "geometry") {
        Some("null") | None if value_of(text, "coordinates").is_some() => text,
        // It is nowhere, such as a trip beside its sections: there is nothing to read.
        Some("null") => return Ok(()),
        Some(geometry) => geometry,
        None => return Err("it has no geometry"),
    };
    let properties = value_of(text, "properties").unwrap_or("{}");
    let coordinates = value_of(geometry, "coordinates").ok_or("its geometry has no coordinates")?;
    let kind = value_of(geometry, "type").and_then(text::string).ok_or("its geometry has no type")?;
    match kind.as_ref() {
        "Point" => point(record, coordinates, properties),
        "LineString" => match (times_of(properties), ends_of(properties)) {
            (None, Some(times)) => {
                ends(record, &items(coordinates).ok_or("its coordinates are no list")?, &times)
            }
            (times, _) => line(record, coordinates, &times.ok_or("its points have no times")?),
        },
        "MultiLineString" => lines(record, coordinates, properties),
        _ => Err("its geometry is neither a point nor a line"),
    }
}

fn property<'p>(properties: &'p str, names: &[&str]) -> Option<&'p str> {
    names.iter().find_map(|name| value_of(properties, name)).filter(|value| *value != "null")
}

fn point(record: &mut Record<'_, '_>, coordinates: &str, properties: &str) -> Result<(), &'static str> {
    let raw = record.text;
    let ts = match property(properties, &TIMES) {
        Some(time) => moment(time).ok_or("it has no time")?,
        // A line that did not move is a point with the times of all its points; a place has those of a stay.
        None => {
            let times = times_of(properties).or_else(|| ends_of(properties));
            return stay(record, coordinates, &times.ok_or("it has no time")?);
        }
    };
    let of = |names: &[&str]| property(properties, names).and_then(number);
    let place = position(coordinates).ok_or("it has no place")?;
    let fix = Fix {
        ts,
        latitude: place[1],
        longitude: place[0],
        altitude: of(&["altitude", "ele", "elevation", "alt"])
            .or(Some(place[2]).filter(|metres| metres.is_finite())),
        accuracy: of(&["horizontal_accuracy", "accuracy", "acc"]),
        speed: of(&["speed", "velocity", "sensed_speed"]),
        heading: of(&["course", "bearing", "heading", "cog"]),
    };
    record.give_fix(fix, raw)?;
    let words = property(properties, &["motion", "activity"]);
    // Overland gives a list of what it thinks.
    let word =
        words.and_then(|words| text::string(words.trim_start_matches('[').split([',', ']']).next()?.trim()));
    if let Some(word) = word {
        record.motion(ts, &word);
    }
    // Overland counts from 0 to 1, others in per cent.
    let overland = property(properties, &["battery_level"]).and_then(number);
    let level = overland.map(|level| if level <= 1.0 { level * 100.0 } else { level });
    let level = level.or_else(|| of(&["battery", "batt"]));
    let status = match property(properties, &["battery_state", "battery_status"]) {
        Some("\"charging\"") => BatteryStatus::Charging,
        Some("\"unplugged\"") => BatteryStatus::Discharging,
        Some("\"full\"") => BatteryStatus::Full,
        _ => BatteryStatus::Unknown,
    };
    record.battery(ts, level, status);
    Ok(())
}

/// The times of a line: a list in the properties, or in an object there.
fn times_of(properties: &str) -> Option<Vec<&str>> {
    let list = property(properties, &TIMES_OF_LINE)
        .or_else(|| property(value_of(properties, "coordinateProperties")?, &TIMES_OF_LINE))?;
    items(list)
}

/// When a place or a stop was reached and left, as diaries have it; one of the two may be unknown.
fn ends_of(properties: &str) -> Option<Vec<&str>> {
    let ends = ["enter_ts", "exit_ts"].map(|name| property(properties, &[name]));
    let ends: Vec<&str> = ends.into_iter().flatten().collect();
    (!ends.is_empty()).then_some(ends)
}

fn items(list: &str) -> Option<Vec<&str>> {
    let items = cells_json::list::items(list.as_bytes()).ok()?;
    items.into_iter().map(|item| std::str::from_utf8(item).ok().map(str::trim)).collect()
}

fn stay(record: &mut Record<'_, '_>, coordinates: &str, times: &[&str]) -> Result<(), &'static str> {
    let places = vec![coordinates; times.len()];
    positions(record, &places, times)
}

/// Lines whose times are a list for each, or one list for all.
fn lines(record: &mut Record<'_, '_>, coordinates: &str, properties: &str) -> Result<(), &'static str> {
    let each = items(coordinates).ok_or("its coordinates are no lists")?;
    let places: Option<Vec<_>> = each.into_iter().map(items).collect();
    let places = places.ok_or("its coordinates are no lists")?.concat();
    let times = match (times_of(properties), ends_of(properties)) {
        (None, Some(times)) => return ends(record, &places, &times),
        (times, _) => times.ok_or("its points have no times")?,
    };
    let nested = times.first().is_some_and(|first| first.starts_with('['));
    let times = match nested {
        true => times
            .into_iter()
            .map(items)
            .collect::<Option<Vec<_>>>()
            .ok_or("its points have no times")?
            .concat(),
        false => times,
    };
    positions(record, &places, &times)
}

/// The two ends of a line that has times for these alone.
fn ends(record: &mut Record<'_, '_>, places: &[&str], times: &[&str]) -> Result<(), &'static str> {
    match places {
        [first, .., last] => positions(record, &[first, last], times),
        places => positions(record, places, times),
    }
}

fn line(record: &mut Record<'_, '_>, coordinates: &str, times: &[&str]) -> Result<(), &'static str> {
    positions(record, &items(coordinates).ok_or("its coordinates are no list")?, times)
}

fn positions(record: &mut Record<'_, '_>, places: &[&str], times: &[&str]) -> Result<(), &'static str> {
    if places.len() != times.len() {
        return Err("it has another number of times than of points");
    }
    let mut wrong = Ok(());
    for (place, time) in places.iter().zip(times) {
        let (Some(place), Some(ts)) = (position(place), moment(time)) else {
            wrong = Err("a point of it has no time or no place");
            continue;
        };
        let altitude = Some(place[2]).filter(|metres| metres.is_finite());
        let fix = Fix { ts, latitude: place[1], longitude: place[0], altitude, ..Fix::default() };
        if let Err(why) = record.give_fix(fix, "") {
            wrong = Err(why);
        }
    }
    wrong
}

/// Longitude, latitude, altitude; NaN where the last is absent.
fn position(coordinates: &str) -> Option<[f64; 3]> {
    let inner = coordinates.strip_prefix('[')?.strip_suffix(']')?;
    let mut numbers = inner.split(',').map(|number| text::number(number.trim()));
    let [longitude, latitude] = [numbers.next()??, numbers.next()??];
    Some([longitude, latitude, numbers.next().flatten().unwrap_or(f64::NAN)])
}
