//! Sends shares to aggregators, and is one; started by a host and by tests, never by hand. See `runtime_aggregator`.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime_aggregator::main()
}
