//! The readings that a person's diary does not show, with the reasons; and the counts that account for every reading.
//!
//! Every entry that a phone put is in the timeseries and counts, or it is one of these: an identical copy of another,
//! replaced by another of the same name and moment, set aside with a reason, left out by a stage with a reason, or
//! waiting with a reason.
//!
//! * Units: moments are seconds since 1970; the moment of an entry is when the phone wrote it.
//! * Not here: why a stage failed (`crate::runs::status`), and what a stage computes from its input.

mod left_out;
mod puts;
mod retry;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use cells_model::aside::Error;
use cells_model::text::value_of;
use runtime_store::{Row, Snapshot};
use runtime_types::{Area, EntryId, Query, StreamKey, TimeField, UserId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::cells::manifest::StreamPattern;
use crate::data::{Diaries, waiting};
use crate::error::CallError;
use crate::people::person::Person;
use crate::runs::late::is_made;

pub(crate) use puts::{PutCounts, count_put};
pub use retry::Retried;

/// How many entries are listed individually.
pub const LISTED_MAX: usize = 10_000;
/// The reason shown for an entry without one, as an export may bring it.
const NO_REASON: &str = "nobody wrote down why";

/// Why the diary does not show a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It is in the errors area.
    SetAside,
    /// A stage has marked it invalid: queries hide it.
    MarkedInvalid,
    /// Queries show it, but no trip contains it.
    PassedOver,
    /// No run has accepted it yet.
    Waiting,
}

/// A selection of entries. Empty: all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// A part of the reason; case does not matter.
    pub reason: Option<String>,
    /// A stream, such as `background/location` or `background/*`.
    pub stream: Option<String>,
}

impl Selection {
    fn has_stream(&self, area: Area, key: &StreamKey) -> bool {
        let covers = |pattern: &String| StreamPattern { area, key: pattern.clone() }.covers(area, key);
        self.stream.as_ref().is_none_or(covers)
    }

    fn has_reason(&self, reason: &str) -> bool {
        let lower = reason.to_lowercase();
        self.reason.as_ref().is_none_or(|part| lower.contains(&part.to_lowercase()))
    }
}

/// Readings of one stream with the same fate and reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Their fate.
    pub fate: Fate,
    /// The stream.
    pub key: String,
    /// The reason, in words.
    pub reason: String,
    /// How many.
    pub count: u64,
    /// When the earliest was written; `None` if no moment can be read.
    pub first_ts: Option<f64>,
    /// When the latest was written.
    pub last_ts: Option<f64>,
}

/// One reading, with its content.
#[derive(Debug, Serialize, Deserialize)]
pub struct Listed {
    /// Its fate.
    pub fate: Fate,
    /// Its id.
    pub id: String,
    /// The stream.
    pub key: String,
    /// The reason.
    pub reason: String,
    /// When it was set aside, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<f64>,
    /// The stored text.
    pub metadata: Box<RawValue>,
    /// The stored text.
    pub data: Box<RawValue>,
}

/// A message of a stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// The cell.
    pub cell: String,
    /// When the cell last logged the message.
    pub at: f64,
    /// The message.
    pub text: String,
}

/// The readings that a person's diary does not show.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct ErrorsReport {
    /// By fate, stream and reason.
    pub groups: Vec<Group>,
    /// Puts that were ignored: the store had the identical entry already.
    pub ignored: u64,
    /// Readings that another one with the same type, stream and moment of writing replaced before any run accepted
    /// them.
    pub replaced: u64,
    /// Sealed uploads that could not be accepted, and are kept as files.
    pub uploads_aside: u64,
    /// Recent messages of stages, each once.
    pub said: Vec<Said>,
    /// The entries themselves, if they were asked for: the first [`LISTED_MAX`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries: Option<Vec<Listed>>,
}

impl Diaries<'_> {
    /// The readings that a person's diary does not show at `now`, with the reasons. `list`: includes the entries
    /// themselves.
    pub fn errors(
        self,
        user: UserId,
        selection: &Selection,
        list: bool,
        now: f64,
    ) -> Result<ErrorsReport, CallError> {
        let person = self.runtime.person(user)?;
        // Messages of cells wait for the next commit.
        person.sync().map_err(CallError::Commit)?;
        let snapshot = person.store.snapshot_ahead();
        let mut found = Found { selection, groups: BTreeMap::new(), entries: list.then(Vec::new) };
        found.errors(&snapshot)?;
        found.left_out(&snapshot)?;
        found.waiting(&snapshot, now)?;
        let PutCounts { ignored, replaced } = puts::read(&snapshot)?;
        Ok(ErrorsReport {
            groups: found.groups.into_values().collect(),
            ignored,
            replaced,
            uploads_aside: self.runtime.owners().uploads_aside(user),
            said: said(&snapshot, now)?,
            entries: found.entries,
        })
    }
}

impl Person {
    /// How many of the person's readings are set aside; reads only the index.
    pub fn set_aside_count(&self) -> Result<u64, CallError> {
        let streams = self.store.snapshot_ahead().streams();
        Ok(streams.iter().filter(|(stream, _)| stream.area == Area::Errors).map(|(_, count)| count).sum())
    }
}

/// The results so far.
struct Found<'a> {
    selection: &'a Selection,
    groups: BTreeMap<(Fate, StreamKey, String), Group>,
    entries: Option<Vec<Listed>>,
}

