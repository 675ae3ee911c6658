//! What one commit does, in order.

use std::ops::Range;

use runtime_types::json::{EntryTimes, member};
use runtime_types::{Area, EntryId, StreamKey};

/// An entry on its way in. The caller has checked that the texts are sound JSON; they are kept byte for byte.
#[derive(Debug, Clone)]
pub struct NewEntry<'a> {
    /// `Some`: from [`crate::Store::allocate`] or an import, kept. `None`: the commit draws a rising one.
    pub id: Option<EntryId>,
    /// Which readings.
    pub key: StreamKey,
    /// A JSON object.
    pub metadata: &'a str,
    /// A JSON object; in [`Area::Errors`] whatever was sent, as JSON.
    pub data: &'a str,
    /// Empty, or further members without braces, such as `"error":{"reason":"…"}`.
    pub extra: &'a str,
}

/// What one commit does, in order: later steps see what earlier ones did. Owns its bytes.
#[derive(Debug, Default)]
pub struct Batch {
    pub(crate) texts: String,
    pub(crate) steps: Vec<Step>,
    pub(crate) documents: Vec<(String, Option<Vec<u8>>)>,
    document_bytes: u64,
}

/// One step on entries.
#[derive(Debug)]
pub(crate) enum Step {
    Insert(Area, BatchRow),
    Put {
        row: BatchRow,
        kind: Range<usize>,
        taken_in_as: StreamKey,
    },
    /// The entry leaves the usercache for that area, under the same id.
    Move {
        id: EntryId,
        into: Area,
        row: BatchRow,
    },
    Replace {
        id: EntryId,
        row: BatchRow,
    },
    Delete(Area, EntryId),
    MarkInvalid(EntryId),
}

/// An entry whose texts lie in the batch's arena.
#[derive(Debug)]
pub(crate) struct BatchRow {
    pub id: Option<EntryId>,
    pub key: StreamKey,
    pub times: EntryTimes,
    start: usize,
    metadata_end: usize,
    data_end: usize,
    end: usize,
}

impl BatchRow {
    pub fn metadata<'a>(&self, texts: &'a str) -> &'a str {
        &texts[self.start..self.metadata_end]
    }
    pub fn data<'a>(&self, texts: &'a str) -> &'a str {
        &texts[self.metadata_end..self.data_end]
    }
    pub fn extra<'a>(&self, texts: &'a str) -> &'a str {
        &texts[self.data_end..self.end]
    }
    pub fn bytes(&self) -> u64 {
        (self.end - self.start) as u64
    }
}

impl Batch {
    /// One that does nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether committing it would change nothing.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.documents.is_empty()
    }

    /// How many steps on entries it has.
    pub fn rows(&self) -> u64 {
        self.steps.len() as u64
    }

    /// What this very batch does to a document: `None` nothing, `Some(None)` removes it.
    pub fn document(&self, name: &str) -> Option<Option<&[u8]>> {
        self.documents.iter().rev().find(|(known, _)| known == name).map(|(_, content)| content.as_deref())
    }

    /// The entries that it adds to an area, or moves there: stream and times of each, in order.
    pub fn added(&self, area: Area) -> impl Iterator<Item = (&StreamKey, &EntryTimes)> {
        self.steps.iter().filter_map(move |step| match step {
            Step::Insert(into, row) | Step::Move { into, row, .. } if *into == area => {
                Some((&row.key, &row.times))
            }
            _ => None,
        })
    }

    /// What it holds in memory: texts, documents and a small sum a step.
    pub fn bytes(&self) -> u64 {
        (self.texts.len() + self.steps.len() * size_of::<Step>()) as u64 + self.document_bytes
    }

    fn keep(&mut self, entry: NewEntry<'_>) -> BatchRow {
        let start = self.texts.len();
        self.texts.push_str(entry.metadata);
        let metadata_end = self.texts.len();
        self.texts.push_str(entry.data);
        let data_end = self.texts.len();
        self.texts.push_str(entry.extra);
        let times = EntryTimes::read(entry.metadata, entry.data);
        BatchRow { id: entry.id, key: entry.key, times, start, metadata_end, data_end, end: self.texts.len() }
    }

    /// A new entry; never compared with what is there, but its id must not be taken in that area.
    pub fn insert(&mut self, area: Area, entry: NewEntry<'_>) {
        let row = self.keep(entry);
        self.steps.push(Step::Insert(area, row));
    }

    /// What a phone put. An entry with the same (type, key, write_ts) still in the usercache is
    /// overwritten, and the new one gets an id of its own. If it has been taken in, into the stream `taken_in_as` of the
    /// timeseries or set aside into the stream `entry.key` of the errors, an identical entry is ignored
    /// and a different one is kept.
    pub fn put_usercache(&mut self, entry: NewEntry<'_>, taken_in_as: StreamKey) {
        let kind = member(entry.metadata, "type").map_or(0..0, |kind| {
            let at = kind.as_ptr() as usize - entry.metadata.as_ptr() as usize;
            at..at + kind.len()
        });
        let row = self.keep(entry);
        let kind = row.start + kind.start..row.start + kind.end;
        self.steps.push(Step::Put { row, kind, taken_in_as });
    }

    /// The entry `id` leaves the usercache and `entry` enters the timeseries under that id. One that has
    /// left it meanwhile is skipped.
    pub fn take_in(&mut self, id: EntryId, entry: NewEntry<'_>) {
        let row = self.keep(entry);
        self.steps.push(Step::Move { id, into: Area::Timeseries, row });
    }

    /// As [`Self::take_in`], into the errors.
    pub fn set_aside(&mut self, id: EntryId, entry: NewEntry<'_>) {
        let row = self.keep(entry);
        self.steps.push(Step::Move { id, into: Area::Errors, row });
    }

    /// New content for an entry of the timeseries; the id stays. One that is not there is skipped.
    pub fn replace(&mut self, id: EntryId, entry: NewEntry<'_>) {
        let row = self.keep(entry);
        self.steps.push(Step::Replace { id, row });
    }

    /// Removes an entry of the timeseries. One that is not there is skipped.
    pub fn delete(&mut self, id: EntryId) {
        self.delete_in(Area::Timeseries, id);
    }

    /// Removes an entry of an area. One that is not there is skipped.
    pub fn delete_in(&mut self, area: Area, id: EntryId) {
        self.steps.push(Step::Delete(area, id));
    }

    /// Hides an entry of the timeseries from queries that do not ask for such. One that is not there is skipped.
    pub fn mark_invalid(&mut self, id: EntryId) {
        self.steps.push(Step::MarkInvalid(id));
    }

    /// Replaces the whole document of that name; at most [`crate::DOCUMENT_BYTES_MAX`].
    pub fn put_document(&mut self, name: &str, content: Vec<u8>) {
        self.document_bytes += (name.len() + content.len()) as u64;
        self.documents.push((name.to_owned(), Some(content)));
    }

    /// Removes the document of that name, if there is one.
    pub fn delete_document(&mut self, name: &str) {
        self.document_bytes += name.len() as u64;
        self.documents.push((name.to_owned(), None));
    }
}
