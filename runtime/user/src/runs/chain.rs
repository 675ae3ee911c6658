//! The chain of a person's audit: each line has a number and the SHA-256 of the line before, and one document has both of
//! the last line. A line that is removed, changed or put in between is noticed by whoever follows the chain.
//!
//! * Invariant: lines get their numbers in the order in which they are committed, since whoever commits them holds
//!   [`Person`]'s `chain`.
//! * What it does not show: whoever has the data key can write all of it anew. Against that, phones remember the store's
//!   head (`docs/handshake.md`, section 9, Head).

use std::ops::ControlFlow;

use ring::digest::{SHA256, digest};
use runtime_store::{Batch, NewEntry, ReadError, Store};
use runtime_types::{Area, Query, StreamKey};
use serde::{Deserialize, Serialize};

use crate::error::CallError;
use crate::people::person::Person;
use crate::runs::audit::AuditLine;
use crate::runs::words::{self, are_apart};

/// The document with the end of the chain.
const END: &str = "audit/chain";

/// A line's place in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The number of the line, from 0.
    pub number: u64,
    /// SHA-256 of the text of the line before, 64 hex digits; of nothing for the first.
    pub before: String,
}

/// The end of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct End {
    /// How many lines there are.
    lines: u64,
    /// SHA-256 of the text of the last one, 64 hex digits.
    hash: String,
}

impl Default for End {
    fn default() -> Self {
        Self { lines: 0, hash: hash_of("") }
    }
}

/// The stream of lines.
fn key() -> StreamKey {
    StreamKey::parse("audit/run").expect("a plain key")
}

/// All lines.
pub(crate) fn lines() -> Query {
    Query { keys: vec![key()], ..Query::everything(Area::Audit) }
}

fn hash_of(text: &str) -> String {
    data_encoding::HEXLOWER.encode(digest(&SHA256, text.as_bytes()).as_ref())
}

/// Adds lines to a commit, at the end of the chain. The caller holds the person's `chain` until the commit is made.
pub(crate) fn add<'a>(
    store: &Store,
    batch: &mut Batch,
    lines: impl ExactSizeIterator<Item = &'a AuditLine>,
) -> Result<(), ReadError> {
    if lines.len() == 0 {
        return Ok(());
    }
    let stored = store.snapshot_ahead().document(END)?;
    // An end that does not read is reported by whoever follows the chain; the audit goes on with another one.
    let mut end: End = stored.and_then(|content| serde_json::from_slice(&content).ok()).unwrap_or_default();
    for line in lines {
        let metadata = format!(r#"{{"key":"audit/run","platform":"server","write_ts":{}}}"#, line.ts);
        let link = Link { number: end.lines, before: std::mem::take(&mut end.hash) };
        let mut line = AuditLine { link: Some(link), ..line.clone() };
        let apart = are_apart(&line).then(|| words::take(&mut line, end.lines)).flatten();
        let data = serde_json::to_string(&line).expect("a line has only texts and numbers");
        end = End { lines: end.lines + 1, hash: hash_of(&data) };
        let mut ids = store.allocate(1 + usize::from(apart.is_some())).into_iter();
        let mut next = || ids.next().expect("as many as were asked for");
        let entry = NewEntry { id: Some(next()), key: key(), metadata: &metadata, data: &data, extra: "" };
        batch.insert(Area::Audit, entry);
        if let Some(apart) = apart {
            words::put(batch, next(), line.ts, &apart);
        }
    }
    batch.put_document(END, serde_json::to_vec(&end).expect("an end has a text and a number"));
    Ok(())
}

/// What whoever follows a chain finds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainReport {
    /// How many lines are in the chain.
    pub lines: u64,
    /// How many lines are from before there was a chain.
    pub before: u64,
    /// What is wrong, if anything is; the first of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<String>,
}

/// A line as the chain sees it.
struct Found {
    number: u64,
    before: String,
    hash: String,
}

