//! What is said over a connection to an aggregator: a length of four bytes, big-endian, and so many bytes, of which the
//! first says what it is. Parsers of strangers' bytes: they check every length, and nothing is allocated on a promise.

use runtime_study::{ReportId, Verdict};

use crate::error::Refusal;
use crate::scheme::{NONCE_BYTES, VERIFY_KEY_BYTES};
use crate::{MESSAGE_BYTES_MAX, MESSAGE_REPORTS_MAX};

/// A message that does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message of an aggregator does not read")]
pub struct BadMessage;

/// Most undecided counts that a helper tells of: there is at most one, unless the leader lies.
const PENDING_MAX: usize = 16;

/// The number of a count, drawn by the leader.
pub type CountId = [u8; 16];
/// A key that opens what a helper keeps until a count is decided.
pub type CountKey = [u8; 32];

/// One report, for one side.
#[derive(Clone, PartialEq, Eq)]
pub struct Part {
    /// The report.
    pub id: ReportId,
    /// Drawn for this attempt.
    pub nonce: [u8; NONCE_BYTES],
    /// What both sides get. From the leader to the helper: nothing.
    pub public: Vec<u8>,
    /// The share. From the leader to the helper: what the check needs of it.
    pub share: Vec<u8>,
}

/// Parts of one epoch of a study.
#[derive(Clone, PartialEq, Eq)]
pub struct Parts {
    /// The study's id.
    pub study: [u8; 32],
    /// The epoch.
    pub epoch: u32,
    /// The reports, at most [`MESSAGE_REPORTS_MAX`].
    pub parts: Vec<Part>,
}

/// What an aggregator is asked.
#[derive(Clone, PartialEq, Eq)]
pub enum Request {
    /// A host to the helper: hold these shares in memory until the leader asks.
    Hold(Parts),
    /// A host to the leader: count these.
    Count(Parts),
    /// The leader to the helper: which counts are undecided? With the key of the study's proofs.
    Open {
        /// The study's id.
        study: [u8; 32],
        /// The same from the first time on.
        verify_key: [u8; VERIFY_KEY_BYTES],
    },
    /// The leader to the helper: check these, and keep their sum until the count is decided.
    Prepare {
        /// The number of the count.
        count: CountId,
        /// What the check needs.
        parts: Parts,
    },
    /// The leader to the helper: that count is decided; with the key it counts, without it does not.
    Settle {
        /// The study's id.
        study: [u8; 32],
        /// The number of the count.
        count: CountId,
        /// The key.
        key: Option<CountKey>,
    },
    /// The leader to the helper: close the epoch over exactly these reports.
    Close {
        /// The study's id.
        study: [u8; 32],
        /// The epoch.
        epoch: u32,
        /// How many reports the leader has counted.
        people: u64,
        /// Which ones: the chain over all counts.
        chain: [u8; 32],
        /// What the researcher signed.
        signature: Vec<u8>,
    },
    /// The researcher to either: the share of the totals.
    Collect {
        /// The study's id.
        study: [u8; 32],
        /// The epoch.
        epoch: u32,
        /// What the researcher signed.
        signature: Vec<u8>,
    },
    /// The operator, with the aggregator's own key: what was counted.
    Status,
}

/// What an aggregator answers.
#[derive(Clone, PartialEq, Eq)]
pub enum Reply {
    /// It is done.
    Done,
    /// One verdict for each report, in their order.
    Verdicts(Vec<Verdict>),
    /// The numbers of counts that are undecided.
    Pending(Vec<CountId>),
    /// What was checked.
    Prepared {
        /// Opens what the helper keeps.
        key: CountKey,
        /// A verdict for each report, and what the leader needs where it is counted.
        checked: Vec<(Verdict, Vec<u8>)>,
    },
    /// The share of the totals, with noise.
    Share(Vec<u8>),
    /// JSON for the operator.
    Status(Vec<u8>),
    /// It is refused.
    Refused(Refusal),
}

