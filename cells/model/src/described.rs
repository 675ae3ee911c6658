//! The schema of each key's data, from the structs of the model: a JSON Schema and the members that every write is
//! checked for.
//!
//! The structs are the source. From them come the schemas beside the cells and in `schemas/`, and the tables
//! `keys/table.rs` and `keys/schemas.rs`. `cargo xtask schemas` writes all of them; a test fails where one differs. A
//! struct may stand for a family of keys, so each key says here which of the optional members it must have.
//!
//! * Invariant: the tables accept whatever the schemas accept. For the tables, an optional member may be null; the
//!   schema of a stage's result allows null only where the struct writes it.
//! * Not here: programs. Only the feature `schemas` compiles this.

mod fields;
mod marks;
mod text;
mod types;

use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::keys::Class;
use crate::{analysis, background, config, inference, manual, segmentation, statemachine, stats};

pub(crate) use types::{Entered, Entry, Probability, ShownSection};

/// A key with the struct that its data is read as.
#[derive(Debug, Clone, Copy)]
pub struct Described {
    /// Such as `background/location`.
    pub key: &'static str,
    /// What it holds, in a line.
    pub description: &'static str,
    /// Raw or analysis.
    pub class: Class,
    /// The struct, such as `analysis::Trip`.
    type_name: fn() -> &'static str,
    schema: fn(SchemaGenerator) -> Schema,
    names: fn() -> &'static [&'static str],
    needed: &'static [&'static str],
    or_null: &'static [&'static str],
    optional: &'static [&'static str],
}

const fn raw<T: JsonSchema + DeserializeOwned>(key: &'static str, description: &'static str) -> Described {
    Described {
        key,
        description,
        class: Class::Raw,
        type_name: std::any::type_name::<T>,
        schema: |generator| generator.into_root_schema_for::<T>(),
        names: crate::kept::names::<T>,
        needed: &[],
        or_null: &[],
        optional: &[],
    }
}

const fn made<T: JsonSchema + DeserializeOwned>(key: &'static str, description: &'static str) -> Described {
    Described { class: Class::Analysis, ..raw::<T>(key, description) }
}

impl Described {
    /// Members that are optional in the struct and required for this key.
    const fn needed(self, names: &'static [&'static str]) -> Self {
        Self { needed: names, ..self }
    }

    /// The same where null is allowed.
    const fn or_null(self, names: &'static [&'static str]) -> Self {
        Self { or_null: names, ..self }
    }

    /// Members that are optional for this key although the struct requires them, or that it may have although other
    /// keys of the struct must.
    const fn optional(self, names: &'static [&'static str]) -> Self {
        Self { optional: names, ..self }
    }

    fn names_it(&self, name: &str) -> bool {
        [self.needed, self.or_null, self.optional].concat().contains(&name)
    }

    /// Whether data of this key has the member: a member of a family belongs to the keys that name it.
    fn has(&self, name: &str) -> bool {
        let same_type = |other: &&Self| (other.type_name)() == (self.type_name)();
        self.names_it(name) || !KEYS.iter().filter(same_type).any(|other| other.names_it(name))
    }

    /// The content of the schema's file.
    pub fn file(&self) -> String {
        text::written(&self.schema(), (self.names)())
    }

    /// The schema of this key's data.
    pub fn schema(&self) -> Value {
        let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
        let mut schema = (self.schema)(generator).to_value();
        without_widths(&mut schema);
        let root = schema.as_object_mut().expect("the schema of a struct is an object");
        root.insert("title".to_owned(), self.key.into());
        root.insert("description".to_owned(), self.description.into());
        self.narrow(root);
        without_what_nobody_refers_to(root);
        marks::mark(self.key, root);
        schema
    }

    /// Keeps the members of this key, needed and optional as it says.
    fn narrow(&self, root: &mut Map<String, Value>) {
        let definitions = root.get("$defs").cloned().unwrap_or_default();
        let mut written = texts(root.get("required"));
        let properties =
            root.get_mut("properties").and_then(Value::as_object_mut).expect("a struct has some");
        for name in [self.needed, self.or_null, self.optional].concat() {
            assert!(properties.contains_key(name), "{} has no member {name}", self.key);
        }
        written.retain(|name| self.has(name) || !self.names_it(name));
        properties.retain(|name, _| written.contains(name) || self.has(name));
        for (name, member) in properties.iter_mut() {
            let is_written = written.contains(name) && !self.optional.contains(&name.as_str());
            let null = is_written || self.or_null.contains(&name.as_str()) || self.class == Class::Raw;
            *member = with_null(member, null, &definitions);
        }
        let is_needed = |name: &&str| {
            let named = self.needed.contains(name) || self.or_null.contains(name);
            named || written.iter().any(|known| known == name) && !self.optional.contains(name)
        };
        let needed: Vec<_> = (self.names)().iter().copied().filter(is_needed).collect();
        root.insert("required".to_owned(), json!(needed));
    }
}

fn texts(list: Option<&Value>) -> Vec<String> {
    let list = list.and_then(Value::as_array).into_iter().flatten();
    list.map(|text| text.as_str().expect("a name").to_owned()).collect()
}

