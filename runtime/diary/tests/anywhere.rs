//! A diary does not depend on the longitude at which a person lives, nor on values that a phone happens not to know.

#[path = "support/stages.rs"]
mod stages;
mod support;

use std::collections::BTreeMap;

use cells_sdk::Area;
use cells_sdk::testing::{Memory, Stored};
use runtime_diary::{Format, write};
use runtime_simulator::{Person, Phone, simulate_days};
use serde_json::{Value, json};
use support::InMemory;

const FIRST_DAY: u32 = 19_786;
const DAYS: u32 = 2;
const MADE: [&str; 16] = [
    "segmentation/raw_trip",
    "segmentation/raw_place",
    "segmentation/raw_section",
    "segmentation/raw_stop",
    "analysis/smoothing",
    "analysis/cleaned_trip",
    "analysis/cleaned_place",
    "analysis/cleaned_section",
    "analysis/cleaned_stop",
    "analysis/recreated_location",
    "analysis/inferred_section",
    "analysis/expected_trip",
    "analysis/confirmed_trip",
    "analysis/confirmed_place",
    "analysis/composite_trip",
    "inference/prediction",
];

/// The result of a person's days.
struct Made {
    by_key: BTreeMap<String, Vec<Value>>,
    memory: Memory,
}

/// The entries that the stages make of a person's days, by key, in the order of writing. `change` modifies each entry,
/// given its number in the day.
fn made(person: &Person, change: impl Fn(usize, &mut Value)) -> Made {
    let mut somebody = stages::Person::default();
    for (number, day) in (FIRST_DAY..).zip(simulate_days(person, FIRST_DAY, DAYS)) {
        let now = person.plan(number).midnight_ts as f64 + 100_000.0;
        let changed = |(row, text): (usize, &String)| {
            let mut entry: Value = serde_json::from_str(text).expect("an entry");
            change(row, &mut entry);
            entry.to_string()
        };
        let entries: Vec<String> = day.entries.iter().enumerate().map(changed).collect();
        somebody.put(&entries, now);
        somebody.run(now);
    }
    let memory = somebody.memory;
    let refused: Vec<String> = memory
        .entries(Area::Errors)
        .iter()
        .map(|entry| format!("{} {}", entry.key, entry.metadata))
        .collect();
    assert!(refused.is_empty(), "{} entries were set aside, such as {}", refused.len(), refused[0]);
    let by_key = MADE.map(|key| {
        let mut entries = memory.of_key(key);
        entries.sort_by_key(|entry| entry.id);
        (key.to_owned(), entries.into_iter().map(Stored::data).collect::<Vec<Value>>())
    });
    let by_key = BTreeMap::from(by_key);
    assert!(by_key["analysis/composite_trip"].len() >= 2, "somebody goes somewhere");
    Made { by_key, memory }
}

fn export(memory: &Memory, format: Format) -> String {
    let mut out = Vec::new();
    write(&mut InMemory(memory), format, f64::NEG_INFINITY, f64::INFINITY, &mut out).expect("it is written");
    String::from_utf8(out).expect("a text")
}

/// All differences between two diaries except in longitudes, which are `east` greater in the second, and in ids.
fn difference(at: &str, here: &Value, there: &Value, east: f64, found: &mut Vec<String>) {
    match (here, there) {
        (Value::Object(a), Value::Object(b)) => {
            if a.contains_key("$oid") && b.contains_key("$oid") {
                return;
            }
            let (names_a, names_b): (Vec<_>, Vec<_>) = (a.keys().collect(), b.keys().collect());
            if names_a != names_b {
                found.push(format!("{at}: {names_a:?} {names_b:?}"));
            }
            for (name, value) in a {
                let other = b.get(name).unwrap_or(&Value::Null);
                let at = format!("{at}.{name}");
                match name.as_str() {
                    "longitude" => longitude(&at, value, other, east, found),
                    "coordinates" => {
                        longitude(&at, &value[0], &other[0], east, found);
                        difference(&at, &value[1], &other[1], east, found);
                    }
                    _ => difference(&at, value, other, east, found),
                }
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (number, (a, b)) in a.iter().zip(b).enumerate() {
                difference(&format!("{at}[{number}]"), a, b, east, found);
            }
        }
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap_or(f64::NAN), b.as_f64().unwrap_or(f64::NAN));
            // Longitudes have seven decimals: a centimetre, which is a degree in the heading of a short step.
            let allowed = if at.ends_with("heading") { 5.0 } else { 0.1 + 1e-4 * a.abs().min(1e5) };
            let off = (a - b).abs();
            if !(off <= allowed || at.ends_with("heading") && (360.0 - off).abs() <= allowed) {
                found.push(format!("{at}: {a} {b}"));
            }
        }
        // Local times follow their moments, which may differ by the rounding of a start.
        (Value::String(_), Value::String(_)) if at.ends_with("fmt_time") => {}
        (a, b) if a == b => {}
        (a, b) => found.push(format!("{at}: {a} {b}")),
    }
}

fn longitude(at: &str, here: &Value, there: &Value, east: f64, found: &mut Vec<String>) {
    let (Some(here), Some(there)) = (here.as_f64(), there.as_f64()) else {
        found.push(format!("{at}: no longitude"));
        return;
    };
    let off = (there - here - east).rem_euclid(360.0);
    if off.min(360.0 - off) > 1e-6 || there.abs() > 180.0 {
        found.push(format!("{at}: a longitude of {there} for {here}"));
    }
}

