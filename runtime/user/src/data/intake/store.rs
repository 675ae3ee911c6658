//! Stores the chunks of an intake, each as one commit with the position behind it.

use std::collections::HashSet;
use std::sync::PoisonError;

use cells_model::EntryId;
use ring::digest::{SHA256, digest};
use runtime_store::{Batch, NewEntry, Snapshot};
use runtime_types::{Area, StreamKey, UserId};

use super::reader::{Chunk, Entry, Piece};
use super::{COMPARED_MAX, Intake, IntakeError, POSITION, Position, Progress};
use crate::cells::types::Types;
use crate::data::Diaries;
use crate::data::dump::Item;
use crate::error::CallError;
use crate::people::person::Person;
use crate::runs::late;

/// The position that the last commit of an intake left, if that intake has not ended.
pub(super) fn position(person: &Person) -> Result<Option<Position>, CallError> {
    let document = person.store.snapshot().document(POSITION).map_err(CallError::Read)?;
    // A document that does not read is of no use: what is known already is found by its ids.
    Ok(document.and_then(|document| serde_json::from_slice(&document).ok()))
}

impl Diaries<'_> {
    pub(super) fn store_chunk(
        self,
        user: UserId,
        intake: &mut Intake,
        chunk: Chunk,
        now: f64,
    ) -> Result<(), IntakeError> {
        let person = self.runtime.person(user)?;
        // A stage that ran meanwhile would go past entries that it has not seen. A dry run waits for none.
        let _no_stage =
            (!intake.dry_run).then(|| person.pipeline.lock().unwrap_or_else(PoisonError::into_inner));
        let snapshot = person.store.snapshot_ahead();
        let mut batch = Batch::new();
        if !intake.dry_run {
            batch.reserve(chunk.texts.len());
        }
        let records = chunk.read(self.runtime.catalogue().types());
        let mut making = Making {
            person: &person,
            known: known(&snapshot, &records)?,
            progress: &mut intake.progress,
            compared: intake.dry_run.then_some(&mut intake.compared),
            batch,
        };
        for record in &records {
            making.add(record, &chunk.texts, now);
        }
        let mut batch = making.batch;
        drop(records);
        let progress = &mut intake.progress;
        progress.records += chunk.records;
        progress.refused += chunk.refused;
        progress.bytes[0] = chunk.bytes;
        progress.formats.extend(chunk.formats);
        progress.columns.extend(chunk.columns);
        let room = super::FAULTS_MAX.saturating_sub(intake.faults);
        intake.faults += chunk.faults.len().min(room);
        progress.faults.extend(chunk.faults.into_iter().take(room));
        progress.ended = chunk.ended;
        if intake.dry_run {
            if chunk.ended {
                progress.count_alike(std::mem::take(&mut intake.compared));
            }
            return Ok(());
        }
        match chunk.ended {
            true => batch.delete_document(POSITION),
            false => batch.put_document(POSITION, progress.position(&intake.of)),
        }
        let stages = self.runtime.stages_of(&person)?;
        late::judge(&stages, &snapshot, 0, &mut batch)?;
        let ended = chunk.ended;
        drop((chunk.texts, chunk.pieces, chunk.dumps, snapshot));
        // Blocks take their final form along the way, and reach the disk together with the batch: a long import must
        // not end in silence, and the next run must not find that work undone.
        person.commit_ahead(batch).map_err(CallError::Commit)?;
        let settled = if ended { person.settle_all() } else { person.settle() };
        settled.map_err(CallError::Commit)?;
        self.runtime.timetable().data_arrived(user);
        Ok(())
    }
}

/// A record of a chunk.
enum Record<'c> {
    Reading {
        is_point: bool,
        ts: f64,
        first: &'c Entry,
        second: Option<&'c Entry>,
    },
    Dump(Item),
    /// An entry of a dump that is none, and why.
    Refused(&'c [u8], &'static str),
}

impl Record<'_> {
    /// Where its entry is, or the first of two.
    fn place(&self) -> Option<(Area, EntryId)> {
        match self {
            Record::Reading { first, .. } => Some((Area::Timeseries, first.id)),
            Record::Dump(item) => Some(item.place()),
            Record::Refused(..) => None,
        }
    }
}

impl Chunk {
    fn read(&self, types: &Types) -> Vec<Record<'_>> {
        let read = |piece| match piece {
            &Piece::Reading { is_point, ts, ref first, ref second } => {
                Record::Reading { is_point, ts, first, second: second.as_ref() }
            }
            Piece::Dump(range) => {
                let bytes = &self.dumps[range.clone()];
                match Item::read(bytes, types) {
                    Ok(item) => Record::Dump(item.or_id(id_of(bytes))),
                    Err(why) => Record::Refused(bytes, why),
                }
            }
        };
        self.pieces.iter().map(read).collect()
    }
}

/// Those of the records' entries that are here already.
fn known(snapshot: &Snapshot, records: &[Record<'_>]) -> Result<HashSet<(Area, EntryId)>, CallError> {
    let places: Vec<(Area, EntryId)> = records.iter().filter_map(Record::place).collect();
    let mut known = HashSet::new();
    for area in Area::ALL {
        let ids: Vec<EntryId> = places.iter().filter(|place| place.0 == area).map(|place| place.1).collect();
        let ids = snapshot.known_ids(area, &ids).map_err(CallError::Read)?;
        known.extend(ids.into_iter().map(|id| (area, id)));
    }
    Ok(known)
}

/// A batch that is being made of a chunk.
struct Making<'m> {
    person: &'m Person,
    /// The entries of the chunk that are here already, and those of this batch.
    known: HashSet<(Area, EntryId)>,
    progress: &'m mut Progress,
    /// In a dry run: what is compared at its end.
    compared: Option<&'m mut Vec<u64>>,
    batch: Batch,
}

