//! Entries and answers in a form in which two runs that did the same are equal.
//!
//! Ids are random in every run and refer to other entries: here an entry is identified by its content and by the content
//! of the entries that it refers to. The moment at which a stage wrote something comes from the run and is left out.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Map, Value};

/// How many references are followed: composite trip, confirmed trip, cleaned trip, raw trip, place.
const ROUNDS: usize = 6;
/// Points that were resampled: the number that each has among what its run read depends on where the run began.
const RESAMPLED: &str = "analysis/recreated_location";
/// Digits of an id in a text.
const ID_DIGITS: usize = 24;

/// One value for each entry, in their order. `known` has the digests of further entries that they may refer to, by their
/// ids. Equal for runs that did the same; what a phone wrote keeps its time.
pub fn canonical(made: &[Value], known: &HashMap<String, u64>) -> Vec<Value> {
    let mut names = known.clone();
    let mut values = Vec::new();
    for _ in 0..ROUNDS {
        values = made.iter().map(|entry| told(entry, &names)).collect::<Vec<_>>();
        let ids = made.iter().filter_map(|entry| id_of(&entry["_id"]));
        names.extend(ids.map(str::to_owned).zip(values.iter().map(|value| digest(&value.to_string()))));
    }
    values
}

/// An answer: the ids of entries as in [`canonical`], without the moments at which stages wrote; `phone_times` are
/// those at which a phone did. Lists of objects are sorted, since entries of one moment are ordered by their ids.
pub(crate) fn answer(value: &Value, names: &HashMap<String, u64>, phone_times: &BTreeSet<u64>) -> Value {
    match value {
        Value::Object(members) => {
            let is_kept = |name: &str, value: &Value| {
                let is_phones = || value.as_f64().is_some_and(|at| phone_times.contains(&at.to_bits()));
                name != "write_ts" || is_phones()
            };
            if let Some(id) = id_of(value) {
                return name_of(id, names).unwrap_or_else(|| Value::from(0));
            }
            // The account is shown under another id in each store.
            if members.len() == 1 && members.contains_key("$uuid") {
                return "USER".into();
            }
            let kept = members.iter().filter(|(name, value)| is_kept(name, value));
            let kept = kept.map(|(name, value)| (name.clone(), answer(value, names, phone_times)));
            without_server_times(kept.collect())
        }
        Value::Array(items) => {
            let mut items: Vec<_> = items.iter().map(|item| answer(item, names, phone_times)).collect();
            if items.iter().all(Value::is_object) {
                items.sort_by_cached_key(Value::to_string);
            }
            Value::Array(items)
        }
        Value::String(text) => match name_of(text, names) {
            Some(name) => name,
            // An entry as a text.
            None if text.starts_with(['{', '[']) => serde_json::from_str::<Value>(text)
                .map_or_else(|_| value.clone(), |inner| answer(&inner, names, phone_times)),
            None => value.clone(),
        },
        other => other.clone(),
    }
}

pub(crate) fn digest(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

pub(crate) fn id_of(value: &Value) -> Option<&str> {
    value.as_object().filter(|members| members.len() == 1)?.get("$oid")?.as_str()
}

/// What stands for an id that a text has.
fn name_of(text: &str, names: &HashMap<String, u64>) -> Option<Value> {
    let is_id = text.len() == ID_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| names.get(text)).flatten().map(|name| format!("entry {name:016x}").into())
}

/// The metadata that a stage wrote says only the stream.
fn without_server_times(members: Map<String, Value>) -> Value {
    if members.get("platform").is_some_and(|platform| platform == "server")
        && let Some(key) = members.get("key")
    {
        return key.clone();
    }
    Value::Object(members)
}

