//! Trips from points at regular distances, as iPhones send them.
//!
//! A phone that stays sends nothing, so a trip ends before a silence. The reference calls it
//! `DwellSegmentationDistFilter`; its notes also require a step of 50 m over the silence, but its code does not.

use crate::points::{Behind, Segments, Track, done_before};
use crate::signals::{Signals, happened_before};
use crate::time_method::{next_where, steps};

/// A silence this long may end a trip, s (exclusive).
const SILENCE_S: f64 = 600.0;
/// A silence this long always ends one, s (exclusive).
const LONG_SILENCE_S: f64 = 12.0 * 3600.0;
/// The next trip starts with a step this long, m.
const STEP_M: f64 = 50.0;
/// A slower move over a silence is no travel, m/s.
const SLOW_M_S: f64 = (STEP_M * 2.0) / (SILENCE_S / 2.0);

/// Finds the trips of a track.
pub fn segment(track: Track<'_>, signals: &Signals, behind: Behind) -> Segments {
    let count = track.ts.len();
    let steps = steps(track);
    let restarted = happened_before(track.ts, &signals.restarts);
    let moving = happened_before(track.ts, &signals.motion);
    let next_start = next_where(count, |row| steps[row] >= STEP_M);
    let mut segments = Segments::default();
    let mut start = 0;
    for row in 1..count {
        let silence = track.ts[row] - track.ts[row - 1];
        let ended = silence > SILENCE_S
            && (restarted[row]
                || !moving[row]
                || silence > LONG_SILENCE_S
                || steps[row] / silence < SLOW_M_S);
        if ended && row > start {
            let next = next_start[row - 1];
            let counts = match behind {
                Behind::Nothing => true,
                Behind::More => next < count,
                Behind::TooMuch => next < count || segments.trips.is_empty(),
            };
            if !counts {
                break;
            }
            segments.trips.push((start, row - 1));
            segments.done_through = match behind {
                Behind::Nothing => Some(track.write_ts[row]),
                Behind::More | Behind::TooMuch => done_before(track.write_ts, Some(row - 1), next),
            };
            start = next;
        }
    }
    let stopped =
        || behind == Behind::Nothing && signals.stops.iter().any(|stop| stop.ts > track.ts[count - 1]);
    if start < count && stopped() {
        segments.trips.push((start, count - 1));
        segments.done_through = Some(track.write_ts[count - 1]);
    }
    segments
}

#[cfg(test)]
mod tests {
    use cells_geometry::Position;

    use super::*;
    use crate::signals::Moment;

    /// A degree of latitude, m.
    const DEGREE_M: f64 = 111_194.926_644_558_74;

    /// Points by their gap in s and step in m from the point before.
    fn found(steps: &[(f64, f64)], signals: &Signals) -> Segments {
        let (mut ts, mut positions) = (Vec::new(), Vec::new());
        let (mut time, mut latitude) = (0.0, 47.0);
        for (gap, step) in steps {
            time += gap;
            latitude += step / DEGREE_M;
            ts.push(time);
            positions.push(Position { latitude, longitude: 8.0 });
        }
        segment(Track { ts: &ts, write_ts: &ts, positions: &positions }, signals, Behind::Nothing)
    }

    fn at(ts: f64) -> Vec<Moment> {
        vec![Moment { ts, write_ts: ts }]
    }

    const DAY: [(f64, f64); 6] =
        [(0.0, 0.0), (30.0, 60.0), (30.0, 60.0), (700.0, 30.0), (30.0, 60.0), (30.0, 60.0)];

    // Row: "Distance filter: a candidate needs no minimum distance"
    #[test]
    fn a_silence_ends_a_trip_and_a_step_of_50_m_starts_the_next() {
        let stopped = Signals { stops: at(821.0), ..Signals::default() };
        assert_eq!(
            found(&DAY, &Signals::default()),
            Segments { trips: vec![(0, 2)], done_through: Some(760.0), ..Segments::default() }
        );
        assert_eq!(
            found(&DAY, &stopped),
            Segments { trips: vec![(0, 2), (4, 5)], done_through: Some(820.0), ..Segments::default() }
        );
    }

    #[test]
    fn motion_at_travelling_speed_carries_a_trip_over_a_silence() {
        let far = [(0.0, 0.0), (30.0, 60.0), (700.0, 300.0), (30.0, 60.0)];
        let moving = Signals { motion: at(100.0), ..Signals::default() };
        assert_eq!(found(&far, &moving), Segments::default());
        assert_eq!(found(&far, &Signals::default()).trips, [(0, 1)]);
        let restarted = Signals { restarts: at(100.0), ..moving };
        assert_eq!(found(&far, &restarted).trips, [(0, 1)]);
    }

    #[test]
    fn a_track_without_points_has_no_trips() {
        assert_eq!(found(&[], &Signals { stops: at(1.0), ..Signals::default() }), Segments::default());
        assert_eq!(found(&[(0.0, 0.0)], &Signals { stops: at(1.0), ..Signals::default() }).trips, [(0, 0)]);
    }
}
