//! A person with several devices, from the put to the diary.

use handshake::encoding::DeviceId;
use runtime_testkit::World;
use runtime_user::{Area, Stamp, UserId};
use serde_json::{Value, json};

const MORNING: f64 = 1_760_072_400.0;
const NOW: f64 = MORNING + 86_400.0;
const HOME: (f64, f64) = (47.37, 8.54);
/// Metres north and east of home.
const WORK: (f64, f64) = (2_500.0, 1_500.0);
const SHOP: (f64, f64) = (-900.0, 700.0);
const DEGREE_M: f64 = 111_194.926_644_558_74;

fn paired(number: u8) -> Stamp {
    Stamp::of_device(DeviceId([number; 16]))
}

fn token() -> Stamp {
    Stamp::of_token("0123456789ABCDEFGHJKMNPQRSTVWXYZ012345").expect("a token")
}

/// A phone that writes entries as phones do.
struct Phone {
    platform: &'static str,
    ts: f64,
    at: (f64, f64),
    entries: Vec<String>,
}

impl Phone {
    fn new(platform: &'static str, ts: f64) -> Self {
        Self { platform, ts, at: (0.0, 0.0), entries: Vec::new() }
    }

    fn say(&mut self, key: &str, kind: &str, data: &Value) {
        let metadata = json!({
            "key": key, "type": kind, "platform": self.platform, "write_ts": self.ts + 0.4,
            "time_zone": "Europe/Zurich", "read_ts": 0,
        });
        self.entries.push(json!({ "metadata": metadata, "data": data }).to_string());
    }

    fn fix(&mut self) {
        let latitude = HOME.0 + self.at.0 / DEGREE_M;
        let longitude = HOME.1 + self.at.1 / (DEGREE_M * HOME.0.to_radians().cos());
        let mut data = json!({
            "latitude": latitude, "longitude": longitude, "altitude": 400.0, "accuracy": 12.0, "bearing": 45.0,
            "sensed_speed": 1.0, "ts": self.ts,
            "filter": if self.platform == "android" { "time" } else { "distance" },
        });
        if self.platform == "android" {
            data["elapsedRealtimeNanos"] = 1.into();
        } else {
            data["floor"] = 0.into();
            data["vaccuracy"] = 10.into();
        }
        self.say("background/location", "sensor-data", &data);
        self.say("background/filtered_location", "sensor-data", &data);
    }

    fn walks(&mut self) {
        let ts = self.ts;
        let data = if self.platform == "android" {
            json!({ "type": 7, "confidence": 90, "ts": ts })
        } else {
            json!({ "stationary": false, "walking": true, "running": false, "cycling": false, "automotive": false,
                    "unknown": false, "confidence": "high", "ts": ts })
        };
        self.say("background/motion_activity", "sensor-data", &data);
    }

    fn transition(&mut self, android: [&str; 2], ios: [&str; 2]) {
        let [state, transition] = if self.platform == "android" { android } else { ios };
        let data = json!({ "currState": state, "transition": transition, "ts": self.ts });
        self.say("statemachine/transition", "message", &data);
    }

    fn go(&mut self, to: (f64, f64)) {
        self.transition(
            ["local.state.waiting_for_trip_start", "local.transition.exited_geofence"],
            ["STATE_WAITING_FOR_TRIP_START", "T_EXITED_GEOFENCE"],
        );
        let (from, start) = (self.at, self.ts);
        let metres = (from.0 - to.0).hypot(from.1 - to.1);
        let every_s = if self.platform == "android" { 30.0 } else { 40.0 };
        while (self.ts - start) * 1.4 < metres {
            let part = (self.ts - start) * 1.4 / metres;
            self.at = (from.0 + (to.0 - from.0) * part, from.1 + (to.1 - from.1) * part);
            self.fix();
            self.walks();
            self.ts += every_s;
        }
        self.at = to;
        for _ in 0..if self.platform == "android" { 12 } else { 1 } {
            self.fix();
            self.ts += every_s;
        }
        self.ts += 700.0;
        self.transition(
            ["local.state.ongoing_trip", "local.transition.stopped_moving"],
            ["STATE_ONGOING_TRIP", "T_TRIP_ENDED"],
        );
        self.ts += 5.0;
    }
}

/// Three walks: 2.92, 3.49 and 1.14 km.
fn carried(platform: &'static str, ts: f64) -> Vec<String> {
    let mut phone = Phone::new(platform, ts);
    for (to, wait_s) in [(WORK, 14_400.0), (SHOP, 3_600.0), ((0.0, 0.0), 900.0)] {
        phone.go(to);
        phone.ts += wait_s;
    }
    phone.entries
}

