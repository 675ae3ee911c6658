//! Types of members that no code of ours reads: only the schemas name them.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::EntryId;

/// A whole entry, as it was when this was made
#[derive(Serialize, JsonSchema)]
pub(crate) struct Entry {
    /// Its id
    _id: EntryId,
    metadata: Metadata,
    data: Map<String, Value>,
}

/// An entry's metadata
#[derive(Serialize, JsonSchema)]
struct Metadata {
    /// Such as `analysis/confirmed_place`
    key: String,
}

/// A whole entry of `inferred_section`, or of `cleaned_section` where nobody has inferred
#[derive(Serialize, JsonSchema)]
pub(crate) struct ShownSection {
    /// Its id
    _id: EntryId,
    metadata: Metadata,
    data: ShownSectionData,
}

/// Without `speeds` and `distances`
#[derive(Serialize, JsonSchema)]
struct ShownSectionData {
    /// The name of its mode, such as `WALKING`
    sensed_mode_str: String,
}

/// What a person has entered, by kind: labels, and forms as whole entries
#[derive(Serialize, JsonSchema)]
pub(crate) struct Entered {
    /// How it was travelled
    #[serde(skip_serializing_if = "Value::is_null")]
    mode_confirm: Value,
    /// What it was for
    #[serde(skip_serializing_if = "Value::is_null")]
    purpose_confirm: Value,
    /// How it would have been travelled otherwise
    #[serde(skip_serializing_if = "Value::is_null")]
    replaced_mode: Value,
    /// A form about a trip
    #[serde(skip_serializing_if = "Value::is_null")]
    trip_user_input: Value,
    /// A form about a stay
    #[serde(skip_serializing_if = "Value::is_null")]
    place_user_input: Value,
}

/// From 0 to 1.
pub(crate) struct Probability;

impl JsonSchema for Probability {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Probability".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 0, "maximum": 1 })
    }
}
