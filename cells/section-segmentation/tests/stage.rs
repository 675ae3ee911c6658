//! Whole runs of the stage, on made-up trips.

use cells_sdk::testing::Memory;
use cells_sdk::{Area, Outcome, Run, TimeField, WriteEntries as _};
use cells_section_segmentation::{run, run_over};
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW: f64 = 1_700_100_000.0;
const DAY: f64 = 1_700_000_000.0;
const ZONE: &str = "Europe/Zurich";
const SECTION: &str = "segmentation/raw_section";
const STOP: &str = "segmentation/raw_stop";
const WALKING: u8 = 7;
const IN_VEHICLE: u8 = 0;
const BICYCLING: u8 = 1;
const STILL: u8 = 3;

/// A phone that is carried north, 10 s from point to point, and what is known of its trips.
struct Phone {
    memory: Memory,
    /// Seconds of the day.
    at: f64,
    latitude: f64,
    source: &'static str,
}

impl Phone {
    fn new() -> Self {
        Self { memory: Memory::new(), at: 0.0, latitude: 47.0, source: "DwellSegmentationTimeFilter" }
    }

    fn by_distance(self) -> Self {
        Self { source: "DwellSegmentationDistFilter", ..self }
    }

    fn entry(mut self, key: &str, data: &Value) -> Self {
        let metadata = json!({"key": key, "write_ts": NOW - 1000.0, "time_zone": ZONE});
        self.memory = self.memory.with_entry(Area::Timeseries, &metadata.to_string(), &data.to_string());
        self
    }

    fn point(self) -> Self {
        let data =
            local("", self.at, json!({"latitude": self.latitude, "longitude": 8.5, "loc": self.loc()}));
        self.entry("background/filtered_location", &data)
    }

    fn loc(&self) -> Value {
        json!({"type": "Point", "coordinates": [8.5, self.latitude]})
    }

    fn senses(self, kind: u8, at: f64) -> Self {
        let data = local("", at, json!({"type": kind, "confidence": 100}));
        self.entry("background/motion_activity", &data)
    }

    fn transition(self, number: u8, at: f64) -> Self {
        let data = local("", at, json!({"curr_state": 2, "transition": number}));
        self.entry("statemachine/transition", &data)
    }

    fn hears(self, minor: u32, at: f64) -> Self {
        let data = local("", at, json!({"eventType": 2, "uuid": "u", "major": 0xdfc0, "minor": minor}));
        self.entry("background/bluetooth_ble", &data)
    }

    /// Points at that speed, m/s, and a motion every minute.
    fn goes(mut self, kind: u8, seconds: u32, speed: f64) -> Self {
        for step in 1..=seconds / 10 {
            self.at += 10.0;
            self.latitude += speed * 10.0 / 111_194.9;
            self = self.point();
            if step % 6 == 3 {
                let at = self.at;
                self = self.senses(kind, at);
            }
        }
        self
    }

    /// A trip, with the place it came from: from here and now to where and when `travel` ends.
    fn trip(self, travel: impl FnOnce(Self) -> Self) -> Self {
        let (start, from) = (self.at, self.loc());
        let place = json!({"location": from, "exit_ts": DAY + start, "source": self.source});
        let mut phone = self.entry("segmentation/raw_place", &place);
        let place = phone.memory.of_key("segmentation/raw_place").last().expect("just made").id;
        phone = travel(phone.point());
        let data = json!({
            "start_place": place, "end_place": place, "start_loc": from, "end_loc": phone.loc(),
            "duration": phone.at - start, "distance": 1.0, "source": phone.source,
        });
        let data = local("end_", phone.at, local("start_", start, data));
        phone.entry("segmentation/raw_trip", &data)
    }

    /// Ten minutes on foot, twenty in a vehicle, ten on foot.
    fn commute(self) -> Self {
        self.trip(|phone| phone.goes(WALKING, 600, 1.2).goes(IN_VEHICLE, 1200, 15.0).goes(WALKING, 600, 1.2))
    }

