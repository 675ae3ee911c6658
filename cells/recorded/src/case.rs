//! One recorded case.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use cells_sdk::Area;
use cells_sdk::testing::Memory;
use serde_json::{Map, Value, json};

use crate::canonical::{Canonical, in_order, references};
use crate::compare::difference;

/// Behind every recorded day, s.
const NOW: f64 = 1_900_000_000.0;
const DIFFERENCES_MAX: usize = 20;
const FILTERED: &str = "background/filtered_location";

/// What phones recorded, and what the reference made of it.
#[derive(Debug)]
pub struct Case {
    /// Of its folder.
    pub name: String,
    /// Files of phones' entries; the pipeline ran after each.
    pub loads: Vec<PathBuf>,
    /// Whether the reference filtered locations by accuracy.
    pub filter_accuracy: bool,
    golden: Value,
}

impl Case {
    pub(crate) fn read(folder: &Path) -> Self {
        let about = std::fs::read_to_string(folder.join("case.json")).expect("readable");
        let about: Value = serde_json::from_str(&about).expect("JSON");
        let golden = serde_json::from_str(&text_of(&folder.join("golden.json.gz"))).expect("JSON");
        let loads = about["loads"].as_array().expect("a list").iter();
        Self {
            name: folder.file_name().expect("a folder").to_string_lossy().into_owned(),
            loads: loads.map(|load| folder.join(load.as_str().expect("a name"))).collect(),
            filter_accuracy: about["filter_accuracy_enabled"] == true,
            golden,
        }
    }

    /// Whether everything was loaded at once, so that one run of a stage makes what the reference made.
    pub fn is_single(&self) -> bool {
        self.loads.len() == 1
    }

    /// A moment behind everything recorded, s.
    pub fn now(&self) -> f64 {
        NOW
    }

    /// The mark that the reference's stage had at the end (its window begins there), s.
    pub fn mark(&self, stage: &str) -> Option<f64> {
        self.golden["pipeline_state"][stage]["last_processed_ts"].as_f64()
    }

    /// What the reference keeps of the person.
    pub fn profile(&self) -> &Value {
        &self.golden["profile"]
    }

    /// The whole recorded result.
    pub fn golden(&self) -> &Value {
        &self.golden
    }

    /// A runtime with the phones' entries of every load, marked invalid as the reference has marked them, and the
    /// reference's results of those keys. Locations that the reference has filtered itself are always there.
    pub fn memory(&self, keys: &[&str]) -> Memory {
        let mut raw: Vec<Value> = Vec::new();
        for load in &self.loads {
            let entries: Value = serde_json::from_str(&text_of(load)).expect("JSON");
            raw.extend(entries.as_array().expect("a dump").iter().cloned());
        }
        if let Some(filtered) = self.golden["entries"].get(FILTERED).and_then(Value::as_array) {
            let made = self.filtered(filtered, &raw);
            raw.extend(made);
        }
        let probe = Memory::new().with_entries(Area::Timeseries, &Value::from(raw.clone()).to_string());
        let names = references(&in_order(&probe.entries(Area::Timeseries)));
        self.mark_invalid(&mut raw, &names);
        let mut ids: HashMap<String, String> = names.into_iter().map(|(id, name)| (name, id)).collect();
        self.name_results(&mut ids);
        for (created, key) in keys.iter().enumerate() {
            let entries = self.golden["entries"].get(*key).and_then(Value::as_array);
            for (index, entry) in entries.into_iter().flatten().enumerate() {
                raw.push(self.result(key, index, created, entry, &ids));
            }
        }
        // Ids rise behind this one, so that none that a run makes is a recorded one.
        raw.push(entry("ffffffff0000000000000000", json!({"key": "a/b"}), json!({})));
        Memory::new().with_entries(Area::Timeseries, &Value::from(raw).to_string())
    }

    /// How what the runtime has of those keys differs from the reference's results; at most 20 lines.
    pub fn differences(&self, memory: &Memory, keys: &[&str]) -> Vec<String> {
        let ours = Canonical::of(memory);
        let mut found = Vec::new();
        for key in keys {
            let none = Vec::new();
            let want = self.golden["entries"].get(*key).and_then(Value::as_array).unwrap_or(&none);
            let got = ours.entries(key);
            if got.len() != want.len() {
                found.push(format!("{key}: {} entries, want {}", got.len(), want.len()));
            }
            for (index, (got, want)) in got.iter().zip(want).enumerate() {
                let path = format!("{key}#{index}");
                // Locations stand in the recorded results without an envelope.
                let got = if *key == FILTERED { &got["data"] } else { got };
                found.extend(difference(got, want, &path).err());
            }
        }
        found.truncate(DIFFERENCES_MAX);
        found
    }

