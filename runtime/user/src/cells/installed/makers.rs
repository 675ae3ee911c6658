//! Whose results are in a store: which code, under which consent, made what a stage of an installed cell has written.
//! Whatever another code or another consent made is removed before the stage runs again.

use std::collections::BTreeMap;

use ring::digest::{SHA256, digest};
use runtime_consent::Consent;
use runtime_store::{Batch, Snapshot};
use serde::{Deserialize, Serialize};

use crate::cells::catalogue::Cell;
use crate::cells::installed::Stages;
use crate::error::CallError;
use crate::people::person::Person;
use crate::runs::rewind;

/// The document that says so.
const MAKERS: &str = "pipeline/makers";

/// Stages by name, each with what made its results.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Makers(BTreeMap<String, String>);

fn read(snapshot: &Snapshot) -> Result<Makers, CallError> {
    let Some(content) = snapshot.document(MAKERS).map_err(CallError::Read)? else {
        return Ok(Makers::default());
    };
    let read = serde_json::from_slice(&content);
    read.map_err(|source| CallError::Document { name: MAKERS.to_owned(), source })
}

/// What determines a stage's results besides the entries: its code, and what of them it is shown.
fn maker(cell: &Cell) -> String {
    let shown = |consent: &Consent| {
        let text = serde_json::to_string(&consent.streams).expect("texts and finite numbers are JSON");
        let digest = digest(&SHA256, text.as_bytes());
        data_encoding::HEXLOWER.encode(&digest.as_ref()[..8])
    };
    let shown = cell.terms.as_ref().map(|terms| shown(&terms.consent)).unwrap_or_default();
    format!("{}:{shown}", cell.prepared.digest())
}

/// Removes results that other code, or the same code under another consent, has made. The caller holds the person's
/// `pipeline`.
pub(crate) fn settle(stages: &Stages, person: &Person) -> Result<(), CallError> {
    let snapshot = person.store.snapshot_ahead();
    let before = read(&snapshot)?;
    let mut now = before.clone();
    for guest in stages.guests() {
        let maker = maker(&guest.cell);
        if before.0.get(&guest.stage).is_some_and(|made| *made != maker) {
            rewind::remove_made(person, guest)?;
        }
        now.0.insert(guest.stage.clone(), maker);
    }
    // Stages of the list: whoever is not named here is the host's own.
    let is_listed = |stage: &str| stages.plan().stage(stage).is_some();
    let taken: BTreeMap<String, String> =
        stages.taken_over().iter().map(|(stage, cell)| (stage.clone(), maker(cell))).collect();
    let were: BTreeMap<String, String> = before.0.into_iter().filter(|(stage, _)| is_listed(stage)).collect();
    let mut batch = Batch::new();
    let snapshot = person.store.snapshot_ahead();
    if taken != were {
        rewind::recompute_all(stages, &snapshot, &mut batch)?;
        now.0.retain(|stage, _| !is_listed(stage));
        now.0.extend(taken);
    }
    if now != read(&snapshot)? {
        let text = serde_json::to_vec(&now).expect("texts are JSON");
        batch.put_document(MAKERS, text);
    }
    if batch.is_empty() { Ok(()) } else { person.commit_ahead(batch).map_err(CallError::Commit) }
}

/// Removes what is known of a stage that is no more.
pub(crate) fn forget(snapshot: &Snapshot, stage: &str, batch: &mut Batch) -> Result<(), CallError> {
    let mut makers = read(snapshot)?;
    if makers.0.remove(stage).is_some() {
        batch.put_document(MAKERS, serde_json::to_vec(&makers).expect("texts are JSON"));
    }
    Ok(())
}
