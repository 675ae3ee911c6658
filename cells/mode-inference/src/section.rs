//! The members of a section that the stage reads.

use cells_geometry::Position;
use cells_sdk::model::Point;
use cells_sdk::model::background::MotionType;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The members of a cleaned section that the rules need.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// The mode that the phone sensed; `None` for an unknown number.
    pub sensed: Option<MotionType>,
    /// Between its points, m/s; `None` where the entry has none. NaN stands for a missing one.
    pub speeds: Option<Vec<f64>>,
    /// m
    pub distance_m: Option<f64>,
    /// s
    pub duration_s: Option<f64>,
    /// Where it began.
    pub start: Position,
    /// Where it ended.
    pub end: Position,
}

/// The same in the form of the entry, with the members that a prediction repeats.
#[derive(Deserialize)]
pub(crate) struct Wire<'a> {
    #[serde(borrow)]
    pub(crate) trip_id: &'a RawValue,
    #[serde(borrow)]
    pub(crate) start_ts: &'a RawValue,
    #[serde(borrow)]
    pub(crate) end_ts: &'a RawValue,
    sensed_mode: i64,
    speeds: Option<Vec<Option<f64>>>,
    distance: Option<f64>,
    duration: Option<f64>,
    start_loc: Point,
    end_loc: Point,
}

impl Wire<'_> {
    pub(crate) fn section(&self) -> Section {
        let speeds = self.speeds.as_ref();
        Section {
            sensed: MotionType::from_number(self.sensed_mode),
            speeds: speeds.map(|speeds| speeds.iter().map(|speed| speed.unwrap_or(f64::NAN)).collect()),
            distance_m: self.distance,
            duration_s: self.duration,
            start: position(self.start_loc),
            end: position(self.end_loc),
        }
    }
}

fn position(point: Point) -> Position {
    let [longitude, latitude] = point.coordinates;
    Position { latitude, longitude }
}
