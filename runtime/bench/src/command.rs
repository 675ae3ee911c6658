//! The arguments of `cellar bench`.

use std::process::ExitCode;

use clap::Parser;
use runtime_program::Failure;
use runtime_program::exit::{finish, usage};

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
    let program = "cellar bench";
    let Command { json, args } = match Command::try_parse() {
        Ok(command) => command,
        Err(help) => return usage(program, &help),
    };
    let done = run(&args, json).map_err(|error| match error {
        BenchError::Output(failure) => failure,
        error => Failure::of(&error, "`cellar bench --help` lists the benchmarks"),
    });
    finish(program, done)
}
