//! Why a run failed: one error for every cell, since each would otherwise write the same one.

use std::error::Error;

use cells_model::EntryId;
use cells_model::page::BadPage;
use cells_model::time::BadTime;

use crate::Failure;

/// The length at which the runtime cuts a cell's error, bytes.
pub use crate::limits::LOG_LINE_BYTES_MAX as ERROR_BYTES_MAX;

/// The cause of an error.
type Cause = Box<dyn Error + Send + Sync>;

/// Why a run failed; nothing of the run is kept.
///
/// A stage or endpoint may return it unchanged: [`export_stage!`](crate::export_stage) and
/// [`export_endpoint!`](crate::export_endpoint) turn it into the text that the owner reads, with its causes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Entries cannot be read.
    #[error("cannot read {keys}")]
    Read {
        /// The keys of the query, with commas.
        keys: String,
        /// The cause.
        #[source]
        source: Unreadable,
    },
    /// Entries cannot be written.
    #[error("cannot write entries")]
    Write(#[source] Failure),
    /// The runtime refused another call.
    #[error(transparent)]
    Refused(#[from] Failure),
    /// A document cannot be read or written, or its content is invalid.
    #[error("cannot read or write the document {name}")]
    Document {
        /// Its name.
        name: &'static str,
        /// The cause.
        #[source]
        source: Cause,
    },
    /// An entry is not in the form that the cell needs.
    #[error("entry {id} {problem}")]
    Entry {
        /// The entry.
        id: EntryId,
        /// What is wrong, such as `cannot be copied`.
        problem: &'static str,
        /// The cause, where more is known.
        #[source]
        source: Option<Cause>,
    },
    /// The runtime did not return an id for each new entry.
    #[error("the runtime gave {got} ids for {wanted} new entries")]
    Ids {
        /// How many entries were inserted.
        wanted: usize,
        /// How many ids were returned.
        got: usize,
    },
    /// A moment has no local time.
    #[error("a moment has no local time")]
    LocalTime(#[from] BadTime),
    /// The cell's error message.
    #[error("{0}")]
    Other(String),
}

/// Why a page could not be read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Unreadable {
    /// The runtime refused.
    #[error(transparent)]
    Refused(#[from] Failure),
    /// The runtime sent an invalid page.
    #[error(transparent)]
    Page(#[from] BadPage),
}

impl RunError {
    /// An error for an entry with a problem, such as `is not a JSON object`, without a cause.
    pub fn entry(id: EntryId, problem: &'static str) -> Self {
        Self::Entry { id, problem, source: None }
    }

    /// An error for an entry with a problem, such as `cannot be read`, and its cause.
    pub fn bad_entry(id: EntryId, problem: &'static str, cause: impl Into<Cause>) -> Self {
        Self::Entry { id, problem, source: Some(cause.into()) }
    }

    /// An error for a document, with its cause.
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
    fn an_error_is_shown_with_its_causes() {
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
