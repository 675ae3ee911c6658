//! What a host and the program that sends shares to two aggregators say to each other: one line of JSON each way.

use std::fmt;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Most reports of one question.
pub const SEND_REPORTS_MAX: usize = 64;
/// Largest question, bytes: the study, and the numbers of the most reports.
pub const SEND_ASK_BYTES_MAX: usize = 8 << 20;

/// Under which the aggregators count one person in one epoch of one study, once. It looks random, and only the person's
/// own store can make it again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReportId(pub [u8; 16]);

impl fmt::Debug for ReportId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReportId")
    }
}

impl Serialize for ReportId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&HEXLOWER.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for ReportId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = HEXLOWER.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| de::Error::custom("a report has an id of 32 hex digits"))
    }
}

/// One person's numbers. It has no `Debug`, so that no log shows them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Under which it is counted.
    pub id: ReportId,
    /// The bounded numbers, in the order of the study.
    pub numbers: Vec<i64>,
}

/// What a host asks of the program. The numbers are in the memory of the two and in a pipe alone.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendAsk {
    /// The signed study.
    pub study: String,
    /// Which epoch.
    pub epoch: u32,
    /// At most [`SEND_REPORTS_MAX`] reports.
    pub reports: Vec<Report>,
}

/// What became of one report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Both aggregators have counted it.
    Counted,
    /// It was counted before, and is counted once.
    Repeated,
    /// Its proof does not hold: the numbers are out of bounds, or the shares do not belong together.
    BadProof,
    /// The epoch is closed.
    Closed,
    /// It was not counted, and may be sent again.
    Again,
}

impl Verdict {
    /// Whether it is in the total.
    pub fn is_counted(self) -> bool {
        matches!(self, Self::Counted | Self::Repeated)
    }
}

/// What the program answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sent {
    /// One verdict for each report, in their order.
    Verdicts(Vec<Verdict>),
    /// Nothing was counted, or nobody knows: all may be sent again.
    Failed {
        /// Why, in words.
        why: String,
    },
}
