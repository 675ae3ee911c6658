//! Rows of docs/reference-differences.md about the whole runtime that no other test holds.

use std::collections::BTreeSet;

use runtime_diary::Format;
use runtime_host::admin::{Ask, Context, ExportDiary, PhoneAddress};
use runtime_simulator::{Person, Phone, simulate_day};
use runtime_testkit::World;
use runtime_user::{Area, UserId};
use serde_json::{Value, json};

/// The noon after the day.
const NOW: f64 = 1_709_683_200.0;

fn day() -> Vec<String> {
    simulate_day(&Person::invent(1, Phone::Android).plan(19_786), 1).entries
}

/// The keys under which there is anything.
fn keys(world: &World, user: UserId, area: Area) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    let read = world.runtime.person(user).expect("open").each_entry(&[area], |_, text| {
        let entry: Value = serde_json::from_str(text).expect("an entry is JSON");
        keys.insert(entry["metadata"]["key"].as_str().expect("a key").to_owned());
        Ok(())
    });
    read.expect("entries are read");
    keys
}

// Row: "Each call adds two `stats/server_api_time` entries"
// Row: "`stats/pipeline_time` entries after each stage"
#[test]
fn calls_and_stages_add_no_entries_about_themselves_to_a_persons_timeseries() {
    let world = World::start();
    let ada = world.person("Ada");
    world.put(ada, &day(), NOW);
    world.pipeline(ada, NOW);
    assert!(!world.entries(ada, &["analysis/confirmed_trip"]).is_empty());
    for area in [Area::Timeseries, Area::Usercache, Area::Errors] {
        let keys = keys(&world, ada, area);
        assert!(
            !keys.iter().any(|key| key.starts_with("stats/server") || key.starts_with("stats/pipeline")),
            "{keys:?}"
        );
    }
    let audit = keys(&world, ada, Area::Audit);
    assert!(!audit.is_empty(), "what ran is in the audit");
}

/// What the timeline shows that has a level of stress: reports of incidents.
fn incidents(world: &World) -> usize {
    let pin = "a".repeat(64).parse();
    let phone_address = PhoneAddress { address: "localhost:1".to_owned(), pin: pin.expect("a pin") };
    let person = "Ada".to_owned();
    let ask = ExportDiary { person, format: Format::Timeline, from: None, to: None, output: None };
    let exported =
        ask.answer(&Context { runtime: &world.runtime, phone_address: &phone_address }).expect("a timeline");
    exported.text.expect("a text").matches("\"stress\"").count()
}

// Row: "The timeline shows incidents"
#[test]
fn the_timeline_shows_an_incident_once_a_run_has_accepted_it() {
    let world = World::start();
    let ada = world.person("Ada");
    world.put(ada, &day(), NOW);
    world.pipeline(ada, NOW);
    let trip = &world.entries(ada, &["analysis/confirmed_trip"])[0];
    let ts = trip["data"]["start_ts"].as_f64().expect("a time") + 60.0;
    let incident = json!({
        "metadata": { "key": "manual/incident", "platform": "android", "type": "message",
            "time_zone": "Europe/Zurich", "write_ts": NOW + 10.0, "read_ts": 0 },
        "data": { "ts": ts, "loc": trip["data"]["start_loc"], "stress": 80 },
    });
    world.put(ada, &[incident.to_string()], NOW + 20.0);
    assert_eq!(incidents(&world), 0);
    world.pipeline(ada, NOW + 60.0);
    assert_eq!(incidents(&world), 1);
}
