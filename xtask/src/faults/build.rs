//! Builds the programs that have the tests in them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;

use super::list::Home;
use crate::command::{cargo, judge, not_started};
use crate::trouble::Trouble;

/// One line of cargo's output: a program was built, or was there.
#[derive(Deserialize)]
pub(super) struct Artifact {
    manifest_path: PathBuf,
    target: Target,
    profile: Profile,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

/// Builds the programs of these tests; each by its home.
pub(super) fn build<'h>(
    root: &Path,
    homes: impl Iterator<Item = &'h Home>,
) -> Result<BTreeMap<Home, PathBuf>, Trouble> {
    let homes: BTreeSet<&Home> = homes.collect();
    let mut command = cargo();
    // Of the whole workspace: with a choice of packages, their dependencies would have other features.
    command.args(["test", "--no-run", "--quiet", "--workspace", "--message-format=json"]);
    if homes.iter().any(|home| home.target.is_none()) {
        command.arg("--lib");
    }
    let targets: BTreeSet<&String> = homes.iter().filter_map(|home| home.target.as_ref()).collect();
    command.args(targets.into_iter().flat_map(|target| ["--test", target]));
    command.stdout(Stdio::piped()).current_dir(root);
    let mut child = command.spawn().map_err(|source| not_started(&command, source))?;
    let printed = BufReader::new(child.stdout.take().expect("standard output is piped"));
    let mut built = BTreeMap::new();
    for line in printed.lines().map_while(Result::ok) {
        // What a fault leaves unused is no news.
        if let Some(error) = error(&line) {
            eprintln!("{error}");
        }
        built.extend(program(&line, root));
    }
    let status = child.wait().map_err(|source| not_started(&command, source))?;
    judge(&command, status, "see what cargo says above")?;
    Ok(built)
}

/// What the compiler says, if it is an error.
pub(super) fn error(line: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Line {
        message: Message,
    }
    #[derive(Deserialize)]
    struct Message {
        level: String,
        rendered: String,
    }
    let Line { message } = serde_json::from_str(line).ok()?;
    (message.level == "error").then_some(message.rendered)
}

/// The home of a test program and the program, from a line of cargo's; `None`: the line is about something else.
pub(super) fn program(line: &str, root: &Path) -> Option<(Home, PathBuf)> {
    let Artifact { manifest_path, target, profile, executable } = serde_json::from_str(line).ok()?;
    let package = manifest_path.parent()?.strip_prefix(root).ok()?.to_owned();
    let is = |kind: &str| target.kind.iter().any(|one| one == kind);
    let target = match (is("test"), is("lib")) {
        (true, _) => Some(target.name),
        (false, true) => None,
        (false, false) => return None,
    };
    profile.test.then_some(())?;
    Some((Home { package, target }, executable?))
}
