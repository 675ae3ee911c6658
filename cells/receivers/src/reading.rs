//! What a record of an app says, in the units of the diary.

use std::borrow::Cow;

use cells_model::aside::Kept;
use cells_model::background::MotionType;
use cells_model::{scan, text};

use crate::UNREADABLE_BYTES_MAX;

/// Deeper records are kept as a text: the parsers of readers stop a little further down.
const LEVELS_MAX: u32 = 60;

/// One record of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Record<'a> {
    /// The record as it was sent: a JSON object, or the text of a query.
    pub raw: Cow<'a, str>,
    /// Whether `raw` is JSON.
    pub is_json: bool,
    /// What it says.
    pub reading: Result<Reading, NoReading>,
}

impl<'a> Record<'a> {
    /// A JSON object and what it says.
    pub(crate) fn of_json(raw: &'a str, reading: Result<Reading, NoReading>) -> Self {
        // A reader that gives up on a part of it would give up on an entry that contains it.
        if reading == Err(NoReading::NotJson) || scan::check(raw, LEVELS_MAX).is_err() {
            return Self::unreadable(raw.into(), NoReading::NotJson);
        }
        Self { raw: raw.into(), is_json: true, reading }
    }

    /// Parameters of a query, and what they say.
    pub(crate) fn of_query(raw: &'a str, reading: Result<Reading, NoReading>) -> Self {
        Self { raw: raw.into(), is_json: false, reading }
    }

    /// A text that cannot be read.
    pub(crate) fn unreadable(raw: Cow<'a, str>, why: NoReading) -> Self {
        Self { raw, is_json: false, reading: Err(why) }
    }

    /// The record as JSON.
    pub(crate) fn as_json(&self) -> Cow<'_, str> {
        if self.is_json { Cow::Borrowed(&self.raw) } else { text::quoted(&self.raw).into() }
    }

    /// The record as the data of an entry that is set aside, and how much of it that is.
    pub(crate) fn as_data(&self) -> (Cow<'_, str>, Kept) {
        if self.is_json {
            return (Cow::Borrowed(&self.raw), Kept::AsSent);
        }
        let end = self.raw.floor_char_boundary(UNREADABLE_BYTES_MAX.min(self.raw.len()));
        let kept = if end < self.raw.len() { Kept::Cut } else { Kept::Entry };
        (text::quoted(&self.raw[..end]).into(), kept)
    }
}

/// A place at a moment, and what the phone said about itself then.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reading {
    /// s since 1970
    pub ts: f64,
    /// degrees, -90 to 90
    pub latitude: f64,
    /// degrees, -180 to 180
    pub longitude: f64,
    /// Radius that likely holds the true place, m.
    pub accuracy_m: Option<f64>,
    /// m
    pub altitude_m: Option<f64>,
    /// m/s
    pub speed_m_s: Option<f64>,
    /// degrees from north
    pub heading_deg: Option<f64>,
    /// What the phone thinks its owner is doing, with its confidence from 0 to 100 where it tells one.
    pub motion: Option<(MotionType, Option<f64>)>,
    /// The battery.
    pub battery: Option<Battery>,
    /// Whether the app says that a movement has ended here.
    pub stopped: bool,
}

/// The battery of a phone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Battery {
    /// 0 to 100
    pub level_pct: f64,
    /// What it does.
    pub state: BatteryState,
}

/// What a battery does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatteryState {
    /// The app does not say.
    Unknown,
    /// On a charger.
    Charging,
    /// In use.
    Discharging,
    /// On a charger, and full.
    Full,
}

/// Why a record has no reading, for the owner. No reason repeats a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoReading {
    /// Bytes that are not UTF-8.
    #[error("the app sent bytes that are not UTF-8; they were replaced")]
    NotUtf8,
    /// Not JSON, or nested too deeply.
    #[error("the app sent what is not the JSON that it is documented to send")]
    NotJson,
    /// JSON without the members that tell what it is.
    #[error("no records were found where {0} has them")]
    NoRecords(&'static str),
    /// A kind of record that tells of no position.
    #[error("it is a record of the kind {0}, which tells of no position of the phone")]
    NoPosition(&'static str),
    /// A kind of record that is not known.
    #[error("it is a record of a kind that is not known: the app may be newer than this host")]
    UnknownKind,
    /// A needed member is absent, or is not what it should be.
    #[error("{0} is missing or is not {1}")]
    Field(&'static str, &'static str),
    /// The app says itself that the place is not valid.
    #[error("the app says that it has no valid place")]
    NotValid,
}
