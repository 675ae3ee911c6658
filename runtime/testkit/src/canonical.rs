//! Entries in a form in which two runs that did the same are equal.
//!
//! Ids are random in every run and refer to other entries. Here an entry is identified by its content and by the
//! content of the entries that it refers to, and so on. The time at which the server wrote it comes from the run's
//! clock and is left out, and so is the number that a resampled point has among what its run read: this leftover of the
//! reference's tables depends on where the run began.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Map, Value};

/// How many references are followed: composite trip, confirmed trip, cleaned trip, raw trip, place.
const ROUNDS: usize = 6;

/// The stream of resampled points.
const RESAMPLED: &str = "analysis/recreated_location";

/// One text for each entry, sorted. Equal for runs that did the same.
pub fn canonical(entries: &[Value]) -> Vec<String> {
    let mut names: HashMap<String, u64> = HashMap::new();
    let mut texts = Vec::new();
    for _ in 0..ROUNDS {
        texts = entries.iter().map(|entry| told(entry, &names).to_string()).collect();
        let ids = entries.iter().map(|entry| id_of(&entry["_id"]).unwrap_or_default().to_owned());
        names = ids.zip(texts.iter().map(|text| digest(text))).collect();
    }
    texts.sort();
    texts
}

fn digest(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

fn id_of(value: &Value) -> Option<&str> {
    value.as_object().filter(|members| members.len() == 1)?.get("$oid")?.as_str()
}

fn told(value: &Value, names: &HashMap<String, u64>) -> Value {
    if let Some(id) = id_of(value) {
        return names.get(id).copied().unwrap_or_default().into();
    }
    match value {
        Value::Object(members) if members.len() == 1 && members.contains_key("$uuid") => "USER".into(),
        Value::Array(items) => items.iter().map(|item| told(item, names)).collect(),
        Value::Object(members) if members.contains_key("metadata") && members.contains_key("data") => {
            let kept = members.iter().filter(|(name, _)| !["_id", "user_id"].contains(&name.as_str()));
            let mut entry: Map<String, Value> =
                kept.map(|(name, value)| (name.clone(), told(value, names))).collect();
            if entry["metadata"]["platform"] == "server" {
                entry["metadata"] = entry["metadata"]["key"].clone();
            }
            if let (true, Some(data)) = (entry["metadata"] == RESAMPLED, entry["data"].as_object_mut()) {
                data.remove("index");
            }
            Value::Object(entry)
        }
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), told(value, names))).collect()
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn place(id: &str, at: f64, next: &str) -> Value {
        json!({ "_id": { "$oid": id }, "metadata": { "key": "a/place", "platform": "server", "write_ts": at },
            "data": { "next": { "$oid": next } } })
    }

    #[test]
    fn ids_and_the_servers_clock_make_no_difference_and_links_do() {
        let one = [place("a", 1.0, "b"), place("b", 2.0, "c"), place("c", 3.0, "none")];
        let same = [place("z", 9.0, "none"), place("x", 8.0, "y"), place("y", 7.0, "z")];
        let other = [place("a", 1.0, "c"), place("b", 2.0, "c"), place("c", 3.0, "none")];
        assert_eq!(canonical(&one), canonical(&same));
        assert_ne!(canonical(&one), canonical(&other));
    }

    #[test]
    fn whose_entry_it_is_makes_no_difference() {
        let of =
            |user: &str| json!({ "user_id": { "$uuid": user }, "data": { "user_id": { "$uuid": user } } });
        assert_eq!(canonical(&[of("a")]), canonical(&[of("b")]));
    }

    #[test]
    fn what_a_phone_wrote_keeps_its_time() {
        let entry =
            |write_ts: f64| json!({ "metadata": { "platform": "ios", "write_ts": write_ts }, "data": {} });
        assert_ne!(canonical(&[entry(1.0)]), canonical(&[entry(2.0)]));
    }
}
