//! The binary, as people and scripts start it: verbs, and a host that runs beside them.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use runtime_simulator::{Person, Phone, simulate_day};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

pub const CELLAR: &str = env!("CARGO_BIN_EXE_cellar");

/// A program in which `cellar` finds neither settings nor a data folder of the machine that tests run on.
pub fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    command.env("CELLAR_CONFIG", "/dev/null").env_remove("CELLAR_DATA");
    command
}

pub fn cellar(args: &[&str]) -> Output {
    program(CELLAR).args(args).output().expect("it starts")
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| panic!("not JSON: {text:?}"))
}

/// What a verb that must succeed prints, as JSON.
pub fn json(args: &[&str]) -> Value {
    let output = cellar(&[args, &["--json"]].concat());
    assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
    parse(&text(&output.stdout))
}

/// Starts a program that goes on; answers the first line that it prints, as JSON.
pub fn started(command: &mut Command) -> (Child, Value) {
    let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().expect("it starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    (child, parse(&line))
}

/// What `cellar` says to somebody who types this.
pub fn typed(args: &[&str], words: &str) -> Output {
    let mut asking = program(CELLAR);
    asking.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut asking = asking.spawn().expect("it starts");
    asking.stdin.take().expect("piped").write_all(words.as_bytes()).expect("written");
    asking.wait_with_output().expect("it ends")
}

/// A host that runs, and what it said when it was ready.
pub struct Serving {
    pub child: Child,
    pub ready: Value,
}

/// Starts a host over a data folder at that address.
pub fn serve_at(data: &str, listen: &str, more: &[&str]) -> Serving {
    let mut serve = program(CELLAR);
    serve.args(["serve", "--json", "--data", data, "--listen", listen, "--log-format", "json"]).args(more);
    Serving::start(&mut serve)
}

impl Serving {
    pub fn start(serve: &mut Command) -> Self {
        let (child, ready) = started(serve);
        Self { child, ready }
    }

    /// Stops it as an operator does; answers its log.
    pub fn stop(self) -> String {
        let process = Pid::from_child(&self.child);
        kill_process(process, Signal::TERM).expect("it runs");
        let output = self.child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stderr)
    }
}

/// A simulated day as a dump; answers how many entries it has.
pub fn write_day(path: &Path) -> usize {
    let day = simulate_day(&Person::invent(3, Phone::Android).plan(19_786), 3);
    fs::write(path, format!("[{}]", day.entries.join(",\n"))).expect("written");
    day.entries.len()
}

/// What a verb that must fail says.
pub fn refused(args: &[&str]) -> String {
    let output = cellar(args);
    assert_eq!(output.status.code(), Some(1), "{args:?}: {}", text(&output.stdout));
    text(&output.stderr)
}

/// A phone that pairs: it shows digits, and ends when its owner has decided.
pub fn pair(data: &str, user: &str, state: &str, code: &[&str]) {
    let mut phone = program(CELLAR)
        .args([
            "phone",
            "pair",
            "--json",
            "--state",
            state,
            "--name",
            state.rsplit('/').next().expect("a name"),
        ])
        .args(code)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(phone.stdout.take().expect("piped"));
    let mut line = String::new();
    lines.read_line(&mut line).expect("a line");
    let digits = parse(&line)["digits"].as_str().expect("digits").to_owned();
    let wrong = if digits == "000000" { "000001" } else { "000000" };
    assert!(refused(&["device", "approve", "--data", data, user, wrong]).contains("not the phone's"));
    json(&["device", "approve", "--data", data, user, &digits]);
    let ended = phone.wait_with_output().expect("it ends");
    assert!(ended.status.success(), "{}", text(&ended.stderr));
}

/// A path in a folder, as arguments have it.
pub fn within(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().expect("UTF-8").to_owned()
}

/// Waits until that is so, for as long as a slow machine may take.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !is_so() {
        assert!(begun.elapsed().as_secs() < 60, "never: {what}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
