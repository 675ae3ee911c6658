//! The program `cellar-cell-registry`, which `cellar cell push` and `cellar cell pull` start.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime_registry::main()
}
