//! The person's vehicle that a section was travelled in, from the beacons in vehicles.
//!
//! The person's vehicles are in the document [`VEHICLES`]; docs/formats/vehicles.md describes it. Without it no section
//! has a vehicle. (The reference requests the study's vehicles over the network, for each section, and without a
//! network it cuts no trips.)

use std::collections::BTreeMap;

use cells_sdk::model::background::BleEvent;
use cells_sdk::{Query, ReadEntries, RunError, TimeField, for_each_entry};
use serde::Deserialize;
use serde_json::Value;

use crate::read::is_of;

/// The document with the person's vehicles.
pub const VEHICLES: &str = "vehicles";
const BEACON: &str = "background/bluetooth_ble";

/// A person's vehicles, in the order in which they are checked.
#[derive(Debug, Clone, Default)]
pub struct Vehicles(Vec<Vehicle>);

#[derive(Debug, Clone)]
struct Vehicle {
    beacons: Vec<String>,
    /// As the document has it.
    record: Value,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    vehicle_identities: Vec<Value>,
}

#[derive(Deserialize)]
struct BeaconsOf {
    #[serde(default)]
    bluetooth_major_minor: Vec<String>,
}

impl Vehicles {
    /// Reads the text of the document.
    pub fn parse(text: &[u8]) -> Result<Self, serde_json::Error> {
        let document: Document = serde_json::from_slice(text)?;
        let vehicles = document.vehicle_identities.into_iter().map(|record| {
            let BeaconsOf { bluetooth_major_minor: beacons } = BeaconsOf::deserialize(&record)?;
            Ok(Vehicle { beacons, record })
        });
        vehicles.collect::<Result<_, serde_json::Error>>().map(Self)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first vehicle with that beacon.
    fn with(&self, beacon: &str) -> Option<&Value> {
        let has = |vehicle: &&Vehicle| vehicle.beacons.iter().any(|own| own == beacon);
        self.0.iter().find(has).map(|vehicle| &vehicle.record)
    }
}

/// The beacons that the phone has received.
#[derive(Debug, Default)]
pub struct Beacons {
    vehicles: Vehicles,
    /// Time, s, and name, in the order of time.
    heard: Vec<(f64, String)>,
}

#[derive(Deserialize)]
struct Heard {
    #[serde(rename = "eventType")]
    event: BleEvent,
    major: u32,
    minor: u32,
}

impl Beacons {
    /// Reads the beacons that a device received within closed bounds, s; none where there are no vehicles. `None`:
    /// those of any device.
    pub fn read<R: ReadEntries>(
        runtime: &mut R,
        vehicles: Vehicles,
        (start, end): (f64, f64),
        device: Option<&str>,
    ) -> Result<Self, RunError> {
        let mut heard = Vec::new();
        if !vehicles.is_empty() {
            let query = Query::of(&[BEACON], TimeField::DataTs).between(Some(start), Some(end));
            for_each_entry(runtime, &query, |_, entry| {
                // An unreadable entry gives no information about vehicles.
                let read: Option<Heard> = serde_json::from_str(entry.data).ok();
                if let Some(Heard { event: BleEvent::RangeUpdate, major, minor }) = read
                    && is_of(device, entry.metadata)
                {
                    heard.push((entry.time, name(major, minor)));
                }
                Ok(())
            })?;
        }
        Ok(Self { vehicles, heard })
    }

    /// The vehicle whose beacon was received most often within closed bounds, s; if equal the one received first.
    pub fn vehicle(&self, start: f64, end: f64) -> Option<&Value> {
        let first = self.heard.partition_point(|(ts, _)| *ts < start);
        let during = self.heard[first..].iter().take_while(|(ts, _)| *ts <= end);
        let mut counts = BTreeMap::<&str, (u32, usize)>::new();
        for (order, (_, beacon)) in during.enumerate() {
            counts.entry(beacon).or_insert((0, order)).0 += 1;
        }
        let often = |(_, (count, order)): &(&&str, &(u32, usize))| (*count, std::cmp::Reverse(*order));
        let (beacon, _) = counts.iter().max_by_key(often)?;
        self.vehicles.with(beacon)
    }
}

/// Quirk: both numbers have two hexadecimal digits at least, although those of beacons have four elsewhere; so
/// `00f5` of a beacon's label is `f5` here.
fn name(major: u32, minor: u32) -> String {
    format!("{major:02x}:{minor:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = r#"{"vehicle_identities":[
        {"value":"a","text":"A","baseMode":"CAR","bluetooth_major_minor":["dfc0:fff0","07:f5"]},
        {"value":"b","text":"B","baseMode":"E_CAR","bluetooth_major_minor":["dfc0:fff1","dfc0:fff0"]}]}"#;

    fn heard(names: &[&str]) -> Beacons {
        let heard = names.iter().zip(0..).map(|(name, ts)| (f64::from(ts), (*name).to_owned())).collect();
        Beacons { vehicles: Vehicles::parse(DOCUMENT.as_bytes()).expect("sound"), heard }
    }

    fn during(beacons: &Beacons, start: f64, end: f64) -> Option<&str> {
        beacons.vehicle(start, end)?.get("value")?.as_str()
    }

    #[test]
    fn the_beacon_heard_most_often_during_the_section_names_the_vehicle() {
        let beacons = heard(&["dfc0:fff1", "dfc0:fff0", "dfc0:fff0", "dfc0:fff1", "dfc0:fff1"]);
        assert_eq!(during(&beacons, 0.0, 2.0), Some("a"));
        assert_eq!(during(&beacons, 0.0, 4.0), Some("b"));
        assert_eq!(during(&beacons, 5.0, 9.0), None);
    }

    #[test]
    fn a_tie_between_beacons_goes_to_the_first_beacon_and_to_its_first_vehicle() {
        assert_eq!(during(&heard(&["dfc0:fff1", "dfc0:fff0"]), 0.0, 9.0), Some("b"));
        assert_eq!(during(&heard(&["dfc0:fff0", "dfc0:fff1"]), 0.0, 9.0), Some("a"));
    }

    #[test]
    fn the_most_frequent_beacon_decides_even_if_it_belongs_to_no_vehicle() {
        assert_eq!(during(&heard(&["1:2", "1:2", "dfc0:fff1"]), 0.0, 9.0), None);
    }

    #[test]
    fn small_numbers_have_two_digits() {
        assert_eq!(name(7, 245), "07:f5");
        assert_eq!(name(0xdfc0, 0xfff0), "dfc0:fff0");
    }

    #[test]
    fn a_document_of_another_form_is_refused_and_one_without_vehicles_is_not() {
        assert!(Vehicles::parse(b"{}").expect("sound").is_empty());
        for bad in ["", "[1]", r#"{"vehicle_identities":[7]}"#, r#"{"vehicle_identities":{}}"#] {
            assert!(Vehicles::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
