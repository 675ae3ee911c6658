//! All inputs that a run reads before it cleans.

use cells_sdk::{ReadEntries, Run, RunError};

use crate::anchors::Anchors;
use crate::points::{Points, ZoneTable};
use crate::smoothing::Deleted;
use crate::window::{BEFORE_S, Window};

/// Of a back-log, points are read from this long before the first section, s: a trip may be found to begin earlier.
const AROUND_S: f64 = 3_600.0;

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
    /// Where the window's points begin, s; of a back-log, those that its sections need.
    pub points_start: Option<f64>,
}

/// How much one run takes of a back-log.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    /// About how many points it makes.
    pub points_max: f64,
    /// About how many readings it reads.
    pub rows_max: usize,
}

impl Share {
    /// The share where nothing of this one could be decided without later entries.
    #[must_use]
    pub fn larger(self) -> Self {
        Self { points_max: 4.0 * self.points_max, rows_max: 4 * self.rows_max }
    }
}

impl Inputs {
    /// Reads the run's window, or that share of it.
    pub fn read<R: ReadEntries>(runtime: &mut R, run: &Run, share: Share) -> Result<Self, RunError> {
        let window = Window::read(runtime, run, share)?;
        let (mut points, mut zones) = (Points::default(), ZoneTable::default());
        let (mut anchors, mut deleted) = (Anchors::default(), Deleted::default());
        let around = window.sections_start_ts().filter(|_| window.is_part()).map(|start| start - AROUND_S);
        let points_start = run.start.into_iter().chain(around).reduce(f64::max);
        if !window.sections.is_empty() {
            let (start, end) = (points_start.map(|start| start - BEFORE_S), window.end_ts().min(run.end));
            points = Points::read(runtime, start, end, &window.devices(), &mut zones)?;
            anchors = Anchors::find(runtime, &window, &points, &mut zones)?;
            deleted = Deleted::read(runtime, &window)?;
        }
        Ok(Self { window, points, zones, anchors, deleted, points_start })
    }
}
