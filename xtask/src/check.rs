//! Runs everything that must pass, the fastest first.

use std::process::Command;

use crate::cells;
use crate::command::{cargo, run, run_tests, succeeds};
use crate::dashboard;
use crate::package;
use crate::progress;
use crate::step::{skipped, step};
use crate::totals::Totals;
use crate::trouble::Trouble;
use crate::wasm_target::Guests;
use crate::workspace::Workspace;

/// The options that select what is documented. They include an example, so that the features that tests ask for are on
/// and the results of clippy for dependencies can be used here too.
pub(crate) const DOCUMENTED: [&str; 6] =
    ["--workspace", "--no-deps", "--lib", "--bins", "--example", "commit_cost"];

/// `cargo xtask test`; `long`: with the wide sweeps.
pub(crate) fn run_all(long: bool) -> Result<(), Trouble> {
    one(
        "format",
        "is every file formatted?",
        &mut cargo_with(&["fmt", "--all", "--", "--check"]),
        "run `cargo fmt --all`",
    )?;
    let workspace = Workspace::read()?;
    cells::build(&workspace)?;
    package::check(&workspace)?;
    dashboard::build(&workspace)?;
    dashboard::look_for_browser();
    lints()?;
    built(
        "docs",
        "does all documentation build, without a broken link?",
        "correct the links that rustdoc names above",
        |options| {
            let mut command = cargo_with(&["doc"]);
            command.args(DOCUMENTED).args(options).env("RUSTDOCFLAGS", "-D warnings");
            command
        },
    )?;
    licences()?;
    let mut totals = Totals::default();
    let done = tests(long, &mut totals);
    totals.print();
    done
}

fn cargo_with(arguments: &[&str]) -> Command {
    let mut command = cargo();
    command.args(arguments);
    command
}

fn one(name: &str, what: &str, command: &mut Command, remedy: &str) -> Result<(), Trouble> {
    step(name, what, || {
        run(command, remedy)?;
        Ok(((), "yes".to_owned()))
    })
}

/// A check that is done by a build.
fn built(name: &str, what: &str, remedy: &str, command: impl Fn(&[&str]) -> Command) -> Result<(), Trouble> {
    step(name, what, || {
        progress::build(name, remedy, command)?;
        Ok(((), "yes".to_owned()))
    })
}

fn lints() -> Result<(), Trouble> {
    let remedy = "correct what clippy says above, or allow it where it stands with the reason";
    built("lints", "is clippy content with hosts and tools?", remedy, |options| {
        let mut command = cargo_with(&["clippy", "--workspace", "--all-targets"]);
        command.args(options).args(["--", "-D", "warnings"]);
        command
    })?;
    let guests = Guests::ready()?;
    if !guests.has_clippy() {
        skipped("lints", "for what only guests compile: the toolchain for guests has no clippy");
        return Ok(());
    }
    let mut guest = guests.cargo("clippy");
    guest.args(["--quiet", "--package", "cells-sdk", "--", "-D", "warnings"]);
    one("lints", "is clippy content with what only guests compile?", &mut guest, remedy)
}

fn licences() -> Result<(), Trouble> {
    if !succeeds(&mut cargo_with(&["deny", "--version"])) {
        skipped("licences", "since cargo-deny is not installed (`cargo install cargo-deny` brings it)");
        return Ok(());
    }
    one(
        "licences",
        "are licences, sources and versions of what we use allowed?",
        &mut cargo_with(&["deny", "check", "licenses", "bans", "sources"]),
        "choose another dependency, or write the exception with its reason and date into deny.toml",
    )?;
    if !succeeds(&mut cargo_with(&["deny", "fetch", "db"])) {
        skipped("advisories", "since their database cannot be reached");
        return Ok(());
    }
    one(
        "advisories",
        "is nothing that we use known to be unsafe?",
        &mut cargo_with(&["deny", "check", "advisories"]),
        "update what is named above, or write the exception with its reason and date into deny.toml",
    )
}

fn tests(long: bool, totals: &mut Totals) -> Result<(), Trouble> {
    let nextest = succeeds(&mut cargo_with(&["nextest", "--version"]));
    if !nextest {
        skipped("nextest", "since it is not installed; cargo's own runner does its work, more slowly");
    }
    built("tests", "building all tests", "correct what cargo says above", |options| {
        let mut command = cargo_with(&["test", "--no-run", "--workspace"]);
        command.args(options);
        command
    })?;
    let runner: &[&str] = if nextest { &["nextest", "run"] } else { &["test", "--all-targets"] };
    let mut part = |name: &str, what: &str, arguments: &[&[&str]]| {
        step(name, what, || {
            totals.begin(name);
            let mut command = cargo_with(&arguments.concat());
            if long {
                command.env("CELLAR_LONG", "1");
            }
            run_tests(&mut command, totals)?;
            Ok(((), "all pass".to_owned()))
        })
    };
    part("tests", "running all tests", &[runner, &["--workspace"]])?;
    part(
        "examples",
        "running the examples in the documentation",
        &[&["test", "--doc", "--quiet", "--workspace"]],
    )
}