    /// How the marks on entries differ from the reference's.
    pub fn invalid_differences(&self, memory: &Memory) -> Result<(), String> {
        let mut want: Vec<_> = self.invalid().map(str::to_owned).collect();
        want.sort();
        let ours = Canonical::of(memory);
        if ours.invalid() == want {
            Ok(())
        } else {
            Err(format!("marked {:?}, want {want:?}", ours.invalid()))
        }
    }

    fn invalid(&self) -> impl Iterator<Item = &str> {
        let marked = self.golden["invalid_raw"].as_array().expect("a list").iter();
        marked.map(|entry| entry["ref"].as_str().expect("a reference"))
    }

    fn mark_invalid(&self, raw: &mut [Value], names: &HashMap<String, String>) {
        let invalid: Vec<&str> = self.invalid().collect();
        for entry in raw {
            let id = entry["_id"]["$oid"].as_str().expect("an id");
            if invalid.contains(&names[id].as_str()) {
                entry["invalid"] = true.into();
            }
        }
    }

    /// Filtered locations have the metadata of the location that they copy.
    fn filtered(&self, filtered: &[Value], raw: &[Value]) -> Vec<Value> {
        let with_place = |(index, data): (usize, &Value)| {
            let source = raw.iter().find(|entry| {
                entry["metadata"]["key"] == "background/location" && entry["data"]["ts"] == data["ts"]
            });
            let mut metadata = source.expect("a location of that time")["metadata"].clone();
            metadata["key"] = FILTERED.into();
            entry(&format!("f0000000ffff0000{index:08x}"), metadata, data.clone())
        };
        filtered.iter().enumerate().map(with_place).collect()
    }

    /// Made-up ids for the results, rising key by key.
    fn name_results(&self, ids: &mut HashMap<String, String>) {
        let results = self.golden["entries"].as_object().expect("entries by key");
        for (number, (key, entries)) in results.iter().enumerate().filter(|(_, (key, _))| *key != FILTERED) {
            for index in 0..entries.as_array().expect("a list").len() {
                ids.insert(format!("{key}#{index}"), format!("f0000000{number:08x}{index:08x}"));
            }
        }
    }

    fn result(
        &self,
        key: &str,
        index: usize,
        created: usize,
        result: &Value,
        ids: &HashMap<String, String>,
    ) -> Value {
        let write_ts = NOW - 1_000.0 + 10.0 * created as f64 + index as f64 * 1e-6;
        let mut metadata =
            json!({"key": key, "platform": "server", "write_ts": write_ts, "time_zone": "UTC"});
        if let Some(origin) = result.get("origin_key") {
            metadata["origin_key"] = origin.clone();
        }
        entry(&ids[&format!("{key}#{index}")], metadata, with_ids(&result["data"], ids))
    }
}

fn entry(id: &str, metadata: Value, data: Value) -> Value {
    json!({"_id": {"$oid": id}, "metadata": metadata, "data": data})
}

fn with_ids(value: &Value, ids: &HashMap<String, String>) -> Value {
    match value {
        Value::Object(members) => match members.get("$ref").and_then(Value::as_str) {
            Some(name) => json!({"$oid": ids.get(name).map_or("eeeeeeeeeeeeeeeeeeeeeeee", String::as_str)}),
            None => members.iter().map(|(name, value)| (name.clone(), embedded(name, value, ids))).collect(),
        },
        Value::Array(items) => items.iter().map(|item| with_ids(item, ids)).collect(),
        other => other.clone(),
    }
}

/// Entries within entries have their person and the mark of the server that made them.
fn embedded(name: &str, value: &Value, ids: &HashMap<String, String>) -> Value {
    match (name, value) {
        ("user_id", Value::String(_)) => json!({"$uuid": "ab".repeat(16)}),
        ("metadata", Value::Object(metadata)) if !metadata.contains_key("platform") => {
            let server = [("platform".to_owned(), "server".into())];
            Value::Object(Map::from_iter(metadata.clone().into_iter().chain(server)))
        }
        _ => with_ids(value, ids),
    }
}

/// The text of a gzipped file.
///
/// # Panics
/// Where there is no such text: a test that reads a wrong file should say so.
pub fn text_of(path: &Path) -> String {
    let file = std::fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).expect("a gzipped text");
    text
}
