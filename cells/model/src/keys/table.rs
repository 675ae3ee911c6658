//! Every key of the reference, sorted, with the members that are checked.
//!
//! `cargo xtask schemas` makes this file from the structs of the model: see `described`.

use super::Class::{Analysis, Raw};
use super::Kind::{Flag, Id, List, LocalDt, Number, Object, Point, Text, Whole};
use super::{Field, KeyInfo, Kind};

const fn needed(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, needed: true, nullable: false }
}

const fn needed_or_null(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, needed: true, nullable: true }
}

const fn optional(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, needed: false, nullable: true }
}

const ANALYSIS_PLACE: &[Field] = &[
    optional("enter_ts", Number),
    optional("enter_local_dt", LocalDt),
    optional("enter_fmt_time", Text),
    optional("exit_ts", Number),
    optional("exit_local_dt", LocalDt),
    optional("exit_fmt_time", Text),
    optional("ending_trip", Id),
    optional("starting_trip", Id),
    needed("location", Point),
    optional("duration", Number),
    needed("source", Text),
    optional("display_name", Text),
];

const ANALYSIS_RECREATED_LOCATION: &[Field] = &[
    needed("latitude", Number),
    needed("longitude", Number),
    needed("loc", Point),
    needed("ts", Number),
    optional("local_dt", LocalDt),
    optional("fmt_time", Text),
    optional("altitude", Number),
    needed("distance", Number),
    needed("speed", Number),
    needed("heading", Number),
    optional("idx", Whole),
    needed("mode", Whole),
    needed("section", Id),
];

const ANALYSIS_SECTION: &[Field] = &[
    needed("trip_id", Id),
    needed("start_ts", Number),
    needed("start_local_dt", LocalDt),
    needed("start_fmt_time", Text),
    needed("end_ts", Number),
    needed("end_local_dt", LocalDt),
    needed("end_fmt_time", Text),
    needed("start_loc", Point),
    needed("end_loc", Point),
    optional("start_stop", Id),
    optional("end_stop", Id),
    needed("duration", Number),
    needed("sensed_mode", Whole),
    needed("source", Text),
    optional("device", Text),
    needed("speeds", List),
    needed("distances", List),
    needed("distance", Number),
];

const ANALYSIS_SMOOTHING: &[Field] = &[
    needed("section", Id),
    needed("deleted_points", List),
    needed("outlier_algo", Text),
    needed("filtering_algo", Text),
];

const ANALYSIS_TRIP: &[Field] = &[
    needed("start_ts", Number),
    needed("end_ts", Number),
    needed("start_place", Id),
    needed("end_place", Id),
    optional("device", Text),
];

const BACKGROUND_BATTERY: &[Field] = &[
    needed("battery_level_pct", Number),
    needed("battery_status", Whole),
    needed("ts", Number),
    needed("local_dt", LocalDt),
    needed("fmt_time", Text),
];

const BACKGROUND_BLE: &[Field] = &[
    needed("eventType", Whole),
    optional("uuid", Text),
    optional("major", Number),
    optional("minor", Number),
    needed("ts", Number),
    needed("local_dt", LocalDt),
    needed("fmt_time", Text),
];

const BACKGROUND_LOCATION: &[Field] = &[
    needed("latitude", Number),
    needed("longitude", Number),
    needed("loc", Point),
    needed("ts", Number),
    needed("local_dt", LocalDt),
    needed("fmt_time", Text),
    optional("altitude", Number),
    optional("accuracy", Number),
    optional("sensed_speed", Number),
    optional("heading", Number),
    optional("filter", Text),
];

const BACKGROUND_MOTION_ACTIVITY: &[Field] = &[
    needed("type", Whole),
    optional("confidence", Number),
    needed("ts", Number),
    needed("local_dt", LocalDt),
    needed("fmt_time", Text),
];

const CONFIG_APP_UI_CONFIG: &[Field] = &[
    needed("ts", Number),
    needed("local_dt", LocalDt),
    needed("fmt_time", Text),
];

const CONFIG_CONSENT: &[Field] = &[
    optional("category", Text),
    optional("protocol_id", Text),
    optional("approval_date", Text),
];

const CONFIG_SENSOR_CONFIG: &[Field] = &[
    optional("is_duty_cycling", Flag),
    optional("accuracy", Number),
    optional("filter_distance", Number),
    optional("filter_time", Number),
    optional("geofence_radius", Number),
];

