//! The two macros that make a function a component.

/// Makes the package a component of the world `endpoint` that answers with `$handle`, a function `fn(&mut R, &Request)
/// -> Result<Response, E>` that is generic over the traits it uses; `E` is `String` or [`RunError`](crate::RunError).
/// Outside of WebAssembly the macro expands to nothing.
///
/// ```
/// use cells_sdk::{Log, Level, Request, Response};
///
/// /// Says hello.
/// pub fn handle<R: Log>(runtime: &mut R, request: &Request) -> Result<Response, String> {
///     runtime.log(Level::Info, "said hello");
///     Ok(Response::json(200, format!("\"hello {}\"", request.rest)))
/// }
///
/// cells_sdk::export_endpoint!(handle);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export_endpoint {
    ($handle:path) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::guest::bindings::endpoint;
            struct Cell;
            impl endpoint::Guest for Cell {
                fn handle(request: endpoint::Request) -> Result<endpoint::Response, String> {
                    $crate::guest::answer(request, |runtime, request| $handle(runtime, request))
                }
            }
    endpoint::export!(Cell with_types_in endpoint);
        };
    };
}

/// Makes the package a component of the world `stage` that runs `$run`, a function `fn(&mut R, &Run) -> Result<Outcome,
/// E>` that is generic over the traits it uses; `E` is `String` or [`RunError`](crate::RunError). Outside of
/// WebAssembly the macro expands to nothing.
///
/// ```
/// use cells_sdk::{Outcome, Query, ReadEntries, Run, RunError, TimeField};
///
/// /// Remembers how many locations there were.
/// pub fn run<R: ReadEntries>(runtime: &mut R, run: &Run) -> Result<Outcome, RunError> {
///     let query = Query::of(&["background/location"], TimeField::DataTs).between(None, Some(run.end));
///     let count = runtime.count(&query)?;
///     Ok(Outcome { processed_through: None, state: count.to_string().into_bytes(), more: false })
/// }
///
/// cells_sdk::export_stage!(run);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export_stage {
    ($run:path) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::guest::bindings::stage;
            struct Cell;
            impl stage::Guest for Cell {
                fn run(run: stage::Run) -> Result<stage::Outcome, String> {
                    $crate::guest::work(run, |runtime, run| $run(runtime, run))
                }
            }
    stage::export!(Cell with_types_in stage);
        };
    };
}
