//! Verbs that are separate programs, installed beside `cellar`: they need libraries that a serving host does not.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use runtime_program::{Failure, beside_this};

/// The arguments of a separate program, which reads them itself.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    pub(crate) arguments: Vec<OsString>,
}

/// Replaces this process with the program `name` and these arguments; returns only where that is not possible.
pub(crate) fn become_program(name: &str, arguments: &[OsString], json: bool) -> Failure {
    let program = match beside_this(name) {
        Ok(program) => program,
        Err(error) => return Failure::of(&error, "report this"),
    };
    let error = Command::new(&program).args(json.then_some("--json")).args(arguments).exec();
    not_started(&program, &error)
}

pub(crate) fn not_started(program: &Path, error: &std::io::Error) -> Failure {
    let what = format!("cannot start {}: {error}", program.display());
    Failure::new(
        what,
        "build it with `cargo build --release --workspace --bins`, and install it beside `cellar`",
    )
}
