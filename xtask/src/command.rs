//! Runs programs.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, ExitStatus, Stdio};

use crate::progress;
use crate::totals::Totals;
use crate::trouble::Trouble;

/// The cargo that runs this program.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // The variables that cargo set about this program's own package are wrong for other packages.
    for (name, _) in std::env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
        {
            command.env_remove(name);
        }
    }
    command
}

/// The options with which a build of some programs shares its units with the build of the tests: they include a test
/// target, so that the features that tests ask for are on and nothing is built twice. This target has the fewest
/// dependencies.
pub(crate) const PROGRAMS_AND_TESTS: [&str; 3] = ["--workspace", "--test", "cases"];

/// Builds programs of the workspace with the profile of development.
pub(crate) fn build_programs(name: &str, programs: &[&str]) -> Result<(), Trouble> {
    progress::build(name, "correct what cargo says above", |options| {
        let mut command = cargo();
        command.arg("build").args(PROGRAMS_AND_TESTS).args(options);
        command.args(programs.iter().flat_map(|program| ["--bin", program]));
        command
    })
}

/// Runs a program to its end; its output goes where this program's output goes.
pub(crate) fn run(command: &mut Command, remedy: &str) -> Result<(), Trouble> {
    let status = command.status().map_err(|source| not_started(command, source))?;
    judge(command, status, remedy)
}

/// The standard output of a program.
pub(crate) fn output(command: &mut Command, remedy: &str) -> Result<Vec<u8>, Trouble> {
    let output = command.stderr(Stdio::inherit()).output().map_err(|source| not_started(command, source))?;
    judge(command, output.status, remedy)?;
    Ok(output.stdout)
}

/// Whether a program exists and succeeds; its output is dropped.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).output().is_ok_and(|output| output.status.success())
}

/// Runs tests; passes every line on and keeps the totals, also of a run that fails.
pub(crate) fn run_tests(command: &mut Command, totals: &mut Totals) -> Result<(), Trouble> {
    let (status, kept) = watch(command, Totals::is_total)?;
    kept.into_iter().for_each(|line| totals.add(line));
    judge(command, status, "read the failures above; a property test prints the seed that repeats it")
}

/// Runs a program, passes every line on, and returns the lines that `keep` selects.
pub(crate) fn run_keeping(
    command: &mut Command,
    keep: fn(&str) -> bool,
    remedy: &str,
) -> Result<Vec<String>, Trouble> {
    let (status, kept) = watch(command, keep)?;
    judge(command, status, remedy)?;
    Ok(kept)
}

fn watch(command: &mut Command, keep: fn(&str) -> bool) -> Result<(ExitStatus, Vec<String>), Trouble> {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| not_started(command, source))?;
    let stdout = child.stdout.take().expect("standard output is piped");
    let stderr = child.stderr.take().expect("standard error is piped");
    let kept = std::thread::scope(|scope| {
        let errors = scope.spawn(|| pass_on(stderr, keep, |line| eprintln!("{line}")));
        let kept = pass_on(stdout, keep, |line| println!("{line}"));
        [kept, errors.join().expect("passing lines on does not panic")].concat()
    });
    let status = child.wait().map_err(|source| not_started(command, source))?;
    Ok((status, kept))
}

/// Prints every line, and returns the selected ones.
fn pass_on(from: impl Read, keep: fn(&str) -> bool, print: impl Fn(&str)) -> Vec<String> {
    let mut kept = Vec::new();
    for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        print(&line);
        if keep(&line) {
            kept.push(line.into_owned());
        }
    }
    kept
}

pub(crate) fn judge(command: &Command, status: ExitStatus, remedy: &str) -> Result<(), Trouble> {
    if status.success() {
        return Ok(());
    }
    Err(Trouble::Failed { command: words(command), status: status.to_string(), remedy: remedy.to_owned() })
}

pub(crate) fn not_started(command: &Command, source: std::io::Error) -> Trouble {
    Trouble::Start { program: command.get_program().to_string_lossy().into_owned(), source }
}

fn words(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program());
    let words = std::iter::once(name).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
