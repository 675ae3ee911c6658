//! What trackers from the shops report of the same true movement: each app has its own cadence.
//!
//! | cadence | when it reports | taken from |
//! |---|---|---|
//! | [`Cadence::OwnTracksSignificant`] | 500 m from the last report, at most every 5 minutes; when a region around home or work is left or entered; coarse positions | the booklet of OwnTracks, location data, iOS |
//! | [`Cadence::OwnTracksMove`] | every 100 m, and every 300 s in any case | the same: the defaults of its move mode on iOS |
//! | [`Cadence::OwnTracksInterval`] | every 30 s, day and night | the move mode of OwnTracks on Android with an interval of half a minute |
//! | [`Cadence::Overland`] | every second; it pauses while nobody moves and wakes when somebody leaves | the read-me of Overland with Core Location's automatic pause |
//! | [`Cadence::Traccar`] | every 75 m or every minute while moving; it detects stops | the default distance of Traccar Client and its page on configuration |
//! | [`Cadence::GpsLogger`] | every 60 s, day and night | the default interval of GPSLogger |
//!
//! How long an app takes to notice a stop or a start is not documented: those figures are estimates, and drawn anew for
//! every trip. A fix takes up to a second, so no interval is kept exactly. Faults stay on: the plan's poor, coarse and wrong fixes and its spans without power, tunnels, and trips
//! of which some minutes are lost.

mod rule;

use crate::day::{set_out, truth_of, watch_of};
use crate::motion::{Moment, Trip};
use crate::person::DayPlan;
use crate::random::Random;
use crate::receiver::{Errors, Receiver};
use crate::{Spot, TruthTrip};

use rule::{Rule, Watcher};

/// A stream of draws of its own, so that the true movement is that of [`crate::simulate_day`].
const REPORTING: u64 = 1 << 61;
/// The share of trips of which some minutes are lost, and how long that is, s.
const LOST_SHARE: f64 = 0.15;
const LOST_S: (f64, f64) = (120.0, 480.0);
/// Steps of time while somebody moves or has just arrived, and otherwise, s.
const STEP_S: f64 = 1.0;
const REST_STEP_S: f64 = 10.0;
/// For so long after an arrival time passes in short steps, s.
const SETTLE_S: f64 = 600.0;
/// How long a fix takes at the most, s; under one, so that reports of each second stay in order.
const FIX_S_MAX: f64 = 0.9;
/// How much later than its fix a report is written, s.
const LAG_S: f64 = 0.25;

/// How an app chooses the moments at which it reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cadence {
    /// OwnTracks on significant changes, with regions around home and work.
    OwnTracksSignificant,
    /// OwnTracks in its move mode: by distance.
    OwnTracksMove,
    /// OwnTracks in its move mode: by time.
    OwnTracksInterval,
    /// Overland: every second, except while nobody moves.
    Overland,
    /// Traccar Client: by distance or time while moving.
    Traccar,
    /// GPSLogger: every minute.
    GpsLogger,
}

impl Cadence {
    /// All of them, in the order of the documents.
    pub const ALL: [Self; 6] = [
        Self::OwnTracksSignificant,
        Self::OwnTracksMove,
        Self::OwnTracksInterval,
        Self::Overland,
        Self::Traccar,
        Self::GpsLogger,
    ];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::OwnTracksSignificant => "OwnTracks, significant changes",
            Self::OwnTracksMove => "OwnTracks, move, 100 m or 300 s",
            Self::OwnTracksInterval => "OwnTracks, move, 30 s",
            Self::Overland => "Overland, 1 s with pauses",
            Self::Traccar => "Traccar Client, 75 m or 60 s",
            Self::GpsLogger => "GPSLogger, 60 s",
        }
    }

    /// The usual time between two reports on the way, s.
    pub fn spacing_s(self) -> f64 {
        match self {
            Self::OwnTracksSignificant => 300.0,
            Self::OwnTracksMove | Self::Traccar | Self::GpsLogger => 60.0,
            Self::OwnTracksInterval => 30.0,
            Self::Overland => 1.0,
        }
    }
}

/// A position as an app reports it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Report {
    /// When the fix was made, s since 1970; whole milliseconds.
    pub ts: f64,
    /// When it was written down, s since 1970.
    pub write_ts: f64,
    /// Degrees.
    pub latitude: f64,
    /// Degrees.
    pub longitude: f64,
    /// Radius that likely holds the true place, m.
    pub accuracy_m: f64,
}

