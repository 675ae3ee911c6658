//! Members of the apps' JSON objects, read leniently: a number may be a text.

use cells_model::background::MotionType;
use cells_model::sent::MILLISECONDS_FROM;
use jiff::Timestamp;
use serde_json::Value;

use crate::reading::NoReading;

/// A finite number, also one that is written as a text.
pub fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => number_in(text),
        _ => None,
    };
    number.filter(|number| number.is_finite())
}

/// A finite number in a text.
pub fn number_in(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// A number that is not negative: apps send -1 for what they do not know.
pub fn known(value: &Value) -> Option<f64> {
    number(value).filter(|number| *number >= 0.0)
}

/// A moment in seconds or milliseconds since 1970, or as a date with a time (RFC 3339): s.
pub fn moment(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => moment_in(text),
        value => number(value).map(seconds),
    }
}

/// The same in a text. A date with a time and without an offset is one of UTC.
pub fn moment_in(text: &str) -> Option<f64> {
    let text = text.trim();
    if let Some(number) = number_in(text) {
        return Some(seconds(number));
    }
    let parsed = text.parse::<Timestamp>().or_else(|_| format!("{text}Z").parse());
    parsed.ok().map(|moment| moment.as_millisecond() as f64 / 1_000.0)
}

fn seconds(number: f64) -> f64 {
    if number.abs() >= MILLISECONDS_FROM { number / 1_000.0 } else { number }
}

/// The motion that an iPhone's words say, without a confidence; `in_vehicle`: the app's word for a ride.
pub fn motion(said: &[Value], in_vehicle: &str) -> Option<(MotionType, Option<f64>)> {
    let has = |name: &str| said.iter().any(|word| word.as_str() == Some(name));
    let kind = match (has(in_vehicle), has("stationary")) {
        (true, true) => MotionType::StoppedWhileInVehicle,
        (true, false) => MotionType::InVehicle,
        _ if has("cycling") => MotionType::Bicycling,
        _ if has("running") => MotionType::Running,
        _ if has("walking") => MotionType::Walking,
        (false, true) => MotionType::Still,
        _ => return None,
    };
    Some((kind, None))
}

/// The needed parts of a reading: moment, latitude, longitude.
pub struct Fix {
    /// s since 1970
    pub ts: f64,
    /// degrees
    pub latitude: f64,
    /// degrees
    pub longitude: f64,
}

impl Fix {
    /// Checks the three parts, which have these names.
    pub fn new(
        (ts, ts_name): (Option<f64>, &'static str),
        (latitude, latitude_name): (Option<f64>, &'static str),
        (longitude, longitude_name): (Option<f64>, &'static str),
    ) -> Result<Self, NoReading> {
        let within = |degrees: Option<f64>, max: f64| degrees.filter(|degrees| degrees.abs() <= max);
        Ok(Self {
            ts: ts.ok_or(NoReading::Field(ts_name, "a moment"))?,
            latitude: within(latitude, 90.0).ok_or(NoReading::Field(latitude_name, "a number of degrees"))?,
            longitude: within(longitude, 180.0)
                .ok_or(NoReading::Field(longitude_name, "a number of degrees"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn moments_may_be_seconds_milliseconds_or_dates() {
        for (value, want) in [
            (json!(1_700_000_000), Some(1_700_000_000.0)),
            (json!(1_700_000_000_500_u64), Some(1_700_000_000.5)),
            (json!("1700000000"), Some(1_700_000_000.0)),
            (json!("2023-11-14T22:13:20Z"), Some(1_700_000_000.0)),
            (json!("2023-11-14T22:13:20.250Z"), Some(1_700_000_000.25)),
            (json!("2023-11-15T00:13:20+02:00"), Some(1_700_000_000.0)),
            (json!("2023-11-14 22:13:20"), Some(1_700_000_000.0)),
            (json!("yesterday"), None),
            (json!(""), None),
            (json!(null), None),
            (json!([1]), None),
            (json!("inf"), None),
        ] {
            assert_eq!(moment(&value), want, "{value}");
        }
        assert_eq!((number(&json!("4.5 ")), known(&json!(-1))), (Some(4.5), None));
    }
}
