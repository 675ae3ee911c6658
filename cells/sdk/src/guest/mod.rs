//! The runtime as a component sees it: each trait calls the interface that it stands for.

pub mod bindings;
mod convert;
mod runtime;

pub use bindings::endpoint::cellar::cell::types::Failure;
pub use runtime::{EntryCursor, LocationCursor, Runtime};

use bindings::endpoint::cellar::cell::{context, request, response};
use bindings::stage::cellar::cell::stage_run;

use crate::{Outcome, Request, Response, Run};

/// The allocator of std asks the runtime for memory at the first byte. This one begins with the memory that the linker
/// laid out (`--initial-heap`), so a small cell never asks, and resetting it needs no system call.
#[global_allocator]
static HEAP: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// Answers one request; for [`export_endpoint`](crate::export_endpoint).
#[doc(hidden)]
pub fn answer<E: Into<String>>(
    handle: impl FnOnce(&mut Runtime, &Request) -> Result<Response, E>,
) -> Result<Vec<u8>, Failure> {
    let request = Request { rest: request::rest(), now: context::now(), body_bytes: request::body_bytes() };
    let Response { status, content_type, body } = handle(&mut Runtime, &request).map_err(failure)?;
    response::set_status(status);
    response::set_content_type(&content_type);
    Ok(body)
}

/// Performs one run; for [`export_stage`](crate::export_stage).
#[doc(hidden)]
pub fn work<E: Into<String>>(
    stage: impl FnOnce(&mut Runtime, &Run) -> Result<Outcome, E>,
) -> Result<(), Failure> {
    let run = run(stage_run::memory());
    let Outcome { processed_through, state, more } = stage(&mut Runtime, &run).map_err(failure)?;
    if let Some(mark) = processed_through {
        stage_run::set_processed_through(mark);
    }
    stage_run::set_memory(&state);
    stage_run::set_more(more);
    Ok(())
}

/// Computes numbers for a study; for [`export_contribution`](crate::export_contribution).
#[doc(hidden)]
pub fn give<E: Into<String>>(
    contribute: impl FnOnce(&mut Runtime, &Run) -> Result<Vec<f64>, E>,
) -> Result<Vec<f64>, Failure> {
    contribute(&mut Runtime, &run(Vec::new())).map_err(failure)
}

fn run(state: Vec<u8>) -> Run {
    Run {
        now: context::now(),
        start: context::window_start(),
        end: context::window_end(),
        seed: context::seed(),
        state,
    }
}

/// The runtime shows the owner the text.
fn failure<E: Into<String>>(error: E) -> Failure {
    Failure { code: String::new(), text: error.into() }
}
