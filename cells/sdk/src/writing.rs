//! The writes of a run, buffered and dated, and its messages to the owner.

use cells_model::EntryId;
use cells_model::rows::{Row, Rows};
use cells_model::time::ServerMetadata;

use crate::{Level, Log, Run, RunError, WINDOW_GAP_S, WriteEntries};

/// The size at which buffered rows are sent, bytes: small, since a guest pays for growing its memory.
const CALL_BYTES: usize = 32 << 10;
/// How far the last row of a call may exceed that without being copied, bytes.
const LAST_ROW_BYTES: usize = 4 << 10;
/// How much one run writes at least, if there is as much, bytes: half of what a run may write.
const RUN_BYTES: usize = 32 << 20;
/// The difference between the dates of two entries of one run, s: the smallest that a local time shows.
const APART_S: f64 = 1e-6;

/// The entries that a run writes: buffered, sent in pieces of about 32 KiB, dated so that they keep their order.
///
/// Nothing is certain to be written before [`Self::finish`]. Metadata are those of the server: the key, the moment of
/// the run, a microsecond later for each entry, and its local time.
///
/// Entries that name each other need ids before they have content: [`Self::draw`] them, get the ids with
/// [`Self::take_ids`], and set the content with [`Self::replace`].
#[derive(Debug)]
pub struct Output {
    now: f64,
    /// How many entries were dated.
    dated: u32,
    metadata: ServerMetadata,
    new: Option<Rows>,
    changed: Option<Rows>,
    /// The ids of entries that were inserted since the last [`Self::take_ids`].
    ids: Vec<EntryId>,
    bytes: usize,
}

impl Output {
    /// An output without entries.
    pub fn new(run: &Run) -> Self {
        Self {
            now: run.now,
            dated: 0,
            metadata: ServerMetadata::default(),
            new: None,
            changed: None,
            ids: Vec::new(),
            bytes: 0,
        }
    }

    /// Adds a new entry.
    pub fn insert<R: WriteEntries>(
        &mut self,
        runtime: &mut R,
        key: &str,
        data: &str,
    ) -> Result<(), RunError> {
        self.insert_with(runtime, key, "", data)
    }

    /// As [`Self::insert`], with further members of the metadata, such as `"origin_key":"analysis/confirmed_trip"`.
    pub fn insert_with<R: WriteEntries>(
        &mut self,
        runtime: &mut R,
        key: &str,
        members: &str,
        data: &str,
    ) -> Result<(), RunError> {
        let write_ts = self.next_write_ts();
        let metadata = self.metadata.write(key, write_ts, members)?;
        let row = Row { id: EntryId::NONE, key, metadata, data, extra: "" };
        self.bytes += add(&mut self.new, row);
        self.send_if_full(runtime)
    }

    /// Adds an entry that has only an id until it is [replaced](Self::replace). If it never is, nothing is left of it.
    pub fn draw<R: WriteEntries>(&mut self, runtime: &mut R, key: &str) -> Result<(), RunError> {
        self.push(runtime, Row { id: EntryId::NONE, key, metadata: "{}", data: "{}", extra: "" })
    }

    /// Gives an entry new data, and metadata as if this run had created it.
    pub fn replace<R: WriteEntries>(
        &mut self,
        runtime: &mut R,
        key: &str,
        id: EntryId,
        data: &str,
    ) -> Result<(), RunError> {
        let write_ts = self.next_write_ts();
        let metadata = self.metadata.write(key, write_ts, "")?;
        self.bytes += add(&mut self.changed, Row { id, key, metadata, data, extra: "" });
        self.send_if_full(runtime)
    }

    /// Adds a row unchanged: a new entry where it has no id, otherwise new content for the entry that it names.
    pub fn push<R: WriteEntries>(&mut self, runtime: &mut R, row: Row<'_>) -> Result<(), RunError> {
        let rows = if row.id == EntryId::NONE { &mut self.new } else { &mut self.changed };
        self.bytes += add(rows, row);
        self.send_if_full(runtime)
    }

