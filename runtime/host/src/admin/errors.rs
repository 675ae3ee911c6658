//! The readings of a person that the diary does not show.

use std::sync::Arc;

use runtime_program::Failure;
use runtime_user::errors::{Group, Listed, Said};
use runtime_user::{AuditLine, AuditRead, ErrorsReport, Person, Retried, Runtime, Selection, UserId};
use serde::{Deserialize, Serialize};

use super::ask::{Ask, Context};
use super::remedy::logged;
use crate::http::service::now;

/// Asks which readings the diary does not show, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListErrors {
    /// The person, by name or id.
    pub person: String,
    /// Which of the readings.
    pub selection: Selection,
    /// Whether the entries themselves are shown.
    pub list: bool,
}

/// The answer to [`ListErrors`]: a person's [`ErrorsReport`].
#[derive(Debug, Serialize, Deserialize)]
pub struct ErrorsShown {
    /// The person's id.
    pub id: String,
    /// The readings, grouped by fate, stream and reason.
    pub groups: Vec<Group>,
    /// Puts that were ignored: the very same entry was here already.
    pub ignored: u64,
    /// Readings that a later one with the same type, stream and time of writing replaced before any run.
    pub replaced: u64,
    /// Sealed uploads that could not be accepted and are kept as files.
    pub uploads_aside: u64,
    /// The recent messages of the stages, each listed once.
    pub said: Vec<Said>,
    /// The entries themselves, if they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries: Option<Vec<Listed>>,
}

impl Ask for ListErrors {
    type Answer = ErrorsShown;

    fn answer(self, context: &Context<'_>) -> Result<ErrorsShown, Failure> {
        let user = context.find(&self.person)?;
        let told = if self.list { Some(tell_list(context.runtime, user, &self.selection)?) } else { None };
        let report =
            context.runtime.diaries().errors(user, &self.selection, self.list, now()).map_err(logged)?;
        if let Some((person, line)) = told {
            person.console_ends(line, report.entries.as_ref().map_or(0, Vec::len) as u64);
        }
        let ErrorsReport { groups, ignored, replaced, uploads_aside, said, entries } = report;
        Ok(ErrorsShown { id: user.dashed(), groups, ignored, replaced, uploads_aside, said, entries })
    }
}

/// Tells in the audit that entries are listed.
fn tell_list(
    runtime: &Runtime,
    user: UserId,
    selection: &Selection,
) -> Result<(Arc<Person>, AuditLine), Failure> {
    let person = runtime.person(user).map_err(logged)?;
    let read = AuditRead::new("errors", selection.stream.iter().cloned().collect());
    let line = person.console_begins("errors", vec![read], now()).map_err(logged)?;
    Ok((person, line))
}

/// Puts readings that were set aside or marked invalid back, so that they are judged again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetryErrors {
    /// The person, by name or id.
    pub person: String,
    /// Which of the readings.
    pub selection: Selection,
}

/// The answer to [`RetryErrors`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// The person's id.
    pub id: String,
    /// What was done.
    #[serde(flatten)]
    pub retried: Retried,
}

impl Ask for RetryErrors {
    type Answer = Retry;

    fn answer(self, context: &Context<'_>) -> Result<Retry, Failure> {
        let user = context.find(&self.person)?;
        let retried = context.runtime.diaries().retry(user, &self.selection).map_err(|error| {
            Failure::of(
                &error,
                "give the same command again: it goes on where it stopped, and nothing is lost",
            )
        })?;
        Ok(Retry { id: user.dashed(), retried })
    }
}
