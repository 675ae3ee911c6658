//! `cellar cell test` and `cellar cell watch`: a cell from elsewhere over invented people, in the real runtime.
//!
//! * Contents: [`subject`] (the package, and what its folder has for tests), [`people`] (who is invented), [`canonical`]
//!   (when two results are the same), [`scenario`]
//!   (what happens to each), `numbers` (what a study bounds), [`stand`] (the runtime that they are played in), [`trial`] (all of them, and the verdicts),
//!   [`shrink`] (a failure made small), [`report`] (what is told).
//! * Invariants: a cell reaches nothing but what its manifest asks for, as on a host; everything is in a temporary folder,
//!   which is removed at the end; nothing listens on a port; the same seed gives the same people.
//! * Units: moments are seconds since 1970-01-01T00:00:00Z, durations µs, sizes bytes.
//! * Not here: how a cell is built and signed (`runtime/cellar`), what it may do (`runtime/user`).

pub mod canonical;
mod command;
mod difference;
mod goldens;
mod numbers;
pub mod people;
pub mod report;
pub mod scenario;
pub mod shrink;
pub mod stand;
pub mod subject;
mod times;
pub mod trial;
mod watch;

pub use command::{Command, main};
