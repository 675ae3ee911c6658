//! Why a run was given up: one error for every cell, since each would otherwise write the same one.

use std::error::Error;

use cells_model::EntryId;
use cells_model::page::BadPage;
use cells_model::time::BadTime;

use crate::Failure;

/// How much of a cell's error the runtime keeps, bytes.
pub use crate::limits::LOG_LINE_BYTES_MAX as ERROR_BYTES_MAX;

/// The cause of an error.
type Cause = Box<dyn Error + Send + Sync>;

/// Why a run was given up; nothing of it is kept.
///
/// A stage or endpoint may return it as it is: [`export_stage!`](crate::export_stage) and
/// [`export_endpoint!`](crate::export_endpoint) turn it into the text that the owner reads, with its causes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Entries cannot be read.
    #[error("cannot read {keys}")]
    Read {
        /// The keys of the query, with commas.
        keys: String,
        /// What went wrong.
        #[source]
        source: Unreadable,
    },
    /// Entries cannot be written.
    #[error("cannot write entries")]
    Write(#[source] Failure),
    /// The runtime refused another call.
    #[error(transparent)]
    Refused(#[from] Failure),
    /// A document cannot be read or written, or is not what it should be.
    #[error("cannot read or write the document {name}")]
    Document {
        /// Its name.
        name: &'static str,
        /// What went wrong.
        #[source]
        source: Cause,
    },
    /// An entry is not what the cell needs it to be.
    #[error("entry {id} {problem}")]
    Entry {
        /// Which one.
        id: EntryId,
        /// What is wrong, such as `cannot be copied`.
        problem: &'static str,
        /// Why, where more is known.
        #[source]
        source: Option<Cause>,
    },
    /// The runtime has broken its promise of an id for each new entry.
    #[error("the runtime gave {got} ids for {wanted} new entries")]
    Ids {
        /// How many entries were inserted.
        wanted: usize,
        /// How many ids came back.
        got: usize,
    },
    /// A moment has no local time.
    #[error("a moment has no local time")]
    LocalTime(#[from] BadTime),
    /// The cell's own words.
    #[error("{0}")]
    Other(String),
}

/// Why an answer could not be read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Unreadable {
    /// The runtime refused.
    #[error(transparent)]
    Refused(#[from] Failure),
    /// The runtime sent a page that breaks its own rules.
    #[error(transparent)]
    Page(#[from] BadPage),
}

impl RunError {
    /// An entry with a problem, such as `is no JSON object`, of which nothing more is known.
    pub fn entry(id: EntryId, problem: &'static str) -> Self {
        Self::Entry { id, problem, source: None }
    }

    /// An entry with a problem, such as `cannot be read`, and its cause.
    pub fn bad_entry(id: EntryId, problem: &'static str, cause: impl Into<Cause>) -> Self {
        Self::Entry { id, problem, source: Some(cause.into()) }
    }

    /// A document with what is wrong with it.
    pub fn document(name: &'static str, cause: impl Into<Cause>) -> Self {
        Self::Document { name, source: cause.into() }
    }
}

/// The error with its causes, separated by colons, cut at [`ERROR_BYTES_MAX`].
impl From<RunError> for String {
    fn from(error: RunError) -> Self {
        let causes = std::iter::successors(error.source(), |cause| (*cause).source());
        let mut text = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
        text.truncate(text.floor_char_boundary(ERROR_BYTES_MAX));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_with_its_causes() {
        let denied = Unreadable::Refused(Failure::Denied("a/b".to_owned()));
        let error = RunError::Read { keys: "a/b, c/d".to_owned(), source: denied };
        assert_eq!(String::from(error), "cannot read a/b, c/d: denied: a/b");
        let error = RunError::bad_entry(EntryId([1; 12]), "cannot be read", "no number");
        assert_eq!(String::from(error), "entry 010101010101010101010101 cannot be read: no number");
        assert_eq!(String::from(RunError::from(Failure::Unavailable)), "the store is unavailable");
    }

    #[test]
    fn an_error_is_cut_between_two_characters() {
        let text = String::from(RunError::Other("ü".repeat(ERROR_BYTES_MAX)));
        assert_eq!(text, "ü".repeat(ERROR_BYTES_MAX / 2));
        let text = String::from(RunError::Other(format!("a{}", "ü".repeat(ERROR_BYTES_MAX))));
        assert_eq!(text.len(), ERROR_BYTES_MAX - 1);
    }
}
