//! A made-up person who leaves home at full hours, and the stages before this one.

use cells_confirmed_objects::run;
use cells_sdk::model::EntryId;
use cells_sdk::model::rows::{Row, Rows};
use cells_sdk::model::time::local;
use cells_sdk::testing::{Memory, Stored};
use cells_sdk::{Area, Outcome, TimeField, WriteEntries};
use serde_json::{Value, json};

pub const NOW: f64 = 1_900_000_000.0;
pub const TRIP: &str = "analysis/confirmed_trip";
pub const PLACE: &str = "analysis/confirmed_place";
pub const UNTRACKED: &str = "analysis/confirmed_untracked";
pub const COMPOSITE: &str = "analysis/composite_trip";
const DAY: f64 = 1_700_000_000.0;
const HOUR: f64 = 3_600.0;
/// The duration of every trip, s.
pub const TRIP_S: f64 = 1_200.0;

/// When the trip of that number begins, s.
pub fn leaves(number: usize) -> f64 {
    DAY + HOUR * number as f64
}

/// When it ends, s.
pub fn arrives(number: usize) -> f64 {
    leaves(number) + TRIP_S
}

pub fn id(family: u8, number: usize) -> EntryId {
    let mut bytes = [0; 12];
    bytes[0] = family;
    bytes[4..].copy_from_slice(&(number as u64).to_be_bytes());
    EntryId(bytes)
}

fn at(name: &str, ts: f64, data: &mut Value) {
    let (local_dt, fmt_time) = local(ts, "Europe/Zurich").expect("sound");
    data[format!("{name}_ts")] = ts.into();
    data[format!("{name}_local_dt")] = json!(local_dt);
    data[format!("{name}_fmt_time")] = fmt_time.into();
}

fn point() -> Value {
    json!({"type": "Point", "coordinates": [8.5, 47.0]})
}

fn entry(id: EntryId, key: &str, data: Value) -> Value {
    json!({"_id": id, "metadata": {"key": key, "write_ts": 1.0, "platform": "server"}, "data": data})
}

/// The cleaned place after that many trips. `left`: the person has left it.
fn place(number: usize, left: bool) -> Value {
    let mut data = json!({"location": point(), "source": "test", "raw_places": [id(9, number)]});
    if number > 0 {
        at("enter", arrives(number - 1), &mut data);
        data["ending_trip"] = json!(id(2, number - 1));
    }
    if left {
        at("exit", leaves(number), &mut data);
        data["starting_trip"] = json!(id(2, number));
        data["raw_places"].as_array_mut().expect("a list").push(json!(id(9, number)));
        if number > 0 {
            data["duration"] = json!(leaves(number) - arrives(number - 1));
        }
    }
    entry(id(1, number), "analysis/cleaned_place", data)
}

/// A cleaned place with any times and links.
pub fn place_with(number: usize, times: [Option<f64>; 2], trips: [Option<usize>; 2]) -> Value {
    let mut data = json!({"location": point(), "source": "test", "raw_places": [id(9, number)]});
    for (name, ts) in ["enter", "exit"].into_iter().zip(times) {
        ts.into_iter().for_each(|ts| at(name, ts, &mut data));
    }
    for (name, trip) in ["ending_trip", "starting_trip"].into_iter().zip(trips) {
        trip.into_iter().for_each(|trip| data[name] = json!(id(2, trip)));
    }
    entry(id(1, number), "analysis/cleaned_place", data)
}

/// An expected trip between any places and times, with a section of each kind that begins at `section_ts`, s.
pub fn trip_with(number: usize, places: [usize; 2], times: [f64; 2], section_ts: f64) -> Vec<Value> {
    let mut entries = trip(number);
    let data = &mut entries[0]["data"];
    (data["start_place"], data["end_place"]) = (json!(id(1, places[0])), json!(id(1, places[1])));
    data["duration"] = (times[1] - times[0]).into();
    at("start", times[0], data);
    at("end", times[1], data);
    for section in &mut entries[1..] {
        section["data"]["start_ts"] = section_ts.into();
    }
    entries
}

/// A raw trip of any times.
pub fn raw_trip(number: usize, times: [f64; 2]) -> Value {
    entry(id(8, number), "segmentation/raw_trip", json!({"start_ts": times[0], "end_ts": times[1]}))
}

/// A cleaned trip of any times, which became known at `write_ts`, s.
pub fn cleaned_trip(number: usize, times: [f64; 2], write_ts: f64) -> Value {
    let data = json!({"start_ts": times[0], "end_ts": times[1]});
    let mut cleaned = entry(id(2, number), "analysis/cleaned_trip", data);
    cleaned["metadata"]["write_ts"] = write_ts.into();
    cleaned
}

fn trip(number: usize) -> Vec<Value> {
    let mut data = json!({"start_place": id(1, number), "end_place": id(1, number + 1), "start_loc": point(),
        "end_loc": point(), "duration": TRIP_S, "distance": 900.5, "source": "test", "raw_trip": id(8, number),
        "cleaned_trip": id(2, number), "inferred_trip": id(7, number), "inferred_labels": [],
        "expectation": {"to_label": true}, "confidence_threshold": 0.55, "later_member": {"kept": [1]}});
    at("start", leaves(number), &mut data);
    at("end", arrives(number), &mut data);
    let section = json!({"trip_id": id(2, number), "start_ts": leaves(number), "end_ts": arrives(number),
        "distance": 900.5, "duration": TRIP_S, "sensed_mode": 1, "ble_sensed_mode": null, "speeds": [], "distances": []});
    let mut cleaned = section.clone();
    cleaned["sensed_mode"] = 7.into();
    vec![
        entry(id(3, number), "analysis/expected_trip", data),
        entry(id(4, number), "analysis/inferred_section", section),
        entry(id(5, number), "analysis/cleaned_section", cleaned),
    ]
}

