//! `segmentation/*`: a person's days cut into trips, places, sections and stops, before cleaning.

use serde::{Deserialize, Serialize};

use crate::background::MotionType;
use crate::time::LocalDt;
use crate::{EntryId, Point};

/// `segmentation/raw_trip`, and `segmentation/raw_untracked`: a span with no readings between two places.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Trip {
    /// When it began, s since 1970-01-01T00:00:00Z
    pub start_ts: f64,
    /// `start_ts` in local time
    pub start_local_dt: LocalDt,
    /// `start_ts` in local time, ISO 8601
    pub start_fmt_time: String,
    /// When it ended, s since 1970-01-01T00:00:00Z
    pub end_ts: f64,
    /// `end_ts` in local time
    pub end_local_dt: LocalDt,
    /// `end_ts` in local time, ISO 8601
    pub end_fmt_time: String,
    /// The place where it began
    pub start_place: EntryId,
    /// The place where it ended
    pub end_place: EntryId,
    /// Of its first point.
    pub start_loc: Point,
    /// Of its last point.
    pub end_loc: Point,
    /// `end_ts` - `start_ts`, s
    pub duration: f64,
    /// Straight from its start to its end, m
    #[cfg_attr(feature = "schemas", schemars(range(min = 0.0)))]
    pub distance: f64,
    /// The algorithm that made it.
    pub source: String,
    /// The device that was carried, where the person has several: the name of its stamp and its platform
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
}

/// `segmentation/raw_place`: first and last have only one end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[cfg_attr(
    feature = "schemas",
    schemars(extend("dependentRequired" = {
        "enter_ts": ["enter_local_dt", "enter_fmt_time"],
        "exit_ts": ["exit_local_dt", "exit_fmt_time"],
    }))
)]
pub struct Place {
    /// When it was reached; absent in the first place, s since 1970-01-01T00:00:00Z
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enter_ts: Option<f64>,
    /// `enter_ts` in local time
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enter_local_dt: Option<LocalDt>,
    /// `enter_ts` in local time, ISO 8601
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enter_fmt_time: Option<String>,
    /// When it was left; absent while it has not been, s since 1970-01-01T00:00:00Z
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_ts: Option<f64>,
    /// `exit_ts` in local time
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_local_dt: Option<LocalDt>,
    /// `exit_ts` in local time, ISO 8601
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_fmt_time: Option<String>,
    /// What led here; absent in the first place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending_trip: Option<EntryId>,
    /// What led away; absent in the last place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starting_trip: Option<EntryId>,
    /// Where.
    pub location: Point,
    /// `exit_ts` - `enter_ts`, s; absent without either
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<f64>,
    /// The algorithm that made it.
    pub source: String,
}

/// `segmentation/raw_section`: a part of a trip in one mode.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Section {
    /// The trip that it is part of.
    pub trip_id: EntryId,
    /// When it began, s since 1970-01-01T00:00:00Z
    pub start_ts: f64,
    /// `start_ts` in local time
    pub start_local_dt: LocalDt,
    /// `start_ts` in local time, ISO 8601
    pub start_fmt_time: String,
    /// When it ended, s since 1970-01-01T00:00:00Z
    pub end_ts: f64,
    /// `end_ts` in local time
    pub end_local_dt: LocalDt,
    /// `end_ts` in local time, ISO 8601
    pub end_fmt_time: String,
    /// Of its first point.
    pub start_loc: Point,
    /// Of its last point.
    pub end_loc: Point,
    /// The stop before; absent in the first section of a trip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_stop: Option<EntryId>,
    /// The stop behind; absent in the last section of a trip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_stop: Option<EntryId>,
    /// `end_ts` - `start_ts`, s
    pub duration: f64,
    /// How the person travelled, as the phone thought
    #[cfg_attr(feature = "schemas", schemars(extend("enum" = [0, 1, 2, 4, 7])))]
    pub sensed_mode: MotionType,
    /// The vehicle whose beacon the phone has seen most often, as it stands among the person's vehicles; null where
    /// there is none
    #[serde(default)]
    #[cfg_attr(feature = "schemas", schemars(with = "Option<serde_json::Map<String, serde_json::Value>>"))]
    pub ble_sensed_mode: Option<serde_json::Value>,
    /// The algorithm that made it.
    pub source: String,
    /// The device that was carried, where the person has several: the name of its stamp and its platform
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
}

/// `segmentation/raw_stop`, `analysis/cleaned_stop`: between two sections of a trip.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Stop {
    /// The trip that it is part of.
    pub trip_id: EntryId,
    /// When it was reached, s since 1970-01-01T00:00:00Z
    pub enter_ts: f64,
    /// `enter_ts` in local time
    pub enter_local_dt: LocalDt,
    /// `enter_ts` in local time, ISO 8601
    pub enter_fmt_time: String,
    /// When it was left, s since 1970-01-01T00:00:00Z
    pub exit_ts: f64,
    /// `exit_ts` in local time
    pub exit_local_dt: LocalDt,
    /// `exit_ts` in local time, ISO 8601
    pub exit_fmt_time: String,
    /// Where it began.
    pub enter_loc: Point,
    /// Where it ended.
    pub exit_loc: Point,
    /// The section before.
    pub ending_section: EntryId,
    /// The section behind.
    pub starting_section: EntryId,
    /// s
    pub duration: f64,
    /// Straight from `enter_loc` to `exit_loc`, m; 0 where a section took a cleaned one over
    #[cfg_attr(feature = "schemas", schemars(range(min = 0.0)))]
    pub distance: f64,
    /// The algorithm that made it.
    pub source: String,
    /// The device that was carried, where the person has several: the name of its stamp and its platform
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
}
