//! Dumps: import and export of a person's entries as JSON.
//!
//! A dump is a JSON array of entries, `{"_id", "user_id", "metadata", "data"}`, in the reference's form. An import
//! drops and merges nothing and keeps ids, but not the space between tokens: the layout of a dump is up to its writer.
//! An entry that no stage could read, such as one with `NaN`, with bytes that are not UTF-8 or with data that its stream
//! does not have, is set aside with the reason.
//!
//! A dump is read as a stream, twice: once to check all of it, once to store it. Memory: one entry, and the batch that is
//! being made ([`BATCH_BYTES_MAX`]), whatever the size of the dump.

use std::io::{self, BufReader, Read, Write};
use std::ops::ControlFlow;
use std::sync::PoisonError;

use cells_model::aside;
use cells_model::sent::{self, SetAside};
use cells_model::structure::depth_of;
use cells_model::text::{self, Member, value_of};
use runtime_store::{Batch, NewEntry, Snapshot};
use runtime_types::{Area, EntryId, Query, StreamKey, UserId};

use crate::cells::types::Types;
use crate::data::Diaries;
use crate::error::CallError;
use crate::people::person::Person;
use crate::runs::{check, late};
use runtime_import::json::stream::{BadStream, Bracket, JsonStream};

/// Why a dump was refused; none of it was stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DumpError {
    /// It is not a JSON array.
    #[error("the dump is not a JSON array of entries")]
    List(#[from] BadStream),
    /// It has too many entries.
    #[error("the dump has more than {IMPORT_ENTRIES_MAX} entries: import it in parts")]
    TooMany,
    /// One element of the array is not an entry.
    #[error("entry {index} of the dump {why}")]
    Entry {
        /// Its index, from 0.
        index: usize,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The person's runtime refused the import.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The dump could not be written.
    #[error("the dump cannot be written")]
    Write(#[from] io::Error),
}

/// How many entries one commit of an import has: this bounds the work that a crash repeats, not the size of an import.
pub(crate) const ENTRIES_PER_COMMIT: usize = 20_000;

/// How much text one commit of an import has, bytes; one entry more at most.
pub const BATCH_BYTES_MAX: usize = 32 << 20;

/// How many entries one import may bring: three years of a phone that records every few seconds.
pub const IMPORT_ENTRIES_MAX: usize = 4_000_000;

/// What an import did with the entries of a dump.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    /// They are in the timeseries.
    pub taken_in: usize,
    /// They could not be read, and are in the errors area with the reason.
    pub set_aside: usize,
}

impl Diaries<'_> {
    /// Imports the entries of a dump directly into the timeseries. If stages have gone past some of them, the entries
    /// that depend on those are recomputed.
    pub fn import(self, user: UserId, dump: &[u8], now: f64) -> Result<Imported, DumpError> {
        self.import_from(user, || Ok(dump), now)
    }

    /// As [`Self::import`], from a source that `open` opens from its start each time.
    ///
    /// # Errors
    /// [`DumpError`]; nothing is stored where the dump is refused.
    pub fn import_from<R: Read>(
        self,
        user: UserId,
        open: impl Fn() -> io::Result<R>,
        now: f64,
    ) -> Result<Imported, DumpError> {
        let types = self.runtime.catalogue().types();
        // Everything is checked before anything is stored.
        let mut imported = Imported::default();
        each_item(open().map_err(BadStream::Read)?, types, |item| {
            match item {
                Item::Sound(_) => imported.taken_in += 1,
                Item::Aside(_) => imported.set_aside += 1,
            }
            Ok(())
        })?;
        let person = self.runtime.person(user)?;
        // A stage that ran meanwhile would go past entries that it has not seen.
        let _no_stage = person.pipeline.lock().unwrap_or_else(PoisonError::into_inner);
        let stages = self.runtime.stages_of(&person)?;
        let store = |mut batch: Batch| -> Result<(), DumpError> {
            late::judge(&stages, &person.store.snapshot_ahead(), 0, &mut batch)?;
            person.commit(batch).map_err(CallError::Commit)?;
            Ok(())
        };
        let (mut batch, mut entries, mut bytes) = (Batch::new(), 0, 0);
        each_item(open().map_err(BadStream::Read)?, types, |item| {
            item.add(&person.store, now, &mut batch);
            (entries, bytes) = (entries + 1, bytes + item.bytes());
            if entries == ENTRIES_PER_COMMIT || bytes >= BATCH_BYTES_MAX {
                (entries, bytes) = (0, 0);
                store(std::mem::take(&mut batch))?;
            }
            Ok(())
        })?;
        store(batch)?;
        self.runtime.timetable().data_arrived(user);
        // An import this large needs settled blocks; otherwise the next run would have to do that work.
        person.settle_all().map_err(CallError::Commit)?;
        Ok(imported)
    }
}

