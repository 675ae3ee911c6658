//! The data types that writes are checked against: the model's own, and those that cells bring.

pub(crate) mod streaming;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

use runtime_consent::Shape;
use runtime_types::StreamKey;
use serde_json::Value;

use streaming::StreamingValidator;

/// Why a cell's data type was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BadType {
    /// The key names no stream.
    #[error("{cell} brings a type for {key}, which is not a stream key")]
    Key {
        /// The cell.
        cell: String,
        /// The text.
        key: String,
    },
    /// The schema is not JSON Schema.
    #[error("the schema that {cell} brings for {key} is not valid: {why}")]
    Schema {
        /// The cell.
        cell: String,
        /// The stream.
        key: String,
        /// The cause.
        why: String,
    },
    /// Two cells bring a type for one stream.
    #[error("{cell} brings a type for {key}, and so does {other}")]
    Twice {
        /// The later one.
        cell: String,
        /// The stream.
        key: String,
        /// The earlier one.
        other: String,
    },
}

struct Brought {
    cell: String,
    schema: Value,
    validator: jsonschema::Validator,
    streaming: Option<StreamingValidator>,
    shape: Option<Arc<Shape>>,
}

/// The types of the model that no cell brings, which every runtime knows.
static MODEL: LazyLock<HashMap<&str, StreamingValidator>> = LazyLock::new(|| {
    let streaming = |schema: &str| StreamingValidator::of(&serde_json::from_str(schema).ok()?);
    cells_model::keys::SCHEMAS.iter().filter_map(|(key, schema)| Some((*key, streaming(schema)?))).collect()
});

/// What the members of each of those types tell, for coarse grants.
static MODEL_SHAPES: LazyLock<Vec<(String, Arc<Shape>)>> = LazyLock::new(|| {
    let shape = |schema: &str| Shape::of(&serde_json::from_str(schema).ok()?).ok();
    let shapes = cells_model::keys::SCHEMAS.iter();
    shapes.filter_map(|(key, schema)| Some(((*key).to_owned(), Arc::new(shape(schema)?)))).collect()
});

/// Every data type that is known to this runtime, or to one cell of it.
#[derive(Default)]
pub struct Types {
    brought: BTreeMap<StreamKey, Brought>,
    /// What is known besides.
    under: Option<Arc<Types>>,
}

/// One known type, in a form for people.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct KnownType {
    /// The stream.
    pub key: String,
    /// The cell that brought it; `model` for the types that every runtime knows.
    pub from: String,
    /// A few words about it; empty if the cell gave none.
    pub description: String,
}

impl Types {
    /// These types, to which those of one package can be added. They are not known to other packages.
    pub(crate) fn over(under: Arc<Self>) -> Self {
        Self { brought: BTreeMap::new(), under: Some(under) }
    }

    fn brought(&self, key: &StreamKey) -> Option<&Brought> {
        let under = || self.under.as_ref().and_then(|under| under.brought(key));
        self.brought.get(key).or_else(under)
    }

    /// Adds the schema that a cell brings for a stream.
    pub fn bring(&mut self, cell: &str, key: &str, schema: &str) -> Result<(), BadType> {
        let key =
            StreamKey::parse(key).map_err(|_| BadType::Key { cell: cell.to_owned(), key: key.to_owned() })?;
        let bad = |why: String| BadType::Schema { cell: cell.to_owned(), key: key.to_string(), why };
        let schema: Value = serde_json::from_str(schema).map_err(|error| bad(error.to_string()))?;
        let validator = jsonschema::validator_for(&schema).map_err(|error| bad(error.to_string()))?;
        if let Some(earlier) = self.brought(&key) {
            let other = earlier.cell.clone();
            return Err(BadType::Twice { cell: cell.to_owned(), key: key.to_string(), other });
        }
        let streaming = StreamingValidator::of(&schema);
        // A schema whose marks cannot be used is one without marks: the stream is denied to coarse grants.
        let shape = Shape::of(&schema).ok().map(Arc::new);
        self.brought.insert(key, Brought { cell: cell.to_owned(), schema, validator, streaming, shape });
        Ok(())
    }

    /// Refuses data that does not match its stream's type. The message names fields, never values. Data of a stream
    /// without a type passes and is kept unchanged.
    pub fn check(&self, key: &StreamKey, data: &str) -> Result<(), String> {
        let Some(brought) = self.brought(key) else {
            return cells_model::keys::check(key.as_str(), data);
        };
        let value: Value = serde_json::from_str(data).map_err(|error| error.to_string())?;
        match brought.validator.iter_errors(&value).next() {
            // The library's own message would contain the value.
            Some(error) => {
                Err(format!("breaks the rule {} at {}", error.schema_path(), error.instance_path()))
            }
            None => Ok(()),
        }
    }

    /// The type of a stream, if a text can be checked against it while it is parsed.
    pub(crate) fn streaming(&self, key: &StreamKey) -> Option<&StreamingValidator> {
        match self.brought(key) {
            Some(brought) => brought.streaming.as_ref(),
            None => MODEL.get(key.as_str()),
        }
    }

