//! The table: every key of the reference, sorted, with the members that are checked.

use super::Class::{Analysis, Raw};
use super::Kind::{Flag, Id, List, LocalDt, Number, Object, Point, Text, Whole};
use super::{Field, KeyInfo, Kind};

const fn needed(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, needed: true, nullable: false }
}

const fn needed_or_null(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, needed: true, nullable: true }
}

/// `null` will do: what may be left out may also be empty.
const fn optional(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, needed: false, nullable: true }
}

pub(super) const POINT: [Field; 2] = [needed("type", Text), needed("coordinates", List)];
pub(super) const ID: [Field; 1] = [needed("$oid", Text)];
pub(super) const LOCAL_DT: [Field; 8] = [
    needed("year", Whole),
    needed("month", Whole),
    needed("day", Whole),
    needed("hour", Whole),
    needed("minute", Whole),
    needed("second", Whole),
    needed("weekday", Whole),
    needed("timezone", Text),
];

const AT: &[Field] = &[needed("ts", Number), needed("local_dt", LocalDt), needed("fmt_time", Text)];
/// The reference leaves the local forms out of the last point of some sections.
const AT_POINT: &[Field] = &[needed("ts", Number), optional("local_dt", LocalDt), optional("fmt_time", Text)];
const SPAN: &[Field] = &[
    needed("start_ts", Number),
    needed("end_ts", Number),
    optional("start_local_dt", LocalDt),
    optional("start_fmt_time", Text),
    optional("end_local_dt", LocalDt),
    optional("end_fmt_time", Text),
];
const LOCATION: &[Field] = &[
    needed("latitude", Number),
    needed("longitude", Number),
    needed("loc", Point),
    optional("altitude", Number),
    optional("accuracy", Number),
    optional("sensed_speed", Number),
    optional("heading", Number),
    optional("filter", Text),
];
const ACTIVITY: &[Field] = &[needed("type", Whole), optional("confidence", Number)];
const TRANSITION: &[Field] = &[needed("curr_state", Whole), needed_or_null("transition", Whole)];
const BATTERY: &[Field] = &[needed("battery_level_pct", Number), needed("battery_status", Whole)];
const BLE: &[Field] = &[
    needed("eventType", Whole),
    optional("uuid", Text),
    optional("major", Number),
    optional("minor", Number),
];
const LABEL: &[Field] = &[optional("label", Text)];
const FORM: &[Field] = &[
    optional("label", Text),
    optional("name", Text),
    optional("xmlResponse", Text),
    optional("match_id", Text),
    optional("status", Text),
];
const INCIDENT: &[Field] = &[optional("loc", Point), optional("stress", Number)];
const READING: &[Field] = &[optional("name", Text), optional("ts", Number)];
const SENSOR: &[Field] = &[
    optional("is_duty_cycling", Flag),
    optional("accuracy", Number),
    optional("filter_distance", Number),
    optional("filter_time", Number),
    optional("geofence_radius", Number),
];
const SYNC: &[Field] = &[optional("sync_interval", Number)];
const CONSENT: &[Field] =
    &[optional("category", Text), optional("protocol_id", Text), optional("approval_date", Text)];
const TRIP: &[Field] = &[
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
    optional("source", Text),
];
const PLACE: &[Field] = &[
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
    optional("source", Text),
];
const SECTION: &[Field] = &[
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
    optional("source", Text),
];
const MEASURED: &[Field] = &[needed("speeds", List), needed("distances", List), needed("distance", Number)];
const STOP: &[Field] = &[
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
    optional("source", Text),
];
const CLEANED: &[Field] = &[needed("raw_trip", Id)];
const INFERRED: &[Field] = &[needed("cleaned_trip", Id), needed("inferred_labels", List)];
const EXPECTED: &[Field] =
    &[needed("inferred_trip", Id), needed("expectation", Object), needed("confidence_threshold", Number)];
const CONFIRMED: &[Field] = &[
    needed("expected_trip", Id),
    needed("inferred_section_summary", Object),
    needed("cleaned_section_summary", Object),
    needed("ble_sensed_summary", Object),
];
const ENTERED: &[Field] = &[needed("user_input", Object), needed("additions", List)];
const COMPOSITE: &[Field] = &[
    needed("confirmed_trip", Id),
    needed("start_confirmed_place", Object),
    needed("end_confirmed_place", Object),
    needed("locations", List),
    needed("sections", List),
];
const CLEANED_PLACE: &[Field] = &[optional("raw_places", List)];
const CONFIRMED_PLACE: &[Field] = &[needed("cleaned_place", Id)];
const INFERRED_SECTION: &[Field] = &[needed("cleaned_section", Id)];
const SMOOTHING: &[Field] = &[needed("section", Id), needed("deleted_points", List)];
const RECREATED: &[Field] = &[
    needed("latitude", Number),
    needed("longitude", Number),
    needed("loc", Point),
    optional("altitude", Number),
    needed("distance", Number),
    needed("speed", Number),
    needed("heading", Number),
    needed("mode", Whole),
    needed("section", Id),
];
const PREDICTION: &[Field] = &[
    needed("trip_id", Id),
    needed("algorithm_id", Whole),
    needed("start_ts", Number),
    needed("end_ts", Number),
];
const MODE: &[Field] = &[needed("section_id", Id), needed("predicted_mode_map", Object)];
const LABELS: &[Field] = &[needed("prediction", List)];

const fn key(
    key: &'static str,
    description: &'static str,
    class: super::Class,
    fields: &'static [&'static [Field]],
) -> KeyInfo {
    KeyInfo { key, description, class, fields }
}

