//! The state of the store at one moment.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use runtime_types::{Area, EntryId, Query, Stream, StreamKey, TimeField};

use super::source::{is_visible, time_of};
use super::{Cursor, LocationCursor, OwnedRow, merge, token};
use crate::forgotten::Forgotten;
use crate::index::{BlockInfo, Index, StreamBlocks};
use crate::vault::Vault;
use crate::{CheckedEntry, ReadError};

/// The last commit of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Number of the commit; 0 before the first.
    pub commit: u64,
    /// The hash over that commit and all before it.
    pub hash: [u8; 32],
}

/// The state of the store at one moment: entries and documents. Cheap to take and to clone.
#[derive(Debug, Clone)]
pub struct Snapshot {
    vault: Arc<Vault>,
    index: Arc<Index>,
}

impl Snapshot {
    pub(crate) fn new(vault: Arc<Vault>, index: Arc<Index>) -> Self {
        Self { vault, index }
    }

    /// Opens a cursor over the entries that match. Descending is the exact reverse of ascending. An entry without any
    /// time has position 0.
    pub fn find(&self, query: &Query) -> Result<Cursor, ReadError> {
        query.check()?;
        Ok(Cursor::new(&self.vault, &self.index, query, None))
    }

    /// Continues behind the row of the cursor that issued the token, also in a later snapshot.
    pub fn resume(&self, query: &Query, token: &str) -> Result<Cursor, ReadError> {
        query.check()?;
        let mark = token::read(&self.vault, query, token).ok_or(ReadError::Token)?;
        Ok(Cursor::new(&self.vault, &self.index, query, mark))
    }

    /// How many entries match; blocks are read only where the index is not enough.
    pub fn count(&self, query: &Query) -> Result<u64, ReadError> {
        query.check()?;
        let mut count = 0;
        for info in merge::candidates(&self.index, query) {
            count += match count_of(info, query) {
                Some(rows) => rows,
                None => self.count_rows(info, query)?,
            };
        }
        Ok(count)
    }

    fn count_rows(&self, info: &BlockInfo, query: &Query) -> Result<u64, ReadError> {
        let meta = self.vault.meta(&info.body)?;
        let matches = (0..meta.len()).filter(|row| {
            let time = time_of(&meta, *row, query.field);
            query.start <= time && time <= query.end && is_visible(info, *row as u32, query)
        });
        Ok(matches.count() as u64)
    }

    /// Opens a cursor over the locations that match, as columns.
    pub fn find_locations(&self, query: &Query) -> Result<LocationCursor, ReadError> {
        query.check()?;
        Ok(LocationCursor::new(&self.vault, &self.index, query))
    }

    /// The entry with that id in an area.
    pub fn find_id(&self, area: Area, id: EntryId) -> Result<Option<OwnedRow>, ReadError> {
        self.find_id_in(self.index.area(area), id)
    }

    /// The entry with that id, if it is in one of these streams.
    pub fn find_id_of(
        &self,
        area: Area,
        keys: &[StreamKey],
        id: EntryId,
    ) -> Result<Option<OwnedRow>, ReadError> {
        let streams = keys.iter().map(|key| Stream { area, key: key.clone() });
        self.find_id_in(streams.filter_map(|stream| self.index.streams.get(&stream)), id)
    }

    fn find_id_in<'a>(
        &self,
        streams: impl Iterator<Item = &'a Arc<StreamBlocks>>,
        id: EntryId,
    ) -> Result<Option<OwnedRow>, ReadError> {
        for info in streams.flat_map(|stream| stream.with_id(id)) {
            let meta = self.vault.meta(&info.body)?;
            let mut rows =
                (0..).zip(meta.ids()).filter(|(row, found)| **found == id && !info.dead.contains(*row));
            let Some((row, _)) = rows.next() else { continue };
            let block = self.vault.block(&info.body)?;
            let [metadata, data, extra] = block.texts(row as usize).map(str::to_owned);
            return Ok(Some(OwnedRow {
                id,
                key: info.body.stream.key.clone(),
                invalid: info.invalid.contains(row),
                write_ts: meta.time(row as usize, TimeField::WriteTs),
                metadata,
                data,
                extra,
            }));
        }
        Ok(None)
    }

    /// Whether an entry with that id exists in an area; no text is read.
    pub fn has_id(&self, area: Area, id: EntryId) -> Result<bool, ReadError> {
        Ok(!self.known_ids(area, &[id])?.is_empty())
    }

    /// Those of the ids that entries of an area have. Each block in which one of them may be is read once, however many
    /// of them it has; no text is read.
    pub fn known_ids(&self, area: Area, ids: &[EntryId]) -> Result<HashSet<EntryId>, ReadError> {
        let blocks = self.index.area(area).flat_map(|stream| ids.iter().flat_map(|id| stream.with_id(*id)));
        let blocks: BTreeMap<u64, &BlockInfo> =
            blocks.map(|info| (info.body.number, info.as_ref())).collect();
        let wanted: HashSet<EntryId> = ids.iter().copied().collect();
        let mut known = HashSet::new();
        for info in blocks.values() {
            let meta = self.vault.meta(&info.body)?;
            let live = (0..).zip(meta.ids()).filter(|(row, _)| !info.dead.contains(*row));
            known.extend(live.map(|(_, id)| *id).filter(|id| wanted.contains(id)));
        }
        Ok(known)
    }

    /// Whether its owner deleted this entry for good; the entry is as it would be put or set aside.
    pub fn is_forgotten(&self, read: &CheckedEntry<'_>) -> Result<bool, ReadError> {
        let (entry, write_ts) = (read.entry(), read.times().get(TimeField::WriteTs));
        let texts = [entry.metadata, entry.data];
        let digest = || self.vault.origin(read.kind(), entry.key.as_str(), write_ts, texts);
        Forgotten::of(&self.index).has(&self.vault, write_ts, digest)
    }

    /// The document of that name.
    pub fn document(&self, name: &str) -> Result<Option<Arc<[u8]>>, ReadError> {
        self.index.documents.get(name).map(|document| self.vault.document(document)).transpose()
    }

    /// The names of all documents, in order.
    pub fn documents(&self) -> Vec<String> {
        self.index.documents.keys().cloned().collect()
    }

    /// Every stream that has entries.
    pub fn stream_names(&self) -> impl Iterator<Item = &Stream> {
        self.index.streams.keys()
    }

    /// Every stream that has entries, with their count, invalid ones included.
    pub fn streams(&self) -> Vec<(Stream, u64)> {
        self.index.streams.iter().map(|(stream, blocks)| (stream.clone(), blocks.live())).collect()
    }

    /// The last commit in the snapshot.
    pub fn head(&self) -> Head {
        Head { commit: self.index.commit, hash: self.index.head }
    }
}

/// How many rows of a block match, where its descriptor is enough to count them.
fn count_of(info: &BlockInfo, query: &Query) -> Option<u64> {
    let span = info.body.span(query.field)?;
    let whole = query.start <= span.min && span.max <= query.end;
    let marks = !info.dead.is_empty() || (!query.with_invalid && !info.invalid.is_empty());
    (whole && !marks).then_some(u64::from(span.rows))
}