/// The bytes of a message, without their length.
pub trait Message: Sized {
    /// As bytes.
    fn encode(&self) -> Vec<u8>;
    /// From bytes: all of them.
    ///
    /// # Errors
    /// [`BadMessage`].
    fn decode(bytes: &[u8]) -> Result<Self, BadMessage>;
}

struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, count: usize) -> Result<&'b [u8], BadMessage> {
        let (head, rest) = self.0.split_at_checked(count).ok_or(BadMessage)?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BadMessage> {
        self.take(N)?.try_into().map_err(|_| BadMessage)
    }

    fn byte(&mut self) -> Result<u8, BadMessage> {
        Ok(self.array::<1>()?[0])
    }

    fn u32(&mut self) -> Result<u32, BadMessage> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    fn bytes(&mut self) -> Result<Vec<u8>, BadMessage> {
        let count = usize::try_from(self.u32()?).map_err(|_| BadMessage)?;
        Ok(self.take(count)?.to_vec())
    }

    fn many<T>(
        &mut self,
        most: usize,
        one: impl Fn(&mut Self) -> Result<T, BadMessage>,
    ) -> Result<Vec<T>, BadMessage> {
        let count = usize::from(self.byte()?);
        if count > most {
            return Err(BadMessage);
        }
        (0..count).map(|_| one(self)).collect()
    }

    fn parts(&mut self) -> Result<Parts, BadMessage> {
        let (study, epoch) = (self.array()?, self.u32()?);
        let parts = self.many(MESSAGE_REPORTS_MAX, |reader| {
            let (id, nonce) = (ReportId(reader.array()?), reader.array()?);
            Ok(Part { id, nonce, public: reader.bytes()?, share: reader.bytes()? })
        })?;
        Ok(Parts { study, epoch, parts })
    }

    fn end(self) -> Result<(), BadMessage> {
        if self.0.is_empty() { Ok(()) } else { Err(BadMessage) }
    }
}

fn put_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    let count = u32::try_from(bytes.len()).expect("no message has 4 GiB");
    to.extend_from_slice(&count.to_be_bytes());
    to.extend_from_slice(bytes);
}

fn put_count(to: &mut Vec<u8>, count: usize) {
    to.push(u8::try_from(count).expect("at most MESSAGE_REPORTS_MAX"));
}

fn put_parts(to: &mut Vec<u8>, parts: &Parts) {
    to.extend_from_slice(&parts.study);
    to.extend_from_slice(&parts.epoch.to_be_bytes());
    put_count(to, parts.parts.len());
    for part in &parts.parts {
        to.extend_from_slice(&part.id.0);
        to.extend_from_slice(&part.nonce);
        put_bytes(to, &part.public);
        put_bytes(to, &part.share);
    }
}

impl Message for Request {
    fn encode(&self) -> Vec<u8> {
        let mut to = Vec::new();
        match self {
            Self::Hold(parts) => {
                to.push(1);
                put_parts(&mut to, parts);
            }
            Self::Count(parts) => {
                to.push(2);
                put_parts(&mut to, parts);
            }
            Self::Open { study, verify_key } => {
                to.push(3);
                to.extend_from_slice(study);
                to.extend_from_slice(verify_key);
            }
            Self::Prepare { count, parts } => {
                to.push(4);
                to.extend_from_slice(count);
                put_parts(&mut to, parts);
            }
            Self::Settle { study, count, key } => {
                to.push(5);
                to.extend_from_slice(study);
                to.extend_from_slice(count);
                to.extend_from_slice(key.as_ref().map_or(&[][..], |key| &key[..]));
            }
            Self::Close { study, epoch, people, chain, signature } => {
                to.push(6);
                to.extend_from_slice(study);
                to.extend_from_slice(&epoch.to_be_bytes());
                to.extend_from_slice(&people.to_be_bytes());
                to.extend_from_slice(chain);
                put_bytes(&mut to, signature);
            }
            Self::Collect { study, epoch, signature } => {
                to.push(7);
                to.extend_from_slice(study);
                to.extend_from_slice(&epoch.to_be_bytes());
                put_bytes(&mut to, signature);
            }
            Self::Status => to.push(8),
        }
        to
    }