/// The same schema without the width of numbers in Rust: other programs have other numbers.
fn without_widths(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            let is_schema = !members.contains_key("properties") || members.contains_key("type");
            if is_schema && members.get("format").is_some_and(Value::is_string) {
                let format = members.remove("format");
                if format.is_some_and(|format| format.as_str().is_some_and(|text| text.contains("int"))) {
                    members.remove("minimum");
                    members.remove("maximum");
                }
            }
            members.values_mut().for_each(without_widths);
        }
        Value::Array(items) => items.iter_mut().for_each(without_widths),
        _ => {}
    }
}

/// The schema of an optional member, with null allowed or not. An alternative of two schemas becomes one, since that
/// can be checked while a text is read.
fn with_null(member: &Value, null: bool, definitions: &Value) -> Value {
    let Some(members) = member.as_object() else { return member.clone() };
    let mut members = members.clone();
    let alternatives = members.remove("anyOf").and_then(|any| any.as_array().cloned());
    if let Some(inner) = alternatives.as_ref().and_then(|any| any.iter().find(|one| one["type"] != "null")) {
        let inner = inner.as_object().expect("an alternative is an object").clone();
        let reference = inner.get("$ref").and_then(Value::as_str).filter(|_| null);
        let inner = match reference {
            Some(reference) => {
                let name = reference.rsplit('/').next().expect("a reference has a name");
                let mut whole = definitions[name].as_object().expect("it is defined").clone();
                whole.insert("type".to_owned(), json!([whole["type"].clone(), "null"]));
                whole
            }
            None => inner,
        };
        for (name, value) in inner {
            members.entry(name).or_insert(value);
        }
    }
    if let Some(kinds) = members.get("type").and_then(Value::as_array).filter(|_| !null) {
        let kind = kinds.iter().find(|kind| *kind != "null").expect("it is not only null").clone();
        members.insert("type".to_owned(), kind);
    }
    Value::Object(members)
}

fn without_what_nobody_refers_to(root: &mut Map<String, Value>) {
    let Some(Value::Object(definitions)) = root.remove("$defs") else { return };
    let mut kept = Map::new();
    let mut open = references(&Value::Object(root.clone()));
    while let Some(name) = open.pop() {
        if !kept.contains_key(&name) {
            let definition = definitions[&name].clone();
            open.extend(references(&definition));
            kept.insert(name, definition);
        }
    }
    if !kept.is_empty() {
        root.insert("$defs".to_owned(), Value::Object(kept));
    }
}

