//! Exports everything that is stored about a person into one file that people and programs can read.
//!
//! `{"format", "user", "exported_ts", "documents", "timeseries", "usercache", "errors", "audit", "origins"}`: entries
//! as the HTTP API returns them, with their ids and with hidden entries; documents by name, as JSON where they are JSON
//! and as hex digits where not, without those that hold a private key. `origins` is `{"key", "timeseries", "errors"}`: for each id, the digest of what the
//! phone had sent, and the key of these digests, so that a resend is recognised wherever the entries are imported
//! (docs/decisions/0009).
//!
//! Where the file is named `.zip`, it is an archive of that file and of the diary in every form for other programs
//! ([`archive`]).

mod archive;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use runtime_store::{Row, Snapshot};
use runtime_user::{Area, AuditRead, Query, Runtime, UserId, is_private_document, told_document};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use super::ask::{Ask, Context};
use super::remedy::logged;
use crate::http::service::now;
use runtime_program::Failure;

/// The value of the member `format`.
pub(super) const FORMAT: &str = "cellar-export-1";
/// The areas, each under its name in the file.
pub(super) const AREAS: [(&str, Area); 4] = [
    ("timeseries", Area::Timeseries),
    ("usercache", Area::Usercache),
    ("errors", Area::Errors),
    ("audit", Area::Audit),
];

/// The areas whose entries have origins: in the usercache, the texts themselves identify a resend.
pub(super) const ORIGIN_AREAS: [Area; 2] = [Area::Timeseries, Area::Errors];

/// Writes everything that is stored about a person into one file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportPerson {
    /// The person, by name or id.
    pub person: String,
    /// The file: an absolute path, at which no file exists yet. One that ends with `.zip` becomes an archive.
    pub output: PathBuf,
}

/// The answer to [`ExportPerson`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exported {
    /// The person's id.
    pub id: String,
    /// The file.
    pub output: PathBuf,
    /// The number of entries in the file, by area.
    pub entries: BTreeMap<String, u64>,
}

impl Ask for ExportPerson {
    type Answer = Exported;

    fn answer(self, context: &Context<'_>) -> Result<Exported, Failure> {
        export(context.runtime, context.find(&self.person)?, &self.output)
    }
}

/// Writes the file, which must not exist yet and which only its owner may read.
fn export(runtime: &Runtime, user: UserId, output: &Path) -> Result<Exported, Failure> {
    let of_file = |error: io::Error| Failure::of_file(output, &error);
    let record = runtime.people().show(&user.to_string());
    let record = record.map_err(logged)?;
    let person = runtime.person(user);
    let person = person.map_err(|error| {
        Failure::of(&error, "look into the host's log; a suspended person is resumed first")
    })?;
    let snapshot = person.store.snapshot();
    // Told first: whatever the file has, its owner sees that it left.
    let told = person.console_begins("export", reads(&snapshot), now()).map_err(logged)?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(output).map_err(of_file)?;
    let about = About {
        user,
        name: &record.name,
        created_ts: record.created_ts,
        origins_key: &person.store.origins_key(),
    };
    let written = match output.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zip")) {
        true => archive::write(&file, snapshot, &about),
        false => write_plain(&file, &snapshot, &about),
    };
    let counts = written.map_err(|error| {
        // An incomplete export must not be mistaken for a complete one.
        let _ = std::fs::remove_file(output);
        of_file(error)
    })?;
    person.console_ends(told, counts.values().sum());
    Ok(Exported { id: user.dashed(), output: output.to_owned(), entries: counts })
}

/// What an export reads: all entries of each area, and all documents.
fn reads(snapshot: &Snapshot) -> Vec<AuditRead> {
    let streams = snapshot.streams();
    let entries =
        |area| streams.iter().filter(|(stream, _)| stream.area == area).map(|(_, count)| count).sum();
    let of_area = |(name, area): (&str, Area)| AuditRead {
        area: Some(name.to_owned()),
        entries: entries(area),
        ..AuditRead::new("export", Vec::new())
    };
    let documents = snapshot.documents();
    let told: BTreeSet<_> = documents.iter().map(|name| told_document(name).into_owned()).collect();
    let documents = AuditRead::new("document", told.into_iter().collect());
    AREAS.map(of_area).into_iter().chain([documents]).collect()
}

