//! Writing an entry back without losing what the reader does not know.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A typed reading of an entry's data together with the members that its type does not name, so that a
/// changed entry can be written back whole. Numbers keep their value, not always their text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kept<T> {
    /// What the type names.
    #[serde(flatten)]
    pub known: T,
    /// Everything else, in the order of the names.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// A GeoJSON point.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Always a point.
    #[serde(rename = "type")]
    pub kind: PointKind,
    /// Longitude, latitude, degrees.
    pub coordinates: [f64; 2],
}

/// The one kind of geometry that entries carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum PointKind {
    /// `"type":"Point"`
    #[default]
    Point,
}

impl Point {
    /// The point at those degrees.
    pub fn at(longitude_deg: f64, latitude_deg: f64) -> Self {
        Self { kind: PointKind::Point, coordinates: [longitude_deg, latitude_deg] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Reading;

    #[test]
    fn what_a_type_does_not_name_is_written_back() {
        let text = r#"{"name":"n","reading":1.5,"ts":2.5,"later":{"a":[1]}}"#;
        let mut kept: Kept<Reading> = serde_json::from_str(text).expect("sound");
        kept.known.name = "m".to_owned();
        let back: Value = serde_json::to_value(&kept).expect("plain");
        assert_eq!(back, serde_json::from_str::<Value>(&text.replace("\"n\"", "\"m\"")).expect("JSON"));
    }
}