const CONFIG_SYNC_CONFIG: &[Field] = &[
    optional("sync_interval", Number),
];

const INFERENCE_LABELS: &[Field] = &[
    needed("trip_id", Id),
    needed("algorithm_id", Whole),
    needed("prediction", List),
    needed("start_ts", Number),
    needed("end_ts", Number),
];

const INFERENCE_MODE_PREDICTION: &[Field] = &[
    needed("trip_id", Id),
    needed("section_id", Id),
    needed("algorithm_id", Whole),
    needed("predicted_mode_map", Object),
    needed("start_ts", Number),
    needed("end_ts", Number),
];

const MANUAL_INCIDENT: &[Field] = &[
    optional("loc", Point),
    needed("ts", Number),
    needed("local_dt", LocalDt),
    needed("fmt_time", Text),
    optional("stress", Number),
];

const MANUAL_SURVEY: &[Field] = &[
    optional("label", Text),
    optional("name", Text),
    optional("xmlResponse", Text),
    optional("match_id", Text),
    optional("status", Text),
    needed("ts", Number),
    needed("local_dt", LocalDt),
    needed("fmt_time", Text),
];

const MANUAL_USER_INPUT: &[Field] = &[
    needed("start_ts", Number),
    needed("end_ts", Number),
    optional("start_local_dt", LocalDt),
    optional("start_fmt_time", Text),
    optional("end_local_dt", LocalDt),
    optional("end_fmt_time", Text),
    optional("label", Text),
    optional("name", Text),
    optional("xmlResponse", Text),
    optional("match_id", Text),
    optional("status", Text),
];

const MANUAL_USER_LABEL: &[Field] = &[
    needed("start_ts", Number),
    needed("end_ts", Number),
    optional("start_local_dt", LocalDt),
    optional("start_fmt_time", Text),
    optional("end_local_dt", LocalDt),
    optional("end_fmt_time", Text),
    optional("label", Text),
];

const SEGMENTATION_PLACE: &[Field] = &[
    optional("enter_ts", Number),
    optional("enter_local_dt", LocalDt),
    optional("enter_fmt_time", Text),
    optional("exit_ts", Number),
    optional("exit_local_dt", LocalDt),
    optional("exit_fmt_time", Text),
    optional("ending_trip", Id),
    optional("starting_trip", Id),
    needed("location", Point),
    optional("duration", Number),
    needed("source", Text),
];

const SEGMENTATION_SECTION: &[Field] = &[
    needed("trip_id", Id),
    needed("start_ts", Number),
    needed("start_local_dt", LocalDt),
    needed("start_fmt_time", Text),
    needed("end_ts", Number),
    needed("end_local_dt", LocalDt),
    needed("end_fmt_time", Text),
    needed("start_loc", Point),
    needed("end_loc", Point),
    optional("start_stop", Id),
    optional("end_stop", Id),
    needed("duration", Number),
    needed("sensed_mode", Whole),
    needed_or_null("ble_sensed_mode", Object),
    needed("source", Text),
    optional("device", Text),
];

const SEGMENTATION_STOP: &[Field] = &[
    needed("trip_id", Id),
    needed("enter_ts", Number),
    needed("enter_local_dt", LocalDt),
    needed("enter_fmt_time", Text),
    needed("exit_ts", Number),
    needed("exit_local_dt", LocalDt),
    needed("exit_fmt_time", Text),
    needed("enter_loc", Point),
    needed("exit_loc", Point),
    needed("ending_section", Id),
    needed("starting_section", Id),
    needed("duration", Number),
    needed("distance", Number),
    needed("source", Text),
    optional("device", Text),
];

const SEGMENTATION_TRIP: &[Field] = &[
    needed("start_ts", Number),
    needed("start_local_dt", LocalDt),
    needed("start_fmt_time", Text),
    needed("end_ts", Number),
    needed("end_local_dt", LocalDt),
    needed("end_fmt_time", Text),
    needed("start_place", Id),
    needed("end_place", Id),
    needed("start_loc", Point),
    needed("end_loc", Point),
    needed("duration", Number),
    needed("distance", Number),
    needed("source", Text),
    optional("device", Text),
];

const STATEMACHINE_TRANSITION: &[Field] = &[
    needed("curr_state", Whole),
    needed_or_null("transition", Whole),
    needed("ts", Number),
    needed("local_dt", LocalDt),
    needed("fmt_time", Text),
];

const STATS_READING: &[Field] = &[
    optional("name", Text),
    optional("ts", Number),
];

