//! Properties of every diary, whatever phones have sent.

use std::collections::BTreeMap;

use cells_sdk::testing::{Memory, Stored};
use cells_sdk::{Query, ReadEntries, TimeField};
use serde_json::Value;

use crate::stages::Stages;

/// The entries that each stage reads, and by which time.
const INPUTS: [(&str, &[&str], TimeField); 8] = [
    ("SECTION_SEGMENTATION", &["segmentation/raw_trip"], TimeField::EndTs),
    ("JUMP_SMOOTHING", &["segmentation/raw_section"], TimeField::EndTs),
    ("CLEAN_RESAMPLING", &["segmentation/raw_trip", "segmentation/raw_untracked"], TimeField::StartTs),
    ("MODE_INFERENCE", &["analysis/cleaned_section"], TimeField::EndTs),
    ("LABEL_INFERENCE", &["analysis/cleaned_trip"], TimeField::EndTs),
    ("EXPECTATION_POPULATION", &["analysis/inferred_trip"], TimeField::EndTs),
    (
        "CREATE_CONFIRMED_OBJECTS",
        &["analysis/expected_trip", "analysis/cleaned_untracked"],
        TimeField::StartTs,
    ),
    (
        "CREATE_COMPOSITE_OBJECTS",
        &["analysis/confirmed_trip", "analysis/confirmed_untracked"],
        TimeField::EndTs,
    ),
];

/// The entries of some keys, by id.
struct Entries<'a>(BTreeMap<String, (&'a Stored, Value)>);

impl<'a> Entries<'a> {
    fn of(memory: &'a Memory, keys: &[&str]) -> Self {
        let entries = keys.iter().flat_map(|key| memory.of_key(key));
        Self(entries.map(|entry| (entry.id.to_string(), (entry, entry.data()))).collect())
    }

    fn get(&self, id: &Value) -> Option<&Value> {
        self.0.get(id["$oid"].as_str()?).map(|(_, data)| data)
    }

    fn iter(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.0.iter().map(|(id, (_, data))| (id, data))
    }
}

/// Descriptions of everything that is wrong.
pub fn faults(memory: &mut Memory, stages: &Stages, now: f64) -> Vec<String> {
    let mut faults = Vec::new();
    for (stage, keys, field) in INPUTS {
        let window = Query::of(keys, field).between(stages.marks()[stage], Some(now - 5.0));
        let waiting = memory.count(&window).expect("countable");
        if waiting > 0 {
            faults.push(format!("{stage} is done, but {waiting} entries are in its next window"));
        }
    }
    let memory = &*memory;
    for family in ["segmentation/raw", "analysis/cleaned", "analysis/confirmed"] {
        faults.extend(chain_faults(memory, family));
    }
    faults.extend(once(memory, "analysis/cleaned_trip", "raw_trip"));
    faults.extend(once(memory, "analysis/confirmed_trip", "cleaned_trip"));
    faults.extend(once(memory, "analysis/composite_trip", "confirmed_trip"));
    faults.extend(left_out_faults(memory));
    faults.extend(composite_faults(memory));
    faults
}

/// Checks that no two entries were made from the same one.
fn once(memory: &Memory, key: &str, of: &str) -> Vec<String> {
    let mut made: BTreeMap<String, usize> = BTreeMap::new();
    for entry in memory.of_key(key) {
        *made.entry(entry.data()[of].to_string()).or_default() += 1;
    }
    let doubled = made.into_iter().filter(|(id, count)| *count > 1 && id != "null");
    doubled.map(|(id, count)| format!("{count} of {key} were made of {id}")).collect()
}

