//! Rows of docs/reference-differences.md about the import that no other test covers.

use cells_sdk::testing::Memory;
use cells_sdk::{Area, Outcome};
use cells_usercache_to_timeseries::run;
use serde_json::{Value, json};

const NOW: f64 = 1_600_100_000.0;
const WRITE_TS: f64 = 1_600_000_000.5;
const LOCATION: &str = r#"{"latitude":47,"longitude":8.5,"bearing":0,"ts":1600000000}"#;

fn metadata(platform: &str, key: &str, write_ts: f64) -> Value {
    json!({ "key": key, "platform": platform, "type": "message", "write_ts": write_ts, "time_zone": "Europe/Zurich" })
}

/// The memory and the outcome after a run over the waiting entries.
fn after(waiting: &[(Value, &str)]) -> (Memory, Outcome) {
    let put = |memory: Memory, (metadata, data): &(Value, &str)| {
        memory.with_entry(Area::Usercache, &metadata.to_string(), data)
    };
    let mut memory = waiting.iter().fold(Memory::new(), put);
    let outcome = memory.run_stage(run, NOW, Outcome::default()).expect("sound");
    (memory, outcome)
}

/// The data in the timeseries of one entry that waited.
fn taken_in(platform: &str, key: &str, data: &str) -> Value {
    let (memory, _) = after(&[(metadata(platform, key, WRITE_TS), data)]);
    assert_eq!(memory.of_key(key).len(), 1, "{platform} {key} {data}");
    memory.of_key(key)[0].data()
}

/// Expects one entry to be set aside as it was put, with a reason.
fn assert_set_aside(metadata: &Value, data: &str) {
    let (memory, outcome) = after(&[(metadata.clone(), data)]);
    let errors = memory.entries(Area::Errors);
    assert_eq!(errors.len(), 1, "{metadata} {data}");
    assert_eq!((&errors[0].metadata(), &*errors[0].data), (metadata, data));
    assert!(errors[0].extra()["error"]["reason"].as_str().is_some_and(|reason| !reason.is_empty()));
    assert!(memory.entries(Area::Usercache).is_empty() && memory.entries(Area::Timeseries).is_empty());
    assert_eq!(outcome.processed_through, None);
}

// Row: "An entry of an unknown type"
#[test]
fn an_entry_of_a_type_that_no_phone_sends_is_set_aside() {
    let mut odd = metadata("android", "background/location", WRITE_TS);
    odd["type"] = "odd".into();
    assert_set_aside(&odd, LOCATION);
}

