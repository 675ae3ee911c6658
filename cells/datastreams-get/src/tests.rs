use super::*;
use cells_sdk::Area;
use cells_sdk::testing::Memory;
use proptest::prelude::*;
use serde_json::{Value, json};

fn ask(memory: &mut Memory, request: &Value) -> (u16, Value) {
    let response =
        memory.call(handle, "timestamp", 0.0, request.to_string()).expect("the runtime does not fail");
    assert_eq!(response.content_type, "application/json");
    (response.status, serde_json::from_slice(&response.body).expect("JSON"))
}

/// `key@write_ts` of each entry, in order.
fn found(memory: &mut Memory, request: &Value) -> Vec<String> {
    let (status, answer) = ask(memory, request);
    assert_eq!(status, 200, "{answer}");
    let name = |entry: &Value| {
        format!("{}@{}", entry["metadata"]["key"].as_str().expect("a key"), entry["metadata"]["write_ts"])
    };
    answer["phone_data"].as_array().expect("a list").iter().map(name).collect()
}

fn with(memory: Memory, area: Area, key: &str, write_ts: u32, data: &str) -> Memory {
    let local = json!({"year": 2016, "month": write_ts, "day": 1, "timezone": "UTC"});
    let metadata = json!({"key": key, "type": "message", "write_ts": write_ts, "write_local_dt": local});
    memory.with_entry(area, &metadata.to_string(), data)
}

fn some() -> Memory {
    let mut memory = Memory::new();
    for (area, key, write_ts) in [
        (Area::Timeseries, "analysis/cleaned_trip", 1),
        (Area::Timeseries, "background/location", 3),
        (Area::Timeseries, "background/battery", 2),
        (Area::Usercache, "background/location", 4),
        (Area::Usercache, "manual/mode_confirm", 1),
        (Area::Timeseries, "segmentation/raw_trip", 0),
        (Area::Errors, "background/location", 5),
    ] {
        memory = with(
            memory,
            area,
            key,
            write_ts,
            &json!({"ts": 10 - write_ts, "start_ts": write_ts}).to_string(),
        );
    }
    memory
}

// Row: "Raw entries first"
#[test]
fn raw_entries_come_first_then_stage_entries_then_waiting_entries_each_by_time() {
    let want = [
        "background/battery@2",
        "background/location@3",
        "segmentation/raw_trip@0",
        "analysis/cleaned_trip@1",
        "manual/mode_confirm@1",
        "background/location@4",
    ];
    assert_eq!(found(&mut some(), &json!({"key_list": null})), want);
    let by_ts = found(&mut some(), &json!({"key_time": "data.ts"}));
    assert_eq!(by_ts[..2], ["background/location@3", "background/battery@2"]);
    // Entries under an unregistered key are found too.
    let mut more = with(some(), Area::Timeseries, "own/thing", 9, "{}");
    assert_eq!(found(&mut more, &json!({}))[2], "own/thing@9");
    assert_eq!(found(&mut more, &json!({})).len(), 7);
}

// Row: "Both bounds are closed"
// Row: "An empty `key_list`"
// Row: "An unknown key: 500"
#[test]
fn keys_and_times_bound_the_answer_and_unknown_keys_answer_nothing() {
    let ask = |request: Value| found(&mut some(), &request);
    assert_eq!(
        ask(json!({"key_list": ["background/location", "no/such", "no key"]})),
        ["background/location@3", "background/location@4"]
    );
    assert_eq!(ask(json!({"key_list": ["segmentation/raw_trip"]})), ["segmentation/raw_trip@0"]);
    assert_eq!(ask(json!({"key_list": ["no key"]})), [""; 0]);
    assert_eq!(ask(json!({"key_list": []})), [""; 0]);
    assert_eq!(
        ask(json!({"start_time": 3, "end_time": 4})),
        ["background/location@3", "background/location@4"]
    );
    assert_eq!(ask(json!({"start_time": null, "end_time": 0.5})), ["segmentation/raw_trip@0"]);
    assert_eq!(ask(json!({"key_time": "data.start_ts", "start_time": 4})), ["background/location@4"]);
    assert_eq!(ask(json!({"key_time": "data.end_ts"})), [""; 0]);
}

// Row: "Components of local dates"
#[test]
fn parts_of_a_local_date_are_bounded_each_by_itself_and_wrap_around() {
    let ask =
        |from: Value, to: Value| found(&mut some(), &json!({"from_local_date": from, "to_local_date": to}));
    assert_eq!(
        ask(json!({"year": 2016, "month": 3}), json!({"year": 2017, "month": 4})),
        ["background/location@3", "background/location@4"]
    );
    assert_eq!(
        ask(json!({"month": 4, "timezone": "a"}), json!({"month": 0, "timezone": "b"})),
        ["segmentation/raw_trip@0", "background/location@4"]
    );
    assert_eq!(
        ask(json!({"hour": 1}), json!({"hour": 2})),
        [""; 0],
        "an entry without the part does not match"
    );
    let data = json!({"from_local_date": {"month": 1}, "to_local_date": {"month": 2}, "key_local_date": "data.local_dt"});
    assert_eq!(found(&mut some(), &data), [""; 0]);
}

