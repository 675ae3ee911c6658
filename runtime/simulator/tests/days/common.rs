//! Reads simulated entries.

use serde_json::Value;

/// 2024-03-04, a Monday, counted from 1970-01-01.
pub const MONDAY: u32 = 19_786;

/// An entry, parsed.
pub struct Entry {
    pub key: String,
    pub kind: String,
    pub write_ts: f64,
    pub data: Value,
}

impl Entry {
    pub fn number(&self, name: &str) -> f64 {
        self.data[name].as_f64().unwrap_or_else(|| panic!("{}: no number {name} in {}", self.key, self.data))
    }
}

pub fn parsed(texts: &[String]) -> Vec<Entry> {
    let parse = |text: &String| {
        let mut entry: Value = serde_json::from_str(text).unwrap();
        Entry {
            key: entry["metadata"]["key"].as_str().unwrap().to_owned(),
            kind: entry["metadata"]["type"].as_str().unwrap().to_owned(),
            write_ts: entry["metadata"]["write_ts"].as_f64().unwrap(),
            data: entry["data"].take(),
        }
    };
    texts.iter().map(parse).collect()
}

/// Metres between two fixes, by the haversine.
pub fn distance_m(a: &Entry, b: &Entry) -> f64 {
    let (lat_a, lat_b) = (a.number("latitude").to_radians(), b.number("latitude").to_radians());
    let (north, east) = (lat_b - lat_a, (b.number("longitude") - a.number("longitude")).to_radians());
    let h = (north / 2.0).sin().powi(2) + lat_a.cos() * lat_b.cos() * (east / 2.0).sin().powi(2);
    2.0 * 6_371_000.0 * h.sqrt().asin()
}
