//! The runtime as a component sees it: each trait calls the interface that it stands for.

pub mod bindings;
mod convert;
mod runtime;

pub use runtime::{EntryCursor, LocationCursor, Runtime};

use crate::{Outcome, Request, Response, Run};

/// The allocator of std asks the runtime for memory at the first byte. This one begins with the memory that the linker
/// laid out (`--initial-heap`), so a small cell never asks, and resetting it needs no system call.
#[global_allocator]
static HEAP: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// Answers one request; for [`export_endpoint`](crate::export_endpoint).
#[doc(hidden)]
pub fn answer<E: Into<String>>(
    request: bindings::endpoint::Request,
    handle: impl FnOnce(&mut Runtime, &Request) -> Result<Response, E>,
) -> Result<bindings::endpoint::Response, String> {
    let bindings::endpoint::Request { rest, now, body_bytes } = request;
    let Response { status, content_type, body } =
        handle(&mut Runtime, &Request { rest, now, body_bytes }).map_err(E::into)?;
    Ok(bindings::endpoint::Response { status, content_type, body })
}

/// Performs one run; for [`export_stage`](crate::export_stage).
#[doc(hidden)]
pub fn work<E: Into<String>>(
    run: bindings::stage::Run,
    stage: impl FnOnce(&mut Runtime, &Run) -> Result<Outcome, E>,
) -> Result<bindings::stage::Outcome, String> {
    let bindings::stage::Run { now, start, end, seed, state } = run;
    let Outcome { processed_through, state, more } =
        stage(&mut Runtime, &Run { now, start, end, seed, state }).map_err(E::into)?;
    Ok(bindings::stage::Outcome { processed_through, state, more })
}
