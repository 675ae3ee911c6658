//! The points of a run as numbers, from which sections are cleaned.
//!
//! * Units: seconds, degrees, metres. An altitude that is absent or not a number is NaN.
//! * Order: by `ts`, then id. Exact duplicates are dropped, as whenever the reference reads points as a table.
//! * A point without a time or a place is skipped and counted.
//! * Where sections of the window name the device that was carried, its points come once more after all others, in the
//!   same order, so that rows of one device are consecutive.
//! * Memory: about 100 bytes a point, twice that for the points of named devices.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use cells_geometry::Position;
use cells_locations::Repeats;
use cells_sdk::model::device::device_name;
use cells_sdk::model::text;
use cells_sdk::model::time::{SERVER_ZONE, Zone};
use cells_sdk::model::{EntryId, Point};
use cells_sdk::{Query, ReadEntries, RunError, TimeField, for_each_entry};

/// The points from which trips are made.
pub const KEY: &str = "background/filtered_location";

/// The interval of the points that cleaning makes, s.
pub const INTERVAL_S: f64 = 30.0;

/// Moments outside these have no local time anywhere, s.
const TS_MAX: f64 = 2e11;

/// One point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// s
    pub ts: f64,
    /// The place, degrees.
    pub position: Position,
    /// The place, as in the entry's GeoJSON.
    pub loc: Point,
    /// m; NaN where absent.
    pub altitude: f64,
    /// Index of its zone in [`ZoneTable`].
    pub zone: u16,
}

/// The zones that points name, each looked up once.
#[derive(Debug, Default)]
pub struct ZoneTable {
    zones: Vec<Zone>,
}

impl ZoneTable {
    /// The number of that zone. An unknown zone counts as the server's, as do zones after the first 65,535.
    pub fn number(&mut self, name: &str) -> u16 {
        let known = |zones: &[Zone], name: &str| zones.iter().position(|zone| zone.name() == name);
        let found = known(&self.zones, name).or_else(|| {
            let zone = Zone::find(name).unwrap_or_else(|_| Zone::server().clone());
            known(&self.zones, zone.name()).or_else(|| {
                self.zones.push(zone);
                Some(self.zones.len() - 1)
            })
        });
        found.and_then(|found| u16::try_from(found).ok()).unwrap_or(0)
    }

    /// The zone of that number.
    pub fn get(&self, number: u16) -> &Zone {
        self.zones.get(usize::from(number)).unwrap_or(Zone::server())
    }
}

/// Points in order of time.
#[derive(Debug, Default)]
pub struct Points {
    /// The ids of the entries, by row.
    pub ids: Vec<EntryId>,
    /// The numbers, by row.
    pub samples: Vec<Sample>,
    /// Whether any of them has an altitude.
    pub any_altitude: bool,
    /// Points without a time or a place.
    pub unplaced: usize,
    /// How many rows there are of all devices; those of named ones follow.
    of_all: usize,
    /// The rows of named devices.
    of_devices: Vec<(String, Range<usize>)>,
}

/// The points of a named device while they are read.
struct Own<'a> {
    device: &'a String,
    repeats: Repeats,
    ids: Vec<EntryId>,
    samples: Vec<Sample>,
}

