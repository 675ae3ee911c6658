//! A person's diary written for other programs.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use cells_model::EntryId;
use runtime_diary::{ExportError, Format, Source, Visit, Written};
use runtime_store::{ReadError, Snapshot};
use runtime_types::TimeField;
use runtime_user::{Area, Query, Runtime, StreamKey, UserId};
use serde_json::{Value, json};

use runtime_program::Failure;

/// What an answer may carry; more goes into a file.
const TEXT_BYTES_MAX: usize = 256 << 20;

/// Writes the trips that begin from `from` to `to`, s, both closed, into a file that is not there yet, which only its
/// owner may read, or into the answer.
pub(super) fn export(
    runtime: &Runtime,
    user: UserId,
    format: Format,
    [from, to]: [f64; 2],
    output: Option<&Path>,
) -> Result<Value, Failure> {
    let person = runtime.person(user);
    let person = person.map_err(|error| {
        Failure::of(&error, "look into the host's log; a suspended person is resumed first")
    })?;
    let mut source = Stored(person.store.snapshot());
    let mut answer = json!({ "id": user.dashed(), "output": output });
    let written = match output {
        Some(output) => into_file(&mut source, format, [from, to], output)?,
        None => {
            let mut text = Capped(Vec::new());
            let written = runtime_diary::write(&mut source, format, from, to, &mut text);
            let written = written.map_err(|error| Failure::of(&error, "name a file with --output"))?;
            let text = String::from_utf8(text.0);
            answer["text"] = text.map_err(|error| Failure::of(&error, "report this"))?.into();
            written
        }
    };
    answer["trips"] = written.trips.into();
    answer["unread"] = written.unread.into();
    Ok(answer)
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
        // Half a diary must not be taken for a whole one.
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
struct Stored(Snapshot);

impl Stored {
    fn visit(&self, query: &Query, visit: Visit<'_>) -> Result<(), ReadError> {
        let mut cursor = self.0.find(query)?;
        let visited = cursor.visit(&mut |row| {
            visit(EntryId(row.id.0), row.data);
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
        let found = self.0.find_id(Area::Timeseries, runtime_types::EntryId(id.0))?;
        Ok(found.map(|row| row.data))
    }
}

/// A text that does not outgrow an answer.
struct Capped(Vec<u8>);

impl Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > TEXT_BYTES_MAX {
            return Err(io::Error::other(format!("more than {TEXT_BYTES_MAX} bytes")));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
