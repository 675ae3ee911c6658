//! The arguments of `cellar bench`.

use std::process::ExitCode;

use clap::Parser;
use runtime_program::{Failure, exit};

use crate::{Args, BenchError, run};

/// Measure, and print ratios taken in one run
#[derive(Debug, Parser)]
#[command(
    name = "cellar-bench",
    bin_name = "cellar bench",
    version,
    after_help = "Example:\n  cellar bench put"
)]
pub struct Command {
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    /// The options.
    args: Args,
}

/// Reads the arguments of the process and carries them out.
pub fn main() -> ExitCode {
    exit::main("cellar bench", |Command { json, args }| {
        run(&args, json).map_err(|error| match error {
            BenchError::Output(failure) => failure,
            error => Failure::of(&error, "`cellar bench --help` lists the benchmarks"),
        })
    })
}
