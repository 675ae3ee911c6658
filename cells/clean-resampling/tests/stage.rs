//! Whole runs of the stage, on made-up days.

use cells_clean_resampling::run;
use cells_geometry::wrapped;
use cells_sdk::model::time::local;
use cells_sdk::testing::{Memory, Stored};
use cells_sdk::{Area, Outcome, TimeField};
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW: f64 = 1_700_100_000.0;
const DAY: f64 = 1_700_000_000.0;
/// A degree of latitude, m.
const DEGREE_M: f64 = 111_194.926_644_558_73;

const TRIP: &str = "analysis/cleaned_trip";
const UNTRACKED: &str = "analysis/cleaned_untracked";
const PLACE: &str = "analysis/cleaned_place";
const SECTION: &str = "analysis/cleaned_section";
const STOP: &str = "analysis/cleaned_stop";
const POINT: &str = "analysis/recreated_location";
const MADE: [&str; 6] = [TRIP, UNTRACKED, PLACE, SECTION, STOP, POINT];

/// A raw diary: a person who goes north and comes back.
struct Diary {
    memory: Memory,
    ts: f64,
    /// North of a corner.
    metres: f64,
    /// Between points, s.
    step_s: f64,
    zone: &'static str,
    /// The id of the next place, and of the journey that led there.
    place: u64,
    arrival: Option<(f64, f64, String)>,
    ids: u64,
    points: Vec<String>,
}

fn id(number: u64) -> Value {
    json!({ "$oid": format!("{number:024x}") })
}

impl Diary {
    fn new() -> Self {
        let (memory, zone, points) = (Memory::new(), "Europe/Zurich", Vec::new());
        Self { memory, ts: DAY, metres: 0.0, step_s: 20.0, zone, place: 1, arrival: None, ids: 1, points }
    }

    fn next_id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    fn entry(&mut self, number: u64, key: &str, data: &Value) {
        let entry = json!([{ "_id": id(number), "metadata": { "key": key, "write_ts": NOW - 1000.0 }, "data": data }]);
        let memory = std::mem::take(&mut self.memory);
        self.memory = memory.with_entries(Area::Timeseries, &entry.to_string());
    }

    fn at(&self, prefix: &str, ts: f64) -> Value {
        let (local_dt, fmt_time) = local(ts, self.zone).expect("sound");
        json!({ format!("{prefix}ts"): ts, format!("{prefix}local_dt"): local_dt, format!("{prefix}fmt_time"): fmt_time })
    }

    fn loc(metres: f64) -> Value {
        json!({ "type": "Point", "coordinates": [8.5, 47.0 + metres / DEGREE_M] })
    }

    fn point(&mut self) {
        let number = self.next_id();
        let latitude = 47.0 + self.metres / DEGREE_M;
        let place = json!({ "latitude": latitude, "longitude": 8.5, "loc": Self::loc(self.metres),
            "altitude": 400.0, "accuracy": 5.0, "heading": 1.0, "filter": "time" });
        let data = merged([place, self.at("", self.ts)]);
        self.points.push(format!("{number:024x}"));
        self.entry(number, "background/filtered_location", &data);
    }

    /// A trip of sections, each so many points 20 s and so many metres apart in a mode; 60 s and `gap` metres
    /// between sections. It begins `off` metres from the place, ten minutes after the arrival.
    fn trip(mut self, off: f64, sections: &[(u32, f64, u8)], gap: f64) -> Self {
        self.ts += 600.0;
        self.metres += off;
        let trip = self.next_id();
        let start = (self.ts, self.metres);
        let stops: Vec<u64> = sections.iter().skip(1).map(|_| self.next_id()).collect();
        let mut spans: Vec<(u64, [(f64, f64); 2])> = Vec::new();
        for (number, (count, step, mode)) in sections.iter().enumerate() {
            if number > 0 {
                self.ts += 60.0;
                self.metres += gap;
            }
            let (section, from) = (self.next_id(), (self.ts, self.metres));
            for point in 0..*count {
                if point > 0 {
                    self.ts += self.step_s;
                    self.metres += step;
                }
                self.point();
            }
            let to = (self.ts, self.metres);
            let mut data = merged([
                json!({ "trip_id": id(trip), "sensed_mode": mode, "ble_sensed_mode": null, "source": "s",
                    "duration": to.0 - from.0 }),
                self.span(["start_", "end_"], from, to),
            ]);
            if let Some(before) = number.checked_sub(1) {
                data["start_stop"] = id(stops[before]);
            }
            if let Some(stop) = stops.get(number) {
                data["end_stop"] = id(*stop);
            }
            self.entry(section, "segmentation/raw_section", &data);
            spans.push((section, [from, to]));
        }
        for (stop, pair) in stops.iter().zip(spans.windows(2)) {
            let (enter, exit) = (pair[0].1[1], pair[1].1[0]);
            let data = merged([
                json!({ "trip_id": id(trip), "ending_section": id(pair[0].0), "starting_section": id(pair[1].0),
                    "duration": exit.0 - enter.0, "distance": 1.0, "source": "s" }),
                self.span(["enter_", "exit_"], enter, exit),
            ]);
            self.entry(*stop, "segmentation/raw_stop", &data);
        }
        let end = (self.ts, self.metres);
        self.journey("segmentation/raw_trip", trip, start, end)
    }

    /// A span without readings, which ends `metres` away.
    fn silence(mut self, metres: f64) -> Self {
        let start = (self.ts + 5.0, self.metres);
        self.ts += 7200.0;
        self.metres += metres;
        let (number, end) = (self.next_id(), (self.ts, self.metres));
        self.journey("segmentation/raw_untracked", number, start, end)
    }

