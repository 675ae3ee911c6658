//! What one commit does, in order.

use std::ops::Range;

use cells_json::text::value_of;
use runtime_types::EntryTimes;
use runtime_types::{Area, EntryId, StreamKey};

/// A new entry. The caller has checked that the texts are valid JSON; they are kept byte for byte.
#[derive(Debug, Clone)]
pub struct NewEntry<'a> {
    /// `Some`: an id from [`crate::Store::allocate`] or an import, which is kept. `None`: the commit draws a rising
    /// one.
    pub id: Option<EntryId>,
    /// Which readings.
    pub key: StreamKey,
    /// A JSON object.
    pub metadata: &'a str,
    /// A JSON object; in [`Area::Errors`], the JSON that was sent.
    pub data: &'a str,
    /// Empty, or further members without braces, such as `"error":{"reason":"…"}`.
    pub extra: &'a str,
}

/// An entry whose texts were checked and whose times are known.
#[derive(Debug, Clone)]
pub struct CheckedEntry<'a> {
    entry: NewEntry<'a>,
    times: EntryTimes,
    /// The position of the value of `type` in metadata; `None`: not looked for yet.
    kind: Option<Range<usize>>,
    origin: u64,
}

impl<'a> CheckedEntry<'a> {
    /// The entry with the times that [`EntryTimes::read`] gives; `kind` is the position of the text of the first `type`
    /// in its metadata, empty where it has none.
    pub fn known(entry: NewEntry<'a>, times: EntryTimes, kind: Range<usize>) -> Self {
        Self { entry, times, kind: Some(kind), origin: 0 }
    }

    /// The entry under that id.
    #[must_use]
    pub fn with_id(mut self, id: EntryId) -> Self {
        self.entry.id = Some(id);
        self
    }

    /// The entry with other metadata, which has the same times.
    #[must_use]
    pub fn with_metadata(self, metadata: &'a str) -> Self {
        Self { entry: NewEntry { metadata, ..self.entry }, kind: None, ..self }
    }

    /// The entry with these further members.
    #[must_use]
    pub fn with_extra(mut self, extra: &'a str) -> Self {
        self.entry.extra = extra;
        self
    }

    /// The entry with the origin that [`crate::Row::origin`] gave for it, for an insert. In a store with the same key
    /// of origins, an identical put will be ignored.
    #[must_use]
    pub fn with_origin(mut self, origin: u64) -> Self {
        self.origin = origin;
        self
    }

    /// The entry.
    pub fn entry(&self) -> &NewEntry<'a> {
        &self.entry
    }

    /// The text of its `type`, quotes included; empty where it has none.
    pub(crate) fn kind(&self) -> &'a str {
        let metadata = self.entry.metadata;
        let kind = self.kind.clone().unwrap_or_else(|| kind_of(metadata));
        &metadata[kind]
    }

    /// Its times, s.
    pub fn times(&self) -> &EntryTimes {
        &self.times
    }
}

impl<'a> From<NewEntry<'a>> for CheckedEntry<'a> {
    fn from(entry: NewEntry<'a>) -> Self {
        let times = EntryTimes::read(entry.metadata, entry.data);
        Self { entry, times, kind: None, origin: 0 }
    }
}

/// How far a batch had come; see [`Batch::back_to`].
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    texts: usize,
    steps: usize,
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
    Forget(Area, EntryId),
    MarkInvalid(EntryId),
}

/// An entry whose texts lie in the batch's arena.
#[derive(Debug)]
pub(crate) struct BatchRow {
    pub id: Option<EntryId>,
    pub key: StreamKey,
    pub times: EntryTimes,
    /// The origin with which the entry is inserted; 0 for none.
    pub origin: u64,
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
    /// A batch that does nothing.
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

    /// How many of its entries have no id yet.
    pub(crate) fn ids_wanted(&self) -> usize {
        let wants = |step: &&Step| match step {
            Step::Insert(_, row) | Step::Put { row, .. } => row.id.is_none(),
            _ => false,
        };
        self.steps.iter().filter(wants).count()
    }

    /// The latest id that an entry before `end` brings with it.
    pub(crate) fn latest_id_brought(&self, end: EntryId) -> Option<EntryId> {
        let brought = |step: &Step| match step {
            Step::Insert(_, row) | Step::Put { row, .. } => row.id.filter(|id| *id < end),
            _ => None,
        };
        self.steps.iter().filter_map(brought).max()
    }

    /// What this batch itself does to a document: `None` nothing, `Some(None)` removes it.
    pub fn document(&self, name: &str) -> Option<Option<&[u8]>> {
        self.documents.iter().rev().find(|(known, _)| known == name).map(|(_, content)| content.as_deref())
    }

    /// The entries that it adds or moves to an area: stream and times of each, in order.
    pub fn added(&self, area: Area) -> impl Iterator<Item = (&StreamKey, &EntryTimes)> {
        self.steps.iter().filter_map(move |step| match step {
            Step::Insert(into, row) | Step::Move { into, row, .. } if *into == area => {
                Some((&row.key, &row.times))
            }
            _ => None,
        })
    }

