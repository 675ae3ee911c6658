//! Temporary.
#[path = "support/stages.rs"]
mod stages;
mod support;
use runtime_diary::{Format, write};
use serde_json::Value;
use std::io::Read as _;
#[test]
fn field() {
    for file in std::fs::read_dir("/work/shared/field/inputs").unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !(name.contains("180") || name.contains("fix") || name.contains("walk")) || !name.ends_with(".gz")
        {
            continue;
        }
        let mut text = String::new();
        flate2::read::GzDecoder::new(&std::fs::read(&path).unwrap()[..]).read_to_string(&mut text).unwrap();
        let entries: Vec<Value> = serde_json::from_str(&text).unwrap();
        let now =
            entries.iter().filter_map(|e| e["metadata"]["write_ts"].as_f64()).fold(0.0, f64::max) + 1000.0;
        let mut person = stages::Person::default();
        let entries: Vec<String> = entries.iter().map(Value::to_string).collect();
        person.put(&entries, now);
        person.run(now);
        println!("== {name}: set aside {}", person.memory.entries(cells_sdk::Area::Errors).len());
        for trip in person.memory.of_key("analysis/confirmed_trip") {
            let d = trip.data();
            println!(
                "   {} {} {}",
                d["start_fmt_time"], d["distance"], d["inferred_section_summary"]["distance"]
            );
        }
        let mut out = Vec::new();
        write(
            &mut support::InMemory(&person.memory),
            Format::Gpx,
            f64::NEG_INFINITY,
            f64::INFINITY,
            &mut out,
        )
        .unwrap();
        println!("   {} trkseg", String::from_utf8(out).unwrap().matches("<trkseg>").count());
    }
}
