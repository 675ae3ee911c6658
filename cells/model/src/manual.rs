//! `manual/*`: what the person entered.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Point;
use crate::time::LocalDt;

/// `manual/mode_confirm`, `purpose_confirm`, `replaced_mode`, `destination_confirm`: a label of a span of time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UserLabel {
    /// s
    pub start_ts: f64,
    /// `start_ts` in local time.
    pub start_local_dt: LocalDt,
    /// `start_ts` in local time.
    pub start_fmt_time: String,
    /// s
    pub end_ts: f64,
    /// `end_ts` in local time.
    pub end_local_dt: LocalDt,
    /// `end_ts` in local time.
    pub end_fmt_time: String,
    /// Such as `bike`.
    pub label: String,
}

/// `manual/trip_user_input`, `trip_addition_input`, `place_user_input`, `place_addition_input`: a filled form
/// about a span of time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UserInput {
    /// The span and the form's summary.
    #[serde(flatten)]
    pub span: UserLabel,
    /// The form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The form's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<f64>,
    /// The answers as the form made them.
    #[serde(default, rename = "xmlResponse", skip_serializing_if = "Option::is_none")]
    pub xml_response: Option<String>,
    /// The answers as JSON.
    #[serde(default, rename = "jsonDocResponse", skip_serializing_if = "Option::is_none")]
    pub json_doc_response: Option<Value>,
    /// Joins an addition and its deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub match_id: Option<String>,
    /// Whether an addition stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<InputStatus>,
}

/// Whether an addition stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum InputStatus {
    /// It stands.
    Active,
    /// It takes back the addition with the same `match_id`.
    Deleted,
}

/// `manual/demographic_survey`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Survey {
    /// s
    pub ts: f64,
    /// `ts` in local time.
    pub local_dt: LocalDt,
    /// `ts` in local time.
    pub fmt_time: String,
    /// The answers as the form made them.
    #[serde(default, rename = "xmlResponse", skip_serializing_if = "Option::is_none")]
    pub xml_response: Option<String>,
    /// The answers as JSON.
    #[serde(default, rename = "jsonDocResponse", skip_serializing_if = "Option::is_none")]
    pub json_doc_response: Option<Value>,
}

/// `manual/incident`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Where.
    pub loc: Point,
    /// s
    pub ts: f64,
    /// `ts` in local time.
    pub local_dt: LocalDt,
    /// `ts` in local time.
    pub fmt_time: String,
    /// How bad it felt, 0 to 100.
    pub stress: f64,
}
