//! What is wrong with a person's files. A damaged person is not served; everybody else is.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A file of a person that cannot be used as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// The file or folder.
    pub file: PathBuf,
    /// What is wrong with it: the end of a sentence that begins with the file.
    pub what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.file.display(), self.what)
    }
}

impl Damage {
    pub(crate) fn new(file: &Path, what: impl Into<String>) -> Self {
        Self { file: file.to_owned(), what: what.into() }
    }

    pub(crate) fn missing(file: &Path) -> Self {
        Self::new(file, "is missing")
    }

    pub(crate) fn unreadable(file: &Path, error: &io::Error) -> Self {
        Self::new(file, format!("cannot be read: {error}"))
    }

    /// Where in a JSON file the damage shows. The parser's own words could repeat what the file holds.
    pub(crate) fn unparsed(file: &Path, error: &serde_json::Error) -> Self {
        let at = (error.line(), error.column());
        Self::new(file, format!("does not read at line {}, column {}", at.0, at.1))
    }

    pub(crate) fn of_another(file: &Path) -> Self {
        Self::new(file, "belongs to another person")
    }
}
