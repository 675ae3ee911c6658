//! On recorded days the confirmed entries equal those that the reference made, and so does the mark.

use cells_confirmed_objects::run;
use cells_recorded::{Case, cases};
use cells_sdk::model::rows::{Row, Rows};
use cells_sdk::testing::{Memory, Stored};
use cells_sdk::{Area, Outcome, TimeField, WriteEntries};
use serde_json::{Value, json};

const BEFORE: [&str; 14] = [
    "segmentation/raw_place",
    "segmentation/raw_trip",
    "segmentation/raw_untracked",
    "segmentation/raw_section",
    "analysis/cleaned_place",
    "analysis/cleaned_trip",
    "analysis/cleaned_untracked",
    "analysis/cleaned_section",
    "analysis/inferred_section",
    "analysis/inferred_trip",
    "analysis/expected_trip",
    "inference/prediction",
    "inference/labels",
    "analysis/inferred_labels",
];
const MADE: [&str; 3] =
    ["analysis/confirmed_place", "analysis/confirmed_trip", "analysis/confirmed_untracked"];

#[test]
fn every_recorded_day_gives_the_result_of_the_reference() {
    let mut problems = Vec::new();
    for case in cases().iter().filter(|case| case.is_single()) {
        problems.extend(differences(case).into_iter().map(|what| format!("{}: {what}", case.name)));
    }
    assert_eq!(problems, Vec::<String>::new());
}

fn differences(case: &Case) -> Vec<String> {
    let memory = case.memory(&BEFORE);
    run_over(case, memory, Outcome::default())
}

fn run_over(case: &Case, mut memory: Memory, last: Outcome) -> Vec<String> {
    let outcome = memory.run_stage(run, case.now(), last).expect("the stage works");
    let mut found = case.differences(&memory, &MADE);
    let (got, want) = (
        outcome.processed_through.map(|mark| mark + cells_sdk::WINDOW_GAP_S),
        case.mark("CREATE_CONFIRMED_OBJECTS"),
    );
    if got != want {
        found.push(format!("goes on at {got:?}, want {want:?}"));
    }
    found.extend(memory.log_lines().iter().map(|(_, line)| line.clone()));
    found
}

/// Several loads leave places open for a while. The places without a duration show where they did, so that the timeline
/// can be given to the stage in the same parts.
#[test]
fn several_runs_give_the_result_of_as_many_runs_of_the_reference() {
    let (mut problems, mut runs) = (Vec::new(), 0);
    for case in cases().iter().filter(|case| !case.is_single()) {
        let places = case.golden()["entries"]["analysis/confirmed_place"].as_array().expect("a list");
        let was_open = |place: &&Value| {
            let data = &place["data"];
            data["enter_ts"].is_f64() && data["exit_ts"].is_f64() && data.get("duration").is_none()
        };
        let whole = case.memory(&BEFORE);
        let (mut memory, mut last, mut since) = (Memory::new(), Outcome::default(), f64::NEG_INFINITY);
        for open in places.iter().filter(was_open) {
            let enter_ts = open["data"]["enter_ts"].as_f64().expect("a number");
            memory = with_span(memory, &whole, since, enter_ts);
            edit(&mut memory, enter_ts, |place| {
                let place = place.as_object_mut().expect("an object");
                ["exit_ts", "exit_local_dt", "exit_fmt_time", "starting_trip", "duration"]
                    .iter()
                    .for_each(|name| drop(place.remove(*name)));
                let raw_places = open["data"]["raw_places"].as_array().expect("a list").len();
                place["raw_places"].as_array_mut().expect("a list").truncate(raw_places);
            });
            last = memory.run_stage(run, case.now(), last).expect("the stage works");
            let left = whole
                .of_key("analysis/cleaned_place")
                .into_iter()
                .find(|place| place.time(TimeField::EnterTs) == enter_ts);
            let left = left.expect("there").data();
            edit(&mut memory, enter_ts, |place| *place = left.clone());
            (since, runs) = (enter_ts, runs + 1);
        }
        let memory = with_span(memory, &whole, since, f64::INFINITY);
        problems
            .extend(run_over(case, memory, last).into_iter().map(|what| format!("{}: {what}", case.name)));
    }
    eprintln!("{runs} runs before the last ones");
    assert_eq!(problems, Vec::<String>::new());
}

/// The entries that begin after `since` and up to `until`; those without a beginning come first.
fn with_span(memory: Memory, whole: &Memory, since: f64, until: f64) -> Memory {
    let begins = |entry: &&Stored| {
        let times = [TimeField::StartTs, TimeField::EnterTs].map(|field| entry.time(field));
        let begin = times.into_iter().find(|time| !time.is_nan());
        begin.map_or(since == f64::NEG_INFINITY, |begin| since < begin && begin <= until)
    };
    let entries = whole.entries(Area::Timeseries).into_iter().filter(begins);
    let entries =
        entries.map(|entry| json!({"_id": entry.id, "metadata": entry.metadata(), "data": entry.data()}));
    memory.with_entries(Area::Timeseries, &Value::from_iter(entries).to_string())
}

/// Changes the cleaned place that was entered at that moment, s.
fn edit(memory: &mut Memory, enter_ts: f64, change: impl FnOnce(&mut Value)) {
    let mut rows = Rows::new();
    for place in memory.of_key("analysis/cleaned_place") {
        if place.time(TimeField::EnterTs) == enter_ts {
            let mut data = place.data();
            change(&mut data);
            let (metadata, data) = (&place.metadata, data.to_string());
            rows.push(Row { id: place.id, key: &place.key, metadata, data: &data, extra: "" });
            break;
        }
    }
    memory.replace(&rows).expect("known");
    memory.commit();
}
