//! What a host and the gate that draws the noise say to each other: one line of JSON each way.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What a host asks of the gate. The sums are over one process's memory and a pipe alone: they are on no disk.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// The signed study.
    pub study: String,
    /// Which epoch.
    pub epoch: u32,
    /// How many people have contributed.
    pub people: u64,
    /// The sums of their bounded numbers, as many as the study has numbers.
    pub sums: Vec<i64>,
    /// The folder in which the gate marks that an epoch was answered, and keeps the answer.
    pub folder: PathBuf,
}

/// What the gate answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// The totals with noise.
    Answer(Answer),
    /// Why there is none.
    Refused {
        /// In words.
        why: String,
    },
}

/// The one answer of an epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Answer {
    /// The study's id.
    pub study: String,
    /// The study's name.
    pub name: String,
    /// Which epoch, from 0.
    pub epoch: u32,
    /// Its first moment, s.
    pub from_s: i64,
    /// The first moment after it, s.
    pub until_s: i64,
    /// At least so many people contributed; how many is not told.
    pub smallest_group: u64,
    /// What it cost each of them, millionths of ε.
    pub epsilon_micro: u64,
    /// The scale of the noise of each total.
    pub scale: f64,
    /// Each total is within this of the sum of the bounded numbers, in at least [`Self::confidence_percent`] of a
    /// hundred cases.
    pub error_bar: u64,
    /// [`crate::CONFIDENCE_PERCENT`].
    pub confidence_percent: u32,
    /// The totals, in the order of the study.
    pub totals: Vec<Total>,
}

/// One total.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Total {
    /// The number's name.
    pub name: String,
    /// The sum with noise.
    pub total: i64,
}

/// The file that says that an epoch was answered, in the folder of a study.
pub fn mark_file(folder: &Path, epoch: u32) -> PathBuf {
    folder.join(format!("epoch-{epoch}.mark"))
}

/// The file that keeps the answer of an epoch, in the folder of a study.
pub fn answer_file(folder: &Path, epoch: u32) -> PathBuf {
    folder.join(format!("epoch-{epoch}.json"))
}
