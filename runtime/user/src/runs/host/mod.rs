//! The host side of a run: the objects that its cell may reach, which are a snapshot of one person's store, a buffer
//! for writes, a body and an answer.
//!
//! * Invariants: all reads of a run see one snapshot; none of its writes is visible before it succeeds; every stream,
//!   document and row is checked against the grant here, and nowhere else.
//! * Not here: budgets and page sizes (the sandbox), what a commit does (the store).

mod consented;
mod cursors;
mod effects;
pub(crate) mod private;
mod quarantine;
mod rows;
mod shown;
#[cfg(test)]
mod tests;
mod view;

use std::collections::{BTreeSet, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use cells_model::page::{self, PageWriter};
use runtime_sandbox::{CellHost, Failure, LogLevel, RequestHead, StateRows, Terms};
use runtime_store::{LocationRows, Snapshot, Store};
use runtime_types::{Area, EntryId, Query, StreamKey, UserId};

use crate::cells::grant::Grant;
use crate::data::stamp::{Stamp, Waiting, shown};
use crate::runs::answering::Answering;
use crate::runs::audit::ReadNumber;
use crate::runs::exchange::Body;
use crate::runs::told::Witness;

pub(crate) use consented::{preview, shown_now};
pub(crate) use effects::{Effects, SharedEffects, lock};

use cursors::{ByIds, Open, OpenCursor};
use effects::reading;
use quarantine::{digest_of, is_set_aside};
use rows::{Keys, NOTHING_YET, same_stream, unpack};

/// The host side of one run.
pub(crate) struct RunHost {
    user: UserId,
    store: Arc<Store>,
    snapshot: Snapshot,
    grant: Arc<Grant>,
    effects: SharedEffects,
    cursors: Vec<Option<OpenCursor>>,
    /// The keys of the private state, once one was asked for.
    state_keys: Option<BTreeSet<String>>,
    head: RequestHead,
    body: Body,
    answering: Answering,
    /// Writes audit lines before an answer in pieces leaves.
    witness: Option<Witness>,
    /// The device that sent the request.
    device: Option<Stamp>,
    waiting: Waiting,
    /// The moment of the run, s: under a coarse time, a cell from elsewhere is shown what was whole by then.
    now: f64,
}

impl RunHost {
    pub(crate) fn new(user: UserId, store: Arc<Store>, snapshot: Snapshot, grant: Arc<Grant>) -> Self {
        Self {
            user,
            store,
            snapshot,
            grant,
            effects: SharedEffects::default(),
            cursors: Vec::new(),
            state_keys: None,
            head: RequestHead::default(),
            body: Body::default(),
            answering: Answering::Never,
            witness: None,
            device: None,
            waiting: Waiting::default(),
            now: f64::NEG_INFINITY,
        }
    }

    /// Sets the moment of the run, s. Without it, a cell from elsewhere is shown nothing under a coarse time.
    pub(crate) fn at(self, now: f64) -> Self {
        Self { now, ..self }
    }

    /// Sets the head of a request.
    pub(crate) fn asked(self, head: RequestHead) -> Self {
        Self { head, ..self }
    }

    /// Sets the body of a request and a way to answer it in pieces.
    pub(crate) fn answering(self, body: Body, answering: Answering) -> Self {
        Self { body, answering, ..self }
    }

    /// Sets who writes audit lines before pieces of an answer leave.
    pub(crate) fn witnessed(self, witness: Option<Witness>) -> Self {
        Self { witness, ..self }
    }

    /// Sets the device whose entries the run puts.
    pub(crate) fn brought_by(self, device: Option<Stamp>) -> Self {
        Self { device, ..self }
    }

    /// The effects of the run; they outlive it.
    pub(crate) fn effects(&self) -> SharedEffects {
        Arc::clone(&self.effects)
    }

    /// Before something leaves: makes sure that what was read is told in the audit, on disk.
    fn tell(&self) -> Result<(), Failure> {
        let Some(witness) = &self.witness else { return Ok(()) };
        let effects = lock(&self.effects);
        let widened = effects.reads.widened();
        if effects.told == widened {
            return Ok(());
        }
        let (reads, entries) = (effects.reads.clone(), effects.entries_read);
        drop(effects);
        let told = witness.tell(reads, entries);
        let mut effects = lock(&self.effects);
        effects.run = Some(witness.run().to_owned());
        match told {
            Ok(()) => effects.told = widened,
            Err(error) => {
                effects.untold = Some(error);
                return Err(Failure::Unavailable);
            }
        }
        Ok(())
    }

    fn keep(&mut self, read: ReadNumber, rows: Open) -> u32 {
        let free = self.cursors.iter().position(Option::is_none).unwrap_or_else(|| {
            self.cursors.push(None);
            self.cursors.len() - 1
        });
        self.cursors[free] = Some(OpenCursor { read, rows });
        u32::try_from(free).expect("the sandbox bounds cursors at 16")
    }

    /// Checks a query against the grant, and notes it for the audit.
    fn narrow(&mut self, query: Query, what: &str) -> Result<(Query, ReadNumber), Failure> {
        let area = query.area;
        let present = || {
            let streams = self.snapshot.streams().into_iter();
            streams.filter(|(stream, _)| stream.area == area).map(|(stream, _)| stream.key).collect()
        };
        let asked = query.clone();
        match self.grant.narrow(query, present) {
            Ok(query) => {
                let read = lock(&self.effects).reads.query(what, &query);
                Ok((query, read))
            }
            Err(refused) => {
                if matches!(refused, Failure::Denied(_)) {
                    lock(&self.effects).reads.denied_query(what, &asked);
                }
                Err(refused)
            }
        }
    }
}

fn invalid(why: impl std::fmt::Display) -> Failure {
    Failure::Invalid(why.to_string())
}

impl CellHost for RunHost {
    fn find(&mut self, query: Query) -> Result<u32, Failure> {
        if self.grant.is_consented() {
            return self.shown(query, "find");
        }
        let (query, read) = self.narrow(query, "find")?;
        let cursor = reading(&self.effects, || self.snapshot.find(&query))?;
        Ok(self.keep(read, Open::Entries { cursor, waiting: query.area == Area::Usercache }))
    }

    fn find_ids(&mut self, keys: Vec<StreamKey>, ids: &[u8]) -> Result<u32, Failure> {
        let ids = unpack(ids)?.into_iter();
        if self.grant.is_consented() {
            return self.shown_ids(keys, ids);
        }
        let (Query { keys, .. }, read) =
            self.narrow(Query { keys, ..Query::everything(Area::Timeseries) }, "find-ids")?;
        Ok(self.keep(read, Open::Ids(ByIds { keys, ids, kept: None })))
    }

    fn next_page(&mut self, cursor: u32, bytes_max: u32) -> Result<Vec<u8>, Failure> {
        let mut writer = PageWriter::new(self.grant.shown_user(self.user).0, bytes_max as usize);
        if self.grant.is_consented() {
            return self.next_shown(cursor, writer);
        }
        let open = self.cursors.get_mut(cursor as usize).and_then(Option::as_mut);
        let (read, cursor, waiting) = match open {
            Some(OpenCursor { read, rows: Open::Entries { cursor, waiting } }) => (*read, cursor, *waiting),
            Some(OpenCursor { read, rows: Open::Ids(by_ids) }) => {
                reading(&self.effects, || by_ids.fill(&self.snapshot, &mut writer))?;
                lock(&self.effects).got(*read, u64::from(writer.count()));
                return Ok(writer.finish());
            }
            _ => return Err(invalid("no such cursor of entries")),
        };
        let mut noted = waiting.then_some(&mut self.waiting);
        reading(&self.effects, || {
            cursor.visit(&mut |row| {
                let entry = page::Entry {
                    id: EntryId(row.id.0),
                    key: row.key.as_str(),
                    invalid: row.invalid,
                    write_ts: row.write_ts,
                    time: row.time,
                    metadata: row.metadata,
                    data: row.data,
                    text: "",
                };
                let extra = if noted.is_some() { shown(row.extra) } else { row.extra };
                if !writer.push(&entry, extra) {
                    return ControlFlow::Break(());
                }
                if let Some(waiting) = &mut noted {
                    waiting.note(row.id, row.extra);
                }
                ControlFlow::Continue(())
            })
        })?;
        lock(&self.effects).got(read, u64::from(writer.count()));
        Ok(writer.finish())
    }

    fn count(&mut self, query: Query) -> Result<u64, Failure> {
        if self.grant.is_consented() {
            return self.count_shown(query);
        }
        let (query, _) = self.narrow(query, "count")?;
        reading(&self.effects, || self.snapshot.count(&query))
    }

    fn find_locations(&mut self, query: Query) -> Result<u32, Failure> {
        if self.grant.is_consented() {
            return self.shown_locations(query);
        }
        let (query, read) = self.narrow(query, "find-locations")?;
        let cursor = reading(&self.effects, || self.snapshot.find_locations(&query))?;
        Ok(self.keep(read, Open::Locations(cursor)))
    }

    fn next_rows(&mut self, cursor: u32, rows_max: u32) -> Result<LocationRows, Failure> {
        if self.grant.is_consented() {
            return self.next_shown_rows(cursor, rows_max as usize);
        }
        let open = self.cursors.get_mut(cursor as usize).and_then(Option::as_mut);
        let Some(OpenCursor { read, rows: Open::Locations(cursor) }) = open else {
            return Err(invalid("no such cursor of locations"));
        };
        let mut rows = LocationRows::default();
        let count = reading(&self.effects, || cursor.next(rows_max as usize, &mut rows))?;
        lock(&self.effects).got(*read, count as u64);
        Ok(rows)
    }

    fn drop_cursor(&mut self, cursor: u32) {
        if let Some(open) = self.cursors.get_mut(cursor as usize) {
            *open = None;
        }
    }

    fn insert(&mut self, rows: &[u8]) -> Result<Vec<u8>, Failure> {
        let mut ids = Vec::new();
        self.each_row(rows, Area::Timeseries, |host, effects, _, entry| {
            let id = host.store.allocate(1)[0];
            ids.extend_from_slice(&id.0);
            if host.grant.is_consented() {
                effects.made.insert(id);
            }
            if entry.entry().data == NOTHING_YET {
                effects.drawn.insert(id, entry.entry().key.clone());
            } else {
                effects.batch.insert(Area::Timeseries, entry.with_id(id));
            }
            Ok(())
        })?;
        Ok(ids)
    }

    fn replace(&mut self, rows: &[u8]) -> Result<(), Failure> {
        let snapshot = self.snapshot.clone();
        let mut given = Vec::new();
        let done = self.each_row(rows, Area::Timeseries, |host, effects, id, entry| {
            if let Some(key) = effects.drawn.remove(&id) {
                given.push((id, key));
                same_stream(&given[given.len() - 1].1, &entry)?;
                effects.batch.insert(Area::Timeseries, entry.with_id(id));
                return Ok(());
            }
            if host.grant.is_consented() && !effects.made.contains(&id) {
                return host.replace_stored(effects, id, entry);
            }
            // The cell may not change an entry of another stream, whatever key the row gives it.
            let stored = snapshot.find_id(Area::Timeseries, id);
            if let Some(row) = stored.map_err(|error| effects.unavailable(error))? {
                same_stream(&row.key, &entry)?;
            }
            effects.batch.replace(id, entry);
            Ok(())
        });
        if done.is_err() {
            lock(&self.effects).drawn.extend(given);
        }
        done
    }

    fn delete(&mut self, ids: &[u8]) -> Result<(), Failure> {
        let ids = self.check_changes(ids)?;
        ids.into_iter().for_each(|id| lock(&self.effects).batch.delete(id));
        Ok(())
    }

    fn mark_invalid(&mut self, ids: &[u8]) -> Result<(), Failure> {
        let ids = self.check_changes(ids)?;
        ids.into_iter().for_each(|id| lock(&self.effects).batch.mark_invalid(id));
        Ok(())
    }

    fn put(&mut self, rows: &[u8]) -> Result<(), Failure> {
        let mut keys = Keys::default();
        let stamp = self.device.as_ref().map(Stamp::member).unwrap_or_default();
        self.each_row(rows, Area::Usercache, |_, effects, _, entry| {
            let accepted_as = cells_model::keys::taken_in_key(entry.entry().key.as_str());
            let accepted_as = keys.parse(accepted_as).map_err(invalid)?;
            effects.batch.put_usercache(entry.with_extra(&stamp), accepted_as);
            Ok(())
        })
    }

    fn take_in(&mut self, rows: &[u8]) -> Result<(), Failure> {
        self.grant.check_take_in()?;
        self.each_row(rows, Area::Timeseries, |host, effects, id, entry| {
            let Some(stamp) = host.brought(effects, id)? else {
                effects.batch.take_in(id, entry);
                return Ok(());
            };
            let metadata = stamp.stamped(entry.entry().metadata);
            let metadata = metadata.ok_or_else(|| invalid("metadata that cannot be stamped"))?;
            effects.batch.take_in(id, entry.with_metadata(&metadata));
            Ok(())
        })
    }

    fn set_aside(&mut self, rows: &[u8]) -> Result<(), Failure> {
        let snapshot = self.snapshot.clone();
        let mut fresh = HashSet::new();
        self.each_row(rows, Area::Errors, |host, effects, id, entry| {
            let new = id == EntryId::NONE;
            if new {
                // A phone that sends an entry again adds nothing, and does not restore a forgotten entry.
                let digest = digest_of(entry.entry());
                let known = if effects.aside.contains(&digest) || !fresh.insert(digest) {
                    Ok(true)
                } else {
                    is_set_aside(&snapshot, &entry)
                        .and_then(|aside| Ok(aside || snapshot.is_forgotten(&entry)?))
                };
                if known.map_err(|error| effects.unavailable(error))? {
                    effects.known_aside += 1;
                    return Ok(());
                }
            }
            let stamp = if new { host.device.clone() } else { host.brought(effects, id)? };
            let own = entry.entry().extra;
            let extra = match stamp.as_ref().map(Stamp::member) {
                Some(stamp) if own.is_empty() => stamp,
                Some(stamp) => format!("{own},{stamp}"),
                None => own.to_owned(),
            };
            let entry = entry.with_extra(&extra);
            if new {
                effects.batch.insert(Area::Errors, entry.with_id(host.store.allocate(1)[0]));
            } else {
                effects.batch.set_aside(id, entry);
            }
            Ok(())
        })?;
        lock(&self.effects).aside.extend(fresh);
        Ok(())
    }

    fn document_get(&mut self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        let granted = self.grant.check_read_document(name);
        let mut effects = lock(&self.effects);
        effects.reads.document(name, granted.is_err());
        granted?;
        if let Some(written) = effects.batch.document(name) {
            return Ok(written.map(<[u8]>::to_vec));
        }
        drop(effects);
        let stored = reading(&self.effects, || self.snapshot.document(name))?;
        Ok(stored.map(|content| content.to_vec()))
    }

    fn document_put(&mut self, name: &str, content: &[u8]) -> Result<(), Failure> {
        self.grant.check_write_document(name)?;
        lock(&self.effects).batch.put_document(name, content.to_vec());
        Ok(())
    }

    fn log(&mut self, level: LogLevel, text: &str) {
        lock(&self.effects).log.push((level, text.to_owned()));
    }

    fn request_head(&mut self) -> RequestHead {
        self.head.clone()
    }

    fn read_body(&mut self, bytes_max: u32) -> Result<Vec<u8>, Failure> {
        Ok(self.body.read(bytes_max as usize).to_vec())
    }

    fn begin(&mut self, status: u16, content_type: &str) -> Result<(), Failure> {
        let mut effects = lock(&self.effects);
        if !effects.batch.is_empty() {
            return Err(Failure::Denied("an answer in pieces after a write".to_owned()));
        }
        effects.begun = true;
        drop(effects);
        self.tell()?;
        let pieces = self.answering.begin(status, content_type)?;
        lock(&self.effects).pieces = Some(pieces);
        Ok(())
    }

    fn terms(&mut self) -> Terms {
        self.grant.terms()
    }

    fn state_get(&mut self, key: &str) -> Result<Option<Vec<u8>>, Failure> {
        self.get_state(key)
    }

    fn state_put(&mut self, key: &str, value: &[u8]) -> Result<(), Failure> {
        self.put_state(key, value)
    }

    fn state_delete(&mut self, key: &str) -> Result<(), Failure> {
        self.delete_state(key)
    }

    fn state_scan(&mut self, prefix: &str, after: Option<&str>, keys_max: u32) -> Result<StateRows, Failure> {
        self.scan_state(prefix, after, keys_max)
    }

    fn write(&mut self, bytes: Vec<u8>) -> Result<(), Failure> {
        self.tell()?;
        self.answering.write(bytes)
    }
}
