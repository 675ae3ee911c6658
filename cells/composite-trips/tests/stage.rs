//! Whole runs of the stage, on made-up days.

use cells_composite_trips::run;
use cells_sdk::testing::Memory;
use cells_sdk::{Area, Outcome};
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW: f64 = 1_700_100_000.0;
const DAY: f64 = 1_700_000_000.0;
const COMPOSITE: &str = "analysis/composite_trip";

/// What the stages before leave behind; each thing has the id that its number gives.
struct Diary {
    memory: Memory,
}

fn id(number: u32) -> Value {
    json!({"$oid": format!("{number:024x}")})
}

impl Diary {
    fn new() -> Self {
        Self { memory: Memory::new() }
    }

    fn entry(mut self, number: u32, key: &str, data: Value) -> Self {
        let metadata = json!({"key": key, "platform": "server", "write_ts": 1.5});
        let dump = json!([{"_id": id(number), "metadata": metadata, "data": data}]);
        self.memory = self.memory.with_entries(Area::Timeseries, &dump.to_string());
        self
    }

    /// Reached and left so many seconds after the day's beginning.
    fn place(self, number: u32, reached: Option<f64>, left: Option<f64>) -> Self {
        let mut data = json!({"name": format!("place {number}")});
        for (name, ts) in [("enter_ts", reached), ("exit_ts", left)] {
            if let Some(ts) = ts {
                data[name] = (DAY + ts).into();
            }
        }
        self.entry(number, "analysis/confirmed_place", data)
    }

    fn trip(self, number: u32, places: [u32; 2], times: [f64; 2]) -> Self {
        let data = json!({
            "start_ts": DAY + times[0], "end_ts": DAY + times[1],
            "start_place": id(places[0]), "end_place": id(places[1]),
            "cleaned_trip": id(number + 1000), "user_input": {}, "additions": [],
        });
        self.entry(number, "analysis/confirmed_trip", data)
    }

    fn untracked(self, number: u32, places: [u32; 2], times: [f64; 2]) -> Self {
        let data = json!({
            "start_ts": DAY + times[0], "end_ts": DAY + times[1],
            "start_place": id(places[0]), "end_place": id(places[1]),
        });
        self.entry(number, "analysis/confirmed_untracked", data)
    }

    fn section(self, number: u32, key: &str, trip: u32, ts: f64, mode: i64) -> Self {
        let data = json!({
            "trip_id": id(trip + 1000), "start_ts": DAY + ts, "end_ts": DAY + ts + 1.0,
            "speeds": [0.0, 1.5], "distances": [0.0, 3.0], "sensed_mode": mode,
        });
        self.entry(number, key, data)
    }

    fn locations(mut self, first: u32, times: impl IntoIterator<Item = f64>) -> Self {
        for (number, ts) in (first..).zip(times) {
            self = self.entry(number, "analysis/recreated_location", json!({"ts": DAY + ts, "n": number}));
        }
        self
    }

    /// Home from the beginning, a trip at 100 s to 200 s, work until 300 s, a trip back until 400 s.
    fn two_trips() -> Self {
        Self::new()
            .place(1, None, Some(100.0))
            .place(2, Some(200.0), Some(300.0))
            .place(3, Some(400.0), None)
            .trip(11, [1, 2], [100.0, 200.0])
            .trip(12, [2, 3], [300.0, 400.0])
            .section(22, "analysis/inferred_section", 12, 300.0, 3)
            .section(21, "analysis/inferred_section", 11, 100.0, 1)
            .locations(100, [100.0, 150.0, 200.0, 300.0, 400.0])
    }

    fn run(&mut self, last: Outcome) -> Outcome {
        self.memory.run_stage(run, NOW, last).expect("the stage works")
    }

    /// The data of composite trips in the order of their making.
    fn made(&self) -> Vec<Value> {
        self.memory.of_key(COMPOSITE).iter().map(|entry| entry.data()).collect()
    }

    fn warnings(&self) -> String {
        self.memory.log_lines().iter().map(|line| format!("{}\n", line.1)).collect()
    }
}

fn numbers(trip: &Value) -> Vec<u64> {
    let locations = trip["locations"].as_array().expect("a list").iter();
    locations.map(|location| location["data"]["n"].as_u64().expect("a number")).collect()
}

