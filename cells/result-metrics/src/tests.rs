use cells_sdk::Area;
use cells_sdk::testing::Memory;
use serde_json::{Value, json};

use super::*;

fn with_trip(memory: Memory, start_ts: f64, start: &str, more: &Value) -> Memory {
    let mut data = json!({
        "start_ts": start_ts, "start_fmt_time": start, "distance": 1_000.5, "duration": 60.0, "user_input": {},
        "cleaned_section_summary": {
            "distance": { "WALKING": 300.5, "BICYCLING": 700.0 }, "duration": {}, "count": {},
        },
        "ble_sensed_summary": { "distance": {}, "duration": {}, "count": {} },
    });
    data.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    let metadata = json!({ "key": "analysis/confirmed_trip", "write_ts": start_ts });
    memory.with_entry(Area::Timeseries, &metadata.to_string(), &data.to_string())
}

/// Two trips of 2024-05-20 in Los Angeles, the second already of the next day in UTC, and one of the day after.
fn week() -> Memory {
    let bike = json!({ "user_input": { "mode_confirm": "bike", "replaced_mode": "drive" } });
    let memory = with_trip(Memory::new(), 1_716_217_200.0, "2024-05-20T08:00:00-07:00", &bike);
    let memory = with_trip(memory, 1_716_264_000.0, "2024-05-20T21:00:00-07:00", &json!({}));
    let beacon =
        json!({ "ble_sensed_summary": { "distance": { "E_CAR": 900.0 }, "duration": {}, "count": {} } });
    with_trip(memory, 1_716_303_600.0, "2024-05-21T08:00:00-07:00", &beacon)
}

fn call(memory: &mut Memory, rest: &str, body: &Value) -> (u16, Value) {
    let answer = memory.call(handle, rest, 2e9, body.to_string()).expect("an answer");
    (answer.status, serde_json::from_slice(&answer.body).expect("JSON"))
}

fn asked(start: &str, end: &str, metrics: &Value) -> Value {
    let body = json!({ "start_time": start, "end_time": end, "metric_list": metrics, "freq": "D", "app_config": {} });
    let (status, answer) = call(&mut week(), "yyyy_mm_dd", &body);
    assert_eq!(status, 200, "{answer}");
    answer
}

// Row: "`/result/metrics/yyyy_mm_dd` answers"
#[test]
fn trips_are_summed_by_the_day_of_their_own_zone_and_their_label() {
    let answer = asked(
        "2024-05-20",
        "2024-05-20",
        &json!({ "distance": ["mode_confirm"], "count": ["mode_confirm"] }),
    );
    assert_eq!(
        answer,
        json!({
            "distance": [{
                "date": "2024-05-20", "nUsers": 1, "mode_confirm_bike": 1_000.5, "mode_confirm_UNLABELED": 1_000.5,
            }],
            "count": [{ "date": "2024-05-20", "nUsers": 1, "mode_confirm_bike": 1, "mode_confirm_UNLABELED": 1 }],
        })
    );
}

#[test]
fn a_year_and_a_month_are_all_their_days() {
    let metrics = json!({ "duration": ["purpose_confirm"] });
    let rows = json!([
        { "date": "2024-05-20", "nUsers": 1, "purpose_confirm_UNLABELED": 120.0 },
        { "date": "2024-05-21", "nUsers": 1, "purpose_confirm_UNLABELED": 60.0 },
    ]);
    for (start, end) in [("2024", "2024"), ("2024-05", "2024-05"), ("2023-12-31", "2024-05-21")] {
        assert_eq!(asked(start, end, &metrics), json!({ "duration": rows }), "{start} to {end}");
    }
    assert_eq!(asked("2024-06", "2024-07", &metrics), json!({ "duration": [] }));
    assert_eq!(asked("2024-06", "2024-05", &metrics), json!({ "duration": [] }));
}

