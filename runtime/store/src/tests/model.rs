//! The same store without blocks, keys and disk, with which the real one is compared.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use cells_json::text::{number, value_of};
use runtime_types::EntryTimes;
use runtime_types::{Area, EntryId, Order, Query, StreamKey, TimeField};

use super::random::Random;
use crate::forgotten::day_of;
use crate::{Batch, Cursor, LocationRows, NewEntry, OwnedRow, Progress, Snapshot};

/// One step in the form of the model.
#[derive(Debug, Clone)]
pub enum Deed {
    Insert(Area, Thing),
    Put(Thing, StreamKey),
    TakeIn(EntryId, Thing),
    SetAside(EntryId, Thing),
    Replace(EntryId, Thing),
    Delete(Area, EntryId),
    Forget(Area, EntryId),
    MarkInvalid(EntryId),
    Document(String, Option<Vec<u8>>),
}

/// An entry that owns its texts.
#[derive(Debug, Clone)]
pub struct Thing {
    pub id: EntryId,
    pub key: StreamKey,
    pub metadata: String,
    pub data: String,
    pub extra: String,
}

impl Thing {
    pub fn entry(&self) -> NewEntry<'_> {
        NewEntry {
            id: Some(self.id),
            key: self.key.clone(),
            metadata: &self.metadata,
            data: &self.data,
            extra: &self.extra,
        }
    }

    fn kind(&self) -> String {
        value_of(&self.metadata, "type").unwrap_or("").to_owned()
    }

    pub fn times(&self) -> EntryTimes {
        EntryTimes::read(&self.metadata, &self.data)
    }
}

pub fn batch_of(deeds: &[Deed]) -> Batch {
    let mut batch = Batch::new();
    for deed in deeds {
        match deed {
            Deed::Insert(area, thing) => batch.insert(*area, thing.entry()),
            Deed::Put(thing, taken_in_as) => batch.put_usercache(thing.entry(), taken_in_as.clone()),
            Deed::TakeIn(id, thing) => batch.take_in(*id, thing.entry()),
            Deed::SetAside(id, thing) => batch.set_aside(*id, thing.entry()),
            Deed::Replace(id, thing) => batch.replace(*id, thing.entry()),
            Deed::Delete(area, id) => batch.delete_in(*area, *id),
            Deed::Forget(area, id) => batch.forget(*area, *id),
            Deed::MarkInvalid(id) => batch.mark_invalid(*id),
            Deed::Document(name, Some(content)) => batch.put_document(name, content.clone()),
            Deed::Document(name, None) => batch.delete_document(name),
        }
    }
    batch
}

#[derive(Debug, Clone)]
struct Kept {
    thing: Thing,
    invalid: bool,
    /// What the phone sent: kind, key, write time, metadata, data.
    origin: Option<Thing>,
    kind: String,
    times: EntryTimes,
    /// The batch in which it came, and its number in that batch.
    arrival: (u64, u64),
}

#[derive(Debug, Clone, Default)]
pub struct Model {
    entries: BTreeMap<(Area, EntryId), Kept>,
    pub documents: BTreeMap<String, Vec<u8>>,
    /// What phones had sent of forgotten entries, and the last known day of writing of each.
    forgotten: Vec<(i64, Thing)>,
    batches: u64,
}

fn same_sent(a: &Thing, b: &Thing) -> bool {
    (a.kind(), &a.key, &a.metadata, &a.data) == (b.kind(), &b.key, &b.metadata, &b.data)
}

impl Model {
    pub fn ids(&self, area: Area) -> Vec<EntryId> {
        self.entries.keys().filter(|(in_area, _)| *in_area == area).map(|(_, id)| *id).collect()
    }

    pub fn thing(&self, area: Area, id: EntryId) -> Option<&Thing> {
        self.entries.get(&(area, id)).map(|kept| &kept.thing)
    }

    pub fn some_forgotten(&self, random: &mut Random) -> Option<&Thing> {
        (!self.forgotten.is_empty()).then(|| &random.pick(&self.forgotten).1)
    }

