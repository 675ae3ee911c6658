//! The binary with a clock that is wrong, by libfaketime: skipped, aloud, where that is not installed.

use crate::support::binary;

use std::fs;
use std::path::Path;

use binary::{CELLAR, Serving, cellar, json, program, text, write_day};
use serde_json::Value;

/// Where distributions put it.
const LIBRARIES: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib64/faketime/libfaketime.so.1",
    "/usr/lib/faketime/libfaketime.so.1",
];

fn library() -> Option<&'static str> {
    let found = LIBRARIES.into_iter().find(|path| Path::new(path).exists());
    if found.is_none() {
        eprintln!("SKIPPED: libfaketime is not installed");
    }
    found
}

/// A host whose clock is what the environment says.
fn serve(data: &str, config: &str, environment: &[(&str, &str)]) -> Serving {
    let mut serve = program(CELLAR);
    serve
        .args(["serve", "--json", "--data", data, "--listen", "127.0.0.1:0", "--log-format", "json"])
        .args(["--legacy", "--config", config])
        .envs(environment.iter().copied());
    Serving::start(&mut serve)
}

fn trips(data: &str) -> Option<u64> {
    let shown = json(&["user", "show", "--data", data, "owner"]);
    let streams = shown["streams"].as_array().expect("streams");
    streams.iter().find(|stream| stream["key"] == "segmentation/raw_trip")?["entries"].as_u64()
}

fn status(data: &str) -> Value {
    json(&["pipeline", "status", "--data", data, "owner"])
}

/// Each look starts a process, and so waits by itself.
fn looks_until(data: &str, holds: impl Fn(&Value) -> bool) -> bool {
    (0..600).any(|_| holds(&status(data)))
}

/// A data folder, a phone's state, a day, and the settings of a host that runs stages at once.
struct Scene {
    _folder: tempfile::TempDir,
    data: String,
    state: String,
    day: String,
    eager: String,
    times: String,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
        let [data, state, day, eager, times] = ["data", "phone", "day.json", "eager.toml", "times"].map(at);
        write_day(Path::new(&day));
        fs::write(&eager, "[pipeline]\nquiet_ms = 0\nwait_max_ms = 0\n").expect("written");
        Self { _folder: folder, data, state, day, eager, times }
    }

    fn put(&self, connect: &str) {
        json(&["phone", "put", "--connect", connect, "--state", &self.state, "--input", &self.day]);
    }
}

#[test]
fn a_host_that_starts_in_1970_takes_uploads_and_makes_the_diary_once_its_clock_is_right() {
    let Some(library) = library() else { return };
    let place = Scene::new();
    let wrong = [("LD_PRELOAD", library), ("FAKETIME", "@1970-01-01 00:05:00")];
    let host = serve(&place.data, &place.eager, &wrong);
    let connect = host.ready["connect"].as_str().expect("a first person").to_owned();
    place.put(&connect);
    let seen = status(&place.data);
    assert!(seen["clock_doubt"].as_str().is_some_and(|doubt| doubt.contains("was built")), "{seen}");
    assert_eq!(seen["pending"]["running"], false, "{seen}");
    let waiting = seen["waiting"].as_array().expect("what waits");
    assert!(
        !waiting.is_empty() && waiting.iter().all(|waiting| waiting["reason"] == "dated-ahead"),
        "{seen}"
    );
    let told = text(&cellar(&["pipeline", "status", "--data", &place.data, "owner"]).stdout);
    assert!(
        told.contains("dated ahead of the host's clock") && told.contains("scheduled runs wait"),
        "{told}"
    );
    let told = text(&cellar(&["user", "status", "--data", &place.data, "owner"]).stdout);
    assert!(told.contains("scheduled runs wait"), "{told}");
    // By hand a run does not wait, and finds nothing whose time has come.
    let run = json(&["pipeline", "run", "--data", &place.data, "owner"]);
    assert!(run["clock_doubt"].is_string(), "{run}");
    assert_eq!(trips(&place.data), None);
    let log = host.stop();
    assert_eq!(log.matches("analyses wait until the clock is right").count(), 1, "{log}");

    let host = serve(&place.data, &place.eager, &[]);
    assert!(looks_until(&place.data, |status| status["pending"].is_null()));
    let seen = status(&place.data);
    assert_eq!((&seen["clock_doubt"], &seen["waiting"]), (&Value::Null, &Value::Array(Vec::new())));
    assert!(trips(&place.data).is_some_and(|trips| trips > 0));
    host.stop();
}

