//! The runtime's interfaces as traits, and the glue that makes a function a component: everything that a cell written
//! in Rust needs.
//!
//! A cell is a function over the traits it uses, such as `fn run<R: ReadEntries + WriteEntries>(runtime: &mut R, run:
//! &Run)`. The same function runs in the sandbox and natively, in tests. The component imports exactly the interfaces
//! whose traits the function names, so a manifest can be checked against it.
//!
//! Besides the interfaces, the package has what most stages need to use them:
//!
//! | need | here |
//! |---|---|
//! | why a run was given up | [`RunError`], whose text has its causes |
//! | the entries of a window, of a query, of ids; the first that fits | [`Run::window`], [`for_each_entry`], [`walk_entries`], [`find_entry`], [`for_each_by_id`], [`Pages`] |
//! | where the next window begins | [`WINDOW_GAP_S`], [`mark_past`] |
//! | entries on their way out, dated, with ids that are drawn first; whether a run has written enough | [`Output`] |
//! | a word to the owner about what did not count | [`warn_count`] |
//! | more than the memory of a stage holds | [`State`] |
//! | what the owner agreed to; the head of a request | [`Terms`], [`RequestHead`] |
//!
//! * Units: times are seconds since 1970-01-01T00:00:00Z, as the double that a phone sent.
//! * Not here: what entries mean (`cells/model`).

mod error;
mod export;
#[cfg(target_arch = "wasm32")]
pub mod guest;
mod interfaces;
mod reading;
mod terms;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod writing;

pub use cells_model as model;
pub use cells_model::{LocationRows, limits};
pub use error::{ERROR_BYTES_MAX, RunError, Unreadable};
pub use interfaces::{
    Area, Documents, EntrySource, Exchange, Failure, Level, LocationSource, Log, Order, Outcome, Query,
    ReadEntries, Request, Response, Run, TimeField, Usercache, WINDOW_GAP_S, WriteEntries, mark_past,
};
pub use reading::{Pages, data_of, find_entry, for_each_by_id, for_each_entry, read_body, walk_entries};
pub use terms::{Granted, RequestHead, State, Terms};
pub use writing::{Output, warn_count};
