//! From the steps of a batch to what they do: which entries are new, which rows die.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use cells_json::text::value_of;
use runtime_types::{Area, EntryId, Stream, StreamKey, TimeField};

use super::Committed;
use super::puts::{Kind, Puts};
use crate::batch::{BatchRow, Step};
use crate::block::DecodedBlock;
use crate::forgotten::{Digest, Forgotten, day_of};
use crate::index::{BlockInfo, Index, StreamBlocks};
use crate::rows::RowSet;
use crate::vault::{Meta, Vault};
use crate::{CommitError, ENTRY_BYTES_MAX, ReadError};

/// A new entry. It may die before it was ever stored, by a later step of the same batch.
pub(super) struct Fresh<'a> {
    pub area: Area,
    pub row: &'a BatchRow,
    pub id: EntryId,
    /// 0 in the usercache: told when the entry leaves it.
    pub origin: u64,
    pub invalid: bool,
    pub dead: bool,
}

/// A stored block some of whose rows die or are hidden.
pub(super) struct Touched {
    pub info: Arc<BlockInfo>,
    /// All dead rows, those of earlier commits included; likewise the invalid ones.
    pub dead: RowSet,
    pub invalid: RowSet,
}

/// What makes a put the same as another: type, key and who brought it, write time.
type PutName<'a> = (Kind<'a>, u64);

/// What waits already where a put comes in.
enum Waiting {
    /// The put takes the place of this entry: of this batch, or the newest stored.
    Overwritten(EntryLocation),
    /// Another device has brought the very same.
    Same,
}

/// Where an entry is.
enum EntryLocation {
    Fresh(usize),
    Stored(Arc<BlockInfo>, u32),
}

/// The rows of a stored block, sorted in the ways that steps look them up.
struct Table {
    meta: Meta,
    by_id: OnceCell<Vec<(EntryId, u32)>>,
    by_write_ts: OnceCell<Vec<(f64, u32)>>,
}

impl Table {
    fn row_of(&self, id: EntryId) -> Option<u32> {
        let by_id = self.by_id.get_or_init(|| {
            let mut rows: Vec<_> = self.meta.ids().iter().copied().zip(0..).collect();
            rows.sort_unstable();
            rows
        });
        let at = by_id.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        Some(by_id[at].1)
    }

    fn written_at(&self, write_ts: f64) -> &[(f64, u32)] {
        let by_write_ts = self.by_write_ts.get_or_init(|| {
            let times = self.meta.times(TimeField::WriteTs).iter().copied();
            let mut rows: Vec<_> = times.zip(0..).filter(|(time, _)| !time.is_nan()).collect();
            rows.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
            rows
        });
        let from = by_write_ts.partition_point(|(time, _)| *time < write_ts);
        let to = by_write_ts.partition_point(|(time, _)| *time <= write_ts);
        &by_write_ts[from..to]
    }
}

/// The stream of an area that was asked for last: entries of a stream come together.
type Asked<'a> = (&'a StreamKey, Option<&'a StreamBlocks>);

/// What the steps so far do.
pub(super) struct Plan<'a> {
    vault: &'a Vault,
    index: &'a Index,
    texts: &'a str,
    new_id: &'a mut dyn FnMut() -> EntryId,
    pub fresh: Vec<Fresh<'a>>,
    pub touched: HashMap<u64, Touched>,
    /// Entries of this batch whose ids its maker may know.
    by_id: HashMap<(Area, EntryId), usize>,
    puts: Puts<'a>,
    /// Entries of this batch that came from a phone and have left the usercache, by origin.
    taken_in: HashMap<u64, Vec<usize>>,
    tables: HashMap<u64, Table>,
    /// The block whose texts were looked at last.
    read: Option<(u64, Arc<DecodedBlock>)>,
    asked: [Option<Asked<'a>>; Area::ALL.len()],
    /// The largest id stored in each area: no larger one is looked for.
    max_ids: [EntryId; Area::ALL.len()],
    forgotten: Forgotten,
    /// What this batch forgets.
    pub forgets: Vec<Digest>,
    pub tally: Committed,
}

