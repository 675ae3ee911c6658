//! Compiles a schema, so that texts can be checked against it in one pass.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{
    BOOLEAN, FRACTION, Followed, LIST, MEMBERS_MAX, Member, NULL, Needed, Node, OBJECT, STRING,
    StreamingValidator, Text, WHOLE, WHOLE_MAX,
};

/// The draft whose rules are implemented here.
pub(super) const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";
/// Keywords that do not restrict a value.
const ANNOTATIONS: [&str; 8] =
    ["$schema", "$defs", "$comment", "title", "description", "examples", "default", "x-cellar"];
/// Keywords that are implemented here.
const FOLLOWED: [&str; 12] = [
    "type",
    "const",
    "pattern",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "items",
    "properties",
    "required",
    "dependentRequired",
    "additionalProperties",
];
pub(super) const KINDS: [(&str, u8); 7] = [
    ("null", NULL),
    ("boolean", BOOLEAN),
    ("integer", WHOLE),
    ("number", WHOLE | FRACTION),
    ("string", STRING),
    ("array", LIST),
    ("object", OBJECT),
];

/// The schema of a member without one.
static ANYTHING: Value = Value::Bool(true);

/// Builds the nodes of one schema.
struct Compiler<'s> {
    root: &'s Map<String, Value>,
    nodes: Vec<Node>,
    definitions: HashMap<&'s str, usize>,
}

impl StreamingValidator {
    /// `None` if only the library understands the schema.
    pub fn of(schema: &Value) -> Option<Self> {
        let root = schema.as_object()?;
        let plain = |(name, value): (&String, &Value)| match name.as_str() {
            "$schema" => value == DRAFT,
            "$defs" => value.as_object().is_some_and(|all| all.values().all(is_plain)),
            _ => is_plain_member(name, value),
        };
        if !root.iter().all(plain) {
            return None;
        }
        let mut compiler = Compiler { root, nodes: Vec::new(), definitions: HashMap::new() };
        let root = compiler.followed(root).filter(|root| root.kinds & OBJECT != 0)?;
        Some(Self { nodes: compiler.nodes, root })
    }
}

/// Whether every reference below leads to one of the root's definitions, and no other keyword names or refers to
/// places.
fn is_plain(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => members.iter().all(|(name, value)| is_plain_member(name, value)),
        Value::Array(items) => items.iter().all(is_plain),
        _ => true,
    }
}

fn is_plain_member(name: &str, value: &Value) -> bool {
    match name {
        "$ref" => value.as_str().is_some_and(|to| definition(to).is_some()),
        "$defs" | "$id" | "$anchor" | "$dynamicAnchor" | "$dynamicRef" => false,
        _ => is_plain(value),
    }
}

/// The definition that a schema refers to, if it has no other restriction.
fn refers_to(schema: &Value) -> Option<&str> {
    let members = schema.as_object()?;
    let mut telling = members.iter().filter(|(name, _)| !ANNOTATIONS.contains(&name.as_str()));
    match (telling.next(), telling.next()) {
        (Some((name, to)), None) if name == "$ref" => definition(to.as_str()?),
        _ => None,
    }
}

/// The name in `#/$defs/<name>`, if it needs no unescaping.
fn definition(reference: &str) -> Option<&str> {
    reference.strip_prefix("#/$defs/").filter(|name| !name.contains(['/', '~', '%']))
}

impl<'s> Compiler<'s> {
    /// The index of a schema's node; all references to one definition share a node.
    fn place(&mut self, schema: &'s Value) -> Option<usize> {
        let name = refers_to(schema);
        if let Some(known) = name.and_then(|name| self.definitions.get(name)) {
            return Some(*known);
        }
        // Reserved before the nodes below it, because a definition may refer to itself.
        let place = self.nodes.len();
        self.nodes.push(Node::Any);
        let node = match name {
            Some(name) => {
                self.definitions.insert(name, place);
                self.node(self.root.get("$defs")?.get(name)?)?
            }
            None => self.node(schema)?,
        };
        self.nodes[place] = node;
        Some(place)
    }

    fn node(&mut self, schema: &'s Value) -> Option<Node> {
        match schema {
            Value::Bool(true) => Some(Node::Any),
            Value::Object(members) if refers_to(schema).is_none() => {
                self.followed(members).map(Node::Followed).or_else(|| self.asked(schema))
            }
            _ => self.asked(schema),
        }
    }

