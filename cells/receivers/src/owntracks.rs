//! OwnTracks in its HTTP mode: one JSON object in each request.
//!
//! Speeds are km/h. The app keeps its copy until it reads 2xx, and sends nothing else meanwhile: so a message that tells
//! of no position succeeds, too, and is kept among what was set aside.

use serde_json::{Map, Value};

use crate::Refused;
use crate::fields::{Fix, known, moment, motion, number};
use crate::reading::{Battery, BatteryState, NoReading, Reading, Record};

/// A kilometre an hour, m/s.
const KM_H: f64 = 1.0 / 3.6;

/// The record of a body.
pub fn records(text: &str) -> Result<Vec<Record<'_>>, Refused> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let Ok(message) = serde_json::from_str::<Map<String, Value>>(text) else {
        return Ok(vec![Record::unreadable(text.into(), NoReading::NotJson)]);
    };
    if message.get("_type").and_then(Value::as_str) == Some("encrypted") {
        return Err(Refused::Encrypted);
    }
    Ok(vec![Record::of_json(text, read(&message))])
}

fn read(message: &Map<String, Value>) -> Result<Reading, NoReading> {
    match message.get("_type").and_then(Value::as_str) {
        // A transition is the place where the phone noticed that it entered or left a region.
        Some("location" | "transition") => location(message),
        Some("waypoint") => Err(NoReading::NoPosition("waypoint")),
        Some("waypoints") => Err(NoReading::NoPosition("waypoints")),
        Some("status") => Err(NoReading::NoPosition("status")),
        Some("steps") => Err(NoReading::NoPosition("steps")),
        Some("card") => Err(NoReading::NoPosition("card")),
        Some("lwt") => Err(NoReading::NoPosition("lwt")),
        Some("cmd") => Err(NoReading::NoPosition("cmd")),
        Some("configuration" | "dump") => Err(NoReading::NoPosition("configuration")),
        Some(_) => Err(NoReading::UnknownKind),
        None => Err(NoReading::NoRecords("OwnTracks")),
    }
}

fn location(message: &Map<String, Value>) -> Result<Reading, NoReading> {
    let of = |name: &str| message.get(name);
    let Fix { ts, latitude, longitude } = Fix::new(
        (of("tst").and_then(moment), "tst"),
        (of("lat").and_then(number), "lat"),
        (of("lon").and_then(number), "lon"),
    )?;
    Ok(Reading {
        ts,
        latitude,
        longitude,
        accuracy_m: of("acc").and_then(known),
        altitude_m: of("alt").and_then(number),
        speed_m_s: of("vel").and_then(known).map(|speed| speed * KM_H),
        heading_deg: of("cog").and_then(known),
        // What an iPhone says; Android says nothing.
        motion: of("motionactivities").and_then(Value::as_array).and_then(|said| motion(said, "automotive")),
        battery: of("batt").and_then(known).map(|level_pct| Battery { level_pct, state: state(of("bs")) }),
        stopped: false,
    })
}

fn state(said: Option<&Value>) -> BatteryState {
    match said.and_then(Value::as_i64) {
        Some(1) => BatteryState::Discharging,
        Some(2) => BatteryState::Charging,
        Some(3) => BatteryState::Full,
        _ => BatteryState::Unknown,
    }
}
