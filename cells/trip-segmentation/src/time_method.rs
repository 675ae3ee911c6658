//! Trips from points at regular times, as Android phones send them.
//!
//! A trip ends where the phone stayed within 100 m for five minutes, where it was silent for long, or where tracking
//! was restarted. The reference calls it `DwellSegmentationTimeFilter`.

use cells_geometry::column_distance;
use cells_sdk::model::plausible::LATE_S;

use crate::points::{Behind, Segments, Track, done_before};
use crate::signals::{Signals, happened_before};

/// How long the phone must stay, s.
const DWELL_S: f64 = 300.0;
/// The oldest point within [`DWELL_S`] must be at least this old, s (exclusive).
const DWELL_OLDEST_S: f64 = DWELL_S - 30.0;
/// The distance within which it must stay, m.
const DWELL_M: f64 = 100.0;
/// How many points back are looked at, even if they are older than [`DWELL_S`].
const POINTS_BACK: usize = 9;
/// With fewer points nothing is decided.
const POINTS_MIN: usize = POINTS_BACK - 2;
/// A silence this long ends a trip unless the phone moved meanwhile, s (exclusive).
const SILENCE_S: f64 = 2.0 * DWELL_S;
/// A silence this long always ends a trip, s (exclusive).
const LONG_SILENCE_S: f64 = 12.0 * 3600.0;
/// A slower move over a silence is no travel, m/s.
const SLOW_M_S: f64 = DWELL_M / DWELL_S;
/// After a trip's end the next one starts at a silence this long, s (exclusive), or a step of [`DWELL_M`].
const RESTART_SILENCE_S: f64 = 60.0;

/// Finds the trips of a track.
pub fn segment(track: Track<'_>, signals: &Signals, behind: Behind) -> Segments {
    let rows: Vec<usize> = (0..track.ts.len()).filter(|row| is_timely(track, *row)).collect();
    if rows.len() == track.ts.len() {
        return Search::new(track, signals, behind).run();
    }
    let pick = |column: &[f64]| rows.iter().map(|row| column[*row]).collect::<Vec<_>>();
    let (ts, write_ts) = (pick(track.ts), pick(track.write_ts));
    let positions: Vec<_> = rows.iter().map(|row| track.positions[*row]).collect();
    let timely = Track { ts: &ts, write_ts: &write_ts, positions: &positions };
    let mut segments = Search::new(timely, signals, behind).run();
    for (start, end) in &mut segments.trips {
        (*start, *end) = (rows[*start], rows[*end]);
    }
    segments
}

/// The reference's rule against phones that send old points late. It also drops whole histories that were imported long
/// after they were recorded, so the cell reports how many points it dropped.
pub fn is_timely(track: Track<'_>, row: usize) -> bool {
    track.write_ts[row] - track.ts[row] < LATE_S
}

struct Search<'a> {
    track: Track<'a>,
    behind: Behind,
    stops: bool,
    /// Whether tracking was restarted since the previous point.
    restarted: Vec<bool>,
    /// Whether there was motion activity since the previous point.
    moving: Vec<bool>,
    /// Metres from the previous point; the first is NaN.
    steps: Vec<f64>,
    /// For each row, the first row after it where a trip may start; the number of rows where there is none.
    next_start: Vec<usize>,
    /// A row that was far from a recent one: it is probably far from the next ones too.
    far: usize,
    segments: Segments,
}

impl<'a> Search<'a> {
    fn new(track: Track<'a>, signals: &Signals, behind: Behind) -> Self {
        let steps = steps(track);
        let last = track.ts.last().copied().unwrap_or(f64::INFINITY);
        Self {
            behind,
            stops: behind == Behind::Nothing && signals.stops.iter().any(|stop| stop.ts > last),
            restarted: happened_before(track.ts, &signals.restarts),
            moving: happened_before(track.ts, &signals.motion),
            next_start: next_where(track.ts.len(), |row| {
                track.ts[row] - track.ts[row - 1] > RESTART_SILENCE_S || steps[row] >= DWELL_M
            }),
            steps,
            far: 0,
            track,
            segments: Segments::default(),
        }
    }

    fn run(mut self) -> Segments {
        let count = self.track.ts.len();
        let mut start = 0;
        while start < count {
            let Some(end) = (start + 1..count).find(|row| self.ends_at(*row, start)) else {
                if self.stops && start + 1 < count {
                    let (_, trip_end) = self.trip_end(count - 1, start);
                    self.close(start, trip_end, count - 1);
                }
                break;
            };
            let (ended_before, trip_end) = self.trip_end(end, start);
            start = if ended_before {
                match self.behind {
                    Behind::Nothing => self.close(start, trip_end, end),
                    Behind::More | Behind::TooMuch => self.close_before(start, trip_end, end),
                }
                end
            } else {
                self.start_after(end, start, trip_end)
            };
        }
        self.segments
    }

