//! What installed cells said, apart from the lines of the audit: a cell's words may tell what it has read, so they go
//! when their owner forgets. The line in the chain keeps the SHA-256 of them, over a random salt that goes with them.
//!
//! * Invariant: no line of an installed cell has words of it in its own text.
//! * Words of built-in cells stay in their lines: they tell neither places nor tokens.

use std::collections::HashMap;
use std::ops::ControlFlow;

use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use runtime_store::{Batch, NewEntry, ReadError, Snapshot};
use runtime_types::{Area, EntryId, Query, StreamKey, TimeField};
use serde::{Deserialize, Serialize};

use crate::error::CallError;
use crate::people::person::Person;
use crate::runs::audit::AuditLine;

/// How many entries one commit removes.
const ENTRIES_PER_COMMIT: u64 = 10_000;

/// What one run said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Words {
    /// The number of its line in the chain.
    line: u64,
    /// The cell's name.
    cell: String,
    /// 32 random hex digits, so that nobody guesses removed words by their digest.
    salt: String,
    /// Its messages to the owner.
    said: Vec<String>,
    /// Why it was not done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// The stream of words.
pub(crate) fn key() -> StreamKey {
    StreamKey::parse("audit/words").expect("a plain key")
}

fn query(field: TimeField, since: f64) -> Query {
    Query { keys: vec![key()], field, start: since, ..Query::everything(Area::Audit) }
}

/// Whether the line has words that are kept apart.
pub(crate) fn are_apart(line: &AuditLine) -> bool {
    line.under.is_some() && (!line.said.is_empty() || line.reason.is_some())
}

/// Takes a line's words out of it; the line with that number says their digest. Returns the text of their entry, or
/// `None` where the system has no randomness: then nothing is kept of them.
pub(crate) fn take(line: &mut AuditLine, number: u64) -> Option<String> {
    let (said, reason) = (std::mem::take(&mut line.said), line.reason.take());
    let mut salt = [0; 16];
    SystemRandom::new().fill(&mut salt).ok()?;
    let salt = data_encoding::HEXLOWER.encode(&salt);
    let words = Words { line: number, cell: line.cell.clone(), salt, said, reason };
    let text = serde_json::to_string(&words).expect("words are texts and a number");
    line.words = Some(digest_of(&text));
    Some(text)
}

/// Adds the entry of words to a commit.
pub(crate) fn put(batch: &mut Batch, id: EntryId, ts: f64, text: &str) {
    let metadata = format!(r#"{{"key":"audit/words","platform":"server","write_ts":{ts}}}"#);
    batch.insert(
        Area::Audit,
        NewEntry { id: Some(id), key: key(), metadata: &metadata, data: text, extra: "" },
    );
}

fn digest_of(text: &str) -> String {
    data_encoding::HEXLOWER.encode(digest(&SHA256, text.as_bytes()).as_ref())
}

/// Puts words back into the lines that they were taken out of, if they are still there. `since`: a moment before all of
/// the lines, s.
pub(crate) fn put_back(lines: &mut [AuditLine], snapshot: &Snapshot, since: f64) -> Result<(), ReadError> {
    let numbers = lines.iter().enumerate().filter(|(_, line)| line.words.is_some());
    let mut wanted: HashMap<u64, usize> =
        numbers.filter_map(|(at, line)| Some((line.link.as_ref()?.number, at))).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let mut cursor = snapshot.find(&query(TimeField::WriteTs, since))?;
    cursor.visit(&mut |row| {
        // Words that cannot be parsed are from a later version; exports contain them.
        if let Ok(words) = serde_json::from_str::<Words>(row.data)
            && let Some(line) = wanted.remove(&words.line).and_then(|at| lines.get_mut(at))
        {
            (line.said, line.reason) = (words.said, words.reason);
        }
        ControlFlow::Continue(())
    })?;
    Ok(())
}

/// The digests of all words that are there, by the numbers of their lines.
pub(crate) fn digests(snapshot: &Snapshot) -> Result<HashMap<u64, String>, ReadError> {
    let mut found = HashMap::new();
    let mut cursor = snapshot.find(&query(TimeField::Position, f64::NEG_INFINITY))?;
    cursor.visit(&mut |row| {
        if let Ok(words) = serde_json::from_str::<Words>(row.data) {
            found.insert(words.line, digest_of(row.data));
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

/// Removes the words of all runs so far. Returns how many runs had any.
pub(crate) fn forget(person: &Person) -> Result<u64, CallError> {
    // Lines that wait for a commit have words, too.
    person.sync().map_err(CallError::Commit)?;
    let mut removed = 0;
    loop {
        let snapshot = person.store.snapshot_ahead();
        let mut batch = Batch::new();
        let mut cursor =
            snapshot.find(&query(TimeField::Position, f64::NEG_INFINITY)).map_err(CallError::Read)?;
        let visited = cursor.visit(&mut |row| {
            batch.delete_in(Area::Audit, row.id);
            if batch.rows() < ENTRIES_PER_COMMIT { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        visited.map_err(CallError::Read)?;
        let some = batch.rows();
        if some > 0 {
            person.commit(batch).map_err(CallError::Commit)?;
        }
        removed += some;
        if some < ENTRIES_PER_COMMIT {
            return Ok(removed);
        }
    }
}
