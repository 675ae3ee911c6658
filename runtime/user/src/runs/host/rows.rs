//! Rows that a cell writes: each is checked against the grant and against the type of its stream, and becomes an
//! entry.

use cells_model::rows;
use cells_model::scan::BadJson;
use runtime_sandbox::Failure;
use runtime_store::{CheckedEntry, NewEntry, ReadError};
use runtime_types::{Area, BadStreamKey, EntryId, StreamKey};

use super::effects::{Effects, lock, reading};
use super::{RunHost, invalid};
use crate::cells::types::streaming::StreamingValidator;
use crate::data::stamp::{Stamp, stamp_in};
use crate::runs::check;

impl RunHost {
    /// Parses rows, checks each against the grant, and passes it on; the first error refuses all of them.
    pub(super) fn each_row(
        &self,
        bytes: &[u8],
        area: Area,
        mut each: impl FnMut(&Self, &mut Effects, EntryId, CheckedEntry<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let rows = rows::read(bytes).map_err(invalid)?;
        let mut effects = lock(&self.effects);
        let before = effects.batch.mark();
        // The rest of the body usually becomes rows too.
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

    /// Facts about a row's stream, if the grant allows writing it; reuses the last result for the same stream.
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
            *asked = Some(Asked { streaming: self.grant.types().streaming(&key), key });
        }
        Ok(asked.as_ref().expect("just asked"))
    }

    /// Converts a row of a cell to an entry, if its texts are valid.
    fn checked<'r>(
        &self,
        area: Area,
        asked: &Asked<'_>,
        row: &rows::Row<'r>,
    ) -> Result<CheckedEntry<'r>, Fault> {
        let typed = area == Area::Timeseries && row.data != NOTHING_YET;
        let found = check::entry(area, row.metadata, row.data, asked.streaming.filter(|_| typed))?;
        if typed && !found.of_type {
            self.grant.check_type(&asked.key, row.data)?;
        }
        check::extra(row.extra)?;
        let key = asked.key.clone();
        let entry = NewEntry { id: None, key, metadata: row.metadata, data: row.data, extra: row.extra };
        Ok(CheckedEntry::known(entry, found.times, found.kind))
    }

    /// The device that brought an entry of the usercache.
    pub(super) fn brought(&self, effects: &mut Effects, id: EntryId) -> Result<Option<Stamp>, Failure> {
        if let Some(known) = self.waiting.of(id) {
            return Ok(known.cloned());
        }
        let found = self.snapshot.find_id(Area::Usercache, id).map_err(|error| effects.unavailable(error))?;
        Ok(found.and_then(|row| stamp_in(&row.extra)))
    }

    /// Checks the streams of entries that are to be changed; entries of this run are known by their ids.
    pub(super) fn check_changes(&mut self, ids: &[u8]) -> Result<Vec<EntryId>, Failure> {
        let ids = unpack(ids)?;
        if self.grant.is_consented() {
            return self.own_of(ids);
        }
        for id in &ids {
            let stored = reading(&self.effects, || self.snapshot.find_id(Area::Timeseries, *id))?;
            if let Some(row) = stored {
                self.grant.check_write(Area::Timeseries, &row.key)?;
            }
        }
        Ok(ids)
    }

    /// Of ids that a cell from elsewhere gave, those of entries that it may change, as the store has them. It does not
    /// learn which of the others exist: ids can be guessed, and tell when something was made.
    fn own_of(&self, ids: Vec<EntryId>) -> Result<Vec<EntryId>, Failure> {
        let streams = self.own_streams();
        let mut own = Vec::with_capacity(ids.len());
        for id in ids {
            if lock(&self.effects).made.contains(&id) {
                own.push(id);
                continue;
            }
            let found = reading(&self.effects, || self.own_entry(&streams, id))?;
            own.extend(found.map(|(id, _)| id));
        }
        Ok(own)
    }

    /// The stored streams that a cell from elsewhere may write: those whose ids it is shown as they are, and the others.
    fn own_streams(&self) -> [Vec<StreamKey>; 2] {
        let area = Area::Timeseries;
        let names =
            self.snapshot.stream_names().filter(|stream| stream.area == area).map(|stream| &stream.key);
        let keys = names.filter(|key| self.grant.check_write(area, key).is_ok()).cloned();
        let (hidden, plain) = keys.partition(|key| self.grant.hides_ids_of(area, key));
        [plain, hidden]
    }

    /// The store's id and the stream of an entry of those streams.
    fn own_entry(
        &self,
        [plain, hidden]: &[Vec<StreamKey>; 2],
        given: EntryId,
    ) -> Result<Option<(EntryId, StreamKey)>, ReadError> {
        for (keys, id) in [(plain, given), (hidden, self.grant.stored_id(given))] {
            // No streams would mean every stream.
            if keys.is_empty() {
                continue;
            }
            if let Some(row) = self.snapshot.find_id_of(Area::Timeseries, keys, id)? {
                return Ok(Some((id, row.key)));
            }
        }
        Ok(None)
    }

    /// Replaces an entry that a cell from elsewhere may change, and that this run has not made. One that it may not
    /// change is passed over, like one that does not exist.
    pub(super) fn replace_stored(
        &self,
        effects: &mut Effects,
        given: EntryId,
        entry: CheckedEntry<'_>,
    ) -> Result<(), Failure> {
        let found = self.own_entry(&self.own_streams(), given);
        if let Some((id, key)) = found.map_err(|error| effects.unavailable(error))? {
            same_stream(&key, &entry)?;
            effects.batch.replace(id, entry);
        }
        Ok(())
    }
}

/// A stream that rows are written to.
struct Asked<'g> {
    key: StreamKey,
    streaming: Option<&'g StreamingValidator>,
}

/// Why a row is refused.
enum Fault {
    /// By the grant, with its own message.
    Refused(Failure),
    /// Its texts are not valid.
    BadText(BadJson),
}

impl Fault {
    fn at(self, index: usize) -> Failure {
        match self {
            Self::Refused(failure) => failure,
            Self::BadText(why) => at(index, &why),
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
        Self::BadText(why)
    }
}

/// Parses keys of rows; a key that equals the one before shares its text.
#[derive(Default)]
pub(super) struct Keys(Option<StreamKey>);

impl Keys {
    pub(super) fn parse(&mut self, text: &str) -> Result<StreamKey, BadStreamKey> {
        match &self.0 {
            Some(last) if last.as_str() == text => Ok(last.clone()),
            _ => Ok(self.0.insert(StreamKey::parse(text)?).clone()),
        }
    }
}

/// The data of a row that only draws an id: nothing is stored until the run supplies its content.
pub(super) const NOTHING_YET: &str = "{}";

pub(super) fn same_stream(key: &StreamKey, entry: &CheckedEntry<'_>) -> Result<(), Failure> {
    if *key == entry.entry().key {
        Ok(())
    } else {
        Err(invalid(format!("the entry is one of {}", key.as_str())))
    }
}

pub(super) fn unpack(ids: &[u8]) -> Result<Vec<EntryId>, Failure> {
    let ids = EntryId::unpack(ids).ok_or_else(|| invalid("ids are 12 bytes each"))?;
    Ok(ids.into_iter().map(|id| EntryId(id.0)).collect())
}

fn at(index: usize, why: &dyn std::fmt::Display) -> Failure {
    Failure::Invalid(format!("row {index}: {why}"))
}
