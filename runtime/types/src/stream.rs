//! Streams, and the areas that hold them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use cells_contract::{KEY_PART_BYTES_MAX, is_key};

/// Where an entry is kept; each area has its own streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Area {
    /// The input of the analysis: accepted entries, and everything that stages wrote.
    Timeseries = 0,
    /// Entries that phones have put and no stage has accepted yet.
    Usercache = 1,
    /// Entries that could not be accepted, each with its reason.
    Errors = 2,
    /// Who read what: the runtime's own notes. No cell reads or writes it.
    Audit = 3,
}

impl Area {
    /// Every area.
    pub const ALL: [Self; 4] = [Self::Timeseries, Self::Usercache, Self::Errors, Self::Audit];

    /// The area with that number in a stored descriptor.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|area| *area as u8 == number)
    }
}

/// Why a text does not name a stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a stream key is family/name, each part 1 to {KEY_PART_BYTES_MAX} of a-z, A-Z, 0-9, '_', '-' and '.'"
)]
pub struct BadStreamKey;

/// The name of a stream: `family/name`, such as `background/location`. Each part has 1 to 64 of `a-z A-Z 0-9 _ - .`,
/// since phones use keys such as `diary/trips-2020-09-13`. Clones share the text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamKey(Arc<str>);

impl StreamKey {
    /// Parses `family/name`.
    pub fn parse(text: &str) -> Result<Self, BadStreamKey> {
        if is_key(text) { Ok(Self(text.into())) } else { Err(BadStreamKey) }
    }

    /// The whole key.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the slash.
    pub fn family(&self) -> &str {
        self.0.split_once('/').expect("parse refuses a key without a slash").0
    }
}

impl FromStr for StreamKey {
    type Err = BadStreamKey;
    fn from_str(text: &str) -> Result<Self, BadStreamKey> {
        Self::parse(text)
    }
}

impl fmt::Display for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamKey({})", self.0)
    }
}

/// One stream of one person: an area and a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Stream {
    /// The area.
    pub area: Area,
    /// The key.
    pub key: StreamKey,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_two_parts_of_plain_characters() {
        for good in ["background/location", "diary/trips-2020-09-13", "a/b.c"] {
            assert_eq!(StreamKey::parse(good).map(|key| key.to_string()), Ok(good.to_owned()));
        }
        let long = format!("a/{}", "b".repeat(65));
        for bad in ["", "location", "/", "a/", "/b", "a/b/c", "a/b c", "a/ü", long.as_str()] {
            assert_eq!(StreamKey::parse(bad), Err(BadStreamKey), "{bad:?}");
        }
    }
}
