//! What one run may reach: a snapshot of one person's store, a buffer for writes, a body, an answer.
//!
//! * Invariants: everything that a run reads is of one snapshot; nothing that it writes is visible before it succeeds;
//!   every stream, document and row is held against the grant here, and nowhere else.
//! * Not here: budgets and page sizes (the sandbox), what a commit does (the store).

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cells_model::page::{self, PageWriter};
use cells_model::rows;
use cells_model::scan::BadJson;
use ring::digest::{Context, SHA256, SHA256_OUTPUT_LEN};
use runtime_sandbox::{CellHost, Failure, LogLevel};
use runtime_store::{
    Batch, Cursor, LocationCursor, LocationRows, NewEntry, OwnedRow, ReadEntry, ReadError, Snapshot, Store,
};
use runtime_types::{Area, BadStreamKey, EntryId, Query, StreamKey, TimeField, UserId};

use crate::cells::grant::Grant;
use crate::cells::types::quick::Quick;
use crate::data::stamp::{Stamp, Waiting, shown, stamp_in};
use crate::runs::answering::Answering;
use crate::runs::exchange::Body;
use crate::runs::pieces::Pieces;
use crate::runs::sound;

/// What a run leaves behind, to be committed if it succeeds.
#[derive(Default)]
pub(crate) struct Effects {
    /// Its writes.
    pub batch: Batch,
    /// Ids that it drew for entries whose content is still to come.
    pub drawn: BTreeMap<EntryId, StreamKey>,
    /// What it read, for the owner's audit log: one line for each `find`, `find-ids`, `count` and document.
    pub reads: Vec<String>,
    /// What it says to the owner.
    pub log: Vec<(LogLevel, String)>,
    /// Entries that it read.
    pub entries_read: u64,
    /// How long it waited for the store.
    pub reading: Duration,
    /// The last read that the store could not do.
    pub failed_read: Option<ReadError>,
    /// Entries that it set aside, and that had been set aside before.
    pub known_aside: u64,
    /// Digests of the entries without an id that it set aside.
    aside: HashSet<AsideDigest>,
    /// Whether an answer in pieces has begun, or was asked for where that cannot be.
    pub begun: bool,
    /// Where the pieces of the answer go.
    pub pieces: Option<Pieces>,
}

/// The same, while the run lasts.
pub(crate) type SharedEffects = Arc<Mutex<Effects>>;

pub(crate) fn lock(effects: &SharedEffects) -> MutexGuard<'_, Effects> {
    effects.lock().unwrap_or_else(PoisonError::into_inner)
}

enum Open {
    Entries { cursor: Cursor, waiting: bool },
    Ids(ByIds),
    Locations(LocationCursor),
}

/// Entries that are asked for by their ids, on their way out.
struct ByIds {
    /// No key: every stream of the timeseries.
    keys: Vec<StreamKey>,
    /// Those that are still to be looked up.
    ids: std::vec::IntoIter<EntryId>,
    /// The one that the last page had no room for.
    kept: Option<OwnedRow>,
}

