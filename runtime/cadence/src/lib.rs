//! Are trips as good at the cadence of another app as they are at that of e-mission's own phones?
//!
//! Simulated people move; each app reports the same movement in its own cadence
//! ([`runtime_simulator::report_day`]); the reference's segmentation and ours find trips in the same points; a judge
//! compares them with the truth ([`mod@judge`]). The stage's own code runs, one run a night, each with the window that the
//! mark of the run before leaves.
//!
//! * The reference has two methods, and its server has none for other apps. It gets the better one for each cadence,
//!   which is more than a server could know.
//! * Times agree within [`TOLERANCE_S`] and the usual time between two reports: where an app reports every five
//!   minutes, no segmentation can know more.

pub mod faults;
pub mod judge;
mod replay;

use cells_locations::Sampling;
use cells_trip_segmentation::points::Points;
use cells_trip_segmentation::signals::Signals;
use runtime_simulator::{Cadence, Person, Phone, Report, TruthTrip, report_day, simulate_day};
use serde::Serialize;

use judge::{Interval, Score, judge};
use replay::{Kept, entries_of, in_nightly_runs, points_of, signals_of};

/// How far the times of a found trip may be off, s, besides the usual time between two reports: phones notice a start
/// once they have left a circle, and a stop after some minutes.
pub const TOLERANCE_S: f64 = 300.0;
/// The first simulated day, counted from 1970-01-01.
const FIRST_DAY: u32 = 20_000;

/// What is compared: the points of which app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum App {
    /// e-mission's own, on this system.
    Emission(Phone),
    /// A tracker from the shops.
    Tracker(Cadence),
    /// A recording every half a minute that somebody starts at the departure and stops at the arrival, as files of tracks are.
    Recording,
}

impl App {
    /// All of them: e-mission's own first.
    pub fn all() -> Vec<Self> {
        let own = [Phone::Android, Phone::Ios].map(Self::Emission);
        own.into_iter().chain(Cadence::ALL.map(Self::Tracker)).collect()
    }

    /// Those whose points come in files, too.
    pub fn in_files() -> Vec<Self> {
        Cadence::ALL.map(Self::Tracker).into_iter().chain([Self::Recording]).collect()
    }

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Emission(Phone::Android) => "e-mission, Android",
            Self::Emission(Phone::Ios) => "e-mission, iOS",
            Self::Tracker(cadence) => cadence.name(),
            Self::Recording => "recorded by hand, 30 s",
        }
    }

    /// Within which times agree, s.
    pub fn tolerance_s(self) -> f64 {
        match self {
            Self::Emission(_) => TOLERANCE_S + 30.0,
            Self::Tracker(cadence) => TOLERANCE_S + cadence.spacing_s(),
            Self::Recording => TOLERANCE_S + Cadence::OwnTracksInterval.spacing_s(),
        }
    }
}

/// Which people, and for how long.
#[derive(Debug, Clone)]
pub struct Sample {
    /// One person each.
    pub seeds: Vec<u64>,
    /// Days of each.
    pub days: u32,
}

/// One line of the table.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// The app and its cadence.
    pub app: &'static str,
    /// Within which times agree, s.
    pub tolerance_s: f64,
    /// Points a day.
    pub points_a_day: f64,
    /// The reference's better method here: `time` or `distance`.
    pub reference_method: &'static str,
    /// The reference's.
    pub reference: Score,
    /// The reference's for points that do not say how they were chosen: `time`.
    pub unnamed: Score,
    /// Ours.
    pub ours: Score,
}

/// Simulates the sample and compares both segmentations.
pub fn compare(app: App, sample: &Sample) -> Line {
    let methods = [("time", Sampling::Time), ("distance", Sampling::Distance)];
    let mut of_reference = [Score::default(); 2];
    let (mut ours, mut points) = (Score::default(), 0);
    for seed in &sample.seeds {
        let life = Life::of(app, *seed, sample.days);
        points += life.kept.ts.len();
        for (total, (_, sampling)) in of_reference.iter_mut().zip(methods) {
            *total += life.score(life.reference_names(sampling), app.tolerance_s());
        }
        ours += life.score(life.own_names(), app.tolerance_s());
    }
    let better = usize::from(of_reference[1].missed_or_split() < of_reference[0].missed_or_split());
    let named = match app {
        App::Emission(Phone::Android) => 0,
        App::Emission(Phone::Ios) => 1,
        App::Tracker(_) | App::Recording => better,
    };
    let days = f64::from(sample.days) * sample.seeds.len() as f64;
    Line {
        app: app.name(),
        tolerance_s: app.tolerance_s(),
        points_a_day: points as f64 / days,
        reference_method: methods[named].0,
        reference: of_reference[named],
        unnamed: of_reference[0],
        ours,
    }
}

