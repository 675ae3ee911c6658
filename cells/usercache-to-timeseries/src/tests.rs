use super::*;
use cells_sdk::testing::Memory;
use proptest::prelude::*;
use serde_json::Value;

const NOW: f64 = 1_600_100_000.0;

fn metadata(platform: &str, key: &str, write_ts: f64) -> String {
    format!(
        r#"{{"platform":"{platform}","key":"{key}","type":"message","write_ts":{write_ts:?},"time_zone":"Europe/Zurich"}}"#
    )
}

fn formatted(platform: &str, key: &str, data: &str) -> Result<(Value, Value), Reason> {
    let metadata = metadata(platform, key, 1_600_000_000.5);
    let formatted = format(&mut Zones::new(), WriteClock::Right, key, &metadata, data)?;
    let read = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
    let (metadata, data) = (read(&formatted.metadata), read(&formatted.data));
    assert_eq!(metadata["write_fmt_time"], "2020-09-13T14:26:40.500000+02:00");
    assert_eq!(cells_model::keys::check(formatted.key, &formatted.data), Ok(()), "{}", formatted.data);
    Ok((metadata, data))
}

#[test]
fn unchanged_parts_keep_their_text() {
    let data = r#"{"latitude":1.50,"longitude":2e0,"bearing":0.10,"ts":1600000000,"altitude":1.00,"own":{"a": 1.0}}"#;
    let text = metadata("android", "background/location", 1_600_000_000.0);
    let formatted =
        format(&mut Zones::new(), WriteClock::Right, "background/location", &text, data).expect("sound");
    for part in [
        r#""latitude":1.50"#,
        r#""heading":0.10"#,
        r#""altitude":1.00"#,
        r#""own":{"a": 1.0}"#,
        r#""coordinates":[2e0,1.50]"#,
    ] {
        assert!(formatted.data.contains(part), "{part} in {}", formatted.data);
    }
}

