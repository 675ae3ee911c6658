//! Every recorded entry passes the check of its key, fits its schema and reads as its type.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use cells_model::described::{Described, KEYS};
use cells_model::{
    analysis, background, config, inference, keys, manual, segmentation, statemachine, stats, time,
};
use jsonschema::Validator;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn recorded(path: &Path) -> Value {
    let packed = std::fs::read(path).expect("readable");
    let mut text = String::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut text).expect("gzip");
    serde_json::from_str(&text).expect("JSON")
}

fn cases() -> Option<Vec<PathBuf>> {
    let folder = std::env::var_os("CELLAR_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    let folders = std::fs::read_dir(folder.join("goldens")).ok()?;
    Some(
        folders
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.join("case.json").exists())
            .collect(),
    )
}

fn reads<T: DeserializeOwned>(data: &Value) -> Result<(), String> {
    serde_json::from_value::<T>(data.clone()).map(drop).map_err(|error| error.to_string())
}

fn reads_as_its_type(key: &str, data: &Value) -> Result<(), String> {
    match key {
        "background/location" | "background/filtered_location" => reads::<background::Location>(data),
        "background/motion_activity" => reads::<background::MotionActivity>(data),
        "background/battery" => reads::<background::Battery>(data),
        "statemachine/transition" => reads::<statemachine::Transition>(data),
        "manual/mode_confirm" | "manual/purpose_confirm" => reads::<manual::UserLabel>(data),
        "manual/trip_user_input" | "manual/trip_addition_input" | "manual/place_addition_input" => {
            reads::<manual::UserInput>(data)
        }
        "config/sensor_config" => reads::<config::SensorConfig>(data),
        "segmentation/raw_trip" | "segmentation/raw_untracked" => reads::<segmentation::Trip>(data),
        "segmentation/raw_place" => reads::<segmentation::Place>(data),
        "segmentation/raw_section" => reads::<segmentation::Section>(data),
        "segmentation/raw_stop" | "analysis/cleaned_stop" => reads::<segmentation::Stop>(data),
        "analysis/cleaned_place" | "analysis/confirmed_place" => reads::<analysis::Place>(data),
        "analysis/cleaned_section" | "analysis/inferred_section" => reads::<analysis::Section>(data),
        "analysis/recreated_location" => reads::<analysis::RecreatedLocation>(data),
        "analysis/smoothing" => reads::<analysis::Smoothing>(data),
        "analysis/inferred_labels" | "inference/labels" => reads::<inference::Labels>(data),
        "inference/prediction" => reads::<inference::ModePrediction>(data),
        key if key.starts_with("analysis/") => reads::<analysis::Trip>(data),
        key if key.starts_with("stats/") => reads::<stats::Reading>(data),
        _ => Ok(()),
    }
}

/// In results, an id is written as the entry that it names.
fn with_ids(value: &Value) -> Value {
    match value {
        Value::Object(map) if map.contains_key("$ref") => json!({"$oid": "576810cb4a9bba50e3fa1d4a"}),
        Value::Object(map) if map.contains_key("$float") => json!(0.0),
        Value::Object(map) => map.iter().map(|(name, value)| (name.clone(), with_ids(value))).collect(),
        Value::Array(list) => list.iter().map(with_ids).collect(),
        other => other.clone(),
    }
}

fn fits_its_schema(validators: &BTreeMap<&str, Validator>, key: &str, data: &Value) -> Result<(), String> {
    let broken = validators.get(key).and_then(|validator| validator.iter_errors(data).next());
    broken.map_or(Ok(()), |error| Err(format!("breaks {} at {}", error.schema_path(), error.instance_path())))
}

#[derive(Default)]
struct Tally {
    validators: BTreeMap<&'static str, Validator>,
    entries: usize,
    refused: BTreeMap<String, usize>,
    times: usize,
    times_5_s_off: usize,
}

impl Tally {
    fn look_at(&mut self, key: &str, data: &Value) {
        self.entries += 1;
        let checked = keys::check(key, &data.to_string());
        let fits = fits_its_schema(&self.validators, key, data);
        for error in [checked, fits, reads_as_its_type(key, data)].into_iter().filter_map(Result::err) {
            *self.refused.entry(format!("{key}: {error}")).or_default() += 1;
        }
        for (name, ts) in data.as_object().expect("an object") {
            let Some(prefix) = name.strip_suffix("ts") else { continue };
            let local = &data[format!("{prefix}local_dt")];
            // Motions are computed from the moment of writing, which is different.
            let (Some(ts), Some(zone), false) =
                (ts.as_f64(), local["timezone"].as_str(), key == "background/motion_activity")
            else {
                continue;
            };
            self.compare(
                key,
                local,
                data[format!("{prefix}fmt_time")].as_str().unwrap_or_default(),
                (ts, zone),
            );
        }
    }

    fn compare(&mut self, key: &str, local: &Value, text: &str, (ts, zone): (f64, &str)) {
        let matches = |ts: f64| {
            let (parts, ours) = time::local(ts, zone).expect("a sound time");
            ours == text && &serde_json::to_value(parts).expect("plain") == local
        };
        if matches(ts) {
            self.times += 1;
        } else if matches(ts - 5.0) {
            // Where an untracked span begins, the reference adds 5 s to the moment but not to its local time.
            self.times_5_s_off += 1;
        } else {
            *self.refused.entry(format!("{key}: another local time: {text} for {ts}")).or_default() += 1;
        }
    }
}

#[test]
fn every_recorded_entry_passes_its_check_fits_its_schema_and_has_our_local_times() {
    let Some(cases) = cases() else {
        eprintln!("skipped: no recorded cases in ../shared/goldens");
        return;
    };
    let validator = |one: &Described| (one.key, jsonschema::validator_for(&one.schema()).expect("a schema"));
    let mut tally = Tally { validators: KEYS.iter().map(validator).collect(), ..Tally::default() };
    for case in cases {
        for file in std::fs::read_dir(&case).expect("readable").map(|entry| entry.expect("readable").path()) {
            let name = file.file_name().expect("a file").to_string_lossy().into_owned();
            if name.starts_with("input") {
                for entry in recorded(&file).as_array().expect("a list") {
                    tally.look_at(entry["metadata"]["key"].as_str().expect("a key"), &entry["data"]);
                }
            } else if name == "golden.json.gz" {
                for (key, entries) in recorded(&file)["entries"].as_object().expect("an object") {
                    for entry in
                        entries.as_array().expect("a list").iter().filter(|entry| entry.get("data").is_some())
                    {
                        tally.look_at(key, &with_ids(&entry["data"]));
                    }
                }
            }
        }
    }
    let Tally { entries, times, times_5_s_off, refused, .. } = &tally;
    println!(
        "{entries} entries, {times} local times equal, {times_5_s_off} as wrong as expected, refused: {refused:#?}"
    );
    assert!(tally.refused.is_empty());
}
