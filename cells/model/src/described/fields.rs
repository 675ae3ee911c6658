//! The members that every write is checked for, derived from the schemas, as the source of a table.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::{Described, KEYS};
use crate::keys::{Field, Kind};

const MADE: &str = "`cargo xtask schemas` makes this file from the structs of the model: see `described`.";

/// The members of a key's data that are checked. A member of any type is not.
fn fields_of(described: &Described) -> Vec<Field> {
    let schema = described.schema();
    let needed: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let members = (described.names)().iter().filter_map(|name| {
        let member = schema["properties"].get(name)?;
        let kind = kind_of(member, &schema["$defs"])?;
        let needed = needed.contains(name);
        // An optional member may also be null.
        Some(Field { name, kind, needed, nullable: !needed || takes_null(member) })
    });
    members.collect()
}

fn takes_null(member: &Value) -> bool {
    member["type"].as_array().is_some_and(|kinds| kinds.contains(&"null".into()))
}

/// `None`: anything.
fn kind_of(member: &Value, definitions: &Value) -> Option<Kind> {
    if let Some(reference) = member["$ref"].as_str() {
        return match reference.strip_prefix("#/$defs/")? {
            "EntryId" => Some(Kind::Id),
            "Point" => Some(Kind::Point),
            "LocalDt" => Some(Kind::LocalDt),
            name => kind_of(&definitions[name], definitions),
        };
    }
    // A definition that allows null is included here as a whole.
    let has = |name: &str| member["properties"].get(name).is_some();
    let kinds = member["type"].as_array().map_or(std::slice::from_ref(&member["type"]), Vec::as_slice);
    match kinds.iter().find_map(|kind| kind.as_str().filter(|kind| *kind != "null"))? {
        "number" => Some(Kind::Number),
        "integer" => Some(Kind::Whole),
        "string" => Some(Kind::Text),
        "boolean" => Some(Kind::Flag),
        "array" => Some(Kind::List),
        _ if has("$oid") => Some(Kind::Id),
        _ if has("coordinates") => Some(Kind::Point),
        _ if has("timezone") => Some(Kind::LocalDt),
        _ => Some(Kind::Object),
    }
}

/// The source of `keys/table.rs`. Keys of one struct share their identical members.
pub(super) fn table() -> String {
    let mut families: BTreeMap<&str, Vec<Field>> = BTreeMap::new();
    let all: Vec<_> = KEYS.iter().map(|described| (described, fields_of(described))).collect();
    for (described, fields) in &all {
        let shared = families.entry((described.type_name)()).or_insert_with(|| fields.clone());
        shared.retain(|field| fields.contains(field));
    }
    let mut text = format!(
        "//! Every key of the reference, sorted, with the members that are checked.\n//!\n//! {MADE}\n\n\
         use super::Class::{{Analysis, Raw}};\n\
         use super::Kind::{{Flag, Id, List, LocalDt, Number, Object, Point, Text, Whole}};\n\
         use super::{{Field, KeyInfo, Kind}};\n\n\
         const fn needed(name: &'static str, kind: Kind) -> Field {{\n    \
         Field {{ name, kind, needed: true, nullable: false }}\n}}\n\n\
         const fn needed_or_null(name: &'static str, kind: Kind) -> Field {{\n    \
         Field {{ name, kind, needed: true, nullable: true }}\n}}\n\n\
         const fn optional(name: &'static str, kind: Kind) -> Field {{\n    \
         Field {{ name, kind, needed: false, nullable: true }}\n}}\n\n"
    );
    for (name, fields) in &families {
        let _ = writeln!(text, "const {}: &[Field] = &[\n{}];\n", constant(name), lines(fields.iter(), 1));
    }
    text.push_str("/// Every registered key, sorted.\npub const KEYS: &[KeyInfo] = &[\n");
    for (described, fields) in &all {
        let type_name = (described.type_name)();
        let shared = &families[type_name];
        let own = lines(fields.iter().filter(|field| !shared.contains(field)), 3);
        let own = if own.is_empty() { own } else { format!(", &[\n{own}        ]") };
        let _ = writeln!(
            text,
            "    KeyInfo {{\n        key: {:?},\n        description: {:?},\n        class: {:?},\n        \
             fields: &[{}{own}],\n    }},",
            described.key,
            described.description,
            described.class,
            constant(type_name)
        );
    }
    text.push_str("];\n");
    text
}

/// `cells_model::analysis::Trip` as `ANALYSIS_TRIP`.
fn constant(type_name: &str) -> String {
    let mut text = String::new();
    for part in type_name.split("::").skip(1) {
        for (at, letter) in part.chars().enumerate() {
            let word = letter.is_uppercase() || at == 0 && !text.is_empty();
            if word && !text.is_empty() && !text.ends_with('_') {
                text.push('_');
            }
            text.push(letter.to_ascii_uppercase());
        }
    }
    text
}

fn lines<'f>(fields: impl Iterator<Item = &'f Field>, depth: usize) -> String {
    let line = |field: &Field| {
        let how = match (field.needed, field.nullable) {
            (true, false) => "needed",
            (true, true) => "needed_or_null",
            _ => "optional",
        };
        format!("{}{how}({:?}, {:?}),\n", "    ".repeat(depth), field.name, field.kind)
    };
    fields.map(line).collect()
}

/// The source of `keys/schemas.rs`.
pub(super) fn schemas(keys: &[&str]) -> String {
    let mut text = format!(
        "//! The schemas of the keys whose data no cell of ours describes, sorted.\n//!\n//! {MADE}\n\n\
         /// Key and JSON Schema.\npub const SCHEMAS: &[(&str, &str)] = &[\n"
    );
    for key in keys {
        let _ = writeln!(text, "    ({key:?}, include_str!(\"../../schemas/{key}.json\")),");
    }
    text.push_str("];\n");
    text
}
