//! `deploy/cellar.toml` names every setting that the host reads, including those that have no default.
//!
//! The host's own tests compare the file with the defaults and refuse unknown settings.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::root;

const CONFIG: [&str; 2] = ["runtime/host/src/config.rs", "runtime/host/src/config/sections.rs"];

/// Struct → its public fields with their types.
fn structs(source: &str) -> BTreeMap<&str, Vec<(&str, &str)>> {
    let bodies = source.split("\npub struct ").skip(1).filter_map(|text| text.split_once(" {\n"));
    bodies
        .map(|(name, rest)| {
            let body = rest.split("\n}").next().unwrap_or_default();
            let lines = body.lines().filter_map(|line| line.strip_prefix("    pub ")?.split_once(": "));
            (name, lines.map(|(field, kind)| (field, kind.trim_end_matches(','))).collect())
        })
        .collect()
}

/// `section.name` of every setting in the file, including those in comments: `#name = …`.
fn settings(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut section = String::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = format!("{name}.");
        } else if let Some((name, _)) = line.trim_start_matches('#').split_once(" = ")
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        {
            found.insert(format!("{section}{name}"));
        }
    }
    found
}

#[test]
fn every_field_of_the_configuration_is_a_setting_in_the_sample_and_the_other_way_round() {
    let source =
        CONFIG.map(|file| fs::read_to_string(root().join(file)).expect("the configuration")).concat();
    let structs = structs(&source);
    let mut fields = BTreeSet::new();
    for (name, kind) in &structs["Config"] {
        match structs.get(kind) {
            Some(inner) => fields.extend(inner.iter().map(|(inner, _)| format!("{name}.{inner}"))),
            None => drop(fields.insert((*name).to_owned())),
        }
    }
    let sample = fs::read_to_string(root().join("deploy/cellar.toml")).expect("the sample");
    assert!(fields.len() > 35, "only {} fields were found", fields.len());
    assert_eq!(settings(&sample), fields);
}