// Row: "The label of a replaced mode"
#[test]
fn a_response_is_a_label_and_its_absence_none() {
    let metrics = json!({ "response_count": ["mode_confirm", "replaced_mode_confirm"] });
    assert_eq!(
        asked("2024-05-20", "2024-05-20", &metrics),
        json!({ "response_count": [{
            "date": "2024-05-20", "nUsers": 1,
            "mode_confirm_bike": { "responded": 1 }, "mode_confirm_UNLABELED": { "not_responded": 1 },
            "replaced_mode_confirm_drive": { "responded": 1 },
            "replaced_mode_confirm_UNLABELED": { "not_responded": 1 },
        }] })
    );
}

#[test]
fn a_mode_is_the_label_or_else_the_beacons_or_else_what_was_sensed_most() {
    assert_eq!(
        asked("2024", "2024", &json!({ "count": ["mode", "primary_ble_sensed_mode"] })),
        json!({ "count": [
            { "date": "2024-05-20", "nUsers": 1, "mode_bike": 1, "mode_BICYCLING": 1,
              "primary_ble_sensed_mode_UNKNOWN": 2 },
            { "date": "2024-05-21", "nUsers": 1, "mode_E_CAR": 1, "primary_ble_sensed_mode_E_CAR": 1 },
        ] })
    );
}

#[test]
fn without_a_list_of_metrics_there_are_all_by_label_of_the_mode() {
    let (status, answer) =
        call(&mut week(), "yyyy_mm_dd", &json!({ "start_time": "2024", "end_time": "2024" }));
    let names: Vec<&str> = answer.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!((status, names), (200, vec!["count", "distance", "duration", "response_count"]));
}

// Row: "The metric `footprint`"
#[test]
fn metrics_and_groups_that_are_not_known_are_left_out() {
    let metrics = json!({ "footprint": ["mode_confirm"], "distance": ["survey", "mode"], "count": "mode" });
    assert_eq!(
        asked("2024-05-21", "2024-05-21", &metrics),
        json!({
            "distance": [{ "date": "2024-05-21", "nUsers": 1, "mode_E_CAR": 1_000.5 }],
            "count": [{ "date": "2024-05-21", "nUsers": 1 }],
        })
    );
}

#[test]
fn what_is_no_question_of_the_dashboard_is_refused_with_its_reason() {
    let whole = json!({ "start_time": "2024-05-20", "end_time": "2024-05-21" });
    for (rest, body, status, code) in [
        ("timestamp", whole.clone(), 404, "unknown_time_type"),
        ("", whole, 404, "unknown_time_type"),
        ("yyyy_mm_dd", json!({}), 400, "bad_request"),
        ("yyyy_mm_dd", json!({ "start_time": 1.5, "end_time": 2.5 }), 400, "bad_request"),
        ("yyyy_mm_dd", json!({ "start_time": "20 May", "end_time": "2024" }), 400, "bad_request"),
        ("yyyy_mm_dd", json!({ "start_time": "0000", "end_time": "9999" }), 400, "bad_request"),
        (
            "yyyy_mm_dd",
            json!({ "start_time": "2024", "end_time": "2024", "metric_list": [] }),
            400,
            "bad_request",
        ),
    ] {
        let (got, answer) = call(&mut week(), rest, &body);
        assert_eq!((got, &answer["error"]["code"]), (status, &json!(code)), "{rest} {body}");
    }
}

#[test]
fn a_trip_that_cannot_be_read_counts_nowhere() {
    let metadata = r#"{"key":"analysis/confirmed_trip","write_ts":1.5}"#;
    let data = r#"{"start_ts":1716217200.0,"start_fmt_time":3}"#;
    let mut memory = week().with_entry(Area::Timeseries, metadata, data);
    let body =
        json!({ "start_time": "2024", "end_time": "2024", "metric_list": { "count": ["mode_confirm"] } });
    let (_, answer) = call(&mut memory, "yyyy_mm_dd", &body);
    assert_eq!(answer["count"][0]["mode_confirm_bike"], 1);
}
