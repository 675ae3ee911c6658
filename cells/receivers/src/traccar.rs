//! Traccar Client: JSON from version 9 on; before, and from OsmAnd and other trackers, parameters of a query.
//!
//! In JSON speeds are m/s, and -1 stands for what is not known. In a query they are knots.

use cells_model::background::MotionType;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::fields::{Fix, known, moment, number};
use crate::parameters::Parameters;
use crate::reading::{Battery, BatteryState, NoReading, Reading, Record};

/// A knot, m/s: a nautical mile of 1,852 m an hour.
const KNOT: f64 = 1_852.0 / 3_600.0;

#[derive(Deserialize)]
struct Sent<'a> {
    #[serde(borrow)]
    location: &'a RawValue,
}

/// The records of a request.
pub fn records<'a>(query: &'a str, body: &'a str) -> Vec<Record<'a>> {
    if body.starts_with('{') || body.starts_with('[') {
        return of_json(body);
    }
    // Some trackers send the parameters as a form.
    let sent =
        if query.contains("lat=") || query.contains("location=") || body.is_empty() { query } else { body };
    match sent {
        "" => Vec::new(),
        sent => vec![Record::of_query(sent, Parameters::of(sent).read(KNOT))],
    }
}

fn of_json(body: &str) -> Vec<Record<'_>> {
    let Ok(Sent { location }) = serde_json::from_str(body) else {
        let is_json = serde_json::from_str::<&RawValue>(body).is_ok();
        let why = if is_json { NoReading::NoRecords("Traccar Client") } else { NoReading::NotJson };
        return vec![Record::unreadable(body.into(), why)];
    };
    let several: Vec<&RawValue> = serde_json::from_str(location.get()).unwrap_or_else(|_| vec![location]);
    let one = |raw: &'_ RawValue| {
        let location = serde_json::from_str::<Value>(raw.get());
        location.map_err(|_| NoReading::NotJson).and_then(|location| read(&location))
    };
    several.into_iter().map(|raw| Record::of_json(raw.get(), one(raw))).collect()
}

fn read(location: &Value) -> Result<Reading, NoReading> {
    let of = |name: &str| location.get(name);
    let place = |name: &str| of("coords").and_then(|coords| coords.get(name));
    let Fix { ts, latitude, longitude } = Fix::new(
        (of("timestamp").and_then(moment), "location.timestamp"),
        (place("latitude").and_then(number), "location.coords.latitude"),
        (place("longitude").and_then(number), "location.coords.longitude"),
    )?;
    let battery = of("battery");
    let level = battery.and_then(|battery| battery.get("level")).and_then(known);
    let state = match battery.and_then(|battery| battery.get("is_charging")).and_then(Value::as_bool) {
        Some(true) => BatteryState::Charging,
        Some(false) => BatteryState::Discharging,
        None => BatteryState::Unknown,
    };
    let moved_on = of("event").and_then(Value::as_str) == Some("motionchange");
    Ok(Reading {
        ts,
        latitude,
        longitude,
        accuracy_m: place("accuracy").and_then(known),
        altitude_m: place("altitude").and_then(number),
        speed_m_s: place("speed").and_then(known),
        heading_deg: place("heading").and_then(known),
        motion: of("activity").and_then(motion),
        battery: level.map(|level| Battery { level_pct: level * 100.0, state }),
        stopped: moved_on && of("is_moving").and_then(Value::as_bool) == Some(false),
    })
}

fn motion(activity: &Value) -> Option<(MotionType, Option<f64>)> {
    let kind = match activity.get("type").and_then(Value::as_str)? {
        "still" => MotionType::Still,
        "on_foot" => MotionType::OnFoot,
        "walking" => MotionType::Walking,
        "running" => MotionType::Running,
        "on_bicycle" => MotionType::Bicycling,
        "in_vehicle" => MotionType::InVehicle,
        _ => return None,
    };
    Some((kind, activity.get("confidence").and_then(known)))
}
