//! The arguments of `cellar demo`.

use std::process::ExitCode;

use clap::Parser;
use runtime_program::{Failure, exit};

use crate::{Args, DemoError, run};

/// Show a day of an invented person, from phone to diary
#[derive(Debug, Parser)]
#[command(
    name = "cellar-demo",
    bin_name = "cellar demo",
    version,
    after_help = "Example:\n  cellar demo\n  cellar demo --open\n  cellar demo --keep /tmp/demo"
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
    exit::main("cellar demo", |Command { json, args }| {
        run(&args, json).map_err(|error| match error {
            DemoError::Output(failure) => failure,
            error => Failure::of(&error, "look at what failed, or report it with `cellar --version`"),
        })
    })
}
