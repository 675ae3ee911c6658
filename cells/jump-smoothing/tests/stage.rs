//! Whole runs of the stage, on made-up days.

use cells_jump_smoothing::{run, run_over};
use cells_sdk::testing::Memory;
use cells_sdk::{Area, Level, Outcome, Run};
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW: f64 = 1_700_100_000.0;
const DAY: f64 = 1_700_000_000.0;
const LOCATION: &str = "background/filtered_location";
const SECTION: &str = "segmentation/raw_section";
const SMOOTHING: &str = "analysis/smoothing";

/// A phone that is carried north.
struct Phone {
    memory: Memory,
    ts: f64,
    latitude: f64,
    filter: Value,
    section_start: f64,
}

impl Phone {
    fn android() -> Self {
        Self { memory: Memory::new(), ts: DAY, latitude: 47.0, filter: json!("time"), section_start: DAY }
    }

    fn iphone() -> Self {
        Self { filter: json!("distance"), ..Self::android() }
    }

    /// One point `seconds` later, `metres` further north.
    fn step(mut self, seconds: f64, metres: f64) -> Self {
        self.ts += seconds;
        self.latitude += metres / 111_195.0;
        let mut data = json!({"ts": self.ts, "latitude": self.latitude, "longitude": 8.5, "accuracy": 10});
        data["filter"] = self.filter.clone();
        if self.filter == json!("absent") {
            data.as_object_mut().expect("an object").remove("filter");
        }
        let ts = self.ts;
        self.entry(LOCATION, ts, &data)
    }

    fn walk(self, count: usize) -> Self {
        (0..count).fold(self, |phone, step| phone.step(30.0, if step % 2 == 0 { 40.0 } else { 50.0 }))
    }

    /// Three points 9 km off, and back.
    fn jump(self) -> Self {
        self.step(30.0, 9000.0).step(30.0, 10.0).step(30.0, 10.0).step(30.0, -9000.0)
    }

    /// Closes a section that began behind the last one.
    fn section(mut self) -> Self {
        let (start, end) = (self.section_start, self.ts);
        self.section_start = end + 1.0;
        self.ts = end + 100.0;
        self.entry(SECTION, NOW - 500.0, &json!({"start_ts": start, "end_ts": end}))
    }

    fn entry(mut self, key: &str, write_ts: f64, data: &Value) -> Self {
        let metadata = json!({"key": key, "write_ts": write_ts});
        self.memory = self.memory.with_entry(Area::Timeseries, &metadata.to_string(), &data.to_string());
        self
    }

    fn run(&mut self, last: Outcome) -> Outcome {
        self.memory.run_stage(run, NOW, last).expect("the stage works")
    }

    /// How many points each smoothing throws out, in the order of writing.
    fn thrown_out(&self) -> Vec<usize> {
        let deleted = |entry: Value| entry["deleted_points"].as_array().expect("a list").len();
        self.memory.of_key(SMOOTHING).into_iter().map(|entry| deleted(entry.data())).collect()
    }
}

#[test]
fn every_section_gets_a_smoothing_that_names_the_points_to_leave_out() {
    let mut phone = Phone::android().walk(20).section().walk(10).jump().walk(10).section();
    let outcome = phone.run(Outcome::default());
    assert_eq!(outcome, Outcome { processed_through: Some(phone.ts - 100.0), ..Outcome::default() });
    let sections = phone.memory.of_key(SECTION);
    let smoothings: Vec<Value> = phone.memory.of_key(SMOOTHING).iter().map(|entry| entry.data()).collect();
    let locations = phone.memory.of_key(LOCATION);
    let id = |index: usize| json!({"$oid": locations[index].id.to_string()});
    for (section, smoothing) in sections.iter().zip(&smoothings) {
        assert_eq!(smoothing["section"]["$oid"], section.id.to_string());
    }
    assert_eq!(smoothings[0]["deleted_points"], json!([]));
    assert_eq!(smoothings[1]["deleted_points"], json!([id(30), id(31), id(32)]));
    assert_eq!(smoothings[1]["filtering_algo"], "SmoothZigzag");
    let write_ts: Vec<f64> = phone
        .memory
        .of_key(SMOOTHING)
        .iter()
        .map(|entry| entry.time(cells_sdk::TimeField::WriteTs))
        .collect();
    assert_eq!(write_ts, [NOW, NOW + 1e-6]);
}

