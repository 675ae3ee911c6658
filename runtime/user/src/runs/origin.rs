//! Which run made an entry: entries that stages make carry the moment of the run, and so does the run's line in the audit,
//! which has the code's digest, the consent, and everything that the run read.

use runtime_types::{Area, EntryId, StreamKey, UserId};
use serde::{Deserialize, Serialize};

use crate::cells::installed::Stages;
use crate::error::CallError;
use crate::runs::audit::AuditLine;
use crate::runs::late::is_made;
use crate::runs::pipelines::Pipelines;

/// How much later than its run an entry may be dated, s: stages write entries of one run a moment apart, so that they
/// have an order.
const SPREAD_S: f64 = 1.0;

/// Where an entry comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// Its stream.
    pub key: String,
    /// When it was written, s: for what a stage made, the moment of the run.
    pub write_ts: f64,
    /// Whether a stage made it; otherwise a phone sent it, or it was imported.
    pub made: bool,
    /// The runs of that moment by stages that write its stream: one, unless stages share the stream. Empty: a phone's
    /// entry, or one of a run that was not told in this store.
    pub runs: Vec<AuditLine>,
}

impl Pipelines<'_> {
    /// Where the entry of the timeseries with that id comes from; `None`: there is no such entry.
    ///
    /// # Errors
    /// [`CallError`] where the person or the store cannot be read.
    pub fn origin_of(self, user: UserId, id: EntryId) -> Result<Option<Origin>, CallError> {
        let person = self.runtime.person(user)?;
        let entry = person.store.snapshot().find_id(Area::Timeseries, id).map_err(CallError::Read)?;
        let Some(entry) = entry else { return Ok(None) };
        let made = is_made(&entry.key);
        let mut runs = Vec::new();
        if made {
            let stages = self.runtime.stages_of(&person)?;
            runs = person.audit_within(entry.write_ts - SPREAD_S..=entry.write_ts)?;
            runs.retain(|line| line.bytes_written > 0 && writes(&stages, &line.cell, &entry.key));
            let latest = runs.iter().map(|line| line.ts).fold(f64::NEG_INFINITY, f64::max);
            runs.retain(|line| line.ts == latest);
        }
        Ok(Some(Origin { key: entry.key.to_string(), write_ts: entry.write_ts, made, runs }))
    }
}

/// Whether a run of the cell of that name may have written the stream: a stage of the person's, or an installed cell
/// that is gone, whose streams have its name.
fn writes(stages: &Stages, cell: &str, key: &StreamKey) -> bool {
    let own = key.family().strip_prefix("study.").is_some_and(|name| name == cell);
    own || stages.cells().any(|known| {
        known.manifest.name == cell
            && known.manifest.writes.iter().any(|pattern| pattern.covers(Area::Timeseries, key))
    })
}
