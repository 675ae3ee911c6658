//! Simulated days keep the diary that was reviewed: a regression shows without any recorded day.
//!
//! Each snapshot tells what really happened beside what the stages made of it. After a change that is meant, look at
//! the difference and run with `INSTA_UPDATE=always`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use runtime_simulator::{Person, Phone, SimulatedDay, simulate_day};
use runtime_testkit::World;
use serde_json::Value;

const FIRST_DAY: u32 = 19_786;
const DAYS: u32 = 2;
/// Of these it is told how many there are.
const MADE: [&str; 10] = [
    "segmentation/raw_trip",
    "segmentation/raw_section",
    "analysis/smoothing",
    "analysis/cleaned_place",
    "analysis/cleaned_stop",
    "analysis/recreated_location",
    "inference/prediction",
    "analysis/expected_trip",
    "analysis/confirmed_place",
    "background/filtered_location",
];

#[test]
fn an_android_phones_days_become_the_reviewed_diary() {
    insta::assert_snapshot!("android", diary(Phone::Android, 11));
}

#[test]
fn an_iphones_days_become_the_reviewed_diary() {
    insta::assert_snapshot!("ios", diary(Phone::Ios, 12));
}

fn diary(phone: Phone, seed: u64) -> String {
    let person = Person::invent(seed, phone);
    let world = World::start();
    let user = world.person("somebody");
    let mut text = String::new();
    for number in 0..DAYS {
        let plan = person.plan(FIRST_DAY + number);
        let now = plan.midnight_ts as f64 + 100_000.0;
        let day = simulate_day(&plan, seed);
        tell_truth(&mut text, &day);
        world.put(user, &day.entries, now);
        assert!(world.pipeline(user, now).succeeded(), "every stage gets through");
    }
    for trip in world.entries(user, &["analysis/composite_trip"]) {
        tell_trip(&mut text, &trip["data"]);
    }
    let mut counts = BTreeMap::<String, u32>::new();
    for entry in world.entries(user, &MADE) {
        let key = entry["metadata"]["key"].as_str().expect("a key").to_owned();
        *counts.entry(key).or_default() += 1;
    }
    for (key, count) in counts {
        writeln!(text, "{count:6} {key}").expect("a text takes what it is given");
    }
    text
}

fn tell_truth(text: &mut String, day: &SimulatedDay) {
    for trip in &day.truth {
        let modes: Vec<_> = trip.sections.iter().map(|section| format!("{:?}", section.mode)).collect();
        writeln!(text, "really  {:.0} to {:.0} {}", trip.start_ts, trip.end_ts, modes.join(", "))
            .expect("a text takes what it is given");
    }
}

fn tell_trip(text: &mut String, trip: &Value) {
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    let told = |section: &Value| {
        let data = &section["data"];
        format!("{} {:.0} m", data["sensed_mode_str"].as_str().unwrap_or("?"), number(&data["distance"]))
    };
    let sections: Vec<_> = trip["sections"].as_array().into_iter().flatten().map(told).collect();
    writeln!(
        text,
        "diary   {:.0} to {:.0} {:.1} m: {}; {} points",
        number(&trip["start_ts"]),
        number(&trip["end_ts"]),
        number(&trip["distance"]),
        sections.join(", "),
        trip["locations"].as_array().map_or(0, Vec::len),
    )
    .expect("a text takes what it is given");
}
