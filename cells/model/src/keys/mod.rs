//! Every key that the reference has: the required form of its data, and a check that is fast enough for every write.
//!
//! The tables are generated from the structs of the model, as the feature `schemas` and its module `described` say. The
//! check reads the text once and builds nothing: members that a key names must have their type, needed ones must be
//! present, all others pass. Data of an unregistered key passes if it is an object.

mod check;
#[rustfmt::skip]
mod schemas;
#[rustfmt::skip]
mod table;

pub use cells_contract::is_key;
pub use schemas::SCHEMAS;
pub use table::KEYS;

/// What a member's value must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A finite number.
    Number,
    /// A number without a fraction.
    Whole,
    /// A string.
    Text,
    /// `true` or `false`.
    Flag,
    /// `{"type":"Point","coordinates":[lng, lat]}`
    Point,
    /// The parts of a local time; see [`crate::time::LocalDt`].
    LocalDt,
    /// `{"$oid":"<24 hex>"}`
    Id,
    /// A list of anything.
    List,
    /// An object of anything.
    Object,
}

/// One member of an entry's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// The required form of its value, if it is present.
    pub kind: Kind,
    /// Whether it must be present.
    pub needed: bool,
    /// Whether `null` is allowed.
    pub nullable: bool,
}

/// Whether a key is sent by phones or written by stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Sent by phones, or by the server about itself.
    Raw,
    /// Written by stages.
    Analysis,
}

/// One registered key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyInfo {
    /// Such as `background/location`.
    pub key: &'static str,
    /// What it holds, in a line.
    pub description: &'static str,
    /// Raw or analysis: responses list raw entries first.
    pub class: Class,
    /// The members that are checked. In parts, since families share some.
    pub fields: &'static [&'static [Field]],
}

impl KeyInfo {
    /// The part before the slash.
    pub fn family(&self) -> &'static str {
        self.key.split_once('/').map_or(self.key, |(family, _)| family)
    }

    /// The members that are checked.
    pub fn members(&self) -> impl Iterator<Item = &'static Field> {
        self.fields.iter().copied().flatten()
    }

    /// Checks data of this key; the error says what is wrong, and repeats no value.
    pub fn check(&self, data: &str) -> Result<(), String> {
        check::check(self.fields, data)
    }
}

/// The registered key of that name.
pub fn find(key: &str) -> Option<&'static KeyInfo> {
    KEYS.binary_search_by(|info| info.key.cmp(key)).ok().map(|index| &KEYS[index])
}

/// Checks data of a registered key; data of any other key passes where it is a JSON object. The error says what is
/// wrong, and repeats no value, since values may be places.
pub fn check(key: &str, data: &str) -> Result<(), String> {
    find(key).map_or_else(|| check::check(&[], data), |info| info.check(data))
}

/// Whether a response lists the key behind the raw ones: a key of stages. Unknown keys are classified by their family.
pub fn is_analysis(key: &str) -> bool {
    find(key).map_or_else(
        || ["analysis/", "segmentation/", "inference/"].iter().any(|family| key.starts_with(family)),
        |info| info.class == Class::Analysis,
    )
}

/// The key under which an entry that a phone sent under `key` is stored in the timeseries.
pub fn taken_in_key(key: &str) -> &str {
    if key == "background/activity" { "background/motion_activity" } else { key }
}
