//! The moments at which sections begin and end.

use cells_geometry::Position;
use cells_locations::{Found, PointText, at_time};
use cells_sdk::model::time::{BadTime, LocalDt, SERVER_ZONE, Zones};
use cells_sdk::model::{EntryId, Point};
use cells_sdk::{Query, ReadEntries, RunError, TimeField, for_each_entry};

/// The points from which sections are made.
pub const POINT: &str = "background/filtered_location";

/// A moment at a place, with the texts of the point's entry.
#[derive(Debug, Clone, PartialEq)]
pub struct Moment {
    /// s
    pub ts: f64,
    /// The zone that the phone was in.
    pub zone: String,
    /// Local time of `ts`.
    pub fmt_time: String,
    /// Where.
    pub loc: Point,
}

impl Moment {
    /// The parts of its local time. An unknown zone is replaced by the server's.
    pub fn local_dt(&self, zones: &mut Zones) -> Result<LocalDt, BadTime> {
        let zone = if zones.get(&self.zone).is_ok() { &self.zone } else { SERVER_ZONE };
        Ok(zones.get(zone)?.at(self.ts)?.local_dt())
    }

    /// Where, as degrees.
    pub fn position(&self) -> Position {
        position(self.loc)
    }

    /// Whether a point of that time and place is this moment.
    pub fn is_at(&self, ts: f64, position: Position) -> bool {
        self.ts == ts && self.position() == position
    }

    fn parse(entry: &Found) -> Result<Self, RunError> {
        let bad = |why| RunError::bad_entry(entry.id, "is not a point that can be read", why);
        let point = PointText::read(&entry.data).map_err(bad)?;
        let zone = point.zone(&entry.metadata).into_owned();
        let fmt_time = match &point.fmt_time {
            Some(fmt_time) => fmt_time.clone().into_owned(),
            None => point.work_out_local_time(&entry.metadata)?.1,
        };
        Ok(Self { ts: point.ts, zone, fmt_time, loc: point.loc })
    }
}

/// The place of a GeoJSON point.
pub fn position(point: Point) -> Position {
    let [longitude, latitude] = point.coordinates;
    Position { latitude, longitude }
}

/// A point of the columns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// Its entry.
    pub id: EntryId,
    /// s
    pub ts: f64,
}

/// Reads the two points at which one section ends and the next begins; often they are one or adjacent, and one query
/// returns both. `near`: few other points are between them.
pub fn read_two<R: ReadEntries>(
    runtime: &mut R,
    [end, start]: [Row; 2],
    near: bool,
) -> Result<[Moment; 2], RunError> {
    let mut found: Vec<Found> = Vec::with_capacity(2);
    if near {
        let (first, last) = (end.ts.min(start.ts), end.ts.max(start.ts));
        let between = Query::of(&[POINT], TimeField::DataTs).between(Some(first), Some(last));
        for_each_entry(runtime, &between, |_, entry| {
            if entry.id == end.id || entry.id == start.id {
                let (metadata, data) = (entry.metadata.to_owned(), entry.data.to_owned());
                found.push(Found { id: entry.id, metadata, data });
            }
            Ok(())
        })?;
    } else {
        for row in [end, start] {
            found.extend(at_time(runtime, POINT, row.ts, false)?);
        }
    }
    let of = |row: Row| {
        let entry = found.iter().find(|entry| entry.id == row.id);
        Moment::parse(entry.ok_or_else(|| {
            RunError::entry(row.id, "is in the columns of points and not among the entries")
        })?)
    };
    Ok([of(end)?, of(start)?])
}
