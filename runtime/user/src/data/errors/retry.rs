//! Retrying: puts back entries that were set aside, and shows again entries that were marked invalid, to be judged
//! again.

use std::ops::ControlFlow;
use std::sync::PoisonError;

use cells_model::aside::{Error, Kept};
use cells_model::sent;
use cells_model::structure::depth_of;
use runtime_pipeline::{Event, Rewind};
use runtime_store::{Batch, CheckedEntry, NewEntry, Row, Snapshot};
use runtime_types::{Area, EntryId, Query, StreamKey, TimeField, UserId};
use serde::{Deserialize, Serialize};

use super::left_out::{self, LeftOut};
use super::{Fate, NO_REASON, Selection};
use crate::data::Diaries;
use crate::data::dump::DumpEntry;
use crate::data::stamp::stamp_in;
use crate::error::CallError;
use crate::people::person::Person;
use crate::runs::{late, rewind};

/// How many entries one commit moves: bounds its memory and how long others wait for it.
const ENTRIES_PER_COMMIT: u64 = 10_000;

/// What a retry did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retried {
    /// Entries that wait in the usercache for the next run, or that came with a dump and are in the timeseries.
    pub put_back: u64,
    /// Entries that still cannot be read, and remain set aside.
    pub still_unreadable: u64,
    /// Entries that queries show again until the next run judges them.
    pub shown_again: u64,
}

impl Diaries<'_> {
    /// Puts back the selected entries. Each commit is complete: an entry is in its old place, or where the next run
    /// finds it.
    pub fn retry(self, user: UserId, selection: &Selection) -> Result<Retried, CallError> {
        let person = self.runtime.person(user)?;
        let _no_stage = person.pipeline.lock().unwrap_or_else(PoisonError::into_inner);
        let mut done = Retried::default();
        let mut behind = Behind::default();
        while self.put_back_some(&person, selection, &mut behind, &mut done)? {}
        show_again(&person, selection, &mut done)?;
        if done.put_back > 0 {
            self.runtime.timetable().data_arrived(user);
        }
        if rewind::read(&person.store.snapshot_ahead())?.is_some() {
            self.runtime.timetable().note(user, Event::RewindWanted);
        }
        Ok(done)
    }

    /// Does one commit; returns whether there may be more entries.
    fn put_back_some(
        self,
        person: &Person,
        selection: &Selection,
        behind: &mut Behind,
        done: &mut Retried,
    ) -> Result<bool, CallError> {
        let snapshot = person.store.snapshot_ahead();
        let query = Query { start: behind.position, ..Query::everything(Area::Errors) };
        let mut cursor = snapshot.find(&query).map_err(CallError::Read)?;
        let (mut batch, mut more) = (Batch::new(), false);
        let visited = cursor.visit(&mut |row| {
            if !behind.passes(row) || !selection.has_stream(Area::Errors, row.key) {
                return ControlFlow::Continue(());
            }
            let error = Error::read(row.extra);
            if !selection.has_reason(error.as_ref().map_or(NO_REASON, |error| &error.reason)) {
                return ControlFlow::Continue(());
            }
            match put_back(&snapshot, person, row, error.as_ref(), &mut batch) {
                Some(()) => done.put_back += 1,
                None => done.still_unreadable += 1,
            }
            more = batch.rows() >= 2 * ENTRIES_PER_COMMIT;
            if more { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        visited.map_err(CallError::Read)?;
        if !batch.is_empty() {
            let stages = self.runtime.stages_of(person)?;
            late::judge(&stages, &snapshot, 0, &mut batch)?;
            person.commit(batch).map_err(CallError::Commit)?;
        }
        Ok(more)
    }
}

/// The position of the walk over the errors area: entries up to it have been visited.
struct Behind {
    position: f64,
    id: EntryId,
}

impl Default for Behind {
    fn default() -> Self {
        Self { position: f64::NEG_INFINITY, id: EntryId::NONE }
    }
}

impl Behind {
    /// Whether the row is beyond the position; if so, moves the position to it.
    fn passes(&mut self, row: &Row<'_>) -> bool {
        let position = if row.time.is_nan() { 0.0 } else { row.time };
        let is_new = (position, row.id) > (self.position, self.id);
        if is_new {
            (self.position, self.id) = (position, row.id);
        }
        is_new
    }
}

/// Moves an entry to the place where the next run finds it; `None` if it still cannot be read.
fn put_back(
    snapshot: &Snapshot,
    person: &Person,
    row: &Row<'_>,
    error: Option<&Error>,
    batch: &mut Batch,
) -> Option<()> {
    let as_sent = Error { kept: Kept::AsSent, ..Error::new("", 0.0) };
    let error = error.unwrap_or(&as_sent);
    let text = error.entry_text(row.metadata, row.data)?;
    let depth = depth_of(&text);
    if error.of_dump {
        if sent::why_unreadable(&text, depth).is_some() {
            return None;
        }
        let entry = DumpEntry::read(&text).ok()?.or_id(row.id);
        // Another dump may have brought an entry with this id meanwhile.
        if snapshot.has_id(Area::Timeseries, entry.id()).unwrap_or(true) {
            return None;
        }
        batch.delete_in(Area::Errors, row.id);
        entry.add(&person.store, batch);
        return Some(());
    }
    let parsed = sent::parse(text.as_bytes(), depth).ok().filter(|parsed| parsed.aside.is_none())?;
    let key = StreamKey::parse(&parsed.key).ok()?;
    batch.delete_in(Area::Errors, row.id);
    // The stamp of its device stays beside it, as beside an entry that has just been put.
    let extra = stamp_in(row.extra).map(|stamp| stamp.member()).unwrap_or_default();
    let (metadata, data) = (&*parsed.metadata, &*parsed.data);
    let entry = NewEntry { id: Some(row.id), key, metadata, data, extra: &extra };
    batch.insert(Area::Usercache, entry);
    Some(())
}

/// Shows again entries that stages have marked invalid; the diary is recomputed from the earliest of them.
fn show_again(person: &Person, selection: &Selection, done: &mut Retried) -> Result<(), CallError> {
    let snapshot = person.store.snapshot_ahead();
    for (key, left_out) in left_out::all(&snapshot)? {
        if !selection.has_stream(Area::Timeseries, &key) {
            continue;
        }
        let is_meant =
            |one: &&LeftOut| one.why.fate() == Fate::MarkedInvalid && selection.has_reason(one.why.reason());
        let meant: Vec<_> = left_out.iter().filter(is_meant).collect();
        for some in meant.chunks(ENTRIES_PER_COMMIT as usize) {
            let snapshot = person.store.snapshot_ahead();
            let (mut batch, mut wanted) = (Batch::new(), Rewind::default());
            for one in some {
                let found = snapshot.find_id(Area::Timeseries, one.id).map_err(CallError::Read)?;
                let Some(row) = found.filter(|row| row.invalid) else { continue };
                let (metadata, data, extra) = (&*row.metadata, &*row.data, &*row.extra);
                let entry =
                    CheckedEntry::from(NewEntry { id: None, key: row.key.clone(), metadata, data, extra });
                let position = entry.times().get(TimeField::Position);
                wanted.go_back(position.min(row.write_ts));
                batch.replace(one.id, entry);
            }
            done.shown_again += batch.rows();
            if !batch.is_empty() {
                rewind::want(&snapshot, &mut batch, &wanted)?;
                person.commit(batch).map_err(CallError::Commit)?;
            }
        }
    }
    Ok(())
}
