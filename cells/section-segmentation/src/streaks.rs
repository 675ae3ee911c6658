//! Which changes flicker, and which of these are consecutive.

use crate::motion::{Change, is_motorised, is_walking};
use crate::plausible::{MOTORISED_S_MIN, is_plausible};
use crate::track::Track;

/// A larger share of the trip is no flicker, %.
const SHARE_MAX: f64 = 25.0;

/// Changes in a row, by the numbers of first and last. The last may lie before the first: then it is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streak {
    /// Its first change.
    pub first: usize,
    /// Its last change.
    pub last: usize,
}

impl Streak {
    /// How far the last is from the first.
    pub fn reach(self) -> usize {
        self.last.saturating_sub(self.first)
    }

    /// Whether it has one change or two, which the reference calls single both.
    pub fn is_single(self) -> bool {
        self.last == self.first || self.last == self.first + 1
    }
}

/// The streaks of flickering changes.
pub fn flickering(changes: &[Change], track: &Track<'_>) -> Vec<Streak> {
    let (Some(first), Some(last)) = (changes.first(), changes.last()) else { return Vec::new() };
    let whole_s = last.end.ts - first.start.ts;
    let flickers: Vec<bool> = changes
        .iter()
        .enumerate()
        .map(|(number, change)| {
            let share = change.seconds() * 100.0 / whole_s;
            !lasts(change, share, number == 0) && flickers(change, track)
        })
        .collect();
    streaks(&flickers)
}

/// Whether its share of the trip is too large for a flicker: over a quarter, except short rides.
///
/// Quirk: a short ride that begins the trip lasts all the same, since the reference compares a number with a
/// name there.
fn lasts(change: &Change, share: f64, is_first: bool) -> bool {
    let short_ride = !is_first && is_motorised(change.kind()) && change.seconds() < MOTORISED_S_MIN;
    // The share of a trip without duration is NaN, and over nothing.
    share > SHARE_MAX && !short_ride
}

/// Whether there is little evidence for it: few motions, implausible for its kind, or no point at all.
fn flickers(change: &Change, track: &Track<'_>) -> bool {
    let motions_min = if is_walking(change.kind()) { 2 } else { 3 };
    change.motions() < motions_min || !is_plausible(change, track) || track.during(change).is_empty()
}

/// Runs of `true`.
///
/// Quirk, in the reference's bookkeeping of a run that reaches the end: of one or two changes in all only the
/// last is taken; otherwise the run is taken without its last change, and is empty where that was all of it.
fn streaks(flickers: &[bool]) -> Vec<Streak> {
    let mut streaks = Vec::new();
    let mut first = 0;
    for (number, flickers) in flickers.iter().enumerate() {
        if !flickers {
            if number != first {
                streaks.push(Streak { first, last: number - 1 });
            }
            first = number + 1;
        }
    }
    let count = flickers.len();
    match flickers.last() {
        Some(true) if count <= 2 => streaks.push(Streak { first: count - 1, last: count - 1 }),
        Some(true) => streaks.push(Streak { first, last: count - 2 }),
        _ => {}
    }
    streaks
}

#[cfg(test)]
mod tests {
    use cells_sdk::model::background::MotionType::{self, InVehicle, Walking};

    use super::*;
    use crate::travels::{Travel, side_by_side};

    fn of(flickers: &[u8]) -> Vec<(usize, usize)> {
        let flickers: Vec<bool> = flickers.iter().map(|one| *one == 1).collect();
        streaks(&flickers).into_iter().map(|streak| (streak.first, streak.last)).collect()
    }

    #[test]
    fn runs_of_flickers_between_others_are_streaks() {
        assert_eq!(of(&[0, 0, 0, 1, 1, 0, 0, 0]), [(3, 4)]);
        assert_eq!(of(&[1, 0, 1, 0]), [(0, 0), (2, 2)]);
        assert_eq!(of(&[0, 0]), []);
        assert_eq!(of(&[0]), []);
        assert_eq!(of(&[]), []);
    }

    // Row: "Flickers at the end"
    #[test]
    fn a_run_that_reaches_the_end_lacks_its_last_change() {
        assert_eq!(of(&[0, 1, 1, 1]), [(1, 2)]);
        assert_eq!(of(&[1, 1, 1]), [(0, 1)]);
        let empty = of(&[0, 0, 1])[0];
        assert_eq!(empty, (2, 1));
        assert!(!Streak { first: 2, last: 1 }.is_single());
    }

    // Row: "Flickers at the end"
    #[test]
    fn a_short_ride_of_over_a_quarter_of_the_trip_lasts_only_where_it_is_the_first() {
        let travel = Travel::new().goes(300.0, 1.2);
        let flickering = |parts: &[(MotionType, f64, i64)]| {
            let streaks = flickering(&side_by_side(parts), &travel.track());
            streaks.into_iter().map(|streak| (streak.first, streak.last)).collect::<Vec<_>>()
        };
        assert_eq!(flickering(&[(InVehicle, 100.0, 9), (Walking, 300.0, 9)]), []);
        assert_eq!(flickering(&[(Walking, 200.0, 9), (InVehicle, 300.0, 9)]), [(1, 1)]);
    }

    #[test]
    fn among_one_or_two_changes_only_the_last_is_a_streak() {
        assert_eq!(of(&[1]), [(0, 0)]);
        assert_eq!(of(&[0, 1]), [(1, 1)]);
        assert_eq!(of(&[1, 1]), [(1, 1)]);
        assert_eq!(of(&[1, 0]), [(0, 0)]);
    }
}
