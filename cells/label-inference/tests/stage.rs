//! The stage over recorded days and over invented ones.

use cells_recorded::cases;
use cells_sdk::model::Point;
use cells_sdk::testing::Memory;
use cells_sdk::{Area, Level, Outcome};
use cells_similarity::{Ends, Given, MODEL_DOCUMENT, TripModel};
use serde_json::{Value, json};

/// What the stage reads, and what that names.
const BEFORE: [&str; 3] = ["segmentation/raw_trip", "analysis/cleaned_place", "analysis/cleaned_trip"];
const RESULTS: [&str; 3] = ["analysis/inferred_trip", "inference/labels", "analysis/inferred_labels"];
const STAGE: &str = "LABEL_INFERENCE";
const NOW: f64 = 1_715_000_000.0;

#[test]
fn every_recorded_day_gives_the_result_of_the_reference() {
    let mut problems = Vec::new();
    for case in cases().iter().filter(|case| case.is_single()) {
        let mut memory = case.memory(&BEFORE);
        let outcome = memory
            .run_stage(cells_label_inference::run, case.now(), Outcome::default())
            .expect("the stage works");
        let mut found = case.differences(&memory, &RESULTS);
        let mark = outcome.processed_through.map(|mark| mark + cells_sdk::WINDOW_GAP_S);
        if mark != case.mark(STAGE) {
            found.push(format!("goes on at {mark:?}, want {:?}", case.mark(STAGE)));
        }
        problems.extend(found.into_iter().map(|what| format!("{}: {what}", case.name)));
    }
    assert_eq!(problems, Vec::<String>::new());
}

fn trip(start_ts: f64, from: [f64; 2], to: [f64; 2]) -> String {
    let local_dt = json!({"year": 2024, "month": 5, "day": 2, "hour": 10, "minute": 0, "second": 0, "weekday": 3,
        "timezone": "Europe/Zurich"});
    let id = |digit: &str| json!({"$oid": digit.repeat(24)});
    json!({
        "start_ts": start_ts, "start_local_dt": local_dt, "start_fmt_time": "2024-05-02T10:00:00+02:00",
        "end_ts": start_ts + 600.5, "end_local_dt": local_dt, "end_fmt_time": "2024-05-02T10:10:00+02:00",
        "start_loc": Point::at(from[0], from[1]), "end_loc": Point::at(to[0], to[1]),
        "start_place": id("1"), "end_place": id("2"), "raw_trip": id("3"),
        "duration": 600.5, "distance": 1500.25, "source": "test",
    })
    .to_string()
}

const HOME: [f64; 2] = [8.0, 47.0];
const WORK: [f64; 2] = [8.1, 47.1];

fn two_trips() -> Memory {
    let metadata = r#"{"key":"analysis/cleaned_trip","platform":"server","write_ts":1714700000}"#;
    [trip(NOW - 9_000.0, HOME, WORK), trip(NOW - 5_000.0, WORK, HOME)]
        .iter()
        .fold(Memory::new(), |memory, trip| memory.with_entry(Area::Timeseries, metadata, trip))
}

/// Three trips to work, by bike twice.
fn model() -> TripModel {
    let labels = |mode: &str| -> Given {
        serde_json::from_value(json!({"mode_confirm": mode, "purpose_confirm": "work"})).expect("labels")
    };
    let given = ["bike", "walk", "bike"].map(labels);
    let ends = Ends::of(Point::at(HOME[0], HOME[1]), Point::at(WORK[0], WORK[1]));
    TripModel::build(&given.each_ref().map(|given| (ends, given)), NOW - 20_000.0)
}

fn run(memory: &mut Memory) -> Outcome {
    memory.run_stage(cells_label_inference::run, NOW, Outcome::default()).expect("the stage works")
}

#[test]
fn without_a_model_a_trip_has_no_probable_labels() {
    let mut memory = two_trips();
    assert_eq!(run(&mut memory).processed_through, Some(NOW - 5_000.0 + 600.5));
    for key in RESULTS {
        let member = if key == "analysis/inferred_trip" { "inferred_labels" } else { "prediction" };
        let of_key = memory.of_key(key);
        assert_eq!(
            of_key.iter().map(|entry| entry.data()[member].clone()).collect::<Vec<_>>(),
            [json!([]), json!([])]
        );
    }
    assert!(memory.log_lines().is_empty());
}

#[test]
fn a_trip_is_copied_with_the_labels_of_trips_between_the_same_places() {
    let mut memory = two_trips().with_document(MODEL_DOCUMENT, model().to_document());
    run(&mut memory);
    let trips = memory.of_key("analysis/inferred_trip");
    let mut there = trips[0].data();
    let labels = there.as_object_mut().unwrap().remove("inferred_labels").unwrap();
    let sets: Vec<_> = labels.as_array().unwrap().iter().map(|set| set["labels"].clone()).collect();
    let called = |mode: &str| json!({"mode_confirm": mode, "purpose_confirm": "work"});
    assert_eq!(sets, [called("bike"), called("walk")]);
    // Three trips count 0.8969.
    for (set, share) in labels.as_array().unwrap().iter().zip([2.0 / 3.0, 1.0 / 3.0]) {
        assert!((set["p"].as_f64().unwrap() - share * 0.8969).abs() < 1e-12, "{set}");
    }
    let from = memory.of_key("analysis/cleaned_trip")[0];
    let cleaned_trip = there.as_object_mut().unwrap().remove("cleaned_trip");
    assert_eq!(cleaned_trip, Some(json!({"$oid": from.id.to_string()})));
    assert_eq!(there, from.data());
    assert_eq!(trips[1].data()["inferred_labels"], json!([]), "the way back is another trip");
}

