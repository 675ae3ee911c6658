//! A caller's request, parsed once.

use cells_model::keys;
use cells_sdk::TimeField;
use cells_sdk::limits::QUERY_KEYS_MAX;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::DateFilter;

/// Why a request has no meaning.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadRequest {
    /// Not a JSON object of the documented members.
    #[error("the request cannot be read: {0}")]
    Unreadable(String),
    /// A time that queries cannot bound.
    #[error("`{member}` must be one of {known}")]
    TimeField {
        /// `key_time` or `key_local_date`
        member: &'static str,
        /// The allowed values.
        known: &'static str,
    },
    /// Only one of the two.
    #[error("`from_local_date` and `to_local_date` must be given together")]
    HalfADate,
    /// The two name different parts.
    #[error("`from_local_date` and `to_local_date` name different parts of a local time")]
    DateParts,
    /// Not a count.
    #[error("`max_entries` must be a whole number of at least 0")]
    MaxEntries,
    /// Unknown.
    #[error("`trunc_method` must be one of first, last, sample")]
    TruncMethod,
    /// Too many.
    #[error("`key_list` has more than {QUERY_KEYS_MAX} keys")]
    TooManyKeys,
}

impl BadRequest {
    /// The error code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "unreadable_request",
            Self::TimeField { member: "key_time", .. } => "bad_key_time",
            Self::TimeField { .. } => "bad_key_local_date",
            Self::HalfADate | Self::DateParts => "bad_local_date",
            Self::MaxEntries => "bad_max_entries",
            Self::TruncMethod => "bad_trunc_method",
            Self::TooManyKeys => "too_many_keys",
        }
    }
}

/// Which entries are returned if there are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Truncation {
    First,
    Last,
    Sample,
}

/// A parsed request.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// `None`: all. Keys that cannot name a stream are left out, since they have no entries.
    pub(crate) keys: Option<Vec<String>>,
    pub(crate) field: TimeField,
    pub(crate) start: Option<f64>,
    pub(crate) end: Option<f64>,
    pub(crate) date: Option<DateFilter>,
    pub(crate) max: Option<(u64, Truncation)>,
}

#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    key_list: Option<Vec<String>>,
    #[serde(default)]
    start_time: Option<f64>,
    #[serde(default)]
    end_time: Option<f64>,
    #[serde(default)]
    key_time: Option<String>,
    #[serde(default)]
    from_local_date: Option<Map<String, Value>>,
    #[serde(default)]
    to_local_date: Option<Map<String, Value>>,
    #[serde(default)]
    key_local_date: Option<String>,
    #[serde(default)]
    max_entries: Option<Value>,
    #[serde(default)]
    trunc_method: Option<String>,
}

impl Wanted {
    /// Reads a request's body. Never panics, whatever the bytes.
    pub fn read(body: &[u8]) -> Result<Self, BadRequest> {
        let wire: Wire =
            serde_json::from_slice(body).map_err(|error| BadRequest::Unreadable(error.to_string()))?;
        let max = match wire.max_entries {
            None | Some(Value::Null) => None,
            Some(count) => {
                let count = count.as_u64().ok_or(BadRequest::MaxEntries)?;
                Some((count, truncation(wire.trunc_method.as_deref())?))
            }
        };
        let keys = wire.key_list.map(sound_keys).transpose()?;
        match (wire.from_local_date, wire.to_local_date) {
            (None, None) => {
                let field = wire.key_time.as_deref().map_or(Ok(TimeField::WriteTs), time_field)?;
                Ok(Self { keys, field, start: wire.start_time, end: wire.end_time, date: None, max })
            }
            (Some(from), Some(to)) => {
                let name = wire.key_local_date.as_deref().unwrap_or("metadata.write_local_dt");
                let date =
                    DateFilter::between(local_field(name)?, &from, &to).ok_or(BadRequest::DateParts)?;
                Ok(Self { keys, field: date.field(), start: None, end: None, date: Some(date), max })
            }
            _ => Err(BadRequest::HalfADate),
        }
    }
}

fn sound_keys(mut keys: Vec<String>) -> Result<Vec<String>, BadRequest> {
    keys.retain(|key| keys::is_key(key));
    keys.sort_unstable();
    keys.dedup();
    if keys.len() > QUERY_KEYS_MAX { Err(BadRequest::TooManyKeys) } else { Ok(keys) }
}

fn truncation(method: Option<&str>) -> Result<Truncation, BadRequest> {
    match method {
        Some("first") => Ok(Truncation::First),
        Some("last") | None => Ok(Truncation::Last),
        Some("sample") => Ok(Truncation::Sample),
        Some(_) => Err(BadRequest::TruncMethod),
    }
}

fn time_field(name: &str) -> Result<TimeField, BadRequest> {
    let known = "metadata.write_ts, data.ts, data.start_ts, data.end_ts, data.enter_ts, data.exit_ts";
    Ok(match name {
        "metadata.write_ts" => TimeField::WriteTs,
        "data.ts" => TimeField::DataTs,
        "data.start_ts" => TimeField::StartTs,
        "data.end_ts" => TimeField::EndTs,
        "data.enter_ts" => TimeField::EnterTs,
        "data.exit_ts" => TimeField::ExitTs,
        _ => return Err(BadRequest::TimeField { member: "key_time", known }),
    })
}

/// The local time that belongs to each time. The name of the time itself is allowed too: a caller of the reference
/// sends it.
fn local_field(name: &str) -> Result<TimeField, BadRequest> {
    let known = "metadata.write_local_dt, data.local_dt, data.start_local_dt, data.end_local_dt, \
                 data.enter_local_dt, data.exit_local_dt";
    Ok(match name {
        "metadata.write_local_dt" => TimeField::WriteTs,
        "data.local_dt" => TimeField::DataTs,
        "data.start_local_dt" => TimeField::StartTs,
        "data.end_local_dt" => TimeField::EndTs,
        "data.enter_local_dt" => TimeField::EnterTs,
        "data.exit_local_dt" => TimeField::ExitTs,
        _ => {
            return time_field(name).map_err(|_| BadRequest::TimeField { member: "key_local_date", known });
        }
    })
}