#[test]
fn the_activity_is_found_under_the_name_of_every_play_services_version() {
    let names = [
        ("agb", "agc"),
        ("zzaEg", "zzaEh"),
        ("zzbjA", "zzbjB"),
        ("ajO", "ajP"),
        ("zzaKM", "zzaKN"),
        ("zzbhB", "zzbhC"),
    ];
    for (kind, confidence) in names {
        let data = format!(r#"{{"{kind}":7,"{confidence}":75,"other":1}}"#);
        let (_, data) = formatted("android", "background/motion_activity", &data).expect("sound");
        assert_eq!(
            (&data["type"], &data["confidence"], &data["ts"]),
            (&7.into(), &75.into(), &1_600_000_000.5.into())
        );
        assert!(data.get("other").is_none(), "without ts, only the activity is kept");
    }
    let (_, data) = formatted(
        "android",
        "background/motion_activity",
        r#"{"type":2,"confidence":80,"ts":1599999999,"other":1}"#,
    )
    .expect("sound");
    assert_eq!((&data["ts"], &data["other"]), (&1_599_999_999.into(), &1.into()));
}

#[test]
fn flags_of_an_iphone_become_one_activity() {
    let with = |flags: &[&str]| {
        let flag = |name: &str| format!(r#""{name}":{}"#, flags.contains(&name));
        let all =
            ["stationary", "walking", "running", "cycling", "automotive", "unknown"].map(flag).join(",");
        formatted("ios", "background/motion_activity", &format!(r#"{{"confidence":"low",{all}}}"#))
    };
    let kinds = [
        ("stationary", 3),
        ("walking", 7),
        ("running", 8),
        ("cycling", 1),
        ("automotive", 0),
        ("unknown", 4),
    ];
    for (flag, kind) in kinds {
        assert_eq!(with(&[flag]).expect("sound").1["type"], kind);
    }
    assert_eq!(with(&[]).expect("sound").1["type"], 9);
    let (_, data) = with(&["stationary", "automotive"]).expect("sound");
    assert_eq!(
        (&data["type"], &data["confidence"], &data["confidence_level"]),
        (&10.into(), &50.into(), &"low".into())
    );
    assert_eq!(with(&["walking", "automotive"]), Err(Reason::TwoActivities));
}

// Row: "A fix without `bearing`"
#[test]
fn a_fix_needs_a_time_and_a_place_and_nothing_else() {
    const MEMBERS: [&str; 9] = [
        "altitude",
        "accuracy",
        "sensed_speed",
        "bearing",
        "heading",
        "vaccuracy",
        "floor",
        "elapsedRealtimeNanos",
        "filter",
    ];
    for platform in ["android", "ios"] {
        let bare =
            formatted(platform, "background/location", r#"{"latitude":1,"longitude":2,"ts":1600000000}"#);
        assert!(bare.expect("sound").1.get("heading").is_none());
        for member in MEMBERS {
            let data = format!(r#"{{"latitude":1,"longitude":2,"ts":1600000000,"{member}":null}}"#);
            formatted(platform, "background/location", &data).expect("sound");
        }
        let all = MEMBERS.map(|member| format!(r#""{member}":null"#)).join(",");
        let data = format!(r#"{{"latitude":1,"longitude":2,"ts":1600000000,{all}}}"#);
        let (_, data) = formatted(platform, "background/location", &data).expect("sound");
        assert!(data["heading"].is_null() && data["loc"]["coordinates"] == serde_json::json!([2, 1]));
    }
}

// Row: "A transition without `transition`"
#[test]
fn a_motion_needs_a_kind_and_a_transition_needs_a_state() {
    let kind = |platform: &str, data: &str| {
        formatted(platform, "background/motion_activity", data).expect("sound").1["type"].clone()
    };
    assert_eq!(kind("android", r#"{"agb":null,"type":7,"confidence":null,"ts":1600000000}"#), 7);
    assert_eq!(kind("android", r#"{"zzbhB":7}"#), 7);
    assert_eq!(kind("ios", r#"{"walking":true}"#), 7);
    assert_eq!(kind("ios", r#"{"walking":true,"cycling":null,"confidence":null}"#), 7);
    let unknown = r#"{"walking":true,"confidence":null}"#;
    let (_, data) = formatted("ios", "background/motion_activity", unknown).expect("sound");
    assert_eq!((&data["confidence"], &data["confidence_level"]), (&Value::Null, &Value::Null));
    assert_eq!(kind("ios", r#"{"walking":false}"#), 9, "some flag, and none is set");
    for (platform, state) in [("android", "local.state.ongoing_trip"), ("ios", "STATE_ONGOING_TRIP")] {
        for transition in ["", r#","transition":null"#] {
            let data = format!(r#"{{"currState":"{state}"{transition}}}"#);
            let (_, data) = formatted(platform, "statemachine/transition", &data).expect("sound");
            assert_eq!((&data["curr_state"], &data["transition"]), (&2.into(), &Value::Null));
        }
    }
}

// Row: "Only the part of a key behind the slash"
#[test]
fn an_entry_that_cannot_be_formatted_gives_a_reason() {
    let bad = [
        ("web", "background/location", "{}", Reason::Platform),
        ("android", "foo/location", "{}", Reason::Key),
        (
            "android",
            "background/location",
            r#"{"latitude":91,"longitude":0,"ts":0}"#,
            Reason::Field("latitude", "a number of degrees"),
        ),
        ("android", "background/motion_activity", r#"{"agb":6,"agc":1}"#, Reason::Unknown("type")),
        ("android", "background/motion_activity", r#"{"agb":"7","agc":1}"#, Reason::Unknown("type")),
        (
            "android",
            "statemachine/transition",
            r#"{"currState":"x","transition":"booted"}"#,
            Reason::Unknown("currState"),
        ),
        (
            "ios",
            "statemachine/transition",
            r#"{"currState":"STATE_START","transition":7}"#,
            Reason::Field("transition", "a string"),
        ),
        ("ios", "background/motion_activity", "{}", Reason::Field("stationary", "true or false")),
        (
            "android",
            "background/battery",
            r#"{"battery_status":9,"battery_level_pct":1}"#,
            Reason::Unknown("battery_status"),
        ),
        ("android", "background/bluetooth_ble", r#"{"eventType":"x"}"#, Reason::Unknown("eventType")),
        ("android", "manual/mode_confirm", r#"{"start_ts":1}"#, Reason::Field("end_ts", "a number")),
        (
            "android",
            "manual/mode_confirm",
            r#"{"start_ts":1,"end_ts":1700000000}"#,
            Reason::AboutFuture("end_ts"),
        ),
        ("android", "config/app_ui_config", r#"{"version":1}"#, Reason::Field("ts", "a number")),
    ];
    for (platform, key, data, reason) in bad {
        assert_eq!(formatted(platform, key, data), Err(reason), "{key} {data}");
    }
}

// Row: "A missing zone on Android"
#[test]
fn a_zone_is_needed_of_iphones_and_guessed_for_old_androids_and_for_stats() {
    let data = r#"{"latitude":1,"longitude":2,"bearing":0,"ts":1600000000}"#;
    let told = |platform: &str, key: &str, zone: &str| {
        let metadata = format!(r#"{{"platform":"{platform}","write_ts":1600000000{zone}}}"#);
        format(&mut Zones::new(), WriteClock::Right, key, &metadata, data).map(|entry| entry.metadata)
    };
    let known = |metadata: String| metadata.contains(r#""time_zone":"America/Los_Angeles""#);
    assert!(told("android", "background/location", "").is_ok_and(known));
    assert_eq!(told("ios", "background/location", ""), Err(Reason::NoZone));
    assert!(told("ios", "stats/client_time", r#","time_zone":"Not/AZone""#).is_ok_and(known));
    assert!(matches!(
        told("android", "background/location", r#","time_zone":"Not/AZone""#),
        Err(Reason::Time(_))
    ));
}

// Row: "An entry that is dated ahead"
#[test]
fn an_entry_dated_after_the_run_waits_until_the_clock_of_a_run_reaches_it() {
    for (ahead_s, waits) in [(3_600.0, 1), (86_400.0 * 365.0 * 10.0, 1), (-4.9, 1), (-5.0, 0), (-6.0, 0)] {
        let write_ts = NOW + ahead_s;
        let mut memory = Memory::new().with_entry(
            Area::Usercache,
            &metadata("android", "stats/client_time", write_ts),
            r#"{"ts":1}"#,
        );
        let outcome = memory.run_stage(run, NOW, Outcome::default()).expect("runs");
        let count = |memory: &Memory, area| memory.entries(area).len();
        assert_eq!(count(&memory, Area::Usercache), waits, "{ahead_s}");
        assert_eq!(count(&memory, Area::Timeseries), 1 - waits, "{ahead_s}");
        assert_eq!(outcome.processed_through, (waits == 0).then_some(write_ts));
        memory.run_stage(run, write_ts + 5.5, outcome).expect("runs");
        assert_eq!(count(&memory, Area::Timeseries), 1, "{ahead_s}: its time has come");
        assert_eq!(count(&memory, Area::Errors), 0, "{ahead_s}");
    }
}

#[test]
fn an_entry_that_cannot_be_read_is_judged_only_when_its_time_has_come() {
    let metadata = metadata("web", "stats/client_time", NOW + 3_600.0);
    let mut memory = Memory::new().with_entry(Area::Usercache, &metadata, "{}");
    memory.run_stage(run, NOW, Outcome::default()).expect("runs");
    assert_eq!(memory.entries(Area::Usercache).len(), 1);
    memory.run_stage(run, NOW + 3_606.0, Outcome::default()).expect("runs");
    assert_eq!(memory.entries(Area::Errors).len(), 1);
}

#[test]
fn a_long_backlog_takes_several_runs_and_documents_stay() {
    let mut memory = Memory::new();
    for second in 0..10 {
        let write_ts = 1.6e9 + f64::from(second);
        memory =
            memory.with_entry(Area::Usercache, &metadata("android", "stats/client_time", write_ts), "{}");
        let document = metadata("android", "diary/trips", write_ts).replace("message", "document");
        memory = memory.with_entry(Area::Usercache, &document, "{}");
    }
    let mut runs = 0;
    let stage = |memory: &mut Memory, run: &Run| {
        runs += 1;
        run_at_most(memory, run, 3)
    };
    let outcome = memory.run_stage(stage, NOW, Outcome::default()).expect("sound");
    assert_eq!((runs, outcome.processed_through), (4, Some(1.6e9 + 9.0)));
    assert_eq!((memory.entries(Area::Timeseries).len(), memory.entries(Area::Usercache).len()), (10, 10));
}

// Row: "Takes entries from the mark on"
#[test]
fn a_late_entry_is_imported_and_the_mark_stays() {
    let mut memory =
        Memory::new().with_entry(Area::Usercache, &metadata("android", "stats/client_time", 1.5e9), "{}");
    let last = Outcome { processed_through: Some(1.6e9), ..Outcome::default() };
    let outcome = memory.run_stage(run, NOW, last).expect("sound");
    assert_eq!(outcome.processed_through, Some(1.6e9));
    assert_eq!(memory.entries(Area::Timeseries).len(), 1);
}

fn fix(ts: f64, more: &str) -> String {
    format!(r#"{{"latitude":47.1,"longitude":8.5,"bearing":0,"ts":{ts:?}{more}}}"#)
}

// Row: "A sensor's reading about a moment long after"
// Row: "One about a moment long before"
#[test]
fn a_reading_is_about_a_moment_around_its_writing() {
    const WRITTEN: f64 = 1_600_000_000.5;
    let judged = |key: &str, ts: f64| {
        let data = if key == "background/location" {
            fix(ts, "")
        } else {
            format!(r#"{{"type":7,"confidence":80,"ts":{ts:?}}}"#)
        };
        formatted("android", key, &data).map(drop)
    };
    for key in ["background/location", "background/motion_activity"] {
        for lead_s in [0.0, -1.0, 3.5, 600.0, 3_600.0, -3_600.0, -13_496.9, -29.0 * 86_400.0] {
            assert_eq!(judged(key, WRITTEN + lead_s), Ok(()), "{key} {lead_s}");
        }
        for lead_s in [3_601.0, 10_800.0, 86_401.0, 1024.0 * 7.0 * 86_400.0] {
            assert!(matches!(judged(key, WRITTEN + lead_s), Err(Reason::Ahead { .. })), "{key} {lead_s}");
        }
        for lag_s in [30.1 * 86_400.0, 1024.0 * 7.0 * 86_400.0, 978_307_200.0, WRITTEN, WRITTEN + 1.0] {
            assert_eq!(judged(key, WRITTEN - lag_s), Err(Reason::Behind), "{key} {lag_s}");
        }
    }
    // A label may be about a trip of last year.
    let span = r#"{"start_ts":1500000000,"end_ts":1500000001,"label":"x"}"#;
    assert!(formatted("android", "manual/mode_confirm", span).is_ok());
    for (ahead_s, want) in [(86_399.0, Ok(())), (86_401.0, Err(Reason::AboutFuture("end_ts")))] {
        let span = format!(r#"{{"start_ts":1500000000,"end_ts":{:?},"label":"x"}}"#, WRITTEN + ahead_s);
        assert_eq!(formatted("android", "manual/mode_confirm", &span).map(drop), want, "{ahead_s}");
    }
}

// Row: "A fix at 0° north, 0° east, or"
#[test]
fn an_impossible_place_is_set_aside_and_odd_altitudes_and_speeds_are_not() {
    let at = |latitude: &str, longitude: &str, more: &str| {
        let data = fix(1.6e9, more).replace("47.1", latitude).replace("8.5", longitude);
        formatted("ios", "background/location", &data).map(drop)
    };
    for (latitude, longitude) in [("0", "0"), ("0.0", "-0.0"), ("0.00005", "0.00001"), ("0E0", "0e9")] {
        assert_eq!(at(latitude, longitude, ""), Err(Reason::Nowhere), "{latitude} {longitude}");
    }
    for (latitude, longitude) in [("0", "9.45"), ("51.4779", "0"), ("0.001", "0"), ("-90", "180")] {
        assert_eq!(at(latitude, longitude, ""), Ok(()), "{latitude} {longitude}");
    }
    assert_eq!(at("47", "8", r#","accuracy":-1"#), Err(Reason::NoPlace));
    assert_eq!(at("47", "8", r#","accuracy":1e9"#), Err(Reason::Anywhere));
    for more in [
        r#","accuracy":15000"#,
        r#","accuracy":0"#,
        r#","altitude":-1e6"#,
        r#","sensed_speed":-1"#,
        r#","vaccuracy":-1"#,
    ] {
        assert_eq!(at("47", "8", more), Ok(()), "{more}");
    }
    for (latitude, longitude) in
        [("\"NaN\"", "8"), ("null", "8"), ("47", "180.001"), ("-90.1", "8"), ("47", "[8]")]
    {
        assert!(matches!(at(latitude, longitude, ""), Err(Reason::Field(..))), "{latitude} {longitude}");
    }
}

// Row: "One about a moment long before"
#[test]
fn entries_written_by_a_clock_that_was_never_set_are_set_aside() {
    for (write_ts, set) in [(0.0, false), (9.5e8, false), (1_262_303_999.0, false), (1_262_304_000.0, true)] {
        let metadata = metadata("android", "background/location", write_ts);
        let told = format(
            &mut Zones::new(),
            WriteClock::Right,
            "background/location",
            &metadata,
            &fix(write_ts, ""),
        );
        assert_eq!(told.is_ok(), set, "{write_ts}");
        assert!(set || told == Err(Reason::NeverSet));
    }
}

/// Fixes half a minute apart, each ahead of its writing by what the function says; how many were set aside.
fn set_aside(count: u32, lead_s: impl Fn(u32) -> f64) -> usize {
    let mut memory = Memory::new();
    for at in 0..count {
        let written = 1.6e9 + f64::from(at) * 30.0;
        let data = fix(written + lead_s(at), "");
        for key in ["background/location", "background/filtered_location"] {
            memory = memory.with_entry(Area::Usercache, &metadata("android", key, written), &data);
        }
    }
    memory.run_stage(run, NOW, Outcome::default()).expect("runs");
    assert!(memory.entries(Area::Usercache).is_empty());
    memory.entries(Area::Errors).len() / 2
}

// Row: "A sensor's reading about a moment long after"
#[test]
fn one_reading_ahead_is_set_aside_and_a_day_by_a_clock_that_is_behind_is_not() {
    for lead_s in [5_400.0, 10_800.0, 50_000.0] {
        assert_eq!(set_aside(200, |at| if at == 70 { lead_s } else { -0.4 }), 1, "{lead_s}");
        assert_eq!(set_aside(200, |at| lead_s + f64::from(at % 7)), 0, "{lead_s}");
        assert_eq!(
            set_aside(200, |at| if at == 70 { 2.0 * lead_s } else { lead_s - f64::from(at) * 0.1 }),
            1
        );
        assert_eq!(set_aside(3, |_| lead_s), 3, "too few to tell");
    }
    assert_eq!(
        set_aside(200, |at| if at == 70 { 1_500.0 } else { 600.0 }),
        0,
        "up to an hour the segmentation judges"
    );
    assert_eq!(set_aside(200, |_| 90_000.0), 200, "no clock is wrong by more than a day");
    assert_eq!(set_aside(200, |at| f64::from(at) * 4_000.0 + 4_000.0), 200, "they do not agree");
}

proptest! {
    #[test]
    fn formatting_never_panics_and_its_output_is_valid(
        ios: bool, key in 0..cells_model::keys::KEYS.len(),
        data in prop::collection::btree_map(
            prop::sample::select(vec!["ts", "start_ts", "end_ts", "latitude", "longitude", "bearing", "type", "agb", "currState", "transition", "battery_status", "battery_level_pct", "battery_level_ratio", "eventType", "confidence", "stationary", "loc"]),
            prop::sample::select(vec!["1", "-1.5", "1e300", "null", "true", "\"booted\"", "\"STATE_START\"", "\"local.state.start\"", "\"T_NOP\"", "\"RANGE_UPDATE\"", "{}", "[1]", "\"\\\"\""]), 0..9),
    ) {
        let key = cells_model::keys::KEYS[key].key;
        let members: Vec<_> = data.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        let data = format!("{{{}}}", members.join(","));
        let _ = formatted(if ios { "ios" } else { "android" }, key, &data);
    }
}
