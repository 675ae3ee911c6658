//! What is shown, against a filter that was written independently: plain vectors of entries whose fields are known, each
//! made coarse by hand, then asked.

use std::sync::Arc;

use proptest::prelude::*;
use runtime_consent::{Asking, Consent, Narrowing, Place, Pseudonyms, Reach, Shape, StreamName, Time, Wants};
use runtime_types::{Area, EntryId, EntryTimes, TimeField};
use serde_json::{Value, json};

const LOCATION: &str = "background/location";
const TRIP: &str = "analysis/cleaned_trip";
const SECRET: [u8; 32] = [9; 32];

fn shape(file: &str) -> Arc<Shape> {
    let path = format!("{}/../../cells/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("a schema");
    Arc::new(Shape::of(&serde_json::from_str(&text).expect("JSON")).expect("sound"))
}

fn reach(narrowings: &[Narrowing]) -> Reach {
    let asking = Asking {
        cell: "p/c".to_owned(),
        publisher: "p".to_owned(),
        digest: "00".repeat(32),
        wants: Wants { streams: [LOCATION, TRIP].map(StreamName::of).to_vec(), ..Wants::default() },
        ..Asking::default()
    };
    let mut consent = Consent::asked(asking, 0.0).expect("sound");
    narrowings.iter().for_each(|narrowing| consent.narrow(narrowing).expect("narrower"));
    let shapes = [
        (LOCATION.to_owned(), shape("model/schemas/background/location.json")),
        (TRIP.to_owned(), shape("clean-resampling/schemas/cleaned_trip.json")),
    ];
    Reach::new(&consent, &SECRET, shapes)
}

/// An entry by its fields.
#[derive(Debug, Clone)]
struct Known {
    id: EntryId,
    key: &'static str,
    write_ts: f64,
    /// A location has one, a trip two.
    times: Vec<f64>,
    places: Vec<[f64; 2]>,
}

impl Known {
    fn texts(&self) -> (String, String) {
        let metadata = json!({ "key": self.key, "platform": "ios", "write_ts": self.write_ts,
            "time_zone": "Europe/Zurich", "device": "token-0011223344556677", "read_ts": self.write_ts });
        let local = |moment: f64| cells_model::time::local(moment, "Europe/Zurich").expect("sound");
        let point = |at: [f64; 2]| json!({ "type": "Point", "coordinates": [at[1], at[0]] });
        let data = if self.key == LOCATION {
            let [latitude, longitude] = self.places[0];
            let (parts, text) = local(self.times[0]);
            json!({ "latitude": latitude, "longitude": longitude, "loc": point(self.places[0]), "ts": self.times[0],
                "local_dt": parts, "fmt_time": text, "accuracy": 12.5, "altitude": 431.25, "heading": 17.5,
                "sensed_speed": 1.25, "filter": "distance", "unheard_of": [latitude, longitude, self.times[0]] })
        } else {
            let ((parts, text), (end_parts, end_text)) = (local(self.times[0]), local(self.times[1]));
            json!({ "start_ts": self.times[0], "end_ts": self.times[1], "start_local_dt": parts,
                "start_fmt_time": text, "end_local_dt": end_parts, "end_fmt_time": end_text,
                "start_loc": point(self.places[0]), "end_loc": point(self.places[1]),
                "start_place": { "$oid": EntryId([1; 12]).to_string() },
                "raw_trip": { "$oid": EntryId([2; 12]).to_string() },
                "duration": self.times[1] - self.times[0], "distance": 1_550.0, "source": "smoothing",
                "device": "token-0011223344556677/ios" })
        };
        (metadata.to_string(), data.to_string())
    }
}

/// The reference: floors by whole division, a grid by counting degrees, everything field by field.
mod by_hand {
    use super::*;

    pub fn floor(time: Time, moment: f64) -> f64 {
        let grain = match time {
            Time::Exact => return moment,
            Time::Hour => 3_600,
            Time::Day => 86_400,
        };
        (moment.floor() as i64).div_euclid(grain) as f64 * grain as f64
    }

    pub fn cell(place: Place, [latitude, longitude]: [f64; 2]) -> [f64; 2] {
        let metres = match place {
            Place::Exact => return [latitude, longitude],
            Place::Hundred => 100.0,
            Place::Kilometre => 1_000.0,
            Place::TenKilometres => 10_000.0,
        };
        let degree = 6_371_008.8 * std::f64::consts::PI / 180.0;
        let rows = (180.0 * degree / metres) as i64;
        let row = ((latitude + 90.0) * rows as f64 / 180.0) as i64;
        let edge = |row: i64| -90.0 + row as f64 * 180.0 / rows as f64;
        let narrowest = edge(row).abs().max(edge(row + 1).abs());
        let columns = ((360.0 * degree * narrowest.to_radians().cos() / metres) as i64).max(1);
        let column = ((longitude + 180.0) * columns as f64 / 360.0) as i64;
        [(edge(row) + edge(row + 1)) / 2.0, -180.0 + (column as f64 + 0.5) * 360.0 / columns as f64]
    }

    pub fn position(entry: &Known) -> f64 {
        entry.times[0]
    }

    /// Whether all of the grain that an entry lies in has passed and is inside the window.
    pub fn is_inside(entry: &Known, bounds: &Bounds, now: f64) -> bool {
        let position = position(entry);
        match bounds.time {
            Time::Exact => bounds.from <= position && position <= bounds.until,
            time => {
                let start = floor(time, position);
                let end = start + if time == Time::Hour { 3_600.0 } else { 86_400.0 };
                let passed = |moment: &f64| floor(time, *moment) + (end - start) <= now;
                let all = entry.times.iter().chain([&entry.write_ts]).all(passed);
                bounds.from <= start && end.next_down() <= bounds.until && all
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Bounds {
    from: f64,
    until: f64,
    place: Place,
    time: Time,
}

fn narrowing(key: &str, bounds: Bounds) -> Narrowing {
    Narrowing {
        on: Some(key.to_owned()),
        from: Some(bounds.from),
        until: Some(bounds.until),
        place: Some(bounds.place),
        time: Some(bounds.time),
        ..Narrowing::default()
    }
}

fn near(one: &Value, other: f64) -> bool {
    one.as_f64().is_some_and(|one| (one - other).abs() < 1e-9)
}

/// What is shown of an entry, held against the reference member by member.
fn check_shown(entry: &Known, bounds: Bounds, metadata: &str, data: &str) -> Result<(), TestCaseError> {
    let (metadata, data): (Value, Value) =
        (serde_json::from_str(metadata).expect("JSON"), serde_json::from_str(data).expect("JSON"));
    let (exact_time, exact_place) = (bounds.time == Time::Exact, bounds.place == Place::Exact);
    let write_ts = by_hand::floor(bounds.time, entry.write_ts);
    let mut want = json!({ "key": entry.key, "platform": "ios", "write_ts": write_ts });
    if exact_time {
        want["time_zone"] = "Europe/Zurich".into();
    }
    prop_assert_eq!(metadata, want);
    prop_assert!(data.get("device").is_none());
    let names: &[[&str; 4]] = if entry.key == LOCATION {
        &[["ts", "local_dt", "fmt_time", "loc"]]
    } else {
        &[
            ["start_ts", "start_local_dt", "start_fmt_time", "start_loc"],
            ["end_ts", "end_local_dt", "end_fmt_time", "end_loc"],
        ]
    };
    for (index, [ts, local_dt, fmt_time, loc]) in names.iter().enumerate() {
        let moment = by_hand::floor(bounds.time, entry.times[index]);
        prop_assert!(near(&data[ts], moment));
        let zone = if exact_time { "Europe/Zurich" } else { "UTC" };
        let (parts, text) = cells_model::time::local(moment, zone).expect("sound");
        prop_assert_eq!(&data[local_dt], &serde_json::to_value(parts).expect("plain"));
        prop_assert_eq!(&data[fmt_time], &Value::from(text));
        let [latitude, longitude] = by_hand::cell(bounds.place, entry.places[index]);
        prop_assert!(
            near(&data[loc]["coordinates"][0], longitude) && near(&data[loc]["coordinates"][1], latitude)
        );
    }
    if entry.key == LOCATION {
        let [latitude, longitude] = by_hand::cell(bounds.place, entry.places[0]);
        prop_assert!(near(&data["latitude"], latitude) && near(&data["longitude"], longitude));
        for of_place in ["altitude", "heading", "sensed_speed"] {
            prop_assert_eq!(data.get(of_place).is_some(), exact_place);
        }
        prop_assert_eq!(&data["accuracy"], 12.5);
        prop_assert_eq!(&data["filter"], "distance");
        prop_assert_eq!(data.get("unheard_of").is_some(), exact_place && exact_time);
        return Ok(());
    }
    let distance = if exact_place {
        1_550.0
    } else {
        let metres = bounds.place.metres().expect("coarse");
        (1_550.0_f64 / metres).round() * metres
    };
    prop_assert!(near(&data["distance"], distance));
    let span = entry.times[1] - entry.times[0];
    let whole = bounds.time.seconds().map_or(span, |grain| (span / grain).floor() * grain);
    prop_assert!(near(&data["duration"], whole));
    let raw = EntryId([2; 12]);
    let raw = if exact_time { raw } else { Pseudonyms::new(&SECRET).shown(raw) };
    prop_assert_eq!(&data["raw_trip"]["$oid"], &Value::from(raw.to_string()));
    prop_assert_eq!(data.get("start_place").is_some(), exact_time);
    Ok(())
}

fn moments() -> impl Strategy<Value = f64> {
    // Three days, often at the edges of grains.
    let base = 1_699_920_000.0;
    prop_oneof![
        (0.0..259_200.0_f64).prop_map(move |after| base + after),
        (0_u32..72).prop_map(move |hour| base + f64::from(hour) * 3_600.0),
        (1_u32..72).prop_map(move |hour| (base + f64::from(hour) * 3_600.0).next_down()),
    ]
}

fn places() -> impl Strategy<Value = [f64; 2]> {
    prop_oneof![(47.3..47.45_f64, 8.4..8.6_f64), (-89.9..89.9_f64, -179.9..179.9_f64),]
        .prop_map(|(latitude, longitude)| [latitude, longitude])
}

fn entries() -> impl Strategy<Value = Vec<Known>> {
    let entry = (any::<[u8; 12]>(), any::<bool>(), moments(), moments(), moments(), places(), places());
    let entry = entry.prop_map(|(id, is_trip, write_ts, one, other, start, end)| Known {
        id: EntryId(id),
        key: if is_trip { TRIP } else { LOCATION },
        write_ts,
        times: if is_trip { vec![one.min(other), one.max(other)] } else { vec![one] },
        places: if is_trip { vec![start, end] } else { vec![start] },
    });
    prop::collection::vec(entry, 0..40)
}

fn bounds() -> impl Strategy<Value = Bounds> {
    let place = prop::sample::select(&Place::ALL[..]);
    let time = prop::sample::select(&Time::ALL[..]);
    (moments(), moments(), place, time).prop_map(|(one, other, place, time)| Bounds {
        from: one.min(other),
        until: one.max(other),
        place,
        time,
    })
}

fn field() -> impl Strategy<Value = TimeField> {
    prop::sample::select(
        &[TimeField::WriteTs, TimeField::DataTs, TimeField::StartTs, TimeField::EndTs, TimeField::Position][..],
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_is_shown_is_what_a_filter_over_coarse_copies_finds(
        entries in entries(),
        bounds in [bounds(), bounds()],
        now in moments(),
        field in field(),
        (start, end) in (moments(), moments()),
    ) {
        let of = |key: &str| if key == LOCATION { bounds[0] } else { bounds[1] };
        let reach = reach(&[narrowing(LOCATION, bounds[0]), narrowing(TRIP, bounds[1])]);

        // The reference: make every entry coarse, then ask.
        let mut want = Vec::new();
        for entry in &entries {
            let bounds = of(entry.key);
            let time = match (field, &entry.times[..]) {
                (TimeField::WriteTs, _) => entry.write_ts,
                (TimeField::Position, times) => times[0],
                (TimeField::DataTs, [ts]) => *ts,
                (TimeField::StartTs, [start, _]) => *start,
                (TimeField::EndTs, [_, end]) => *end,
                _ => continue,
            };
            let time = by_hand::floor(bounds.time, time);
            if by_hand::is_inside(entry, &bounds, now) && start <= time && time <= end {
                let id = if bounds.time == Time::Exact { entry.id } else { Pseudonyms::new(&SECRET).shown(entry.id) };
                want.push((time, id));
            }
        }
        want.sort_by(|one, other| one.partial_cmp(other).expect("no time is NaN"));

        // What is under test: bounds for the store, then each row.
        let mut found = Vec::new();
        for entry in &entries {
            let stream = reach.of(Area::Timeseries, entry.key).expect("granted");
            let (metadata, data) = entry.texts();
            let times = EntryTimes::read(&metadata, &data);
            let (low, high) = stream.stored_bounds(start, end);
            let time = times.get(field);
            if low <= time && time <= high && stream.shows(&times, now) {
                found.push((stream.moment(time), stream.id(entry.id)));
                check_shown(entry, of(entry.key), &stream.metadata(&metadata), &stream.data(&data))?;
            }
        }
        found.sort_by(|one, other| one.partial_cmp(other).expect("no time is NaN"));
        prop_assert_eq!(found, want);
    }

    #[test]
    fn windows_that_follow_one_another_have_each_grain_once(
        mut moments in prop::collection::vec(moments(), 2..8),
        time in prop::sample::select(&Time::ALL[1..]),
        at in moments(),
    ) {
        moments.sort_by(f64::total_cmp);
        let all = Bounds { from: -1e9, until: 1e11, place: Place::Exact, time };
        let stream = reach(&[narrowing(LOCATION, all)]).of(Area::Timeseries, LOCATION).expect("granted");
        let holding = moments.windows(2).filter_map(|pair| time.window(pair[0], pair[1])).filter(|(start, end)| {
            let (low, high) = stream.stored_bounds(*start, *end);
            low <= at && at <= high
        });
        let whole = by_hand::floor(time, moments[0]) <= at
            && at < by_hand::floor(time, moments[moments.len() - 1]);
        prop_assert_eq!(holding.count(), usize::from(whole));
    }

    #[test]
    fn no_text_makes_showing_it_panic(text in "[{}\\[\\]\",:\\\\a1lontsu ]{0,60}", place in 0_usize..4, time in 0_usize..3) {
        let bounds = Bounds { from: 0.0, until: 1e11, place: Place::ALL[place], time: Time::ALL[time] };
        let stream = reach(&[narrowing(LOCATION, bounds)]).of(Area::Timeseries, LOCATION).expect("granted");
        let _ = stream.metadata(&text);
        let shown = stream.data(&text);
        if place > 0 || time > 0 {
            prop_assert!(serde_json::from_str::<Value>(&shown).is_ok_and(|value| value.is_object()));
        }
    }
}

#[test]
fn under_a_coarse_grant_a_stream_without_a_schema_is_denied() {
    let asking = Asking {
        cell: "p/c".to_owned(),
        publisher: "p".to_owned(),
        digest: "00".repeat(32),
        wants: Wants { streams: vec![StreamName::of("*/*")], ..Wants::default() },
        ..Asking::default()
    };
    let mut consent = Consent::asked(asking, 0.0).expect("sound");
    let location = || [(LOCATION.to_owned(), shape("model/schemas/background/location.json"))];
    let whole = Reach::new(&consent, &SECRET, location());
    assert!(whole.of(Area::Timeseries, "study/other").is_some());
    assert!(whole.of(Area::Usercache, LOCATION).is_none() && whole.of(Area::Errors, LOCATION).is_none());
    consent.narrow(&Narrowing { place: Some(Place::Hundred), ..Narrowing::default() }).expect("narrower");
    let coarse = Reach::new(&consent, &SECRET, location());
    assert!(coarse.of(Area::Timeseries, LOCATION).is_some());
    assert!(coarse.of(Area::Timeseries, "study/other").is_none());
}

#[test]
fn fields_that_are_left_out_are_gone_wherever_they_stand_and_a_place_still_lies_on_the_grid() {
    let without =
        Narrowing { without: vec!["latitude".to_owned(), "loc".to_owned()], ..Narrowing::default() };
    let data = r#"{"latitude":47.3769,"longitude":8.5417,"loc":{"type":"Point","coordinates":[8.5417,47.3769]},"ts":5.5,
        "more":[{"l\u0061titude":47.1,"b":1}]}"#;
    let exact = reach(std::slice::from_ref(&without)).of(Area::Timeseries, LOCATION).expect("granted");
    let shown: Value = serde_json::from_str(&exact.data(data)).expect("JSON");
    assert_eq!(shown, json!({ "longitude": 8.5417, "ts": 5.5, "more": [{ "b": 1 }] }));
    let coarse = Narrowing { place: Some(Place::Kilometre), ..Narrowing::default() };
    let coarse = reach(&[without, coarse]).of(Area::Timeseries, LOCATION).expect("granted");
    let shown: Value = serde_json::from_str(&coarse.data(data)).expect("JSON");
    let [_, longitude] = by_hand::cell(Place::Kilometre, [47.3769, 8.5417]);
    assert!(near(&shown["longitude"], longitude), "{shown}");
    assert_eq!(shown.as_object().map(|members| members.len()), Some(2), "{shown}");
}

#[test]
fn geometries_are_rebuilt_from_their_places_alone() {
    let schema = json!({ "type": "object", "properties": { "g": { "x-cellar": "point" } } });
    let asking = Asking {
        cell: "p/c".to_owned(),
        publisher: "p".to_owned(),
        digest: "00".repeat(32),
        wants: Wants { streams: vec![StreamName::of("a/b")], ..Wants::default() },
        ..Asking::default()
    };
    let mut consent = Consent::asked(asking, 0.0).expect("sound");
    consent
        .narrow(&Narrowing { place: Some(Place::TenKilometres), ..Narrowing::default() })
        .expect("narrower");
    let shape = Arc::new(Shape::of(&schema).expect("sound"));
    let stream = Reach::new(&consent, &SECRET, [("a/b".to_owned(), shape)]).of(Area::Timeseries, "a/b");
    let stream = stream.expect("granted");
    let shown = |geometry: Value| -> Value {
        serde_json::from_str::<Value>(&stream.data(&json!({ "g": geometry }).to_string())).expect("JSON")["g"]
            .clone()
    };
    let line = json!({ "type": "LineString", "coordinates": [[8.5417, 47.3769, 431.0], [8.55, 47.38]],
        "bbox": [8.5417, 47.3769, 8.55, 47.38], "name": "home" });
    let shown_line = shown(line.clone());
    assert_eq!(shown_line.as_object().map(|members| members.len()), Some(2), "{shown_line}");
    assert_eq!(shown_line["coordinates"][0].as_array().map(Vec::len), Some(2));
    assert_eq!(shown_line["coordinates"][0], shown_line["coordinates"][1]);
    let polygon = shown(
        json!({ "type": "Polygon", "coordinates": [[[8.5, 47.3], [8.6, 47.3], [8.5, 47.4], [8.5, 47.3]]] }),
    );
    assert_eq!(polygon["coordinates"][0].as_array().map(Vec::len), Some(4), "{polygon}");
    let collection = shown(
        json!({ "type": "GeometryCollection", "geometries": [line, { "type": "Point", "coordinates": [1, 2] }] }),
    );
    assert_eq!(collection["geometries"].as_array().map(Vec::len), Some(2), "{collection}");
    for other in [
        json!("8.5417,47.3769"),
        json!([8.5417, 47.3769]),
        json!({ "type": "Circle", "coordinates": [8.5, 47.3] }),
        json!({ "type": "Point", "coordinates": "8.5417" }),
        json!({ "type": "Point", "coordinates": [[[[[8.5, 47.3]]]]] }),
    ] {
        assert_eq!(shown(other), Value::Null);
    }
}

#[test]
fn what_is_rounded_to_nothing_has_no_sign() {
    let bounds = Bounds { from: 0.0, until: 1e11, place: Place::Kilometre, time: Time::Hour };
    let stream = reach(&[narrowing(TRIP, bounds)]).of(Area::Timeseries, TRIP).expect("granted");
    let shown = |number: &str| {
        let data = format!(r#"{{"distance":{number},"start_ts":{number},"duration":{number}}}"#);
        stream.data(&data).into_owned()
    };
    assert_eq!(shown("-0.0"), shown("0.25"));
    assert!(shown("-0.25").contains(r#""distance":0.0,"#), "{}", shown("-0.25"));
}
