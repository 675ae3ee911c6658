//! What each member tells about its person: where, when, or neither. Schemas say so by `"x-cellar"`, so that a host can
//! show a stream less precisely than it is stored. `runtime/consent`, `shape`, says what each word means.
//!
//! * Invariant: a member has one meaning wherever it stands, apart from [`OTHERWISE`].

use serde_json::{Map, Value};

/// The keyword.
const MARK: &str = "x-cellar";

/// Every member of the model that is a value, by what it tells.
const MEMBERS: &[(&str, &[&str])] = &[
    (
        "plain",
        &[
            "accuracy",
            "accuracy_threshold",
            "algorithm_id",
            "approval_date",
            "battery_level_pct",
            "battery_status",
            "category",
            "confidence",
            "confidence_threshold",
            "count",
            "curr_state",
            "eventType",
            "filter",
            "filter_distance",
            "filter_time",
            "filtering_algo",
            "geofence_radius",
            "is_duty_cycling",
            "key",
            "label",
            "major",
            "match_id",
            "minor",
            "mode",
            "mode_confirm",
            "name",
            "outlier_algo",
            "p",
            "predicted_mode_map",
            "protocol_id",
            "purpose_confirm",
            "replaced_mode",
            "sensed_mode",
            "sensed_mode_str",
            "simulate_user_interaction",
            "source",
            "status",
            "stress",
            "sync_interval",
            "to_label",
            "transition",
            "trip_end_stationary_mins",
            "type",
            "uuid",
            "version",
        ],
    ),
    ("latitude", &["latitude"]),
    ("longitude", &["longitude"]),
    ("point", &["end_loc", "enter_loc", "exit_loc", "loc", "location", "start_loc"]),
    ("length", &["distance"]),
    // Steps of a path, or a place in words: `labels` may have the name of a destination.
    ("place", &["altitude", "display_name", "heading", "labels", "sensed_speed", "speed"]),
    ("time", &["end_ts", "enter_ts", "exit_ts", "start_ts", "ts"]),
    ("local-parts", &["end_local_dt", "enter_local_dt", "exit_local_dt", "local_dt", "start_local_dt"]),
    ("local-text", &["end_fmt_time", "enter_fmt_time", "exit_fmt_time", "fmt_time", "start_fmt_time"]),
    ("duration", &["duration"]),
    // What comes before and behind: followed from entry to entry, it gives the order of a day.
    (
        "moment",
        &[
            "deleted_points",
            "end_place",
            "end_stop",
            "ending_section",
            "ending_trip",
            "idx",
            "raw_places",
            "start_place",
            "start_stop",
            "starting_section",
            "starting_trip",
        ],
    ),
    // Forms, answers of others, and lists with a member for each half a minute.
    (
        "detail",
        &[
            "additions",
            "ble_sensed_mode",
            "distances",
            "end_confirmed_place",
            "jsonDocResponse",
            "locations",
            "place_user_input",
            "reading",
            "reverse_geocode",
            "speeds",
            "start_confirmed_place",
            "trip_user_input",
            "xmlResponse",
        ],
    ),
    (
        "id",
        &[
            "_id",
            "cleaned_place",
            "cleaned_section",
            "cleaned_trip",
            "confirmed_trip",
            "expected_trip",
            "inferred_trip",
            "raw_trip",
            "section",
            "section_id",
            "trip_id",
        ],
    ),
    ("device", &["client_app_version", "client_os_version", "device", "ios_device_token"]),
];

/// Members that only hold others.
const CONTAINERS: &[&str] = &[
    "ble_sensed_summary",
    "cleaned_section_summary",
    "data",
    "expectation",
    "inferred_labels",
    "inferred_section_summary",
    "metadata",
    "prediction",
    "sections",
    "user_input",
];

/// Members that tell something else in one stream.
const OTHERWISE: &[(&str, &str, &str)] = &[("manual/destination_confirm", "label", "place")];

/// Definitions whose members are told by whoever refers to them.
const WHOLE: [&str; 3] = ["EntryId", "LocalDt", "Point"];

/// Marks every member of a key's schema.
pub(super) fn mark(key: &str, root: &mut Map<String, Value>) {
    mark_members(key, root);
    let definitions = root.get_mut("$defs").and_then(Value::as_object_mut).into_iter().flatten();
    for (_, definition) in definitions.filter(|(name, _)| !WHOLE.contains(&name.as_str())) {
        definition.as_object_mut().into_iter().for_each(|schema| mark_members(key, schema));
    }
}

fn mark_members(key: &str, schema: &mut Map<String, Value>) {
    let members = schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten();
    for (name, member) in members {
        let Some(member) = member.as_object_mut() else { continue };
        match mark_of(key, name) {
            Some(word) => drop(member.insert(MARK.to_owned(), word.into())),
            None => mark_members(key, member),
        }
    }
}

fn mark_of(key: &str, name: &str) -> Option<&'static str> {
    let otherwise = OTHERWISE.iter().find(|(of, member, _)| *of == key && *member == name);
    let usual = || MEMBERS.iter().find(|(_, members)| members.contains(&name)).map(|(word, _)| *word);
    let word = otherwise.map(|(.., word)| *word).or_else(usual);
    assert!(
        word.is_some() || CONTAINERS.contains(&name),
        "nobody says what `{name}` of {key} tells about a person: add it to `described/marks.rs`"
    );
    word
}
