//! The binary `cellar`; everything that it does is in the library `runtime_cellar`.

#[cfg(not(feature = "unwiped"))]
use std::alloc::System;
use std::process::ExitCode;

#[cfg(not(feature = "unwiped"))]
use zeroizing_alloc::ZeroAlloc;

/// Memory is wiped when it is given back: what a person's data was in must not outlive the lock of their store.
#[cfg(not(feature = "unwiped"))]
#[global_allocator]
static MEMORY: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    runtime_cellar::cli::main()
}
