//! The calls of an unmodified e-mission app, in its order, over the front for phones that cannot pair: onboarding, sync,
//! diary, labels, dashboard. Paths begin as the app writes them, with `/api//`.

use std::sync::Arc;

use runtime_user::UserId;
use serde_json::{Value, json};

use crate::support::caller::{Caller, HERE, caller, legacy};
use crate::support::cloud::Cloud;

/// When the day begins, s.
const DAY: f64 = 1_700_000_000.0;
/// A metre along a meridian, degrees.
const METRE: f64 = 360.0 / 40_030_000.0;

/// The app of one person.
struct App {
    caller: Caller,
    token: String,
    user: UserId,
}

impl App {
    async fn call(&mut self, path: &str, mut body: Value) -> Value {
        body["user"] = json!(self.token);
        let path = format!("/api//{path}");
        let answer = self.caller.post(&path, "", body.to_string().as_bytes()).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        assert!(
            answer.body.is_object(),
            "{path}: the app's plugin takes an object alone, not {}",
            answer.body
        );
        answer.body
    }

    async fn put(&mut self, entries: Vec<Value>) {
        let stored = entries.len();
        let body = json!({
            "phone_to_server": entries, "deployment_config_version": 2, "app_version": "2.1.3",
        });
        let answer = self.call("usercache/put", body).await;
        assert_eq!(answer, json!({ "stored": stored, "set_aside": 0 }));
    }

    async fn find(&mut self, key: &str, time: &str) -> Vec<Value> {
        let body = json!({
            "key_list": [key], "start_time": 0, "end_time": 9_999_999_999_u64, "key_time": time,
        });
        let mut answer = self.call("datastreams/find_entries/timestamp", body).await;
        serde_json::from_value(answer["phone_data"].take()).unwrap()
    }
}

fn entry(key: &str, kind: &str, write_ts: f64, data: &Value) -> Value {
    let metadata = json!({
        "key": key, "type": kind, "platform": "android", "write_ts": write_ts, "read_ts": 0, "time_zone": "Europe/Berlin",
    });
    json!({ "metadata": metadata, "data": data })
}

/// A reading every 20 s: an hour in a place, 20 minutes by bicycle, two hours in another place. A phone sends each
/// position twice, as it came and as one that passed its own filter, and says what it takes the movement for.
fn day() -> Vec<Value> {
    let metres = |s: f64| (s - 3_600.0).clamp(0.0, 1_200.0) * 5.0;
    let readings = (0..600).map(|number| f64::from(number) * 20.0).flat_map(|s| {
        let moves = (3_600.0..4_800.0).contains(&s);
        let position = json!({
            "latitude": 52.5 + metres(s) * METRE, "longitude": 13.4, "ts": DAY + s, "accuracy": 10.0,
            "altitude": 40.0, "bearing": 0.0, "sensed_speed": if moves { 5.0 } else { 0.0 }, "filter": "time",
            "elapsedRealtimeNanos": 1,
        });
        // Google's numbers: 1 is on a bicycle, 3 is still.
        let motion = json!({ "type": if moves { 1 } else { 3 }, "confidence": 95, "ts": DAY + s });
        [
            entry("background/location", "sensor-data", DAY + s, &position),
            entry("background/filtered_location", "sensor-data", DAY + s, &position),
            entry("background/motion_activity", "sensor-data", DAY + s, &motion),
        ]
    });
    let stopped = json!({
        "currState": "local.state.ongoing_trip", "transition": "local.transition.stopped_moving", "ts": DAY + 12_000.0,
    });
    readings.chain([entry("statemachine/transition", "message", DAY + 12_000.0, &stopped)]).collect()
}

async fn analyse(cloud: &Cloud, user: UserId, now: f64) {
    let runtime = Arc::clone(&cloud.runtime);
    let ran = tokio::task::spawn_blocking(move || runtime.pipelines().run(user, now)).await.unwrap();
    assert!(ran.unwrap().failed().is_none());
}

async fn onboarded(cloud: &Cloud) -> App {
    let (user, token) = cloud.runtime.people().add("Ada", 0.0).unwrap();
    let mut app = App { caller: caller(cloud, HERE).await, token: token.reveal().to_owned(), user };
    let made = app.call("profile/create", json!({})).await;
    assert_eq!(made, json!({ "uuid": user.dashed() }));
    let update = json!({ "update_doc": { "curr_platform": "android", "client_app_version": "2.1.3" } });
    assert_eq!(app.call("profile/update", update).await, json!({ "update": true }));
    assert_eq!(app.call("profile/get", json!({})).await["curr_platform"], "android");
    app
}

