//! The entries that the analysis needs, made of what an app says: the one place that decides what an app leaves open.
//!
//! | what | how |
//! |---|---|
//! | `background/location` | every reading, with the record as it was sent in `raw` |
//! | `background/filtered_location` | a copy without `raw`, where the accuracy is under [`ACCURACY_M_MAX`] or not told: trips are made of these |
//! | `filter` | always `app`: trips are then found at the cadence of any app, and not by the reference's methods for its own phones |
//! | `background/motion_activity` | what the app says; [`CONFIDENCE`] where it tells no confidence |
//! | `background/battery` | what the app says |
//! | `statemachine/transition` | a stop where the app says that a movement has ended; a stop and a start around a silence of more than [`SILENCE_S`] within one request. A silence between requests needs none: trips end there by themselves |
//! | `metadata.write_ts` | up to half a second after the reading, by a digest of the record: two records of one second stay two entries, and a record that is sent again is the same entry |
//! | `metadata.time_zone` | what the owner said; else whole hours by the longitude |
//! | `metadata.platform` | always `android`: it names the words of an entry, not the phone |
//!
//! * Not here: the formats of the apps, and what is done with a reading that cannot be true.

use cells_model::background::MotionType;
use cells_model::rows::{Row, Rows};
use cells_model::{EntryId, text};

use crate::App;
use crate::reading::{BatteryState, Reading, Record};

/// A worse reading is not used for trips, m (exclusive): the rule of the stage that filters for phones which do not.
pub const ACCURACY_M_MAX: f64 = 200.0;
/// A phone that was silent for longer has rested, s: the rule of the trips of phones that send by distance.
pub const SILENCE_S: f64 = 600.0;
/// The confidence of an app that tells none: what an iPhone calls medium.
pub const CONFIDENCE: f64 = 75.0;
/// How much later than its reading a stop is written down, s.
const STOP_AFTER_S: f64 = 1.0;
/// The steps of a moment of writing, s: a double of this century has finer ones.
const STEP_S: f64 = 1.0 / (1 << 21) as f64;
/// How many steps there are: half a second.
const STEPS: u64 = 1 << 20;
/// Each time zone by longitude is this wide, degrees.
const HOUR_DEG: f64 = 15.0;

const ONGOING: &str = "local.state.ongoing_trip";
const WAITING: &str = "local.state.waiting_for_trip_start";
const STOPPED: &str = "local.transition.stopped_moving";
const EXITED: &str = "local.transition.exited_geofence";

/// Where records come from.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The app.
    pub app: App,
    /// The time zone that the owner gave.
    pub zone: Option<&'a str>,
}

