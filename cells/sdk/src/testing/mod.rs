//! A runtime in memory, for tests of cells: every interface over plain lists.
//!
//! Reads come from the snapshot of the last [`Memory::commit`]; writes wait for the next one, as in the real runtime.
//! Pages are packed and rows unpacked by the code that the real runtime uses.
//!
//! * Not here: grants (every key may be read and written) and budgets, except for open cursors.

mod commit;
mod cursor;
mod entry;
mod interfaces;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::rc::Rc;

use cells_model::EntryId;
use cells_model::rows::{self, Row, Rows};
use serde_json::value::RawValue;

use commit::Write;
use cursor::Answer;

pub use commit::Committed;
pub use cursor::{EntryCursor, LocationCursor};
pub use entry::Stored;

use crate::limits::{CURSORS_MAX, QUERY_IDS_MAX};
use crate::{
    Area, Failure, Granted, Level, Order, Outcome, Query, Request, Response, Run, TimeField, WINDOW_GAP_S,
};

const KEYS_MAX: usize = 64;
/// More runs than any back-log of a test needs.
const RUNS_MAX: usize = 1_000;

/// One person's runtime in memory.
#[derive(Debug)]
pub struct Memory {
    user: [u8; 16],
    entries: Vec<Rc<Stored>>,
    writes: Vec<Write>,
    last_id: EntryId,
    documents: BTreeMap<String, Vec<u8>>,
    document_writes: BTreeMap<String, Vec<u8>>,
    log: Vec<(Level, String)>,
    open_cursors: Rc<()>,
    body: Vec<u8>,
    body_read: usize,
    begun: Option<Begun>,
    state: BTreeMap<String, Vec<u8>>,
    /// `None`: the key is removed.
    state_writes: BTreeMap<String, Option<Vec<u8>>>,
    pub(super) terms: (String, Vec<Granted>),
    pub(super) head: Head,
}

/// The head of a request besides its path; see [`Memory::with_head`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Such as `POST`.
    pub method: String,
    /// The query of the address, without the question mark.
    pub query: String,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// Such as `datastreams:read`.
    pub scope: String,
}

impl Default for Head {
    fn default() -> Self {
        Self { method: "POST".to_owned(), query: String::new(), headers: Vec::new(), scope: String::new() }
    }
}