    /// `None` if a keyword is not implemented here.
    fn followed(&mut self, schema: &'s Map<String, Value>) -> Option<Followed> {
        let known = |name: &str| ANNOTATIONS.contains(&name) || FOLLOWED.contains(&name);
        if !schema.keys().all(|name| known(name)) {
            return None;
        }
        let number = |name: &str, otherwise: f64| match schema.get(name) {
            None => Some(otherwise),
            Some(value) => value.as_f64().filter(|number| number.abs() <= WHOLE_MAX),
        };
        let length = |name: &str, otherwise: u64| schema.get(name).map_or(Some(otherwise), Value::as_u64);
        let text = match (schema.get("const"), schema.get("pattern")) {
            (None, None) => Text::Any,
            (Some(only), None) => Text::This(only.as_str()?.into()),
            (None, Some(pattern)) => Text::of_pattern(pattern.as_str()?)?,
            (Some(_), Some(_)) => return None,
        };
        let others = schema.get("additionalProperties").map_or(Some(true), Value::as_bool)?;
        let items = match schema.get("items") {
            None => None,
            Some(items) => Some(self.place(items)?),
        };
        let (members, needed) = self.members(schema)?;
        let mut kinds = kinds(schema.get("type"))?;
        if matches!(text, Text::This(_)) {
            kinds &= STRING;
        }
        let range = [number("minimum", f64::NEG_INFINITY)?, number("maximum", f64::INFINITY)?];
        let lengths = [length("minItems", 0)?, length("maxItems", u64::MAX)?];
        Some(Followed { kinds, text, range, lengths, items, members, needed, others })
    }

    /// The members, and which of them are required: always, or if another one is present. Required members come first.
    fn members(&mut self, schema: &'s Map<String, Value>) -> Option<(Vec<Member>, Vec<Needed>)> {
        let needed = needed(schema)?;
        let mut names: Vec<&str> =
            needed.iter().flat_map(|(of, names)| of.iter().chain(names)).copied().collect();
        names.sort_unstable();
        names.dedup();
        let properties = match schema.get("properties") {
            None => None,
            Some(properties) => Some(properties.as_object()?),
        };
        let property = |name: &str| properties.and_then(|properties| properties.get(name));
        // A required member without a schema may have any value, unless members without a schema are not allowed.
        let unnamed = names.iter().any(|name| property(name).is_none());
        if names.len() > MEMBERS_MAX || unnamed && schema.get("additionalProperties") == Some(&false.into()) {
            return None;
        }
        let bit = |name: &&str| names.binary_search(name).map_or(0, |at| 1_u64 << at);
        let bits = |names: &[&str]| names.iter().map(bit).fold(0, |all, bit| all | bit);
        let needed = needed.iter().map(|(of, names)| (of.as_ref().map_or(0, bit), bits(names))).collect();
        let all = properties.into_iter().flat_map(Map::keys).map(String::as_str);
        let rest: Vec<&str> = all.filter(|name| names.binary_search(name).is_err()).collect();
        let mut members = Vec::with_capacity(names.len() + rest.len());
        for name in names.iter().chain(&rest) {
            members.push(((*name).into(), self.place(property(name).unwrap_or(&ANYTHING))?));
        }
        Some((members, needed))
    }

    fn asked(&self, schema: &Value) -> Option<Node> {
        let mut whole = match schema {
            Value::Object(members) => members.clone(),
            other => Map::from_iter([("allOf".to_owned(), Value::Array(vec![other.clone()]))]),
        };
        for name in ["$schema", "$defs"] {
            if let Some(value) = self.root.get(name) {
                whole.insert(name.to_owned(), value.clone());
            }
        }
        let validator = jsonschema::validator_for(&Value::Object(whole)).ok()?;
        Some(Node::Asked(Box::new(validator)))
    }
}

fn texts(names: &Value) -> Option<Vec<&str>> {
    names.as_array()?.iter().map(Value::as_str).collect()
}

/// The members that are required if the first one is present; `None`: always.
fn needed(schema: &Map<String, Value>) -> Option<Vec<(Option<&str>, Vec<&str>)>> {
    let mut needed = Vec::new();
    if let Some(names) = schema.get("required") {
        needed.push((None, texts(names)?));
    }
    if let Some(dependent) = schema.get("dependentRequired") {
        for (of, names) in dependent.as_object()? {
            needed.push((Some(of.as_str()), texts(names)?));
        }
    }
    Some(needed)
}

fn kinds(of: Option<&Value>) -> Option<u8> {
    let kind = |name: &Value| KINDS.iter().find(|(known, _)| name == known).map(|(_, bits)| *bits);
    match of {
        None => Some(u8::MAX),
        Some(Value::Array(names)) => names.iter().map(kind).try_fold(0, |all, bits| Some(all | bits?)),
        Some(name) => kind(name),
    }
}

impl Text {
    /// Reads `^[…]{n}$`, with letters, digits and ranges of them; `None` for any other pattern.
    fn of_pattern(pattern: &str) -> Option<Self> {
        let (class, count) = pattern.strip_prefix("^[")?.strip_suffix("}$")?.split_once("]{")?;
        let mut characters = 0_u128;
        let mut class = class.as_bytes();
        while let [first, rest @ ..] = class {
            let (last, rest) = match rest {
                [b'-', last, rest @ ..] => (last, rest),
                _ => (first, rest),
            };
            if !first.is_ascii_alphanumeric() || !last.is_ascii_alphanumeric() {
                return None;
            }
            (*first..=*last).for_each(|byte| characters |= 1 << byte);
            class = rest;
        }
        Some(Self::Digits { characters, count: count.parse().ok()? })
    }
}
