//! Formats that are JSON: a list of records within objects, or a record in each line.
//!
//! A record is read as a text, member by member, and nothing of it is kept as a tree: files have millions of them.

mod geojson;
mod google;
pub mod stream;
mod trackers;

use std::io::{BufRead, BufReader, Read as _};
use std::ops::ControlFlow;

use cells_json::scan::check;
use cells_json::text::{self, members};
use cells_model::keys::is_analysis;

use crate::{Fix, Format, Item, RAW_BYTES_MAX, ReadError, Reading, Refused, Takes};
use stream::{BadStream, Bracket, ITEM_BYTES_MAX, JsonStream};

/// How deep the list of records may lie in objects.
const OBJECTS_MAX: usize = 4;
/// How deep a record may nest.
const LEVELS_MAX: u32 = 120;

/// Gives the items of one record, which begins at byte `at`; the reason where it was not understood.
type Reads = fn(&mut Record<'_, '_>) -> Result<(), &'static str>;

/// A record while it is read.
struct Record<'a, 't> {
    text: &'a str,
    at: u64,
    /// Whether the reader of the format ended the reading.
    ended: bool,
    take: Takes<'t>,
}

impl Record<'_, '_> {
    /// Gives a reading without the record.
    fn give(&mut self, reading: Reading) {
        self.give_with(reading, "");
    }

    /// Gives a fix, after its check.
    fn give_fix(&mut self, fix: Fix, raw: &str) -> Result<(), &'static str> {
        self.give_with(Reading::Fix(fix.checked()?), raw);
        Ok(())
    }

    /// Gives a reading and the record that says more. A record that is no JSON, or very long, is not kept.
    fn give_with(&mut self, reading: Reading, raw: &str) {
        let kept = raw.len() <= RAW_BYTES_MAX && !raw.is_empty() && check(raw, LEVELS_MAX).is_ok();
        let raw = if kept { raw } else { "" };
        self.item(Item::Reading { reading, raw });
    }

    fn item(&mut self, item: Item<'_>) {
        if !self.ended {
            self.ended = (self.take)(item).is_break();
        }
    }
}

/// The lists that have a format's records, by the name of the member; a list at the top always counts.
fn lists(format: Format) -> &'static [&'static str] {
    match format {
        Format::GoogleRecords => &["locations"],
        Format::GoogleSemantic => &["timelineObjects"],
        Format::GoogleTimeline => &["semanticSegments", "rawSignals"],
        Format::Geojson => &["features", "locations"],
        Format::Owntracks => &["dawarich-export", "points", "locations", "data"],
        Format::Traccar => &["positions", "data"],
        Format::Emission => &["timeseries", "usercache"],
        _ => &[],
    }
}

fn reads(format: Format) -> Reads {
    match format {
        Format::GoogleRecords => google::record,
        Format::GoogleSemantic => google::semantic,
        Format::GoogleTimeline => google::timeline,
        Format::Geojson => geojson::feature,
        Format::Traccar => trackers::traccar,
        Format::Emission => entry,
        _ => trackers::owntracks,
    }
}

/// How an export of everything about a person begins.
const EXPORT: &[u8] = b"{\"format\":\"cellar-export-";

/// An entry of a dump is for the reader of entries.
fn entry(record: &mut Record<'_, '_>) -> Result<(), &'static str> {
    let text = record.text;
    record.item(Item::Entry(text.as_bytes()));
    Ok(())
}

/// Reads a file of a format that is JSON.
pub fn read(format: Format, source: &mut dyn BufRead, take: Takes<'_>) -> Result<(), ReadError> {
    let is_export = format == Format::Emission && source.fill_buf()?.starts_with(EXPORT);
    let mut stream = JsonStream::new(source);
    let mut walk = Walk { format, is_export, reads: reads(format), take, item: Vec::new() };
    walk.document(&mut stream).map_err(|error| broken(format, error))
}

fn broken(format: Format, error: BadStream) -> ReadError {
    match error {
        BadStream::Read(error) => ReadError::Read(error),
        BadStream::Structure { at, why } => ReadError::Broken { format, at, why: why.to_owned() },
        BadStream::TooLong { at, .. } => ReadError::Broken { format, at, why: error.to_string() },
    }
}

struct Walk<'t> {
    format: Format,
    /// Whether it is an export of everything about a person: what phones and people said counts, since results are
    /// computed again.
    is_export: bool,
    reads: Reads,
    take: Takes<'t>,
    item: Vec<u8>,
}

