//! Checks data against a JSON Schema while its text is parsed.
//!
//! The schema library needs a value as a tree, which costs more than the stage that wrote it. A schema is mostly
//! structure, which can be checked during the pass over the text, and that pass is needed in any case. The library
//! checks only the values whose schema is more than structure.
//!
//! * Invariant: the answer is yes or unknown. The library accepts every value for which the answer is yes. For every
//!   other value the library is asked, and a refusal has the library's message.

mod compile;

use cells_model::scan::{BadJson, Scan};
use jsonschema::Validator;

/// One bit for each member records whether it was present.
const MEMBERS_MAX: usize = 64;
/// Whole numbers up to this one are exact as doubles, too.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// A schema that can be checked during a pass over a text.
#[derive(Debug)]
pub(crate) struct StreamingValidator {
    nodes: Vec<Node>,
    root: Followed,
}

#[derive(Debug)]
enum Node {
    /// Accepts everything.
    Any,
    Followed(Followed),
    /// The library decides.
    Asked(Box<Validator>),
}

#[derive(Debug)]
struct Followed {
    kinds: u8,
    text: Text,
    range: [f64; 2],
    lengths: [u64; 2],
    items: Option<usize>,
    members: Vec<Member>,
    needed: Vec<Needed>,
    others: bool,
}

/// A member's name, and the index of the node for its value.
type Member = (Box<str>, usize);

/// If the members of the first bits are present (always, for 0), the members of the second bits must be present.
type Needed = (u64, u64);

/// The required form of a text.
#[derive(Debug)]
enum Text {
    Any,
    /// Exactly these bytes.
    This(Box<str>),
    /// This many characters, each from a set of ASCII characters with one bit each.
    Digits {
        characters: u128,
        count: usize,
    },
}

const NULL: u8 = 1;
const BOOLEAN: u8 = 2;
const WHOLE: u8 = 4;
const FRACTION: u8 = 8;
const STRING: u8 = 16;
const LIST: u8 = 32;
const OBJECT: u8 = 64;

impl StreamingValidator {
    /// The outermost object of a text.
    pub fn object(&self) -> Members<'_> {
        Members { streaming: self, node: &self.root, found: 0, next: 0, sure: true }
    }

    /// Parses the value that begins here; returns whether it surely matches the node.
    fn value(&self, node: &Node, scan: &mut Scan<'_>, levels: u32) -> Result<bool, BadJson> {
        match node {
            Node::Any => scan.value(levels).map(|()| true),
            Node::Asked(library) => {
                let text = scan.text(levels)?;
                let value = serde_json::from_slice(text);
                Ok(value.is_ok_and(|value| library.is_valid(&value)))
            }
            Node::Followed(node) => self.followed(node, scan, levels),
        }
    }

    fn followed(&self, node: &Followed, scan: &mut Scan<'_>, levels: u32) -> Result<bool, BadJson> {
        let is = |kind| node.kinds & kind != 0;
        match scan.peek() {
            Some(b'{') if levels > 0 && is(OBJECT) => {
                let mut members = Members { streaming: self, node, found: 0, next: 0, sure: true };
                let mut more = scan.open()?;
                while more {
                    let name = scan.name()?;
                    members.member(name, scan, levels - 1)?;
                    more = scan.more()?;
                }
                Ok(members.hold())
            }
            Some(b'[') if levels > 0 && is(LIST) => self.list(node, scan, levels - 1),
            Some(b'"') => scan.text(levels).map(|text| is(STRING) && node.text.takes(text)),
            Some(b'-' | b'0'..=b'9') => scan.text(levels).map(|text| node.takes_number(text)),
            Some(b'n') => scan.value(levels).map(|()| is(NULL)),
            Some(b't' | b'f') => scan.value(levels).map(|()| is(BOOLEAN)),
            _ => scan.value(levels).map(|()| false),
        }
    }

    fn list(&self, node: &Followed, scan: &mut Scan<'_>, levels: u32) -> Result<bool, BadJson> {
        let items = node.items.map_or(&Node::Any, |items| &self.nodes[items]);
        let (mut count, mut sure) = (0_u64, true);
        let mut more = scan.open_list()?;
        while more {
            sure &= self.value(items, scan, levels)?;
            count += 1;
            more = scan.more_of_list()?;
        }
        let [least, most] = node.lengths;
        Ok(sure && (least..=most).contains(&count))
    }
}

/// The members of an object during the pass.
pub(crate) struct Members<'q> {
    streaming: &'q StreamingValidator,
    node: &'q Followed,
    found: u64,
    next: usize,
    sure: bool,
}