    /// A trip without anything but its end.
    fn unreadable_trip(self) -> Self {
        let data = json!({"end_ts": DAY + self.at - 1_800.0});
        self.entry("segmentation/raw_trip", &data)
    }

    fn run(&mut self, last: Outcome) -> Outcome {
        self.memory.run_stage(run, NOW, last).expect("the stage works")
    }

    /// Runs once, and returns the kinds of the sections.
    fn kinds(&mut self) -> Vec<u64> {
        self.run(Outcome::default());
        self.made(SECTION).iter().map(|section| section["sensed_mode"].as_u64().expect("a number")).collect()
    }

    /// In the order of creation, each with its id.
    fn made(&self, key: &str) -> Vec<Value> {
        let mut entries = self.memory.of_key(key);
        entries.sort_by_key(|entry| entry.id);
        let with_id = |entry: &&cells_sdk::testing::Stored| {
            let mut data = entry.data();
            data["_id"] = json!(entry.id);
            data
        };
        entries.iter().map(with_id).collect()
    }

    fn warnings(&self) -> String {
        self.memory.log_lines().iter().map(|line| format!("{}\n", line.1)).collect()
    }
}

/// Adds a moment with its local time.
fn local(prefix: &str, at: f64, mut data: Value) -> Value {
    let (local_dt, fmt_time) = cells_sdk::model::time::local(DAY + at, ZONE).expect("sound");
    data[format!("{prefix}ts")] = (DAY + at).into();
    data[format!("{prefix}local_dt")] = json!(local_dt);
    data[format!("{prefix}fmt_time")] = fmt_time.into();
    data
}

fn seconds(entry: &Value, name: &str) -> f64 {
    entry[name].as_f64().expect("a number") - DAY
}

// Row: "Fetches the study's configuration"
#[test]
fn a_commute_becomes_three_sections_with_stops_between_them() {
    let mut phone = Phone::new().commute();
    let outcome = phone.run(Outcome::default());
    assert_eq!(outcome.processed_through, Some(DAY + 2400.0));
    let (sections, stops) = (phone.made(SECTION), phone.made(STOP));
    let spans: Vec<_> = sections
        .iter()
        .map(|section| {
            (seconds(section, "start_ts"), seconds(section, "end_ts"), section["sensed_mode"].clone())
        })
        .collect();
    // The vehicle begins when the walk was last seen; the first and the last reach to the ends of the trip.
    let want = [(0.0, 570.0, WALKING), (570.0, 1830.0, IN_VEHICLE), (1830.0, 2400.0, WALKING)];
    assert_eq!(spans, want.map(|(start, end, kind)| (start, end, json!(kind))));
    assert_eq!(stops.len(), 2);
    for (number, stop) in stops.iter().enumerate() {
        let (before, after) = (&sections[number], &sections[number + 1]);
        assert_eq!((&stop["ending_section"], &stop["starting_section"]), (&before["_id"], &after["_id"]));
        assert_eq!((&before["end_stop"], &after["start_stop"]), (&stop["_id"], &stop["_id"]));
        assert_eq!((&stop["enter_ts"], &stop["exit_ts"]), (&before["end_ts"], &after["start_ts"]));
        assert_eq!(
            (&stop["enter_local_dt"], &stop["exit_fmt_time"]),
            (&before["end_local_dt"], &after["start_fmt_time"])
        );
        assert_eq!((&stop["distance"], &stop["duration"]), (&json!(0.0), &json!(0.0)));
    }
    assert!(sections[0].get("start_stop").is_none() && sections[2].get("end_stop").is_none());
    assert_eq!(sections[0]["trip_id"], json!(phone.memory.of_key("segmentation/raw_trip")[0].id));
    assert_eq!(sections[1]["start_local_dt"]["timezone"], ZONE);
    assert_eq!(sections[1]["ble_sensed_mode"], Value::Null);
    assert_eq!(phone.warnings(), "");
}

