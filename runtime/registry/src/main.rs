//! The program `cellar-cell-registry`, which `cellar cell push` and `cellar cell pull` start.

use std::alloc::System;
use std::process::ExitCode;

use zeroizing_alloc::ZeroAlloc;

/// Memory is wiped when it is freed, as in `cellar`: the client copies a password for itself, and into its requests.
#[global_allocator]
static MEMORY: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    runtime_registry::main()
}
