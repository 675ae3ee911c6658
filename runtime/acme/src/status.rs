//! How the certificates are, for the operator: counts and dates, and nothing about any person.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::files;

/// The file in the folder of certificates, rewritten after each change.
pub const STATUS_FILE: &str = "status.json";

/// How the certificates are.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// Names that somebody has connected to.
    pub names: usize,
    /// How many of them have a certificate.
    pub certified: usize,
    /// When the first of the certificates ends, s since 1970.
    pub first_ends_ts: Option<f64>,
    /// Names whose last order failed.
    pub failing: usize,
    /// Why the last order failed, if no later one was successful.
    pub failure: Option<String>,
    /// When the next try after a failure is, s since 1970.
    pub next_try_ts: Option<f64>,
}

impl Status {
    /// The one that was written last in that folder; `None`: there is none that can be read.
    pub fn read(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(folder.join(STATUS_FILE)).ok()?).ok()
    }

    pub(crate) fn write(&self, folder: &Path) -> io::Result<()> {
        files::make_folder(folder)?;
        let text = serde_json::to_vec(self)?;
        files::replace(&folder.join(STATUS_FILE), &[&text], |_| Ok::<(), io::Error>(()))
    }
}