impl<'a> Plan<'a> {
    pub fn new(
        vault: &'a Vault,
        index: &'a Index,
        texts: &'a str,
        new_id: &'a mut dyn FnMut() -> EntryId,
        steps: usize,
    ) -> Self {
        Self {
            vault,
            index,
            texts,
            new_id,
            fresh: Vec::with_capacity(steps),
            touched: HashMap::new(),
            by_id: HashMap::new(),
            puts: Puts::default(),
            taken_in: HashMap::new(),
            tables: HashMap::new(),
            read: None,
            asked: [None; Area::ALL.len()],
            max_ids: Area::ALL.map(|area| index.max_id(area)),
            forgotten: Forgotten::of(index),
            forgets: Vec::new(),
            tally: Committed { commit: index.commit, ..Committed::default() },
        }
    }

    /// Does one step.
    pub fn step(&mut self, step: &'a Step) -> Result<(), CommitError> {
        match step {
            Step::Insert(area, row) => self.insert(*area, row),
            Step::Put { row, kind, taken_in_as } => {
                let texts = self.texts;
                self.put(row, &texts[kind.clone()], taken_in_as)
            }
            Step::Move { id, into, row } => self.leave_usercache(*id, *into, row),
            Step::Replace { id, row } => self.replace(*id, row),
            Step::Delete(area, id) => self.on_entry(*area, *id, Self::kill),
            Step::Forget(area, id) => self.forget(*area, *id),
            Step::MarkInvalid(id) => self.on_entry(Area::Timeseries, *id, Self::hide),
        }
    }

    fn add(&mut self, area: Area, row: &'a BatchRow, id: EntryId, origin: u64) -> Result<usize, CommitError> {
        let size_bytes = row.bytes();
        if size_bytes > ENTRY_BYTES_MAX as u64 {
            return Err(CommitError::EntryTooLarge { size_bytes, limit_bytes: ENTRY_BYTES_MAX as u64 });
        }
        let at = self.fresh.len();
        self.fresh.push(Fresh { area, row, id, origin, invalid: false, dead: false });
        if row.id.is_some() || area != Area::Usercache {
            self.by_id.insert((area, id), at);
        }
        if origin != 0 && area != Area::Usercache {
            self.taken_in.entry(origin).or_default().push(at);
        }
        Ok(at)
    }

    fn insert(&mut self, area: Area, row: &'a BatchRow) -> Result<(), CommitError> {
        let at = self.insert_new(area, row)?;
        if area == Area::Usercache
            && let Some((kind, write_ts)) = put_name(row, kind_of(row.metadata(self.texts)), self.texts)
        {
            self.puts.put(kind, write_ts, at);
        }
        Ok(())
    }

    fn insert_new(&mut self, area: Area, row: &'a BatchRow) -> Result<usize, CommitError> {
        let id = row.id.unwrap_or_else(|| (self.new_id)());
        if self.find(area, id)?.is_some() {
            return Err(CommitError::IdTaken { id });
        }
        // In the usercache the texts tell it.
        self.add(area, row, id, if area == Area::Usercache { 0 } else { row.origin })
    }

    fn put(
        &mut self,
        row: &'a BatchRow,
        kind: &'a str,
        taken_in_as: &'a StreamKey,
    ) -> Result<(), CommitError> {
        if self.was_forgotten(row, kind)? {
            self.tally.ignored += 1;
            return Ok(());
        }
        let Some(name) = put_name(row, kind, self.texts) else {
            return self.insert_new(Area::Usercache, row).map(drop);
        };
        // First: a resend of what was taken in must not take the place of another entry, which still waits.
        if self.was_taken_in(row, kind, taken_in_as)? {
            self.tally.ignored += 1;
            return Ok(());
        }
        match self.find_put(name, row)? {
            Some(Waiting::Same) => {
                self.tally.ignored += 1;
                return Ok(());
            }
            Some(Waiting::Overwritten(place)) => {
                self.tally.overwritten += 1;
                self.tally.repeated += u64::from(self.says(&place, row)?);
                self.kill(place);
            }
            None => {}
        }
        let at = self.insert_new(Area::Usercache, row)?;
        self.puts.put(name.0, name.1, at);
        Ok(())
    }

