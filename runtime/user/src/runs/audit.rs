//! The audit: who read what. Each run of a cell leaves one line, however it ended, in an area that no cell reaches; so
//! does each command of the console and each route of the host that shows what is stored.
//!
//! * Invariants: a run's line is on disk before anything that it read leaves the host ([`crate::runs::told`]); a line
//!   that says that something was stored is on disk together with it.
//! * Units: moments and spans are seconds since 1970-01-01T00:00:00Z.

use std::collections::{HashSet, VecDeque};
use std::ops::{ControlFlow, RangeInclusive};

use runtime_sandbox::{RunError, Usage};
use runtime_store::Snapshot;
use runtime_types::{Order, Query, TimeField};
use serde::{Deserialize, Deserializer, Serialize};

use crate::cells::catalogue::Cell;
use crate::cells::manifest::area_name;
use crate::data::stamp::Stamp;
use crate::error::CallError;
use crate::people::person::Person;
use crate::runs::chain::{self, Link};
use crate::runs::host::Effects;
use crate::runs::words;

/// At most this many different reads of one run are listed; further ones are only counted.
const READS_TOLD_MAX: usize = 32;

/// How many lines a query returns: the newest.
pub const AUDIT_LINES_MAX: usize = 10_000;

/// One run of one cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditLine {
    /// The moment of the run, s.
    pub ts: f64,
    /// The cell's name, the host's own route, or the console's command; empty if a line only reports that others are
    /// missing.
    pub cell: String,
    /// The digest of its code, 64 hex digits; empty if it is no cell.
    pub digest: String,
    /// The consent under which it ran, if it is an installed cell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub under: Option<Under>,
    /// The device whose request the run answered, if known, or [`CONSOLE`]; stages have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// How the run ended.
    #[serde(default)]
    pub outcome: RunOutcome,
    /// The reason, if the run was not done: only for the owner, because a cell's words may hold data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its reads, each kind of read once.
    #[serde(deserialize_with = "reads_of_any_version")]
    pub reads: Vec<AuditRead>,
    /// The number of further reads, which are not listed.
    pub reads_untold: u64,
    /// Entries that all reads together returned.
    pub entries_read: u64,
    /// Bytes that it read.
    pub bytes_read: u64,
    /// Bytes that it wrote; they are stored only if the run was done.
    pub bytes_written: u64,
    /// The run's duration, µs.
    pub elapsed_us: u64,
    /// The memory that it had at its end, bytes; 0 if it is no cell, or in a line of an earlier version.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub memory_bytes: u64,
    /// Its messages to the owner.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub said: Vec<String>,
    /// The SHA-256 of the entry with `said` and `reason`, 64 hex digits, for an installed cell that said anything: its
    /// words are stored apart and go when the owner forgets. If both are empty here, they are gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
    /// What the lines of one run have in common, if it has several: one from before its answer began, and one from its
    /// end. A query returns the last of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Its place in the chain of all lines; lines of earlier versions, and lines that wait for the disk, have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<Link>,
}

fn is_zero(bytes: &u64) -> bool {
    *bytes == 0
}

/// The consent under which an installed cell ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Under {
    /// The cell's id: the publisher's first key and the name.
    pub cell: String,
    /// Which state of the consent: it rises with every change.
    pub epoch: u64,
    /// For what the owner lets it read.
    pub purpose: String,
}

/// The `device` of what was read at the host's console.
pub const CONSOLE: &str = "console";

/// One kind of read of a run: the same streams, requested in the same way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditRead {
    /// `find`, `find-ids`, `find-locations`, `count` or `document`.
    pub what: String,
    /// `timeseries`, `usercache` or `errors`; `None` for a document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub area: Option<String>,
    /// The streams, or the document; empty: every stream of the area.
    #[serde(default)]
    pub names: Vec<String>,
    /// The time field that the span applies to, such as `write_ts`; `position`: the moment that an entry is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// The earliest moment that was requested, s; `None`: no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<f64>,
    /// The latest, s; `None`: no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<f64>,
    /// The number of such reads.
    pub times: u64,
    /// How many entries they returned.
    pub entries: u64,
    /// Whether the read was outside the grant, so that nothing was read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub denied: bool,
}

