use cells_geometry::Position;
use proptest::prelude::*;

use super::*;
use crate::signals::Moment;

/// A degree of latitude, m.
const DEGREE_M: f64 = 111_194.926_644_558_74;

#[derive(Debug, Clone, Default)]
struct Day {
    ts: Vec<f64>,
    positions: Vec<Position>,
}

impl Day {
    /// Adds points `gap_s` apart, each `step_m` north of the one before.
    fn then(mut self, count: usize, gap_s: f64, step_m: f64) -> Self {
        for _ in 0..count {
            let (ts, latitude) = match (self.ts.last(), self.positions.last()) {
                (Some(ts), Some(last)) => (ts + gap_s, last.latitude + step_m / DEGREE_M),
                _ => (1000.0, 47.0),
            };
            self.ts.push(ts);
            self.positions.push(Position { latitude, longitude: 8.0 });
        }
        self
    }

    fn segment(&self, signals: &Signals) -> Segments {
        segment(
            Track { ts: &self.ts, write_ts: &self.ts, positions: &self.positions },
            signals,
            Behind::Nothing,
        )
    }

    fn trips(&self) -> Vec<(usize, usize)> {
        self.segment(&Signals::default()).trips
    }
}

fn at(ts: f64) -> Vec<Moment> {
    vec![Moment { ts, write_ts: ts }]
}

#[test]
fn a_trip_ends_in_the_middle_of_the_five_minutes_within_100_m() {
    // 20 points on the way, then a stay: seen at row 29, ten points of 29 s after the arrival at row 19.
    let day = Day::default().then(20, 29.0, 300.0).then(15, 29.0, 0.0);
    let found = day.segment(&Signals::default());
    assert_eq!(found.trips, [(0, 23)]);
    assert_eq!(found.done_through, Some(day.ts[30]));
}

#[test]
fn the_next_trip_starts_with_a_step_of_100_m() {
    let day =
        Day::default().then(20, 29.0, 300.0).then(15, 29.0, 0.0).then(20, 29.0, 300.0).then(15, 29.0, 0.0);
    assert_eq!(day.trips(), [(0, 23), (35, 58)]);
}

#[test]
fn points_exactly_thirty_seconds_apart_never_show_a_stay() {
    // The oldest point must be over 270 s and under 300 s old; multiples of 30 s are neither.
    assert_eq!(Day::default().then(20, 30.0, 300.0).then(40, 30.0, 0.0).trips(), []);
}

#[test]
fn a_silence_of_over_ten_minutes_without_motion_ends_a_trip_before_it() {
    let day = Day::default().then(10, 29.0, 300.0).then(1, 601.0, 3000.0).then(5, 29.0, 300.0);
    assert_eq!(day.trips(), [(0, 5)]);
    assert_eq!(day.segment(&Signals::default()).done_through, Some(day.ts[10]));
    let moving = Signals { motion: at(day.ts[9] + 1.0), ..Signals::default() };
    assert_eq!(day.segment(&moving).trips, []);
}

#[test]
fn motion_does_not_carry_a_trip_over_a_silence_when_the_phone_hardly_moved() {
    let day = Day::default().then(10, 29.0, 300.0).then(1, 601.0, 150.0);
    let moving = Signals { motion: at(day.ts[9] + 1.0), ..Signals::default() };
    assert_eq!(day.segment(&moving).trips, [(0, 5)]);
}

#[test]
fn twelve_hours_of_silence_end_a_trip_whatever_happened_meanwhile() {
    let day = Day::default().then(10, 29.0, 300.0).then(1, 12.0 * 3600.0 + 1.0, 900_000.0);
    let moving = Signals { motion: at(day.ts[9] + 1.0), ..Signals::default() };
    assert_eq!(day.segment(&moving).trips, [(0, 5)]);
}

#[test]
fn a_restart_of_tracking_ends_a_trip() {
    let day = Day::default().then(20, 29.0, 300.0);
    let signals = Signals { restarts: at(day.ts[12]), ..Signals::default() };
    assert_eq!(day.segment(&signals).trips, [(0, 6)]);
}

#[test]
fn a_trip_under_way_is_closed_only_if_the_phone_saw_it_stop() {
    let day = Day::default().then(20, 29.0, 300.0);
    assert_eq!(day.segment(&Signals::default()), Segments::default());
    let signals = Signals { stops: at(day.ts[19] + 0.5), ..Signals::default() };
    assert_eq!(
        day.segment(&signals),
        Segments { trips: vec![(0, 13)], done_through: Some(day.ts[19]), ..Segments::default() }
    );
}

// Row: "Time filter: points written 1,000 s"
#[test]
fn points_that_were_written_late_are_skipped() {
    let day = Day::default().then(20, 29.0, 300.0).then(15, 29.0, 0.0);
    let mut write_ts = day.ts.clone();
    write_ts[3] += 1000.0;
    let track = Track { ts: &day.ts, write_ts: &write_ts, positions: &day.positions };
    // The rows are those of the whole track.
    assert_eq!(segment(track, &Signals::default(), Behind::Nothing).trips[0], (0, 23));
    let all_late: Vec<f64> = day.ts.iter().map(|ts| ts + 1000.0).collect();
    let track = Track { write_ts: &all_late, ..track };
    assert_eq!(segment(track, &Signals::default(), Behind::Nothing), Segments::default());
}

