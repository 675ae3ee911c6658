//! Commands that build and check the project; `cargo xtask --help` names them.
//!
//! * Each does its own set-up, reports in one line what it does and how long it took, and fails with a remedy.
//! * Its output is written below cargo's target folder and nowhere else.

mod bench;
mod cells;
mod check;
mod command;
mod dashboard;
mod demo;
mod faults;
mod fuzz;
mod manifest;
mod modules;
mod package;
mod pages;
mod plan;
mod progress;
mod schemas;
mod step;
mod tools;
mod totals;
mod trouble;
mod wasm_target;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

const MORE: &str = "\
Between an edit and a test, cargo's own commands are quicker:
  cargo nextest run -p cells-trip-segmentation       one cell's tests, natively
  cargo xtask cells                                  then tests of the host run the cells as they are now:
  cargo nextest run -p runtime-testkit days          one file of tests
  cargo clippy --workspace --all-targets             what `test` asks of clippy

Environment:
  CARGO_TARGET_DIR        where everything is built (target)
  CELLAR_CELLS            finished cells that the host embeds (target/cells)
  CELLAR_DASHBOARD        the finished page that programs embed (target/dashboard)
  CELLAR_CHROMIUM         the browser for tests of the page (/usr/bin/chromium)
  CELLAR_GUEST_TOOLCHAIN  a toolchain for cells where rustup cannot add their target: xtask/README.md";

/// Builds and checks Cellar: every command does its own set-up, and a second run builds only what changed.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", after_help = MORE)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Builds cells and host, then shows one person's day, from phone to diary
    Demo {
        /// Passed on to `cellar demo`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// Runs everything that must pass: format, cells, lints, documentation, licences, tests
    Test {
        /// Also what takes long: wider sweeps over seeds and sizes
        #[arg(long)]
        long: bool,
    },
    /// Builds every cell to target/cells: the component, its manifest and native code
    Cells,
    /// Builds the owner's page with node and npm, where they are installed
    Dashboard,
    /// Packs what a cell needs and builds a cell outside of the workspace from these packages alone
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
    /// Takes protections out of the code, one after the other, and expects their tests to fail: those of attacks 80 to
    /// 104, and those of errors in people's data that nobody was told of
    Faults {
        /// Numbers of attacks in docs/threat-model.md; none: all that have a fault
        attacks: Vec<u8>,
        /// Only faults that are built together under one of these numbers in xtask/faults.toml
        #[arg(long, value_name = "NUMBER")]
        build: Vec<u8>,
        /// Only the faults of errors in people's data
        #[arg(long, conflicts_with = "attacks")]
        data_errors: bool,
    },
    /// Builds in release and runs `cellar bench`
    Bench {
        /// `wiping` compares two builds; all else is passed on to `cellar bench`, such as `put`; empty: every benchmark
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// Writes the JSON Schemas and tables of data types again, from the structs of cells/model
    Schemas,
    /// Lists rows of docs/reference-differences.md without a test, and comments in tests that name no row
    Rows {
        /// Also lists every row with its tests
        #[arg(long)]
        tests: bool,
    },
    /// Writes the table of docs/reference-routes.md again: a row for each route of the reference, with the tests that name
    /// it; the answers in it are kept
    Routes {
        /// The folder with the documentation of the reference's routes; without it, only what is in the table and what is
        /// served
        #[arg(long, value_name = "DIR")]
        research: Option<std::path::PathBuf>,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().verb {
        Verb::Demo { rest } => demo::run_demo(&rest),
        Verb::Test { long } => check::run_all(long),
        Verb::Cells => workspace::Workspace::read().and_then(|workspace| cells::build(&workspace)),
        Verb::Dashboard => workspace::Workspace::read().and_then(|workspace| dashboard::build(&workspace)),
        Verb::Packages => workspace::Workspace::read().and_then(|workspace| package::check(&workspace)),
        Verb::Fuzz { target, seconds } => fuzz::run(target.as_deref(), seconds),
        Verb::Faults { attacks, build, data_errors } => faults::run(&attacks, &build, data_errors),
        Verb::Bench { rest } => bench::run(&rest),
        Verb::Schemas => schemas::write(),
        Verb::Rows { tests } => pages::differences::print(tests),
        Verb::Routes { research } => pages::routes::write(research.as_deref()),
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