    fn close(&mut self, start: usize, end: usize, done_through: usize) {
        self.segments.trips.push((start, end));
        self.segments.done_through = Some(self.track.write_ts[done_through]);
    }

    /// Closes a trip; the next one starts at `next`, the number of rows where that is unknown.
    fn close_before(&mut self, start: usize, end: usize, next: usize) {
        self.segments.trips.push((start, end));
        self.segments.done_through = done_before(self.track.write_ts, Some(end), next);
    }

    /// Closes a trip whose end was seen at `end`, and returns where the next one starts.
    fn start_after(&mut self, end: usize, start: usize, trip_end: usize) -> usize {
        let count = self.track.ts.len();
        let next = self.next_start[end];
        match self.behind {
            Behind::Nothing if next < count => self.close(start, trip_end, next - 1),
            Behind::Nothing => {
                // Without a step away the next trip starts right here, and ends again where the stay continues: long
                // stays at the end of a window give many short trips in the reference.
                self.close(start, trip_end, (end + 1).min(count - 1));
                return end + 1;
            }
            Behind::More if next == count => {}
            Behind::TooMuch if next == count && !self.segments.trips.is_empty() => {}
            Behind::More | Behind::TooMuch => self.close_before(start, trip_end, next),
        }
        next
    }

    /// Whether `row` shows that a trip which began at `start` has ended.
    fn ends_at(&mut self, row: usize, start: usize) -> bool {
        let silence = self.track.ts[row] - self.track.ts[row - 1];
        self.restarted[row]
            || (silence > SILENCE_S && (!self.moving[row] || self.steps[row] / silence < SLOW_M_S))
            || silence > LONG_SILENCE_S
            || self.has_stayed(row, start)
    }

    /// The first of the recent rows: nine rows back, or five minutes where that is further; not before `start`.
    fn window(&self, row: usize, start: usize) -> usize {
        let oldest = self.track.ts[row] - DWELL_S;
        let minutes = self.track.ts[..row].partition_point(|ts| *ts <= oldest);
        minutes.min(row.saturating_sub(POINTS_BACK)).max(start)
    }

    /// The first of the recent rows that are younger than [`DWELL_S`].
    fn dwell_window(&self, row: usize, window: usize) -> usize {
        let now = self.track.ts[row];
        window + self.track.ts[window..row].partition_point(|ts| now - ts >= DWELL_S)
    }

    fn has_stayed(&mut self, row: usize, start: usize) -> bool {
        let window = self.window(row, start);
        if row - window < POINTS_MIN {
            return false;
        }
        let oldest = self.dwell_window(row, window);
        if oldest == row || self.track.ts[row] - self.track.ts[oldest] <= DWELL_OLDEST_S {
            return false;
        }
        if (window..row).contains(&self.far) && !self.is_near(self.far, row) {
            return false;
        }
        match (window..row).find(|recent| !self.is_near(*recent, row)) {
            Some(far) => {
                self.far = far;
                false
            }
            None => true,
        }
    }

    fn is_near(&self, recent: usize, row: usize) -> bool {
        column_distance(self.track.positions[recent], self.track.positions[row]) < DWELL_M
    }

    /// The last row of a trip whose end was seen at `row`, and whether the trip ended before a silence, so that `row`
    /// already belongs to the next one.
    ///
    /// The reference uses the lower of two medians of row numbers: of the last nine rows with this one, and of the rows
    /// of the last five minutes without it. Both medians are rounded towards the start.
    fn trip_end(&self, row: usize, start: usize) -> (bool, usize) {
        let window = self.window(row, start);
        let within_points = (row - window).min(POINTS_BACK);
        let within_dwell = row - self.dwell_window(row, window);
        let back = within_points.max(within_dwell + 1).div_ceil(2);
        (within_dwell == 0, row - back)
    }
}

/// Metres from the previous row; the first is NaN.
pub(crate) fn steps(track: Track<'_>) -> Vec<f64> {
    let pairs = track.positions.windows(2).map(|pair| column_distance(pair[0], pair[1]));
    std::iter::once(f64::NAN).chain(pairs).take(track.positions.len()).collect()
}

/// For each row, the first row after it where `holds`; `count` where there is none.
pub(crate) fn next_where(count: usize, holds: impl Fn(usize) -> bool) -> Vec<usize> {
    let mut next = vec![count; count];
    for row in (1..count).rev() {
        next[row - 1] = if holds(row) { row } else { next[row] };
    }
    next
}

#[cfg(test)]
mod tests;