    pub fn apply(&mut self, deeds: &[Deed]) {
        self.batches += 1;
        for (at, deed) in (0..).zip(deeds) {
            let arrival = (self.batches, at);
            match deed.clone() {
                Deed::Insert(area, thing) => {
                    let origin = (area == Area::Usercache).then(|| thing.clone());
                    self.keep(area, thing, origin, arrival);
                }
                Deed::Put(thing, taken_in_as) => self.put(thing, &taken_in_as, arrival),
                Deed::TakeIn(id, thing) => self.leave(id, Area::Timeseries, thing, arrival),
                Deed::SetAside(id, thing) => self.leave(id, Area::Errors, thing, arrival),
                Deed::Replace(id, thing) => {
                    if let Some(old) = self.entries.remove(&(Area::Timeseries, id)) {
                        self.keep(Area::Timeseries, Thing { id, ..thing }, old.origin, arrival);
                    }
                }
                Deed::Delete(area, id) => drop(self.entries.remove(&(area, id))),
                Deed::Forget(area, id) => {
                    if let Some(kept) = self.entries.remove(&(area, id)) {
                        let as_sent = matches!(area, Area::Usercache | Area::Errors).then_some(kept.thing);
                        let day = day_of(kept.times.get(TimeField::WriteTs));
                        self.forgotten.extend(kept.origin.or(as_sent).map(|sent| (day, sent)));
                    }
                }
                Deed::MarkInvalid(id) => {
                    if let Some(kept) = self.entries.get_mut(&(Area::Timeseries, id)) {
                        kept.invalid = true;
                    }
                }
                Deed::Document(name, Some(content)) => drop(self.documents.insert(name, content)),
                Deed::Document(name, None) => drop(self.documents.remove(&name)),
            }
        }
    }

    fn keep(&mut self, area: Area, thing: Thing, origin: Option<Thing>, arrival: (u64, u64)) {
        let (kind, times) = (thing.kind(), thing.times());
        self.entries.insert((area, thing.id), Kept { thing, invalid: false, origin, kind, times, arrival });
    }

    fn leave(&mut self, id: EntryId, into: Area, thing: Thing, arrival: (u64, u64)) {
        if let Some(old) = self.entries.remove(&(Area::Usercache, id)) {
            self.keep(into, Thing { id, ..thing }, old.origin, arrival);
        }
    }

    fn put(&mut self, thing: Thing, taken_in_as: &StreamKey, arrival: (u64, u64)) {
        let (kind, write_ts) = (thing.kind(), thing.times().get(TimeField::WriteTs));
        let that_day = |day: i64| write_ts.is_nan() || day == day_of(write_ts);
        if self.forgotten.iter().any(|(day, forgotten)| that_day(*day) && same_sent(forgotten, &thing)) {
            return;
        }
        if !write_ts.is_nan() {
            let same = |kept: &Kept| {
                kept.times.get(TimeField::WriteTs) == write_ts
                    && kept.kind == kind
                    && kept.thing.key == thing.key
                    && kept.thing.extra == thing.extra
            };
            let brought_by_another = |(area, _): &(Area, EntryId), kept: &Kept| {
                *area == Area::Usercache
                    && kept.arrival.0 != arrival.0
                    && kept.thing.extra != thing.extra
                    && same_sent(&kept.thing, &thing)
            };
            let now = arrival.0;
            // An entry of this batch comes first; of stored ones the one with the largest id.
            let old = self
                .entries
                .iter()
                .filter(|((area, _), kept)| *area == Area::Usercache && same(kept))
                .max_by_key(|((_, id), kept)| {
                    let own = kept.arrival.0 == now;
                    (own, if own { kept.arrival.1 } else { 0 }, *id)
                })
                .map(|(at, _)| *at);
            let taken_in = |(area, _): &(Area, EntryId), kept: &Kept| {
                let key = match area {
                    Area::Timeseries => taken_in_as,
                    Area::Errors => &thing.key,
                    _ => return false,
                };
                kept.times.get(TimeField::WriteTs) == write_ts
                    && kept.thing.key == *key
                    && kept.origin.as_ref().is_some_and(|origin| same_sent(origin, &thing))
            };
            if self.entries.iter().any(|(at, kept)| taken_in(at, kept)) {
                return;
            }
            let own_of_batch = old.is_some_and(|old| self.entries[&old].arrival.0 == now);
            if !own_of_batch && self.entries.iter().any(|(at, kept)| brought_by_another(at, kept)) {
                return;
            }
            if let Some(old) = old {
                self.entries.remove(&old);
            }
        }
        let origin = Some(thing.clone());
        self.keep(Area::Usercache, thing, origin, arrival);
    }

