//! All inputs that a run reads before it cleans.

use cells_sdk::{ReadEntries, Run, RunError};

use crate::anchors::Anchors;
use crate::points::{Points, ZoneTable};
use crate::smoothing::Deleted;
use crate::window::{BEFORE_S, Window};

/// The inputs of a run. If the window has no sections, only the window is read.
#[derive(Debug)]
pub struct Inputs {
    /// The raw diary.
    pub window: Window,
    /// Filtered locations.
    pub points: Points,
    /// Their zones.
    pub zones: ZoneTable,
    /// Where trips begin and end.
    pub anchors: Anchors,
    /// What smoothing has deleted.
    pub deleted: Deleted,
}

impl Inputs {
    /// Reads the run's window, or as much of it as will make about `points_max` points.
    pub fn read<R: ReadEntries>(runtime: &mut R, run: &Run, points_max: f64) -> Result<Self, RunError> {
        let window = Window::read(runtime, run.start, run.end, points_max)?;
        let (mut points, mut zones) = (Points::default(), ZoneTable::default());
        let (mut anchors, mut deleted) = (Anchors::default(), Deleted::default());
        if !window.sections.is_empty() {
            let (start, end) = (run.start.map(|start| start - BEFORE_S), window.end_ts().min(run.end));
            points = Points::read(runtime, start, end, &window.devices(), &mut zones)?;
            anchors = Anchors::find(runtime, &window, &points, &mut zones)?;
            deleted = Deleted::read(runtime, &window)?;
        }
        Ok(Self { window, points, zones, anchors, deleted })
    }
}