    fn span(&self, [from, to]: [&str; 2], start: (f64, f64), end: (f64, f64)) -> Value {
        let places =
            json!({ format!("{from}loc"): Self::loc(start.1), format!("{to}loc"): Self::loc(end.1) });
        merged([self.at(from, start.0), self.at(to, end.0), places])
    }

    fn journey(mut self, key: &str, number: u64, start: (f64, f64), end: (f64, f64)) -> Self {
        let next = self.next_id();
        let data = merged([
            json!({ "start_place": id(self.place), "end_place": id(next), "duration": end.0 - start.0,
                "distance": (end.1 - start.1).abs(), "source": "s" }),
            self.span(["start_", "end_"], start, end),
        ]);
        self.entry(number, key, &data);
        let exit = json!({ "starting_trip": id(number) });
        self.raw_place(Some(merged([self.at("exit_", start.0), exit])), start);
        self.place = next;
        let arrival = json!({ "ending_trip": id(number) });
        self.arrival = Some((end.0, end.1, merged([self.at("enter_", end.0), arrival]).to_string()));
        self
    }

    fn raw_place(&mut self, exit: Option<Value>, start: (f64, f64)) {
        let (metres, arrival) = match &self.arrival {
            Some((_, metres, arrival)) => (*metres, serde_json::from_str(arrival).expect("JSON")),
            None => (start.1, json!({})),
        };
        let mut data = merged([json!({ "location": Self::loc(metres), "source": "s" }), arrival]);
        if let Some(exit) = exit {
            data = merged([data, exit]);
            if let Some((enter_ts, ..)) = &self.arrival {
                data["duration"] = json!(start.0 - enter_ts);
            }
        }
        self.entry(self.place, "segmentation/raw_place", &data);
    }

    /// The diary up to here, with its last place still open.
    fn cleaned(self) -> (Self, Outcome) {
        self.closed().run()
    }

    fn closed(mut self) -> Self {
        self.raw_place(None, (0.0, 0.0));
        self
    }

    /// The same diary with the data of its entries changed.
    fn changed(mut self, mut change: impl FnMut(&mut Value)) -> Self {
        let entries = self.memory.entries(Area::Timeseries).into_iter().map(|entry| {
            let mut data = entry.data();
            change(&mut data);
            json!({ "_id": { "$oid": entry.id.to_string() }, "metadata": entry.metadata(), "data": data })
        });
        let entries: Vec<Value> = entries.collect();
        self.memory = Memory::new().with_entries(Area::Timeseries, &json!(entries).to_string());
        self
    }

    fn run(mut self) -> (Self, Outcome) {
        let now = NOW.max(self.ts + 100.0);
        let outcome = self.memory.run_stage(run, now, Outcome::default()).expect("the stage works");
        (self, outcome)
    }

    /// In the order of their beginnings.
    fn made(&self, key: &str) -> Vec<Value> {
        let mut entries: Vec<&Stored> = self.memory.of_key(key);
        entries.sort_by(|a, b| a.time(TimeField::Position).total_cmp(&b.time(TimeField::Position)));
        let with_id =
            |entry: &&Stored| merged([entry.data(), json!({ "_id": { "$oid": entry.id.to_string() } })]);
        entries.iter().map(with_id).collect()
    }
}

fn merged<const N: usize>(parts: [Value; N]) -> Value {
    let members = parts.into_iter().filter_map(|part| part.as_object().cloned()).flatten();
    Value::Object(members.collect())
}

fn number(data: &Value, name: &str) -> f64 {
    data[name].as_f64().unwrap_or_else(|| panic!("no {name} in {data}"))
}

/// Two kilometres by car, and a walk.
const DRIVE: (u32, f64, u8) = (11, 200.0, 0);
const WALK: (u32, f64, u8) = (11, 24.0, 2);

fn assert_linked(diary: &Diary) {
    let places = diary.made(PLACE);
    let trips = [diary.made(TRIP), diary.made(UNTRACKED)].concat();
    assert_eq!(places.len(), trips.len() + 1);
    let place = |id: &Value| places.iter().find(|place| place["_id"] == *id).expect("a known place");
    for trip in &trips {
        let (from, to) = (place(&trip["start_place"]), place(&trip["end_place"]));
        assert_eq!((&from["starting_trip"], &to["ending_trip"]), (&trip["_id"], &trip["_id"]));
        assert_eq!(from["exit_ts"], trip["start_ts"]);
        assert_eq!(from["exit_fmt_time"], trip["start_fmt_time"]);
    }
}

#[test]
fn a_trip_is_cleaned_with_its_sections_its_stops_and_points_at_even_times() {
    let (diary, outcome) = Diary::new().trip(0.0, &[WALK, DRIVE, WALK], 10.0).cleaned();
    assert_eq!(outcome.processed_through, Some(diary.ts));
    assert_linked(&diary);
    let (trips, sections, stops) = (diary.made(TRIP), diary.made(SECTION), diary.made(STOP));
    assert_eq!((trips.len(), sections.len(), stops.len()), (1, 3, 2));
    let total: f64 = sections.iter().chain(&stops).map(|part| number(part, "distance")).sum();
    assert!((number(&trips[0], "distance") - total).abs() < 1e-6 && (total - 2500.0).abs() < 1.0, "{total}");
    assert_eq!(sections[1]["start_stop"], stops[0]["_id"]);
    assert_eq!(sections[1]["end_stop"], stops[1]["_id"]);
    assert_eq!(stops[0]["ending_section"], sections[0]["_id"]);
    assert_eq!(stops[1]["starting_section"], sections[2]["_id"]);
    let points = diary.made(POINT);
    let of_drive: Vec<f64> = points
        .iter()
        .filter(|point| point["section"] == sections[1]["_id"])
        .map(|point| number(point, "ts"))
        .collect();
    let start = number(&sections[1], "start_ts");
    let wanted = [0.0, 30.0, 60.0, 90.0, 120.0, 150.0, 180.0, 200.0].map(|seconds| start + seconds);
    assert_eq!(of_drive, wanted);
    assert_eq!(number(&sections[1], "duration"), 200.0);
    assert_eq!(points[0]["local_dt"]["timezone"], "Europe/Zurich");
}