impl AuditRead {
    /// One read of these streams or documents, over any time, that has returned nothing yet.
    pub fn new(what: impl Into<String>, names: Vec<String>) -> Self {
        Self {
            what: what.into(),
            area: None,
            names,
            time: None,
            from: None,
            to: None,
            times: 1,
            entries: 0,
            denied: false,
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RunOutcome {
    /// It ran to its end, and its writes are stored.
    #[default]
    Done,
    /// It answered with a status of 400 or above; nothing was stored.
    Refused,
    /// It returned an error with its own message.
    GaveUp,
    /// It did what WebAssembly forbids, such as a panic.
    Trapped,
    /// It ran longer than its limit.
    OutOfTime,
    /// It used more memory, stack, reads or writes than its limit.
    OverLimit,
    /// It returned an invalid value.
    BadAnswer,
    /// The runtime stopped it, or could not start it.
    Stopped,
    /// The store could not be read for it, or not in time.
    StoreFailed,
    /// It ran to its end, but the disk did not accept its writes.
    NotStored,
    /// Its answer had begun; how it ended is not known.
    Begun,
    /// A value of a later version.
    #[serde(other)]
    Other,
}

impl RunOutcome {
    /// The word for it, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::GaveUp => "gave-up",
            Self::Trapped => "trapped",
            Self::OutOfTime => "out-of-time",
            Self::OverLimit => "over-limit",
            Self::BadAnswer => "bad-answer",
            Self::Stopped => "stopped",
            Self::StoreFailed => "store-failed",
            Self::NotStored => "not-stored",
            Self::Begun => "begun",
            Self::Other => "other",
        }
    }
}

impl From<&RunError> for RunOutcome {
    fn from(error: &RunError) -> Self {
        match error {
            RunError::Refused { .. } => Self::GaveUp,
            RunError::Trapped { .. } => Self::Trapped,
            RunError::Deadline { .. } => Self::OutOfTime,
            RunError::OutOfMemory { .. }
            | RunError::StackOverflow { .. }
            | RunError::OverBudget { .. }
            | RunError::AnswerTooLarge { .. } => Self::OverLimit,
            RunError::BadAnswer { .. } => Self::BadAnswer,
            _ => Self::Stopped,
        }
    }
}

/// The accumulated reads of a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reads {
    told: Vec<AuditRead>,
    untold: u64,
    /// How often a read went beyond what the reads before it had covered.
    widened: u64,
}

/// The index in [`Reads`] of the read that a cursor belongs to; `None`: a read that is only counted.
pub(crate) type ReadNumber = Option<usize>;

impl Reads {
    /// Notes a query.
    pub fn query(&mut self, what: &str, query: &Query) -> ReadNumber {
        let bound = |moment: f64| moment.is_finite().then_some(moment);
        let names = query.keys.iter().map(|key| key.as_str().to_owned()).collect();
        self.add(AuditRead {
            area: Some(area_name(query.area).to_owned()),
            time: Some(time_name(query.field).to_owned()),
            from: bound(query.start),
            to: bound(query.end),
            ..AuditRead::new(what, names)
        })
    }

    /// Notes a query that was refused because it reaches beyond the grant.
    pub fn denied_query(&mut self, what: &str, query: &Query) {
        if let Some(number) = self.query(what, query)
            && let Some(read) = self.told.get_mut(number)
        {
            read.denied = true;
        }
    }

    /// Notes a read of a document, or its refusal.
    pub fn document(&mut self, name: &str, denied: bool) {
        self.add(AuditRead { denied, ..AuditRead::new("document", vec![name.to_owned()]) });
    }

