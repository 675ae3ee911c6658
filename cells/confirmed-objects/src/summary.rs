//! Sums over the sections of each trip, by mode: distance, duration, count.

use std::collections::BTreeMap;

use cells_sdk::model::EntryId;
use cells_sdk::model::analysis::ModeSummary;
use cells_sdk::model::background::MotionType;
use cells_sdk::model::inference::PredictedMode;
use cells_sdk::model::text::{members, number};
use cells_sdk::{Query, ReadEntries, RunError, TimeField, for_each_entry};
use serde::Deserialize;

/// Sections with the mode from rules or a model.
pub const INFERRED: &str = "analysis/inferred_section";
/// Sections with the mode from the phone.
pub const CLEANED: &str = "analysis/cleaned_section";
/// The name for a section without a beacon, and for a number that names no mode.
const UNKNOWN: &str = "UNKNOWN";

/// The three summaries of one trip, JSON texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summaries {
    /// `inferred_section_summary`
    pub inferred: String,
    /// `cleaned_section_summary`
    pub cleaned: String,
    /// `ble_sensed_summary`: by beacons, over the inferred sections.
    pub ble: String,
}

/// Sums over the sections of many trips, by the id of the cleaned trip.
#[derive(Debug, Default)]
pub struct Sections {
    inferred: BTreeMap<EntryId, Sums>,
    cleaned: BTreeMap<EntryId, Sums>,
    ble: BTreeMap<EntryId, Sums>,
    /// Sections that could not be read and do not count.
    pub unreadable: usize,
}

/// The members of a section that are summed.
#[derive(Debug)]
pub struct Section<'a> {
    trip_id: EntryId,
    distance: f64,
    duration: f64,
    sensed_mode: i64,
    ble_sensed_mode: Option<Beacon<'a>>,
}

#[derive(Debug, Deserialize)]
struct Beacon<'a> {
    #[serde(borrow, default, rename = "baseMode")]
    base_mode: Option<std::borrow::Cow<'a, str>>,
}

impl<'a> Section<'a> {
    /// Reads the data of a section; `None` where a member is absent or of another kind.
    fn read(data: &'a str) -> Option<Self> {
        let (mut trip_id, mut distance, mut duration) = (None, None, None);
        let (mut sensed_mode, mut ble_sensed_mode) = (None, None);
        // Most of a section are lists with a number for each point, which are skipped.
        for member in members(data).map_while(Result::ok) {
            match member.name {
                "trip_id" => trip_id = serde_json::from_str(member.value).ok(),
                "distance" => distance = number(member.value),
                "duration" => duration = number(member.value),
                "sensed_mode" => sensed_mode = member.value.parse().ok(),
                "ble_sensed_mode" => ble_sensed_mode = serde_json::from_str(member.value).ok()?,
                _ => {}
            }
        }
        Some(Self {
            trip_id: trip_id?,
            distance: distance?,
            duration: duration?,
            sensed_mode: sensed_mode?,
            ble_sensed_mode,
        })
    }
}

impl Sections {
    /// Reads the sections that begin in a closed span of time, s.
    pub fn read<R: ReadEntries>(runtime: &mut R, start: f64, end: f64) -> Result<Self, RunError> {
        let query = Query::of(&[INFERRED, CLEANED], TimeField::StartTs).between(Some(start), Some(end));
        let mut sections = Self::default();
        for_each_entry(runtime, &query, |_, entry| {
            match Section::read(entry.data) {
                Some(section) => sections.add(entry.key, &section),
                None => sections.unreadable += 1,
            }
            Ok(())
        })?;
        Ok(sections)
    }

    fn add(&mut self, key: &str, section: &Section<'_>) {
        let mode = section.sensed_mode;
        if key == CLEANED {
            let name = MotionType::from_number(mode).map_or(UNKNOWN, MotionType::name);
            self.cleaned.entry(section.trip_id).or_default().add(name, section);
            return;
        }
        let name = PredictedMode::from_number(mode).map_or(UNKNOWN, PredictedMode::name);
        self.inferred.entry(section.trip_id).or_default().add(name, section);
        let beacon = section.ble_sensed_mode.as_ref().and_then(|beacon| beacon.base_mode.as_deref());
        self.ble.entry(section.trip_id).or_default().add(beacon.unwrap_or(UNKNOWN), section);
    }

    /// The summaries of a cleaned trip; empty without sections.
    pub fn of(&self, trip: Option<EntryId>) -> Summaries {
        let text = |sums: &BTreeMap<EntryId, Sums>| {
            let sums = trip.and_then(|trip| sums.get(&trip));
            let summary = sums.map_or_else(|| Sums::default().summary(), Sums::summary);
            serde_json::to_string(&summary).expect("sums of numbers from JSON are written back")
        };
        Summaries { inferred: text(&self.inferred), cleaned: text(&self.cleaned), ble: text(&self.ble) }
    }
}

/// Sums by name of the mode.
#[derive(Debug, Default)]
struct Sums(BTreeMap<String, OfMode>);

#[derive(Debug, Default)]
struct OfMode {
    distance: Compensated,
    duration: Compensated,
    count: u64,
}