#[test]
fn a_trip_of_less_than_100_m_joins_the_places_around_it() {
    let (diary, _) = Diary::new()
        .trip(0.0, &[DRIVE], 0.0)
        .trip(0.0, &[(3, 20.0, 2)], 0.0)
        .trip(0.0, &[DRIVE], 0.0)
        .cleaned();
    assert_linked(&diary);
    assert_eq!((diary.made(TRIP).len(), diary.made(SECTION).len()), (2, 2));
    let place = diary.made(PLACE).remove(1);
    // The place itself, the one before the short trip, and the one behind it.
    assert_eq!(place["raw_places"].as_array().expect("a list").len(), 3);
}

// Row: "A trip that is moved to its place begins 30 s earlier"
#[test]
fn a_trip_that_begins_a_little_off_its_place_is_moved_there() {
    let (diary, _) = Diary::new()
        .trip(0.0, &[DRIVE], 0.0)
        .trip(0.0, &[(3, 20.0, 2)], 0.0)
        .trip(0.0, &[DRIVE], 0.0)
        .cleaned();
    let (trip, section) = (diary.made(TRIP).remove(1), diary.made(SECTION).remove(1));
    let place = diary.made(PLACE).remove(1);
    assert_eq!(trip["start_loc"], place["location"]);
    assert_eq!((&section["start_ts"], &section["start_loc"]), (&trip["start_ts"], &trip["start_loc"]));
    let points: Vec<Value> =
        diary.made(POINT).into_iter().filter(|point| point["section"] == section["_id"]).collect();
    assert_eq!(
        (&points[0]["ts"], &points[0]["idx"], &points[0]["filter"]),
        (&trip["start_ts"], &Value::Null, &json!("time"))
    );
    assert_eq!(number(&points[1], "ts") - number(&points[0], "ts"), 30.0);
    assert!((number(&points[1], "distance") - 40.0).abs() < 1e-3, "{}", points[1]);
    assert_eq!(number(&points[1], "speed") * 30.0, number(&points[1], "distance"));
    assert_eq!(section["distances"][1], points[1]["distance"]);
    let along: f64 = points.iter().map(|point| number(point, "distance")).sum();
    assert!((along - number(&section, "distance")).abs() < 1e-6);
}

// Row: "A last span without readings"
#[test]
fn a_span_without_readings_that_led_nowhere_is_time_at_the_place() {
    let near = Diary::new().trip(0.0, &[DRIVE], 0.0).silence(50.0).trip(0.0, &[DRIVE], 0.0).cleaned().0;
    assert_linked(&near);
    assert_eq!((near.made(TRIP).len(), near.made(UNTRACKED).len()), (2, 0));
    let far = Diary::new().trip(0.0, &[DRIVE], 0.0).silence(5000.0).trip(0.0, &[DRIVE], 0.0).cleaned().0;
    assert_linked(&far);
    assert_eq!((far.made(TRIP).len(), far.made(UNTRACKED).len()), (2, 1));
    assert_eq!(number(&far.made(UNTRACKED)[0], "distance"), 5000.0);
    // The last one may yet lead somewhere: a later run will not ask.
    let last = Diary::new().trip(0.0, &[DRIVE], 0.0).silence(5000.0).cleaned().0;
    assert_eq!(last.made(UNTRACKED).len(), 0);
}

// Row: "A stop that a section takes over"
#[test]
fn a_stop_of_more_than_150_m_goes_to_the_section_with_an_engine() {
    let (diary, _) = Diary::new().trip(0.0, &[WALK, DRIVE], 300.0).cleaned();
    let (sections, stop) = (diary.made(SECTION), diary.made(STOP).remove(0));
    assert_eq!((number(&stop, "distance"), number(&stop, "duration")), (0.0, 0.0));
    assert_eq!(sections[1]["start_ts"], stop["enter_ts"]);
    assert_eq!(sections[0]["end_ts"], stop["exit_ts"]);
    // The section that takes it over gets its length, and its time with the wrong sign.
    assert_eq!(number(&sections[1], "duration"), 200.0 - 60.0);
    assert!((number(&sections[1], "distance") - 2300.0).abs() < 0.1);
    let speeds = sections[1]["speeds"].as_array().expect("a list");
    assert!((speeds[speeds.len() - 1].as_f64().expect("a number") + 5.0).abs() < 1e-3);
    // Neither its points nor the trip know of it.
    let points = diary.made(POINT);
    let first = points.iter().find(|point| point["section"] == sections[1]["_id"]).expect("a point");
    assert_eq!(number(first, "ts"), number(&sections[1], "start_ts") + 60.0);
    assert_eq!(number(&diary.made(TRIP)[0], "duration"), 200.0 + 60.0 + 200.0);
}

/// Turns the way north from the corner into one east from there, or west for a negative `sign`, on that parallel.
fn go_east(data: &mut Value, [longitude, latitude]: [f64; 2], sign: f64) {
    let stretch = sign / latitude.to_radians().cos();
    let turned = |north: f64| wrapped(longitude + (north - 47.0) * stretch);
    match data {
        Value::Object(members) => {
            if let Some(north) = members.get("latitude").and_then(Value::as_f64) {
                members.insert("longitude".to_owned(), json!(turned(north)));
                members.insert("latitude".to_owned(), json!(latitude));
            }
            if let Some(Value::Array(coordinates)) = members.get_mut("coordinates") {
                let north = coordinates[1].as_f64().expect("a number");
                *coordinates = vec![json!(turned(north)), json!(latitude)];
            }
            members.values_mut().for_each(|value| go_east(value, [longitude, latitude], sign));
        }
        Value::Array(values) => {
            values.iter_mut().for_each(|value| go_east(value, [longitude, latitude], sign));
        }
        _ => {}
    }
}

