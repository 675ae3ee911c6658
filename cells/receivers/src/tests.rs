use cells_sdk::Area;
use cells_sdk::testing::{Head, Memory, Stored};
use cells_usercache_to_timeseries as stage;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const NOW: f64 = 1_700_100_000.0;
const TS: f64 = 1_700_000_000.0;

fn send(memory: &mut Memory, app: App, query: &str, body: impl Into<Vec<u8>>) -> (u16, String) {
    let head = Head { query: query.to_owned(), ..Head::default() };
    let whole = std::mem::take(memory).with_head(head);
    *memory = whole;
    let response = memory.call(handle, app.name(), NOW, body).expect("the runtime does not fail");
    assert_eq!(response.content_type, "application/json");
    (response.status, String::from_utf8(response.body).expect("text"))
}

/// The entries of that key in the usercache.
fn of(memory: &Memory, key: &str) -> Vec<Value> {
    let waiting = memory.entries(Area::Usercache);
    waiting.into_iter().filter(|entry| entry.key == key).map(Stored::data).collect()
}

/// Whether the analysis takes in everything that waits.
fn all_taken_in(memory: &mut Memory) -> bool {
    let waiting = memory.entries(Area::Usercache).len();
    memory.run_stage(stage::run, NOW, cells_sdk::Outcome::default()).expect("the stage runs");
    let errors = memory.entries(Area::Errors);
    let reasons: Vec<_> = errors.iter().map(|entry| entry.extra()["error"]["reason"].clone()).collect();
    assert!(memory.entries(Area::Timeseries).len() == waiting, "{reasons:?}");
    reasons.is_empty()
}

fn near(value: &Value, want: f64) -> bool {
    value.as_f64().is_some_and(|value| (value - want).abs() < 1e-9)
}

fn owntracks(ts: f64) -> Value {
    json!({ "_type": "location", "BSSID": "c0:00", "SSID": "home", "acc": 12, "alt": 154, "batt": 53, "bs": 1,
        "cog": 270, "conn": "w", "created_at": ts + 3.0, "lat": 46.5, "lon": 6.6, "m": 2, "t": "u", "tid": "ad",
        "topic": "owntracks/http/ad", "tst": ts, "vac": 3, "vel": 36, "_id": "0a1b" })
}

#[test]
fn a_location_of_owntracks_becomes_the_entries_of_a_phone_in_the_units_of_the_diary() {
    let mut memory = Memory::new();
    let sent = owntracks(TS);
    let answer = send(&mut memory, App::OwnTracks, "zone=Europe%2FZurich", sent.to_string());
    assert_eq!(answer, (200, "[]".to_owned()));
    let [location] = &of(&memory, "background/location")[..] else { panic!("one location") };
    assert!(near(&location["sensed_speed"], 10.0), "36 km/h are {} m/s", location["sensed_speed"]);
    assert_eq!((&location["raw"], &location["filter"]), (&sent, &json!("app")));
    assert_eq!(location["heading"], 270.0);
    let [filtered] = &of(&memory, "background/filtered_location")[..] else { panic!("one copy") };
    assert_eq!((&filtered["raw"], &filtered["ts"]), (&Value::Null, &json!(TS)));
    let battery = of(&memory, "background/battery");
    assert_eq!(battery, [json!({ "battery_level_pct": 53.0, "battery_status": 3 })]);
    for entry in memory.entries(Area::Usercache) {
        let metadata = entry.metadata();
        assert_eq!(metadata["time_zone"], "Europe/Zurich");
        let late = metadata["write_ts"].as_f64().expect("a number") - TS;
        assert!((0.0..0.5).contains(&late), "{late}");
    }
    assert!(all_taken_in(&mut memory));
}

#[test]
fn without_a_zone_of_the_owner_the_longitude_says_which_hours_they_are() {
    let mut memory = Memory::new();
    send(&mut memory, App::OwnTracks, "zone=", owntracks(TS).to_string());
    assert_eq!(memory.entries(Area::Usercache)[0].metadata()["time_zone"], "+00:00");
    assert!(all_taken_in(&mut memory));
    for (longitude, zone) in
        [(0.0, "+00:00"), (13.4, "+01:00"), (-122.3, "-08:00"), (179.9, "+12:00"), (-180.0, "-12:00")]
    {
        assert_eq!(derive::zone_at(longitude), zone);
    }
}