impl ByIds {
    fn next(&mut self, snapshot: &Snapshot) -> Result<Option<OwnedRow>, ReadError> {
        if let Some(kept) = self.kept.take() {
            return Ok(Some(kept));
        }
        for id in self.ids.by_ref() {
            let found = if self.keys.is_empty() {
                snapshot.find_id(Area::Timeseries, id)?
            } else {
                snapshot.find_id_of(Area::Timeseries, &self.keys, id)?
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Fills a page.
    fn fill(&mut self, snapshot: &Snapshot, page: &mut PageWriter) -> Result<(), ReadError> {
        while let Some(row) = self.next(snapshot)? {
            let entry = page::Entry {
                id: cells_model::EntryId(row.id.0),
                key: row.key.as_str(),
                invalid: row.invalid,
                write_ts: row.write_ts,
                time: row.write_ts,
                metadata: &row.metadata,
                data: &row.data,
                text: "",
            };
            if !page.push(&entry, &row.extra) {
                self.kept = Some(row);
                break;
            }
        }
        Ok(())
    }
}

/// What one run may reach.
pub(crate) struct Reach {
    user: UserId,
    store: Arc<Store>,
    snapshot: Snapshot,
    grant: Arc<Grant>,
    effects: SharedEffects,
    cursors: Vec<Option<Open>>,
    body: Body,
    answering: Answering,
    /// Which device sent the request.
    device: Option<Stamp>,
    waiting: Waiting,
}

impl Reach {
    pub(crate) fn new(user: UserId, store: Arc<Store>, snapshot: Snapshot, grant: Arc<Grant>) -> Self {
        Self {
            user,
            store,
            snapshot,
            grant,
            effects: SharedEffects::default(),
            cursors: Vec::new(),
            body: Body::default(),
            answering: Answering::Never,
            device: None,
            waiting: Waiting::default(),
        }
    }

    /// With the body of a request and a way to answer it in pieces.
    pub(crate) fn answering(self, body: Body, answering: Answering) -> Self {
        Self { body, answering, ..self }
    }

    /// With the device whose entries it puts.
    pub(crate) fn brought_by(self, device: Option<Stamp>) -> Self {
        Self { device, ..self }
    }

    /// What the run leaves behind; survives the run.
    pub(crate) fn effects(&self) -> SharedEffects {
        Arc::clone(&self.effects)
    }

    fn keep(&mut self, cursor: Open) -> u32 {
        let free = self.cursors.iter().position(Option::is_none).unwrap_or_else(|| {
            self.cursors.push(None);
            self.cursors.len() - 1
        });
        self.cursors[free] = Some(cursor);
        u32::try_from(free).expect("the sandbox bounds cursors at 16")
    }

    fn narrow(&mut self, query: Query, what: &str) -> Result<Query, Failure> {
        let area = query.area;
        let present = || {
            let streams = self.snapshot.streams().into_iter();
            streams.filter(|(stream, _)| stream.area == area).map(|(stream, _)| stream.key).collect()
        };
        let query = self.grant.narrow(query, present)?;
        lock(&self.effects).reads.push(describe(what, &query));
        Ok(query)
    }

    /// Reads rows and holds each against the grant, then hands it on; the first fault refuses them all.
    fn each_row(
        &self,
        bytes: &[u8],
        area: Area,
        mut each: impl FnMut(&Self, &mut Effects, EntryId, ReadEntry<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let rows = rows::read(bytes).map_err(invalid)?;
        let mut effects = lock(&self.effects);
        let before = effects.batch.mark();
        // What is left of the body becomes rows too, as a rule.
        effects.batch.reserve(bytes.len() + usize::try_from(self.body.len()).unwrap_or(0));
        let mut asked: Option<Asked<'_>> = None;
        let mut done = Ok(());
        for (index, row) in rows.iter().enumerate() {
            done = self.ask(area, row.key, &mut asked, index).and_then(|asked| {
                let entry = self.checked(area, asked, row).map_err(|why| why.at(index))?;
                each(self, &mut effects, EntryId(row.id.0), entry)
            });
            if done.is_err() {
                effects.batch.back_to(before);
                break;
            }
        }
        done
    }

    /// What is to be known of a row's stream, where the grant allows writing it; the last answer serves again.
    fn ask<'g, 'a>(
        &'g self,
        area: Area,
        key: &str,
        asked: &'a mut Option<Asked<'g>>,
        index: usize,
    ) -> Result<&'a Asked<'g>, Failure> {
        if asked.as_ref().is_none_or(|asked| asked.key.as_str() != key) {
            let key = StreamKey::parse(key).map_err(|error| at(index, &error))?;
            self.grant.check_write(area, &key)?;
            *asked = Some(Asked { quick: self.grant.types().quick(&key), key });
        }
        Ok(asked.as_ref().expect("just asked"))
    }

    /// A row of a cell as an entry, where its texts are sound.
    fn checked<'r>(
        &self,
        area: Area,
        asked: &Asked<'_>,
        row: &rows::Row<'r>,
    ) -> Result<ReadEntry<'r>, Fault> {
        let typed = area == Area::Timeseries && row.data != NOTHING_YET;
        let found = sound::entry(area, row.metadata, row.data, asked.quick.filter(|_| typed))?;
        if typed && !found.of_type {
            self.grant.check_type(&asked.key, row.data)?;
        }
        sound::extra(row.extra)?;
        let key = asked.key.clone();
        let entry = NewEntry { id: None, key, metadata: row.metadata, data: row.data, extra: row.extra };
        Ok(ReadEntry::known(entry, found.times, found.kind))
    }

    /// Who brought an entry of the usercache.
    fn brought(&self, effects: &mut Effects, id: EntryId) -> Result<Option<Stamp>, Failure> {
        if let Some(known) = self.waiting.of(id) {
            return Ok(known.cloned());
        }
        let found = self.snapshot.find_id(Area::Usercache, id).map_err(|error| effects.unavailable(error))?;
        Ok(found.and_then(|row| stamp_in(&row.extra)))
    }

    /// The stream of an entry that is to be changed; entries of this very run are known by their id alone.
    fn check_changes(&mut self, ids: &[u8]) -> Result<Vec<EntryId>, Failure> {
        let ids = unpack(ids)?;
        for id in &ids {
            let stored = reading(&self.effects, || self.snapshot.find_id(Area::Timeseries, *id))?;
            if let Some(row) = stored {
                self.grant.check_write(Area::Timeseries, &row.key)?;
            }
        }
        Ok(ids)
    }
}

/// A stream that rows are written to.
struct Asked<'g> {
    key: StreamKey,
    quick: Option<&'g Quick>,
}

/// Why a row is refused.
enum Fault {
    /// By the grant, whose words say enough.
    Refused(Failure),
    /// Its texts are not what they should be.
    Unsound(BadJson),
}

impl Fault {
    fn at(self, index: usize) -> Failure {
        match self {
            Self::Refused(failure) => failure,
            Self::Unsound(why) => at(index, &why),
        }
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure)
    }
}

