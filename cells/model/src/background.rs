//! `background/*`: what the phone's sensors said.
//!
//! These are read views: they name what analysis uses. [`crate::Kept`] keeps the other members.

use serde::{Deserialize, Serialize};

use crate::Point;
use crate::numbered::numbered;
use crate::time::LocalDt;

numbered! {
    /// What the phone thinks its owner is doing.
    MotionType {
        InVehicle = 0 "IN_VEHICLE",
        Bicycling = 1 "BICYCLING",
        OnFoot = 2 "ON_FOOT",
        Still = 3 "STILL",
        Unknown = 4 "UNKNOWN",
        Tilting = 5 "TILTING",
        Walking = 7 "WALKING",
        Running = 8 "RUNNING",
        /// iOS: no flag was set.
        None = 9 "NONE",
        StoppedWhileInVehicle = 10 "STOPPED_WHILE_IN_VEHICLE",
        AirOrHsr = 11 "AIR_OR_HSR",
    }
}

numbered! {
    /// What the battery does.
    BatteryStatus {
        Unknown = 0 "UNKNOWN",
        Discharging = 1 "DISCHARGING",
        Charging = 2 "CHARGING",
        Full = 3 "FULL",
        NotCharging = 4 "NOT_CHARGING",
    }
}

numbered! {
    /// What a beacon did.
    BleEvent {
        RegionEnter = 0 "REGION_ENTER",
        RegionExit = 1 "REGION_EXIT",
        RangeUpdate = 2 "RANGE_UPDATE",
    }
}

/// `background/location` and `background/filtered_location`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Location {
    /// degrees
    pub latitude: f64,
    /// degrees
    pub longitude: f64,
    /// The same place.
    pub loc: Point,
    /// When the fix was made, s.
    pub ts: f64,
    /// `ts` in local time.
    pub local_dt: LocalDt,
    /// `ts` in local time.
    pub fmt_time: String,
    /// m
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub altitude: Option<f64>,
    /// Radius that holds the true place in 68 of 100 cases, m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// m/s; -1 on iOS where unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sensed_speed: Option<f64>,
    /// degrees from north; -1 on iOS where unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heading: Option<f64>,
    /// Which filter chose the fix: `time` (Android) or `distance` (iOS).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
}

/// `background/motion_activity`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct MotionActivity {
    /// What the phone thinks.
    #[serde(rename = "type")]
    pub kind: MotionType,
    /// 0 to 100
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// s
    pub ts: f64,
    /// `ts` in local time.
    pub local_dt: LocalDt,
    /// `ts` in local time.
    pub fmt_time: String,
}

/// `background/battery`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Battery {
    /// 0 to 100
    pub battery_level_pct: f64,
    /// What it does.
    pub battery_status: BatteryStatus,
    /// s
    pub ts: f64,
    /// `ts` in local time.
    pub local_dt: LocalDt,
    /// `ts` in local time.
    pub fmt_time: String,
}

/// `background/bluetooth_ble`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Ble {
    /// What the beacon did.
    #[serde(rename = "eventType")]
    pub event: BleEvent,
    /// Which kind of beacon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// Which fleet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub major: Option<f64>,
    /// Which vehicle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minor: Option<f64>,
    /// s
    pub ts: f64,
    /// `ts` in local time.
    pub local_dt: LocalDt,
    /// `ts` in local time.
    pub fmt_time: String,
}
