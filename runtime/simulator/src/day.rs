//! One day of one person: the entries that the phone puts, and what really happened.

use crate::entry;
use crate::geometry::Path;
use crate::motion::{Mode, Section, Trip};
use crate::person::DayPlan;
use crate::phone::Watch;
use crate::random::Random;
use crate::route::{Route, Straight};

/// Shortest time at a place between two trips, s: with a shorter stay, phones see one trip.
const STAY_S_MIN: f64 = 1_500.0;

/// The entries that a phone puts for a day, and the truth about the day.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulatedDay {
    /// JSON texts in the form of `phone_to_server`, with increasing `metadata.write_ts`.
    pub entries: Vec<String>,
    /// The real trips, in order.
    pub truth: Vec<TruthTrip>,
}

/// A real trip. A phone notices its start late (it has to leave a circle first) and stops late.
#[derive(Debug, Clone, PartialEq)]
pub struct TruthTrip {
    /// Departure, s since 1970.
    pub start_ts: f64,
    /// Arrival, s since 1970.
    pub end_ts: f64,
    /// The mode of its longest section.
    pub mode: Mode,
    /// Length of the way, m.
    pub distance_m: f64,
    /// Name of the first place.
    pub from: String,
    /// Name of the last place.
    pub to: String,
    /// Its parts by mode: one, or a walk, a ride and a walk.
    pub sections: Vec<TruthSection>,
}

/// A part of a trip by one mode; waiting for a ride belongs to the walk before it.
#[derive(Debug, Clone, PartialEq)]
pub struct TruthSection {
    /// The mode.
    pub mode: Mode,
    /// s since 1970.
    pub start_ts: f64,
    /// s since 1970.
    pub end_ts: f64,
    /// Length of the way, m.
    pub distance_m: f64,
}

/// Simulates the plan. The same plan and seed give the same bytes.
///
/// A leg begins at its time, or 25 minutes after the arrival before it if that is later. Legs to the place where the
/// person already is are left out.
pub fn simulate_day(plan: &DayPlan, seed: u64) -> SimulatedDay {
    let mut random = Random::new(seed, plan.midnight_ts as u64);
    let (trips, ends) = set_out(plan, &mut random);
    let truth = trips.iter().zip(ends).map(|(trip, (from, to))| truth_of(plan, trip, from, to)).collect();
    let watch = watch_of(plan, &trips);
    let records = plan.phone.watch(&watch, &mut random);
    let texts = records.iter().map(|record| entry::text(record, plan.phone, &plan.town.time_zone));
    SimulatedDay { entries: texts.collect(), truth }
}

/// What a phone needs to watch these trips.
pub(crate) fn watch_of<'a>(plan: &'a DayPlan, trips: &'a [Trip]) -> Watch<'a> {
    let midnight_s = plan.midnight_ts as f64;
    let last_arrival_s = trips.last().map_or(0.0, Trip::end_s);
    Watch {
        trips,
        faults: &plan.faults,
        projection: plan.town.projection(),
        midnight_ms: (midnight_s * 1000.0) as i64,
        day_end_s: (last_arrival_s + 1_000.0).max(86_400.0),
    }
}

/// The trips, and the places of the plan between which each goes.
pub(crate) fn set_out(plan: &DayPlan, random: &mut Random) -> (Vec<Trip>, Vec<(usize, usize)>) {
    let (mut trips, mut ends): (Vec<Trip>, _) = (Vec::new(), Vec::new());
    let mut here = plan.start;
    for leg in &plan.legs {
        let (Some(from), Some(to)) = (plan.places.get(here), plan.places.get(leg.to)) else { continue };
        let points = match leg.mode {
            Mode::Train => Straight.path(from.spot, to.spot, leg.mode),
            _ => plan.town.routes.path(from.spot, to.spot, leg.mode),
        };
        let path = Path::new(points);
        if path.length_m() < 1.0 {
            continue;
        }
        let earliest_s = trips.last().map_or(0.0, |trip| trip.end_s() + STAY_S_MIN);
        trips.push(Trip::new(leg.mode, path, leg.depart_s.max(earliest_s), random));
        ends.push((here, leg.to));
        here = leg.to;
    }
    (trips, ends)
}

pub(crate) fn truth_of(plan: &DayPlan, trip: &Trip, from: usize, to: usize) -> TruthTrip {
    let midnight_s = plan.midnight_ts as f64;
    let section = |section: &Section| TruthSection {
        mode: section.mode,
        start_ts: midnight_s + section.start_s,
        end_ts: midnight_s + section.end_s,
        distance_m: section.distance_m(),
    };
    TruthTrip {
        start_ts: midnight_s + trip.start_s(),
        end_ts: midnight_s + trip.end_s(),
        mode: trip.main_mode(),
        distance_m: trip.distance_m(),
        from: plan.places[from].name.clone(),
        to: plan.places[to].name.clone(),
        sections: trip.sections.iter().map(section).collect(),
    }
}
