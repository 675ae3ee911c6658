//! Which cells read what of a person's data.

use runtime_program::Failure;
use runtime_program::when::When;
use runtime_user::{AuditLine, ChainReport, EntryId, Origin, UserId};
use serde::{Deserialize, Serialize};

use super::ask::{Ask, Context};
use super::remedy::logged;
use super::zone;

/// Asks which cell read what of a person's data, and how each run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShowAudit {
    /// The person, by name or id.
    pub person: String,
    /// Only runs at or after this moment.
    pub since: Option<When>,
    /// Only runs of the cell with this name.
    pub cell: Option<String>,
    /// Only the runs that made this entry of the timeseries: its id, 24 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// Whether to follow the chain of all lines, too.
    #[serde(default)]
    pub verify: bool,
}

/// The answer to [`ShowAudit`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditShown {
    /// The person's id.
    pub id: String,
    /// One line for each run, the earliest first; only the newest [`runtime_user::AUDIT_LINES_MAX`].
    pub runs: Vec<AuditLine>,
    /// Of the entry that was asked for, its stream and when it was written, s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<EntryShown>,
    /// What following the chain has found, if that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<ChainReport>,
}

/// An entry whose runs are shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EntryShown {
    /// Its stream.
    pub key: String,
    /// When it was written, s: for what a stage made, the moment of the run.
    pub write_ts: f64,
    /// Whether a stage made it; otherwise a phone sent it, or it was imported.
    pub made: bool,
}

impl Ask for ShowAudit {
    type Answer = AuditShown;

    fn answer(self, context: &Context<'_>) -> Result<AuditShown, Failure> {
        let user = context.find(&self.person)?;
        let [since, _] = zone::span(context.runtime, user, self.since.as_ref(), None)?;
        let person = context.runtime.person(user).map_err(logged)?;
        let (runs, entry) = match &self.entry {
            None => (person.audit(Some(since), self.cell.as_deref()).map_err(logged)?, None),
            Some(id) => {
                let Origin { key, write_ts, made, runs } = origin(context, user, id)?;
                (runs, Some(EntryShown { key, write_ts, made }))
            }
        };
        let chain = self.verify.then(|| person.verify_audit()).transpose().map_err(logged)?;
        Ok(AuditShown { id: user.dashed(), runs, entry, chain })
    }
}

fn origin(context: &Context<'_>, user: UserId, id: &str) -> Result<Origin, Failure> {
    let remedy = "give the id of an entry of the timeseries, as an export has it";
    let parsed: EntryId =
        id.parse().map_err(|_| Failure::new(format!("{id:?} is no id of an entry"), remedy))?;
    let origin = context.runtime.pipelines().origin_of(user, parsed).map_err(logged)?;
    origin.ok_or_else(|| Failure::new(format!("there is no entry {id}"), remedy))
}
