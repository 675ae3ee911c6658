//! Changes of motion within a trip, before and after flickering ones are merged.

use cells_sdk::model::background::MotionType;

use crate::merging::{Pair, Plan, joined, merged};
use crate::motion::{Change, Motion, Sensed, is_motorised, is_travel, is_walking};
use crate::streaks::flickering;
use crate::track::Track;
use crate::verdict::verdict;

/// The changes from which sections are made: those of which the phone is sure enough, without flickering ones.
pub fn changes(sensed: &[Sensed], confidence_min: f64, track: &Track<'_>) -> Vec<Change> {
    let (motions, pairs) = cut(sensed, confidence_min);
    let changes: Vec<Change> = pairs.iter().map(|pair| pair.of(&motions)).collect();
    if changes.is_empty() {
        return changes;
    }
    let mut plan = Plan::default();
    for streak in flickering(&changes, track) {
        plan.add(streak, verdict(&changes, streak, track));
    }
    joined(&merged(motions, pairs, &plan))
}

/// Cuts where the kind of motion changes. Neighbours share the motion between them: a change to the end of one changes
/// the start of the next, and the merging relies on it.
fn cut(sensed: &[Sensed], confidence_min: f64) -> (Vec<Motion>, Vec<Pair>) {
    let mut motions: Vec<Motion> = Vec::with_capacity(sensed.len() + 8);
    let counts = sensed.iter().filter(|one| one.confidence > confidence_min && is_travel(one.kind));
    motions.extend(counts.zip(0..).map(|(one, index)| Motion {
        ts: one.ts,
        kind: without_running(one.kind),
        index,
    }));
    let Some(first) = motions.first().copied() else { return (motions, Vec::new()) };
    let count = motions.len();
    let mut pairs = Vec::new();
    motions.push(first);
    let mut start = count;
    for current in 0..count {
        // Quirk: of motions at the moment of the start the last one gives its number, as the reference looks for the
        // start by its time.
        if motions[current].ts == motions[start].ts {
            motions[start].index = motions[current].index;
        }
        if motions[current].kind != motions[start].kind {
            let end = if ends_at_last_motion(motions[current - 1].kind, motions[current].kind) {
                motions.push(Motion { kind: motions[current].kind, ..motions[current - 1] });
                motions.len() - 1
            } else {
                current
            };
            pairs.push(Pair { start, end });
            start = end;
        }
    }
    pairs.push(Pair { start, end: count - 1 });
    (motions, pairs)
}

/// Phones take a while to notice a faster kind: it began when the slower one was last seen.
fn ends_at_last_motion(before: MotionType, after: MotionType) -> bool {
    (!is_motorised(before) && is_motorised(after)) || (is_walking(before) && after == MotionType::Bicycling)
}

/// Running is treated as walking, so that one does not cut the other. (Walking and being on foot do cut each other.)
fn without_running(kind: MotionType) -> MotionType {
    if kind == MotionType::Running { MotionType::Walking } else { kind }
}

#[cfg(test)]
mod tests;
