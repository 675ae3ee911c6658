//! Trips from points of trackers from the shops, each of which has its own cadence: from one a second to one in five
//! minutes, with and without silence while nobody moves.
//!
//! The reference's methods suit the cadences of its own phones: one counts points, the other needs silences. Here
//! nothing is counted. A person is *at a place* while points remain around it, and comes to a place where
//!
//! * points remain within [`AROUND_M`] of each other for [`DWELL_S`], however many they are, or
//! * the app was silent for so long that the way to the next point leaves [`SILENCE_S`] of rest, at the speed of the
//!   way before it.
//!
//! What lies between two places is a trip. The circle grows with the accuracy of points. One point outside, between two
//! inside, is a bad fix and not a trip; neither is a walk within [`EXCURSION_M`] of a place. Where an app was silent when
//! somebody left or arrived, [`crate::between`] says when that was.
//!
//! Everything is decided by points up to the one that shows it, and after each arrival the search begins anew with the
//! first point at the place. So the trips do not depend on where a back-log is cut into runs. A last trip without any
//! later point stays open until there is one: a silence up to now may also be a phone without a network.

use std::ops::Range;

use cells_geometry::{Position, between, distance};

use crate::between::{SEEN_S, SILENCE_S, WALK_M_S, arrival, departure};
use crate::points::{Points, Segments, Unseen, done_before};

/// How long somebody stays at least, s: a longer wait than most at a stop or a light. The reference waits five minutes
/// where points are half a minute apart, and nine where they are a minute apart.
pub const DWELL_S: f64 = 420.0;
/// How far from the middle of a place its points are, m.
pub const AROUND_M: f64 = 100.0;
/// The circle of a point is at least its accuracy times this wide, and at most so many m.
const ACCURACY_FACTOR: f64 = 1.5;
const AROUND_M_MAX: f64 = 250.0;
/// Nobody is assumed to walk further than this during a silence, m, but to ride at this speed, m/s.
const WALK_M_MAX: f64 = 1_500.0;
const RIDE_M_S: f64 = 5.0;
/// A point outside that is followed by one inside within this time is a bad fix, s.
const BAD_FIX_S: f64 = 300.0;
/// Somebody who is this much of the circle off its middle, and goes on to leave it within this time, s, is on the way.
const INNER: f64 = 0.5;
const RIM_S: f64 = 600.0;
/// What remains this near to a place is no trip, m.
pub const EXCURSION_M: f64 = 200.0;
/// A place that is not left for this long is looked at no more but for its last points, s.
const SETTLED_S: f64 = 6.0 * 3_600.0;
/// How near to the middle those are, m.
const SETTLED_M: f64 = 30.0;

/// Finds the trips of these rows.
pub fn segment(points: &Points, rows: Range<usize>) -> Segments {
    let mut segments = Segments::default();
    if rows.is_empty() {
        return segments;
    }
    let mut start = rows.start;
    while let Some(step) = Search::new(points, start).run(rows.end) {
        if let Some(((start, end), unseen)) = step.trip {
            segments.trips.push((start, end));
            segments.unseen.extend((unseen != Unseen::default()).then_some((start, unseen)));
        }
        // The row of the arrival is the first at the place, and read again.
        let end = segments.trips.last().map(|trip| trip.1.saturating_sub(1));
        segments.done_through = done_before(&points.write_ts, end, step.resume).or(segments.done_through);
        start = step.resume;
    }
    segments
}

/// What a search found out.
struct Step {
    /// First and last row, and what they do not show.
    trip: Option<((usize, usize), Unseen)>,
    /// Where the next search begins: at a place.
    resume: usize,
}

/// Points around their middle.
#[derive(Debug, Clone, Copy)]
struct Cluster {
    first: usize,
    last: usize,
    count: f64,
    middle: Position,
    /// A row outside that is the only one so far.
    outside: Option<usize>,
}

/// What a row means for a cluster.
enum Offer {
    /// It is in the cluster.
    Inside,
    /// It may be a bad fix.
    Doubtful,
    /// The cluster was left with this row.
    Left(usize),
}

impl Cluster {
    fn at(points: &Points, row: usize) -> Self {
        Self { first: row, last: row, count: 1.0, middle: points.positions[row], outside: None }
    }

    fn radius_m(points: &Points, row: usize) -> f64 {
        let accuracy_m = points.accuracy_m[row];
        // Not a number where the app does not tell it: the comparison then chooses the usual circle.
        AROUND_M.max(ACCURACY_FACTOR * accuracy_m).min(AROUND_M_MAX)
    }

    fn holds(&self, points: &Points, row: usize) -> bool {
        distance(self.middle, points.positions[row]) <= Self::radius_m(points, row)
    }

    fn offer(&mut self, points: &Points, row: usize) -> Offer {
        if self.holds(points, row) {
            if let Some(outside) = self.outside.take()
                && points.ts[row] - points.ts[self.last] > BAD_FIX_S
            {
                return Offer::Left(outside);
            }
            self.count += 1.0;
            self.middle = between(self.middle, points.positions[row], 1.0, self.count);
            self.last = row;
            return Offer::Inside;
        }
        match self.outside {
            Some(outside) => Offer::Left(outside),
            None => {
                self.outside = Some(row);
                Offer::Doubtful
            }
        }
    }

