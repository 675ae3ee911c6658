//! The ends of a trip, drawn to its places: phones wake late and fall asleep early.
//!
//! The first section of a trip begins at the place before it, at a moment that its own speed suggests; the last one
//! ends at the place behind it.
//!
//! * Quirk: where a slow track is far shorter than the way to its place, and its speed is just over what is plausible
//!   for its mode, the way is divided by the truth of a comparison: a metre a second.
//! * Quirk: the way to the first place of all takes what it takes; from others on, it begins after the arrival there.
//! * Not as the reference: where the moment would lie more than a week before the track, no point is added.

use cells_geometry::{Position, distance, over};
use cells_sdk::model::Point;
use cells_sdk::model::background::MotionType;
use cells_statistics::{median, quantile};

use crate::mode::{is_motorized, is_plausible_speed};
use crate::points::{Sample, position};

/// A place from whose first point a section's own deleted end lies nearer than this is no better than that end, m.
const BOGUS_M: f64 = 100.0;
/// A track that seems to have been under way longer than this before its first point has not been, s.
const HEAD_START_MAX_S: f64 = 7.0 * 86_400.0;

/// A place at which a trip begins or ends, as far as its ends need it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Anchor {
    /// Where the place is.
    pub location: Point,
    /// The point at which the place was reached; for the first place of all, the place itself at its exit.
    pub point: Sample,
    /// When it was reached, s; `None` for the first place of all.
    pub enter_ts: Option<f64>,
    /// How long the stay was, s.
    pub duration: Option<f64>,
}

/// A section's points on their way to being cleaned.
#[derive(Debug, Clone, PartialEq)]
pub struct Track {
    /// In order.
    pub samples: Vec<Sample>,
    /// Where each stood in the section before points were deleted. `None` once a point has been added: they are
    /// numbered anew then.
    pub labels: Option<Vec<usize>>,
}

/// Whether a place is as doubtful as the section's end beside it: the end was deleted, and it lies near the place.
pub fn is_bogus(end: Point, end_deleted: bool, place: Point) -> bool {
    end_deleted && distance(position(end), position(place)) < BOGUS_M
}

/// Distances and speeds from point to point, m and m/s; 0 for the first.
fn pairs(samples: &[Sample]) -> (Vec<f64>, Vec<f64>) {
    let (mut distances, mut speeds) = (vec![0.0], vec![0.0]);
    for pair in samples.windows(2) {
        let metres = distance(pair[0].position, pair[1].position);
        distances.push(metres);
        speeds.push(over(metres, pair[1].ts - pair[0].ts));
    }
    (distances, speeds)
}

impl Track {
    /// Its first and its last point; a track has at least one.
    pub fn ends(&self) -> (&Sample, &Sample) {
        let (first, last) = (self.samples.first(), self.samples.last());
        first.zip(last).expect("a track has at least one point")
    }

    /// Lets the track begin at the place. Answers whether the phone's mode cannot be right, since the way from the
    /// place was covered at a speed out of line with the rest. `start_ts`: when the raw section began.
    pub fn begin_at(&mut self, place: &Anchor, mode: MotionType, start_ts: f64) -> bool {
        let (distances, mut speeds) = pairs(&self.samples);
        let first = *self.ends().0;
        let way = distance(position(first.loc), position(place.point.loc));
        let seconds = seconds_for(way, mode, &distances, &speeds);
        if seconds != 0.0 && seconds.is_finite() {
            let ts = place.departure(first.ts - seconds);
            if first.ts - ts <= HEAD_START_MAX_S {
                self.samples.insert(0, Sample { ts, ..place.point });
                self.labels = None;
                let [from, to]: [Position; 2] = [place.point.position, first.position];
                speeds.splice(0..1, [0.0, over(distance(from, to), first.ts - ts)]);
            }
        }
        self.samples[0].ts != start_ts && is_out_of_line(&self.as_the_reference_joins(&speeds))
    }

    /// Lets the track end at the place, if it does not yet.
    pub fn end_at(&mut self, place: &Anchor) {
        if distance(position(self.ends().1.loc), position(place.point.loc)) != 0.0 {
            self.samples.push(place.point);
            self.labels = None;
        }
    }

    /// Quirk: the reference joins speeds, numbered from 0, to points that keep the numbers they had before points
    /// were deleted. Numbers without a point come last, points without a number have no speed.
    fn as_the_reference_joins(&self, speeds: &[f64]) -> Vec<f64> {
        let Some(labels) = &self.labels else { return speeds.to_vec() };
        let own = labels.iter().map(|label| speeds.get(*label).copied().unwrap_or(f64::NAN));
        let others = (0..speeds.len()).filter(|number| labels.binary_search(number).is_err());
        own.chain(others.map(|number| speeds[number])).collect()
    }
}

impl Anchor {
    /// When the person left the place, given when they should have to arrive in time.
    fn departure(&self, wanted_ts: f64) -> f64 {
        match self.enter_ts {
            Some(enter_ts) if wanted_ts < enter_ts => match self.duration {
                Some(duration) if duration != 0.0 => (enter_ts + duration / 2.0).min(enter_ts + 3.0 * 60.0),
                _ => enter_ts,
            },
            _ => wanted_ts,
        }
    }
}

/// How long the way to the place takes at the track's own speed, s; 0 where that cannot be told.
fn seconds_for(way: f64, mode: MotionType, distances: &[f64], speeds: &[f64]) -> f64 {
    let usual = median(speeds);
    if usual > 0.0 {
        let far = way > 2.0 * distances.iter().sum::<f64>();
        let reduced = far
            && !is_motorized(mode)
            && !is_plausible_speed(mode, usual)
            && is_plausible_speed(mode, 0.9 * usual);
        return if reduced { way } else { way / usual };
    }
    let moving: Vec<f64> = speeds.iter().copied().filter(|speed| *speed != 0.0).collect();
    let usual = median(&moving);
    if usual.is_nan() { 0.0 } else { way / usual }
}

/// Whether the second speed is an outlier among those behind it.
fn is_out_of_line(speeds: &[f64]) -> bool {
    let (Some(second), Some(rest)) = (speeds.get(1), speeds.get(2..)) else { return false };
    let [low, high] = [0.25, 0.75].map(|q| quantile(rest, q));
    *second > high + 1.5 * (high - low)
}
