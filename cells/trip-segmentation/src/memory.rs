//! The stage's state: where devices stay that share a token with the carried one.
//!
//! It is a JSON object, `{"stays":[{"device":…,"latitude":…,"longitude":…,"radius_m":…,"since":…},…]}`; empty until
//! there is such a device. A run that starts earlier again drops what points of its window have shown.

use cells_geometry::Position;
use serde::{Deserialize, Serialize};

use crate::tracks::Stay;

/// Where devices stay.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    stays: Vec<Known>,
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

    /// The state for the next run.
    pub fn write(&self) -> Vec<u8> {
        if self.stays.is_empty() {
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
}
