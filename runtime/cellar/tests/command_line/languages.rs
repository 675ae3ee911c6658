//! Cells in Python and JavaScript: made, tested natively, built and held against their manifests. Skipped, aloud, where
//! the tools of a language are not here; `.ci/tools` installs them.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::binary::{CELLAR, json, program, text, within};

/// The path on which tools are looked for: first those that `.ci/tools` has installed.
pub fn tools() -> OsString {
    let tools = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../tools");
    let usual = std::env::var_os("PATH").unwrap_or_default();
    let near = [tools.join("python/bin"), tools.join("node_modules/.bin")];
    std::env::join_paths(near.into_iter().chain(std::env::split_paths(&usual))).expect("no colon in a path")
}

fn build(folder: &str, more: &[&str]) -> Output {
    let mut build = program(CELLAR);
    build.env("PATH", tools()).args(["cell", "build", folder, "--json"]).args(more);
    build.output().expect("it starts")
}

/// Whether a build was done; says so where its tool is not here.
fn is_done(ended: &Output, what: &str) -> bool {
    let words = text(&ended.stderr);
    if words.contains(" is neither in ")
        || words.contains("cellar-cell-encoder") && words.contains("cannot start")
    {
        println!("SKIPPED: {what}: {words}");
        return false;
    }
    assert!(ended.status.success(), "{what}: {words}");
    true
}

/// Runs the tests of a folder natively; says so where its interpreter is not here.
fn test_natively(folder: &str, command: &[&str]) {
    let ran = Command::new(command[0]).args(&command[1..]).current_dir(folder).output();
    match ran {
        Err(error) => println!("SKIPPED: {}: {error}", command[0]),
        Ok(ended) => assert!(ended.status.success(), "{}{}", text(&ended.stdout), text(&ended.stderr)),
    }
}

const PYTHON: &[&str] = &["python3", "-m", "unittest", "discover", "-s", "tests"];
const JAVASCRIPT: &[&str] = &["node", "--test", "tests/"];

#[test]
fn a_new_cell_in_python_or_javascript_is_tested_and_built_with_what_its_folder_has() {
    let home = tempfile::tempdir().expect("a folder");
    let there = home.path().to_str().expect("UTF-8");
    for (lang, tests, built) in [("python", PYTHON, "endpoint"), ("javascript", JAVASCRIPT, "stage")] {
        for (world, imports) in [("stage", 2), ("endpoint", 1), ("contribution", 1)] {
            let name = format!("{lang}-{world}");
            json(&["cell", "new", &name, "--lang", lang, "--world", world, "--within", there]);
            let folder = within(home.path(), &name);
            test_natively(&folder, tests);
            // Making a component takes long, and the examples are built in both languages, too.
            if world != built {
                continue;
            }
            let ended = build(&folder, &[]);
            if !is_done(&ended, &name) {
                continue;
            }
            let built: Value = serde_json::from_slice(&ended.stdout).expect("JSON");
            let unlisted = ["/types@", "/context@", "/stage-run@", "/request@", "/response@"];
            let imported = built["imports"].as_array().expect("imports");
            let listed =
                imported.iter().filter(|name| !unlisted.iter().any(|part| name.to_string().contains(part)));
            assert_eq!((built["name"].as_str(), listed.count()), (Some(name.as_str()), imports), "{built}");
            // No path of this machine is in what leaves it.
            let package = fs::read(format!("{folder}/build/{name}.wasm")).expect("built");
            assert!(!contains(&package, there.as_bytes()), "{name} has the path of its folder in it");
        }
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn what_the_tool_says_of_bad_code_is_shown() {
    let home = tempfile::tempdir().expect("a folder");
    json(&[
        "cell",
        "new",
        "bad-code",
        "--lang",
        "javascript",
        "--within",
        home.path().to_str().expect("UTF-8"),
    ]);
    let folder = within(home.path(), "bad-code");
    fs::write(home.path().join("bad-code/app.js"), "export function run( {").expect("written");
    let ended = build(&folder, &[]);
    let words = text(&ended.stderr);
    if words.contains(" is neither in ") {
        println!("SKIPPED: {words}");
        return;
    }
    assert!(
        !ended.status.success() && words.contains("componentize-qjs did not build the cell: "),
        "{words}"
    );
}

#[test]
fn where_a_tool_is_missing_one_message_says_what_to_install_and_how() {
    let home = tempfile::tempdir().expect("a folder");
    let there = home.path().to_str().expect("UTF-8");
    let pinned = include_str!("../../../../cells/tools");
    for (lang, more, tool) in [
        ("python", &[][..], "componentize-py"),
        ("javascript", &[][..], "componentize-qjs"),
        ("javascript", &["--engine", "starling"], "@bytecodealliance/componentize-js"),
    ] {
        let name = format!("no-tool{}", more.len());
        let name = format!("{name}-{lang}");
        json(&["cell", "new", &name, "--lang", lang, "--within", there]);
        let folder = within(home.path(), &name);
        let mut build = program(CELLAR);
        build.env("PATH", home.path()).args(["cell", "build", &folder]).args(more);
        let ended = build.output().expect("it starts");
        let (words, version) = (text(&ended.stderr), pinned.lines().find_map(|line| line.strip_prefix(tool)));
        let version = version.expect("a pinned tool").trim();
        assert!(words.contains(" is neither in ") && words.contains("on the path"), "{words}");
        let installs = [format!("pip install {tool}=={version}"), format!("--save-dev {tool}@{version}")];
        assert!(installs.iter().any(|how| words.contains(how)), "{words}");
        assert!(!Path::new(&folder).join("build/component.wasm").exists());
    }
    let ended = program(CELLAR)
        .args(["cell", "build", &within(home.path(), "no-tool0-python"), "--engine", "qjs"])
        .output();
    let words = text(&ended.expect("it starts").stderr);
    assert!(words.contains("only cells in JavaScript have an engine"), "{words}");
}

#[test]
fn the_modules_and_the_examples_keep_their_own_tests() {
    let cells = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../cells");
    for (folder, tests) in [
        ("python", PYTHON),
        ("examples/python/mode-share", PYTHON),
        ("javascript", JAVASCRIPT),
        ("examples/javascript/mode-share", JAVASCRIPT),
    ] {
        test_natively(&within(&cells, folder), tests);
    }
}