// Row: "A section whose pieces do not fit"
#[test]
fn a_section_that_does_not_fit_the_rule_gets_no_smoothing_and_the_log_says_why() {
    // There and on in small steps.
    let jumps_on = Phone::android().walk(20).step(30.0, 9000.0).walk(3).section();
    let mut phone = jumps_on.walk(30).section();
    let outcome = phone.run(Outcome::default());
    assert_eq!(outcome.processed_through, Some(phone.ts - 100.0));
    assert_eq!(phone.thrown_out(), [0]);
    let id = phone.memory.of_key(SECTION)[0].id;
    let line = format!(
        "1 sections keep all their points, such as {id}: a piece that should be a cluster moves on steadily"
    );
    assert_eq!(phone.memory.log_lines(), [(Level::Warn, line)]);
}

#[test]
fn a_run_without_sections_keeps_the_mark_and_the_memory() {
    let mut phone = Phone::iphone().step(0.0, 0.0).step(300.0, 10.0).section();
    let first = phone.run(Outcome::default());
    assert_eq!(first.state.len(), 24);
    let last = Run {
        now: NOW,
        start: Some(DAY + 400.0),
        end: NOW - cells_sdk::WINDOW_GAP_S,
        seed: 0,
        state: first.state.clone(),
    };
    let outcome = run(&mut phone.memory, &last).expect("the stage works");
    assert_eq!(outcome, Outcome { processed_through: None, state: first.state, more: false });
}

/// Days on which made-up points matter: silences within a walk, and jumps that begin in one.
fn day(phone: Phone) -> Phone {
    let silent = |phone: Phone| phone.walk(3).step(200.0, 90.0).walk(3).step(400.0, 20.0);
    let phone = silent(phone).section();
    let phone =
        silent(phone.walk(5).step(30.0, 150.0)).step(130.0, 600.0).step(30.0, -600.0).walk(6).section();
    silent(silent(phone)).section()
}

// Row: "Points are made up in an iPhone's silences"
#[test]
fn random_numbers_continue_from_run_to_run() {
    let mut at_once = day(day(Phone::iphone()));
    let whole = at_once.run(Outcome::default());
    let mut in_two = day(Phone::iphone());
    let first = in_two.run(Outcome::default());
    assert!(!first.state.is_empty() && first.state.len() < whole.state.len());
    let mut in_two = day(in_two);
    assert_eq!(in_two.run(first), whole);
    assert_eq!(in_two.thrown_out(), at_once.thrown_out());
}

// Row: "Reads the points of all sections"
#[test]
fn a_backlog_that_is_taken_in_parts_has_the_smoothings_of_one_run() {
    let later = |phone: Phone| Phone { section_start: phone.ts, ..phone };
    let days = || (0..8).fold(Phone::iphone(), |phone, _| later(day(phone)));
    let mut whole = days();
    let in_one = whole.run(Outcome::default());
    // A day has some fifty points.
    for (rows_a_run, runs_min) in [(1, 8), (60, 8), (120, 4), (300, 2)] {
        let mut parts = days();
        let over = |memory: &mut Memory, window: &Run| run_over(memory, window, rows_a_run);
        let (in_parts, runs) =
            parts.memory.run_counted(over, NOW, Outcome::default()).expect("the stage works");
        assert_eq!(in_parts, in_one);
        assert!(runs >= runs_min, "{runs} runs of {rows_a_run} rows");
        assert_eq!(parts.thrown_out(), whole.thrown_out());
    }
}

// Row: "Points are made up in an iPhone's silences"
#[test]
fn a_repeated_run_draws_the_same_numbers_again() {
    let mut phone = day(Phone::iphone());
    let first = phone.run(Outcome::default());
    let mut phone = day(phone);
    let whole = phone.run(first.clone());
    // As after a reset to the end of the first day, and to the beginning.
    for mark in [first.processed_through, None] {
        let taken_back = Outcome { processed_through: mark, ..whole.clone() };
        assert_eq!(phone.run(taken_back), whole);
    }
}

#[test]
fn an_unreadable_memory_costs_a_line_in_the_log_and_no_more() {
    let mut phone = day(Phone::iphone());
    let whole = phone.run(Outcome::default());
    let broken = Outcome { state: b"CJS1 and more".to_vec(), ..Outcome::default() };
    assert_eq!(phone.run(broken), whole);
    assert!(
        phone.memory.log_lines().iter().any(|line| line.1.starts_with("the stage's memory cannot be read"))
    );
}

#[test]
fn a_section_of_two_kinds_of_phones_is_taken_as_sampled_by_time() {
    let mut phone = Phone::iphone().step(0.0, 0.0).step(300.0, 10.0);
    phone.filter = json!("time");
    let mut phone = phone.step(30.0, 40.0).section();
    assert_eq!(phone.run(Outcome::default()).state, Vec::<u8>::new());
    // One that says nothing does not count.
    for nothing in [Value::Null, json!("absent"), json!("none that anybody knows")] {
        let mut phone = Phone::iphone().step(0.0, 0.0).step(300.0, 10.0);
        phone.filter = nothing;
        let mut phone = phone.step(30.0, 40.0).section();
        assert!(!phone.run(Outcome::default()).state.is_empty());
    }
}

