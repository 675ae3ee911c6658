//! Entries in the form in which a phone stores them: one JSON text each.
//!
//! * Units: times in ms; coordinates in 1e-7 degrees; other numbers in the unit that their name shows.
//! * Invariants: every number is an integer scaled by a power of ten, written in its shortest form, so that it reads
//!   back as the same double and no formatting of doubles differs between machines.

use crate::phone::Phone;
use std::fmt::Write;

/// A reading that is not yet written.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    /// `metadata.write_ts`
    pub(crate) write_ms: i64,
    pub(crate) body: Body,
}

/// The content of a reading.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    Location(Location),
    FilteredLocation(Location),
    AndroidMotion { kind: u8, confidence: u8, at_ms: i64 },
    IosMotion { flag: Option<&'static str>, also_still: bool, confidence: &'static str, at_ms: i64 },
    Transition { state: &'static str, transition: &'static str, at_ms: i64 },
    Battery { level_pct: u8, charging: bool, at_ms: i64 },
    SyncTime { took_ms: i64, at_ms: i64 },
}

/// A fix in the form in which it is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Location {
    pub(crate) at_ms: i64,
    pub(crate) latitude_e7: i64,
    pub(crate) longitude_e7: i64,
    pub(crate) accuracy_mm: i64,
    pub(crate) altitude_dm: i64,
    /// cm/s; `None`: the phone does not know it, sent as -1.
    pub(crate) speed_cm: Option<i64>,
    /// Tenths of a degree; `None`: sent as -1.
    pub(crate) bearing_ddeg: Option<i64>,
    /// Time since the phone started, ns (Android).
    pub(crate) since_boot_ns: i64,
}

/// Number of streams, which are numbered: two entries of one stream never have the same `write_ts`.
pub(crate) const STREAMS: usize = 6;

impl Body {
    pub(crate) fn stream(&self) -> usize {
        match self {
            Body::Location(_) => 0,
            Body::FilteredLocation(_) => 1,
            Body::AndroidMotion { .. } | Body::IosMotion { .. } => 2,
            Body::Transition { .. } => 3,
            Body::Battery { .. } => 4,
            Body::SyncTime { .. } => 5,
        }
    }

    /// Key and type.
    fn key(&self) -> (&'static str, &'static str) {
        [
            ("background/location", "sensor-data"),
            ("background/filtered_location", "sensor-data"),
            ("background/motion_activity", "sensor-data"),
            ("statemachine/transition", "message"),
            ("background/battery", "sensor-data"),
            ("stats/client_time", "message"),
        ][self.stream()]
    }
}

/// The entry's text.
pub(crate) fn text(record: &Record, phone: Phone, time_zone: &str) -> String {
    let mut out = String::with_capacity(420);
    let (key, kind) = record.body.key();
    out.push_str("{\"metadata\":{\"key\":\"");
    out.push_str(key);
    out.push_str(match phone {
        Phone::Android => "\",\"platform\":\"android\",\"type\":\"",
        Phone::Ios => "\",\"platform\":\"ios\",\"type\":\"",
    });
    out.push_str(kind);
    out.push_str("\",\"write_ts\":");
    decimal(&mut out, record.write_ms, 3);
    out.push_str(",\"time_zone\":\"");
    out.push_str(time_zone);
    out.push_str("\",\"read_ts\":0},\"data\":{");
    data(&mut out, &record.body, phone);
    out.push_str("}}");
    out
}

fn data(out: &mut String, body: &Body, phone: Phone) {
    match body {
        Body::Location(location) | Body::FilteredLocation(location) => fix(out, location, phone),
        Body::AndroidMotion { kind, confidence, at_ms } => {
            member(out, "type", i64::from(*kind), 0);
            member(out, ",confidence", i64::from(*confidence), 0);
            member(out, ",ts", *at_ms, 3);
        }
        Body::IosMotion { flag, also_still, confidence, at_ms } => {
            text_member(out, "confidence", confidence);
            for name in ["stationary", "walking", "running", "cycling", "automotive", "unknown"] {
                let set = *flag == Some(name) || (*also_still && name == "stationary");
                out.push_str(",\"");
                out.push_str(name);
                out.push_str(if set { "\":true" } else { "\":false" });
            }
            member(out, ",ts", *at_ms, 3);
        }
        Body::Transition { state, transition, at_ms } => {
            text_member(out, "currState", state);
            text_member(out, ",transition", transition);
            member(out, ",ts", *at_ms, 3);
        }
        Body::Battery { level_pct, charging, at_ms } => battery(out, *level_pct, *charging, *at_ms, phone),
        Body::SyncTime { took_ms, at_ms } => {
            text_member(out, "name", "sync_duration");
            member(out, ",reading", *took_ms, 3);
            text_member(out, ",client_app_version", "1.0.0");
            text_member(out, ",client_os_version", "1");
            member(out, ",ts", *at_ms, 3);
        }
    }
}