#[test]
fn a_trip_has_its_places_its_locations_and_its_sections() {
    let mut diary = Diary::two_trips();
    let outcome = diary.run(Outcome::default());
    assert_eq!((outcome.processed_through, outcome.more), (Some(DAY + 400.0), false));
    let trips = diary.made();
    assert_eq!(trips.len(), 2);
    assert_eq!([numbers(&trips[0]), numbers(&trips[1])], [vec![100, 101, 102], vec![103, 104]]);
    for (trip, [from, to, section]) in trips.iter().zip([[1, 2, 21], [2, 3, 22]]) {
        let named = ["start_confirmed_place", "end_confirmed_place"].map(|place| &trip[place]["_id"]);
        assert_eq!(named, [&id(from), &id(to)]);
        assert_eq!(trip["sections"].as_array().map(Vec::len), Some(1));
        assert_eq!(trip["sections"][0]["_id"], id(section));
        assert_eq!(trip["user_input"], json!({}));
    }
    assert_eq!(trips[0]["confirmed_trip"], id(11));
    assert_eq!(trips[0]["sections"][0]["data"]["sensed_mode_str"], "WALKING");
    assert_eq!(trips[1]["sections"][0]["data"]["sensed_mode_str"], "BUS");
    let metadata: Vec<_> = diary.memory.of_key(COMPOSITE).iter().map(|entry| entry.metadata()).collect();
    assert_eq!(metadata[0]["origin_key"], "analysis/confirmed_trip");
    assert_eq!((&metadata[0]["write_ts"], &metadata[1]["write_ts"]), (&json!(NOW), &json!(NOW + 1e-6)));
    assert_eq!(diary.warnings(), "");
}

#[test]
fn whole_entries_are_copied_byte_for_byte() {
    let mut diary = Diary::two_trips();
    let odd = r#"[{"_id":{"$oid":"00000000000000000000000f"},"metadata":{"key":"analysis/recreated_location"},
        "data":{ "ts" : 1.700000150e9, "text":"\u00e4 \"}" }}]"#;
    diary.memory = std::mem::take(&mut diary.memory).with_entries(Area::Timeseries, odd);
    diary.run(Outcome::default());
    let user = r#""user_id":{"$uuid":"abababababababababababababababab"}"#;
    let want = format!(
        r#"{{"_id":{{"$oid":"00000000000000000000000f"}},{user},"metadata":{{"key":"analysis/recreated_location"}},"data":{{ "ts" : 1.700000150e9, "text":"\u00e4 \"}}" }}}}"#
    );
    assert!(diary.memory.of_key(COMPOSITE)[0].data.contains(&want));
}

#[test]
fn of_more_than_a_hundred_locations_every_nth_is_shown() {
    for (count, shown, second) in [(100, 100, 1), (101, 51, 2), (199, 100, 2), (200, 67, 3), (1_000, 91, 11)]
    {
        let step = 100.0 / f64::from(count);
        let times = (0..count).map(|n| 100.0 + f64::from(n) * step);
        let mut diary = Diary::new()
            .place(1, None, Some(100.0))
            .place(2, Some(200.0), None)
            .trip(11, [1, 2], [100.0, 200.0])
            .locations(1_000_000, times);
        diary.run(Outcome::default());
        let numbers = numbers(&diary.made()[0]);
        assert_eq!((numbers.len(), numbers[1] - numbers[0]), (shown, second), "{count} locations");
    }
}

#[test]
fn a_span_without_readings_has_places_and_nothing_else() {
    let mut diary = Diary::new()
        .place(1, None, Some(100.0))
        .place(2, Some(200.0), None)
        .untracked(11, [1, 2], [100.0, 200.0])
        .locations(100, [150.0])
        .section(21, "analysis/inferred_section", 11, 100.0, 1);
    diary.run(Outcome::default());
    let trip = diary.made().remove(0);
    assert_eq!((&trip["locations"], &trip["sections"]), (&json!([]), &json!([])));
    assert_eq!(trip["end_confirmed_place"]["data"]["name"], "place 2");
    assert_eq!(diary.memory.of_key(COMPOSITE)[0].metadata()["origin_key"], "analysis/confirmed_untracked");
}

