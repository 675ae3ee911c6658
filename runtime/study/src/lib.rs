//! Studies: noisy totals over many people. The document that a researcher signs, and the arithmetic that holds for every
//! contribution. Bytes in, decision out: no socket, no clock, no files, no randomness.
//!
//! * Holds: [`Study`], what a study asks for; [`SignedStudy`], whose it is; [`Bounded`], a contribution after clamping;
//!   [`error_bar`], how far a total may be from the truth; [`Ask`] and [`Answer`], what a host and the gate that draws
//!   noise say to each other; [`SendAsk`] and [`Sent`], the same for the program that sends shares to two aggregators.
//!   docs/formats/study.md has the form.
//! * Units: moments are seconds since 1970-01-01T00:00:00Z; ε is counted in millionths, so that sums are exact.
//! * Invariants: a [`Study`] keeps the limits below; a [`Bounded`] is inside the bounds of its study and its L1 norm is
//!   at most the study's, so one person changes all totals together by at most that.
//! * Not here: the noise (`runtime/studies`), people's budgets and consents (`runtime/user`), whether the cell may run.

mod aggregators;
mod bar;
mod bounded;
mod document;
mod epoch;
mod error;
mod gate;
mod send;
mod signed;
mod words;

pub use aggregators::{Aggregator, COLLECT_DOMAIN, collect_document};
pub use bar::{
    CONFIDENCE_PERCENT, error_bar, error_bar_of_two, outside_probability, outside_probability_of_two,
};
pub use bounded::{Bounded, WrongLength};
pub use document::{Answered, Number, Study};
pub use epoch::{Epoch, EpochLength};
pub use error::BadStudy;
pub use gate::{Answer, Ask, Reply, Total, answer_file, mark_file};
pub use send::{Report, ReportId, SEND_ASK_BYTES_MAX, SEND_REPORTS_MAX, SendAsk, Sent, Verdict};
pub use signed::{SignedStudy, sign};
pub use words::{in_epsilon, totals_told};

/// Largest signed document, bytes.
pub const STUDY_BYTES_MAX: usize = 64 << 10;
/// Most numbers of a study: those of one contribution.
pub const NUMBERS_MAX: usize = cells_contract::limits::CONTRIBUTION_NUMBERS_MAX;
/// Most streams of a study.
pub const STUDY_STREAMS_MAX: usize = 16;
/// Most epochs of a study.
pub const EPOCHS_MAX: usize = 1_000;
/// The largest absolute value of a number's bounds, and of the L1 bound.
pub const BOUND_MAX: i64 = 1_000_000_000;
/// The smallest group that a study may be content with.
pub const SMALLEST_GROUP_MIN: u64 = 5;
/// The largest group that a study may ask for.
pub const SMALLEST_GROUP_MAX: u64 = 1_000_000;
/// The least ε of an epoch, millionths.
pub const EPSILON_MICRO_MIN: u64 = 1_000;
/// The most ε of an epoch, millionths.
pub const EPSILON_MICRO_MAX: u64 = 2_000_000;
/// How long after its end a total of an epoch may be asked for, s.
pub const COLLECT_S: i64 = 30 * 86_400;
/// Most bits that a proof for two aggregators covers: those of the L1 bound, times the numbers and one more.
pub const PROOF_BITS_MAX: usize = 1 << 15;
/// Longest address of an aggregator, bytes.
pub const ADDRESS_BYTES_MAX: usize = 260;
/// Longest reference of an ethics committee, and longest contact, characters.
pub const ETHICS_CHARS_MAX: usize = 200;
