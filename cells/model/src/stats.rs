//! `stats/*`: how the app and the server fared.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Every `stats/*` key: one reading of one gauge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Reading {
    /// Which gauge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it read: mostly a number, for errors whatever the app sent.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub reading: Value,
    /// When, s
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ts: Option<f64>,
    /// Such as `1.2.3`, mostly a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_app_version: Option<Value>,
    /// Such as `12`, mostly a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_os_version: Option<Value>,
}
