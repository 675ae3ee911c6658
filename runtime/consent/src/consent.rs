//! The document in which an owner says what a cell may read.

use runtime_types::Area;
use serde::{Deserialize, Serialize};

use crate::pattern::{covers_key, is_pattern, is_within};
use crate::precision::{Place, Time};

/// The largest document, bytes.
pub const CONSENT_BYTES_MAX: usize = 64 << 10;
/// How many streams a document may name.
pub const STREAMS_MAX: usize = 128;
/// How many fields may be left out of a stream, and how long their names may be, bytes.
pub const FIELDS_MAX: usize = 64;
const FIELD_BYTES_MAX: usize = 64;
/// How long each text of a document may be, bytes.
const TEXT_BYTES_MAX: usize = 2_000;
/// The version of the document's form.
const VERSION: u32 = 1;
/// The documents of a store that hold consents begin so.
const DOCUMENTS: &str = "grant/";
/// The times that an entry is found and ordered by: they cannot be left out, only be made coarser.
const TIMES: [&str; 6] = ["write_ts", "ts", "start_ts", "end_ts", "enter_ts", "exit_ts"];

/// Why a document is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BadConsent {
    /// It is too long.
    #[error("a consent of {bytes} bytes; the most is {CONSENT_BYTES_MAX}")]
    TooLong {
        /// Its length, bytes.
        bytes: usize,
    },
    /// It is no JSON of this form. The message of the parser would contain parts of it.
    #[error("a consent that does not read, at line {line}, column {column}")]
    Form {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// Another version of the form.
    #[error("a consent of version {found}; this host reads {VERSION}")]
    Version {
        /// The version.
        found: u32,
    },
    /// A value of it is not valid.
    #[error("a consent whose {what}")]
    Value {
        /// Which, and what is wrong with it.
        what: &'static str,
    },
    /// A stream is of an area that a cell from elsewhere cannot be granted.
    #[error("`{key}` of an area other than the timeseries, which no cell from elsewhere may read")]
    Area {
        /// The stream.
        key: String,
    },
    /// A text names no stream.
    #[error("`{key}` is not a stream: family/name, of which a whole part may be *")]
    Stream {
        /// The text.
        key: String,
    },
}

/// A stream, or several as a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamName {
    /// Always the timeseries: a cell from elsewhere is granted no other area.
    #[serde(with = "area")]
    pub area: Area,
    /// A key or a pattern, as in manifests.
    pub key: String,
}

impl StreamName {
    /// A stream of the timeseries, or several.
    pub fn of(key: impl Into<String>) -> Self {
        Self { area: Area::Timeseries, key: key.into() }
    }

    fn check(&self) -> Result<(), BadConsent> {
        match self.area {
            _ if !is_pattern(&self.key) => Err(BadConsent::Stream { key: self.key.clone() }),
            Area::Timeseries => Ok(()),
            _ => Err(BadConsent::Area { key: self.key.clone() }),
        }
    }
}

/// What of one stream, or of several, is shown. Where several cover a stream, the strictest of each bound holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamGrant {
    /// Always the timeseries.
    #[serde(with = "area")]
    pub area: Area,
    /// A key or a pattern, as in manifests.
    pub key: String,
    /// The earliest position that is shown, s; `None`: from the first entry on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<f64>,
    /// The latest, s; `None`: without an end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<f64>,
    /// How precisely places are shown.
    #[serde(default)]
    pub place: Place,
    /// How precisely times are shown.
    #[serde(default)]
    pub time: Time,
    /// Names of members that are left out, however deep they stand; sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<String>,
}

impl StreamGrant {
    /// All of a stream, as it is stored.
    pub fn whole(name: StreamName) -> Self {
        let StreamName { area, key } = name;
        Self {
            area,
            key,
            from: None,
            until: None,
            place: Place::Exact,
            time: Time::Exact,
            without: Vec::new(),
        }
    }

    /// Whether it covers a stream.
    pub fn covers(&self, area: Area, key: &str) -> bool {
        self.area == area && covers_key(&self.key, key)
    }

    /// Whether it shows less than what is stored, apart from entries outside its window.
    pub fn is_coarse(&self) -> bool {
        self.place != Place::Exact || self.time != Time::Exact
    }

    fn check(&self) -> Result<(), BadConsent> {
        StreamName { area: self.area, key: self.key.clone() }.check()?;
        let bounds = [self.from, self.until];
        if bounds.into_iter().flatten().any(|bound| !bound.is_finite()) {
            return Err(BadConsent::Value { what: "window has a bound that is no number" });
        }
        if self.without.len() > FIELDS_MAX {
            return Err(BadConsent::Value { what: "fields to leave out are more than 64" });
        }
        self.without.iter().try_for_each(|field| check_field(field))
    }
}