impl From<BadJson> for Fault {
    fn from(why: BadJson) -> Self {
        Self::Unsound(why)
    }
}

/// Keys as they come in rows, where one follows its like: the last one's text is shared.
#[derive(Default)]
struct Keys(Option<StreamKey>);

impl Keys {
    fn parse(&mut self, text: &str) -> Result<StreamKey, BadStreamKey> {
        match &self.0 {
            Some(last) if last.as_str() == text => Ok(last.clone()),
            _ => Ok(self.0.insert(StreamKey::parse(text)?).clone()),
        }
    }
}

/// The data of a row that only draws an id: nothing is stored until the run gives it its content.
const NOTHING_YET: &str = "{}";

fn same_stream(key: &StreamKey, entry: &ReadEntry<'_>) -> Result<(), Failure> {
    if *key == entry.entry().key {
        Ok(())
    } else {
        Err(invalid(format!("the entry is one of {}", key.as_str())))
    }
}

fn describe(what: &str, query: &Query) -> String {
    let keys: Vec<_> = query.keys.iter().map(StreamKey::as_str).collect();
    let keys = if keys.is_empty() { "every stream".to_owned() } else { keys.join(" ") };
    format!("{what} {:?}: {keys}", query.area)
}

fn invalid(why: impl std::fmt::Display) -> Failure {
    Failure::Invalid(why.to_string())
}

fn unpack(ids: &[u8]) -> Result<Vec<EntryId>, Failure> {
    let ids = cells_model::EntryId::unpack(ids).ok_or_else(|| invalid("ids are 12 bytes each"))?;
    Ok(ids.into_iter().map(|id| EntryId(id.0)).collect())
}

fn at(index: usize, why: &dyn std::fmt::Display) -> Failure {
    Failure::Invalid(format!("row {index}: {why}"))
}

impl Effects {
    /// Keeps why a read failed, which the cell does not get to know.
    fn unavailable(&mut self, error: ReadError) -> Failure {
        tracing::error!(error = %crate::chain(&error), "a cell's read failed");
        self.failed_read = Some(error);
        Failure::Unavailable
    }
}