    /// Whether the entry at that place has the row's texts.
    fn says(&mut self, place: &EntryLocation, row: &BatchRow) -> Result<bool, CommitError> {
        let texts = [row.metadata(self.texts), row.data(self.texts)];
        match place {
            EntryLocation::Fresh(at) => {
                let fresh = self.fresh[*at].row;
                Ok([fresh.metadata(self.texts), fresh.data(self.texts)] == texts)
            }
            EntryLocation::Stored(info, row) => {
                let block = self.block(info)?;
                let [metadata, data, _] = block.texts(*row as usize);
                Ok([metadata, data] == texts)
            }
        }
    }

    /// What waits in the usercache under the name of a put.
    fn find_put(&mut self, name: PutName<'a>, row: &'a BatchRow) -> Result<Option<Waiting>, CommitError> {
        let ((kind, key, extra), bits) = name;
        let place = self.puts.get((kind, key, extra), bits).filter(|at| !self.fresh[*at].dead);
        if let Some(at) = place {
            return Ok(Some(Waiting::Overwritten(EntryLocation::Fresh(at))));
        }
        let texts = [row.metadata(self.texts), row.data(self.texts)];
        let mut newest: Option<(EntryId, Arc<BlockInfo>, u32)> = None;
        for (info, row) in self.written_at(Area::Usercache, key, row.times.get(TimeField::WriteTs))? {
            let block = self.block(&info)?;
            let [metadata, data, own] = block.texts(row as usize);
            if own != extra {
                if [metadata, data] == texts {
                    return Ok(Some(Waiting::Same));
                }
                continue;
            }
            let id = block.ids()[row as usize];
            let same = kind_of(metadata) == kind;
            if same && newest.as_ref().is_none_or(|(newest, ..)| *newest < id) {
                newest = Some((id, info, row));
            }
        }
        Ok(newest.map(|(_, info, row)| Waiting::Overwritten(EntryLocation::Stored(info, row))))
    }

    fn was_forgotten(&mut self, row: &BatchRow, kind: &str) -> Result<bool, ReadError> {
        if self.forgotten.is_empty() && self.forgets.is_empty() {
            return Ok(false);
        }
        let (vault, write_ts) = (self.vault, row.times.get(TimeField::WriteTs));
        let texts = [row.metadata(self.texts), row.data(self.texts)];
        let digest = || vault.origin(kind, row.key.as_str(), write_ts, texts);
        if self.forgets.is_empty() {
            return self.forgotten.has(vault, write_ts, digest);
        }
        let digest = digest();
        let same = |(at, forgotten): &Digest| {
            *forgotten == digest && (write_ts.is_nan() || day_of(*at) == day_of(write_ts))
        };
        let by_this_batch = self.forgets.iter().any(same);
        Ok(by_this_batch || self.forgotten.has(vault, write_ts, || digest)?)
    }

    fn was_taken_in(
        &mut self,
        row: &'a BatchRow,
        kind: &str,
        taken_in_as: &'a StreamKey,
    ) -> Result<bool, CommitError> {
        let write_ts = row.times.get(TimeField::WriteTs);
        let mut candidates = self.written_at(Area::Timeseries, taken_in_as, write_ts)?;
        candidates.extend(self.written_at(Area::Errors, &row.key, write_ts)?);
        if candidates.is_empty() && self.taken_in.is_empty() {
            return Ok(false);
        }
        let texts = [row.metadata(self.texts), row.data(self.texts)];
        let origin = self.vault.origin(kind, row.key.as_str(), write_ts, texts);
        let stored = |(info, row): &(Arc<BlockInfo>, u32)| {
            self.tables[&info.body.number].meta.origin(*row as usize) == origin
        };
        let fresh = |at: &usize| {
            let fresh = &self.fresh[*at];
            let stream = if fresh.area == Area::Timeseries { taken_in_as } else { &row.key };
            !fresh.dead && fresh.row.key == *stream && fresh.row.times.get(TimeField::WriteTs) == write_ts
        };
        Ok(candidates.iter().any(stored)
            || self.taken_in.get(&origin).is_some_and(|rows| rows.iter().any(fresh)))
    }