    /// The metadata of entry number `number` of this run, from 0, for entries that are not added in the order of their
    /// dates. It does not count as an added entry.
    pub fn metadata_of(&mut self, key: &str, number: u32) -> Result<String, RunError> {
        Ok(self.metadata.write(key, date(self.now, number), "")?.to_owned())
    }

    /// Writes everything added so far; returns the ids of the new entries since the last time, in their order.
    pub fn take_ids<R: WriteEntries>(&mut self, runtime: &mut R) -> Result<Vec<EntryId>, RunError> {
        self.send(runtime)?;
        Ok(std::mem::take(&mut self.ids))
    }

    /// Whether the run has written enough and may end before an entry at `next`, s, whose mark would be `last`, s: where
    /// a back-log goes on and nothing is lost in the gap between the two.
    pub fn may_end_before(&self, last: Option<f64>, next: f64) -> bool {
        self.bytes > RUN_BYTES && last.is_some_and(|last| next - last > WINDOW_GAP_S)
    }

    /// How many bytes were added, as rows are packed.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Writes the rest.
    pub fn finish<R: WriteEntries>(mut self, runtime: &mut R) -> Result<(), RunError> {
        self.send(runtime)
    }

    fn next_write_ts(&mut self) -> f64 {
        self.dated += 1;
        date(self.now, self.dated - 1)
    }

    fn send_if_full<R: WriteEntries>(&mut self, runtime: &mut R) -> Result<(), RunError> {
        let is_full =
            |rows: &Option<Rows>| rows.as_ref().is_some_and(|rows| rows.as_bytes().len() > CALL_BYTES);
        if is_full(&self.new) || is_full(&self.changed) { self.send(runtime) } else { Ok(()) }
    }

    fn send<R: WriteEntries>(&mut self, runtime: &mut R) -> Result<(), RunError> {
        if let Some(rows) = self.new.as_mut().filter(|rows| !rows.is_empty()) {
            let wanted = rows.count() as usize;
            let ids = runtime.insert(rows).map_err(RunError::Write)?;
            if ids.len() != wanted {
                return Err(RunError::Ids { wanted, got: ids.len() });
            }
            self.ids.extend(ids);
            rows.clear();
        }
        if let Some(rows) = self.changed.as_mut().filter(|rows| !rows.is_empty()) {
            runtime.replace(rows).map_err(RunError::Write)?;
            rows.clear();
        }
        Ok(())
    }
}

/// The write time of the entry with that number of a run, s.
fn date(now: f64, number: u32) -> f64 {
    now + f64::from(number) * APART_S
}

/// Adds a row; returns how many bytes it takes. Most runs write little or nothing, so no memory is reserved before.
fn add(rows: &mut Option<Rows>, row: Row<'_>) -> usize {
    let rows = rows.get_or_insert_with(|| Rows::with_room(CALL_BYTES + LAST_ROW_BYTES));
    let before = rows.as_bytes().len();
    rows.push(row);
    rows.as_bytes().len() - before
}