#[test]
fn an_encrypted_record_of_owntracks_is_refused_with_what_to_do_and_nothing_is_kept() {
    let mut memory = Memory::new();
    let body = json!({ "_type": "encrypted", "data": "AAAA" }).to_string();
    let (status, answer) = send(&mut memory, App::OwnTracks, "", body);
    assert_eq!(status, 422);
    assert!(answer.contains("\"encrypted\"") && answer.contains("remove the encryption key"), "{answer}");
    assert!(memory.entries(Area::Usercache).is_empty() && memory.entries(Area::Errors).is_empty());
}

#[test]
fn messages_of_owntracks_without_a_position_succeed_and_are_kept_aside_with_the_reason() {
    for kind in ["waypoint", "waypoints", "status", "lwt", "card", "cmd", "steps", "something"] {
        let mut memory = Memory::new();
        let body = json!({ "_type": kind, "desc": "home", "tst": TS }).to_string();
        assert_eq!(send(&mut memory, App::OwnTracks, "", body.clone()), (200, "[]".to_owned()), "{kind}");
        assert!(memory.entries(Area::Usercache).is_empty());
        let [aside] = &memory.entries(Area::Errors)[..] else { panic!("{kind} is kept") };
        assert_eq!((aside.key.as_str(), aside.data()["_type"].as_str()), ("receiver/owntracks", Some(kind)));
        assert!(aside.extra()["error"]["reason"].as_str().is_some_and(|why| why.contains("kind")));
    }
    let mut memory = Memory::new();
    assert_eq!(send(&mut memory, App::OwnTracks, "", ""), (200, "[]".to_owned()), "an empty body is a test");
    assert!(memory.entries(Area::Errors).is_empty());
}

#[test]
fn a_transition_of_owntracks_is_the_place_where_it_was_noticed() {
    let mut memory = Memory::new();
    let body = json!({ "_type": "transition", "wtst": 1, "lat": 46.5, "lon": 6.6, "tst": TS, "acc": 100,
        "tid": "ad", "event": "leave", "desc": "home", "t": "c" });
    assert_eq!(send(&mut memory, App::OwnTracks, "", body.to_string()).0, 200);
    assert_eq!(of(&memory, "background/location")[0]["raw"]["event"], "leave");
    assert!(all_taken_in(&mut memory));
}

fn overland(ts: &str, motion: &[&str]) -> Value {
    json!({ "type": "Feature", "geometry": { "type": "Point", "coordinates": [6.6, 46.5] }, "properties": {
        "timestamp": ts, "altitude": 380, "speed": 4, "horizontal_accuracy": 30, "vertical_accuracy": -1,
        "motion": motion, "battery_state": "charging", "battery_level": 0.8, "wifi": "", "device_id": "" } })
}