    /// The streams of the entries whose content it replaces, in order.
    pub fn replaced(&self) -> impl Iterator<Item = &StreamKey> {
        self.steps.iter().filter_map(|step| match step {
            Step::Replace { row, .. } => Some(&row.key),
            _ => None,
        })
    }

    /// How many entries it moves from the usercache into an area.
    pub fn moved(&self, area: Area) -> u64 {
        let moves = |step: &&Step| matches!(step, Step::Move { into, .. } if *into == area);
        self.steps.iter().filter(moves).count() as u64
    }

    /// How many marks it sets.
    pub fn marks(&self) -> u64 {
        self.steps.iter().filter(|step| matches!(step, Step::MarkInvalid(_))).count() as u64
    }

    /// What it holds in memory: texts, documents and a small amount for each step.
    pub fn bytes(&self) -> u64 {
        (self.texts.len() + self.steps.len() * size_of::<Step>()) as u64 + self.document_bytes
    }

    /// Makes room for this many more bytes of text.
    pub fn reserve(&mut self, text_bytes: usize) {
        self.texts.reserve(text_bytes);
    }

    /// The current position in the batch, for [`Self::back_to`].
    pub fn mark(&self) -> Mark {
        Mark { texts: self.texts.len(), steps: self.steps.len() }
    }

    /// Forgets the steps on entries that were added since `mark` was taken of this batch.
    pub fn back_to(&mut self, mark: Mark) {
        self.texts.truncate(mark.texts);
        self.steps.truncate(mark.steps);
    }

    fn keep(&mut self, read: CheckedEntry<'_>) -> BatchRow {
        let CheckedEntry { entry, times, origin, .. } = read;
        let start = self.texts.len();
        self.texts.push_str(entry.metadata);
        let metadata_end = self.texts.len();
        self.texts.push_str(entry.data);
        let data_end = self.texts.len();
        self.texts.push_str(entry.extra);
        BatchRow {
            id: entry.id,
            key: entry.key,
            times,
            origin,
            start,
            metadata_end,
            data_end,
            end: self.texts.len(),
        }
    }

    /// A new entry. It is not compared with existing ones, but its id must not exist in that area.
    pub fn insert<'a>(&mut self, area: Area, entry: impl Into<CheckedEntry<'a>>) {
        let row = self.keep(entry.into());
        self.steps.push(Step::Insert(area, row));
    }

    /// An entry that a phone put; `entry.extra` says which device that was, if it is known. The entry is ignored if the
    /// identical one was accepted into the stream `taken_in_as` of the timeseries, set aside into the stream
    /// `entry.key` of the errors, or forgotten, or if another device has put it and it still waits. Otherwise an entry
    /// with the same (type, key, write_ts) of the same device that is still in the usercache is overwritten, and the
    /// new one gets a new id.
    pub fn put_usercache<'a>(&mut self, entry: impl Into<CheckedEntry<'a>>, taken_in_as: StreamKey) {
        let read = entry.into();
        let kind = read.kind.clone().unwrap_or_else(|| kind_of(read.entry.metadata));
        let row = self.keep(read);
        let kind = row.start + kind.start..row.start + kind.end;
        self.steps.push(Step::Put { row, kind, taken_in_as });
    }

    /// Moves the entry `id` from the usercache to the timeseries, as `entry` and under the same id. An entry that has
    /// left the usercache meanwhile is skipped.
    pub fn take_in<'a>(&mut self, id: EntryId, entry: impl Into<CheckedEntry<'a>>) {
        let row = self.keep(entry.into());
        self.steps.push(Step::Move { id, into: Area::Timeseries, row });
    }

    /// As [`Self::take_in`], into the errors.
    pub fn set_aside<'a>(&mut self, id: EntryId, entry: impl Into<CheckedEntry<'a>>) {
        let row = self.keep(entry.into());
        self.steps.push(Step::Move { id, into: Area::Errors, row });
    }

    /// New content for an entry of the timeseries; the id stays. An entry that does not exist is skipped.
    pub fn replace<'a>(&mut self, id: EntryId, entry: impl Into<CheckedEntry<'a>>) {
        let row = self.keep(entry.into());
        self.steps.push(Step::Replace { id, row });
    }

    /// Removes an entry of the timeseries. An entry that does not exist is skipped.
    pub fn delete(&mut self, id: EntryId) {
        self.delete_in(Area::Timeseries, id);
    }

    /// Removes an entry of an area. An entry that does not exist is skipped.
    pub fn delete_in(&mut self, area: Area, id: EntryId) {
        self.steps.push(Step::Delete(area, id));
    }

    /// As [`Self::delete_in`], and an identical put is ignored from then on: the digest of an entry that a phone sent
    /// is kept.
    pub fn forget(&mut self, area: Area, id: EntryId) {
        self.steps.push(Step::Forget(area, id));
    }

    /// Hides an entry of the timeseries from queries that do not ask for invalid ones. An entry that does not exist is
    /// skipped.
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

/// The position of the text of the first `type` in metadata; empty where there is none.
fn kind_of(metadata: &str) -> Range<usize> {
    value_of(metadata, "type").map_or(0..0, |kind| {
        let at = kind.as_ptr() as usize - metadata.as_ptr() as usize;
        at..at + kind.len()
    })
}