/// Refuses a field that cannot be left out.
pub(crate) fn check_field(field: &str) -> Result<(), BadConsent> {
    if TIMES.contains(&field) {
        return Err(BadConsent::Value {
            what: "fields to leave out name a time; times can be made coarser instead",
        });
    }
    if field.is_empty() || field.len() > FIELD_BYTES_MAX || field.chars().any(char::is_control) {
        return Err(BadConsent::Value { what: "fields to leave out have a name that is not 1 to 64 bytes" });
    }
    Ok(())
}

/// What may leave the store through a cell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Leaves {
    /// Nothing: what it makes stays in the store.
    #[default]
    None,
    /// Answers to requests of the owner's own devices.
    Answers,
}

/// Whether a consent is in force.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is, until it expires.
    #[default]
    Active,
    /// The owner has paused the cell.
    Paused,
}

/// What a cell's manifest asks for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wants {
    /// For what, in the publisher's words.
    pub purpose: String,
    /// The streams that it wants to read.
    pub streams: Vec<StreamName>,
    /// What would leave the store.
    #[serde(default)]
    pub leaves: Leaves,
}

/// A cell and what it asks for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Asking {
    /// The cell's id: the publisher and the name.
    pub cell: String,
    /// Its name for people.
    pub name: String,
    /// The publisher's id.
    pub publisher: String,
    /// SHA-256 of the package, 64 hex digits.
    pub digest: String,
    /// The cell's version.
    pub cell_version: u32,
    /// How many keys the publisher has had, the present one included.
    pub chain: u32,
    /// What it asks for.
    pub wants: Wants,
}

/// What an owner lets a cell read: the document `grant/<cell id>` in the owner's sealed store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Consent {
    /// The version of this form: 1.
    pub version: u32,
    /// The cell's id: the publisher and the name.
    pub cell: String,
    /// Its name for people.
    pub name: String,
    /// The publisher's id.
    pub publisher: String,
    /// SHA-256 of the package that the owner admitted, 64 hex digits.
    pub digest: String,
    /// The cell's version.
    pub cell_version: u32,
    /// How many keys the publisher has had: an update with a shorter chain is an older one.
    pub chain: u32,
    /// For what the owner lets it read.
    pub purpose: String,
    /// What is shown; an area, a stream or a moment that is not here is not.
    pub streams: Vec<StreamGrant>,
    /// What may leave the store.
    #[serde(default)]
    pub leaves: Leaves,
    /// From when on nothing is shown, s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<f64>,
    /// Rises with every change.
    pub epoch: u64,
    /// Whether it is in force.
    #[serde(default)]
    pub state: State,
    /// When the owner said yes, s.
    pub granted: f64,
    /// What the manifest asked for when the owner said yes.
    pub asked: Wants,
}

/// The name of the document in which the consent for a cell is kept.
pub fn document_of(cell: &str) -> String {
    format!("{DOCUMENTS}{cell}")
}

impl Consent {
    /// Everything that a cell asks for, granted at `granted`, s.
    ///
    /// # Errors
    /// It asks for what cannot be granted, or is described by texts that are too long.
    pub fn asked(asking: Asking, granted: f64) -> Result<Self, BadConsent> {
        let Asking { cell, name, publisher, digest, cell_version, chain, wants } = asking;
        wants.streams.iter().try_for_each(StreamName::check)?;
        let mut streams: Vec<_> = wants.streams.iter().cloned().map(StreamGrant::whole).collect();
        streams.sort_by(|one, other| one.key.cmp(&other.key));
        streams.dedup();
        let consent = Self {
            version: VERSION,
            cell,
            name,
            publisher,
            digest,
            cell_version,
            chain,
            purpose: wants.purpose.clone(),
            streams,
            leaves: wants.leaves,
            expires: None,
            epoch: 1,
            state: State::Active,
            granted,
            asked: wants,
        };
        consent.check()?;
        Ok(consent)
    }