/// A day as an app reports it.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportedDay {
    /// In the order of their times.
    pub reports: Vec<Report>,
    /// The real trips: those of [`crate::SimulatedDay::truth`] for the same plan and seed.
    pub truth: Vec<TruthTrip>,
}

/// Reports of a day. The same arguments give the same values.
pub fn report_day(plan: &DayPlan, seed: u64, cadence: Cadence) -> ReportedDay {
    let (trips, ends) = set_out(plan, &mut Random::new(seed, plan.midnight_ts as u64));
    let truth = trips.iter().zip(ends).map(|(trip, (from, to))| truth_of(plan, trip, from, to)).collect();
    let mut random = Random::new(seed, REPORTING | plan.midnight_ts as u64);
    let reports = Day::new(plan, &trips, cadence, &mut random).reports(&mut random);
    ReportedDay { reports, truth }
}

/// Where a person is all day, and what the app cannot see of it.
struct Day<'a> {
    plan: &'a DayPlan,
    trips: &'a [Trip],
    rule: Rule,
    /// The plan's spans without power, and lost minutes.
    lost: Vec<(f64, f64)>,
}

impl<'a> Day<'a> {
    fn new(plan: &'a DayPlan, trips: &'a [Trip], cadence: Cadence, random: &mut Random) -> Self {
        let mut lost: Vec<(f64, f64)> = plan.faults.off.iter().map(|span| (span.from_s, span.to_s)).collect();
        for trip in trips {
            if random.chance(LOST_SHARE) {
                let from_s = random.within(trip.start_s(), trip.end_s());
                lost.push((from_s, from_s + random.within(LOST_S.0, LOST_S.1)));
            }
        }
        // The first two places are where people set up regions: home and work.
        let regions = plan.places.iter().take(2).map(|place| place.spot).collect();
        Self { plan, trips, rule: Rule::of(cadence, regions), lost }
    }

    fn reports(&self, random: &mut Random) -> Vec<Report> {
        let faults = &self.plan.faults;
        let errors = Errors { poor: faults.poor, coarse: faults.coarse, outlier: faults.outliers };
        let mut receiver = Receiver::new(errors);
        let mut watcher = Watcher::new(&self.rule);
        let watch = watch_of(self.plan, self.trips);
        let mut reports = Vec::new();
        let mut at_s = 0.0;
        while at_s < watch.day_end_s {
            let moment = self.moment(at_s);
            let seen = !moment.in_tunnel && !self.lost.iter().any(|(from, to)| (*from..*to).contains(&at_s));
            if seen && watcher.looks(at_s, &moment, random) {
                let mut fix = receiver.read(at_s, &moment, random);
                self.rule.coarsen(&mut fix, random);
                if watcher.reports(at_s, fix.spot) {
                    let (latitude_e7, longitude_e7) = watch.projection.degrees_e7(fix.spot);
                    let at_ms =
                        watch.midnight_ms + ((at_s + random.within(0.0, FIX_S_MAX)) * 1000.0).round() as i64;
                    let ts = at_ms as f64 / 1000.0;
                    reports.push(Report {
                        ts,
                        write_ts: ts + LAG_S,
                        latitude: latitude_e7 as f64 / 1e7,
                        longitude: longitude_e7 as f64 / 1e7,
                        accuracy_m: fix.accuracy_m,
                    });
                }
            }
            at_s += self.step_s(at_s);
        }
        reports
    }

    /// Short steps on the way and just after it.
    fn step_s(&self, at_s: f64) -> f64 {
        let busy = |trip: &Trip| at_s >= trip.start_s() && at_s < trip.end_s() + SETTLE_S;
        if self.trips.iter().any(busy) {
            return STEP_S;
        }
        let next = self.trips.iter().map(Trip::start_s).find(|start_s| *start_s > at_s);
        next.map_or(REST_STEP_S, |start_s| (start_s - at_s).min(REST_STEP_S))
    }

    fn moment(&self, at_s: f64) -> Moment {
        let trip = self.trips.iter().rev().find(|trip| trip.start_s() <= at_s).or(self.trips.first());
        trip.map_or_else(|| standing(self.plan), |trip| trip.at(at_s))
    }
}

/// A person who goes nowhere all day.
fn standing(plan: &DayPlan) -> Moment {
    let spot = plan.places.get(plan.start).map_or(Spot::new(0.0, 0.0), |place| place.spot);
    Moment { spot, speed: 0.0, bearing_deg: 0.0, mode: None, in_tunnel: false }
}

#[cfg(test)]
mod tests;
