//! The program `cellar-cell-test`, which `cellar cell test` and `cellar cell watch` start.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime_trial::main()
}
