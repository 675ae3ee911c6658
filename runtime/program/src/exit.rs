//! How a program ends: 0 done, 1 failed with one line on stderr, 2 bad arguments.

use std::process::ExitCode;

use crate::{Failure, console};

/// Ends with 0, or with 1 and a line that says what failed and what to do. `program` begins that line.
pub fn finish(program: &str, done: Result<(), Failure>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            console::note(format!("{program}: {failure}"));
            ExitCode::FAILURE
        }
    }
}

/// Prints what clap has to say: help and version on stdout with 0, what is wrong with the arguments on stderr with 2.
pub fn usage(program: &str, help: &clap::Error) -> ExitCode {
    let text = help.render();
    if help.use_stderr() {
        console::note(text.to_string().trim_end());
        return ExitCode::from(2);
    }
    finish(program, console::text(text))
}
