//! On recorded days, what the two stages make equals what the reference made: trips, places, untracked spans,
//! filtered locations, what is marked invalid, and where the next run goes on.
//!
//! Needs the recorded cases, which are no part of the repository: the folder that `CELLAR_SHARED` names, or
//! `shared` beside it.

mod canonical;
mod replay;

use std::path::{Path, PathBuf};

use serde_json::Value;

use canonical::{Canonical, difference};
use replay::{Replayed, replay, text_of};

const RESULTS: [&str; 3] = ["segmentation/raw_trip", "segmentation/raw_place", "segmentation/raw_untracked"];
const FILTERED: &str = "background/filtered_location";
/// The reference keeps the mark with this added, s.
const MARK_AHEAD_S: f64 = 5.0;

#[test]
fn every_recorded_day_gives_what_the_reference_gave() {
    let Some(cases) = cases() else {
        eprintln!("skipped: no recorded cases; CELLAR_SHARED names the folder that has them");
        return;
    };
    let mut problems = Vec::new();
    let mut entries = 0;
    for case in &cases {
        let name = case.file_name().expect("a folder").to_string_lossy();
        match compare(case) {
            Ok(equal) => entries += equal,
            Err(why) => problems.push(format!("{name}: {why}")),
        }
    }
    assert_eq!(problems, Vec::<String>::new());
    println!("{} cases, {entries} entries equal", cases.len());
}

fn cases() -> Option<Vec<PathBuf>> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("CELLAR_SHARED").map_or_else(beside, PathBuf::from);
    let folder = std::fs::read_dir(shared.join("goldens")).ok()?;
    let mut cases: Vec<_> = folder.filter_map(|entry| Some(entry.ok()?.path())).collect();
    cases.retain(|case| case.join("case.json").exists());
    cases.sort();
    Some(cases)
}

fn compare(case: &Path) -> Result<usize, String> {
    let about: Value =
        serde_json::from_str(&std::fs::read_to_string(case.join("case.json")).expect("readable"))
            .expect("JSON");
    let golden: Value = serde_json::from_str(&text_of(&case.join("golden.json.gz"))).expect("JSON");
    let loads: Vec<_> = about["loads"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|load| case.join(load.as_str().expect("a name")))
        .collect();
    let replayed = replay(&loads, about["filter_accuracy_enabled"] == true);
    let ours = Canonical::of(&replayed.memory);

    let mut equal = 0;
    for key in RESULTS.into_iter().chain([FILTERED]) {
        let Some(want) = golden["entries"].get(key).and_then(Value::as_array) else {
            if RESULTS.contains(&key) && !ours.entries(key).is_empty() {
                return Err(format!("{key}: {} entries, none wanted", ours.entries(key).len()));
            }
            continue;
        };
        // Locations stand in the goldens without an envelope.
        let want = want.iter().map(|entry| if key == FILTERED { entry } else { &entry["data"] });
        let got = ours.entries(key);
        if got.len() != want.len() {
            return Err(format!("{key}: {} entries, want {}", got.len(), want.len()));
        }
        for (index, (got, want)) in got.iter().zip(want).enumerate() {
            difference(got, want, &format!("{key}#{index}"))?;
            equal += 1;
        }
    }
    invalid_marks(&ours, &golden)?;
    marks(&replayed, &golden)?;
    Ok(equal)
}

fn invalid_marks(ours: &Canonical, golden: &Value) -> Result<(), String> {
    let mut want: Vec<_> = golden["invalid_raw"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| entry["ref"].as_str().expect("a reference").to_owned())
        .collect();
    want.sort();
    if ours.invalid() == want { Ok(()) } else { Err(format!("marked {:?}, want {want:?}", ours.invalid())) }
}

fn marks(replayed: &Replayed, golden: &Value) -> Result<(), String> {
    let stages = [("TRIP_SEGMENTATION", &replayed.segmented), ("ACCURACY_FILTERING", &replayed.filtered)];
    for (stage, outcome) in stages {
        let want = golden["pipeline_state"][stage]["last_processed_ts"].as_f64();
        let got = outcome.processed_through.map(|mark| mark + MARK_AHEAD_S);
        if got != want {
            return Err(format!("{stage} goes on at {got:?}, want {want:?}"));
        }
    }
    Ok(())
}
