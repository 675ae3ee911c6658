//! The ends of a trip, extended to its places: phones start tracking late and stop early.
//!
//! The first section of a trip begins at the place before it, at a moment computed from its own speed; the last one
//! ends at the place after it.
//!
//! * Quirk: where a slow track is far shorter than the way to its place, and its speed is just over what is plausible
//!   for its mode, the way is divided by the value of a comparison, true: a metre a second.
//! * Quirk: the way to the first place of all has no limit of time; from other places it begins after the arrival
//!   there.
//! * Not as the reference: where the moment would be more than a week before the track, no point is added.

use cells_geometry::{Position, distance, over};
use cells_sdk::model::Point;
use cells_sdk::model::background::MotionType;
use cells_statistics::{median, quantile};

use crate::anchors::Anchor;
use crate::mode::{is_motorized, is_plausible_speed};
use crate::points::{Sample, position};

/// If a section's own deleted end is nearer than this to a place's first point, the place is no better than that end,
/// m.
const BOGUS_M: f64 = 100.0;
/// A track is not extended by more than this before its first point, s.
const HEAD_START_MAX_S: f64 = 7.0 * 86_400.0;

/// The points of a section while it is cleaned.
#[derive(Debug, Clone, PartialEq)]
pub struct Track {
    /// In order.
    pub samples: Vec<Sample>,
    /// The position of each in the section before points were deleted. `None` once a point has been added: the points
    /// are then renumbered.
    pub labels: Option<Vec<usize>>,
}

/// Whether a place is as doubtful as the section's end beside it: the end was deleted, and it is near the place.
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

    /// Makes the track begin at the place when the raw section did, if that is before its first point. Returns whether
    /// it is: the departure is then known, and no speed is needed.
    pub fn depart_from(&mut self, place: &Anchor, start_ts: f64) -> bool {
        let departs = start_ts < self.ends().0.ts;
        if departs {
            self.samples.insert(0, Sample { ts: start_ts, ..place.point });
            self.labels = None;
        }
        departs
    }

    /// Makes the track begin at the place. Returns whether the phone's mode cannot be right, since the speed from the
    /// place is out of line with the rest. `start_ts`: when the raw section began.
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

    /// Makes the track end at the place, if it does not yet.
    pub fn end_at(&mut self, place: &Anchor) {
        if distance(position(self.ends().1.loc), position(place.point.loc)) != 0.0 {
            self.samples.push(place.point);
            self.labels = None;
        }
    }

    /// Quirk: the reference joins speeds, numbered from 0, to points that keep the numbers they had before points were
    /// deleted. Numbers without a point come last, points without a number have no speed.
    fn as_the_reference_joins(&self, speeds: &[f64]) -> Vec<f64> {
        let Some(labels) = &self.labels else { return speeds.to_vec() };
        let own = labels.iter().map(|label| speeds.get(*label).copied().unwrap_or(f64::NAN));
        let others = (0..speeds.len()).filter(|number| labels.binary_search(number).is_err());
        own.chain(others.map(|number| speeds[number])).collect()
    }
}

/// How long the way to the place takes at the track's own speed, s; 0 where that is unknown.
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