/// The rules one by one, without optimisations.
fn plainly(day: &Day, signals: &Signals) -> Segments {
    let count = day.ts.len();
    let between = |moments: &[Moment], row: usize| {
        moments.iter().any(|moment| day.ts[row - 1] < moment.ts && moment.ts <= day.ts[row])
    };
    let distance = |a: usize, b: usize| column_distance(day.positions[a], day.positions[b]);
    let window = |row: usize, start: usize| -> Vec<usize> {
        let by_time = (0..count).find(|recent| day.ts[*recent] > day.ts[row] - 300.0).expect("itself");
        (by_time.min(row.saturating_sub(9)).max(start)..row).collect()
    };
    let longest = |row: usize, start: usize| {
        let window = window(row, start);
        let old =
            window.iter().any(|recent| (270.0 + 1e-12..300.0).contains(&(day.ts[row] - day.ts[*recent])));
        if window.len() < 7 || !old {
            return f64::INFINITY;
        }
        window.iter().map(|recent| distance(*recent, row)).fold(0.0, f64::max)
    };
    let end_of = |row: usize, start: usize| {
        let window = window(row, start);
        let young = window.iter().filter(|recent| day.ts[row] - day.ts[**recent] < 300.0).count();
        let a = row as f64 - window.len().min(9) as f64 / 2.0;
        let b = row as f64 - (young as f64 + 1.0) / 2.0;
        (young == 0, if young == 0 { a } else { a.min(b) } as usize)
    };
    let ends = |row: usize, start: usize| {
        let silence = day.ts[row] - day.ts[row - 1];
        between(&signals.restarts, row)
            || (silence > 600.0 && !between(&signals.motion, row))
            || silence > 43_200.0
            || (silence > 600.0 && distance(row - 1, row) / silence < 100.0 / 300.0)
            || longest(row, start) < 100.0
    };
    let mut found = Segments::default();
    let mut start = 0;
    while start < count {
        let Some(row) = (start + 1..count).find(|row| ends(*row, start)) else {
            if start + 1 < count && signals.stops.iter().any(|stop| stop.ts > day.ts[count - 1]) {
                found.trips.push((start, end_of(count - 1, start).1));
                found.done_through = Some(day.ts[count - 1]);
            }
            break;
        };
        let (before, end) = end_of(row, start);
        found.trips.push((start, end));
        let far = |row: &usize| day.ts[*row] - day.ts[row - 1] > 60.0 || distance(row - 1, *row) >= 100.0;
        let (next, done) = match (row + 1..count).find(far) {
            _ if before => (row, row),
            Some(next) => (next, next - 1),
            None if row + 1 < count => (row + 1, row + 1),
            None => (count, count - 1),
        };
        (start, found.done_through) = (next, Some(day.ts[done]));
    }
    found
}

fn days() -> impl Strategy<Value = Day> {
    let gap =
        prop_oneof![6 => 0.0..45.0, 1 => 45.0..400.0, 1 => 500.0..900.0, 1 => Just(0.0), 1 => Just(50_000.0)];
    let step = prop_oneof![6 => -20.0..20.0, 3 => 0.0..500.0, 1 => -3000.0..3000.0];
    let leg = (1_usize..25, gap, step);
    prop::collection::vec(leg, 0..12).prop_map(|legs| {
        legs.into_iter().fold(Day::default(), |day, (count, gap, step)| day.then(count, gap, step))
    })
}

proptest! {
    // Row: "Windows use one form of the haversine"
    #[test]
    fn the_shortcuts_do_not_change_the_result(
        day in days(),
        restarts in prop::collection::vec(0.0..1.0, 0..2),
        motion in prop::collection::vec(0.0..1.0, 0..6),
        stopped: bool,
    ) {
        let (first, last) = (day.ts.first().copied().unwrap_or(0.0), day.ts.last().copied().unwrap_or(0.0));
        let moments = |parts: &[f64]| parts.iter().flat_map(|part| at(first + part * (last - first))).collect();
        let signals = Signals {
            restarts: moments(&restarts),
            motion: moments(&motion),
            stops: if stopped { at(last + 1.0) } else { Vec::new() },
        };
        prop_assert_eq!(day.segment(&signals), plainly(&day, &signals));
    }

    #[test]
    fn it_never_panics_whatever_the_track_and_trips_never_overlap(
        points in prop::collection::vec((0.0..3000.0, -90.0..90.0, -180.0..180.0), 0..60),
        scale in prop_oneof![Just(0.0), Just(1.0), Just(1e6), Just(1e300)],
    ) {
        let mut ts: Vec<f64> = points.iter().map(|point| point.0 * scale).collect();
        ts.sort_by(f64::total_cmp);
        let positions =
            points.iter().map(|point| Position { latitude: point.1, longitude: point.2 }).collect();
        let found = Day { ts, positions }.segment(&Signals::default());
        prop_assert!(found.trips.iter().all(|(start, end)| start <= end && *end < points.len()));
        prop_assert!(found.trips.windows(2).all(|pair| pair[0].1 < pair[1].0), "{:?}", found.trips);
    }
}