impl Making<'_> {
    fn add(&mut self, record: &Record<'_>, texts: &str, now: f64) {
        match record {
            Record::Reading { ts, .. } => self.progress.saw(*ts),
            Record::Dump(item) => item.write_ts().into_iter().for_each(|ts| self.progress.saw(ts)),
            Record::Refused(bytes, why) => return self.progress.refuse(bytes, why),
        }
        if !record.place().is_some_and(|place| self.is_new(place)) {
            self.progress.duplicates += 1;
            return;
        }
        let is_dry = self.compared.is_some();
        match record {
            &Record::Reading { is_point, first, second, .. } => {
                self.progress.points += u64::from(is_point);
                self.progress.others += u64::from(!is_point);
                if !is_dry {
                    [Some(first), second].into_iter().flatten().for_each(|entry| self.insert(entry, texts));
                }
            }
            Record::Dump(item) => {
                match item.place() {
                    (Area::Errors, _) => self.progress.set_aside += 1,
                    _ => self.progress.others += 1,
                }
                if !is_dry {
                    item.add(&self.person.store, now, &mut self.batch);
                }
            }
            Record::Refused(..) => {}
        }
    }

    /// Whether an entry is not here yet. In a dry run, those within the files are compared at the end.
    fn is_new(&mut self, place: (Area, EntryId)) -> bool {
        match &mut self.compared {
            None => self.known.insert(place),
            Some(_) if self.known.contains(&place) => false,
            Some(compared) => {
                if compared.len() < COMPARED_MAX {
                    compared.push(short(place));
                }
                true
            }
        }
    }

    fn insert(&mut self, entry: &Entry, texts: &str) {
        let key = StreamKey::parse(entry.key).expect("the keys of imports name streams");
        let [metadata, data, extra] =
            [&entry.metadata, &entry.data, &entry.extra].map(|range| &texts[range.clone()]);
        self.batch.insert(Area::Timeseries, NewEntry { id: Some(entry.id), key, metadata, data, extra });
    }
}

/// An id for an entry that has none: the same for the same bytes.
fn id_of(bytes: &[u8]) -> EntryId {
    let mut id = EntryId::NONE;
    id.0.copy_from_slice(&digest(&SHA256, bytes).as_ref()[..12]);
    // Ids begin with a time: one in the past keeps those that the store draws in their order.
    id.0[0] &= 0x3f;
    id
}

/// What tells entries apart within a run: their area, and all twelve bytes in eight.
fn short((area, id): (Area, EntryId)) -> u64 {
    let [low, high] = [&id.0[..8], &id.0[4..]].map(|part| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(part);
        u64::from_le_bytes(bytes)
    });
    low ^ high.rotate_left(area as u32)
}

impl Progress {
    fn refuse(&mut self, bytes: &[u8], why: &str) {
        self.refused += 1;
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(super::FAULT_TEXT_BYTES)]);
        let (file, text) = ("dump".to_owned(), text.into_owned());
        self.faults.push(super::Fault { file, at: 0, why: format!("it {why}"), text });
    }

    fn saw(&mut self, ts: f64) {
        let [from, to] = self.span.unwrap_or([ts, ts]);
        self.span = Some([from.min(ts), to.max(ts)]);
    }

    /// Moves what occurs again within the files from the new records to the duplicates.
    fn count_alike(&mut self, mut compared: Vec<u64>) {
        let all = compared.len() as u64;
        compared.sort_unstable();
        compared.dedup();
        let again = all - compared.len() as u64;
        self.duplicates += again;
        let mut left = again;
        for count in [&mut self.points, &mut self.others, &mut self.set_aside] {
            let own = left.min(*count);
            (*count, left) = (*count - own, left - own);
        }
    }

    fn position(&self, of: &str) -> Vec<u8> {
        let position = Position {
            of: of.to_owned(),
            records: self.records,
            points: self.points,
            others: self.others,
            duplicates: self.duplicates,
            set_aside: self.set_aside,
            refused: self.refused,
        };
        serde_json::to_vec(&position).expect("numbers and digits are JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dry_run_takes_no_two_of_a_million_entries_for_one() {
        let told: HashSet<u64> = (0..1_000_000_u32)
            .map(|number| short((Area::Timeseries, id_of(&number.to_le_bytes()))))
            .collect();
        assert_eq!(told.len(), 1_000_000);
    }

    #[test]
    fn what_occurs_twice_in_the_files_is_a_duplicate_whatever_it_is() {
        let of = |points, others, set_aside, compared: &[u64]| {
            let mut progress = Progress { points, others, set_aside, ..Progress::default() };
            progress.count_alike(compared.to_vec());
            [progress.points, progress.others, progress.set_aside, progress.duplicates]
        };
        assert_eq!(of(3, 0, 0, &[5, 7, 5]), [2, 0, 0, 1]);
        assert_eq!(of(0, 0, 2, &[5, 5]), [0, 0, 1, 1], "an entry of a dump that cannot be read");
        assert_eq!(of(0, 1, 2, &[5, 5, 5]), [0, 0, 1, 2]);
    }

    #[test]
    fn entries_of_two_areas_with_one_id_are_two() {
        let id = id_of(b"one");
        assert_ne!(short((Area::Timeseries, id)), short((Area::Errors, id)));
    }
}
