//! The stage's state: where devices stay that share a token with the carried one, and within a back-log what the next
//! run reads.
//!
//! It is a JSON object, `{"stays":[{"device":…,"latitude":…,"longitude":…,"radius_m":…,"since":…},…],"rows":…,
//! "signals_from":…}`; empty where there is neither. A run that starts earlier again drops what points of its window
//! have shown.

use cells_geometry::Position;
use serde::{Deserialize, Serialize};

use crate::tracks::Stay;

/// How many times as many rows as usual a run takes where no trip ended in as many. With
/// [`ROWS_A_RUN`](cells_locations::ROWS_A_RUN), the texts of the longest trip are less than later stages may read.
const MORE: usize = 4;

/// What one run leaves to the next.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    #[serde(default)]
    stays: Vec<Known>,
    /// How many rows of readings the next run takes, where that is not the usual number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rows: Option<usize>,
    /// Where the next part of a back-log begins to read signals, s: at the end of the last trip, since one before the
    /// start of the next trip may tell what was between them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signals_from: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Known {
    device: String,
    latitude: f64,
    longitude: f64,
    radius_m: f64,
    since: f64,
}

impl Memory {
    /// Reads the state of the last run.
    pub fn read(state: &[u8]) -> Result<Self, serde_json::Error> {
        if state.is_empty() { Ok(Self::default()) } else { serde_json::from_slice(state) }
    }

    /// Drops everything that a run which reads from `start` on will find again; all of it for `None`.
    pub fn take_back(&mut self, start: Option<f64>) {
        self.stays.retain(|known| start.is_some_and(|start| known.since < start));
    }

    /// Where devices with that name stay.
    pub fn stays(&self, device: &str) -> Vec<Stay> {
        let own = self.stays.iter().filter(|known| known.device == device);
        own.map(|known| Stay {
            place: Position { latitude: known.latitude, longitude: known.longitude },
            radius_m: known.radius_m,
            since: known.since,
        })
        .collect()
    }

    /// Adds places where devices with that name stay.
    pub fn add(&mut self, device: &str, stays: &[Stay]) {
        self.stays.extend(stays.iter().map(|stay| Known {
            device: device.to_owned(),
            latitude: stay.place.latitude,
            longitude: stay.place.longitude,
            radius_m: stay.radius_m,
            since: stay.since,
        }));
    }

    /// How many rows of readings a run takes, which usually is `usual`.
    pub fn rows(&self, usual: usize) -> usize {
        self.rows.unwrap_or(usual).clamp(usual, MORE * usual)
    }

    /// The next run takes as many as usual.
    pub fn take_usual(&mut self) {
        self.rows = None;
    }

    /// The next run takes more; false where that is not possible.
    pub fn take_more(&mut self, usual: usize) -> bool {
        let is_usual = self.rows(usual) < MORE * usual;
        self.rows = Some(MORE * usual);
        is_usual
    }

    /// Where a run begins to read signals whose window begins at `start`, s.
    pub fn signals_start(&self, start: Option<f64>) -> Option<f64> {
        start.map(|start| self.signals_from.map_or(start, |from| from.min(start)))
    }

    /// The next run begins to read signals there, s; `None`: where its window begins.
    pub fn signals_from(&mut self, from: Option<f64>) {
        self.signals_from = from;
    }

    /// The state for the next run.
    pub fn write(&self) -> Vec<u8> {
        if *self == Self::default() {
            return Vec::new();
        }
        serde_json::to_vec(self).expect("texts and finite numbers are always JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_starts_earlier_forgets_what_it_will_read_again() {
        let stay =
            |since| Stay { place: Position { latitude: 47.25, longitude: 8.5 }, radius_m: 150.0, since };
        let mut memory = Memory::default();
        assert_eq!(memory.write(), Vec::<u8>::new());
        memory.add("a", &[stay(100.0)]);
        memory.add("b", &[stay(200.0)]);
        let mut read = Memory::read(&memory.write()).expect("sound");
        assert_eq!((read.stays("a"), read.stays("c")), (vec![stay(100.0)], Vec::new()));
        read.take_back(Some(200.0));
        assert_eq!((read.stays("a").len(), read.stays("b").len()), (1, 0));
        read.take_back(None);
        assert_eq!(read, Memory::default());
        assert!(Memory::read(b"nonsense").is_err());
    }

    #[test]
    fn a_run_takes_more_until_it_has_taken_the_most_and_then_as_many_as_usual() {
        let mut memory = Memory::default();
        assert!(memory.take_more(100));
        memory = Memory::read(&memory.write()).expect("sound");
        assert_eq!(memory.rows(100), 400);
        assert!(!memory.take_more(100));
        memory.take_usual();
        assert_eq!((memory.rows(100), memory.write()), (100, Vec::new()));
        let wild = Memory::read(br#"{"rows":18446744073709551615}"#).expect("sound");
        assert_eq!(wild.rows(100), 400);
    }
}
