//! A bounded amount that many share, so that nobody can use all of it.

use std::collections::BTreeMap;

/// An amount that the holders `K` share. Nobody may hold more than is left for everybody else: the first holds at most
/// half, the next at most half of the rest, and so on. Beside that, everybody may hold a little, however much is used.
#[derive(Debug, Clone)]
pub struct Shares<K> {
    free: u64,
    least: u64,
    each_max: u64,
    held: BTreeMap<K, Holding>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Holding {
    all: u64,
    /// The part of it that is not taken from what is shared; at most `least`.
    apart: u64,
}

impl<K: Ord> Shares<K> {
    /// `all` of it, of which one holder may have at most `each_max`. A holder may have `least` of it even if nothing is
    /// left: what all hold together is then at most `all` and `least` for each.
    pub fn new(all: u64, each_max: u64, least: u64) -> Self {
        Self { free: all, least, each_max, held: BTreeMap::new() }
    }

    /// Takes `amount` for a holder; returns whether it was granted.
    #[must_use]
    pub fn take(&mut self, holder: K, amount: u64) -> bool {
        let mut held = self.held.get(&holder).copied().unwrap_or_default();
        let all = held.all.saturating_add(amount);
        if all > self.each_max {
            return false;
        }
        let left = self.free.saturating_sub(amount);
        if all - held.apart <= left {
            self.free = left;
        } else if held.apart.saturating_add(amount) <= self.least {
            held.apart += amount;
        } else {
            return false;
        }
        if amount > 0 {
            self.held.insert(holder, Holding { all, ..held });
        }
        true
    }

    /// Gives back what was taken.
    pub fn give(&mut self, holder: &K, amount: u64) {
        let Some(held) = self.held.get_mut(holder) else { return };
        let given = amount.min(held.all);
        // What is shared comes back first.
        let shared = given.min(held.all - held.apart);
        held.all -= given;
        held.apart -= given - shared;
        self.free += shared;
        if held.all == 0 {
            self.held.remove(holder);
        }
    }

    /// What the holder has now.
    pub fn held(&self, holder: &K) -> u64 {
        self.held.get(holder).map_or(0, |held| held.all)
    }

    /// What nobody has.
    pub fn free(&self) -> u64 {
        self.free
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_finds_half_of_what_the_ones_before_have_left_and_everybody_a_little() {
        let mut shares = Shares::new(1_000, 1_000, 2);
        let mut fill = |holder: u32| (0..2_000).take_while(|_| shares.take(holder, 1)).count();
        let held: Vec<_> = (0..14).map(&mut fill).collect();
        assert_eq!(held, [502, 252, 127, 64, 33, 18, 10, 6, 4, 3, 2, 2, 2, 2]);
    }

    #[test]
    fn holders_who_take_in_turns_get_the_same() {
        for greedy in 1..=20_u32 {
            let mut shares = Shares::new(10_000, 10_000, 0);
            while (0..greedy).filter(|holder| shares.take(*holder, 1)).count() > 0 {}
            let held = shares.held(&0);
            assert!(held.abs_diff(10_000 / u64::from(greedy + 1)) <= 1, "{greedy} hold {held} each");
        }
    }

    #[test]
    fn nobody_has_more_than_the_limit_of_each() {
        let mut shares = Shares::new(100, 10, 0);
        assert!(shares.take(1, 10) && !shares.take(1, 1) && shares.take(2, 10));
        assert!(!shares.take(3, u64::MAX), "an amount that cannot be");
        shares.give(&1, 4);
        assert!(shares.take(1, 4) && shares.free() == 80);
    }

    proptest! {
        #[test]
        fn what_is_held_is_never_more_than_all_and_the_least_of_each_and_all_of_it_comes_back(
            steps in proptest::collection::vec((0_u8..4, 0_u64..60, any::<bool>()), 0..80),
            least in 0_u64..20,
        ) {
            let mut shares = Shares::new(100, 70, least);
            for (holder, amount, takes) in steps {
                let before = shares.held(&holder);
                if takes {
                    let granted = shares.take(holder, amount);
                    prop_assert_eq!(shares.held(&holder), if granted { before + amount } else { before });
                    prop_assert!(granted || before + amount > least);
                } else {
                    shares.give(&holder, amount);
                    prop_assert_eq!(shares.held(&holder), before.saturating_sub(amount));
                }
                let held: u64 = (0..4).map(|holder| shares.held(&holder)).sum();
                prop_assert!(held + shares.free() <= 100 + 4 * least && held + shares.free() >= 100);
                prop_assert!((0..4).all(|holder| shares.held(&holder) <= 70));
            }
            (0..4).for_each(|holder| shares.give(&holder, u64::MAX));
            prop_assert_eq!(shares.free(), 100);
        }
    }
}