impl Sums {
    fn add(&mut self, mode: &str, section: &Section<'_>) {
        if !self.0.contains_key(mode) {
            self.0.insert(mode.to_owned(), OfMode::default());
        }
        let of_mode = self.0.get_mut(mode).expect("it was put there");
        of_mode.distance.add(section.distance);
        of_mode.duration.add(section.duration);
        of_mode.count += 1;
    }

    fn summary(&self) -> ModeSummary {
        let by_mode = |value: fn(&OfMode) -> f64| {
            self.0.iter().map(|(mode, sums)| (mode.clone(), value(sums))).collect::<BTreeMap<_, _>>()
        };
        ModeSummary {
            distance: by_mode(|sums| sums.distance.sum),
            duration: by_mode(|sums| sums.duration.sum),
            count: self.0.iter().map(|(mode, sums)| (mode.clone(), sums.count)).collect(),
        }
    }
}

/// A sum that keeps its rounding error (Kahan's), as grouped sums of pandas do: the last bit depends on it.
#[derive(Debug, Default)]
struct Compensated {
    sum: f64,
    lost: f64,
}

impl Compensated {
    fn add(&mut self, value: f64) {
        let value = value - self.lost;
        let sum = self.sum + value;
        self.lost = (sum - self.sum) - value;
        self.sum = sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cells_sdk::Area;
    use cells_sdk::testing::Memory;
    use serde_json::{Value, json};

    fn trip(number: u8) -> EntryId {
        EntryId([number; 12])
    }

    fn section(memory: Memory, key: &str, of: u8, mode: u8, distance: f64, beacon: Value) -> Memory {
        let data = json!({"trip_id": trip(of), "start_ts": 5.0, "distance": distance, "duration": 2.0,
            "sensed_mode": mode, "ble_sensed_mode": beacon, "speeds": [0.0, 1.0]});
        memory.with_entry(
            Area::Timeseries,
            &json!({"key": key, "write_ts": 1.0}).to_string(),
            &data.to_string(),
        )
    }

    fn read(text: &str) -> Value {
        serde_json::from_str(text).expect("JSON")
    }

    #[test]
    fn sections_are_summed_by_trip_and_mode() {
        let mut memory = Memory::new();
        for (of, mode, distance) in [(1, 5, 10.0), (1, 5, 20.5), (1, 1, 1.0), (2, 2, 7.0)] {
            memory = section(memory, INFERRED, of, mode, distance, Value::Null);
            memory = section(memory, CLEANED, of, 0, distance, Value::Null);
        }
        let sections = Sections::read(&mut memory, 5.0, 5.0).expect("readable");
        let first = sections.of(Some(trip(1)));
        let want = json!({"distance": {"CAR": 30.5, "WALKING": 1.0}, "duration": {"CAR": 4.0, "WALKING": 2.0},
            "count": {"CAR": 2, "WALKING": 1}});
        assert_eq!(read(&first.inferred), want);
        assert_eq!(read(&first.cleaned)["count"], json!({"IN_VEHICLE": 3}));
        assert_eq!(read(&first.ble)["distance"], json!({"UNKNOWN": 31.5}));
        assert_eq!(read(&sections.of(Some(trip(2))).inferred)["count"], json!({"BICYCLING": 1}));
    }

    // Row: "A mode number without a name"
    #[test]
    fn a_beacon_names_the_mode_of_its_vehicle() {
        let memory = section(Memory::new(), INFERRED, 1, 5, 3.0, json!({"baseMode": "E_CAR", "kgCo2": 1}));
        let memory = section(memory, INFERRED, 1, 5, 4.0, Value::Null);
        let mut memory = section(memory, INFERRED, 1, 5, 5.0, json!({"kgCo2": 1}));
        let sections = Sections::read(&mut memory, 0.0, 9.0).expect("readable");
        let want = json!({"E_CAR": 3.0, "UNKNOWN": 9.0});
        assert_eq!(read(&sections.of(Some(trip(1))).ble)["distance"], want);
    }

    #[test]
    fn a_trip_without_sections_has_empty_summaries() {
        let sections = Sections::default();
        let empty = r#"{"distance":{},"duration":{},"count":{}}"#.to_owned();
        let want = Summaries { inferred: empty.clone(), cleaned: empty.clone(), ble: empty };
        assert_eq!(sections.of(Some(trip(1))), want);
        assert_eq!(sections.of(None), want);
    }

    // Row: "A trip whose end place is gone"
    // Row: "A mode number without a name"
    #[test]
    fn an_unknown_number_or_an_unreadable_section_does_not_stop_the_summary() {
        let memory = section(Memory::new(), CLEANED, 1, 6, 3.0, Value::Null);
        let mut memory = memory.with_entry(
            Area::Timeseries,
            &json!({"key": CLEANED}).to_string(),
            r#"{"start_ts":5.0,"distance":"far"}"#,
        );
        let sections = Sections::read(&mut memory, 0.0, 9.0).expect("readable");
        assert_eq!(sections.unreadable, 1);
        assert_eq!(read(&sections.of(Some(trip(1))).cleaned)["count"], json!({"UNKNOWN": 1}));
    }

    // Row: "Grouped sums carry their rounding error"
    #[test]
    fn the_rounding_error_of_a_sum_is_carried_along() {
        let mut sum = Compensated::default();
        [1e16, 1.0, 1.0, 1.0, 1.0].into_iter().for_each(|value| sum.add(value));
        assert_eq!(sum.sum, 1e16 + 4.0);
    }
}