#[test]
fn entries_of_a_run_are_dated_a_microsecond_apart_and_each_stop_after_its_section() {
    let mut phone = Phone::new().commute();
    phone.run(Outcome::default());
    let dated = |key: &str| -> Vec<f64> {
        phone
            .memory
            .of_key(key)
            .iter()
            .map(|entry| ((entry.time(TimeField::WriteTs) - NOW) * 1e6).round())
            .collect()
    };
    assert_eq!((dated(SECTION), dated(STOP)), (vec![0.0, 1.0, 3.0], vec![2.0, 4.0]));
}

#[test]
fn a_second_run_continues_after_the_last_trip() {
    let mut phone = Phone::new().commute();
    let outcome = phone.run(Outcome::default());
    assert_eq!(phone.run(outcome.clone()), outcome);
    assert_eq!(phone.made(SECTION).len(), 3);
    phone.at += 3600.0;
    phone = phone.commute();
    phone.run(outcome);
    assert_eq!(phone.made(SECTION).len(), 6);
}

// Row: "Reads the readings of all trips"
#[test]
fn a_backlog_that_is_taken_in_parts_has_the_sections_of_one_run() {
    let commutes = || {
        (0..9).fold(Phone::new(), |phone, number| {
            // The third follows so soon that a window between it and the second would lose what it begins with.
            let pause_s = if number == 2 { 3.0 } else { 3600.0 };
            let phone = Phone { at: phone.at + pause_s, ..phone.commute() };
            if number == 5 { phone.unreadable_trip() } else { phone }
        })
    };
    let mut whole = commutes();
    let in_one = whole.run(Outcome::default());
    // A commute has 241 points and 40 motions.
    for (rows_a_run, runs_min) in [(1, 8), (300, 8), (700, 4), (2_000, 2)] {
        let mut parts = commutes();
        let over = |memory: &mut Memory, window: &Run| run_over(memory, window, rows_a_run);
        let (in_parts, runs) =
            parts.memory.run_counted(over, NOW, Outcome::default()).expect("the stage works");
        assert_eq!(in_parts, in_one);
        assert!(runs >= runs_min, "{runs} runs of {rows_a_run} rows");
        let told = |phone: &Phone, key: &str| -> Vec<(f64, f64, Value)> {
            let span = |entry: &Value| {
                let ends = if key == STOP { ["enter_ts", "exit_ts"] } else { ["start_ts", "end_ts"] };
                let [start, end] = ends.map(|name| seconds(entry, name));
                (start, end, entry["sensed_mode"].clone())
            };
            phone.made(key).iter().map(span).collect()
        };
        for key in [SECTION, STOP] {
            assert_eq!(told(&parts, key), told(&whole, key), "{rows_a_run} rows a run");
        }
        assert_eq!(parts.warnings(), whole.warnings());
    }
}

// Row: "Flickers at the end"
// Row: "Of the entries that are there"
#[test]
fn readings_of_the_five_seconds_after_the_last_trip_are_missing_from_the_next() {
    let mut phone = Phone::new().commute();
    let outcome = phone.run(Outcome::default());
    // The next trip begins 2 s after the end of the last; its first point is in none of both windows.
    phone.at += 2.0;
    phone = phone.trip(|phone| phone.goes(BICYCLING, 600, 5.0));
    phone.run(outcome);
    let section = phone.made(SECTION).pop().expect("a ride");
    assert_eq!((seconds(&section, "start_ts"), seconds(&section, "end_ts")), (2412.0, 3002.0));
    let fmt_time = cells_sdk::model::time::local(DAY + 2412.0, ZONE).expect("sound").1;
    assert_eq!(section["start_fmt_time"], fmt_time);
}

#[test]
fn a_trip_without_motions_counts_if_it_leaves_its_start() {
    let away = |metres: f64| Phone::new().trip(|phone| phone.goes(STILL, 100, metres / 100.0)).kinds();
    assert_eq!(away(110.0), [4]);
    assert_eq!(away(90.0), [0; 0]);
}