/// An answer in pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// 200 to 599.
    pub status: u16,
    /// Such as `application/json`.
    pub content_type: String,
    /// In the order of sending.
    pub pieces: Vec<Vec<u8>>,
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Memory {
    /// An empty runtime of the person `abab…`.
    pub fn new() -> Self {
        Self {
            user: [0xab; 16],
            entries: Vec::new(),
            writes: Vec::new(),
            last_id: EntryId::NONE,
            documents: BTreeMap::new(),
            document_writes: BTreeMap::new(),
            log: Vec::new(),
            open_cursors: Rc::new(()),
            body: Vec::new(),
            body_read: 0,
            begun: None,
            state: BTreeMap::new(),
            state_writes: BTreeMap::new(),
            terms: Default::default(),
            head: Head::default(),
        }
    }

    /// The same with a purpose and the lines of a grant, for [`crate::Terms`]. They are told to the cell; every key may
    /// be read all the same.
    #[must_use]
    pub fn with_terms(mut self, purpose: &str, grant: Vec<Granted>) -> Self {
        self.terms = (purpose.to_owned(), grant);
        self
    }

    /// The same with the head of a request, for [`crate::RequestHead`].
    #[must_use]
    pub fn with_head(mut self, head: Head) -> Self {
        self.head = head;
        self
    }

    /// The same with a value of the private state.
    #[must_use]
    pub fn with_value(mut self, key: &str, value: impl Into<Vec<u8>>) -> Self {
        self.state.insert(key.to_owned(), value.into());
        self
    }

    /// Computes a contribution at `now` over the closed window. `Err`: the cell's error.
    pub fn contribute<E: Into<String>>(
        &mut self,
        contribute: impl FnOnce(&mut Self, &Run) -> Result<Vec<f64>, E>,
        now: f64,
        window: (Option<f64>, f64),
    ) -> Result<Vec<f64>, String> {
        let run = Run { now, start: window.0, end: window.1, seed: 0, state: Vec::new() };
        contribute(self, &run).map_err(E::into)
    }

    /// The same with the entries of a dump, a JSON array of `{"_id":{"$oid":…},"metadata":{…},"data":{…},…}`, whose ids
    /// and texts are kept. They count as imported: no put is a resend of them.
    ///
    /// # Panics
    /// With the reason where the text is no such dump: a test that reads a wrong file should show it.
    #[must_use]
    pub fn with_entries(mut self, area: Area, dump: &str) -> Self {
        let dump: Vec<&RawValue> = serde_json::from_str(dump).expect("a dump is a JSON array");
        for text in dump {
            let stored = Stored::from_dump(area, text).unwrap_or_else(|why| panic!("{why}"));
            self.last_id = self.last_id.max(stored.id);
            self.entries.push(Rc::new(stored));
        }
        self
    }

    /// The same with one more entry, whose key is in `metadata`.
    ///
    /// # Panics
    /// As [`Self::with_entries`].
    #[must_use]
    pub fn with_entry(mut self, area: Area, metadata: &str, data: &str) -> Self {
        let id = self.allocate();
        self.with_entries(
            area,
            &format!(r#"[{{"_id":{{"$oid":"{id}"}},"metadata":{metadata},"data":{data}}}]"#),
        )
    }

    /// The same with a document.
    #[must_use]
    pub fn with_document(mut self, name: &str, content: impl Into<Vec<u8>>) -> Self {
        self.documents.insert(name.to_owned(), content.into());
        self
    }

    /// The same with a body for [`crate::Exchange::read`].
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.set_body(body);
        self
    }

    /// Gives the next request a body, and drops the last answer.
    pub fn set_body(&mut self, body: impl Into<Vec<u8>>) {
        self.body = body.into();
        self.body_read = 0;
        self.begun = None;
    }

    /// Applies the buffered writes.
    pub fn commit(&mut self) -> Committed {
        self.documents.append(&mut self.document_writes);
        for (key, value) in std::mem::take(&mut self.state_writes) {
            match value {
                Some(value) => drop(self.state.insert(key, value)),
                None => drop(self.state.remove(&key)),
            }
        }
        commit::apply(&mut self.entries, std::mem::take(&mut self.writes))
    }

    /// Drops the buffered writes.
    pub fn roll_back(&mut self) {
        self.document_writes.clear();
        self.state_writes.clear();
        self.writes.clear();
    }

    /// Handles one request as the runtime does: commits when the cell answers below 400, and returns the whole body
    /// also where it was sent in pieces. `Err`: the cell's error; nothing was kept.
    pub fn call<E: Into<String>>(
        &mut self,
        handle: impl FnOnce(&mut Self, &Request) -> Result<Response, E>,
        rest: &str,
        now: f64,
        body: impl Into<Vec<u8>>,
    ) -> Result<Response, String> {
        self.set_body(body);
        let request = Request { rest: rest.to_owned(), now, body_bytes: self.body.len() as u64 };
        let answer = handle(self, &request).map(|last| self.whole(last)).map_err(E::into);
        match &answer {
            Ok(response) if response.status < 400 => drop(self.commit()),
            _ => self.roll_back(),
        }
        answer
    }

    fn whole(&self, last: Response) -> Response {
        match self.begun.clone() {
            None => last,
            Some(Begun { status, content_type, pieces }) => {
                Response { status, content_type, body: [pieces.concat(), last.body].concat() }
            }
        }
    }

    /// Runs a stage at `now` as the pipeline does, again while it asks for more, from the mark and state in `last`.
    /// Returns the outcome of the last run, with the newest mark of all runs. `Err`: the cell's error; nothing of that
    /// run was kept.
    pub fn run_stage<E: Into<String>>(
        &mut self,
        mut stage: impl FnMut(&mut Self, &Run) -> Result<Outcome, E>,
        now: f64,
        last: Outcome,
    ) -> Result<Outcome, String> {
        let mut last = last;
        loop {
            let start = last.processed_through.map(|mark| mark + WINDOW_GAP_S);
            let run = Run { now, start, end: now - WINDOW_GAP_S, seed: 0, state: last.state };
            let mut outcome = stage(self, &run).inspect_err(|_| self.roll_back()).map_err(E::into)?;
            self.commit();
            outcome.processed_through = outcome.processed_through.or(last.processed_through);
            if !outcome.more {
                return Ok(outcome);
            }
            last = outcome;
        }
    }

    /// As [`Self::run_stage`]; also returns how many runs there were. Panics where these do not end.
    pub fn run_counted<E: Into<String>>(
        &mut self,
        mut stage: impl FnMut(&mut Self, &Run) -> Result<Outcome, E>,
        now: f64,
        last: Outcome,
    ) -> Result<(Outcome, usize), String> {
        let mut runs = 0;
        let counted = |memory: &mut Self, run: &Run| {
            runs += 1;
            assert!(runs <= RUNS_MAX, "the stage asks to be run again for ever");
            stage(memory, run)
        };
        let outcome = self.run_stage(counted, now, last)?;
        Ok((outcome, runs))
    }

    /// The committed entries of an area in the order of their creation.
    pub fn entries(&self, area: Area) -> Vec<&Stored> {
        self.entries.iter().map(Rc::as_ref).filter(|entry| entry.area == area).collect()
    }

    /// The committed entries of one key of the timeseries in the order of their creation.
    pub fn of_key(&self, key: &str) -> Vec<&Stored> {
        self.entries(Area::Timeseries).into_iter().filter(|entry| entry.key == key).collect()
    }

    /// A committed document.
    pub fn committed_document(&self, name: &str) -> Option<&[u8]> {
        self.documents.get(name).map(Vec::as_slice)
    }

    /// The committed private state.
    pub fn committed_state(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.state
    }

    /// The lines that the cell wrote.
    pub fn log_lines(&self) -> &[(Level, String)] {
        &self.log
    }

    /// The answer in pieces, where the cell began one since the last [`Self::set_body`].
    pub fn begun(&self) -> Option<&Begun> {
        self.begun.as_ref()
    }

    fn allocate(&mut self) -> EntryId {
        let mut wide = [0; 16];
        wide[4..].copy_from_slice(&self.last_id.0);
        let next = u128::from_be_bytes(wide) + 1;
        self.last_id.0.copy_from_slice(&next.to_be_bytes()[4..]);
        self.last_id
    }

    /// Takes one of the cursors that a run may have; the runtime itself holds one reference.
    fn open_cursor(&self) -> Result<Rc<()>, Failure> {
        if Rc::strong_count(&self.open_cursors) > CURSORS_MAX {
            return Err(Failure::OverBudget(format!("more than {CURSORS_MAX} open cursors")));
        }
        Ok(Rc::clone(&self.open_cursors))
    }

    fn answer_ids(&self, keys: &[&str], ids: &[EntryId]) -> Result<Answer, Failure> {
        let open = self.open_cursor()?;
        if ids.len() > QUERY_IDS_MAX {
            return Err(Failure::Invalid(format!("{} ids, at most {QUERY_IDS_MAX}", ids.len())));
        }
        let is_meant = |entry: &&Rc<Stored>| {
            entry.area == Area::Timeseries && (keys.is_empty() || keys.contains(&entry.key.as_str()))
        };
        let by_id: BTreeMap<EntryId, &Rc<Stored>> =
            self.entries.iter().filter(is_meant).map(|entry| (entry.id, entry)).collect();
        let found: Vec<_> = ids.iter().filter_map(|id| by_id.get(id).copied().cloned()).collect();
        Ok(Answer { entries: found.into_iter(), field: TimeField::WriteTs, _open: open })
    }

    fn answer(&self, query: &Query) -> Result<Answer, Failure> {
        let open = self.open_cursor()?;
        let mut found = self.matching(query)?;
        found.sort_by(|a, b| {
            let order = a.time(query.field).total_cmp(&b.time(query.field)).then(a.id.cmp(&b.id));
            if query.order == Order::Ascending { order } else { order.reverse() }
        });
        Ok(Answer { entries: found.into_iter(), field: query.field, _open: open })
    }

    fn matching(&self, query: &Query) -> Result<Vec<Rc<Stored>>, Failure> {
        if query.keys.len() > KEYS_MAX {
            return Err(Failure::Invalid(format!("{} keys, at most {KEYS_MAX}", query.keys.len())));
        }
        let (start, end) = (query.start.unwrap_or(f64::NEG_INFINITY), query.end.unwrap_or(f64::INFINITY));
        if start.is_nan() || end.is_nan() {
            return Err(Failure::Invalid("a bound is not a number".to_owned()));
        }
        let matches = |entry: &&Rc<Stored>| {
            entry.area == query.area
                && (query.keys.is_empty() || query.keys.contains(&entry.key))
                && (query.with_invalid || !entry.invalid)
                && (start..=end).contains(&entry.time(query.field))
        };
        Ok(self.entries.iter().filter(matches).cloned().collect())
    }

    /// Unpacks rows as the runtime does, so that tests cover the packed form.
    fn buffer(
        &mut self,
        rows: &Rows,
        mut write: impl FnMut(&mut Self, Row<'_>) -> Result<Write, String>,
    ) -> Result<(), Failure> {
        let packed = rows::read(rows.as_bytes()).map_err(|error| Failure::Invalid(error.to_string()))?;
        let mut writes = Vec::with_capacity(packed.len());
        for row in packed {
            writes.push(write(self, row).map_err(Failure::Invalid)?);
        }
        self.writes.append(&mut writes);
        Ok(())
    }

    fn known(&self, id: EntryId) -> Result<(), String> {
        let own = |write: &Write| matches!(write, Write::Insert(row) | Write::Move(row) if row.id == id);
        let stored = |entry: &Rc<Stored>| entry.id == id && entry.area == Area::Timeseries;
        if self.entries.iter().any(stored) || self.writes.iter().any(own) {
            Ok(())
        } else {
            Err(format!("unknown id {id}"))
        }
    }
}