    /// The live rows of a stream with that write time.
    fn written_at(
        &mut self,
        area: Area,
        key: &'a StreamKey,
        write_ts: f64,
    ) -> Result<Vec<(Arc<BlockInfo>, u32)>, CommitError> {
        let mut found = Vec::new();
        let Some(stream) = self.stream(area, key) else { return Ok(found) };
        for info in stream.written_at(write_ts) {
            let rows = self.table(info)?.written_at(write_ts).to_vec();
            let alive = rows.iter().filter(|(_, row)| self.is_alive(info, *row));
            found.extend(alive.map(|(_, row)| (Arc::clone(info), *row)));
        }
        Ok(found)
    }

    fn stream(&mut self, area: Area, key: &'a StreamKey) -> Option<&'a StreamBlocks> {
        let asked = &mut self.asked[area as usize];
        if let Some((_, stream)) = asked.filter(|(last, _)| *last == key) {
            return stream;
        }
        let stream = self.index.streams.get(&Stream { area, key: key.clone() }).map(|stream| &**stream);
        *asked = Some((key, stream));
        stream
    }

    /// A block with its texts.
    fn block(&mut self, info: &BlockInfo) -> Result<Arc<DecodedBlock>, ReadError> {
        let number = info.body.number;
        if let Some((_, block)) = self.read.as_ref().filter(|(last, _)| *last == number) {
            return Ok(Arc::clone(block));
        }
        let block = self.vault.block(&info.body)?;
        self.read = Some((number, Arc::clone(&block)));
        Ok(block)
    }

    fn leave_usercache(&mut self, id: EntryId, into: Area, row: &'a BatchRow) -> Result<(), CommitError> {
        let Some(place) = self.find(Area::Usercache, id)? else {
            self.tally.skipped += 1;
            return Ok(());
        };
        if self.find(into, id)?.is_some() {
            return Err(CommitError::IdTaken { id });
        }
        let origin = self.origin_of(&place)?;
        self.kill(place);
        self.add(into, row, id, origin).map(drop)
    }

    fn replace(&mut self, id: EntryId, row: &'a BatchRow) -> Result<(), CommitError> {
        let Some(place) = self.find(Area::Timeseries, id)? else {
            self.tally.skipped += 1;
            return Ok(());
        };
        let origin = match &place {
            EntryLocation::Fresh(at) => self.fresh[*at].origin,
            EntryLocation::Stored(info, row) => self.tables[&info.body.number].meta.origin(*row as usize),
        };
        self.kill(place);
        self.add(Area::Timeseries, row, id, origin).map(drop)
    }

    fn forget(&mut self, area: Area, id: EntryId) -> Result<(), CommitError> {
        let Some(place) = self.find(area, id)? else {
            self.tally.skipped += 1;
            return Ok(());
        };
        let kept = match &place {
            EntryLocation::Fresh(at) => self.fresh[*at].origin,
            EntryLocation::Stored(info, row) => self.tables[&info.body.number].meta.origin(*row as usize),
        };
        let origin = match (kept, area) {
            // What phones sent is still what these areas have.
            (0, Area::Usercache | Area::Errors) => self.origin_of(&place)?,
            (kept, _) => kept,
        };
        if origin != 0 {
            let write_ts = match &place {
                EntryLocation::Fresh(at) => self.fresh[*at].row.times.get(TimeField::WriteTs),
                EntryLocation::Stored(info, row) => {
                    self.tables[&info.body.number].meta.time(*row as usize, TimeField::WriteTs)
                }
            };
            self.forgets.push((write_ts, origin));
        }
        self.kill(place);
        Ok(())
    }

    fn on_entry(
        &mut self,
        area: Area,
        id: EntryId,
        what: fn(&mut Self, EntryLocation),
    ) -> Result<(), CommitError> {
        match self.find(area, id)? {
            Some(place) => what(self, place),
            None => self.tally.skipped += 1,
        }
        Ok(())
    }

    /// The origin of an entry whose texts are still those that the phone sent.
    fn origin_of(&mut self, place: &EntryLocation) -> Result<u64, ReadError> {
        match place {
            EntryLocation::Fresh(at) => {
                let row = self.fresh[*at].row;
                let texts = [row.metadata(self.texts), row.data(self.texts)];
                let write_ts = row.times.get(TimeField::WriteTs);
                Ok(self.vault.origin(kind_of(texts[0]), row.key.as_str(), write_ts, texts))
            }
            EntryLocation::Stored(info, row) => {
                let block = self.block(info)?;
                let [metadata, data, _] = block.texts(*row as usize);
                let write_ts = block.meta().time(*row as usize, TimeField::WriteTs);
                let key = info.body.stream.key.as_str();
                Ok(self.vault.origin(kind_of(metadata), key, write_ts, [metadata, data]))
            }
        }
    }

    fn touch(&mut self, info: &Arc<BlockInfo>) -> &mut Touched {
        self.touched.entry(info.body.number).or_insert_with(|| Touched {
            info: Arc::clone(info),
            dead: info.dead.clone(),
            invalid: info.invalid.clone(),
        })
    }

    fn kill(&mut self, place: EntryLocation) {
        match place {
            EntryLocation::Fresh(at) => self.fresh[at].dead = true,
            EntryLocation::Stored(info, row) => drop(self.touch(&info).dead.insert(row)),
        }
    }

    fn hide(&mut self, place: EntryLocation) {
        match place {
            EntryLocation::Fresh(at) => self.fresh[at].invalid = true,
            EntryLocation::Stored(info, row) => drop(self.touch(&info).invalid.insert(row)),
        }
    }

    fn is_alive(&self, info: &BlockInfo, row: u32) -> bool {
        let dead = self.touched.get(&info.body.number).map_or(&info.dead, |touched| &touched.dead);
        !dead.contains(row)
    }

    fn table(&mut self, info: &BlockInfo) -> Result<&Table, ReadError> {
        match self.tables.entry(info.body.number) {
            Entry::Occupied(table) => Ok(table.into_mut()),
            Entry::Vacant(place) => {
                let meta = self.vault.meta(&info.body)?;
                Ok(place.insert(Table { meta, by_id: OnceCell::new(), by_write_ts: OnceCell::new() }))
            }
        }
    }

    fn find(&mut self, area: Area, id: EntryId) -> Result<Option<EntryLocation>, ReadError> {
        if !self.by_id.is_empty()
            && let Some(at) = self.by_id.get(&(area, id)).copied().filter(|at| !self.fresh[*at].dead)
        {
            return Ok(Some(EntryLocation::Fresh(at)));
        }
        if id > self.max_ids[area as usize] {
            return Ok(None);
        }
        let index = self.index;
        for info in index.area(area).flat_map(|stream| stream.with_id(id)) {
            if let Some(row) = self.table(info)?.row_of(id).filter(|row| self.is_alive(info, *row)) {
                return Ok(Some(EntryLocation::Stored(Arc::clone(info), row)));
            }
        }
        Ok(None)
    }
}

/// The text of `type`, its quotes included; empty where there is none.
fn kind_of(metadata: &str) -> &str {
    value_of(metadata, "type").unwrap_or("")
}

/// `None` for an entry without a write time: nothing is the same as that.
fn put_name<'a>(row: &'a BatchRow, kind: &'a str, texts: &'a str) -> Option<PutName<'a>> {
    let write_ts = row.times.get(TimeField::WriteTs);
    // Zero has two signs and is still one moment.
    (!write_ts.is_nan()).then(|| ((kind, &row.key, row.extra(texts)), (write_ts + 0.0).to_bits()))
}