/// Reads one point; `None` where it has no time or no place, or one of the members for these is of another kind.
pub fn sample(metadata: &str, data: &str, zones: &mut ZoneTable) -> Option<Sample> {
    let (mut ts, mut latitude, mut longitude) = (None, None, None);
    let (mut altitude, mut loc, mut zone) = (None, None, None);
    for member in text::members(data).map_while(Result::ok) {
        match member.name {
            "ts" => ts = Some(text::number(member.value)?),
            "latitude" => latitude = Some(member.value),
            "longitude" => longitude = Some(member.value),
            "altitude" => altitude = text::number(member.value),
            "loc" => loc = Some(member.value),
            "local_dt" => zone = text::optional(member.value, zone_of)?.flatten(),
            _ => {}
        }
    }
    let (ts, at) = (ts?, [longitude?, latitude?]);
    let [longitude, latitude] = at.map(text::number);
    let position = Position { latitude: latitude?, longitude: longitude? };
    if !position.is_finite() || ts.is_nan() || ts.abs() > TS_MAX {
        return None;
    }
    let zone = match zone {
        Some(name) => zones.number(&name),
        None => {
            let name = text::value_of(metadata, "time_zone").and_then(text::string);
            zones.number(name.as_deref().unwrap_or(SERVER_ZONE))
        }
    };
    let loc = match loc {
        Some(loc) if !says(loc, at) => text::optional(loc, |loc| serde_json::from_str(loc).ok())?,
        _ => None,
    };
    let loc = loc.unwrap_or(Point::at(position.longitude, position.latitude));
    Some(Sample { ts, position, loc, altitude: altitude.unwrap_or(f64::NAN), zone })
}

/// Whether a GeoJSON point has these texts of a longitude and a latitude, as the texts of phones mostly do.
fn says(loc: &str, [longitude, latitude]: [&str; 2]) -> bool {
    let coordinates =
        loc.strip_prefix(r#"{"type":"Point","coordinates":["#).and_then(|loc| loc.strip_suffix("]}"));
    let both = coordinates.and_then(|coordinates| coordinates.split_once(','));
    both.is_some_and(|(first, second)| first == longitude && second.trim_ascii_start() == latitude)
}

/// The zone of a local time, if it has one; `None` where the text is no local time.
fn zone_of(local_dt: &str) -> Option<Option<Cow<'_, str>>> {
    if !local_dt.starts_with('{') {
        return None;
    }
    match text::value_of(local_dt, "timezone") {
        Some(zone) => text::optional(zone, text::string),
        None => Some(None),
    }
}

impl Points {
    /// Reads the points between two moments, closed at both ends.
    pub fn read<R: ReadEntries>(
        runtime: &mut R,
        start: Option<f64>,
        end: f64,
        devices: &BTreeSet<String>,
        zones: &mut ZoneTable,
    ) -> Result<Self, RunError> {
        let mut points = Self::default();
        let own = |device| Own { device, repeats: Repeats::new(), ids: Vec::new(), samples: Vec::new() };
        let mut of_devices: Vec<Own<'_>> = devices.iter().map(own).collect();
        let mut repeats = Repeats::new();
        let query = Query::of(&[KEY], TimeField::DataTs).between(start, Some(end));
        for_each_entry(runtime, &query, |_, entry| {
            let device = if of_devices.is_empty() { None } else { device_name(entry.metadata) };
            let own = of_devices.iter_mut().find(|own| Some(own.device) == device.as_ref());
            let own = own.and_then(|own| (!own.repeats.is_repeat(&entry)).then_some(own));
            let repeats = repeats.is_repeat(&entry);
            if repeats && own.is_none() {
                return Ok(());
            }
            let Some(sample) = sample(entry.metadata, entry.data, zones) else {
                points.unplaced += 1;
                return Ok(());
            };
            points.any_altitude |= !sample.altitude.is_nan();
            if !repeats {
                points.ids.push(entry.id);
                points.samples.push(sample);
            }
            if let Some(own) = own {
                own.ids.push(entry.id);
                own.samples.push(sample);
            }
            Ok(())
        })?;
        points.of_all = points.ids.len();
        for own in of_devices {
            let start = points.ids.len();
            points.ids.extend(own.ids);
            points.samples.extend(own.samples);
            points.of_devices.push((own.device.clone(), start..points.ids.len()));
        }
        Ok(points)
    }

    /// The rows of a device, or of all where none is named.
    fn of(&self, device: Option<&str>) -> Range<usize> {
        let Some(device) = device else { return 0..self.of_all };
        let own = self.of_devices.iter().find(|(known, _)| known == device);
        own.map_or(0..0, |(_, rows)| rows.clone())
    }

