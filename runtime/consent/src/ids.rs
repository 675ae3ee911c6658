//! Ids that say nothing of when an entry was made.
//!
//! The store's ids rise with time and begin with a second. Under a coarse time a cell is shown others instead: a keyed
//! permutation of the twelve bytes, so that equal ids stay equal wherever they stand, and an id that the cell hands
//! back can be turned into the store's without a table.
//!
//! The permutation is a Feistel network of eight rounds over halves of six bytes, each round HMAC-SHA-256 under the
//! grant's key: by Luby and Rackoff a pseudorandom permutation as long as far fewer than 2^24 ids are shown under one
//! key, with rounds to spare.

use cells_contract::EntryId;
use ring::hmac;

const ROUNDS: u8 = 8;
const HALF: usize = 6;

/// Shows ids as others, and finds them again.
#[derive(Clone)]
pub struct Pseudonyms {
    key: hmac::Key,
}

impl Pseudonyms {
    /// Those of one grant; `secret` is the grant's own.
    pub fn new(secret: &[u8; 32]) -> Self {
        let of_grant = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let own = hmac::sign(&of_grant, b"cellar grant: ids of entries");
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, own.as_ref()) }
    }

    /// The id that is shown for one of the store's. No id stays no id.
    pub fn shown(&self, id: EntryId) -> EntryId {
        if id == EntryId::NONE {
            return id;
        }
        let (mut left, mut right) = halves(id);
        for round in 0..ROUNDS {
            (left, right) = (right, xor(left, self.round(round, right)));
        }
        whole(left, right)
    }

    /// The store's id of one that was shown.
    pub fn stored(&self, shown: EntryId) -> EntryId {
        if shown == EntryId::NONE {
            return shown;
        }
        let (mut left, mut right) = halves(shown);
        for round in (0..ROUNDS).rev() {
            (left, right) = (xor(right, self.round(round, left)), left);
        }
        whole(left, right)
    }

    fn round(&self, round: u8, half: [u8; HALF]) -> [u8; HALF] {
        let mut input = [round; HALF + 1];
        input[1..].copy_from_slice(&half);
        let output = hmac::sign(&self.key, &input);
        output.as_ref()[..HALF].try_into().expect("a digest is longer than a half")
    }
}

impl std::fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pseudonyms")
    }
}

fn halves(id: EntryId) -> ([u8; HALF], [u8; HALF]) {
    let (left, right) = id.0.split_at(HALF);
    (left.try_into().expect("six of twelve"), right.try_into().expect("six of twelve"))
}

fn whole(left: [u8; HALF], right: [u8; HALF]) -> EntryId {
    let mut id = [0; 2 * HALF];
    id[..HALF].copy_from_slice(&left);
    id[HALF..].copy_from_slice(&right);
    EntryId(id)
}

fn xor(mut one: [u8; HALF], other: [u8; HALF]) -> [u8; HALF] {
    one.iter_mut().zip(other).for_each(|(one, other)| *one ^= other);
    one
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_id_is_found_again_and_only_under_its_own_key(id: [u8; 12], key: [u8; 32], other: [u8; 32]) {
            let (one, two) = (Pseudonyms::new(&key), Pseudonyms::new(&other));
            let id = EntryId(id);
            prop_assert_eq!(one.stored(one.shown(id)), id);
            prop_assert_eq!(one.shown(one.stored(id)), id);
            if key != other && id != EntryId::NONE {
                prop_assert_ne!(one.shown(id), two.shown(id));
            }
        }
    }

    #[test]
    fn ids_that_rise_are_shown_in_an_order_that_does_not() {
        let pseudonyms = Pseudonyms::new(&[7; 32]);
        let shown: Vec<_> = (0..4_000_u32)
            .map(|second| pseudonyms.shown(EntryId::first_of_second(second + 1_700_000_000)))
            .collect();
        let rising = shown.windows(2).filter(|pair| pair[0] < pair[1]).count();
        // Half of 3,999 pairs, give or take six standard deviations.
        assert!((1_800..2_200).contains(&rising), "{rising}");
    }
}