/// Whether the second speed is an outlier among those after it.
fn is_out_of_line(speeds: &[f64]) -> bool {
    let (Some(second), Some(rest)) = (speeds.get(1), speeds.get(2..)) else { return false };
    let [low, high] = [0.25, 0.75].map(|q| quantile(rest, q));
    *second > high + 1.5 * (high - low)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A degree of latitude, m.
    const DEGREE_M: f64 = 111_194.926_644_558_73;

    /// A point that many metres north of a corner.
    fn at(ts: f64, metres: f64) -> Sample {
        let position = Position { latitude: metres / DEGREE_M, longitude: 8.0 };
        Sample { ts, position, loc: Point::at(8.0, position.latitude), altitude: 0.0, zone: 0 }
    }

    fn track(samples: &[Sample]) -> Track {
        Track { samples: samples.to_vec(), labels: Some((0..samples.len()).collect()) }
    }

    fn place(metres: f64, enter_ts: Option<f64>, duration: f64) -> Anchor {
        let point = at(enter_ts.unwrap_or(0.0), metres);
        Anchor { location: point.loc, point, enter_ts, duration: Some(duration) }
    }

    /// Begins a track of 2 m/s, whose first point is at 1000 s and 0 m, at a place; returns the first moment.
    fn begin(place: &Anchor, mode: MotionType) -> f64 {
        let mut track = track(&[at(1000.0, 0.0), at(1100.0, 200.0), at(1200.0, 400.0), at(1300.0, 600.0)]);
        track.begin_at(place, mode, 1000.0);
        (track.samples[0].ts * 1e6).round() / 1e6
    }

    #[test]
    fn a_trip_begins_at_its_place_as_early_as_its_own_speed_requires() {
        assert_eq!(begin(&place(-100.0, Some(100.0), 800.0), MotionType::InVehicle), 950.0);
        assert_eq!(begin(&place(-100.0, None, 0.0), MotionType::InVehicle), 950.0);
    }

    #[test]
    fn a_departure_that_is_known_needs_no_speed() {
        let mut only = track(&[at(1000.0, 700.0)]);
        assert!(only.depart_from(&place(0.0, Some(100.0), 900.0), 650.0));
        assert_eq!((only.samples[0].ts, only.samples[0].position), (650.0, at(650.0, 0.0).position));
        assert!(!only.depart_from(&place(0.0, Some(100.0), 900.0), 650.0), "it begins there already");
        assert_eq!((only.samples.len(), only.labels), (2, None));
    }

    #[test]
    fn a_trip_that_begins_at_its_place_gets_no_point() {
        let mut track = track(&[at(1000.0, 0.0), at(1100.0, 200.0)]);
        assert!(!track.begin_at(&place(0.0, Some(100.0), 900.0), MotionType::Walking, 1000.0));
        assert_eq!(track.samples.len(), 2);
        assert!(track.labels.is_some());
    }

    // Row: "A place of no duration after a trip"
    #[test]
    fn a_place_is_never_left_before_the_arrival_there() {
        // 500 s before the first point would be 400 s before the arrival: half of a short stay, 3 minutes of a long
        // one.
        let near =
            |enter_ts, duration| begin(&place(-1000.0, Some(enter_ts), duration), MotionType::InVehicle);
        assert_eq!(near(900.0, 100.0), 950.0);
        assert_eq!(near(520.0, 480.0), 700.0);
        // A stay without a duration is left at once.
        assert_eq!(near(900.0, 0.0), 900.0);
    }

    // Row: "A way to a place far longer than a slow track"
    #[test]
    fn a_long_distance_at_a_speed_just_over_the_plausible_one_is_covered_at_a_metre_a_second() {
        let mut walk = track(&[at(1000.0, 0.0), at(1010.0, 18.0), at(1020.0, 36.0), at(1030.0, 54.0)]);
        walk.begin_at(&place(-200.0, Some(0.0), 1000.0), MotionType::Walking, 1000.0);
        assert_eq!(walk.samples[0].ts.round(), 800.0);
        let mut ride = track(&[at(1000.0, 0.0), at(1010.0, 18.0), at(1020.0, 36.0), at(1030.0, 54.0)]);
        ride.begin_at(&place(-200.0, Some(0.0), 1000.0), MotionType::InVehicle, 1000.0);
        assert_eq!(ride.samples[0].ts.round(), 1000.0 - (200.0_f64 / 1.8).round());
    }

    #[test]
    fn a_track_without_movement_gives_no_start_time() {
        let mut still = track(&[at(1000.0, 0.0), at(1100.0, 0.0)]);
        assert!(!still.begin_at(&place(-500.0, Some(0.0), 900.0), MotionType::Walking, 1000.0));
        assert_eq!(still.samples.len(), 2);
        // It moved once: only that speed counts.
        let mut once = track(&[at(1000.0, 0.0), at(1100.0, 0.0), at(1200.0, 0.0), at(1300.0, 500.0)]);
        once.begin_at(&place(-500.0, Some(0.0), 900.0), MotionType::InVehicle, 1000.0);
        assert_eq!(once.samples[0].ts.round(), 900.0);
    }

    // Row: "A trip may begin any time before its first point"
    #[test]
    fn a_start_more_than_a_week_before_the_track_is_ignored() {
        let mut slow = track(&[at(1e6, 0.0), at(1e6 + 1e4, 10.0), at(1e6 + 2e4, 20.0)]);
        slow.begin_at(&place(-1e5, None, 0.0), MotionType::InVehicle, 1e6);
        assert_eq!(slow.samples[0].ts, 1e6);
    }

    #[test]
    fn the_mode_is_doubted_if_the_place_is_too_far_from_the_start() {
        let walk: Vec<Sample> =
            (0..9).map(|n| at(1000.0 + 10.0 * f64::from(n), 15.0 * f64::from(n))).collect();
        // 3 km in half of a stay of 100 s.
        assert!(track(&walk).begin_at(&place(-3000.0, Some(900.0), 100.0), MotionType::Walking, 1000.0));
        assert!(!track(&walk).begin_at(&place(-30.0, Some(900.0), 100.0), MotionType::Walking, 1000.0));
    }

    // Row: "Speeds are joined to points"
    #[test]
    fn speeds_keep_their_numbers_where_points_were_deleted() {
        let joined = |labels: &[usize], speeds: &[f64]| {
            Track { samples: Vec::new(), labels: Some(labels.to_vec()) }.as_the_reference_joins(speeds)
        };
        assert_eq!(joined(&[0, 1, 2], &[0.0, 5.0, 6.0]), [0.0, 5.0, 6.0]);
        let shifted = joined(&[1, 2, 4], &[0.0, 5.0, 6.0]);
        assert_eq!(shifted[..2], [5.0, 6.0]);
        assert!(shifted[2].is_nan());
        assert_eq!(shifted[3..], [0.0]);
    }

    #[test]
    fn a_trip_ends_at_its_place() {
        let mut walk = track(&[at(1000.0, 0.0), at(1100.0, 200.0)]);
        walk.end_at(&place(200.0, Some(1100.0), 0.0));
        assert_eq!(walk.samples.len(), 2);
        walk.end_at(&place(350.0, Some(1200.0), 0.0));
        assert_eq!(walk.samples[2].ts, 1200.0);
    }

    #[test]
    fn a_deleted_end_near_its_place_makes_the_place_doubtful() {
        let (near, far) = (at(0.0, 50.0).loc, at(0.0, 500.0).loc);
        assert!(is_bogus(at(0.0, 0.0).loc, true, near));
        assert!(!is_bogus(at(0.0, 0.0).loc, false, near));
        assert!(!is_bogus(at(0.0, 0.0).loc, true, far));
    }
}
