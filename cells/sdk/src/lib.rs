//! What a cell written in Rust needs: the runtime's interfaces as traits, and the glue that makes a
//! function a component.
//!
//! A cell is a function over the traits it uses, such as `fn run<R: ReadEntries + WriteEntries>(runtime:
//! &mut R, run: &Run)`. The same function runs in the sandbox and natively, in tests. The component
//! imports exactly the interfaces whose traits the function names, so a manifest can be held against it.
//!
//! * Units: times are seconds since 1970-01-01T00:00:00Z, as the double that a phone sent.
//! * Not here: what entries mean (`cells/model`).

mod export;
#[cfg(target_arch = "wasm32")]
pub mod guest;
mod interfaces;
mod reading;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use cells_model as model;
pub use cells_model::{LocationRows, limits};
pub use interfaces::{
    Area, Documents, EntrySource, Exchange, Failure, Level, LocationSource, Log, MARK_AHEAD_S, Order,
    Outcome, Query, ReadEntries, Request, Response, Run, TimeField, Usercache, WriteEntries, mark_past,
};
pub use reading::{Unreadable, for_each_entry, for_each_id, read_body};