#[test]
fn sensed_modes_are_shown_if_no_modes_were_inferred() {
    let mut diary = Diary::two_trips().section(23, "analysis/cleaned_section", 11, 100.0, 2).trip(
        13,
        [2, 3],
        [310.0, 390.0],
    );
    diary = diary.section(24, "analysis/cleaned_section", 13, 320.0, 0);
    diary.run(Outcome::default());
    let modes: Vec<_> = diary
        .made()
        .iter()
        .map(|trip| trip["sections"][0]["data"]["sensed_mode_str"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(modes, ["WALKING", "IN_VEHICLE", "BUS"].map(|mode| Some(mode.to_owned())));
}

// Row: "Fails when the person has no confirmed place"
#[test]
fn the_next_run_finds_the_place_where_its_first_trip_began() {
    let mut diary = Diary::new()
        .place(1, None, Some(-900_000.0))
        .place(2, Some(-800_000.0), Some(100.0))
        .trip(11, [1, 2], [-900_000.0, -800_000.0]);
    let last = diary.run(Outcome::default());
    diary = diary.place(3, Some(1_200.0), None).trip(12, [2, 3], [100.0, 200.0]);
    let last = diary.run(last);
    let trips = diary.made();
    assert_eq!(trips.len(), 2, "the first trip is not made twice");
    assert_eq!(trips[1]["start_confirmed_place"]["data"]["name"], "place 2");
    // The place was reached later than the trip ended: ids decide, not times.
    assert_eq!(trips[1]["end_confirmed_place"]["data"]["name"], "place 3");
    let again = diary.run(last.clone());
    assert_eq!((diary.made().len(), again.processed_through), (2, last.processed_through));
}

// Row: "A confirmed trip that lacks a member"
// Row: "Fails when the person has no confirmed place"
#[test]
fn a_missing_place_or_an_unknown_mode_leaves_the_rest_unchanged() {
    let mut diary = Diary::new().place(2, Some(200.0), None).trip(11, [77, 2], [100.0, 200.0]).section(
        21,
        "analysis/inferred_section",
        11,
        100.0,
        55,
    );
    diary.run(Outcome::default());
    let trip = diary.made().remove(0);
    assert_eq!(trip["start_confirmed_place"], Value::Null);
    assert_eq!(trip["end_confirmed_place"]["data"]["name"], "place 2");
    assert_eq!(trip["sections"][0]["data"]["sensed_mode_str"], "UNKNOWN");
    assert!(diary.warnings().starts_with("1 trips lack a place"), "{}", diary.warnings());
}

#[test]
fn places_are_found_by_their_ids_however_far_from_the_trip_they_were_reached() {
    let mut diary = Diary::new().place(1, Some(-9e8), None).place(2, Some(-8e8), None);
    // More places than a search should read, between them and the trip.
    for number in 0..200 {
        diary = diary.place(5_000 + number, Some(-1_000.0 - f64::from(number)), None);
    }
    // It ends before it begins, at a place that was reached before all others.
    diary = diary.trip(11, [2, 1], [300.0, 200.0]);
    diary.run(Outcome::default());
    let trip = diary.made().remove(0);
    assert_eq!(trip["start_confirmed_place"]["data"]["name"], "place 2");
    assert_eq!(trip["end_confirmed_place"]["data"]["name"], "place 1");
    assert_eq!((&trip["locations"], diary.warnings().as_str()), (&json!([]), ""));
}

#[test]
fn sections_are_those_that_name_the_trip_wherever_in_its_raw_trip_they_begin() {
    let raw = json!({"start_ts": DAY + 10.0, "end_ts": DAY + 90.0});
    let mut diary = Diary::two_trips().entry(50, "segmentation/raw_trip", raw);
    for (number, end) in [(13, 220.0), (14, 500.0)] {
        let data = json!({"start_ts": DAY + 350.0, "end_ts": DAY + end, "start_place": id(1), "end_place": id(2),
            "cleaned_trip": id(number + 1000), "raw_trip": id(50)});
        diary = diary
            .entry(number, "analysis/confirmed_trip", data)
            .section(number + 20, "analysis/inferred_section", number, 40.0, 1)
            .section(number + 30, "analysis/inferred_section", number, 60.0, 1);
    }
    diary.run(Outcome::default());
    for trip in diary.made() {
        let number = trip["confirmed_trip"]["$oid"].as_str().and_then(|id| u32::from_str_radix(id, 16).ok());
        let want = if number.expect("ours") > 12 { 2 } else { 1 };
        assert_eq!(trip["sections"].as_array().map(Vec::len), Some(want), "{number:?}");
    }
}

// Row: "A confirmed trip that ends before the mark"
#[test]
fn a_trip_that_ends_before_the_window_is_shown_once_and_such_a_span_is_reported() {
    let mut diary = Diary::two_trips();
    let last = diary.run(Outcome::default());
    let written = |mut diary: Diary, number: u32, key: &str, ts: f64| {
        let data =
            json!({"start_ts": DAY + 450.0, "end_ts": DAY + 150.0, "start_place": id(1), "end_place": id(2)});
        let metadata = json!({"key": key, "write_ts": ts});
        let dump = json!([{"_id": id(number), "metadata": metadata, "data": data}]);
        diary.memory = diary.memory.with_entries(Area::Timeseries, &dump.to_string());
        diary
    };
    diary = written(diary, 13, "analysis/confirmed_trip", 2.5);
    diary = written(diary, 14, "analysis/confirmed_untracked", 2.6);
    let last = diary.run(last);
    assert_eq!(last.processed_through, Some(DAY + 400.0), "the mark is not the odd trip's");
    diary.run(last);
    let made: Vec<_> = diary.made().iter().map(|trip| trip["confirmed_trip"].clone()).collect();
    assert_eq!(made, [11, 12, 13].map(id));
    let told = "1 spans without readings end before the mark of earlier runs: they are not shown\n";
    assert_eq!(diary.warnings(), told);
}

#[test]
fn the_stage_shows_nothing_twice_even_without_its_state() {
    let mut diary = Diary::two_trips();
    let mut last = diary.run(Outcome::default());
    for state in [Vec::new(), b"anything".to_vec(), f64::NEG_INFINITY.to_le_bytes().to_vec(), vec![0; 8]] {
        last.state = state;
        diary.run(last.clone());
        assert_eq!(diary.made().len(), 2);
    }
}

// Row: "A confirmed trip that lacks a member"
#[test]
fn a_trip_that_cannot_be_read_does_not_hold_up_the_others() {
    let mut diary = Diary::two_trips().entry(
        13,
        "analysis/confirmed_trip",
        json!({"start_ts": "soon", "end_ts": DAY + 250.0}),
    );
    assert_eq!(diary.run(Outcome::default()).processed_through, Some(DAY + 400.0));
    assert_eq!(diary.made().len(), 2);
    assert!(diary.warnings().contains("1 confirmed trips cannot be read"));
}

// Row: "Confirmed trips without `additions`"
#[test]
fn a_trip_of_an_older_form_is_copied_as_it_is() {
    let data = json!({
        "start_ts": DAY + 310.0, "end_ts": DAY + 390.0, "start_place": id(2), "end_place": id(3),
        "cleaned_trip": id(1013), "user_input": {}, "trip_addition": [1],
    });
    let mut diary = Diary::two_trips().entry(13, "analysis/confirmed_trip", data);
    diary.run(Outcome::default());
    let trip = diary.made().into_iter().find(|trip| trip["confirmed_trip"] == id(13)).expect("made");
    assert_eq!((trip.get("additions"), &trip["trip_addition"]), (None, &json!([1])));
}

#[test]
fn overlapping_trips_each_have_all_of_their_own_sections_and_locations() {
    let mut diary = Diary::two_trips().trip(13, [1, 3], [90.0, 500.0]).trip(14, [1, 2], [340.0, 450.0]);
    diary.run(Outcome::default());
    let found: Vec<_> = diary.made().iter().map(numbers).collect();
    let all = vec![100, 101, 102, 103, 104];
    assert_eq!(found, [vec![100, 101, 102], vec![103, 104], vec![104], all]);
}

#[test]
fn a_long_backlog_is_cut_into_runs_and_nothing_is_lost() {
    let long = "x".repeat(400_000);
    let mut diary = Diary::new();
    for number in 0..60 {
        let begin = f64::from(number) * 100.0;
        // Two trips end within the gap between runs, which must not fall between them.
        let end = if number % 2 == 0 { begin + 98.0 } else { begin + 1.0 };
        let data = json!({
            "start_ts": DAY + begin, "end_ts": DAY + end, "long": &long,
            "start_place": id(number + 100), "end_place": id(number + 101),
        });
        diary = diary.place(number + 100, Some(begin - 50.0), Some(begin)).entry(
            number + 1,
            "analysis/confirmed_untracked",
            data,
        );
    }
    diary = diary.place(160, Some(6_000.0), None);
    let mut runs = 0;
    let counted = |memory: &mut Memory, now: &cells_sdk::Run| {
        runs += 1;
        run(memory, now)
    };
    diary.memory.run_stage(counted, NOW, Outcome::default()).expect("the stage works");
    let made: Vec<_> = diary.made().iter().map(|trip| trip["confirmed_trip"].clone()).collect();
    assert_eq!(made, (1..=60).map(id).collect::<Vec<_>>());
    assert_eq!((runs, diary.warnings().as_str()), (2, ""));
}

#[test]
fn everything_that_is_written_fits_the_schema_of_the_manifest() {
    let mut diary = Diary::two_trips().trip(13, [77, 3], [450.0, 460.0]);
    diary.run(Outcome::default());
    let path = format!("{}/schemas/composite_trip.json", env!("CARGO_MANIFEST_DIR"));
    let schema = serde_json::from_str(&std::fs::read_to_string(path).expect("there")).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let mut trips = diary.made();
    for trip in &trips {
        assert!(validator.is_valid(trip), "{trip}");
    }
    trips[0]["sections"][0]["data"]["speeds"] = json!([]);
    assert!(!validator.is_valid(&trips[0]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    // Row: "Fails when the person has no confirmed place"
    #[test]
    fn each_readable_trip_is_composed_once_whatever_surrounds_it(
        trips in prop::collection::vec((0..40_u32, 0..40_u32, 0..8_u32, 0..8_u32, any::<bool>()), 0..12),
        places in prop::collection::vec((0..40_u32, any::<bool>()), 0..8),
        sections in prop::collection::vec((0..12_u32, 0..40_u32, -1..12_i64), 0..12),
        locations in prop::collection::vec(0..40_u32, 0..30),
    ) {
        let mut diary = Diary::new();
        for (number, (ts, left)) in (1..).zip(&places) {
            let (reached, left) = if *left { (None, Some(f64::from(*ts))) } else { (Some(f64::from(*ts)), None) };
            diary = diary.place(number, reached, left);
        }
        for (number, (start, end, from, to, tracked)) in (100..).zip(&trips) {
            let times = [f64::from(*start), f64::from(*end)];
            diary = match tracked {
                true => diary.trip(number, [*from, *to], times),
                false => diary.untracked(number, [*from, *to], times),
            };
        }
        for (number, (trip, ts, mode)) in (200..).zip(&sections) {
            diary = diary.section(number, "analysis/inferred_section", trip + 100, f64::from(*ts), *mode);
        }
        diary = diary.locations(300, locations.iter().map(|ts| f64::from(*ts)));
        diary.run(Outcome::default());
        let made = diary.made();
        prop_assert_eq!(made.len(), trips.len());
        for trip in made {
            let number = trip["confirmed_trip"]["$oid"].as_str().and_then(|id| u32::from_str_radix(id, 16).ok());
            let (start, end, from, to, tracked) = trips[(number.expect("ours") - 100) as usize];
            let there = |number: u32| (1..=places.len() as u32).contains(&number);
            prop_assert_eq!(trip["start_confirmed_place"].is_object(), there(from));
            prop_assert_eq!(trip["end_confirmed_place"].is_object(), there(to));
            let inside = |ts: &&u32| tracked && (start..=end).contains(ts);
            prop_assert_eq!(numbers(&trip).len(), locations.iter().filter(inside).count());
        }
    }
}
