//! Panics inside an engine become errors: damaged bytes of one person must not take down the others.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::EngineError;

/// The payload with which an engine's file unwinds when a read of a lookup fails: an error, not a bug.
pub(super) struct ReadFailed(pub io::Error);

/// Calls an engine; its error is boxed, its panic caught.
pub(super) fn guarded<T, E>(
    engine: &'static str,
    what: &'static str,
    call: impl FnOnce() -> Result<T, E>,
) -> Result<T, EngineError>
where
    E: std::error::Error + Send + Sync + 'static,
{
    // A half-done state after a panic is not used again: the engine closes its file and opens it again.
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(EngineError::Failed { engine, what, source: Box::new(error) }),
        Err(panic) => Err(match panic.downcast::<ReadFailed>() {
            Ok(failed) => EngineError::Failed { engine, what, source: Box::new(failed.0) },
            Err(panic) => EngineError::Panicked { engine, what, message: words(&*panic) },
        }),
    }
}

/// Drops a part of an engine, which may write and so may panic.
pub(super) fn drop_guarded<T>(value: T) {
    drop(catch_unwind(AssertUnwindSafe(|| drop(value))));
}

fn words(panic: &(dyn Any + Send)) -> String {
    let words = panic.downcast_ref::<&str>().copied();
    words.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without words").to_owned()
}