impl Person {
    /// Follows the chain of the audit from its first line to its end.
    ///
    /// # Errors
    /// [`CallError`] where the store cannot be read. A chain that is broken is no error.
    pub fn verify_audit(&self) -> Result<ChainReport, CallError> {
        self.sync().map_err(CallError::Commit)?;
        let snapshot = self.store.snapshot();
        let (mut found, mut before, mut unread, mut changed) = (Vec::new(), 0, 0, None);
        let mut cursor = snapshot.find(&lines()).map_err(CallError::Read)?;
        let apart = words::digests(&snapshot).map_err(CallError::Read)?;
        let visited = cursor.visit(&mut |row| {
            match serde_json::from_str::<AuditLine>(row.data).map(|line| (line.link, line.words)) {
                Ok((Some(Link { number, before }), words)) => {
                    // Words may be gone, and are then no others.
                    if apart.get(&number).is_some_and(|digest| Some(digest) != words.as_ref()) {
                        changed.get_or_insert(number);
                    }
                    found.push(Found { number, before, hash: hash_of(row.data) });
                }
                Ok((None, _)) => before += 1,
                Err(_) => unread += 1,
            }
            ControlFlow::Continue(())
        });
        visited.map_err(CallError::Read)?;
        found.sort_by_key(|line| line.number);
        let end = snapshot.document(END).map_err(CallError::Read)?;
        let broken = if unread > 0 {
            Some(format!("{unread} lines do not read"))
        } else {
            follow(&found, end.as_deref())
                .or_else(|| changed.map(|line| format!("what line {line} said was changed")))
        };
        Ok(ChainReport { lines: found.len() as u64, before, broken })
    }
}

/// The first thing that is wrong with a chain.
fn follow(lines: &[Found], end: Option<&[u8]>) -> Option<String> {
    let mut expected = End::default();
    for line in lines {
        if line.number < expected.lines {
            return Some(format!("there are two lines {}", line.number));
        }
        if line.number > expected.lines {
            return Some(format!("line {} is missing", expected.lines));
        }
        if line.before != expected.hash {
            return Some(match line.number.checked_sub(1) {
                Some(changed) => format!("line {changed} was changed"),
                None => "the first line follows another one".to_owned(),
            });
        }
        expected = End { lines: line.number + 1, hash: line.hash.clone() };
    }
    let told: Option<End> = match end {
        None => Some(End::default()),
        Some(content) => serde_json::from_slice(content).ok(),
    };
    match told {
        None => Some("the end of the chain does not read".to_owned()),
        Some(told) if told.lines > expected.lines => Some(format!("line {} is missing", expected.lines)),
        Some(told) if told != expected => {
            Some(format!("line {} was changed", expected.lines.saturating_sub(1)))
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(count: u64) -> (Vec<Found>, Vec<u8>) {
        let mut end = End::default();
        let mut lines = Vec::new();
        for number in 0..count {
            let hash = hash_of(&format!("line {number}"));
            lines.push(Found { number, before: end.hash, hash: hash.clone() });
            end = End { lines: number + 1, hash };
        }
        (lines, serde_json::to_vec(&end).expect("plain"))
    }

    #[test]
    fn a_chain_that_nobody_touched_is_followed_to_its_end() {
        for count in 0..5 {
            let (lines, end) = chain(count);
            assert_eq!(follow(&lines, (count > 0).then_some(&end[..])), None);
        }
    }

    #[test]
    fn whatever_is_done_to_one_line_is_noticed() {
        for at in 0..4 {
            let (mut lines, end) = chain(4);
            lines.remove(at);
            assert_eq!(follow(&lines, Some(&end)), Some(format!("line {at} is missing")));
            let (mut lines, end) = chain(4);
            lines[at].hash = hash_of("another text");
            assert_eq!(follow(&lines, Some(&end)), Some(format!("line {at} was changed")));
            let (mut lines, end) = chain(4);
            let Found { number, before, hash } = &lines[at];
            let twin = Found { number: *number, before: before.clone(), hash: hash.clone() };
            lines.insert(at, twin);
            assert_eq!(follow(&lines, Some(&end)), Some(format!("there are two lines {at}")));
        }
        let (lines, end) = chain(4);
        assert!(follow(&lines, None).is_some() && follow(&lines, Some(b"{}")).is_some());
        assert!(follow(&lines[..0], Some(&end)).is_some());
    }
}
