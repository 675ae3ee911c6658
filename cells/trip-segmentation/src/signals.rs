//! The signals of phones besides locations: motion activity, and transitions of their trip detection.

use std::collections::BTreeMap;

use cells_locations::{Locations, read};
use cells_sdk::model::device::device_name;
use cells_sdk::model::statemachine::{State, TransitionType};
use cells_sdk::{Query, ReadEntries, RunError, TimeField, for_each_entry};
use serde::Deserialize;

/// When something happened and when the phone wrote it down, s.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// `data.ts`
    pub ts: f64,
    /// `metadata.write_ts`
    pub write_ts: f64,
}

/// The events in the window of a run; each list in the order of writing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Signals {
    /// Any motion activity at all, even "still": the phone was awake and measuring.
    pub motion: Vec<Moment>,
    /// Tracking was off before this moment: a stop of tracking, a reboot, or a visit that ended.
    pub restarts: Vec<Moment>,
    /// The phone assumed that a trip had ended.
    pub stops: Vec<Moment>,
}

pub(crate) const MOTION: &str = "background/motion_activity";
const TRANSITION: &str = "statemachine/transition";

fn written(key: &str, start: Option<f64>, end: f64) -> Query {
    Query::of(&[key], TimeField::WriteTs).between(start, Some(end))
}

/// Only the times of a motion activity are needed, and columns have them without any text.
fn moment(motion: &Locations, row: usize) -> Moment {
    Moment { ts: motion.columns().ts[row], write_ts: motion.columns().write_ts[row] }
}

impl Signals {
    /// Reads the signals whose `write_ts` lies within the closed bounds, s.
    pub fn read<R: ReadEntries>(runtime: &mut R, start: Option<f64>, end: f64) -> Result<Self, RunError> {
        let mut signals = Self::default();
        let motion = read(runtime, &written(MOTION, start, end))?;
        signals.motion = (0..motion.len()).map(|row| moment(&motion, row)).collect();
        for_each_entry(runtime, &written(TRANSITION, start, end), |_, entry| {
            signals.add_transition(entry.data, entry.write_ts);
            Ok(())
        })?;
        Ok(signals)
    }

    /// The same, by the name of the device that sent them.
    pub fn read_by_device<R: ReadEntries>(
        runtime: &mut R,
        start: Option<f64>,
        end: f64,
    ) -> Result<BTreeMap<Option<String>, Self>, RunError> {
        let mut signals = BTreeMap::<Option<String>, Self>::new();
        let motion = read(runtime, &written(MOTION, start, end))?;
        for row in 0..motion.len() {
            let name = motion.device(row).map(str::to_owned);
            signals.entry(name).or_default().motion.push(moment(&motion, row));
        }
        for_each_entry(runtime, &written(TRANSITION, start, end), |_, entry| {
            let own = signals.entry(device_name(entry.metadata)).or_default();
            own.add_transition(entry.data, entry.write_ts);
            Ok(())
        })?;
        Ok(signals)
    }

    fn add_transition(&mut self, data: &str, write_ts: f64) {
        // A transition that cannot be read gives no information about trips.
        let Ok(transition) = serde_json::from_str::<Transition>(data) else { return };
        let Some(ts) = transition.ts else { return };
        if is_restart(&transition) {
            self.restarts.push(Moment { ts, write_ts });
        }
        if transition.is(TransitionType::StoppedMoving) {
            self.stops.push(Moment { ts, write_ts });
        }
    }

    /// The signals that were written within the closed bounds, s.
    pub fn written_within(&self, start: f64, end: f64) -> Self {
        let within = |moments: &[Moment]| {
            moments.iter().copied().filter(|moment| (start..=end).contains(&moment.write_ts)).collect()
        };
        Self { motion: within(&self.motion), restarts: within(&self.restarts), stops: within(&self.stops) }
    }
}

#[derive(Deserialize)]
struct Transition {
    ts: Option<f64>,
    curr_state: Option<f64>,
    transition: Option<f64>,
}

impl Transition {
    fn is(&self, kind: TransitionType) -> bool {
        self.transition == Some(f64::from(kind.number()))
    }
}

/// Whether tracking was off before: switched off by its owner, the phone was off (Android), or a visit ended
/// while no trip was expected (iOS).
fn is_restart(transition: &Transition) -> bool {
    let waiting = transition.curr_state == Some(f64::from(State::WaitingForTripStart.number()));
    transition.is(TransitionType::StopTracking)
        || transition.is(TransitionType::Booted)
        || (waiting && transition.is(TransitionType::VisitEnded))
}

/// For each of the rising times `ts`: whether one of the moments is after the previous time and not after this one.
/// Moments before the first time count for the first; those after the last count for none.
pub fn happened_before(ts: &[f64], moments: &[Moment]) -> Vec<bool> {
    let mut happened = vec![false; ts.len()];
    for moment in moments {
        // A moment that is NaN is after every time.
        let row = ts.partition_point(|time| time < &moment.ts || moment.ts.is_nan());
        if let Some(flag) = happened.get_mut(row) {
            *flag = true;
        }
    }
    happened
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(times: &[f64]) -> Vec<Moment> {
        times.iter().map(|ts| Moment { ts: *ts, write_ts: *ts }).collect()
    }

    #[test]
    fn a_moment_belongs_to_the_first_point_that_is_not_before_it() {
        let happened = |times: &[f64]| happened_before(&[10.0, 20.0, 20.0, 30.0], &moments(times));
        assert_eq!(happened(&[5.0]), [true, false, false, false]);
        assert_eq!(happened(&[20.0, 20.5]), [false, true, false, true]);
        assert_eq!(happened(&[30.5, f64::NAN]), [false; 4]);
    }

    #[test]
    fn a_restart_is_a_stop_of_tracking_a_boot_or_the_end_of_a_visit_while_waiting() {
        let mut signals = Signals::default();
        for (ts, state, transition) in
            [(1, "2", "3"), (2, "0", "4"), (3, "1", "14"), (4, "2", "14"), (5, "2", "2"), (6, "1", "null")]
        {
            let data =
                format!(r#"{{"ts":{ts},"curr_state":{state},"transition":{transition},"fmt_time":""}}"#);
            signals.add_transition(&data, 9.0);
        }
        signals.add_transition(r#"{"ts":7,"curr_state":"1","transition":"STOP_TRACKING"}"#, 9.0);
        assert_eq!(signals.restarts.iter().map(|moment| moment.ts).collect::<Vec<_>>(), [1.0, 2.0, 3.0]);
        assert_eq!(signals.stops, [Moment { ts: 5.0, write_ts: 9.0 }]);
    }
}
