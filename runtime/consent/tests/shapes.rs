//! Every schema that ships says of each member what it tells.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use runtime_consent::{MARK, Mark, Shape};
use serde_json::Value;

/// Every schema of the model and of the cells, by its file.
fn schemas() -> BTreeMap<String, Value> {
    let cells = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../cells");
    let mut folders: Vec<_> = fs::read_dir(&cells)
        .expect("the cells")
        .map(|cell| cell.expect("readable").path().join("schemas"))
        .filter(|folder| folder.is_dir())
        .collect();
    let mut found = BTreeMap::new();
    while let Some(folder) = folders.pop() {
        for file in fs::read_dir(folder).expect("a folder") {
            let path = file.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).expect("readable");
            found.insert(path.display().to_string(), serde_json::from_str(&text).expect("JSON"));
        }
    }
    assert!(found.len() > 40, "{}", found.len());
    found
}

fn kinds(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Calls `with` for each member's name, its schema, and whether something around it is marked.
fn members(schema: &Value, marked: bool, with: &mut dyn FnMut(&str, &Value, bool)) {
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        let marked = marked || member.get(MARK).is_some();
        with(name, member, marked);
        members(member, marked, with);
        members(&member["items"], marked, with);
    }
}

fn every_member(schema: &Value, with: &mut dyn FnMut(&str, &Value, bool)) {
    members(schema, false, with);
    for (name, definition) in schema["$defs"].as_object().into_iter().flatten() {
        // Who refers to these says what they tell.
        let whole = ["EntryId", "LocalDt", "Point"].contains(&name.as_str());
        members(definition, whole, with);
    }
}

#[test]
fn every_number_and_every_text_of_every_shipped_schema_is_marked() {
    for (file, schema) in schemas() {
        let mut unmarked = Vec::new();
        every_member(&schema, &mut |name, member, marked| {
            let holds = kinds(member).iter().any(|kind| ["number", "integer", "string"].contains(kind));
            let refers = member["$ref"]
                .as_str()
                .is_some_and(|to| ["EntryId", "LocalDt", "Point"].iter().any(|name| to.ends_with(name)));
            // No member of that name may be there.
            let never = member == &Value::Bool(false);
            if !never
                && (holds || refers || kinds(member).is_empty() && member.get("$ref").is_none())
                && !marked
            {
                unmarked.push(name.to_owned());
            }
        });
        assert!(unmarked.is_empty(), "{file} does not say what these tell: {unmarked:?}");
    }
}

#[test]
fn whatever_is_named_like_a_place_or_a_time_is_marked_as_one() {
    let like = |name: &str, words: &[&str]| {
        words.iter().any(|word| name == *word || name.ends_with(&format!("_{word}")))
    };
    for (file, schema) in schemas() {
        every_member(&schema, &mut |name, member, _| {
            let Some(mark) = member.get(MARK).and_then(Value::as_str) else { return };
            let expect = |words: &[&str]| assert!(words.contains(&mark), "{file}: {name} is marked {mark}");
            if like(name, &["latitude", "longitude"]) {
                expect(&[name]);
            } else if like(name, &["loc", "location", "geometry"]) {
                expect(&["point"]);
            } else if like(name, &["ts"]) {
                expect(&["time"]);
            } else if like(name, &["local_dt"]) {
                expect(&["local-parts"]);
            } else if like(name, &["fmt_time"]) {
                expect(&["local-text"]);
            } else if like(name, &["heading", "altitude", "speed", "geocode", "display_name"]) {
                expect(&["place", "detail"]);
            } else if like(name, &["distance"]) && name != "filter_distance" {
                expect(&["length"]);
            }
        });
    }
}

#[test]
fn every_shipped_schema_can_be_used_for_a_coarse_grant_and_its_words_are_known() {
    for (file, schema) in schemas() {
        Shape::of(&schema).unwrap_or_else(|why| panic!("{file}: {why}"));
        every_member(&schema, &mut |name, member, _| {
            if let Some(word) = member.get(MARK).and_then(Value::as_str) {
                assert!(Mark::parse(word).is_some(), "{file}: {name} is marked {word}");
            }
        });
    }
}

#[test]
fn a_schema_that_marks_half_of_a_place_or_an_unknown_word_is_refused() {
    for schema in [
        r#"{"type":"object","properties":{"latitude":{"type":"number","x-cellar":"latitude"}}}"#,
        r#"{"type":"object","properties":{"a":{"x-cellar":"latitude"},"b":{"x-cellar":"latitude"},"c":{"x-cellar":"longitude"}}}"#,
        r#"{"type":"object","properties":{"a":{"type":"number","x-cellar":"harmless"}}}"#,
        r#"{"type":"object","properties":{"a":{"type":"number","x-cellar":7}}}"#,
        r##"{"type":"object","properties":{"a":{"$ref":"#/$defs/nowhere"}}}"##,
    ] {
        let schema: Value = serde_json::from_str(schema).expect("JSON");
        assert!(Shape::of(&schema).is_err(), "{schema}");
    }
    let endless =
        r##"{"type":"object","properties":{"a":{"$ref":"#/$defs/b"}},"$defs":{"b":{"$ref":"#/$defs/b"}}}"##;
    assert!(Shape::of(&serde_json::from_str(endless).expect("JSON")).is_ok());
}
