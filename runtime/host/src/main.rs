//! The binary `cellar`; everything that it does is in the library `runtime_host`.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime_host::cli::main()
}
