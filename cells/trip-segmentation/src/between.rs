//! Departures and arrivals between two points: moments at which an app reported nothing.
//!
//! An app that sleeps at a place wakes when somebody is some way off, and any app may lose some minutes. The moment then
//! lies between the last point on one side and the first on the other; the way between them, at the pace of as long a way
//! on the side of the trip, says when.

use std::ops::Range;

use cells_geometry::{Position, distance};

use crate::points::{Departure, Points};

/// Points this near each other leave nothing to work out, s.
pub const SEEN_S: f64 = 180.0;
/// How long the rest within a silence must be, s: the reference's.
pub const SILENCE_S: f64 = 600.0;
/// Nobody is slower on the way, m/s: a slow walk, for which a halt or a detour is allowed.
pub const WALK_M_S: f64 = 1.0;
/// The pace where no other point shows it, m/s. A way lasts between as long as a walk and next to nothing: half of a
/// walk is at most half of one off.
const UNKNOWN_M_S: f64 = 2.0 * WALK_M_S;
/// The pace is that of so many s at least.
const PACE_S: f64 = 60.0;
/// Who was seen at a place stays so long, s; less than [`SEEN_S`]. Later stages need a stay to last some seconds.
const REST_S: f64 = 60.0;
/// It is unknown how somebody went further than this in a silence that leaves time to rest, m: the chain of places says
/// so.
pub const UNSEEN_M: f64 = 2_500.0;

/// The departure from a place whose last row is `last`, on a trip of these rows; `None`: the trip's first row shows it.
pub fn departure(points: &Points, middle: Position, last: usize, trip: Range<usize>) -> Option<Departure> {
    let first = trip.start;
    let way_m = way_m(points, (middle, points.positions[first]), (last, first))?;
    let way_s = way_m / pace_m_s(points, first, way_m, first + 1..trip.end);
    Some(Departure { from: last, ts: (points.ts[first] - way_s).max(points.ts[last] + REST_S) })
}

/// The arrival at the last of a trip's rows, the first at its place; `None`: that row shows it.
pub fn arrival(points: &Points, trip: Range<usize>) -> Option<f64> {
    let last = trip.end - 1;
    let before = last.checked_sub(1).filter(|before| *before >= trip.start)?;
    let way_m = way_m(points, (points.positions[before], points.positions[last]), (before, last))?;
    let way_s = way_m / pace_m_s(points, before, way_m, (trip.start..before).rev());
    Some((points.ts[before] + way_s).min(points.ts[last]))
}

/// The way in a silence; `None` where there is nothing to work out.
fn way_m(points: &Points, ends: (Position, Position), (before, behind): (usize, usize)) -> Option<f64> {
    let silence_s = points.ts[behind] - points.ts[before];
    let way_m = distance(ends.0, ends.1);
    (silence_s > SEEN_S && (way_m < UNSEEN_M || silence_s <= SILENCE_S)).then_some(way_m)
}

/// The pace from a row to the first of others that is so far from it, or to the last of them, m/s. One that is so far
/// while the next is not is a bad fix.
fn pace_m_s(points: &Points, from: usize, way_m: f64, others: impl Iterator<Item = usize>) -> f64 {
    let (mut pace, mut was_reached) = (None, false);
    for row in others {
        let lasts_s = (points.ts[row] - points.ts[from]).abs();
        let goes_m = distance(points.positions[row], points.positions[from]);
        let is_reached = lasts_s >= PACE_S && goes_m >= way_m;
        if is_reached && was_reached {
            break;
        }
        pace = (lasts_s > 0.0).then(|| (goes_m / lasts_s).max(WALK_M_S));
        was_reached = is_reached;
    }
    pace.unwrap_or(UNKNOWN_M_S)
}
