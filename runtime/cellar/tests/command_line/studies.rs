//! Studies, as researchers, operators and owners give the commands.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::binary::{CELLAR, cellar, json, refused, text, within};

/// Whether the programs that compile cells and draw noise are here; says so where they are not.
fn can_answer() -> bool {
    let mut programs = ["cellar-cell-compiler", "cellar-studies"].into_iter();
    match programs.find(|name| !Path::new(CELLAR).with_file_name(name).is_file()) {
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
    if !can_answer() {
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
