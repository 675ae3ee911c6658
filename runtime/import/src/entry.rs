//! Entries of readings: the texts that the store keeps, and their ids.
//!
//! A fix becomes `background/location`, and `background/filtered_location` too where a phone's own filter would have let
//! it pass: that is the stream from which trips are found. The id is derived from stream, moment and place, so that the
//! same fix has the same id from whichever file it comes.

use cells_json::text::{push_number, push_text, push_whole};
use cells_model::EntryId;
use cells_model::background::MotionType;
use cells_model::time::{BadTime, Zone};
use ring::digest::{Context, SHA256};

use crate::{Fix, Format, Reading};

/// The radius from which on a fix is not used for trips, m; as in the reference.
const ACCURACY_M_MAX: f64 = 200.0;
/// Separates the digests of ids from all others.
const ID_DOMAIN: &[u8] = b"cellar/import/id/1";
/// Places are compared in this part of a degree: 11 mm.
const PLACES_A_DEGREE: f64 = 1e7;
/// Moments are compared in this part of a second.
const MOMENTS_A_SECOND: f64 = 1e3;

/// The texts of one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Texts<'a> {
    /// Its id, from what it says.
    pub id: EntryId,
    /// Its stream.
    pub key: &'static str,
    /// A JSON object.
    pub metadata: &'a str,
    /// A JSON object.
    pub data: &'a str,
    /// Further members without braces; may be empty.
    pub extra: &'a str,
}

/// Writes entries one after the other, in one zone.
#[derive(Debug)]
pub struct Entries {
    zone: Zone,
    metadata: String,
    data: String,
    extra: String,
}

impl Entries {
    /// Writes local times of this zone.
    pub fn new(zone: Zone) -> Self {
        Self { zone, metadata: String::new(), data: String::new(), extra: String::new() }
    }

