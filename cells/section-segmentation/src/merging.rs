//! Merges streaks into their neighbours.
//!
//! Quirk: in the reference neighbours share the motion object between them, so a kind that is set on the start of one
//! is set on the end of the other, and merged changes are one object under several numbers. Motions and pairs are kept
//! in tables here, and referenced by their numbers, which has the same effect.

use cells_sdk::model::background::MotionType;

use crate::motion::{Change, Motion};
use crate::streaks::Streak;
use crate::verdict::Verdict;

/// A change, by the numbers of its motions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// Its first motion.
    pub start: usize,
    /// Its last motion.
    pub end: usize,
}

impl Pair {
    /// The change itself.
    pub fn of(self, motions: &[Motion]) -> Change {
        Change { start: motions[self.start], end: motions[self.end] }
    }
}

/// What is to be merged, each list in the order of the trip.
#[derive(Debug, Default)]
pub struct Plan {
    forward: Vec<Streak>,
    /// With whether the streak's kind is kept.
    backward: Vec<(Streak, bool)>,
    new_rides: Vec<Streak>,
}

impl Plan {
    /// Adds the verdict on a streak.
    pub fn add(&mut self, streak: Streak, verdict: Verdict) {
        match verdict {
            Verdict::Leave => {}
            Verdict::Forward => self.forward.push(streak),
            Verdict::Backward => self.backward.push((streak, false)),
            Verdict::BackwardKeepingKind => self.backward.push((streak, true)),
            Verdict::NewRide => self.new_rides.push(streak),
        }
    }
}

/// Carries out a plan: first all forward merges, then all backward ones, then the new rides.
pub fn merged(mut motions: Vec<Motion>, mut pairs: Vec<Pair>, plan: &Plan) -> Vec<Change> {
    // By its first number, which pair a change has become part of.
    let mut part_of: Vec<usize> = (0..pairs.len()).collect();
    for streak in &plan.forward {
        let before = part_of[streak.first - 1];
        pairs[before].end = pairs[part_of[streak.last]].end;
        part_of[streak.first..=streak.last].fill(before);
    }
    for (streak, keeps_kind) in &plan.backward {
        let after = part_of[streak.last + 1];
        let start = pairs[part_of[streak.first]].start;
        if !keeps_kind {
            motions[start].kind = motions[pairs[after].start].kind;
        }
        pairs[after].start = start;
        part_of[streak.first..=streak.last].fill(after);
    }
    for streak in &plan.new_rides {
        let start = pairs[part_of[streak.first]].start;
        pairs.push(Pair { start, end: pairs[part_of[streak.last]].end });
        motions[start].kind = MotionType::Bicycling;
        part_of[streak.first..=streak.last].fill(pairs.len() - 1);
    }
    // What was merged lies side by side.
    part_of.dedup();
    part_of.into_iter().map(|part| pairs[part].of(&motions)).collect()
}

/// Neighbours of one kind become one.
pub fn joined(changes: &[Change]) -> Vec<Change> {
    let mut joined: Vec<Change> = Vec::new();
    for change in changes {
        match joined.last_mut() {
            Some(last) if last.kind() == change.kind() => last.end = change.end,
            _ => joined.push(*change),
        }
    }
    joined
}
