//! The entries that a person's phones have put and no run has accepted yet, with the reason; and the entries that an
//! earlier version set aside because of the host's clock.
//!
//! * An entry that is dated ahead of the host's clock waits in the usercache, because it is unknown which of the two
//!   clocks is wrong. The first run whose clock has reached that time accepts it.
//! * Not here: entries that cannot be accepted at all; the cell sets them aside with the reason.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use runtime_store::{Batch, NewEntry, Row, Snapshot};
use runtime_types::{Area, Query, StreamKey, TimeField};
use serde::{Deserialize, Serialize};

use crate::error::CallError;
use crate::people::person::Person;

/// Why entries wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaitReason {
    /// The next run accepts them.
    NextRun,
    /// They are dated ahead of the host's clock.
    DatedAhead,
    /// They are documents for a phone, which no run accepts.
    Document,
}

impl WaitReason {
    /// Why one entry waits, in words for the owner.
    pub fn words(self) -> &'static str {
        match self {
            Self::NextRun => "the next run takes it in",
            Self::DatedAhead => "it is dated ahead of the host's clock, and waits until that has come so far",
            Self::Document => "it is a document for a phone, which no run takes in",
        }
    }
}

/// Entries of one stream that wait for one reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Waiting {
    /// The stream that they were put into.
    pub key: String,
    /// The reason.
    pub reason: WaitReason,
    /// How many.
    pub count: u64,
    /// The time of writing of the earliest, by the phone's clock, s.
    pub first_ts: f64,
    /// The same of the latest.
    pub last_ts: f64,
}

impl Person {
    /// The entries that the person's phones have put and no run has accepted, at `now`, by stream and reason. Reads
    /// the usercache.
    pub fn waiting_entries(&self, now: f64) -> Result<Vec<Waiting>, CallError> {
        waiting(&self.store.snapshot(), now)
    }
}

pub(crate) fn waiting(snapshot: &Snapshot, now: f64) -> Result<Vec<Waiting>, CallError> {
    let mut found: BTreeMap<(StreamKey, WaitReason), Waiting> = BTreeMap::new();
    let query = Query { field: TimeField::WriteTs, ..Query::everything(Area::Usercache) };
    let mut cursor = snapshot.find(&query).map_err(CallError::Read)?;
    let visited = cursor.visit(&mut |row| {
        let reason = reason(row, now);
        let (key, written) = (row.key.clone(), row.write_ts);
        let known = found.entry((key, reason)).or_insert_with_key(|(key, _)| Waiting {
            key: key.as_str().to_owned(),
            reason,
            count: 0,
            first_ts: written,
            last_ts: written,
        });
        known.count += 1;
        (known.first_ts, known.last_ts) = (known.first_ts.min(written), known.last_ts.max(written));
        ControlFlow::Continue(())
    });
    visited.map_err(CallError::Read)?;
    Ok(found.into_values().collect())
}

/// Why an entry of the usercache waits at `now`, s.
pub(crate) fn reason(row: &Row<'_>, now: f64) -> WaitReason {
    let kind = cells_model::text::value_of(row.metadata, "type");
    if kind == Some("\"document\"") {
        WaitReason::Document
    } else if row.write_ts > now {
        WaitReason::DatedAhead
    } else {
        WaitReason::NextRun
    }
}

/// The document that records that [`put_back`] has been done. No cell is granted names with this prefix.
const PUT_BACK: &str = "runtime/dated-ahead-put-back";

/// The reason that earlier versions gave for an entry that was dated more than a day ahead of the host's clock.
const DATED_AHEAD: &str = "the phone's clock was wrong: it was written more than a day in the future";

/// How many entries one commit puts back.
const ENTRIES_PER_COMMIT: u64 = 10_000;

/// Puts entries back into the usercache that an earlier version set aside because of the host's clock, which may have
/// been wrong: they are accepted as if they had been put now. Done once for each person; the caller holds the person's
/// `pipeline`.
pub(crate) fn put_back(person: &Person) -> Result<(), CallError> {
    loop {
        let snapshot = person.store.snapshot_ahead();
        let has_errors = snapshot.stream_names().any(|stream| stream.area == Area::Errors);
        if !has_errors || snapshot.document(PUT_BACK).map_err(CallError::Read)?.is_some() {
            return Ok(());
        }
        let batch = put_back_some(&snapshot)?;
        let entries = batch.rows() / 2;
        if entries > 0 {
            let user = person.user.short();
            tracing::info!(%user, entries, "entries that were set aside as dated ahead wait for their time again");
        }
        person.commit_ahead(batch).map_err(CallError::Commit)?;
    }
}

/// One commit of `put_back`. The last one records that it is done.
fn put_back_some(snapshot: &Snapshot) -> Result<Batch, CallError> {
    let mut batch = Batch::new();
    let mut is_last = true;
    let mut cursor = snapshot.find(&Query::everything(Area::Errors)).map_err(CallError::Read)?;
    let visited = cursor.visit(&mut |row| {
        if !was_dated_ahead(row.extra) {
            return ControlFlow::Continue(());
        }
        if batch.rows() >= 2 * ENTRIES_PER_COMMIT {
            is_last = false;
            return ControlFlow::Break(());
        }
        batch.delete_in(Area::Errors, row.id);
        let Row { metadata, data, .. } = *row;
        let entry = NewEntry { id: None, key: row.key.clone(), metadata, data, extra: "" };
        batch.insert(Area::Usercache, entry);
        ControlFlow::Continue(())
    });
    visited.map_err(CallError::Read)?;
    if is_last {
        batch.put_document(PUT_BACK, b"{}".to_vec());
    }
    Ok(batch)
}

/// Whether the `error` beside an entry gives that reason.
fn was_dated_ahead(extra: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Extra {
        error: Why,
    }
    #[derive(serde::Deserialize)]
    struct Why {
        reason: String,
    }
    let extra: Result<Extra, _> = serde_json::from_str(&format!("{{{extra}}}"));
    extra.is_ok_and(|extra| extra.error.reason == DATED_AHEAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_earlier_versions_is_known_among_others() {
        assert!(was_dated_ahead(&format!(r#""error":{{"reason":"{DATED_AHEAD}","at":1.5}}"#)));
        for other in
            ["", r#""error":{"reason":"it names no time zone","at":1.5}"#, r#""more":[1]"#, "\"error\":1"]
        {
            assert!(!was_dated_ahead(other), "{other}");
        }
    }
}