    /// Merges a read with an earlier one of the same kind; the span then covers both.
    fn add(&mut self, read: AuditRead) -> ReadNumber {
        let same = |known: &AuditRead| {
            known.what == read.what
                && known.area == read.area
                && known.names == read.names
                && known.time == read.time
                && known.denied == read.denied
        };
        if let Some(number) = self.told.iter().rposition(same) {
            let known = &mut self.told[number];
            let before = (known.from, known.to);
            known.from = known.from.zip(read.from).map(|(known, new)| known.min(new));
            known.to = known.to.zip(read.to).map(|(known, new)| known.max(new));
            known.times += 1;
            self.widened += u64::from((known.from, known.to) != before);
            return Some(number);
        }
        self.widened += 1;
        if self.told.len() == READS_TOLD_MAX {
            self.untold += 1;
            return None;
        }
        self.told.push(read);
        Some(self.told.len() - 1)
    }

    /// Rises whenever a read goes beyond what the reads before it covered.
    pub fn widened(&self) -> u64 {
        self.widened
    }

    /// Notes that a read returned further entries.
    pub fn got(&mut self, number: ReadNumber, entries: u64) {
        if let Some(read) = number.and_then(|number| self.told.get_mut(number)) {
            read.entries += entries;
        }
    }
}

impl AuditLine {
    /// The line of a run that is done, unless [`Self::ended`] changes that. Moves the run's reads and messages out of
    /// its effects.
    pub(crate) fn new(ts: f64, cell: &Cell, effects: &mut Effects, usage: Usage) -> Self {
        let Reads { told: reads, untold: reads_untold, .. } = std::mem::take(&mut effects.reads);
        Self {
            reads,
            reads_untold,
            entries_read: effects.entries_read,
            bytes_read: usage.read_bytes,
            bytes_written: usage.written_bytes,
            elapsed_us: usage.elapsed_us,
            memory_bytes: usage.memory_bytes,
            said: effects.log.drain(..).map(|(_, text)| text).collect(),
            run: effects.run.take(),
            ..Self::of_cell(ts, cell)
        }
    }

    /// The line of a run of a cell that has read nothing yet.
    pub(crate) fn of_cell(ts: f64, cell: &Cell) -> Self {
        let digest = cell.prepared.digest().to_string();
        let under = cell.terms.as_ref().map(|terms| Under {
            cell: terms.consent.cell.clone(),
            epoch: terms.consent.epoch,
            purpose: terms.consent.purpose.clone(),
        });
        Self { digest, under, ..Self::of(ts, cell.manifest.name.clone()) }
    }

    /// The line of whatever has that name and has read nothing yet.
    pub(crate) fn of(ts: f64, cell: impl Into<String>) -> Self {
        Self {
            ts,
            cell: cell.into(),
            digest: String::new(),
            under: None,
            device: None,
            outcome: RunOutcome::Done,
            reason: None,
            reads: Vec::new(),
            reads_untold: 0,
            entries_read: 0,
            bytes_read: 0,
            bytes_written: 0,
            elapsed_us: 0,
            memory_bytes: 0,
            said: Vec::new(),
            words: None,
            run: None,
            link: None,
        }
    }

    /// The same with these reads, and as that run has not ended yet.
    pub(crate) fn begun(&self, reads: Reads, entries_read: u64, run: String) -> Self {
        let outcome = RunOutcome::Begun;
        Self { outcome, entries_read, run: Some(run), ..self.clone().with_reads(reads) }
    }

    /// Sets its reads.
    pub(crate) fn with_reads(self, reads: Reads) -> Self {
        let Reads { told: reads, untold: reads_untold, .. } = reads;
        Self { reads, reads_untold, ..self }
    }

    /// Sets the device whose request it answered.
    pub(crate) fn of_device(self, device: Option<&Stamp>) -> Self {
        Self { device: device.map(|stamp| stamp.as_str().to_owned()), ..self }
    }

    /// Sets another end.
    pub(crate) fn ended(self, outcome: RunOutcome, reason: impl Into<String>) -> Self {
        Self { outcome, reason: Some(reason.into()), ..self }
    }

