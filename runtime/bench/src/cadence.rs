//! Trips at the cadences of other apps, by the reference's segmentation and by ours.
//!
//! Nothing here is timed: the figures are counts of trips, the same on every machine.

use runtime_cadence::judge::Score;
use runtime_cadence::{App, Line, Sample, compare};

use super::{Comparison, Figures};

/// The people, by their seeds, and the days of each: 200 days in all. The question of the benchmark names them.
const SEEDS: [u64; 10] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
const DAYS: u32 = 20;
/// Ours misses and splits at most this share of the trips that the reference misses and splits.
const SHARE_MAX: f64 = 0.5;

pub fn run() -> Figures {
    let sample = Sample { seeds: SEEDS.to_vec(), days: DAYS };
    Ok(App::all().into_iter().flat_map(|app| figures(app, &compare(app, &sample))).collect())
}

/// The counts of one app, ours beside the reference's.
fn figures(app: App, line: &Line) -> Vec<Comparison> {
    let count = |what: &str, of: fn(&Score) -> usize| {
        let (ours, other) = (of(&line.ours) as f64, of(&line.reference) as f64);
        Comparison {
            ours,
            other,
            ..Comparison::figure(&format!("{}: {what}", line.app), ours, "trips", "", true)
        }
    };
    let judged = count("missed or split", Score::missed_or_split);
    let (target, met) = match app {
        App::Emission(_) => ("equal".to_owned(), line.ours == line.reference),
        App::Tracker(_) | App::Recording => {
            (format!("≤ {SHARE_MAX}×"), judged.ours <= judged.other * SHARE_MAX)
        }
    };
    vec![
        count("found", |score| score.found),
        count("missed", |score| score.missed),
        count("split", |score| score.split),
        count("merged", |score| score.merged),
        count("invented", |score| score.invented),
        judged.held_against(&target, met),
    ]
}