impl Found<'_> {
    fn errors(&mut self, snapshot: &Snapshot) -> Result<(), CallError> {
        let mut cursor = snapshot.find(&Query::everything(Area::Errors)).map_err(CallError::Read)?;
        let visited = cursor.visit(&mut |row| {
            let error = Error::read(row.extra);
            let reason = error.as_ref().map_or(NO_REASON, |error| &error.reason);
            self.entry(Fate::SetAside, row, reason, error.as_ref().and_then(|error| error.at));
            ControlFlow::Continue(())
        });
        visited.map(drop).map_err(CallError::Read)
    }

    fn left_out(&mut self, snapshot: &Snapshot) -> Result<(), CallError> {
        for (key, left_out) in left_out::all(snapshot)? {
            if self.entries.is_none() {
                for one in left_out {
                    self.group(one.why.fate(), &key, one.why.reason(), one.write_ts);
                }
                continue;
            }
            let why: BTreeMap<EntryId, left_out::Why> =
                left_out.iter().map(|one| (one.id, one.why)).collect();
            let query = Query { keys: vec![key], ..Query::everything(Area::Timeseries) };
            let mut cursor = snapshot.find(&query).map_err(CallError::Read)?;
            let visited = cursor.visit(&mut |row| {
                if let Some(why) = why.get(&row.id) {
                    self.entry(why.fate(), row, why.reason(), None);
                }
                ControlFlow::Continue(())
            });
            visited.map_err(CallError::Read)?;
        }
        Ok(())
    }

    fn waiting(&mut self, snapshot: &Snapshot, now: f64) -> Result<(), CallError> {
        let mut cursor = snapshot.find(&Query::everything(Area::Usercache)).map_err(CallError::Read)?;
        let visited = cursor.visit(&mut |row| {
            self.entry(Fate::Waiting, row, waiting::reason(row, now).words(), None);
            ControlFlow::Continue(())
        });
        visited.map(drop).map_err(CallError::Read)
    }

    fn entry(&mut self, fate: Fate, row: &Row<'_>, reason: &str, at: Option<f64>) {
        if !self.group(fate, row.key, reason, row.write_ts) {
            return;
        }
        let Some(entries) = self.entries.as_mut().filter(|entries| entries.len() < LISTED_MAX) else {
            return;
        };
        // The texts in the store are JSON.
        let raw = |text: &str| RawValue::from_string(text.to_owned());
        if let (Ok(metadata), Ok(data)) = (raw(row.metadata), raw(row.data)) {
            let (id, key) = (row.id.to_string(), row.key.as_str().to_owned());
            entries.push(Listed { fate, id, key, reason: reason.to_owned(), at, metadata, data });
        }
    }

    /// Counts an entry if the selection contains it.
    fn group(&mut self, fate: Fate, key: &StreamKey, reason: &str, write_ts: f64) -> bool {
        let area = area_of(fate);
        if !self.selection.has_stream(area, key) || !self.selection.has_reason(reason) {
            return false;
        }
        let name = (fate, key.clone(), reason.to_owned());
        let group = self.groups.entry(name).or_insert_with(|| Group {
            fate,
            key: key.as_str().to_owned(),
            reason: reason.to_owned(),
            count: 0,
            first_ts: None,
            last_ts: None,
        });
        group.count += 1;
        // An entry whose moment cannot be read is stored with the time 0.
        if write_ts.is_finite() && write_ts != 0.0 {
            group.first_ts = Some(group.first_ts.map_or(write_ts, |first| first.min(write_ts)));
            group.last_ts = Some(group.last_ts.map_or(write_ts, |last| last.max(write_ts)));
        }
        true
    }
}

fn area_of(fate: Fate) -> Area {
    match fate {
        Fate::SetAside => Area::Errors,
        Fate::MarkedInvalid | Fate::PassedOver => Area::Timeseries,
        Fate::Waiting => Area::Usercache,
    }
}

/// Streams of the timeseries that phones fill.
fn raw_streams(snapshot: &Snapshot) -> impl Iterator<Item = StreamKey> + '_ {
    let streams = snapshot.stream_names().filter(|stream| stream.area == Area::Timeseries);
    streams.map(|stream| stream.key.clone()).filter(|key| !is_made(key))
}

/// How recent a message must be, s.
const SAID_WITHIN_S: f64 = 30.0 * 86_400.0;
/// How many different messages are reported, and how many notes are searched for them.
const SAID_MAX: usize = 20;
const NOTES_MAX: usize = 5_000;

/// Recent messages of stages, the newest first, each once.
fn said(snapshot: &Snapshot, now: f64) -> Result<Vec<Said>, CallError> {
    let query = Query {
        field: TimeField::WriteTs,
        start: now - SAID_WITHIN_S,
        order: runtime_types::Order::Descending,
        ..Query::everything(Area::Audit)
    };
    let (mut found, mut notes) = (Vec::<Said>::new(), 0);
    let mut cursor = snapshot.find(&query).map_err(CallError::Read)?;
    let visited = cursor.visit(&mut |row| {
        notes += 1;
        let texts =
            value_of(row.data, "said").and_then(|said| serde_json::from_str::<Vec<String>>(said).ok());
        let cell = value_of(row.data, "cell").unwrap_or_default().trim_matches('"');
        for text in texts.unwrap_or_default() {
            if found.len() < SAID_MAX && !found.iter().any(|said| said.cell == cell && said.text == text) {
                found.push(Said { cell: cell.to_owned(), at: row.write_ts, text });
            }
        }
        if found.len() < SAID_MAX && notes < NOTES_MAX {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    visited.map_err(CallError::Read)?;
    Ok(found)
}
