//! `analysis/*`: what the later stages make of trips and places.
//!
//! One type stands for a family of keys: each stage copies the entry before it and adds its own members,
//! which are optional here and documented with the key that first has them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::inference::LabelSet;
use crate::time::LocalDt;
use crate::{EntryId, Point};

pub use crate::segmentation::Stop;

/// `analysis/cleaned_trip`, `cleaned_untracked`, `inferred_trip`, `expected_trip`, `confirmed_trip`,
/// `confirmed_untracked`, `composite_trip`
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
    /// From `cleaned_trip` on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_trip: Option<EntryId>,
    /// From `inferred_trip` on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleaned_trip: Option<EntryId>,
    /// From `inferred_trip` on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inferred_labels: Option<Vec<LabelSet>>,
    /// From `expected_trip` on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inferred_trip: Option<EntryId>,
    /// From `expected_trip` on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expectation: Option<Expectation>,
    /// From `expected_trip` on; 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence_threshold: Option<f64>,
    /// From `confirmed_trip` on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_trip: Option<EntryId>,
    /// From `confirmed_trip` on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inferred_section_summary: Option<ModeSummary>,
    /// From `confirmed_trip` on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleaned_section_summary: Option<ModeSummary>,
    /// From `confirmed_trip` on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ble_sensed_summary: Option<ModeSummary>,
    /// From `confirmed_trip` on: labels and forms that match, by key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_input: Option<Value>,
    /// From `confirmed_trip` on: whole entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub additions: Option<Vec<Value>>,
    /// In `composite_trip`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_trip: Option<EntryId>,
    /// In `composite_trip`: the whole entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_confirmed_place: Option<Value>,
    /// In `composite_trip`: the whole entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_confirmed_place: Option<Value>,
    /// In `composite_trip`: at most about 100 whole entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locations: Option<Vec<Value>>,
    /// In `composite_trip`: whole entries without speeds and distances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sections: Option<Vec<Value>>,
}

/// What the person is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Expectation {
    /// Whether to label the trip.
    pub to_label: bool,
}

/// Sums over the sections of a trip, by name of the mode.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModeSummary {
    /// m
    pub distance: BTreeMap<String, f64>,
    /// s
    pub duration: BTreeMap<String, f64>,
    /// How many sections.
    pub count: BTreeMap<String, u64>,
}

/// `analysis/cleaned_place`, `confirmed_place`
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
    /// What was joined into it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_places: Option<Vec<EntryId>>,
    /// What a gazetteer says about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverse_geocode: Option<Value>,
    /// The short form of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// In `confirmed_place`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleaned_place: Option<EntryId>,
    /// In `confirmed_place`: forms that match, by key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_input: Option<Value>,
    /// In `confirmed_place`: whole entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub additions: Option<Vec<Value>>,
}

/// `analysis/cleaned_section`, `inferred_section`
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
    /// A [`crate::background::MotionType`] where cleaned, a [`crate::inference::PredictedMode`] where inferred.
    pub sensed_mode: u8,
    /// From a beacon in the vehicle; written also where there is none.
    #[serde(default)]
    pub ble_sensed_mode: Option<Value>,
    /// The algorithm that made it.
    pub source: String,
    /// The device that was carried, where the person has several: see [`crate::device`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// m/s, between points.
    pub speeds: Vec<f64>,
    /// m, between points.
    pub distances: Vec<f64>,
    /// m
    pub distance: f64,
    /// In `inferred_section`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleaned_section: Option<EntryId>,
}

/// `analysis/recreated_location`: a section resampled to every 30 s.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecreatedLocation {
    /// degrees
    pub latitude: f64,
    /// degrees
    pub longitude: f64,
    /// The same place.
    pub loc: Point,
    /// s
    pub ts: f64,
    /// `ts` in local time; the reference leaves it out of the last point of some sections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_dt: Option<LocalDt>,
    /// `ts` in local time; absent with `local_dt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fmt_time: Option<String>,
    /// m
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub altitude: Option<f64>,
    /// From the point before, m.
    pub distance: f64,
    /// m/s
    pub speed: f64,
    /// degrees from north
    pub heading: f64,
    /// Within the section.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idx: Option<u64>,
    /// The [`crate::background::MotionType`] of the raw section.
    pub mode: u8,
    /// The cleaned section.
    pub section: EntryId,
}

/// `analysis/smoothing`: which points of a section were thrown out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Smoothing {
    /// The raw section.
    pub section: EntryId,
    /// Of `background/filtered_location`.
    pub deleted_points: Vec<EntryId>,
    /// Such as `BoxplotOutlier`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outlier_algo: Option<String>,
    /// Such as `SmoothZigzag`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filtering_algo: Option<String>,
}