/// The lines as a table for people, one line each.
pub fn table(lines: &[Line]) -> Vec<String> {
    let head = format!(
        "{:<32} {:>8} {:>9} {:<9} {:>6} {:>6} {:>7} {:>6} {:>6} {:>9}",
        "cadence",
        "points/d",
        "tolerance",
        "method",
        "trips",
        "found",
        "missed",
        "split",
        "merged",
        "invented"
    );
    let row = |line: &Line, method: &str, score: &Score| {
        format!(
            "{:<32} {:>8.0} {:>7.0} s {:<9} {:>6} {:>6} {:>7} {:>6} {:>6} {:>9}",
            line.app,
            line.points_a_day,
            line.tolerance_s,
            method,
            score.truth,
            score.found,
            score.missed,
            score.split,
            score.merged,
            score.invented
        )
    };
    let rows = lines
        .iter()
        .flat_map(|line| [row(line, line.reference_method, &line.reference), row(line, "ours", &line.ours)]);
    std::iter::once(head).chain(rows).collect()
}

/// The points of one person and the true trips.
struct Life {
    person: Person,
    kept: Kept,
    signals: Signals,
    trips: Vec<TruthTrip>,
    /// The times of the trips.
    truth: Vec<Interval>,
    /// The end of each day, s since 1970.
    nights: Vec<f64>,
    /// What e-mission's own points say of themselves.
    sampling: Option<Sampling>,
}

impl Life {
    /// One day more is simulated than judged: a trip is known once there is a point behind it.
    fn of(app: App, seed: u64, days: u32) -> Self {
        let (phone, sampling) = match app {
            App::Emission(Phone::Android) => (Phone::Android, Some(Sampling::Time)),
            App::Emission(Phone::Ios) => (Phone::Ios, Some(Sampling::Distance)),
            App::Tracker(_) | App::Recording => (Phone::Android, None),
        };
        let person = Person::invent(seed, phone);
        let (mut kept, mut signals) = (Kept::default(), Signals::default());
        let (mut trips, mut nights) = (Vec::new(), Vec::new());
        for day in FIRST_DAY..=FIRST_DAY + days {
            let plan = person.plan(day);
            let of_day = match app {
                App::Emission(_) => {
                    let simulated = simulate_day(&plan, seed);
                    entries_of(&simulated.entries, &mut kept, &mut signals);
                    simulated.truth
                }
                App::Tracker(cadence) => {
                    let reported = report_day(&plan, seed, cadence);
                    points_of(reported.reports.iter(), &mut kept);
                    signals_of(cadence, &reported.reports, &mut signals);
                    reported.truth
                }
                App::Recording => {
                    let reported = report_day(&plan, seed, Cadence::OwnTracksInterval);
                    let is_on = |report: &&Report| {
                        reported.truth.iter().any(|trip| (trip.start_ts..=trip.end_ts).contains(&report.ts))
                    };
                    points_of(reported.reports.iter().filter(is_on), &mut kept);
                    reported.truth
                }
            };
            if day < FIRST_DAY + days {
                trips.extend(of_day);
            }
            nights.push(plan.midnight_ts as f64 + 86_400.0);
        }
        let truth = trips.iter().map(|trip| Interval::new(trip.start_ts, trip.end_ts)).collect();
        Self { person, kept, signals, trips, truth, nights, sampling }
    }

    /// What points say where the reference finds the trips.
    fn reference_names(&self, sampling: Sampling) -> Sampling {
        self.sampling.unwrap_or(sampling)
    }

    /// What points say where the stage chooses by itself.
    fn own_names(&self) -> Sampling {
        self.sampling.unwrap_or(Sampling::App)
    }

    /// The trips that the stage finds in the days that are judged.
    fn found(&self, sampling: Sampling) -> Vec<Interval> {
        let points: Points = self.kept.named(sampling);
        let found = in_nightly_runs(&points, &self.signals, &self.nights);
        let judged_s = self.nights[self.nights.len() - 2];
        found.into_iter().filter(|trip| trip.start_ts < judged_s).collect()
    }

    fn score(&self, sampling: Sampling, within_s: f64) -> Score {
        judge(&self.truth, &self.found(sampling), within_s)
    }
}