/// Whose export it is.
struct About<'a> {
    user: UserId,
    name: &'a str,
    created_ts: f64,
    origins_key: &'a [u8],
}

fn write_plain(file: &File, snapshot: &Snapshot, about: &About<'_>) -> io::Result<BTreeMap<String, u64>> {
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let counts = write_all(&mut out, snapshot, about)?;
    out.flush()?;
    file.sync_all()?;
    Ok(counts)
}

fn write_all(
    out: &mut impl Write,
    snapshot: &Snapshot,
    about: &About<'_>,
) -> io::Result<BTreeMap<String, u64>> {
    let About { user, name, created_ts, origins_key } = *about;
    let of_user = json!({ "id": user.to_string(), "name": name, "created_ts": created_ts });
    write!(
        out,
        "{{\"format\":\"{FORMAT}\",\n\"user\":{of_user},\n\"exported_ts\":{},\n\"documents\":{{",
        now()
    )?;
    let documents = snapshot.documents();
    let exported = documents.iter().filter(|name| !is_private_document(name));
    for (index, document) in exported.enumerate() {
        let content = snapshot.document(document).map_err(io::Error::other)?.unwrap_or_default();
        let comma = if index == 0 { "" } else { "," };
        write!(out, "{comma}\n{}:{}", json!(document), document_text(&content))?;
    }
    write!(out, "\n}}")?;
    let mut counts = BTreeMap::new();
    let mut origins = String::new();
    for (name, area) in AREAS {
        write!(out, ",\n\"{name}\":[")?;
        let mut told = String::new();
        counts.insert(name.to_owned(), write_area(out, snapshot, user, area, &mut told)?);
        write!(out, "\n]")?;
        if ORIGIN_AREAS.contains(&area) {
            origins.push_str(&format!(",\n\"{name}\":{{{told}\n}}"));
        }
    }
    writeln!(out, ",\n\"origins\":{{\"key\":\"{}\"{origins}}}}}", hex(origins_key))?;
    Ok(counts)
}

/// `{"json": ...}` where the content is JSON, byte for byte; `{"hex": "..."}` where it is not.
fn document_text(content: &[u8]) -> String {
    match serde_json::from_slice::<&RawValue>(content) {
        // Bytes around the value would be lost, so the content counts as JSON only where the value is all of it.
        Ok(value) if value.get().len() == content.len() => format!("{{\"json\":{value}}}"),
        _ => format!("{{\"hex\":\"{}\"}}", hex(content)),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn write_area(
    out: &mut impl Write,
    snapshot: &Snapshot,
    user: UserId,
    area: Area,
    origins: &mut String,
) -> io::Result<u64> {
    let mut cursor = snapshot.find(&Query::everything(area)).map_err(io::Error::other)?;
    let (mut count, mut outcome) = (0_u64, Ok(()));
    cursor
        .visit(&mut |row| {
            outcome = write_entry(out, user, row, count == 0);
            count += 1;
            if row.origin != 0 {
                let comma = if origins.is_empty() { "" } else { "," };
                origins.push_str(&format!("{comma}\n\"{}\":\"{:016x}\"", row.id, row.origin));
            }
            if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
        .map_err(io::Error::other)?;
    outcome.map(|()| count)
}

fn write_entry(out: &mut impl Write, user: UserId, row: &Row<'_>, first: bool) -> io::Result<()> {
    let comma = if first { "" } else { "," };
    let Row { id, metadata, data, extra, invalid, .. } = row;
    write!(
        out,
        "{comma}\n{{\"_id\":{{\"$oid\":\"{id}\"}},\"user_id\":{{\"$uuid\":\"{user}\"}},\"metadata\":{metadata},\"data\":{data}"
    )?;
    if *invalid {
        write!(out, ",\"invalid\":true")?;
    }
    if !extra.is_empty() {
        write!(out, ",{extra}")?;
    }
    write!(out, "}}")
}

#[cfg(test)]
mod tests {
    use super::document_text;

    #[test]
    fn a_document_that_is_no_json_is_written_in_hex() {
        assert_eq!(document_text(b"{\"a\": 1.50}"), "{\"json\":{\"a\": 1.50}}");
        assert_eq!(document_text(b"\x00\xff"), "{\"hex\":\"00ff\"}");
        assert_eq!(document_text(b" 1"), "{\"hex\":\"2031\"}");
        assert_eq!(document_text(b""), "{\"hex\":\"\"}");
    }
}
