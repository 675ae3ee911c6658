//! Which points have times that fit the order in which they were written.

use std::collections::HashSet;

use cells_locations::{Locations, for_each_entry, read, without_exact_duplicates};
use cells_sdk::model::EntryId;
use cells_sdk::model::rows::{Row, Rows};
use cells_sdk::{Query, ReadEntries, WriteEntries};

use crate::SegmentError;
use crate::points::has_place;

/// So many points must be spared for another rule than the reference's.
const SPARED_MIN: usize = 3;
/// How many bytes of points one call shows again.
const ROWS_BYTES_MAX: usize = 4 << 20;

/// What can stay of points in the order of writing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InOrder {
    /// For each point.
    pub stays: Vec<bool>,
    /// How many stay that the reference's rule would have condemned.
    pub spared: usize,
}

/// Splits times, s, in the order of writing.
///
/// The reference's rule: a point is out of order where an earlier-written one has a later time. So one point that is
/// ahead condemns all behind it up to its time. Where another choice spares at least [`SPARED_MIN`] points, as many
/// stay as can: the longest part that rises. Of several such parts it is the one that has most in common with the
/// reference's choice.
pub fn in_order(ts: &[f64]) -> InOrder {
    let mut latest = f64::NEG_INFINITY;
    let by_reference: Vec<bool> = ts
        .iter()
        .map(|ts| {
            let stays = *ts >= latest;
            latest = if stays { *ts } else { latest };
            stays
        })
        .collect();
    let count = |stays: &[bool]| stays.iter().filter(|stays| **stays).count();
    let stay_by_reference = count(&by_reference);
    if ts.len() - stay_by_reference <= SPARED_MIN {
        return InOrder { stays: by_reference, spared: 0 };
    }
    let most = most_that_rise(ts, &by_reference);
    match count(&most) - stay_by_reference {
        SPARED_MIN.. => InOrder {
            spared: most.iter().zip(&by_reference).filter(|(a, b)| **a && !**b).count(),
            stays: most,
        },
        _ => InOrder { stays: by_reference, spared: 0 },
    }
}

/// The longest part of `ts` that does not fall, with as many of the preferred ones as such a part can have.
fn most_that_rise(ts: &[f64], preferred: &[bool]) -> Vec<bool> {
    let mut ranks = ts.to_vec();
    ranks.sort_unstable_by(f64::total_cmp);
    ranks.dedup();
    let mut best = Best::new(ranks.len());
    let mut before = vec![None; ts.len()];
    for (at, time) in ts.iter().enumerate() {
        let rank = ranks.partition_point(|rank| rank < time);
        let (weight, last) = best.up_to(rank);
        before[at] = last;
        // A point counts more than all preferences together.
        best.offer(rank, weight + (ts.len() as u64 + 1) + u64::from(preferred[at]), at);
    }
    let mut stays = vec![false; ts.len()];
    let (_, mut last) = best.up_to(ranks.len().saturating_sub(1));
    while let Some(at) = last {
        stays[at] = true;
        last = before[at];
    }
    stays
}

/// The heaviest part that ends at each rank or below, in a tree of sums.
struct Best(Vec<(u64, Option<usize>)>);

impl Best {
    fn new(ranks: usize) -> Self {
        Self(vec![(0, None); ranks + 1])
    }

    fn up_to(&self, rank: usize) -> (u64, Option<usize>) {
        let (mut node, mut best) = (rank + 1, (0, None));
        while node > 0 {
            if self.0[node].0 > best.0 {
                best = self.0[node];
            }
            node &= node - 1;
        }
        best
    }

    fn offer(&mut self, rank: usize, weight: u64, at: usize) {
        let mut node = rank + 1;
        while node < self.0.len() {
            if weight > self.0[node].0 {
                self.0[node] = (weight, Some(at));
            }
            node += node & node.wrapping_neg();
        }
    }
}

/// The locations of a window, and those that an earlier run has condemned because of one that was ahead: with what has
/// come since they are seen to be in order. They are shown again.
pub(crate) fn reconsidered<R: ReadEntries + WriteEntries>(
    runtime: &mut R,
    written: &Query,
    visible: Locations,
) -> Result<Locations, SegmentError> {
    let with_hidden = Query { with_invalid: true, ..written.clone() };
    if runtime.count(&with_hidden)? == runtime.count(written)? {
        return Ok(visible);
    }
    let all = read(runtime, &with_hidden)?;
    let mut all = without_exact_duplicates(runtime, &with_hidden, all)?;
    all.retain_by(has_place);
    let InOrder { stays, spared } = in_order(&all.columns().ts);
    if spared == 0 {
        return Ok(visible);
    }
    let known: HashSet<EntryId> = visible.columns().ids.iter().copied().collect();
    let ids = all.columns().ids.iter().zip(&stays);
    let again: HashSet<EntryId> =
        ids.filter(|(id, stays)| **stays && !known.contains(id)).map(|(id, _)| *id).collect();
    show_again(runtime, &with_hidden, &again)?;
    all.retain_by(|locations, row| {
        let id = locations.columns().ids[row];
        known.contains(&id) || again.contains(&id)
    });
    Ok(all)
}