#[test]
fn a_trip_sampled_by_distance_needs_transitions_too_and_the_end_of_a_visit_is_enough() {
    let trip = |metres: f64, transition: Option<u8>| {
        let mut phone = Phone::new().by_distance().trip(|phone| phone.goes(STILL, 100, metres / 100.0));
        if let Some(number) = transition {
            phone = phone.transition(number, 400.0);
        }
        phone.kinds().len()
    };
    assert_eq!(
        [trip(60.0, None), trip(60.0, Some(1)), trip(40.0, Some(1)), trip(40.0, Some(14))],
        [0, 1, 0, 1]
    );
    // A visit that ended over five minutes later says nothing.
    let late = |at: f64| {
        Phone::new().by_distance().trip(|phone| phone.goes(STILL, 100, 0.4)).transition(14, at).kinds().len()
    };
    assert_eq!([late(399.0), late(401.0)], [1, 0]);
}

#[test]
fn the_place_that_the_trip_came_from_counts_and_not_its_first_point() {
    let mut phone = Phone::new();
    // The phone woke up late: 200 m from the place, and came back to it.
    let place = phone.loc();
    phone = phone.trip(|phone| phone.goes(STILL, 100, 2.0));
    let trip = phone.memory.of_key("segmentation/raw_trip")[0];
    let mut data = trip.data();
    data["end_loc"] = place;
    let data = data.to_string();
    let mut memory = Memory::new();
    for key in ["segmentation/raw_place", "background/filtered_location", "segmentation/raw_trip"] {
        for entry in phone.memory.of_key(key) {
            let text = if key == "segmentation/raw_trip" { data.clone() } else { entry.data().to_string() };
            memory = memory.with_entry(Area::Timeseries, &entry.metadata().to_string(), &text);
        }
    }
    phone.memory = memory;
    assert_eq!(phone.kinds(), [0; 0]);
}

// Row: "Fetches the study's configuration"
#[test]
fn a_beacon_names_the_vehicle_of_the_section_in_which_it_was_heard() {
    let vehicles = r#"{"vehicle_identities":[{"value":"van","bluetooth_major_minor":["dfc0:fff0"]}]}"#;
    let mut phone = Phone::new().commute().hears(0xfff0, 1000.0).hears(0xfff1, 2000.0);
    phone.memory = phone.memory.with_document("vehicles", vehicles);
    phone.run(Outcome::default());
    let modes: Vec<_> =
        phone.made(SECTION).iter().map(|section| section["ble_sensed_mode"].clone()).collect();
    let van = json!({"value": "van", "bluetooth_major_minor": ["dfc0:fff0"]});
    assert_eq!(modes, [Value::Null, van, Value::Null]);
}

// Row: "A trip whose points are gone, or that cannot be read"
// Row: "A motion of an unknown kind"
#[test]
fn a_bad_entry_costs_its_own_trip_at_most() {
    let mut phone = Phone::new()
        .entry("background/motion_activity", &json!({"type": 99, "ts": DAY + 30.0}))
        .entry("segmentation/raw_trip", &json!({"end_ts": DAY + 9000.0}))
        .commute();
    phone.memory = phone.memory.with_document("vehicles", "[");
    let outcome = phone.run(Outcome::default());
    assert_eq!(phone.made(SECTION).len(), 3);
    assert_eq!(outcome.processed_through, Some(DAY + 9000.0));
    let warnings = phone.warnings();
    for part in ["1 trips cannot be read", "1 motion activities", "the document vehicles"] {
        assert!(warnings.contains(part), "{warnings}");
    }
}

// Row: "A motion of an unknown kind"
#[test]
fn a_flight_among_the_motions_is_skipped_without_a_warning() {
    const AIR_OR_HSR: u8 = 11;
    let mut phone = Phone::new().commute();
    let mut with = (0..20).fold(Phone::new().commute(), |phone, minute| {
        phone.senses(AIR_OR_HSR, f64::from(minute) * 60.0 + 5.0)
    });
    assert_eq!(with.kinds(), phone.kinds());
    assert_eq!(with.warnings(), "");
}

