//! Reads the usual entry in one pass: valid JSON with its identity, which needs no changes.
//!
//! Returns nothing for all others, which [`cells_model::sent::parse`] then reads part by part. Where both return a
//! result, the results are equal; the property test beside [`crate::properties`] compares them.

use std::borrow::Cow;
use std::ops::Range;

use cells_model::keys;
use cells_model::scan::{BadJson, Scan};
use cells_model::sent::{DEPTH_MAX, MILLISECONDS_FROM, Parsed};

/// Levels below a member of the entry, and below a member of its metadata or data.
const LEVELS: u32 = DEPTH_MAX as u32 - 1;

/// Reads the entry at the start of `text`; returns its length and its content.
pub fn parse_usual(text: &str) -> Option<(usize, Parsed<'_>)> {
    let mut scan = Scan::new(text.as_bytes());
    let found = Found::read(&mut scan, text).ok()??;
    if scan.is_doubtful() {
        return None;
    }
    let Found { metadata, data, identity, ts } = found;
    let Identity { key, write_ts } = identity?;
    let data_ts = match ts {
        None => None,
        Some(range) => Some(usual_time(&text[range])?),
    };
    let parsed = Parsed {
        key: Cow::Borrowed(key),
        metadata: Cow::Borrowed(&text[metadata?]),
        data: Cow::Borrowed(&text[data?]),
        write_ts,
        data_ts,
        aside: None,
    };
    Some((scan.at(), parsed))
}

/// A time in seconds; one in milliseconds, or none at all, is not usual.
fn usual_time(number: &str) -> Option<f64> {
    number.parse().ok().filter(|ts: &f64| ts.abs() < MILLISECONDS_FROM)
}

struct Identity<'a> {
    key: &'a str,
    write_ts: f64,
}

#[derive(Default)]
struct Found<'a> {
    metadata: Option<Range<usize>>,
    data: Option<Range<usize>>,
    identity: Option<Identity<'a>>,
    /// The first `ts` of data that is a number.
    ts: Option<Range<usize>>,
}

/// `Ok(None)`: valid so far, but not usual.
type Seen<T> = Result<Option<T>, BadJson>;

impl<'a> Found<'a> {
    fn read(scan: &mut Scan<'_>, text: &'a str) -> Seen<Self> {
        let mut found = Self::default();
        let mut more = scan.open()?;
        while more {
            let name = scan.name()?;
            let start = scan.at();
            match name {
                b"metadata" if found.metadata.is_none() => {
                    found.identity = Identity::read(scan, text)?;
                    found.metadata = Some(start..scan.at());
                    if found.identity.is_none() {
                        return Ok(None);
                    }
                }
                b"data" if found.data.is_none() && scan.peek() == Some(b'{') => {
                    found.ts = time_of_data(scan)?;
                    found.data = Some(start..scan.at());
                }
                b"metadata" | b"data" => return Ok(None),
                _ if name.contains(&b'\\') => return Ok(None),
                _ => scan.value(LEVELS)?,
            }
            more = scan.more()?;
        }
        Ok(Some(found))
    }
}

impl<'a> Identity<'a> {
    fn read(scan: &mut Scan<'_>, text: &'a str) -> Seen<Self> {
        let (mut key, mut kind, mut write_ts) = (None, None, None);
        let mut more = scan.open()?;
        while more {
            let name = scan.name()?;
            let start = scan.at();
            scan.value(LEVELS - 1)?;
            let value = &text[start..scan.at()];
            let place = match name {
                b"key" => &mut key,
                b"type" => &mut kind,
                b"write_ts" => &mut write_ts,
                _ if name.contains(&b'\\') => return Ok(None),
                _ => {
                    more = scan.more()?;
                    continue;
                }
            };
            if place.replace(value).is_some() {
                return Ok(None);
            }
            more = scan.more()?;
        }
        let usual = || {
            let key = bare(key?).filter(|key| keys::is_key(key) && !key.contains("stats"))?;
            bare(kind?)?;
            // A number begins with a digit or its sign, which no other value does.
            let write_ts =
                write_ts.filter(|text| text.starts_with(|c: char| c == '-' || c.is_ascii_digit()))?;
            Some(Self { key, write_ts: usual_time(write_ts)? })
        };
        Ok(usual())
    }
}

/// The text between the quotes of a string without escapes.
fn bare(value: &str) -> Option<&str> {
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    (!inner.contains('\\')).then_some(inner)
}

fn time_of_data(scan: &mut Scan<'_>) -> Seen<Range<usize>> {
    let mut ts = None;
    let mut named = false;
    let mut more = scan.open()?;
    while more {
        // Of several members of that name the first counts, whatever it holds.
        let is_ts = scan.name()? == b"ts" && !std::mem::replace(&mut named, true);
        let start = scan.at();
        let is_number = is_ts && matches!(scan.peek(), Some(b'-' | b'0'..=b'9'));
        scan.value(LEVELS - 1)?;
        if is_number {
            ts = Some(start..scan.at());
        }
        more = scan.more()?;
    }
    Ok(ts)
}
