//! The entries of the points at which something begins or ends.

use cells_geometry::Position;
use cells_locations::{Found, PointText, at_time};
use cells_sdk::model::time::{LocalDt, SERVER_ZONE, local};
use cells_sdk::model::{EntryId, Point};
use cells_sdk::{ReadEntries, RunError};

/// The points from which trips are made.
pub const KEY: &str = "background/filtered_location";

/// A moment at a place, with its local time from the point's entry.
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

impl Fix {
    /// Reads the entry of a point, which this run may have unmarked as invalid.
    pub fn read<R: ReadEntries>(runtime: &mut R, id: EntryId, ts: f64) -> Result<Self, RunError> {
        let found = at_time(runtime, KEY, ts, true)?;
        let found = found.iter().find(|entry| entry.id == id);
        let gone = || RunError::entry(id, "is in the columns of points and not among the entries");
        Self::parse(found.ok_or_else(gone)?)
    }

    /// The same place at another moment, in the same zone.
    pub fn at(self, ts: f64) -> Result<Self, RunError> {
        let zone = &self.local_dt.timezone;
        let (local_dt, fmt_time) = local(ts, zone).or_else(|_| local(ts, SERVER_ZONE))?;
        Ok(Self { ts, local_dt, fmt_time, loc: self.loc })
    }

    /// The point at which an earlier run ended a trip, found only by its time, as in the reference: marked invalid or
    /// not, and the first where several have that time.
    pub fn read_by_time<R: ReadEntries>(runtime: &mut R, ts: f64) -> Result<Option<Self>, RunError> {
        at_time(runtime, KEY, ts, true)?.first().map(Self::parse).transpose()
    }

    fn parse(entry: &Found) -> Result<Self, RunError> {
        let bad = |why| RunError::bad_entry(entry.id, "is not a point that can be read", why);
        let point = PointText::read(&entry.data).map_err(bad)?;
        let known = point.local_dt.and_then(|text| serde_json::from_str(text).ok());
        let (local_dt, fmt_time) = match (known, &point.fmt_time) {
            (Some(local_dt), Some(fmt_time)) => (local_dt, fmt_time.clone().into_owned()),
            _ => point.work_out_local_time(&entry.metadata)?,
        };
        Ok(Self { ts: point.ts, local_dt, fmt_time, loc: point.loc })
    }
}

/// The place of a GeoJSON point.
pub fn position(point: Point) -> Position {
    let [longitude, latitude] = point.coordinates;
    Position { latitude, longitude }
}