    /// Gives the entries of a reading to `each`. `raw`: the record as JSON, or nothing.
    ///
    /// # Errors
    /// [`BadTime`] where the moment has no local time.
    pub fn each(
        &mut self,
        format: Format,
        reading: &Reading,
        raw: &str,
        mut each: impl FnMut(Texts<'_>),
    ) -> Result<(), BadTime> {
        let (first, second) = keys(reading);
        for (key, keeps_raw) in [(Some(first), true), (second, false)] {
            let Some(key) = key else { continue };
            self.write(format, key, reading, if keeps_raw { raw } else { "" })?;
            let Self { metadata, data, extra, .. } = &*self;
            each(Texts { id: id_of(key, reading), key, metadata, data, extra });
        }
        Ok(())
    }

    fn write(&mut self, format: Format, key: &str, reading: &Reading, raw: &str) -> Result<(), BadTime> {
        let Self { zone, metadata, data, extra } = self;
        let local = zone.at(reading.ts())?;
        metadata.clear();
        metadata.push_str(r#"{"key":"#);
        push_text(metadata, key);
        metadata.push_str(r#","platform":"import","device":"import-"#);
        metadata.push_str(format.name());
        metadata.push_str(r#"","type":"sensor-data","write_ts":"#);
        push_number(metadata, reading.ts());
        metadata.push_str(r#","time_zone":"#);
        push_text(metadata, zone.name());
        metadata.push(',');
        local.write_members("write_", metadata);
        metadata.push('}');
        data.clear();
        data.push('{');
        match reading {
            Reading::Fix(fix) => write_fix(data, fix),
            Reading::Motion(motion) => {
                member(data, "type", |data| push_whole(data, i64::from(motion.kind.number())));
                optional(data, "confidence", motion.confidence);
            }
            Reading::Battery(battery) => {
                member(data, "battery_level_pct", |data| push_number(data, battery.level_pct));
                member(data, "battery_status", |data| push_whole(data, i64::from(battery.status.number())));
            }
        }
        member(data, "ts", |data| push_number(data, reading.ts()));
        local.write_members("", data);
        data.push('}');
        extra.clear();
        if !raw.is_empty() {
            extra.push_str(r#""imported":{"format":"#);
            push_text(extra, format.name());
            extra.push_str(r#","record":"#);
            extra.push_str(raw);
            extra.push('}');
        }
        Ok(())
    }
}

fn member(data: &mut String, name: &str, value: impl FnOnce(&mut String)) {
    push_text(data, name);
    data.push(':');
    value(data);
    data.push(',');
}

fn optional(data: &mut String, name: &str, number: Option<f64>) {
    if let Some(number) = number {
        member(data, name, |data| push_number(data, number));
    }
}

/// The filter is always `app`: no file says how its fixes were chosen, so trips are found at any cadence, and not by the
/// reference's methods for the phones of its own app.
fn write_fix(data: &mut String, fix: &Fix) {
    optional(data, "latitude", Some(fix.latitude));
    optional(data, "longitude", Some(fix.longitude));
    data.push_str(r#""loc":{"type":"Point","coordinates":["#);
    push_number(data, fix.longitude);
    data.push(',');
    push_number(data, fix.latitude);
    data.push_str("]},");
    optional(data, "altitude", fix.altitude);
    optional(data, "accuracy", fix.accuracy);
    optional(data, "sensed_speed", fix.speed);
    optional(data, "heading", fix.heading);
    data.push_str(r#""filter":"app","#);
}

/// The streams of a reading.
fn keys(reading: &Reading) -> (&'static str, Option<&'static str>) {
    match reading {
        Reading::Fix(fix) => {
            let passes = fix.accuracy.is_none_or(|accuracy| accuracy < ACCURACY_M_MAX);
            ("background/location", passes.then_some("background/filtered_location"))
        }
        Reading::Motion(_) => ("background/motion_activity", None),
        Reading::Battery(_) => ("background/battery", None),
    }
}

/// The id: the second, as ids of the store begin, and 8 bytes of a digest of stream, moment and place.
fn id_of(key: &str, reading: &Reading) -> EntryId {
    let whole = |number: f64, parts: f64| ((number * parts).round() as i64).to_le_bytes();
    let mut digest = Context::new(&SHA256);
    digest.update(ID_DOMAIN);
    digest.update(key.as_bytes());
    digest.update(&whole(reading.ts(), MOMENTS_A_SECOND));
    match reading {
        Reading::Fix(fix) => {
            digest.update(&whole(fix.latitude, PLACES_A_DEGREE));
            digest.update(&whole(fix.longitude, PLACES_A_DEGREE));
        }
        Reading::Motion(motion) => digest.update(&[motion.kind.number()]),
        Reading::Battery(battery) => digest.update(&whole(battery.level_pct, MOMENTS_A_SECOND)),
    }
    let mut id = EntryId::NONE;
    id.0[..4].copy_from_slice(&(reading.ts() as u32).to_be_bytes());
    id.0[4..].copy_from_slice(&digest.finish().as_ref()[..8]);
    id
}

/// The motion that a format's word for it means; words that name none are `Unknown`.
pub(crate) fn motion_of(word: &str) -> MotionType {
    let word = word.to_ascii_uppercase().replace([' ', '-'], "_");
    match word.as_str() {
        "STILL" | "STATIONARY" => MotionType::Still,
        "WALKING" | "HIKING" | "NORDIC_WALKING" => MotionType::Walking,
        "RUNNING" | "TRAIL_RUNNING" => MotionType::Running,
        "ON_FOOT" => MotionType::OnFoot,
        "CYCLING" | "BIKING" | "ON_BICYCLE" | "BICYCLE" => MotionType::Bicycling,
        "IN_VEHICLE"
        | "IN_ROAD_VEHICLE"
        | "IN_CAR"
        | "IN_PASSENGER_VEHICLE"
        | "DRIVING"
        | "AUTOMOTIVE"
        | "IN_BUS"
        | "IN_TRAIN"
        | "IN_TRAM"
        | "IN_SUBWAY"
        | "IN_RAIL_VEHICLE"
        | "IN_FERRY"
        | "IN_TAXI"
        | "IN_TWO_WHEELER_VEHICLE"
        | "IN_FOUR_WHEELER_VEHICLE"
        | "MOTORCYCLING"
        | "IN_CABLECAR"
        | "IN_FUNICULAR"
        | "IN_GONDOLA_LIFT" => MotionType::InVehicle,
        "FLYING" | "AIR" => MotionType::AirOrHsr,
        "TILTING" => MotionType::Tilting,
        other => MotionType::from_name(other).unwrap_or(MotionType::Unknown),
    }
}
