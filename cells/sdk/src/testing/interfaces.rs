//! The interfaces of the contract over [`Memory`].

use cells_model::EntryId;
use cells_model::rows::{Row, Rows};

use super::commit::Write;
use super::{Begun, EntryCursor, LocationCursor, Memory, Stored};
use crate::limits::{BODY_PIECE_BYTES_MAX, DOCUMENT_BYTES_MAX};
use crate::{Area, Documents, Exchange, Failure, Level, Log, Query, ReadEntries, Usercache, WriteEntries};

fn stored(area: Area, id: EntryId, row: Row<'_>) -> Result<Stored, String> {
    Stored::new(area, id, row.key, [row.metadata, row.data, row.extra])
}

impl ReadEntries for Memory {
    type Entries = EntryCursor;
    type Locations = LocationCursor;

    fn find(&mut self, query: &Query) -> Result<EntryCursor, Failure> {
        Ok(EntryCursor { answer: self.answer(query)?, user: self.user })
    }

    fn find_ids(&mut self, keys: &[&str], ids: &[EntryId]) -> Result<EntryCursor, Failure> {
        Ok(EntryCursor { answer: self.answer_ids(keys, ids)?, user: self.user })
    }

    fn count(&mut self, query: &Query) -> Result<u64, Failure> {
        Ok(self.matching(query)?.len() as u64)
    }

    fn find_locations(&mut self, query: &Query) -> Result<LocationCursor, Failure> {
        Ok(LocationCursor { answer: self.answer(query)? })
    }
}

impl WriteEntries for Memory {
    fn insert(&mut self, rows: &Rows) -> Result<Vec<EntryId>, Failure> {
        let mut ids = Vec::with_capacity(rows.count() as usize);
        self.buffer(rows, |memory, row| {
            let id = memory.allocate();
            ids.push(id);
            stored(Area::Timeseries, id, row).map(Write::Insert)
        })?;
        Ok(ids)
    }

    fn replace(&mut self, rows: &Rows) -> Result<(), Failure> {
        self.buffer(rows, |memory, row| {
            memory.known(row.id)?;
            stored(Area::Timeseries, row.id, row).map(Write::Replace)
        })
    }

    fn delete(&mut self, ids: &[EntryId]) -> Result<(), Failure> {
        ids.iter().try_for_each(|id| self.known(*id)).map_err(Failure::Invalid)?;
        self.writes.extend(ids.iter().copied().map(Write::Delete));
        Ok(())
    }

    fn mark_invalid(&mut self, ids: &[EntryId]) -> Result<(), Failure> {
        ids.iter().try_for_each(|id| self.known(*id)).map_err(Failure::Invalid)?;
        self.writes.extend(ids.iter().copied().map(Write::MarkInvalid));
        Ok(())
    }
}

impl Usercache for Memory {
    fn put(&mut self, rows: &Rows) -> Result<(), Failure> {
        self.buffer(rows, |memory, row| {
            let id = memory.allocate();
            stored(Area::Usercache, id, row).map(Write::Put)
        })
    }

    fn take_in(&mut self, rows: &Rows) -> Result<(), Failure> {
        self.buffer(rows, |_, row| match row.id {
            EntryId::NONE => Err("a row that is taken in names no entry".to_owned()),
            id => stored(Area::Timeseries, id, row).map(Write::Move),
        })
    }

    fn set_aside(&mut self, rows: &Rows) -> Result<(), Failure> {
        self.buffer(rows, |memory, row| match row.id {
            EntryId::NONE => {
                let id = memory.allocate();
                stored(Area::Errors, id, row).map(Write::Insert)
            }
            id => stored(Area::Errors, id, row).map(Write::Move),
        })
    }
}

impl Documents for Memory {
    fn document(&mut self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.document_writes.get(name).or_else(|| self.documents.get(name)).cloned())
    }

    fn put_document(&mut self, name: &str, content: &[u8]) -> Result<(), Failure> {
        if content.len() > DOCUMENT_BYTES_MAX {
            let size = content.len();
            return Err(Failure::Invalid(format!("document of {size} bytes, at most {DOCUMENT_BYTES_MAX}")));
        }
        self.document_writes.insert(name.to_owned(), content.to_vec());
        Ok(())
    }
}

impl Log for Memory {
    fn log(&mut self, level: Level, text: &str) {
        self.log.push((level, text.to_owned()));
    }
}

impl Exchange for Memory {
    fn read(&mut self, bytes_max: u32) -> Result<Vec<u8>, Failure> {
        let left = &self.body[self.body_read..];
        let piece = &left[..left.len().min(bytes_max.clamp(1, BODY_PIECE_BYTES_MAX) as usize)];
        self.body_read += piece.len();
        Ok(piece.to_vec())
    }

    fn begin(&mut self, status: u16, content_type: &str) -> Result<(), Failure> {
        if !self.writes.is_empty() || !self.document_writes.is_empty() {
            return Err(Failure::Invalid(
                "a run that has written cannot send its answer in pieces".to_owned(),
            ));
        }
        if self.begun.is_some() || !(200..=599).contains(&status) {
            return Err(Failure::Invalid(format!("begin with status {status}, or for the second time")));
        }
        self.begun = Some(Begun { status, content_type: content_type.to_owned(), pieces: Vec::new() });
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let begun = self.begun.as_mut().ok_or(Failure::Invalid("write before begin".to_owned()))?;
        begun.pieces.push(bytes.to_vec());
        Ok(())
    }
}
