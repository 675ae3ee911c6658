//! `segmentation/*`: a person's days cut into trips, places, sections and stops, before cleaning.

use serde::{Deserialize, Serialize};

use crate::background::MotionType;
use crate::time::LocalDt;
use crate::{EntryId, Point};

/// `segmentation/raw_trip`, and `segmentation/raw_untracked`: a span with no readings between two places.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trip {
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
    /// Where it began.
    pub start_place: EntryId,
    /// Where it ended.
    pub end_place: EntryId,
    /// Of its first point.
    pub start_loc: Point,
    /// Of its last point.
    pub end_loc: Point,
    /// s
    pub duration: f64,
    /// m
    pub distance: f64,
    /// The algorithm that made it.
    pub source: String,
    /// The device that was carried, where the person has several: see [`crate::device`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
}

/// `segmentation/raw_place`: first and last have only one end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// s
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enter_ts: Option<f64>,
    /// `enter_ts` in local time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enter_local_dt: Option<LocalDt>,
    /// `enter_ts` in local time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enter_fmt_time: Option<String>,
    /// s
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_ts: Option<f64>,
    /// `exit_ts` in local time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_local_dt: Option<LocalDt>,
    /// `exit_ts` in local time.
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
    /// s; absent while the place has no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<f64>,
    /// The algorithm that made it.
    pub source: String,
}

/// `segmentation/raw_section`: a part of a trip in one mode.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// The trip that it is part of.
    pub trip_id: EntryId,
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
    /// s
    pub duration: f64,
    /// What the phone thought.
    pub sensed_mode: MotionType,
    /// From a beacon in the vehicle; written also where there is none.
    #[serde(default)]
    pub ble_sensed_mode: Option<serde_json::Value>,
    /// The algorithm that made it.
    pub source: String,
    /// The device that was carried, where the person has several: see [`crate::device`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
}

/// `segmentation/raw_stop`, `analysis/cleaned_stop`: between two sections of a trip.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stop {
    /// The trip that it is part of.
    pub trip_id: EntryId,
    /// s
    pub enter_ts: f64,
    /// `enter_ts` in local time.
    pub enter_local_dt: LocalDt,
    /// `enter_ts` in local time.
    pub enter_fmt_time: String,
    /// s
    pub exit_ts: f64,
    /// `exit_ts` in local time.
    pub exit_local_dt: LocalDt,
    /// `exit_ts` in local time.
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
    /// m
    pub distance: f64,
    /// The algorithm that made it.
    pub source: String,
    /// The device that was carried, where the person has several: see [`crate::device`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
}
