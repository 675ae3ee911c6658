//! Points as the stage reads them, and its runs, one a night.

use cells_geometry::Position;
use cells_locations::Sampling;
use cells_sdk::WINDOW_GAP_S;
use cells_sdk::model::EntryId;
use cells_trip_segmentation::method::segment;
use cells_trip_segmentation::points::{Behind, Points};
use cells_trip_segmentation::signals::{Moment, Signals};
use runtime_simulator::{Cadence, Report};
use serde_json::Value;

use crate::judge::Interval;

/// A reading that is less exact does not count, m: the rule of the receivers and of e-mission's phones.
const ACCURACY_M_MAX: f64 = 200.0;
/// The words of a phone that believes that a trip has ended.
const STOPS: [&str; 2] = ["local.transition.stopped_moving", "T_TRIP_ENDED"];
/// The words of a phone that was off.
const RESTARTS: [&str; 1] = ["booted"];

/// Points in the order of their times.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) ts: Vec<f64>,
    write_ts: Vec<f64>,
    positions: Vec<Position>,
    accuracy_m: Vec<f64>,
}

impl Kept {
    fn push(&mut self, ts: f64, write_ts: f64, place: (f64, f64), accuracy_m: f64) {
        if accuracy_m >= ACCURACY_M_MAX || self.ts.last().is_some_and(|last| ts < *last) {
            return;
        }
        self.ts.push(ts);
        self.write_ts.push(write_ts);
        self.positions.push(Position { latitude: place.0, longitude: place.1 });
        self.accuracy_m.push(accuracy_m);
    }

    /// Latitude and longitude of a point.
    pub(crate) fn place(&self, row: usize) -> (f64, f64) {
        (self.positions[row].latitude, self.positions[row].longitude)
    }

    /// As points that say so of themselves.
    pub(crate) fn named(&self, sampling: Sampling) -> Points {
        Points {
            ids: vec![EntryId::NONE; self.ts.len()],
            ts: self.ts.clone(),
            write_ts: self.write_ts.clone(),
            positions: self.positions.clone(),
            accuracy_m: self.accuracy_m.clone(),
            sampling: vec![Some(sampling); self.ts.len()],
        }
    }
}

/// Adds what an app reported.
pub(crate) fn points_of<'a>(reports: impl Iterator<Item = &'a Report>, kept: &mut Kept) {
    for report in reports {
        kept.push(report.ts, report.write_ts, (report.latitude, report.longitude), report.accuracy_m);
    }
}

/// Adds the motion activity of the apps that send it, which tells the reference that a phone was awake.
pub(crate) fn signals_of(cadence: Cadence, reports: &[Report], signals: &mut Signals) {
    if matches!(cadence, Cadence::Overland | Cadence::Traccar) {
        let moment = |report: &Report| Moment { ts: report.ts, write_ts: report.write_ts };
        signals.motion.extend(reports.iter().map(moment));
    }
}

/// Adds the entries of an e-mission phone.
pub(crate) fn entries_of(entries: &[String], kept: &mut Kept, signals: &mut Signals) {
    for entry in entries {
        let Ok(entry) = serde_json::from_str::<Value>(entry) else { continue };
        let (metadata, data) = (&entry["metadata"], &entry["data"]);
        let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
        let moment = Moment { ts: number(&data["ts"]), write_ts: number(&metadata["write_ts"]) };
        match metadata["key"].as_str() {
            Some("background/filtered_location") => kept.push(
                moment.ts,
                moment.write_ts,
                (number(&data["latitude"]), number(&data["longitude"])),
                number(&data["accuracy"]),
            ),
            Some("background/motion_activity") => signals.motion.push(moment),
            Some("statemachine/transition") => {
                let says =
                    |words: &[&str]| data["transition"].as_str().is_some_and(|said| words.contains(&said));
                if says(&STOPS) {
                    signals.stops.push(moment);
                }
                if says(&RESTARTS) {
                    signals.restarts.push(moment);
                }
            }
            _ => {}
        }
    }
}

/// The trips of runs at these moments, each with the window that the mark of the run before leaves.
pub(crate) fn in_nightly_runs(points: &Points, signals: &Signals, nights: &[f64]) -> Vec<Interval> {
    let (mut found, mut start) = (Vec::new(), f64::NEG_INFINITY);
    for night in nights {
        let first = points.write_ts.partition_point(|written| *written < start);
        let behind = points.write_ts.partition_point(|written| *written <= *night);
        if first >= behind {
            continue;
        }
        let window = rows(points, first..behind);
        let segments =
            segment(&window, &signals.written_within(start, *night), *night, Behind::Nothing).segments;
        let interval = |trip: &(usize, usize)| {
            let (start_ts, end_ts) = segments.times(&window, *trip);
            Interval::new(start_ts, end_ts)
        };
        found.extend(segments.trips.iter().map(interval));
        if let Some(mark) = segments.done_through {
            start = mark + WINDOW_GAP_S;
        }
    }
    found
}

fn rows(points: &Points, rows: std::ops::Range<usize>) -> Points {
    Points {
        ids: points.ids[rows.clone()].to_vec(),
        ts: points.ts[rows.clone()].to_vec(),
        write_ts: points.write_ts[rows.clone()].to_vec(),
        positions: points.positions[rows.clone()].to_vec(),
        accuracy_m: points.accuracy_m[rows.clone()].to_vec(),
        sampling: points.sampling[rows].to_vec(),
    }
}
