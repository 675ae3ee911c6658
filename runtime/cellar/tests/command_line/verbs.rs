//! The binary, as people and scripts use it: a host that runs, verbs beside it, and what each leaves behind.

use crate::support::binary;

use std::fs;
use std::path::Path;

use binary::{Serving, cellar, json, serve_at, text, write_day};
use serde_json::Value;

/// A host with the front for phones that cannot pair, whose first person has a token.
fn serve(data: &str) -> Serving {
    serve_with(data, &["--legacy"])
}

fn serve_with(data: &str, more: &[&str]) -> Serving {
    serve_at(data, "127.0.0.1:0", more)
}

#[test]
fn a_day_goes_in_comes_out_moves_elsewhere_and_is_erased() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let (data, state, dump) = (at("data"), at("phone"), at("day.json"));
    let count = write_day(Path::new(&dump));

    let host = serve(&data);
    let connect = host.ready["connect"].as_str().expect("a first person").to_owned();
    let put = json(&["phone", "put", "--connect", &connect, "--state", &state, "--input", &dump]);
    assert_eq!(put["entries"], count);
    let run = json(&["pipeline", "run", "--data", &data, "owner"]);
    assert!(
        run["stages"].as_array().expect("stages").iter().all(|stage| stage["failure"].is_null()),
        "{run}"
    );
    let trips = json(&["phone", "get", "--state", &state, "--key", "segmentation/raw_trip"]);
    assert!(!trips.as_array().expect("entries").is_empty());

    let (first, second) = (at("first.json"), at("second.json"));
    let person = json(&["user", "export", "--data", &data, "owner", "--output", &first])["id"].clone();
    let person = person.as_str().expect("an id");
    json(&["user", "erase", "--data", &data, person, "--yes"]);
    let refused = cellar(&["phone", "get", "--state", &state, "--key", "segmentation/raw_trip"]);
    assert_eq!(refused.status.code(), Some(1));
    let log = host.stop();

    let token = connect.split(['=', '&']).nth(1).expect("a token");
    assert!(log.contains("request answered") && log.contains("host stopped"), "{log}");
    assert!(!log.contains(token) && !log.contains("latitude"), "{log}");

    // The same person, elsewhere and with no host running.
    let elsewhere = at("elsewhere");
    assert_eq!(json(&["user", "import", "--data", &elsewhere, &first])["id"], person);
    json(&["user", "export", "--data", &elsewhere, person, "--output", &second]);
    let read = |path: &str| {
        let mut export: Value = serde_json::from_slice(&fs::read(path).expect("there")).expect("JSON");
        export["exported_ts"] = Value::Null;
        export
    };
    assert!(read(&first) == read(&second), "an export that was imported exports the same");

    // A phone that never heard that its day was accepted sends it again, to the host where its person is now.
    let (third, again) = (at("third"), at("phone-again"));
    let host = serve(&third);
    let imported = json(&["user", "import", "--data", &third, &first]);
    let connect = imported["connect"].as_str().expect("a way in");
    let put = json(&["phone", "put", "--connect", connect, "--state", &again, "--input", &dump]);
    assert_eq!(put["entries"], count);
    let last = at("last.json");
    json(&["user", "export", "--data", &third, person, "--output", &last]);
    assert_eq!(read(&last)["usercache"], Value::Array(Vec::new()), "nothing is taken for new");
    assert_eq!(read(&last)["origins"], read(&first)["origins"]);
    host.stop();
}

#[test]
fn a_put_is_followed_by_a_run_though_the_host_was_killed_in_between() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let (data, state, dump, patient, eager) =
        (at("data"), at("phone"), at("day.json"), at("patient.toml"), at("eager.toml"));
    write_day(Path::new(&dump));
    fs::write(&patient, "[pipeline]\nquiet_ms = 7200000\nwait_max_ms = 7200000\n").expect("written");
    fs::write(&eager, "[pipeline]\nquiet_ms = 0\nwait_max_ms = 0\n").expect("written");
    let status = || json(&["pipeline", "status", "--data", &data, "owner"]);
    let told = || text(&cellar(&["pipeline", "status", "--data", &data, "owner"]).stdout);

    let mut host = serve_with(&data, &["--legacy", "--config", &patient]);
    let connect = host.ready["connect"].as_str().expect("a first person").to_owned();
    assert!(told().contains("nothing waits for a run"));
    json(&["phone", "put", "--connect", &connect, "--state", &state, "--input", &dump]);
    let due = status()["pending"]["due"].as_f64().expect("a run is due");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    assert!((due - now.as_secs_f64() - 7_200.0).abs() < 600.0, "{due}");
    assert!(told().contains("next run 2"), "{}", told());
    host.child.kill().expect("it runs");
    host.child.wait().expect("it ends");
    assert_eq!(status()["pending"]["running"], false);
    assert!(told().contains("a run is pending"), "{}", told());

    let host = serve_with(&data, &["--legacy", "--config", &eager]);
    // Each look starts a process, and so waits by itself.
    let done = (0..600).any(|_| status()["pending"].is_null());
    let log = host.stop();
    assert!(done && log.contains("pipeline run"), "{log}");
    assert!(
        status()["stages"]
            .as_array()
            .expect("stages")
            .iter()
            .all(|stage| stage["state"]["failure"].is_null())
    );
}

