//! `stats/*`: how the app and the server fared.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Every `stats/*` key: one reading of one gauge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Which gauge.
    pub name: String,
    /// What it read: mostly a number, for errors whatever the app sent.
    #[serde(default)]
    pub reading: Value,
    /// s
    pub ts: f64,
    /// Such as `1.2.3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_app_version: Option<String>,
    /// Such as `12`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_os_version: Option<String>,
}
