//! Trips from points that come every so many metres, as iPhones send them.
//!
//! While a phone stays it sends nothing, so a trip ends before a silence. The reference calls it
//! `DwellSegmentationDistFilter`; its notes also ask for a step of 50 m over the silence, its code does not.

use crate::points::{Segments, Track};
use crate::signals::{Signals, happened_before};
use crate::time_method::{next_where, steps};

/// A silence this long may end a trip, s (exclusive).
const SILENCE_S: f64 = 600.0;
/// A silence this long always ends one, s (exclusive).
const LONG_SILENCE_S: f64 = 12.0 * 3600.0;
/// The next trip starts with a step this long, m.
const STEP_M: f64 = 50.0;
/// Slower than this over a silence is no travel, m/s.
const SLOW_M_S: f64 = (STEP_M * 2.0) / (SILENCE_S / 2.0);

/// Finds the trips of a track.
pub fn segment(track: Track<'_>, signals: &Signals) -> Segments {
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
            segments.trips.push((start, row - 1));
            segments.done_through = Some(track.write_ts[row]);
            start = next_start[row - 1];
        }
    }
    let stopped = || signals.stops.iter().any(|stop| stop.ts > track.ts[count - 1]);
    if start < count && stopped() {
        segments.trips.push((start, count - 1));
        segments.done_through = Some(track.write_ts[count - 1]);
    }
    segments
}
