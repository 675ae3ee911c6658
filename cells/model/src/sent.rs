//! An entry as a phone sent it: its identity, the changes that it needs, and why it cannot be read.
//!
//! An entry whose text is not valid JSON in UTF-8 is never refused, since the phone would send its whole batch again
//! for ever: the readable part of its identity is kept, and the rest as a string ([`crate::aside`]). A valid entry
//! without its identity (`metadata.type`, `metadata.key`, `metadata.write_ts`) is a mistake of the phone's developer,
//! and refused.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::aside::Kept;
use crate::scan::Scan;
use crate::{keys, text};

/// Deeper nesting than this is set aside: the parsers of readers stop there.
pub const DEPTH_MAX: usize = 120;
/// A time from this on is in milliseconds instead of seconds: the year 5138, or March 1973.
pub const MILLISECONDS_FROM: f64 = 1e11;
/// The key under which an entry is set aside if its own key names no stream.
pub const UNREADABLE_KEY: &str = "error/unreadable_key";
/// `metadata.type` of an entry that is set aside if its own cannot be read.
const UNREADABLE_TYPE: &str = "unreadable";
/// The `write_ts` of such an entry, s: the same at each resend, so that a resend is recognised.
const UNREADABLE_WRITE_TS: f64 = 0.0;
/// The bytes that some programs write before UTF-8.
pub const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Why an entry has no identity, for the phone's developer. Values are not repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadEntry {
    /// A list, a string, a number.
    #[error("the entry is not an object")]
    NotAnObject,
    /// `metadata` is absent or no object.
    #[error("the entry has no object `metadata`")]
    NoMetadata,
    /// One of the three is absent or of another type.
    #[error("the entry's metadata has no {what} `{name}`")]
    NoField {
        /// The member.
        name: &'static str,
        /// The required type.
        what: &'static str,
    },
}

/// Why an entry is set aside, for its owner.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetAside {
    /// Bytes that are not UTF-8.
    #[error("the phone sent bytes that are not UTF-8; they were replaced")]
    NotUtf8,
    /// Such as `NaN`, half of a surrogate pair, or a member twice.
    #[error("it cannot be read: {0}")]
    NotJson(String),
    /// More than 120 levels.
    #[error("it nests {0} levels deep, more than 120")]
    TooDeep(usize),
    /// The key names no stream.
    #[error("its key is not of the form family/name")]
    Key,
    /// `data` is absent.
    #[error("it has no data")]
    NoData,
    /// `data` is a list, a string or a number.
    #[error("its data is not an object")]
    DataNotAnObject,
}

/// An entry with its identity.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed<'a> {
    /// The stream that it belongs to.
    pub key: Cow<'a, str>,
    /// A JSON object, as sent except for a time in milliseconds.
    pub metadata: Cow<'a, str>,
    /// A JSON object, as sent except for a time in milliseconds and dots in names; any JSON where it is set aside.
    pub data: Cow<'a, str>,
    /// s
    pub write_ts: f64,
    /// `data.ts`, s, where it is a number.
    pub data_ts: Option<f64>,
    /// Why it is set aside, and which part of it `data` is then.
    pub aside: Option<(SetAside, Kept)>,
}

/// Reads one entry; `depth` is the depth of its nesting. Never panics, whatever the bytes.
///
/// # Errors
/// [`BadEntry`] where the entry is valid JSON without an identity.
pub fn parse(bytes: &[u8], depth: usize) -> Result<Parsed<'_>, BadEntry> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(entry) => match why_unreadable(entry, depth) {
            Some(why) => Ok(unreadable(entry, why)),
            None => parse_sound(entry),
        },
        Err(_) => Ok(unreadable(&String::from_utf8_lossy(bytes), SetAside::NotUtf8)),
    }
}

/// Why no parser can build the text's value, if none can. `depth` is the depth of its nesting.
pub fn why_unreadable(entry: &str, depth: usize) -> Option<SetAside> {
    if depth > DEPTH_MAX {
        return Some(SetAside::TooDeep(depth));
    }
    let mut scan = Scan::new(entry.trim_ascii_start().as_bytes());
    if let Err(bad) = scan.value(DEPTH_MAX as u32).and_then(|()| scan.end()) {
        return Some(SetAside::NotJson(bad.to_string()));
    }
    // Rarely true: a number that may be beyond doubles, or half of a surrogate pair.
    let built = scan.is_doubtful().then(|| serde_json::from_str::<serde_json::Value>(entry));
    Some(SetAside::NotJson(built?.err()?.to_string()))
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Identity<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    _kind: Cow<'a, str>,
    write_ts: f64,
}

/// Reads an entry that is JSON.
fn parse_sound(entry: &str) -> Result<Parsed<'_>, BadEntry> {
    let twice = |what: &str| unreadable(entry, SetAside::NotJson(format!("{what} has a member twice")));
    if !entry.trim_ascii_start().starts_with('{') {
        return Err(BadEntry::NotAnObject);
    }
    let Ok(Wire { metadata, data }) = serde_json::from_str::<Wire<'_>>(entry) else { return Ok(twice("it")) };
    let metadata = metadata.map(RawValue::get).filter(|text| text.starts_with('{'));
    let metadata = metadata.ok_or(BadEntry::NoMetadata)?;
    let Ok(Identity { key, write_ts, .. }) = serde_json::from_str(metadata) else {
        // Either of them is missing, or one occurs twice.
        return SlowIdentity::read(metadata).complete().map(|()| twice("its metadata"));
    };
    let metadata = in_seconds(metadata, "write_ts", write_ts);
    let data = data.map(RawValue::get);
    let mut parsed = Parsed {
        key,
        metadata,
        data: Cow::Borrowed(data.unwrap_or("null")),
        write_ts: seconds(write_ts),
        data_ts: None,
        aside: None,
    };
    let why = match data {
        _ if !keys::is_key(&parsed.key) => {
            parsed.key = Cow::Borrowed(UNREADABLE_KEY);
            SetAside::Key
        }
        None => SetAside::NoData,
        Some(data) if data.starts_with('{') => {
            normalise_data(&mut parsed, data);
            return Ok(parsed);
        }
        Some(_) => SetAside::DataNotAnObject,
    };
    parsed.aside = Some((why, Kept::AsSent));
    Ok(parsed)
}

