//! What is behind a line of the table: the trips that were not found, and what the app reported around them.

use cells_locations::Sampling;
use runtime_simulator::{Person, TruthTrip};

use crate::judge::{Interval, Verdict, verdicts};
use crate::{App, Life, Sample};

/// Reports this long before a departure and after an arrival are shown, s.
const AROUND_S: f64 = 1_800.0;
/// Metres in a degree of a great circle.
const DEGREE_M: f64 = 111_194.93;

/// A true trip that was not found.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// The person.
    pub seed: u64,
    /// What became of it.
    pub verdict: Verdict,
    /// The trip.
    pub truth: TruthTrip,
    /// Start and end of found trips that are near, s after the departure.
    pub found_s: Vec<(f64, f64)>,
    /// Reports of this time.
    pub seen: Vec<Seen>,
}

/// A report near a trip.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    /// s after the departure.
    pub after_s: f64,
    /// From the place that was left, m.
    pub from_m: f64,
    /// From the place that was reached, m.
    pub to_m: f64,
}

/// The trips of a sample that ours does not find, or that the reference's method does not find.
pub fn faults(app: App, sample: &Sample, reference: Option<Sampling>) -> Vec<Fault> {
    let of = |seed: &u64| {
        let life = Life::of(app, *seed, sample.days);
        let sampling = reference.map_or(life.own_names(), |sampling| life.reference_names(sampling));
        of_life(&life, *seed, sampling, app.tolerance_s())
    };
    sample.seeds.iter().flat_map(of).collect()
}

fn of_life(life: &Life, seed: u64, sampling: Sampling, within_s: f64) -> Vec<Fault> {
    let found = life.found(sampling);
    let verdicts = verdicts(&life.truth, &found, within_s);
    let wrong = life.trips.iter().zip(verdicts).filter(|(_, verdict)| *verdict != Verdict::Found);
    wrong.map(|(trip, verdict)| fault(life, seed, verdict, trip, &found)).collect()
}

fn fault(life: &Life, seed: u64, verdict: Verdict, truth: &TruthTrip, found: &[Interval]) -> Fault {
    let (from_s, to_s) = (truth.start_ts - AROUND_S, truth.end_ts + AROUND_S);
    let near = found.iter().filter(|found| found.end_ts >= from_s && found.start_ts <= to_s);
    let found_s =
        near.map(|found| (found.start_ts - truth.start_ts, found.end_ts - truth.start_ts)).collect();
    let rows = (0..life.kept.ts.len()).filter(|row| (from_s..=to_s).contains(&life.kept.ts[*row]));
    let seen = rows.map(|row| Seen {
        after_s: life.kept.ts[row] - truth.start_ts,
        from_m: distance_m(&life.person, &truth.from, life.kept.place(row)),
        to_m: distance_m(&life.person, &truth.to, life.kept.place(row)),
    });
    Fault { seed, verdict, truth: truth.clone(), found_s, seen: seen.collect() }
}

/// From a place of the person's, on the flat map of the town.
fn distance_m(person: &Person, name: &str, (latitude, longitude): (f64, f64)) -> f64 {
    let Some(place) = person.places.iter().find(|place| place.name == name) else { return f64::NAN };
    let (town, spot) = (&person.town, place.spot);
    let north_m = (latitude - town.latitude_deg) * DEGREE_M - spot.north_m;
    let narrow = town.latitude_deg.to_radians().cos();
    let east_m = (longitude - town.longitude_deg) * DEGREE_M * narrow - spot.east_m;
    north_m.hypot(east_m)
}

/// A fault in lines for people. Of many reports the first, and those around departure and arrival, are shown.
pub fn told(fault: &Fault) -> Vec<String> {
    let Fault { seed, verdict, truth, found_s, seen } = fault;
    let lasts_s = truth.end_ts - truth.start_ts;
    let found: Vec<String> = found_s.iter().map(|(start, end)| format!("{start:.0}..{end:.0}")).collect();
    let head = format!(
        "seed {seed}, {verdict:?}: {:?} from {} to {}, {:.0} m in {lasts_s:.0} s; found {}",
        truth.mode,
        truth.from,
        truth.to,
        truth.distance_m,
        found.join(" ")
    );
    let around = |moment: f64| {
        let before = seen.iter().rev().filter(move |seen| seen.after_s < moment).take(2);
        before.chain(seen.iter().filter(move |seen| seen.after_s >= moment).take(3))
    };
    let mut shown: Vec<&Seen> = around(0.0).chain(around(lasts_s)).collect();
    shown.sort_by(|a, b| a.after_s.total_cmp(&b.after_s));
    shown.dedup();
    let report = |seen: &Seen| format!("{:.0} s: {:.0}/{:.0} m", seen.after_s, seen.from_m, seen.to_m);
    let reports: Vec<String> = shown.into_iter().map(report).collect();
    vec![head, format!("    {}", reports.join("; "))]
}
