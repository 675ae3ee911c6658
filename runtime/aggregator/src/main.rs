//! The program `cellar-aggregator`, which `cellar aggregator` starts, and a host to send shares.

use std::alloc::System;
use std::process::ExitCode;

use zeroizing_alloc::ZeroAlloc;

/// Memory is wiped when it is freed, as in `cellar`: it has had shares, and on a host contributions.
#[global_allocator]
static MEMORY: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    runtime_aggregator::main()
}
