//! Why the gate gives no answer.

use std::io;
use std::path::PathBuf;

use runtime_study::BadStudy;

/// Why the gate gives no answer. Except for [`Self::Spent`] and what follows it, nothing has changed on the disk.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GateError {
    /// The study is none, or nobody's.
    #[error("the study cannot be answered")]
    Study(#[from] BadStudy),
    /// The study has no such epoch.
    #[error("the study has no epoch {epoch}; it has {epochs}")]
    NoSuchEpoch {
        /// What was asked for.
        epoch: u32,
        /// How many it has.
        epochs: usize,
    },
    /// Two aggregators answer it.
    #[error("two aggregators answer this study, not its host")]
    Aggregators,
    /// Too few people.
    #[error("fewer than {least} people have contributed, so nothing is answered")]
    TooFew {
        /// The smallest group of the study.
        least: u64,
    },
    /// Another length than the study has numbers.
    #[error("{found} sums for {wanted} numbers of the study")]
    Length {
        /// How many there were.
        found: usize,
        /// How many the study has.
        wanted: usize,
    },
    /// A sum that bounded numbers cannot have.
    #[error(
        "a sum is larger than the numbers of {people} people can be together; a contribution was not bounded"
    )]
    Sum {
        /// How many people there were.
        people: u64,
    },
    /// OpenDP refuses to promise the study's ε.
    #[error("no noise of the study's ε can be made: {why}")]
    Noise {
        /// What it says, without data.
        why: String,
    },
    /// The epoch was being answered, and the answer is not there.
    #[error("epoch {epoch} was answered already, and the answer was lost; it is not answered twice")]
    Spent {
        /// The epoch.
        epoch: u32,
    },
    /// The mark or the answer cannot be written or read.
    #[error("cannot use {}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}
