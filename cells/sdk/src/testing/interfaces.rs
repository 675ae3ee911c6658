//! The interfaces of the contract over [`Memory`].

use cells_model::EntryId;
use cells_model::rows::{Row, Rows};

use super::commit::Write;
use super::{Begun, EntryCursor, LocationCursor, Memory, Stored};
use crate::limits::{
    BODY_PIECE_BYTES_MAX, DOCUMENT_BYTES_MAX, STATE_KEY_BYTES_MAX, STATE_SCAN_BYTES_MAX, STATE_SCAN_KEYS_MAX,
    STATE_VALUE_BYTES_MAX,
};
use crate::{
    Area, Documents, Exchange, Failure, Granted, Level, Log, Query, ReadEntries, RequestHead, State, Terms,
    Usercache, WriteEntries,
};

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
        if !self.writes.is_empty() || !self.document_writes.is_empty() || !self.state_writes.is_empty() {
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

/// Refuses a key that no state can have.
fn check_key(key: &str) -> Result<(), Failure> {
    let size = key.len();
    if (1..=STATE_KEY_BYTES_MAX).contains(&size) {
        return Ok(());
    }
    Err(Failure::Invalid(format!("a key of {size} bytes: it has 1 to {STATE_KEY_BYTES_MAX}")))
}

impl State for Memory {
    fn value(&mut self, key: &str) -> Result<Option<Vec<u8>>, Failure> {
        check_key(key)?;
        Ok(self.state_writes.get(key).cloned().unwrap_or_else(|| self.state.get(key).cloned()))
    }

    fn put_value(&mut self, key: &str, value: &[u8]) -> Result<(), Failure> {
        check_key(key)?;
        if value.len() > STATE_VALUE_BYTES_MAX {
            let size = value.len();
            return Err(Failure::Invalid(format!("value of {size} bytes, at most {STATE_VALUE_BYTES_MAX}")));
        }
        self.state_writes.insert(key.to_owned(), Some(value.to_vec()));
        Ok(())
    }

    fn delete_value(&mut self, key: &str) -> Result<(), Failure> {
        check_key(key)?;
        self.state_writes.insert(key.to_owned(), None);
        Ok(())
    }

    fn scan(
        &mut self,
        prefix: &str,
        after: Option<&str>,
        keys_max: u32,
    ) -> Result<Vec<(String, Vec<u8>)>, Failure> {
        let mut now: std::collections::BTreeMap<&String, Option<&Vec<u8>>> =
            self.state.iter().map(|(key, value)| (key, Some(value))).collect();
        now.extend(self.state_writes.iter().map(|(key, value)| (key, value.as_ref())));
        let (mut found, mut bytes) = (Vec::new(), 0);
        for (key, value) in now {
            let Some(value) = value else { continue };
            let is_meant = key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after);
            if !is_meant {
                continue;
            }
            if found.len() == keys_max.clamp(1, STATE_SCAN_KEYS_MAX) as usize || bytes >= STATE_SCAN_BYTES_MAX
            {
                break;
            }
            bytes += key.len() + value.len();
            found.push((key.clone(), value.clone()));
        }
        Ok(found)
    }
}

impl Terms for Memory {
    fn purpose(&mut self) -> String {
        self.terms.0.clone()
    }

    fn grant(&mut self) -> Vec<Granted> {
        self.terms.1.clone()
    }
}

impl RequestHead for Memory {
    fn method(&mut self) -> String {
        self.head.method.clone()
    }

    fn query(&mut self) -> String {
        self.head.query.clone()
    }

    fn header(&mut self, name: &str) -> Option<String> {
        self.head.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    fn scope(&mut self) -> String {
        self.head.scope.clone()
    }
}