fn untracked(number: usize) -> Vec<Value> {
    let mut data = json!({"start_place": id(1, number), "end_place": id(1, number + 1), "start_loc": point(),
        "end_loc": point(), "duration": TRIP_S, "distance": 900.5, "source": "test"});
    at("start", leaves(number), &mut data);
    at("end", arrives(number), &mut data);
    vec![entry(id(2, number), "analysis/cleaned_untracked", data)]
}

pub struct World {
    pub memory: Memory,
    pub last: Outcome,
    trips: usize,
    inputs: usize,
}

impl World {
    /// A world without trips.
    pub fn new() -> Self {
        // Ids that the stage draws are above this one.
        let memory = Memory::new().with_entries(
            Area::Errors,
            r#"[{"_id":{"$oid":"f00000000000000000000000"},"metadata":{"key":"a/b"},"data":{}}]"#,
        );
        Self { memory, last: Outcome::default(), trips: 0, inputs: 0 }
    }

    /// This many more trips; those named are spans without readings.
    pub fn with_trips(mut self, count: usize, spans: &[usize]) -> Self {
        let (from, to) = (self.trips, self.trips + count);
        let mut entries = Vec::new();
        for number in from..to {
            entries.extend(if spans.contains(&number) { untracked(number) } else { trip(number) });
        }
        let first_new = if from == 0 { 0 } else { from + 1 };
        entries.extend((first_new..=to).map(|number| place(number, number < to)));
        if from > 0 {
            self.replace(&place(from, true));
        }
        self.trips = to;
        self.with(entries)
    }

    /// The same world with those entries.
    pub fn with(mut self, entries: Vec<Value>) -> Self {
        self.memory = self.memory.with_entries(Area::Timeseries, &Value::from(entries).to_string());
        self
    }

    /// A label or form about a span of time.
    pub fn with_input(mut self, key: &str, start_ts: f64, end_ts: f64, more: Value) -> Self {
        self.inputs += 1;
        let mut data = json!({"start_ts": start_ts, "end_ts": end_ts});
        data.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let metadata =
            json!({"key": key, "write_ts": 1e9 + self.inputs as f64, "time_zone": "Europe/Zurich"});
        let input = json!({"_id": id(6, self.inputs), "metadata": metadata, "data": data});
        self.with(vec![input])
    }

    /// The composite trip of a trip, with the members that matter.
    pub fn with_composite(self, number: usize) -> Self {
        let data = json!({"start_ts": leaves(number), "end_ts": arrives(number), "end_confirmed_place": {}, "locations": [1],
            "end_place": self.made(PLACE)[number + 1]["_id"]});
        self.with(vec![entry(id(10, number), COMPOSITE, data)])
    }

    fn replace(&mut self, entry: &Value) {
        let id: EntryId = serde_json::from_value(entry["_id"].clone()).expect("an id");
        let key = entry["metadata"]["key"].as_str().expect("a key");
        let (metadata, data) = (entry["metadata"].to_string(), entry["data"].to_string());
        let mut rows = Rows::new();
        rows.push(Row { id, key, metadata: &metadata, data: &data, extra: "" });
        self.memory.replace(&rows).expect("known");
        self.memory.commit();
    }

    /// Runs the stage, from where it stopped.
    pub fn run(mut self) -> Self {
        self.last = self.memory.run_stage(run, NOW, std::mem::take(&mut self.last)).expect("the stage works");
        self
    }

    /// The stage's results of a key, by their beginnings; with the ids.
    pub fn made(&self, key: &str) -> Vec<Value> {
        let begin = |entry: &&Stored| match key {
            PLACE => entry.time(TimeField::EnterTs).max(0.0),
            _ => entry.time(TimeField::StartTs),
        };
        let mut entries = self.memory.of_key(key);
        entries.sort_by(|a, b| begin(a).total_cmp(&begin(b)));
        let with_id = |entry: &Stored| {
            let mut data = entry.data();
            data["_id"] = json!(entry.id);
            data
        };
        entries.into_iter().map(with_id).collect()
    }

    /// Trips and spans without readings.
    pub fn journeys(&self) -> Vec<Value> {
        let mut journeys = [self.made(TRIP), self.made(UNTRACKED)].concat();
        journeys
            .sort_by(|a, b| a["start_ts"].as_f64().partial_cmp(&b["start_ts"].as_f64()).expect("numbers"));
        journeys
    }

    pub fn warnings(&self) -> Vec<String> {
        self.memory.log_lines().iter().map(|line| line.1.clone()).collect()
    }
}

/// Checks that every trip names the places around it, and they name it.
pub fn assert_linked(world: &World) {
    let (places, journeys) = (world.made(PLACE), world.journeys());
    assert_eq!(places.len(), journeys.len() + 1);
    for (at, journey) in journeys.iter().enumerate() {
        assert_eq!(journey["start_place"], places[at]["_id"]);
        assert_eq!(journey["end_place"], places[at + 1]["_id"]);
        assert_eq!(places[at]["starting_trip"], journey["_id"]);
        assert_eq!(places[at + 1]["ending_trip"], journey["_id"]);
        assert_eq!(places[at]["exit_ts"], journey["start_ts"]);
    }
    assert!(places[0].get("ending_trip").is_none());
    let last = places.last().expect("one at least");
    assert!(last.get("starting_trip").is_none() && last.get("exit_ts").is_none());
}
