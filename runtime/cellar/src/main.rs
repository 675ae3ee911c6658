//! The binary `cellar`; all of its code is in the library `runtime_cellar`.

#[cfg(not(feature = "unwiped"))]
use std::alloc::System;
use std::process::ExitCode;

#[cfg(not(feature = "unwiped"))]
use zeroizing_alloc::ZeroAlloc;

/// Memory is wiped when it is freed: a person's data must not stay in memory after their store was locked.
#[cfg(not(feature = "unwiped"))]
#[global_allocator]
static MEMORY: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    runtime_cellar::cli::main()
}