/// Checks that every trip leads from a place to a place, and both name it; one place is open.
fn chain_faults(memory: &Memory, family: &str) -> Vec<String> {
    let key = |name: &str| format!("{family}_{name}");
    let places = Entries::of(memory, &[&key("place")]);
    let trips = Entries::of(memory, &[&key("trip"), &key("untracked")]);
    let mut faults = Vec::new();
    for (id, trip) in trips.iter() {
        for (end, back) in [("start_place", "starting_trip"), ("end_place", "ending_trip")] {
            let linked = places.get(&trip[end]).is_some_and(|place| place[back]["$oid"] == **id);
            if !linked {
                faults.push(format!("the {end} of {family} trip {id} does not name it as {back}"));
            }
        }
    }
    for (id, place) in places.iter() {
        for (link, back) in [("starting_trip", "start_place"), ("ending_trip", "end_place")] {
            let Some(named) = place.get(link) else { continue };
            let linked = trips.get(named).is_some_and(|trip| trip[back]["$oid"] == **id);
            if !linked {
                faults.push(format!("the {link} of {family} place {id} does not name it as {back}"));
            }
        }
    }
    let open = places.iter().filter(|(_, place)| place.get("starting_trip").is_none()).count();
    if open != usize::from(!places.0.is_empty()) {
        faults.push(format!("{open} of {} {family} places are open", places.0.len()));
    }
    faults
}

/// Checks that the owner was informed about trips that are not confirmed.
fn left_out_faults(memory: &Memory) -> Vec<String> {
    let confirmed = memory.of_key("analysis/confirmed_trip");
    let named: Vec<Value> = confirmed.iter().map(|trip| trip.data()["cleaned_trip"].clone()).collect();
    let cleaned = Entries::of(memory, &["analysis/cleaned_trip"]);
    let trips = cleaned.iter().filter(|(id, _)| !named.iter().any(|named| named["$oid"] == ***id)).count();
    let times = |data: Value| (data["start_ts"].to_string(), data["end_ts"].to_string());
    let spans: Vec<_> =
        memory.of_key("analysis/confirmed_untracked").iter().map(|span| times(span.data())).collect();
    let cleaned = memory.of_key("analysis/cleaned_untracked");
    let spans = cleaned.iter().filter(|span| !spans.contains(&times(span.data()))).count();
    let told = told(memory, "trips or spans begin or end before the mark of earlier runs");
    if trips + spans == told {
        Vec::new()
    } else {
        vec![format!("{trips} trips and {spans} spans are not confirmed; the owner was told of {told}")]
    }
}

/// How many of something the log reported in all.
fn told(memory: &Memory, what: &str) -> usize {
    let lines = memory.log_lines().iter().filter(|(_, line)| line.contains(what));
    lines
        .map(|(_, line)| line.split(' ').next().and_then(|count| count.parse::<usize>().ok()).unwrap_or(0))
        .sum()
}

/// Checks that every confirmed trip is shown, with the places at its ends and all its sections.
fn composite_faults(memory: &Memory) -> Vec<String> {
    let composites = memory.of_key("analysis/composite_trip");
    let shown: BTreeMap<String, Value> = composites
        .iter()
        .map(|entry| entry.data())
        .map(|data| (data["confirmed_trip"]["$oid"].as_str().expect("a link").to_owned(), data))
        .collect();
    let sections = |key: &str, trip: &Value| {
        let all = memory.of_key(key);
        all.iter().filter(|section| section.data()["trip_id"] == *trip).count()
    };
    let mut faults = Vec::new();
    for trip in memory.of_key("analysis/confirmed_trip") {
        let Some(data) = shown.get(&trip.id.to_string()) else {
            faults.push(format!("no composite trip shows confirmed trip {}", trip.id));
            continue;
        };
        for (end, copy) in [("start_place", "start_confirmed_place"), ("end_place", "end_confirmed_place")] {
            if data[copy]["_id"] != data[end] {
                faults.push(format!("the {copy} of confirmed trip {} is {}", trip.id, data[copy]["_id"]));
            }
        }
        let inferred = sections("analysis/inferred_section", &data["cleaned_trip"]);
        let want =
            if inferred > 0 { inferred } else { sections("analysis/cleaned_section", &data["cleaned_trip"]) };
        let got = data["sections"].as_array().map_or(0, Vec::len);
        if got != want {
            faults.push(format!("confirmed trip {} is shown with {got} sections of {want}", trip.id));
        }
        let summed = |summary: &str| -> u64 {
            let counts = trip.data()[summary]["count"].as_object().cloned().unwrap_or_default();
            counts.values().filter_map(Value::as_u64).sum()
        };
        let cleaned = sections("analysis/cleaned_section", &data["cleaned_trip"]);
        if summed("cleaned_section_summary") != cleaned as u64 {
            faults
                .push(format!("the summary of confirmed trip {} counts not its {cleaned} sections", trip.id));
        }
    }
    faults
}
