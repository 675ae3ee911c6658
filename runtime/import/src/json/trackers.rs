//! Payloads of OwnTracks, and positions of Traccar.

use cells_json::text::{self, value_of};
use cells_model::background::BatteryStatus;

use super::{Record, each_member, moment, number};
use crate::entry::motion_of;
use crate::moment::is_a_moment;
use crate::{Battery, Fix, Motion, Reading};

/// How many m/s a km/h is.
const M_PER_S_A_KM_PER_H: f64 = 1.0 / 3.6;
/// How many m/s a knot is.
const M_PER_S_A_KNOT: f64 = 1852.0 / 3600.0;

/// A payload of OwnTracks: a place and the battery. What is no location, such as a waypoint, is passed over.
pub fn owntracks(record: &mut Record<'_, '_>) -> Result<(), &'static str> {
    let raw = record.text;
    let (mut fix, mut battery, mut status) = (Fix { ts: f64::NAN, ..Fix::default() }, None, None);
    let (mut latitude, mut longitude, mut other, mut more) = (None, None, false, false);
    each_member(raw, |name, value| match name {
        "_type" => other = value != "\"location\"",
        "lat" | "latitude" => latitude = number(value),
        "lon" | "longitude" => longitude = number(value),
        "tst" | "timestamp" => fix.ts = moment(value).unwrap_or(f64::NAN),
        "acc" | "accuracy" => fix.accuracy = number(value),
        "alt" | "altitude" => fix.altitude = number(value),
        "vel" => fix.speed = number(value).map(|speed| speed * M_PER_S_A_KM_PER_H),
        "cog" => fix.heading = number(value),
        "batt" => battery = number(value),
        "bs" => status = number(value),
        _ => more = true,
    })?;
    if other {
        return if value_of(raw, "_type") == Some("\"encrypted\"") {
            Err("it is encrypted: decrypt the file with the recorder's own tools")
        } else {
            Ok(())
        };
    }
    if fix.ts.is_nan() {
        return Err("it has no time");
    }
    fix.latitude = latitude.ok_or("it has no latitude")?;
    fix.longitude = longitude.ok_or("it has no longitude")?;
    let status = match status.map(|status| status as i64) {
        Some(1) => BatteryStatus::Discharging,
        Some(2) => BatteryStatus::Charging,
        Some(3) => BatteryStatus::Full,
        _ => BatteryStatus::Unknown,
    };
    record.give_fix(fix, if more { raw } else { "" })?;
    record.battery(fix.ts, battery, status);
    Ok(())
}

/// A position of Traccar, whose speed is in knots.
pub fn traccar(record: &mut Record<'_, '_>) -> Result<(), &'static str> {
    let raw = record.text;
    let mut fix = Fix { ts: f64::NAN, ..Fix::default() };
    let (mut latitude, mut longitude, mut valid, mut attributes) = (None, None, true, "{}");
    each_member(raw, |name, value| match name {
        "fixTime" => fix.ts = moment(value).unwrap_or(f64::NAN),
        "latitude" => latitude = number(value),
        "longitude" => longitude = number(value),
        "altitude" => fix.altitude = number(value),
        "speed" => fix.speed = number(value).map(|knots| knots * M_PER_S_A_KNOT),
        "course" => fix.heading = number(value),
        // Zero stands for unknown.
        "accuracy" => fix.accuracy = number(value).filter(|accuracy| *accuracy > 0.0),
        "valid" => valid = value != "false",
        "attributes" => attributes = value,
        _ => {}
    })?;
    if fix.ts.is_nan() {
        return Err("it has no time");
    }
    if !valid {
        return Err("the tracker marked it as not valid");
    }
    fix.latitude = latitude.ok_or("it has no latitude")?;
    fix.longitude = longitude.ok_or("it has no longitude")?;
    record.give_fix(fix, raw)?;
    let level = value_of(attributes, "batteryLevel").and_then(number);
    let status = match value_of(attributes, "charge") {
        Some("true") => BatteryStatus::Charging,
        Some("false") => BatteryStatus::Discharging,
        _ => BatteryStatus::Unknown,
    };
    record.battery(fix.ts, level, status);
    if let Some(word) = value_of(attributes, "activity").and_then(text::string) {
        record.motion(fix.ts, &word);
    }
    Ok(())
}

impl Record<'_, '_> {
    /// Gives the level of the battery, %, where it is one.
    pub(super) fn battery(&mut self, ts: f64, level_pct: Option<f64>, status: BatteryStatus) {
        if let Some(level_pct) = level_pct.filter(|level| (0.0..=100.0).contains(level) && is_a_moment(ts)) {
            self.give(Reading::Battery(Battery { ts, level_pct, status }));
        }
    }

    /// Gives a motion by its word, unless the word names none.
    pub(super) fn motion(&mut self, ts: f64, word: &str) {
        let kind = motion_of(word);
        if kind != cells_model::background::MotionType::Unknown && is_a_moment(ts) {
            self.give(Reading::Motion(Motion { ts, kind, confidence: None }));
        }
    }
}