impl Members<'_> {
    /// Parses the value of the member with that name, which begins here.
    pub fn member(&mut self, name: &[u8], scan: &mut Scan<'_>, levels: u32) -> Result<(), BadJson> {
        let members = &self.node.members;
        // Members mostly come in the same order: the search continues where the last one ended.
        let is = |at: &usize| members.get(*at).is_some_and(|(known, _)| known.as_bytes() == name);
        let found = Some(self.next).filter(is).or_else(|| (0..members.len()).find(is));
        match found {
            Some(at) => {
                self.found |= if at < MEMBERS_MAX { 1 << at } else { 0 };
                self.next = at + 1;
                self.sure &= self.streaming.value(&self.streaming.nodes[members[at].1], scan, levels)?;
            }
            None => {
                // A name with an escape may still be one of those.
                self.sure &= self.node.others && !name.contains(&b'\\');
                scan.value(levels)?;
            }
        }
        Ok(())
    }

    /// At the end of the object: whether it surely matches.
    pub fn hold(&self) -> bool {
        let there = |bits: u64| self.found & bits == bits;
        self.sure && self.node.needed.iter().all(|(of, needed)| !there(*of) || there(*needed))
    }
}

impl Text {
    /// Whether a string, given with its quotes, matches.
    fn takes(&self, text: &[u8]) -> bool {
        let inner = &text[1..text.len() - 1];
        match self {
            Self::Any => true,
            Self::This(only) => inner == only.as_bytes() && !inner.contains(&b'\\'),
            Self::Digits { characters, count } => {
                let one_of = |byte: &u8| byte.is_ascii() && characters >> byte & 1 == 1;
                inner.len() == *count && inner.iter().all(one_of)
            }
        }
    }
}

impl Followed {
    fn takes_number(&self, text: &[u8]) -> bool {
        let [least, most] = self.range;
        let unbounded = least == f64::NEG_INFINITY && most == f64::INFINITY;
        let plain = text.len() < 16 && text.iter().all(|byte| matches!(byte, b'-' | b'0'..=b'9'));
        if unbounded && (plain && self.kinds & WHOLE != 0 || self.kinds & FRACTION != 0) {
            return true;
        }
        let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok());
        let Some(number) = number.filter(|number| number.abs() < WHOLE_MAX) else { return false };
        let kind = if number.fract() == 0.0 { WHOLE } else { FRACTION };
        self.kinds & kind != 0 && (least..=most).contains(&number)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use runtime_types::Area;
    use serde_json::{Value, json};

    use super::compile::{DRAFT, KINDS};
    use super::*;
    use crate::runs::check;

    fn takes(streaming: &StreamingValidator, text: &str) -> bool {
        let found = check::entry(Area::Timeseries, "{}", text, Some(streaming));
        found.is_ok_and(|found| found.of_type)
    }

    fn both(schema: &Value, text: &str) -> (bool, bool) {
        let library = jsonschema::validator_for(schema).expect("sound");
        let value = serde_json::from_str::<Value>(text);
        let streaming = StreamingValidator::of(schema).is_some_and(|streaming| takes(&streaming, text));
        (streaming, value.is_ok_and(|value| library.is_valid(&value)))
    }

    fn trip() -> Value {
        json!({
            "$schema": DRAFT,
            "type": "object",
            "required": ["id", "loc", "steps"],
            "additionalProperties": false,
            "properties": {
                "id": { "description": "which", "$ref": "#/$defs/id" },
                "loc": { "$ref": "#/$defs/point" },
                "mode": { "type": ["integer", "null"], "minimum": 0, "maximum": 9 },
                "steps": { "type": "array", "items": { "type": "number" }, "maxItems": 3 },
                "tree": { "$ref": "#/$defs/tree" },
                "either": { "anyOf": [{ "type": "null" }, { "$ref": "#/$defs/point" }] },
            },
            "$defs": {
                "id": { "type": "object", "required": ["$oid"],
                    "properties": { "$oid": { "type": "string", "pattern": "^[0-9a-f]{4}$" } } },
                "point": { "type": "object", "required": ["type"], "properties": {
                    "type": { "const": "Point" },
                    "coordinates": { "type": "array", "items": { "type": "number" }, "minItems": 2 } } },
                "tree": { "type": "object", "additionalProperties": false,
                    "properties": { "left": { "$ref": "#/$defs/tree" }, "also": { "$ref": "#/$defs/alias" } } },
                "alias": { "$ref": "#/$defs/tree" },
            },
        })
    }