/// Reads the store for a cell, and notes how long it took.
fn reading<T>(effects: &SharedEffects, read: impl FnOnce() -> Result<T, ReadError>) -> Result<T, Failure> {
    let begun = Instant::now();
    let answer = read();
    let mut effects = lock(effects);
    effects.reading += begun.elapsed();
    answer.map_err(|error| effects.unavailable(error))
}

/// Tells entries that are set aside apart.
type AsideDigest = [u8; SHA256_OUTPUT_LEN];

/// The digest of the texts that [`is_aside`] compares.
fn aside_digest(entry: &NewEntry<'_>) -> AsideDigest {
    let mut digest = Context::new(&SHA256);
    for text in [entry.key.as_str(), entry.metadata, entry.data] {
        digest.update(&text.len().to_le_bytes());
        digest.update(text.as_bytes());
    }
    digest.finish().as_ref().try_into().expect("SHA-256 has that length")
}

/// Whether the very same entry has been set aside before: a phone that resends a batch adds nothing.
fn is_aside(snapshot: &Snapshot, read: &ReadEntry<'_>) -> Result<bool, ReadError> {
    let (entry, write_ts) = (read.entry(), read.times().get(TimeField::WriteTs));
    if write_ts.is_nan() {
        return Ok(false);
    }
    let keys = vec![entry.key.clone()];
    let query = Query {
        keys,
        field: TimeField::WriteTs,
        start: write_ts,
        end: write_ts,
        ..Query::everything(Area::Errors)
    };
    let mut found = false;
    snapshot.find(&query)?.visit(&mut |row| {
        found = row.metadata == entry.metadata && row.data == entry.data;
        if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(found)
}

impl CellHost for Reach {
    fn find(&mut self, query: Query) -> Result<u32, Failure> {
        let query = self.narrow(query, "find")?;
        let cursor = reading(&self.effects, || self.snapshot.find(&query))?;
        Ok(self.keep(Open::Entries { cursor, waiting: query.area == Area::Usercache }))
    }

    fn find_ids(&mut self, keys: Vec<StreamKey>, ids: &[u8]) -> Result<u32, Failure> {
        let ids = unpack(ids)?.into_iter();
        let Query { keys, .. } =
            self.narrow(Query { keys, ..Query::everything(Area::Timeseries) }, "find-ids")?;
        Ok(self.keep(Open::Ids(ByIds { keys, ids, kept: None })))
    }

    fn next_page(&mut self, cursor: u32, bytes_max: u32) -> Result<Vec<u8>, Failure> {
        let mut writer = PageWriter::new(self.user.0, bytes_max as usize);
        let (cursor, waiting) = match self.cursors.get_mut(cursor as usize) {
            Some(Some(Open::Entries { cursor, waiting })) => (cursor, *waiting),
            Some(Some(Open::Ids(by_ids))) => {
                reading(&self.effects, || by_ids.fill(&self.snapshot, &mut writer))?;
                lock(&self.effects).entries_read += u64::from(writer.count());
                return Ok(writer.finish());
            }
            _ => return Err(invalid("no such cursor of entries")),
        };
        let mut noted = waiting.then_some(&mut self.waiting);
        reading(&self.effects, || {
            cursor.visit(&mut |row| {
                let entry = page::Entry {
                    id: cells_model::EntryId(row.id.0),
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
        lock(&self.effects).entries_read += u64::from(writer.count());
        Ok(writer.finish())
    }

    fn count(&mut self, query: Query) -> Result<u64, Failure> {
        let query = self.narrow(query, "count")?;
        reading(&self.effects, || self.snapshot.count(&query))
    }

    fn find_locations(&mut self, query: Query) -> Result<u32, Failure> {
        let query = self.narrow(query, "find-locations")?;
        let cursor = reading(&self.effects, || self.snapshot.find_locations(&query))?;
        Ok(self.keep(Open::Locations(cursor)))
    }

    fn next_rows(&mut self, cursor: u32, rows_max: u32) -> Result<LocationRows, Failure> {
        let Some(Some(Open::Locations(cursor))) = self.cursors.get_mut(cursor as usize) else {
            return Err(invalid("no such cursor of locations"));
        };
        let mut rows = LocationRows::default();
        let count = reading(&self.effects, || cursor.next(rows_max as usize, &mut rows))?;
        lock(&self.effects).entries_read += count as u64;
        Ok(rows)
    }

    fn drop_cursor(&mut self, cursor: u32) {
        if let Some(open) = self.cursors.get_mut(cursor as usize) {
            *open = None;
        }
    }

    fn insert(&mut self, rows: &[u8]) -> Result<Vec<u8>, Failure> {
        let mut ids = Vec::new();
        self.each_row(rows, Area::Timeseries, |reach, effects, _, entry| {
            let id = reach.store.allocate(1)[0];
            ids.extend_from_slice(&id.0);
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
        let done = self.each_row(rows, Area::Timeseries, |_, effects, id, entry| {
            if let Some(key) = effects.drawn.remove(&id) {
                given.push((id, key));
                same_stream(&given[given.len() - 1].1, &entry)?;
                effects.batch.insert(Area::Timeseries, entry.with_id(id));
                return Ok(());
            }
            // An entry of another stream is not this cell's to change, whatever key the row gives it.
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
            let taken_in_as = cells_model::keys::taken_in_key(entry.entry().key.as_str());
            let taken_in_as = keys.parse(taken_in_as).map_err(invalid)?;
            effects.batch.put_usercache(entry.with_extra(&stamp), taken_in_as);
            Ok(())
        })
    }

    fn take_in(&mut self, rows: &[u8]) -> Result<(), Failure> {
        self.each_row(rows, Area::Timeseries, |reach, effects, id, entry| {
            let Some(stamp) = reach.brought(effects, id)? else {
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
        self.each_row(rows, Area::Errors, |reach, effects, id, entry| {
            let new = id == EntryId::NONE;
            if new {
                // A phone that sends an entry again adds nothing, nor does it bring back what was forgotten.
                let digest = aside_digest(entry.entry());
                let known = if effects.aside.contains(&digest) || !fresh.insert(digest) {
                    Ok(true)
                } else {
                    is_aside(&snapshot, &entry).and_then(|aside| Ok(aside || snapshot.is_forgotten(&entry)?))
                };
                if known.map_err(|error| effects.unavailable(error))? {
                    effects.known_aside += 1;
                    return Ok(());
                }
            }
            let stamp = if new { reach.device.clone() } else { reach.brought(effects, id)? };
            let own = entry.entry().extra;
            let extra = match stamp.as_ref().map(Stamp::member) {
                Some(stamp) if own.is_empty() => stamp,
                Some(stamp) => format!("{own},{stamp}"),
                None => own.to_owned(),
            };
            let entry = entry.with_extra(&extra);
            if new {
                effects.batch.insert(Area::Errors, entry.with_id(reach.store.allocate(1)[0]));
            } else {
                effects.batch.set_aside(id, entry);
            }
            Ok(())
        })?;
        lock(&self.effects).aside.extend(fresh);
        Ok(())
    }

    fn document_get(&mut self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        self.grant.check_read_document(name)?;
        let mut effects = lock(&self.effects);
        effects.reads.push(format!("document {name}"));
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

    fn read_body(&mut self, bytes_max: u32) -> Result<Vec<u8>, Failure> {
        Ok(self.body.read(bytes_max as usize).to_vec())
    }

    fn begin(&mut self, status: u16, content_type: &str) -> Result<(), Failure> {
        let mut effects = lock(&self.effects);
        if !effects.batch.is_empty() {
            return Err(Failure::Denied("an answer in pieces after a write".to_owned()));
        }
        effects.begun = true;
        effects.pieces = Some(self.answering.begin(status, content_type)?);
        Ok(())
    }

    fn write(&mut self, bytes: Vec<u8>) -> Result<(), Failure> {
        self.answering.write(bytes)
    }
}
