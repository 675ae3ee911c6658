//! Progress of a long build: which of the units that cargo announced it has finished.
//!
//! On a terminal, one line is rewritten; elsewhere there is a new line every 30 s. The time left is an estimate from
//! the sizes of sources; where cargo does not announce its units, there is no estimate.

use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::command::{judge, not_started};
use crate::plan::Plan;
use crate::trouble::Trouble;

/// Interval between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(30);
/// Interval between two states of the line on a terminal.
const REWRITE_EVERY: Duration = Duration::from_millis(500);
/// There is no estimate before this time, nor before this share is done.
const ESTIMATE_AFTER: (Duration, f64) = (Duration::from_secs(5), 0.03);

/// Runs a cargo command that builds; prints errors, warnings and the progress, and nothing else.
///
/// `command` creates the command, with additional options.
pub(crate) fn build(name: &str, remedy: &str, command: impl Fn(&[&str]) -> Command) -> Result<(), Trouble> {
    let mut progress = Progress::new(name, Plan::of(&mut command(&["--unit-graph", "-Zunstable-options"])));
    let mut command = command(&["--quiet", "--message-format=json-render-diagnostics"]);
    let spawned = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.map_err(|source| not_started(&command, source))?;
    let stdout = child.stdout.take().expect("standard output is piped");
    let stderr = child.stderr.take().expect("standard error is piped");
    let (sender, events) = channel();
    let errors = sender.clone();
    std::thread::scope(|scope| {
        scope.spawn(move || send(stdout, &sender, finished));
        scope.spawn(move || send(stderr, &errors, |line| Some(Event::Words(line.to_owned()))));
        loop {
            match events.recv_timeout(REWRITE_EVERY) {
                Ok(Event::Finished(artifact)) => progress.finish(&artifact),
                Ok(Event::Words(line)) => progress.pass_on(&line),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            progress.show();
        }
    });
    progress.clear();
    let status = child.wait().map_err(|source| not_started(&command, source))?;
    judge(&command, status, remedy)
}

enum Event {
    Finished(Artifact),
    Words(String),
}

/// One line of cargo's output: a unit is built, now or in an earlier run.
#[derive(Deserialize)]
struct Artifact {
    package_id: String,
    #[serde(default)]
    fresh: bool,
}

fn finished(line: &str) -> Option<Event> {
    #[derive(Deserialize)]
    struct Message {
        reason: String,
    }
    let message: Message = serde_json::from_str(line).ok()?;
    if message.reason != "compiler-artifact" {
        return None;
    }
    serde_json::from_str(line).ok().map(Event::Finished)
}

/// Sends the event of each line, to the end.
fn send(from: impl Read, to: &Sender<Event>, event: impl Fn(&str) -> Option<Event>) {
    for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
        // The receiver outlives the threads that send.
        let _ = event(&String::from_utf8_lossy(&line)).map(|event| to.send(event));
    }
}

struct Progress {
    name: String,
    plan: Option<Plan>,
    begun: Instant,
    shown: Instant,
    terminal: bool,
    /// Number of units, and their weight, that were built before or are built now.
    fresh: (usize, f64),
    built: (usize, f64),
}

impl Progress {
    fn new(name: &str, plan: Option<Plan>) -> Self {
        let now = Instant::now();
        Self {
            name: name.to_owned(),
            plan,
            begun: now,
            shown: now,
            terminal: std::io::stdout().is_terminal(),
            fresh: (0, 0.0),
            built: (0, 0.0),
        }
    }

    fn finish(&mut self, artifact: &Artifact) {
        let weight = self.plan.as_ref().map_or(0.0, |plan| plan.weight(&artifact.package_id));
        let sum = if artifact.fresh { &mut self.fresh } else { &mut self.built };
        *sum = (sum.0 + 1, sum.1 + weight);
    }

    /// Shows the progress, if a line is due.
    fn show(&mut self) {
        let pause = if self.terminal { REWRITE_EVERY } else { LINE_EVERY };
        if self.shown.elapsed() < pause {
            return;
        }
        self.shown = Instant::now();
        let line = self.line(self.begun.elapsed());
        if self.terminal {
            print!("\r\x1b[2K{line}");
            // If the line cannot be shown, nothing is lost.
            let _ = std::io::stdout().flush();
        } else {
            println!("{line}");
        }
    }

    /// Prints a line of cargo's output.
    fn pass_on(&self, line: &str) {
        self.clear();
        eprintln!("{line}");
    }

    /// Removes the line from a terminal.
    fn clear(&self) {
        if self.terminal {
            print!("\r\x1b[2K");
            let _ = std::io::stdout().flush();
        }
    }

    fn line(&self, elapsed: Duration) -> String {
        let Self { name, fresh, built, .. } = self;
        let so_far = minutes(elapsed);
        let Some(plan) = &self.plan else {
            return format!("{name}: {} crates built, {so_far} so far", built.0);
        };
        let to_build = plan.units().saturating_sub(fresh.0);
        let line = format!("{name}: {} of {to_build} crates, {so_far} so far", built.0);
        let share = built.1 / (plan.total() - fresh.1).max(1.0);
        if elapsed < ESTIMATE_AFTER.0 || share < ESTIMATE_AFTER.1 {
            return line;
        }
        let left = elapsed.mul_f64((1.0 - share.min(1.0)) / share);
        format!("{line}, about {} left", minutes(left))
    }
}

/// `1 min 40 s`, to 5 s from a minute on.
fn minutes(time: Duration) -> String {
    match time.as_secs() {
        short @ ..60 => format!("{short} s"),
        long => format!("{} min {} s", long / 60, long % 60 / 5 * 5),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(package: &str, fresh: bool) -> Artifact {
        let line = format!(
            r#"{{"reason":"compiler-artifact","package_id":"{package}","target":{{}},"fresh":{fresh}}}"#
        );
        let Some(Event::Finished(artifact)) = finished(&line) else { panic!("{line} is an artifact") };
        artifact
    }

    #[test]
    fn the_line_says_how_much_is_built_and_how_long_it_will_take() {
        let plan = Plan::new([("small", 100.0), ("large", 300.0), ("old", 9000.0)]);
        let mut progress = Progress::new("engine", Some(plan));
        progress.finish(&artifact("old", true));
        progress.finish(&artifact("small", false));
        let line = progress.line(Duration::from_secs(100));
        assert_eq!(line, "engine: 1 of 2 crates, 1 min 40 s so far, about 5 min 0 s left");
    }

    #[test]
    fn there_is_no_estimate_before_anything_is_known() {
        let mut progress = Progress::new("engine", Some(Plan::new([("a", 1.0), ("b", 99.0)])));
        assert_eq!(progress.line(Duration::from_secs(9)), "engine: 0 of 2 crates, 9 s so far");
        progress.finish(&artifact("a", false));
        assert_eq!(progress.line(Duration::from_secs(9)), "engine: 1 of 2 crates, 9 s so far");
        progress.plan = None;
        assert_eq!(progress.line(Duration::from_secs(9)), "engine: 1 crates built, 9 s so far");
    }

    #[test]
    fn only_what_is_built_counts() {
        for line in ["", "{}", "no json", r#"{"reason":"build-finished","success":true}"#] {
            assert!(finished(line).is_none(), "{line}");
        }
    }
}
