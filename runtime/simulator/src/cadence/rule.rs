//! When an app looks for a position, and which positions it reports.

use super::Cadence;
use crate::geometry::Spot;
use crate::motion::Moment;
use crate::random::Random;
use crate::receiver::Fix;

/// Radius of a region around home or work, m.
const REGION_M: f64 = 100.0;
/// How long a phone takes to notice that it entered or left a region, s.
const REGION_LATE_S: (f64, f64) = (10.0, 60.0);
/// The accuracy of positions from cell towers and wireless networks, m.
const COARSE_M: (f64, f64) = (30.0, 165.0);
/// How long nobody moves before an app that pauses goes to sleep, s.
const PAUSE_AFTER_S: (f64, f64) = (180.0, 420.0);
/// How far somebody must go before it wakes, m.
const WAKE_M: (f64, f64) = (60.0, 200.0);
/// A slower person does not move, m/s.
const STILL_M_S: f64 = 0.3;

/// The rule of an app.
pub(super) struct Rule {
    /// A report after this time, s, in any case.
    interval_s: Option<f64>,
    /// A report after this distance, m.
    distance_m: Option<f64>,
    /// Never sooner than this by distance, s.
    at_least_s: f64,
    /// Whether it goes to sleep where nobody moves.
    pauses: bool,
    /// Whether positions come from cell towers.
    coarse: bool,
    /// Where a region is watched.
    regions: Vec<Spot>,
}

impl Rule {
    pub(super) fn of(cadence: Cadence, regions: Vec<Spot>) -> Self {
        let rule = |interval_s, distance_m, pauses| Self {
            interval_s,
            distance_m,
            at_least_s: 0.0,
            pauses,
            coarse: false,
            regions: Vec::new(),
        };
        match cadence {
            Cadence::OwnTracksSignificant => {
                Self { at_least_s: 300.0, coarse: true, regions, ..rule(None, Some(500.0), false) }
            }
            Cadence::OwnTracksMove => rule(Some(300.0), Some(100.0), false),
            Cadence::OwnTracksInterval => rule(Some(30.0), None, false),
            Cadence::Overland => rule(Some(1.0), None, true),
            Cadence::Traccar => rule(Some(60.0), Some(75.0), true),
            Cadence::GpsLogger => rule(Some(60.0), None, false),
        }
    }

    /// Makes a fix as coarse as the app's source of positions.
    pub(super) fn coarsen(&self, fix: &mut Fix, random: &mut Random) {
        if self.coarse {
            let accuracy_m = random.within(COARSE_M.0, COARSE_M.1);
            let off = accuracy_m / 3.0;
            fix.spot = fix.spot.shifted(off * random.bell(), off * random.bell());
            fix.accuracy_m = fix.accuracy_m.max(accuracy_m);
        }
    }
}

/// The state of an app.
pub(super) struct Watcher<'a> {
    rule: &'a Rule,
    last: Option<(f64, Spot)>,
    /// Since when nobody has moved, and after how long the app sleeps.
    still: Option<(f64, f64)>,
    /// Where it fell asleep, and how far from there it wakes.
    asleep: Option<(Spot, f64)>,
    /// In which region the person was, and when a change is noticed.
    inside: Option<usize>,
    notices_s: Option<f64>,
    begun: bool,
}

impl<'a> Watcher<'a> {
    pub(super) fn new(rule: &'a Rule) -> Self {
        Self { rule, last: None, still: None, asleep: None, inside: None, notices_s: None, begun: false }
    }

    /// Whether the app looks for a position now.
    pub(super) fn looks(&mut self, at_s: f64, moment: &Moment, random: &mut Random) -> bool {
        if !self.begun {
            // A day begins where the day before ended: at rest.
            self.begun = true;
            self.inside = self.region(moment);
            if self.rule.pauses {
                self.asleep = Some((moment.spot, random.within(WAKE_M.0, WAKE_M.1)));
            }
            self.last = Some((at_s, moment.spot));
        }
        self.watch_regions(at_s, moment, random);
        if !self.rule.pauses {
            return self.may_report(at_s, moment);
        }
        if let Some((spot, wake_m)) = self.asleep {
            if moment.spot.distance_m(spot) < wake_m {
                return false;
            }
            (self.asleep, self.still) = (None, None);
        }
        if moment.speed >= STILL_M_S {
            self.still = None;
        } else {
            let (since_s, after_s) =
                *self.still.get_or_insert_with(|| (at_s, random.within(PAUSE_AFTER_S.0, PAUSE_AFTER_S.1)));
            if at_s - since_s > after_s {
                self.asleep = Some((moment.spot, random.within(WAKE_M.0, WAKE_M.1)));
                // It keeps where it stopped.
                self.last = None;
                return true;
            }
        }
        self.may_report(at_s, moment)
    }

    fn region(&self, moment: &Moment) -> Option<usize> {
        self.rule.regions.iter().position(|region| region.distance_m(moment.spot) < REGION_M)
    }

    fn watch_regions(&mut self, at_s: f64, moment: &Moment, random: &mut Random) {
        let region = self.region(moment);
        if region != self.inside {
            self.inside = region;
            self.notices_s = Some(at_s + random.within(REGION_LATE_S.0, REGION_LATE_S.1));
        }
        if self.notices_s.is_some_and(|notices_s| at_s >= notices_s) {
            self.notices_s = None;
            self.last = None;
        }
    }

    /// A cheap test with the true place: a fix errs by less than the margin as a rule.
    fn may_report(&self, at_s: f64, moment: &Moment) -> bool {
        let Some((last_s, spot)) = self.last else { return true };
        let by_time = self.rule.interval_s.is_some_and(|interval_s| at_s - last_s >= interval_s);
        let by_distance = self.rule.distance_m.is_some_and(|distance_m| {
            at_s - last_s >= self.rule.at_least_s && moment.spot.distance_m(spot) >= 0.8 * distance_m
        });
        by_time || by_distance
    }

    /// Whether it reports this position.
    pub(super) fn reports(&mut self, at_s: f64, spot: Spot) -> bool {
        let reports = match self.last {
            None => true,
            Some((last_s, last)) => {
                self.rule.interval_s.is_some_and(|interval_s| at_s - last_s >= interval_s)
                    || self.rule.distance_m.is_some_and(|distance_m| spot.distance_m(last) >= distance_m)
            }
        };
        if reports {
            self.last = Some((at_s, spot));
        }
        reports
    }
}