/// Every registered key, sorted.
pub const KEYS: &[KeyInfo] = &[
    KeyInfo {
        key: "analysis/cleaned_place",
        description: "Where a person stayed, joined from all raw places that no trip lies between",
        class: Analysis,
        fields: &[ANALYSIS_PLACE, &[
            needed("raw_places", List),
        ]],
    },
    KeyInfo {
        key: "analysis/cleaned_section",
        description: "A part of a trip in one mode, with points at even times",
        class: Analysis,
        fields: &[ANALYSIS_SECTION],
    },
    KeyInfo {
        key: "analysis/cleaned_stop",
        description: "Between two cleaned sections of a trip",
        class: Analysis,
        fields: &[SEGMENTATION_STOP],
    },
    KeyInfo {
        key: "analysis/cleaned_trip",
        description: "A trip without the points that smoothing has deleted, drawn to the places around it",
        class: Analysis,
        fields: &[ANALYSIS_TRIP, &[
            needed("start_local_dt", LocalDt),
            needed("start_fmt_time", Text),
            needed("end_local_dt", LocalDt),
            needed("end_fmt_time", Text),
            needed("start_loc", Point),
            needed("end_loc", Point),
            needed("duration", Number),
            needed("distance", Number),
            needed("source", Text),
            needed("raw_trip", Id),
        ]],
    },
    KeyInfo {
        key: "analysis/cleaned_untracked",
        description: "A span without readings between two cleaned places",
        class: Analysis,
        fields: &[ANALYSIS_TRIP, &[
            needed("start_local_dt", LocalDt),
            needed("start_fmt_time", Text),
            needed("end_local_dt", LocalDt),
            needed("end_fmt_time", Text),
            needed("start_loc", Point),
            needed("end_loc", Point),
            needed("duration", Number),
            needed("distance", Number),
            needed("source", Text),
        ]],
    },
    KeyInfo {
        key: "analysis/composite_trip",
        description: "A trip with all that a phone shows of it. Its metadata's origin_key says whether it is a confirmed_trip or a confirmed_untracked, whose other members it has as well",
        class: Analysis,
        fields: &[ANALYSIS_TRIP, &[
            optional("start_local_dt", LocalDt),
            optional("start_fmt_time", Text),
            optional("end_local_dt", LocalDt),
            optional("end_fmt_time", Text),
            optional("start_loc", Point),
            optional("end_loc", Point),
            optional("duration", Number),
            optional("distance", Number),
            optional("source", Text),
            optional("cleaned_trip", Id),
            optional("user_input", Object),
            optional("additions", List),
            needed("confirmed_trip", Id),
            needed_or_null("start_confirmed_place", Object),
            needed_or_null("end_confirmed_place", Object),
            needed("locations", List),
            needed("sections", List),
        ]],
    },
    KeyInfo {
        key: "analysis/confirmed_place",
        description: "A stay with what the person entered about it",
        class: Analysis,
        fields: &[ANALYSIS_PLACE, &[
            optional("raw_places", List),
            needed("cleaned_place", Id),
            needed("user_input", Object),
            needed("additions", List),
        ]],
    },
    KeyInfo {
        key: "analysis/confirmed_trip",
        description: "A trip with what the person entered about it",
        class: Analysis,
        fields: &[ANALYSIS_TRIP, &[
            needed("start_local_dt", LocalDt),
            needed("start_fmt_time", Text),
            needed("end_local_dt", LocalDt),
            needed("end_fmt_time", Text),
            needed("start_loc", Point),
            needed("end_loc", Point),
            needed("duration", Number),
            needed("distance", Number),
            needed("source", Text),
            needed("raw_trip", Id),
            needed("cleaned_trip", Id),
            needed("inferred_labels", List),
            needed("inferred_trip", Id),
            needed("expectation", Object),
            needed("confidence_threshold", Number),
            needed("expected_trip", Id),
            needed("inferred_section_summary", Object),
            needed("cleaned_section_summary", Object),
            needed("ble_sensed_summary", Object),
            needed("user_input", Object),
            needed("additions", List),
        ]],
    },
    KeyInfo {
        key: "analysis/confirmed_untracked",
        description: "A span between two places of which nothing is known, with what the person entered about it",
        class: Analysis,
        fields: &[ANALYSIS_TRIP, &[
            needed("start_local_dt", LocalDt),
            needed("start_fmt_time", Text),
            needed("end_local_dt", LocalDt),
            needed("end_fmt_time", Text),
            needed("start_loc", Point),
            needed("end_loc", Point),
            needed("duration", Number),
            needed("distance", Number),
            needed("source", Text),
            needed("user_input", Object),
            needed("additions", List),
        ]],
    },
    KeyInfo {
        key: "analysis/expected_trip",
        description: "An inferred trip with what is expected of its owner",
        class: Analysis,
        fields: &[ANALYSIS_TRIP, &[
            needed("start_local_dt", LocalDt),
            needed("start_fmt_time", Text),
            needed("end_local_dt", LocalDt),
            needed("end_fmt_time", Text),
            needed("start_loc", Point),
            needed("end_loc", Point),
            needed("duration", Number),
            needed("distance", Number),
            needed("source", Text),
            needed("raw_trip", Id),
            needed("cleaned_trip", Id),
            needed("inferred_labels", List),
            needed("inferred_trip", Id),
            needed("expectation", Object),
            needed("confidence_threshold", Number),
        ]],
    },
    KeyInfo {
        key: "analysis/inferred_labels",
        description: "Probable labels of a trip, of all algorithms together",
        class: Analysis,
        fields: &[INFERENCE_LABELS],
    },
    KeyInfo {
        key: "analysis/inferred_section",
        description: "A cleaned section with its most probable mode",
        class: Analysis,
        fields: &[ANALYSIS_SECTION, &[
            needed("cleaned_section", Id),
        ]],
    },
    KeyInfo {
        key: "analysis/inferred_trip",
        description: "A cleaned trip with its probable labels",
        class: Analysis,
        fields: &[ANALYSIS_TRIP, &[
            needed("start_local_dt", LocalDt),
            needed("start_fmt_time", Text),
            needed("end_local_dt", LocalDt),
            needed("end_fmt_time", Text),
            needed("start_loc", Point),
            needed("end_loc", Point),
            needed("duration", Number),
            needed("distance", Number),
            needed("source", Text),
            needed("raw_trip", Id),
            needed("cleaned_trip", Id),
            needed("inferred_labels", List),
        ]],
    },
    KeyInfo {
        key: "analysis/recreated_location",
        description: "A point of a cleaned section, every 30 s and at its end; the only point of a section is the phone's own, with all its members",
        class: Analysis,
        fields: &[ANALYSIS_RECREATED_LOCATION],
    },
    KeyInfo {
        key: "analysis/smoothing",
        description: "Which points of a section are thrown out because a person cannot have jumped there",
        class: Analysis,
        fields: &[ANALYSIS_SMOOTHING],
    },
    KeyInfo {
        key: "background/battery",
        description: "charge of the phone",
        class: Raw,
        fields: &[BACKGROUND_BATTERY],
    },
    KeyInfo {
        key: "background/bluetooth_ble",
        description: "beacons in vehicles",
        class: Raw,
        fields: &[BACKGROUND_BLE],
    },
    KeyInfo {
        key: "background/filtered_location",
        description: "positions that the phone or the accuracy filter chose",
        class: Raw,
        fields: &[BACKGROUND_LOCATION],
    },
    KeyInfo {
        key: "background/location",
        description: "every position",
        class: Raw,
        fields: &[BACKGROUND_LOCATION],
    },
    KeyInfo {
        key: "background/motion_activity",
        description: "what the phone thinks its owner is doing",
        class: Raw,
        fields: &[BACKGROUND_MOTION_ACTIVITY],
    },
    KeyInfo {
        key: "config/app_ui_config",
        description: "how the app looks",
        class: Raw,
        fields: &[CONFIG_APP_UI_CONFIG],
    },
    KeyInfo {
        key: "config/consent",
        description: "what the person agreed to",
        class: Raw,
        fields: &[CONFIG_CONSENT],
    },
    KeyInfo {
        key: "config/sensor_config",
        description: "how the phone senses",
        class: Raw,
        fields: &[CONFIG_SENSOR_CONFIG],
    },
    KeyInfo {
        key: "config/sync_config",
        description: "when the phone syncs",
        class: Raw,
        fields: &[CONFIG_SYNC_CONFIG],
    },
    KeyInfo {
        key: "inference/labels",
        description: "Probable labels of a trip, by one algorithm",
        class: Analysis,
        fields: &[INFERENCE_LABELS],
    },
    KeyInfo {
        key: "inference/prediction",
        description: "Probable modes of a section",
        class: Analysis,
        fields: &[INFERENCE_MODE_PREDICTION],
    },
    KeyInfo {
        key: "manual/demographic_survey",
        description: "a form about the person",
        class: Raw,
        fields: &[MANUAL_SURVEY],
    },
    KeyInfo {
        key: "manual/destination_confirm",
        description: "where a trip went",
        class: Raw,
        fields: &[MANUAL_USER_LABEL],
    },
    KeyInfo {
        key: "manual/incident",
        description: "a place that felt unsafe",
        class: Raw,
        fields: &[MANUAL_INCIDENT],
    },
    KeyInfo {
        key: "manual/mode_confirm",
        description: "how a trip was travelled",
        class: Raw,
        fields: &[MANUAL_USER_LABEL],
    },
    KeyInfo {
        key: "manual/place_addition_input",
        description: "a further activity in a stay",
        class: Raw,
        fields: &[MANUAL_USER_INPUT],
    },
    KeyInfo {
        key: "manual/place_user_input",
        description: "a form about a stay",
        class: Raw,
        fields: &[MANUAL_USER_INPUT],
    },
    KeyInfo {
        key: "manual/purpose_confirm",
        description: "what a trip was for",
        class: Raw,
        fields: &[MANUAL_USER_LABEL],
    },
    KeyInfo {
        key: "manual/replaced_mode",
        description: "how the trip would have been travelled otherwise",
        class: Raw,
        fields: &[MANUAL_USER_LABEL],
    },
    KeyInfo {
        key: "manual/trip_addition_input",
        description: "a further activity in a trip",
        class: Raw,
        fields: &[MANUAL_USER_INPUT],
    },
    KeyInfo {
        key: "manual/trip_user_input",
        description: "a form about a trip",
        class: Raw,
        fields: &[MANUAL_USER_INPUT],
    },
    KeyInfo {
        key: "segmentation/raw_place",
        description: "Where a person was between two trips, before cleaning",
        class: Analysis,
        fields: &[SEGMENTATION_PLACE],
    },
    KeyInfo {
        key: "segmentation/raw_section",
        description: "A part of a trip, travelled in one way, before cleaning",
        class: Analysis,
        fields: &[SEGMENTATION_SECTION],
    },
    KeyInfo {
        key: "segmentation/raw_stop",
        description: "Between two sections of a trip, before cleaning",
        class: Analysis,
        fields: &[SEGMENTATION_STOP],
    },
    KeyInfo {
        key: "segmentation/raw_trip",
        description: "A trip between two places, before cleaning",
        class: Analysis,
        fields: &[SEGMENTATION_TRIP],
    },
    KeyInfo {
        key: "segmentation/raw_untracked",
        description: "A span between two places of which nothing is known; it begins 5 s after the arrival at the place before, and its local times are those of the arrival",
        class: Analysis,
        fields: &[SEGMENTATION_TRIP],
    },
    KeyInfo {
        key: "statemachine/transition",
        description: "how trip detection moved between its states",
        class: Raw,
        fields: &[STATEMACHINE_TRANSITION],
    },
    KeyInfo {
        key: "stats/client_error",
        description: "what went wrong in the app",
        class: Raw,
        fields: &[STATS_READING],
    },
    KeyInfo {
        key: "stats/client_nav_event",
        description: "where the person went in the app",
        class: Raw,
        fields: &[STATS_READING],
    },
    KeyInfo {
        key: "stats/client_time",
        description: "how long the app took",
        class: Raw,
        fields: &[STATS_READING],
    },
    KeyInfo {
        key: "stats/dashboard_error",
        description: "what went wrong in the dashboard",
        class: Raw,
        fields: &[STATS_READING],
    },
    KeyInfo {
        key: "stats/dashboard_time",
        description: "how long the dashboard took",
        class: Raw,
        fields: &[STATS_READING],
    },
    KeyInfo {
        key: "stats/pipeline_error",
        description: "what went wrong in stages",
        class: Raw,
        fields: &[STATS_READING],
    },
    KeyInfo {
        key: "stats/pipeline_time",
        description: "how long stages took",
        class: Raw,
        fields: &[STATS_READING],
    },
    KeyInfo {
        key: "stats/server_api_error",
        description: "what went wrong in calls",
        class: Raw,
        fields: &[STATS_READING],
    },
    KeyInfo {
        key: "stats/server_api_time",
        description: "how long calls took",
        class: Raw,
        fields: &[STATS_READING],
    },
];
