//! Cells as packages: made, built, signed, looked at.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::binary::{CELLAR, cellar, json, program, refused, serve_at, text, within, write_day};

/// The smallest component: it imports and exports nothing.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// A cell's folder with a component that was built already.
fn folder(home: &Path, name: &str) -> String {
    json(&["cell", "new", name, "--within", home.to_str().expect("UTF-8")]);
    let folder = home.join(name);
    fs::create_dir(folder.join("build")).expect("made");
    fs::write(folder.join("build/component.wasm"), COMPONENT).expect("written");
    folder.to_str().expect("UTF-8").to_owned()
}

#[test]
fn a_package_is_packed_signed_verified_and_shown() {
    let home = tempfile::tempdir().expect("a folder");
    let at = |name: &str| within(home.path(), name);
    let (package, key, next) = (at("silences.wasm"), at("publisher.key"), at("publisher-2.key"));
    let drawn = json(&["cell", "keygen", "--output", &key]);
    assert_eq!(fs::metadata(&key).expect("there").permissions().mode() & 0o777, 0o600);
    let packed = json(&["cell", "pack", &folder(home.path(), "silences"), "--output", &package]);
    assert_eq!(packed["signed"]["state"], "unsigned");

    let unsigned = refused(&["cell", "verify", &package]);
    assert!(unsigned.contains("the package is not signed; ask its publisher"), "{unsigned}");
    let signed = json(&["cell", "sign", &package, "--key", &key]);
    assert_eq!(signed["signed"]["publisher"], drawn["publisher"]);
    assert_eq!(signed["digest"], packed["digest"], "a signature is no part of what is signed");
    assert_eq!(json(&["cell", "verify", &package]), signed);

    // Another key of the same publisher signs another version of the same cell.
    let succeeded = json(&["cell", "succeed", "--key", &key, "--new", &next]);
    assert_eq!((&succeeded["publisher"], &succeeded["successions"]), (&drawn["publisher"], &Value::from(1)));
    assert_ne!(succeeded["public_key"], drawn["public_key"]);
    let again = json(&["cell", "sign", &package, "--key", &next]);
    assert_eq!(again["signed"]["cell"], signed["signed"]["cell"]);
    assert_eq!(again["signed"]["successions"], 1);

    let shown = text(&cellar(&["cell", "inspect", &package]).stdout);
    let publisher = drawn["publisher"].as_str().expect("an id");
    for part in [
        "Times without a position\nFinds times",
        &format!("signed by publisher {publisher} with key 2"),
        "silences version 1",
        "says that it is by: Your institute (you@institute.example)",
        "behind ACCURACY_FILTERING",
        "reads background/filtered_location: Their times show",
        "writes study.silences/silence",
        "imports nothing",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let key = fs::read_to_string(&key).expect("text");
    let secret = key.lines().find(|line| line.contains("pkcs8")).and_then(|line| line.split('"').nth(3));
    assert!(!shown.contains(secret.expect("a key")) && !drawn.to_string().contains(secret.expect("a key")));
}

#[test]
fn a_package_that_was_changed_is_refused_and_told_with_what_to_do() {
    let home = tempfile::tempdir().expect("a folder");
    let at = |name: &str| within(home.path(), name);
    let (package, key) = (at("silences.wasm"), at("publisher.key"));
    json(&["cell", "keygen", "--output", &key]);
    json(&["cell", "pack", &folder(home.path(), "silences"), "--output", &package]);
    json(&["cell", "sign", &package, "--key", &key]);
    let signed = fs::read(&package).expect("there");
    let mut changed = signed.clone();
    let purpose = b"Nothing leaves";
    let place =
        changed.windows(purpose.len()).position(|window| window == purpose).expect("it is in the manifest");
    changed[place] = b'S';
    fs::write(&package, &changed).expect("written");
    let why = refused(&["cell", "verify", &package]);
    assert!(why.contains("it was changed, get it again; install nothing of it"), "{why}");
    assert!(text(&cellar(&["cell", "inspect", &package]).stdout).contains("NOT TO BE TRUSTED"));
    fs::write(&package, [&signed[..], b"\0\x01\0"].concat()).expect("written");
    let why = refused(&["cell", "inspect", &package]);
    assert!(why.contains("nothing is behind them; get it again"), "{why}");
}

#[test]
fn attack_118_a_key_that_others_can_read_signs_nothing_and_none_is_written_over() {
    let home = tempfile::tempdir().expect("a folder");
    let at = |name: &str| within(home.path(), name);
    let (package, key) = (at("silences.wasm"), at("publisher.key"));
    json(&["cell", "keygen", "--output", &key]);
    json(&["cell", "pack", &folder(home.path(), "silences"), "--output", &package]);
    let before = (fs::read(&package).expect("there"), fs::read(&key).expect("there"));
    for mode in [0o640, 0o604, 0o660] {
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).expect("set");
        for verb in [
            &["cell", "sign", &package, "--key", &key][..],
            &["cell", "succeed", "--key", &key, "--new", &at("n")],
        ] {
            let why = refused(verb);
            assert!(why.contains("can be read by others; if nobody has read it"), "{why}");
        }
    }
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("set");
    for verb in
        [&["cell", "keygen", "--output", &key][..], &["cell", "succeed", "--key", &key, "--new", &key]]
    {
        let why = refused(verb);
        assert!(why.contains("is there already; name a new file"), "{why}");
    }
    // Nor is anything but a package replaced by one.
    let why = refused(&["cell", "pack", &within(home.path(), "silences"), "--output", &key]);
    assert!(why.contains("is there and is no package"), "{why}");
    assert_eq!((fs::read(&package).expect("there"), fs::read(&key).expect("there")), before);
    assert!(!Path::new(&at("n")).exists());
}

