//! Why a verb failed: what happened and what to do, in one line.

use std::error::Error;
use std::fmt::Display;
use std::io::{self, ErrorKind};
use std::path::Path;

/// A verb's failure, for people. Exit status 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, serde::Serialize, serde::Deserialize)]
#[error("{what}; {remedy}")]
pub struct Failure {
    /// What happened, with its causes.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl Failure {
    /// A failure with its remedy.
    pub fn new(what: impl Display, remedy: impl Display) -> Self {
        Self { what: one_line(&what.to_string()), remedy: one_line(&remedy.to_string()) }
    }

    /// An error with all its causes, and the remedy; a full or read-only disk as the cause has its own remedy.
    pub fn of(error: &(dyn Error + 'static), remedy: impl Display) -> Self {
        let what = runtime_types::chain(error);
        match remedy_of_disk(error) {
            Some(of_disk) => Self::new(what, of_disk),
            None => Self::new(what, remedy),
        }
    }

    /// Like [`Self::of`], for a file that was to be written.
    pub fn of_file(path: &Path, error: &(dyn Error + 'static)) -> Self {
        let remedy =
            remedy_of_disk(error).unwrap_or("name a new file in a folder that the host may write to");
        Self::new(format!("cannot write {}: {}", path.display(), runtime_types::chain(error)), remedy)
    }
}

fn remedy_of_disk(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let mut cause = error;
    let disk = loop {
        match cause.downcast_ref::<io::Error>() {
            Some(disk) => break disk,
            None => cause = cause.source()?,
        }
    };
    match disk.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Some("make room on that disk, then do it again"),
        ErrorKind::ReadOnlyFilesystem => Some("mount that file system for writing, then do it again"),
        _ => None,
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_is_full_or_read_only_is_told_with_its_own_remedy() {
        let failure = |kind: ErrorKind| Failure::of(&io::Error::from(kind), "look into the log").remedy;
        assert_eq!(failure(ErrorKind::StorageFull), "make room on that disk, then do it again");
        assert_eq!(
            failure(ErrorKind::ReadOnlyFilesystem),
            "mount that file system for writing, then do it again"
        );
        assert_eq!(failure(ErrorKind::NotFound), "look into the log");
    }
}
