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
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct ModePrediction {
    /// The cleaned trip.
    pub trip_id: EntryId,
    /// The cleaned section.
    pub section_id: EntryId,
    /// 2: rules
    #[cfg_attr(feature = "schemas", schemars(extend("const" = 2)))]
    pub algorithm_id: u8,
    /// Probability by name of the mode, such as `CAR`
    #[cfg_attr(feature = "schemas", schemars(with = "BTreeMap<String, crate::described::Probability>", extend("minProperties" = 1)))]
    pub predicted_mode_map: BTreeMap<String, f64>,
    /// When the trip or section began, s since 1970-01-01T00:00:00Z
    pub start_ts: f64,
    /// When the trip or section ended, s since 1970-01-01T00:00:00Z
    pub end_ts: f64,
}

/// `inference/labels`, `analysis/inferred_labels`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Labels {
    /// The cleaned trip.
    pub trip_id: EntryId,
    /// 7: trips between the same two places, with discounted confidence
    #[cfg_attr(feature = "schemas", schemars(extend("const" = 7)))]
    pub algorithm_id: u8,
    /// May be empty.
    pub prediction: Vec<LabelSet>,
    /// When the trip or section began, s since 1970-01-01T00:00:00Z
    pub start_ts: f64,
    /// When the trip or section ended, s since 1970-01-01T00:00:00Z
    pub end_ts: f64,
}

/// Labels that belong together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct LabelSet {
    /// By kind, such as `mode_confirm`.
    pub labels: BTreeMap<String, Value>,
    /// Probability, 0 to 1
    #[cfg_attr(feature = "schemas", schemars(range(min = 0.0, max = 1.0)))]
    pub p: f64,
}
