//! The arguments of `cellar demo`.

use std::process::ExitCode;

use clap::Parser;
use runtime_program::Failure;
use runtime_program::exit::{finish, usage};

use crate::{Args, DemoError, run};

/// Show a day of an invented person, from phone to diary
#[derive(Debug, Parser)]
#[command(
    name = "cellar-demo",
    bin_name = "cellar demo",
    version,
    after_help = "Example:\n  cellar demo\n  cellar demo --keep /tmp/demo"
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
    let program = "cellar demo";
    let Command { json, args } = match Command::try_parse() {
        Ok(command) => command,
        Err(help) => return usage(program, &help),
    };
    let done = run(&args, json).map_err(|error| match error {
        DemoError::Output(failure) => failure,
        error => Failure::of(&error, "look at what failed, or report it with `cellar --version`"),
    });
    finish(program, done)
}
