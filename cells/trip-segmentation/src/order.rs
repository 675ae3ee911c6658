//! Which points have times that agree with the order in which they were written.

/// Another rule than the reference's is used only if it spares this many points.
const SPARED_MIN: usize = 3;
/// A point this much further ahead of its writing than the others is suspect, s.
const LEAD_S: f64 = 10.0;

/// Which points, in the order of writing, can be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InOrder {
    /// For each point.
    pub stays: Vec<bool>,
    /// How many are kept that the reference's rule would have marked invalid.
    pub spared: usize,
}

/// Splits points in the order of writing by their times and moments of writing, s; both are finite.
///
/// The reference's rule: a point is out of order where an earlier-written one has a later time. So one point that is
/// ahead of its time condemns all that follow. Points that are ahead of their own writing, unlike most, are left out
/// first if at least `SPARED_MIN` more points can be kept that way. A batch that was written late is not ahead of its
/// writing: points that it follows stay, as in the reference.
pub fn in_order(ts: &[f64], write_ts: &[f64]) -> InOrder {
    let by_reference = rising(ts, |_| true);
    let stay_by_reference = count(&by_reference);
    if ts.len() - stay_by_reference <= SPARED_MIN {
        return InOrder { stays: by_reference, spared: 0 };
    }
    let leads: Vec<f64> = ts.iter().zip(write_ts).map(|(ts, write_ts)| ts - write_ts).collect();
    // Where all are ahead by the same amount, the clock of the write times is slow.
    let usual = median(&leads).max(0.0);
    let stays = without_suspects(ts, |at| leads[at] > usual + LEAD_S);
    if count(&stays) < stay_by_reference + SPARED_MIN {
        return InOrder { stays: by_reference, spared: 0 };
    }
    let spared = stays.iter().zip(&by_reference).filter(|(stays, before)| **stays && !**before).count();
    InOrder { stays, spared }
}

fn count(stays: &[bool]) -> usize {
    stays.iter().filter(|stays| **stays).count()
}

/// The median, the lower of two; the numbers are not empty.
fn median(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    let middle = (sorted.len() - 1) / 2;
    *sorted.select_nth_unstable_by(middle, f64::total_cmp).1
}

/// The reference's rule, applied to the selected points.
fn rising(ts: &[f64], is_taken: impl Fn(usize) -> bool) -> Vec<bool> {
    let mut latest = f64::NEG_INFINITY;
    let stays = ts.iter().enumerate().map(|(at, ts)| {
        let stays = is_taken(at) && *ts >= latest;
        latest = if stays { *ts } else { latest };
        stays
    });
    stays.collect()
}

/// The reference's rule over the points that are not suspect, and over those suspects that fit between them.
fn without_suspects(ts: &[f64], is_suspect: impl Fn(usize) -> bool) -> Vec<bool> {
    let mut stays = rising(ts, |at| !is_suspect(at));
    let mut earliest_behind = vec![f64::INFINITY; ts.len()];
    let mut earliest = f64::INFINITY;
    for at in (0..ts.len()).rev() {
        earliest_behind[at] = earliest;
        earliest = if stays[at] { ts[at] } else { earliest };
    }
    let mut latest = f64::NEG_INFINITY;
    for at in 0..ts.len() {
        stays[at] |= is_suspect(at) && (latest..=earliest_behind[at]).contains(&ts[at]);
        latest = if stays[at] { ts[at] } else { latest };
    }
    stays
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Times of writing, half a minute apart.
    fn written(count: usize) -> Vec<f64> {
        (0..count).map(|at| at as f64 * 30.0 + 0.4).collect()
    }

    fn condemned(ts: &[f64]) -> (Vec<usize>, usize) {
        let InOrder { stays, spared } = in_order(ts, &written(ts.len()));
        ((0..ts.len()).filter(|at| !stays[*at]).collect(), spared)
    }

    // Row: "So one point that is ahead"
    #[test]
    fn one_point_ahead_of_its_time_does_not_invalidate_the_points_after_it() {
        for clock_s in [0.0, 600.0] {
            // With a slow clock, all are ahead by the same amount.
            let mut ts: Vec<f64> = (0..100).map(|at| f64::from(at) * 30.0 + clock_s).collect();
            ts[40] += 600.0;
            assert_eq!(condemned(&ts), (vec![40], 19));
            ts[70] += 3_600.0;
            assert_eq!(condemned(&ts), (vec![40, 70], 48));
            ts[0] += 1e6;
            assert_eq!(condemned(&ts), (vec![0, 40, 70], 97));
        }
    }

    #[test]
    fn a_few_points_out_of_order_are_those_that_the_reference_finds() {
        assert_eq!(condemned(&[0.0, 30.0, 150.0, 90.0, 120.0, 150.0]), (vec![3, 4], 0));
        assert_eq!(condemned(&[0.0, 130.0, 60.0, 90.0, 120.0, 150.0]), (vec![2, 3, 4], 0));
        assert_eq!(condemned(&[0.0, 160.0, 60.0, 90.0, 120.0, 150.0, 180.0]), (vec![1], 4));
    }

    #[test]
    fn a_batch_that_was_written_late_is_out_of_order_at_any_length() {
        for before in [1, 3, 10] {
            let timely = (0..before).map(|at| f64::from(at) * 30.0);
            let late = (0..54).map(|at| f64::from(before + at) * 30.0 - 3_600.0);
            let behind = (0..9).map(|at| f64::from(before + 54 + at) * 30.0);
            let ts: Vec<f64> = timely.chain(late).chain(behind).collect();
            let first = before as usize;
            assert_eq!(condemned(&ts), ((first..first + 54).collect(), 0), "{before}");
        }
    }

    #[test]
    fn otherwise_the_choice_is_that_of_the_reference() {
        let mut ts: Vec<f64> = (0..40).map(|at| f64::from(at) * 30.0).collect();
        ts[6] = ts[5] - 8.0;
        ts[20] += 300.0;
        ts[33] -= 200.0;
        assert_eq!(condemned(&ts), (vec![6, 20, 33], 9));
    }

    proptest! {
        #[test]
        fn kept_points_rise_in_time_and_are_never_fewer_than_in_the_reference(
            ts in prop::collection::vec(-50.0..600.0_f64, 0..20),
        ) {
            let InOrder { stays, spared } = in_order(&ts, &written(ts.len()));
            let kept: Vec<f64> = ts.iter().zip(&stays).filter(|(_, stays)| **stays).map(|(ts, _)| *ts).collect();
            prop_assert!(kept.is_sorted());
            let by_reference = rising(&ts, |_| true);
            if spared == 0 {
                prop_assert_eq!(stays, by_reference);
            } else {
                prop_assert!(kept.len() >= count(&by_reference) + SPARED_MIN);
            }
        }
    }
}
