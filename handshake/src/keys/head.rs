//! The chain of commits, by which a phone notices that a store was rolled back to an older state.
//!
//! `head_n = SHA-256(head_{n-1} seq batch)`: 32 bytes, the new sequence number big-endian in 8, and the SHA-256 of
//! the batch. Before the first commit the hash is 32 zeros and the sequence number 0.

use crate::encoding::Digest32;
use crate::transcript::sha256;
use serde::{Deserialize, Serialize};

/// The end of a store's chain of commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Head {
    /// How many commits there were.
    pub seq: u64,
    /// The hash of the chain up to here.
    pub hash: Digest32,
}

/// The store is another one than the phone has seen, or an older state of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RolledBack {
    /// Commits are missing.
    #[error("the store has {now} commits, the phone has seen {last}")]
    Older {
        /// The number of commits that the phone has seen.
        last: u64,
        /// The number of commits of the store.
        now: u64,
    },
    /// As many commits, but different ones.
    #[error("commit {seq} of the store is another than the phone has seen")]
    Forked {
        /// The number of the commit.
        seq: u64,
    },
    /// The store is open but does not give the end of its chain.
    #[error("the store names no head, the phone has seen {last} commits")]
    Missing {
        /// The number of commits that the phone has seen.
        last: u64,
    },
}

impl Head {
    /// The head of a store without commits.
    pub const EMPTY: Self = Self { seq: 0, hash: Digest32([0; 32]) };

    /// Whether a store with this head has all commits of a store with the head `seen`, as far as heads show.
    pub fn follows(self, seen: Self) -> bool {
        self.seq > seen.seq || self == seen
    }

    /// The head after one more commit, of which `batch` is the SHA-256. `None` after 2^64 - 1 commits.
    pub fn next(&self, batch: &Digest32) -> Option<Self> {
        let seq = self.seq.checked_add(1)?;
        let hash = Digest32(sha256(&[&self.hash.0, &seq.to_be_bytes(), &batch.0]));
        Some(Self { seq, hash })
    }
}

/// The check of a grant's head by the phone: `last` is the stored head, `now` the grant's, `locked` whether the grant
/// says that the store is locked. A locked store need not give a head; one that it gives is checked all the same. The
/// phone cannot verify that a longer chain continues from `last`: it has no hashes in between.
///
/// # Errors
/// [`RolledBack`].
pub fn check_head(last: Option<Head>, now: Option<Head>, locked: bool) -> Result<(), RolledBack> {
    match (last, now) {
        (Some(last), Some(now)) if now.seq < last.seq => {
            Err(RolledBack::Older { last: last.seq, now: now.seq })
        }
        (Some(last), Some(now)) if now.seq == last.seq && now.hash != last.hash => {
            Err(RolledBack::Forked { seq: now.seq })
        }
        (Some(last), None) if !locked => Err(RolledBack::Missing { last: last.seq }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn head(seq: u64, byte: u8) -> Option<Head> {
        Some(Head { seq, hash: Digest32([byte; 32]) })
    }

    #[test]
    fn fewer_commits_are_a_roll_back_and_so_are_as_many_others() {
        for locked in [false, true] {
            assert_eq!(check_head(None, None, locked), Ok(()));
            assert_eq!(check_head(None, head(0, 1), locked), Ok(()));
            assert_eq!(check_head(head(4, 1), head(4, 1), locked), Ok(()));
            assert_eq!(check_head(head(4, 1), head(5, 2), locked), Ok(()));
            assert_eq!(
                check_head(head(4, 1), head(3, 1), locked),
                Err(RolledBack::Older { last: 4, now: 3 })
            );
            assert_eq!(check_head(head(4, 1), head(4, 2), locked), Err(RolledBack::Forked { seq: 4 }));
        }
    }

    #[test]
    fn only_a_locked_store_may_be_silent() {
        assert_eq!(check_head(head(4, 1), None, true), Ok(()));
        assert_eq!(check_head(head(4, 1), None, false), Err(RolledBack::Missing { last: 4 }));
    }

    #[test]
    fn the_chain_ends_rather_than_starting_over() {
        let last = Head { seq: u64::MAX, ..Head::EMPTY };
        assert_eq!(last.next(&Digest32([1; 32])), None);
    }

    #[test]
    fn a_head_in_json_is_a_number_and_base64url() {
        let text = serde_json::to_string(&Head::EMPTY).unwrap();
        assert_eq!(text, format!(r#"{{"seq":0,"hash":"{}"}}"#, "A".repeat(43)));
        assert_eq!(serde_json::from_str::<Head>(&text).unwrap(), Head::EMPTY);
    }

    proptest! {
        #[test]
        fn order_and_content_of_every_batch_show_in_the_head(
            batches in proptest::collection::vec(any::<[u8; 32]>(), 2..6), at: prop::sample::Index, bit in 0_usize..256,
        ) {
            let chain = |batches: &[[u8; 32]]| {
                batches.iter().try_fold(Head::EMPTY, |head, batch| head.next(&Digest32(*batch))).unwrap()
            };
            let at = at.index(batches.len());
            let mut other = batches.clone();
            other[at][bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(chain(&batches).seq, batches.len() as u64);
            prop_assert_ne!(chain(&batches), chain(&other));
            let mut swapped = batches.clone();
            swapped.swap(0, 1);
            prop_assert_eq!(chain(&batches) == chain(&swapped), batches[0] == batches[1]);
        }
    }
}
