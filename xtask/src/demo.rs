//! The shortest way from a clone to a diary.

use std::path::PathBuf;
use std::process::Command;

use crate::cells;
use crate::command::{build_programs, cargo, run};
use crate::dashboard;
use crate::progress;
use crate::step::step;
use crate::trouble::Trouble;
use crate::workspace::Workspace;

/// Builds `cellar` and the program behind one of its verbs, and runs that verb.
pub(crate) fn run_verb(
    workspace: &Workspace,
    profile: Profile,
    verb: &str,
    rest: &[String],
) -> Result<(), Trouble> {
    let program = build_host(workspace, profile, &format!("cellar-{verb}"))?;
    let arguments: Vec<_> = std::iter::once(verb).chain(rest.iter().map(String::as_str)).collect();
    let what = format!("cellar {}", arguments.join(" "));
    step("run", &what, || {
        run(Command::new(&program).args(arguments), "its own words stand above")?;
        Ok(((), "done".to_owned()))
    })
}

/// The profile of the build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// This project's crates build fast; its dependencies run fast.
    Dev,
    /// For measurements.
    Release,
}

fn build_host(workspace: &Workspace, profile: Profile, companion: &str) -> Result<PathBuf, Trouble> {
    let (what, folder) = match profile {
        Profile::Dev => ("building the host; the first time takes minutes", "debug"),
        Profile::Release => ("building the host in release; the first time takes minutes", "release"),
    };
    step("host", what, || {
        match profile {
            Profile::Dev => build_programs("host", &["cellar", companion])?,
            Profile::Release => progress::build("host", "correct what cargo says above", |options| {
                let mut command = cargo();
                command.args(["build", "--release", "--workspace", "--bin", "cellar", "--bin", companion]);
                // What builds and compiles cells from elsewhere, which one of the benchmarks measures.
                command.args(["--bin", "cellar-cell-compiler", "--bin", "cellar-cell-encoder"]);
                command.args(options);
                command
            })?,
        }
        let program = workspace.target.join(folder).join("cellar");
        let result = program.display().to_string();
        Ok((program, result))
    })
}

/// `cargo xtask demo`
pub(crate) fn run_demo(rest: &[String]) -> Result<(), Trouble> {
    let workspace = Workspace::read()?;
    cells::build(&workspace)?;
    dashboard::build(&workspace)?;
    run_verb(&workspace, Profile::Dev, "demo", rest)
}