fn normalise_data<'a>(parsed: &mut Parsed<'a>, data: &'a str) {
    let ts = text::value_of(data, "ts").and_then(text::number);
    if let Some(ts) = ts {
        parsed.data_ts = Some(seconds(ts));
        parsed.data = in_seconds(data, "ts", ts);
    }
    if parsed.key.contains("stats") {
        parsed.data = match std::mem::take(&mut parsed.data) {
            Cow::Borrowed(data) => text::without_dots_in_names(data),
            Cow::Owned(data) => Cow::Owned(text::without_dots_in_names(&data).into_owned()),
        };
    }
}

fn seconds(ts: f64) -> f64 {
    if ts >= MILLISECONDS_FROM { ts / 1_000.0 } else { ts }
}

/// The object with that time in seconds; all other bytes stay.
fn in_seconds<'a>(object: &'a str, name: &str, ts: f64) -> Cow<'a, str> {
    if ts < MILLISECONDS_FROM {
        return Cow::Borrowed(object);
    }
    let Some(member) = text::member(object, name) else { return Cow::Borrowed(object) };
    let range = member.value_range();
    Cow::Owned(format!("{}{:?}{}", &object[..range.start], seconds(ts), &object[range.end..]))
}

/// The longest text of an unreadable entry that is kept, bytes; a longer one is cut.
const KEPT_BYTES_MAX: usize = 512 << 10;

/// The part that is kept of an entry that cannot be read. Where its metadata is valid, the metadata stays, and its data
/// becomes a string; otherwise its identity is written again as far as it can be found, and the whole entry becomes a
/// string.
pub fn unreadable(entry: &str, why: SetAside) -> Parsed<'static> {
    let (mut metadata, mut data) = (None, None);
    for member in text::members(entry).map_while(Result::ok) {
        match member.name {
            "metadata" => metadata = metadata.or(Some(member.value)),
            "data" => data = data.or(Some(member.value)),
            _ => {}
        }
    }
    let identity = SlowIdentity::read(metadata.unwrap_or_default());
    let write_ts = identity.write_ts.unwrap_or(UNREADABLE_WRITE_TS);
    // Metadata of phones is flat; other metadata might be too deep for a parser.
    let sound = |metadata: &&str| {
        let flat = metadata.len() > 1 && !metadata[1..].contains(['{', '[']);
        flat && serde_json::from_str::<Identity<'_>>(metadata).is_ok()
            && why_unreadable(metadata, 1).is_none()
    };
    let (metadata, of_text, kept) = match (metadata.filter(sound), data) {
        (Some(metadata), Some(data)) => {
            (in_seconds(metadata, "write_ts", write_ts).into_owned(), data, Kept::Data)
        }
        _ => (identity.metadata(), entry, Kept::Entry),
    };
    let kept = if of_text.len() > KEPT_BYTES_MAX { Kept::Cut } else { kept };
    let data = text::quoted(&of_text[..of_text.floor_char_boundary(KEPT_BYTES_MAX)]);
    let key = identity.key.filter(|key| keys::is_key(key)).unwrap_or_else(|| UNREADABLE_KEY.to_owned());
    let (key, metadata, data) = (key.into(), metadata.into(), data.into());
    Parsed { key, metadata, data, write_ts: seconds(write_ts), data_ts: None, aside: Some((why, kept)) }
}

/// The parts of an identity that can be found, member by member.
struct SlowIdentity {
    key: Option<String>,
    kind: Option<String>,
    write_ts: Option<f64>,
}

impl SlowIdentity {
    fn read(metadata: &str) -> Self {
        let mut found = Self { key: None, kind: None, write_ts: None };
        for member in text::members(metadata).map_while(Result::ok) {
            match member.name {
                "key" => found.key = found.key.or(text::string(member.value).map(Cow::into_owned)),
                "type" => found.kind = found.kind.or(text::string(member.value).map(Cow::into_owned)),
                "write_ts" => found.write_ts = found.write_ts.or(text::number(member.value)),
                _ => {}
            }
        }
        found
    }

    fn complete(&self) -> Result<(), BadEntry> {
        let missing = [
            ("key", "text", self.key.is_none()),
            ("type", "text", self.kind.is_none()),
            ("write_ts", "number", self.write_ts.is_none()),
        ];
        match missing.into_iter().find(|(.., missing)| *missing) {
            Some((name, what, _)) => Err(BadEntry::NoField { name, what }),
            None => Ok(()),
        }
    }

    fn metadata(&self) -> String {
        let key = text::quoted(self.key.as_deref().unwrap_or(UNREADABLE_KEY));
        let kind = text::quoted(self.kind.as_deref().unwrap_or(UNREADABLE_TYPE));
        let write_ts = seconds(self.write_ts.unwrap_or(UNREADABLE_WRITE_TS));
        format!(r#"{{"key":{key},"type":{kind},"write_ts":{write_ts:?}}}"#)
    }
}
