//! Writes a person's diary for other programs.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use cells_model::EntryId;
use runtime_diary::{ExportError, Format, Source, Visit, Written};
use runtime_store::{ReadError, Snapshot};
use runtime_types::TimeField;
use runtime_user::{Area, AuditRead, Query, Runtime, Stamp, StreamKey, UserId};
use serde::{Deserialize, Serialize};

use super::ask::{Ask, Context};
use super::remedy::logged;
use super::zone;
use crate::http::service::now;
use runtime_program::Failure;
use runtime_program::when::When;

/// The largest diary in an answer, bytes; a larger one is written to a file.
const TEXT_BYTES_MAX: usize = 256 << 20;
/// The largest diary in an answer to a device, bytes: about half a year of an active person.
pub const DEVICE_TEXT_BYTES_MAX: usize = 8 << 20;

/// Writes a person's diary for other programs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportDiary {
    /// The person, by name or id.
    pub person: String,
    /// The format.
    pub format: Format,
    /// Only trips that begin at or after this moment.
    pub from: Option<When>,
    /// Only trips that begin at or before this moment.
    pub to: Option<When>,
    /// The file: an absolute path, at which no file exists yet. None: the diary is part of the answer.
    pub output: Option<PathBuf>,
}

/// The answer to [`ExportDiary`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiaryExported {
    /// The person's id.
    pub id: String,
    /// The file, if one was named.
    pub output: Option<PathBuf>,
    /// The diary, if no file was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Trips written.
    pub trips: u64,
    /// Trips that cannot be read and were left out.
    pub unread: u64,
}

impl Ask for ExportDiary {
    type Answer = DiaryExported;

    fn answer(self, context: &Context<'_>) -> Result<DiaryExported, Failure> {
        let user = context.find(&self.person)?;
        let span = zone::span(context.runtime, user, self.from.as_ref(), self.to.as_ref())?;
        let file = "name a file with --output";
        let reader = Reader { device: None, text_bytes_max: TEXT_BYTES_MAX, remedy: file };
        export(context.runtime, user, self.format, span, self.output, reader)
    }
}

impl ExportDiary {
    /// The diary as an answer to one of the person's devices, which its audit names. No file is written.
    pub(crate) fn answer_to(
        self,
        context: &Context<'_>,
        user: UserId,
        device: &Stamp,
    ) -> Result<DiaryExported, Failure> {
        let span = zone::span(context.runtime, user, self.from.as_ref(), self.to.as_ref())?;
        let reader = Reader {
            device: Some(device),
            text_bytes_max: DEVICE_TEXT_BYTES_MAX,
            remedy: "ask for a shorter span",
        };
        export(context.runtime, user, self.format, span, None, reader)
    }
}

/// Who is shown a diary.
#[derive(Clone, Copy)]
struct Reader<'a> {
    /// The device; none: the console.
    device: Option<&'a Stamp>,
    /// The largest diary that is part of an answer, bytes.
    text_bytes_max: usize,
    /// What to do where it is larger.
    remedy: &'static str,
}