#[test]
fn a_batch_of_overland_keeps_the_good_points_and_sets_each_bad_one_aside() {
    let mut memory = Memory::new();
    let good = overland("2023-11-14T22:13:20Z", &["driving"]);
    let mut nowhere = overland("2023-11-14T22:14:20Z", &[]);
    nowhere["geometry"] = Value::Null;
    let mut timeless = overland("soon", &[]);
    timeless["properties"]["speed"] = json!(-1);
    let body = json!({ "locations": [good, nowhere, timeless, 7], "current": {}, "trip": {} }).to_string();
    assert_eq!(
        send(&mut memory, App::Overland, "zone=", body.clone()),
        (200, r#"{"result":"ok"}"#.to_owned())
    );
    let [location] = &of(&memory, "background/location")[..] else { panic!("one location") };
    assert_eq!((&location["sensed_speed"], &location["ts"]), (&json!(4.0), &json!(TS)));
    let motion = of(&memory, "background/motion_activity");
    assert_eq!(motion, [json!({ "type": 0, "confidence": 75.0, "ts": TS })]);
    assert_eq!(of(&memory, "background/battery")[0]["battery_level_pct"], 80.0);
    let aside = memory.entries(Area::Errors);
    let reasons: Vec<_> = aside
        .iter()
        .map(|entry| entry.extra()["error"]["reason"].as_str().expect("one").to_owned())
        .collect();
    assert_eq!(aside.len(), 3, "{reasons:?}");
    assert!(reasons[1].contains("properties.timestamp"), "{reasons:?}");
    // The same batch again is the same entries, byte for byte.
    let before: Vec<_> = memory.entries(Area::Usercache).iter().map(|entry| entry.metadata.clone()).collect();
    let mut again = Memory::new();
    send(&mut again, App::Overland, "zone=", body);
    let after: Vec<_> = again.entries(Area::Usercache).iter().map(|entry| entry.metadata.clone()).collect();
    assert_eq!(before, after);
}

#[test]
fn a_silence_within_a_batch_and_a_rest_after_a_movement_are_stops() {
    let mut memory = Memory::new();
    let locations = [
        overland("2023-11-14T22:13:20Z", &["stationary"]),
        overland("2023-11-14T22:14:20Z", &["walking"]),
        overland("2023-11-14T22:15:20Z", &["stationary"]),
        overland("2023-11-14T23:15:20Z", &["walking"]),
    ];
    send(&mut memory, App::Overland, "zone=", json!({ "locations": locations }).to_string());
    let told: Vec<_> = of(&memory, "statemachine/transition")
        .into_iter()
        .map(|data| data["transition"].as_str().expect("a name").to_owned())
        .collect();
    // The rest and the silence after it end the same movement, at the same moment.
    assert_eq!(told, ["local.transition.stopped_moving", "local.transition.exited_geofence"]);
    assert!(all_taken_in(&mut memory));
}

#[test]
fn traccar_client_from_version_9_on_sends_json_in_metres_a_second() {
    let mut memory = Memory::new();
    let location = |ts: &str, moving: bool| {
        json!({ "timestamp": ts, "coords": { "latitude": 46.5, "longitude": 6.6, "accuracy": 9.5, "speed": 2.5,
            "heading": 90.0, "altitude": 300.0 }, "is_moving": moving, "odometer": 12, "event": "motionchange",
            "battery": { "level": 0.5, "is_charging": true },
            "activity": { "type": "on_bicycle", "confidence": 90 }, "extras": {}, "uuid": ts })
    };
    let one = json!({ "location": location("2023-11-14T22:13:20.000Z", true), "device_id": "12" });
    assert_eq!(send(&mut memory, App::Traccar, "zone=UTC", one.to_string()), (200, "{}".to_owned()));
    let location_of = |memory: &Memory| of(memory, "background/location")[0].clone();
    assert_eq!(location_of(&memory)["sensed_speed"], 2.5);
    assert_eq!(of(&memory, "background/motion_activity")[0]["type"], 1);
    let two = json!({ "location": [location("2023-11-14T22:20:00Z", false)], "device_id": "12" });
    assert_eq!(send(&mut memory, App::Traccar, "zone=UTC", two.to_string()).0, 200);
    assert_eq!(of(&memory, "statemachine/transition").len(), 1);
    assert!(all_taken_in(&mut memory));
}

#[test]
fn traccar_client_before_version_9_and_osmand_send_queries_in_knots() {
    for (query, body) in [
        (
            "zone=UTC&id=12&timestamp=1700000000&lat=46.5&lon=6.6&speed=10&bearing=5&altitude=1&accuracy=3&batt=50&charge=true",
            "",
        ),
        (
            "zone=UTC&id=12&timestamp=1700000000000&location=46.5%2C6.6&speed=10&heading=5&altitude=1&accuracy=3&batt=50&charge=true",
            "",
        ),
        (
            "zone=UTC",
            "id=12&timestamp=2023-11-14T22:13:20Z&lat=46.5&lon=6.6&speed=10&bearing=5&altitude=1&accuracy=3&batt=50&charge=true",
        ),
    ] {
        let mut memory = Memory::new();
        assert_eq!(send(&mut memory, App::Traccar, query, body), (200, "{}".to_owned()));
        let location = &of(&memory, "background/location")[0];
        assert!(near(&location["sensed_speed"], 5.144_444_444_444_444), "{}", location["sensed_speed"]);
        assert_eq!((&location["ts"], &location["heading"]), (&json!(TS), &json!(5.0)));
        assert!(location["raw"].as_str().is_some_and(|raw| raw.starts_with("id=12")));
        assert_eq!(of(&memory, "background/battery")[0]["battery_status"], 2);
        assert!(all_taken_in(&mut memory));
    }
    let mut memory = Memory::new();
    assert_eq!(send(&mut memory, App::Traccar, "zone=&id=12&lat=46.5", "").0, 200);
    assert_eq!(memory.entries(Area::Errors).len(), 1);
}

#[test]
fn gpslogger_sends_the_printed_template_in_metres_a_second() {
    let mut memory = Memory::new();
    let query = "zone=UTC&lat=46.5&lon=6.6&timestamp=1700000000&speed=10&bearing=5&altitude=1&accuracy=3&batt=50.0&charging=false&prov=gps";
    assert_eq!(send(&mut memory, App::GpsLogger, query, ""), (200, "{}".to_owned()));
    let location = &of(&memory, "background/location")[0];
    assert_eq!((&location["sensed_speed"], &location["filter"]), (&json!(10.0), &json!("app")));
    assert!(all_taken_in(&mut memory));
}

#[test]
fn two_records_of_one_second_stay_two_entries() {
    let (one, mut other) = (owntracks(TS), owntracks(TS));
    other["lat"] = json!(46.6);
    let written = |sent: &Value| derive::written_at(TS, &sent.to_string());
    assert!((written(&one) - written(&other)).abs() > 1e-7);
}

#[test]
fn what_cannot_be_read_at_all_succeeds_once_and_is_kept_as_it_was_sent() {
    for app in App::ALL {
        for body in [&b"{\"locations\":"[..], b"\xff\xfe", b"[1,2]", b"{}", b"lat=x", b"<html>"] {
            let mut memory = Memory::new();
            let (status, answer) = send(&mut memory, app, "zone=", body);
            assert_eq!((status, answer.as_str()), (200, app.accepted()), "{app:?} {body:?}");
            assert_eq!(memory.entries(Area::Errors).len(), 1, "{app:?} {body:?}");
            assert!(memory.entries(Area::Usercache).is_empty());
        }
    }
    let mut memory = Memory::new();
    let long = vec![b'x'; BODY_BYTES_MAX + 1];
    assert_eq!(send(&mut memory, App::Overland, "", long).0, 413);
}

#[test]
fn an_app_that_is_not_known_is_refused() {
    let mut memory = Memory::new();
    let response = memory.call(handle, "mysteries", NOW, "{}").expect("the runtime does not fail");
    assert_eq!(response.status, 404);
}

proptest! {
    #[test]
    fn no_request_makes_a_receiver_fail_and_the_same_request_makes_the_same_entries(
        app in 0..4_usize, query in r#"(zone=[A-Za-z/]{0,8}&?)?((lat|lon|timestamp|speed|location|batt)=[-0-9.e,%a+]{0,12}&){0,6}"#,
        body in prop_oneof![
            r#"\{("_type":"location",)?"locations?":\[?\{("lat|tst|timestamp|coords|properties":[-0-9.e\[\]{}"N]{0,9},?){0,4}\}\]?\}"#.prop_map(String::into_bytes),
            prop::collection::vec(any::<u8>(), 0..60),
        ],
    ) {
        let app = App::ALL[app];
        let taken = || {
            let mut memory = Memory::new();
            let answer = send(&mut memory, app, &query, body.clone());
            let kept: Vec<_> = [Area::Usercache, Area::Errors].into_iter().flat_map(|area| memory.entries(area))
                .map(|entry| (entry.metadata.clone(), entry.data.clone())).collect();
            (answer, kept)
        };
        let (answer, kept) = taken();
        prop_assert!(matches!(answer.0, 200 | 422));
        for (metadata, data) in &kept {
            prop_assert!(text::is_json(metadata) && text::is_json(data));
        }
        prop_assert_eq!(taken(), (answer, kept));
    }
}
