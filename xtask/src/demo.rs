//! The shortest way from a clone to a diary.

use std::path::PathBuf;
use std::process::Command;

use crate::cells;
use crate::command::{build_programs, cargo, run};
use crate::progress;
use crate::step::step;
use crate::trouble::Trouble;
use crate::workspace::Workspace;

/// Builds everything and runs `cellar demo`.
pub(crate) fn run_host(workspace: &Workspace, profile: Profile, arguments: &[&str]) -> Result<(), Trouble> {
    let program = build_host(workspace, profile)?;
    let what = format!("cellar {}", arguments.join(" "));
    step("run", &what, || {
        run(Command::new(&program).args(arguments), "its own words stand above")?;
        Ok(((), "done".to_owned()))
    })
}

/// How the host is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Ours builds fast; what we depend on runs fast.
    Dev,
    /// For measurements.
    Release,
}

fn build_host(workspace: &Workspace, profile: Profile) -> Result<PathBuf, Trouble> {
    let (what, folder) = match profile {
        Profile::Dev => ("building the host; the first time takes minutes", "debug"),
        Profile::Release => ("building the host in release; the first time takes minutes", "release"),
    };
    step("host", what, || {
        match profile {
            Profile::Dev => build_programs("host", &["cellar"])?,
            Profile::Release => progress::build("host", "correct what cargo says above", |options| {
                let mut command = cargo();
                command.args(["build", "--release", "--workspace", "--bin", "cellar"]).args(options);
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
    let arguments: Vec<_> = std::iter::once("demo").chain(rest.iter().map(String::as_str)).collect();
    run_host(&workspace, Profile::Dev, &arguments)
}