    /// The rows of a device between two moments, closed at both ends; of all devices where none is named.
    pub fn within(&self, device: Option<&str>, start: f64, end: f64) -> Range<usize> {
        let rows = self.of(device);
        let own = &self.samples[rows.clone()];
        let first = own.partition_point(|sample| sample.ts < start);
        let behind = own.partition_point(|sample| sample.ts <= end);
        rows.start + first..rows.start + behind.max(first)
    }

    /// The rows of a device at exactly that moment.
    pub fn at(&self, device: Option<&str>, ts: f64) -> Range<usize> {
        self.within(device, ts, ts)
    }

    /// The point at which a place was reached: of several devices' points, the one at that location.
    pub fn reached_at(&self, ts: f64, location: Point) -> Option<usize> {
        let mut rows = self.at(None, ts);
        let first = rows.clone().next()?;
        if self.of_devices.is_empty() {
            return Some(first);
        }
        Some(rows.find(|row| self.samples[*row].loc == location).unwrap_or(first))
    }
}

/// The place of a GeoJSON point.
///
/// Quirk: the reference rounds numbers from GeoJSON to 15 decimals. That changes only degrees below 8, and is visible
/// only in ways of a few centimetres.
pub fn position(point: Point) -> Position {
    let [longitude, latitude] = point.coordinates.map(|degrees| {
        if degrees.abs() < 8.0 { format!("{degrees:.15}").parse().unwrap_or(degrees) } else { degrees }
    });
    Position { latitude, longitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(metadata: &str, data: &str) -> Option<(f64, Option<f64>, String)> {
        let mut zones = ZoneTable::default();
        let Sample { ts, altitude, zone, .. } = sample(metadata, data, &mut zones)?;
        Some((ts, (!altitude.is_nan()).then_some(altitude), zones.get(zone).name().to_owned()))
    }

    #[test]
    fn a_point_has_its_own_zone_or_its_phones_or_the_servers() {
        let phone = r#"{"time_zone":"Europe/Zurich"}"#;
        let with = |more: &str| format!(r#"{{"ts":1.5,"latitude":1,"longitude":2{more}}}"#);
        let zone = |metadata: &str, more: &str| read(metadata, &with(more)).map(|(.., zone)| zone);
        assert_eq!(zone(phone, r#","local_dt":{"timezone":"Asia/Tokyo"}"#).as_deref(), Some("Asia/Tokyo"));
        for without in
            ["", r#","local_dt":{"year":2020}"#, r#","local_dt":{"timezone":null}"#, r#","local_dt":null"#]
        {
            assert_eq!(zone(phone, without).as_deref(), Some("Europe/Zurich"), "{without}");
            assert_eq!(zone("{}", without).as_deref(), Some(SERVER_ZONE), "{without}");
        }
    }

    #[test]
    fn an_entry_without_time_or_place_is_not_a_point_and_an_altitude_must_be_a_number() {
        let sound = r#"{"ts":1,"latitude":1,"longitude":2,"altitude":null,"loc":{"type":"Point","coordinates":[2,1]}}"#;
        assert_eq!(read("{}", sound).map(|(ts, altitude, _)| (ts, altitude)), Some((1.0, None)));
        assert_eq!(read("{}", &sound.replace("null", "3")).and_then(|(_, altitude, _)| altitude), Some(3.0));
        let high = read("{}", &sound.replace("null", "\"high\""));
        assert_eq!(high.map(|(ts, altitude, _)| (ts, altitude)), Some((1.0, None)));
        for (from, to) in [
            ("\"ts\":1,", ""),
            ("\"ts\":1", "\"ts\":\"1\""),
            ("\"ts\":1", "\"ts\":1e300"),
            ("\"latitude\":1", "\"latitude\":null"),
            ("Point", "Line"),
            ("[2,1]", "[2]"),
        ] {
            assert_eq!(read("{}", &sound.replace(from, to)), None, "{to}");
        }
    }
}
