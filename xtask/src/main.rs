//! Commands that build and check the project: `cargo xtask demo`, `test`, `cells`, `packages`, `bench`, `fuzz`,
//! `rows`, `schemas`.
//!
//! * Each does its own set-up, says in one line what it does and how long it took, and fails with a remedy.
//! * What it makes stands under cargo's target folder; nothing else is written.

mod bench;
mod cells;
mod check;
mod command;
mod component;
mod demo;
mod fuzz;
mod manifest;
mod native;
mod package;
mod pages;
mod schemas;
mod step;
mod totals;
mod trouble;
mod wasm_target;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Builds and checks Cellar.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Builds cells and host, then shows one person's day from phone to diary
    Demo {
        /// Passed on to `cellar demo`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// Runs everything that must pass
    Test {
        /// Also what takes long: wider sweeps over seeds and sizes
        #[arg(long)]
        long: bool,
    },
    /// Builds every cell to target/cells: the component, its manifest and native code
    Cells,
    /// Packs what a cell needs and builds one outside of the workspace with the packages alone
    Packages,
    /// Builds the fuzz targets with coverage and runs them
    Fuzz {
        /// One of them; none: each in turn
        #[arg(value_parser = clap::builder::PossibleValuesParser::new(fuzz::TARGETS))]
        target: Option<String>,
        /// How long each runs
        #[arg(long, default_value_t = 60)]
        seconds: u32,
    },
    /// Builds in release and runs `cellar bench`
    Bench {
        /// Passed on to `cellar bench`, such as `put`; empty: every benchmark
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// Writes the JSON Schemas and tables of data types anew, from the structs of cells/model
    Schemas,
    /// Lists rows of docs/reference-differences.md without a test, and comments in tests that name no row
    Rows {
        /// Also lists every row with its tests
        #[arg(long)]
        tests: bool,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().verb {
        Verb::Demo { rest } => demo::run_demo(&rest),
        Verb::Test { long } => check::run_all(long),
        Verb::Cells => workspace::Workspace::read().and_then(|workspace| cells::build(&workspace)),
        Verb::Packages => workspace::Workspace::read().and_then(|workspace| package::check(&workspace)),
        Verb::Fuzz { target, seconds } => fuzz::run(target.as_deref(), seconds),
        Verb::Bench { rest } => bench::run(&rest),
        Verb::Schemas => schemas::write(),
        Verb::Rows { tests } => pages::differences::print(tests),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            eprintln!("xtask: {}", trouble.chain());
            eprintln!("       {}", trouble.remedy());
            ExitCode::FAILURE
        }
    }
}
