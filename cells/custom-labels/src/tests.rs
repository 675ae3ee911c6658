use cells_sdk::testing::Memory;
use serde_json::{Value, json};

use super::*;

fn call(memory: &mut Memory, operation: &str, body: &Value) -> (u16, Value) {
    let answer = memory.call(handle, operation, 1e9, body.to_string()).expect("an answer");
    memory.commit();
    (answer.status, serde_json::from_slice(&answer.body).expect("JSON"))
}

fn insert(memory: &mut Memory, label: &str) -> Value {
    call(memory, "insert", &json!({ "inserted_label": { "key": "mode", "label": label } })).1
}

fn update(memory: &mut Memory, old: &str, new: &str, adds: bool) -> Value {
    let changed =
        json!({ "key": "mode", "old_label": old, "new_label": new, "is_new_label_must_added": adds });
    call(memory, "update", &json!({ "updated_label": changed })).1
}

#[test]
fn a_kind_without_labels_is_an_empty_list() {
    let (status, answer) = call(&mut Memory::new(), "get", &json!({ "keys": ["mode", "purpose"] }));
    assert_eq!((status, answer), (200, json!({ "mode": [], "purpose": [] })));
}

// Row: "`/customlabel/*` keeps"
#[test]
fn labels_come_by_how_many_trips_they_stand_for_and_equal_ones_by_age() {
    let mut memory = Memory::new();
    insert(&mut memory, "skateboard");
    assert_eq!(insert(&mut memory, "canoe"), json!({ "label": ["skateboard", "canoe"] }));
    assert_eq!(update(&mut memory, "", "canoe", false), json!({ "label": ["canoe", "skateboard"] }));
    assert_eq!(
        update(&mut memory, "canoe", "unicycle", true),
        json!({ "label": ["unicycle", "skateboard", "canoe"] })
    );
    let (_, answer) = call(&mut memory, "get", &json!({ "keys": ["mode"] }));
    assert_eq!(answer, json!({ "mode": ["unicycle", "skateboard", "canoe"] }));
}

#[test]
fn an_update_adds_an_unknown_label_only_if_it_is_told_to() {
    let mut memory = Memory::new();
    assert_eq!(update(&mut memory, "walk", "canoe", false), json!({ "label": [] }));
    assert_eq!(update(&mut memory, "walk", "canoe", true), json!({ "label": ["canoe"] }));
}

#[test]
fn a_deleted_label_comes_back_with_its_count() {
    let mut memory = Memory::new();
    insert(&mut memory, "skateboard");
    insert(&mut memory, "canoe");
    update(&mut memory, "", "canoe", false);
    let gone = call(&mut memory, "delete", &json!({ "deleted_label": { "key": "mode", "label": "canoe" } }));
    assert_eq!(gone, (200, json!({ "label": ["skateboard"] })));
    assert_eq!(insert(&mut memory, "canoe"), json!({ "label": ["canoe", "skateboard"] }));
}

#[test]
fn a_count_below_none_puts_a_label_last() {
    let mut memory = Memory::new();
    insert(&mut memory, "skateboard");
    insert(&mut memory, "canoe");
    assert_eq!(update(&mut memory, "skateboard", "walk", false), json!({ "label": ["canoe", "skateboard"] }));
}

#[test]
fn what_cannot_be_read_or_kept_is_refused_with_its_reason_and_changes_nothing() {
    let mut memory = Memory::new();
    insert(&mut memory, "canoe");
    let long = |bytes: usize| "x".repeat(bytes);
    let named = |key: String, label: String| json!({ "inserted_label": { "key": key, "label": label } });
    for (operation, body, status, code) in [
        ("insert", json!({}), 400, "bad_request"),
        ("insert", json!([]), 400, "bad_request"),
        ("insert", json!({ "inserted_label": { "key": "mode", "label": 3 } }), 400, "bad_request"),
        ("insert", named(long(KEY_BYTES_MAX + 1), "a".into()), 413, "label_too_large"),
        ("insert", named("mode".into(), long(LABEL_BYTES_MAX + 1)), 413, "label_too_large"),
        ("insert", named("mode".into(), long(LABELS_REQUEST_BYTES_MAX)), 413, "request_too_long"),
        ("get", json!({ "keys": "mode" }), 400, "bad_request"),
        ("rename", json!({}), 404, "unknown_operation"),
        ("", json!({}), 404, "unknown_operation"),
    ] {
        let (got, answer) = call(&mut memory, operation, &body);
        assert_eq!((got, &answer["error"]["code"]), (status, &json!(code)), "{operation}");
    }
    assert_eq!(call(&mut memory, "get", &json!({ "keys": ["mode"] })).1, json!({ "mode": ["canoe"] }));
}

#[test]
fn the_document_stays_within_its_size() {
    let mut labels = Labels::default();
    for number in 0..1_000 {
        let label = format!("{number:0>LABEL_BYTES_MAX$}");
        labels.insert("mode", &label, 0.0).expect("short enough");
    }
    assert!(matches!(labels.written(), Err(BadLabel::Labels(_))));
}

#[test]
fn a_document_that_is_not_this_cells_has_no_labels() {
    for text in ["", "[]", "{\"mode\":3}", "{\"mode\":[{\"label\":1}]}"] {
        assert_eq!(Labels::read(Some(text.as_bytes())), Labels::default());
    }
}
