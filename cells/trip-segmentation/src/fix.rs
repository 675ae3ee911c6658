//! The entries behind the points that begin or end something.

use cells_geometry::Position;
use cells_locations::{Found, at_time};
use cells_sdk::ReadEntries;
use cells_sdk::model::time::{LocalDt, SERVER_ZONE, local};
use cells_sdk::model::{EntryId, Point};
use serde::Deserialize;
use serde_json::Value;

use crate::SegmentError;

/// The points that trips are made of.
pub const KEY: &str = "background/filtered_location";

/// A moment at a place, with its local time as the point's entry has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Fix {
    /// s
    pub ts: f64,
    /// Local time of `ts`.
    pub local_dt: LocalDt,
    /// Local time of `ts`.
    pub fmt_time: String,
    /// Where.
    pub loc: Point,
}

/// A point's data as far as it is copied. Phones' points always have it all once they are taken in; a history
/// from elsewhere may not, and then the local time is worked out here.
#[derive(Deserialize)]
struct PointData {
    ts: f64,
    latitude: f64,
    longitude: f64,
    loc: Option<Value>,
    local_dt: Option<Value>,
    fmt_time: Option<String>,
}

impl Fix {
    /// Reads the entry of a point.
    pub fn read<R: ReadEntries>(runtime: &mut R, id: EntryId, ts: f64) -> Result<Self, SegmentError> {
        let found = at_time(runtime, KEY, ts, false)?;
        let found = found.iter().find(|entry| entry.id == id).ok_or(SegmentError::PointGone { id, ts })?;
        Self::parse(found)
    }

    /// The point at which an earlier run ended a trip, by its time alone, as the reference looks for it: marked
    /// invalid or not, and where several have that time, the first.
    pub fn read_by_time<R: ReadEntries>(runtime: &mut R, ts: f64) -> Result<Option<Self>, SegmentError> {
        at_time(runtime, KEY, ts, true)?.first().map(Self::parse).transpose()
    }

    fn parse(entry: &Found) -> Result<Self, SegmentError> {
        let bad = |source: &dyn std::fmt::Display| SegmentError::BadPoint {
            id: entry.id,
            reason: source.to_string().chars().take(200).collect(),
        };
        let data: PointData = serde_json::from_str(&entry.data).map_err(|error| bad(&error))?;
        let loc = data.loc.and_then(|loc| serde_json::from_value(loc).ok());
        let zone = || zone_of(&entry.metadata, data.local_dt.as_ref());
        let known = data.local_dt.as_ref().and_then(|value| LocalDt::deserialize(value).ok());
        let (local_dt, fmt_time) = match (known, data.fmt_time.clone()) {
            (Some(local_dt), Some(fmt_time)) => (local_dt, fmt_time),
            _ => local(data.ts, &zone())
                .or_else(|_| local(data.ts, SERVER_ZONE))
                .map_err(|error| bad(&error))?,
        };
        let loc = loc.unwrap_or(Point::at(data.longitude, data.latitude));
        Ok(Self { ts: data.ts, local_dt, fmt_time, loc })
    }
}

fn zone_of(metadata: &str, local_dt: Option<&Value>) -> String {
    let of = |value: Option<&Value>, name: &str| Some(value?.get(name)?.as_str()?.to_owned());
    let metadata: Option<Value> = serde_json::from_str(metadata).ok();
    of(local_dt, "timezone")
        .or_else(|| of(metadata.as_ref(), "time_zone"))
        .unwrap_or_else(|| SERVER_ZONE.to_owned())
}

/// The place of a GeoJSON point.
pub fn position(point: Point) -> Position {
    let [longitude, latitude] = point.coordinates;
    Position { latitude, longitude }
}
