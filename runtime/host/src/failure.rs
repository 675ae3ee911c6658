//! Why a verb failed: what happened and what to do, in one line.

use std::error::Error;
use std::fmt::Display;

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

    /// An error with all its causes, and the remedy.
    pub fn of(error: &(dyn Error + 'static), remedy: impl Display) -> Self {
        Self::new(runtime_user::chain(error), remedy)
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
