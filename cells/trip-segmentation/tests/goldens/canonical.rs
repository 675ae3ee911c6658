//! Entries in the order and form of the recorded results: ids are replaced by what they point at.

use std::collections::BTreeMap;

use cells_sdk::Area;
use cells_sdk::testing::{Memory, Stored};
use serde_json::{Map, Value};

/// Times may differ by this much, s.
const TIME_TOLERANCE_S: f64 = 2e-6;
/// Other numbers may differ by this much of their size.
const TOLERANCE: f64 = 1e-9;

/// Everything in a runtime, ids replaced.
pub struct Canonical {
    entries: BTreeMap<String, Vec<Value>>,
    invalid: Vec<String>,
}

impl Canonical {
    pub fn of(memory: &Memory) -> Self {
        let mut by_key = BTreeMap::<&str, Vec<&Stored>>::new();
        for entry in memory.entries(Area::Timeseries) {
            by_key.entry(&entry.key).or_default().push(entry);
        }
        let mut references = BTreeMap::new();
        let mut invalid = Vec::new();
        for (key, entries) in &mut by_key {
            let order = |entry: &Stored| (first_time(entry), entry.time(cells_sdk::TimeField::WriteTs));
            entries.sort_by(|a, b| {
                let (a_order, b_order) = (order(a), order(b));
                a_order.0.total_cmp(&b_order.0).then(a_order.1.total_cmp(&b_order.1)).then(a.id.cmp(&b.id))
            });
            for (index, entry) in entries.iter().enumerate() {
                let reference = format!("{key}#{index}");
                if entry.invalid {
                    invalid.push(reference.clone());
                }
                references.insert(entry.id.to_string(), reference);
            }
        }
        let data = |entry: &&Stored| replaced(entry.data(), &references);
        let entries = by_key
            .into_iter()
            .map(|(key, entries)| (key.to_owned(), entries.iter().map(data).collect()))
            .collect();
        invalid.sort();
        Self { entries, invalid }
    }

    pub fn entries(&self, key: &str) -> &[Value] {
        self.entries.get(key).map_or(&[], Vec::as_slice)
    }

    pub fn invalid(&self) -> &[String] {
        &self.invalid
    }
}

fn first_time(entry: &Stored) -> f64 {
    let data = entry.data();
    let names: &[&str] =
        if entry.key.contains("place") { &["enter_ts"] } else { &["ts", "start_ts", "enter_ts", "exit_ts"] };
    names.iter().find_map(|name| data.get(name)?.as_f64()).unwrap_or(f64::NEG_INFINITY)
}

fn replaced(value: Value, references: &BTreeMap<String, String>) -> Value {
    match value {
        Value::Object(members) => match members.get("$oid").and_then(Value::as_str) {
            Some(id) => {
                let to = references.get(id).map_or("?missing", String::as_str);
                Value::Object(Map::from_iter([("$ref".to_owned(), to.into())]))
            }
            None => members.into_iter().map(|(name, value)| (name, replaced(value, references))).collect(),
        },
        other => other,
    }
}

/// The first difference, by its path.
pub fn difference(got: &Value, want: &Value, path: &str) -> Result<(), String> {
    match (got, want) {
        (Value::Object(got), Value::Object(want)) => {
            if let Some(name) = got.keys().find(|name| !want.contains_key(*name)) {
                return Err(format!("{path}.{name} is not wanted"));
            }
            want.iter().try_for_each(|(name, want)| {
                let got = got.get(name).ok_or(format!("{path}.{name} is missing"))?;
                difference(got, want, &format!("{path}.{name}"))
            })
        }
        (Value::Array(got), Value::Array(want)) if got.len() == want.len() => {
            got.iter().zip(want).try_for_each(|(got, want)| difference(got, want, path))
        }
        (Value::Number(got), Value::Number(want)) => {
            let (got, want) = (got.as_f64().unwrap_or(f64::NAN), want.as_f64().unwrap_or(f64::NAN));
            let allowed =
                if path.ends_with("ts") { TIME_TOLERANCE_S } else { TOLERANCE * want.abs() + 1e-12 };
            if (got - want).abs() <= allowed { Ok(()) } else { Err(format!("{path}: {got}, want {want}")) }
        }
        _ if got == want => Ok(()),
        _ => Err(format!("{path}: {got}, want {want}")),
    }
}
