//! The recorded steps of puts and moves: after each step, the store has what the reference has, plus our improvements.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;

use cells_sdk::testing::{Memory, Stored};
use cells_sdk::{Area, Outcome};
use serde_json::{Value, json};

const NOW: f64 = 1.7e9;

fn recorded(name: &str) -> Option<Value> {
    let folder = std::env::var_os("CELLAR_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    let packed = std::fs::read(folder.join("goldens/_usercache").join(name)).ok()?;
    let mut text = String::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut text).expect("gzip");
    Some(serde_json::from_str(&text).expect("JSON"))
}

/// Numbers compare by value: a phone's `0` and `0.0` are one.
fn plain(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(list) => list.iter().map(plain).collect(),
        Value::Object(map) => map.iter().map(|(name, value)| (name.clone(), plain(value))).collect(),
        other => other.clone(),
    }
}

/// Entries by their identity, in one order.
fn by_identity(entries: impl IntoIterator<Item = (Value, Value)>) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for (metadata, data) in entries {
        let (metadata, data) = (plain(&metadata), plain(&data));
        let key = format!(
            "{} {} {} {}",
            metadata["write_ts"], metadata["key"], metadata["type"], metadata["platform"]
        );
        // A different reading under one identity is kept beside the first.
        let same = found.keys().filter(|known: &&String| known.starts_with(&key)).count();
        found.insert(format!("{key} {same}"), json!({"metadata": metadata, "data": data}));
    }
    found
}

fn ours(memory: &Memory, area: Area) -> BTreeMap<String, Value> {
    let mut stored: Vec<&Stored> = memory.entries(area);
    stored.sort_by_key(|entry| entry.id);
    by_identity(stored.into_iter().map(|entry| (entry.metadata(), entry.data())))
}

fn theirs(step: &Value, area: &str) -> BTreeMap<String, Value> {
    let entries = step[area].as_array().expect("a list");
    by_identity(entries.iter().map(|entry| (entry["metadata"].clone(), entry["data"].clone())))
}

/// What we hold beyond the reference, and what the reference holds beyond us; equal where both have it.
fn difference(ours: &BTreeMap<String, Value>, theirs: &BTreeMap<String, Value>) -> [Vec<String>; 2] {
    for (name, value) in ours {
        assert!(
            theirs.get(name).is_none_or(|other| other == value),
            "{name}\nours   {value}\ntheirs {}",
            theirs[name]
        );
    }
    let only = |a: &BTreeMap<String, Value>, b: &BTreeMap<String, Value>| {
        a.keys().filter(|name| !b.contains_key(*name)).cloned().collect()
    };
    [only(ours, theirs), only(theirs, ours)]
}

#[test]
fn each_recorded_step_stores_everything_that_the_reference_stored() {
    let (Some(input), Some(golden)) = (recorded("input.json.gz"), recorded("golden.json.gz")) else {
        eprintln!("skipped: no recorded steps in ../shared/goldens/_usercache");
        return;
    };
    let mut memory = Memory::new();
    let mut outcome = Outcome::default();
    let steps = input.as_array().expect("a list").iter().zip(golden.as_array().expect("a list"));
    for (index, (step, golden)) in steps.enumerate() {
        if let Some(entries) = step.get("put") {
            let body = json!({"phone_to_server": entries}).to_string();
            let answer = memory.call(cells_usercache_put::handle, "", NOW, body).expect("taken");
            assert_eq!(answer.status, 200, "step {index}");
        } else {
            outcome =
                memory.run_stage(cells_usercache_to_timeseries::run, NOW, outcome).expect("a sound run");
            assert!(!outcome.more);
        }
        let mut report = format!("step {index}:");
        for (area, name) in [
            (Area::Timeseries, "timeseries"),
            (Area::Errors, "error_timeseries"),
            (Area::Usercache, "usercache"),
        ] {
            let (ours, theirs) = (ours(&memory, area), theirs(golden, name));
            let [more, fewer] = difference(&ours, &theirs);
            report += &format!(" {name} {} of {} equal", theirs.len() - fewer.len(), theirs.len());
            for (mark, names) in [("+", more), ("-", fewer)] {
                for entry in names {
                    report += &format!("\n    {mark} {name}: {entry}");
                    let known = IMPROVEMENTS.iter().any(|(at, sign, area, part)| {
                        index >= *at && *sign == mark && *area == name && entry.contains(part)
                    });
                    assert!(known, "{report}\nis no listed improvement");
                }
            }
            report += ";";
        }
        let mark =
            outcome.processed_through.map_or(Value::Null, |mark| json!(mark + cells_sdk::WINDOW_GAP_S));
        assert_eq!(plain(&mark), plain(&golden["usercache_last_processed_ts"]), "step {index}");
        let profile = memory.committed_document("profile").expect("every step has put something");
        let profile: Value = serde_json::from_slice(profile).expect("JSON");
        assert_eq!(plain(&profile), plain(&golden["profile"]), "step {index}");
        println!("{report} mark and profile equal");
    }
}

/// From which step on, more or fewer, where, which: docs/reference-differences.md gives the reasons.
const IMPROVEMENTS: &[(usize, &str, &str, &str)] = &[
    // The reference stores them without their owner, who then cannot find them.
    (1, "+", "timeseries", "config/sensor_config"),
    (1, "+", "timeseries", "config/consent"),
    // The reference has no form for it.
    (1, "+", "timeseries", "manual/place_user_input"),
    (1, "-", "error_timeseries", "manual/place_user_input"),
    // The reference needs a bearing; a fix is a time and a place.
    (1, "+", "timeseries", "1600000006.0 \"background/location\""),
    (1, "-", "error_timeseries", "1600000006.0 \"background/location\""),
    // The reference keeps a type that no phone has in the usercache for ever.
    (1, "+", "error_timeseries", "odd-type"),
    (1, "-", "usercache", "odd-type"),
    // A bad entry behind the last good one has left the usercache all the same.
    (1, "-", "usercache", "\"web\""),
    // Late ones are imported, and a different reading under the identity of an imported one is kept.
    (3, "+", "timeseries", "1600000020.5 \"background/location\""),
    (3, "+", "timeseries", "1600000001.0 \"background/location\" \"sensor-data\" \"android\" 1"),
    (3, "-", "usercache", "1600000020.5 \"background/location\""),
    (3, "-", "usercache", "1600000001.0 \"background/location\""),
];
