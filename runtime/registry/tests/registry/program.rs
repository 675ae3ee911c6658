//! The program: what it prints, what it writes, and what it leaves alone.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::server::{Lie, Registry};
use crate::support::{PASSWORD, USERNAME, key, package};

const PROGRAM: &str = env!("CARGO_BIN_EXE_cellar-cell-registry");

/// Runs the program, with a text on its standard input; a test's server goes on meanwhile.
async fn run(words: &[&str], input: &str) -> Output {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let input = input.to_owned();
    let ran = tokio::task::spawn_blocking(move || {
        let mut command = Command::new(PROGRAM);
        command.args(words).env("http_proxy", "http://127.0.0.1:1").env("https_proxy", "http://127.0.0.1:1");
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().expect("it starts");
        // A program that needs no input may have ended.
        let _ = std::io::Write::write_all(&mut child.stdin.take().expect("piped"), input.as_bytes());
        child.wait_with_output().expect("it ends")
    });
    ran.await.expect("no panic")
}

fn why(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr.clone()).expect("text")
}

fn within(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().expect("UTF-8").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_pushes_and_pulls_with_a_password_from_standard_input_whatever_proxies_there_are() {
    let (registry, home, key) = (Registry::start().await, tempfile::tempdir().unwrap(), key());
    registry.kept().locked = true;
    let [file, output] = ["modes.wasm", "pulled.wasm"].map(|name| within(home.path(), name));
    std::fs::write(&file, package(&key, 1)).unwrap();
    let reference = registry.at("modes:1");
    let login = ["--plain-http", "--username", USERNAME, "--password-file", "-"];
    let pushed = run(&[&["push", &file, &reference], &login[..]].concat(), &format!("{PASSWORD}\n")).await;
    assert!(pushed.status.success(), "{pushed:?}");
    let pull = [&["--json", "pull", &reference, "--output", &output], &login[..]].concat();
    let pulled = run(&pull, PASSWORD).await;
    assert!(pulled.status.success(), "{pulled:?}");
    let told: Value = serde_json::from_slice(&pulled.stdout).expect("JSON");
    assert_eq!((&told["name"], &told["version"]), (&"modes".into(), &1.into()));
    assert_eq!(told["publisher"], key.publisher().to_string());
    assert_eq!(std::fs::read(&output).unwrap(), std::fs::read(&file).unwrap());
    let refused = run(&pull, "another\n").await;
    let why = why(&refused);
    assert!(why.contains("refuses this login") && !why.contains("another"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_is_not_written_and_what_is_there_stays() {
    let (registry, home, key) = (Registry::start().await, tempfile::tempdir().unwrap(), key());
    let [file, output, notes] =
        ["modes.wasm", "pulled.wasm", "notes.txt"].map(|name| within(home.path(), name));
    for version in [1, 2] {
        std::fs::write(&file, package(&key, version)).unwrap();
        let reference = registry.at(&format!("modes:{version}"));
        assert!(run(&["push", &file, &reference, "--plain-http"], "").await.status.success());
    }
    let [older, newer] = [1, 2].map(|version| registry.at(&format!("modes:{version}")));
    let pull = |reference: &'_ str, output: &'_ str| {
        ["pull", reference, "--output", output, "--plain-http"].map(str::to_owned)
    };
    let run = async |words: [String; 5]| run(&words.iter().map(String::as_str).collect::<Vec<_>>(), "").await;
    registry.lie(Lie::Blob(package(&key, 3).into()));
    let said = why(&run(pull(&newer, &output)).await);
    assert!(said.contains("is not what its digest names") && !Path::new(&output).exists(), "{said}");
    registry.kept().lie = None;
    assert!(run(pull(&newer, &output)).await.status.success());
    let there = std::fs::read(&output).unwrap();
    let said = why(&run(pull(&older, &output)).await);
    assert!(said.contains("version 1 is older than version 2"), "{said}");
    assert_eq!(std::fs::read(&output).unwrap(), there);
    std::fs::write(&notes, "a diary").unwrap();
    let said = why(&run(pull(&newer, &notes)).await);
    assert!(said.contains("is no signed package") && said.contains("name another file"), "{said}");
    assert_eq!(std::fs::read_to_string(&notes).unwrap(), "a diary");
    let names: Vec<_> =
        std::fs::read_dir(home.path()).unwrap().map(|item| item.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
}