/// A tablet at home.
fn tablet(every_s: f64) -> Vec<String> {
    let mut tablet = Phone::new("android", MORNING + 5.0);
    let mut number = 0.0_f64;
    while tablet.ts < MORNING + 7.0 * 3_600.0 {
        // Fixes that are some metres off, the same in every run.
        tablet.at = (20.0 * number.sin(), 20.0 * (number * 1.7).cos());
        tablet.fix();
        tablet.ts += every_s;
        number += 1.0;
    }
    tablet.entries
}

fn number(entry: &Value, name: &str) -> f64 {
    entry["data"][name].as_f64().expect("a number")
}

/// Three walks as they were walked, nothing that overlaps, no stay of negative length.
fn assert_three_walks(world: &World, user: UserId, what: &str) {
    let mut trips = world.entries(user, &["analysis/confirmed_trip"]);
    trips.sort_by(|a, b| number(a, "start_ts").total_cmp(&number(b, "start_ts")));
    let metres: Vec<f64> = trips.iter().map(|trip| number(trip, "distance")).collect();
    let walked = [2_915.0, 3_493.0, 1_140.0];
    let near = metres.len() == 3
        && metres.iter().zip(walked).all(|(metres, walked)| (metres - walked).abs() < 300.0);
    assert!(near, "{what}: walks of {metres:?} m");
    for pair in trips.windows(2) {
        assert!(number(&pair[0], "end_ts") <= number(&pair[1], "start_ts"), "{what}: {pair:?}");
    }
    for place in world.entries(user, &["analysis/confirmed_place"]) {
        let duration = place["data"]["duration"].as_f64().unwrap_or(0.0);
        assert!(duration >= 0.0, "{what}: a stay of {duration} s");
    }
    for section in world.entries(user, &["analysis/cleaned_section"]) {
        let fastest = section["data"]["speeds"].as_array().expect("speeds").iter().filter_map(Value::as_f64);
        let fastest = fastest.fold(0.0, f64::max);
        assert!(fastest < 4.0, "{what}: a walk at {fastest} m/s");
    }
}

// Row: "All points of a person are one track"
#[test]
fn a_second_device_adds_nothing_to_the_walks_of_the_one_that_is_carried() {
    let world = World::start();
    let phone = || carried("android", MORNING);
    for (number, (first, second, others)) in [
        (token(), token(), tablet(600.0)),
        (token(), token(), tablet(120.0)),
        (token(), paired(2), tablet(600.0)),
        (paired(1), paired(2), tablet(60.0)),
        (token(), token(), carried("ios", MORNING)),
        (paired(1), paired(2), carried("ios", MORNING + 7.0)),
        (paired(1), paired(2), carried("android", MORNING + 11.0)),
    ]
    .into_iter()
    .enumerate()
    {
        let user = world.person("ada");
        world.put_from(user, &first, &phone(), NOW);
        world.put_from(user, &second, &others, NOW);
        world.pipeline(user, NOW);
        assert_three_walks(&world, user, &format!("day {number}"));
        for key in ["segmentation/raw_trip", "analysis/cleaned_section", "analysis/confirmed_trip"] {
            let named = world.entries(user, &[key]);
            assert!(named.iter().all(|entry| entry["data"]["device"].is_string()), "day {number}: {named:?}");
        }
    }
}