/// Where cells of these tests are built: kept from run to run, since the first build takes a minute.
pub const TARGET: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/cells");

/// Whether cells can be built here; says so where they cannot.
pub fn can_build() -> bool {
    let rustc = ["--print", "target-libdir", "--target", "wasm32-unknown-unknown"];
    let printed = Command::new("rustc").args(rustc).output();
    let libraries = printed.map(|printed| text(&printed.stdout).trim().to_owned()).unwrap_or_default();
    let encoder = Path::new(CELLAR).with_file_name("cellar-cell-encoder").is_file();
    let can = encoder && Path::new(&libraries).read_dir().is_ok_and(|mut files| files.next().is_some());
    if !can {
        println!("SKIPPED: no target wasm32-unknown-unknown, or no cellar-cell-encoder beside cellar");
    }
    can
}

#[test]
fn a_new_cell_is_tested_built_and_signed_outside_of_the_repository_with_cargo_alone() {
    if !can_build() {
        return;
    }
    let home = tempfile::tempdir().expect("a folder");
    let at = |name: &str| within(home.path(), name);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let sdk = within(&root, "cells/sdk");
    let key = at("publisher.key");
    json(&["cell", "keygen", "--output", &key]);
    for (name, world, imports) in [("gaps", "stage", 2), ("how-many", "endpoint", 1)] {
        let there = home.path().to_str().expect("UTF-8");
        json(&["cell", "new", name, "--lang", "rust", "--world", world, "--sdk", &sdk, "--within", there]);
        let folder = at(name);
        // The versions that this workspace has, so that no network is needed.
        fs::copy(root.join("Cargo.lock"), home.path().join(name).join("Cargo.lock")).expect("copied");
        let outside = |mut command: Command| {
            let command = command.env("CARGO_NET_OFFLINE", "true").env("CARGO_TARGET_DIR", TARGET);
            let ended = command.env_remove("RUSTFLAGS").current_dir(&folder).output().expect("it starts");
            assert!(ended.status.success(), "{command:?}: {}", text(&ended.stderr));
            text(&ended.stdout)
        };
        let mut tests = program("cargo");
        tests.args(["test", "--quiet", "--test", "*"]);
        assert!(outside(tests).contains("test result: ok"));
        let mut build = program(CELLAR);
        build.args(["cell", "build", ".", "--json"]);
        let built: Value = serde_json::from_str(&outside(build)).expect("JSON");
        let imported = built["imports"].as_array().expect("imports");
        // Arguments, results and types need no grant.
        let unlisted = ["/types@", "/context@", "/stage-run@", "/request@", "/response@"];
        let is_listed = |name: &&Value| !unlisted.iter().any(|part| name.to_string().contains(part));
        let interfaces = imported.iter().filter(is_listed);
        assert_eq!((built["name"].as_str(), interfaces.count()), (Some(name), imports), "{built}");
        let package = format!("{folder}/build/{name}.wasm");
        let signed = json(&["cell", "sign", &package, "--key", &key]);
        assert_eq!((&signed["digest"], &signed["signed"]["state"]), (&built["digest"], &Value::from("by")));
        println!("{name}: {} bytes", built["bytes"]);

        // Code and manifest that disagree are told as such.
        let manifest = home.path().join(name).join("cell.toml");
        let written = fs::read_to_string(&manifest)
            .expect("text")
            .replace("[\"timeseries-read\"", "[\"log\", \"timeseries-read\"");
        fs::write(&manifest, written).expect("written");
        let mut build = program(CELLAR);
        build.env("CARGO_NET_OFFLINE", "true").env("CARGO_TARGET_DIR", TARGET);
        let ended = build.args(["cell", "build", &folder]).output().expect("it starts");
        let why = text(&ended.stderr);
        assert!(
            !ended.status.success() && why.contains("its manifest lists log, which it does not use"),
            "{why}"
        );
    }
}