// Row: "A missing start place"
#[test]
fn without_its_start_place_a_trip_is_measured_from_its_own_first_point() {
    let kinds = |metres: f64| {
        let mut phone = Phone::new().trip(|phone| phone.goes(STILL, 100, metres / 100.0));
        let place = phone.memory.of_key("segmentation/raw_place")[0].id;
        phone.memory.delete(&[place]).expect("known");
        phone.memory.commit();
        phone.kinds()
    };
    assert_eq!(kinds(110.0), [4]);
    assert_eq!(kinds(90.0), [0; 0]);
}

// Row: "A trip whose points are gone, or that cannot be read"
#[test]
fn a_trip_whose_points_are_gone_has_no_sections() {
    let trip = Phone::new().commute();
    let trip = trip.memory.of_key("segmentation/raw_trip")[0];
    let mut phone = Phone::new().entry("segmentation/raw_trip", &trip.data());
    let outcome = phone.run(Outcome::default());
    assert_eq!(outcome.processed_through, Some(DAY + 2400.0));
    assert!(phone.made(SECTION).is_empty() && phone.warnings().contains("1 trips have no points"));
}

/// The same phone with every time that is a whole number written as an integer.
fn with_integers(mut phone: Phone) -> Phone {
    let whole = |mut value: Value| {
        let members = value.as_object_mut().expect("an object");
        for (name, time) in members.iter_mut().filter(|(name, _)| name.ends_with("ts")) {
            let seconds = time.as_f64().filter(|seconds| seconds.fract() == 0.0);
            *time = json!(seconds.unwrap_or_else(|| panic!("{name} is no whole number")) as u64);
        }
        value
    };
    let entries = phone.memory.entries(Area::Timeseries).into_iter().map(
        |entry| json!({"_id": entry.id, "metadata": whole(entry.metadata()), "data": whole(entry.data())}),
    );
    let dump = Value::from(entries.collect::<Vec<_>>()).to_string();
    phone.memory = Memory::new().with_entries(Area::Timeseries, &dump);
    phone
}

// Row: "Times that are whole numbers"
#[test]
fn times_that_are_integers_give_what_times_with_a_fraction_of_0_give() {
    type Travel = fn(Phone) -> Phone;
    let by_distance: Travel = |phone| phone.by_distance().transition(2, 0.0).commute();
    for travel in [(|phone| phone.commute()) as Travel, by_distance, |phone| phone.hears(1, 900.0).commute()]
    {
        let measures = |mut phone: Phone| -> Vec<(Vec<Option<f64>>, Value)> {
            phone.run(Outcome::default());
            assert_eq!(phone.warnings(), "");
            let made = [phone.made(SECTION), phone.made(STOP)].concat();
            let names = ["start_ts", "end_ts", "enter_ts", "exit_ts", "duration", "distance", "sensed_mode"];
            let of = |entry: Value| {
                (names.map(|name| entry[name].as_f64()).to_vec(), entry["start_fmt_time"].clone())
            };
            made.into_iter().map(of).collect()
        };
        let floats = measures(travel(Phone::new()));
        assert_eq!(floats.len(), 5, "three sections and two stops");
        assert_eq!(measures(with_integers(travel(Phone::new()))), floats);
    }
}

#[test]
fn a_motion_that_repeats_another_counts_once() {
    // One moment on a bicycle is a flicker within the walk, three are a ride.
    let repeated = |write_ts: [f64; 3]| {
        let mut phone = Phone::new().trip(|phone| phone.goes(WALKING, 600, 1.2).goes(WALKING, 1200, 1.2));
        for (number, write_ts) in write_ts.into_iter().enumerate() {
            let metadata = json!({"key": "background/motion_activity", "write_ts": write_ts});
            let at = 605.0 + if write_ts == 0.0 { 0.0 } else { number as f64 };
            let data = local("", at, json!({"type": BICYCLING, "confidence": 100}));
            phone.memory =
                phone.memory.with_entry(Area::Timeseries, &metadata.to_string(), &data.to_string());
        }
        phone.kinds()
    };
    assert_eq!(repeated([0.0; 3]), [u64::from(WALKING)]);
    assert_eq!(repeated([1.0, 2.0, 3.0]), [WALKING, BICYCLING, WALKING].map(u64::from));
}

