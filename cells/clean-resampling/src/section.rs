//! Cleans one section: removes the points that smoothing has deleted, extends it to the trip's places, and resamples it
//! at even times.
//!
//! * Quirk: a section of one point is not resampled: that point itself is its path, and only where it is the first of
//!   the raw section (see [`crate::alone`]).
//! * Quirk: a section without any remaining point stands still at its first raw point, and has no path.

use std::ops::Range;

use cells_sdk::RunError;
use cells_sdk::model::EntryId;
use cells_sdk::model::background::MotionType;
use cells_sdk::model::segmentation::Section;

use crate::anchors::Anchor;
use crate::ends::{Track, is_bogus};
use crate::fix::Fix;
use crate::mode::overridden;
use crate::points::{Points, ZoneTable};
use crate::resample::{self, Step, resample};

/// A section may not give more points than this: three weeks of travel without a stay.
pub const POINTS_MAX: f64 = 60_000.0;

/// The path of a section.
#[derive(Debug, Clone, PartialEq)]
pub enum Path {
    /// Points at even times.
    Steps(Vec<Step>),
    /// Its only point, unchanged.
    Alone(Alone),
}

/// The only point of a section.
#[derive(Debug, Clone, PartialEq)]
pub struct Alone {
    /// Its row among the run's points.
    pub row: usize,
    /// s
    pub ts: f64,
    /// From the point before, m.
    pub distance: f64,
    /// From the point before, m/s.
    pub speed: f64,
}

/// A cleaned section.
#[derive(Debug, Clone, PartialEq)]
pub struct Cleaned {
    /// Its number among the sections of the window.
    pub raw: usize,
    /// Its first point.
    pub start: Fix,
    /// Its last point.
    pub end: Fix,
    /// s
    pub duration: f64,
    /// How it was travelled.
    pub mode: MotionType,
    /// The mode of its points: the phone's mode, or that it cannot be right, but no correction.
    pub point_mode: MotionType,
    /// Between points, m/s.
    pub speeds: Vec<f64>,
    /// Between points, m.
    pub distances: Vec<f64>,
    /// m
    pub distance: f64,
    /// Its points.
    pub path: Path,
}

impl Cleaned {
    /// Removes the only point, which is not kept. A point that a stop has added after it stays.
    pub fn lose_path(&mut self) {
        self.path = Path::Steps(Vec::new());
        for list in [&mut self.speeds, &mut self.distances] {
            list.drain(..list.len().min(1));
        }
    }
}

/// The inputs for cleaning a section.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// The run's points.
    pub points: &'a Points,
    /// Their zones.
    pub zones: &'a ZoneTable,
    /// The place before the trip, if this is its first section.
    pub start_place: Option<Anchor>,
    /// The place after the trip, if this is its last section.
    pub end_place: Option<Anchor>,
    /// The points of it that smoothing has deleted, in order.
    pub deleted: &'a [EntryId],
    /// Whether its trip may have begun before its first point, and this is its first section: it then begins at its
    /// place.
    pub departs: bool,
}

/// Cleans a section; `None` where it would have more than [`POINTS_MAX`] points.
pub fn clean(raw: usize, section: &Section, around: Around<'_>) -> Result<Option<Cleaned>, RunError> {
    let Around { points, zones, .. } = around;
    let rows = points.within(section.device.as_deref(), section.start_ts, section.end_ts);
    let is_deleted = |row: &usize| around.deleted.binary_search(&points.ids[*row]).is_ok();
    let kept: Vec<usize> = rows.clone().filter(|row| !is_deleted(row)).collect();
    if kept.is_empty() {
        return standing_still(raw, section, around).map(Some);
    }
    let mut track = Track {
        samples: kept.iter().map(|row| points.samples[*row]).collect(),
        labels: Some(kept.iter().map(|row| row - rows.start).collect()),
    };
    let mut point_mode = section.sensed_mode;
    let bogus =
        |place: &Anchor, row: usize| is_bogus(points.samples[row].loc, is_deleted(&row), place.location);
    if let Some(place) = around.start_place.filter(|place| !bogus(place, rows.start))
        && !(around.departs && track.depart_from(&place, section.start_ts))
        && track.begin_at(&place, section.sensed_mode, section.start_ts)
    {
        point_mode = MotionType::Unknown;
    }
    if let Some(place) = around.end_place.filter(|place| !bogus(place, rows.end - 1)) {
        track.end_at(&place);
    }
    if resample::count(&track.samples) > POINTS_MAX {
        return Ok(None);
    }
    let (start, end) = track.ends();
    let path = path_of(&track, &rows);
    Ok(Some(finish(raw, point_mode, [Fix::of(start, zones)?, Fix::of(end, zones)?], path)))
}

/// The path of a track, whose section has these rows of the points.
fn path_of(track: &Track, rows: &Range<usize>) -> Path {
    match (&track.samples[..], &track.labels) {
        ([_], Some(labels)) if labels[..] == [0] => {
            Path::Alone(Alone { row: rows.start, ts: track.samples[0].ts, distance: 0.0, speed: 0.0 })
        }
        ([_], _) => Path::Steps(Vec::new()),
        (samples, _) => Path::Steps(resample(samples)),
    }
}

/// A section without remaining points.
fn standing_still(raw: usize, section: &Section, around: Around<'_>) -> Result<Cleaned, RunError> {
    let rows = around.points.at(section.device.as_deref(), section.start_ts);
    let fix = |row: usize| Fix::of(&around.points.samples[row], around.zones);
    let ends = if rows.is_empty() {
        let Section { start_ts: ts, start_local_dt, start_fmt_time, start_loc: loc, .. } = section;
        let start =
            Fix { ts: *ts, local_dt: start_local_dt.clone(), fmt_time: start_fmt_time.clone(), loc: *loc };
        [start.clone(), start]
    } else {
        [fix(rows.start)?, fix(rows.end - 1)?]
    };
    Ok(finish(raw, section.sensed_mode, ends, Path::Steps(Vec::new())))
}

fn finish(raw: usize, sensed: MotionType, ends: [Fix; 2], path: Path) -> Cleaned {
    let (speeds, distances): (Vec<f64>, Vec<f64>) = match &path {
        Path::Steps(steps) => steps.iter().map(|step| (step.speed, step.distance)).unzip(),
        Path::Alone(_) => (vec![0.0], vec![0.0]),
    };
    let [start, end] = ends;
    let (duration, distance) = (end.ts - start.ts, distances.iter().sum());
    let mode = overridden(sensed, distance, duration, &speeds).unwrap_or(sensed);
    Cleaned { raw, start, end, duration, mode, point_mode: sensed, speeds, distances, distance, path }
}
