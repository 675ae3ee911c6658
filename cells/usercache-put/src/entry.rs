//! One entry of a batch: its identity, and what of it must change or keeps it from being read.

use std::borrow::Cow;

use cells_model::{keys, text};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Deeper nesting than this is set aside: the parsers of readers stop there.
pub(crate) const DEPTH_MAX: usize = 120;
/// From here on, a time in seconds is one in milliseconds: the year 5138, or March 1973.
pub(crate) const MILLISECONDS_FROM: f64 = 1e11;
/// The key under which an entry is set aside whose own key names no stream.
const UNREADABLE_KEY: &str = "error/unreadable_key";

/// Why an entry has no identity, for the phone's developer. Values are not repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadEntry {
    /// Not an object, or broken between its members.
    #[error("the entry is not an object: {0}")]
    NotAnObject(String),
    /// `metadata` is absent or no object.
    #[error("the entry has no object `metadata`")]
    NoMetadata,
    /// One of the three is absent or of another type.
    #[error("the entry's metadata has no {what} `{name}`")]
    NoField {
        /// Which.
        name: &'static str,
        /// What it should be.
        what: &'static str,
    },
}

/// Why an entry is kept apart, for its owner.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetAside {
    /// Bytes that are no text.
    #[error("the phone sent bytes that are not UTF-8; they were replaced")]
    NotUtf8,
    /// Such as `NaN`, or a member twice.
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
    /// `data` is a list, a text or a number.
    #[error("its data is not an object")]
    DataNotAnObject,
}

/// An entry with its identity.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed<'a> {
    /// The stream where it belongs.
    pub key: Cow<'a, str>,
    /// A JSON object, as sent but for a clock in milliseconds.
    pub metadata: Cow<'a, str>,
    /// A JSON object, as sent but for a clock in milliseconds and dots in names; anything JSON where set aside.
    pub data: Cow<'a, str>,
    /// s
    pub write_ts: f64,
    /// `data.ts`, s, where it is a number.
    pub data_ts: Option<f64>,
    /// Why it is kept apart.
    pub aside: Option<SetAside>,
}

/// Reads one entry; `depth` is how deep it nests. Never panics, whatever the bytes.
pub fn parse(bytes: &[u8], depth: usize) -> Result<Parsed<'_>, BadEntry> {
    match std::str::from_utf8(bytes) {
        Ok(entry) => parse_text(entry, depth),
        Err(_) => {
            let entry = String::from_utf8_lossy(bytes);
            let sound = slowly(&entry, SetAside::NotUtf8)?;
            Ok(owned(sound))
        }
    }
}

fn owned(parsed: Parsed<'_>) -> Parsed<'static> {
    Parsed {
        key: Cow::Owned(parsed.key.into_owned()),
        metadata: Cow::Owned(parsed.metadata.into_owned()),
        data: Cow::Owned(parsed.data.into_owned()),
        write_ts: parsed.write_ts,
        data_ts: parsed.data_ts,
        aside: parsed.aside,
    }
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    metadata: &'a RawValue,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Deserialize)]
struct Identity<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    _kind: Cow<'a, str>,
    write_ts: f64,
}

fn parse_text(entry: &str, depth: usize) -> Result<Parsed<'_>, BadEntry> {
    if depth > DEPTH_MAX {
        return slowly(entry, SetAside::TooDeep(depth));
    }
    // One pass checks the grammar of the whole entry. What it refuses is looked at again, slowly.
    let wire: Wire<'_> = match serde_json::from_str(entry) {
        Ok(wire) => wire,
        Err(error) => return slowly(entry, SetAside::NotJson(error.to_string())),
    };
    let (metadata, data) = (wire.metadata.get(), wire.data.get());
    let Identity { key, write_ts, .. } = match serde_json::from_str(metadata) {
        Ok(identity) => identity,
        Err(_) => return slowly(entry, SetAside::NotJson("its metadata has a member twice".to_owned())),
    };
    let metadata = in_seconds(metadata, "write_ts", write_ts);
    let write_ts = seconds(write_ts);
    let mut parsed =
        Parsed { key, metadata, data: Cow::Borrowed(data), write_ts, data_ts: None, aside: None };
    if !keys::is_key(&parsed.key) {
        parsed.aside = Some(SetAside::Key);
        parsed.key = Cow::Borrowed(UNREADABLE_KEY);
    } else if !data.starts_with('{') {
        parsed.aside = Some(SetAside::DataNotAnObject);
    } else {
        normalise_data(&mut parsed, data);
    }
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

/// The longest text of an unreadable entry that is kept, bytes; what is longer is cut.
const KEPT_BYTES_MAX: usize = 512 << 10;

/// Reads the identity of an entry that is not sound JSON. Where its metadata is sound, that is kept, and its data
/// as a text; else the identity is written anew, and the whole entry kept as a text.
fn slowly(entry: &str, why: SetAside) -> Result<Parsed<'static>, BadEntry> {
    let (mut metadata, mut data) = (None, None);
    for member in text::members(entry) {
        let member = member.map_err(|bad| BadEntry::NotAnObject(bad.to_string()))?;
        match member.name {
            "metadata" => metadata = metadata.or(Some(member.value)),
            "data" => data = data.or(Some(member.value)),
            _ => {}
        }
    }
    let metadata = metadata.filter(|text| text.starts_with('{')).ok_or(BadEntry::NoMetadata)?;
    let identity = SlowIdentity::read(metadata)?;
    let flat = !metadata[1..].contains(['{', '[']);
    let (metadata, kept) = if flat && serde_json::from_str::<Identity<'_>>(metadata).is_ok() {
        (in_seconds(metadata, "write_ts", identity.write_ts).into_owned(), data)
    } else {
        (identity.metadata(), Some(entry))
    };
    let (data, why) = match kept {
        None => ("null".to_owned(), SetAside::NoData),
        Some(kept) => (text::quoted(&kept[..kept.floor_char_boundary(KEPT_BYTES_MAX)]), why),
    };
    let key = if keys::is_key(&identity.key) { identity.key } else { UNREADABLE_KEY.to_owned() };
    let (key, metadata, data) = (key.into(), metadata.into(), data.into());
    Ok(Parsed { key, metadata, data, write_ts: seconds(identity.write_ts), data_ts: None, aside: Some(why) })
}

struct SlowIdentity {
    key: String,
    kind: String,
    write_ts: f64,
}

impl SlowIdentity {
    fn read(metadata: &str) -> Result<Self, BadEntry> {
        let (mut key, mut kind, mut write_ts) = (None, None, None);
        for member in text::members(metadata).map_while(Result::ok) {
            match member.name {
                "key" => key = key.or(text::string(member.value)),
                "type" => kind = kind.or(text::string(member.value)),
                "write_ts" => write_ts = write_ts.or(text::number(member.value)),
                _ => {}
            }
        }
        let no = |name, what| BadEntry::NoField { name, what };
        Ok(Self {
            key: key.ok_or(no("key", "text"))?.into_owned(),
            kind: kind.ok_or(no("type", "text"))?.into_owned(),
            write_ts: write_ts.ok_or(no("write_ts", "number"))?,
        })
    }

    fn metadata(&self) -> String {
        let [key, kind] = [&self.key, &self.kind].map(|name| text::quoted(name));
        format!(r#"{{"key":{key},"type":{kind},"write_ts":{:?}}}"#, seconds(self.write_ts))
    }
}
