//! Which cells read what of a person's data.

use runtime_program::Failure;
use runtime_program::when::When;
use runtime_user::{AuditLine, ChainReport};
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
    /// What following the chain has found, if that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<ChainReport>,
}

impl Ask for ShowAudit {
    type Answer = AuditShown;

    fn answer(self, context: &Context<'_>) -> Result<AuditShown, Failure> {
        let user = context.find(&self.person)?;
        let [since, _] = zone::span(context.runtime, user, self.since.as_ref(), None)?;
        let person = context.runtime.person(user).map_err(logged)?;
        let runs = person.audit(Some(since), self.cell.as_deref()).map_err(logged)?;
        let chain = self.verify.then(|| person.verify_audit()).transpose().map_err(logged)?;
        Ok(AuditShown { id: user.dashed(), runs, chain })
    }
}