// Route: "/profile/create"
// Route: "/profile/get"
// Route: "/profile/update"
// Route: "/usercache/get"
// Route: "/usercache/put"
// Route: "/datastreams/find_entries/<time_type>"
// Route: "/pipeline/get_range_ts"
// Route: "/pipeline/get_complete_ts"
// Route: "/result/metrics/<time_type>"
// Route: "/result/heatmap/pop.route/<timestamp or local_date>"
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_app_onboards_syncs_and_shows_a_diary_that_its_labels_reach() {
    let cloud = legacy().await;
    let mut app = onboarded(&cloud).await;
    app.put(day()).await;
    assert_eq!(app.call("usercache/get", json!({})).await, json!({ "server_to_phone": [] }));
    let range = app.call("pipeline/get_range_ts", json!({})).await;
    assert_eq!(range, json!({ "start_ts": null, "end_ts": null }), "nothing was analysed yet");
    // What was just put is in the diary before any analysis.
    assert_eq!(app.find("background/location", "metadata.write_ts").await.len(), 600);

    analyse(&cloud, app.user, DAY + 20_000.0).await;
    let range = app.call("pipeline/get_range_ts", json!({})).await;
    assert!(range["start_ts"].is_f64() && range["end_ts"].is_f64(), "{range}");
    assert!(app.call("pipeline/get_complete_ts", json!({})).await["complete_ts"].is_f64());
    let trips = app.find("analysis/composite_trip", "data.end_ts").await;
    let [trip] = &trips[..] else { panic!("one trip, not {}", trips.len()) };
    let local = json!({
        "key_list": ["analysis/composite_trip"], "from_local_date": { "year": 2023, "month": 11 },
        "to_local_date": { "year": 2023, "month": 11 }, "key_local_date": "data.start_local_dt",
    });
    let found = app.call("datastreams/find_entries/local_date", local).await;
    assert_eq!(found["phone_data"][0]["_id"], trip["_id"]);

    let label = json!({
        "start_ts": trip["data"]["start_ts"], "end_ts": trip["data"]["end_ts"], "label": "cargo_bike",
    });
    app.put(vec![entry("manual/mode_confirm", "message", DAY + 20_100.0, &label)]).await;
    analyse(&cloud, app.user, DAY + 20_200.0).await;
    let labelled = app.find("analysis/composite_trip", "data.end_ts").await;
    assert_eq!(labelled[0]["_id"], trip["_id"], "a trip is still the same");
    assert_eq!(labelled[0]["data"]["user_input"]["mode_confirm"], "cargo_bike");

    let days = json!({
        "freq": "D", "start_time": "2023-11-01", "end_time": "2023-11-30", "is_return_aggregate": true,
        "metric_list": { "distance": ["mode_confirm"], "response_count": ["mode_confirm"] }, "app_config": {},
    });
    let metrics = app.call("result/metrics/yyyy_mm_dd", days).await;
    let row = &metrics["distance"][0];
    assert_eq!((&row["date"], &row["nUsers"]), (&json!("2023-11-15"), &json!(1)));
    assert_eq!(row["mode_confirm_cargo_bike"], trip["data"]["distance"]);
    assert_eq!(metrics["response_count"][0]["mode_confirm_cargo_bike"], json!({ "responded": 1 }));

    // What older apps draw on a map.
    let asked = json!({
        "start_time": 0, "end_time": 9_999_999_999_u64, "modes": ["BICYCLING"], "sel_region": null, "aggregate": false,
    });
    let heat = app.call("result/heatmap/pop.route/timestamp", asked).await;
    let points = heat["lnglat"].as_array().unwrap();
    let is_on_the_way = |point: &Value| (point[0].as_f64().unwrap() - 13.4).abs() < 1e-9;
    assert!(points.len() > 20 && points.iter().all(is_on_the_way), "{heat}");
    cloud.stop().await;
}

// Route: "/customlabel/get"
// Route: "/customlabel/insert"
// Route: "/customlabel/update"
// Route: "/customlabel/delete"
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_apps_own_labels_are_kept_and_come_by_use() {
    let cloud = legacy().await;
    let mut app = onboarded(&cloud).await;
    let named = |label: &str| json!({ "key": "mode", "label": label });
    for label in ["skateboard", "canoe"] {
        app.call("customlabel/insert", json!({ "inserted_label": named(label) })).await;
    }
    let changed = json!({
        "key": "mode", "old_label": "skateboard", "new_label": "canoe", "is_new_label_must_added": false,
    });
    let answer = app.call("customlabel/update", json!({ "updated_label": changed })).await;
    assert_eq!(answer, json!({ "label": ["canoe", "skateboard"] }));
    let answer = app.call("customlabel/delete", json!({ "deleted_label": named("canoe") })).await;
    assert_eq!(answer, json!({ "label": ["skateboard"] }));
    let answer = app.call("customlabel/get", json!({ "keys": ["mode", "purpose"] })).await;
    assert_eq!(answer, json!({ "mode": ["skateboard"], "purpose": [] }));

    let (_, other) = cloud.runtime.people().add("Bob", 0.0).unwrap();
    let body = json!({ "keys": ["mode"], "user": other.reveal() }).to_string();
    let theirs = app.caller.post("/api//customlabel/get", "", body.as_bytes()).await;
    assert_eq!(theirs.body, json!({ "mode": [] }), "labels are one person's");
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_about_everybody_is_nobodys_without_a_token() {
    let cloud = legacy().await;
    let mut caller = caller(&cloud, HERE).await;
    let body = json!({ "start_time": "2023-11-01", "end_time": "2023-11-30", "aggregate": true }).to_string();
    assert_eq!(
        caller.post("/api//result/metrics/yyyy_mm_dd", "", body.as_bytes()).await.code(),
        (401, "no-user")
    );
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_with_an_older_configuration_of_its_study_gets_the_newer_one_with_its_sync() {
    let cloud = legacy().await;
    let mut app = onboarded(&cloud).await;
    let config = json!({ "version": 3, "server": { "connectUrl": "https://own.example/" } });
    let set = runtime_user::AppConfig::new(&config).unwrap();
    cloud.runtime.person(app.user).unwrap().set_app_config(Some(set)).unwrap();
    let synced = |version: u64| json!({ "phone_to_server": [], "deployment_config_version": version, "app_version": "2.1.3" });
    let answer = app.call("usercache/put", synced(2)).await;
    assert_eq!(answer, json!({ "stored": 0, "set_aside": 0, "deployment_config": config }));
    assert_eq!(app.call("usercache/put", synced(3)).await, json!({ "stored": 0, "set_aside": 0 }));
    cloud.runtime.person(app.user).unwrap().set_app_config(None).unwrap();
    assert_eq!(app.call("usercache/put", synced(2)).await, json!({ "stored": 0, "set_aside": 0 }));
    cloud.stop().await;
}
