//! On recorded days, the timeline equals the reference's timeline for the same entries.

mod support;

use cells_recorded::{Canonical, Case, cases, difference};
use cells_sdk::Area;
use cells_sdk::testing::Memory;
use runtime_diary::{Modes, Trip, timeline};
use serde_json::{Value, json};
use support::InMemory;

/// All entries that the reference made.
fn everything(case: &Case) -> Memory {
    let keys: Vec<&str> =
        case.golden()["entries"].as_object().expect("entries by key").keys().map(String::as_str).collect();
    let keys: Vec<&str> = keys.into_iter().filter(|key| *key != "background/filtered_location").collect();
    case.memory(&keys)
}

#[test]
fn every_recorded_day_is_shown_as_the_reference_shows_it() {
    let mut problems = Vec::new();
    for case in &cases() {
        let shown = &case.golden()["geojson_for_day"];
        let (Some(date), Some(want)) = (shown["date"].as_str(), shown["trips"].as_array()) else { continue };
        assert_eq!(shown["section_key"], "analysis/cleaned_section");
        let mut memory = everything(case);
        let mut of_day: Vec<_> = memory
            .of_key("analysis/confirmed_trip")
            .iter()
            .filter(|trip| trip.data()["start_fmt_time"].as_str().is_some_and(|time| time.starts_with(date)))
            .map(|trip| (trip.time(cells_sdk::TimeField::StartTs), trip.id))
            .collect();
        of_day.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut source = InMemory(&memory);
        let read = |(_, id)| Trip::read(&mut source, id, Modes::Sensed).ok().flatten().expect("a trip");
        let got: Vec<Value> = of_day.into_iter().map(read).map(|trip| timeline(&trip)).collect();
        // Ids are compared by the entries that they refer to, as in any other entry.
        let data = json!({ "trips": got }).to_string();
        memory = memory.with_entry(Area::Timeseries, r#"{"key":"test/timeline"}"#, &data);
        let canonical = Canonical::of(&memory);
        let got = &canonical.entries("test/timeline")[0]["data"]["trips"];
        problems.extend(difference(got, &Value::from(want.clone()), &case.name).err());
    }
    assert_eq!(problems, Vec::<String>::new());
}