/// Three trips with all that cleaning does to them: a start that is moved, a stop that is given away, a silence.
fn eventful() -> Diary {
    Diary::new()
        .trip(0.0, &[WALK, DRIVE, WALK], 300.0)
        .trip(0.0, &[(3, 20.0, 2)], 0.0)
        .trip(0.0, &[DRIVE], 0.0)
        .silence(5000.0)
        .trip(0.0, &[DRIVE, (1, 0.0, 2), WALK], 10.0)
        .closed()
}

/// How far, how long, how many: what must not depend on where on a parallel somebody lives.
fn measures(diary: &Diary) -> Vec<f64> {
    let mut measures = Vec::new();
    for key in MADE {
        for data in diary.made(key) {
            for name in ["distance", "duration", "speed", "ts", "start_ts", "end_ts", "sensed_mode", "idx"] {
                measures.push(data[name].as_f64().unwrap_or(-1.0));
            }
            for list in ["distances", "speeds"] {
                measures.extend(data[list].as_array().into_iter().flatten().filter_map(Value::as_f64));
            }
        }
    }
    measures
}

/// Every longitude that was made.
fn longitudes(value: &Value, found: &mut Vec<f64>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("longitude").and_then(Value::as_f64));
            if let Some(Value::Array(coordinates)) = members.get("coordinates") {
                found.extend(coordinates[0].as_f64());
            }
            members.values().for_each(|value| longitudes(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| longitudes(value, found)),
        _ => {}
    }
}

fn assert_same_day(here: [f64; 2], there: [f64; 2], sign: f64) {
    let day = |at: [f64; 2], sign: f64| eventful().changed(|data| go_east(data, at, sign)).run().0;
    let (here, there) = (day(here, 1.0), day(there, sign));
    let pairs = measures(&here).into_iter().zip(measures(&there));
    assert_eq!(measures(&here).len(), measures(&there).len());
    for (number, (here, there)) in pairs.enumerate() {
        assert!((here - there).abs() < 1e-4, "measure {number}: {here} {there}");
    }
    let mut found = Vec::new();
    MADE.iter().flat_map(|key| there.made(key)).for_each(|data| longitudes(&data, &mut found));
    assert!(!found.is_empty() && found.iter().all(|degrees| degrees.abs() <= 180.0));
}

// Row: "Longitudes are interpolated"
#[test]
fn a_day_over_the_180th_meridian_is_the_day_that_it_would_be_elsewhere() {
    for longitude in [179.9, 179.96, 180.0, -180.0, 179.999_999] {
        assert_same_day([20.0, -16.8], [longitude, -16.8], 1.0);
        assert_same_day([20.0, -16.8], [-longitude, -16.8], -1.0);
    }
}

// Row: "Longitudes are interpolated"
#[test]
fn a_day_beside_a_pole_is_the_day_beside_the_other_one() {
    for latitude in [88.5, 89.5, 89.95] {
        assert_same_day([20.0, latitude], [20.0, -latitude], 1.0);
        assert_same_day([20.0, latitude], [175.0, latitude], 1.0);
    }
}

// Row: "A point without an altitude costs"
#[test]
fn where_somebody_was_needs_no_height() {
    let heights = |height: fn(usize) -> Option<Value>| {
        let mut row = 0;
        let (diary, _) = eventful()
            .changed(|data| {
                let members = data.as_object_mut().expect("an object");
                if members.remove("altitude").is_some() {
                    members.extend(height(row).map(|height| ("altitude".to_owned(), height)));
                    row += 1;
                }
            })
            .run();
        let known: Vec<f64> =
            diary.made(POINT).iter().filter_map(|point| point["altitude"].as_f64()).collect();
        assert!(known.iter().all(|height| *height == 400.0), "{known:?}");
        assert!(diary.made(POINT).iter().all(|point| point.get("altitude") != Some(&Value::Null)));
        (measures(&diary), known.len())
    };
    let (wanted, all) = heights(|_| Some(json!(400.0)));
    let mixes: [fn(usize) -> Option<Value>; 6] = [
        |_| None,
        |_| Some(Value::Null),
        |row| (row % 10 != 0).then(|| json!(400.0)),
        |row| if row % 2 == 0 { Some(Value::Null) } else { Some(json!(400.0)) },
        |row| (row > 20).then(|| json!(400.0)),
        |row| [None, Some(Value::Null), Some(json!(400.0)), Some(json!("high"))][row % 4].clone(),
    ];
    for (number, mix) in mixes.into_iter().enumerate() {
        let (found, known) = heights(mix);
        assert_eq!(found, wanted, "mix {number}");
        assert!(known < all && (known > 0) == (number > 1), "mix {number}: {known} of {all}");
    }
}

