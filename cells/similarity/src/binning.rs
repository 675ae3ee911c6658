//! Greedy similarity binning: each trip goes to the first bin that has only trips like it.

use crate::Ends;

/// Puts trips into bins, in their order; returns the members of each bin, by index, in the order of the bins.
///
/// A trip joins the first bin **all** of whose members are similar to it, or begins a new one. So the result depends on
/// the order of the trips, and members of a bin are never further apart than the threshold. Time: trips x bins at
/// worst; a bin is skipped at its first member that differs.
pub fn bins(trips: &[Ends]) -> Vec<Vec<usize>> {
    let mut bins: Vec<Vec<usize>> = Vec::new();
    for (index, trip) in trips.iter().enumerate() {
        let fits = |bin: &&mut Vec<usize>| bin.iter().all(|member| trip.similar(&trips[*member]));
        match bins.iter_mut().find(fits) {
            Some(bin) => bin.push(index),
            None => bins.push(vec![index]),
        }
    }
    bins
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A trip whose origin lies so many metres north of a fixed place; the destination is always the same.
    fn trip(north_m: f64) -> Ends {
        Ends::from_array([8.0, 47.0 + north_m / 111_195.0, 8.1, 47.1])
    }

    fn bins_of(norths_m: &[f64]) -> Vec<Vec<usize>> {
        bins(&norths_m.iter().map(|north_m| trip(*north_m)).collect::<Vec<_>>())
    }

    // Row: "A trip joins a bin only if like all its members"
    #[test]
    fn a_trip_joins_a_bin_only_if_it_is_like_all_of_its_members() {
        assert_eq!(bins_of(&[0.0, 400.0, 800.0]), [vec![0, 1], vec![2]]);
        assert_eq!(bins_of(&[400.0, 0.0, 800.0]), [vec![0, 1], vec![2]]);
        assert_eq!(bins_of(&[400.0, 800.0, 0.0]), [vec![0, 1], vec![2]], "800 and 0 are not alike");
    }

    #[test]
    fn the_first_bin_that_fits_is_taken() {
        // 450 is like both 0 and 900, which are not alike.
        assert_eq!(bins_of(&[0.0, 900.0, 450.0]), [vec![0, 2], vec![1]]);
        assert_eq!(bins_of(&[900.0, 0.0, 450.0]), [vec![0, 2], vec![1]]);
    }

    proptest! {
        #[test]
        fn every_trip_is_in_one_bin_and_like_all_others_in_it(
            norths_m in prop::collection::vec(0.0..3_000.0_f64, 0..40),
        ) {
            let bins = bins_of(&norths_m);
            let mut members: Vec<usize> = bins.concat();
            members.sort_unstable();
            prop_assert_eq!(members, (0..norths_m.len()).collect::<Vec<_>>());
            for bin in &bins {
                for (a, b) in bin.iter().flat_map(|a| bin.iter().map(move |b| (*a, *b))) {
                    prop_assert!(trip(norths_m[a]).similar(&trip(norths_m[b])));
                }
            }
        }
    }
}
