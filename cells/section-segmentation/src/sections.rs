//! From changes of motion to sections: which points of a trip each of them has.

use cells_sdk::model::background::MotionType;

use crate::motion::Change;
use crate::track::Track;

/// A section, by the rows of its trip's track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Its first point.
    pub first: usize,
    /// Its last point.
    pub last: usize,
    /// How the owner travelled.
    pub kind: MotionType,
}

/// How the trip was found, which says how its points were sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Points every so many seconds (Android).
    Time,
    /// Points every so many metres (iOS).
    Distance,
}

impl Method {
    /// By the name that trip segmentation gives its trips. An unknown name, as from another cell, is treated as
    /// [`Method::Time`], which needs only points and motions; the reference stops there for ever.
    pub fn of_trip(source: &str) -> Self {
        if source == "DwellSegmentationDistFilter" { Self::Distance } else { Self::Time }
    }

    /// A motion counts when the phone is surer than this, 0 to 100.
    pub fn confidence_min(self) -> f64 {
        match self {
            Self::Time => 60.0,
            Self::Distance => 49.0,
        }
    }

    /// A trip without motions is one when it leads farther than this from its start, m.
    pub fn away_m_min(self) -> f64 {
        match self {
            Self::Time => 100.0,
            Self::Distance => 50.0,
        }
    }

    /// The sections of a trip with these changes; both are not empty.
    pub fn sections(self, track: &Track<'_>, changes: &[Change]) -> Vec<Part> {
        match self {
            Self::Time => by_time(track, changes),
            Self::Distance => by_distance(track, changes.to_vec()),
        }
    }
}

/// The one section of a trip whose kind is unknown; the track is not empty.
pub fn unknown(track: &Track<'_>) -> Part {
    whole(track, MotionType::Unknown)
}

fn whole(track: &Track<'_>, kind: MotionType) -> Part {
    Part { first: 0, last: track.len() - 1, kind }
}

/// Quirk: here the reference means to close gaps between sections as well, but only where there are none.
fn by_time(track: &Track<'_>, changes: &[Change]) -> Vec<Part> {
    let parts: Vec<Part> = changes.iter().filter_map(|change| part(track, change, 1)).collect();
    match changes {
        [change] if parts.is_empty() && change.start.kind == change.end.kind => {
            vec![whole(track, change.kind())]
        }
        _ => parts,
    }
}

/// Phones that sample by distance report motions and points at different moments, so the first and the last change are
/// extended to the ends of the trip.
fn by_distance(track: &Track<'_>, mut changes: Vec<Change>) -> Vec<Part> {
    if let Some(first) = changes.first_mut() {
        first.start.ts = track.ts(0);
    }
    if let Some(last) = changes.last_mut() {
        last.end.ts = track.ts(track.len() - 1);
    }
    let mut parts: Vec<Part> = changes.iter().filter_map(|change| part(track, change, 2)).collect();
    close_gaps(track, &changes, &mut parts);
    parts
}

fn part(track: &Track<'_>, change: &Change, points_min: usize) -> Option<Part> {
    let rows = track.during(change);
    (rows.len() >= points_min).then(|| Part { first: rows.start, last: rows.end - 1, kind: change.kind() })
}

/// A longer gap between sections counts as part of one of them, m.
const GAP_M_MAX: f64 = 150.0;
/// One side of a gap is longer when it takes this many times as long.
const SIDE_RATIO_MIN: f64 = 1.5;

/// Gives a gap to the section that is farther from the moment of the change: its points came late, or ended early.
///
/// Quirk: the moment is that of the change with the section's own number, although changes without enough points have
/// no section; then the moments are those of other changes, and the sides may be negative.
fn close_gaps(track: &Track<'_>, changes: &[Change], parts: &mut [Part]) {
    for number in 1..parts.len() {
        let (end, start) = (parts[number - 1].last, parts[number].first);
        let far = track.distance(start, end) > GAP_M_MAX;
        if !far {
            continue;
        }
        let before_s = changes[number - 1].end.ts - track.ts(end);
        let behind_s = track.ts(start) - changes[number].start.ts;
        // Over nothing is infinite, and nothing over nothing is NaN: no side is longer then.
        if maximum(before_s, behind_s) / minimum(before_s, behind_s) >= SIDE_RATIO_MIN {
            if before_s < behind_s {
                parts[number].first = end;
            } else {
                parts[number - 1].last = start;
            }
        }
    }
}

/// As Python's `max`.
fn maximum(a: f64, b: f64) -> f64 {
    if b > a { b } else { a }
}

/// As Python's `min`.
fn minimum(a: f64, b: f64) -> f64 {
    if b < a { b } else { a }
}

#[cfg(test)]
mod tests;