impl Person {
    /// Calls `visit` with the area and the JSON text of every entry, including raw entries and entries that queries
    /// hide.
    pub fn each_entry(
        &self,
        areas: &[Area],
        mut visit: impl FnMut(Area, &str) -> Result<(), io::Error>,
    ) -> Result<(), DumpError> {
        let snapshot = self.store.snapshot();
        for area in areas {
            each_of(&snapshot, self.user, *area, &mut visit)?;
        }
        Ok(())
    }

    /// Writes the entries of the given areas as one JSON array.
    pub fn dump(&self, areas: &[Area], out: &mut dyn Write) -> Result<usize, DumpError> {
        let mut count = 0;
        out.write_all(b"[")?;
        self.each_entry(areas, |_, text| {
            out.write_all(if count == 0 { b"\n" } else { b",\n" })?;
            count += 1;
            out.write_all(text.as_bytes())
        })?;
        out.write_all(b"\n]\n")?;
        Ok(count)
    }
}

fn each_of(
    snapshot: &Snapshot,
    user: UserId,
    area: Area,
    visit: &mut dyn FnMut(Area, &str) -> Result<(), io::Error>,
) -> Result<(), DumpError> {
    let mut cursor = snapshot.find(&Query::everything(area)).map_err(CallError::Read)?;
    let mut outcome = Ok(());
    let mut text = String::new();
    cursor
        .visit(&mut |row| {
            text.clear();
            entry_text(&mut text, user, row);
            outcome = visit(area, &text);
            if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
        .map_err(CallError::Read)?;
    Ok(outcome?)
}

/// The entry in the form of the HTTP API.
pub(crate) fn entry_text(text: &mut String, user: UserId, row: &runtime_store::Row<'_>) {
    use std::fmt::Write as _;
    write!(
        text,
        r#"{{"_id":{{"$oid":"{}"}},"user_id":{{"$uuid":"{user}"}},"metadata":{},"data":{}"#,
        row.id, row.metadata, row.data
    )
    .expect("a text takes what it is given");
    if row.invalid {
        text.push_str(",\"invalid\":true");
    }
    if !row.extra.is_empty() {
        text.push(',');
        text.push_str(row.extra);
    }
    text.push('}');
}

/// Reads a dump item by item.
fn each_item(
    source: impl Read,
    types: &Types,
    mut each: impl FnMut(Item) -> Result<(), DumpError>,
) -> Result<(), DumpError> {
    let mut stream = JsonStream::new(BufReader::with_capacity(SOURCE_BYTES, source));
    stream.skip_mark()?;
    let mut open = stream.open(Bracket::List)?;
    let (mut item, mut index) = (Vec::new(), 0);
    while stream.more(&mut open)? {
        if index == IMPORT_ENTRIES_MAX {
            return Err(DumpError::TooMany);
        }
        stream.value(&mut item)?;
        each(Item::read(&item, types).map_err(|why| DumpError::Entry { index, why })?)?;
        index += 1;
    }
    stream.end()?;
    Ok(())
}

/// The buffer of a source, bytes.
const SOURCE_BYTES: usize = 1 << 16;

/// Why no stage could read an entry that has this text; `None` where nothing is known against it. The reason contains
/// no values.
pub fn why_unsound(
    types: &Types,
    area: Area,
    key: &StreamKey,
    [metadata, data, extra]: [&str; 3],
) -> Option<SetAside> {
    if !data.trim_ascii_start().starts_with('{') && area != Area::Errors {
        return Some(SetAside::DataNotAnObject);
    }
    let streaming = types.streaming(key).filter(|_| area == Area::Timeseries);
    let found = match check::entry(area, metadata, data, streaming) {
        Ok(found) => found,
        Err(bad) => return Some(SetAside::NotJson(bad.to_string())),
    };
    if let Err(bad) = check::extra(extra) {
        return Some(SetAside::NotJson(bad.to_string()));
    }
    let typed = area == Area::Timeseries && !found.of_type;
    let wrong = typed.then(|| types.check(key, data).err()).flatten();
    wrong.map(|why| SetAside::NotJson(format!("its data are not what {key} has: {why}")))
}

/// One entry of a dump.
pub(crate) enum Item {
    Sound(DumpEntry),
    Aside(Aside),
}

impl Item {
    pub(crate) fn read(bytes: &[u8], types: &Types) -> Result<Self, &'static str> {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return Ok(Self::Aside(Aside::new(&String::from_utf8_lossy(bytes), SetAside::NotUtf8)));
        };
        match sent::why_unreadable(text, depth_of(text)) {
            Some(why) => Ok(Self::Aside(Aside::new(text, why))),
            None => {
                let entry = DumpEntry::read(text)?;
                let texts = [entry.metadata.as_str(), &entry.data, &entry.extra];
                match why_unsound(types, Area::Timeseries, &entry.key, texts) {
                    Some(why) => Ok(Self::Aside(Aside::new(text, why))),
                    None => Ok(Self::Sound(entry)),
                }
            }
        }
    }

    /// The size of its texts.
    fn bytes(&self) -> usize {
        match self {
            Self::Sound(entry) => entry.metadata.len() + entry.data.len() + entry.extra.len(),
            Self::Aside(aside) => aside.kept.metadata.len() + aside.kept.data.len(),
        }
    }

    /// Sets that id if the entry has none.
    pub(crate) fn or_id(self, id: EntryId) -> Self {
        match self {
            Self::Sound(entry) => Self::Sound(entry.or_id(id)),
            Self::Aside(aside) => Self::Aside(Aside { id: aside.id.or(Some(id)), ..aside }),
        }
    }

    /// Where it is stored, and under which id; none: all zeros.
    pub(crate) fn place(&self) -> (Area, EntryId) {
        match self {
            Self::Sound(entry) => (Area::Timeseries, entry.id()),
            Self::Aside(aside) => (Area::Errors, aside.id.unwrap_or(EntryId::NONE)),
        }
    }

    /// When it was written, s; `None` where that cannot be read.
    pub(crate) fn write_ts(&self) -> Option<f64> {
        match self {
            Self::Sound(entry) => value_of(&entry.metadata, "write_ts").and_then(text::number),
            Self::Aside(_) => None,
        }
    }

    pub(crate) fn add(&self, store: &runtime_store::Store, now: f64, batch: &mut Batch) {
        match self {
            Self::Sound(entry) => entry.add(store, batch),
            Self::Aside(entry) => entry.add(now, batch),
        }
    }
}