/// Adds the entries of all records that have a reading.
pub fn entries(records: &[Record<'_>], source: Source<'_>, rows: &mut Rows) {
    let mut read: Vec<(&Record<'_>, &Reading)> =
        records.iter().filter_map(|record| Some((record, record.reading.as_ref().ok()?))).collect();
    for (record, reading) in &read {
        of_reading(record, reading, source, rows);
    }
    read.sort_by(|one, other| one.1.ts.total_cmp(&other.1.ts));
    for pair in read.windows(2) {
        let [(_, before), (_, after)] = pair else { continue };
        if after.ts - before.ts > SILENCE_S {
            transition(rows, source, before, before.ts + STOP_AFTER_S, (ONGOING, STOPPED));
            transition(rows, source, after, after.ts, (WAITING, EXITED));
        }
    }
}

fn of_reading(record: &Record<'_>, reading: &Reading, source: Source<'_>, rows: &mut Rows) {
    let write_ts = written_at(reading.ts, &record.raw);
    let place = place(reading);
    let mut whole = place.clone();
    whole.push_str(",\"raw\":");
    whole.push_str(&record.as_json());
    push(rows, source, reading, write_ts, "background/location", &whole);
    if reading.accuracy_m.is_none_or(|accuracy_m| accuracy_m < ACCURACY_M_MAX) {
        push(rows, source, reading, write_ts, "background/filtered_location", &place);
    }
    if let Some((kind, confidence)) = reading.motion {
        let motion = motion(reading.ts, kind, confidence.unwrap_or(CONFIDENCE));
        push(rows, source, reading, write_ts, "background/motion_activity", &motion);
    }
    if let Some(battery) = reading.battery {
        // The numbers of Android.
        let state = match battery.state {
            BatteryState::Unknown => 1,
            BatteryState::Charging => 2,
            BatteryState::Discharging => 3,
            BatteryState::Full => 5,
        };
        let mut members = String::new();
        number(&mut members, "battery_level_pct", battery.level_pct);
        members.push_str(&format!(",\"battery_status\":{state}"));
        push(rows, source, reading, write_ts, "background/battery", &members);
    }
    if reading.stopped {
        transition(rows, source, reading, reading.ts + STOP_AFTER_S, (ONGOING, STOPPED));
    }
}

/// The members of a location.
fn place(reading: &Reading) -> String {
    let mut members = String::with_capacity(256);
    number(&mut members, "ts", reading.ts);
    number(&mut members, "latitude", reading.latitude);
    number(&mut members, "longitude", reading.longitude);
    for (name, value) in [
        ("accuracy", reading.accuracy_m),
        ("altitude", reading.altitude_m),
        ("sensed_speed", reading.speed_m_s),
        ("heading", reading.heading_deg),
    ] {
        if let Some(value) = value {
            number(&mut members, name, value);
        }
    }
    members.push_str(",\"filter\":\"app\"");
    members
}

fn motion(ts: f64, kind: MotionType, confidence: f64) -> String {
    let mut members = format!("\"type\":{}", kind.number());
    number(&mut members, "confidence", confidence);
    number(&mut members, "ts", ts);
    members
}

fn transition(rows: &mut Rows, source: Source<'_>, at: &Reading, write_ts: f64, (state, what): (&str, &str)) {
    let members = format!("\"currState\":\"{state}\",\"transition\":\"{what}\"");
    push(rows, source, at, write_ts, "statemachine/transition", &members);
}

fn push(rows: &mut Rows, source: Source<'_>, at: &Reading, write_ts: f64, key: &str, members: &str) {
    let mut metadata =
        format!("{{\"key\":\"{key}\",\"type\":\"sensor-data\",\"platform\":\"android\",\"read_ts\":0");
    number(&mut metadata, "write_ts", write_ts);
    metadata.push_str(",\"time_zone\":");
    match source.zone {
        Some(zone) => text::push_text(&mut metadata, zone),
        None => text::push_text(&mut metadata, &zone_at(at.longitude)),
    }
    metadata.push('}');
    let data = format!("{{{members}}}");
    rows.push(Row { id: EntryId::NONE, key, metadata: &metadata, data: &data, extra: "" });
}

/// Appends a member, with a comma before it unless it is the first.
fn number(members: &mut String, name: &str, value: f64) {
    if !members.is_empty() {
        members.push(',');
    }
    members.push_str(&format!("\"{name}\":"));
    text::push_number(members, value);
}

/// When a record counts as written, s: see the table above.
pub fn written_at(ts: f64, raw: &str) -> f64 {
    // FNV-1a: the same in every version, which the standard library's is not.
    let digest = raw.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |digest, byte| {
        (digest ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    // The highest bits are mixed best.
    ts + (digest >> 44) as f64 * STEP_S
}

const _: () = assert!(u64::MAX >> 44 == STEPS - 1);

/// The zone of whole hours in which a longitude lies, such as `+01:00`.
pub fn zone_at(longitude: f64) -> String {
    let hours = (longitude / HOUR_DEG).round().clamp(-12.0, 12.0);
    let sign = if hours < 0.0 { '-' } else { '+' };
    format!("{sign}{:02}:00", hours.abs())
}
