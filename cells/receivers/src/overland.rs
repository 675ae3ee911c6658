//! Overland: batches of GeoJSON features.
//!
//! Speeds are m/s; -1 stands for what is not known. The app keeps a batch until it reads `{"result":"ok"}`, and nothing
//! behind it is sent before. `current` and `trip` beside the batch repeat what the batches have, and are not kept.

use cells_model::background::MotionType;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::fields::{Fix, known, moment, motion, number};
use crate::reading::{Battery, BatteryState, NoReading, Reading, Record};

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(borrow)]
    locations: Vec<&'a RawValue>,
}

/// The records of a body.
pub fn records(text: &str) -> Vec<Record<'_>> {
    if text.is_empty() {
        return Vec::new();
    }
    let Ok(Batch { locations }) = serde_json::from_str(text) else {
        let is_json = serde_json::from_str::<&RawValue>(text).is_ok();
        let why = if is_json { NoReading::NoRecords("Overland") } else { NoReading::NotJson };
        return vec![Record::unreadable(text.into(), why)];
    };
    let mut records: Vec<_> = locations
        .into_iter()
        .map(|raw| {
            let feature = serde_json::from_str::<Value>(raw.get());
            let reading = feature.map_err(|_| NoReading::NotJson).and_then(|feature| read(&feature));
            Record::of_json(raw.get(), reading)
        })
        .collect();
    mark_stops(&mut records);
    records
}

fn read(feature: &Value) -> Result<Reading, NoReading> {
    let of = |name: &str| feature.get("properties").and_then(|properties| properties.get(name));
    let coordinate = |index: usize| {
        let coordinates = feature.get("geometry").and_then(|geometry| geometry.get("coordinates"));
        coordinates.and_then(|coordinates| coordinates.get(index)).and_then(number)
    };
    let Fix { ts, latitude, longitude } = Fix::new(
        (of("timestamp").and_then(moment), "properties.timestamp"),
        (coordinate(1), "geometry.coordinates[1]"),
        (coordinate(0), "geometry.coordinates[0]"),
    )?;
    let level = of("battery_level").and_then(known).map(|level| level * 100.0);
    Ok(Reading {
        ts,
        latitude,
        longitude,
        accuracy_m: of("horizontal_accuracy").and_then(known),
        altitude_m: of("altitude").and_then(number),
        speed_m_s: of("speed").and_then(known),
        heading_deg: of("course").and_then(known),
        motion: of("motion").and_then(Value::as_array).and_then(|said| motion(said, "driving")),
        battery: level.map(|level_pct| Battery { level_pct, state: state(of("battery_state")) }),
        stopped: false,
    })
}

fn state(said: Option<&Value>) -> BatteryState {
    match said.and_then(Value::as_str) {
        Some("charging") => BatteryState::Charging,
        Some("unplugged") => BatteryState::Discharging,
        Some("full") => BatteryState::Full,
        _ => BatteryState::Unknown,
    }
}

/// A movement has ended where the phone rests after it moved.
fn mark_stops(records: &mut [Record<'_>]) {
    let mut moved = false;
    for reading in records.iter_mut().filter_map(|record| record.reading.as_mut().ok()) {
        let Some((kind, _)) = reading.motion else { continue };
        let rests = kind == MotionType::Still;
        reading.stopped = rests && moved;
        moved = !rests;
    }
}
