//! Compiles one component to native code within limits; started by a host, never by hand. See `compiler`.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime_sandbox::compiler_main(std::env::args_os().skip(1))
}
