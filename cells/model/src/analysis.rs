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
    /// Along its sections and stops, m; straight where there are no readings
    pub distance: f64,
    /// The algorithm that made it.
    pub source: String,
    /// The device that was carried, where the person has several: the name of its stamp and its platform
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// From `cleaned_trip` on: the `raw_trip` that it was made of
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_trip: Option<EntryId>,
    /// From `inferred_trip` on: the `cleaned_trip` that it copies
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleaned_trip: Option<EntryId>,
    /// From `inferred_trip` on: what the person may call it, with probabilities; may be empty
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inferred_labels: Option<Vec<LabelSet>>,
    /// From `expected_trip` on: the `inferred_trip` that it copies
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inferred_trip: Option<EntryId>,
    /// From `expected_trip` on: what the person is asked
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expectation: Option<Expectation>,
    /// From `expected_trip` on: how sure a prediction must be to count, 0 to 1
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemas", schemars(range(min = 0.0, max = 1.0)))]
    pub confidence_threshold: Option<f64>,
    /// From `confirmed_trip` on: the `expected_trip` that it copies
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_trip: Option<EntryId>,
    /// From `confirmed_trip` on: by the modes that were inferred
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inferred_section_summary: Option<ModeSummary>,
    /// From `confirmed_trip` on: by the modes that the phone sensed
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleaned_section_summary: Option<ModeSummary>,
    /// From `confirmed_trip` on: by the modes of vehicles whose beacons were near; `UNKNOWN` without one
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ble_sensed_summary: Option<ModeSummary>,
    /// From `confirmed_trip` on: of each kind of label and form the latest that belongs to it; empty until then
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemas", schemars(with = "Option<crate::described::Entered>"))]
    pub user_input: Option<Value>,
    /// From `confirmed_trip` on: further activities in it that were not taken back, as whole entries
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemas", schemars(with = "Option<Vec<crate::described::Entry>>"))]
    pub additions: Option<Vec<Value>>,
    /// In `composite_trip`: the `confirmed_trip` or `confirmed_untracked` that it shows
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_trip: Option<EntryId>,
    /// In `composite_trip`: the place where it began, as it was when this was made; null where there is none
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemas", schemars(with = "Option<crate::described::Entry>"))]
    pub start_confirmed_place: Option<Value>,
    /// In `composite_trip`: the place where it ended, as it was when this was made; null where there is none
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemas", schemars(with = "Option<crate::described::Entry>"))]
    pub end_confirmed_place: Option<Value>,
    /// In `composite_trip`: where it led, by time, as whole entries of `recreated_location`; evenly left out beyond 100
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schemas",
        schemars(with = "Option<Vec<crate::described::Entry>>", length(max = 100))
    )]
    pub locations: Option<Vec<Value>>,
    /// In `composite_trip`: how it was travelled, by time, as whole entries without speeds and distances
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemas", schemars(with = "Option<Vec<crate::described::ShownSection>>"))]
    pub sections: Option<Vec<Value>>,
}

/// What the person is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Expectation {
    /// Whether to label the trip.
    pub to_label: bool,
}

/// Sums over the sections of a trip, by name of the mode.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemas", schemars(deny_unknown_fields))]
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
    /// The raw places that were joined into it, the one that it was made of first; one may stand here twice
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_places: Option<Vec<EntryId>>,
    /// What a gazetteer says about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverse_geocode: Option<Value>,
    /// The short form of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// In `confirmed_place`: the `cleaned_place` that it copies
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleaned_place: Option<EntryId>,
    /// In `confirmed_place`: of each kind of form the latest that belongs to it; empty until then
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemas", schemars(with = "Option<crate::described::Entered>"))]
    pub user_input: Option<Value>,
    /// In `confirmed_place`: further activities in it that were not taken back, as whole entries
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemas", schemars(with = "Option<Vec<crate::described::Entry>>"))]
    pub additions: Option<Vec<Value>>,
}

/// `analysis/cleaned_section`, `inferred_section`
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
    /// s; below `end_ts` - `start_ts` where a stop was joined into it
    pub duration: f64,
    /// Number of a `MotionType` where cleaned, of a `PredictedMode` where inferred
    pub sensed_mode: u8,
    /// From a beacon in the vehicle; null where there is none
    #[serde(default)]
    #[cfg_attr(feature = "schemas", schemars(skip_serializing_if = "Option::is_none"))]
    pub ble_sensed_mode: Option<Value>,
    /// The algorithm that made it.
    pub source: String,
    /// The device that was carried, where the person has several: the name of its stamp and its platform
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// From point to point, 0 for the first, m/s; below 0 for a stop that was joined into it
    pub speeds: Vec<f64>,
    /// From point to point, 0 for the first, m
    pub distances: Vec<f64>,
    /// The sum of `distances`, m
    pub distance: f64,
    /// In `inferred_section`: the `cleaned_section` that it copies
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleaned_section: Option<EntryId>,
}

/// `analysis/recreated_location`: a section resampled to every 30 s.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
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
    /// Number of a `MotionType`: of the raw section
    pub mode: u8,
    /// The cleaned section.
    pub section: EntryId,
}

/// `analysis/smoothing`: which points of a section were thrown out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Smoothing {
    /// The raw section.
    pub section: EntryId,
    /// Of `background/filtered_location`.
    pub deleted_points: Vec<EntryId>,
    /// How the speed was found above which a step counts as a jump
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemas", schemars(extend("const" = "BoxplotOutlier")))]
    pub outlier_algo: Option<String>,
    /// Which rule chose the points
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemas", schemars(extend("enum" = ["SmoothZigzag", "SmoothPosdap"])))]
    pub filtering_algo: Option<String>,
}
