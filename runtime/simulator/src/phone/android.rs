//! An Android phone: a fix about every 30 s from leaving the circle until it has stood still for five minutes.

use super::{FILTERED_ACCURACY_M_MAX, Notes, Watch, leaves_geofence_s};
use crate::entry::Body;
use crate::geometry::Spot;
use crate::motion::{Mode, Moment, Trip};

const WAITING: &str = "local.state.waiting_for_trip_start";
const ONGOING: &str = "local.state.ongoing_trip";
const TRACKING_STOPPED: &str = "local.state.tracking_stopped";

/// Numbers of the activity recogniser.
const IN_VEHICLE: u8 = 0;
const BICYCLING: u8 = 1;
const ON_FOOT: u8 = 2;
const STILL: u8 = 3;
const UNKNOWN: u8 = 4;
const TILTING: u8 = 5;
const WALKING: u8 = 7;

/// Time between two fixes, s: the requested time, and the usual delay. It is never less: nine fixes must span more than
/// 270 s, otherwise a dwell cannot be distinguished from a short halt.
const EVERY_S: f64 = 30.1;
const LATER_S: f64 = 0.9;
/// Time after the arrival at which the phone stops even if its fixes still wander, s.
const GIVE_UP_S: f64 = 900.0;

pub(super) fn watch(watch: &Watch<'_>, notes: &mut Notes<'_, '_>) {
    restarts(watch, notes);
    hourly_battery(watch, notes);
    let mut busy_until_s = 0.0;
    for (index, trip) in watch.trips.iter().enumerate() {
        let Some(left_s) = leaves_geofence_s(trip) else { continue };
        let next_s = watch.trips.get(index + 1).map_or(f64::INFINITY, Trip::start_s);
        let was_ongoing = trip.start_s() < busy_until_s;
        busy_until_s = follow(trip, left_s, next_s, was_ongoing, notes);
    }
}

/// Records one trip; returns when the phone sleeps again.
fn follow(trip: &Trip, left_s: f64, next_s: f64, was_ongoing: bool, notes: &mut Notes<'_, '_>) -> f64 {
    let mut at_s = if was_ongoing { trip.start_s() } else { wake(trip, left_s, notes) };
    let end_s = next_s.min(trip.end_s() + GIVE_UP_S);
    let mut recent = Recent(Vec::new());
    let mut still = false;
    while at_s < end_s && !still {
        let moment = trip.at(at_s);
        if !moment.in_tunnel {
            let lag_s = lag_s(notes);
            let fix = notes.read(at_s, &moment);
            notes.fix(at_s, &fix, lag_s, true);
            still = fix.accuracy_m < FILTERED_ACCURACY_M_MAX && recent.stand_still_with(at_s, fix.spot);
        }
        activities(at_s, &moment, notes);
        at_s += EVERY_S + notes.random.within(0.0, LATER_S);
    }
    if at_s < next_s {
        // The stop is noticed while its last fix is handled, not half a minute later.
        fall_asleep(at_s - EVERY_S + 2.0, notes);
    }
    at_s
}

fn fall_asleep(at_s: f64, notes: &mut Notes<'_, '_>) {
    notes.transition(at_s, ONGOING, "local.transition.stopped_moving");
    notes.battery(at_s + 0.04);
    let took_ms = 400 + notes.random.below(2600) as i64;
    let synced_s = at_s + 4.0;
    let at_ms = notes.moment_ms(synced_s);
    notes.note(synced_s, 0.01, Body::SyncTime { took_ms, at_ms });
}

/// The fixes of the last five minutes, from which the phone detects that it has come to rest.
struct Recent(Vec<(f64, Spot)>);

impl Recent {
    /// Adds a fix. True once fixes of nearly five minutes, seven at least, lie within 100 m of it.
    fn stand_still_with(&mut self, at_s: f64, spot: Spot) -> bool {
        self.0.retain(|(earlier_s, _)| at_s - earlier_s < 300.0);
        let reach_back = self.0.first().is_some_and(|(earlier_s, _)| at_s - earlier_s > 270.0);
        let near = self.0.iter().all(|(_, earlier)| earlier.distance_m(spot) < 100.0);
        let still = reach_back && near && self.0.len() >= 7;
        self.0.push((at_s, spot));
        still
    }
}

/// The phone leaves the circle: an unfiltered fix, then the transition; the first fix of the trip follows.
fn wake(trip: &Trip, left_s: f64, notes: &mut Notes<'_, '_>) -> f64 {
    let woke_s = left_s + notes.random.within(3.0, 20.0);
    let first = notes.read(woke_s - 2.0, &trip.at(woke_s - 2.0));
    notes.fix(woke_s - 2.0, &first, 0.3, false);
    notes.transition(woke_s, WAITING, "local.transition.exited_geofence");
    notes.battery(woke_s + 0.03);
    woke_s + 1.2
}

/// Nearly always a fraction of a second; sometimes the phone was busy.
fn lag_s(notes: &mut Notes<'_, '_>) -> f64 {
    if notes.random.chance(0.06) { notes.random.within(3.0, 18.0) } else { notes.random.within(0.06, 0.4) }
}

/// The recogniser reports at two of three fixes, is mostly right, and is sure most of the time.
fn activities(at_s: f64, moment: &Moment, notes: &mut Notes<'_, '_>) {
    if !notes.random.chance(0.66) {
        return;
    }
    let moving = moment.mode.filter(|_| moment.speed > 0.3);
    let (mut kind, mut confidence) = match moving {
        Some(Mode::Walk) if notes.random.chance(0.4) => (ON_FOOT, notes.random.below(36) + 65),
        Some(Mode::Walk) => (WALKING, notes.random.below(36) + 65),
        Some(Mode::Bicycle) => (BICYCLING, notes.random.below(31) + 70),
        Some(Mode::Bus | Mode::Car | Mode::Train) => (IN_VEHICLE, notes.random.below(31) + 70),
        None => (STILL, 100),
    };
    if notes.random.chance(0.08) {
        (kind, confidence) =
            if notes.random.chance(0.5) { (TILTING, 100) } else { (UNKNOWN, 30 + notes.random.below(20)) };
    }
    let heard_s = at_s + notes.random.within(2.0, 20.0);
    let at_ms = notes.moment_ms(heard_s);
    notes.note(heard_s, 0.0, Body::AndroidMotion { kind, confidence: confidence as u8, at_ms });
}

fn hourly_battery(watch: &Watch<'_>, notes: &mut Notes<'_, '_>) {
    let mut at_s = notes.random.within(0.0, 3600.0);
    while at_s < watch.day_end_s {
        if !watch.trips.iter().any(|trip| at_s > trip.start_s() - 60.0 && at_s < trip.end_s() + 480.0) {
            notes.battery(at_s);
        }
        at_s += notes.random.within(3500.0, 3700.0);
    }
    notes.rewind();
}

/// After each time off, the phone boots and, at a place, waits for a trip again.
fn restarts(watch: &Watch<'_>, notes: &mut Notes<'_, '_>) {
    for span in &watch.faults.off {
        let booted_s = span.to_s + notes.random.within(20.0, 60.0);
        if booted_s < watch.day_end_s {
            notes.transition(booted_s, TRACKING_STOPPED, "booted");
            notes.transition(booted_s + 21.0, TRACKING_STOPPED, "local.transition.initialize");
        }
    }
    notes.rewind();
}