// Row: "Unknown platform, key, zone"
// Row: "Only the part of a key behind the slash"
#[test]
fn an_entry_with_an_unknown_word_or_number_is_set_aside_unchanged() {
    let of = |platform, key| metadata(platform, key, WRITE_TS);
    let mut nowhere = of("android", "background/location");
    nowhere["time_zone"] = "Mars/Olympus_Mons".into();
    for (metadata, data) in [
        (of("web", "background/location"), LOCATION),
        (of("android", "background/no_such_reading"), LOCATION),
        (of("android", "foo/location"), LOCATION),
        (nowhere, LOCATION),
        (of("android", "background/motion_activity"), r#"{"type":99,"confidence":80,"ts":1600000000}"#),
        (
            of("android", "statemachine/transition"),
            r#"{"currState":"x","transition":"booted","ts":1600000000}"#,
        ),
        (
            of("ios", "statemachine/transition"),
            r#"{"currState":"STATE_START","transition":"T_X","ts":1600000000}"#,
        ),
        (
            of("android", "background/battery"),
            r#"{"battery_status":9,"battery_level_pct":50,"ts":1600000000}"#,
        ),
    ] {
        assert_set_aside(&metadata, data);
    }
}

// Row: "A bad entry behind the last good one"
// Row: "The mark is write_ts of the last *good* entry"
#[test]
fn a_bad_entry_after_the_last_good_one_is_set_aside_and_the_mark_is_that_of_the_good_one() {
    let good = (metadata("android", "background/location", WRITE_TS), LOCATION);
    let bad = (metadata("web", "background/location", WRITE_TS + 10.0), LOCATION);
    let (memory, outcome) = after(&[bad, good]);
    assert_eq!((memory.entries(Area::Timeseries).len(), memory.entries(Area::Errors).len()), (1, 1));
    assert!(memory.entries(Area::Usercache).is_empty());
    assert_eq!(outcome.processed_through, Some(WRITE_TS));
}

// Row: "`manual/place_user_input` has no formatter"
#[test]
fn an_input_about_a_place_is_imported_like_one_about_a_trip() {
    let data = r#"{"start_ts":1600000000,"end_ts":1600000060,"label":"home"}"#;
    let of_trip = taken_in("android", "manual/trip_user_input", data);
    assert_eq!(of_trip["start_fmt_time"], "2020-09-13T14:26:40+02:00");
    assert_eq!(taken_in("android", "manual/place_user_input", data), of_trip);
}

// Row: "On Android, `config/sensor_config`"
#[test]
fn settings_of_an_android_phone_are_imported_like_those_of_an_iphone() {
    for key in ["config/sensor_config", "config/sync_config", "config/consent"] {
        for platform in ["android", "ios"] {
            assert_eq!(taken_in(platform, key, r#"{"a":1}"#)["a"], 1, "{platform} {key}");
        }
    }
}

// Row: "`statemachine/transition` loses the phone's `ts`"
#[test]
fn transitions_activities_of_iphones_and_batteries_are_about_the_moment_they_were_written() {
    const FLAGS: &str = r#""walking":true,"stationary":false,"running":false,"cycling":false,"automotive":false,"unknown":false"#;
    for (platform, key, data) in [
        ("android", "statemachine/transition", r#""currState":"local.state.start","transition":"booted""#),
        ("ios", "statemachine/transition", r#""currState":"STATE_START","transition":"T_TRIP_ENDED""#),
        ("ios", "background/motion_activity", &format!(r#""confidence":"high",{FLAGS}"#)),
        ("android", "background/battery", r#""battery_status":2,"battery_level_pct":50"#),
        ("ios", "background/battery", r#""battery_status":2,"battery_level_ratio":0.5"#),
    ] {
        let data = taken_in(platform, key, &format!(r#"{{"ts":1599990000,{data}}}"#));
        assert_eq!(data["ts"], WRITE_TS, "{platform} {key}");
        assert_eq!(data["fmt_time"], "2020-09-13T14:26:40.500000+02:00", "{platform} {key}");
    }
}

// Row: "Local times of an Android activity"
#[test]
fn an_activity_of_an_android_phone_keeps_its_time_and_has_the_local_time_of_its_writing() {
    let data =
        taken_in("android", "background/motion_activity", r#"{"type":7,"confidence":80,"ts":1599990000}"#);
    assert_eq!(data["ts"], 1_599_990_000);
    assert_eq!(data["fmt_time"], "2020-09-13T14:26:40.500000+02:00");
    assert_eq!((&data["local_dt"]["hour"], &data["local_dt"]["minute"]), (&14.into(), &26.into()));
}

// Row: "Coordinates outside ±90° and ±180°"
#[test]
fn a_place_off_the_globe_is_set_aside_and_its_edges_are_on_it() {
    let at = |latitude: &str, longitude: &str| {
        format!(r#"{{"latitude":{latitude},"longitude":{longitude},"bearing":0,"ts":1600000000}}"#)
    };
    for (latitude, longitude) in [("90.1", "8"), ("-90.1", "8"), ("47", "180.1"), ("47", "-180.1")] {
        assert_set_aside(&metadata("android", "background/location", WRITE_TS), &at(latitude, longitude));
    }
    for (latitude, longitude) in [("90", "180"), ("-90", "-180")] {
        taken_in("android", "background/location", &at(latitude, longitude));
    }
}

// Row: "A member of the wrong type passes"
#[test]
fn a_member_of_the_wrong_type_sets_the_entry_aside() {
    for (member, key) in [
        (r#""latitude":"47""#, "background/location"),
        (r#""accuracy":"fine""#, "background/location"),
        (r#""ts":"now""#, "background/location"),
        (r#""filter":7"#, "background/location"),
    ] {
        let name = member.split(':').next().expect("a name");
        let others = [r#""latitude":47"#, r#""longitude":8"#, r#""bearing":0"#, r#""ts":1600000000"#];
        let others = others.into_iter().filter(|other| !other.starts_with(name));
        let data = others.chain([member]).collect::<Vec<_>>().join(",");
        assert_set_aside(&metadata("android", key, WRITE_TS), &format!("{{{data}}}"));
    }
}

// Row: "The next window starts at the last result's time"
#[test]
fn a_window_ends_5_s_before_now_and_its_end_belongs_to_it() {
    let end = NOW - 5.0;
    for (write_ts, area) in [(end, Area::Timeseries), (end.next_up(), Area::Usercache)] {
        let (memory, _) = after(&[(metadata("android", "background/location", write_ts), LOCATION)]);
        assert_eq!(memory.entries(area).len(), 1, "{write_ts}");
    }
}