#[test]
fn everything_that_is_written_fits_the_schemas_of_the_manifest() {
    let mut phone = Phone::new().commute().hears(0xfff0, 1000.0);
    let vehicles = r#"{"vehicle_identities":[{"bluetooth_major_minor":["dfc0:fff0"]}]}"#;
    phone.memory = phone.memory.with_document("vehicles", vehicles);
    phone.run(Outcome::default());
    for (key, name) in [(SECTION, "raw_section"), (STOP, "raw_stop")] {
        let path = format!("{}/schemas/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let schema = serde_json::from_str(&std::fs::read_to_string(path).expect("there")).expect("JSON");
        let validator = jsonschema::validator_for(&schema).expect("a schema");
        let entries = phone.memory.of_key(key);
        assert!(!entries.is_empty());
        for entry in entries {
            let errors: Vec<_> =
                validator.iter_errors(&entry.data()).map(|error| error.to_string()).collect();
            assert_eq!(errors, Vec::<String>::new(), "{key}");
        }
    }
}

#[test]
fn without_trips_a_run_does_nothing() {
    let mut phone = Phone::new().goes(WALKING, 600, 1.2);
    assert_eq!(phone.run(Outcome::default()), Outcome::default());
    assert!(phone.made(SECTION).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn sections_and_stops_are_one_chain_for_each_trip(
        legs in prop::collection::vec(
            (prop::sample::select(vec![0_u8, 1, 2, 3, 4, 7, 8]), 1_u32..40, 0.0..20.0), 1..12),
        by_distance: bool,
    ) {
        let phone = Phone::new();
        let phone = if by_distance { phone.by_distance() } else { phone };
        let mut phone = phone.trip(|phone| {
            legs.iter().fold(phone, |phone, (kind, steps, speed)| phone.goes(*kind, steps * 10, *speed))
        });
        phone.run(Outcome::default());
        let (sections, stops) = (phone.made(SECTION), phone.made(STOP));
        prop_assert_eq!(stops.len(), sections.len().saturating_sub(1));
        if let (Some(first), Some(last)) = (sections.first(), sections.last()) {
            prop_assert_eq!(seconds(first, "start_ts"), 0.0);
            prop_assert_eq!(seconds(last, "end_ts"), phone.at);
        }
        for (number, stop) in stops.iter().enumerate() {
            prop_assert_eq!(&stop["ending_section"], &sections[number]["_id"]);
            prop_assert_eq!(&stop["starting_section"], &sections[number + 1]["_id"]);
            prop_assert_eq!(&sections[number + 1]["start_stop"], &stop["_id"]);
        }
    }

    #[test]
    fn the_stage_never_fails_whatever_the_entries(
        trips in prop::collection::vec(("[a-z_]{0,3}", 0.0..4000.0, -1e9..1e9), 0..4),
        motions in prop::collection::vec((any::<i8>(), 0.0..4000.0), 0..8),
    ) {
        let mut phone = Phone::new();
        for (source, end, odd) in trips {
            let data = json!({
                "start_place": "x", "start_loc": phone.loc(), "end_loc": {"type": "Point", "coordinates": [odd, odd]},
                "source": source,
            });
            let sound = local("end_", end, local("start_", end - odd % 3000.0, data.clone()));
            let mut place = sound.clone();
            place["start_place"] = json!({"$oid": "00112233445566778899aabb"});
            phone = phone.entry("segmentation/raw_trip", &sound).entry("segmentation/raw_trip", &place);
        }
        phone = phone.goes(WALKING, 600, 1.2);
        for (kind, at) in motions {
            phone = phone.entry("background/motion_activity", &json!({"type": kind, "ts": DAY + at, "confidence": 70}));
        }
        phone.run(Outcome::default());
    }
}
