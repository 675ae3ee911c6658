//! `SmoothZigzag`: a track that jumps away and back is cut at its jumps, and every other piece is bad.
//!
//! The shortest piece that leads somewhere is assumed to be good, and from it pieces alternate in both directions. A
//! bad piece must be a cluster (its ends less than 100 m apart): a person whose fixes jump to a wrong place seems to
//! stay there. Where a piece that should be bad leads somewhere, its part up to the first long step is the bad one and
//! the rest is good.
//!
//! Quirk: where the pieces do not fit that pattern the reference fails on its own assumptions and leaves the section
//! without a smoothing; [`Misfit`] names each case.

use std::ops::Range;

use crate::points::{Points, Steps};

/// Pieces with ends less far apart are clusters, and steps that are longer lead out of one, m.
const CLUSTER_M: f64 = 100.0;

/// Why a section is left without a smoothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Misfit {
    /// Sampled by distance: no step over 100 m comes before a jump, so its beginning is unknown.
    #[error("a jump back has no jump before it")]
    NoJumpBefore,
    /// Sampled by distance: one jump begins where the one before ended, so that there is no point between them.
    #[error("two jumps have no point between them")]
    Touching,
    /// A piece that should be bad leads somewhere, but in small steps.
    #[error("a piece that should be a cluster moves on steadily")]
    Steady,
    /// The part of a piece that should be bad leads somewhere too.
    #[error("the part before a long step is not a cluster either")]
    NoCluster,
}

/// A piece of the track: a range of its points, at least one.
#[derive(Debug, Clone, PartialEq)]
struct Piece {
    points: Range<usize>,
    /// Straight from its first point to its last, m.
    distance: f64,
}

impl Piece {
    fn new(points: &Points, range: Range<usize>) -> Self {
        let distance = points.distance(range.start, range.end - 1);
        Self { points: range, distance }
    }

    fn is_cluster(&self) -> bool {
        self.distance < CLUSTER_M
    }
}

/// Which points to keep. A step faster than `fence`, m/s, is a jump.
pub fn zigzag(points: &Points, steps: &Steps, fence: f64, by_distance: bool) -> Result<Vec<bool>, Misfit> {
    let mut kept = vec![true; points.len()];
    let jumps = jumps(steps, fence, by_distance)?;
    if jumps.is_empty() {
        return Ok(kept);
    }
    let ends = jumps.iter().copied().chain([points.len()]);
    let pieces: Vec<Piece> = std::iter::once(0)
        .chain(jumps.iter().copied())
        .zip(ends)
        .map(|(start, end)| Piece::new(points, start..end))
        .collect();
    let good = good_piece(&pieces);
    for bad in bad_behind(points, steps, &pieces[good + 1..])?
        .into_iter()
        .chain(bad_before(points, &pieces[..good])?)
    {
        kept[bad].fill(false);
    }
    Ok(kept)
}

/// The points at which a new piece begins, rising, none of them the first.
fn jumps(steps: &Steps, fence: f64, by_distance: bool) -> Result<Vec<usize>, Misfit> {
    // Nothing leads to the first point.
    let fast = (1..steps.speed.len()).filter(|index| steps.speed[*index] > fence);
    if !by_distance {
        return Ok(fast.collect());
    }
    // On such a track a fast step is as a rule the jump back; the jump away ends a silence, and is assumed to be the
    // long step before.
    let mut jumps = Vec::new();
    for back in fast.filter(|index| steps.distance[*index] > CLUSTER_M) {
        let away =
            (0..back).rev().find(|index| steps.distance[*index] > CLUSTER_M).ok_or(Misfit::NoJumpBefore)?;
        jumps.extend([away, back]);
    }
    // An end that is a beginning too would make an empty piece.
    if jumps.windows(2).any(|pair| pair[0] == pair[1]) { Err(Misfit::Touching) } else { Ok(jumps) }
}

/// The piece that is certainly good: the shortest that leads somewhere. Where all are clusters, a neighbour of the
/// shortest, which is assumed to be the wrong place: the one before it, if there is one. Of equal ones the first
/// counts.
fn good_piece(pieces: &[Piece]) -> usize {
    let shortest = |counts: &dyn Fn(&Piece) -> bool| {
        let candidates = pieces.iter().enumerate().filter(|(_, piece)| counts(piece));
        candidates.min_by(|a, b| a.1.distance.total_cmp(&b.1.distance)).map(|(index, _)| index)
    };
    shortest(&|piece| !piece.is_cluster()).unwrap_or_else(|| match shortest(&|_| true) {
        None | Some(0) => 1,
        Some(index) => index - 1,
    })
}

/// The bad points behind the good piece; the piece next to it comes first.
fn bad_behind(points: &Points, steps: &Steps, pieces: &[Piece]) -> Result<Vec<Range<usize>>, Misfit> {
    let mut bad = Vec::new();
    let mut expect_bad = true;
    for piece in pieces {
        if !expect_bad {
            expect_bad = true;
        } else if piece.is_cluster() {
            bad.push(piece.points.clone());
            expect_bad = false;
        } else {
            let Range { start, end } = piece.points;
            let split =
                (start + 1..end).find(|index| steps.distance[*index] > CLUSTER_M).ok_or(Misfit::Steady)?;
            bad.push(cluster(points, start..split)?);
            // The rest of the piece is good, and the next is expected to be bad again.
        }
    }
    Ok(bad)
}

/// The bad points before the good piece; the piece next to it comes last.
fn bad_before(points: &Points, pieces: &[Piece]) -> Result<Vec<Range<usize>>, Misfit> {
    let mut bad = Vec::new();
    let mut expect_bad = true;
    for piece in pieces.iter().rev() {
        if !expect_bad {
            expect_bad = true;
        } else if piece.is_cluster() {
            bad.push(piece.points.clone());
            expect_bad = false;
        } else {
            let Range { start, end } = piece.points;
            let long = |index: &usize| points.distance(*index, *index - 1) > CLUSTER_M;
            let split = (start + 1..end).rev().find(long).ok_or(Misfit::Steady)?;
            bad.push(cluster(points, split..end)?);
        }
    }
    Ok(bad)
}

/// The range, if its ends are close together.
fn cluster(points: &Points, range: Range<usize>) -> Result<Range<usize>, Misfit> {
    let piece = Piece::new(points, range);
    if piece.is_cluster() { Ok(piece.points) } else { Err(Misfit::NoCluster) }
}

#[cfg(test)]
mod tests;
