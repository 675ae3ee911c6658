//! The points of a run as numbers: what sections are cleaned from.
//!
//! * Units: seconds, degrees, metres. An altitude that is absent is NaN.
//! * Order: by `ts`, then id. Exact duplicates are dropped, as whenever the reference reads points as a table.
//! * A point without a time or a place is passed over and counted.
//! * Memory: about 100 bytes a point.

use std::borrow::Cow;
use std::ops::Range;

use cells_geometry::Position;
use cells_locations::{Repeats, for_each_entry};
use cells_sdk::model::time::{SERVER_ZONE, Zone};
use cells_sdk::model::{EntryId, Point};
use cells_sdk::{Query, ReadEntries, TimeField};
use serde::Deserialize;

use crate::CleanError;

/// The points that trips are made of.
pub const KEY: &str = "background/filtered_location";

/// Moments outside these have no local time anywhere, s.
const TS_MAX: f64 = 2e11;

/// One point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// s
    pub ts: f64,
    /// Where, degrees.
    pub position: Position,
    /// Where, as the entry's own GeoJSON says.
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
    /// The number of that zone. One that nobody knows counts as the server's, as do more than 65,535.
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
    /// Row by row the entry.
    pub ids: Vec<EntryId>,
    /// Row by row the numbers.
    pub samples: Vec<Sample>,
    /// Whether any of them has an altitude.
    pub any_altitude: bool,
    /// Points without a time or a place.
    pub unplaced: usize,
}

/// A point's data as far as it is worked with.
#[derive(Deserialize)]
struct PointData<'a> {
    ts: f64,
    latitude: f64,
    longitude: f64,
    altitude: Option<f64>,
    loc: Option<Point>,
    #[serde(borrow)]
    local_dt: Option<Zoned<'a>>,
}

#[derive(Deserialize)]
struct Zoned<'a> {
    #[serde(borrow)]
    timezone: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow)]
    time_zone: Option<Cow<'a, str>>,
}

/// Reads one point; `None` where it has no time or no place.
pub fn sample(metadata: &str, data: &str, zones: &mut ZoneTable) -> Option<Sample> {
    let data: PointData<'_> = serde_json::from_str(data).ok()?;
    let position = Position { latitude: data.latitude, longitude: data.longitude };
    if !position.is_finite() || data.ts.is_nan() || data.ts.abs() > TS_MAX {
        return None;
    }
    let zone = match data.local_dt.and_then(|local| local.timezone) {
        Some(name) => zones.number(&name),
        None => {
            let metadata: Option<Metadata<'_>> = serde_json::from_str(metadata).ok();
            zones.number(metadata.and_then(|metadata| metadata.time_zone).as_deref().unwrap_or(SERVER_ZONE))
        }
    };
    let loc = data.loc.unwrap_or(Point::at(data.longitude, data.latitude));
    Some(Sample { ts: data.ts, position, loc, altitude: data.altitude.unwrap_or(f64::NAN), zone })
}

impl Points {
    /// Reads the points between two moments, closed at both ends.
    pub fn read<R: ReadEntries>(
        runtime: &mut R,
        start: Option<f64>,
        end: f64,
        zones: &mut ZoneTable,
    ) -> Result<Self, CleanError> {
        let mut points = Self::default();
        let mut repeats = Repeats::new();
        let query = Query::of(&[KEY], TimeField::DataTs).between(start, Some(end));
        for_each_entry::<_, CleanError>(runtime, &query, |_, entry| {
            if repeats.is_repeat(&entry) {
                return Ok(());
            }
            match sample(entry.metadata, entry.data, zones) {
                Some(sample) => {
                    points.any_altitude |= !sample.altitude.is_nan();
                    points.ids.push(entry.id);
                    points.samples.push(sample);
                }
                None => points.unplaced += 1,
            }
            Ok(())
        })?;
        Ok(points)
    }

    /// The rows between two moments, closed at both ends.
    pub fn within(&self, start: f64, end: f64) -> Range<usize> {
        let first = self.samples.partition_point(|sample| sample.ts < start);
        let behind = self.samples.partition_point(|sample| sample.ts <= end);
        first..behind.max(first)
    }

    /// The rows at that very moment.
    pub fn at(&self, ts: f64) -> Range<usize> {
        self.within(ts, ts)
    }
}

/// The place of a GeoJSON point.
///
/// Quirk: the reference rounds what it reads from GeoJSON to 15 decimals. That changes degrees below 8 only, and
/// shows only in ways of a few centimetres.
pub fn position(point: Point) -> Position {
    let [longitude, latitude] = point.coordinates.map(|degrees| {
        if degrees.abs() < 8.0 { format!("{degrees:.15}").parse().unwrap_or(degrees) } else { degrees }
    });
    Position { latitude, longitude }
}