// Row: "The only point of a section is dropped"
#[test]
fn the_only_point_of_a_section_may_lack_what_phones_do_not_always_know() {
    let names =
        [("altitude", 1), ("accuracy", 1), ("sensed_speed", 1), ("filter", 1), ("loc", 0), ("floor", 0)];
    for (name, kept) in names {
        for value in [None, Some(Value::Null)] {
            let change = |data: &mut Value| {
                let Some(members) = data.as_object_mut().filter(|data| data.contains_key("latitude")) else {
                    return;
                };
                // The point of the section in the middle lacks it.
                let alone = members["ts"] == json!(DAY + 860.0);
                members.entry("floor").or_insert(json!(0));
                members.entry("sensed_speed").or_insert(json!(1.5));
                if alone {
                    members.remove(name);
                    members.extend(value.clone().map(|value| (name.to_owned(), value)));
                }
            };
            let diary = Diary::new().trip(0.0, &[DRIVE, (1, 0.0, 2), DRIVE], 10.0).closed().changed(change);
            let (diary, _) = diary.run();
            let section = diary.made(SECTION).remove(1)["_id"].clone();
            let count = diary.made(POINT).iter().filter(|point| point["section"] == section).count();
            assert_eq!(count, kept, "{name} {value:?}");
            for point in diary.memory.of_key(POINT) {
                assert_eq!(cells_sdk::model::keys::check(POINT, &point.data), Ok(()));
            }
        }
    }
}