    /// The result of a query: rows with their times.
    pub fn find(&self, query: &Query) -> Vec<(f64, OwnedRow)> {
        let mut found = Vec::new();
        for ((area, id), kept) in &self.entries {
            let times = kept.times;
            let mut time = times.get(query.field);
            if query.field == TimeField::Position && time.is_nan() {
                time = 0.0;
            }
            let wanted = *area == query.area
                && (query.keys.is_empty() || query.keys.contains(&kept.thing.key))
                && (query.start..=query.end).contains(&time)
                && (query.with_invalid || !kept.invalid);
            if wanted {
                let row = OwnedRow {
                    id: *id,
                    key: kept.thing.key.clone(),
                    invalid: kept.invalid,
                    write_ts: times.get(TimeField::WriteTs),
                    metadata: kept.thing.metadata.clone(),
                    data: kept.thing.data.clone(),
                    extra: kept.thing.extra.clone(),
                };
                found.push((time, row));
            }
        }
        found.sort_by(|a, b| (a.0 + 0.0).total_cmp(&(b.0 + 0.0)).then(a.1.id.cmp(&b.1.id)));
        if query.order == Order::Descending {
            found.reverse();
        }
        found
    }

    /// The names of a store's documents except those for forgotten entries.
    pub fn names(snapshot: &Snapshot) -> Vec<String> {
        let names = snapshot.documents().into_iter();
        names.filter(|name| !name.starts_with(crate::FORGOTTEN_PREFIX)).collect()
    }

    /// Compares both, reading the store in pages of `page` rows, through tokens where `tokens`.
    pub fn check(&self, snapshot: &Snapshot, query: &Query, page: usize, tokens: bool, what: &str) {
        let expected = self.find(query);
        let found = read_all(snapshot, query, page, tokens);
        let bits = |rows: &[(f64, OwnedRow)]| -> Vec<String> {
            rows.iter().map(|(time, row)| format!("{time:?} {row:?}")).collect()
        };
        let (found, wanted) = (bits(&found), bits(&expected));
        let differs = found.iter().zip(&wanted).position(|(found, wanted)| found != wanted);
        let at = differs.unwrap_or(found.len().min(wanted.len()));
        assert_eq!(found.get(at), wanted.get(at), "{what}: row {at} of {query:?}, pages of {page}");
        assert_eq!(snapshot.count(query).unwrap(), expected.len() as u64, "{what}: count of {query:?}");
        let mut cursor = snapshot.find_locations(query).unwrap();
        let mut rows = LocationRows::default();
        while cursor.next(page, &mut rows).unwrap() > 0 {}
        check_locations(&rows, &expected, what);
    }
}

fn check_locations(rows: &LocationRows, expected: &[(f64, OwnedRow)], what: &str) {
    assert_eq!(rows.len(), expected.len(), "{what}: locations");
    for (at, (_, row)) in expected.iter().enumerate() {
        assert_eq!(rows.ids[at], row.id, "{what}: id of location {at}");
        for (column, name) in [
            (&rows.ts, "ts"),
            (&rows.latitude, "latitude"),
            (&rows.longitude, "longitude"),
            (&rows.accuracy, "accuracy"),
        ] {
            let value = value_of(&row.data, name).and_then(number).unwrap_or(f64::NAN);
            let same = column[at] == value || column[at].is_nan() && value.is_nan();
            assert!(same, "{what}: {name} of location {at} is {}, not {value}", column[at]);
        }
        let filter = match value_of(&row.data, "filter") {
            None => 0,
            Some("\"time\"") => 1,
            Some("\"distance\"") => 2,
            Some(_) => 3,
        };
        assert_eq!(rows.filter[at], filter, "{what}: filter of location {at}");
        let device = cells_json::device::device_name(&row.metadata);
        assert_eq!(rows.device_of(at), device.as_deref(), "{what}: device of location {at}");
    }
}

/// Reads a result in pages.
pub fn read_all(snapshot: &Snapshot, query: &Query, page: usize, tokens: bool) -> Vec<(f64, OwnedRow)> {
    let mut cursor = snapshot.find(query).unwrap();
    let mut found = Vec::new();
    while read_page(&mut cursor, page, &mut found) == Progress::More {
        if tokens {
            cursor = snapshot.resume(query, &cursor.token()).unwrap();
        }
    }
    found
}

pub fn read_page(cursor: &mut Cursor, page: usize, into: &mut Vec<(f64, OwnedRow)>) -> Progress {
    let end = into.len() + page;
    let answer = cursor.visit(&mut |row| {
        if into.len() == end {
            return ControlFlow::Break(());
        }
        let owned = OwnedRow {
            id: row.id,
            key: row.key.clone(),
            invalid: row.invalid,
            write_ts: row.write_ts,
            metadata: row.metadata.to_owned(),
            data: row.data.to_owned(),
            extra: row.extra.to_owned(),
        };
        into.push((row.time, owned));
        ControlFlow::Continue(())
    });
    answer.unwrap()
}
