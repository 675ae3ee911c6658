//! `inference/*`: what was probably meant.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::EntryId;
use crate::numbered::numbered;

numbered! {
    /// How a section was probably travelled.
    PredictedMode {
        Unknown = 0 "UNKNOWN",
        Walking = 1 "WALKING",
        Bicycling = 2 "BICYCLING",
        Bus = 3 "BUS",
        Train = 4 "TRAIN",
        Car = 5 "CAR",
        AirOrHsr = 6 "AIR_OR_HSR",
        Subway = 7 "SUBWAY",
        Tram = 8 "TRAM",
        LightRail = 9 "LIGHT_RAIL",
    }
}

/// `inference/prediction`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModePrediction {
    /// The cleaned trip.
    pub trip_id: EntryId,
    /// The cleaned section.
    pub section_id: EntryId,
    /// 1 random forest, 2 rules.
    pub algorithm_id: u8,
    /// Probability by name of [`PredictedMode`].
    pub predicted_mode_map: BTreeMap<String, f64>,
    /// s
    pub start_ts: f64,
    /// s
    pub end_ts: f64,
}

/// `inference/labels`, `analysis/inferred_labels`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Labels {
    /// The cleaned trip.
    pub trip_id: EntryId,
    /// 7: clusters with discounted confidence.
    pub algorithm_id: u8,
    /// May be empty.
    pub prediction: Vec<LabelSet>,
    /// s
    pub start_ts: f64,
    /// s
    pub end_ts: f64,
}

/// Labels that belong together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelSet {
    /// By kind, such as `mode_confirm`.
    pub labels: BTreeMap<String, Value>,
    /// Probability, 0 to 1.
    pub p: f64,
}