// Row: "A member `mode` in a location"
#[test]
fn what_a_phone_calls_the_mode_of_a_fix_is_passed_over() {
    let day = |mode: Option<Value>| {
        let with_mode = |data: &mut Value| {
            let members = data.as_object_mut().filter(|data| data.contains_key("latitude"));
            if let Some((members, mode)) = members.zip(mode.clone()) {
                members.insert("mode".to_owned(), mode);
            }
        };
        eventful().changed(with_mode).run().0
    };
    let plain = day(None);
    for mode in [json!(7), json!("car"), Value::Null, json!({}), json!([1.5])] {
        let diary = day(Some(mode.clone()));
        for key in MADE {
            assert_eq!(diary.made(key), plain.made(key), "{key} {mode}");
        }
        let points = diary.memory.of_key(POINT);
        assert!(points.iter().all(|point| point.data.matches(r#""mode":"#).count() == 1), "{mode}");
    }
}

#[test]
fn what_smoothing_has_deleted_does_not_count() {
    let mut diary = Diary::new().trip(0.0, &[DRIVE], 0.0);
    let (section, deleted) = (id(3), json!([{ "$oid": diary.points[5] }]));
    let number_of = diary.next_id();
    diary.entry(number_of, "analysis/smoothing", &json!({ "section": section, "deleted_points": deleted }));
    let all = id_of_all(&diary);
    let number_of = diary.next_id();
    diary.entry(number_of, "analysis/smoothing", &json!({ "section": section, "deleted_points": all }));
    // The first result counts; the second would leave nothing.
    let (diary, _) = diary.cleaned();
    assert_eq!(diary.made(TRIP).len(), 1);
}

fn id_of_all(diary: &Diary) -> Value {
    diary.points.iter().map(|point| json!({ "$oid": point })).collect()
}

// Row: "The only point of a section is stored as a row"
#[test]
fn the_only_point_of_a_section_is_kept_as_the_phone_sent_it() {
    let (diary, _) = Diary::new().trip(0.0, &[DRIVE, (1, 0.0, 2), DRIVE], 10.0).cleaned();
    let section = diary.made(SECTION).remove(1);
    let point =
        diary.made(POINT).into_iter().find(|point| point["section"] == section["_id"]).expect("a point");
    assert_eq!((&point["index"], &point["idx"], &point["heading"]), (&json!(11), &json!(0), &json!(0.0)));
    assert_eq!((&point["filter"], &point["local_dt_timezone"]), (&json!("time"), &json!("Europe/Zurich")));
    assert!(point.get("local_dt").is_none());
    assert_eq!(point["user_id"]["$uuid"], "ab".repeat(16));
    assert_eq!(section["speeds"], json!([0.0]));
}

#[test]
fn the_next_run_goes_on_from_the_place_that_was_left_open() {
    let whole = Diary::new().trip(0.0, &[DRIVE], 0.0).trip(30.0, &[WALK], 0.0).trip(0.0, &[DRIVE], 0.0);
    let (whole, _) = whole.cleaned();
    // The same diary, cleaned up to each of its arrivals.
    let mut pieces = Memory::new();
    for entry in whole.memory.entries(Area::Timeseries) {
        if !MADE.contains(&entry.key.as_str()) {
            let text = json!([{ "_id": { "$oid": entry.id.to_string() }, "metadata": entry.metadata(), "data": entry.data() }]);
            pieces = pieces.with_entries(Area::Timeseries, &text.to_string());
        }
    }
    let mut outcome = Outcome::default();
    for now in [DAY + 805.0, DAY + 1605.0, NOW] {
        outcome = pieces.run_stage(run, now, outcome).expect("the stage works");
    }
    assert_eq!(outcome.processed_through, Some(whole.ts));
    let pieces = Diary { memory: pieces, ..Diary::new() };
    assert_linked(&pieces);
    for key in MADE {
        let without_links = |diary: &Diary| -> Vec<Value> {
            let mut made = diary.made(key);
            for data in &mut made {
                let members = data.as_object_mut().expect("an object");
                members.retain(|_, value| value.get("$oid").is_none());
            }
            made
        };
        assert_eq!(without_links(&pieces), without_links(&whole), "{key}");
    }
}

#[test]
fn nothing_new_writes_nothing_and_keeps_the_mark() {
    let (mut diary, outcome) = Diary::new().trip(0.0, &[DRIVE], 0.0).cleaned();
    let count = diary.memory.entries(Area::Timeseries).len();
    let again = diary.memory.run_stage(run, NOW + 10.0, outcome.clone()).expect("the stage works");
    assert_eq!(again.processed_through, outcome.processed_through);
    assert_eq!(diary.memory.entries(Area::Timeseries).len(), count);
    assert_eq!(Memory::new().run_stage(run, NOW, Outcome::default()), Ok(Outcome::default()));
}

// Row: "A back-log is one window"
#[test]
fn a_long_back_log_is_cut_into_runs_that_make_the_same() {
    // 8 trips of 33 hours make some 4,000 points each: more than one run takes.
    let long = |diary: Diary| diary.trip(0.0, &[(6001, 20.0, 0)], 0.0);
    let mut diary = (0..6).fold(Diary::new(), |diary, _| long(diary));
    diary.raw_place(None, (0.0, 0.0));
    let mut runs = 0;
    let counted = |memory: &mut Memory, window: &cells_sdk::Run| {
        runs += 1;
        run(memory, window)
    };
    let outcome =
        diary.memory.run_stage(counted, diary.ts + 100.0, Outcome::default()).expect("the stage works");
    assert_eq!(runs, 2, "36,006 points");
    assert_linked(&diary);
    assert_eq!(diary.made(TRIP).len(), 6);
    assert_eq!(outcome.processed_through, Some(diary.ts));
    assert!(!outcome.more);
    assert_eq!(diary.made(POINT).len(), 6 * 4001);
}

#[test]
fn everything_that_is_written_fits_the_schemas_of_the_manifest() {
    let (diary, _) = Diary::new()
        .trip(0.0, &[DRIVE, (1, 0.0, 2), WALK], 200.0)
        .silence(5000.0)
        .trip(0.0, &[(3, 20.0, 2)], 0.0)
        .trip(0.0, &[DRIVE], 0.0)
        .cleaned();
    for key in MADE {
        let name = key.strip_prefix("analysis/").expect("ours");
        let folder = if key == POINT { "../model/schemas/analysis" } else { "schemas" };
        let path = format!("{}/{folder}/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let schema = serde_json::from_str(&std::fs::read_to_string(path).expect("there")).expect("JSON");
        let validator = jsonschema::validator_for(&schema).expect("a schema");
        let entries = diary.memory.of_key(key);
        assert!(!entries.is_empty(), "{key}");
        for entry in entries {
            let data = entry.data();
            let broken: Vec<String> = validator.iter_errors(&data).map(|error| error.to_string()).collect();
            assert!(broken.is_empty(), "{key}: {broken:?}");
            assert_eq!(cells_sdk::model::keys::check(key, &entry.data), Ok(()));
        }
        assert!(!validator.is_valid(&json!({ "start_ts": "soon" })));
    }
}

// Row: "No altitude in the window, or an entry that cannot be read"
#[test]
fn an_entry_that_cannot_be_read_costs_its_own_trip_only() {
    let mut diary = Diary::new().trip(0.0, &[DRIVE], 0.0).trip(0.0, &[DRIVE], 0.0);
    let odd = json!({ "start_ts": DAY + 10.0, "trip_id": 7 });
    let numbers = [diary.next_id(), diary.next_id(), diary.next_id()];
    diary.entry(numbers[0], "segmentation/raw_section", &odd);
    diary.entry(numbers[1], "segmentation/raw_trip", &odd);
    diary.entry(numbers[2], "background/filtered_location", &json!({ "ts": DAY + 610.0, "latitude": "47" }));
    let (diary, _) = diary.cleaned();
    assert_eq!(diary.made(TRIP).len(), 2);
    let said: Vec<&str> = diary.memory.log_lines().iter().map(|line| line.1.as_str()).collect();
    assert!(said.iter().any(|line| line.starts_with("2 entries of the raw diary")), "{said:?}");
    assert!(said.iter().any(|line| line.starts_with("1 points have no time")), "{said:?}");
}

// Row: "A trip may begin any time before its first point"
#[test]
fn a_trip_that_lasts_a_month_is_none() {
    let slow = Diary { step_s: 300_000.0, ..Diary::new() }.trip(0.0, &[DRIVE], 0.0);
    let (diary, _) = Diary { step_s: 20.0, ..slow }.trip(0.0, &[DRIVE], 0.0).cleaned();
    assert_eq!(diary.made(TRIP).len(), 1);
    assert!(diary.memory.log_lines()[0].1.starts_with("1 trips last longer than three weeks"));
}

/// The same diary with other data where `change` answers some; where it answers `null`, without the entry.
fn changed(mut diary: Diary, change: impl Fn(&Stored) -> Option<Value>) -> Diary {
    let entry = |entry: &Stored, data: Value| json!({ "_id": { "$oid": entry.id.to_string() }, "metadata": entry.metadata(), "data": data });
    let entries = diary.memory.entries(Area::Timeseries).into_iter();
    let entries = entries.map(|stored| entry(stored, change(stored).unwrap_or_else(|| stored.data())));
    let entries: Vec<Value> = entries.filter(|entry| !entry["data"].is_null()).collect();
    diary.memory = Memory::new().with_entries(Area::Timeseries, &Value::from(entries).to_string());
    diary
}

/// The same diary without a member of those points.
fn without(diary: Diary, member: &str, points: impl Fn(f64) -> bool) -> Diary {
    changed(diary, |entry| {
        let mut data = entry.data();
        let is_one = entry.key == "background/filtered_location" && points(number(&data, "ts"));
        data.as_object_mut().expect("an object").remove(member).filter(|_| is_one).map(|_| data)
    })
}

// Row: "The only point of a section is dropped"
#[test]
fn the_only_point_of_a_section_is_lost_where_it_lacks_a_member_that_another_point_has() {
    let diary = Diary::new().trip(0.0, &[DRIVE, (1, 0.0, 2), DRIVE], 10.0);
    let alone = DAY + 600.0 + 200.0 + 60.0;
    let (diary, _) = without(diary, "loc", |ts| ts == alone).cleaned();
    let section = &diary.made(SECTION)[1]["_id"];
    assert_eq!(diary.made(POINT).iter().filter(|point| point["section"] == *section).count(), 0);
}

// Row: "Where the first stop is left no later"
#[test]
fn a_first_section_that_is_left_when_it_begins_is_lost_and_its_points_are_not() {
    // The drive takes the way over, so the stop behind the only point of the walk is left when that is made.
    let (diary, _) = Diary::new().trip(0.0, &[(1, 0.0, 2), DRIVE], 300.0).cleaned();
    let (sections, stops, points) = (diary.made(SECTION), diary.made(STOP), diary.made(POINT));
    assert_eq!((sections.len(), stops.len()), (1, 1));
    assert_eq!(stops[0]["starting_section"], sections[0]["_id"]);
    let lost = &stops[0]["ending_section"];
    assert!(lost["$oid"].is_string() && sections.iter().all(|section| section["_id"] != *lost));
    assert_eq!(points.iter().filter(|point| point["section"] == *lost).count(), 1);
}

// Row: "A place names its raw place again"
#[test]
fn a_place_names_its_raw_place_and_names_it_again_when_it_is_left() {
    let (diary, _) = Diary::new().trip(0.0, &[DRIVE], 0.0).trip(0.0, &[DRIVE], 0.0).cleaned();
    let counts: Vec<usize> = diary
        .made(PLACE)
        .iter()
        .map(|place| {
            let raw = place["raw_places"].as_array().expect("a list");
            assert!(raw.iter().all(|id| *id == raw[0]), "{place}");
            raw.len()
        })
        .collect();
    assert_eq!(counts, [2, 2, 1], "the last one is still open");
}

// Row: "A trip that is moved to its place begins 30 s earlier"
#[test]
fn the_new_point_of_a_trip_that_is_moved_has_the_corrected_mode_and_the_others_have_the_phones() {
    // 1 km in 20 s is no drive.
    let (diary, _) = Diary::new()
        .trip(0.0, &[DRIVE], 0.0)
        .trip(0.0, &[(3, 20.0, 2)], 0.0)
        .trip(0.0, &[(11, 1000.0, 0)], 0.0)
        .cleaned();
    let section = diary.made(SECTION).remove(1);
    let of_section = diary.made(POINT).into_iter().filter(|point| point["section"] == section["_id"]);
    let modes: Vec<Value> = of_section.map(|point| point["mode"].clone()).collect();
    assert_eq!((&section["sensed_mode"], &modes[0]), (&json!(11), &json!(11)));
    assert!(modes.len() > 2 && modes[1..].iter().all(|mode| *mode == 0), "{modes:?}");
}

// Row: "A point of a place that lacks"
#[test]
fn where_the_point_of_a_place_has_no_altitude_the_trip_from_there_begins_without_one() {
    let diary = Diary::new().trip(0.0, &[DRIVE], 0.0);
    let arrival = diary.ts;
    let (diary, _) = without(diary.trip(500.0, &[DRIVE], 0.0), "altitude", |ts| ts == arrival).cleaned();
    let section = diary.made(SECTION).remove(1);
    let points: Vec<Value> =
        diary.made(POINT).into_iter().filter(|point| point["section"] == section["_id"]).collect();
    assert_eq!(points[0]["loc"], section["start_loc"]);
    assert_eq!((points[0].get("altitude"), number(&points[points.len() - 1], "altitude")), (None, 400.0));
}

// Row: "After a moved start it checks lengths and speeds"
#[test]
fn a_trip_that_is_moved_may_begin_with_a_section_that_took_a_stop_over() {
    let (diary, _) = Diary::new()
        .trip(0.0, &[DRIVE], 0.0)
        .trip(0.0, &[(3, 20.0, 2)], 0.0)
        .trip(0.0, &[DRIVE, WALK], 300.0)
        .cleaned();
    assert_linked(&diary);
    let (trip, section, stop) =
        (diary.made(TRIP).remove(1), diary.made(SECTION).remove(1), diary.made(STOP).remove(0));
    assert_eq!(
        (&trip["start_loc"], &section["start_loc"]),
        (&diary.made(PLACE)[1]["location"], &trip["start_loc"])
    );
    assert_eq!((number(&stop, "distance"), &section["end_ts"]), (0.0, &stop["exit_ts"]));
    assert!(number(&section, "distance") > 2300.0, "{section}");
}

// Row: "The point of a place must still be there"
#[test]
fn where_the_point_of_an_arrival_is_gone_the_next_trip_begins_at_the_place_itself() {
    let diary = Diary::new().trip(0.0, &[DRIVE], 0.0);
    let arrival = diary.ts;
    let gone = changed(diary.trip(500.0, &[DRIVE], 0.0), |entry| {
        let is_it = entry.key == "background/filtered_location" && entry.time(TimeField::DataTs) == arrival;
        is_it.then_some(Value::Null)
    });
    let (diary, _) = gone.cleaned();
    assert_linked(&diary);
    let (trips, place) = (diary.made(TRIP), diary.made(PLACE).remove(1));
    assert_eq!((&trips[0]["end_ts"], &trips[0]["end_loc"]), (&json!(arrival), &place["location"]));
    assert_eq!(trips[1]["start_loc"], place["location"]);
}

// Row: "No altitude in the window"
#[test]
fn without_any_altitude_points_have_none() {
    let (diary, _) = without(Diary::new().trip(0.0, &[DRIVE], 0.0), "altitude", |_| true).cleaned();
    let points = diary.made(POINT);
    assert_eq!((diary.made(TRIP).len(), points.len()), (1, 8));
    assert!(points.iter().all(|point| point.get("altitude").is_none()), "{}", points[0]);
}

// Row: "Places are named by Nominatim"
#[test]
fn places_have_no_names() {
    let (diary, _) = Diary::new().trip(0.0, &[DRIVE], 0.0).trip(0.0, &[DRIVE], 0.0).cleaned();
    for place in diary.made(PLACE) {
        let odd = place.as_object().expect("an object").keys().find(|name| {
            !name.starts_with("enter_")
                && !name.starts_with("exit_")
                && !["_id", "source", "location", "raw_places", "ending_trip", "starting_trip", "duration"]
                    .contains(&name.as_str())
        });
        assert_eq!(odd, None);
    }
}

/// A member of an entry, or something else.
fn odd() -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => (0.0..3000.0).prop_map(|seconds| json!(DAY + seconds)),
        1 => Just(Value::Null),
        1 => Just(json!("47")),
        1 => Just(json!(-1e308)),
        1 => Just(json!([])),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_entries_make_a_run_panic(
        points in prop::collection::vec((odd(), -95.0..95.0, -200.0..200.0, odd()), 0..30),
        times in prop::collection::vec((odd(), odd(), 0_usize..12), 0..8),
    ) {
        let mut diary = Diary::new().trip(0.0, &[WALK, DRIVE], 40.0).trip(30.0, &[(2, 200.0, 2)], 0.0);
        for (ts, latitude, longitude, altitude) in points {
            let number = diary.next_id();
            let data = json!({ "ts": ts, "latitude": latitude, "longitude": longitude, "altitude": altitude });
            diary.entry(number, "background/filtered_location", &data);
        }
        for (start, end, which) in times {
            // Sections of the first trip with other times, and results of smoothing that delete points.
            let number = diary.next_id();
            let span = json!({ "start_ts": start, "end_ts": end, "trip_id": id(2), "sensed_mode": which,
                "source": "s", "duration": 1.0, "start_loc": Diary::loc(0.0), "end_loc": Diary::loc(9.0) });
            let times = diary.span(["start_", "end_"], (DAY, 0.0), (DAY + 1.0, 1.0));
            diary.entry(number, "segmentation/raw_section", &merged([times, span]));
            let gone: Vec<Value> = diary.points.iter().skip(which).map(|point| json!({ "$oid": point })).collect();
            let data = json!({ "section": id(number), "deleted_points": gone });
            let number = diary.next_id();
            diary.entry(number, "analysis/smoothing", &data);
        }
        diary.raw_place(None, (0.0, 0.0));
        // An error is an answer; a panic is none.
        if diary.memory.run_stage(run, NOW, Outcome::default()).is_ok() {
            assert_linked(&diary);
        }
    }
}

/// A raw span without readings that leads back in time, as an old fix leaves it.
fn back(mut diary: Diary, seconds: f64) -> Diary {
    let start = (diary.ts + 5.0, diary.metres);
    let (number, end) = (diary.next_id(), (diary.ts - seconds, diary.metres + 5_000.0));
    diary = diary.journey("segmentation/raw_untracked", number, start, end);
    (diary.ts, diary.metres) = end;
    diary
}

// Row: "The mark is the arrival at the last raw place"
#[test]
fn a_window_that_ends_before_it_begins_is_not_cleaned_twice() {
    for seconds in [3_000.0, 30_000.0, 3e7] {
        let (mut diary, outcome) = back(Diary::new().trip(0.0, &[(20, 30.0, 7)], 0.0), seconds).cleaned();
        assert!(outcome.processed_through.expect("a mark") > DAY, "{seconds} s");
        let made = |diary: &Diary| MADE.map(|key| diary.made(key).len());
        let before = made(&diary);
        diary.memory.run_stage(run, NOW, outcome).expect("the stage works");
        assert_eq!(made(&diary), before, "{seconds} s");
    }
}

// Row: "Raw trips that begin before the mark"
#[test]
fn trips_that_begin_before_what_is_cleaned_already_are_told() {
    let (mut diary, outcome) = Diary::new().trip(0.0, &[(20, 30.0, 7)], 0.0).cleaned();
    let trip = diary.memory.of_key("segmentation/raw_trip")[0].clone();
    let mut data = trip.data();
    data["start_ts"] = (DAY + 1.0).into();
    let entry = json!([{ "_id": id(999), "metadata": { "key": "segmentation/raw_trip", "write_ts": NOW + 500.0 }, "data": data }]);
    diary.memory = std::mem::take(&mut diary.memory).with_entries(Area::Timeseries, &entry.to_string());
    let outcome = diary.memory.run_stage(run, NOW + 500.0, outcome).expect("the stage works");
    diary.memory.run_stage(run, NOW + 900.0, outcome).expect("the stage works");
    let told: Vec<_> = diary.memory.log_lines().iter().map(|line| line.1.as_str()).collect();
    let want = "1 trips or spans begin before what earlier runs have come to: they stay out of the diary";
    assert_eq!(told, [want]);
}

// Row: "An untracked span that leads back"
#[test]
fn a_span_that_leads_back_in_time_is_stored_between_the_places_that_name_it() {
    let there = Diary::new().trip(0.0, &[(20, 30.0, 7)], 0.0);
    let mut there = back(there, 90_000.0);
    // The next trip begins when the phone is found again, long after the fix from which the span leads there.
    there.ts += 100_000.0;
    let (diary, _) = there.trip(0.0, &[(20, 30.0, 7)], 0.0).cleaned();
    let (spans, places) = (diary.made(UNTRACKED), diary.made(PLACE));
    assert_eq!(spans.len(), 1);
    for (end, link) in [("start_place", "starting_trip"), ("end_place", "ending_trip")] {
        let place = places.iter().find(|place| place["_id"] == spans[0][end]).expect("a known place");
        assert_eq!(place[link], spans[0]["_id"], "{link}");
    }
}