#[test]
fn each_guess_names_its_trip_and_is_written_after_all_trips() {
    let mut memory = two_trips().with_document(MODEL_DOCUMENT, model().to_document());
    run(&mut memory);
    let of = |key: &str| memory.of_key(key);
    let created = |key| of(key).into_iter().map(|entry| (entry.id, entry.metadata()["write_ts"].as_f64()));
    let order: Vec<_> = RESULTS.into_iter().flat_map(created).collect();
    assert!(order.is_sorted_by(|a, b| a < b), "{order:?}");
    for key in ["inference/labels", "analysis/inferred_labels"] {
        for (guess, trip) in of(key).into_iter().zip(of("analysis/inferred_trip")) {
            let (guess, data) = (guess.data(), trip.data());
            assert_eq!(guess["trip_id"], json!({"$oid": trip.id.to_string()}));
            assert_eq!(guess["prediction"], data["inferred_labels"]);
            assert_eq!((&guess["start_ts"], &guess["end_ts"]), (&data["start_ts"], &data["end_ts"]));
            assert_eq!(guess["algorithm_id"], 7);
        }
    }
}

#[test]
fn an_unreadable_model_is_reported_and_treated_as_absent() {
    let mut memory = two_trips().with_document(MODEL_DOCUMENT, "{");
    run(&mut memory);
    assert_eq!(memory.of_key("analysis/inferred_trip").len(), 2);
    assert!(matches!(memory.log_lines(), [(Level::Warn, text)] if text.starts_with("no labels are guessed")));
}

// Row: "In all of these, an entry that cannot be read"
#[test]
fn a_trip_that_cannot_be_read_is_reported_and_skipped() {
    let metadata = r#"{"key":"analysis/cleaned_trip","write_ts":1}"#;
    let mut memory = two_trips().with_entry(Area::Timeseries, metadata, r#"{"end_ts":1714999999}"#);
    assert_eq!(run(&mut memory).processed_through, Some(NOW - 5_000.0 + 600.5));
    assert!(memory.log_lines().is_empty(), "it lies behind the window");
    let mut memory = two_trips().with_entry(Area::Timeseries, metadata, r#"{"end_ts":1714990000}"#);
    run(&mut memory);
    assert_eq!(memory.of_key("analysis/inferred_trip").len(), 2);
    assert!(memory.log_lines()[0].1.contains("1 trips cannot be read"));
}

#[test]
fn a_long_backlog_is_written_in_consistent_pieces() {
    let metadata = r#"{"key":"analysis/cleaned_trip","write_ts":1}"#;
    let mut memory = Memory::new();
    for n in 0..1_500_u32 {
        let trip = trip(NOW - 1e6 + f64::from(n) * 601.0, HOME, WORK);
        memory = memory.with_entry(Area::Timeseries, metadata, &trip);
    }
    run(&mut memory);
    let trips = memory.of_key("analysis/inferred_trip");
    let guesses = memory.of_key("analysis/inferred_labels");
    assert_eq!((trips.len(), guesses.len()), (1_500, 1_500));
    for (trip, guess) in trips.iter().zip(guesses) {
        assert_eq!(guess.data()["trip_id"], json!({"$oid": trip.id.to_string()}));
    }
}

#[test]
fn a_backlog_of_years_is_cut_into_runs_that_lose_no_trip() {
    let metadata = r#"{"key":"analysis/cleaned_trip","write_ts":1}"#;
    // 200 KB each, three in each cluster of 4 s.
    let padding = format!(r#"{{"padding":"{}","#, "x".repeat(200_000));
    let mut memory = Memory::new();
    for n in 0..300_u32 {
        let trip = trip(NOW - 1e6 + f64::from(n / 3) * 900.0 + f64::from(n % 3) * 2.0, HOME, WORK);
        memory = memory.with_entry(Area::Timeseries, metadata, &trip.replacen('{', &padding, 1));
    }
    let (_, runs) =
        memory.run_counted(cells_label_inference::run, NOW, Outcome::default()).expect("the stage works");
    assert_eq!((memory.of_key("analysis/inferred_trip").len(), runs), (300, 2));
}

#[test]
fn written_entries_match_the_schemas_of_the_manifest() {
    let mut memory = two_trips().with_document(MODEL_DOCUMENT, model().to_document());
    run(&mut memory);
    let schemas = [
        ("analysis/inferred_trip", include_str!("../schemas/inferred_trip.json")),
        ("inference/labels", include_str!("../schemas/labels.json")),
        ("analysis/inferred_labels", include_str!("../schemas/inferred_labels.json")),
    ];
    for (key, schema) in schemas {
        let schema: Value = serde_json::from_str(schema).unwrap();
        let schema = jsonschema::validator_for(&schema).unwrap();
        for entry in memory.of_key(key) {
            schema.validate(&entry.data()).unwrap();
        }
    }
}