    /// Reports runs whose lines were dropped because the disk accepted none for too long; `next` is the first line
    /// after them.
    pub(crate) fn untold(count: u64, next: Option<&Self>) -> Self {
        let said = vec![format!("{count} earlier runs are not told: the disk took nothing for too long")];
        Self { said, ..Self::of(next.map_or(0.0, |next| next.ts), "") }
    }

    /// Whether something that is stored was read.
    pub(crate) fn has_read(&self) -> bool {
        self.reads_untold > 0 || self.reads.iter().any(|read| !read.denied)
    }

    /// Whether the line is of use to the owner: a run that touched nothing and was not cut off leaves no line.
    pub(crate) fn tells(&self) -> bool {
        let touched = !self.reads.is_empty() || self.bytes_written > 0 || !self.said.is_empty();
        touched || !matches!(self.outcome, RunOutcome::Done | RunOutcome::Refused | RunOutcome::Stopped)
    }
}

impl Person {
    /// Who read what, the earliest first: the newest [`AUDIT_LINES_MAX`] runs since `since`, s, of the cell of that
    /// name. `None` omits a bound.
    pub fn audit(&self, since: Option<f64>, cell: Option<&str>) -> Result<Vec<AuditLine>, CallError> {
        // Lines wait for the next commit.
        self.sync().map_err(CallError::Commit)?;
        lines(&self.store.snapshot(), since.unwrap_or(f64::NEG_INFINITY)..=f64::INFINITY, cell)
    }

    /// The runs of a span, s: the newest [`AUDIT_LINES_MAX`] of them.
    pub(crate) fn audit_within(&self, span: RangeInclusive<f64>) -> Result<Vec<AuditLine>, CallError> {
        self.sync().map_err(CallError::Commit)?;
        lines(&self.store.snapshot(), span, None)
    }
}

fn lines(
    snapshot: &Snapshot,
    span: RangeInclusive<f64>,
    cell: Option<&str>,
) -> Result<Vec<AuditLine>, CallError> {
    let query = Query {
        field: TimeField::WriteTs,
        start: *span.start(),
        end: *span.end(),
        order: Order::Descending,
        ..chain::lines()
    };
    let (mut found, mut runs) = (VecDeque::new(), HashSet::new());
    let mut cursor = snapshot.find(&query).map_err(CallError::Read)?;
    let visited = cursor.visit(&mut |row| {
        // A line that cannot be parsed is from a later version; exports contain its data.
        if let Ok(line) = serde_json::from_str::<AuditLine>(row.data)
            && cell.is_none_or(|cell| cell == line.cell)
            // The last line of a run comes first here.
            && line.run.as_ref().is_none_or(|run| runs.insert(run.clone()))
        {
            found.push_front(line);
        }
        if found.len() < AUDIT_LINES_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    visited.map_err(CallError::Read)?;
    let mut found = Vec::from(found);
    let since = found.iter().map(|line| line.ts).fold(f64::INFINITY, f64::min);
    words::put_back(&mut found, snapshot, since).map_err(CallError::Read)?;
    Ok(found)
}

fn time_name(field: TimeField) -> &'static str {
    match field {
        TimeField::WriteTs => "write_ts",
        TimeField::DataTs => "ts",
        TimeField::StartTs => "start_ts",
        TimeField::EndTs => "end_ts",
        TimeField::EnterTs => "enter_ts",
        TimeField::ExitTs => "exit_ts",
        TimeField::Position => "position",
    }
}

/// Earlier versions recorded a read in words, such as `find Timeseries: background/location`.
fn reads_of_any_version<'de, D: Deserializer<'de>>(reads: D) -> Result<Vec<AuditRead>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Told {
        Read(AuditRead),
        Words(String),
    }
    let told = Vec::<Told>::deserialize(reads)?;
    let read = |told| match told {
        Told::Read(read) => read,
        Told::Words(words) => in_words(&words),
    };
    Ok(told.into_iter().map(read).collect())
}

