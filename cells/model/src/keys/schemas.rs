//! The schemas of the keys whose data no cell of ours describes, sorted.
//!
//! `cargo xtask schemas` makes this file from the structs of the model: see `described`.

/// Key and JSON Schema.
pub const SCHEMAS: &[(&str, &str)] = &[
    ("analysis/recreated_location", include_str!("../../schemas/analysis/recreated_location.json")),
    ("background/battery", include_str!("../../schemas/background/battery.json")),
    ("background/bluetooth_ble", include_str!("../../schemas/background/bluetooth_ble.json")),
    ("background/filtered_location", include_str!("../../schemas/background/filtered_location.json")),
    ("background/location", include_str!("../../schemas/background/location.json")),
    ("background/motion_activity", include_str!("../../schemas/background/motion_activity.json")),
    ("config/app_ui_config", include_str!("../../schemas/config/app_ui_config.json")),
    ("config/consent", include_str!("../../schemas/config/consent.json")),
    ("config/sensor_config", include_str!("../../schemas/config/sensor_config.json")),
    ("config/sync_config", include_str!("../../schemas/config/sync_config.json")),
    ("manual/demographic_survey", include_str!("../../schemas/manual/demographic_survey.json")),
    ("manual/destination_confirm", include_str!("../../schemas/manual/destination_confirm.json")),
    ("manual/incident", include_str!("../../schemas/manual/incident.json")),
    ("manual/mode_confirm", include_str!("../../schemas/manual/mode_confirm.json")),
    ("manual/place_addition_input", include_str!("../../schemas/manual/place_addition_input.json")),
    ("manual/place_user_input", include_str!("../../schemas/manual/place_user_input.json")),
    ("manual/purpose_confirm", include_str!("../../schemas/manual/purpose_confirm.json")),
    ("manual/replaced_mode", include_str!("../../schemas/manual/replaced_mode.json")),
    ("manual/trip_addition_input", include_str!("../../schemas/manual/trip_addition_input.json")),
    ("manual/trip_user_input", include_str!("../../schemas/manual/trip_user_input.json")),
    ("statemachine/transition", include_str!("../../schemas/statemachine/transition.json")),
    ("stats/client_error", include_str!("../../schemas/stats/client_error.json")),
    ("stats/client_nav_event", include_str!("../../schemas/stats/client_nav_event.json")),
    ("stats/client_time", include_str!("../../schemas/stats/client_time.json")),
    ("stats/dashboard_error", include_str!("../../schemas/stats/dashboard_error.json")),
    ("stats/dashboard_time", include_str!("../../schemas/stats/dashboard_time.json")),
    ("stats/pipeline_error", include_str!("../../schemas/stats/pipeline_error.json")),
    ("stats/pipeline_time", include_str!("../../schemas/stats/pipeline_time.json")),
    ("stats/server_api_error", include_str!("../../schemas/stats/server_api_error.json")),
    ("stats/server_api_time", include_str!("../../schemas/stats/server_api_time.json")),
];