    fn decode(bytes: &[u8]) -> Result<Self, BadMessage> {
        let mut reader = Reader(bytes);
        let request = match reader.byte()? {
            1 => Self::Hold(reader.parts()?),
            2 => Self::Count(reader.parts()?),
            3 => Self::Open { study: reader.array()?, verify_key: reader.array()? },
            4 => Self::Prepare { count: reader.array()?, parts: reader.parts()? },
            5 => {
                let (study, count) = (reader.array()?, reader.array()?);
                let key = if reader.0.is_empty() { None } else { Some(reader.array()?) };
                Self::Settle { study, count, key }
            }
            6 => Self::Close {
                study: reader.array()?,
                epoch: reader.u32()?,
                people: u64::from_be_bytes(reader.array()?),
                chain: reader.array()?,
                signature: reader.bytes()?,
            },
            7 => Self::Collect { study: reader.array()?, epoch: reader.u32()?, signature: reader.bytes()? },
            8 => Self::Status,
            _ => return Err(BadMessage),
        };
        reader.end()?;
        Ok(request)
    }
}

const VERDICTS: [Verdict; 5] =
    [Verdict::Counted, Verdict::Repeated, Verdict::BadProof, Verdict::Closed, Verdict::Again];

fn verdict_byte(verdict: Verdict) -> u8 {
    let at = VERDICTS.iter().position(|one| *one == verdict).expect("all of them are listed");
    u8::try_from(at).expect("there are five")
}

fn verdict_of(byte: u8) -> Result<Verdict, BadMessage> {
    VERDICTS.get(usize::from(byte)).copied().ok_or(BadMessage)
}

impl Message for Reply {
    fn encode(&self) -> Vec<u8> {
        let mut to = Vec::new();
        match self {
            Self::Done => to.push(1),
            Self::Verdicts(verdicts) => {
                to.push(2);
                put_count(&mut to, verdicts.len());
                to.extend(verdicts.iter().map(|verdict| verdict_byte(*verdict)));
            }
            Self::Pending(counts) => {
                to.push(3);
                put_count(&mut to, counts.len());
                counts.iter().for_each(|count| to.extend_from_slice(count));
            }
            Self::Prepared { key, checked } => {
                to.push(4);
                to.extend_from_slice(key);
                put_count(&mut to, checked.len());
                for (verdict, said) in checked {
                    to.push(verdict_byte(*verdict));
                    put_bytes(&mut to, said);
                }
            }
            Self::Share(share) => {
                to.push(5);
                put_bytes(&mut to, share);
            }
            Self::Status(text) => {
                to.push(6);
                put_bytes(&mut to, text);
            }
            Self::Refused(refusal) => to.extend_from_slice(&[7, *refusal as u8]),
        }
        to
    }

    fn decode(bytes: &[u8]) -> Result<Self, BadMessage> {
        let mut reader = Reader(bytes);
        let reply = match reader.byte()? {
            1 => Self::Done,
            2 => Self::Verdicts(reader.many(MESSAGE_REPORTS_MAX, |reader| verdict_of(reader.byte()?))?),
            3 => Self::Pending(reader.many(PENDING_MAX, Reader::array)?),
            4 => Self::Prepared {
                key: reader.array()?,
                checked: reader
                    .many(MESSAGE_REPORTS_MAX, |reader| Ok((verdict_of(reader.byte()?)?, reader.bytes()?)))?,
            },
            5 => Self::Share(reader.bytes()?),
            6 => Self::Status(reader.bytes()?),
            7 => Self::Refused(Refusal::of(reader.byte()?).ok_or(BadMessage)?),
            _ => return Err(BadMessage),
        };
        reader.end()?;
        Ok(reply)
    }
}

/// The length of a message from its first four bytes.
///
/// # Errors
/// [`BadMessage`]: it is empty, or over [`MESSAGE_BYTES_MAX`].
pub fn length(head: [u8; 4]) -> Result<usize, BadMessage> {
    let length = usize::try_from(u32::from_be_bytes(head)).map_err(|_| BadMessage)?;
    if (1..=MESSAGE_BYTES_MAX).contains(&length) { Ok(length) } else { Err(BadMessage) }
}
