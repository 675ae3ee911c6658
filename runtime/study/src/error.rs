//! Why a text is no study.

use runtime_package::BadSignature;

use crate::{
    ADDRESS_BYTES_MAX, BOUND_MAX, EPOCHS_MAX, EPSILON_MICRO_MAX, EPSILON_MICRO_MIN, NUMBERS_MAX,
    PROOF_BITS_MAX, SMALLEST_GROUP_MAX, SMALLEST_GROUP_MIN, STUDY_BYTES_MAX, STUDY_STREAMS_MAX,
};

/// Why a text is no study, or no signed one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadStudy {
    /// Too long.
    #[error("a study of {bytes} bytes is over the limit of {STUDY_BYTES_MAX}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// No UTF-8.
    #[error("a study is a text in UTF-8")]
    NoText,
    /// Not of the form.
    #[error("the study does not read: {why}")]
    Form {
        /// What is wrong, with the line.
        why: String,
    },
    /// Another version of the form.
    #[error("a study of version {found}; this program reads versions 1 and 2")]
    Version {
        /// The version.
        found: u32,
    },
    /// The name is not of the form.
    #[error("the name of a study has 3 to 40 of a-z, 0-9 and '-', and begins with a letter")]
    Name,
    /// A text is empty, too long, or shows something other than it is.
    #[error("`{member}` has 1 to {chars_max} characters, none of them a control or invisible character")]
    Text {
        /// The member.
        member: &'static str,
        /// The limit.
        chars_max: usize,
    },
    /// No digest.
    #[error("`digest` is not 64 lower-case hex digits")]
    Digest,
    /// No streams, or too many, or one that is none.
    #[error(
        "`streams` has 1 to {STUDY_STREAMS_MAX} streams, each family/name without '*', none of them twice"
    )]
    Streams,
    /// A moment that is none.
    #[error("`{member}` is not a whole second in UTC from 1970 to 2199, such as 2026-10-01T00:00:00Z")]
    Moment {
        /// The member.
        member: &'static str,
    },
    /// The epochs do not fill the time.
    #[error(
        "`from` and `until` do not hold a whole number of epochs of one {epoch}, at least 1 and at most {EPOCHS_MAX}"
    )]
    Epochs {
        /// The length of an epoch, in words.
        epoch: &'static str,
    },
    /// ε is out of range, or too fine.
    #[error(
        "`epsilon` is from {min} to {max} with at most six decimals",
        min = EPSILON_MICRO_MIN as f64 / 1e6, max = EPSILON_MICRO_MAX as f64 / 1e6
    )]
    Epsilon,
    /// δ is not 0.
    #[error("`delta` is 0: the noise here is of the kind that needs no δ")]
    Delta,
    /// The smallest group is out of range.
    #[error("`smallest-group` is from {SMALLEST_GROUP_MIN} to {SMALLEST_GROUP_MAX}")]
    SmallestGroup,
    /// No numbers, or too many.
    #[error("a study has 1 to {NUMBERS_MAX} numbers")]
    Numbers,
    /// The name of a number is not of the form.
    #[error("number {index}: its name has 1 to 40 of a-z, 0-9 and '-', and no other number has it")]
    NumberName {
        /// From 1, as the document lists them.
        index: usize,
    },
    /// The bounds of a number are none.
    #[error(
        "number {index}: its bounds are whole numbers with -{BOUND_MAX} <= lo <= 0 <= hi <= {BOUND_MAX} and lo < hi"
    )]
    Bounds {
        /// From 1, as the document lists them.
        index: usize,
    },
    /// The L1 bound is out of range.
    #[error("`l1` is from 1 to {most}, the most that the bounds of all numbers allow")]
    L1 {
        /// The most.
        most: i64,
    },
    /// Version 1 has no aggregators, version 2 has two.
    #[error(
        "version 1 is answered by `one-host` and has no aggregators; version 2 by `two-aggregators` and has two in `aggregators`"
    )]
    Aggregators,
    /// An aggregator that is none.
    #[error(
        "aggregator {index}: its address is host:port, at most {ADDRESS_BYTES_MAX} bytes, its key is 64 lower-case hex digits, and the other aggregator has neither"
    )]
    Aggregator {
        /// From 1, as the document lists them.
        index: usize,
    },
    /// A number that may be below 0, which the proofs for aggregators do not cover.
    #[error("number {index}: with two aggregators `lo` is 0; give what is below 0 as a number of its own")]
    Negative {
        /// From 1, each of `times` counted.
        index: usize,
    },
    /// The proof of a contribution would be too large.
    #[error(
        "a proof over {bits} bits is over the limit of {PROOF_BITS_MAX}: have fewer numbers, or a smaller `l1`"
    )]
    Proof {
        /// How many bits: those of `l1`, times the numbers and one more.
        bits: usize,
    },
    /// Nobody has signed it.
    #[error("the study is not signed; `cellar study sign` does that")]
    Unsigned,
    /// A second signature.
    #[error("the study has a line of a signature that is not its last line; remove it and sign again")]
    SignedTwice,
    /// The signature proves nothing.
    #[error("the signature of the study does not hold")]
    Signature(#[from] BadSignature),
}
