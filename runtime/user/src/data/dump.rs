//! Dumps: import and export of a person's entries as JSON.
//!
//! A dump is a JSON array of entries, `{"_id", "user_id", "metadata", "data"}`, in the reference's form. An import
//! drops and merges nothing and keeps ids, but not the space between tokens: the layout of a dump is up to its writer.
//! An entry whose text cannot be read, such as one with `NaN` or bytes that are not UTF-8, is set aside with the
//! reason.

use std::io::Write;
use std::ops::ControlFlow;
use std::sync::PoisonError;

use cells_model::aside;
use cells_model::list::{self, BadList};
use cells_model::sent::{self, BYTE_ORDER_MARK, SetAside};
use cells_model::structure::depth_of;
use cells_model::text::{self, Member, value_of};
use runtime_store::{Batch, NewEntry, Snapshot};
use runtime_types::{Area, EntryId, Query, StreamKey, UserId};

use crate::data::Diaries;
use crate::error::CallError;
use crate::people::person::Person;
use crate::runs::late;

/// Why a dump was refused; none of it was stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DumpError {
    /// It is not a JSON array.
    #[error("the dump is not a JSON array of entries")]
    List(#[from] BadList),
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
    Write(#[from] std::io::Error),
}

/// How many entries one commit of an import has: this bounds the work that a crash repeats, not the size of an import.
const ENTRIES_PER_COMMIT: usize = 20_000;

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
        let dump = dump.strip_prefix(BYTE_ORDER_MARK).unwrap_or(dump);
        let read = list::items(dump)?
            .into_iter()
            .enumerate()
            .map(|(index, item)| Item::read(item).map_err(|why| DumpError::Entry { index, why }));
        let items = read.collect::<Result<Vec<_>, _>>()?;
        let person = self.runtime.person(user)?;
        // A stage that ran meanwhile would go past entries that it has not seen.
        let _no_stage = person.pipeline.lock().unwrap_or_else(PoisonError::into_inner);
        for some in items.chunks(ENTRIES_PER_COMMIT) {
            let mut batch = Batch::new();
            for item in some {
                item.add(&person.store, now, &mut batch);
            }
            late::judge(self.runtime, &person.store.snapshot_ahead(), 0, &mut batch)?;
            person.commit(batch).map_err(CallError::Commit)?;
        }
        self.runtime.timetable().data_arrived(user);
        // An import this large needs settled blocks; otherwise the next run would have to do that work.
        person.settle_all().map_err(CallError::Commit)?;
        let set_aside = items.iter().filter(|item| matches!(item, Item::Aside(_))).count();
        Ok(Imported { taken_in: items.len() - set_aside, set_aside })
    }
}

impl Person {
    /// Calls `visit` with the area and the JSON text of every entry, including raw entries and entries that queries
    /// hide.
    pub fn each_entry(
        &self,
        areas: &[Area],
        mut visit: impl FnMut(Area, &str) -> Result<(), std::io::Error>,
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
    visit: &mut dyn FnMut(Area, &str) -> Result<(), std::io::Error>,
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

/// One entry of a dump.
enum Item {
    Sound(DumpEntry),
    Aside(Aside),
}

impl Item {
    fn read(bytes: &[u8]) -> Result<Self, &'static str> {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return Ok(Self::Aside(Aside::new(&String::from_utf8_lossy(bytes), SetAside::NotUtf8)));
        };
        match sent::why_unreadable(text, depth_of(text)) {
            Some(why) => Ok(Self::Aside(Aside::new(text, why))),
            None => DumpEntry::read(text).map(Self::Sound),
        }
    }

    fn add(&self, store: &runtime_store::Store, now: f64, batch: &mut Batch) {
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
