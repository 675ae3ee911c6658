//! `manual/*`: what the person entered.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Point;
use crate::time::LocalDt;

/// `manual/mode_confirm`, `purpose_confirm`, `replaced_mode`, `destination_confirm`: a label of a span of time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct UserLabel {
    /// When the span begins, s
    pub start_ts: f64,
    /// When the span ends, s
    pub end_ts: f64,
    /// `start_ts` in local time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_local_dt: Option<LocalDt>,
    /// `start_ts` in local time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_fmt_time: Option<String>,
    /// `end_ts` in local time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_local_dt: Option<LocalDt>,
    /// `end_ts` in local time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_fmt_time: Option<String>,
    /// Such as `bike`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// `manual/trip_user_input`, `trip_addition_input`, `place_user_input`, `place_addition_input`: a filled form
/// about a span of time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct UserInput {
    /// When the span begins, s
    pub start_ts: f64,
    /// When the span ends, s
    pub end_ts: f64,
    /// `start_ts` in local time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_local_dt: Option<LocalDt>,
    /// `start_ts` in local time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_fmt_time: Option<String>,
    /// `end_ts` in local time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_local_dt: Option<LocalDt>,
    /// `end_ts` in local time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_fmt_time: Option<String>,
    /// The form's summary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Which form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The answers as the form made them.
    #[serde(default, rename = "xmlResponse", skip_serializing_if = "Option::is_none")]
    pub xml_response: Option<String>,
    /// Joins an addition and its deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub match_id: Option<String>,
    /// Whether an addition stands, `ACTIVE`, or takes back the one with the same `match_id`, `DELETED`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The form's version, mostly a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Value>,
    /// The answers as JSON.
    #[serde(default, rename = "jsonDocResponse", skip_serializing_if = "Option::is_none")]
    pub json_doc_response: Option<Value>,
}

/// `manual/demographic_survey`: a filled form about the person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Survey {
    /// The form's summary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Which form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The answers as the form made them.
    #[serde(default, rename = "xmlResponse", skip_serializing_if = "Option::is_none")]
    pub xml_response: Option<String>,
    /// As in other forms; a survey has no deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub match_id: Option<String>,
    /// As in other forms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The answers as JSON.
    #[serde(default, rename = "jsonDocResponse", skip_serializing_if = "Option::is_none")]
    pub json_doc_response: Option<Value>,
    /// When it was filled, s
    pub ts: f64,
    /// `ts` in local time.
    pub local_dt: LocalDt,
    /// `ts` in local time.
    pub fmt_time: String,
}

/// `manual/incident`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Incident {
    /// Where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loc: Option<Point>,
    /// s
    pub ts: f64,
    /// `ts` in local time.
    pub local_dt: LocalDt,
    /// `ts` in local time.
    pub fmt_time: String,
    /// How bad it felt, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stress: Option<f64>,
}