    /// What the members of each stream's data tell, for coarse grants.
    pub(crate) fn shapes(&self) -> impl Iterator<Item = (String, Arc<Shape>)> + '_ {
        let all = self.under.iter().flat_map(|under| &under.brought).chain(&self.brought);
        let brought = all.filter_map(|(key, one)| Some((key.to_string(), Arc::clone(one.shape.as_ref()?))));
        // What a cell brings is closer than what the model says.
        MODEL_SHAPES.iter().cloned().chain(brought)
    }

    /// The cell that described a stream.
    pub(crate) fn brought_by(&self, key: &StreamKey) -> Option<&str> {
        self.brought(key).map(|brought| brought.cell.as_str())
    }

    /// The schema of a stream that a cell described.
    pub fn schema(&self, key: &StreamKey) -> Option<&Value> {
        self.brought(key).map(|brought| &brought.schema)
    }

    /// Every known type with the cell that brought it, by key.
    pub fn list(&self) -> Vec<KnownType> {
        let model = cells_model::keys::KEYS.iter().map(|known| KnownType {
            key: known.key.to_owned(),
            from: "model".to_owned(),
            description: known.description.to_owned(),
        });
        let mut all: BTreeMap<String, KnownType> = model.map(|known| (known.key.clone(), known)).collect();
        for (key, brought) in &self.brought {
            let words = brought.schema.get("description").and_then(Value::as_str);
            let known = all.entry(key.to_string()).or_insert_with(|| KnownType {
                key: key.to_string(),
                from: String::new(),
                description: String::new(),
            });
            known.from.clone_from(&brought.cell);
            if let Some(words) = words {
                words.clone_into(&mut known.description);
            }
        }
        all.into_values().collect()
    }
}

impl std::fmt::Debug for Types {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.brought.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn types() -> Types {
        let mut types = Types::default();
        let schema = r#"{"type":"object","required":["a"],"properties":{"a":{"type":"number"}}}"#;
        types.bring("counter", "study/count", schema).expect("sound");
        types
    }

    fn key(text: &str) -> StreamKey {
        StreamKey::parse(text).expect("sound")
    }

    #[test]
    fn data_is_held_against_the_schema_that_a_cell_brought() {
        assert_eq!(types().check(&key("study/count"), r#"{"a":1,"b":2}"#), Ok(()));
        let why = types().check(&key("study/count"), r#"{"a":"37.3912345"}"#).expect_err("a text");
        assert!(why.contains("/a") && !why.contains("37.39"), "{why}");
    }

    #[test]
    fn data_that_nobody_described_passes() {
        assert_eq!(types().check(&key("study/other"), "{}"), Ok(()));
    }

    #[test]
    fn every_type_of_the_model_can_be_told_of_a_text_on_the_way() {
        assert_eq!(MODEL.len(), cells_model::keys::SCHEMAS.len());
    }

    #[test]
    fn every_type_that_a_built_in_cell_brings_can_be_told_of_a_text_on_the_way() {
        let cells = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../cells")).expect("a folder");
        let folders = cells.map(|cell| cell.expect("a folder").path().join("schemas"));
        let mut schemas = 0;
        for file in folders.filter_map(|folder| std::fs::read_dir(folder).ok()).flatten() {
            let path = file.expect("a file").path();
            // The schemas of the model are in folders; the test before this one covers them.
            if path.is_dir() {
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("readable");
            let schema: Value = serde_json::from_str(&text).expect("JSON");
            assert!(StreamingValidator::of(&schema).is_some(), "{}", path.display());
            schemas += 1;
        }
        assert!(schemas > 20, "{schemas}");
    }

    fn value() -> impl Strategy<Value = String> {
        let whole = r#"0|-7|2\.5|1e999|null|true|"a"|\[\]|\[1\]|\{\}|\{"\$oid":"a"\}|\{"\$oid":1\}"#;
        prop_oneof![whole, Just(r#"{"type":"Point","coordinates":[1,2]}"#.to_owned())]
    }

    proptest! {
        #[test]
        fn what_is_told_on_the_way_is_what_the_model_says(
            key in 0..cells_model::keys::SCHEMAS.len(),
            values in prop::collection::vec(value(), 20),
            left_out in prop::option::of(0..20_usize),
        ) {
            let (key, _) = cells_model::keys::SCHEMAS[key];
            let info = cells_model::keys::find(key).expect("a key of the model");
            let members: Vec<String> = info
                .members()
                .zip(values.iter().cycle())
                .enumerate()
                .filter(|(at, _)| Some(*at) != left_out)
                .map(|(_, (field, value))| {
                    let likely = match field.kind {
                        cells_model::keys::Kind::Number | cells_model::keys::Kind::Whole => "3",
                        cells_model::keys::Kind::Text => "\"b\"",
                        _ => value,
                    };
                    // Mostly a likely value, so that some of the objects pass.
                    let value = if value.len() % 3 == 0 { value } else { likely };
                    format!("\"{}\":{value}", field.name)
                })
                .collect();
            let text = format!("{{{}}}", members.join(","));
            let told = crate::runs::check::entry(runtime_types::Area::Timeseries, "{}", &text, MODEL.get(info.key));
            let said = info.check(&text).is_ok();
            prop_assert!(said || !told.is_ok_and(|found| found.of_type), "{}: {text}", info.key);
        }
    }

    #[test]
    fn two_cells_cannot_describe_one_stream() {
        let again = types().bring("other", "study/count", "{}");
        assert!(matches!(again, Err(BadType::Twice { other, .. }) if other == "counter"));
        assert!(matches!(types().bring("x", "a/b", "{\"type\":7}"), Err(BadType::Schema { .. })));
    }
}
