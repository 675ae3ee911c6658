//! The order in which the reference sorts times.
//!
//! Quirk: after filling gaps the reference sorts a section's points by time with a sort that is not stable, and iPhones
//! often write several fixes with the same time. Their order decides distances and speeds, so the exact steps of that
//! sort are repeated here: NumPy's `argsort` with `kind="quicksort"` as it was up to NumPy 1.24 (median of three;
//! insertion for 16 or fewer; heapsort where the parts stay large). A stable sort would be the better rule.

/// Up to this many places are sorted by insertion.
const SMALL: usize = 16;

/// The places of `values` in rising order of the values, none of which is NaN.
pub fn rising(values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    let parts_max = 2 * values.len().checked_ilog2().unwrap_or(0);
    let mut waiting = vec![(&mut order[..], Some(parts_max))];
    while let Some((places, parts)) = waiting.pop() {
        sort(values, places, parts, &mut waiting);
    }
    order
}

/// Places to be sorted, and how often they may still be split; `None`: no more.
type Part<'a> = (&'a mut [usize], Option<u32>);

/// Sorts places; parts that are left for later go to `waiting`.
fn sort<'a>(
    values: &[f64],
    mut places: &'a mut [usize],
    mut parts: Option<u32>,
    waiting: &mut Vec<Part<'a>>,
) {
    if parts.is_none() {
        return heapsort(values, places);
    }
    while places.len() > SMALL {
        let pivot = partition(values, places);
        parts = parts.and_then(|parts| parts.checked_sub(1));
        let (before, behind) = places.split_at_mut(pivot);
        let behind = &mut behind[1..];
        let (shorter, longer) = if before.len() < behind.len() { (before, behind) } else { (behind, before) };
        waiting.push((longer, parts));
        places = shorter;
    }
    insert(values, places);
}

/// Moves smaller values before, and greater ones behind, one place; returns that place, neither first nor last.
fn partition(values: &[f64], places: &mut [usize]) -> usize {
    let last = places.len() - 1;
    let middle = last / 2;
    for (low, high) in [(0, middle), (middle, last), (0, middle)] {
        if values[places[high]] < values[places[low]] {
            places.swap(low, high);
        }
    }
    let pivot = values[places[middle]];
    let (mut low, mut high) = (0, last - 1);
    places.swap(middle, high);
    loop {
        low += 1;
        while values[places[low]] < pivot {
            low += 1;
        }
        high -= 1;
        while pivot < values[places[high]] {
            high -= 1;
        }
        if low >= high {
            break;
        }
        places.swap(low, high);
    }
    places.swap(low, last - 1);
    low
}

fn insert(values: &[f64], places: &mut [usize]) {
    for next in 1..places.len() {
        let mut at = next;
        while at > 0 && values[places[at]] < values[places[at - 1]] {
            places.swap(at - 1, at);
            at -= 1;
        }
    }
}

fn heapsort(values: &[f64], places: &mut [usize]) {
    for root in (0..places.len() / 2).rev() {
        sift(values, places, root);
    }
    for last in (1..places.len()).rev() {
        places.swap(0, last);
        sift(values, &mut places[..last], 0);
    }
}

/// Lets the value at `root` sink below all greater ones.
fn sift(values: &[f64], places: &mut [usize], mut root: usize) {
    loop {
        let mut child = 2 * root + 1;
        if child + 1 < places.len() && values[places[child]] < values[places[child + 1]] {
            child += 1;
        }
        if child >= places.len() || values[places[root]] >= values[places[child]] {
            return;
        }
        places.swap(root, child);
        root = child;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn up_to_16_equal_times_keep_their_order() {
        assert_eq!(rising(&[2.0, 1.0, 2.0, 1.0]), [1, 3, 0, 2]);
        assert_eq!(rising(&[5.0; 16]), (0..16).collect::<Vec<_>>());
        assert_eq!(rising(&[]), [0; 0]);
    }

    // Row: "Filled sections are sorted with an unstable sort"
    #[test]
    fn more_equal_times_change_places_as_in_numpy() {
        let order = [0, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 18, 19];
        assert_eq!(rising(&[5.0; 20]), order);
    }

    // Row: "Filled sections are sorted with an unstable sort"
    #[test]
    fn times_that_are_the_worst_case_of_the_sort_come_in_the_order_of_numpy() {
        // Up and down again: parts stay large, so that heapsort takes over.
        let up_and_down: Vec<f64> = (0..60).chain((0..60).rev()).map(|value| f64::from(value / 2)).collect();
        assert_eq!(rising(&up_and_down), UP_AND_DOWN);
    }

    /// `numpy.argsort(values, kind="quicksort")` of NumPy 1.24.2
    #[rustfmt::skip]
    const UP_AND_DOWN: [usize; 120] = [
        0, 118, 119, 1, 2, 116, 117, 3, 4, 5, 114, 115, 113, 112, 7, 6, 8, 111, 110, 9,
        109, 108, 11, 10, 107, 106, 12, 13, 15, 104, 105, 14, 16, 102, 103, 17, 19, 100, 101, 18,
        21, 98, 99, 20, 22, 97, 96, 23, 24, 94, 25, 95, 27, 92, 93, 26, 91, 90, 28, 29,
        30, 88, 89, 31, 86, 87, 33, 32, 84, 34, 35, 85, 36, 83, 37, 82, 80, 81, 38, 39,
        79, 40, 78, 41, 42, 76, 43, 77, 75, 74, 44, 45, 46, 72, 47, 73, 71, 48, 49, 70,
        69, 68, 50, 51, 67, 66, 52, 53, 55, 64, 65, 54, 56, 57, 62, 63, 61, 58, 60, 59,
    ];

    proptest! {
        #[test]
        fn every_index_comes_once_and_values_never_fall(values in prop::collection::vec(0_u8..40, 0..300)) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let mut order = rising(&values);
            prop_assert!(order.windows(2).all(|pair| values[pair[0]] <= values[pair[1]]));
            order.sort_unstable();
            prop_assert_eq!(order, (0..values.len()).collect::<Vec<_>>());
        }
    }
}
