//! The same bodies over texts that have the shape of what phones send, and over any bytes.

mod strangers;

use proptest::prelude::*;

use super::*;

/// A zip of several files, one packed with gzip, and archives of a person.
const PACKED: [&[u8]; 5] = [
    include_bytes!("../../seeds/import_packed/deflated.zip"),
    include_bytes!("../../seeds/import_packed/stored.zip"),
    include_bytes!("../../seeds/import_packed/gpx.gz"),
    include_bytes!("../../seeds/import_archived/deflated.zip"),
    include_bytes!("../../seeds/import_archived/stored.zip"),
];

fn cases() -> ProptestConfig {
    ProptestConfig::with_cases(if std::env::var_os("CELLAR_LONG").is_some() { 200_000 } else { 2_000 })
}

/// JSON, or nearly: now and then a word that JSON does not have.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("NaN".to_owned()),
        Just("1e999".to_owned()),
        Just("\"\\ud800\"".to_owned()),
        any::<bool>().prop_map(|it| it.to_string()),
        any::<f64>().prop_map(|it| format!("{it}")),
        (1e9..2e12).prop_map(|it: f64| format!("{it}")),
        any::<i64>().prop_map(|it| it.to_string()),
        "\"[a-zA-Z/_0-9ü]{0,12}\"",
        Just("\"background/location\"".to_owned()),
        Just("\"Europe/Berlin\"".to_owned()),
    ];
    leaf.prop_recursive(4, 40, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(|list| format!("[{}]", list.join(","))),
            object(inner),
        ]
    })
}

fn object(values: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let names = prop_oneof![
        prop::sample::select(&[
            "key",
            "type",
            "write_ts",
            "time_zone",
            "platform",
            "metadata",
            "data",
            "ts",
            "latitude",
            "longitude",
            "accuracy",
            "start_ts",
            "end_ts",
            "phone_to_server",
            "the_entry",
            "zzaEh",
            "sensed_speed",
            "filter",
            "currentState",
            "transition",
            "elapsedRealtimeNanos",
            "user",
            "key_list",
            "start_time",
            "end_time",
        ])
        .prop_map(str::to_owned),
        "[a-z.$]{0,6}",
    ];
    prop::collection::vec((names, values), 0..8).prop_map(|members| {
        let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    })
}

fn entry() -> impl Strategy<Value = String> {
    let keys = prop::sample::select(&[
        "background/location",
        "background/motion_activity",
        "statemachine/transition",
        "background/battery",
        "config/sensor_config",
        "stats/client_time",
        "manual/mode_confirm",
        "unheard/of",
        "none",
    ]);
    let kinds = prop::sample::select(&["sensor-data", "message", "rw-document", "other"]);
    let platforms = prop::sample::select(&["android", "ios", "web"]);
    let zones = prop::sample::select(&["Europe/Berlin", "America/Los_Angeles", "Mars/Olympus"]);
    let times = prop_oneof![1.2e9..1.7e9, 1.2e12..1.7e12, any::<f64>()];
    (keys, kinds, platforms, zones, times, object(value())).prop_map(|(key, kind, platform, zone, ts, data)| {
        format!(
            r#"{{"metadata":{{"key":"{key}","type":"{kind}","platform":"{platform}","time_zone":"{zone}","write_ts":{ts}}},"data":{data}}}"#
        )
    })
}

fn framed(form: u8, text: &str) -> Vec<u8> {
    [&[form], text.as_bytes()].concat()
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn any_batch_is_accepted_or_refused_with_a_reason(entries in prop::collection::vec(entry(), 0..6)) {
        put_and_take_in(&framed(1, &entries.join(",")));
    }

    #[test]
    fn any_data_is_taken_in_or_set_aside(data in value(), form in 2_u8..4) {
        put_and_take_in(&framed(form, &data));
    }

    #[test]
    fn any_body_has_an_answer(body in object(value())) {
        put_and_take_in(&framed(0, &body));
        request_for_entries(body.as_bytes());
    }

    #[test]
    fn a_changed_byte_anywhere_in_a_batch_has_an_answer(entry in entry(), at: prop::sample::Index, to: u8) {
        let mut bytes = framed(1, &entry);
        let at = 1 + at.index(bytes.len() - 1);
        bytes[at] = to;
        put_and_take_in(&bytes);
    }

    #[test]
    fn any_request_of_a_tracker_is_answered(
        form in 0_u8..8, value in value(),
        kind in prop::sample::select(&["location", "transition", "waypoint", "encrypted", "other"]),
        tst in prop_oneof![(1.2e9..1.7e9).prop_map(|ts: f64| ts.to_string()), Just("\"x\"".to_owned())],
    ) {
        let place = format!(r#""_type":"{kind}","tst":{tst},"lat":46.5,"lon":6.6,"batt":{value},"vel":{value}"#);
        let feature = format!(
            r#"{{"geometry":{{"coordinates":[6.6,46.5]}},"properties":{{"timestamp":{tst},"motion":{value},"speed":{value}}}}}"#
        );
        receivers(&framed(form, &format!("{{{place}}}")));
        receivers(&framed(form, &format!(r#"{{"locations":[{feature},{value}],"location":{feature}}}"#)));
        receivers(&framed(form, &format!("zone=UTC&lat=46.5&lon=6.6&timestamp={tst}&speed={value}&batt={value}")));
    }

    #[test]
    fn members_are_found_in_any_object(text in object(value())) {
        json_members(text.as_bytes());
    }

    #[test]
    fn packed_files_that_were_changed_or_cut_break_no_promise(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        end in prop::option::of(any::<prop::sample::Index>()),
    ) {
        for sample in PACKED {
            let mut bytes = sample.to_vec();
            changes.iter().for_each(|(at, byte)| bytes[at.index(sample.len())] = *byte);
            bytes.truncate(end.map_or(sample.len(), |end| end.index(sample.len())));
            imports::packed(&bytes);
            imports::archived(&bytes);
        }
    }

    #[test]
    fn no_bytes_break_a_promise(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for (_, body) in TARGETS {
            body(&bytes);
        }
    }
}
