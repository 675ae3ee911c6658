//! The program `cellar-bench`, which `cellar bench` starts.

#[cfg(not(feature = "unwiped"))]
use std::alloc::System;
use std::process::ExitCode;

#[cfg(not(feature = "unwiped"))]
use zeroizing_alloc::ZeroAlloc;

/// Memory is wiped when it is freed, as in `cellar`.
#[cfg(not(feature = "unwiped"))]
#[global_allocator]
static MEMORY: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    runtime_bench::main()
}
