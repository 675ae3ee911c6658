//! Which points of a section are removed, and by which rule.

use crate::boxplot::fence;
use crate::points::{Points, Steps};
use crate::posdap::{MACH_1, posdap};
use crate::zigzag::{Misfit, zigzag};

/// The rule that chose the points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// [`crate::zigzag`]
    Zigzag,
    /// [`crate::posdap`]
    Posdap,
}

impl Rule {
    /// The reference's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zigzag => "SmoothZigzag",
            Self::Posdap => "SmoothPosdap",
        }
    }
}

/// The result for a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Smoothed {
    /// The rule that chose the points.
    pub rule: Rule,
    /// Whether each point is kept.
    pub kept: Vec<bool>,
}

/// Smooths a section; `by_distance`: it was sampled by distance. The zigzag rule chooses; the other rule is tried only
/// where it leaves speeds at the speed of sound and above.
pub fn smooth(points: &Points, by_distance: bool) -> Result<Smoothed, Misfit> {
    let steps = Steps::over(points, |_| true);
    let kept = zigzag(points, &steps, fence(&steps.speed), by_distance)?;
    if kept.iter().all(|kept| *kept) || is_plausible(points, &kept) {
        return Ok(Smoothed { rule: Rule::Zigzag, kept });
    }
    let other = posdap(points, &steps);
    if is_plausible(points, &other) {
        return Ok(Smoothed { rule: Rule::Posdap, kept: other });
    }
    Ok(Smoothed { rule: Rule::Zigzag, kept })
}

/// Whether the remaining speeds have no outliers, or the outliers are at least below the speed of sound.
fn is_plausible(points: &Points, kept: &[bool]) -> bool {
    let speeds = Steps::over(points, |index| kept[index]).speed;
    let highest = speeds.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    highest <= fence(&speeds) || highest < MACH_1
}

#[cfg(test)]
mod tests {
    use cells_geometry::Position;
    use proptest::prelude::*;

    use super::*;
    use crate::fill::fill;
    use crate::lots::Lots;

    /// Points at those moments, so many metres north of the equator.
    fn track(points: &[(f64, f64)]) -> Points {
        let mut track = Points::default();
        for (row, (ts, metres)) in points.iter().enumerate() {
            let latitude = metres / cells_geometry::EARTH_RADIUS_M.to_radians();
            track.push(*ts, Position { latitude, longitude: 0.0 }, Some(row));
        }
        track
    }

    fn walk(count: usize) -> Vec<(f64, f64)> {
        (0..count).map(|step| (step as f64 * 30.0, step as f64 * 40.0)).collect()
    }

    fn thrown_out(smoothed: &Smoothed) -> Vec<usize> {
        (0..smoothed.kept.len()).filter(|index| !smoothed.kept[*index]).collect()
    }

    #[test]
    fn a_point_far_from_a_walk_is_thrown_out() {
        let mut points = walk(20);
        points[10].1 += 5000.0;
        let smoothed = smooth(&track(&points), false).expect("fits");
        assert_eq!((smoothed.rule.name(), thrown_out(&smoothed)), ("SmoothZigzag", vec![10]));
    }

    #[test]
    fn a_section_without_points_or_with_one_keeps_what_it_has() {
        for points in [&[][..], &[(0.0, 0.0)]] {
            let smoothed = smooth(&track(points), true).expect("fits");
            assert_eq!(smoothed, Smoothed { rule: Rule::Zigzag, kept: vec![true; points.len()] });
        }
    }

    #[test]
    fn if_alternating_leaves_supersonic_speeds_the_other_rule_may_do_better() {
        // A short way off and then far away: alternating takes the far place for good.
        let mut points = walk(40);
        for (index, point) in points.iter_mut().enumerate().skip(20) {
            *point = (600.0 + (index - 20) as f64, if index < 22 { 2_000.0 } else { 400_000.0 });
        }
        let smoothed = smooth(&track(&points), false).expect("fits");
        assert_eq!((smoothed.rule.name(), thrown_out(&smoothed)), ("SmoothPosdap", (22..40).collect()));
    }

    proptest! {
        #[test]
        fn smoothing_never_panics_whatever_the_track(
            points in prop::collection::vec((any::<f64>(), any::<f64>(), any::<f64>()), 0..30),
            by_distance in any::<bool>(),
        ) {
            let mut track = Points::default();
            for (row, (ts, latitude, longitude)) in points.iter().enumerate() {
                track.push(*ts, Position { latitude: *latitude, longitude: *longitude }, Some(row));
            }
            if let Ok(smoothed) = smooth(&track, by_distance) {
                prop_assert_eq!(smoothed.kept.len(), points.len());
            }
        }

        #[test]
        fn filling_keeps_every_point_and_counts_its_random_numbers(
            steps in prop::collection::vec((0.0..400.0, 0.0..300.0), 0..40),
        ) {
            let mut lots = Lots::behind(7);
            let mut at = (0.0, 0.0);
            let points: Vec<(f64, f64)> = steps.iter().map(|step| {
                at = (at.0 + step.0, at.1 + step.1);
                at
            }).collect();
            let filled = fill(track(&points), &mut lots);
            let made_up = filled.rows.iter().filter(|row| row.is_none()).count() as u64;
            prop_assert_eq!(lots.drawn(), 7 + 2 * made_up);
            prop_assert_eq!(filled.len() as u64 - made_up, points.len() as u64);
            prop_assert!(filled.ts.is_sorted());
        }
    }
}