fn fix(out: &mut String, location: &Location, phone: Phone) {
    member(out, "latitude", location.latitude_e7, 7);
    member(out, ",longitude", location.longitude_e7, 7);
    member(out, ",altitude", location.altitude_dm, 1);
    member(out, ",accuracy", location.accuracy_mm, 3);
    match location.bearing_ddeg {
        Some(bearing) => member(out, ",bearing", bearing, 1),
        None => member(out, ",bearing", -1, 0),
    }
    match location.speed_cm {
        Some(speed) => member(out, ",sensed_speed", speed, 2),
        None => member(out, ",sensed_speed", -1, 0),
    }
    member(out, ",ts", location.at_ms, 3);
    match phone {
        Phone::Android => {
            member(out, ",elapsedRealtimeNanos", location.since_boot_ns, 0);
            text_member(out, ",filter", "time");
        }
        Phone::Ios => {
            member(out, ",floor", 0, 0);
            member(out, ",vaccuracy", location.accuracy_mm * 3 / 2, 3);
            text_member(out, ",filter", "distance");
        }
    }
}

/// The two systems use different numbers for the states of a battery.
fn battery(out: &mut String, level_pct: u8, charging: bool, at_ms: i64, phone: Phone) {
    match phone {
        Phone::Android => {
            member(out, "battery_status", if charging { 2 } else { 3 }, 0);
            member(out, ",battery_level_pct", i64::from(level_pct), 0);
            text_member(out, ",android_health", "GOOD");
            text_member(out, ",android_plugged", if charging { "BATTERY_PLUGGED_AC" } else { "UNKNOWN" });
            text_member(out, ",android_technology", "Li-ion");
            member(out, ",android_temperature", 290, 0);
            member(out, ",android_voltage", 3900, 0);
        }
        Phone::Ios => {
            member(out, "battery_status", if charging { 2 } else { 1 }, 0);
            member(out, ",battery_level_ratio", i64::from(level_pct), 2);
        }
    }
    member(out, ",ts", at_ms, 3);
}

/// `name` may begin with the comma that separates it from the member before.
fn name_of(out: &mut String, name: &str) {
    let (comma, name) = name.strip_prefix(',').map_or(("", name), |name| (",", name));
    out.push_str(comma);
    out.push('"');
    out.push_str(name);
    out.push_str("\":");
}

fn member(out: &mut String, name: &str, scaled: i64, decimals: u32) {
    name_of(out, name);
    decimal(out, scaled, decimals);
}

/// The value needs no escape: all values are words of the phone's own vocabulary.
fn text_member(out: &mut String, name: &str, value: &str) {
    name_of(out, name);
    out.push('"');
    out.push_str(value);
    out.push('"');
}

/// `scaled` / 10^`decimals`, without trailing zeros but with at least one decimal where `decimals` is not 0.
fn decimal(out: &mut String, scaled: i64, decimals: u32) {
    if scaled < 0 {
        out.push('-');
    }
    let (magnitude, scale) = (scaled.unsigned_abs(), 10u64.pow(decimals));
    write!(out, "{}", magnitude / scale).expect("writing to a string succeeds");
    if decimals > 0 {
        out.push('.');
        let mut fraction = magnitude % scale;
        let mut digit = scale / 10;
        loop {
            out.push(char::from(b'0' + (fraction / digit) as u8));
            fraction %= digit;
            digit /= 10;
            if fraction == 0 || digit == 0 {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_written_in_its_shortest_form() {
        let cases: [(i64, u32, &str); 8] = [
            (0, 0, "0"),
            (-1, 0, "-1"),
            (0, 3, "0.0"),
            (1_600_000_000_250, 3, "1600000000.25"),
            (1_600_000_000_000, 3, "1600000000.0"),
            (-5, 1, "-0.5"),
            (125_000_001, 7, "12.5000001"),
            (1005, 3, "1.005"),
        ];
        for (scaled, decimals, expected) in cases {
            let mut out = String::new();
            decimal(&mut out, scaled, decimals);
            assert_eq!(out, expected);
        }
    }
}