/// Logs for the owner how many of something did not count, and why, such as `3` and `trips cannot be read: passed
/// over`. Logs nothing for 0. The text names no places.
pub fn warn_count<R: Log>(runtime: &mut R, count: usize, what: &str) {
    if count > 0 {
        runtime.log(Level::Warn, &format!("{count} {what}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Memory;
    use crate::{Area, Failure};
    use serde_json::Value;

    fn run() -> Run {
        Run { now: 1.75e9, start: None, end: 1.75e9 - 5.0, seed: 0, state: Vec::new() }
    }

    #[test]
    fn entries_of_one_run_are_dated_a_microsecond_apart() {
        let (mut memory, mut output) = (Memory::new(), Output::new(&run()));
        output.insert(&mut memory, "a/b", r#"{"n":0}"#).unwrap();
        output.insert_with(&mut memory, "a/b", r#""origin_key":"c/d""#, r#"{"n":1}"#).unwrap();
        assert_eq!(output.metadata_of("a/b", 1).unwrap(), {
            cells_model::time::server_metadata("a/b", 1.75e9 + 1e-6).unwrap()
        });
        output.finish(&mut memory).unwrap();
        memory.commit();
        let metadata: Vec<Value> =
            memory.of_key("a/b").iter().map(|entry| serde_json::from_str(&entry.metadata).unwrap()).collect();
        assert_eq!(metadata[0]["write_ts"], 1.75e9);
        assert_eq!(metadata[1]["write_ts"], 1.75e9 + 1e-6);
        assert_eq!((&metadata[0]["origin_key"], &metadata[1]["origin_key"]), (&Value::Null, &"c/d".into()));
    }

    #[test]
    fn ids_come_in_the_order_of_insertion_over_any_number_of_calls() {
        let (mut memory, mut output) = (Memory::new(), Output::new(&run()));
        let data = format!(r#"{{"long":"{}"}}"#, "x".repeat(1_000));
        for _ in 0..100 {
            output.insert(&mut memory, "a/b", &data).unwrap();
        }
        output.draw(&mut memory, "c/d").unwrap();
        let bytes = output.bytes();
        assert!(bytes > 100 * data.len() && bytes < 200 * data.len(), "{bytes}");
        let ids = output.take_ids(&mut memory).unwrap();
        assert_eq!(ids.len(), 101);
        assert!(ids.is_sorted());
        output.replace(&mut memory, "c/d", ids[100], r#"{"of":1}"#).unwrap();
        output.insert(&mut memory, "a/b", r#"{"last":1}"#).unwrap();
        assert_eq!(output.take_ids(&mut memory).unwrap().len(), 1, "only those since the last time");
        memory.commit();
        let drawn = memory.of_key("c/d");
        assert_eq!((drawn[0].id, drawn[0].data.as_str()), (ids[100], r#"{"of":1}"#));
        assert_eq!(memory.of_key("a/b").len(), 101);
    }

    #[test]
    fn a_row_with_an_id_changes_its_entry_and_keeps_the_metadata_of_the_row() {
        let metadata = r#"{"key":"a/b","write_ts":1}"#;
        let mut memory = Memory::new().with_entry(Area::Timeseries, metadata, r#"{"old":1}"#);
        let id = memory.of_key("a/b")[0].id;
        let mut output = Output::new(&run());
        let row = Row { id, key: "a/b", metadata, data: r#"{"new":1}"#, extra: "" };
        output.push(&mut memory, row).unwrap();
        output.finish(&mut memory).unwrap();
        memory.commit();
        let entry = memory.of_key("a/b")[0];
        assert_eq!((entry.data.as_str(), entry.metadata.as_str()), (r#"{"new":1}"#, metadata));
    }

    /// A runtime that returns no ids.
    struct Broken;

    impl WriteEntries for Broken {
        fn insert(&mut self, _: &Rows) -> Result<Vec<EntryId>, Failure> {
            Ok(Vec::new())
        }
        fn replace(&mut self, _: &Rows) -> Result<(), Failure> {
            Err(Failure::Unavailable)
        }
        fn delete(&mut self, _: &[EntryId]) -> Result<(), Failure> {
            Ok(())
        }
        fn mark_invalid(&mut self, _: &[EntryId]) -> Result<(), Failure> {
            Ok(())
        }
    }

    #[test]
    fn a_runtime_that_breaks_its_contract_ends_the_run() {
        let mut output = Output::new(&run());
        output.draw(&mut Broken, "a/b").unwrap();
        let why = output.take_ids(&mut Broken).map_err(String::from);
        assert_eq!(why, Err("the runtime gave 0 ids for 1 new entries".to_owned()));
        let mut output = Output::new(&run());
        output.replace(&mut Broken, "a/b", EntryId([1; 12]), "{}").unwrap();
        let why = output.finish(&mut Broken).map_err(String::from);
        assert_eq!(why, Err("cannot write entries: the store is unavailable".to_owned()));
    }

    #[test]
    fn a_count_of_zero_is_not_reported_to_the_owner() {
        let mut memory = Memory::new();
        warn_count(&mut memory, 0, "trips cannot be read");
        warn_count(&mut memory, 2, "trips cannot be read");
        assert_eq!(memory.log_lines(), [(Level::Warn, "2 trips cannot be read".to_owned())]);
    }
}