/// Whether cells can be compiled here; says so where they cannot.
pub fn can_compile() -> bool {
    let can = Path::new(CELLAR).with_file_name("cellar-cell-compiler").is_file();
    if !can {
        println!("SKIPPED: no cellar-cell-compiler beside cellar");
    }
    can
}

#[test]
fn an_owner_looks_at_a_package_narrows_it_runs_it_and_ends_it() {
    if !can_build() || !can_compile() {
        return;
    }
    let home = tempfile::tempdir().expect("a folder");
    let at = |name: &str| within(home.path(), name);
    let [data, day, key] = ["data", "day.json", "publisher.key"].map(at);
    // A researcher, outside of the repository.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let there = home.path().to_str().expect("UTF-8");
    let sdk = within(&root, "cells/sdk");
    json(&["cell", "new", "gaps", "--lang", "rust", "--world", "stage", "--sdk", &sdk, "--within", there]);
    fs::copy(root.join("Cargo.lock"), home.path().join("gaps/Cargo.lock")).expect("copied");
    let mut build = program(CELLAR);
    build.env("CARGO_NET_OFFLINE", "true").env("CARGO_TARGET_DIR", TARGET).env_remove("RUSTFLAGS");
    let built = build.args(["cell", "build", &at("gaps")]).output().expect("it starts");
    assert!(built.status.success(), "{}", text(&built.stderr));
    let package = at("gaps/build/gaps.wasm");
    json(&["cell", "keygen", "--output", &key]);
    // Nobody installs what nobody has signed.
    write_day(Path::new(&day));
    let host = serve_at(&data, "127.0.0.1:0", &["--legacy"]);
    let connect = host.ready["connect"].as_str().expect("a first person").to_owned();
    let person = ["--data", data.as_str(), "owner"];
    let of = |verb: &str| -> Vec<String> {
        ["cell", verb].iter().chain(&person).map(|word| (*word).to_owned()).collect()
    };
    let say = |verb: &str, more: &[&str]| -> Value {
        let words = of(verb);
        json(&words.iter().map(String::as_str).chain(more.iter().copied()).collect::<Vec<_>>())
    };
    let install = of("install");
    let unsigned: Vec<&str> = install.iter().map(String::as_str).chain([package.as_str(), "--yes"]).collect();
    let why = refused(&unsigned);
    assert!(why.contains("signature") && why.contains("ask its publisher"), "{why}");
    json(&["cell", "sign", &package, "--key", &key]);

    // The owner looks at it, which changes nothing; says yes; and it runs with the analysis.
    let looked = say("install", &[&package]);
    assert_eq!((looked["state"].as_str(), looked["name"].as_str()), (Some("offered"), Some("gaps")));
    let words = looked["words"].to_string();
    assert!(
        words.contains("background/filtered_location") && words.contains("Nothing leaves your store"),
        "{words}"
    );
    assert_eq!(say("list", &[]), Value::Array(Vec::new()));
    let installed = say("install", &[&package, "--yes", "--expires", "2099-01-01"]);
    assert_eq!(installed["state"], "active");
    json(&["phone", "put", "--connect", &connect, "--input", &day]);
    let run = json(&["pipeline", "run", "--data", &data, "owner"]);
    assert_eq!(
        (&run["guests"][0]["stage"], &run["guests"][0]["failure"]),
        (&Value::from("x-gaps"), &Value::Null),
        "{run}"
    );
    let made = || -> u64 {
        let shown = json(&["user", "show", "--data", &data, "owner"]);
        let streams = shown["streams"].as_array().expect("streams").clone();
        let own = streams.iter().find(|stream| stream["key"] == "study.gaps/silence");
        own.map_or(0, |stream| stream["entries"].as_u64().expect("a count"))
    };
    assert!(made() > 0, "{run}");
    let logs = say("logs", &["gaps"]);
    assert!(logs["runs"].as_array().is_some_and(|runs| !runs.is_empty()), "{logs}");
    let followed = json(&["user", "audit", "--data", &data, "owner", "--verify"]);
    assert_eq!(
        (followed["chain"]["before"].as_u64(), &followed["chain"]["broken"]),
        (Some(0), &Value::Null),
        "{followed}"
    );

    // What is forgotten is gone from its results; a revoked cell makes none.
    json(&["user", "forget", "--data", &data, "owner", "--from", "1970-01-02", "--to", "2090-01-01"]);
    json(&["pipeline", "run", "--data", &data, "owner"]);
    assert_eq!(made(), 0);
    assert_eq!(say("pause", &["gaps"])["state"], "paused");
    assert_eq!(say("resume", &["gaps"])["state"], "active");
    assert_eq!(say("revoke", &["gaps"])["state"], "ended");
    let run = json(&["pipeline", "run", "--data", &data, "owner"]);
    assert_eq!(run["guests"], Value::Null, "{run}");
    assert_eq!(say("remove", &["gaps", "--with-output"])["cell"], "gaps");
    assert_eq!(say("list", &[]), Value::Array(Vec::new()));
    host.stop();
}
