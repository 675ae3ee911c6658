//! Studies, as researchers, operators and owners give the commands.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::binary::{CELLAR, Running, cellar, json, program, refused, started, text, within};

/// Whether the programs that a study needs beside `cellar` are here; says so where one is not.
fn are_here(programs: &[&str]) -> bool {
    match programs.iter().find(|name| !Path::new(CELLAR).with_file_name(name).is_file()) {
        None => true,
        Some(name) => {
            println!("SKIPPED: no {name} beside cellar");
            false
        }
    }
}

/// The signed package of the cell `distance-by-mode`: its file, its id and its digest.
fn package(home: &Path, key: &str) -> (String, String, String) {
    let cell =
        runtime_cells::PACKAGES.iter().find(|cell| cell.name == "distance-by-mode").expect("it is built");
    let (folder, component, package) =
        (within(home, "cell"), within(home, "component.wasm"), within(home, "distance.cell"));
    fs::create_dir(&folder).expect("made");
    fs::write(within(Path::new(&folder), "cell.toml"), cell.manifest).expect("written");
    fs::write(&component, cell.component).expect("written");
    json(&["cell", "pack", &folder, "--component", &component, "--output", &package]);
    let signed = json(&["cell", "sign", &package, "--key", key]);
    let digest = ring::digest::digest(&ring::digest::SHA256, &fs::read(&package).expect("read"));
    let digest = data_encoding::HEXLOWER.encode(digest.as_ref());
    (package, signed["signed"]["cell"].as_str().expect("an id").to_owned(), digest)
}

/// A study of kilometres by mode over the last two days.
fn study_of(cell: &str, digest: &str) -> String {
    let today = jiff::Timestamp::now().as_second() / 86_400 * 86_400;
    let day = |back: i64| jiff::Timestamp::from_second(today - back * 86_400).expect("a moment").to_string();
    let modes = ["walking", "bicycling", "bus", "train", "car", "air", "other"];
    let numbers = modes.map(|mode| format!("[[numbers]]\nname = \"{mode}\"\nlo = 0\nhi = 1_000\n")).concat();
    format!(
        "version = 1\nname = \"distance\"\ntitle = \"Distance by mode\"\npurpose = \"Counts kilometres.\"\n\
         ethics = \"A committee, 1\"\ncell = \"{cell}\"\ndigest = \"{digest}\"\n\
         streams = [\"analysis/inferred_section\"]\nfrom = {}\nuntil = {}\nepoch = \"day\"\nepsilon = 0.5\nl1 = 100\n\
         smallest-group = 5\nanswered = \"one-host\"\n{numbers}",
        day(2),
        day(0)
    )
}

#[test]
fn a_study_is_checked_signed_published_joined_left_and_answered() {
    if !are_here(&["cellar-cell-compiler", "cellar-studies"]) {
        return;
    }
    let home = tempfile::tempdir().expect("a folder");
    let at = |name: &str| within(home.path(), name);
    let [data, key, study] = ["data", "publisher.key", "study.toml"].map(at);
    json(&["cell", "keygen", "--output", &key]);
    let (package, cell, digest) = package(home.path(), &key);

    // The researcher.
    fs::write(&study, study_of(&cell, &"00".repeat(32))).expect("written");
    let wrong = refused(&["study", "check", &study, "--package", &package]);
    assert!(wrong.contains(&digest) && wrong.contains(&cell), "{wrong}");
    fs::write(&study, study_of(&cell, &digest)).expect("written");
    let checked = json(&["study", "check", &study, "--package", &package]);
    assert_eq!((&checked["name"], &checked["id"]), (&Value::from("distance"), &Value::Null));
    let signed = json(&["study", "sign", &study, "--key", &key]);
    assert!(signed["id"].as_str().is_some_and(|id| id.len() == 64), "{signed}");
    assert_eq!(json(&["study", "check", &study]), signed);

    // The operator, and owners.
    let of = |verb: &str, more: &[&str]| json(&[&["study", verb, "--data", &data][..], more].concat());
    let names = ["ada", "boris", "clara", "david", "eva"];
    for name in names {
        json(&["user", "add", "--data", &data, name, "--unattended"]);
    }
    let unknown = refused(&["study", "join", "--data", &data, "ada", &study]);
    assert!(unknown.contains("the operator publishes them"), "{unknown}");
    of("publish", &[&study, "--package", &package]);
    let offer = of("join", &["ada", &study]);
    assert_eq!((&offer["joined"], &offer["budget"]["left_micro"]), (&false.into(), &4_000_000.into()));
    for name in names {
        assert_eq!(of("join", &[name, &study, "--yes"])["joined"], true);
    }
    assert_eq!(of("status", &["distance"])["studies"][0]["people"], 5);
    assert_eq!(of("leave", &["eva", "distance"])["joined"], false);
    let few = refused(&["study", "result", "--data", &data, "distance"]);
    assert!(few.contains("fewer than 5 people"), "{few}");
    of("join", &["eva", &study, "--yes"]);
    let answer = of("result", &["distance"]);
    assert_eq!((&answer["epoch"], answer["totals"].as_array().map(Vec::len)), (&1.into(), Some(7)));
    assert_eq!(of("result", &["distance", "--epoch", "1"]), answer);
    let status = of("status", &["--person", "eva"]);
    assert_eq!(status["budget"]["left_micro"], 3_500_000);
    assert_eq!(status["studies"][0]["epochs"][1]["state"], "answered");
    let told = text(&cellar(&["study", "result", "--data", &data, "distance"]).stdout);
    assert!(told.contains("At least 5 people contributed, each at the cost of ε 0.5."), "{told}");
}

