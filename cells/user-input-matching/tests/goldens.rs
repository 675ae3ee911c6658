//! On recorded days whose inputs came with them, taking the inputs away and putting them in again gives what the
//! reference made: confirmed trips and places, and composite trips.

use cells_recorded::{Case, cases};
use cells_sdk::testing::{Memory, Stored};
use cells_sdk::{Area, Outcome};
use cells_user_input_matching::run;
use serde_json::{Value, json};

const TRIP: &str = "analysis/confirmed_trip";
const PLACE: &str = "analysis/confirmed_place";
const COMPOSITE: &str = "analysis/composite_trip";
const MADE: [&str; 3] = [TRIP, PLACE, COMPOSITE];

#[test]
fn late_inputs_give_the_result_of_the_reference_for_inputs_in_time() {
    let (mut problems, mut with_inputs) = (Vec::new(), 0);
    for case in cases().iter().filter(|case| case.is_single()) {
        let found = differences(case);
        with_inputs += usize::from(case.mark("USER_INPUT_MATCH_INCOMING").is_some());
        problems.extend(found.into_iter().map(|what| format!("{}: {what}", case.name)));
    }
    eprintln!("{with_inputs} cases with inputs");
    assert_eq!(problems, Vec::<String>::new());
}

fn differences(case: &Case) -> Vec<String> {
    let golden = case.golden()["entries"].as_object().expect("entries by key");
    let made_by_stages = golden.keys().filter(|key| !key.starts_with("background/"));
    let recorded = case.memory(&made_by_stages.map(|key| &**key).collect::<Vec<_>>());
    let mut memory = changed(&recorded, strip);
    let mut found = Vec::new();
    if case.mark("USER_INPUT_MATCH_INCOMING").is_some() && case.differences(&memory, &MADE).is_empty() {
        found.push("there was nothing to take away".to_owned());
    }
    let outcome = memory.run_stage(run, case.now(), Outcome::default()).expect("the stage works");
    found.extend(case.differences(&changed(&memory, sort_additions), &MADE));
    let (got, want) = (
        outcome.processed_through.map(|mark| mark + cells_sdk::WINDOW_GAP_S),
        case.mark("USER_INPUT_MATCH_INCOMING"),
    );
    if got != want {
        found.push(format!("goes on at {got:?}, want {want:?}"));
    }
    let before = texts(&memory);
    memory.run_stage(run, case.now(), Outcome::default()).expect("the stage works");
    if texts(&memory) != before {
        found.push("a second run over the same window changed something".to_owned());
    }
    found.extend(memory.log_lines().iter().map(|(_, line)| line.clone()));
    found
}

fn texts(memory: &Memory) -> Vec<(String, String)> {
    let entries = memory.entries(Area::Timeseries).into_iter();
    entries.map(|entry| (entry.id.to_string(), entry.data.clone())).collect()
}

/// The same with changes to what trips and places show, also where composite trips show it.
fn changed(memory: &Memory, change: fn(&mut Value, is_place: bool)) -> Memory {
    let changed = memory.entries(Area::Timeseries).into_iter().map(|entry| {
        let mut data = entry.data();
        match entry.key.as_str() {
            TRIP => change(&mut data, false),
            PLACE => change(&mut data, true),
            COMPOSITE => {
                change(&mut data, false);
                change(&mut data["end_confirmed_place"]["data"], true);
            }
            _ => {}
        }
        whole(entry, data)
    });
    Memory::new().with_entries(Area::Timeseries, &Value::from_iter(changed).to_string())
}

fn whole(entry: &Stored, data: Value) -> Value {
    json!({"_id": {"$oid": entry.id.to_string()}, "metadata": entry.metadata(), "data": data, "invalid": entry.invalid})
}

/// What trips show goes; what places show goes as far as later inputs can bring it back.
fn strip(data: &mut Value, is_place: bool) {
    if !is_place {
        data["user_input"] = json!({});
        data["additions"] = json!([]);
    } else if data.get("enter_ts").is_some() {
        data["user_input"].as_object_mut().expect("an object").remove("place_user_input");
        let additions = data["additions"].as_array_mut().expect("a list");
        additions.retain(|addition| addition["metadata"]["key"] != "manual/place_addition_input");
    }
}

/// Later additions stand in the order of writing, those of a new entry in that of their beginnings.
fn sort_additions(data: &mut Value, _: bool) {
    let beginning = |addition: &Value| {
        let start_ts = addition["data"]["start_ts"].as_f64().expect("a number");
        (start_ts.to_bits(), addition["_id"]["$oid"].to_string())
    };
    data["additions"].as_array_mut().expect("a list").sort_by_cached_key(beginning);
}
