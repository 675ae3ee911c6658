//! The macros that make a function a component.

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
            impl endpoint::exports::cellar::cell::endpoint::Guest for Cell {
                fn handle() -> Result<Vec<u8>, $crate::guest::Failure> {
                    $crate::guest::answer(|runtime, request| $handle(runtime, request))
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
            impl stage::exports::cellar::cell::stage::Guest for Cell {
                fn run() -> Result<(), $crate::guest::Failure> {
                    $crate::guest::work(|runtime, run| $run(runtime, run))
                }
            }
    stage::export!(Cell with_types_in stage);
        };
    };
}

/// Makes the package a component that gives numbers to a study with `$contribute`, a function `fn(&mut R, &Run) ->
/// Result<Vec<f64>, E>` that is generic over the traits it uses, of which a contribution has [`ReadEntries`](crate::ReadEntries),
/// [`Terms`](crate::Terms) and [`Log`](crate::Log); `E` is `String` or [`RunError`](crate::RunError). The run's state is
/// empty. At most 4,096 numbers, none of them NaN. Outside of WebAssembly the macro expands to nothing.
///
/// ```
/// use cells_sdk::{Query, ReadEntries, Run, RunError, TimeField};
///
/// /// How many trips the window has.
/// pub fn contribute<R: ReadEntries>(runtime: &mut R, run: &Run) -> Result<Vec<f64>, RunError> {
///     let trips = runtime.count(&run.window(&["analysis/confirmed_trip"], TimeField::StartTs))?;
///     Ok(vec![trips as f64])
/// }
///
/// cells_sdk::export_contribution!(contribute);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export_contribution {
    ($contribute:path) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::guest::bindings::contribution;
            struct Cell;
            impl contribution::exports::cellar::cell::contribution::Guest for Cell {
                fn contribute() -> Result<Vec<f64>, $crate::guest::Failure> {
                    $crate::guest::give(|runtime, run| $contribute(runtime, run))
                }
            }
    contribution::export!(Cell with_types_in contribution);
        };
    };
}