fn told(value: &Value, names: &HashMap<String, u64>) -> Value {
    if let Some(id) = id_of(value) {
        // One that is not there any more, or whose content is not known yet.
        return name_of(id, names).unwrap_or_else(|| Value::from(0));
    }
    match value {
        Value::Object(members) if members.len() == 1 && members.contains_key("$uuid") => "USER".into(),
        Value::Object(members) if members.contains_key("metadata") && members.contains_key("data") => {
            let kept = members.iter().filter(|(name, _)| !["_id", "user_id"].contains(&name.as_str()));
            let mut entry: Map<String, Value> =
                kept.map(|(name, value)| (name.clone(), told(value, names))).collect();
            if let (true, Some(data)) = (entry["metadata"] == RESAMPLED, entry["data"].as_object_mut()) {
                data.remove("index");
            }
            Value::Object(entry)
        }
        Value::Object(members) => {
            let told = members.iter().map(|(name, value)| (name.clone(), told(value, names)));
            without_server_times(told.collect())
        }
        Value::Array(items) => items.iter().map(|item| told(item, names)).collect(),
        Value::String(text) => name_of(text, names).unwrap_or_else(|| value.clone()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const IDS: [&str; 4] = [
        "0000000000000000000000a1",
        "0000000000000000000000b2",
        "0000000000000000000000c3",
        "0000000000000000000000d4",
    ];

    fn place(id: usize, at: f64, next: usize) -> Value {
        json!({ "_id": { "$oid": IDS[id] }, "user_id": { "$uuid": "u" },
            "metadata": { "key": "a/place", "platform": "server", "write_ts": at },
            "data": { "next": { "$oid": IDS[next] }, "text": IDS[next] } })
    }

    #[test]
    fn ids_and_the_moment_of_writing_make_no_difference_and_links_do() {
        let none = HashMap::new();
        let one = canonical(&[place(0, 1.0, 1), place(1, 2.0, 3)], &none);
        assert_eq!(one, canonical(&[place(2, 9.0, 0), place(0, 8.0, 3)], &none));
        assert_ne!(one, canonical(&[place(0, 1.0, 0), place(1, 2.0, 3)], &none));
        assert!(one[0].to_string().contains("entry ") && !one[0].to_string().contains(IDS[1]));
    }

    #[test]
    fn whose_entry_it_is_makes_no_difference_and_when_a_phone_wrote_it_does() {
        let entry = |user: &str, write_ts: f64| {
            let metadata = json!({ "key": "a/b", "platform": "ios", "write_ts": write_ts });
            json!({ "user_id": { "$uuid": user }, "metadata": metadata, "data": { "user_id": { "$uuid": user } } })
        };
        let of = |user: &str, write_ts: f64| canonical(&[entry(user, write_ts)], &HashMap::new());
        assert_eq!(of("a", 1.0), of("b", 1.0));
        assert_ne!(of("a", 1.0), of("a", 2.0));
    }

    #[test]
    fn answers_keep_what_phones_wrote_and_have_no_order_among_entries() {
        let names = HashMap::from([(IDS[0].to_owned(), 1), (IDS[1].to_owned(), 2)]);
        let times = BTreeSet::from([5.0_f64.to_bits()]);
        let entry = |id: usize, at: f64| json!({ "id": IDS[id], "write_ts": at });
        let of = |entries: Vec<Value>| answer(&json!({ "entries": entries }), &names, &times);
        assert_eq!(of(vec![entry(0, 1.0), entry(1, 2.0)]), of(vec![entry(1, 3.0), entry(0, 4.0)]));
        assert_ne!(of(vec![entry(0, 5.0)]), of(vec![entry(0, 1.0)]));
        assert_ne!(of(vec![entry(0, 1.0)]), of(vec![entry(1, 1.0)]));
        // Also where an answer has entries as texts.
        let text = |id: usize, user: &str| {
            of(vec![
                json!({ "text": json!({ "_id": { "$oid": IDS[id] }, "user_id": { "$uuid": user } }).to_string() }),
            ])
        };
        assert_eq!(text(0, "a"), text(0, "b"));
        assert_ne!(text(0, "a"), text(1, "a"));
    }
}