    #[test]
    fn what_a_schema_takes_is_told_from_the_text_alone() {
        let sound = r#"{"steps":[1,2.5,-3e1],"id":{"$oid":"0a9f"},"mode":7.0,"loc":{"type":"Point","coordinates":[1,2]},
            "tree":{"left":{"left":{}},"also":{}},"either":null}"#;
        assert_eq!(both(&trip(), sound), (true, true));
        for (from, to) in [
            ("\"id\":{\"$oid\":\"0a9f\"},", ""),
            ("0a9f", "0a9g"),
            ("-3e1", "-3e1,4"),
            ("-3e1", "\"x\""),
            ("7.0", "7.5"),
            ("7.0", "10"),
            ("Point", "Line"),
            ("[1,2]", "[1]"),
            ("\"left\":{}}", "\"left\":{\"x\":1}}"),
            ("\"also\":{}", "\"also\":{\"x\":1}"),
            ("null", "1"),
            ("\"mode\"", "\"other\""),
        ] {
            let bad = sound.replace(from, to);
            assert_ne!(bad, sound);
            assert_eq!(both(&trip(), &bad), (false, false), "{bad}");
        }
        assert!(!takes(&StreamingValidator::of(&trip()).expect("followed"), &format!("{sound} {{}}")));
    }

    #[test]
    fn a_member_that_must_be_there_need_not_have_a_schema() {
        let open = json!({ "properties": { "a": { "type": "null" } }, "required": ["b", "a"] });
        assert_eq!(both(&open, r#"{"b":[1],"a":null}"#), (true, true));
        assert_eq!(both(&open, r#"{"a":null}"#), (false, false));
        assert_eq!(both(&json!({ "required": ["b"] }), r#"{"b":1,"c":2}"#), (true, true));
        let closed = json!({ "required": ["b"], "additionalProperties": false });
        assert_eq!(both(&closed, r#"{"b":1}"#), (false, false));
    }

    #[test]
    fn a_schema_that_names_places_in_other_ways_is_the_librarys() {
        for schema in [
            json!({ "$id": "a", "type": "object" }),
            json!({ "type": "array" }),
            json!({ "$schema": "http://json-schema.org/draft-07/schema#", "type": "object" }),
            json!({ "properties": { "a": { "$ref": "#/properties/b" }, "b": {} } }),
            json!({ "properties": { "a": { "$defs": { "b": {} } } } }),
        ] {
            assert!(StreamingValidator::of(&schema).is_none(), "{schema}");
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(json!(null)),
            any::<bool>().prop_map(Value::from),
            (-5..5_i64).prop_map(Value::from),
            (-4..4_i32).prop_map(|half| json!(f64::from(half) / 2.0)),
            Just(json!(9_007_199_254_740_993_u64)),
            "[ab]{0,2}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[abc]", inner, 0..3)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    /// `reference`: a schema in place of a reference, which must not be circular.
    fn schema(reference: Value) -> impl Strategy<Value = Value> {
        let kind = || prop::sample::select(KINDS.map(|(name, _)| name).to_vec());
        let leaf = prop_oneof![
            Just(json!(true)),
            Just(json!(false)),
            Just(reference),
            kind().prop_map(|kind| json!({ "type": kind })),
            prop::sample::subsequence(KINDS.map(|(name, _)| name).to_vec(), 2)
                .prop_map(|kinds| json!({ "type": kinds })),
            (-3..3_i32, -3..3_i32).prop_map(|(a, b)| json!({ "minimum": a, "maximum": b })),
            "[ab]".prop_map(|text| json!({ "const": text })),
            Just(json!({ "pattern": "a" })),
            Just(json!({ "enum": [1, "a", null] })),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                (inner.clone(), 0..2_u32, 1..3_u32).prop_map(|(items, least, most)| json!({
                    "items": items, "minItems": least, "maxItems": most })),
                (prop::collection::btree_map("[abc]", inner.clone(), 0..3), any::<bool>(), any::<bool>())
                    .prop_map(|(properties, needed, others)| {
                        let names: Vec<_> = properties.keys().take(usize::from(needed)).cloned().collect();
                        let last = properties.keys().next_back();
                        let dependent: serde_json::Map<_, _> =
                            last.map(|last| (last.clone(), json!(names.clone()))).into_iter().collect();
                        json!({ "type": "object", "properties": properties, "dependentRequired": dependent,
                            "required": if others { names } else { Vec::new() },
                            "additionalProperties": others })
                    }),
                prop::collection::vec(inner, 1..3).prop_map(|any| json!({ "anyOf": any })),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]
        #[test]
        fn it_says_yes_where_the_library_does(
            schemas in prop::collection::vec(schema(json!({ "$ref": "#/$defs/d" })), 2),
            definition in schema(json!({})),
            values in prop::collection::vec(value(), 2),
        ) {
            let schema = json!({
                "properties": { "a": schemas[0], "b": schemas[1] }, "$defs": { "d": definition } });
            let value = json!({ "a": values[0], "b": values[1] }).to_string();
            let (streaming, library) = both(&schema, &value);
            prop_assert!(library || !streaming, "{schema} {value}");
            let beyond_doubles = value.contains("9007199254740993");
            prop_assert!(streaming || !library || beyond_doubles, "{schema} {value}");
        }

        #[test]
        fn no_text_makes_it_panic(text in r#"[{}\[\]",:\\a1.e-]{0,40}"#) {
            let _ = takes(&StreamingValidator::of(&trip()).expect("followed"), &text);
        }
    }
}
