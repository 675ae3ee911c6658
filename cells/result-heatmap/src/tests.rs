use cells_sdk::Area;
use cells_sdk::testing::Memory;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const MAY_20: f64 = 1_716_200_000.0;

fn with_point(memory: Memory, ts: f64, day: u32, place: [f64; 2], mode: u8) -> Memory {
    let data = json!({
        "ts": ts, "local_dt": { "year": 2024, "month": 5, "day": day, "timezone": "UTC" },
        "longitude": place[0], "latitude": place[1], "loc": { "type": "Point", "coordinates": place },
        "distance": 0.0, "speed": 0.0, "heading": 0.0, "mode": mode, "section": { "$oid": "0" },
    });
    let metadata = json!({ "key": POINTS, "write_ts": ts });
    memory.with_entry(Area::Timeseries, &metadata.to_string(), &data.to_string())
}

/// Two points by bicycle on the 20th, one on foot on the 21st, one that cannot be read.
fn some() -> Memory {
    let memory = with_point(Memory::new(), MAY_20 + 30.0, 20, [8.5, 47.25], 1);
    let memory = with_point(memory, MAY_20, 20, [8.25, 47.0], 1);
    let memory = with_point(memory, MAY_20 + 86_400.0, 21, [9.5, 47.5], 7);
    let metadata = json!({ "key": POINTS, "write_ts": MAY_20 });
    let bad = json!({ "ts": MAY_20, "local_dt": { "year": 2024, "month": 5, "day": 20 }, "loc": null });
    memory.with_entry(Area::Timeseries, &metadata.to_string(), &bad.to_string())
}

fn call(rest: &str, body: &Value) -> (u16, Value) {
    let answer = some().call(handle, rest, 2e9, body.to_string()).expect("an answer");
    (answer.status, serde_json::from_slice(&answer.body).expect("JSON"))
}

fn points(rest: &str, body: &Value) -> Value {
    let (status, mut answer) = call(rest, body);
    assert_eq!(status, 200, "{answer}");
    answer["lnglat"].take()
}

// Route: "/result/heatmap/pop.route/<timestamp or local_date>"
#[test]
fn points_come_by_time_within_the_bounds_of_time_or_of_local_dates() {
    let all = json!([[8.25, 47.0], [8.5, 47.25], [9.5, 47.5]]);
    assert_eq!(
        points("timestamp", &json!({ "start_time": 0, "end_time": 2e9, "modes": null, "sel_region": null })),
        all
    );
    assert_eq!(points("timestamp", &json!({})), all);
    let one = json!({ "start_time": MAY_20 + 1.0, "end_time": MAY_20 + 30.0 });
    assert_eq!(points("timestamp", &one), json!([[8.5, 47.25]]));
    let day = json!({ "year": 2024, "month": 5, "day": 21 });
    let dated = json!({ "from_local_date": day, "to_local_date": day, "modes": null, "sel_region": null });
    assert_eq!(points("local_date", &dated), json!([[9.5, 47.5]]));
}

#[test]
fn points_are_those_of_the_modes_and_within_the_region() {
    assert_eq!(points("timestamp", &json!({ "modes": ["WALKING"] })), json!([[9.5, 47.5]]));
    assert_eq!(points("timestamp", &json!({ "modes": [] })), json!([]));
    let box_ = json!([[8.4, 47.2], [9.6, 47.2], [9.6, 47.6], [8.4, 47.6], [8.4, 47.2]]);
    let region = json!({ "geometry": { "type": "Polygon", "coordinates": [box_] } });
    let body = json!({ "modes": ["BICYCLING", "WALKING"], "sel_region": region });
    assert_eq!(points("timestamp", &body), json!([[8.5, 47.25], [9.5, 47.5]]));
}

// Row: "`/result/heatmap/pop.route/*` answers 500"
#[test]
fn what_has_no_meaning_is_refused_with_the_reason() {
    for body in [
        json!([]),
        json!({ "modes": ["FLYING"] }),
        json!({ "modes": "WALKING" }),
        json!({ "sel_region": { "geometry": { "type": "Point", "coordinates": [1, 2] } } }),
        json!({ "from_local_date": { "year": 2024 } }),
        json!({ "from_local_date": { "year": 2024 }, "to_local_date": { "month": 5 } }),
        json!({ "start_time": "yesterday" }),
    ] {
        let (status, answer) = call("timestamp", &body);
        assert_eq!((status, &answer["error"]["code"]), (400, &json!("bad_request")), "{body}: {answer}");
    }
    assert_eq!(call("yyyy_mm_dd", &json!({})).0, 404);
    let long = json!({ "modes": vec!["WALKING"; HEATMAP_REQUEST_BYTES_MAX / 8] });
    assert_eq!(call("timestamp", &long).0, 413);
}

// Row: "A region of a heatmap"
#[test]
fn the_edges_of_a_region_are_straight_in_degrees() {
    // Between two places of one latitude, the great circle bends towards the pole.
    let wide = json!([[0.0, 40.0], [20.0, 40.0], [20.0, 48.0], [0.0, 48.0], [0.0, 40.0]]);
    let region = |ring: &Value| json!({ "geometry": { "type": "Polygon", "coordinates": [ring] } });
    assert_eq!(
        points("timestamp", &json!({ "sel_region": region(&wide) })).as_array().map(Vec::len),
        Some(3)
    );
    let below = json!([[0.0, 40.0], [20.0, 40.0], [20.0, 46.9], [0.0, 46.9], [0.0, 40.0]]);
    assert_eq!(points("timestamp", &json!({ "sel_region": region(&below) })), json!([]));
}

#[test]
fn a_large_answer_comes_in_pieces() {
    let mut memory = Memory::new();
    for number in 0..20_000_u32 {
        let place = [f64::from(number) / 1e3 - 10.123_456, 47.123_456_789];
        memory = with_point(memory, MAY_20 + f64::from(number), 20, place, 1);
    }
    let answer = memory.call(handle, "timestamp", 2e9, "{}".to_owned()).expect("an answer");
    let answer: Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!(answer["lnglat"].as_array().map(Vec::len), Some(20_000));
    assert_eq!(answer["lnglat"][19_999], json!([f64::from(19_999) / 1e3 - 10.123_456, 47.123_456_789]));
}

proptest! {
    #[test]
    fn no_request_causes_a_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Wanted::read(&body);
    }
}
