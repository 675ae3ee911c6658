//! What a record says, in the reference's units.

use cells_model::background::{BatteryStatus, MotionType};

use crate::moment::is_a_moment;

/// A place at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Fix {
    /// s
    pub ts: f64,
    /// degrees
    pub latitude: f64,
    /// degrees
    pub longitude: f64,
    /// m
    pub altitude: Option<f64>,
    /// Radius that likely holds the true place, m.
    pub accuracy: Option<f64>,
    /// m/s
    pub speed: Option<f64>,
    /// degrees from north
    pub heading: Option<f64>,
}

/// What the person was doing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Motion {
    /// s
    pub ts: f64,
    /// What it was.
    pub kind: MotionType,
    /// 0 to 100
    pub confidence: Option<f64>,
}

/// The state of the battery.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Battery {
    /// s
    pub ts: f64,
    /// 0 to 100
    pub level_pct: f64,
    /// What it does.
    pub status: BatteryStatus,
}

/// What one record says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reading {
    /// A place.
    Fix(Fix),
    /// A motion.
    Motion(Motion),
    /// A battery.
    Battery(Battery),
}

impl Reading {
    /// Its moment, s.
    pub fn ts(&self) -> f64 {
        match self {
            Self::Fix(fix) => fix.ts,
            Self::Motion(motion) => motion.ts,
            Self::Battery(battery) => battery.ts,
        }
    }
}

impl Fix {
    /// The fix with what its sensor could not know left out: values out of their range.
    pub(crate) fn checked(self) -> Result<Self, &'static str> {
        if !is_a_moment(self.ts) {
            return Err("its time is not between 1970 and 2100");
        }
        if !(-90.0..=90.0).contains(&self.latitude) || !(-180.0..=180.0).contains(&self.longitude) {
            return Err("its place is not on the globe");
        }
        if self.latitude == 0.0 && self.longitude == 0.0 {
            return Err("its place is 0° north, 0° east, which stands for none");
        }
        let within =
            |value: Option<f64>, from: f64, to: f64| value.filter(|value| (from..=to).contains(value));
        Ok(Self {
            altitude: within(self.altitude, -12_000.0, 100_000.0),
            accuracy: within(self.accuracy, 0.0, 1e7),
            speed: within(self.speed, 0.0, 1e4),
            heading: within(self.heading, 0.0, 360.0),
            ..self
        })
    }
}
