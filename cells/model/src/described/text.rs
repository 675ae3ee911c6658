//! The text of a schema's file: keywords and members in an order in which people read them.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// Keywords in the order in which they stand; others come behind them.
const ORDER: [&str; 17] = [
    "$schema",
    "title",
    "description",
    "x-cellar",
    "$ref",
    "type",
    "const",
    "enum",
    "pattern",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "items",
    "minProperties",
    "properties",
    "required",
];

/// Members of the outermost object stand in the order of `names`, those of others as they are needed.
pub(super) fn written(schema: &Value, names: &[&str]) -> String {
    let mut text = String::new();
    let root = schema.as_object().expect("a schema of an object");
    object(&mut text, root, 0, Some(names));
    text.push('\n');
    text
}

fn object(text: &mut String, schema: &Map<String, Value>, depth: usize, names: Option<&[&str]>) {
    let needed: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let names = names.unwrap_or(&needed);
    members(text, ordered(schema, &ORDER), depth, |text, name, value| match (name, value) {
        ("properties", Value::Object(properties)) => {
            members(text, ordered(properties, names), depth + 1, |text, _, value| {
                any(text, value, depth + 2)
            });
        }
        ("$defs", Value::Object(definitions)) => {
            members(text, definitions.iter().collect(), depth + 1, |text, _, value| {
                any(text, value, depth + 2)
            });
        }
        _ => any(text, value, depth + 1),
    });
}

/// The members that `first` names, in its order, then the others.
fn ordered<'a>(members: &'a Map<String, Value>, first: &[&str]) -> Vec<(&'a String, &'a Value)> {
    let place = |name: &str| first.iter().position(|known| *known == name).unwrap_or(first.len());
    let mut all: Vec<_> = members.iter().collect();
    all.sort_by_key(|(name, _)| place(name));
    all
}

fn members(
    text: &mut String,
    members: Vec<(&String, &Value)>,
    depth: usize,
    mut value_to: impl FnMut(&mut String, &str, &Value),
) {
    let count = members.len();
    text.push_str("{\n");
    for (at, (name, value)) in members.into_iter().enumerate() {
        let _ = write!(text, "{}{}: ", "  ".repeat(depth + 1), Value::from(name.as_str()));
        value_to(text, name, value);
        text.push_str(if at + 1 < count { ",\n" } else { "\n" });
    }
    let _ = write!(text, "{}}}", "  ".repeat(depth));
}

fn any(text: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(schema) if !schema.is_empty() => object(text, schema, depth, None),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(Value::to_string).collect();
            let _ = write!(text, "[{}]", items.join(", "));
        }
        other => {
            let _ = write!(text, "{other}");
        }
    }
}
