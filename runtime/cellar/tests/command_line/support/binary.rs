//! The binary, as people and scripts start it: verbs, and a host that runs beside them.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::ops::{Deref, DerefMut};
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

/// A program that runs. It does not outlive its test, not even one that fails.
pub struct Running(Option<Child>);

impl Running {
    pub fn start(command: &mut Command) -> Self {
        Self(Some(command.spawn().expect("it starts")))
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(self), signal).expect("it runs");
    }

    /// Waits for its end; gives what it printed to pipes that nobody has taken.
    pub fn ended(mut self) -> Output {
        let child = self.0.take().expect("only this takes it");
        child.wait_with_output().expect("it ends")
    }

    /// Ends it as a person or a service manager does; it must succeed.
    pub fn stop(self, signal: Signal) -> Output {
        self.signal(signal);
        let output = self.ended();
        assert!(output.status.success(), "{}", text(&output.stderr));
        output
    }
}

impl Deref for Running {
    type Target = Child;

    fn deref(&self) -> &Child {
        self.0.as_ref().expect("it is taken only where it ends")
    }
}

impl DerefMut for Running {
    fn deref_mut(&mut self) -> &mut Child {
        self.0.as_mut().expect("it is taken only where it ends")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // It may have ended.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Starts a program that goes on; answers the first line that it prints, as JSON.
pub fn started(command: &mut Command) -> (Running, Value) {
    let mut child = Running::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    (child, parse(&line))
}

/// What `cellar` says to somebody who types this.
pub fn typed(args: &[&str], words: &str) -> Output {
    let mut asking = program(CELLAR);
    asking.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut asking = Running::start(&mut asking);
    asking.stdin.take().expect("piped").write_all(words.as_bytes()).expect("written");
    asking.ended()
}

/// A host that runs, and what it said when it was ready.
pub struct Serving {
    pub child: Running,
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
        text(&self.child.stop(Signal::TERM).stderr)
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
    let name = state.rsplit('/').next().expect("a name");
    let mut phone = program(CELLAR);
    phone.args(["phone", "pair", "--json", "--state", state, "--name", name]).args(code);
    let mut phone = Running::start(phone.stdout(Stdio::piped()).stderr(Stdio::piped()));
    let mut lines = BufReader::new(phone.stdout.take().expect("piped"));
    let mut line = String::new();
    lines.read_line(&mut line).expect("a line");
    let digits = parse(&line)["digits"].as_str().expect("digits").to_owned();
    let wrong = if digits == "000000" { "000001" } else { "000000" };
    assert!(refused(&["device", "approve", "--data", data, user, wrong]).contains("not the phone's"));
    json(&["device", "approve", "--data", data, user, &digits]);
    let ended = phone.ended();
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