fn in_words(words: &str) -> AuditRead {
    let (what, rest) = words.split_once(' ').unwrap_or((words, ""));
    let (area, names) = match rest.split_once(": ") {
        Some((area, names)) => (Some(area.to_lowercase()), names),
        None => (None, rest),
    };
    let all = names == "every stream";
    let names = if all { Vec::new() } else { names.split_whitespace().map(str::to_owned).collect() };
    AuditRead { area, ..AuditRead::new(what, names) }
}

#[cfg(test)]
mod tests {
    use runtime_types::{Area, StreamKey};

    use super::*;

    fn query(key: &str, start: f64, end: f64) -> Query {
        let keys = vec![StreamKey::parse(key).expect("a key")];
        Query { keys, start, end, ..Query::everything(Area::Timeseries) }
    }

    #[test]
    fn reads_of_one_kind_are_told_once_with_the_span_over_all_of_them_and_the_rest_is_counted() {
        let mut reads = Reads::default();
        let first = reads.query("find", &query("background/location", 10.0, 20.0));
        reads.got(first, 3);
        let again = reads.query("find", &query("background/location", 5.0, 12.0));
        reads.got(again, 4);
        assert_eq!((first, again), (Some(0), Some(0)));
        let AuditRead { from, to, times, entries, .. } = &reads.told[0];
        assert_eq!((*from, *to, *times, *entries), (Some(5.0), Some(20.0), 2, 7));
        reads.query("find", &query("background/location", f64::NEG_INFINITY, 12.0));
        assert_eq!(reads.told[0].from, None, "one of them had no bound");
        for number in 1..40 {
            reads.query("count", &query(&format!("background/s{number}"), 0.0, 1.0));
        }
        assert_eq!((reads.told.len(), reads.untold), (READS_TOLD_MAX, 8));
    }

    #[test]
    fn a_read_counts_as_wider_where_its_stream_or_its_span_was_not_covered_before() {
        let mut reads = Reads::default();
        let mut widens = |key: &str, start, end| {
            let before = reads.widened();
            reads.query("find", &query(key, start, end));
            reads.widened() > before
        };
        assert!(widens("background/location", 10.0, 20.0));
        assert!(!widens("background/location", 12.0, 20.0));
        assert!(widens("background/location", 12.0, 21.0));
        assert!(widens("background/battery", 12.0, 13.0));
        assert!(widens("background/battery", f64::NEG_INFINITY, 13.0));
        assert!((0..40).all(|number| widens(&format!("background/s{number}"), 0.0, 1.0)), "untold ones too");
    }

    #[test]
    fn lines_of_earlier_versions_are_read() {
        let old = r#"{"ts":1.5,"cell":"usercache-get","digest":"ab","reads":["find Usercache: background/location a/b",
            "document profile","find Timeseries: every stream"],"reads_untold":0,"entries_read":3,"bytes_read":9,
            "bytes_written":0,"elapsed_us":7}"#;
        let line: AuditLine = serde_json::from_str(old).expect("read");
        assert_eq!((line.outcome, line.device.as_deref()), (RunOutcome::Done, None));
        let told: Vec<_> = line
            .reads
            .iter()
            .map(|read| (read.what.as_str(), read.area.as_deref(), read.names.join(" ")))
            .collect();
        assert_eq!(
            told,
            [
                ("find", Some("usercache"), "background/location a/b".to_owned()),
                ("document", None, "profile".to_owned()),
                ("find", Some("timeseries"), String::new()),
            ]
        );
    }

    #[test]
    fn an_outcome_of_a_later_version_is_kept_as_another_one() {
        assert_eq!(serde_json::from_str::<RunOutcome>("\"gave-up\"").expect("known"), RunOutcome::GaveUp);
        assert_eq!(serde_json::from_str::<RunOutcome>("\"frozen\"").expect("unknown"), RunOutcome::Other);
        for outcome in [RunOutcome::Done, RunOutcome::OutOfTime, RunOutcome::NotStored, RunOutcome::Begun] {
            assert_eq!(serde_json::to_value(outcome).expect("a word"), outcome.as_str());
        }
    }
}
