//! The private state of an installed cell: documents of the sealed store under the cell's id, which no other cell and no
//! device reads. They are committed with the run, and removed with what the cell has made.

use std::borrow::Cow;
use std::collections::BTreeSet;

use runtime_sandbox::{Failure, STATE_SCAN_BYTES_MAX, StateRows};
use runtime_store::Snapshot;

use super::RunHost;
use super::effects::{lock, reading};

/// How many keys a cell may have: their names are in memory while the store is open.
pub const STATE_KEYS_MAX: usize = 16_384;

/// The folder of all private states.
const FOLDER: &str = "state/";

/// The documents of an installed cell's private state begin so.
pub(crate) fn documents_of(cell: &str) -> String {
    format!("{FOLDER}{cell}/")
}

/// The names of the documents of a cell's private state.
pub(crate) fn names_of(snapshot: &Snapshot, cell: &str) -> Vec<String> {
    let folder = documents_of(cell);
    snapshot.documents().into_iter().filter(|name| name.starts_with(&folder)).collect()
}

/// The name of a document as the audit tells it: a key of a private state may say what its cell has read, so all keys of
/// one state are told as `state/CELL/*`.
pub fn told_document(name: &str) -> Cow<'_, str> {
    let cell = name.strip_prefix(FOLDER).and_then(|rest| rest.split_once('/'));
    match cell {
        Some((cell, _)) => Cow::Owned(documents_of(cell) + "*"),
        None => Cow::Borrowed(name),
    }
}

impl RunHost {
    fn folder(&self) -> Result<String, Failure> {
        let consent = self.grant.consent();
        let consent = consent
            .ok_or_else(|| Failure::Denied("the interface state: a cell of the host has none".to_owned()))?;
        Ok(documents_of(&consent.cell))
    }

    /// See [`runtime_sandbox::CellHost::state_get`].
    pub(super) fn get_state(&mut self, key: &str) -> Result<Option<Vec<u8>>, Failure> {
        let name = format!("{}{key}", self.folder()?);
        if let Some(written) = lock(&self.effects).batch.document(&name) {
            return Ok(written.map(<[u8]>::to_vec));
        }
        let stored = reading(&self.effects, || self.snapshot.document(&name))?;
        Ok(stored.map(|content| content.to_vec()))
    }

    /// See [`runtime_sandbox::CellHost::state_put`].
    pub(super) fn put_state(&mut self, key: &str, value: &[u8]) -> Result<(), Failure> {
        let name = format!("{}{key}", self.folder()?);
        if self.keys()?.len() >= STATE_KEYS_MAX && !self.keys()?.contains(key) {
            return Err(Failure::OverBudget(format!("keys of the private state: at most {STATE_KEYS_MAX}")));
        }
        self.keys()?.insert(key.to_owned());
        lock(&self.effects).batch.put_document(&name, value.to_vec());
        Ok(())
    }

    /// See [`runtime_sandbox::CellHost::state_delete`].
    pub(super) fn delete_state(&mut self, key: &str) -> Result<(), Failure> {
        let name = format!("{}{key}", self.folder()?);
        if self.keys()?.remove(key) {
            lock(&self.effects).batch.delete_document(&name);
        }
        Ok(())
    }

    /// See [`runtime_sandbox::CellHost::state_scan`].
    pub(super) fn scan_state(
        &mut self,
        prefix: &str,
        after: Option<&str>,
        keys_max: u32,
    ) -> Result<StateRows, Failure> {
        let from = after.unwrap_or(prefix).max(prefix).to_owned();
        let keys: Vec<String> = self
            .keys()?
            .range(from..)
            .filter(|key| after.is_none_or(|after| key.as_str() > after))
            .take_while(|key| key.starts_with(prefix))
            .take(keys_max as usize)
            .cloned()
            .collect();
        let (mut rows, mut bytes) = (StateRows::new(), 0);
        for key in keys {
            let Some(value) = self.get_state(&key)? else { continue };
            bytes += key.len() + value.len();
            rows.push((key, value));
            if bytes >= STATE_SCAN_BYTES_MAX {
                break;
            }
        }
        Ok(rows)
    }

    /// The keys that there are, those of this run included.
    fn keys(&mut self) -> Result<&mut BTreeSet<String>, Failure> {
        if self.state_keys.is_none() {
            let folder = self.folder()?;
            let names = self.snapshot.documents().into_iter();
            let keys = names.filter_map(|name| Some(name.strip_prefix(&folder)?.to_owned()));
            self.state_keys = Some(keys.collect());
        }
        Ok(self.state_keys.as_mut().expect("it was just set"))
    }
}
