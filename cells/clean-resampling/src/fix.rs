//! A moment at a place, with its local time as in entries.

use cells_sdk::RunError;
use cells_sdk::model::Point;
use cells_sdk::model::time::{LocalDt, Zone};

use crate::points::{Sample, ZoneTable};

/// When and where something begins or ends.
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
    /// The fix of a point, in the point's zone.
    pub fn of(sample: &Sample, zones: &ZoneTable) -> Result<Self, RunError> {
        Self::at(sample.ts, zones.get(sample.zone), sample.loc)
    }

    /// That moment in that zone.
    pub fn at(ts: f64, zone: &Zone, loc: Point) -> Result<Self, RunError> {
        let local = zone.at(ts)?;
        Ok(Self { ts, local_dt: local.local_dt(), fmt_time: local.fmt_time(), loc })
    }
}