/// An entry of a dump or an export that cannot be read.
#[derive(Debug)]
pub struct Aside {
    id: Option<EntryId>,
    kept: sent::Parsed<'static>,
}

impl Aside {
    /// Keeps the text for the errors area.
    pub fn new(text: &str, why: SetAside) -> Self {
        Self { id: value_of(text, "_id").and_then(read_id), kept: sent::unreadable(text, why) }
    }

    /// Adds it to the errors area.
    pub fn add(&self, now: f64, batch: &mut Batch) {
        let sent::Parsed { key, metadata, data, aside, .. } = &self.kept;
        let Some((why, kept)) = aside.clone() else { return };
        let key = StreamKey::parse(key).expect("what is kept of an entry has a key that names a stream");
        let error = aside::Error { kept, of_dump: true, ..aside::Error::new(why, now) };
        batch.insert(Area::Errors, NewEntry { id: self.id, key, metadata, data, extra: &error.member() });
    }
}

/// One entry of a dump, checked.
pub(crate) struct DumpEntry {
    id: Option<EntryId>,
    key: StreamKey,
    metadata: String,
    data: String,
    extra: String,
    invalid: bool,
}

impl DumpEntry {
    pub(crate) fn read(text: &str) -> Result<Self, &'static str> {
        let (mut id, mut metadata, mut data, mut extra, mut invalid) =
            (None, None, None, String::new(), false);
        for member in text::members(text) {
            let Member { name, value, .. } = member.map_err(|_| "is not an object")?;
            match name {
                "_id" => id = Some(read_id(value).ok_or("has an _id that is not 24 hex digits")?),
                "user_id" => {}
                "metadata" => metadata = Some(compact(value)),
                "data" => data = Some(compact(value)),
                "invalid" => invalid = value == "true",
                _ => {
                    let comma = if extra.is_empty() { "" } else { "," };
                    extra.push_str(&format!("{comma}\"{name}\":{}", compact(value)));
                }
            }
        }
        let metadata = metadata.ok_or("has no metadata")?;
        let data = data.ok_or("has no data")?;
        if !metadata.starts_with('{') || !data.starts_with('{') {
            return Err("has metadata or data that is not an object");
        }
        let key = value_of(&metadata, "key").ok_or("has no key")?;
        let key = StreamKey::parse(key.trim_matches('"')).map_err(|_| "has a key that names no stream")?;
        value_of(&metadata, "write_ts").and_then(text::number).ok_or("has no write_ts")?;
        Ok(Self { id, key, metadata, data, extra, invalid })
    }

    /// Sets that id if the entry has none.
    pub(crate) fn or_id(self, id: EntryId) -> Self {
        Self { id: self.id.or(Some(id)), ..self }
    }

    /// Its id; none: all zeros.
    pub(crate) fn id(&self) -> EntryId {
        self.id.unwrap_or(EntryId::NONE)
    }

    pub(crate) fn add(&self, store: &runtime_store::Store, batch: &mut Batch) {
        let id = self.id.unwrap_or_else(|| store.allocate(1)[0]);
        let entry = NewEntry {
            id: Some(id),
            key: self.key.clone(),
            metadata: &self.metadata,
            data: &self.data,
            extra: &self.extra,
        };
        batch.insert(Area::Timeseries, entry);
        if self.invalid {
            batch.mark_invalid(id);
        }
    }
}

