//! Panics inside an engine become errors: damaged bytes of one person must not take down the others.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::EngineError;

/// Calls an engine; its error is boxed, its panic caught.
pub(super) fn guarded<T, E>(
    engine: &'static str,
    what: &'static str,
    call: impl FnOnce() -> Result<T, E>,
) -> Result<T, EngineError>
where
    E: std::error::Error + Send + Sync + 'static,
{
    // What a panic leaves half-done is not used again: the store is poisoned and the engine closed.
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(EngineError::Failed { engine, what, source: Box::new(error) }),
        Err(panic) => Err(EngineError::Panicked { engine, what, message: words(&*panic) }),
    }
}

/// Drops what belongs to an engine, which may write and so may panic.
pub(super) fn drop_guarded<T>(value: T) {
    drop(catch_unwind(AssertUnwindSafe(|| drop(value))));
}

fn words(panic: &(dyn Any + Send)) -> String {
    let words = panic.downcast_ref::<&str>().copied();
    words.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without words").to_owned()
}
