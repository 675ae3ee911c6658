//! A satellite receiver: the position that it reports for a person.
//!
//! Errors are correlated (an error of 8 m lasts for about a minute) and drift slowly at a place. Now and then a fix is
//! poor and reports that, coarse (a cell tower's) and reports that, or far off without reporting it.

use crate::geometry::Spot;
use crate::motion::{Mode, Moment};
use crate::random::Random;

/// How long an error lasts, s.
const ERROR_LASTS_S: f64 = 60.0;
/// Largest drift at a place, m: caused by signals that walls reflect.
const DRIFT_M_MAX: f64 = 22.0;

/// A reading of the receiver.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fix {
    pub(crate) spot: Spot,
    /// Radius within which the receiver expects the true position with 68 %, m.
    pub(crate) accuracy_m: f64,
    /// m/s
    pub(crate) speed: f64,
    pub(crate) bearing_deg: f64,
    pub(crate) altitude_m: f64,
}

/// How often the receiver has large errors, as shares of all fixes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Errors {
    pub(crate) poor: f64,
    pub(crate) coarse: f64,
    pub(crate) outlier: f64,
}

/// The current error, which lasts longer than one fix.
pub(crate) struct Receiver {
    errors: Errors,
    last_s: f64,
    error: Spot,
    drift: Spot,
}

impl Receiver {
    pub(crate) fn new(errors: Errors) -> Self {
        let none = Spot::new(0.0, 0.0);
        Self { errors, last_s: f64::NEG_INFINITY, error: none, drift: none }
    }

    /// Reads the position at `at_s`, which never decreases from call to call.
    pub(crate) fn read(&mut self, at_s: f64, moment: &Moment, random: &mut Random) -> Fix {
        let deviation = deviation_m(moment.mode);
        self.age(at_s, deviation, moment.mode.is_none(), random);
        let spot = moment
            .spot
            .shifted(self.error.east_m + self.drift.east_m, self.error.north_m + self.drift.north_m);
        let mut fix = Fix {
            spot,
            accuracy_m: 3.0 + deviation * random.within(0.4, 1.8),
            speed: (moment.speed + 0.25 * random.bell()).max(0.0),
            bearing_deg: (moment.bearing_deg + 4.0 * random.bell() + 360.0) % 360.0,
            altitude_m: 31.0 + 0.5 * self.error.east_m + random.bell(),
        };
        if moment.speed < 0.3 {
            fix.speed = 0.0;
            fix.bearing_deg = 0.0;
        }
        self.spoil(&mut fix, moment, random);
        fix
    }

    /// Lets the error fade and a new one develop, according to the time that has passed.
    fn age(&mut self, at_s: f64, deviation: f64, at_place: bool, random: &mut Random) {
        let elapsed = at_s - self.last_s;
        self.last_s = at_s;
        let kept = if elapsed.is_finite() { 1.0 / (1.0 + elapsed.max(0.0) / ERROR_LASTS_S) } else { 0.0 };
        let fresh = (1.0 - kept * kept).sqrt() * deviation;
        self.error = Spot::new(
            kept * self.error.east_m + fresh * random.bell(),
            kept * self.error.north_m + fresh * random.bell(),
        );
        if at_place {
            let step = 0.4 * elapsed.clamp(0.0, 30.0).sqrt();
            let drifted = self.drift.shifted(step * random.bell(), step * random.bell());
            self.drift = Spot::new(
                drifted.east_m.clamp(-DRIFT_M_MAX, DRIFT_M_MAX),
                drifted.north_m.clamp(-DRIFT_M_MAX, DRIFT_M_MAX),
            );
        } else {
            self.drift = Spot::new(self.drift.east_m * kept, self.drift.north_m * kept);
        }
    }

    fn spoil(&self, fix: &mut Fix, moment: &Moment, random: &mut Random) {
        if random.chance(self.errors.coarse) {
            fix.accuracy_m = random.within(210.0, 1500.0);
            let off = fix.accuracy_m / 3.0;
            fix.spot = moment.spot.shifted(off * random.bell(), off * random.bell());
        } else if random.chance(self.errors.poor) {
            fix.accuracy_m = random.within(35.0, 150.0);
            let off = fix.accuracy_m / 6.0;
            fix.spot = fix.spot.shifted(off * random.bell(), off * random.bell());
        } else if moment.mode.is_some() && random.chance(self.errors.outlier) {
            let (east, north) = (random.within(-1200.0, 1200.0), random.within(-1200.0, 1200.0));
            fix.spot = fix.spot.shifted(east, north);
        }
    }
}

/// Usual error on one axis, m: streets reflect, rooms reflect more, a train has a metal roof.
fn deviation_m(mode: Option<Mode>) -> f64 {
    match mode {
        Some(Mode::Walk | Mode::Bicycle) => 5.0,
        Some(Mode::Car) => 5.5,
        Some(Mode::Bus) => 7.0,
        Some(Mode::Train) => 10.0,
        None => 8.0,
    }
}