    /// Whether the search can as well begin anew with that row, which is near the middle.
    fn is_settled_at(&self, points: &Points, row: usize) -> bool {
        self.lasts_s(points) >= SETTLED_S && distance(self.middle, points.positions[row]) <= SETTLED_M
    }

    /// The last row at the place and the first on the way, given the first outside. Somebody who waits for a bus at the
    /// rim has left already.
    fn departure(&self, points: &Points, outside: usize) -> (usize, usize) {
        let is_inner =
            |row: usize| distance(self.middle, points.positions[row]) <= INNER * Self::radius_m(points, row);
        let at_rim = |row: &usize| points.ts[outside] - points.ts[*row] <= RIM_S;
        // A row outside of the circle that another one inside followed was a bad fix.
        let is_rim = |row: &usize| at_rim(row) && self.holds(points, *row) && !is_inner(*row);
        match (self.first + 1..outside).rev().take_while(is_rim).last() {
            Some(first) if is_inner(first - 1) => (first - 1, first),
            _ => (self.last, outside),
        }
    }

    fn lasts_s(&self, points: &Points) -> f64 {
        points.ts[self.last] - points.ts[self.first]
    }
}

/// From one place to the next.
struct Search<'a> {
    points: &'a Points,
    place: Cluster,
    /// The first row outside the place, once it is left.
    left: Option<usize>,
    /// Where somebody may be arriving.
    arriving: Option<Cluster>,
}

impl<'a> Search<'a> {
    /// Somebody is at the place of this row.
    fn new(points: &'a Points, row: usize) -> Self {
        Self { points, place: Cluster::at(points, row), left: None, arriving: None }
    }

    fn run(mut self, end: usize) -> Option<Step> {
        let mut row = self.place.first + 1;
        while row < end {
            match self.look(row) {
                Look::Further => row += 1,
                Look::Again(earlier) => row = earlier,
                Look::Found(step) => return Some(step),
            }
        }
        None
    }

    fn look(&mut self, row: usize) -> Look {
        let points = self.points;
        let Some(arriving) = &mut self.arriving else {
            return match self.place.offer(points, row) {
                Offer::Inside if self.place.is_settled_at(points, row) => {
                    Look::Found(Step { trip: None, resume: row })
                }
                Offer::Inside | Offer::Doubtful => Look::Further,
                Offer::Left(left) => {
                    self.left = Some(left);
                    self.arriving = Some(Cluster::at(points, left));
                    Look::Again(left + 1)
                }
            };
        };
        match arriving.offer(points, row) {
            Offer::Inside if arriving.lasts_s(points) >= DWELL_S => Look::Found(self.arrived()),
            Offer::Inside => Look::Further,
            Offer::Doubtful if rests(points, arriving, row) => Look::Found(self.arrived()),
            Offer::Doubtful => Look::Further,
            Offer::Left(left) => {
                self.arriving = Some(Cluster::at(points, left));
                Look::Again(left + 1)
            }
        }
    }

    fn arrived(&self) -> Step {
        let (points, place) = (self.points, &self.place);
        let outside = self.left.expect("who arrives has left");
        let (last, left) = place.departure(points, outside);
        let end = self.arriving.as_ref().map_or(left, |arriving| arriving.first);
        let away_m = |row: usize| distance(place.middle, points.positions[row]);
        let went = (outside..=end).any(|row| away_m(row) > EXCURSION_M.max(Cluster::radius_m(points, row)));
        // Behind the last point at the place, unless that is too old to say when it was left.
        let start = if points.ts[left] - points.ts[last] > SEEN_S { left } else { last };
        // Whether the last row is at the place, or on the way to a place without a point, is known by a second one.
        let seen = self.arriving.as_ref().is_some_and(|arriving| arriving.last > arriving.first);
        let unseen = Unseen {
            departure: departure(points, place.middle, last, left..end + 1),
            arrival_ts: if seen { arrival(points, start..end + 1) } else { None },
        };
        Step { trip: went.then_some(((start, end), unseen)), resume: end }
    }
}

enum Look {
    Further,
    /// The rows from this one on are to be looked at again.
    Again(usize),
    Found(Step),
}

/// Whether there was a rest between the last row of a cluster and this one, the first outside.
fn rests(points: &Points, cluster: &Cluster, row: usize) -> bool {
    let silence_s = points.ts[row] - points.ts[cluster.last];
    let way_m = distance(points.positions[cluster.last], points.positions[row]);
    let speed_m_s =
        if way_m <= WALK_M_MAX { WALK_M_S } else { RIDE_M_S.max(speed_to(points, cluster.first)) };
    silence_s - way_m / speed_m_s >= SILENCE_S
}

/// The speed over the step to a row, m/s.
fn speed_to(points: &Points, row: usize) -> f64 {
    let step_s = points.ts[row] - points.ts[row - 1];
    if step_s <= 0.0 { 0.0 } else { distance(points.positions[row - 1], points.positions[row]) / step_s }
}

#[cfg(test)]
mod tests;
