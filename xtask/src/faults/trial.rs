//! One test against a build with a fault in it.

use std::fmt::{self, Display};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::command::not_started;
use crate::trouble::Trouble;

/// How long a test may take that is expected to fail: longer than any takes that passes.
const LIMIT: Duration = Duration::from_secs(600);
/// How long a test is watched that is expected to wait for ever: many times what it takes where it passes.
const WATCHED: Duration = Duration::from_secs(45);
/// Interval between two looks at a test.
const LOOK: Duration = Duration::from_millis(50);

/// How a test ended.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    /// It failed, with this reason.
    Failed { why: String, after_s: u64 },
    /// It did not end, as was expected.
    Hung { after_s: u64 },
    /// It passed: it does not notice the fault.
    Passed,
    /// It did not end in time, which says nothing.
    Endless { after_s: u64 },
    /// The program has no such test.
    Absent,
    /// The faults do not compile.
    Unbuilt,
}

impl Outcome {
    /// Whether the test noticed the fault.
    pub(super) fn is_noticed(&self) -> bool {
        matches!(self, Self::Failed { .. } | Self::Hung { .. })
    }
}

impl Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { why, after_s } => {
                write!(formatter, "failed as it should after {after_s} s: {why}")
            }
            Self::Hung { after_s } => write!(formatter, "waited for ever as it should, {after_s} s"),
            Self::Passed => formatter.write_str("PASSED: the fault is not noticed"),
            Self::Endless { after_s } => write!(formatter, "DID NOT END in {after_s} s"),
            Self::Absent => formatter.write_str("NOT RUN: the program has no such test"),
            Self::Unbuilt => formatter.write_str("NOT BUILT"),
        }
    }
}

/// Runs one test of a program in a process of its own. What it prints is in `home`.
pub(super) fn run(
    program: &Path,
    package: &Path,
    home: &Path,
    test: &str,
    hangs: bool,
) -> Result<Outcome, Trouble> {
    run_within(if hangs { WATCHED } else { LIMIT }, program, package, home, test, hangs)
}

/// As [`run`], for at most that long.
pub(super) fn run_within(
    limit: Duration,
    program: &Path,
    package: &Path,
    home: &Path,
    test: &str,
    hangs: bool,
) -> Result<Outcome, Trouble> {
    let log = home.join(format!("{test}.log"));
    let file = File::create(&log).map_err(Trouble::file("make", &log))?;
    let errors = file.try_clone().map_err(Trouble::file("open", &log))?;
    let mut command = Command::new(program);
    // As cargo does.
    command.current_dir(package).env("CARGO_MANIFEST_DIR", package).env("RUST_BACKTRACE", "0");
    command.args([test, "--nocapture"]).stdin(Stdio::null()).stdout(file).stderr(errors);
    let begun = Instant::now();
    let mut child = command.spawn().map_err(|source| not_started(&command, source))?;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(|source| not_started(&command, source))? {
            break Some(status);
        }
        if begun.elapsed() >= limit {
            let ended = child.kill().and_then(|()| child.wait());
            ended.map_err(|source| not_started(&command, source))?;
            break None;
        }
        std::thread::sleep(LOOK);
    };
    let printed = fs::read(&log).map_err(Trouble::file("read", &log))?;
    let after_s = begun.elapsed().as_secs();
    Ok(judge(&String::from_utf8_lossy(&printed), status.map(|status| status.success()), hangs, after_s))
}

/// What an ended test says; `succeeded`: `None` where it did not end.
pub(super) fn judge(printed: &str, succeeded: Option<bool>, hangs: bool, after_s: u64) -> Outcome {
    if !printed.lines().any(|line| line == "running 1 test") {
        return Outcome::Absent;
    }
    match succeeded {
        Some(true) => Outcome::Passed,
        Some(false) => Outcome::Failed { why: why(printed), after_s },
        None if hangs => Outcome::Hung { after_s },
        None => Outcome::Endless { after_s },
    }
}

/// The first line of the first panic's message.
fn why(printed: &str) -> String {
    let mut lines = printed.lines().skip_while(|line| !line.contains(" panicked at "));
    let place = lines.next().and_then(|line| line.rsplit_once('/')).map_or("", |(_, place)| place);
    let words: Vec<&str> = lines.take_while(|line| !line.starts_with("note:")).map(str::trim).collect();
    let words = words.join(" ");
    let cut = words.char_indices().nth(160).map_or(words.len(), |(at, _)| at);
    format!("{place} {}", &words[..cut])
}
