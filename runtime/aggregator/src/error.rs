//! Why an aggregator refuses, and why a connection gave nothing.

use std::io;

/// Why an aggregator refuses a whole message. Nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[repr(u8)]
pub enum Refusal {
    /// It does not read.
    #[error("the message does not read")]
    Form = 1,
    /// Not a study of this aggregator.
    #[error("this aggregator does not know the study: its operator admits studies")]
    NoSuchStudy = 2,
    /// The study has no such epoch.
    #[error("the study has no such epoch")]
    NoSuchEpoch = 3,
    /// The epoch has not ended, or ended too long ago.
    #[error("the epoch has not ended yet, or ended more than 30 days ago")]
    NotOpen = 4,
    /// The message is for the other aggregator, or from somebody who may not send it.
    #[error("this message is not for this aggregator, or not from whom it has to be")]
    NotForMe = 5,
    /// The researcher has not signed it.
    #[error("the researcher of the study has not signed that")]
    NotTheResearcher = 6,
    /// Too few people.
    #[error("fewer people than the smallest group of the study have contributed")]
    TooFew = 7,
    /// The two do not count the same reports.
    #[error("the two aggregators have not counted the same reports")]
    Apart = 8,
    /// A count before this one is not decided.
    #[error("an earlier count is not decided yet")]
    Undecided = 9,
    /// Too much waits.
    #[error("too many shares wait here; send them again later")]
    Full = 10,
    /// The disk, or the other aggregator.
    #[error("the aggregator cannot do it now; its log says why")]
    Trouble = 11,
    /// The other aggregator verifies with another key than before.
    #[error("the key of the proofs is not the one that was agreed on")]
    OtherKey = 12,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Form,
        Self::NoSuchStudy,
        Self::NoSuchEpoch,
        Self::NotOpen,
        Self::NotForMe,
        Self::NotTheResearcher,
        Self::TooFew,
        Self::Apart,
        Self::Undecided,
        Self::Full,
        Self::Trouble,
        Self::OtherKey,
    ];

    /// The one with that number.
    pub fn of(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|refusal| *refusal as u8 == number)
    }
}

/// Why a connection to an aggregator gave nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// No address.
    #[error("the address of the aggregator leads nowhere")]
    Address(#[source] io::Error),
    /// The connection broke, or nobody is there.
    #[error("the connection to the aggregator broke")]
    Io(#[from] io::Error),
    /// TLS.
    #[error("the aggregator has another key than the study says, or speaks no TLS 1.3")]
    Tls(#[from] rustls::Error),
    /// What it said does not read.
    #[error("the aggregator said something that does not read")]
    Form(#[from] crate::message::BadMessage),
    /// It refuses.
    #[error("the aggregator refuses: {0}")]
    Refused(Refusal),
    /// It answered something else.
    #[error("the aggregator answered something else than was asked")]
    Unexpected,
}

/// Why a report is not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the shares do not read, do not belong together, or are out of bounds")]
pub struct BadReport;

/// Why a ledger gives nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The file.
    #[error("the ledger cannot be used")]
    Disk(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What it has does not read.
    #[error("the ledger is damaged: a record does not read")]
    Damaged,
    /// What is asked is refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
}
