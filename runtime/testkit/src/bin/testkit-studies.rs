//! Draws the noise of one answer to a study; started by a host, never by hand. See `runtime_studies`.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime_studies::main()
}