fn read_id(value: &str) -> Option<EntryId> {
    let hex = value_of(value, "$oid").unwrap_or(value);
    hex.trim_matches('"').parse().ok().filter(|id| *id != EntryId::NONE)
}

/// The same JSON without space between its tokens.
fn compact(text: &str) -> String {
    let (mut out, mut within, mut escaped) = (String::with_capacity(text.len()), false, false);
    for character in text.chars() {
        match (within, character) {
            (false, ' ' | '\n' | '\r' | '\t') => continue,
            (false, '"') => within = true,
            (true, '"') if !escaped => within = false,
            _ => {}
        }
        escaped = within && character == '\\' && !escaped;
        out.push(character);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_goes_between_tokens_and_stays_within_texts() {
        let text = "{ \"a b\" :\n [1, \"c \\\" d\\\\\" , 2.50 ] }";
        assert_eq!(compact(text), "{\"a b\":[1,\"c \\\" d\\\\\",2.50]}");
    }

    #[test]
    fn an_entry_keeps_its_id_its_marks_and_what_nobody_knows() {
        let text = r#"{"_id": {"$oid": "576810cb4a9bba50e3fa1d4a"}, "user_id": 1, "invalid": true, "more": [1],
            "metadata": {"key": "a/b", "write_ts": 1.5}, "data": {"ts": 1.0}}"#;
        let entry = DumpEntry::read(text).expect("sound");
        assert_eq!(entry.id.map(|id| id.to_string()).as_deref(), Some("576810cb4a9bba50e3fa1d4a"));
        assert!(entry.invalid);
        assert_eq!((entry.extra.as_str(), entry.data.as_str()), (r#""more":[1]"#, r#"{"ts":1.0}"#));
    }

    #[test]
    fn an_entry_without_identity_refuses_the_dump() {
        for bad in ["[]", "{}", r#"{"metadata":{},"data":{}}"#, r#"{"metadata":{"key":"a/b"},"data":{}}"#] {
            assert!(DumpEntry::read(bad).is_err(), "{bad}");
        }
    }
}
