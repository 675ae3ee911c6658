//! Runs cells: WebAssembly components that see one person's data through [`CellHost`] and nothing else.
//!
//! A component is compiled in a child process ([`NativeCache`], [`Compiler`]) or embedded by the build, loaded once
//! for all people ([`CellCode`]), checked against a grant ([`Sandbox::prepare`]), instantiated for one call or one run
//! ([`Prepared`]), and dropped. Whatever it does — loop, allocate, recurse, trap, flood — ends only that run, with a
//! [`RunError`] that names its digest.
//!
//! * Units: sizes are bytes, durations name their unit; docs/limits.md has every limit.
//! * Invariants: a guest has no clock, no randomness, no file, no socket; a person is never part of shared state; an
//!   instance never serves two people; no effect of a failed run is kept, since only [`CellHost`] could keep it.
//! * Not here: stores, grants over streams, commits (`runtime/user`), HTTP (`runtime/host`).

mod admission;
mod answer;
mod bindings;
mod cache;
mod call;
mod compiler;
mod contract;
mod digest;
mod draft;
mod engine;
mod error;
mod guest;
mod imports;
mod instance;
mod interface;
mod limits;
pub mod measure;
mod memory;
mod native;
mod pool;
mod slots;
mod state;
mod text;
mod ticker;
mod version;

pub use admission::{Admitted, admit};
pub use cache::{CacheError, NativeCache};
#[cfg(feature = "compiler")]
pub use compiler::compiler_main;
pub use compiler::{CompileError, CompileLimits, Compiler, NATIVE_BYTES_MAX};
pub use contract::{
    Area, CellHost, Failure, Granted, HEADERS, LocationRows, LogLevel, NoHost, Order, Outcome, Query,
    Request, RequestHead, Response, Run, StateRows, StreamKey, Terms, TimeField,
};
pub use digest::{BadDigest, CodeDigest};
pub use engine::{SLOT_MEMORY_BYTES_MAX, Sandbox, SandboxSettings};
pub use error::{LoadError, PrepareError, Refusal, RunError, StartError};
pub use instance::{
    ContributionEnd, ContributionInstance, EndpointInstance, Prepared, StageEnd, StageInstance,
};
pub use interface::{BadInterface, Interface, Interfaces, World};
pub use limits::*;
#[cfg(feature = "compiler")]
pub use native::compile_native;
pub use native::{CellCode, engine_hash};
pub use pool::{Crowded, Overloaded, PoolSettings, Seat, WorkerPool};
pub use state::Cancel;
pub use version::Version;