// Row: "No point in the window, no `filter`"
#[test]
fn a_section_whose_points_are_gone_gets_a_smoothing_that_throws_out_none() {
    let mut phone = Phone::android().section();
    phone.run(Outcome::default());
    assert_eq!(phone.thrown_out(), [0]);
}

// Row: "No point in the window, no `filter`"
#[test]
fn if_no_point_says_how_it_was_sampled_no_point_is_added() {
    let silent = |phone: Phone| phone.step(0.0, 0.0).step(300.0, 10.0).section();
    assert!(!silent(Phone::iphone()).run(Outcome::default()).state.is_empty());
    let mut phone = silent(Phone { filter: Value::Null, ..Phone::iphone() });
    assert_eq!(phone.run(Outcome::default()).state, Vec::<u8>::new());
    assert_eq!(phone.thrown_out(), [0]);
}

// Row: "A section whose `start_ts` cannot be read"
#[test]
fn a_point_without_a_place_is_skipped() {
    let phone = Phone::android().walk(10).jump().walk(5);
    let ts = phone.ts + 15.0;
    let mut phone = phone.entry(LOCATION, ts, &json!({"ts": ts, "filter": "time"})).walk(5).section();
    phone.run(Outcome::default());
    assert_eq!(phone.thrown_out(), [3]);
}

// Row: "Points are read from the mark of the last run on"
#[test]
fn a_point_before_the_mark_is_missing_from_a_section_after_it() {
    let mut phone = Phone::android().walk(20).section();
    let first = phone.run(Outcome::default());
    // The next section begins 2 s behind the last; its first point lies before the mark and the 5 s behind it.
    phone.ts -= 98.0;
    let mut phone = phone.step(0.0, 9000.0).step(30.0, -9000.0).walk(20).section();
    phone.run(first);
    assert_eq!(phone.thrown_out(), [0, 0]);
}

// Row: "A section whose `start_ts` cannot be read"
#[test]
fn a_section_that_cannot_be_read_is_passed_over() {
    let phone = Phone::android().walk(20);
    let end = phone.ts;
    let mut phone = phone.section().entry(SECTION, NOW, &json!({"start_ts": "soon", "end_ts": end}));
    phone.run(Outcome::default());
    assert_eq!(phone.thrown_out(), [0]);
    assert!(phone.memory.log_lines()[0].1.starts_with("1 sections have no start"));
}

#[test]
fn a_repeated_reading_counts_once() {
    let mut phone = Phone::android().walk(10).jump().walk(10).section();
    let twice: Vec<(String, String)> = phone
        .memory
        .of_key(LOCATION)
        .iter()
        .map(|entry| (entry.metadata().to_string(), entry.data().to_string()))
        .collect();
    for (metadata, data) in twice {
        phone.memory = phone.memory.with_entry(Area::Timeseries, &metadata, &data);
    }
    phone.run(Outcome::default());
    assert_eq!(phone.thrown_out(), [3]);
}

#[test]
fn everything_that_is_written_fits_the_schema_of_the_manifest() {
    let mut phone = Phone::android().walk(10).jump().walk(10).section();
    phone.run(Outcome::default());
    let path = format!("{}/schemas/smoothing.json", env!("CARGO_MANIFEST_DIR"));
    let schema = serde_json::from_str(&std::fs::read_to_string(path).expect("there")).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    for entry in phone.memory.of_key(SMOOTHING) {
        assert!(validator.is_valid(&entry.data()), "{}", entry.data());
    }
    assert!(!validator.is_valid(&json!({"section": "none"})));
}

/// One member of an entry, or its absence.
fn member() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!("x")),
        (-1e9..2e9).prop_map(Value::from),
        (0..99_u8).prop_map(|seconds| json!(DAY + f64::from(seconds))),
    ]
}

proptest! {
    #[test]
    fn a_run_never_fails_whatever_the_entries(
        locations in prop::collection::vec((member(), member(), member(), any::<bool>()), 0..30),
        sections in prop::collection::vec((member(), member()), 0..5),
        state in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut phone = Phone::iphone();
        for (ts, latitude, longitude, filter) in locations {
            let filter = if filter { "distance" } else { "time" };
            let data = json!({"ts": ts, "latitude": latitude, "longitude": longitude, "filter": filter});
            phone = phone.entry(LOCATION, DAY, &data);
        }
        for (start, end) in sections {
            phone = phone.entry(SECTION, DAY, &json!({"start_ts": start, "end_ts": end}));
        }
        let run_of = Run { now: NOW, start: None, end: NOW - cells_sdk::WINDOW_GAP_S, seed: 0, state };
        prop_assert!(run(&mut phone.memory, &run_of).is_ok());
    }
}