/// The names of the definitions that are referenced.
fn references(schema: &Value) -> Vec<String> {
    match schema {
        Value::Object(members) => {
            let own = members.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix("#/$defs/"));
            own.map(str::to_owned).into_iter().chain(members.values().flat_map(references)).collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

/// The sources of the two tables: `keys/table.rs` and `keys/schemas.rs`. `in_model`: the keys whose schemas are in
/// `schemas/` of this package.
pub fn tables(in_model: &[&str]) -> [String; 2] {
    [fields::table(), fields::schemas(in_model)]
}

const TRIP_INFERRED: &[&str] = &["raw_trip", "cleaned_trip", "inferred_labels"];
const TRIP_EXPECTED: &[&str] =
    &["raw_trip", "cleaned_trip", "inferred_labels", "inferred_trip", "expectation", "confidence_threshold"];
const TRIP_CONFIRMED: &[&str] = &[
    "raw_trip",
    "cleaned_trip",
    "inferred_labels",
    "inferred_trip",
    "expectation",
    "confidence_threshold",
    "expected_trip",
    "inferred_section_summary",
    "cleaned_section_summary",
    "ble_sensed_summary",
    "user_input",
    "additions",
];

/// Every key that the reference has, sorted.
pub const KEYS: &[Described] = &[
    made::<analysis::Place>(
        "analysis/cleaned_place",
        "Where a person stayed, joined from all raw places that no trip lies between",
    )
    .needed(&["raw_places"]),
    made::<analysis::Section>(
        "analysis/cleaned_section",
        "A part of a trip in one mode, with points at even times",
    ),
    made::<analysis::Stop>("analysis/cleaned_stop", "Between two cleaned sections of a trip"),
    made::<analysis::Trip>(
        "analysis/cleaned_trip",
        "A trip without the points that smoothing has deleted, drawn to the places around it",
    )
    .needed(&["raw_trip"]),
    made::<analysis::Trip>(
        "analysis/cleaned_untracked",
        "A span without readings between two cleaned places",
    ),
    made::<analysis::Trip>(
        "analysis/composite_trip",
        "A trip with all that a phone shows of it. Its metadata's origin_key says whether it is a confirmed_trip or a \
         confirmed_untracked, whose other members it has as well",
    )
    .needed(&["confirmed_trip", "locations", "sections"])
    .or_null(&["start_confirmed_place", "end_confirmed_place"])
    .optional(&[
        "start_local_dt",
        "start_fmt_time",
        "end_local_dt",
        "end_fmt_time",
        "start_loc",
        "end_loc",
        "duration",
        "distance",
        "source",
        "cleaned_trip",
        "user_input",
        "additions",
    ]),
    made::<analysis::Place>("analysis/confirmed_place", "A stay with what the person entered about it")
        .needed(&["cleaned_place", "user_input", "additions"])
        .optional(&["raw_places"]),
    made::<analysis::Trip>("analysis/confirmed_trip", "A trip with what the person entered about it")
        .needed(TRIP_CONFIRMED),
    made::<analysis::Trip>(
        "analysis/confirmed_untracked",
        "A span between two places of which nothing is known, with what the person entered about it",
    )
    .needed(&["user_input", "additions"]),
    made::<analysis::Trip>("analysis/expected_trip", "An inferred trip with what is expected of its owner")
        .needed(TRIP_EXPECTED),
    made::<inference::Labels>(
        "analysis/inferred_labels",
        "Probable labels of a trip, of all algorithms together",
    ),
    made::<analysis::Section>("analysis/inferred_section", "A cleaned section with its most probable mode")
        .needed(&["cleaned_section"]),
    made::<analysis::Trip>("analysis/inferred_trip", "A cleaned trip with its probable labels")
        .needed(TRIP_INFERRED),
    made::<analysis::RecreatedLocation>(
        "analysis/recreated_location",
        "A point of a cleaned section, every 30 s and at its end; the only point of a section is the phone's own, with \
         all its members",
    ),
    made::<analysis::Smoothing>(
        "analysis/smoothing",
        "Which points of a section are thrown out because a person cannot have jumped there",
    )
    .needed(&["outlier_algo", "filtering_algo"]),
    raw::<background::Battery>("background/battery", "charge of the phone"),
    raw::<background::Ble>("background/bluetooth_ble", "beacons in vehicles"),
    raw::<background::Location>(
        "background/filtered_location",
        "positions that the phone or the accuracy filter chose",
    ),
    raw::<background::Location>("background/location", "every position"),
    raw::<background::MotionActivity>(
        "background/motion_activity",
        "what the phone thinks its owner is doing",
    ),
    raw::<config::AppUiConfig>("config/app_ui_config", "how the app looks"),
    raw::<config::Consent>("config/consent", "what the person agreed to"),
    raw::<config::SensorConfig>("config/sensor_config", "how the phone senses"),
    raw::<config::SyncConfig>("config/sync_config", "when the phone syncs"),
    made::<inference::Labels>("inference/labels", "Probable labels of a trip, by one algorithm"),
    made::<inference::ModePrediction>("inference/prediction", "Probable modes of a section"),
    raw::<manual::Survey>("manual/demographic_survey", "a form about the person"),
    raw::<manual::UserLabel>("manual/destination_confirm", "where a trip went"),
    raw::<manual::Incident>("manual/incident", "a place that felt unsafe"),
    raw::<manual::UserLabel>("manual/mode_confirm", "how a trip was travelled"),
    raw::<manual::UserInput>("manual/place_addition_input", "a further activity in a stay"),
    raw::<manual::UserInput>("manual/place_user_input", "a form about a stay"),
    raw::<manual::UserLabel>("manual/purpose_confirm", "what a trip was for"),
    raw::<manual::UserLabel>(
        "manual/replaced_mode",
        "how the trip would have been travelled otherwise",
    ),
    raw::<manual::UserInput>("manual/trip_addition_input", "a further activity in a trip"),
    raw::<manual::UserInput>("manual/trip_user_input", "a form about a trip"),
    made::<segmentation::Place>(
        "segmentation/raw_place",
        "Where a person was between two trips, before cleaning",
    ),
    made::<segmentation::Section>(
        "segmentation/raw_section",
        "A part of a trip, travelled in one way, before cleaning",
    ),
    made::<segmentation::Stop>("segmentation/raw_stop", "Between two sections of a trip, before cleaning"),
    made::<segmentation::Trip>("segmentation/raw_trip", "A trip between two places, before cleaning"),
    made::<segmentation::Trip>(
        "segmentation/raw_untracked",
        "A span between two places of which nothing is known; it begins 5 s after the arrival at the place before, and \
         its local times are those of the arrival",
    ),
    raw::<statemachine::Transition>(
        "statemachine/transition",
        "how trip detection moved between its states",
    ),
    raw::<stats::Reading>("stats/client_error", "what went wrong in the app"),
    raw::<stats::Reading>("stats/client_nav_event", "where the person went in the app"),
    raw::<stats::Reading>("stats/client_time", "how long the app took"),
    raw::<stats::Reading>("stats/dashboard_error", "what went wrong in the dashboard"),
    raw::<stats::Reading>("stats/dashboard_time", "how long the dashboard took"),
    raw::<stats::Reading>("stats/pipeline_error", "what went wrong in stages"),
    raw::<stats::Reading>("stats/pipeline_time", "how long stages took"),
    raw::<stats::Reading>("stats/server_api_error", "what went wrong in calls"),
    raw::<stats::Reading>("stats/server_api_time", "how long calls took"),
];