// Row: "With a list of keys, the condition on types"
#[test]
fn documents_in_the_usercache_are_for_phones() {
    let document = r#"{"key":"a/b","type":"document","write_ts":1}"#;
    let mut memory = Memory::new().with_entry(Area::Usercache, document, "{}");
    assert_eq!(found(&mut memory, &json!({"key_list": ["a/b"]})), [""; 0]);
}

// Row: "`trunc_method` `first` truncates"
#[test]
fn the_truncation_method_selects_which_of_too_many_entries_are_returned() {
    let ask =
        |max: u64, method: &str| found(&mut some(), &json!({"max_entries": max, "trunc_method": method}));
    let all = found(&mut some(), &json!({}));
    for max in 0..8 {
        let count = all.len().min(max as usize);
        assert_eq!(ask(max, "first"), all[..count]);
        assert_eq!(ask(max, "last"), all[all.len() - count..]);
    }
    assert_eq!(ask(4, "sample"), [&all[0][..], &all[2], &all[4]]);
    assert_eq!(ask(6, "sample"), all);
    assert_eq!(found(&mut some(), &json!({"max_entries": 1})), all[5..]);
}

// Row: "`trunc_method` `first` truncates"
// Row: "`max_entries` that is no integer"
#[test]
fn a_meaningless_request_is_refused_with_a_reason() {
    for (request, code) in [
        ("", "unreadable_request"),
        ("[1]", "unreadable_request"),
        (r#"{"key_list":"a/b"}"#, "unreadable_request"),
        (r#"{"start_time":"now"}"#, "unreadable_request"),
        (r#"{"key_time":"data.write_ts"}"#, "bad_key_time"),
        (r#"{"from_local_date":{}}"#, "bad_local_date"),
        (r#"{"from_local_date":{"day":1},"to_local_date":{"month":1}}"#, "bad_local_date"),
        (r#"{"from_local_date":{},"to_local_date":{},"key_local_date":"x"}"#, "bad_key_local_date"),
        (r#"{"max_entries":"5"}"#, "bad_max_entries"),
        (r#"{"max_entries":-1}"#, "bad_max_entries"),
        (r#"{"max_entries":5,"trunc_method":"middle"}"#, "bad_trunc_method"),
    ] {
        let response = some().call(handle, "", 0.0, request).expect("the runtime does not fail");
        let answer: Value = serde_json::from_slice(&response.body).expect("JSON");
        assert_eq!((response.status, &answer["error"]["code"]), (400, &json!(code)), "{request}");
    }
    let keys: Vec<_> = (0..65).map(|number| format!("a/{number}")).collect();
    assert_eq!(ask(&mut some(), &json!({"key_list": keys})).0, 400);
    assert_eq!(some().call(handle, "", 0.0, vec![b' '; 2 << 20]).expect("an answer").status, 413);
}

#[test]
fn a_large_answer_goes_out_in_pieces_and_a_small_one_at_once() {
    let mut memory = Memory::new();
    let data = json!({"x": "y".repeat(1_000)}).to_string();
    for number in 0..3_000 {
        memory = with(memory, Area::Timeseries, "a/b", number, &data);
    }
    let want: Vec<_> = (0..3_000).map(|number| format!("a/b@{number}")).collect();
    assert_eq!(found(&mut memory, &json!({"key_list": ["a/b"]})), want);
    let pieces = memory.begun().expect("in pieces").pieces.clone();
    assert!(pieces.len() <= 10, "{} pieces of 3.3 MB: a page is one", pieces.len());
    let every = found(&mut memory, &json!({"max_entries": 1_000, "trunc_method": "sample"}));
    assert!(every.iter().eq(want.iter().step_by(4)));
    assert_eq!(found(&mut memory, &json!({"max_entries": 2_500, "trunc_method": "last"})), want[500..]);
    assert_eq!(found(&mut memory, &json!({"start_time": 2_900})), want[2_900..]);
    assert!(memory.begun().is_none());
}

proptest! {
    #[test]
    fn the_cell_never_panics_whatever_the_request(
        text in r#"(\{"(key_list|max_entries|start_time|from_local_date)":)?[{}\[\]",:a1.e-]{0,30}\}?"#,
    ) {
        let _ = Wanted::read(text.as_bytes());
    }

    #[test]
    fn truncation_gives_the_same_as_on_a_list_in_memory(max in 0_u64..12, method in prop::sample::select(vec!["first", "last", "sample"]), dated: bool) {
        let mut request = if dated { json!({"from_local_date": {"year": 0}, "to_local_date": {"year": 9999}}) } else { json!({}) };
        let all = found(&mut some(), &request);
        request["max_entries"] = json!(max);
        request["trunc_method"] = json!(method);
        let (count, max) = (all.len(), max as usize);
        let want = match method {
            _ if count <= max => all,
            _ if max == 0 => Vec::new(),
            "first" => all[..max].to_vec(),
            "last" => all[count - max..].to_vec(),
            _ => all.into_iter().step_by(count / max + 1).collect(),
        };
        prop_assert_eq!(found(&mut some(), &request), want);
    }
}
