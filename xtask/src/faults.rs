//! Planted faults: a protection is taken out of the code, and the tests that hold it have to fail.
//!
//! * A test that passes with and without what it is for shows nothing. Here each attack from 80 on, and each error that
//!   once went through somebody's data unnoticed, loses what holds it for the length of one build, and each test that is
//!   named beside it is run against that build.
//! * Faults that do not touch each other share a build. The files are as they were before the first test is run.
//! * Each test has a process of its own, and what it printed stays below `faults/` in cargo's target folder.
//! * Not here: what each fault is (`xtask/faults.toml`), and whether the tests pass without one (`cargo xtask test`).

mod build;
mod list;
mod plant;
#[cfg(test)]
mod tests;
mod trial;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use list::{Fault, Homes};
use plant::Planted;
use trial::Outcome;

use crate::command::output;
use crate::step::step;
use crate::trouble::Trouble;
use crate::workspace::Workspace;

/// What became of one test with one fault.
struct Verdict<'f> {
    fault: &'f Fault,
    test: &'f str,
    outcome: Outcome,
}

/// `cargo xtask faults [NUMBER…] [--build NUMBER] [--data-errors]`: plants every fault, or those of these attacks and
/// builds, or those of data errors.
pub(crate) fn run(attacks: &[u8], builds: &[u8], data_errors: bool) -> Result<(), Trouble> {
    let workspace = Workspace::read()?;
    let mut faults = list::read()?;
    let is_asked = |attack: &u8| attacks.is_empty() || attacks.contains(attack);
    faults.retain(|fault| match fault.data_error {
        Some(_) => data_errors || attacks.is_empty(),
        None => !data_errors && fault.attacks().iter().any(is_asked),
    });
    faults.retain(|fault| builds.is_empty() || builds.contains(&fault.build));
    if faults.is_empty() {
        return Err(Trouble::Faults { why: "no fault is of what was asked for".to_owned() });
    }
    check_clean(&workspace.root)?;
    let (homes, home) = (Homes::find()?, workspace.target.join("faults"));
    fs::create_dir_all(&home).map_err(Trouble::file("make", &home))?;
    let builds: BTreeSet<u8> = faults.iter().map(|fault| fault.build).collect();
    let mut verdicts = Vec::new();
    for number in builds {
        let together: Vec<&Fault> = faults.iter().filter(|fault| fault.build == number).collect();
        verdicts.extend(try_build(&workspace, &home, &homes, number, &together)?);
    }
    print(&verdicts);
    let unnoticed = verdicts.iter().filter(|verdict| !verdict.outcome.is_noticed()).count();
    if unnoticed == 0 { Ok(()) } else { Err(Trouble::Unnoticed { tests: unnoticed, of: verdicts.len() }) }
}

/// Fails where a file differs from the last commit: what is not committed could be lost, and a fault that an earlier
/// call has left would be built.
fn check_clean(root: &Path) -> Result<(), Trouble> {
    let mut git = Command::new("git");
    git.args(["status", "--porcelain", "--untracked-files=no"]).current_dir(root);
    let changed = output(&mut git, "faults are planted in a checkout of git only")?;
    let first = String::from_utf8_lossy(&changed).lines().next().map(str::to_owned);
    first.map_or(Ok(()), |first| Err(Trouble::Changed { first }))
}

/// Builds some faults together, and runs their tests.
fn try_build<'f>(
    workspace: &Workspace,
    home: &Path,
    homes: &Homes,
    number: u8,
    faults: &[&'f Fault],
) -> Result<Vec<Verdict<'f>>, Trouble> {
    let named = || faults.iter().flat_map(|fault| fault.tests.iter().map(|test| (*fault, test.as_str())));
    let what = format!("build {number}: {} faults, {} tests", faults.len(), named().count());
    let programs = step("faults", &what, || {
        let planted = Planted::plant(&workspace.root, home, faults)?;
        let built = build::build(&workspace.root, named().map(|(_, test)| homes.of(test)));
        // Before anything else, whatever became of the build.
        planted.restore()?;
        let result =
            if built.is_ok() { "built, and the files are as they were" } else { "it does not compile" };
        Ok((built, result.to_owned()))
    })?;
    let programs = match programs {
        Ok(programs) => programs,
        Err(trouble) => {
            eprintln!("faults: build {number}: {}", trouble.chain());
            let unbuilt = |(fault, test)| Verdict { fault, test, outcome: Outcome::Unbuilt };
            return Ok(named().map(unbuilt).collect());
        }
    };
    let tried = named().map(|(fault, test)| {
        let at = homes.of(test);
        let program = programs.get(at);
        let outcome = match program {
            Some(program) => trial::run(program, &workspace.root.join(&at.package), home, test, fault.hangs)?,
            None => Outcome::Unbuilt,
        };
        println!("faults: {}: {outcome}", short(test));
        Ok(Verdict { fault, test, outcome })
    });
    tried.collect()
}

/// The table: each line says what was taken away, and which test was to fail.
fn print(verdicts: &[Verdict<'_>]) {
    let mut before = "";
    for Verdict { fault, test, outcome } in verdicts {
        if fault.takes != before {
            println!("\n{}  {}", fault.subject(), fault.takes);
            before = &fault.takes;
        }
        println!("     {outcome}\n       {}", short(test));
    }
    println!();
}

/// A test's name without what all of them begin with.
fn short(test: &str) -> &str {
    test.strip_prefix("attack_").unwrap_or(test)
}
