//! An iPhone: a fix after every 50 m; an hourly silent push wakes it and detects that a trip has ended, unless a visit
//! has begun before.

use super::{Notes, Watch, leaves_geofence_s};
use crate::entry::Body;
use crate::motion::{Mode, Moment, Trip};
use crate::receiver::Fix;

const WAITING: &str = "STATE_WAITING_FOR_TRIP_START";
const ONGOING: &str = "STATE_ONGOING_TRIP";

/// Distance between two fixes, m.
const FILTER_M: f64 = 50.0;
/// Accuracies that an iPhone reports, m; it has no finer steps.
const ACCURACIES_M: [f64; 5] = [5.0, 10.0, 30.0, 65.0, 165.0];

pub(super) fn watch(watch: &Watch<'_>, notes: &mut Notes<'_, '_>) {
    silent_pushes(watch, notes);
    let mut busy_until_s = 0.0;
    for (index, trip) in watch.trips.iter().enumerate() {
        let Some(left_s) = leaves_geofence_s(trip) else { continue };
        let next_s = watch.trips.get(index + 1).map_or(f64::INFINITY, Trip::start_s);
        let mut at_s = if trip.start_s() < busy_until_s { trip.start_s() } else { wake(left_s, notes) };
        activities(trip, at_s, notes);
        at_s = fixes(trip, at_s, next_s, notes);
        busy_until_s = sleep(trip, next_s, notes).unwrap_or(at_s.max(next_s + 1.0));
    }
}

/// The phone leaves the circle; the state machine restarts its trip at once, as it does on real phones.
fn wake(left_s: f64, notes: &mut Notes<'_, '_>) -> f64 {
    let woke_s = left_s + notes.random.within(2.0, 9.0);
    notes.transition(woke_s, WAITING, "T_EXITED_GEOFENCE");
    notes.transition(woke_s + 0.4, WAITING, "T_TRIP_STARTED");
    notes.transition(woke_s + 0.5, ONGOING, "T_TRIP_STARTED");
    notes.transition(woke_s + 0.9, ONGOING, "T_TRIP_RESTARTED");
    if notes.random.chance(0.5) {
        let visit_ended_s = woke_s + notes.random.within(90.0, 150.0);
        notes.transition(visit_ended_s, ONGOING, "T_VISIT_ENDED");
    }
    notes.battery(woke_s + 0.1);
    woke_s + 1.0
}

/// Reads every second, records a fix where the filter allows it; stops two minutes after the arrival.
fn fixes(trip: &Trip, from_s: f64, next_s: f64, notes: &mut Notes<'_, '_>) -> f64 {
    let mut last = None;
    let mut at_s = from_s;
    let end_s = (trip.end_s() + 120.0).min(next_s);
    while at_s < end_s {
        let moment = trip.at(at_s);
        if !moment.in_tunnel {
            let fix = tidy(notes.read(at_s, &moment), &moment);
            if last.is_none_or(|last| fix.spot.distance_m(last) >= FILTER_M) {
                last = Some(fix.spot);
                let lag_s = notes.random.within(0.08, 0.2);
                notes.fix(at_s, &fix, lag_s, true);
            }
        }
        at_s += 1.0;
    }
    at_s
}

/// Rounds as an iPhone does: steps of accuracy, -1 where it does not know its direction or its speed.
fn tidy(mut fix: Fix, moment: &Moment) -> Fix {
    let step = ACCURACIES_M.iter().find(|&&step| fix.accuracy_m <= step + 4.0);
    fix.accuracy_m = step.copied().unwrap_or(fix.accuracy_m.round());
    if moment.speed < 0.3 {
        fix.speed = -1.0;
        fix.bearing_deg = -1.0;
    }
    fix
}

/// The end of the trip is noticed 11 to 16 minutes after the arrival, if the person has not left by then.
fn sleep(trip: &Trip, next_s: f64, notes: &mut Notes<'_, '_>) -> Option<f64> {
    let visit_s = trip.end_s() + notes.random.within(300.0, 480.0);
    let noticed_s = trip.end_s() + notes.random.within(660.0, 960.0);
    if noticed_s + 5.0 >= next_s {
        return None;
    }
    notes.transition(visit_s, ONGOING, "T_VISIT_STARTED");
    notes.transition(noticed_s, ONGOING, "T_RECEIVED_SILENT_PUSH");
    notes.transition(noticed_s + 0.2, ONGOING, "T_TRIP_END_DETECTED");
    notes.transition(noticed_s + 1.7, ONGOING, "T_END_TRIP_TRACKING");
    notes.transition(noticed_s + 1.9, ONGOING, "T_TRIP_ENDED");
    notes.transition(noticed_s + 2.0, WAITING, "T_TRIP_ENDED");
    notes.battery(noticed_s + 1.0);
    let took_ms = 400 + notes.random.below(2600) as i64;
    let synced_s = noticed_s + 6.0;
    let at_ms = notes.moment_ms(synced_s);
    notes.note(synced_s, 0.01, Body::SyncTime { took_ms, at_ms });
    Some(noticed_s + 7.0)
}

/// One activity about every two minutes: one flag, sometimes none, and both for a halt in a vehicle.
fn activities(trip: &Trip, from_s: f64, notes: &mut Notes<'_, '_>) {
    let mut at_s = from_s + 5.0;
    while at_s < trip.end_s() + 90.0 {
        let moment = trip.at(at_s);
        let halted = moment.speed < 0.3;
        let flag = match moment.mode {
            Some(Mode::Walk) if !halted => Some("walking"),
            Some(Mode::Bicycle) if !halted => Some("cycling"),
            Some(Mode::Bus | Mode::Car | Mode::Train) => Some("automotive"),
            _ => Some("stationary"),
        };
        let flag = flag.filter(|_| !notes.random.chance(0.04));
        let also_still = halted && flag == Some("automotive");
        let confidence = ["high", "high", "high", "medium", "low"][notes.random.below(5)];
        let at_ms = notes.moment_ms(at_s);
        notes.note(at_s, 0.0, Body::IosMotion { flag, also_still, confidence, at_ms });
        at_s += notes.random.within(60.0, 180.0);
    }
}

/// In most hours a push wakes the sleeping phone, which has nothing to do.
fn silent_pushes(watch: &Watch<'_>, notes: &mut Notes<'_, '_>) {
    let mut at_s = 600.0;
    while at_s + 60.0 < watch.day_end_s {
        let awake = |trip: &Trip| at_s > trip.start_s() - 60.0 && at_s < trip.end_s() + 1020.0;
        if notes.random.chance(0.7) && !watch.trips.iter().any(awake) {
            notes.transition(at_s, WAITING, "T_RECEIVED_SILENT_PUSH");
            notes.transition(at_s + 0.5, WAITING, "T_NOP");
            notes.battery(at_s + 0.2);
        }
        at_s += 3600.0 + notes.random.within(-8.0, 8.0);
    }
    notes.rewind();
}