#[test]
fn one_device_is_not_named() {
    let world = World::start();
    let [stamped, plain] = ["stamped", "plain"].map(|name| world.person(name));
    world.put_from(stamped, &token(), &carried("android", MORNING), NOW);
    world.put(plain, &carried("android", MORNING), NOW);
    let of = |user| {
        world.pipeline(user, NOW);
        let all = world.canonical(user);
        all.into_iter()
            .map(|entry| entry.replace(&format!(r#""device":"{}","#, token()), ""))
            .collect::<Vec<_>>()
    };
    assert_eq!(of(stamped), of(plain));
}

#[test]
fn uploads_of_two_devices_in_turn_give_the_diary_of_one_upload() {
    let world = World::start();
    for others in [tablet(300.0), carried("ios", MORNING)] {
        let user = world.person("ada");
        let phone = carried("android", MORNING);
        let (mut clock, mut sent) = (MORNING, [0, 0]);
        let due = |entries: &[String], from: usize, clock: f64| {
            let write_ts = |entry: &String| {
                let entry: Value = serde_json::from_str(entry).expect("JSON");
                entry["metadata"]["write_ts"].as_f64().expect("a time")
            };
            entries[from..].iter().take_while(|entry| write_ts(entry) < clock).count()
        };
        while sent != [phone.len(), others.len()] {
            clock += 2_900.0;
            for (number, (device, entries)) in [(paired(1), &phone), (paired(2), &others)].iter().enumerate()
            {
                let more = due(entries, sent[number], clock);
                world.put_from(user, device, &entries[sent[number]..][..more], clock);
                sent[number] += more;
            }
            world.pipeline(user, clock + 10.0);
        }
        world.pipeline(user, NOW);
        assert_three_walks(&world, user, "in turn");
    }
}

#[test]
fn what_arrives_late_from_a_second_device_changes_no_walk() {
    let world = World::start();
    for (first, second) in
        [(carried("android", MORNING), tablet(600.0)), (tablet(600.0), carried("android", MORNING))]
    {
        let user = world.person("ada");
        world.put_from(user, &token(), &first, NOW);
        world.pipeline(user, NOW);
        world.put_from(user, &token(), &second, NOW + 60.0);
        world.pipeline(user, NOW + 120.0);
        assert_three_walks(&world, user, "late");
    }
}

fn devices_of(world: &World, user: UserId, key: &str) -> Vec<Option<String>> {
    let entries = world.entries(user, &[key]);
    entries.iter().map(|entry| entry["metadata"]["device"].as_str().map(str::to_owned)).collect()
}

// Row: "Nothing says which device"
#[test]
fn a_stamp_can_neither_be_forged_nor_lost_and_comes_along_in_a_dump() {
    let world = World::start();
    let user = world.person("ada");
    let mut phone = Phone::new("android", MORNING);
    phone.fix();
    let forged = |entry: &String| entry.replacen("\"key\":", "\"device\":\"forged\",\"key\":", 1);
    let entries: Vec<String> = phone.entries.iter().map(forged).collect();
    world.put_from(user, &paired(7), &entries, NOW);
    let mut odd = Phone::new("android", MORNING + 60.0);
    odd.fix();
    let unknown = odd.entries[0].replace("\"android\"", "\"typewriter\"");
    world.put_from(user, &paired(7), &[unknown], NOW);
    world.pipeline(user, NOW);
    let stamp = Some(paired(7).to_string());
    for key in ["background/location", "background/filtered_location"] {
        assert_eq!(devices_of(&world, user, key), std::slice::from_ref(&stamp), "{key}");
    }
    let mut aside = Vec::new();
    world.runtime.person(user).expect("open").dump(&[Area::Errors], &mut aside).expect("written");
    let aside: Value = serde_json::from_slice(&aside).expect("JSON");
    assert_eq!((aside.as_array().map(Vec::len), aside[0]["device"].as_str()), (Some(1), stamp.as_deref()));

    let mut dump = Vec::new();
    world.runtime.person(user).expect("open").dump(&[Area::Timeseries], &mut dump).expect("written");
    let other = world.person("ada elsewhere");
    world.runtime.diaries().import(other, &dump, NOW).expect("imported");
    assert_eq!(devices_of(&world, other, "background/location"), [stamp]);
}

#[test]
fn what_comes_without_a_connection_of_its_own_has_no_stamp() {
    let world = World::start();
    let user = world.person("ada");
    let mut phone = Phone::new("android", MORNING);
    phone.fix();
    world.put(user, &phone.entries, NOW);
    world.pipeline(user, NOW);
    assert_eq!(devices_of(&world, user, "background/location"), [None]);
}

#[test]
fn the_same_entry_through_another_device_is_a_copy_and_different_ones_are_both_kept() {
    let world = World::start();
    let user = world.person("ada");
    let mut phone = Phone::new("android", MORNING);
    phone.fix();
    let other: Vec<String> =
        phone.entries.iter().map(|entry| entry.replace("\"altitude\":400.0", "\"altitude\":401.0")).collect();
    assert_ne!(phone.entries, other);
    world.put_from(user, &token(), &phone.entries, NOW);
    // While it waits, and once it was taken in.
    for _ in 0..2 {
        world.put_from(user, &paired(1), &phone.entries, NOW);
        world.pipeline(user, NOW);
    }
    assert_eq!(devices_of(&world, user, "background/location"), [Some(token().to_string())]);
    world.put_from(user, &paired(1), &other, NOW);
    world.put_from(
        user,
        &paired(2),
        &other.iter().map(|entry| entry.replace("401.0", "402.0")).collect::<Vec<_>>(),
        NOW,
    );
    world.pipeline(user, NOW);
    let mut devices = devices_of(&world, user, "background/location");
    devices.sort();
    let mut expected = [token(), paired(1), paired(2)].map(|stamp| Some(stamp.to_string()));
    expected.sort();
    assert_eq!(devices, expected);
}
