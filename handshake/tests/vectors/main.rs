//! The committed test vectors, against this implementation and against a second one.

mod judge;

use judge::{judge, text};
use serde_json::Value;
use std::io::Write;
use std::process::{Command, Stdio};

const VECTORS: &str = include_str!("../../vectors/upc-1.json");
/// How many of each section there must be at least; a section that is not named here fails.
const SECTIONS: [(&str, usize); 16] = [
    ("pair", 5),
    ("digits", 2),
    ("qr", 2),
    ("code", 2),
    ("recovery", 2),
    ("slot", 4),
    ("inbox", 2),
    ("head", 1),
    ("rollback", 8),
    ("rotate", 2),
    ("next_key", 1),
    ("token", 1),
    ("label", 1),
    ("key_id", 2),
    ("roster", 4),
    ("refused", 41),
];

fn vectors() -> Value {
    serde_json::from_str(VECTORS).expect("the file is JSON")
}

fn all(vectors: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let sections = vectors.as_object().expect("sections").iter().filter(|(name, _)| *name != "about");
    sections.flat_map(|(name, list)| {
        list.as_array().expect("a list").iter().map(move |vector| (name.as_str(), vector))
    })
}

#[test]
fn every_vector_is_accepted_and_every_change_of_one_is_refused_where_it_says() {
    let vectors = vectors();
    for (section, vector) in all(&vectors) {
        let name = vector["name"].as_str().expect("every vector has a name");
        if section != "refused" {
            assert_eq!(judge(section, vector), Ok(()), "{name}");
            continue;
        }
        let like = text(vector, "like");
        let (section, _) = like.split_once('/').expect("a name begins with its section");
        let found = all(&vectors).find(|(_, vector)| vector["name"] == like);
        let mut changed = found.expect("what it is like").1.clone();
        for (member, value) in vector["changed"].as_object().expect("an object") {
            assert_ne!(&changed[member], value, "{name} changes nothing");
            changed[member] = value.clone();
        }
        assert_eq!(judge(section, &changed), Err(text(vector, "at")), "{name}");
    }
}

#[test]
fn the_file_has_every_section_and_every_member_of_every_vector_counts() {
    let vectors = vectors();
    let sections = vectors.as_object().expect("sections");
    assert_eq!(sections.len(), SECTIONS.len() + 1, "one more for what the file is about");
    for (section, count) in SECTIONS {
        assert!(sections[section].as_array().is_some_and(|list| list.len() >= count), "{section}");
    }
    // Another head may lead to the same verdict.
    let counting = |section: &str| !matches!(section, "refused" | "rollback");
    for (section, vector) in all(&vectors).filter(|(section, _)| counting(section)) {
        let members = vector.as_object().expect("an object").iter();
        // The signature of the roster before is not part of what follows it.
        let counts = |member: &String| !matches!(member.as_str(), "name" | "before");
        for (member, value) in members.filter(|(member, _)| counts(member)) {
            let mut changed = vector.clone();
            changed[member] = other(value);
            assert!(judge(section, &changed).is_err(), "{} does not depend on {member}", vector["name"]);
        }
    }
}

/// Another value of the same kind and length.
fn other(value: &Value) -> Value {
    match value {
        Value::Bool(value) => Value::from(!value),
        Value::Number(value) => Value::from(value.as_u64().expect("whole numbers") ^ 2),
        Value::Array(list) => list[1..].to_vec().into(),
        Value::String(text) if text.is_empty() => Value::from("00"),
        Value::String(text) => {
            let last = text.trim_end().len() - 1;
            let letter = if text[last..].starts_with('2') { "3" } else { "2" };
            Value::from(format!("{}{letter}{}", &text[..last], &text[last + 1..]))
        }
        Value::Null | Value::Object(_) => panic!("no vector has such a member"),
    }
}

#[test]
fn a_second_implementation_agrees_and_notices_a_changed_vector() {
    let Some(agreed) = second_implementation(VECTORS) else { return };
    assert!(agreed, "see its lines above");
    let mut vectors = vectors();
    let mac = text(&vectors["pair"][0], "mac_phone").to_owned();
    vectors["pair"][0]["mac_phone"] = other(&Value::from(mac));
    let agreed = second_implementation(&vectors.to_string());
    assert_eq!(agreed, Some(false), "it accepts anything");
}

/// The store has no separate script; its vectors have the same form.
#[test]
fn a_second_implementation_opens_what_the_store_seals() {
    for seals in [
        include_str!("../../../runtime/store/vectors/seal-1.json"),
        include_str!("../../../runtime/store/vectors/seal-2.json"),
    ] {
        assert_ne!(second_implementation(seals), Some(false), "see its lines above");
    }
}

/// Whether `tests/vectors.py` accepts all of these; `None`, with a message, where the machine cannot run it.
fn second_implementation(vectors: &str) -> Option<bool> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors.py");
    let started =
        Command::new("python3").args([script, "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut child) = started else {
        eprintln!("SKIPPED: the second implementation needs python3, which is not there");
        return None;
    };
    // The script may stop before it has read everything; its status then shows the failure.
    let _ = child.stdin.take().expect("piped").write_all(vectors.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    print!("{}", String::from_utf8_lossy(&output.stdout));
    match output.status.code() {
        Some(0) => Some(true),
        Some(1) => Some(false),
        Some(77) => {
            eprintln!("SKIPPED: the second implementation cannot run here, as it says above");
            None
        }
        other => panic!("{script} ended with {other:?}"),
    }
}