fn show_again<R: ReadEntries + WriteEntries>(
    runtime: &mut R,
    with_hidden: &Query,
    again: &HashSet<EntryId>,
) -> Result<(), SegmentError> {
    if again.is_empty() {
        return Ok(());
    }
    let mut rows = Rows::new();
    for_each_entry(runtime, with_hidden, |runtime, entry| {
        if again.contains(&entry.id) {
            let (key, metadata, data) = (entry.key, entry.metadata, entry.data);
            rows.push(Row { id: entry.id, key, metadata, data, extra: "" });
        }
        if rows.as_bytes().len() > ROWS_BYTES_MAX {
            runtime.replace(&rows)?;
            rows.clear();
        }
        Ok::<(), SegmentError>(())
    })?;
    Ok(runtime.replace(&rows)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn condemned(ts: &[f64]) -> (Vec<usize>, usize) {
        let InOrder { stays, spared } = in_order(ts);
        ((0..ts.len()).filter(|at| !stays[*at]).collect(), spared)
    }

    #[test]
    fn one_point_ahead_does_not_condemn_those_behind_it() {
        let mut ts: Vec<f64> = (0..100).map(|at| f64::from(at) * 30.0).collect();
        ts[40] += 600.0;
        assert_eq!(condemned(&ts), (vec![40], 19));
        ts[70] += 3_600.0;
        assert_eq!(condemned(&ts), (vec![40, 70], 48));
        ts[0] += 1e6;
        assert_eq!(condemned(&ts), (vec![0, 40, 70], 97));
    }

    #[test]
    fn a_few_points_out_of_order_are_those_that_the_reference_finds() {
        assert_eq!(condemned(&[0.0, 30.0, 100.0, 60.0, 90.0, 120.0]), (vec![3, 4], 0));
        // Ahead of three, which is no more than two are spared.
        assert_eq!(condemned(&[0.0, 200.0, 30.0, 60.0, 90.0, 300.0]), (vec![2, 3, 4], 0));
        assert_eq!(condemned(&[0.0, 200.0, 30.0, 60.0, 90.0, 120.0, 300.0]), (vec![1], 4));
        // A batch that came late lies behind what it came with.
        assert_eq!(condemned(&[100.0, 130.0, 160.0, 190.0, 0.0, 30.0, 60.0, 220.0]), (vec![4, 5, 6], 0));
    }

    #[test]
    fn elsewhere_the_choice_stays_the_references() {
        // 30 before 20: both choices spare as many, and the reference condemns the second.
        let mut ts = vec![0.0, 30.0, 20.0, 40.0];
        ts.extend([1_000.0, 50.0, 60.0, 70.0, 80.0, 90.0, 1_100.0]);
        assert_eq!(condemned(&ts), (vec![2, 4], 5));
    }

    proptest! {
        #[test]
        fn as_many_stay_as_can_or_those_of_the_reference(ts in prop::collection::vec(0..12_u8, 0..12)) {
            let ts: Vec<f64> = ts.into_iter().map(f64::from).collect();
            let InOrder { stays, spared } = in_order(&ts);
            let kept: Vec<f64> = ts.iter().zip(&stays).filter(|(_, stays)| **stays).map(|(ts, _)| *ts).collect();
            prop_assert!(kept.is_sorted());
            let longest = (0..1_u32 << ts.len())
                .filter(|some| {
                    let chosen = (0..ts.len()).filter(|at| some >> at & 1 == 1).map(|at| ts[at]);
                    chosen.is_sorted()
                })
                .map(u32::count_ones)
                .max();
            let mut by_reference: Vec<f64> = Vec::new();
            for ts in &ts {
                if by_reference.last().is_none_or(|last| last <= ts) {
                    by_reference.push(*ts);
                }
            }
            let gain = longest.unwrap_or(0) as usize - by_reference.len();
            if gain >= SPARED_MIN {
                prop_assert_eq!(kept.len(), longest.unwrap_or(0) as usize);
                prop_assert!(spared >= SPARED_MIN);
            } else {
                prop_assert_eq!((kept, spared), (by_reference, 0));
            }
        }
    }
}