#[test]
fn a_diary_is_recomputed_from_a_moment_and_without_a_span_that_its_owner_forgets() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let (data, state, dump, never) = (at("data"), at("phone"), at("day.json"), at("never.toml"));
    let count = write_day(Path::new(&dump));
    fs::write(&never, "[pipeline]\nautomatic = false\n").expect("written");
    let host = serve_with(&data, &["--legacy", "--config", &never]);
    let connect = host.ready["connect"].as_str().expect("a first person").to_owned();
    json(&["phone", "put", "--connect", &connect, "--state", &state, "--input", &dump]);
    let person = ["--data", &data, "owner"];
    let pipeline = |verb: &str, more: &[&str]| json(&[&["pipeline", verb], &person[..], more].concat());
    let trips = || {
        let shown = json(&["user", "show", "--data", &data, "owner"]);
        let of_trips = |stream: &&Value| stream["key"] == "segmentation/raw_trip";
        shown["streams"]
            .as_array()
            .expect("streams")
            .iter()
            .find(of_trips)
            .map(|stream| stream["entries"].clone())
    };
    pipeline("run", &[]);
    let made = trips();
    assert!(made.is_some());

    pipeline("reset", &["--from", "2024-03-04T12:00:00+05:30"]);
    let status = pipeline("status", &[]);
    assert_eq!((&status["rewind"]["from"], status["pending"].is_object()), (&1_709_533_800.0.into(), true));
    let told = text(&cellar(&[&["pipeline", "status"], &person[..]].concat()).stdout);
    assert!(told.contains("recomputed first: everything from 2024-03-04 06:30:00 UTC"), "{told}");
    assert_eq!(pipeline("run", &[])["rewinds"].as_array().expect("one").len(), 1);
    assert_eq!((trips(), pipeline("status", &[])["rewind"].is_null()), (made, true));

    let span = ["--from", "2024-01-01T00:00:00Z", "--to", "1711929600"];
    let forget =
        |more: &[&str]| json(&[&["user", "forget", "--data", &data, "owner"], &span[..], more].concat());
    let some = forget(&["--keys", "background/battery", "stats/*"])["removed"].as_u64().expect("a number");
    let rest = forget(&[])["removed"].as_u64().expect("a number");
    assert!(some > 0 && some + rest == count as u64, "{some} and {rest} of {count}");
    pipeline("run", &[]);
    assert_eq!(trips(), None);
    host.stop();
    let wrong = cellar(&["pipeline", "reset", "--data", &data, "owner", "--from", "yesterday"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong.stderr).contains("2024-03-05T08:00"), "{}", text(&wrong.stderr));
}

#[test]
fn people_are_added_and_suspended_while_the_host_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data").to_str().expect("UTF-8").to_owned();
    let host = serve(&data);
    let added = json(&["user", "add", "--data", &data, "Ada", "--unattended"]);
    let connect = added["connect"].as_str().expect("a secret").to_owned();
    let get = || cellar(&["phone", "get", "--connect", &connect, "--key", "background/location"]);
    assert!(get().status.success(), "{}", text(&get().stderr));
    json(&["user", "suspend", "--data", &data, "Ada"]);
    assert!(text(&get().stderr).contains("403 suspended"));
    json(&["user", "resume", "--data", &data, "Ada"]);
    assert!(get().status.success());
    assert_eq!(json(&["user", "list", "--data", &data]).as_array().expect("people").len(), 2);
    let second = cellar(&["serve", "--data", &data, "--listen", "127.0.0.1:0"]);
    assert_eq!(second.status.code(), Some(1));
    assert!(text(&second.stderr).contains("another process uses"), "{}", text(&second.stderr));
    host.stop();
    // Whoever comes next finds the folder as it was, and the same key.
    let pin = host_pin(&data);
    assert_eq!(host_pin(&data), pin);
}

fn host_pin(data: &str) -> Value {
    let host = serve(data);
    assert!(host.ready["connect"].is_null(), "a first person is made once");
    let pin = host.ready["pin"].clone();
    host.stop();
    pin
}

#[test]
fn failures_are_one_line_that_says_what_to_do_and_bad_arguments_are_told_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().to_str().expect("UTF-8");
    for args in [
        vec!["user", "list", "--data", "/nowhere/at/all"],
        vec!["user", "show", "--data", data, "Nobody"],
        vec!["serve"],
        vec!["phone", "get", "--connect", "nonsense", "--key", "a/b"],
        vec!["phone", "put", "--state", "/nowhere", "--input", "/nowhere"],
        vec!["serve", "--data", data, "--config", "/nowhere"],
        vec!["serve", "--data", data, "--listen", "192.0.2.1:1"],
        vec!["replay", "--input", "/nowhere", "--output", "/nowhere"],
    ] {
        let output = cellar(&args);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
        assert!(said.starts_with("cellar: ") && said.contains("; "), "{args:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{args:?}: {said}");
    }
    let no_person = vec!["user", "status", "--data", data];
    for args in [vec!["user"], no_person, vec!["user", "erase", "--data", data, "Ada"], vec!["nonsense"]] {
        assert_eq!(cellar(&args).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn check_prints_the_settings_that_would_be_used() {
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/cellar.toml");
    let args = ["serve", "--data", "/nowhere", "--config", sample, "--listen", "127.0.0.1:9", "--check"];
    let settings = json(&args);
    assert_eq!(settings["listen"], "127.0.0.1:9");
    assert_eq!(settings["limits"]["body_bytes_max"], 64 << 20);
    assert!(text(&cellar(&args).stdout).contains("body_bytes_max = 67108864"));
}

#[test]
fn the_types_are_listed_with_who_brought_them() {
    let types = json(&["types"]);
    let types = types.as_array().expect("a list");
    assert!(types.iter().any(|known| known["key"] == "background/location"), "{types:?}");
}