impl Walk<'_> {
    /// One value after the other, until the end: programs also write a record in each line.
    fn document<R: BufRead>(&mut self, stream: &mut JsonStream<R>) -> Result<(), BadStream> {
        stream.skip_mark()?;
        while let Some(first) = stream.peek()? {
            let went_on = match first {
                b'[' => self.list(stream)?,
                b'{' if self.has_list_within() => self.object(stream, 0)?,
                _ => self.one(stream)?,
            };
            if went_on.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Whether an object at the top holds records, or is one.
    fn has_list_within(&self) -> bool {
        self.format != Format::Emission || self.is_export
    }

    fn object<R: BufRead>(
        &mut self,
        stream: &mut JsonStream<R>,
        depth: usize,
    ) -> Result<ControlFlow<()>, BadStream> {
        let (mut open, begin) = (stream.open(Bracket::Object)?, stream.at());
        let mut own = Vec::new();
        while stream.more(&mut open)? {
            let name = stream.name()?;
            match stream.peek()? {
                Some(b'[') if lists(self.format).contains(&name.as_str()) => {
                    if self.list(stream)?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                Some(b'{') if depth < OBJECTS_MAX && !self.is_export && !is_of_record(self.format, &name) => {
                    if self.object(stream, depth + 1)?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                // The members of an object that is a record itself: a single feature, a line of a log.
                _ if depth == 0 && !self.is_export => {
                    stream.value(&mut self.item)?;
                    if own.len() + self.item.len() <= ITEM_BYTES_MAX {
                        own.extend_from_slice(if own.is_empty() { b"{\"" } else { b",\"" });
                        own.extend_from_slice(name.as_bytes());
                        own.extend_from_slice(b"\":");
                        own.extend_from_slice(&self.item);
                    }
                }
                _ => stream.skip()?,
            }
        }
        own.push(b'}');
        if depth == 0 && is_record(self.format, &own) {
            return Ok(self.record(&own, begin));
        }
        Ok(ControlFlow::Continue(()))
    }

    fn list<R: BufRead>(&mut self, stream: &mut JsonStream<R>) -> Result<ControlFlow<()>, BadStream> {
        let mut open = stream.open(Bracket::List)?;
        while stream.more(&mut open)? {
            if self.one(stream)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn one<R: BufRead>(&mut self, stream: &mut JsonStream<R>) -> Result<ControlFlow<()>, BadStream> {
        let at = stream.at();
        let mut item = std::mem::take(&mut self.item);
        let read = stream.value(&mut item);
        let went_on = read.map(|()| self.record(&item, at));
        self.item = item;
        went_on
    }

    fn record(&mut self, bytes: &[u8], at: u64) -> ControlFlow<()> {
        if self.is_export && !is_said(bytes) {
            return ControlFlow::Continue(());
        }
        give(self.format, self.reads, bytes, at, self.take)
    }
}

/// Whether an entry of an export came from a phone or a person, and is not hidden. What cannot be read is for its reader.
fn is_said(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return true };
    let key = text::value_of(text, "metadata").and_then(|metadata| text::value_of(metadata, "key"));
    let is_result = key.and_then(text::string).is_some_and(|key| is_analysis(&key));
    !is_result && text::value_of(text, "invalid") != Some("true")
}

/// Whether a member of that name is part of a record, which is kept whole.
fn is_of_record(format: Format, name: &str) -> bool {
    match format {
        Format::Geojson => matches!(name, "geometry" | "properties"),
        _ => matches!(name, "attributes" | "position"),
    }
}

/// Whether the members of an object at the top are a record.
fn is_record(format: Format, own: &[u8]) -> bool {
    let Ok(own) = std::str::from_utf8(own) else { return false };
    let has = |name: &str| text::value_of(own, name).is_some();
    match format {
        Format::Geojson => has("geometry") || has("coordinates"),
        Format::Owntracks => has("_type") || has("tst"),
        Format::Traccar => has("fixTime"),
        _ => false,
    }
}

fn give(format: Format, reads: Reads, bytes: &[u8], at: u64, take: Takes<'_>) -> ControlFlow<()> {
    if format == Format::Emission {
        return take(Item::Entry(bytes));
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return take(Item::Refused(Refused::new(at, "it is not UTF-8", &String::from_utf8_lossy(bytes))));
    };
    let mut record = Record { text, at, ended: false, take };
    let done = if text.starts_with('{') { reads(&mut record) } else { Err("it is not an object") };
    if let Err(why) = done {
        let refused = Refused::new(record.at, why, text);
        record.item(Item::Refused(refused));
    }
    if record.ended { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

/// The longest line of a log, bytes.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// Reads a log of OwnTracks' recorder: a time, a word and a payload in each line, with tabs between.
pub fn lines(format: Format, source: &mut dyn BufRead, take: Takes<'_>) -> Result<(), ReadError> {
    let mut source = BufReader::new(source);
    let (mut line, mut at) = (Vec::new(), 0);
    loop {
        line.clear();
        let read =
            std::io::Read::by_ref(&mut source).take(LINE_BYTES_MAX).read_until(b'\n', &mut line)? as u64;
        if read == 0 {
            return Ok(());
        }
        if read == LINE_BYTES_MAX && !line.ends_with(b"\n") {
            let why = format!("a line has more than {LINE_BYTES_MAX} bytes");
            return Err(ReadError::Broken { format, at, why });
        }
        let payload = line.rsplit(|byte| *byte == b'\t').next().unwrap_or_default().trim_ascii();
        if !payload.is_empty() && give(format, trackers::owntracks, payload, at, take).is_break() {
            return Ok(());
        }
        at += read;
    }
}

/// Calls `each` with the name and the text of every member.
fn each_member<'a>(record: &'a str, mut each: impl FnMut(&'a str, &'a str)) -> Result<(), &'static str> {
    for member in members(record) {
        let member = member.map_err(|_| "it is not JSON")?;
        each(member.name, member.value);
    }
    Ok(())
}

/// A number, or a text that has one.
fn number(value: &str) -> Option<f64> {
    text::number(value).or_else(|| crate::number::plain(&text::string(value)?))
}

/// A moment as a number or a text, s.
fn moment(value: &str) -> Option<f64> {
    match text::string(value) {
        Some(text) => crate::moment::seconds(&text),
        None => text::number(value).map(crate::moment::of_number),
    }
}