/// Writes the trips that begin from `from` to `to`, s, both included, into a new file that only its owner may read, or
/// into the answer.
fn export(
    runtime: &Runtime,
    user: UserId,
    format: Format,
    [from, to]: [f64; 2],
    output: Option<PathBuf>,
    reader: Reader<'_>,
) -> Result<DiaryExported, Failure> {
    let person = runtime.person(user);
    let person = person.map_err(|error| {
        Failure::of(&error, "look into the host's log; a suspended person is resumed first")
    })?;
    let name = serde_json::to_value(format).unwrap_or_default();
    let command = format!("export-diary {}", name.as_str().unwrap_or_default());
    let bound = |moment: f64| moment.is_finite().then_some(moment);
    let streams = runtime_diary::STREAMS.map(str::to_owned).to_vec();
    let read = AuditRead {
        area: Some("timeseries".to_owned()),
        time: Some("start_ts".to_owned()),
        from: bound(from),
        to: bound(to),
        ..AuditRead::new("diary", streams)
    };
    // Told first: whatever the diary has, its owner sees that it left.
    let told = person.command_begins(&command, reader.device, vec![read], now()).map_err(logged)?;
    let mut source = Stored::new(person.store.snapshot());
    let (written, text) = match &output {
        Some(output) => (into_file(&mut source, format, [from, to], output)?, None),
        None => {
            let mut text = Capped { text: Vec::new(), bytes_max: reader.text_bytes_max };
            let written = runtime_diary::write(&mut source, format, from, to, &mut text);
            let written = written.map_err(|error| Failure::of(&error, reader.remedy))?;
            let text = String::from_utf8(text.text);
            (written, Some(text.map_err(|error| Failure::of(&error, "report this"))?))
        }
    };
    person.console_ends(told, source.entries);
    let Written { trips, unread } = written;
    Ok(DiaryExported { id: user.dashed(), output, text, trips, unread })
}

fn into_file(
    source: &mut Stored,
    format: Format,
    [from, to]: [f64; 2],
    output: &Path,
) -> Result<Written, Failure> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(output);
    let file = file.map_err(|error| Failure::of_file(output, &error))?;
    let written = write_synced(source, format, [from, to], &file);
    written.map_err(|error| {
        // An incomplete diary must not be mistaken for a complete one.
        let _ = std::fs::remove_file(output);
        Failure::of_file(output, &error)
    })
}

fn write_synced(
    source: &mut Stored,
    format: Format,
    [from, to]: [f64; 2],
    file: &File,
) -> Result<Written, ExportError<ReadError>> {
    let mut out = BufWriter::with_capacity(1 << 18, file);
    let written = runtime_diary::write(source, format, from, to, &mut out)?;
    out.flush()?;
    file.sync_all()?;
    Ok(written)
}

/// One person's store as the source of a diary.
pub(super) struct Stored {
    snapshot: Snapshot,
    /// How many entries were read.
    entries: u64,
}

impl Stored {
    pub(super) fn new(snapshot: Snapshot) -> Self {
        Self { snapshot, entries: 0 }
    }

    fn visit(&mut self, query: &Query, visit: Visit<'_>) -> Result<(), ReadError> {
        let mut cursor = self.snapshot.find(query)?;
        let entries = &mut self.entries;
        let visited = cursor.visit(&mut |row| {
            *entries += 1;
            visit(row.id, row.data);
            ControlFlow::Continue(())
        });
        visited.map(drop)
    }
}

fn query(key: &str, field: TimeField, [start, end]: [f64; 2], with_invalid: bool) -> Query {
    let key = StreamKey::parse(key).expect("the diary's keys name streams");
    Query { keys: vec![key], field, start, end, with_invalid, ..Query::everything(Area::Timeseries) }
}

impl Source for Stored {
    type Error = ReadError;

    fn between(
        &mut self,
        key: &str,
        field: TimeField,
        start: f64,
        end: f64,
        visit: Visit<'_>,
    ) -> Result<(), ReadError> {
        self.visit(&query(key, field, [start, end], false), visit)
    }

    fn at(&mut self, key: &str, ts: f64, visit: Visit<'_>) -> Result<(), ReadError> {
        self.visit(&query(key, TimeField::DataTs, [ts, ts], true), visit)
    }

    fn with_id(&mut self, id: EntryId) -> Result<Option<String>, ReadError> {
        let found = self.snapshot.find_id(Area::Timeseries, id)?;
        self.entries += u64::from(found.is_some());
        Ok(found.map(|row| row.data))
    }
}

/// A text that is limited to the size of an answer.
struct Capped {
    text: Vec<u8>,
    bytes_max: usize,
}

impl Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.text.len() + bytes.len() > self.bytes_max {
            return Err(io::Error::other(format!("the diary has more than {} bytes", self.bytes_max)));
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