#[test]
fn a_host_whose_clock_is_set_back_and_set_right_again_goes_on_by_itself() {
    let Some(library) = library() else { return };
    let place = Scene::new();
    fs::write(&place.times, "+0\n").expect("written");
    let times = [
        ("LD_PRELOAD", library),
        ("FAKETIME_TIMESTAMP_FILE", place.times.as_str()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("DONT_FAKE_MONOTONIC", "1"),
    ];
    let host = serve(&place.data, &place.eager, &times);
    let connect = host.ready["connect"].as_str().expect("a first person").to_owned();
    assert_eq!(status(&place.data)["clock_doubt"], Value::Null);
    fs::write(&place.times, "-4000d\n").expect("written");
    assert!(looks_until(&place.data, |status| status["clock_doubt"].is_string()));
    place.put(&connect);
    let seen = status(&place.data);
    assert!(seen["clock_doubt"].is_string() && seen["pending"]["running"] == false, "{seen}");
    assert_eq!(trips(&place.data), None);
    fs::write(&place.times, "+0\n").expect("written");
    assert!(looks_until(&place.data, |status| status["pending"].is_null()));
    assert_eq!(status(&place.data)["clock_doubt"], Value::Null);
    assert!(trips(&place.data).is_some_and(|trips| trips > 0));
    let log = host.stop();
    assert!(log.contains("believed again"), "{log}");
}

#[test]
fn data_that_comes_after_a_run_whose_clock_was_years_ahead_is_in_the_diary() {
    let Some(library) = library() else { return };
    let (place, right) = (Scene::new(), Scene::new());
    for place in [&place, &right] {
        fs::write(&place.eager, "[pipeline]\nautomatic = false\n").expect("written");
    }
    let halves = |place: &Scene| {
        let day: Vec<Value> = serde_json::from_slice(&fs::read(&place.day).expect("there")).expect("JSON");
        let (first, second) = day.split_at(day.len() / 2);
        [first, second].map(|half| serde_json::to_string(half).expect("plain"))
    };
    let lives = |place: &Scene, first: &[(&str, &str)]| {
        let nothing: &[(&str, &str)] = &[];
        let mut connect = None;
        for (half, environment) in halves(place).iter().zip([first, nothing]) {
            fs::write(&place.day, half).expect("written");
            let host = serve(&place.data, &place.eager, environment);
            let told = host.ready["connect"].as_str().map(str::to_owned);
            connect = connect.or(told);
            let connect = connect.as_deref().expect("a first person");
            let (connect, state) =
                (with_port(connect, &host), format!("{}-{}", place.state, host.child.id()));
            json(&["phone", "put", "--connect", &connect, "--state", &state, "--input", &place.day]);
            json(&["pipeline", "run", "--data", &place.data, "owner"]);
            host.stop();
        }
        trips(&place.data)
    };
    let ahead = [("LD_PRELOAD", library), ("FAKETIME", "+3650d")];
    let got = lives(&place, &ahead);
    assert!(got.is_some() && got == lives(&right, &[]), "{got:?}");
}

/// A connection string to where the host listens now.
fn with_port(connect: &str, host: &Serving) -> String {
    let (rest, listen) =
        (connect.split_once("/?").expect("a query").1, host.ready["listen"].as_str().expect("an address"));
    format!("cellar://{listen}/?{rest}")
}
