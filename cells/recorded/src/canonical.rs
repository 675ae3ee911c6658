//! Entries in the order and form of the recorded results: an id is replaced by what it points at.

use std::collections::{BTreeMap, HashMap};

use cells_sdk::testing::{Memory, Stored};
use cells_sdk::{Area, TimeField};
use serde_json::{Map, Value, json};

/// Everything in a runtime's timeseries, ids replaced.
#[derive(Debug)]
pub struct Canonical {
    entries: BTreeMap<String, Vec<Value>>,
    invalid: Vec<String>,
}

impl Canonical {
    /// Reads a runtime. Each entry becomes `{"data":…,"origin_key"?:…}`.
    pub fn of(memory: &Memory) -> Self {
        let ordered = in_order(&memory.entries(Area::Timeseries));
        let references = references(&ordered);
        let mut invalid = Vec::new();
        let mut entries = BTreeMap::new();
        for (key, of_key) in &ordered {
            let hidden = of_key.iter().filter(|entry| entry.invalid);
            invalid.extend(hidden.map(|entry| references[&entry.id.to_string()].clone()));
            let values = of_key.iter().map(|entry| canonical(entry, &references)).collect();
            entries.insert(key.clone(), values);
        }
        invalid.sort();
        Self { entries, invalid }
    }

    /// The entries of a key.
    pub fn entries(&self, key: &str) -> &[Value] {
        self.entries.get(key).map_or(&[], Vec::as_slice)
    }

    /// What is marked invalid, as `key#index`, sorted.
    pub fn invalid(&self) -> &[String] {
        &self.invalid
    }
}

/// By key, in the order in which recorded results number them.
pub(crate) fn in_order<'a>(entries: &[&'a Stored]) -> BTreeMap<String, Vec<&'a Stored>> {
    let mut by_key = BTreeMap::<String, Vec<&Stored>>::new();
    let mut section_starts = HashMap::new();
    for &entry in entries {
        by_key.entry(entry.key.clone()).or_default().push(entry);
        if entry.key.ends_with("section") {
            section_starts.insert(entry.id.to_string(), entry.time(TimeField::StartTs));
        }
    }
    for of_key in by_key.values_mut() {
        of_key.sort_by_cached_key(|entry| {
            let section = section_of(entry).and_then(|id| section_starts.get(&id).copied()).unwrap_or(0.0);
            let write_ts = entry.time(TimeField::WriteTs);
            ([first_time(entry), section, write_ts].map(Ordered), entry.id)
        });
    }
    by_key
}

/// What each id is called.
pub(crate) fn references(ordered: &BTreeMap<String, Vec<&Stored>>) -> HashMap<String, String> {
    let numbered = ordered.iter().flat_map(|(key, entries)| {
        entries.iter().enumerate().map(move |(index, entry)| (entry.id.to_string(), format!("{key}#{index}")))
    });
    numbered.collect()
}

/// A double in its total order.
struct Ordered(f64);

impl PartialEq for Ordered {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ordered {}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

fn section_of(entry: &Stored) -> Option<String> {
    Some(entry.data().get("section")?.get("$oid")?.as_str()?.to_owned())
}

fn first_time(entry: &Stored) -> f64 {
    let fields: &[TimeField] = if entry.key.contains("place") {
        &[TimeField::EnterTs]
    } else {
        &[TimeField::DataTs, TimeField::StartTs, TimeField::EnterTs, TimeField::ExitTs]
    };
    let times = fields.iter().map(|field| entry.time(*field));
    times.into_iter().find(|time| !time.is_nan()).unwrap_or(f64::NEG_INFINITY)
}

fn canonical(entry: &Stored, references: &HashMap<String, String>) -> Value {
    let mut members = Map::from_iter([("data".to_owned(), replaced(entry.data(), references))]);
    if let Some(origin) = entry.metadata().get("origin_key") {
        members.insert("origin_key".to_owned(), origin.clone());
    }
    Value::Object(members)
}

fn replaced(value: Value, references: &HashMap<String, String>) -> Value {
    match value {
        Value::Object(members) if members.len() == 1 && members.contains_key("$oid") => {
            let id = members["$oid"].as_str().unwrap_or_default();
            json!({ "$ref": references.get(id).map_or("?missing", String::as_str) })
        }
        Value::Object(members) if members.len() == 1 && members.contains_key("$uuid") => "USER".into(),
        Value::Object(mut members) => {
            if members.contains_key("data") {
                forget_the_server_clock(&mut members);
            }
            members.into_iter().map(|(name, value)| (name, replaced(value, references))).collect()
        }
        Value::Array(items) => items.into_iter().map(|item| replaced(item, references)).collect(),
        Value::String(text) => match references.get(&text) {
            Some(reference) => json!({ "$ref": reference }),
            None => Value::String(text),
        },
        other => other,
    }
}

/// Of an entry within an entry that the server has made, only its keys are compared.
fn forget_the_server_clock(entry: &mut Map<String, Value>) {
    if let Some(Value::Object(metadata)) = entry.get_mut("metadata")
        && metadata.get("platform").is_some_and(|platform| platform == "server")
    {
        metadata.retain(|name, _| name == "key" || name == "origin_key");
    }
}