    /// Reads a document.
    ///
    /// # Errors
    /// It is too long, of another form or version, or a value in it is not valid.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadConsent> {
        if bytes.len() > CONSENT_BYTES_MAX {
            return Err(BadConsent::TooLong { bytes: bytes.len() });
        }
        let form = |error: serde_json::Error| BadConsent::Form { line: error.line(), column: error.column() };
        let consent: Self = serde_json::from_slice(bytes).map_err(form)?;
        consent.check()?;
        Ok(consent)
    }

    /// The document's content.
    ///
    /// # Errors
    /// It would be refused when it is read.
    pub fn write(&self) -> Result<Vec<u8>, BadConsent> {
        self.check()?;
        let bytes = serde_json::to_vec(self).expect("texts and finite numbers are JSON");
        if bytes.len() > CONSENT_BYTES_MAX {
            return Err(BadConsent::TooLong { bytes: bytes.len() });
        }
        Ok(bytes)
    }

    /// Refuses values that are not valid.
    ///
    /// # Errors
    /// The first of them.
    pub fn check(&self) -> Result<(), BadConsent> {
        let value = |what| Err(BadConsent::Value { what });
        if self.version != VERSION {
            return Err(BadConsent::Version { found: self.version });
        }
        let texts = [&self.cell, &self.name, &self.publisher, &self.purpose, &self.asked.purpose];
        if texts.iter().any(|text| text.len() > TEXT_BYTES_MAX || text.chars().any(char::is_control)) {
            return value("texts are longer than 2,000 bytes or not printable");
        }
        if self.cell.is_empty() || self.publisher.is_empty() {
            return value("cell or publisher is empty");
        }
        if self.digest.len() != 64
            || !self.digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        {
            return value("digest is not 64 lower-case hex digits");
        }
        if !self.granted.is_finite() || self.expires.is_some_and(|expires| !expires.is_finite()) {
            return value("moments are not finite numbers");
        }
        if self.streams.len() > STREAMS_MAX || self.asked.streams.len() > STREAMS_MAX {
            return value("streams are more than 128");
        }
        self.asked.streams.iter().try_for_each(StreamName::check)?;
        self.streams.iter().try_for_each(StreamGrant::check)?;
        let asked = |grant: &StreamGrant| {
            self.asked.streams.iter().any(|name| name.area == grant.area && is_within(&grant.key, &name.key))
        };
        if !self.streams.iter().all(asked) || self.leaves > self.asked.leaves {
            return value("streams or what leaves are more than the cell asked for");
        }
        Ok(())
    }

    /// Whether nothing may be read at `now`, s: it has expired, or the owner has paused the cell.
    pub fn has_ended(&self, now: f64) -> bool {
        // A clock that is no number ends it, too.
        self.state == State::Paused || self.expires.is_some_and(|expires| now.is_nan() || now >= expires)
    }

    /// Pauses or resumes the cell.
    pub fn set_state(&mut self, state: State) {
        self.epoch += u64::from(self.state != state);
        self.state = state;
    }

    /// Whether an update that asks for this asks for no more than was asked before: streams, purpose, what leaves.
    pub fn is_within(&self, wants: &Wants) -> bool {
        let before = |name: &StreamName| {
            self.asked.streams.iter().any(|known| known.area == name.area && is_within(&name.key, &known.key))
        };
        wants.streams.iter().all(before)
            && wants.purpose == self.asked.purpose
            && wants.leaves <= self.asked.leaves
    }

    /// The consent for an update that asks for no more: what the owner left out stays left out, and what the cell no
    /// longer asks for is no longer granted. `None`: it asks for more, or is not of the same cell and publisher, or is
    /// older, so the owner has to say yes again.
    pub fn updated(&self, asking: Asking) -> Option<Self> {
        let Asking { cell, name, publisher, digest, cell_version, chain, wants } = asking;
        let same = cell == self.cell && publisher == self.publisher;
        if !same || cell_version < self.cell_version || chain < self.chain || !self.is_within(&wants) {
            return None;
        }
        let patterns: Vec<_> = wants.streams.iter().map(|name| name.key.clone()).collect();
        let consent = Self {
            name,
            digest,
            cell_version,
            chain,
            streams: crate::narrow::only(&self.streams, &patterns),
            leaves: self.leaves.min(wants.leaves),
            epoch: self.epoch + 1,
            asked: wants,
            ..self.clone()
        };
        consent.check().is_ok().then_some(consent)
    }
}

/// An area by its name in manifests.
mod area {
    use runtime_types::Area;
    use serde::{Deserialize, Deserializer, Serializer, de};

    const NAMES: [(Area, &str); 3] =
        [(Area::Timeseries, "timeseries"), (Area::Usercache, "usercache"), (Area::Errors, "errors")];

    pub(super) fn serialize<S: Serializer>(area: &Area, serializer: S) -> Result<S::Ok, S::Error> {
        let known = NAMES.iter().find(|(known, _)| known == area);
        serializer.serialize_str(known.map_or("audit", |(_, name)| name))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Area, D::Error> {
        let name = String::deserialize(deserializer)?;
        let known = NAMES.iter().find(|(_, known)| *known == name);
        known.map(|(area, _)| *area).ok_or_else(|| de::Error::custom("an unknown area"))
    }
}
