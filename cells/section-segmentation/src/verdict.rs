//! The decision about a streak of flickering changes.

use cells_sdk::model::background::MotionType;

use crate::motion::{Change, is_motorised, is_walking};
use crate::plausible::{is_plausible, is_walking_speed};
use crate::streaks::Streak;
use crate::track::Track;

/// The decision about a streak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It stays unchanged.
    Leave,
    /// The change before it is extended to its end.
    Forward,
    /// The change after it begins with it.
    Backward,
    /// The change after it begins with it, and gets its kind.
    BackwardKeepingKind,
    /// It becomes a separate change: a ride on a bicycle.
    NewRide,
}

/// A streak of this reach, of five changes or more, is a ride on a bicycle, which phones sense as any kind.
const NEW_RIDE_REACH_MIN: usize = 4;
/// A change sooner after a bicycle than this is still the same ride, s.
const SAME_RIDE_S: f64 = 60.0;
/// With more of the time on the bicycle than this share, the vehicle behind it was the bicycle.
const RIDE_SHARE_MIN: f64 = 0.75;

/// Decides about a streak.
pub fn verdict(changes: &[Change], streak: Streak, track: &Track<'_>) -> Verdict {
    if streak.first == 0 && streak.last + 1 == changes.len() {
        return Verdict::Leave;
    }
    if streak.is_single() {
        return verdict_on_single(changes, streak, track);
    }
    if streak.reach() >= NEW_RIDE_REACH_MIN {
        return Verdict::NewRide;
    }
    let sound = (streak.first..=streak.last).all(|number| is_plausible(&changes[number], track));
    if sound { Verdict::Leave } else { direction(changes, streak, track) }
}

fn verdict_on_single(changes: &[Change], streak: Streak, track: &Track<'_>) -> Verdict {
    let first = &changes[streak.first];
    if is_fast_ride(changes, streak) {
        return Verdict::BackwardKeepingKind;
    }
    // A short walk between other kinds is likely; a short anything else is not.
    if !is_walking(first.kind()) {
        let direction = direction(changes, streak, track);
        if direction != Verdict::Leave {
            return direction;
        }
    }
    if track.during(first).len() <= 1 { direction(changes, streak, track) } else { Verdict::Leave }
}

/// Whether a vehicle right behind a bicycle is the same bicycle, ridden fast.
fn is_fast_ride(changes: &[Change], streak: Streak) -> bool {
    let Some(after) = changes.get(streak.last + 1) else { return false };
    let (first, last) = (&changes[streak.first], &changes[streak.last]);
    let ride = last.start.index - first.start.index;
    let share = (last.start.ts - first.start.ts) / (after.seconds() + 1.0);
    first.kind() == MotionType::Bicycling
        && after.kind() == MotionType::InVehicle
        && ride <= 1
        && after.motions() <= 2
        && last.start.ts - first.end.ts < SAME_RIDE_S
        && (ride == 0 || share > RIDE_SHARE_MIN)
}

/// Which neighbour a streak belongs to.
fn direction(changes: &[Change], streak: Streak, track: &Track<'_>) -> Verdict {
    let (first, last) = (&changes[streak.first], &changes[streak.last]);
    let Some(before) = streak.first.checked_sub(1).map(|number| &changes[number]) else {
        return Verdict::Backward;
    };
    let Some(after) = changes.get(streak.last + 1) else { return Verdict::Forward };
    if is_motorised(before.kind()) && is_walking(first.kind()) && is_motorised(after.kind()) {
        return Verdict::Leave;
    }
    if before.kind() == after.kind() {
        return Verdict::Forward;
    }
    let (rows_before, rows_after) = (track.during(before), track.during(after));
    let own = track.between(first.start.ts, last.end.ts);
    let speed = if own.len() > 1 {
        track.median_speed(own)
    } else {
        speed_across(track, rows_before.clone().last(), rows_after.clone().next())
    };
    if is_walking(after.kind()) && !is_walking_speed(speed) {
        return Verdict::Forward;
    }
    if is_walking(before.kind()) && !is_walking_speed(speed) {
        return Verdict::Backward;
    }
    let from = |rows| (speed - track.median_speed(rows)).abs();
    if from(rows_before) < from(rows_after) { Verdict::Forward } else { Verdict::Backward }
}

/// The speed from the last point before to the first point behind, m/s; 0 where either is missing. Between two points
/// of one moment it is infinite, or NaN in one place.
fn speed_across(track: &Track<'_>, before: Option<usize>, after: Option<usize>) -> f64 {
    match (before, after) {
        (Some(before), Some(after)) => track.distance(before, after) / (track.ts(after) - track.ts(before)),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests;
