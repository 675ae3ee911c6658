//! The exit status of a program: 0 done, 1 failed with one line on stderr, 2 bad arguments.

use std::process::ExitCode;

use clap::Parser;

use crate::{Failure, console};

/// Ends with 0, or with 1 and a line with the failure and its remedy. The line begins with `program`.
pub fn finish(program: &str, done: Result<(), Failure>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            console::note(format!("{program}: {failure}"));
            ExitCode::FAILURE
        }
    }
}

/// Prints the output of clap: help and version on stdout with 0, errors in the arguments on stderr with 2.
pub fn usage(program: &str, help: &clap::Error) -> ExitCode {
    let text = help.render();
    if help.use_stderr() {
        console::note(text.to_string().trim_end());
        return ExitCode::from(2);
    }
    finish(program, console::text(text))
}

/// The `main` of a program: reads the arguments of the process, runs, and ends as above.
pub fn main<A: Parser>(program: &str, run: impl FnOnce(A) -> Result<(), Failure>) -> ExitCode {
    match A::try_parse() {
        Ok(arguments) => finish(program, run(arguments)),
        Err(help) => usage(program, &help),
    }
}
