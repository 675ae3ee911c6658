//! `config/*`: how the phone is set up; sent again at every sync until superseded.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::time::LocalDt;

/// `config/sensor_config`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct SensorConfig {
    /// Whether sensing pauses while the phone is still.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_duty_cycling: Option<bool>,
    /// For developers: whether a person's actions are made up, `true` or `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulate_user_interaction: Option<Value>,
    /// The platform's number of the accuracy asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// Fixes with a larger radius are dropped, a number, m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy_threshold: Option<Value>,
    /// m
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter_distance: Option<f64>,
    /// ms
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter_time: Option<f64>,
    /// m
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub geofence_radius: Option<f64>,
    /// How long the phone is still before a trip has ended, a number, minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trip_end_stationary_mins: Option<Value>,
}

/// `config/sync_config`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct SyncConfig {
    /// s
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_interval: Option<f64>,
    /// Where to push to, a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ios_device_token: Option<Value>,
}

/// `config/consent`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Consent {
    /// To what kind of collection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// To which protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol_id: Option<String>,
    /// Of the protocol, `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_date: Option<String>,
}

/// `config/app_ui_config`; the rest is the app's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct AppUiConfig {
    /// s
    pub ts: f64,
    /// `ts` in local time.
    pub local_dt: LocalDt,
    /// `ts` in local time.
    pub fmt_time: String,
    /// Rises with every change; mostly a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Value>,
}