/// An aggregator that runs, as its operator starts it.
struct Aggregator {
    _running: Running,
    folder: String,
    address: String,
    key: String,
}

impl Aggregator {
    fn start(folder: String) -> Self {
        let made = json(&["aggregator", "init", &folder]);
        let serve = ["--json", "aggregator", "serve", &folder, "--listen", "127.0.0.1:0"];
        let (_running, ready) = started(program(CELLAR).args(serve));
        let of = |value: &Value, name: &str| value[name].as_str().expect("a text").to_owned();
        Self { _running, folder, address: of(&ready, "listen"), key: of(&made, "key") }
    }

    /// How many reports it has counted, as its operator is told.
    fn counted(&self) -> Value {
        json(&["aggregator", "status", &self.folder])[0]["people"].clone()
    }
}

#[test]
fn a_study_of_two_aggregators_is_sent_by_two_hosts_and_answered_to_its_researcher_alone() {
    if !are_here(&["cellar-cell-compiler", "cellar-aggregator"]) {
        return;
    }
    let home = tempfile::tempdir().expect("a folder");
    let at = |name: &str| within(home.path(), name);
    let [key, other_key, study] = ["publisher.key", "other.key", "study.toml"].map(at);
    json(&["cell", "keygen", "--output", &key]);
    json(&["cell", "keygen", "--output", &other_key]);
    let (package, cell, digest) = package(home.path(), &key);

    // The two parties, and the researcher, who names both.
    let parties = [at("leader"), at("helper")].map(Aggregator::start);
    let named = parties
        .iter()
        .map(|party| format!("[[aggregators]]\naddress = \"{}\"\nkey = \"{}\"\n", party.address, party.key))
        .collect::<String>();
    let form = study_of(&cell, &digest).replace("version = 1", "version = 2");
    let form = form.replace("answered = \"one-host\"\n", &format!("answered = \"two-aggregators\"\n{named}"));
    fs::write(&study, form).expect("written");
    json(&["study", "sign", &study, "--key", &key]);
    for party in &parties {
        json(&["aggregator", "admit", &party.folder, &study]);
    }

    // Neither host has as many people as the smallest group.
    let hosts = [("north", ["ada", "boris", "clara"]), ("south", ["david", "eva", "fay"])];
    for (host, names) in &hosts {
        let data = at(host);
        json(&["user", "add", "--data", &data, names[0], "--unattended"]);
        json(&["study", "publish", "--data", &data, &study, "--package", &package]);
        for name in &names[1..] {
            json(&["user", "add", "--data", &data, name, "--unattended"]);
        }
        for name in names {
            assert_eq!(json(&["study", "join", "--data", &data, name, &study, "--yes"])["joined"], true);
        }
        let elsewhere = refused(&["study", "result", "--data", &data, "distance", "--epoch", "1"]);
        assert!(elsewhere.contains("aggregators"), "{elsewhere}");
        let sent = json(&["study", "send", "--data", &data, "distance", "--epoch", "1"]);
        assert_eq!((&sent["counted"], &sent["refused"], &sent["open"]), (&3.into(), &0.into(), &0.into()));
        let again = json(&["study", "send", "--data", &data, "distance", "--epoch", "1"]);
        assert_eq!(again["counted"], 3, "{again}");
        let status = json(&["study", "status", "--data", &data, "--person", names[0]]);
        assert_eq!(status["budget"]["left_micro"], 3_500_000);
    }
    assert_eq!(parties.each_ref().map(Aggregator::counted), [6, 6].map(Value::from));

    let of_other = refused(&["study", "result", &study, "--key", &other_key, "--epoch", "1"]);
    assert!(of_other.contains("use the key with which the study was signed"), "{of_other}");
    let answer = json(&["study", "result", &study, "--key", &key, "--epoch", "1"]);
    assert_eq!((&answer["epoch"], answer["totals"].as_array().map(Vec::len)), (&1.into(), Some(7)));
    assert_eq!(json(&["study", "result", &study, "--key", &key, "--epoch", "1"]), answer);
}