/// The longitudes of resampled points.
fn points(made: &Made) -> impl Iterator<Item = f64> {
    made.by_key["analysis/recreated_location"].iter().filter_map(|point| point["longitude"].as_f64())
}

#[test]
fn somebody_on_the_180th_meridian_has_the_diary_of_somebody_elsewhere() {
    for (phone, seed) in [(Phone::Android, 11), (Phone::Ios, 12)] {
        let mut person = Person::invent(seed, phone);
        let here = made(&person, |_, _| {});
        // The 180th meridian runs through the middle of this person's area. Phones send seven decimals.
        let mut longitudes: Vec<f64> = points(&here).collect();
        longitudes.sort_by(f64::total_cmp);
        let east = ((180.0 - longitudes[longitudes.len() / 2]) * 1e7).round() / 1e7;
        person.town.longitude_deg += east;
        let there = made(&person, |_, _| {});
        assert_exports_are_the_same(&here.memory, &there.memory);
        let western = points(&there).filter(|longitude| *longitude < 0.0).count();
        assert!(western > 10 && points(&there).count() - western > 10, "{phone:?}: points on both sides");
        let (here, there) = (here.by_key, there.by_key);
        let mut found = Vec::new();
        for (key, here) in &here {
            let there = there.get(key).map_or(&[][..], Vec::as_slice);
            assert_eq!(here.len(), there.len(), "{phone:?}: {key}");
            for (number, (here, there)) in here.iter().zip(there).enumerate() {
                difference(&format!("{key} {number}"), here, there, east, &mut found);
            }
        }
        assert!(
            found.is_empty(),
            "{phone:?}: {} differences, such as {:#?}",
            found.len(),
            &found[..found.len().min(9)]
        );
    }
}

/// Both have the same features and tracks, and no line around the world.
fn assert_exports_are_the_same(here: &Memory, there: &Memory) {
    let features = |memory: &Memory| -> Vec<Value> {
        let shown: Value = serde_json::from_str(&export(memory, Format::Geojson)).expect("JSON");
        shown["features"].as_array().expect("a list").clone()
    };
    let (here_features, there_features) = (features(here), features(there));
    assert_eq!(here_features.len(), there_features.len());
    let mut lines = Vec::new();
    for (here, there) in here_features.iter().zip(&there_features) {
        assert_eq!(here["properties"]["feature_type"], there["properties"]["feature_type"]);
        let coordinates = &there["geometry"]["coordinates"];
        match there["geometry"]["type"].as_str() {
            Some("LineString") => lines.push(coordinates.clone()),
            Some("MultiLineString") => lines.extend(coordinates.as_array().expect("a list").clone()),
            _ => {}
        }
    }
    for line in &lines {
        let longitudes: Vec<f64> =
            line.as_array().expect("a list").iter().filter_map(|position| position[0].as_f64()).collect();
        assert!(longitudes.windows(2).all(|pair| (pair[0] - pair[1]).abs() <= 180.0), "{line}");
    }
    let rows = |memory: &Memory| export(memory, Format::Csv).lines().count();
    assert_eq!(rows(here), rows(there));
    let tracks = |memory: &Memory| export(memory, Format::Gpx).matches("<trk>").count();
    assert_eq!(tracks(here), tracks(there));
}

/// The times of each trip, its length and its modes.
fn trips(made: &Made) -> Vec<Value> {
    let told = |trip: &Value| {
        let sections = trip["sections"].as_array().expect("a list").iter();
        let modes: Vec<&Value> = sections.map(|section| &section["data"]["sensed_mode_str"]).collect();
        json!([
            trip["start_ts"],
            trip["end_ts"],
            trip["distance"],
            modes,
            trip["locations"].as_array().map(Vec::len)
        ])
    };
    made.by_key["analysis/composite_trip"].iter().map(told).collect()
}

#[test]
fn what_a_phone_does_not_know_of_a_fix_changes_no_trip() {
    const MEMBERS: [&str; 8] = [
        "altitude",
        "accuracy",
        "sensed_speed",
        "bearing",
        "vaccuracy",
        "floor",
        "elapsedRealtimeNanos",
        "filter",
    ];
    /// Leaves a member of the row as it is, sets it to null or removes it.
    type Mix = fn(usize, usize) -> u8;
    let mixes: [Mix; 4] = [
        |_, member| u8::from(member != 7),
        |_, member| if member == 7 { 0 } else { 2 },
        |row, member| [0, 1, 2, 0, 0][(row / 3 + member * 7) % 5],
        |row, member| [0, 2, 1, 2, 1, 1, 2][(row + member) % 7],
    ];
    for (phone, seed) in [(Phone::Android, 11), (Phone::Ios, 12)] {
        let person = Person::invent(seed, phone);
        let wanted = trips(&made(&person, |_, _| {}));
        for (number, mix) in mixes.into_iter().enumerate() {
            let found = made(&person, |row, entry| {
                let key = entry["metadata"]["key"].as_str().unwrap_or_default();
                if !key.ends_with("location") {
                    return;
                }
                let data = entry["data"].as_object_mut().expect("an object");
                for (member, name) in MEMBERS.into_iter().enumerate() {
                    match mix(row, member) {
                        1 => data.insert(name.to_owned(), Value::Null),
                        2 => data.remove(name),
                        _ => None,
                    };
                }
            });
            assert_eq!(trips(&found), wanted, "{phone:?}, mix {number}");
        }
    }
}