/// Every registered key, sorted.
pub const KEYS: &[KeyInfo] = &[
    key("analysis/cleaned_place", "a stay, joined from raw ones", Analysis, &[PLACE, CLEANED_PLACE]),
    key("analysis/cleaned_section", "a section after smoothing", Analysis, &[SECTION, MEASURED]),
    key("analysis/cleaned_stop", "a stop after smoothing", Analysis, &[STOP]),
    key("analysis/cleaned_trip", "a trip after smoothing and joining", Analysis, &[TRIP, CLEANED]),
    key("analysis/cleaned_untracked", "a span with no readings, joined", Analysis, &[TRIP]),
    key(
        "analysis/composite_trip",
        "a confirmed trip with all that the diary shows",
        Analysis,
        &[TRIP, ENTERED, COMPOSITE],
    ),
    key(
        "analysis/confirmed_place",
        "a stay with what the person entered",
        Analysis,
        &[PLACE, CONFIRMED_PLACE, ENTERED],
    ),
    key(
        "analysis/confirmed_trip",
        "a trip with what the person entered",
        Analysis,
        &[TRIP, INFERRED, EXPECTED, CONFIRMED, ENTERED],
    ),
    key(
        "analysis/confirmed_untracked",
        "a span with no readings, with what the person entered",
        Analysis,
        &[TRIP, ENTERED],
    ),
    key(
        "analysis/expected_trip",
        "a trip with what the person is asked",
        Analysis,
        &[TRIP, INFERRED, EXPECTED],
    ),
    key(
        "analysis/inferred_labels",
        "the labels that were chosen for a trip",
        Analysis,
        &[PREDICTION, LABELS],
    ),
    key(
        "analysis/inferred_section",
        "a section with its probable mode",
        Analysis,
        &[SECTION, MEASURED, INFERRED_SECTION],
    ),
    key("analysis/inferred_trip", "a trip with its probable labels", Analysis, &[TRIP, INFERRED]),
    key("analysis/recreated_location", "a section resampled to even times", Analysis, &[RECREATED, AT_POINT]),
    key("analysis/smoothing", "which points of a section were thrown out", Analysis, &[SMOOTHING]),
    key("background/battery", "charge of the phone", Raw, &[BATTERY, AT]),
    key("background/bluetooth_ble", "beacons in vehicles", Raw, &[BLE, AT]),
    key(
        "background/filtered_location",
        "positions that the phone or the accuracy filter chose",
        Raw,
        &[LOCATION, AT],
    ),
    key("background/location", "every position", Raw, &[LOCATION, AT]),
    key("background/motion_activity", "what the phone thinks its owner is doing", Raw, &[ACTIVITY, AT]),
    key("config/app_ui_config", "how the app looks", Raw, &[AT]),
    key("config/consent", "what the person agreed to", Raw, &[CONSENT]),
    key("config/sensor_config", "how the phone senses", Raw, &[SENSOR]),
    key("config/sync_config", "when the phone syncs", Raw, &[SYNC]),
    key("inference/labels", "probable labels of a trip", Analysis, &[PREDICTION, LABELS]),
    key("inference/prediction", "probable modes of a section", Analysis, &[PREDICTION, MODE]),
    key("manual/demographic_survey", "a form about the person", Raw, &[FORM, AT]),
    key("manual/destination_confirm", "where a trip went", Raw, &[SPAN, LABEL]),
    key("manual/incident", "a place that felt unsafe", Raw, &[INCIDENT, AT]),
    key("manual/mode_confirm", "how a trip was travelled", Raw, &[SPAN, LABEL]),
    key("manual/place_addition_input", "a further activity in a stay", Raw, &[SPAN, FORM]),
    key("manual/place_user_input", "a form about a stay", Raw, &[SPAN, FORM]),
    key("manual/purpose_confirm", "what a trip was for", Raw, &[SPAN, LABEL]),
    key("manual/replaced_mode", "how the trip would have been travelled otherwise", Raw, &[SPAN, LABEL]),
    key("manual/trip_addition_input", "a further activity in a trip", Raw, &[SPAN, FORM]),
    key("manual/trip_user_input", "a form about a trip", Raw, &[SPAN, FORM]),
    key("segmentation/raw_place", "a stay between two trips", Analysis, &[PLACE]),
    key("segmentation/raw_section", "a part of a trip in one mode", Analysis, &[SECTION]),
    key("segmentation/raw_stop", "between two sections of a trip", Analysis, &[STOP]),
    key("segmentation/raw_trip", "movement between two places", Analysis, &[TRIP]),
    key("segmentation/raw_untracked", "a span with no readings between two places", Analysis, &[TRIP]),
    key("statemachine/transition", "how trip detection moved between its states", Raw, &[TRANSITION, AT]),
    key("stats/client_error", "what went wrong in the app", Raw, &[READING]),
    key("stats/client_nav_event", "where the person went in the app", Raw, &[READING]),
    key("stats/client_time", "how long the app took", Raw, &[READING]),
    key("stats/dashboard_error", "what went wrong in the dashboard", Raw, &[READING]),
    key("stats/dashboard_time", "how long the dashboard took", Raw, &[READING]),
    key("stats/pipeline_error", "what went wrong in stages", Raw, &[READING]),
    key("stats/pipeline_time", "how long stages took", Raw, &[READING]),
    key("stats/server_api_error", "what went wrong in calls", Raw, &[READING]),
    key("stats/server_api_time", "how long calls took", Raw, &[READING]),
];
